use m365_core::{Error, Result};

use super::FolderPermission;
use crate::classify::no_permission_entry;
use crate::command::{Command, Value};
use crate::row::Row;
use crate::types::{FolderGrantee, FolderIdentity};
use crate::{Cmdlet, Facts};

/// `Get-MailboxFolderPermission`: who may do what with a folder, Default and Anonymous included.
///
/// Entries are echoed by display name, and two people may share one. Ask for one person
/// ([`with_user`](Self::with_user)) where one person is meant.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-mailboxfolderpermission>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetMailboxFolderPermission {
    folder: FolderIdentity,
    grantee: Option<FolderGrantee>,
}

impl GetMailboxFolderPermission {
    /// All entries of this folder.
    pub fn new(folder: FolderIdentity) -> Self {
        Self { folder, grantee: None }
    }

    /// Asks for one entry. Without one, the answer is empty.
    #[must_use]
    pub fn with_user(mut self, grantee: impl Into<FolderGrantee>) -> Self {
        self.grantee = Some(grantee.into());
        self
    }
}

impl Cmdlet for GetMailboxFolderPermission {
    type Output = Vec<FolderPermission>;

    const FACTS: &'static Facts = facts!(
        "Get-MailboxFolderPermission",
        "get-mailboxfolderpermission",
        ["View-Only Recipients", "Mail Recipients"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        // One entry needs no limit; all of them must not be cut.
        let size = self.grantee.is_none().then_some(Value::Text("Unlimited".to_owned()));
        Ok(Command::new(Self::FACTS)
            .with("Identity", &self.folder)
            .with_some("User", self.grantee.as_ref())
            .with_some("ResultSize", size)
            .anchored(self.folder.anchor()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(FolderPermission::read).collect()
    }

    fn recover(&self, error: Error) -> Result<Self::Output> {
        if self.grantee.is_some() && no_permission_entry(&error) { Ok(Vec::new()) } else { Err(error) }
    }
}
