use m365_core::Result;

use crate::command::{Command, Value};
use crate::row::Row;
use crate::types::{Grantee, RecipientIdentity};
use crate::{Cmdlet, Facts, Removal};

/// `Remove-RecipientPermission -AccessRights SendAs`: takes that back. In Exchange Server this is `Remove-ADPermission`.
///
/// An entry that is not there is a warning, not an error: the answer is [`Removal::Removed`] then too.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/remove-recipientpermission>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveRecipientPermission {
    pub(crate) recipient: RecipientIdentity,
    pub(crate) trustee: Grantee,
}

impl RemoveRecipientPermission {
    /// `trustee` no longer sends as `recipient`.
    pub fn send_as(recipient: impl Into<RecipientIdentity>, trustee: impl Into<Grantee>) -> Self {
        Self { recipient: recipient.into(), trustee: trustee.into() }
    }
}

impl Cmdlet for RemoveRecipientPermission {
    type Output = Removal;

    const FACTS: &'static Facts = facts!(
        "Remove-RecipientPermission",
        "remove-recipientpermission",
        ["Mail Recipients"],
        RecipientManagement,
        PERMISSION,
        Idempotent,
        Online
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS)
            .with("Identity", &self.recipient)
            .with("AccessRights", Value::List(vec!["SendAs".to_owned()]))
            .with("Trustee", &self.trustee)
            .anchored(self.recipient.anchor()))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<Removal> {
        Ok(Removal::Removed)
    }
}
