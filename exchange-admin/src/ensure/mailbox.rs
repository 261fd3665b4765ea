use m365_core::{Acted, Error, ErrorKind, Result};

use super::{Ensured, Found, conflict};
use crate::cmdlets::{
    AddMailboxPermission, GetMailbox, GetMailboxPermission, GetRecipient, GetServicePrincipal, Mailbox,
    MailboxPermission, NewSharedMailbox,
};
use crate::types::{Grantee, Names, RecipientKind};
use crate::{Cmdlet as _, ExchangeAdmin};

/// Entries that one mailbox's permission list holds.
const MOST_ENTRIES: usize = 500;

impl ExchangeAdmin {
    /// Has a shared mailbox at this address.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when the address is that of a mailbox of another kind;
    /// [`ErrorKind::AlreadyExists`] when something else bears the address or the name; [`ErrorKind::NotReady`].
    pub async fn ensure_shared_mailbox(&self, wanted: &NewSharedMailbox) -> Result<Ensured<Mailbox>> {
        let judge = |found: Option<Mailbox>| match found {
            None => Ok(Found::Absent),
            Some(mailbox) if mailbox.kind != RecipientKind::SharedMailbox => {
                Err(conflict(format!("{} is a {}, not a shared mailbox", wanted.address, mailbox.kind))
                    .with_mailbox(wanted.address.as_str()))
            }
            Some(mailbox) if mailbox.exchange_guid.is_none() => Ok(Found::Incomplete),
            Some(mailbox) => Ok(Found::There(mailbox)),
        };
        self.ensure(&GetMailbox::new(wanted.address.clone()), judge, wanted).await
    }

    /// Has this right on this mailbox granted. The grantee's names are read first; for many mailboxes read them once
    /// and use [`ensure_mailbox_permission_of`](Self::ensure_mailbox_permission_of).
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when Exchange does not know the grantee or the mailbox; otherwise those of
    /// [`ensure_mailbox_permission_of`](Self::ensure_mailbox_permission_of).
    pub async fn ensure_mailbox_permission(
        &self,
        wanted: &AddMailboxPermission,
    ) -> Result<Ensured<MailboxPermission>> {
        let names = match &wanted.grantee {
            Grantee::App(object) => {
                self.run(&GetServicePrincipal::of_object(*object)).await?.value.map(|p| p.names())
            }
            Grantee::Recipient(identity) => {
                self.run(&GetRecipient::new(identity.clone())).await?.value.map(|r| r.names().clone())
            }
        };
        let names = names.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("Exchange does not know the grantee {}", wanted.grantee))
                .with_acted(Acted::No)
                .with_operation(AddMailboxPermission::NAME.as_str())
        })?;
        self.ensure_mailbox_permission_of(wanted, &names).await
    }

    /// Has this right on this mailbox granted, with the grantee's names known: Exchange shows entries under whichever it
    /// likes.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when an entry denies the right, or two different entries fit the names;
    /// [`ErrorKind::Limit`] when the mailbox has 500 entries; [`ErrorKind::NotFound`] without such a mailbox;
    /// [`ErrorKind::NotReady`].
    pub async fn ensure_mailbox_permission_of(
        &self,
        wanted: &AddMailboxPermission,
        grantee: &Names,
    ) -> Result<Ensured<MailboxPermission>> {
        let judge = |entries: Vec<MailboxPermission>| {
            let mut mine: Vec<MailboxPermission> =
                entries.into_iter().filter(|e| grantee.contain(&e.user)).collect();
            if let [first, rest @ ..] = mine.as_slice()
                && rest.iter().any(|e| !e.user.eq_ignore_ascii_case(&first.user))
            {
                return Err(conflict("two different entries fit the grantee's names"));
            }
            mine.retain(|e| e.rights.contains(&wanted.right));
            if mine.iter().any(|e| e.deny) {
                return Err(conflict(format!(
                    "an entry denies {} to {}, and denials go first",
                    wanted.right.as_str(),
                    wanted.grantee
                )));
            }
            Ok(mine.into_iter().next().map_or(Found::Absent, Found::There))
        };
        let get = GetMailboxPermission::new(wanted.mailbox.clone()).with_user(wanted.grantee.clone());
        let result = async {
            if let Found::There(entry) = judge(self.run(&get).await?.value)? {
                return Ok(Ensured::AlreadyThere(entry));
            }
            let all = self.run(&GetMailboxPermission::new(wanted.mailbox.clone())).await?.value;
            if all.len() >= MOST_ENTRIES {
                return Err(Error::new(
                    ErrorKind::Limit,
                    format!(
                        "the mailbox has {} permission entries; Exchange takes {MOST_ENTRIES}",
                        all.len()
                    ),
                )
                .with_acted(Acted::No));
            }
            self.ensure(&get, judge, wanted).await
        };
        result.await.map_err(|e| e.with_mailbox(wanted.mailbox.to_string()))
    }
}
