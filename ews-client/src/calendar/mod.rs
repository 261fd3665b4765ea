//! Calendars as people think of them: events with their days and zones, views of any size, free and busy times, and what an
//! app may see of whom.

mod changes;
mod event;
mod expand;
mod free_busy;
mod guarded;
mod handle;
mod ladder;
mod new_event;
mod plan;
mod rights;
mod series;
mod view;
mod windows;
mod write;

pub use changes::{Change, Changes, SyncToken};
pub use event::{CalendarEvent, EventDetails, EventId, EventKind, presence};
pub use free_busy::{FreeBusy, FreeBusyAnswer, MailboxAvailability};
pub use guarded::Guarded;
pub use handle::EwsCalendar;
pub use ladder::{Access, Content, Ladder};
pub use new_event::NewEvent;
pub use rights::{AccessLevel, Refusal, Rung};
pub use view::{CalendarView, EventPage, Events, Expansion};
pub use write::Created;

#[cfg(test)]
mod testing {
    use http::StatusCode;
    use jiff::Timestamp;

    use crate::{DistinguishedFolder, FindItem, RawCalendarItem, read_answer};

    /// The body of an answer to FindItem in one folder.
    pub(super) fn found(items: &str, complete: bool) -> String {
        format!(
            r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Body>
            <m:FindItemResponse><m:ResponseMessages><m:FindItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>
            <m:RootFolder IncludesLastItemInRange="{complete}"><t:Items>{items}</t:Items></m:RootFolder>
            </m:FindItemResponseMessage></m:ResponseMessages></m:FindItemResponse></s:Body></s:Envelope>"#
        )
    }

    /// Items as the reader of answers gives them.
    pub(super) fn read_items(items: &str) -> Vec<RawCalendarItem> {
        let find =
            FindItem::calendar_view(DistinguishedFolder::Calendar.into(), Timestamp::MIN, Timestamp::MAX);
        let answer = read_answer(&find, StatusCode::OK, found(items, true).as_bytes()).unwrap();
        answer.results.into_iter().next().unwrap().into_result().unwrap().items
    }
}
