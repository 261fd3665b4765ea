use m365_core::Result;

use crate::EmailAddress;
use crate::operation::{EwsOperation, read_messages};
use crate::operations::empty_when_done;
use crate::soap::{ItemResult, RequestContext, SchemaVersion};
use crate::xml::{Cursor, Element, Writer};

/// Asks for the lists of rooms that the organization keeps; [`GetRooms`](crate::GetRooms) opens one.
///
/// An organization without such lists has rooms all the same: they are mailboxes.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getroomlists-operation>.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetRoomLists;

impl EwsOperation for GetRoomLists {
    const NAME: &'static str = "GetRoomLists";
    type Item = Vec<EmailAddress>;

    fn asked(&self) -> usize {
        1
    }

    fn since(&self) -> SchemaVersion {
        SchemaVersion::Exchange2010
    }

    fn write(&self, writer: &mut Writer, _: &RequestContext<'_>) {
        writer.raw("<m:GetRoomLists/>");
    }

    fn read<'a>(
        &self,
        cursor: &mut Cursor<'a>,
        root: &Element<'a>,
    ) -> Result<Vec<ItemResult<Vec<EmailAddress>>>> {
        Ok(empty_when_done(read_messages(
            cursor,
            root,
            |cursor, child, lists: &mut Option<Vec<EmailAddress>>| {
                if child.is("RoomLists") {
                    let lists = lists.get_or_insert_default();
                    while let Some(address) = cursor.next_child(child)? {
                        if address.is("Address") {
                            lists.push(EmailAddress::read(cursor, &address)?);
                        }
                    }
                }
                Ok(())
            },
        )?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{answer, is_written_for, request};

    #[test]
    fn request_and_answer_whose_class_stands_on_the_response_itself() {
        insta::assert_snapshot!("get_room_lists", request(&GetRoomLists));
        assert!(!is_written_for(&GetRoomLists, SchemaVersion::Exchange2007Sp1));
        let read = |body: &str| answer(&GetRoomLists, body).unwrap().results.remove(0).into_result();
        let lists = read(
            r#"<m:GetRoomListsResponse ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:RoomLists><t:Address><t:Name>Harbour</t:Name><t:EmailAddress>harbour@contoso.example</t:EmailAddress><t:MailboxType>PublicDL</t:MailboxType></t:Address><t:Address><t:Name>Lighthouse</t:Name></t:Address></m:RoomLists></m:GetRoomListsResponse>"#,
        )
        .unwrap();
        assert_eq!(lists.len(), 2);
        assert_eq!(lists[0].smtp_address(), Some("harbour@contoso.example"));
        let none = read(
            r#"<m:GetRoomListsResponse ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode></m:GetRoomListsResponse>"#,
        );
        assert_eq!(none.unwrap(), []);
        let failed = read(
            r#"<m:GetRoomListsResponse ResponseClass="Error"><m:ResponseCode>ErrorInternalServerError</m:ResponseCode></m:GetRoomListsResponse>"#,
        );
        assert_eq!(failed.unwrap_err().service_code(), Some("ErrorInternalServerError"));
    }
}
