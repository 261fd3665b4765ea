use m365_core::{Error, MailboxAddress, Result, UserObjectId};
use uuid::Uuid;

use super::absent;
use crate::command::{Anchor, Command};
use crate::row::{Row, only};
use crate::types::{Names, RecipientIdentity, RecipientKind};
use crate::{Cmdlet, Facts};

/// A mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Its main address.
    pub primary_smtp_address: MailboxAddress,
    /// Object id of its user; `None` for what has none, such as arbitration mailboxes.
    pub object_id: Option<UserObjectId>,
    /// Exchange's own id; `None` while the mailbox is still being made.
    pub exchange_guid: Option<Uuid>,
    /// Sign-in name.
    pub user_principal_name: String,
    /// Name for people.
    pub display_name: String,
    /// What it is.
    pub kind: RecipientKind,
    names: Names,
}

impl Mailbox {
    const PROPERTIES: &'static [&'static str] = &[
        "UserPrincipalName",
        "PrimarySmtpAddress",
        "EmailAddresses",
        "ExternalDirectoryObjectId",
        "ExchangeGuid",
        "RecipientTypeDetails",
        "DisplayName",
        "Name",
        "Alias",
    ];

    pub(crate) fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            primary_smtp_address: row.required_parsed("PrimarySmtpAddress")?,
            object_id: row.parsed("ExternalDirectoryObjectId"),
            exchange_guid: row.parsed("ExchangeGuid").filter(|id: &Uuid| !id.is_nil()),
            user_principal_name: row.owned("UserPrincipalName"),
            display_name: row.owned("DisplayName"),
            kind: RecipientKind::read(row.text("RecipientTypeDetails").unwrap_or_default()),
            names: Names::of_recipient(row),
        })
    }

    /// All names under which Exchange may echo it, its further addresses included.
    pub fn names(&self) -> &Names {
        &self.names
    }
}

/// `Get-Mailbox -Identity`: one mailbox.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-mailbox>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetMailbox {
    mailbox: RecipientIdentity,
}

impl GetMailbox {
    /// By address or id.
    pub fn new(mailbox: impl Into<RecipientIdentity>) -> Self {
        Self { mailbox: mailbox.into() }
    }
}

impl Cmdlet for GetMailbox {
    type Output = Option<Mailbox>;

    const FACTS: &'static Facts = facts!(
        "Get-Mailbox",
        "get-mailbox",
        ["View-Only Recipients", "Mail Recipients"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        // Whether the address exists is the question, so it cannot say which back end answers.
        let anchor = match &self.mailbox {
            RecipientIdentity::ExchangeGuid(id) => Anchor::ExchangeGuid(*id),
            _ => Anchor::Organization,
        };
        Ok(Command::new(Self::FACTS)
            .with("Identity", &self.mailbox)
            .anchored(anchor)
            .selecting(Mailbox::PROPERTIES))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        let wanted = self.mailbox.to_string();
        let all = rows.iter().filter(|r| Names::of_recipient(r).contain(&wanted));
        only(all.map(Mailbox::read).collect::<Result<_>>()?, &wanted, |_| true)
    }

    fn recover(&self, error: Error) -> Result<Self::Output> {
        absent(error)
    }
}

/// `Get-Mailbox`: all mailboxes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListMailboxes;

impl ListMailboxes {
    /// All of them.
    pub const fn new() -> Self {
        Self
    }
}

impl Cmdlet for ListMailboxes {
    type Output = Vec<Mailbox>;

    const FACTS: &'static Facts = GetMailbox::FACTS;

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("ResultSize", "Unlimited").selecting(Mailbox::PROPERTIES))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(Mailbox::read).collect()
    }
}
