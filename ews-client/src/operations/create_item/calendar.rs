use m365_core::{Idempotency, Result};

use super::read_created;
use crate::calendar_item::NewCalendarItem;
use crate::item::ItemHead;
use crate::operation::EwsOperation;
use crate::operations::{SendMeetingInvitations, pick};
use crate::soap::{FolderRef, ItemResult, RequestContext, SchemaVersion};
use crate::xml::{Cursor, Element, Writer};

/// Makes calendar items, and invites whom they name.
///
/// It is not idempotent: sent twice it makes two. When an answer is lost, look for the item's [`Marker`](crate::Marker) first.
///
/// ```
/// use ews_client::zone::ZoneRef;
/// use ews_client::{CreateCalendarItem, DistinguishedFolder, NewCalendarItem, SendMeetingInvitations, When};
/// use jiff::civil::date;
///
/// let paris = ZoneRef::windows_zone("Romance Standard Time")?;
/// let leave = NewCalendarItem::new("Leave", &When::all_day(date(2026, 12, 24), 1)?, &paris)?;
/// let operation =
///     CreateCalendarItem::new(SendMeetingInvitations::SendToNone, DistinguishedFolder::Calendar.into(), [leave]);
/// # Ok::<(), ews_client::Error>(())
/// ```
///
/// Who is invited must be said:
///
/// ```compile_fail
/// # use ews_client::{CreateCalendarItem, DistinguishedFolder, NewCalendarItem};
/// # fn f(leave: NewCalendarItem) {
/// CreateCalendarItem::new(DistinguishedFolder::Calendar.into(), [leave]);
/// # }
/// ```
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/createitem-operation-calendar-item>.
#[derive(Clone, Debug)]
pub struct CreateCalendarItem {
    send: SendMeetingInvitations,
    folder: FolderRef,
    items: Vec<NewCalendarItem>,
}

impl CreateCalendarItem {
    /// Makes these items in this folder, each answered for itself.
    pub fn new(
        send: SendMeetingInvitations,
        folder: FolderRef,
        items: impl IntoIterator<Item = NewCalendarItem>,
    ) -> Self {
        Self { send, folder, items: items.into_iter().collect() }
    }
}

impl EwsOperation for CreateCalendarItem {
    const NAME: &'static str = "CreateItem";
    type Item = ItemHead;

    fn asked(&self) -> usize {
        self.items.len()
    }

    fn since(&self) -> SchemaVersion {
        let youngest = self.items.iter().map(NewCalendarItem::since).max();
        youngest.unwrap_or(SchemaVersion::Exchange2007Sp1)
    }

    fn size_hint(&self) -> usize {
        400 + 1500 * self.items.len()
    }

    fn idempotency(&self) -> Idempotency {
        Idempotency::NotIdempotent
    }

    fn only(&self, places: &[usize]) -> Option<Self> {
        Some(Self { items: pick(&self.items, places)?, folder: self.folder.clone(), send: self.send })
    }

    fn write(&self, writer: &mut Writer, context: &RequestContext<'_>) {
        writer.open_with("m:CreateItem", &[("SendMeetingInvitations", self.send.as_str())]);
        writer.raw("<m:SavedItemFolderId>");
        self.folder.write(writer, context.target());
        writer.raw("</m:SavedItemFolderId><m:Items>");
        for item in &self.items {
            item.write(writer, context.capabilities());
        }
        writer.raw("</m:Items></m:CreateItem>");
    }

    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<ItemHead>>> {
        let results = read_created(cursor, root)?;
        // Success without an id stays without a value, which is an error to whoever asks for the value.
        let first = |result: ItemResult<Vec<ItemHead>>| ItemResult {
            class: result.class,
            code: result.code,
            details: result.details,
            value: result.value.and_then(|heads| heads.into_iter().next()),
        };
        Ok(results.into_iter().map(first).collect())
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Weekday, date};

    use super::*;
    use crate::operations::testing::{answers, own_request, request_in, success};
    use crate::recurrence::{DayOfWeekIndex, DaysOfWeek, Pattern, Range, Recurrence, RelativeDay};
    use crate::zone::ZoneRef;
    use crate::{
        DistinguishedFolder, EmailAddress, EventTime, Importance, ItemBody, LegacyFreeBusyStatus, Marker,
        Sensitivity, When,
    };

    fn timed(start: &str, end: &str) -> When {
        let at = |text: &str| EventTime { instant: text.parse().unwrap(), zone: None };
        When::Timed { start: at(start), end: at(end) }
    }

    fn paris() -> ZoneRef {
        ZoneRef::windows_zone("Romance Standard Time").unwrap()
    }

    fn standup() -> NewCalendarItem {
        NewCalendarItem::new("Stand-up <1>", &timed("2026-11-23T08:00:00Z", "2026-11-23T08:15:00Z"), &paris())
            .unwrap()
    }

    fn create(items: impl IntoIterator<Item = NewCalendarItem>) -> CreateCalendarItem {
        CreateCalendarItem::new(
            SendMeetingInvitations::SendToAllAndSaveCopy,
            DistinguishedFolder::Calendar.into(),
            items,
        )
    }

