use m365_core::{Error, Idempotency, Result};

use crate::calendar_item::CalendarItemChange;
use crate::item::ItemHead;
use crate::operation::{EwsOperation, read_messages};
use crate::operations::create_item::read_heads;
use crate::operations::{ConflictResolution, SendMeetingInvitationsOrCancellations, empty_when_done, pick};
use crate::soap::{ItemResult, RequestContext, SchemaVersion};
use crate::xml::{Cursor, Element, Writer, XmlError};

/// Changes calendar items, and tells those who take part.
///
/// An item that somebody else changed in the meantime is answered with a code of class
/// [`Conflict`](crate::CodeClass::Conflict): read it again, and try once more.
///
/// ```
/// use ews_client::{
///     CalendarItemChange, ConflictResolution, SendMeetingInvitationsOrCancellations as Send, UpdateItem,
/// };
/// let moved = CalendarItemChange::new("AAMkAD0=".into(), "DwAAAB==".into()).with_location("Room 2");
/// let operation = UpdateItem::new(Send::SendToNone, ConflictResolution::AutoResolve, [moved])?;
/// # Ok::<(), ews_client::Error>(())
/// ```
///
/// Who is told must be said:
///
/// ```compile_fail
/// # use ews_client::{CalendarItemChange, ConflictResolution, UpdateItem};
/// # fn f(moved: CalendarItemChange) {
/// UpdateItem::new(ConflictResolution::AutoResolve, [moved]);
/// # }
/// ```
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/updateitem-operation>.
#[derive(Clone, Debug)]
pub struct UpdateItem {
    send: SendMeetingInvitationsOrCancellations,
    conflicts: ConflictResolution,
    changes: Vec<CalendarItemChange>,
}

impl UpdateItem {
    /// Makes these changes, each answered for itself.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput): one of them changes nothing, which the schema does not allow.
    pub fn new(
        send: SendMeetingInvitationsOrCancellations,
        conflicts: ConflictResolution,
        changes: impl IntoIterator<Item = CalendarItemChange>,
    ) -> Result<Self> {
        let changes: Vec<_> = changes.into_iter().collect();
        if changes.iter().any(CalendarItemChange::is_empty) {
            return Err(Error::invalid("a change of an item changes one property at least"));
        }
        Ok(Self { send, conflicts, changes })
    }
}

impl EwsOperation for UpdateItem {
    const NAME: &'static str = "UpdateItem";
    type Item = UpdatedItem;

    fn asked(&self) -> usize {
        self.changes.len()
    }

    fn since(&self) -> SchemaVersion {
        let youngest = self.changes.iter().map(CalendarItemChange::since).max();
        youngest.unwrap_or(SchemaVersion::Exchange2007Sp1)
    }

    fn size_hint(&self) -> usize {
        400 + 1500 * self.changes.len()
    }

    fn idempotency(&self) -> Idempotency {
        // The version has moved on, and messages were sent.
        Idempotency::NotIdempotent
    }

    fn only(&self, places: &[usize]) -> Option<Self> {
        Some(Self { changes: pick(&self.changes, places)?, send: self.send, conflicts: self.conflicts })
    }

