//! SOAP Autodiscover, from Exchange 2010 on: GetUserSettings, for the settings that EWS is found by.
//!
//! Sources: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getusersettings-operation-soap>,
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/handling-autodiscover-error-messages>.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, StatusCode};
use m365_core::{Error, ErrorKind, MailboxAddress, Result};
use url::Url;

use super::host::{at_host, http_request};
use super::{Settings, Told, local, of_status, read_ews_url, read_redirect_url};
use crate::soap::{Opened, open_answer, telling};
use crate::xml::{Cursor, Document, Element, Writer, XmlError};

/// Where it is asked at a host, such as `contoso.example`, with a port when it is not 443.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] when that is no host.
pub fn url(host: &str) -> Result<Url> {
    at_host(host, "/autodiscover/autodiscover.svc")
}

/// The request about this mailbox, without credentials. It asks for `ExternalEwsUrl`, `InternalEwsUrl`,
/// `GroupingInformation` and `EwsSupportedSchemas`.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] when the URL cannot stand in a request.
pub fn request(url: &Url, mailbox: &MailboxAddress) -> Result<Request<Bytes>> {
    let mut writer = Writer::with_capacity(1536);
    writer.raw(concat!(
        r#"<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/""#,
        r#" xmlns:a="http://schemas.microsoft.com/exchange/2010/Autodiscover""#,
        r#" xmlns:wsa="http://www.w3.org/2005/08/addressing"><s:Header>"#,
        "<a:RequestedServerVersion>Exchange2010</a:RequestedServerVersion>",
        "<wsa:Action>http://schemas.microsoft.com/exchange/2010/Autodiscover/Autodiscover/GetUserSettings</wsa:Action>",
    ));
    writer.leaf("wsa:To", url.as_str());
    writer.raw("</s:Header><s:Body><a:GetUserSettingsRequestMessage><a:Request><a:Users><a:User>");
    writer.leaf("a:Mailbox", mailbox.as_str());
    writer.raw(concat!(
        "</a:User></a:Users><a:RequestedSettings><a:Setting>ExternalEwsUrl</a:Setting>",
        "<a:Setting>InternalEwsUrl</a:Setting><a:Setting>GroupingInformation</a:Setting>",
        "<a:Setting>EwsSupportedSchemas</a:Setting></a:RequestedSettings></a:Request>",
        "</a:GetUserSettingsRequestMessage></s:Body></s:Envelope>",
    ));
    let mut request = http_request(Method::POST, url, "text/xml", writer.into_bytes().into())?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
    Ok(request)
}

/// Reads the answer. There are codes at three levels: of the whole answer, of the user, of each setting. A setting that
/// the server does not have is absent from [`Settings`] and costs the others nothing.
///
/// # Errors
/// A fault, or the code of the answer or of the user, each also with HTTP 200; [`ErrorKind::InvalidResponse`] with the
/// offset for what is no such answer.
pub fn read(status: StatusCode, body: &[u8]) -> Result<Told> {
    match parse(status, body) {
        Ok(Ok(told)) if status == StatusCode::OK => Ok(told),
        Ok(Err(error)) => Err(error.with_status(status)),
        Err(error) if status == StatusCode::OK => Err(Error::from(error).with_status(status)),
        Ok(Ok(_)) | Err(_) => Err(of_status(status)),
    }
}

fn parse(status: StatusCode, body: &[u8]) -> Result<Result<Told>, XmlError> {
    let document = Document::new(body)?;
    let mut cursor = document.cursor();
    let answer = open_answer(&mut cursor)?;
    let root = match answer.body {
        Opened::Fault(fault) => return Ok(Err(fault.to_error(telling(status)))),
        Opened::Empty => return Err(answer.envelope.missing("GetUserSettingsResponseMessage")),
        Opened::Root(root) => root,
    };
    if local(&root) != "GetUserSettingsResponseMessage" {
        return Err(root.missing("GetUserSettingsResponseMessage"));
    }
    let mut told = None;
    while let Some(response) = cursor.next_child(&root)? {
        if local(&response) == "Response" {
            told = Some(whole(&mut cursor, &response)?);
        }
    }
    cursor.skip(&answer.envelope)?;
    cursor.finish()?;
    told.ok_or_else(|| root.missing("Response"))
}

/// Code and text of one level.
#[derive(Default)]
struct Code {
    code: String,
    text: String,
}

