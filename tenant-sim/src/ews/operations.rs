//! The operations on items and folders, and what all of them share.

use jiff::{Timestamp, tz::TimeZone};
use uuid::Uuid;

use super::soap::{self, Element, Fault, MESSAGES, SOAP, TYPES, escaped};
use super::version::Version;
use super::{
    create_item, delete_item, find_folder, find_item, get_attachment, get_folder, get_item,
    get_user_availability, schema_violation, send_item, sync_folder_hierarchy, sync_folder_items, times,
    update_item,
};
use crate::server::reply::Reply;
use crate::state::State;

/// What an operation is evaluated with.
pub(super) struct Acting<'a> {
    pub(super) state: &'a mut State,
    /// Object id of the mailbox that the call acts as: the impersonated one, or the account's own.
    pub(super) mailbox: Uuid,
    /// True at the door of the organisation's own servers: their mailboxes are the remote ones.
    pub(super) on_premises: bool,
    pub(super) now: Timestamp,
    /// The schema that the request was written for.
    pub(super) version: Version,
    /// The zone of the request's `TimeZoneContext`.
    pub(super) zone: Option<TimeZone>,
}

type Operation = fn(&mut Acting<'_>, &Element) -> Result<String, Fault>;

const OPERATIONS: [(&str, &str, Operation); 12] = [
    ("FindItem", "FindItem", find_item::run),
    ("GetItem", "GetItem", get_item::run),
    ("CreateItem", "CreateItem", create_item::run),
    ("UpdateItem", "UpdateItem", update_item::run),
    ("DeleteItem", "DeleteItem", delete_item::run),
    ("SendItem", "SendItem", send_item::run),
    ("GetFolder", "GetFolder", get_folder::run),
    ("FindFolder", "FindFolder", find_folder::run),
    ("SyncFolderItems", "SyncFolderItems", sync_folder_items::run),
    ("SyncFolderHierarchy", "SyncFolderHierarchy", sync_folder_hierarchy::run),
    ("GetUserAvailabilityRequest", "GetUserAvailability", get_user_availability::run),
    ("GetAttachment", "GetAttachment", get_attachment::run),
];

/// The operation's name, when it is one of those here.
pub(super) fn named(element: &Element) -> Option<&'static str> {
    let mut all = OPERATIONS.iter().filter(|_| element.namespace == MESSAGES);
    all.find(|(request, ..)| *request == element.name).map(|(_, name, _)| *name)
}

/// Answers a call whose mailbox is open to the caller; none for an operation that is not one of those here.
pub(super) fn run(
    state: &mut State,
    mailbox: Uuid,
    on_premises: bool,
    now: Timestamp,
    envelope: &Element,
    operation: &Element,
) -> Option<Result<Reply, Fault>> {
    let server = on_premises.then(|| state.exchange.build.header());
    let all = OPERATIONS.iter().filter(|_| operation.namespace == MESSAGES);
    let (_, _, run) = all.into_iter().find(|(request, ..)| *request == operation.name)?;
    let prepared = prepare(state, mailbox, on_premises, now, envelope);
    let body = prepared.and_then(|mut acting| run(&mut acting, operation));
    Some(body.map(|body| match server {
        Some(server) => soap::answer_of(server, &body),
        None => soap::answer(&body),
    }))
}

fn prepare<'a>(
    state: &'a mut State,
    mailbox: Uuid,
    on_premises: bool,
    now: Timestamp,
    envelope: &Element,
) -> Result<Acting<'a>, Fault> {
    let header = envelope.child(SOAP, "Header");
    let asked =
        header.and_then(|h| h.child(TYPES, "RequestServerVersion")).and_then(|v| v.attribute("Version"));
    let newest = if on_premises { state.exchange.build.newest() } else { Version::Later };
    // Without the header the oldest schema is meant.
    let version = asked.map_or(Some(Version::Exchange2007Sp1), Version::parse);
    let version = version
        .filter(|v| *v <= newest)
        .ok_or_else(|| Fault::new("ErrorInvalidServerVersion", "The specified server version is invalid."))?;
    let zone = header
        .and_then(|h| h.child(TYPES, "TimeZoneContext"))
        .and_then(|c| c.child(TYPES, "TimeZoneDefinition"))
        .and_then(|d| d.attribute("Id"))
        .map(times::zone_named)
        .transpose()
        .map_err(|f| Fault::new(f.code, f.text))?;
    Ok(Acting { state, mailbox, on_premises, now, version, zone })
}