    fn write(&self, writer: &mut Writer, context: &RequestContext<'_>) {
        let attributes = [
            ("ConflictResolution", self.conflicts.as_str()),
            ("SendMeetingInvitationsOrCancellations", self.send.as_str()),
        ];
        writer.open_with("m:UpdateItem", &attributes);
        writer.raw("<m:ItemChanges>");
        for change in &self.changes {
            change.write(writer, context.capabilities());
        }
        writer.raw("</m:ItemChanges></m:UpdateItem>");
    }

    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<UpdatedItem>>> {
        let results = read_messages(cursor, root, |cursor, child, updated: &mut Option<UpdatedItem>| {
            match child.ews() {
                "Items" => {
                    let head = read_heads(cursor, child)?.into_iter().next();
                    updated.get_or_insert_default().head = head;
                }
                "ConflictResults" => {
                    updated.get_or_insert_default().conflicts = read_count(cursor, child)?;
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(empty_when_done(results))
    }
}

fn read_count<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<u32, XmlError> {
    let mut count = 0;
    while let Some(part) = cursor.next_child(element)? {
        if part.is("Count") {
            count = cursor.number(&part)?;
        }
    }
    Ok(count)
}

/// An item that was changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpdatedItem {
    /// Its id and its version now; an occurrence that became an exception has an id of its own. Some servers tell nothing.
    pub head: Option<ItemHead>,
    /// How many conflicts the server resolved.
    pub conflicts: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{answers, own_request, request_in, success};
    use crate::zone::ZoneRef;
    use crate::{
        CodeClass, EmailAddress, EventTime, ItemBody, LegacyFreeBusyStatus, Marker, ResponseCode, When,
    };

    use SendMeetingInvitationsOrCancellations as Send;

    fn change() -> CalendarItemChange {
        CalendarItemChange::new("AAMkAD0=".into(), "DwAAAB==".into())
    }

    fn update(changes: impl IntoIterator<Item = CalendarItemChange>) -> UpdateItem {
        UpdateItem::new(Send::SendToChangedAndSaveCopy, ConflictResolution::AutoResolve, changes).unwrap()
    }

    fn moved() -> CalendarItemChange {
        let at = |text: &str| EventTime { instant: text.parse().unwrap(), zone: None };
        let when = When::Timed { start: at("2026-11-23T08:00:00Z"), end: at("2026-11-23T09:00:00Z") };
        change().with_when(&when, &ZoneRef::iana_zone("Europe/Copenhagen").unwrap()).unwrap()
    }

    #[test]
    fn update_item_every_property() {
        let whole = moved()
            .with_subject("Stand-up v2")
            .with_body(ItemBody::html("<p>x</p>"))
            .with_show_as(LegacyFreeBusyStatus::Oof)
            .with_required_attendees([EmailAddress::smtp("bo@contoso.example")])
            .with_marker(Marker::new("contoso-booking", "43"))
            .with_reminder(Some(5))
            .with_categories(["Team"])
            .without_location()
            .without_resources();
        assert!(!format!("{whole:?}").contains("Stand-up"));
        let none = change()
            .without_recurrence()
            .without_body()
            .without_categories()
            .without_marker("contoso-booking")
            .without_required_attendees()
            .without_optional_attendees();
        insta::assert_snapshot!(own_request(&update([whole, none])));
    }

    #[test]
    fn update_item_occurrence() {
        let third =
            CalendarItemChange::occurrence("AAMkAE0=".into(), "DwAAAC==".into(), 3).with_location("Room 2");
        insta::assert_snapshot!(own_request(&update([third])));
    }

    #[test]
    fn start_and_end_never_go_without_their_zones() {
        let text = own_request(&update([moved()]));
        for part in [
            "calendar:Start\"",
            "calendar:End\"",
            "calendar:StartTimeZone\"",
            "calendar:EndTimeZone\"",
            "T09:00:00+01:00<",
        ] {
            assert!(text.contains(part), "{part}");
        }
        assert!(!request_in(&update([moved()]), SchemaVersion::Exchange2007Sp1).contains("TimeZone"));
    }

    #[test]
    fn the_last_word_on_a_property_counts() {
        let set = own_request(&update([change().with_location("A").without_location().with_location("B")]));
        assert!(set.contains(">B<") && !set.contains(">A<") && !set.contains("DeleteItemField"), "{set}");
        let gone = own_request(&update([change().with_location("A").without_location()]));
        assert!(gone.contains("DeleteItemField") && !gone.contains("SetItemField"), "{gone}");
    }

    #[test]
    fn nothing_to_change_is_refused() {
        assert!(UpdateItem::new(Send::SendToNone, ConflictResolution::NeverOverwrite, [change()]).is_err());
    }

    #[test]
    fn trap_22_a_conflict_is_told_and_counted() {
        let operation = update([moved(), moved()]);
        assert_eq!(operation.idempotency(), Idempotency::NotIdempotent);
        let text = success(
            "UpdateItem",
            r#"<m:Items><t:CalendarItem><t:ItemId Id="AAMkAD0=" ChangeKey="DwAAAC=="/></t:CalendarItem></m:Items><m:ConflictResults><t:Count>1</t:Count></m:ConflictResults>"#,
        ) + r#"<m:UpdateItemResponseMessage ResponseClass="Error"><m:MessageText>x</m:MessageText><m:ResponseCode>ErrorIrresolvableConflict</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey><m:Items/></m:UpdateItemResponseMessage>"#;
        let mut results = answers(&operation, &text).unwrap().results;
        let lost = results.pop().unwrap();
        assert_eq!(lost.code, ResponseCode::ERROR_IRRESOLVABLE_CONFLICT);
        assert_eq!(lost.code.class(), CodeClass::Conflict);
        let won = results.pop().unwrap().into_result().unwrap();
        assert_eq!((won.conflicts, won.head.unwrap().change_key.unwrap().as_str()), (1, "DwAAAC=="));
    }

    #[test]
    fn trap_15_a_version_that_is_missing_is_a_conflict_to_the_server() {
        assert_eq!(
            ResponseCode::new("ErrorChangeKeyRequiredForWriteOperations").class(),
            CodeClass::Conflict
        );
        // A change cannot be written without one.
        assert!(own_request(&update([moved()])).contains(r#"ChangeKey="DwAAAB==""#));
    }
}