impl Code {
    /// Takes in a child when it is one of the two.
    fn take<'a>(&mut self, cursor: &mut Cursor<'a>, child: &Element<'a>) -> Result<bool, XmlError> {
        match local(child) {
            "ErrorCode" => self.code = cursor.value(child)?.into_owned(),
            "ErrorMessage" => self.text = cursor.value(child)?.into_owned(),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn error(&self) -> Option<Error> {
        let kind = match self.code.as_str() {
            "" | "NoError" => return None,
            "InvalidUser" | "InvalidDomain" => ErrorKind::NotFound,
            "ServerBusy" | "InternalServerError" => ErrorKind::Unavailable,
            _ => ErrorKind::Rejected,
        };
        Some(Error::new(kind, format!("Autodiscover refuses: {}", self.text)).with_code(&self.code))
    }
}

fn whole<'a>(cursor: &mut Cursor<'a>, response: &Element<'a>) -> Result<Result<Told>, XmlError> {
    let (mut code, mut told) = (Code::default(), None);
    while let Some(child) = cursor.next_child(response)? {
        if local(&child) == "UserResponses" {
            while let Some(one) = cursor.next_child(&child)? {
                if local(&one) == "UserResponse" {
                    told.get_or_insert(user(cursor, &one)?);
                }
            }
        } else {
            code.take(cursor, &child)?;
        }
    }
    match (code.error(), told) {
        (Some(error), _) => Ok(Err(error)),
        (None, Some(told)) => Ok(told),
        (None, None) => Err(response.missing("UserResponse")),
    }
}

fn user<'a>(cursor: &mut Cursor<'a>, response: &Element<'a>) -> Result<Result<Told>, XmlError> {
    let (mut code, mut settings, mut target) = (Code::default(), Settings::default(), None);
    let mut bad = None;
    while let Some(child) = cursor.next_child(response)? {
        match local(&child) {
            "RedirectTarget" => target = Some((cursor.value(&child)?, child)),
            "UserSettings" => {
                while let Some(one) = cursor.next_child(&child)? {
                    if local(&one) == "UserSetting" {
                        setting(cursor, &one, &mut settings, &mut bad)?;
                    }
                }
            }
            // The third level, UserSettingErrors: such a setting is simply not there.
            _ => {
                code.take(cursor, &child)?;
            }
        }
    }
    let target = |what| match &target {
        Some((text, child)) if !text.is_empty() => Ok((text, child)),
        _ => Err(response.missing(what)),
    };
    match code.code.as_str() {
        "RedirectAddress" => {
            let (text, child) = target("RedirectTarget with an address")?;
            let address = MailboxAddress::parse(text).map_err(|_| child.bad_value("mailbox address"))?;
            Ok(Ok(Told::OtherAddress(address)))
        }
        "RedirectUrl" => {
            let (text, child) = target("RedirectTarget with an address")?;
            let url = read_redirect_url(text).ok_or_else(|| child.bad_value("address"))?;
            Ok(Ok(Told::OtherUrl(url)))
        }
        _ => match code.error() {
            Some(error) => Ok(Err(error)),
            None => Ok(Ok(Told::Settings(Box::new(settings.unless(bad)?)))),
        },
    }
}

