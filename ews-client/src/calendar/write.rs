use std::time::Duration;

use m365_core::Acted;

use super::event::EventId;
use super::handle::{EwsCalendar, first};
use super::new_event::NewEvent;
use super::series::item_ref;
use crate::{
    CalendarItemChange, CancelMeeting, ChangeKey, ConflictResolution, CreateCalendarItem, DeleteItem,
    DeleteType, Error, ErrorKind, FindItemPaged, GetItem, ItemBody, ItemHead, ItemRef, Marker,
    MeetingResponse, MessageDisposition, RespondToMeeting, Result, SendMeetingCancellations,
    SendMeetingInvitations, SendMeetingInvitationsOrCancellations, UpdateItem, UpdatedItem,
};

/// When an event is looked for whose making was not answered. A server may be at it still.
const LOOKS: [Duration; 3] = [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(8)];

/// An event that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Created {
    /// What to call it.
    pub id: EventId,
    /// Its version; some servers leave it out.
    pub change_key: Option<ChangeKey>,
    /// Whether the answer was lost, and the event found by its mark.
    pub recovered: bool,
}

impl EwsCalendar {
    /// Makes an event in this calendar. Whether those invited are told is not left to a default.
    ///
    /// It is sent once. When the answer is lost, the event is looked for by its mark; it is never sent a second time, for that
    /// might make a second one and invite everybody twice.
    ///
    /// # Errors
    /// Whatever the server refuses. After a lost answer, and when the event is not there (yet), the error has
    /// [`Acted::Unknown`]: [`find`](Self::find) tells later; only when it says no, long enough after, create it again.
    pub async fn create(&self, event: &NewEvent, invitations: SendMeetingInvitations) -> Result<Created> {
        let create = CreateCalendarItem::new(invitations, self.folder().clone(), [event.to_item()]);
        let error = match self.call(&create).await.and_then(first) {
            Ok(head) => return Ok(created(head, false)),
            Err(error) => error,
        };
        if !was_lost(&error) {
            return Err(error);
        }
        for wait in LOOKS {
            if !wait.is_zero() {
                self.client().clock().sleep(wait).await;
            }
            // That looking fails says nothing about the event: what is known is the first failure.
            if let Ok(Some(head)) = self.find(event.marker()).await {
                return Ok(created(head, true));
            }
        }
        Err(error.with_acted(Acted::Unknown))
    }

    /// The event that bears this mark, if there is one.
    ///
    /// # Errors
    /// Whatever the server refuses. [`ErrorKind::InvalidResponse`]: it passes over the condition, and gives events without the
    /// mark. Then nobody knows whether there is one with it.
    pub async fn find(&self, marker: &Marker) -> Result<Option<ItemHead>> {
        let find = FindItemPaged::calendar(self.folder().clone()).with_marker(marker.clone());
        let page = first(self.call(&find).await?)?;
        match page.items.iter().find(|item| item.has_marker(marker)) {
            Some(item) => Ok(Some(item.head())),
            None if page.items.is_empty() && page.paging.includes_last => Ok(None),
            None => Err(Error::unreadable("events were asked for by their mark, and came without it")),
        }
    }

