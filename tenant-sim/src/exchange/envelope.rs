//! The shapes of answers: rows with their sidecar keys, warnings, and the nested errors.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};
use uuid::Uuid;

const CONTENT_TYPE: &str =
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";

/// The domain controller that "not found" texts name.
const DOMAIN_CONTROLLER: &str = "AM1PR01A010DC001.EURPR01A001.PROD.OUTLOOK.COM";

/// A cmdlet that failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    status: StatusCode,
    code: &'static str,
    error_id: String,
    exception: String,
    text: String,
    /// The text for callers that do not ask for English.
    foreign: Option<String>,
}

impl Failure {
    /// The failure in the language of the caller: without `Accept-Language: en…` some texts are not English.
    pub(super) fn in_language(mut self, accept_language: Option<&str>) -> Self {
        let english = accept_language.is_some_and(|l| l.to_ascii_lowercase().starts_with("en"));
        if let Some(foreign) = self.foreign.take().filter(|_| !english) {
            self.text = foreign;
        }
        self
    }

    /// A 400 with this error id, exception type and text; id and type may be empty.
    pub(super) fn bad_request(error_id: &str, exception: &str, text: &str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: "BadRequest",
            error_id: error_id.to_owned(),
            exception: exception.to_owned(),
            text: text.to_owned(),
            foreign: None,
        }
    }

    /// Nothing answers to this identity.
    pub(super) fn not_found(identity: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            code: "NotFound",
            error_id: "Ex6F9304".to_owned(),
            exception: "Microsoft.Exchange.Configuration.Tasks.ManagementObjectNotFoundException".to_owned(),
            text: format!(
                "The operation couldn't be performed because object '{identity}' couldn't be found on '{DOMAIN_CONTROLLER}'."
            ),
            foreign: Some(format!(
                "Der Vorgang konnte nicht ausgeführt werden, weil das Objekt '{identity}' auf '{DOMAIN_CONTROLLER}' fehlt."
            )),
        }
    }

    /// Several objects answer to this identity.
    pub(super) fn ambiguous(identity: &str) -> Self {
        Self::bad_request(
            "Ex0A0FBD",
            "Microsoft.Exchange.Configuration.Tasks.ManagementObjectAmbiguousException",
            &format!("The operation couldn't be performed because '{identity}' matches multiple entries."),
        )
    }

    /// An object with this name is there.
    pub(super) fn already_exists(name: &str) -> Self {
        Self::bad_request(
            "Ex5B0E2A",
            "Microsoft.Exchange.Data.Directory.ADObjectAlreadyExistsException",
            &format!(
                "Active Directory operation failed on {DOMAIN_CONTROLLER}. The object '{name}' already exists."
            ),
        )
    }

    /// Unknown or clashing parameters.
    pub(super) fn parameter_set(detail: &str) -> Self {
        Self::bad_request(
            "",
            "Microsoft.Exchange.AdminApi.CommandInvocation.AmbiguousParameterSetException",
            &format!(
                "Parameter set cannot be resolved using the specified named parameters. Invalid cmdlet parameters specified. {detail}"
            ),
        )
    }

    /// A value that the parameter's type does not take; `valid` lists what it takes.
    pub(super) fn transformation(parameter: &str, value: &str, valid: &str) -> Self {
        Self::bad_request(
            "",
            "System.Management.Automation.ParameterBindingException.ParameterTransformationException",
            &format!(
                "Cannot process argument transformation on parameter '{parameter}'. Cannot convert value \"{value}\". The valid values are: {valid}."
            ),
        )
    }

    /// A fresh tenant that cannot hold custom roles and scopes yet.
    pub(super) fn dehydrated() -> Self {
        Self::bad_request(
            "Ex9B1D44",
            "Microsoft.Exchange.Data.Directory.InvalidOperationInDehydratedContextException",
            "The command you tried to run isn't currently allowed in your organization. To run this command, you first need to run the command: Enable-OrganizationCustomization.",
        )
    }

    /// An operation that the object's state forbids.
    pub(super) fn invalid_operation(text: &str) -> Self {
        Self::bad_request(
            "Ex3C7A11",
            "Microsoft.Exchange.Configuration.Tasks.TaskInvalidOperationException",
            text,
        )
    }

    /// Its text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The answer on the wire. The outer message says nothing on purpose; the details carry
    /// `error id|exception type|text`.
    pub(super) fn response(&self, warnings: &[String]) -> Response<Bytes> {
        let outer =
            if self.status == StatusCode::NOT_FOUND { "Error executing cmdlet" } else { "Invalid Operation" };
        let inner_type = if self.status == StatusCode::NOT_FOUND {
            "Microsoft.Exchange.Management.PSDirectInvoke.DirectInvokeCmdletExecutionException"
        } else {
            self.exception.as_str()
        };
        json(
            self.status,
            &json!({
                "error": {
                    "code": self.code,
                    "message": outer,
                    "details": [{
                        "code": "Client",
                        "target": "",
                        "message": format!("{}|{}|{}", self.error_id, self.exception, self.text),
                    }],
                    "innererror": {
                        "message": outer,
                        "type": "Microsoft.Exchange.Admin.OData.Core.ODataServiceException",
                        "stacktrace": "",
                        "internalexception": { "message": self.text, "type": inner_type, "stacktrace": "" },
                    },
                    "adminapi.warnings@odata.type": "#Collection(String)",
                    "@adminapi.warnings": warnings,
                },
            }),
        )
    }
}

