use m365_core::{Acted, Error, ErrorKind, MailboxAddress, Result};

use super::{BulkItem, BulkStep};
use crate::Cmdlet as _;
use crate::cmdlets::{
    AddMailboxFolderPermission, FolderPermission, FolderUser, GetMailboxFolderPermission,
    GetMailboxFolderStatistics, MailboxFolder, SetMailboxFolderPermission,
};
use crate::command::Command;
use crate::row::Row;
use crate::types::{FolderAccess, FolderGrantee, FolderIdentity, Names, RecipientIdentity};

/// Access to the calendar of a mailbox, as one of many: the calendar is found by its type, whatever it is called there.
///
/// An entry that is there is never narrowed: its rights are united with the wanted ones, and a delegate stays one.
/// Of Default and Anonymous, who always have an entry, the entry is widened in the same way.
///
/// ```
/// use exchange_admin::{BulkItem, FolderGrant, FolderGrantee, FolderRole, MailboxAddress, Names};
/// let presence = MailboxAddress::parse("presence@contoso.example")?;
/// let anna = MailboxAddress::parse("anna@contoso.example")?;
/// let names = Names::new(["presence@contoso.example", "Presence"]);
/// let item = FolderGrant::on_calendar(anna, presence, FolderRole::Reviewer).with_names(names);
/// assert!(item.check()?.to_powershell()?.starts_with("Get-MailboxFolderStatistics"));
/// # Ok::<(), exchange_admin::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FolderGrant {
    mailbox: MailboxAddress,
    grantee: FolderGrantee,
    access: FolderAccess,
    names: Option<Names>,
}

impl FolderGrant {
    /// At least this access to the mailbox's own calendar. Nobody is told, and nobody is made a delegate.
    pub fn on_calendar(
        mailbox: MailboxAddress,
        grantee: impl Into<FolderGrantee>,
        access: impl Into<FolderAccess>,
    ) -> Self {
        Self { mailbox, grantee: grantee.into(), access: access.into(), names: None }
    }

    /// Under which names Exchange may show the grantee. An entry that is echoed under another name is then a conflict and
    /// not taken for theirs.
    #[must_use]
    pub fn with_names(mut self, names: Names) -> Self {
        self.names = Some(names);
        self
    }

    /// The calendar among the folders that were read.
    fn calendar(&self, rows: Vec<Row>) -> Result<FolderIdentity> {
        let folders = GetMailboxFolderStatistics::of_calendars(self.mailbox.clone()).read(rows)?;
        Ok(MailboxFolder::calendar(folders)?.identity(self.mailbox.clone()))
    }

    /// Writes what is missing in the grantee's own entry, of which there is at most one.
    fn compare(&self, folder: FolderIdentity, entries: Vec<FolderPermission>) -> Result<BulkStep> {
        let mut entries = entries.into_iter();
        let (entry, None) = (entries.next(), entries.next()) else {
            return Err(self.conflict("several entries were given for one person"));
        };
        let Some(entry) = entry else {
            let add = AddMailboxFolderPermission::new(folder, self.grantee.clone(), self.access.clone());
            return add.command().map(BulkStep::Write);
        };
        let theirs = match (&self.grantee, &entry.user, &self.names) {
            (FolderGrantee::Default, user, _) => *user == FolderUser::Default,
            (FolderGrantee::Anonymous, user, _) => *user == FolderUser::Anonymous,
            (FolderGrantee::Recipient(_), user, Some(names)) => user.is(names),
            (FolderGrantee::Recipient(_), user, None) => matches!(user, FolderUser::Named(_)),
        };
        if !theirs {
            return Err(self.conflict("the entry that was given for the grantee is somebody else's"));
        }
        if entry.access.covers(&self.access) {
            return Ok(BulkStep::There);
        }
        let both = entry.access.with(&self.access);
        if !entry.other_rights.is_empty() || !both.covers(&self.access) || !both.covers(&entry.access) {
            return Err(self.conflict("the grantee's entry holds rights that the write would lose"));
        }
        SetMailboxFolderPermission::new(folder, self.grantee.clone(), both).command().map(BulkStep::Write)
    }

    fn conflict(&self, text: &'static str) -> Error {
        Error::new(ErrorKind::Conflict, text).with_acted(Acted::No).with_mailbox(self.mailbox.to_string())
    }
}

impl BulkItem for FolderGrant {
    fn key(&self) -> String {
        format!("{}|calendar|{}|{}", self.mailbox, self.grantee, self.access).to_lowercase()
    }

    fn check(&self) -> Result<Command> {
        GetMailboxFolderStatistics::of_calendars(RecipientIdentity::from(self.mailbox.clone())).command()
    }

