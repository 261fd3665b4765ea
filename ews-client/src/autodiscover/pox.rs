//! Plain-old-XML Autodiscover: a POST with credentials, answered with Outlook's settings.
//!
//! Sources: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/pox-autodiscover-request-for-exchange>,
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/pox-autodiscover-response-for-exchange>.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, StatusCode};
use m365_core::{Error, ErrorKind, MailboxAddress, Result};
use url::Url;

use super::host::{at_host, http_request};
use super::{Settings, Told, local, of_status, read_ews_url, read_redirect_url};
use crate::xml::{Cursor, Document, Element, Writer, XmlError};

/// Where it is asked at a host, such as `contoso.example`, with a port when it is not 443.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] when that is no host.
pub fn url(host: &str) -> Result<Url> {
    at_host(host, "/autodiscover/autodiscover.xml")
}

/// The request about this mailbox, without credentials.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] when the URL cannot stand in a request.
pub fn request(url: &Url, mailbox: &MailboxAddress) -> Result<Request<Bytes>> {
    let mut writer = Writer::with_capacity(512);
    writer.raw(concat!(
        r#"<?xml version="1.0" encoding="utf-8"?>"#,
        r#"<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>"#,
    ));
    writer.leaf("EMailAddress", mailbox.as_str());
    writer.raw(concat!(
        "<AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a",
        "</AcceptableResponseSchema></Request></Autodiscover>",
    ));
    let mut request = http_request(Method::POST, url, "text/xml", writer.into_bytes().into())?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
    Ok(request)
}

/// Reads the answer.
///
/// The `EwsUrl` of the protocol `EXPR` is the one for callers outside, that of `EXCH` the one inside. Protocols nested in
/// another, as below `WEB`, are for browsers and are passed over.
///
/// # Errors
/// What the server says in `Error`, also with HTTP 200, and a status other than 200 with anything else in it;
/// [`ErrorKind::InvalidResponse`] with the offset for what is no such answer.
pub fn read(status: StatusCode, body: &[u8]) -> Result<Told> {
    match parse(body) {
        Ok(Ok(told)) if status == StatusCode::OK => Ok(told),
        Ok(Err(error)) => Err(error.with_status(status)),
        Err(error) if status == StatusCode::OK => Err(Error::from(error).with_status(status)),
        Ok(Ok(_)) | Err(_) => Err(of_status(status)),
    }
}

fn parse(body: &[u8]) -> Result<Result<Told>, XmlError> {
    let document = Document::new(body)?;
    let mut cursor = document.cursor();
    let root = cursor.root()?;
    if local(&root) != "Autodiscover" {
        return Err(root.missing("an answer of Autodiscover"));
    }
    let mut told = None;
    while let Some(response) = cursor.next_child(&root)? {
        if local(&response) != "Response" {
            continue;
        }
        while let Some(part) = cursor.next_child(&response)? {
            let read = match local(&part) {
                "Error" => Err(error(&mut cursor, &part)?),
                "Account" => Ok(account(&mut cursor, &part)?),
                _ => continue,
            };
            // An error beside settings is the answer.
            if !matches!(told, Some(Err(_))) {
                told = Some(read);
            }
        }
    }
    cursor.finish()?;
    told.ok_or_else(|| root.missing("Account or Error"))
}

fn error<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Error, XmlError> {
    let (mut code, mut message) = (String::new(), String::new());
    while let Some(child) = cursor.next_child(element)? {
        match local(&child) {
            "ErrorCode" => code = cursor.value(&child)?.into_owned(),
            "Message" => message = cursor.value(&child)?.into_owned(),
            _ => {}
        }
    }
    let kind = match code.as_str() {
        // The address is not known; the request is bad; nobody here answers this schema.
        "500" => ErrorKind::NotFound,
        "601" => ErrorKind::Unsupported,
        _ => ErrorKind::Rejected,
    };
    let error = Error::new(kind, format!("Autodiscover refuses: {message}"));
    Ok(if code.is_empty() { error } else { error.with_code(code) })
}

