use m365_core::Result;

use crate::calendar_item::Interner;
use crate::item::{Item, ItemRef};
use crate::operation::{EwsOperation, read_messages};
use crate::operations::shape::{
    BODY, CALENDAR_DETAILS, CALENDAR_VIEW, MESSAGE_DETAILS, MESSAGE_VIEW, Property, Shape,
};
use crate::operations::{BodyType, pick};
use crate::soap::{ItemResult, RequestContext};
use crate::xml::{Cursor, Element, Writer};

/// Reads items whole: what a view leaves out (bodies, attendees, rules of series) or cuts.
///
/// Each item is answered for itself: one that was deleted a moment ago is `ErrorItemNotFound` and harms no other. An item that
/// the server cannot convert (class [`Damaged`](crate::CodeClass::Damaged)) can often be read
/// [without its body](Self::without_body). 50 to 100 ids are a good batch.
///
/// ```
/// use ews_client::{GetItem, ItemHead, ItemRef};
/// let master = ItemHead::new("AAMkAE0=");
/// let third = GetItem::calendar([ItemRef::Occurrence { master, index: 3 }]);
/// ```
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getitem-operation>.
#[derive(Clone, Debug)]
pub struct GetItem {
    ids: Vec<ItemRef>,
    messages: bool,
    body: Option<BodyType>,
    mime: bool,
    left_out: Vec<Box<str>>,
    named: Vec<Box<str>>,
}

impl GetItem {
    /// Calendar items with all that is known of them, the body as text.
    pub fn calendar(ids: impl IntoIterator<Item = ItemRef>) -> Self {
        Self::of(ids, false)
    }

    /// Messages with their recipients and the list of their attachments, the body as text.
    pub fn messages(ids: impl IntoIterator<Item = ItemRef>) -> Self {
        Self::of(ids, true)
    }

    fn of(ids: impl IntoIterator<Item = ItemRef>, messages: bool) -> Self {
        Self {
            ids: ids.into_iter().collect(),
            messages,
            body: Some(BodyType::Text),
            mime: false,
            left_out: Vec::new(),
            named: Vec::new(),
        }
    }

    /// The body as HTML.
    #[must_use]
    pub fn with_html_body(mut self) -> Self {
        self.body = Some(BodyType::Html);
        self
    }

    /// The whole message as it goes over the internet, too. It may be many megabytes.
    #[must_use]
    pub fn with_mime(mut self) -> Self {
        self.mime = true;
        self
    }

    /// Neither body nor MIME: what an item that cannot be converted is asked for again.
    #[must_use]
    pub fn without_body(mut self) -> Self {
        self.body = None;
        self.mime = false;
        self
    }

    /// Without one property, such as `calendar:IsOrganizer`: what is asked again after `ErrorInvalidPropertyRequest`. Start
    /// and End of calendar items are always asked for.
    #[must_use]
    pub fn without_property(mut self, uri: impl Into<Box<str>>) -> Self {
        let uri = uri.into();
        if !matches!(&*uri, "calendar:Start" | "calendar:End") {
            self.left_out.push(uri);
        }
        self
    }

    /// With a named property of one's own, as a [`Marker`](crate::Marker) is.
    #[must_use]
    pub fn with_named_property(mut self, name: impl Into<Box<str>>) -> Self {
        self.named.push(name.into());
        self
    }
}

impl EwsOperation for GetItem {
    const NAME: &'static str = "GetItem";
    type Item = Item;

    fn asked(&self) -> usize {
        self.ids.len()
    }

    fn size_hint(&self) -> usize {
        2600 + 256 * self.ids.len()
    }

    fn only(&self, places: &[usize]) -> Option<Self> {
        Some(Self { ids: pick(&self.ids, places)?, ..self.clone() })
    }