fn setting<'a>(
    cursor: &mut Cursor<'a>,
    element: &Element<'a>,
    settings: &mut Settings,
    bad: &mut Option<XmlError>,
) -> Result<(), XmlError> {
    let (mut name, mut value) = (None, None);
    while let Some(child) = cursor.next_child(element)? {
        match local(&child) {
            "Name" => name = Some(cursor.value(&child)?),
            "Value" => value = Some((cursor.value(&child)?, child)),
            _ => {}
        }
    }
    let Some((text, child)) = value.filter(|(text, _)| !text.is_empty()) else { return Ok(()) };
    let mut url = || {
        let url = read_ews_url(&text);
        if url.is_none() {
            bad.get_or_insert_with(|| child.bad_value("https address"));
        }
        url
    };
    match name.as_deref() {
        Some("ExternalEwsUrl") => settings.external_ews_url = url(),
        Some("InternalEwsUrl") => settings.internal_ews_url = url(),
        Some("GroupingInformation") => settings.grouping_information = Some(text.into()),
        Some("EwsSupportedSchemas") => {
            settings.schemas =
                text.split(',').map(str::trim_ascii).filter(|s| !s.is_empty()).map(Into::into).collect();
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: &str, users: &str) -> String {
        format!(
            r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header><a:Action s:mustUnderstand="1">x</a:Action><h:ServerVersionInfo xmlns:h="http://schemas.microsoft.com/exchange/2010/Autodiscover"><h:MajorVersion>15</h:MajorVersion></h:ServerVersionInfo></s:Header><s:Body><GetUserSettingsResponseMessage xmlns="http://schemas.microsoft.com/exchange/2010/Autodiscover"><Response xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><ErrorCode>{code}</ErrorCode><ErrorMessage/><UserResponses>{users}</UserResponses></Response></GetUserSettingsResponseMessage></s:Body></s:Envelope>"#
        )
    }

    fn user(code: &str, rest: &str) -> String {
        answer(
            "NoError",
            &format!(
                "<UserResponse><ErrorCode>{code}</ErrorCode><ErrorMessage>Said so.</ErrorMessage>{rest}</UserResponse>"
            ),
        )
    }

    #[test]
    fn the_request_as_a_whole() {
        let anna = MailboxAddress::parse("anna&co@contoso.example").unwrap();
        let request = request(&url("autodiscover.contoso.example").unwrap(), &anna).unwrap();
        assert_eq!(request.uri(), "https://autodiscover.contoso.example/autodiscover/autodiscover.svc");
        insta::assert_snapshot!(
            "autodiscover_get_user_settings",
            std::str::from_utf8(request.body()).unwrap().replace("><", ">\n<")
        );
    }

    #[test]
    fn settings_are_read_and_one_that_fails_costs_the_others_nothing() {
        let body = user(
            "NoError",
            r#"<RedirectTarget i:nil="true"/><UserSettingErrors><UserSettingError><ErrorCode>SettingIsNotAvailable</ErrorCode><ErrorMessage>Not here.</ErrorMessage><SettingName>InternalEwsUrl</SettingName></UserSettingError></UserSettingErrors><UserSettings><UserSetting i:type="StringSetting"><Name>ExternalEwsUrl</Name><Value>https://mail.contoso.example/EWS/Exchange.asmx</Value></UserSetting><UserSetting><Value>G07-A</Value><Name>GroupingInformation</Name></UserSetting><UserSetting><Name>EwsSupportedSchemas</Name><Value>Exchange2007, Exchange2010,Exchange2016</Value></UserSetting><UserSetting><Name>Later</Name><Value>x</Value></UserSetting></UserSettings>"#,
        );
        let Told::Settings(found) = read(StatusCode::OK, body.as_bytes()).unwrap() else { panic!() };
        assert_eq!(found.external_ews_url.unwrap().host_str(), Some("mail.contoso.example"));
        assert_eq!(found.internal_ews_url, None);
        assert_eq!(found.grouping_information.as_deref(), Some("G07-A"));
        assert_eq!(found.schemas, ["Exchange2007", "Exchange2010", "Exchange2016"].map(Box::<str>::from));
    }

    #[test]
    fn trap_19_each_level_of_errors_inside_success() {
        for (body, kind, code) in [
            (answer("ServerBusy", ""), ErrorKind::Unavailable, "ServerBusy"),
            (answer("InvalidRequest", ""), ErrorKind::Rejected, "InvalidRequest"),
            (user("InvalidUser", ""), ErrorKind::NotFound, "InvalidUser"),
            (user("NotFederated", ""), ErrorKind::Rejected, "NotFederated"),
        ] {
            let error = read(StatusCode::OK, body.as_bytes()).unwrap_err();
            assert_eq!((error.kind(), error.service_code()), (kind, Some(code)));
            assert_eq!(error.is_transient(), kind == ErrorKind::Unavailable);
        }
        let none = read(StatusCode::OK, answer("NoError", "").as_bytes()).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::InvalidResponse);
    }

    #[test]
    fn redirects_are_told_apart() {
        let target = |code, text: &str| {
            read(StatusCode::OK, user(code, &format!("<RedirectTarget>{text}</RedirectTarget>")).as_bytes())
        };
        assert_eq!(
            target("RedirectAddress", "anna@fabrikam.example").unwrap(),
            Told::OtherAddress(MailboxAddress::parse("anna@fabrikam.example").unwrap())
        );
        assert_eq!(
            target("RedirectUrl", "https://x.contoso.example/a").unwrap(),
            Told::OtherUrl("https://x.contoso.example/a".parse().unwrap())
        );
        for (code, text) in [("RedirectAddress", ""), ("RedirectAddress", "x"), ("RedirectUrl", "x")] {
            assert_eq!(target(code, text).unwrap_err().kind(), ErrorKind::InvalidResponse);
        }
    }

    #[test]
    fn a_fault_is_an_error_with_any_status() {
        let fault = r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>No.</faultstring></s:Fault></s:Body></s:Envelope>"#;
        for status in [StatusCode::OK, StatusCode::INTERNAL_SERVER_ERROR] {
            assert_eq!(read(status, fault.as_bytes()).unwrap_err().kind(), ErrorKind::Rejected);
        }
        assert_eq!(read(StatusCode::NOT_FOUND, b"no").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(read(StatusCode::OK, b"no").unwrap_err().kind(), ErrorKind::InvalidResponse);
    }
}
