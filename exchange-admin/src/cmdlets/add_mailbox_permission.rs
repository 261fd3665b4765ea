use m365_core::{Error, Result};

use crate::command::{Command, Value};
use crate::row::Row;
use crate::types::{Grantee, Inheritance, MailboxRight, RecipientIdentity};
use crate::{Cmdlet, Facts};

/// `Add-MailboxPermission`: gives a right on a whole mailbox. For IMAP and POP this entry alone decides which mailboxes
/// an app opens.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/add-mailboxpermission>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddMailboxPermission {
    pub(crate) mailbox: RecipientIdentity,
    pub(crate) grantee: Grantee,
    pub(crate) right: MailboxRight,
    inheritance: Inheritance,
    auto_mapping: bool,
}

impl AddMailboxPermission {
    /// Gives `right` on the mailbox and all its folders, and does not open it in anybody's Outlook.
    pub fn new(
        mailbox: impl Into<RecipientIdentity>,
        grantee: impl Into<Grantee>,
        right: MailboxRight,
    ) -> Self {
        Self {
            mailbox: mailbox.into(),
            grantee: grantee.into(),
            right,
            inheritance: Inheritance::All,
            auto_mapping: false,
        }
    }

    /// Somewhere else below the mailbox.
    #[must_use]
    pub fn with_inheritance(mut self, inheritance: Inheritance) -> Self {
        self.inheritance = inheritance;
        self
    }

    /// Opens the mailbox in the person's Outlook by itself. To be changed only by removing and adding again.
    #[must_use]
    pub fn with_auto_mapping(mut self, auto_mapping: bool) -> Self {
        self.auto_mapping = auto_mapping;
        self
    }
}

impl Cmdlet for AddMailboxPermission {
    type Output = ();

    const FACTS: &'static Facts = facts!(
        "Add-MailboxPermission",
        "add-mailboxpermission",
        ["Mail Recipients"],
        RecipientManagement,
        PERMISSION,
        NotIdempotent
    );

    fn command(&self) -> Result<Command> {
        if self.auto_mapping && matches!(self.grantee, Grantee::App(_)) {
            return Err(Error::invalid("an app has no Outlook that could open the mailbox by itself"));
        }
        Ok(Command::new(Self::FACTS)
            .with("Identity", &self.mailbox)
            .with("User", &self.grantee)
            .with("AccessRights", Value::List(vec![self.right.as_str().to_owned()]))
            .with("InheritanceType", self.inheritance)
            .with("AutoMapping", self.auto_mapping)
            .anchored(self.mailbox.anchor()))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<()> {
        Ok(())
    }
}