    fn write(&self, writer: &mut Writer, context: &RequestContext<'_>) {
        let (view, details) =
            if self.messages { (MESSAGE_VIEW, MESSAGE_DETAILS) } else { (CALENDAR_VIEW, CALENDAR_DETAILS) };
        let body: &[Property] = if self.body.is_some() { BODY } else { &[] };
        writer.raw("<m:GetItem>");
        let properties = [view, details, body];
        let shape = Shape {
            left_out: &self.left_out,
            named: &self.named,
            mime: self.mime,
            body: self.body.as_ref(),
            ..Shape::of(&properties)
        };
        shape.write(writer, context.capabilities());
        writer.raw("<m:ItemIds>");
        for id in &self.ids {
            id.write(writer);
        }
        writer.raw("</m:ItemIds></m:GetItem>");
    }

    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<Item>>> {
        let mut seen = Interner::default();
        read_messages(cursor, root, |cursor, child, item| {
            if child.is("Items")
                && let Some(found) = cursor.next_child(child)?
            {
                let read = Item::read(cursor, &found, &mut seen)?;
                // The times were asked for.
                if matches!(read, Item::CalendarHead(_)) && !self.messages {
                    return Err(found.missing("the Start or the End"));
                }
                *item = Some(read);
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::ItemHead;
    use crate::operations::testing::{answers, own_request};
    use crate::recurrence::{Pattern, Range, RawRecurrence};
    use crate::soap::SchemaVersion;
    use crate::{ErrorKind, ItemId, MyResponseType, ResponseCode};

    fn three() -> GetItem {
        GetItem::calendar([
            ItemHead::new("AAMkAD0=").with_change_key("DwAAAB==").into(),
            ItemRef::Occurrence { master: ItemHead::new("AAMkAE0="), index: 3 },
            ItemRef::MasterOf(ItemHead::new("AAMkAF0=")),
        ])
    }

    #[test]
    fn get_item_calendar() {
        insta::assert_snapshot!(own_request(&three().with_named_property("contoso-booking")));
    }

    #[test]
    fn get_item_messages_with_mime() {
        let ids = [ItemId::from("AAMkAD0=").into()];
        insta::assert_snapshot!(own_request(&GetItem::messages(ids).with_html_body().with_mime()));
    }

    #[test]
    fn trap_17_an_old_server_is_asked_for_what_it_knows() {
        let old = crate::operations::testing::request_in(&three(), SchemaVersion::Exchange2007Sp1);
        for young in ["StartTimeZone", "JoinOnlineMeetingUrl", "IsOrganizer", "LastModifiedTime"] {
            assert!(!old.contains(young), "{young}");
        }
        assert!(old.contains("calendar:RecurrenceId"));
        let one_less = own_request(&three().without_property("calendar:IsOrganizer"));
        assert!(!one_less.contains("IsOrganizer") && one_less.contains("JoinOnlineMeetingUrl"));
        assert!(own_request(&three().without_property("calendar:Start")).contains("\"calendar:Start\""));
    }

    #[test]
    fn a_damaged_item_is_asked_for_again_without_body() {
        let operation = GetItem::messages([ItemId::from("A").into(), ItemId::from("B").into()]).with_mime();
        let again = operation.only(&[1]).unwrap().without_body();
        let text = own_request(&again);
        assert!(
            !text.contains("item:Body") && !text.contains("BodyType") && !text.contains("Mime"),
            "{text}"
        );
        assert!(text.contains("Id=\"B\"") && !text.contains("Id=\"A\""));
        assert!(operation.only(&[2]).is_none(), "there is no third");
    }

    const MASTER: &str = r#"<t:CalendarItem><t:ItemId Id="AAMkAE0=" ChangeKey="DwAAAC=="/><t:Subject>Planning</t:Subject><t:Sensitivity>Private</t:Sensitivity>
        <t:Body BodyType="HTML" IsTruncated="1">&lt;p&gt;x&lt;/p&gt;</t:Body><t:Categories><t:String>Team</t:String><t:String>R&amp;D</t:String></t:Categories><t:Importance>High</t:Importance>
        <t:UID>0400</t:UID><t:Start>2026-10-19T07:00:00Z</t:Start><t:End>2026-10-19T08:00:00Z</t:End><t:IsAllDayEvent>false</t:IsAllDayEvent><t:CalendarItemType>RecurringMaster</t:CalendarItemType>
        <t:Organizer><t:Mailbox><t:EmailAddress>anna@contoso.example</t:EmailAddress><t:Name>Anna Berg</t:Name><t:RoutingType>SMTP</t:RoutingType></t:Mailbox></t:Organizer>
        <t:RequiredAttendees><t:Attendee><t:Mailbox><t:Name>Bo</t:Name><t:EmailAddress>bo@contoso.example</t:EmailAddress></t:Mailbox><t:ResponseType>Accept</t:ResponseType><t:LastResponseTime>2026-10-01T10:00:00Z</t:LastResponseTime></t:Attendee></t:RequiredAttendees>
        <t:AppointmentSequenceNumber>2</t:AppointmentSequenceNumber>
        <t:Recurrence><t:WeeklyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Monday Wednesday</t:DaysOfWeek></t:WeeklyRecurrence><t:NumberedRecurrence><t:StartDate>2026-10-19+02:00</t:StartDate><t:NumberOfOccurrences>10</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence>
        <t:ModifiedOccurrences><t:Occurrence><t:ItemId Id="AAMkAG0="/><t:Start>2026-10-21T09:00:00Z</t:Start><t:End>2026-10-21T10:00:00Z</t:End><t:OriginalStart>2026-10-21T07:00:00Z</t:OriginalStart></t:Occurrence></t:ModifiedOccurrences>
        <t:DeletedOccurrences><t:DeletedOccurrence><t:Start>2026-10-26T08:00:00Z</t:Start></t:DeletedOccurrence></t:DeletedOccurrences>
        <t:StartTimeZone Id="Ortszeit" Name="Somewhere"><t:Periods><t:Period Bias="-PT60M" Name="Standard" Id="std"/></t:Periods></t:StartTimeZone>
        <t:JoinOnlineMeetingUrl>https://meet.example/42</t:JoinOnlineMeetingUrl>
        <t:ExtendedProperty><t:ExtendedFieldURI DistinguishedPropertySetId="PublicStrings" PropertyName="contoso-booking" PropertyType="String"/><t:Value>42</t:Value></t:ExtendedProperty></t:CalendarItem>"#;

    fn message(items: &str) -> String {
        format!(
            r#"<m:GetItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Items>{items}</m:Items></m:GetItemResponseMessage>"#
        )
    }

    #[test]
    fn trap_13_a_master_is_read_with_rule_exceptions_and_zone() {
        let operation = GetItem::calendar([ItemId::from("AAMkAE0=").into()]);
        let results = answers(&operation, &message(MASTER)).unwrap().results;
        let item = results.into_iter().next().unwrap().into_result().unwrap().into_calendar().unwrap();
        let text = format!("{item:?} {:?}", item.more);
        for secret in ["Planning", "Anna", "bo@", "Team", "meet.example", "<p>"] {
            assert!(!text.contains(secret), "trap 16: {secret} in {text}");
        }
        let more = item.more.as_deref().unwrap();
        assert_eq!(item.organizer.as_deref(), Some("Anna Berg"));
        let organizer = more.organizer.as_ref().unwrap();
        assert_eq!(
            (organizer.smtp_address(), organizer.name.as_deref()),
            (Some("anna@contoso.example"), Some("Anna Berg"))
        );
        assert_eq!(more.required_attendees[0].response, Some(MyResponseType::Accept));
        let body = more.body.as_ref().unwrap();
        assert_eq!((&*body.text, &body.kind, body.is_truncated), ("<p>x</p>", &BodyType::Html, true));
        assert_eq!((more.sequence, more.categories.len()), (Some(2), 2));
        let rule = more.recurrence.as_ref().unwrap().known().unwrap();
        assert!(matches!(rule.pattern(), Pattern::Weekly { interval: 1, .. }));
        assert!(matches!(rule.range(), Range::Numbered { occurrences: 10, .. }));
        assert_eq!(more.modified_occurrences[0].head.id.as_str(), "AAMkAG0=");
        assert_eq!(
            more.modified_occurrences[0].original_start,
            crate::xs::parse_date_time("2026-10-21T07:00:00Z").unwrap()
        );
        assert_eq!(more.deleted_occurrences.len(), 1);
        let zone = item.start_zone.as_ref().unwrap();
        let rules = zone.definition.as_deref().unwrap();
        assert_eq!((&*zone.id, &*rules.id, rules.periods.len()), ("Ortszeit", "Ortszeit", 1));
        assert_eq!(zone.wire().resolve(None).provenance, crate::zone::Provenance::ServerRules);
        assert!(crate::Marker::new("contoso-booking", "42").is(&more.extended[0]));
        assert!(!crate::Marker::new("contoso-booking", "4").is(&more.extended[0]));
    }

    #[test]
    fn a_rule_of_an_unknown_kind_does_not_lose_its_item() {
        let odd = MASTER.replace("WeeklyRecurrence>", "LunarRecurrence>");
        let operation = GetItem::calendar([ItemId::from("AAMkAE0=").into()]);
        let results = answers(&operation, &message(&odd)).unwrap().results;
        let item = results.into_iter().next().unwrap().into_result().unwrap().into_calendar().unwrap();
        let rule = item.more.unwrap().recurrence.unwrap();
        assert!(matches!(&rule, RawRecurrence::Unknown { pattern, .. } if &**pattern == "LunarRecurrence"));
        assert!(rule.known().is_none());
    }

    #[test]
    fn trap_04_each_id_fares_for_itself() {
        let text = format!(
            r#"{}<m:GetItemResponseMessage ResponseClass="Error"><m:MessageText>gone</m:MessageText><m:ResponseCode>ErrorItemNotFound</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey><m:Items/></m:GetItemResponseMessage>
            <m:GetItemResponseMessage ResponseClass="Warning"><m:ResponseCode>ErrorBatchProcessingStopped</m:ResponseCode><m:Items/></m:GetItemResponseMessage>"#,
            message(MASTER)
        );
        let operation = three();
        let results = answers(&operation, &text).unwrap().results;
        assert!(results[0].is_done());
        assert_eq!(results[1].code, ResponseCode::ERROR_ITEM_NOT_FOUND);
        assert_eq!(results[1].to_error().kind(), ErrorKind::NotFound);
        let left: Vec<_> = (0..3).filter(|at| !results[*at].is_executed()).collect();
        assert_eq!(left, [2]);
        assert_eq!(operation.only(&left).unwrap().ids, [ItemRef::MasterOf(ItemHead::new("AAMkAF0="))]);
    }

    #[test]
    fn a_message_is_read_with_its_mime() {
        let text = message(
            r#"<t:Message><t:MimeContent CharacterSet="UTF-8">RnJvbTogYW5u
            YQ0K</t:MimeContent><t:ItemId Id="AAMkAD0=" ChangeKey="CQAAAB"/><t:Subject>Hi</t:Subject><t:Attachments><t:FileAttachment><t:AttachmentId Id="AAMkATT="/><t:Name>plan.pdf</t:Name><t:Size>42</t:Size><t:IsInline>false</t:IsInline></t:FileAttachment></t:Attachments>
            <t:DateTimeReceived>2026-11-20T08:00:00Z</t:DateTimeReceived><t:Size>1234</t:Size><t:ToRecipients><t:Mailbox><t:Name>Anna</t:Name><t:EmailAddress>anna@contoso.example</t:EmailAddress></t:Mailbox></t:ToRecipients>
            <t:From><t:Mailbox><t:Name>Bo</t:Name><t:EmailAddress>bo@contoso.example</t:EmailAddress></t:Mailbox></t:From><t:IsRead>0</t:IsRead></t:Message>"#,
        );
        let operation = GetItem::messages([ItemId::from("AAMkAD0=").into()]).with_mime();
        let results = answers(&operation, &text).unwrap().results;
        let message = results.into_iter().next().unwrap().into_result().unwrap().into_message().unwrap();
        assert_eq!(message.mime.as_deref(), Some(b"From: anna\r\n".as_slice()));
        assert_eq!((message.size, message.is_read), (Some(1234), Some(false)));
        assert_eq!(message.from.as_ref().and_then(|from| from.smtp_address()), Some("bo@contoso.example"));
        assert_eq!(message.attachments[0].size, Some(42));
        let text = format!("{message:?}");
        assert!(!text.contains("Hi") && !text.contains("anna") && !text.contains("plan"), "{text}");
        let broken = answers(
            &operation,
            &crate::operations::testing::success(
                "GetItem",
                "<m:Items><t:Message><t:MimeContent>&#x7;*</t:MimeContent></t:Message></m:Items>",
            ),
        );
        let error = crate::operations::testing::failure(broken);
        assert_eq!(error.kind(), ErrorKind::InvalidResponse);
        assert!(error.to_string().contains("MimeContent is no base64 text, at byte"), "{error}");
    }

    #[test]
    fn what_is_wrong_with_one_item_costs_no_other() {
        let message = |mime: &str| {
            crate::operations::testing::success(
                "GetItem",
                &format!(
                    r#"<m:Items><t:Message><t:MimeContent>{mime}</t:MimeContent><t:ItemId Id="A"/></t:Message></m:Items>"#
                ),
            )
        };
        let operation = GetItem::messages(["A", "B", "C"].map(|id| ItemId::from(id).into())).with_mime();
        let text = [message("YQ=="), message("*"), message("Yg==")].concat();
        let results = answers(&operation, &text).unwrap().results;
        let read: Vec<_> = results.into_iter().map(|result| result.into_result().is_ok()).collect();
        assert_eq!(read, [true, false, true]);
    }

    #[test]
    fn trap_06_illegal_characters_are_replaced_and_counted_in_bodies_too() {
        let odd = MASTER.replace("Planning", "Plan&#x1F;ning \u{1}").replace("&lt;p&gt;x", "a&#0;b&#xD800;");
        let read = answers(&GetItem::calendar([ItemId::from("AAMkAE0=").into()]), &message(&odd)).unwrap();
        assert_eq!(read.replaced, 4);
        let item = read.results.into_iter().next().unwrap().into_result().unwrap().into_calendar().unwrap();
        assert_eq!(item.subject.as_deref(), Some("Plan\u{FFFD}ning \u{FFFD}"));
        assert_eq!(&*item.more.unwrap().body.unwrap().text, "a\u{FFFD}b\u{FFFD}</p>");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { cases: proptest::prelude::ProptestConfig::default().cases.max(1_000), ..Default::default() })]
        #[test]
        fn a_damaged_item_is_an_error_or_an_item_and_never_a_panic(at in 0usize..3_000, length in 0usize..40, text in "[<>/&;a-z0-9:\"-]{0,12}") {
            let (mut at, mut end) = (at % MASTER.len(), (at % MASTER.len() + length).min(MASTER.len()));
            while !MASTER.is_char_boundary(at) { at -= 1; }
            while !MASTER.is_char_boundary(end) { end += 1; }
            let damaged = format!("{}{text}{}", &MASTER[..at], &MASTER[end..]);
            let operation = GetItem::calendar([ItemId::from("AAMkAE0=").into()]);
            if let Err(error) = answers(&operation, &message(&damaged)) {
                proptest::prop_assert!(matches!(error.kind(), ErrorKind::InvalidResponse | ErrorKind::Limit), "{error}");
            }
        }
    }
}