/// Why one element of a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: &'static str,
    pub(super) text: String,
    /// `t:Value` elements of `MessageXml`.
    pub(super) values: Vec<(&'static str, String)>,
}

impl Failure {
    pub(super) fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), values: Vec::new() }
    }

    pub(super) fn with_value(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.values.push((name, value.into()));
        self
    }

    pub(super) fn item_not_found() -> Self {
        Self::new("ErrorItemNotFound", "The specified object was not found in the store.")
    }

    pub(super) fn folder_not_found() -> Self {
        Self::new("ErrorFolderNotFound", "The specified folder could not be found in the store.")
    }

    pub(super) fn malformed_id() -> Self {
        Self::new("ErrorInvalidIdMalformed", "Id is malformed.")
    }

    pub(super) fn access_denied() -> Self {
        Self::new("ErrorAccessDenied", "Access is denied. Check credentials and try again.")
    }
}

/// The inside of an answer with response messages.
pub(super) fn response(name: &str, messages: &str) -> String {
    format!(
        r#"<m:{name}Response xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"><m:ResponseMessages>{messages}</m:ResponseMessages></m:{name}Response>"#
    )
}

/// One response message: what `outcome` holds, or what went wrong with `empty` behind it.
pub(super) fn message(name: &str, outcome: Result<String, Failure>, empty: &str) -> String {
    match outcome {
        Ok(content) => format!(
            r#"<m:{name}ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>{content}</m:{name}ResponseMessage>"#
        ),
        Err(failure) => format!(
            r#"<m:{name}ResponseMessage ResponseClass="Error">{}{empty}</m:{name}ResponseMessage>"#,
            told(&failure)
        ),
    }
}

/// Text, code and values of a failure, in the schema's order.
pub(super) fn told(failure: &Failure) -> String {
    let mut values = String::new();
    for (name, value) in &failure.values {
        values.push_str(&format!(r#"<t:Value Name="{name}">{}</t:Value>"#, escaped(value)));
    }
    if !values.is_empty() {
        values = format!("<m:MessageXml>{values}</m:MessageXml>");
    }
    format!(
        "<m:MessageText>{}</m:MessageText><m:ResponseCode>{}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>{values}",
        escaped(&failure.text),
        failure.code
    )
}

/// A part of the request that the schema demands.
pub(super) fn needed<'e>(operation: &'e Element, name: &str) -> Result<&'e Element, Fault> {
    operation
        .child(MESSAGES, name)
        .ok_or_else(|| schema_violation(format!("{} needs {name}.", operation.name)))
}

/// The elements of a list that the schema demands, of which there must be one.
pub(super) fn listed<'e>(operation: &'e Element, name: &str) -> Result<&'e [Element], Fault> {
    let children = needed(operation, name)?.children.as_slice();
    if children.is_empty() {
        return Err(schema_violation(format!("{name} is empty.")));
    }
    Ok(children)
}

/// One of the values that the schema knows; none when the attribute is absent.
pub(super) fn choice<'e>(
    operation: &'e Element,
    name: &str,
    known: &[&str],
) -> Result<Option<&'e str>, Fault> {
    match operation.attribute(name) {
        Some(value) if !known.contains(&value) => Err(schema_violation(format!(
            "The '{name}' attribute is invalid - The value '{value}' is invalid according to its datatype."
        ))),
        value => Ok(value),
    }
}
