use std::mem;

use super::event::{CalendarEvent, EventId, EventKind, instant};
use super::expand::Master;
use super::handle::{EwsCalendar, first};
use crate::recurrence::ModifiedOccurrence;
use crate::xs::DateTime;
use crate::{
    CalendarItemType, CodeClass, Error, ErrorKind, EwsOperation as _, FindItemPaged, FolderRef, GetItem,
    Item, ItemHead, ItemId, ItemRef, ItemResult, OccurrenceInfo, RawCalendarItem, Result,
};

/// Items asked for at once.
const BATCH: usize = 50;
/// Most items of a folder that is searched for series.
const MOST_ITEMS: usize = 500_000;
/// Pages of 250, with room for those that come half full.
const MOST_PAGES: usize = 5_000;

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
            let whole = GetItem::calendar(chunk.iter().map(item_ref));
            for result in self.fetch(whole).await? {
                events.push(result.into_result().map(|item| reader.read(item, 0)));
            }
        }
        Ok(events)
    }

    /// Items; those that cannot be converted, once more without their bodies.
    async fn fetch(&self, get: GetItem) -> Result<Vec<ItemResult<RawCalendarItem>>> {
        let mut results: Vec<_> = self.call(&get).await?.results.into_iter().map(calendar_item).collect();
        for (place, result) in results.iter_mut().enumerate() {
            if result.code.class() == CodeClass::Damaged
                && let Some(again) = get.only(&[place])
                && let Some(answer) = self.call(&again.without_body()).await?.results.into_iter().next()
            {
                *result = calendar_item(answer);
            }
        }
        Ok(results)
    }

    /// The masters of a folder.
    pub(super) async fn series_in(&self, folder: &FolderRef) -> Result<Vec<ItemId>> {
        let mut masters = Vec::new();
        let (mut read, mut pages) = (0, 0);
        let mut find = Some(FindItemPaged::calendar(folder.clone()));
        while let Some(page) = find {
            let found = first(self.call(&page).await?)?;
            (read, pages) = (read + found.items.len(), pages + 1);
            // Empty pages lead nowhere, and a server could go on with them for ever.
            if read > MOST_ITEMS || pages > MOST_PAGES {
                return Err(Error::new(
                    ErrorKind::Truncated,
                    format!("the folder holds more than {MOST_ITEMS} items, or more than {MOST_PAGES} pages"),
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
            // Each occurrence is a copy of its master, and a body of megabytes is no part of a view.
            let slim = GetItem::calendar(chunk.iter().cloned().map(ItemRef::from)).without_body();
            for (id, result) in chunk.iter().zip(self.fetch(slim).await?) {
                match result.code.class() {
                    CodeClass::NotFound => continue,
                    CodeClass::Damaged => {
                        unreadable.push(id.clone());
                        continue;
                    }
                    _ => {}
                }
                let mut raw = result.into_result()?;
                let (mut modified, mut deleted) = (Vec::new(), Vec::new());
                if let Some(more) = &mut raw.more {
                    modified = mem::take(&mut more.modified_occurrences);
                    deleted = mem::take(&mut more.deleted_occurrences);
                    more.body = None;
                    for people in
                        [&mut more.required_attendees, &mut more.optional_attendees, &mut more.resources]
                    {
                        *people = Vec::new();
                    }
                }
                let event = reader.read(raw, folder);
                let EventKind::Master(Some(rule)) = &event.kind else {
                    unreadable.push(id.clone());
                    continue;
                };
                let when = |time: &DateTime| instant(time, event.zone.as_ref());
                let exception = |one: OccurrenceInfo| {
                    let modified = ModifiedOccurrence {
                        original_start: when(&one.original_start),
                        start: when(&one.start),
                        end: when(&one.end),
                    };
                    (one.head, modified)
                };
                masters.push(Master {
                    rule: (**rule).clone(),
                    modified: modified.into_iter().map(exception).collect(),
                    deleted: deleted.iter().map(when).collect(),
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
