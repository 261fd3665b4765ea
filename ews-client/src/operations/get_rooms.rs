use m365_core::{MailboxAddress, Result};

use crate::EmailAddress;
use crate::operation::{EwsOperation, read_messages};
use crate::operations::empty_when_done;
use crate::soap::{ItemResult, RequestContext, SchemaVersion};
use crate::xml::{Cursor, Element, Writer};

/// Asks for the rooms of a list that [`GetRoomLists`](crate::GetRoomLists) named.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getrooms-operation>.
#[derive(Clone, Debug)]
pub struct GetRooms {
    list: MailboxAddress,
}

impl GetRooms {
    /// Those of this list.
    pub fn new(list: MailboxAddress) -> Self {
        Self { list }
    }
}

impl EwsOperation for GetRooms {
    const NAME: &'static str = "GetRooms";
    type Item = Vec<EmailAddress>;

    fn asked(&self) -> usize {
        1
    }

    fn since(&self) -> SchemaVersion {
        SchemaVersion::Exchange2010
    }

    fn write(&self, writer: &mut Writer, _: &RequestContext<'_>) {
        writer.raw("<m:GetRooms><m:RoomList>");
        writer.leaf("t:EmailAddress", self.list.as_str());
        writer.raw("</m:RoomList></m:GetRooms>");
    }

    fn read<'a>(
        &self,
        cursor: &mut Cursor<'a>,
        root: &Element<'a>,
    ) -> Result<Vec<ItemResult<Vec<EmailAddress>>>> {
        Ok(empty_when_done(read_messages(
            cursor,
            root,
            |cursor, child, rooms: &mut Option<Vec<EmailAddress>>| {
                if child.is("Rooms") {
                    let rooms = rooms.get_or_insert_default();
                    while let Some(room) = cursor.next_child(child)? {
                        while let Some(id) = cursor.next_child(&room)? {
                            if id.is("Id") {
                                rooms.push(EmailAddress::read(cursor, &id)?);
                            }
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
    use crate::operations::testing::{answer, request};

    #[test]
    fn request_and_answer_whose_class_stands_on_the_response_itself() {
        let operation = GetRooms::new(MailboxAddress::parse("harbour@contoso.example").unwrap());
        insta::assert_snapshot!("get_rooms", request(&operation));
        let read = |body: &str| answer(&operation, body).unwrap().results.remove(0).into_result();
        let rooms = read(
            r#"<m:GetRoomsResponse ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Rooms><t:Room><t:Id><t:Name>Pier 1</t:Name><t:EmailAddress>pier1@contoso.example</t:EmailAddress></t:Id></t:Room><t:Room><t:Id><t:Name>Pier 2</t:Name><t:EmailAddress>pier2@contoso.example</t:EmailAddress></t:Id><t:Later/></t:Room></m:Rooms></m:GetRoomsResponse>"#,
        )
        .unwrap();
        let addresses: Vec<_> = rooms.iter().filter_map(EmailAddress::smtp_address).collect();
        assert_eq!(addresses, ["pier1@contoso.example", "pier2@contoso.example"]);
        let refused = read(
            r#"<m:GetRoomsResponse ResponseClass="Error"><m:ResponseCode>ErrorCannotFindUser</m:ResponseCode></m:GetRoomsResponse>"#,
        );
        assert_eq!(refused.unwrap_err().kind(), crate::ErrorKind::NotFound);
    }
}
