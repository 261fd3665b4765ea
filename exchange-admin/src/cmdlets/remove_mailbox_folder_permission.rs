use m365_core::{Error, Result};

use crate::classify::no_permission_entry;
use crate::command::{Command, Value};
use crate::row::Row;
use crate::types::{FolderGrantee, FolderIdentity};
use crate::{Cmdlet, Facts, Removal};

/// `Remove-MailboxFolderPermission`: removes somebody's entry with everything in it.
///
/// The entries of Default and Anonymous cannot be removed; that is refused here. Set them to
/// [`FolderAccess::none`](crate::FolderAccess::none).
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/remove-mailboxfolderpermission>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveMailboxFolderPermission {
    folder: FolderIdentity,
    grantee: Option<FolderGrantee>,
}

impl RemoveMailboxFolderPermission {
    /// The entry of this grantee.
    pub fn new(folder: FolderIdentity, grantee: impl Into<FolderGrantee>) -> Self {
        Self { folder, grantee: Some(grantee.into()) }
    }

    /// `-ResetDelegateUserCollection` on a mailbox's own calendar: repairs a broken list of delegates. Those who were
    /// delegates stay Editors and must be made delegates anew.
    pub fn reset_delegates(calendar: FolderIdentity) -> Self {
        Self { folder: calendar, grantee: None }
    }
}

impl Cmdlet for RemoveMailboxFolderPermission {
    type Output = Removal;

    const FACTS: &'static Facts = facts!(
        "Remove-MailboxFolderPermission",
        "remove-mailboxfolderpermission",
        ["Mail Recipients"],
        RecipientManagement,
        PERMISSION,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        if let Some(grantee) = self.grantee.as_ref().filter(|g| g.is_special()) {
            return Err(Error::invalid(format!("the entry of {grantee} cannot be removed; set it to None")));
        }
        let reset = self.grantee.is_none();
        Ok(Command::new(Self::FACTS)
            .with("Identity", &self.folder)
            .with_some("User", self.grantee.as_ref())
            .with_some("ResetDelegateUserCollection", reset.then_some(Value::Switch(true)))
            .anchored(self.folder.anchor()))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<Removal> {
        Ok(Removal::Removed)
    }

    fn recover(&self, error: Error) -> Result<Removal> {
        if no_permission_entry(&error) { Ok(Removal::AlreadyGone) } else { Err(error) }
    }
}