fn account<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Told, XmlError> {
    let (mut action, mut address, mut url) = (None, None, None);
    let (mut settings, mut bad) = (Settings::default(), None);
    while let Some(child) = cursor.next_child(element)? {
        match local(&child) {
            "Action" => action = Some(cursor.value(&child)?),
            "RedirectAddr" => {
                let text = cursor.value(&child)?;
                address = Some(MailboxAddress::parse(&text).map_err(|_| child.bad_value("mailbox address"))?);
            }
            "RedirectUrl" => {
                let text = cursor.value(&child)?;
                url = Some(read_redirect_url(&text).ok_or_else(|| child.bad_value("address"))?);
            }
            "Protocol" => protocol(cursor, &child, &mut settings, &mut bad)?,
            _ => {}
        }
    }
    // Names of actions are written in either case.
    match action.as_deref().unwrap_or("settings") {
        a if a.eq_ignore_ascii_case("settings") => settings.unless(bad).map(Box::new).map(Told::Settings),
        a if a.eq_ignore_ascii_case("redirectAddr") => {
            address.map(Told::OtherAddress).ok_or_else(|| element.missing("RedirectAddr"))
        }
        a if a.eq_ignore_ascii_case("redirectUrl") => {
            url.map(Told::OtherUrl).ok_or_else(|| element.missing("RedirectUrl"))
        }
        _ => Err(element.bad_value("known action")),
    }
}

