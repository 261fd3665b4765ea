use std::sync::{Arc, Mutex};
use std::time::Duration;

use ews_client::xml::{Cursor, Element, Writer};
use ews_client::{
    Answer, CallOptions, ConnectingSid, Error, EwsClient, EwsClientBuilder, EwsCredential, EwsEndpoint,
    EwsOperation, ItemResult, RequestContext, Result, Target,
};
use m365_core::testing::{ManualClock, Reply, ScriptedTransport};
use m365_core::{
    AccessToken, Credential, Idempotency, MailboxAddress, SharedClock, TokenCredential, TokenRequest,
    Transport,
};

pub(crate) const PATH: &str = "/EWS/Exchange.asmx";

/// Hands out `token-1`, `token-2` …, a new one whenever the last was refused, and remembers what it was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens(pub(crate) Arc<Mutex<Vec<TokenRequest>>>);

impl TokenCredential for Tokens {
    async fn get_token(&self, request: &TokenRequest) -> Result<AccessToken> {
        let mut asked = self.0.lock().unwrap();
        asked.push(request.clone());
        let rejected = asked.iter().filter(|request| request.rejected.is_some()).count();
        AccessToken::new(&format!("token-{}", rejected + 1), jiff::Timestamp::MAX)
    }
}

pub(crate) struct Bench {
    pub(crate) client: EwsClient,
    pub(crate) script: ScriptedTransport,
    pub(crate) clock: ManualClock,
    pub(crate) tokens: Tokens,
}

pub(crate) fn endpoint() -> EwsEndpoint {
    EwsEndpoint::on_premises("https://mail.fabrikam.example".parse().unwrap()).unwrap()
}

impl Bench {
    pub(crate) fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::with(replies, |builder| builder)
    }

    pub(crate) fn with(
        replies: impl IntoIterator<Item = Reply>,
        set: impl FnOnce(EwsClientBuilder) -> EwsClientBuilder,
    ) -> Self {
        let tokens = Tokens::default();
        let credential = EwsCredential::bearer(Credential::new(tokens.clone()));
        Self { tokens, ..Self::of(credential, replies, set) }
    }

    pub(crate) fn of(
        credential: EwsCredential,
        replies: impl IntoIterator<Item = Reply>,
        set: impl FnOnce(EwsClientBuilder) -> EwsClientBuilder,
    ) -> Self {
        let script = replies
            .into_iter()
            .fold(ScriptedTransport::new(), |script, reply| script.on("POST", PATH, reply));
        let clock = ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap());
        let builder = EwsClient::builder(endpoint(), credential)
            .transport(Transport::new(script.clone()))
            .clock(SharedClock::new(clock.clone()))
            .user_agent("acme-connector/2.4");
        let client = set(builder).build().unwrap();
        Self { client, script, clock, tokens: Tokens::default() }
    }

    pub(crate) async fn ask(&self, ids: &[&str]) -> Result<Answer<String>> {
        self.client.call(&Ask::of(ids), &anna()).await
    }

    pub(crate) async fn ask_with(&self, options: &CallOptions) -> Result<Answer<String>> {
        self.client.call_with(&Ask::of(&["1"]), &anna(), options).await
    }

    pub(crate) async fn write(&self, ids: &[&str]) -> Result<Answer<String>> {
        self.client.call(&Ask { once: true, ..Ask::of(ids) }, &anna()).await
    }

    /// The one who expects success with one result.
    pub(crate) async fn succeeds(&self) {
        let answer = self.ask(&["1"]).await.unwrap();
        assert_eq!(said(&answer), ["1"]);
        self.script.assert_finished();
    }

    pub(crate) async fn fails(&self) -> Error {
        let error = self.ask(&["1"]).await.unwrap_err();
        self.script.assert_finished();
        error
    }

    pub(crate) fn body(&self, request: usize) -> String {
        String::from_utf8(self.script.requests()[request].body().to_vec()).unwrap()
    }

    pub(crate) fn header(&self, request: usize, name: &str) -> Option<String> {
        let requests = self.script.requests();
        Some(requests[request].headers().get(name)?.to_str().unwrap().to_owned())
    }

    pub(crate) fn slept(&self) -> Duration {
        self.clock.slept()
    }
}

pub(crate) fn address(text: &str) -> MailboxAddress {
    MailboxAddress::parse(text).unwrap()
}

pub(crate) fn anna() -> Target {
    Target::Impersonate(ConnectingSid::PrimarySmtpAddress(address("anna@fabrikam.example")))
}

