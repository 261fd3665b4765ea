use super::*;

fn failure(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Error {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    error_of(&response.body(body.into()).unwrap(), "Get-Sample", jiff::Timestamp::UNIX_EPOCH)
        .expect("a failure")
}

fn envelope(code: &str, message: &str, detail: &str, inner_type: &str) -> String {
    serde_json::json!({"error": {
        "code": code, "message": message,
        "details": [{"code": "Client", "target": "", "message": detail}],
        "innererror": {"message": message, "type": "Microsoft.Exchange.Admin.OData.Core.ODataServiceException", "stacktrace": "",
            "internalexception": {"message": "inner text", "type": inner_type, "stacktrace": ""}},
        "@adminapi.warnings": []
    }})
    .to_string()
}

const GENERIC: &str = "Microsoft.Exchange.Management.PSDirectInvoke.DirectInvokeCmdletExecutionException";
const NOT_FOUND: &str = "Microsoft.Exchange.Configuration.Tasks.ManagementObjectNotFoundException";

#[test]
fn a_redirect_is_no_success_even_without_a_body() {
    for status in [300, 302, 303, 304] {
        let error = failure(status, &[], "");
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::InvalidResponse, false));
    }
}

#[test]
fn trap_1_a_403_of_nul_bytes_is_blank_and_its_headers_speak() {
    let with = failure(
        403,
        &[
            (
                "x-ms-diagnostics",
                "2000003;reason=\"The role is missing.\";error_category=\"invalid_resource\"",
            ),
            ("request-id", "r-9"),
        ],
        vec![0u8; 64],
    );
    assert_eq!((with.kind(), with.service_code()), (ErrorKind::PermissionDenied, Some("2000003")));
    assert!(with.message().contains("role") && with.message().contains("cmdlet"), "{with}");
    assert!(with.message().contains("The role is missing."));
    assert_eq!(with.request_id(), Some("r-9"));
    assert!(!crate::classify::role_may_be_propagating(&with));

    let without = failure(403, &[], vec![0u8; 64]);
    assert_eq!(without.kind(), ErrorKind::PermissionDenied);
    assert!(crate::classify::role_may_be_propagating(&without));
    assert!(without.message().contains("propagating") && without.message().contains("Get-Sample"));
}

#[test]
fn trap_2_invalid_operation_says_nothing_so_the_details_speak_and_the_type_is_kept() {
    let error = failure(
        404,
        &[],
        envelope(
            "NotFound",
            "Error executing cmdlet",
            &format!("Ex6F9304|{NOT_FOUND}|The object 'x|y' couldn't be found."),
            GENERIC,
        ),
    );
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.service_code(), Some(NOT_FOUND));
    assert_eq!(error.message(), "The object 'x|y' couldn't be found.");
    assert!(crate::classify::object_not_found(&error));

    let specific = "Microsoft.Exchange.AdminApi.CommandInvocation.AmbiguousParameterSetException";
    let error = failure(400, &[], envelope("BadRequest", "Invalid Operation", "", specific));
    assert_eq!((error.kind(), error.service_code()), (ErrorKind::Rejected, Some(specific)));
    assert_eq!(error.message(), "inner text");

    let plain = r#"{"error":{"code":"BadRequest","message":"Invalid Operation"}}"#;
    assert_eq!(failure(400, &[], plain).message(), "Invalid Operation");
}

#[test]
fn a_proxied_failure_is_unwrapped_through_its_strings() {
    let innermost = serde_json::json!({"code": "NotFound", "message": "Error executing cmdlet",
        "details": [{"message": format!("ExABC|{NOT_FOUND}|No such group.")}]});
    let proxy = serde_json::json!({
        "ClassName": "Microsoft.Exchange.Configuration.CmdletProxyException",
        "Message": format!("Error on proxy command 'Get-Sample' to server X: Proxy method PSWS: NotFound: Error executing cmdlet : {innermost}"),
        "localizedString": {}
    });
    let body = serde_json::json!({"error": {"code": "InternalServerError", "message": "Error executing cmdlet",
        "details": [{"code": "ServerOperation", "message": proxy.to_string()}]}});
    let error = failure(500, &[], body.to_string());
    assert_eq!((error.kind(), error.service_code()), (ErrorKind::NotFound, Some(NOT_FOUND)));
    assert_eq!(error.message(), "No such group.");
    assert!(!error.is_transient());
}

