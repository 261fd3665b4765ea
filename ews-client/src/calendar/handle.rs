use std::sync::Arc;

use jiff::Timestamp;

use super::event::EventReader;
use super::view::CalendarView;
use crate::{
    Answer, DistinguishedFolder, Error, ErrorKind, EwsClient, EwsOperation, FindFolder, Folder, FolderClass,
    FolderRef, GetFolder, Result, ServerVersion, Target,
};

/// One calendar of one mailbox. Cheap to clone.
///
/// ```
/// use ews_client::calendar::EwsCalendar;
/// use ews_client::{ConnectingSid, EwsClient, Target};
/// use m365_core::MailboxAddress;
///
/// # async fn example(client: EwsClient) -> ews_client::Result<()> {
/// let anna = MailboxAddress::parse("anna@contoso.example")?;
/// let calendar = EwsCalendar::new(client, Target::Impersonate(ConnectingSid::PrimarySmtpAddress(anna)));
/// let day = ("2026-11-23T00:00:00Z".parse().unwrap(), "2026-11-24T00:00:00Z".parse().unwrap());
/// for event in calendar.view(day.0, day.1).collect().await?.events {
///     println!("{} {:?} {}", event.start(), event.presence(), event.subject().unwrap_or("(private)"));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct EwsCalendar {
    client: EwsClient,
    target: Arc<Target>,
    folder: FolderRef,
    territory: Option<Arc<str>>,
}

impl EwsCalendar {
    /// The main calendar of the mailbox that is meant by `target`.
    pub fn new(client: EwsClient, target: Target) -> Self {
        Self {
            client,
            target: Arc::new(target),
            folder: DistinguishedFolder::Calendar.into(),
            territory: None,
        }
    }

    /// Another calendar of the same mailbox; see [`secondary_calendars`](Self::secondary_calendars).
    #[must_use]
    pub fn with_folder(mut self, folder: FolderRef) -> Self {
        self.folder = folder;
        self
    }

    /// A country, as CLDR writes it (`DK`): Windows zones are many countries' at once, and events then name the zone of this
    /// one. It changes no instant.
    #[must_use]
    pub fn with_territory(mut self, territory: &str) -> Self {
        self.territory = Some(territory.into());
        self
    }

    /// Whose it is.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Which folder it is.
    pub fn folder(&self) -> &FolderRef {
        &self.folder
    }

    /// What sends its requests.
    pub fn client(&self) -> &EwsClient {
        &self.client
    }

    /// What lies between two instants, series expanded: nothing is sent until the view is collected or its pages are read.
    pub fn view(&self, from: Timestamp, to: Timestamp) -> CalendarView {
        CalendarView::new(self.clone(), from, to)
    }

    /// The other calendars of the mailbox: folders of class `IPF.Appointment` or of one below it, such as that of birthdays, at any
    /// depth, found by what they are and never by their name, which is in the owner's language. [`with_folder`](Self::with_folder) takes their ids.
    ///
    /// # Errors
    /// Whatever the server refuses. A delegate needs a right on the mailbox's root folder to find any.
    pub async fn secondary_calendars(&self) -> Result<Vec<Folder>> {
        let main = GetFolder::new([DistinguishedFolder::Calendar.into()]);
        let main = first(self.call(&main).await?)?.id;
        let mut calendars = Vec::new();
        let whole: FolderRef = DistinguishedFolder::MsgFolderRoot.into();
        // A server asked for the class gives that one only, and none of those below it.
        let mut find = Some(FindFolder::deep(whole));
        let mut seen = 0;
        while let Some(page) = find {
            let found = first(self.call(&page).await?)?;
            find = page.next(&found)?;
            seen += found.folders.len();
            let others = found.folders.into_iter();
            calendars
                .extend(others.filter(|folder| folder.class == FolderClass::Calendar && folder.id != main));
            if seen > MOST_FOLDERS {
                return Err(Error::new(
                    ErrorKind::Truncated,
                    format!("the mailbox has more than {MOST_FOLDERS} folders"),
                ));
            }
        }
        Ok(calendars)
    }

    pub(super) fn reader(&self) -> EventReader {
        EventReader::new(self.territory.as_deref())
    }

    pub(super) async fn call<O>(&self, operation: &O) -> Result<Answer<O::Item>>
    where
        O: EwsOperation + Sync,
        O::Item: Send,
    {
        self.client.call(operation, &self.target).await
    }

    /// Whether the server is one of those that leave series out of their views without a word.
    pub(super) fn may_hide_series(&self) -> bool {
        self.client.server_version().is_some_and(|server| is_foreign(&server))
    }
}

/// The only answer of a request about one thing.
pub(super) fn first<T>(answer: Answer<T>) -> Result<T> {
    let result = answer.results.into_iter().next();
    result.ok_or_else(|| Error::unreadable("a request about one thing has no answer"))?.into_result()
}

/// Most folders of a mailbox.
const MOST_FOLDERS: usize = 100_000;

/// Whether a server is not Microsoft's: it names a schema that is younger than the version that it says it is. Exchange 2013
/// and older answer in `V2_…` or `Exchange20…`.
fn is_foreign(server: &ServerVersion) -> bool {
    let younger = server.schema.as_deref().is_some_and(|schema| schema.starts_with("V20"));
    younger && (1..=15).contains(&server.major) && (server.major, server.minor) < (15, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_13_a_server_that_is_not_microsofts_is_known_by_its_versions() {
        for (major, minor, schema, foreign) in [
            (15, 0, Some("V2017_07_11"), true),
            (15, 1, Some("V2017_07_11"), false),
            (15, 20, Some("V2018_01_08"), false),
            (15, 0, Some("V2_23"), false),
            (15, 0, Some("Exchange2013_SP1"), false),
            (14, 3, None, false),
            (0, 0, Some("V2017_07_11"), false),
        ] {
            let server =
                ServerVersion { major, minor, build: 1, revision: 1, schema: schema.map(Into::into) };
            assert_eq!(is_foreign(&server), foreign, "{server:?}");
        }
    }
}
