use m365_core::{ClientId, Error, Result};

use crate::command::Command;
use crate::row::Row;
use crate::types::RecipientIdentity;
use crate::{Cmdlet, Facts};

/// What the policies say of an app and a mailbox. It runs ahead of what is enforced, by 30 minutes to hours, and knows
/// neither consent nor roles: a verdict on the configuration, never proof of access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessCheck {
    /// The verdict.
    pub result: AccessCheckResult,
    /// The mailbox as Exchange names it.
    pub mailbox: String,
}

/// A verdict. There is no default: an unknown word is neither yes nor no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessCheckResult {
    /// No policy stands in the way.
    Granted,
    /// A policy keeps the app out.
    Denied,
    /// Another word.
    Unknown(String),
}

/// `Test-ApplicationAccessPolicy`: what the policies say of an app and a mailbox.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/test-applicationaccesspolicy>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestApplicationAccessPolicy {
    app: ClientId,
    mailbox: RecipientIdentity,
}

impl TestApplicationAccessPolicy {
    /// This app and this mailbox.
    pub fn new(app: ClientId, mailbox: impl Into<RecipientIdentity>) -> Self {
        Self { app, mailbox: mailbox.into() }
    }
}

impl Cmdlet for TestApplicationAccessPolicy {
    type Output = AccessCheck;

    const FACTS: &'static Facts = facts!(
        "Test-ApplicationAccessPolicy",
        "test-applicationaccesspolicy",
        ["View-Only Configuration", "Organization Configuration"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent,
        Online
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", &self.mailbox).with("AppId", self.app.to_string()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<AccessCheck> {
        let [row] = rows.as_slice() else {
            return Err(Error::unreadable(format!("one verdict was expected, {} came", rows.len())));
        };
        let result = match row.required("AccessCheckResult")? {
            r if r.eq_ignore_ascii_case("Granted") => AccessCheckResult::Granted,
            r if r.eq_ignore_ascii_case("Denied") => AccessCheckResult::Denied,
            other => AccessCheckResult::Unknown(other.to_owned()),
        };
        Ok(AccessCheck { result, mailbox: row.owned("Mailbox") })
    }
}
