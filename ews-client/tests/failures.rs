//! How failures are told: faults, response messages, and the answers that are no SOAP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use ews_client::xml::{Cursor, Element, Writer};
use ews_client::{
    AuthScheme, CodeClass, DistinguishedFolder, Error, ErrorKind, EwsOperation, Fault, FolderRef, GetFolder,
    HttpVerdict, ItemResult, RequestContext, ResponseClass, ResponseCode, Result, classify_http, read_answer,
    read_http_answer, read_messages,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use m365_core::Acted;

const T: &str = "http://schemas.microsoft.com/exchange/services/2006/types";
const M: &str = "http://schemas.microsoft.com/exchange/services/2006/messages";
const E: &str = "http://schemas.microsoft.com/exchange/services/2006/errors";
const S: &str = "http://schemas.xmlsoap.org/soap/envelope/";

fn envelope(body: &str) -> String {
    format!(r#"<s:Envelope xmlns:s="{S}"><s:Body>{body}</s:Body></s:Envelope>"#)
}

fn folders(count: usize) -> GetFolder {
    GetFolder::new((0..count).map(|n| FolderRef::Id(format!("AAMk{n}").into())))
}

fn fault(status: u16, body: &str) -> Error {
    read_answer(&folders(1), StatusCode::from_u16(status).unwrap(), envelope(body).as_bytes()).unwrap_err()
}

fn outline(body: &str) -> Fault {
    match ews_client::read_envelope(envelope(body).as_bytes()).unwrap().body {
        ews_client::Body::Fault(fault) => *fault,
        other => panic!("{other:?}"),
    }
}

fn full(code: &str, xml: &str) -> String {
    format!(
        r#"<s:Fault><faultcode xmlns:a="{T}">a:{code}</faultcode><faultstring xml:lang="en-US">Text of the string.</faultstring><detail><e:ResponseCode xmlns:e="{E}">{code}</e:ResponseCode><e:Message xmlns:e="{E}">Text of the detail.</e:Message>{xml}</detail></s:Fault>"#
    )
}

fn back_off(value: &str) -> String {
    format!(
        r#"<t:MessageXml xmlns:t="{T}"><t:Value Name="BackOffMilliseconds">{value}</t:Value></t:MessageXml>"#
    )
}

#[test]
fn trap_01_a_fault_is_a_fault_whatever_the_status_and_whatever_its_form() {
    for status in [200, 500] {
        for body in [
            full("ErrorImpersonateUserDenied", ""),
            full(" ErrorImpersonateUserDenied\n", ""),
            // Another implementation: no detail, no prefix, a type beside it.
            r#"<s:Fault><faultcode xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="x">ErrorImpersonateUserDenied</faultcode><faultstring>no</faultstring></s:Fault>"#.to_owned(),
            // Qualified with SOAP's own prefix; the code only in the detail.
            format!(r#"<s:Fault><s:faultcode>s:Client</s:faultcode><s:faultstring>no</s:faultstring><s:detail><ResponseCode xmlns="{E}">ErrorImpersonateUserDenied</ResponseCode></s:detail></s:Fault>"#),
        ] {
            let error = fault(status, &body);
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{body}");
            assert_eq!(error.service_code(), Some("ErrorImpersonateUserDenied"), "{body}");
            assert_eq!(error.operation(), Some("GetFolder"));
            assert_eq!(error.status().map(|s| s.as_u16()), (status != 200).then_some(status));
            assert_eq!(error.diagnosis().id(), "EWS-IMPERSONATE-DENIED");
        }
    }
    let empty = fault(500, "<s:Fault/>");
    assert_eq!((empty.kind(), empty.is_transient()), (ErrorKind::Unavailable, false));
    let bare =
        fault(500, "<s:Fault><faultcode>SOAP:Server</faultcode><faultstring>x</faultstring></s:Fault>");
    assert_eq!(bare.service_code(), Some(""), "Server is no code");
    let client = fault(
        500,
        "<s:Fault><faultcode>s:Client</faultcode><faultstring>Unknown request</faultstring></s:Fault>",
    );
    assert_eq!(client.kind(), ErrorKind::Rejected);
}

#[test]
fn trap_01_the_oldest_form_and_a_message_with_500_are_read() {
    let oldest = outline(&format!(
        r#"<s:Fault><faultcode>s:Server</faultcode><detail><ErrorCode xmlns="{M}">-2146233088</ErrorCode></detail></s:Fault>"#
    ));
    assert_eq!(oldest.code.unwrap().as_str(), "-2146233088");
    let body = envelope(&format!(
        r#"<GetFolderResponse xmlns="{M}"><ResponseMessages><GetFolderResponseMessage ResponseClass="Error"><ResponseCode>ErrorFolderNotFound</ResponseCode></GetFolderResponseMessage></ResponseMessages></GetFolderResponse>"#
    ));
    let answer = read_answer(&folders(1), StatusCode::INTERNAL_SERVER_ERROR, body.as_bytes()).unwrap();
    assert_eq!(answer.results[0].code, ResponseCode::ERROR_FOLDER_NOT_FOUND);
}

#[test]
fn a_schema_violation_says_where_in_both_forms() {
    let new = outline(&full(
        "ErrorSchemaValidation",
        &format!(
            r#"<t:MessageXml xmlns:t="{T}"><t:LineNumber>1</t:LineNumber><t:LinePosition>645</t:LinePosition><t:Violation>The element is wrong.</t:Violation></t:MessageXml>"#
        ),
    ));
    let old = outline(&format!(
        r#"<s:Fault><faultcode>soap:Client</faultcode><faultstring>x</faultstring><detail><e:Line xmlns:e="{E}">1</e:Line><e:Position xmlns:e="{E}">645</e:Position></detail></s:Fault>"#
    ));
    for fault in [&new, &old] {
        let violation = fault.violation.as_ref().unwrap();
        assert_eq!((violation.line, violation.position), (1, 645));
    }
    assert_eq!(new.violation.as_ref().unwrap().text.as_deref(), Some("The element is wrong."));
    assert_eq!(new.to_error(None).acted(), Acted::No);
}

#[test]
fn trap_03_the_pause_is_read_from_faults_and_from_messages() {
    let busy = fault(500, &full("ErrorServerBusy", &back_off("297749")));
    assert_eq!(busy.retry_after(), Some(Duration::from_millis(297_749)));
    assert_eq!((busy.kind(), busy.is_transient(), busy.acted()), (ErrorKind::Throttled, true, Acted::No));
    assert_eq!(busy.diagnosis().id(), "THR-EWS-BUSY");
    let inside = fault(500, &full("ErrorInternalServerError", &back_off(" 5000 ")));
    assert_eq!((inside.kind(), inside.retry_after()), (ErrorKind::Throttled, Some(Duration::from_secs(5))));
    for none in ["0", "", "soon", "-5"] {
        let error = fault(500, &full("ErrorServerBusy", &back_off(none)));
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, None), "{none}");
    }
    let huge = fault(500, &full("ErrorServerBusy", &back_off("99999999999999999999999")));
    assert!(huge.retry_after().unwrap() > Duration::from_secs(3600));
    let connections = fault(
        500,
        &full(
            "ErrorExceededConnectionCount",
            &format!(
                r#"<t:MessageXml xmlns:t="{T}"><t:Value Name="Policy">MaxConcurrency</t:Value><t:Value Name="MaxConcurrencyLimit">27</t:Value></t:MessageXml>"#
            ),
        ),
    );
    assert_eq!(connections.kind(), ErrorKind::Throttled);
    assert_eq!(connections.diagnosis().id(), "THR-EWS-CONCURRENCY");

    let body = envelope(&format!(
        r#"<m:GetFolderResponse xmlns:m="{M}"><m:ResponseMessages><m:GetFolderResponseMessage ResponseClass="Error"><m:MessageText>Busy.</m:MessageText><m:ResponseCode>ErrorServerBusy</m:ResponseCode><m:MessageXml>{}</m:MessageXml></m:GetFolderResponseMessage></m:ResponseMessages></m:GetFolderResponse>"#,
        format_args!(r#"<t:Value xmlns:t="{T}" Name="BackOffMilliseconds">40000</t:Value>"#)
    ));
    let answer = read_answer(&folders(3), StatusCode::OK, body.as_bytes()).unwrap();
    assert_eq!(answer.results.len(), 3, "one message for the whole request answers every element");
    for result in answer.results {
        assert_eq!(result.back_off(), Some(Duration::from_secs(40)));
        assert_eq!(result.into_result().unwrap_err().retry_after(), Some(Duration::from_secs(40)));
    }
}

fn message(class: &str, code: &str, inside: &str) -> String {
    format!(
        r#"<m:GetFolderResponseMessage ResponseClass="{class}">{inside}<m:ResponseCode>{code}</m:ResponseCode></m:GetFolderResponseMessage>"#
    )
}

fn response(messages: &str) -> String {
    envelope(&format!(
        r#"<m:GetFolderResponse xmlns:m="{M}" xmlns:t="{T}"><m:ResponseMessages>{messages}</m:ResponseMessages></m:GetFolderResponse>"#
    ))
}

#[test]
fn trap_04_each_element_fails_alone_and_in_order() {
    let folder = r#"<m:Folders><t:CalendarFolder><t:FolderId Id="AQMk"/><t:FolderClass>IPF.Appointment</t:FolderClass></t:CalendarFolder></m:Folders>"#;
    let xml = response(&format!(
        "{}{}{}",
        message("Success", "NoError", folder),
        message("Error", "ErrorItemNotFound", "<m:MessageText>Not there.</m:MessageText>"),
        message("Warning", "ErrorBatchProcessingStopped", "")
    ));
    let answer = read_answer(&folders(3), StatusCode::OK, xml.as_bytes()).unwrap();
    let done: Vec<_> = answer.results.iter().map(|r| (r.is_done(), r.is_executed())).collect();
    assert_eq!(done, [(true, true), (false, true), (false, false)]);
    let again: Vec<_> =
        answer.results.iter().enumerate().filter(|(_, r)| !r.is_executed()).map(|(n, _)| n).collect();
    assert_eq!(again, [2], "only what was not executed is sent again");
    assert_eq!(answer.results[1].to_error().kind(), ErrorKind::NotFound);
    assert_eq!(answer.results[0].value.as_ref().unwrap().id.as_str(), "AQMk");

    for asked in [2, 4] {
        let error = read_answer(&folders(asked), StatusCode::OK, xml.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "whose answer is whose?");
    }
    let none = read_answer(&folders(1), StatusCode::OK, response("").as_bytes()).unwrap_err();
    assert_eq!(none.kind(), ErrorKind::InvalidResponse);
}

#[test]
fn a_success_without_its_value_and_a_failure_without_its_code_are_errors() {
    let answer =
        read_answer(&folders(1), StatusCode::OK, response(&message("Success", "NoError", "")).as_bytes())
            .unwrap();
    let result = answer.results.into_iter().next().unwrap();
    assert_eq!(result.into_result().unwrap_err().kind(), ErrorKind::InvalidResponse);
    let bare = response(r#"<m:GetFolderResponseMessage ResponseClass="Error"/>"#);
    assert!(read_answer(&folders(1), StatusCode::OK, bare.as_bytes()).is_err());
    let silent = response("<m:GetFolderResponseMessage/>");
    assert!(read_answer(&folders(1), StatusCode::OK, silent.as_bytes()).is_err(), "no word of success");
    let classless = response(
        "<m:GetFolderResponseMessage><m:ResponseCode>ErrorAccessDenied</m:ResponseCode></m:GetFolderResponseMessage>",
    );
    let answer = read_answer(&folders(1), StatusCode::OK, classless.as_bytes()).unwrap();
    assert_eq!(answer.results[0].class, ResponseClass::Error);
}

/// An operation whose answers have a shape of their own.
struct Shaped<const ROOMS: bool>(usize);

impl EwsOperation for Shaped<true> {
    const NAME: &'static str = "GetRooms";
    type Item = Vec<String>;
    fn asked(&self) -> usize {
        self.0
    }
    fn write(&self, _: &mut Writer, _: &RequestContext<'_>) {}
    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<Self::Item>>> {
        read_messages(cursor, root, |cursor, child, rooms: &mut Option<Vec<String>>| {
            while let Some(room) = cursor.next_child(child)? {
                let text = cursor.text(&room)?;
                rooms.get_or_insert_default().push(text.into_owned());
            }
            Ok(())
        })
    }
}

impl EwsOperation for Shaped<false> {
    const NAME: &'static str = "GetUserAvailability";
    type Item = String;
    fn asked(&self) -> usize {
        self.0
    }
    fn write(&self, _: &mut Writer, _: &RequestContext<'_>) {}
    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<String>>> {
        read_messages(cursor, root, |cursor, child, view| {
            if child.is("FreeBusyView") {
                while let Some(part) = cursor.next_child(child)? {
                    if part.is("FreeBusyViewType") {
                        *view = Some(cursor.text(&part)?.into_owned());
                    }
                }
            }
            Ok(())
        })
    }
}

#[test]
fn rooms_and_availability_have_shapes_of_their_own() {
    let rooms = envelope(&format!(
        r#"<m:GetRoomsResponse xmlns:m="{M}" xmlns:t="{T}" ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Rooms><t:Room>Oslo</t:Room><t:Room>Bergen</t:Room></m:Rooms></m:GetRoomsResponse>"#
    ));
    let answer = read_answer(&Shaped::<true>(1), StatusCode::OK, rooms.as_bytes()).unwrap();
    assert_eq!(answer.results[0].value.as_ref().unwrap(), &["Oslo", "Bergen"]);
    let refused = envelope(&format!(
        r#"<m:GetRoomsResponse xmlns:m="{M}" ResponseClass="Error"><m:MessageText>x</m:MessageText><m:ResponseCode>ErrorAccessDenied</m:ResponseCode></m:GetRoomsResponse>"#
    ));
    let answer = read_answer(&Shaped::<true>(1), StatusCode::OK, refused.as_bytes()).unwrap();
    assert_eq!(answer.results[0].to_error().kind(), ErrorKind::PermissionDenied);

    let free_busy = envelope(&format!(
        r#"<GetUserAvailabilityResponse xmlns="{M}" xmlns:t="{T}"><FreeBusyResponseArray><FreeBusyResponse><ResponseMessage ResponseClass="Success"><ResponseCode>NoError</ResponseCode></ResponseMessage><FreeBusyView><t:FreeBusyViewType>Detailed</t:FreeBusyViewType></FreeBusyView></FreeBusyResponse><FreeBusyResponse><ResponseMessage ResponseClass="Error"><MessageText>Unable to resolve</MessageText><ResponseCode>ErrorMailRecipientNotFound</ResponseCode><MessageXml><ExceptionType xmlns="{E}">X.Y</ExceptionType><ExceptionCode xmlns="{E}">5009</ExceptionCode></MessageXml></ResponseMessage></FreeBusyResponse></FreeBusyResponseArray></GetUserAvailabilityResponse>"#
    ));
    let answer = read_answer(&Shaped::<false>(2), StatusCode::OK, free_busy.as_bytes()).unwrap();
    assert_eq!(answer.results[0].value.as_deref(), Some("Detailed"));
    let details = answer.results[1].details.as_ref().unwrap();
    assert_eq!(
        (details.xml.get("ExceptionType"), details.xml.get("ExceptionCode")),
        (Some("X.Y"), Some("5009"))
    );
    assert_eq!(answer.results[1].code.class(), CodeClass::NotFound);
}

#[test]
fn trap_17_a_refused_version_asks_for_a_lower_one() {
    for code in [
        "ErrorInvalidServerVersion",
        "ErrorIncorrectSchemaVersion",
        "ErrorInvalidSchemaVersionForMailboxVersion",
    ] {
        assert!(outline(&full(code, "")).wants_lower_version(), "{code}");
    }
    let words = outline(
        "<s:Fault><faultcode>s:Server</faultcode><faultstring>The specified server version is invalid.</faultstring></s:Fault>",
    );
    assert!(words.wants_lower_version());
    assert_eq!(words.to_error(None).kind(), ErrorKind::Unsupported);
    assert!(!outline(&full("ErrorInvalidPropertyRequest", "")).wants_lower_version());
}

#[test]
fn an_answer_to_another_question_is_refused() {
    let xml = envelope(&format!(r#"<GetItemResponse xmlns="{M}"/>"#));
    let error = read_answer(&folders(1), StatusCode::OK, xml.as_bytes()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    assert!(error.to_string().contains("GetItemResponse"), "{error}");
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_str(v).unwrap())).collect()
}

fn verdict(status: u16, pairs: &[(&'static str, &str)], body: &[u8]) -> HttpVerdict {
    classify_http(StatusCode::from_u16(status).unwrap(), &headers(pairs), body)
}

#[test]
fn trap_02_a_403_proves_a_block_by_its_header_only() {
    for (reason, id) in [
        ("EWS is disabled for this user or tenant", "EWS-DISABLED"),
        ("EWS is blocked by policy for this user or tenant", "EWS-BLOCKED-POLICY"),
    ] {
        let policy = headers(&[("x-ews-policy-reason", reason), ("request-id", "abc")]);
        let error = read_http_answer(&folders(1), StatusCode::FORBIDDEN, &policy, b"").unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::PermissionDenied, false));
        assert_eq!(error.diagnosis().id(), id);
        assert_eq!(error.request_id(), Some("abc"));
    }
    for body in [&b""[..], b"<html><body>Forbidden</body></html>", &[0; 300]] {
        assert_eq!(verdict(403, &[], body), HttpVerdict::Forbidden);
    }
}

#[test]
fn trap_02_what_is_no_soap_is_told_by_kind() {
    let page = b"<!DOCTYPE html><html><title>Sign in</title></html>";
    let xhtml = b"<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC \"x\"><html xmlns=\"http://www.w3.org/1999/xhtml\"/>";
    let soap = envelope("<s:Fault/>");
    for (expected, status, pairs, body) in [
        (HttpVerdict::NotEws, 200, &[][..], &page[..]),
        (HttpVerdict::NotEws, 200, &[], xhtml),
        (HttpVerdict::NotEws, 200, &[], b"<html><i class='icon-Envelope'></i></html>"),
        (HttpVerdict::NotEws, 302, &[("location", "https://login.contoso.example/")], page),
        (HttpVerdict::Redirect, 302, &[("location", "https://login.contoso.example/")], b""),
        (
            HttpVerdict::PassingOutage,
            302,
            &[("location", "/EWS/genericerrorpage.htm?aspxerrorpath=/ews/exchange.asmx")],
            page,
        ),
        (HttpVerdict::GatewayTrouble, 302, &[("location", "/InternalSite/InternalError.asp?x")], page),
        (HttpVerdict::GatewayTrouble, 302, &[("location", "/InternalSite/InitParams.aspx")], b""),
        (HttpVerdict::Overloaded, 500, &[], b"<html><h1>Server Error in '/EWS' Application.</h1>"),
        (HttpVerdict::VersionRefused, 500, &[], b"<html>The specified server version is invalid.</html>"),
        (HttpVerdict::Busy { retry_after: None }, 503, &[], page),
        (
            HttpVerdict::Busy { retry_after: Some(Duration::from_secs(30)) },
            503,
            &[("retry-after", "30")],
            b"",
        ),
        (
            HttpVerdict::Busy { retry_after: Some(Duration::from_secs(60)) },
            503,
            &[("retry-after", "Sat, 21 Nov 2026 10:01:00 GMT"), ("date", "Sat, 21 Nov 2026 10:00:00 GMT")],
            b"",
        ),
        (HttpVerdict::Busy { retry_after: None }, 500, &[("connection", "close")], b""),
        (
            HttpVerdict::FrontEnd { code: "CAS error: 0x1".into() },
            500,
            &[("x-caserrorcode", "CAS error: 0x1")],
            b"",
        ),
        (HttpVerdict::ProxyAuthentication, 407, &[], page),
        (HttpVerdict::TooLarge, 413, &[], b""),
        (HttpVerdict::TooManyRequests { retry_after: None }, 429, &[], b""),
        (HttpVerdict::TryAgain, 440, &[], page),
        (HttpVerdict::TryAgain, 449, &[], b""),
        (HttpVerdict::NotEws, 404, &[], b"not found"),
        (HttpVerdict::Empty, 200, &[], b""),
        (HttpVerdict::Compressed, 200, &[], &[0x1F, 0x8B, 8, 0]),
        (HttpVerdict::Other, 500, &[], b"oops"),
        (
            HttpVerdict::LockedOut,
            401,
            &[],
            b"The referenced account is currently locked out and may not be logged on to.",
        ),
        (HttpVerdict::Soap, 200, &[], soap.as_bytes()),
        (HttpVerdict::Soap, 500, &[("connection", "close")], soap.as_bytes()),
        (HttpVerdict::Soap, 503, &[], soap.as_bytes()),
    ] {
        let found = verdict(status, pairs, body);
        assert_eq!(found, expected, "{status} {pairs:?}");
        let error = found.to_error(StatusCode::from_u16(status).unwrap());
        assert_eq!(error.is_none(), expected == HttpVerdict::Soap);
    }
    let transient = |status, pairs: &[(&'static str, &str)]| {
        verdict(status, pairs, b"").to_error(StatusCode::from_u16(status).unwrap()).unwrap().is_transient()
    };
    assert!(transient(503, &[]) && transient(429, &[]) && transient(449, &[]));
    assert!(!transient(401, &[]) && !transient(403, &[]) && !transient(413, &[]));
}

#[test]
fn trap_02_the_schemes_of_a_401_are_read_from_one_header_or_from_several() {
    use AuthScheme::{Basic, Bearer, Negotiate, Ntlm};
    let of = |values: &[&str]| {
        let mut map = HeaderMap::new();
        for value in values {
            map.append("www-authenticate", HeaderValue::from_str(value).unwrap());
        }
        match classify_http(StatusCode::UNAUTHORIZED, &map, b"") {
            HttpVerdict::Unauthorized { schemes } => schemes,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        of(&["Negotiate", "NTLM", r#"Basic realm="mail.fabrikam.example""#]),
        [Negotiate, Ntlm, Basic]
    );
    assert_eq!(
        of(&[r#"Negotiate, NTLM, Basic realm="a, NTLM, \"b\"", charset="UTF-8""#]),
        [Negotiate, Ntlm, Basic]
    );
    assert_eq!(
        of(&[
            r#"Bearer client_id="00000002-0000-0ff1-ce00-000000000000", trusted_issuers="x@*", token_types="app_asserted_user_v1", authorization_uri="https://x""#,
            "ntlm"
        ]),
        [Bearer, Ntlm]
    );
    assert_eq!(of(&["Digest qop = auth , realm = x"]), [AuthScheme::Other("Digest".into())]);
    assert_eq!(of(&[]), []);
    let audience = headers(&[(
        "x-ms-diagnostics",
        r#"2000003;reason="The hostname component of the audience claim value is invalid.";error_category="invalid_resource""#,
    )]);
    let error = read_http_answer(
        &GetFolder::new([DistinguishedFolder::Calendar.into()]),
        StatusCode::UNAUTHORIZED,
        &audience,
        b"",
    )
    .unwrap_err();
    assert_eq!((error.kind(), error.diagnosis().id()), (ErrorKind::Authentication, "EWS-401-AUDIENCE"));
}

#[test]
fn every_diagnosis_of_ews_is_reached_from_its_code() {
    for (code, id) in [
        ("ErrorInvalidExchangeImpersonationHeaderData", "EWS-NO-IMPERSONATION"),
        ("ErrorImpersonateUserDenied", "EWS-IMPERSONATE-DENIED"),
        ("ErrorImpersonationFailed", "EWS-IMPERSONATION-FAILED"),
        ("ErrorInvalidServerVersion", "EWS-VERSION"),
        ("ErrorNoRespondingCASInDestinationSite", "EWS-CROSS-SITE"),
        ("ErrorNoFreeBusyAccess", "EWS-FB-DENIED"),
        ("ErrorProxyRequestProcessingFailed", "EWS-FB-CROSSPREM"),
        ("ErrorTimeIntervalTooBig", "EWS-WINDOW"),
        ("ErrorInvalidSyncStateData", "EWS-SYNCSTATE"),
        ("ErrorReadEventsFailed", "EWS-SUB-LOST"),
        ("ErrorInvalidSubscriptionRequest", "EWS-SUB-BATCH"),
        ("ErrorSubscriptionAccessDenied", "EWS-SUB-OWNER"),
        ("ErrorServerBusy", "THR-EWS-BUSY"),
        ("ErrorExceededConnectionCount", "THR-EWS-CONCURRENCY"),
        ("ErrorExceededSubscriptionCount", "THR-EWS-SUBS"),
        ("ErrorNonPrimarySmtpAddress", "MBX-NONPRIMARY"),
        ("ErrorMailboxMoveInProgress", "MBX-MOVING"),
        ("ErrorAccountDisabled", "MBX-DISABLED"),
    ] {
        assert_eq!(fault(500, &full(code, "")).diagnosis().id(), id, "{code} as a fault");
        let xml = response(&message("Error", code, ""));
        let answer = read_answer(&folders(1), StatusCode::OK, xml.as_bytes()).unwrap();
        assert_eq!(answer.results[0].to_error().diagnosis().id(), id, "{code} as a message");
    }
}
