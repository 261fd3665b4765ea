//! CreateItem in its three uses: calendar items, messages, answers to invitations.

mod calendar;
mod message;
mod response;

pub use calendar::CreateCalendarItem;
pub use message::{CreateMessage, NewMessage};
pub use response::{CancelMeeting, MeetingResponse, RespondToMeeting};

use crate::item::ItemHead;
use crate::operation::read_messages;
use crate::soap::ItemResult;
use crate::xml::{Cursor, Element, XmlError};

/// The ids of what was made, message by message. Sent without a copy, there are none.
fn read_created<'a>(
    cursor: &mut Cursor<'a>,
    root: &Element<'a>,
) -> m365_core::Result<Vec<ItemResult<Vec<ItemHead>>>> {
    let mut results = read_messages(cursor, root, |cursor, child, heads| {
        if child.is("Items") {
            *heads = Some(read_heads(cursor, child)?);
        }
        Ok(())
    })?;
    for result in &mut results {
        if result.is_done() {
            result.value.get_or_insert_default();
        }
    }
    Ok(results)
}

/// The ids of the items in `m:Items`.
pub(super) fn read_heads<'a>(
    cursor: &mut Cursor<'a>,
    items: &Element<'a>,
) -> Result<Vec<ItemHead>, XmlError> {
    let mut heads = Vec::new();
    while let Some(item) = cursor.next_child(items)? {
        while let Some(part) = cursor.next_child(&item)? {
            if part.is("ItemId") {
                heads.push(ItemHead::read(cursor, &part)?);
            }
        }
    }
    Ok(heads)
}
