use m365_core::Result;

use crate::command::Command;
use crate::row::Row;
use crate::types::{Grantee, Inheritance, MailboxRight, RecipientIdentity};
use crate::{Cmdlet, Facts};

/// One entry of a mailbox's permission list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxPermission {
    /// The grantee as Exchange echoes it: an id, a display name, a SID. Match it with
    /// [`Names::contain`](crate::Names::contain).
    pub user: String,
    /// The rights with a name here.
    pub rights: Vec<MailboxRight>,
    /// Rights without a name here, as Exchange writes them.
    pub other_rights: Vec<String>,
    /// Deny entries go before the others.
    pub deny: bool,
    /// From the organisation or the database, not of this mailbox.
    pub inherited: bool,
    /// Where below the mailbox it holds.
    pub inheritance: Option<Inheritance>,
}

impl MailboxPermission {
    fn read(row: &Row) -> Result<Self> {
        let (mut rights, mut other_rights) = (Vec::new(), Vec::new());
        for right in row.list("AccessRights").iter().flat_map(|r| r.split(',')) {
            match MailboxRight::read(right) {
                Some(right) => rights.push(right),
                None => other_rights.push(right.trim().to_owned()),
            }
        }
        Ok(Self {
            user: row.required("User")?.to_owned(),
            rights,
            other_rights,
            deny: row.truth("Deny").unwrap_or(false),
            inherited: row.truth("IsInherited").unwrap_or(false),
            inheritance: row.text("InheritanceType").and_then(Inheritance::read),
        })
    }

    /// Neither the mailbox's own entry (by name or by its well-known SID) nor an inherited one.
    fn is_somebodys(&self) -> bool {
        let own = ["NT AUTHORITY\\SELF", "S-1-5-10"];
        !self.inherited && !own.iter().any(|own| self.user.eq_ignore_ascii_case(own))
    }
}

/// `Get-MailboxPermission`: who was given rights on a mailbox. The mailbox's own entry and inherited ones are left out.
/// A grantee shown by its SID stays: it may be an account that is gone, or an app that Exchange finds no name for just
/// now. Match [`ServicePrincipal::names`](crate::cmdlets::ServicePrincipal::names), which know the SID.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-mailboxpermission>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetMailboxPermission {
    mailbox: RecipientIdentity,
    grantee: Option<Grantee>,
}

impl GetMailboxPermission {
    /// All entries of this mailbox.
    pub fn new(mailbox: impl Into<RecipientIdentity>) -> Self {
        Self { mailbox: mailbox.into(), grantee: None }
    }

    /// Asks for the entries of one grantee. Compare what comes back all the same.
    #[must_use]
    pub fn with_user(mut self, grantee: impl Into<Grantee>) -> Self {
        self.grantee = Some(grantee.into());
        self
    }
}

impl Cmdlet for GetMailboxPermission {
    type Output = Vec<MailboxPermission>;

    const FACTS: &'static Facts = facts!(
        "Get-MailboxPermission",
        "get-mailboxpermission",
        ["View-Only Recipients", "Mail Recipients"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS)
            .with("Identity", &self.mailbox)
            .with_some("User", self.grantee.as_ref())
            .with("ResultSize", "Unlimited")
            .anchored(self.mailbox.anchor()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        let mut entries = rows.iter().map(MailboxPermission::read).collect::<Result<Vec<_>>>()?;
        entries.retain(MailboxPermission::is_somebodys);
        Ok(entries)
    }
}
