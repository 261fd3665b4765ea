use m365_core::{Error, ErrorKind, Result};

use crate::command::Command;
use crate::row::Row;
use crate::types::{FolderId, FolderIdentity, FolderType, RecipientIdentity};
use crate::{Cmdlet, Facts};

/// A folder of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxFolder {
    /// Its name, in the mailbox's language.
    pub name: String,
    /// Its place, in the mailbox's language, with slashes.
    pub path: String,
    /// What it is for, in English whatever the language.
    pub folder_type: FolderType,
    /// Its id.
    pub id: FolderId,
}

impl MailboxFolder {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            name: row.owned("Name"),
            path: row.owned("FolderPath"),
            folder_type: FolderType::read(row.required("FolderType")?),
            id: FolderId::parse(row.required("FolderId")?)
                .map_err(|_| Error::unreadable("the folder's id has an unknown form"))?,
        })
    }

    /// The folder as permissions name it.
    pub fn identity(&self, mailbox: impl Into<RecipientIdentity>) -> FolderIdentity {
        FolderIdentity::by_id(mailbox, self.id.clone())
    }

    /// The mailbox's own calendar among these folders, by type and never by name: it may be called Kalender or
    /// Kalendarz, and a folder that somebody made may be called Calendar.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when none is of that type, [`ErrorKind::Conflict`] when several are.
    pub fn calendar(folders: Vec<Self>) -> Result<Self> {
        let mut calendars = folders.into_iter().filter(|f| f.folder_type == FolderType::Calendar);
        match (calendars.next(), calendars.next()) {
            (Some(calendar), None) => Ok(calendar),
            (None, _) => Err(Error::new(
                ErrorKind::NotFound,
                "no folder of the mailbox is of the type Calendar; it may not have been opened yet",
            )),
            (Some(_), Some(_)) => Err(Error::new(
                ErrorKind::Conflict,
                "several folders of the mailbox are of the type Calendar",
            )),
        }
    }
}

/// `Get-MailboxFolderStatistics`: the folders of a mailbox, with type and id.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-mailboxfolderstatistics>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetMailboxFolderStatistics {
    mailbox: RecipientIdentity,
    calendars_only: bool,
}

impl GetMailboxFolderStatistics {
    /// All folders.
    pub fn new(mailbox: impl Into<RecipientIdentity>) -> Self {
        Self { mailbox: mailbox.into(), calendars_only: false }
    }

    /// The calendar and the calendars below it (`-FolderScope Calendar`).
    pub fn of_calendars(mailbox: impl Into<RecipientIdentity>) -> Self {
        Self { mailbox: mailbox.into(), calendars_only: true }
    }
}

impl Cmdlet for GetMailboxFolderStatistics {
    type Output = Vec<MailboxFolder>;

    const FACTS: &'static Facts = facts!(
        "Get-MailboxFolderStatistics",
        "get-mailboxfolderstatistics",
        ["View-Only Recipients", "Mail Recipients"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS)
            .with("Identity", &self.mailbox)
            .with_some("FolderScope", self.calendars_only.then_some("Calendar"))
            .anchored(self.mailbox.anchor())
            .selecting(&["Name", "FolderPath", "FolderType", "FolderId"]))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(MailboxFolder::read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str, folder_type: &str) -> MailboxFolder {
        let id = FolderId::parse("LgAAAAB/+A==").unwrap();
        MailboxFolder {
            name: name.to_owned(),
            path: format!("/{name}"),
            folder_type: FolderType::read(folder_type),
            id,
        }
    }

    #[test]
    fn trap_11_the_calendar_is_found_by_type_in_every_language() {
        for name in ["Calendar", "Kalender", "Kalendarz", "Calendrier", "Календарь"] {
            let found = MailboxFolder::calendar(vec![
                folder("Calendar", "User Created"),
                folder(name, "Calendar"),
                folder("Birthdays", "BirthdayCalendar"),
            ]);
            assert_eq!(found.unwrap().name, name);
        }
        let none = MailboxFolder::calendar(vec![folder("Calendar", "User Created")]);
        assert_eq!(none.unwrap_err().kind(), ErrorKind::NotFound);
        let two = MailboxFolder::calendar(vec![folder("A", "Calendar"), folder("B", "Calendar")]);
        assert_eq!(two.unwrap_err().kind(), ErrorKind::Conflict);
    }
}
