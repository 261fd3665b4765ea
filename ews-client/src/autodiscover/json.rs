//! Autodiscover v2: one GET without credentials, JSON back. It knows the address of EWS and nothing else.
//!
//! Sources: <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/autodiscover-for-exchange>;
//! the answers as seen from servers.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use m365_core::{Error, ErrorKind, MailboxAddress, Result};
use serde::Deserialize;
use url::Url;

use super::host::{at_host, http_request};
use super::read_ews_url;

/// Where the question about this mailbox is asked at a host, such as `autodiscover.contoso.example`, with a port when it
/// is not 443.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] when that is no host.
pub fn url(host: &str, mailbox: &MailboxAddress) -> Result<Url> {
    let mut url = at_host(host, "")?;
    url.path_segments_mut().map_err(|()| Error::invalid("an https URL has a path"))?.clear().extend([
        "autodiscover",
        "autodiscover.json",
        "v1.0",
        mailbox.as_str(),
    ]);
    url.set_query(Some("Protocol=Ews"));
    Ok(url)
}

/// The request: no credentials, no body.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] when the URL cannot stand in a request.
pub fn request(url: &Url) -> Result<Request<Bytes>> {
    http_request(Method::GET, url, "application/json", Bytes::new())
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Protocol")]
    protocol: Option<String>,
    #[serde(rename = "Url")]
    url: Option<String>,
    #[serde(rename = "ErrorCode")]
    error_code: Option<String>,
    #[serde(rename = "ErrorMessage")]
    error_message: Option<String>,
}

/// Reads the answer: the address of EWS.
///
/// # Errors
/// What the server says in `ErrorCode`, also with HTTP 200; [`ErrorKind::InvalidResponse`] for what is no such answer, or
/// an address of another protocol.
pub fn read(status: StatusCode, body: &[u8]) -> Result<Url> {
    let unreadable =
        |what: &str| Error::unreadable(format!("the answer of Autodiscover {what}")).with_status(status);
    let answer: Answer = match serde_json::from_slice(body) {
        Ok(answer) => answer,
        Err(_) if !status.is_success() => {
            return Err(super::of_status(status));
        }
        // serde_json's error may repeat a piece of the answer: line and column say enough.
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            return Err(unreadable(&format!("is not JSON of its kind, at line {line}, column {column}")));
        }
    };
    if let Some(code) = answer.error_code {
        let kind = if status.is_server_error() { ErrorKind::Unavailable } else { ErrorKind::Rejected };
        let text = answer.error_message.unwrap_or_default();
        return Err(Error::new(kind, format!("Autodiscover refuses: {text}"))
            .with_code(code)
            .with_status(status));
    }
    if !status.is_success() {
        return Err(super::of_status(status));
    }
    if answer.protocol.is_some_and(|protocol| !protocol.eq_ignore_ascii_case("ews")) {
        return Err(unreadable("is about another protocol"));
    }
    read_ews_url(answer.url.as_deref().unwrap_or("")).ok_or_else(|| unreadable("names no address of EWS"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anna() -> MailboxAddress {
        MailboxAddress::parse("anna+x@contoso.example").unwrap()
    }

    #[test]
    fn the_request_names_the_mailbox_in_its_path() {
        let url = url("autodiscover.contoso.example", &anna()).unwrap();
        let request = request(&url).unwrap();
        assert_eq!(request.method(), Method::GET);
        assert_eq!(
            request.uri(),
            "https://autodiscover.contoso.example/autodiscover/autodiscover.json/v1.0/anna+x@contoso.example?Protocol=Ews"
        );
        assert!(request.body().is_empty() && !request.headers().contains_key("authorization"));
    }

    #[test]
    fn a_mailbox_cannot_change_the_path_or_the_query() {
        let odd = MailboxAddress::parse("a?b#c%2f..@contoso.example").unwrap();
        let url = url("contoso.example", &odd).unwrap();
        assert_eq!(url.path_segments().unwrap().count(), 4);
        assert_eq!((url.query(), url.fragment()), (Some("Protocol=Ews"), None));
    }

    #[test]
    fn an_answer_is_an_address() {
        let body = br#"{"Protocol":"Ews","Url":"https://mail.contoso.example/EWS/Exchange.asmx","New":[1]}"#;
        assert_eq!(
            read(StatusCode::OK, body).unwrap().as_str(),
            "https://mail.contoso.example/EWS/Exchange.asmx"
        );
    }

    #[test]
    fn trap_19_an_error_code_inside_success_is_an_error() {
        let body =
            br#"{"ErrorCode":"MailboxNotFound","ErrorMessage":"Not\r\nhere.","Url":"https://x.example/"}"#;
        let error = read(StatusCode::OK, body).unwrap_err();
        assert_eq!((error.kind(), error.service_code()), (ErrorKind::Rejected, Some("MailboxNotFound")));
        assert!(!error.to_string().contains('\n'));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for body in [
            "",
            "<html/>",
            "[]",
            "{}",
            r#"{"Url":""}"#,
            r#"{"Url":"/EWS"}"#,
            r#"{"Url":7}"#,
            r#"{"Url":"http://mail.contoso.example/"}"#,
            r#"{"Protocol":"ActiveSync","Url":"https://mail.contoso.example/"}"#,
        ] {
            assert_eq!(
                read(StatusCode::OK, body.as_bytes()).unwrap_err().kind(),
                ErrorKind::InvalidResponse,
                "{body}"
            );
        }
        assert_eq!(read(StatusCode::NOT_FOUND, b"<html/>").unwrap_err().kind(), ErrorKind::NotFound);
        assert!(read(StatusCode::BAD_GATEWAY, b"").unwrap_err().is_transient());
    }
}