    /// Changes an event: the whole series by its master, one of it by its own id. Whether attendees are told is not left to a
    /// default.
    ///
    /// `version` is the event's [`change_key`](super::CalendarEvent::change_key); without one it is read first. When somebody
    /// else changed the event meanwhile, its version is read again and `change` applied once more, once.
    ///
    /// ```
    /// use ews_client::SendMeetingInvitationsOrCancellations;
    /// use ews_client::calendar::{CalendarEvent, EwsCalendar};
    ///
    /// # async fn example(calendar: EwsCalendar, event: CalendarEvent) -> ews_client::Result<()> {
    /// let nobody = SendMeetingInvitationsOrCancellations::SendToNone;
    /// let version = event.change_key.clone();
    /// calendar.update(&event.id, version, nobody, |change| Ok(change.with_location("Room 2"))).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What `change` answers; [`ErrorKind::Conflict`]: it was changed again; whatever the server refuses.
    pub async fn update(
        &self,
        event: &EventId,
        version: Option<ChangeKey>,
        invitations: SendMeetingInvitationsOrCancellations,
        change: impl Fn(CalendarItemChange) -> Result<CalendarItemChange>,
    ) -> Result<UpdatedItem> {
        let write = |key: ChangeKey| -> Result<UpdateItem> {
            let blank = match event {
                EventId::Item(id) => CalendarItemChange::new(id.clone(), key),
                EventId::Occurrence { master, index } => {
                    CalendarItemChange::occurrence(master.clone(), key, *index)
                }
            };
            UpdateItem::new(invitations, ConflictResolution::AutoResolve, [change(blank)?])
        };
        let key = match version {
            Some(key) => key,
            None => self.version(event).await?,
        };
        let update = write(key)?;
        match self.call(&update).await.and_then(first) {
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let update = write(self.version(event).await?)?;
                first(self.call(&update).await?)
            }
            result => result,
        }
    }

    /// Deletes an event. Whether attendees are told is not left to a default.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]: it is gone, or hidden from the caller, which a server does not tell apart. Whatever the server
    /// refuses.
    pub async fn delete(
        &self,
        event: &EventId,
        kind: DeleteType,
        cancellations: SendMeetingCancellations,
    ) -> Result<()> {
        let result = self.call(&DeleteItem::calendar(cancellations, kind, [item_ref(event)])).await?;
        let result = result.results.into_iter().next();
        let result = result.ok_or_else(|| Error::unreadable("a deletion was not answered"))?;
        // A success has nothing to say.
        if result.is_done() { Ok(()) } else { Err(result.to_error()) }
    }

    /// Answers the invitation to a meeting. Whether the organizer is told is not left to a default.
    ///
    /// # Errors
    /// Whatever the server refuses, such as an answer to a meeting of one's own.
    pub async fn respond(
        &self,
        event: &EventId,
        response: MeetingResponse,
        disposition: MessageDisposition,
    ) -> Result<()> {
        let head = self.head(event).await?;
        first(self.call(&RespondToMeeting::new(response, disposition, head)).await?).map(drop)
    }

    /// Calls a meeting off that the owner of this calendar organizes, with a text for the attendees.
    ///
    /// # Errors
    /// Whatever the server refuses, such as calling off somebody else's meeting.
    pub async fn cancel(&self, event: &EventId, text: Option<ItemBody>) -> Result<()> {
        let mut cancel = CancelMeeting::new(self.head(event).await?);
        if let Some(text) = text {
            cancel = cancel.with_body(text);
        }
        first(self.call(&cancel).await?).map(drop)
    }

    /// The current version, which for an occurrence is that of its master.
    async fn version(&self, event: &EventId) -> Result<ChangeKey> {
        let item = match event {
            EventId::Item(id) | EventId::Occurrence { master: id, .. } => ItemRef::from(id.clone()),
        };
        let head = self.head_of(item).await?;
        head.change_key.ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                "the server tells no version of the item, so it cannot be changed",
            )
        })
    }

    async fn head(&self, event: &EventId) -> Result<ItemHead> {
        self.head_of(item_ref(event)).await
    }

    async fn head_of(&self, item: ItemRef) -> Result<ItemHead> {
        Ok(first(self.call(&GetItem::calendar([item]).without_body()).await?)?.head())
    }
}

fn created(head: ItemHead, recovered: bool) -> Created {
    Created { id: EventId::Item(head.id), change_key: head.change_key, recovered }
}

/// Whether nobody knows if the server did what it was asked to.
fn was_lost(error: &Error) -> bool {
    error.acted() == Acted::Unknown
        && matches!(
            error.kind(),
            ErrorKind::Network
                | ErrorKind::Timeout
                | ErrorKind::Unavailable
                | ErrorKind::InvalidResponse
                | ErrorKind::Throttled
        )
}