#[test]
fn nesting_without_end_stops() {
    let mut text = "deep".to_owned();
    for _ in 0..40 {
        text = serde_json::json!({"error": {"code": "E", "details": [{"message": text}]}}).to_string();
        if text.len() > 200_000 {
            break;
        }
    }
    let error = failure(500, &[], text);
    assert_eq!(error.status().unwrap().as_u16(), 500);
}

#[test]
fn an_error_inside_200_is_a_failure_and_null_is_not() {
    let error = failure(
        200,
        &[],
        r#"{"error":{"code":"Unauthorized","message":"User is not allowed to call Get-Mailbox"}}"#,
    );
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let error = failure(
        200,
        &[],
        r#"{"@odata.error":{"code":"X","message":"The total size of App Access Policies exceeded the limit."}}"#,
    );
    assert_eq!(error.kind(), ErrorKind::Limit);
    let fine = Response::new(Bytes::from_static(br#"{"error":null,"value":[]}"#));
    assert!(error_of(&fine, "x", jiff::Timestamp::UNIX_EPOCH).is_none());
}

#[test]
fn exception_types_that_pass_by_themselves_are_transient_even_as_400() {
    for exception in [
        "Microsoft.Exchange.Data.Directory.ADServerSettingsChangedException",
        "Microsoft.Exchange.X.CmdletProxyNotAvailableFailure",
        "A.ServerBusyException",
        "A.TransientException",
        "A.BackendCommunicationException",
    ] {
        let error = failure(
            400,
            &[],
            envelope("BadRequest", "Invalid Operation", &format!("Ex1|{exception}|busy"), GENERIC),
        );
        assert_eq!(
            (error.kind(), error.is_transient(), error.acted()),
            (ErrorKind::Unavailable, true, Acted::Unknown)
        );
    }
}

#[test]
fn kinds_by_type_and_by_text() {
    for (exception, text, kind) in [
        ("A.MemberAlreadyExistsException", "localised", ErrorKind::AlreadyExists),
        ("A.MemberNotFoundException", "localised", ErrorKind::NotFound),
        ("A.UserAlreadyExistsInPermissionEntryException", "localised", ErrorKind::AlreadyExists),
        ("A.UserNotFoundInPermissionEntryException", "localised", ErrorKind::NotFound),
        ("A.ADObjectAlreadyExistsException", "localised", ErrorKind::AlreadyExists),
        ("A.ParameterTransformationException", "x", ErrorKind::Rejected),
        (GENERIC, "anna is already a member of the group queues.", ErrorKind::AlreadyExists),
        (
            GENERIC,
            "The parameter Shared is not present in the role definition of the current user",
            ErrorKind::PermissionDenied,
        ),
        (
            GENERIC,
            "New-ServicePrincipal is not recognized as the name of a cmdlet",
            ErrorKind::PermissionDenied,
        ),
    ] {
        let error = failure(
            400,
            &[],
            envelope("BadRequest", "Invalid Operation", &format!("Ex1|{exception}|{text}"), GENERIC),
        );
        assert_eq!(error.kind(), kind, "{exception} {text}");
    }
}

#[test]
fn trap_23_a_synchronised_object_is_told_from_a_missing_role() {
    let text = "The action can't be performed because the object is out of the current user's write scope.";
    let error = failure(
        400,
        &[],
        envelope(
            "BadRequest",
            "Invalid Operation",
            &format!("Ex1|A.InvalidOperationException|{text}"),
            GENERIC,
        ),
    );
    assert!(crate::classify::is_synchronised_from_on_premises(&error));
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}

#[test]
fn statuses_alone() {
    assert_eq!(failure(401, &[], "").kind(), ErrorKind::Authentication);
    let slow = failure(429, &[("retry-after", "1.5")], "");
    assert_eq!(
        (slow.kind(), slow.retry_after()),
        (ErrorKind::Throttled, Some(std::time::Duration::from_millis(1500)))
    );
    assert!(failure(503, &[], "<html>").is_transient());
    // A wrong address is never "the object is absent".
    let wrong_place = failure(404, &[], "");
    assert_eq!(wrong_place.kind(), ErrorKind::Rejected);
    assert!(!crate::classify::object_not_found(&wrong_place));
}
