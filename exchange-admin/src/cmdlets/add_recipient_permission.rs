use m365_core::Result;

use crate::command::{Command, Value};
use crate::row::Row;
use crate::types::{Grantee, RecipientIdentity};
use crate::{Cmdlet, Facts};

/// `Add-RecipientPermission -AccessRights SendAs`: lets somebody send as this mailbox or group. In Exchange Server this is `Add-ADPermission`.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/add-recipientpermission>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddRecipientPermission {
    pub(crate) recipient: RecipientIdentity,
    pub(crate) trustee: Grantee,
}

impl AddRecipientPermission {
    /// `trustee` sends as `recipient`.
    pub fn send_as(recipient: impl Into<RecipientIdentity>, trustee: impl Into<Grantee>) -> Self {
        Self { recipient: recipient.into(), trustee: trustee.into() }
    }
}

impl Cmdlet for AddRecipientPermission {
    type Output = ();

    const FACTS: &'static Facts = facts!(
        "Add-RecipientPermission",
        "add-recipientpermission",
        ["Mail Recipients"],
        RecipientManagement,
        PERMISSION,
        NotIdempotent,
        Online
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS)
            .with("Identity", &self.recipient)
            .with("AccessRights", Value::List(vec!["SendAs".to_owned()]))
            .with("Trustee", &self.trustee)
            .anchored(self.recipient.anchor()))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<()> {
        Ok(())
    }
}
