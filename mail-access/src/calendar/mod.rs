//! Calendars: one handle, one event model; private details stay hidden until somebody asks for them by name.

mod backend;
mod event;
#[cfg(feature = "ews")]
pub mod ews;
pub mod graph;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use m365_core::{Error, MailboxAddress, Pipeline, Result};

pub use backend::CalendarBackend;
pub use event::{CalendarEvent, Details, EventId, EventTime, PrivateDetails, Sensitivity, ShowAs};

use crate::mail::MailboxRef;
use backend::dynamic;

/// One mailbox's calendar, whichever Exchange serves it. Cloning it copies a pointer.
///
/// ```
/// # async fn today(pipeline: m365_core::Pipeline) -> m365_core::Result<()> {
/// use mail_access::Calendar;
/// let calendar = Calendar::graph(pipeline, "alice@contoso.example".parse()?);
/// let from: jiff::Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
/// for event in calendar.view(from, from + jiff::SignedDuration::from_hours(24)).await? {
///     println!("{} {}", event.time, event.title());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Calendar {
    mailbox: MailboxAddress,
    backend: Arc<dyn dynamic::CalendarBackend>,
}

impl Calendar {
    /// A calendar over any backend.
    pub fn new(mailbox: MailboxAddress, backend: impl CalendarBackend) -> Self {
        Self { mailbox, backend: Arc::new(backend) }
    }

    /// A calendar over Microsoft Graph.
    pub fn graph(pipeline: Pipeline, mailbox: MailboxAddress) -> Self {
        Self::graph_of(pipeline, mailbox.into())
    }

    /// A calendar over Microsoft Graph, by object id when the reference knows it.
    pub fn graph_of(pipeline: Pipeline, mailbox: MailboxRef) -> Self {
        Self::new(mailbox.address().clone(), graph::GraphCalendar::new(pipeline, mailbox))
    }

    /// A calendar over EWS, in its owner's name: for an app in Exchange Online, and for a service account with the role
    /// ApplicationImpersonation on Exchange Server. [`ews`] says what differs from Graph.
    ///
    /// ```
    /// # async fn today(client: ews_client::EwsClient) -> m365_core::Result<()> {
    /// use mail_access::Calendar;
    /// let calendar = Calendar::ews(client, "alice@contoso.example".parse()?);
    /// let from: jiff::Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
    /// for event in calendar.view(from, from + jiff::SignedDuration::from_hours(24)).await? {
    ///     println!("{} {}", event.time, event.title());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "ews")]
    pub fn ews(client: ews_client::EwsClient, mailbox: MailboxAddress) -> Self {
        let target = ews::impersonated(&mailbox);
        Self::new(mailbox, ews::EwsBackend::new(client, target))
    }

    /// A calendar over EWS, by rights of the service account's own: FullAccess on the mailbox, or Reviewer on its calendar.
    #[cfg(feature = "ews")]
    pub fn ews_delegate(client: ews_client::EwsClient, mailbox: MailboxAddress) -> Self {
        let target = ews_client::Target::Delegate(mailbox.clone());
        Self::new(mailbox, ews::EwsBackend::new(client, target))
    }

    /// Whose calendar it is.
    pub fn mailbox(&self) -> &MailboxAddress {
        &self.mailbox
    }

    /// What lies between two instants, recurrences expanded, ordered by start. Private and confidential events keep
    /// their time and show-as, and nothing else.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](m365_core::ErrorKind::InvalidInput) when the window is empty or reversed;
    /// [`ErrorKind::PermissionDenied`](m365_core::ErrorKind::PermissionDenied) when the calendar is closed to this app.
    pub async fn view(&self, from: Timestamp, to: Timestamp) -> Result<Vec<CalendarEvent>> {
        self.read(from, to, PrivateDetails::Hidden).await
    }

    /// The same with the details of private and confidential events. An application sees them whether or not their owner
    /// knows; have a reason.
    ///
    /// # Errors
    /// As [`Calendar::view`].
    pub async fn view_with_private_details(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<CalendarEvent>> {
        self.read(from, to, PrivateDetails::Shown).await
    }

    /// Opens the calendar and reads nothing of its content: the live half of a proof.
    ///
    /// # Errors
    /// As [`Calendar::view`].
    pub async fn probe(&self) -> Result<()> {
        self.backend.probe().await
    }

    async fn read(
        &self,
        from: Timestamp,
        to: Timestamp,
        details: PrivateDetails,
    ) -> Result<Vec<CalendarEvent>> {
        if to <= from {
            return Err(
                Error::invalid("the calendar view ends before it begins").with_mailbox(self.mailbox.as_str())
            );
        }
        let mut events = self.backend.view(from, to, details).await?;
        events.sort_by(|a, b| a.time.start_key().cmp(&b.time.start_key()).then_with(|| a.id.cmp(&b.id)));
        Ok(events)
    }
}

impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calendar").field("mailbox", &self.mailbox).field("backend", &self.backend).finish()
    }
}
