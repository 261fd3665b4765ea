use m365_core::Result;

use super::folder_permission::FolderGrant;
use crate::command::Command;
use crate::row::Row;
use crate::types::{CalendarSharing, FolderAccess, FolderGrantee, FolderIdentity};
use crate::{Cmdlet, Facts};

/// `Set-MailboxFolderPermission`: *replaces* what an entry allows. Whether they are a delegate stays as it is, unless one
/// of the `with_…` methods says otherwise.
///
/// It fails with [`no_permission_entry`](crate::no_permission_entry) when there is no entry. Entries of Default and
/// Anonymous always are there and cannot be removed: set these to [`FolderAccess::none`].
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/set-mailboxfolderpermission>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetMailboxFolderPermission(pub(crate) FolderGrant);

impl SetMailboxFolderPermission {
    /// Gives `access` instead of what the entry allowed.
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

    /// Makes them the calendar owner's delegate, or no longer. Exchange Online, calendars and the role Editor only.
    #[must_use]
    pub fn with_sharing(mut self, sharing: CalendarSharing) -> Self {
        self.0.sharing = Some(sharing);
        self
    }

    /// Says whether they get an invitation, and with it what they are: Exchange takes *either* answer for the wish that they
    /// be no delegate, unless the same call says that they are. That is why the two cannot be had apart here.
    #[must_use]
    pub fn with_notification(mut self, notify: bool, sharing: CalendarSharing) -> Self {
        self.0.notify = Some(notify);
        self.0.sharing = Some(sharing);
        self
    }
}

impl Cmdlet for SetMailboxFolderPermission {
    type Output = ();

    const FACTS: &'static Facts = facts!(
        "Set-MailboxFolderPermission",
        "set-mailboxfolderpermission",
        ["Mail Recipients"],
        RecipientManagement,
        PERMISSION,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        self.0.command(Command::new(Self::FACTS))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<()> {
        Ok(())
    }
}
