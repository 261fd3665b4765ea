//! A small Exchange of our own: it answers what the calendar asks for, as the facts say, from a list of items.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ews_client::calendar::EwsCalendar;
use ews_client::{ConnectingSid, EwsClient, EwsCredential, EwsEndpoint, Target};
use http::{Request, Response};
use jiff::Timestamp;
use m365_core::testing::ManualClock;
use m365_core::{
    Body, HttpTransport, MailboxAddress, SharedClock, Transport, TransportError, TransportErrorKind,
};

/// Answers a request by its body.
pub(crate) type Handler = Box<dyn FnMut(&str) -> String + Send>;

/// The answer that gets lost on its way.
pub(crate) const LOST: &str = "lost";

#[derive(Clone)]
pub(crate) struct Fake {
    handler: Arc<Mutex<Handler>>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fake")
    }
}

impl Fake {
    pub(crate) fn new(handler: impl FnMut(&str) -> String + Send + 'static) -> Self {
        Self { handler: Arc::new(Mutex::new(Box::new(handler))), seen: Arc::default() }
    }

    pub(crate) fn client(&self) -> EwsClient {
        let endpoint = EwsEndpoint::on_premises("https://mail.fabrikam.example".parse().unwrap()).unwrap();
        let clock = ManualClock::at(at("2026-11-21T12:00:00Z"));
        EwsClient::builder(endpoint, EwsCredential::basic("svc", "geheim".into()))
            .transport(Transport::new(self.clone()))
            .clock(SharedClock::new(clock))
            .build()
            .unwrap()
    }

    pub(crate) fn calendar(&self) -> EwsCalendar {
        EwsCalendar::new(self.client(), impersonate("anna@fabrikam.example"))
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl HttpTransport for Fake {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
        let body = String::from_utf8(request.body().to_vec()).unwrap();
        let answer = (self.handler.lock().unwrap())(&body);
        self.seen.lock().unwrap().push(body);
        if answer == LOST {
            return Err(TransportError::new(TransportErrorKind::Interrupted, "the connection was reset"));
        }
        let mut response = Response::new(Body::from_bytes(answer));
        response.headers_mut().insert("content-type", "text/xml; charset=utf-8".parse().unwrap());
        Ok(response)
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn address(text: &str) -> MailboxAddress {
    MailboxAddress::parse(text).unwrap()
}

pub(crate) fn impersonate(text: &str) -> Target {
    Target::Impersonate(ConnectingSid::PrimarySmtpAddress(address(text)))
}

/// The value of the first attribute of this name.
pub(crate) fn attribute<'a>(body: &'a str, name: &str) -> &'a str {
    let start = body.find(&format!(" {name}=\"")).unwrap() + name.len() + 3;
    body[start..].split('"').next().unwrap()
}

pub(crate) fn envelope(version: &str, body: &str) -> String {
    format!(
        r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Header><t:ServerVersionInfo {version}/></s:Header><s:Body>{body}</s:Body></s:Envelope>"#
    )
}

pub(crate) const EXCHANGE: &str =
    r#"MajorVersion="15" MinorVersion="2" MajorBuildNumber="1" MinorBuildNumber="1" Version="V2017_07_11""#;

/// An answer of one operation: its messages, each with a class, a code and what follows.
pub(crate) fn answer(operation: &str, messages: &[(&str, String)]) -> String {
    let mut inside = String::new();
    for (code, content) in messages {
        let class = if *code == "NoError" { "Success" } else { "Error" };
        write!(
            inside,
            r#"<m:{operation}ResponseMessage ResponseClass="{class}"><m:ResponseCode>{code}</m:ResponseCode>{content}</m:{operation}ResponseMessage>"#
        )
        .unwrap();
    }
    envelope(
        EXCHANGE,
        &format!(
            "<m:{operation}Response><m:ResponseMessages>{inside}</m:ResponseMessages></m:{operation}Response>"
        ),
    )
}

/// A page of a view.
pub(crate) fn page(items: &str, complete: bool) -> String {
    format!(r#"<m:RootFolder IncludesLastItemInRange="{complete}"><t:Items>{items}</t:Items></m:RootFolder>"#)
}

/// An item with a time.
pub(crate) fn item(id: &str, kind: &str, start: &str, end: &str, more: &str) -> String {
    format!(
        r#"<t:CalendarItem><t:ItemId Id="{id}" ChangeKey="CK"/><t:Subject>S {id}</t:Subject><t:Sensitivity>Normal</t:Sensitivity><t:Start>{start}</t:Start><t:End>{end}</t:End><t:LegacyFreeBusyStatus>Busy</t:LegacyFreeBusyStatus><t:CalendarItemType>{kind}</t:CalendarItemType>{more}</t:CalendarItem>"#
    )
}
