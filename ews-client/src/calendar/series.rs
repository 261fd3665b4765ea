use jiff::Timestamp;

use super::event::{CalendarEvent, EventId, EventKind, instant};
use super::expand::Master;
use super::handle::{EwsCalendar, first};
use crate::recurrence::ModifiedOccurrence;
use crate::{
    CalendarItemType, CodeClass, Error, ErrorKind, FindItemPaged, FolderRef, GetItem, Item, ItemHead, ItemId,
    ItemRef, ItemResult, RawCalendarItem, Result,
};

/// Items asked for at once.
const BATCH: usize = 50;
/// Most items of a folder that is searched for series.
const MOST_ITEMS: usize = 500_000;

impl EwsCalendar {
    /// Events by their ids, with body, attendees and all; one result for each id, in order. An id that is gone fails alone
    /// ([`ErrorKind::NotFound`]). An item whose body cannot be converted comes without it.
    ///
    /// # Errors
    /// What fails the whole request, such as a missing right to the mailbox.
    pub async fn get(&self, ids: &[EventId]) -> Result<Vec<Result<CalendarEvent>>> {
        let mut reader = self.reader();
        let mut events = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(BATCH) {
            for result in self.fetch(chunk.iter().map(item_ref).collect()).await? {
                events.push(result.into_result().map(|item| reader.read(item, 0)));
            }
        }
        Ok(events)
    }

    /// Items with all that is known of them.
    async fn fetch(&self, ids: Vec<ItemRef>) -> Result<Vec<ItemResult<RawCalendarItem>>> {
        let mut results = Vec::with_capacity(ids.len());
        for result in self.call(&GetItem::calendar(ids.clone())).await?.results {
            results.push(calendar_item(result));
        }
        for (id, result) in ids.into_iter().zip(&mut results) {
            if result.code.class() == CodeClass::Damaged {
                let again = self.call(&GetItem::calendar([id]).without_body()).await?;
                if let Some(answer) = again.results.into_iter().next() {
                    *result = calendar_item(answer);
                }
            }
        }
        Ok(results)
    }

    /// The masters of a folder.
    pub(super) async fn series_in(&self, folder: &FolderRef) -> Result<Vec<ItemId>> {
        let mut masters = Vec::new();
        let mut read = 0;
        let mut find = Some(FindItemPaged::calendar(folder.clone()));
        while let Some(page) = find {
            let found = first(self.call(&page).await?)?;
            read += found.items.len();
            if read > MOST_ITEMS {
                return Err(Error::new(
                    ErrorKind::Truncated,
                    format!("the folder holds more than {MOST_ITEMS} items"),
                ));
            }
            find = page.next(&found)?;
            masters.extend(found.items.into_iter().filter_map(|item| match item {
                Item::Calendar(item) if item.item_type == Some(CalendarItemType::RecurringMaster) => {
                    Some(item.id)
                }
                _ => None,
            }));
        }
        Ok(masters)
    }

    /// The series of these masters, and those that make no sense. One that is gone meanwhile is neither.
    pub(super) async fn masters(&self, ids: &[ItemId], folder: usize) -> Result<(Vec<Master>, Vec<ItemId>)> {
        let (mut masters, mut unreadable) = (Vec::new(), Vec::new());
        let mut reader = self.reader();
        for chunk in ids.chunks(BATCH) {
            let asked = chunk.iter().cloned().map(ItemRef::from).collect();
            for (id, result) in chunk.iter().zip(self.fetch(asked).await?) {
                match result.code.class() {
                    CodeClass::NotFound => continue,
                    CodeClass::Damaged => {
                        unreadable.push(id.clone());
                        continue;
                    }
                    _ => {}
                }
                let raw = result.into_result()?;
                let more = raw.more.clone().unwrap_or_default();
                let event = reader.read(raw, folder);
                let EventKind::Master(Some(rule)) = &event.kind else {
                    unreadable.push(id.clone());
                    continue;
                };
                let when = |time| -> Timestamp { instant(time, event.zone.as_ref()) };
                let modified = more.modified_occurrences.iter().map(|one| {
                    let modified = ModifiedOccurrence {
                        original_start: when(&one.original_start),
                        start: when(&one.start),
                        end: when(&one.end),
                    };
                    (Some(one.head.id.clone()), modified)
                });
                masters.push(Master {
                    rule: (**rule).clone(),
                    modified: modified.collect(),
                    deleted: more.deleted_occurrences.iter().map(when).collect(),
                    event,
                });
            }
        }
        Ok((masters, unreadable))
    }
}

/// How an event is named in a request.
pub(super) fn item_ref(id: &EventId) -> ItemRef {
    match id {
        EventId::Item(id) => ItemRef::from(id.clone()),
        EventId::Occurrence { master, index } => {
            ItemRef::Occurrence { master: ItemHead::new(master.clone()), index: *index }
        }
    }
}

/// The appointment of an answer. Another kind of item is none.
fn calendar_item(result: ItemResult<Item>) -> ItemResult<RawCalendarItem> {
    let ItemResult { class, code, details, value } = result;
    let value = value.and_then(Item::into_calendar).map(|item| *item);
    ItemResult { class, code, details, value }
}
