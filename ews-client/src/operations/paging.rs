use m365_core::{Error, Result};

use crate::xml::{Cursor, Element, Writer, XmlError};

/// Where a page of a list ends.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/rootfolder-finditemresponsemessage>.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Paging {
    /// Where the next page begins, as the server says.
    pub next_offset: Option<u32>,
    /// How many there are in all, as the server counts.
    pub total: Option<u32>,
    /// Whether nothing follows.
    pub includes_last: bool,
}

impl Paging {
    pub(super) fn read<'a>(cursor: &mut Cursor<'a>, folder: &Element<'a>) -> Result<Self, XmlError> {
        let names = ["IndexedPagingOffset", "TotalItemsInView", "IncludesLastItemInRange"];
        let [next, total, last] = cursor.attributes(folder, names)?;
        let number =
            |text: Option<std::borrow::Cow<'_, str>>| text.and_then(|text| text.trim_ascii().parse().ok());
        let last = match last.as_deref().map(str::trim_ascii) {
            None | Some("true" | "1") => true,
            Some("false" | "0") => false,
            Some(_) => return Err(folder.bad_value("boolean IncludesLastItemInRange")),
        };
        Ok(Self { next_offset: number(next), total: number(total), includes_last: last })
    }

    /// The offset of the page after one of `items` that began at `offset`. What the server says counts if it leads on.
    pub(super) fn next(&self, offset: u32, items: usize) -> Result<Option<u32>> {
        if self.includes_last {
            return Ok(None);
        }
        let counted = u32::try_from(items).ok().and_then(|items| offset.checked_add(items));
        let next = self.next_offset.filter(|next| *next > offset).or(counted);
        match next {
            Some(next) if next > offset => Ok(Some(next)),
            _ => Err(Error::unreadable("a page says that more follows, and holds nothing to go on from")),
        }
    }

    pub(super) fn write(writer: &mut Writer, name: &'static str, max_entries: u32, offset: u32) {
        writer.raw("<");
        writer.raw(name);
        writer.raw(" MaxEntriesReturned=\"");
        writer.number(max_entries);
        writer.raw("\" Offset=\"");
        writer.number(offset);
        writer.raw("\" BasePoint=\"Beginning\"/>");
    }
}
