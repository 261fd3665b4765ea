//! What a case of the table is.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;

use exchange_admin::{Cmdlet, Command, ExchangeAdmin, Result};
use serde_json::{Map, Value, json};

use crate::common::{NOT_FOUND, TENANT};

/// What a cmdlet does, and with it what an answer without rows means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Gives an object or nothing.
    ReadsOne,
    /// Gives all of them.
    Lists,
    /// Gives what it made, if Exchange tells.
    Creates,
    Changes,
    Removes,
    /// Cannot be read from nothing.
    NeedsARow,
}

impl Kind {
    pub(crate) fn without_rows(self) -> Option<&'static str> {
        match self {
            Self::ReadsOne | Self::Creates => Some("None"),
            Self::Lists => Some("[]"),
            Self::Changes => Some("()"),
            Self::Removes => Some("Removed"),
            Self::NeedsARow => None,
        }
    }
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) shown: String,
    pub(crate) warnings: Vec<String>,
}

type Running = Pin<Box<dyn Future<Output = Result<Ran>>>>;

pub(crate) struct Case {
    pub(crate) kind: Kind,
    pub(crate) command: Command,
    pub(crate) anchor: String,
    pub(crate) parameters: Value,
    /// Rows, without what Exchange adds to each.
    pub(crate) answer: Value,
    /// Runs it; `true`: and checks what was read.
    pub(crate) run: Box<dyn Fn(ExchangeAdmin, bool) -> Running>,
    absences: Vec<(&'static str, &'static str)>,
}

/// The cmdlet, the parameters of its request, the rows of the answer, and what must be read from them.
pub(crate) fn case<C>(kind: Kind, cmdlet: C, parameters: Value, answer: Value, check: fn(&C::Output)) -> Case
where
    C: Cmdlet + 'static,
    C::Output: Debug,
{
    let command = cmdlet.command().unwrap();
    let cmdlet = Arc::new(cmdlet);
    let run = move |exchange: ExchangeAdmin, checked: bool| -> Running {
        let cmdlet = Arc::clone(&cmdlet);
        Box::pin(async move {
            let outcome = exchange.run(&*cmdlet).await?;
            if checked {
                check(&outcome.value);
            }
            Ok(Ran { shown: format!("{:?}", outcome.value), warnings: outcome.warnings })
        })
    };
    let absences = match kind {
        Kind::ReadsOne => vec![(NOT_FOUND, "None")],
        Kind::Removes => vec![(NOT_FOUND, "AlreadyGone")],
        _ => Vec::new(),
    };
    let anchor = format!("APP:SystemMailbox{{bb558c35-97f1-4cb9-8ff7-d53741dc928c}}@{TENANT}");
    Case { kind, command, anchor, parameters, answer, run: Box::new(run), absences }
}

impl Case {
    /// Routed by this mailbox instead of the organisation's.
    pub(crate) fn anchored(mut self, anchor: &str) -> Self {
        self.anchor = anchor.to_owned();
        self
    }

    /// The exceptions that are an answer to this cmdlet, instead of those of its kind.
    pub(crate) fn absences(mut self, absences: &[(&'static str, &'static str)]) -> Self {
        self.absences = absences.to_vec();
        self
    }

    /// What this exception means to it; nothing: a failure.
    pub(crate) fn when(&self, exception: &str) -> Option<&'static str> {
        self.absences.iter().find_map(|(e, shown)| (*e == exception).then_some(*shown))
    }
}

fn is_guid(text: &str) -> bool {
    text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
}

/// A row as it comes over the wire: every property with its sidecars, sizes and spans as text, .NET objects as the name
/// of their type, what is not set as `null`.
pub(crate) fn as_exchange_sends(row: &Value) -> Value {
    let mut sent = Map::new();
    for (name, value) in row.as_object().unwrap() {
        let (data, odata) = match value {
            Value::String(text) if is_guid(text) => (Some("System.Guid"), Some("#Guid")),
            Value::String(_) => (Some("System.String"), None),
            Value::Bool(_) => (Some("System.Boolean"), None),
            Value::Number(_) => (Some("System.Int32"), Some("#Int32")),
            Value::Array(_) => (None, Some("#Collection(String)")),
            _ => (None, None),
        };
        sent.extend(data.map(|d| (format!("{name}@data.type"), json!(d))));
        sent.extend(odata.map(|o| (format!("{name}@odata.type"), json!(o))));
        sent.insert(name.clone(), value.clone());
    }
    for (name, value) in [
        ("ProhibitSendQuota", json!("99 GB (106,300,440,576 bytes)")),
        ("RetainDeletedItemsFor", json!("14.00:00:00")),
        ("WhenCreatedUTC", json!("2025-03-04T05:06:07.0000000+00:00")),
        ("ExchangeSecurityDescriptor", json!("System.Security.AccessControl.RawSecurityDescriptor")),
        ("ForwardingAddress", Value::Null),
        ("AuditAdmin", json!(["Update", "Move"])),
        ("ObjectState", json!("Unchanged")),
    ] {
        sent.insert(name.to_owned(), value);
    }
    Value::Object(sent)
}

/// The same row of somebody else.
pub(crate) fn foreign(row: &Value, number: u32) -> Value {
    match row {
        Value::String(text) if is_guid(text) => json!(format!("99999999-8888-4777-8666-{number:012}")),
        Value::String(text) => match text.split_once('@') {
            Some((head, _)) => {
                let kind = head.split_once(':').map_or(String::new(), |(kind, _)| format!("{kind}:"));
                json!(format!("{kind}other{number}@contoso.example"))
            }
            None => json!(format!("Other {number} {text}")),
        },
        Value::Array(items) => items.iter().map(|item| foreign(item, number)).collect(),
        Value::Object(properties) => {
            properties.iter().map(|(name, value)| (name.clone(), foreign(value, number))).collect()
        }
        other => other.clone(),
    }
}
