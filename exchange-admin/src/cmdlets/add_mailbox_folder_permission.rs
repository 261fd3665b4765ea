use m365_core::Result;

use super::folder_permission::FolderGrant;
use super::{FolderPermission, last};
use crate::command::Command;
use crate::row::Row;
use crate::types::{CalendarSharing, FolderAccess, FolderGrantee, FolderIdentity};
use crate::{Cmdlet, Facts};

/// `Add-MailboxFolderPermission`: makes an entry for somebody who has none on this folder. It fails with
/// [`ErrorKind::AlreadyExists`](crate::ErrorKind::AlreadyExists) when there is one; then it takes
/// [`SetMailboxFolderPermission`](super::SetMailboxFolderPermission).
/// [`ExchangeAdmin::ensure_folder_permission`](crate::ExchangeAdmin::ensure_folder_permission) chooses.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/add-mailboxfolderpermission>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddMailboxFolderPermission(pub(crate) FolderGrant);

impl AddMailboxFolderPermission {
    /// Gives `access` on one folder, tells nobody, and makes nobody a delegate.
    pub fn new(
        folder: FolderIdentity,
        grantee: impl Into<FolderGrantee>,
        access: impl Into<FolderAccess>,
    ) -> Self {
        Self(FolderGrant {
            folder,
            grantee: grantee.into(),
            access: access.into(),
            sharing: None,
            notify: None,
        })
    }

    /// Makes them the calendar owner's delegate. Exchange Online, calendars and the role Editor only.
    #[must_use]
    pub fn with_sharing(mut self, sharing: CalendarSharing) -> Self {
        self.0.sharing = Some(sharing);
        self
    }

    /// Sends them an invitation to the calendar. Exchange Online only, for AvailabilityOnly, LimitedDetails, Reviewer and
    /// Editor.
    #[must_use]
    pub fn with_notification(mut self) -> Self {
        self.0.notify = Some(true);
        self
    }
}

impl Cmdlet for AddMailboxFolderPermission {
    type Output = Option<FolderPermission>;

    const FACTS: &'static Facts = facts!(
        "Add-MailboxFolderPermission",
        "add-mailboxfolderpermission",
        ["Mail Recipients"],
        RecipientManagement,
        PERMISSION,
        NotIdempotent
    );

    fn command(&self) -> Result<Command> {
        self.0.command(Command::new(Self::FACTS))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(FolderPermission::read).collect::<Result<Vec<_>>>().map(last)
    }
}
