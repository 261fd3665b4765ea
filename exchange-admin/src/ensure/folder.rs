use m365_core::{Acted, Error, ErrorKind, Result};

use super::{Ensured, Found, conflict};
use crate::cmdlets::{
    AddMailboxFolderPermission, AddRecipientPermission, FolderPermission, FolderUser,
    GetMailboxFolderPermission, GetMailboxFolderStatistics, GetRecipientPermission, GetServicePrincipal,
    MailboxFolder, RecipientPermission, SetMailboxFolderPermission,
};
use crate::types::{FolderGrantee, Grantee, Names, RecipientIdentity};
use crate::{Cmdlet as _, ExchangeAdmin};

/// Entries that one folder's permission list holds, Default and Anonymous included.
const MOST_ENTRIES: usize = 500;

impl ExchangeAdmin {
    /// The mailbox's own calendar, whatever it is called there. Address it by
    /// [`MailboxFolder::identity`].
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such mailbox, or it has no calendar yet.
    pub async fn calendar_folder(&self, mailbox: impl Into<RecipientIdentity>) -> Result<MailboxFolder> {
        let mailbox = mailbox.into();
        let folders = self.run(&GetMailboxFolderStatistics::of_calendars(mailbox.clone())).await?.value;
        MailboxFolder::calendar(folders).map_err(|e| {
            e.with_operation(GetMailboxFolderStatistics::NAME.as_str()).with_mailbox(mailbox.to_string())
        })
    }

    /// Has somebody's entry on a folder allow at least this. What an entry allows besides stays, and so does being a
    /// delegate: of an existing entry only the rights are written, united with those that it has.
    ///
    /// [`Ensured::Created`] when an entry was made or widened.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when several entries fit the person, who can then not be told from others, when the entry
    /// holds rights without a name here, which a write would lose, and when delegation is wanted that an existing entry
    /// lacks; [`ErrorKind::Limit`] when the folder has 500 entries; [`ErrorKind::NotFound`] without such a person,
    /// mailbox or folder.
    pub async fn ensure_folder_permission(
        &self,
        wanted: &AddMailboxFolderPermission,
    ) -> Result<Ensured<FolderPermission>> {
        let names = match &wanted.0.grantee {
            FolderGrantee::Recipient(identity) => self
                .known_recipient(identity, AddMailboxFolderPermission::NAME.as_str())
                .await?
                .names()
                .clone(),
            FolderGrantee::Default | FolderGrantee::Anonymous => Names::default(),
        };
        self.ensure_folder_permission_of(wanted, &names)
            .await
            .map_err(|e| e.with_mailbox(wanted.0.folder.mailbox().to_string()))
    }

    /// The same with the grantee's names known, for many mailboxes.
    ///
    /// # Errors
    /// As [`ensure_folder_permission`](Self::ensure_folder_permission).
    pub async fn ensure_folder_permission_of(
        &self,
        wanted: &AddMailboxFolderPermission,
        grantee: &Names,
    ) -> Result<Ensured<FolderPermission>> {
        let grant = &wanted.0;
        let fits = |entry: &FolderPermission| match &grant.grantee {
            FolderGrantee::Default => entry.user == FolderUser::Default,
            FolderGrantee::Anonymous => entry.user == FolderUser::Anonymous,
            FolderGrantee::Recipient(_) => entry.user.is(grantee),
        };
        let mine = |entries: Vec<FolderPermission>| -> Result<Option<FolderPermission>> {
            let mut mine = entries.into_iter().filter(|e| fits(e));
            match (mine.next(), mine.next()) {
                (_, Some(_)) => Err(conflict(format!(
                    "several entries of the folder fit {}, so that nobody can say whose is whose",
                    grant.grantee
                ))),
                (entry, None) => Ok(entry),
            }
        };
        let judge = |entries: Vec<FolderPermission>| {
            Ok(match mine(entries)? {
                Some(entry) if entry.access.covers(&grant.access) => Found::There(entry),
                Some(_) => Found::Incomplete,
                None => Found::Absent,
            })
        };
        let get = GetMailboxFolderPermission::new(grant.folder.clone()).with_user(grant.grantee.clone());
        let Some(before) = mine(self.run(&get).await?.value)? else {
            let all = self.run(&GetMailboxFolderPermission::new(grant.folder.clone())).await?.value;
            if all.len() >= MOST_ENTRIES {
                return Err(Error::new(
                    ErrorKind::Limit,
                    format!("the folder has {} entries; Exchange takes {MOST_ENTRIES}", all.len()),
                )
                .with_acted(Acted::No));
            }
            return self.ensure(&get, judge, wanted).await;
        };
        let wants_more = grant.sharing.is_some_and(|s| Some(s) > before.sharing);
        if wants_more {
            return Err(conflict(format!(
                "{} has an entry on the folder and is no such delegate; make them one with {}",
                grant.grantee,
                SetMailboxFolderPermission::NAME
            )));
        }
        if before.access.covers(&grant.access) {
            return Ok(Ensured::AlreadyThere(before));
        }
        let both = before.access.with(&grant.access);
        if !before.other_rights.is_empty() || !both.covers(&grant.access) || !both.covers(&before.access) {
            return Err(conflict(format!(
                "the entry of {} allows {} {}; writing {} would lose some of it",
                grant.grantee,
                before.access,
                before.other_rights.join(","),
                grant.access
            )));
        }
        let set = SetMailboxFolderPermission::new(grant.folder.clone(), grant.grantee.clone(), both);
        self.run(&set).await?;
        match self.settle(&get, &judge).await? {
            Some(entry) => Ok(Ensured::Created(entry)),
            None => Err(super::not_ready(SetMailboxFolderPermission::NAME.as_str())),
        }
    }

    /// Has somebody send as this recipient.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when an entry denies it; [`ErrorKind::NotFound`] when Exchange does not know the recipient or
    /// the trustee; [`ErrorKind::NotReady`] when it was made and does not show yet.
    pub async fn ensure_send_as(
        &self,
        wanted: &AddRecipientPermission,
    ) -> Result<Ensured<RecipientPermission>> {
        let names = match &wanted.trustee {
            Grantee::App(object) => {
                let found = self.run(&GetServicePrincipal::of_object(*object)).await?.value;
                let app = found.ok_or_else(|| {
                    Error::new(ErrorKind::NotFound, format!("Exchange does not know the app {object}"))
                        .with_acted(Acted::No)
                        .with_operation(AddRecipientPermission::NAME.as_str())
                })?;
                app.names()
            }
            Grantee::Recipient(identity) => {
                self.known_recipient(identity, AddRecipientPermission::NAME.as_str()).await?.names().clone()
            }
        };
        let judge = |entries: Vec<RecipientPermission>| {
            let mut mine: Vec<_> =
                entries.into_iter().filter(|e| e.send_as && names.contain(&e.trustee)).collect();
            if mine.iter().any(|e| e.deny) {
                return Err(conflict("an entry denies sending as the recipient, and denials go first"));
            }
            Ok(mine.pop().map_or(Found::Absent, Found::There))
        };
        let get = GetRecipientPermission::new(wanted.recipient.clone()).with_trustee(wanted.trustee.clone());
        self.ensure(&get, judge, wanted).await.map_err(|e| e.with_mailbox(wanted.recipient.to_string()))
    }
}
