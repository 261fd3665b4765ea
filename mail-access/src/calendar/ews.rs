//! Calendars over Exchange Web Services: of Exchange Server, and of Exchange Online until EWS ends there.
//!
//! What differs from Graph:
//!
//! | | EWS | Graph |
//! |---|---|---|
//! | attendees | meetings are read once more, fifty at a time; first those who must come, then those who may, then rooms | in the view, in the event's order |
//! | organizer of an appointment with oneself | the name alone | name and address |
//! | subject and location | cut at 255 characters | as the view gives them |
//! | all-day events | days of the zone that the event was made in; where that is not to be told, as over Graph, or a timed event | days of the zones from -10:00 to +13:59 |
//! | series that the server does not expand | computed here; such an occurrence has the id of its series, `#` and its number | the server expands them all |
//! | ids | not those of Graph, and others after a move | immutable |

use ews_client::calendar::{CalendarEvent as EwsEvent, EventDetails, EventId as EwsId};
use ews_client::{
    ConnectingSid, DistinguishedFolder, EmailAddress, EwsClient, Folder, FolderRef, GetFolder, Target, When,
};
use jiff::Timestamp;
use m365_core::{Error, ErrorKind, MailboxAddress, Result};

use super::{
    CalendarBackend, CalendarEvent, Details, EventId, EventTime, PrivateDetails, Sensitivity, ShowAs,
};
use crate::mail::Person;

/// The main calendar of one mailbox over EWS.
#[derive(Clone, Debug)]
pub struct EwsBackend {
    calendar: ews_client::calendar::EwsCalendar,
}

impl EwsBackend {
    /// The main calendar of whoever is meant: `Target::Impersonate` for an app in Exchange Online and for an account with the
    /// role ApplicationImpersonation, `Target::Delegate` for an account with rights of its own on the mailbox.
    pub fn new(client: EwsClient, target: Target) -> Self {
        Self { calendar: ews_client::calendar::EwsCalendar::new(client, target) }
    }
}

/// In the owner's name, by primary address: nothing else finds rooms and shared mailboxes.
pub(crate) fn impersonated(mailbox: &MailboxAddress) -> Target {
    Target::Impersonate(ConnectingSid::PrimarySmtpAddress(mailbox.clone()))
}

/// Opens a folder whose items may be read, and reads none.
pub(crate) async fn open(client: &EwsClient, target: &Target, folder: DistinguishedFolder) -> Result<Folder> {
    let answer = client.call(&GetFolder::new([FolderRef::from(folder)]), target).await?;
    let result = answer.results.into_iter().next();
    result.ok_or_else(|| Error::unreadable("a request about one folder has no answer"))?.into_result()
}

/// Whether what was opened can be read: a folder may be visible and its items closed.
pub(crate) fn is_readable(folder: &Folder) -> bool {
    folder.rights.is_none_or(|rights| rights.read)
}

impl CalendarBackend for EwsBackend {
    async fn view(
        &self,
        from: Timestamp,
        to: Timestamp,
        details: PrivateDetails,
    ) -> Result<Vec<CalendarEvent>> {
        let view = self.calendar.view(from, to).collect().await?;
        if !view.unresolved.is_empty() {
            return Err(Error::new(
                ErrorKind::Truncated,
                format!(
                    "the server leaves {} series unexpanded whose rule or zone makes no sense: their occurrences are not known",
                    view.unresolved.len()
                ),
            )
            .with_mailbox(self.calendar.target().label()));
        }
        // A view tells nobody's address: whoever is invited is read with the event itself.
        let wanted = |event: &EwsEvent| {
            event.is_meeting && (details == PrivateDetails::Shown || !event.details().is_hidden())
        };
        let ids: Vec<EwsId> = view.events.iter().filter(|e| wanted(e)).map(|e| e.id.clone()).collect();
        let mut whole = self.calendar.get(&ids).await?.into_iter();
        let mut events = Vec::with_capacity(view.events.len());
        for event in view.events {
            let people = match wanted(&event).then(|| whole.next()).flatten() {
                None => None,
                Some(Ok(read)) => Some(read),
                // Gone since it was listed, or closed to this account, which is told alike: it stands as the view had it.
                Some(Err(error)) if error.kind() == ErrorKind::NotFound => None,
                Some(Err(error)) => return Err(error),
            };
            events.push(read(&event, people.as_ref(), details)?);
        }
        Ok(events)
    }

    async fn probe(&self) -> Result<()> {
        let folder =
            open(self.calendar.client(), self.calendar.target(), DistinguishedFolder::Calendar).await?;
        if is_readable(&folder) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::PermissionDenied,
            "the calendar is visible, and its events are not to be read",
        )
        .with_mailbox(self.calendar.target().label()))
    }
}

/// One event; `whole` is the same with its people.
fn read(event: &EwsEvent, whole: Option<&EwsEvent>, private: PrivateDetails) -> Result<CalendarEvent> {
    let id = match &event.id {
        EwsId::Item(id) => EventId::new(id.as_str()),
        EwsId::Occurrence { master, index } => EventId::new(format!("{}#{index}", master.as_str())),
    };
    let time = match &event.when {
        When::Timed { start, end } => EventTime::Timed { start: start.instant, end: end.instant },
        When::AllDay { first, last_exclusive, .. } => {
            let last = last_exclusive
                .yesterday()
                .map_err(|_| Error::unreadable("an event's date is out of range"))?;
            EventTime::AllDay { first: *first, last: last.max(*first) }
        }
    };
    let show_as = match &event.show_as {
        ews_client::free_busy::ShowAs::NoData => ShowAs::from_wire("unknown"),
        known => ShowAs::from_wire(known.as_str()),
    };
    // Not said is not public.
    let sensitivity = Sensitivity::from_wire(event.sensitivity.as_ref().map_or("unknown", |s| s.as_str()));
    // Dropped again by `new` unless they were asked for.
    let listed = event.details().reveal_private();
    let people = whole.map_or(listed, |whole| whole.details().reveal_private());
    let details = Details::Shown {
        subject: listed.subject.as_deref().unwrap_or_default().to_owned(),
        location: listed.location.as_deref().unwrap_or_default().to_owned(),
        organizer: people.organizer.as_ref().and_then(person),
        attendees: attendees(people),
    };
    Ok(CalendarEvent::new(id, time, show_as, sensitivity, event.is_cancelled, details, private))
}

fn attendees(details: &EventDetails) -> Vec<Person> {
    let all = details.required.iter().chain(&details.optional).chain(&details.resources);
    all.filter_map(|attendee| person(&attendee.mailbox)).collect()
}

fn person(of: &EmailAddress) -> Option<Person> {
    let person = Person {
        name: of.name.as_deref().unwrap_or_default().to_owned(),
        // A legacy distinguished name is no address.
        address: of.smtp_address().unwrap_or_default().to_owned(),
    };
    (person != Person::default()).then_some(person)
}