    /// Reads the grantee's own entry next: a list of all would show display names, which two people may share.
    fn judge(&self, answer: Result<Vec<Row>>) -> Result<BulkStep> {
        let folder = self.calendar(answer?)?;
        let get = GetMailboxFolderPermission::new(folder.clone()).with_user(self.grantee.clone());
        let item = self.clone();
        Ok(BulkStep::Read(
            get.command()?,
            Box::new(move |answer| {
                // Without an entry the cmdlet fails.
                let entries = answer.and_then(|rows| get.read(rows)).or_else(|error| get.recover(error))?;
                item.compare(folder, entries)
            }),
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::types::FolderRole;

    fn rows(rows: serde_json::Value) -> Vec<Row> {
        let rows: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_value(rows).unwrap();
        rows.into_iter().map(Row::new).collect()
    }

    fn grant(grantee: impl Into<FolderGrantee>, access: impl Into<FolderAccess>) -> FolderGrant {
        FolderGrant::on_calendar(MailboxAddress::parse("anna@contoso.example").unwrap(), grantee, access)
    }

    fn presence() -> FolderGrantee {
        FolderGrantee::from(MailboxAddress::parse("presence@contoso.example").unwrap())
    }

    /// What follows when the mailbox's folders are these and the entry is this.
    fn follows(item: &FolderGrant, entry: Result<Vec<Row>>) -> Result<String> {
        let folders = rows(json!([
            {"Name": "Kalender", "FolderPath": "/Kalender", "FolderType": "Calendar", "FolderId": "LgAAAAB/+A=="},
            {"Name": "Calendar", "FolderPath": "/Calendar", "FolderType": "User Created", "FolderId": "LgAAAAB/+B=="},
        ]));
        let BulkStep::Read(read, reader) = item.judge(Ok(folders))? else { panic!("a read") };
        assert!(read.to_powershell()?.contains("anna@contoso.example:LgAAAAB/+A=="), "{read:?}");
        match reader(entry)? {
            BulkStep::There => Ok("there".to_owned()),
            BulkStep::Write(command) => command.to_powershell(),
            other => panic!("{other:?}"),
        }
    }

    fn no_entry() -> Error {
        Error::new(ErrorKind::NotFound, "no entry").with_acted(Acted::No)
    }

    #[test]
    fn trap_8_add_where_nothing_is_and_set_where_less_is() {
        let item = grant(presence(), FolderRole::Reviewer);
        let entry = |user: &str, right: &str| Ok(rows(json!([{"User": user, "AccessRights": [right]}])));
        assert_eq!(follows(&item, entry("Presence", "Reviewer")).unwrap(), "there");
        assert_eq!(follows(&item, entry("Presence", "Owner")).unwrap(), "there", "more is not narrowed");
        let widened = follows(&item, entry("Presence", "Contributor")).unwrap();
        assert!(
            widened.starts_with("Set-MailboxFolderPermission") && widened.contains("CreateItems"),
            "{widened}"
        );
        let everybody = grant(FolderGrantee::Default, FolderRole::Reviewer);
        let opened = follows(&everybody, entry("Default", "AvailabilityOnly")).unwrap();
        assert!(opened.starts_with("Set-MailboxFolderPermission") && opened.contains("Reviewer"), "{opened}");
        let odd = follows(&item, entry("Presence", "SomethingNew")).unwrap_err();
        assert_eq!(odd.kind(), ErrorKind::Conflict);
        assert_eq!(
            follows(&item, Err(no_entry())).unwrap_err().kind(),
            ErrorKind::NotFound,
            "not any error is absence"
        );
    }

    #[test]
    fn trap_9_somebody_elses_entry_is_not_taken_for_theirs() {
        let named = grant(presence(), FolderRole::Reviewer).with_names(Names::new(["Presence"]));
        let entry = |user: &str| Ok(rows(json!([{"User": user, "AccessRights": ["Reviewer"]}])));
        assert_eq!(follows(&named, entry("Presence")).unwrap(), "there");
        assert_eq!(follows(&named, entry("Bert")).unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(
            follows(&grant(presence(), FolderRole::Reviewer), entry("Default")).unwrap_err().kind(),
            ErrorKind::Conflict
        );
    }

    #[test]
    fn trap_11_a_mailbox_without_a_calendar_is_an_error() {
        let item = grant(presence(), FolderRole::Reviewer);
        assert_eq!(item.judge(Ok(Vec::new())).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(item.judge(Err(no_entry())).unwrap_err().message(), "no entry");
    }
}
