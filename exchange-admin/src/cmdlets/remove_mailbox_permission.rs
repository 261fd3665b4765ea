use m365_core::{Error, Result};

use crate::classify::no_permission_entry;
use crate::command::{Command, Value};
use crate::row::Row;
use crate::types::{Grantee, Inheritance, MailboxRight, RecipientIdentity};
use crate::{Cmdlet, Facts, Removal};

/// `Remove-MailboxPermission`: takes a right back. Right and inheritance must be those of the entry.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/remove-mailboxpermission>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveMailboxPermission {
    mailbox: RecipientIdentity,
    grantee: Grantee,
    right: MailboxRight,
    inheritance: Inheritance,
}

impl RemoveMailboxPermission {
    /// Takes back what [`AddMailboxPermission::new`](super::AddMailboxPermission::new) gives.
    pub fn new(
        mailbox: impl Into<RecipientIdentity>,
        grantee: impl Into<Grantee>,
        right: MailboxRight,
    ) -> Self {
        Self { mailbox: mailbox.into(), grantee: grantee.into(), right, inheritance: Inheritance::All }
    }

    /// The entry's inheritance, when it is another one.
    #[must_use]
    pub fn with_inheritance(mut self, inheritance: Inheritance) -> Self {
        self.inheritance = inheritance;
        self
    }
}

impl Cmdlet for RemoveMailboxPermission {
    type Output = Removal;

    const FACTS: &'static Facts = facts!(
        "Remove-MailboxPermission",
        "remove-mailboxpermission",
        ["Mail Recipients"],
        RecipientManagement,
        PERMISSION,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS)
            .with("Identity", &self.mailbox)
            .with("User", &self.grantee)
            .with("AccessRights", Value::List(vec![self.right.as_str().to_owned()]))
            .with("InheritanceType", self.inheritance)
            .anchored(self.mailbox.anchor()))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<Removal> {
        Ok(Removal::Removed)
    }

    fn recover(&self, error: Error) -> Result<Removal> {
        if no_permission_entry(&error) { Ok(Removal::AlreadyGone) } else { Err(error) }
    }
}
