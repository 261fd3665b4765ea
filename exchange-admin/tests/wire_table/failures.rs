//! The shapes in which Exchange says no.

use exchange_admin::ErrorKind;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::common::NOT_FOUND;

const GENERIC: &str = "Microsoft.Exchange.Management.PSDirectInvoke.DirectInvokeCmdletExecutionException";

pub(crate) const MEMBER_NOT_FOUND: &str = "Microsoft.Exchange.Management.Tasks.MemberNotFoundException";
pub(crate) const NO_ENTRY: &str =
    "Microsoft.Exchange.Management.StoreTasks.UserNotFoundInPermissionEntryException";
const NO_GRANTEE: &str = "Microsoft.Exchange.Management.StoreTasks.InvalidExternalUserIdException";

/// Exceptions that are an answer to some cmdlets.
pub(crate) const ABSENCES: [&str; 4] = [NOT_FOUND, MEMBER_NOT_FOUND, NO_ENTRY, NO_GRANTEE];

pub(crate) struct Failure {
    pub(crate) what: &'static str,
    pub(crate) response: ResponseTemplate,
    pub(crate) kind: ErrorKind,
    /// It passes by itself, so an idempotent call goes again.
    pub(crate) passes: bool,
    /// Refused before execution, so that any call may go again.
    pub(crate) refused_unread: bool,
}

fn respond(status: u16, body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.to_string(), "application/json")
}

/// Message without meaning, `id|type|text` in the details, a generic type inside.
fn envelope(code: &str, exception: &str, text: &str) -> Value {
    json!({
        "code": code, "message": "Error executing cmdlet",
        "details": [{"code": "Client", "target": "", "message": format!("Ex6F9304|{exception}|{text}")}],
        "innererror": {
            "message": "Error executing cmdlet",
            "type": "Microsoft.Exchange.Admin.OData.Core.ODataServiceException", "stacktrace": "",
            "internalexception": {"message": text, "type": GENERIC, "stacktrace": ""},
        },
        "adminapi.warnings@odata.type": "#Collection(String)", "@adminapi.warnings": [],
    })
}

/// A failure of another server, as a document in a string in a document in a string.
fn proxied(exception: &str, text: &str) -> Value {
    let inner = envelope("NotFound", exception, text);
    let report = json!({
        "ClassName": "Microsoft.Exchange.Configuration.CmdletProxyException",
        "Message": format!("Error on proxy command 'x' to server EX1: Proxy method PSWS: NotFound: Error executing cmdlet : {inner}"),
        "localizedString": {},
    });
    json!({"error": {
        "code": "InternalServerError", "message": "Error executing cmdlet",
        "details": [{"code": "ServerOperation", "target": "", "message": report.to_string()}],
    }})
}

pub(crate) fn in_every_envelope(exception: &str) -> Vec<(&'static str, ResponseTemplate)> {
    // Two bars split; the third is text. The text is not English on purpose.
    let text = "Das Objekt 'x|y' wurde auf 'EURPR01A001DC010' nicht gefunden.";
    // The type stands only inside; the details hold a generic one.
    let mut inside = envelope("BadRequest", GENERIC, "Invalid Operation");
    inside["innererror"]["internalexception"]["type"] = json!(exception);
    vec![
        ("400 with the type inside", respond(400, &json!({"error": inside}))),
        ("404", respond(404, &json!({"error": envelope("NotFound", exception, text)}))),
        ("400", respond(400, &json!({"error": envelope("BadRequest", exception, text)}))),
        ("in a string", respond(500, &proxied(exception, text))),
        ("inside 200", respond(200, &json!({"error": envelope("NotFound", exception, text)}))),
        (
            "odata.error inside 200",
            respond(200, &json!({"@odata.error": envelope("NotFound", exception, text), "value": []})),
        ),
    ]
}

/// None of them is an absence, to any cmdlet.
pub(crate) fn failures() -> Vec<Failure> {
    let failure =
        |what, response, kind| Failure { what, response, kind, passes: false, refused_unread: false };
    let typed = |exception: &str| {
        respond(400, &json!({"error": envelope("BadRequest", exception, "Invalid Operation")}))
    };
    let texted =
        |status, text: &str| respond(status, &json!({"error": {"code": "Unauthorized", "message": text}}));
    let blank = |status| {
        ResponseTemplate::new(status)
            .insert_header("Content-Encoding", "gzip")
            .insert_header("Content-Type", "application/json")
            .set_body_bytes(vec![0_u8; 96])
    };
    let diagnostics = "2000003;reason=\"The role is not assigned.\";error_category=\"invalid_resource\"";
    vec![
        failure(
            "403 of NUL bytes that says gzip, with diagnostics",
            blank(403).insert_header("x-ms-diagnostics", diagnostics),
            ErrorKind::PermissionDenied,
        ),
        failure("403 of NUL bytes that says gzip", blank(403), ErrorKind::PermissionDenied),
        failure("404 of NUL bytes that says gzip", blank(404), ErrorKind::Rejected),
        failure("404 without a body", ResponseTemplate::new(404), ErrorKind::Rejected),
        failure("404 of a proxy", ResponseTemplate::new(404).set_body_string("<html>"), ErrorKind::Rejected),
        failure(
            "404 without an exception",
            respond(404, &json!({"error": {"code": "NotFound", "message": "No such path."}})),
            ErrorKind::NotFound,
        ),
        failure(
            "not allowed, inside 200",
            texted(200, "User is not allowed to call x"),
            ErrorKind::PermissionDenied,
        ),
        failure(
            "not a cmdlet",
            texted(400, "The term 'x' is not recognized as the name of a cmdlet"),
            ErrorKind::PermissionDenied,
        ),
        failure(
            "parameter outside of the role",
            texted(400, "The parameter 'x' is not present in the role definition of the current user."),
            ErrorKind::PermissionDenied,
        ),
        failure(
            "synchronised object",
            texted(400, "The object 'x' is out of the current user's write scope."),
            ErrorKind::PermissionDenied,
        ),
        failure(
            "shared configuration",
            texted(400, "You first need to run the command: Enable-OrganizationCustomization."),
            ErrorKind::Unsupported,
        ),
        failure(
            "bad value",
            typed("Microsoft.Exchange.AdminApi.CommandInvocation.ParameterTransformationException"),
            ErrorKind::Rejected,
        ),
        failure(
            "unknown parameter",
            typed("Microsoft.Exchange.AdminApi.CommandInvocation.AmbiguousParameterSetException"),
            ErrorKind::Rejected,
        ),
        failure(
            "several objects",
            typed("Microsoft.Exchange.Configuration.Tasks.ManagementObjectAmbiguousException"),
            ErrorKind::Conflict,
        ),
        Failure {
            passes: true,
            ..failure(
                "busy",
                typed("Microsoft.Exchange.Data.Directory.ADServerSettingsChangedException"),
                ErrorKind::Unavailable,
            )
        },
        Failure {
            passes: true,
            ..failure(
                "busy, said by another server",
                respond(500, &proxied("Microsoft.Exchange.X.ServerBusyException", "later")),
                ErrorKind::Unavailable,
            )
        },
        Failure {
            passes: true,
            refused_unread: true,
            ..failure(
                "throttled",
                ResponseTemplate::new(429).insert_header("Retry-After", "1.5"),
                ErrorKind::Throttled,
            )
        },
    ]
}
