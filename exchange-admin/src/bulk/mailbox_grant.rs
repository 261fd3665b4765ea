use m365_core::{Acted, Error, ErrorKind, Result};

use super::{BulkItem, BulkStep};
use crate::Cmdlet as _;
use crate::cmdlets::{AddMailboxPermission, GetMailboxPermission};
use crate::command::Command;
use crate::row::Row;
use crate::types::Names;

/// Entries that one mailbox's permission list holds.
const MOST_ENTRIES: usize = 500;

/// A right on a whole mailbox, as one of many.
#[derive(Clone, Debug)]
pub struct MailboxGrant {
    wanted: AddMailboxPermission,
    grantee: Names,
}

impl MailboxGrant {
    /// This right, for a grantee with these names: Exchange shows entries under whichever it likes.
    pub fn new(wanted: AddMailboxPermission, grantee: Names) -> Self {
        Self { wanted, grantee }
    }
}

impl BulkItem for MailboxGrant {
    fn key(&self) -> String {
        format!("{}|{}|{}", self.wanted.mailbox, self.wanted.grantee, self.wanted.right.as_str())
            .to_lowercase()
    }

    /// All entries, not only the grantee's: the mailbox's own is always among them, and the count is needed.
    fn check(&self) -> Result<Command> {
        GetMailboxPermission::new(self.wanted.mailbox.clone()).command()
    }

    fn judge(&self, answer: Result<Vec<Row>>) -> Result<BulkStep> {
        let entries = GetMailboxPermission::new(self.wanted.mailbox.clone()).read(answer?)?;
        let count = entries.len();
        let refuse = |kind, text: String| {
            Err(Error::new(kind, text).with_acted(Acted::No).with_mailbox(self.wanted.mailbox.to_string()))
        };
        let mut mine: Vec<_> = entries.into_iter().filter(|e| self.grantee.contain(&e.user)).collect();
        if let [first, rest @ ..] = mine.as_slice()
            && rest.iter().any(|e| !e.user.eq_ignore_ascii_case(&first.user))
        {
            return refuse(ErrorKind::Conflict, "two different entries fit the grantee's names".to_owned());
        }
        mine.retain(|e| e.rights.contains(&self.wanted.right));
        if mine.iter().any(|e| e.deny) {
            return refuse(ErrorKind::Conflict, "an entry denies the right, and denials go first".to_owned());
        }
        if mine.is_empty() && count >= MOST_ENTRIES {
            let text = format!("the mailbox has {count} permission entries; Exchange takes {MOST_ENTRIES}");
            return refuse(ErrorKind::Limit, text);
        }
        if mine.is_empty() { self.wanted.command().map(BulkStep::Write) } else { Ok(BulkStep::There) }
    }
}