    #[test]
    fn create_item_meeting() {
        // Said in any order, written in the schema's.
        let meeting = standup()
            .with_resources([EmailAddress::smtp("room1@contoso.example")])
            .with_optional_attendees([EmailAddress::smtp("cy@contoso.example")])
            .with_required_attendees([EmailAddress::smtp("bo@contoso.example")])
            .with_location("Room 1")
            .with_show_as(LegacyFreeBusyStatus::Tentative)
            .with_marker(Marker::new("contoso-booking", "6f9b & 42"))
            .with_uid("040000008200E000-42")
            .with_reminder(Some(15))
            .with_importance(Importance::High)
            .with_categories(["Team", "R&D"])
            .with_body(ItemBody::text("a & b\u{1}"))
            .with_response_requested(true)
            .with_sensitivity(Sensitivity::Private);
        assert!(!format!("{meeting:?}").contains("Stand-up"));
        insta::assert_snapshot!(own_request(&create([meeting, standup()])));
    }

    #[test]
    fn create_item_all_day() {
        let leave = NewCalendarItem::new("Leave", &When::all_day(date(2026, 10, 24), 3).unwrap(), &paris())
            .unwrap()
            .with_reminder(None);
        let text = own_request(&create([leave]));
        // The clocks change on the second day.
        assert!(text.contains("<t:Start>2026-10-24T00:00:00+02:00<"), "{text}");
        assert!(text.contains("<t:End>2026-10-27T00:00:00+01:00<"), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn trap_17_create_item_on_exchange_2007() {
        let rule = weekly();
        let series = standup().with_recurrence(rule).unwrap();
        let text = request_in(&create([series]), SchemaVersion::Exchange2007Sp1);
        assert!(!text.contains("TimeZone") && !text.contains("FirstDayOfWeek"), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_value_that_an_old_server_lacks_is_not_sent_to_it() {
        let abroad = create([standup(), standup().with_show_as(LegacyFreeBusyStatus::WorkingElsewhere)]);
        assert_eq!(abroad.since(), SchemaVersion::Exchange2013Sp1);
        assert_eq!(abroad.only(&[0]).unwrap().since(), SchemaVersion::Exchange2007Sp1);
    }

    fn weekly() -> Recurrence {
        let days = DaysOfWeek::from_iter([Weekday::Monday, Weekday::Wednesday]);
        let pattern = Pattern::Weekly { interval: 2, days, first_day_of_week: Weekday::Monday };
        Recurrence::new(pattern, Range::NoEnd { start: date(2026, 11, 23) }).unwrap()
    }

    #[test]
    fn trap_13_create_item_series_of_each_kind() {
        let start = date(2026, 11, 23);
        let (day, index) = (RelativeDay::Monday, DayOfWeekIndex::Fourth);
        let patterns = [
            *weekly().pattern(),
            Pattern::Daily { interval: 3 },
            Pattern::AbsoluteMonthly { interval: 1, day_of_month: 23 },
            Pattern::RelativeMonthly { interval: 2, day, index },
            Pattern::AbsoluteYearly { day_of_month: 23, month: 11 },
            Pattern::RelativeYearly { day, index, month: 11 },
        ];
        let ranges = [
            Range::NoEnd { start },
            Range::EndDate { start, end: date(2030, 12, 31) },
            Range::Numbered { start, occurrences: 4 },
        ];
        let rules = patterns.into_iter().flat_map(|pattern| {
            ranges.into_iter().map(move |range| Recurrence::new(pattern, range).unwrap())
        });
        let items = rules.map(|rule| standup().with_recurrence(rule).unwrap());
        insta::assert_snapshot!(own_request(&create(items)));
    }

    #[test]
    fn a_series_that_does_not_begin_on_its_first_day_is_refused() {
        let tuesday =
            NewCalendarItem::new("x", &timed("2026-11-24T08:00:00Z", "2026-11-24T08:15:00Z"), &paris());
        assert!(tuesday.unwrap().with_recurrence(weekly()).is_err());
        // 23:30 UTC on Sunday is Monday in Paris.
        let night = timed("2026-11-22T23:30:00Z", "2026-11-23T00:30:00Z");
        assert!(NewCalendarItem::new("x", &night, &paris()).unwrap().with_recurrence(weekly()).is_ok());
    }

    #[test]
    fn times_that_no_server_takes_are_refused() {
        for (start, end) in [
            ("2026-11-23T08:00:00Z", "2026-11-23T07:59:59Z"),
            ("2026-11-23T08:00:00Z", "2032-11-23T08:00:00Z"),
        ] {
            assert!(NewCalendarItem::new("x", &timed(start, end), &paris()).is_err(), "{start} {end}");
        }
        let nowhere = ZoneRef::Unknown { id: "Ortszeit".into(), name: None };
        assert!(
            NewCalendarItem::new("x", &timed("2026-11-23T08:00:00Z", "2026-11-23T09:00:00Z"), &nowhere)
                .is_err()
        );
    }

    #[test]
    fn trap_22_create_item_is_not_idempotent_and_tells_the_ids() {
        let operation = create([standup()]);
        assert_eq!(operation.idempotency(), Idempotency::NotIdempotent);
        let text = success(
            "CreateItem",
            r#"<m:Items><t:CalendarItem><t:ItemId Id="AAMkAD0=" ChangeKey="DwAAAB=="/></t:CalendarItem></m:Items>"#,
        );
        let made = answers(&operation, &text).unwrap().results.remove(0).into_result().unwrap();
        assert_eq!(made, ItemHead::new("AAMkAD0=").with_change_key("DwAAAB=="));
        let odd = answers(&operation, &success("CreateItem", "<m:Items/>")).unwrap().results.remove(0);
        assert!(odd.is_done() && odd.into_result().is_err());
    }
}
