//! What the stories about EWS share.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support: a failure shall stop the test, and not every test uses everything"
)]

use reqwest::{RequestBuilder, header::HeaderMap};

/// An answer as it came.
#[derive(Debug)]
pub struct Raw {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Raw {
    pub async fn of(request: RequestBuilder) -> Self {
        let response =
            request.header("content-type", "text/xml; charset=utf-8").send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.text().await.expect("a body") }
    }

    pub fn all(&self, name: &str) -> Vec<String> {
        self.headers.get_all(name).iter().map(|v| v.to_str().unwrap().to_owned()).collect()
    }
}

pub fn envelope(header: &str, body: &str) -> String {
    format!(
        r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types" xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"><s:Header><t:RequestServerVersion Version="Exchange2016"/>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"#
    )
}

pub fn impersonating(address: &str) -> String {
    format!(
        "<t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>{address}</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>"
    )
}

/// The text between the first tag of this local name and its end.
pub fn text<'a>(body: &'a str, tag: &str) -> Option<&'a str> {
    let at = body.find(&format!(":{tag}>")).or_else(|| body.find(&format!("<{tag}>")))?;
    let rest = &body[at..];
    let start = rest.find('>')? + 1;
    Some(&rest[start..start + rest[start..].find('<')?])
}

/// The code of a fault or of the first message.
pub fn code(body: &str) -> String {
    let at = body.find("ResponseCode").unwrap_or_else(|| panic!("no code in {body}"));
    let rest = &body[at..];
    let start = rest.find('>').unwrap() + 1;
    rest[start..start + rest[start..].find('<').unwrap()].trim().to_owned()
}
