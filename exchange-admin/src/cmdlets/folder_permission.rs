use m365_core::{Error, Result};

use crate::command::Command;
use crate::row::Row;
use crate::types::{CalendarSharing, FolderAccess, FolderGrantee, FolderIdentity, Names};

/// One entry of a folder's permission list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderPermission {
    /// Whom it concerns.
    pub user: FolderUser,
    /// What they may do.
    pub access: FolderAccess,
    /// Words without a name here, as Exchange writes them.
    pub other_rights: Vec<String>,
    /// Whether they are a delegate; `None` when the answer does not say, or says it in words without a name here.
    pub sharing: Option<CalendarSharing>,
}

/// Whom an entry concerns, as Exchange echoes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderUser {
    /// Everybody in the organisation who has no entry of their own.
    Default,
    /// Everybody else.
    Anonymous,
    /// Somebody, most often under the *display name*, which two people may share.
    Named(String),
}

impl FolderUser {
    /// Whether it is somebody with these names. Default and Anonymous never are.
    pub fn is(&self, names: &Names) -> bool {
        matches!(self, Self::Named(name) if names.contain(name))
    }
}

impl FolderPermission {
    pub(crate) fn read(row: &Row) -> Result<Self> {
        let user = match row.required("User")? {
            "Default" => FolderUser::Default,
            "Anonymous" => FolderUser::Anonymous,
            name => FolderUser::Named(name.to_owned()),
        };
        let (access, other_rights) = FolderAccess::read(&row.list("AccessRights"));
        let sharing = CalendarSharing::read(&row.list("SharingPermissionFlags"));
        Ok(Self { user, access, other_rights, sharing })
    }
}

/// What Add and Set have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FolderGrant {
    pub(crate) folder: FolderIdentity,
    pub(crate) grantee: FolderGrantee,
    pub(crate) access: FolderAccess,
    pub(crate) sharing: Option<CalendarSharing>,
    pub(crate) notify: Option<bool>,
}

impl FolderGrant {
    pub(super) fn command(&self, command: Command) -> Result<Command> {
        if self.sharing.is_some_and(|s| s != CalendarSharing::None)
            && self.access != FolderAccess::Role(crate::FolderRole::Editor)
        {
            return Err(Error::invalid("only an Editor of a calendar can be a delegate"));
        }
        if self.sharing.is_some() && self.grantee.is_special() {
            return Err(Error::invalid(format!("{} cannot be a delegate", self.grantee)));
        }
        if self.notify == Some(true) && !self.access.can_be_announced() {
            return Err(Error::invalid(format!("Exchange sends no invitation for {}", self.access)));
        }
        Ok(command
            .with("Identity", &self.folder)
            .with("User", &self.grantee)
            .with("AccessRights", self.access.value())
            .with_some("SharingPermissionFlags", self.sharing.map(CalendarSharing::value))
            .with_some("SendNotificationToUser", self.notify)
            .anchored(self.folder.anchor()))
    }
}