/// A row of output; values that JSON cannot type bring their sidecar keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Row(Map<String, Value>);

impl Row {
    /// A string property.
    pub(super) fn text(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), Value::String(value.into()));
        self
    }

    /// A property without a value.
    pub(super) fn null(mut self, name: &str) -> Self {
        self.0.insert(name.to_owned(), Value::Null);
        self
    }

    /// A string that may be missing.
    pub(super) fn optional(self, name: &str, value: Option<String>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self.null(name),
        }
    }

    /// A truth value.
    pub(super) fn boolean(mut self, name: &str, value: bool) -> Self {
        self.0.insert(name.to_owned(), Value::Bool(value));
        self
    }

    /// A GUID, with both sidecar keys.
    pub(super) fn guid(mut self, name: &str, value: Uuid) -> Self {
        self.0.insert(format!("{name}@data.type"), json!("System.Guid"));
        self.0.insert(format!("{name}@odata.type"), json!("#Guid"));
        self.text(name, value.to_string())
    }

    /// A list of strings, with its type.
    pub(super) fn list(mut self, name: &str, values: Vec<String>) -> Self {
        self.0.insert(format!("{name}@odata.type"), json!("#Collection(String)"));
        self.0.insert(name.to_owned(), Value::from(values));
        self
    }
}

impl From<Row> for Value {
    fn from(row: Row) -> Self {
        Self::Object(row.0)
    }
}

/// 200 with rows. `next` is the link to the following page.
pub(super) fn success(value: Value, warnings: &[String], next: Option<String>) -> Response<Bytes> {
    let mut body = Map::new();
    body.insert(
        "@odata.context".to_owned(),
        json!(
            "https://outlook.office.com/adminapi/beta/tenant/$metadata#Collection(Exchange.GenericHashTable)"
        ),
    );
    body.insert("adminapi.warnings@odata.type".to_owned(), json!("#Collection(String)"));
    body.insert("@adminapi.warnings".to_owned(), json!(warnings));
    if let Some(next) = next {
        body.insert("@odata.nextLink".to_owned(), json!(next));
    }
    body.insert("value".to_owned(), value);
    json(StatusCode::OK, &Value::Object(body))
}

/// Keeps the selected properties and their sidecar keys.
pub(super) fn select(row: Row, query: Option<&str>) -> Value {
    let wanted = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find(|(key, _)| key.eq_ignore_ascii_case("$select"))
        .map(|(_, value)| value.to_ascii_lowercase());
    let Some(wanted) = wanted else {
        return row.into();
    };
    let wanted: Vec<&str> = wanted.split(',').map(str::trim).collect();
    let keep = |key: &str| {
        let name = key.split_once('@').map_or(key, |(name, _)| name).to_ascii_lowercase();
        wanted.contains(&name.as_str())
    };
    Value::Object(row.0.into_iter().filter(|(key, _)| keep(key)).collect())
}

/// A short error without details, as the front end answers.
pub(super) fn plain(status: StatusCode, code: &str, message: &str) -> Response<Bytes> {
    json(status, &json!({ "error": { "code": code, "message": message } }))
}

/// 401: no token, a token for something else, or one without the app role.
pub(super) fn unauthorized(error: &str) -> Response<Bytes> {
    let mut response = plain(StatusCode::UNAUTHORIZED, "Unauthorized", "The caller is not authorized.");
    let challenge = format!("Bearer client_id=\"00000002-0000-0ff1-ce00-000000000000\", error=\"{error}\"");
    if let Ok(challenge) = http::HeaderValue::try_from(challenge) {
        response.headers_mut().insert(http::header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// 403 for a cmdlet that the caller's roles do not show, or that does not exist: NUL bytes that claim to be gzip. Only the
/// diagnostics header can be read.
pub(super) fn hidden_cmdlet(name: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(&[0; 64]));
    *response.status_mut() = StatusCode::FORBIDDEN;
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(http::header::CONTENT_ENCODING, http::HeaderValue::from_static("gzip"));
    let shown: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(80).collect();
    let diagnostics = format!(
        "2000003;reason=\"The caller's roles do not include the cmdlet {shown}.\";error_category=\"invalid_resource\""
    );
    if let Ok(diagnostics) = http::HeaderValue::try_from(diagnostics) {
        headers.insert("x-ms-diagnostics", diagnostics);
    }
    stamp(headers);
    response
}

/// A JSON answer with the service's usual headers.
pub(super) fn json(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(CONTENT_TYPE));
    stamp(response.headers_mut());
    response
}

fn stamp(headers: &mut http::HeaderMap) {
    if let Ok(id) = http::HeaderValue::try_from(Uuid::new_v4().to_string()) {
        headers.insert("request-id", id);
    }
    headers.insert(
        "x-calculatedbetarget",
        http::HeaderValue::from_static("AM1PR01MB0001.EURPR01.PROD.OUTLOOK.COM"),
    );
    headers.insert("x-exchangeversion", http::HeaderValue::from_static("Version 15.20 (Build 9412.10)"));
}