fn protocol<'a>(
    cursor: &mut Cursor<'a>,
    element: &Element<'a>,
    settings: &mut Settings,
    bad: &mut Option<XmlError>,
) -> Result<(), XmlError> {
    let (mut kind, mut ews, mut partner, mut group) = (None, None, None, None);
    while let Some(child) = cursor.next_child(element)? {
        match local(&child) {
            "Type" => kind = Some(cursor.value(&child)?),
            "EwsUrl" => ews = Some((cursor.value(&child)?, child)),
            "EwsPartnerUrl" => partner = Some((cursor.value(&child)?, child)),
            "GroupingInformation" => group = Some(cursor.value(&child)?),
            _ => {}
        }
    }
    let mut read = |known: &mut Option<Url>, found: Option<(std::borrow::Cow<'_, str>, Element<'_>)>| {
        let Some((text, child)) = found.filter(|(text, _)| !text.is_empty() && known.is_none()) else {
            return;
        };
        *known = read_ews_url(&text);
        if known.is_none() {
            bad.get_or_insert_with(|| child.bad_value("https address"));
        }
    };
    match kind.as_deref() {
        Some("EXPR") => {
            read(&mut settings.external_ews_url, ews);
            settings.partner_ews_url = partner.and_then(|(text, _)| read_ews_url(&text));
            let group = group.filter(|g| !g.is_empty()).map(Into::into);
            settings.grouping_information = settings.grouping_information.take().or(group);
        }
        Some("EXCH") => read(&mut settings.internal_ews_url, ews),
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(inside: &str) -> String {
        format!(
            r#"<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"><Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"><User><DisplayName>Anna</DisplayName></User><Account><AccountType>email</AccountType>{inside}</Account></Response></Autodiscover>"#
        )
    }

    fn settings(inside: &str) -> Settings {
        match read(StatusCode::OK, answer(inside).as_bytes()).unwrap() {
            Told::Settings(settings) => *settings,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_request_as_a_whole() {
        let anna = MailboxAddress::parse("anna&co@contoso.example").unwrap();
        let request = request(&url("contoso.example").unwrap(), &anna).unwrap();
        assert_eq!(request.uri(), "https://contoso.example/autodiscover/autodiscover.xml");
        assert!(!request.headers().contains_key("authorization"));
        insta::assert_snapshot!(
            "autodiscover_pox_request",
            std::str::from_utf8(request.body()).unwrap().replace("><", ">\n<")
        );
    }

    #[test]
    fn trap_19_the_url_outside_is_of_expr_and_a_nested_protocol_is_none() {
        let found = settings(
            "<Action>settings</Action>\
             <Protocol><Type>EXCH</Type><Server>x</Server><EwsUrl>https://inside.contoso.example/EWS/Exchange.asmx</EwsUrl></Protocol>\
             <Protocol><EwsUrl> https://mail.contoso.example/EWS/Exchange.asmx </EwsUrl><GroupingInformation>G07-A</GroupingInformation><EwsPartnerUrl>https://mail.contoso.example/partner</EwsPartnerUrl><Type>EXPR</Type></Protocol>\
             <Protocol><Type>WEB</Type><Internal><Protocol><Type>EXPR</Type><EwsUrl>https://wrong.contoso.example/</EwsUrl></Protocol></Internal><Protocol><Type>EXCH</Type><EwsUrl>https://wrong.contoso.example/</EwsUrl></Protocol></Protocol>",
        );
        assert_eq!(
            found.external_ews_url.unwrap().as_str(),
            "https://mail.contoso.example/EWS/Exchange.asmx"
        );
        assert_eq!(
            found.internal_ews_url.unwrap().as_str(),
            "https://inside.contoso.example/EWS/Exchange.asmx"
        );
        assert_eq!(found.partner_ews_url.unwrap().path(), "/partner");
        assert_eq!(found.grouping_information.as_deref(), Some("G07-A"));
    }

    #[test]
    fn trap_19_an_error_inside_success_is_an_error() {
        let body = br#"<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"><Response><Error Time="09:30:00.0000000" Id="4711"><ErrorCode>500</ErrorCode><Message>No such address.</Message><DebugData/></Error></Response></Autodiscover>"#;
        let error = read(StatusCode::OK, body).unwrap_err();
        assert_eq!((error.kind(), error.service_code()), (ErrorKind::NotFound, Some("500")));
    }

    #[test]
    fn redirects_are_told_apart() {
        let read = |inside: &str| read(StatusCode::OK, answer(inside).as_bytes());
        assert_eq!(
            read("<Action>redirectAddr</Action><RedirectAddr>anna@fabrikam.example</RedirectAddr>").unwrap(),
            Told::OtherAddress(MailboxAddress::parse("anna@fabrikam.example").unwrap())
        );
        assert_eq!(
            read("<RedirectUrl>https://x.contoso.example/a</RedirectUrl><Action>RedirectUrl</Action>")
                .unwrap(),
            Told::OtherUrl("https://x.contoso.example/a".parse().unwrap())
        );
        for bad in [
            "<Action>redirectAddr</Action>",
            "<Action>redirectUrl</Action>",
            "<Action>redirectUrl</Action><RedirectUrl>x</RedirectUrl>",
            "<Action>redirectAddr</Action><RedirectAddr>anna</RedirectAddr>",
            "<Action>later</Action>",
            "<Protocol><Type>EXPR</Type><EwsUrl>http://mail.contoso.example/</EwsUrl></Protocol>",
        ] {
            assert_eq!(read(bad).unwrap_err().kind(), ErrorKind::InvalidResponse, "{bad}");
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error_and_a_status_counts_before_it() {
        for body in ["", "<html/>", "<Autodiscover/>", "<Autodiscover", &answer("")[..200]] {
            assert_eq!(read(StatusCode::OK, body.as_bytes()).unwrap_err().kind(), ErrorKind::InvalidResponse);
            assert_eq!(read(StatusCode::NOT_FOUND, body.as_bytes()).unwrap_err().kind(), ErrorKind::NotFound);
        }
        let whole = answer("<Action>settings</Action>");
        assert_eq!(
            read(StatusCode::UNAUTHORIZED, whole.as_bytes()).unwrap_err().kind(),
            ErrorKind::Authentication
        );
        assert_eq!(settings(""), Settings::default());
    }
}
