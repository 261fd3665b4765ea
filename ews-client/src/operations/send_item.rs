use m365_core::{Idempotency, Result};

use crate::ids::{ChangeKey, ItemId};
use crate::item::ItemHead;
use crate::operation::{EwsOperation, read_messages};
use crate::operations::{empty_when_done, pick};
use crate::soap::{DistinguishedFolder, FolderRef, ItemResult, RequestContext};
use crate::xml::{Cursor, Element, Writer};

/// Sends drafts.
///
/// It cannot be repeated blindly: when the answer is lost the message may be on its way. A draft that was sent is no longer where
/// it was.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/senditem-operation>.
#[derive(Clone, Debug)]
pub struct SendItem {
    items: Vec<ItemHead>,
    copy: Option<FolderRef>,
}

impl SendItem {
    /// Sends these versions of these drafts and keeps a copy in sent items.
    pub fn new(items: impl IntoIterator<Item = (ItemId, ChangeKey)>) -> Self {
        let items =
            items.into_iter().map(|(id, change_key)| ItemHead { id, change_key: Some(change_key) }).collect();
        Self { items, copy: Some(DistinguishedFolder::SentItems.into()) }
    }

    /// Keeps the copy in another folder.
    #[must_use]
    pub fn with_copy_in(mut self, folder: FolderRef) -> Self {
        self.copy = Some(folder);
        self
    }

    /// Keeps no copy.
    #[must_use]
    pub fn without_copy(mut self) -> Self {
        self.copy = None;
        self
    }
}

impl EwsOperation for SendItem {
    const NAME: &'static str = "SendItem";
    type Item = ();

    fn asked(&self) -> usize {
        self.items.len()
    }

    fn size_hint(&self) -> usize {
        400 + 300 * self.items.len()
    }

    fn idempotency(&self) -> Idempotency {
        Idempotency::NotIdempotent
    }

    fn only(&self, places: &[usize]) -> Option<Self> {
        Some(Self { items: pick(&self.items, places)?, copy: self.copy.clone() })
    }

    fn write(&self, writer: &mut Writer, context: &RequestContext<'_>) {
        writer.raw(if self.copy.is_some() {
            "<m:SendItem SaveItemToFolder=\"true\"><m:ItemIds>"
        } else {
            "<m:SendItem SaveItemToFolder=\"false\"><m:ItemIds>"
        });
        for item in &self.items {
            item.write("t:ItemId", writer);
        }
        writer.raw("</m:ItemIds>");
        if let Some(folder) = &self.copy {
            writer.raw("<m:SavedItemFolderId>");
            folder.write(writer, context.target());
            writer.raw("</m:SavedItemFolderId>");
        }
        writer.raw("</m:SendItem>");
    }

    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<()>>> {
        Ok(empty_when_done(read_messages(cursor, root, |_, _, _| Ok(()))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{answers, own_request, success};

    #[test]
    fn send_item() {
        let operation = SendItem::new([("AAMkAD0=".into(), "CQAAAB".into())]);
        insta::assert_snapshot!(own_request(&operation));
        insta::assert_snapshot!("send_item_without_copy", own_request(&operation.clone().without_copy()));
        assert_eq!(operation.idempotency(), Idempotency::NotIdempotent);
        let result = answers(&operation, &success("SendItem", "")).unwrap().results.remove(0);
        result.into_result().unwrap();
    }
}
