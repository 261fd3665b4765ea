use m365_core::{Idempotency, Result};

use crate::item::ItemRef;
use crate::operation::{EwsOperation, read_messages};
use crate::operations::{DeleteType, SendMeetingCancellations, empty_when_done, pick};
use crate::soap::{ItemResult, RequestContext};
use crate::xml::{Cursor, Element, Writer};

/// Deletes items: appointments, series, single occurrences, messages.
///
/// Deleted twice, an item is not found the second time; attendees are told once.
///
/// ```
/// use ews_client::{DeleteItem, DeleteType, ItemHead, ItemRef, SendMeetingCancellations};
/// let master = ItemHead::new("AAMkAE0=");
/// let operation = DeleteItem::calendar(
///     SendMeetingCancellations::SendToAllAndSaveCopy,
///     DeleteType::MoveToDeletedItems,
///     [ItemRef::Occurrence { master, index: 3 }],
/// );
/// ```
///
/// Who is told must be said:
///
/// ```compile_fail
/// # use ews_client::{DeleteItem, DeleteType, ItemRef};
/// # fn f(item: ItemRef) {
/// DeleteItem::calendar(DeleteType::MoveToDeletedItems, [item]);
/// # }
/// ```
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/deleteitem-operation>.
#[derive(Clone, Debug)]
pub struct DeleteItem {
    items: Vec<ItemRef>,
    kind: DeleteType,
    send: Option<SendMeetingCancellations>,
}

impl DeleteItem {
    /// Deletes calendar items, each answered for itself.
    pub fn calendar(
        send: SendMeetingCancellations,
        kind: DeleteType,
        items: impl IntoIterator<Item = ItemRef>,
    ) -> Self {
        Self { items: items.into_iter().collect(), kind, send: Some(send) }
    }

    /// Deletes messages, each answered for itself.
    pub fn messages(kind: DeleteType, items: impl IntoIterator<Item = ItemRef>) -> Self {
        Self { items: items.into_iter().collect(), kind, send: None }
    }
}

impl EwsOperation for DeleteItem {
    const NAME: &'static str = "DeleteItem";
    type Item = ();

    fn asked(&self) -> usize {
        self.items.len()
    }

    fn size_hint(&self) -> usize {
        300 + 256 * self.items.len()
    }

    fn idempotency(&self) -> Idempotency {
        // An index counts deleted occurrences too, so it never comes to mean another one; ids do not either.
        Idempotency::Idempotent
    }

    fn only(&self, places: &[usize]) -> Option<Self> {
        Some(Self { items: pick(&self.items, places)?, kind: self.kind, send: self.send })
    }

    fn write(&self, writer: &mut Writer, _: &RequestContext<'_>) {
        match self.send {
            Some(send) => writer.open_with(
                "m:DeleteItem",
                &[("DeleteType", self.kind.as_str()), ("SendMeetingCancellations", send.as_str())],
            ),
            None => writer.open_with("m:DeleteItem", &[("DeleteType", self.kind.as_str())]),
        }
        writer.raw("<m:ItemIds>");
        for item in &self.items {
            item.write(writer);
        }
        writer.raw("</m:ItemIds></m:DeleteItem>");
    }

    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<()>>> {
        Ok(empty_when_done(read_messages(cursor, root, |_, _, _| Ok(()))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::ItemHead;
    use crate::operations::testing::{answers, own_request, success};
    use crate::{ItemId, ResponseCode};

    #[test]
    fn delete_item() {
        let third = ItemRef::Occurrence { master: ItemHead::new("AAMkAE0="), index: 3 };
        let items = [ItemId::from("AAMkAD0=").into(), third];
        let send = SendMeetingCancellations::SendOnlyToAll;
        let operation = DeleteItem::calendar(send, DeleteType::MoveToDeletedItems, items);
        insta::assert_snapshot!(own_request(&operation));
        let mail = DeleteItem::messages(DeleteType::SoftDelete, [ItemId::from("AAMkAD0=").into()]);
        insta::assert_snapshot!("delete_item_message", own_request(&mail));
        let text = success("DeleteItem", "")
            + r#"<m:DeleteItemResponseMessage ResponseClass="Error"><m:MessageText>gone</m:MessageText><m:ResponseCode>ErrorItemNotFound</m:ResponseCode></m:DeleteItemResponseMessage>"#;
        let mut results = answers(&operation, &text).unwrap().results;
        assert_eq!(results.pop().unwrap().code, ResponseCode::ERROR_ITEM_NOT_FOUND);
        results.pop().unwrap().into_result().unwrap();
    }
}