/// Asks about elements by name, and is answered with their names.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) ids: Vec<String>,
    pub(crate) once: bool,
    pub(crate) whole: bool,
}

impl Ask {
    pub(crate) fn of(ids: &[&str]) -> Self {
        Self { ids: ids.iter().map(ToString::to_string).collect(), once: false, whole: false }
    }
}

impl EwsOperation for Ask {
    const NAME: &'static str = "GetItem";
    type Item = String;

    fn asked(&self) -> usize {
        self.ids.len()
    }
    fn idempotency(&self) -> Idempotency {
        if self.once { Idempotency::NotIdempotent } else { Idempotency::Idempotent }
    }
    fn only(&self, places: &[usize]) -> Option<Self> {
        let ids = places.iter().map(|place| self.ids[*place].clone()).collect();
        (!self.whole).then(|| Self { ids, ..self.clone() })
    }
    fn write(&self, writer: &mut Writer, _: &RequestContext<'_>) {
        writer.raw("<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:ItemIds>");
        for id in &self.ids {
            writer.empty("t:ItemId", &[("Id", id)]);
        }
        writer.raw("</m:ItemIds></m:GetItem>");
    }
    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<String>>> {
        ews_client::read_messages(cursor, root, |cursor, child, slot| {
            if child.local == "Items" {
                *slot = Some(cursor.boxed(child)?.into());
            }
            Ok(())
        })
    }
}

pub(crate) const BUSY: &str = "ErrorServerBusy";

/// `ok:1` is a success with this value, `ErrorItemNotFound` a failed element, `ErrorServerBusy=5000` one with a back-off.
pub(crate) fn answer(elements: &[&str]) -> Reply {
    versioned(elements, r#"MajorVersion="15" MinorVersion="2" Version="V2017_07_11""#)
}

pub(crate) fn versioned(elements: &[&str], version: &str) -> Reply {
    let messages: String = elements.iter().map(|element| message(element)).collect();
    let body =
        format!("<m:GetItemResponse><m:ResponseMessages>{messages}</m:ResponseMessages></m:GetItemResponse>");
    Reply::new(200, envelope(&format!("<t:ServerVersionInfo {version}/>"), &body))
        .header("content-type", "text/xml; charset=utf-8")
}

fn message(element: &str) -> String {
    if let Some(value) = element.strip_prefix("ok:") {
        return format!(
            r#"<m:GetItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Items>{value}</m:Items></m:GetItemResponseMessage>"#
        );
    }
    let (code, wait) = element.split_once('=').unwrap_or((element, ""));
    let class = if code == "ErrorBatchProcessingStopped" { "Warning" } else { "Error" };
    let values = values(wait);
    format!(
        r#"<m:GetItemResponseMessage ResponseClass="{class}"><m:MessageText>no</m:MessageText><m:ResponseCode>{code}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>{values}<m:Items/></m:GetItemResponseMessage>"#
    )
}

/// `m:MessageXml` of a back-off, or of `Name:value`.
fn values(wait: &str) -> String {
    match wait.split_once(':') {
        _ if wait.is_empty() => String::new(),
        None => {
            format!(r#"<m:MessageXml><t:Value Name="BackOffMilliseconds">{wait}</t:Value></m:MessageXml>"#)
        }
        Some((name, value)) => {
            format!(r#"<m:MessageXml><t:Value Name="{name}">{value}</t:Value></m:MessageXml>"#)
        }
    }
}

pub(crate) fn envelope(header: &str, body: &str) -> String {
    format!(
        r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"#
    )
}

pub(crate) fn fault(code: &str) -> Reply {
    fault_with(code, "")
}

/// A fault whose detail carries a back-off, or `Name:value`.
pub(crate) fn fault_with(code: &str, wait: &str) -> Reply {
    let xml = values(wait).replace("m:MessageXml", "t:MessageXml");
    let body = format!(
        r#"<s:Fault><faultcode>a:{code}</faultcode><faultstring>no</faultstring><detail><e:ResponseCode xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">{code}</e:ResponseCode>{xml}</detail></s:Fault>"#
    );
    Reply::new(500, envelope("", &body)).header("content-type", "text/xml; charset=utf-8")
}

/// What each element came to: its value, or its code.
pub(crate) fn said(answer: &Answer<String>) -> Vec<String> {
    let one = |r: &ItemResult<String>| match &r.value {
        Some(value) if r.is_done() => value.clone(),
        _ => r.code.to_string(),
    };
    answer.results.iter().map(one).collect()
}

pub(crate) fn ok() -> Reply {
    answer(&["ok:1"])
}
