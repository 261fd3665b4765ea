//! Properties of items, in the schema's order.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::{Timestamp, civil, tz::TimeZone};

use super::place::{Found, Named, wire_id};
use super::shape::{Base, Shape};
use super::soap::escaped;
use super::times::{shown, wall_clock};
use crate::state::{
    Attachment, Attendee, AttendeeRole, DayKind, Event, ExtendedName, Instance, MeetingKind, Message,
    Pattern, Range, Recurrence, Response, Sensitivity, Slot, change_key,
};

/// FindItem cuts strings at this many characters.
const FOUND_TEXT: usize = 255;

/// How an item is shown.
#[derive(Clone, Copy)]
pub(super) struct Manner<'a> {
    pub(super) shape: &'a Shape,
    /// The zone of the request's context.
    pub(super) zone: Option<&'a TimeZone>,
    /// As FindItem shows it: without body, attendees and rule, names without addresses, strings cut.
    pub(super) found: bool,
    /// Id of the folder on the wire.
    pub(super) folder: &'a str,
}

/// Writes the properties that the shape wants.
struct Out<'a> {
    xml: String,
    manner: Manner<'a>,
}

impl Out<'_> {
    fn wants(&self, uri: &str, by_default: bool) -> bool {
        self.manner.shape.wants(uri, by_default)
    }

    /// An element of text.
    fn text(&mut self, uri: &str, by_default: bool, value: &str) {
        if self.wants(uri, by_default) {
            self.element(uri, value);
        }
    }

    fn element(&mut self, uri: &str, value: &str) {
        let name = uri.split_once(':').map_or(uri, |(_, name)| name);
        let cut: String;
        let value = if self.manner.found && value.len() > FOUND_TEXT {
            cut = value.chars().take(FOUND_TEXT).collect();
            &cut
        } else {
            value
        };
        self.xml.push_str(&format!("<t:{name}>{}</t:{name}>", clean(value)));
    }

    fn flag(&mut self, uri: &str, by_default: bool, value: bool) {
        self.text(uri, by_default, if value { "true" } else { "false" });
    }

    fn time(&mut self, uri: &str, by_default: bool, at: Timestamp) {
        let zone = self.manner.zone;
        self.text(uri, by_default, &shown(at, zone));
    }

    /// An element with children; nothing when there are none.
    fn nested(&mut self, uri: &str, by_default: bool, inner: impl FnOnce() -> String) {
        if self.wants(uri, by_default) {
            let name = uri.split_once(':').map_or(uri, |(_, name)| name);
            let inner = inner();
            if !inner.is_empty() {
                self.xml.push_str(&format!("<t:{name}>{inner}</t:{name}>"));
            }
        }
    }

    /// The same, where FindItem never shows it.
    fn nested_unless_found(&mut self, uri: &str, by_default: bool, inner: impl FnOnce() -> String) {
        if !self.manner.found {
            self.nested(uri, by_default, inner);
        }
    }

    fn body(&mut self, text: &str, html: bool) {
        if self.manner.found || !self.wants("item:Body", true) {
            return;
        }
        let as_html = match self.manner.shape.body_type.as_str() {
            "Text" => false,
            "HTML" => true,
            _ => html,
        };
        let (kind, body) = match (html, as_html) {
            (true, false) => ("Text", plain(text)),
            (false, true) => {
                ("HTML", format!("<html><body>{}</body></html>", escaped(text).replace('\n', "<br>")))
            }
            (_, true) => ("HTML", text.to_owned()),
            (_, false) => ("Text", text.to_owned()),
        };
        self.xml.push_str(&format!(r#"<t:Body BodyType="{kind}">{}</t:Body>"#, clean(&body)));
    }

    fn attachments(&mut self, item: &str, all: &[Attachment]) {
        self.nested_unless_found("item:Attachments", true, || {
            all.iter().map(|a| file(item, a, false)).collect()
        });
    }

    fn extended(&mut self, all: &[(ExtendedName, String)]) {
        for name in &self.manner.shape.extended {
            if let Some((_, value)) = all.iter().find(|(n, _)| n.attributes == name.attributes) {
                let mut attributes = String::new();
                for (key, text) in &name.attributes {
                    attributes.push_str(&format!(r#" {key}="{}""#, escaped(text)));
                }
                self.xml.push_str(&format!(r#"<t:ExtendedProperty><t:ExtendedFieldURI{attributes} PropertyType="{}"/><t:Value>{}</t:Value></t:ExtendedProperty>"#,
                    escaped(&name.kind),
                    clean(value)
                ));
            }
        }
    }

    fn rights(&mut self) {
        self.nested("item:EffectiveRights", false, || {
            "<t:CreateAssociated>false</t:CreateAssociated><t:CreateContents>false</t:CreateContents><t:CreateHierarchy>false</t:CreateHierarchy><t:Delete>true</t:Delete><t:Modify>true</t:Modify><t:Read>true</t:Read>".to_owned()
        });
    }
}

/// Text without the characters that XML has no place for.
fn clean(text: &str) -> String {
    let legal = |c: char| matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && c != '\u{fffe}' && c != '\u{ffff}');
    if text.chars().all(legal) {
        return escaped(text);
    }
    escaped(&text.chars().filter(|c| legal(*c)).collect::<String>())
}

/// HTML as text: without tags.
fn plain(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => text.push(c),
            _ => {}
        }
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ").replace("&amp;", "&")
}

/// A file, with its content or without.
pub(super) fn file(item: &str, attachment: &Attachment, content: bool) -> String {
    let id = BASE64_STANDARD.encode(format!("{item}\n{}", attachment.id));
    let content = if content {
        format!("<t:Content>{}</t:Content>", BASE64_STANDARD.encode(&attachment.content))
    } else {
        String::new()
    };
    format!(
        r#"<t:FileAttachment><t:AttachmentId Id="{id}"/><t:Name>{}</t:Name><t:ContentType>{}</t:ContentType><t:Size>{}</t:Size><t:IsInline>false</t:IsInline>{content}</t:FileAttachment>"#,
        clean(&attachment.name),
        clean(&attachment.content_type),
        attachment.content.len()
    )
}

/// An id with its change key.
pub(super) fn item_id(id: &str, key: &str) -> String {
    format!(r#"<t:ItemId Id="{}" ChangeKey="{key}"/>"#, wire_id(id))
}

/// Somebody by name and address; FindItem knows no addresses.
fn mailbox(name: &str, address: &str, found: bool) -> String {
    let address = if found || address.is_empty() {
        String::new()
    } else {
        format!("<t:EmailAddress>{}</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType>", clean(address))
    };
    format!("<t:Mailbox><t:Name>{}</t:Name>{address}</t:Mailbox>", clean(name))
}

fn response(response: Response) -> &'static str {
    match response {
        Response::Unknown => "Unknown",
        Response::Organizer => "Organizer",
        Response::Tentative => "Tentative",
        Response::Accept => "Accept",
        Response::Decline => "Decline",
        Response::NoResponseReceived => "NoResponseReceived",
    }
}

fn attendees(all: &[Attendee], role: AttendeeRole) -> String {
    all.iter()
        .filter(|a| a.role == role)
        .map(|a| {
            let time = a
                .responded
                .map(|at| format!("<t:LastResponseTime>{}</t:LastResponseTime>", shown(at, None)))
                .unwrap_or_default();
            format!(
                "<t:Attendee>{}<t:ResponseType>{}</t:ResponseType>{time}</t:Attendee>",
                mailbox(&a.name, &a.address, false),
                response(a.response)
            )
        })
        .collect()
}

/// `LegacyFreeBusyStatus`
pub(super) fn busy_type(show_as: &str) -> &'static str {
    match show_as {
        "free" => "Free",
        "tentative" => "Tentative",
        "oof" => "OOF",
        "workingElsewhere" => "WorkingElsewhere",
        "noData" => "NoData",
        _ => "Busy",
    }
}

fn sensitivity(sensitivity: Sensitivity) -> &'static str {
    match sensitivity {
        Sensitivity::Normal => "Normal",
        Sensitivity::Personal => "Personal",
        Sensitivity::Private => "Private",
        Sensitivity::Confidential => "Confidential",
    }
}

fn importance(word: &str) -> &'static str {
    match word {
        "low" => "Low",
        "high" => "High",
        _ => "Normal",
    }
}

fn categories(all: &[String]) -> String {
    all.iter().map(|c| format!("<t:String>{}</t:String>", clean(c))).collect()
}

/// A found item of any kind.
pub(super) fn found(found: &Found, manner: Manner<'_>) -> String {
    match &found.item {
        Named::Event(event) => event_itself(event, manner),
        Named::Occurrence(master, slot) => occurrence(master, *slot, manner),
        Named::Message(message) => message_item(message, manner),
    }
}

/// A single event, or a series as its master.
pub(super) fn event_itself(event: &Event, manner: Manner<'_>) -> String {
    let instance =
        Instance { event, master: None, original: None, start: event.start, end: event.end, changed: false };
    calendar_item(&instance, manner)
}

/// An occurrence; nothing for a deleted one.
fn occurrence(master: &Event, slot: Slot, manner: Manner<'_>) -> String {
    master.at(slot).map(|instance| calendar_item(&instance, manner)).unwrap_or_default()
}

/// What an instance's change key is.
pub(super) fn instance_key(instance: &Instance<'_>) -> String {
    change_key(&instance.id(), instance.change(), false)
}

/// `CalendarItem`
pub(super) fn calendar_item(instance: &Instance<'_>, manner: Manner<'_>) -> String {
    let Instance { event, .. } = *instance;
    let id = instance.id();
    let mut out = Out { xml: String::new(), manner };
    out.xml.push_str("<t:CalendarItem>");
    if manner.shape.mime || manner.shape.names("item:MimeContent") {
        let content = BASE64_STANDARD.encode(icalendar(instance));
        out.xml.push_str(&format!(r#"<t:MimeContent CharacterSet="UTF-8">{content}</t:MimeContent>"#));
    }
    out.xml.push_str(&item_id(&id, &instance_key(instance)));
    if out.wants("item:ParentFolderId", false) {
        out.xml.push_str(&format!(r#"<t:ParentFolderId Id="{}" ChangeKey="AQAAAA=="/>"#, manner.folder));
    }
    out.text(
        "item:ItemClass",
        false,
        if instance.changed {
            "IPM.OLE.CLASS.{00061055-0000-0000-C000-000000000046}"
        } else {
            "IPM.Appointment"
        },
    );
    out.text("item:Subject", true, &event.subject);
    out.text("item:Sensitivity", false, sensitivity(event.sensitivity));
    out.body(&event.body, event.html);
    out.attachments(&id, &event.attachments);
    out.time("item:DateTimeReceived", false, event.created);
    out.text("item:Size", false, &(event.body.len() + event.subject.len() + 2000).to_string());
    out.nested("item:Categories", false, || categories(&event.categories));
    out.text("item:Importance", false, importance(&event.importance));
    for uri in ["item:IsSubmitted", "item:IsDraft", "item:IsFromMe", "item:IsResend"] {
        out.flag(uri, false, false);
    }
    out.time("item:DateTimeSent", false, event.created);
    out.time("item:DateTimeCreated", false, event.created);
    if event.reminder.is_some() {
        out.time("item:ReminderDueBy", false, instance.start);
    }
    out.flag("item:ReminderIsSet", false, event.reminder.is_some());
    out.text("item:ReminderMinutesBeforeStart", false, &event.reminder.unwrap_or(15).to_string());
    let names: Vec<&str> = event.attendees.iter().map(|a| a.name.as_str()).collect();
    out.text("item:DisplayTo", false, &names.join("; "));
    out.flag("item:HasAttachments", true, !event.attachments.is_empty());
    out.extended(&event.extended);
    out.text("item:Culture", false, "en-US");
    out.rights();
    out.text("item:LastModifiedName", false, &event.organizer.0);
    out.time("item:LastModifiedTime", false, event.modified);

    out.text("calendar:UID", false, &event.uid);
    if let Some(original) = instance.original {
        out.time("calendar:RecurrenceId", false, original);
    }
    out.time("calendar:DateTimeStamp", false, event.modified);
    out.time("calendar:Start", true, instance.start);
    out.time("calendar:End", true, instance.end);
    if let Some(original) = instance.original {
        out.time("calendar:OriginalStart", false, original);
    }
    out.flag("calendar:IsAllDayEvent", false, event.all_day);
    out.text("calendar:LegacyFreeBusyStatus", true, busy_type(&event.show_as));
    if !event.location.is_empty() {
        out.text("calendar:Location", true, &event.location);
    }
    out.flag("calendar:IsMeeting", false, !event.attendees.is_empty());
    out.flag("calendar:IsCancelled", false, event.cancelled);
    let part_of_series = instance.master.is_some();
    out.flag("calendar:IsRecurring", false, part_of_series);
    out.flag("calendar:MeetingRequestWasSent", false, !event.attendees.is_empty());
    out.flag("calendar:IsResponseRequested", false, !event.attendees.is_empty());
    let kind = match (instance.original, instance.changed) {
        (Some(_), true) => "Exception",
        (Some(_), false) => "Occurrence",
        _ if event.is_series() => "RecurringMaster",
        _ => "Single",
    };
    out.text("calendar:CalendarItemType", true, kind);
    out.text("calendar:MyResponseType", false, response(event.my_response));
    out.nested("calendar:Organizer", true, || mailbox(&event.organizer.0, &event.organizer.1, manner.found));
    for (uri, role) in [
        ("calendar:RequiredAttendees", AttendeeRole::Required),
        ("calendar:OptionalAttendees", AttendeeRole::Optional),
        ("calendar:Resources", AttendeeRole::Resource),
    ] {
        out.nested_unless_found(uri, true, || attendees(&event.attendees, role));
    }
    out.text("calendar:Duration", false, &duration(instance.start, instance.end));
    out.text("calendar:TimeZone", false, &event.zone);
    out.text("calendar:AppointmentSequenceNumber", false, &event.sequence.to_string());
    let state = u8::from(!event.attendees.is_empty())
        | if event.is_organizer { 0 } else { 2 }
        | if event.cancelled { 4 } else { 0 };
    out.text("calendar:AppointmentState", false, &state.to_string());
    if !part_of_series {
        series(&mut out, event);
    }
    for name in ["StartTimeZone", "EndTimeZone"] {
        if out.wants(&format!("calendar:{name}"), false) {
            out.xml.push_str(&format!(r#"<t:{name} Id="{0}" Name="{0}"/>"#, clean(&event.zone)));
        }
    }
    out.flag("calendar:IsOnlineMeeting", false, event.join_url.is_some());
    if out.wants("calendar:EnhancedLocation", false) && !event.location.is_empty() && !manner.found {
        out.xml.push_str(&format!(
            "<t:EnhancedLocation><t:DisplayName>{}</t:DisplayName></t:EnhancedLocation>",
            clean(&event.location)
        ));
    }
    let zone = event.time_zone();
    out.text("calendar:StartWallClock", false, &wall_clock(instance.start, &zone));
    out.text("calendar:EndWallClock", false, &wall_clock(instance.end, &zone));
    out.text("calendar:StartTimeZoneId", false, &event.zone);
    out.text("calendar:EndTimeZoneId", false, &event.zone);
    if let Some(url) = &event.join_url {
        out.text("calendar:JoinOnlineMeetingUrl", false, url);
    }
    out.flag("calendar:IsOrganizer", false, event.is_organizer);
    out.xml.push_str("</t:CalendarItem>");
    out.xml
}

/// What only the master of a series has.
fn series(out: &mut Out<'_>, event: &Event) {
    let Some(rule) = event.recurrence.as_ref().filter(|_| !out.manner.found) else { return };
    out.nested("calendar:Recurrence", true, || recurrence(rule));
    let zone = out.manner.zone;
    let info = |instance: &Instance<'_>| {
        format!(
            "{}<t:Start>{}</t:Start><t:End>{}</t:End><t:OriginalStart>{}</t:OriginalStart>",
            item_id(&instance.id(), &instance_key(instance)),
            shown(instance.start, zone),
            shown(instance.end, zone),
            shown(instance.original.unwrap_or(instance.start), zone)
        )
    };
    let ends = !matches!(rule.range, Range::NoEnd);
    let needed = ["calendar:FirstOccurrence", "calendar:LastOccurrence"].iter().any(|u| out.wants(u, false));
    let all = if needed && ends { event.occurrences(Timestamp::MAX) } else { Vec::new() };
    let first = if ends { None } else { event.slot(1).and_then(|slot| event.at(slot)) };
    out.nested("calendar:FirstOccurrence", false, || {
        all.first().or(first.as_ref()).map(info).unwrap_or_default()
    });
    out.nested("calendar:LastOccurrence", false, || all.last().map(info).unwrap_or_default());
    out.nested("calendar:ModifiedOccurrences", false, || {
        event
            .exceptions
            .iter()
            .filter_map(|(original, _)| event.at(event.slot_at(*original)?))
            .map(|i| format!("<t:Occurrence>{}</t:Occurrence>", info(&i)))
            .collect()
    });
    out.nested("calendar:DeletedOccurrences", false, || {
        event
            .deleted
            .iter()
            .map(|start| {
                format!(
                    "<t:DeletedOccurrence><t:Start>{}</t:Start></t:DeletedOccurrence>",
                    shown(*start, zone)
                )
            })
            .collect()
    });
}

fn duration(start: Timestamp, end: Timestamp) -> String {
    let minutes = end.duration_since(start).as_mins();
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    let mut text = "P".to_owned();
    if days > 0 {
        text.push_str(&format!("{days}D"));
    }
    if hours > 0 || minutes > 0 || days == 0 {
        text.push('T');
        if hours > 0 {
            text.push_str(&format!("{hours}H"));
        }
        if minutes > 0 || hours == 0 {
            text.push_str(&format!("{minutes}M"));
        }
    }
    text
}

/// `Recurrence`'s children.
fn recurrence(rule: &Recurrence) -> String {
    let index = |index: i8| match index {
        1 => "First",
        2 => "Second",
        3 => "Third",
        4 => "Fourth",
        _ => "Last",
    };
    let kind = |days: &DayKind| match days {
        DayKind::On(day) => weekday(*day),
        DayKind::Day => "Day",
        DayKind::Weekday => "Weekday",
        DayKind::WeekendDay => "WeekendDay",
    };
    let pattern = match &rule.pattern {
        Pattern::Daily { interval } => {
            format!("<t:DailyRecurrence><t:Interval>{interval}</t:Interval></t:DailyRecurrence>")
        }
        Pattern::Weekly { interval, days, first_day } => {
            let days: Vec<&str> = days.iter().map(|d| weekday(*d)).collect();
            format!(
                "<t:WeeklyRecurrence><t:Interval>{interval}</t:Interval><t:DaysOfWeek>{}</t:DaysOfWeek><t:FirstDayOfWeek>{}</t:FirstDayOfWeek></t:WeeklyRecurrence>",
                days.join(" "),
                weekday(*first_day)
            )
        }
        Pattern::AbsoluteMonthly { interval, day } => format!(
            "<t:AbsoluteMonthlyRecurrence><t:Interval>{interval}</t:Interval><t:DayOfMonth>{day}</t:DayOfMonth></t:AbsoluteMonthlyRecurrence>"
        ),
        Pattern::RelativeMonthly { interval, days, index: n } => format!(
            "<t:RelativeMonthlyRecurrence><t:Interval>{interval}</t:Interval><t:DaysOfWeek>{}</t:DaysOfWeek><t:DayOfWeekIndex>{}</t:DayOfWeekIndex></t:RelativeMonthlyRecurrence>",
            kind(days),
            index(*n)
        ),
        Pattern::AbsoluteYearly { month, day } => format!(
            "<t:AbsoluteYearlyRecurrence><t:DayOfMonth>{day}</t:DayOfMonth><t:Month>{}</t:Month></t:AbsoluteYearlyRecurrence>",
            month_name(*month)
        ),
        Pattern::RelativeYearly { month, days, index: n } => format!(
            "<t:RelativeYearlyRecurrence><t:DaysOfWeek>{}</t:DaysOfWeek><t:DayOfWeekIndex>{}</t:DayOfWeekIndex><t:Month>{}</t:Month></t:RelativeYearlyRecurrence>",
            kind(days),
            index(*n),
            month_name(*month)
        ),
    };
    let first = rule.first;
    let range = match rule.range {
        Range::NoEnd => format!("<t:NoEndRecurrence><t:StartDate>{first}</t:StartDate></t:NoEndRecurrence>"),
        Range::End(last) => format!(
            "<t:EndDateRecurrence><t:StartDate>{first}</t:StartDate><t:EndDate>{last}</t:EndDate></t:EndDateRecurrence>"
        ),
        Range::Numbered(count) => format!(
            "<t:NumberedRecurrence><t:StartDate>{first}</t:StartDate><t:NumberOfOccurrences>{count}</t:NumberOfOccurrences></t:NumberedRecurrence>"
        ),
    };
    format!("{pattern}{range}")
}

fn weekday(day: civil::Weekday) -> &'static str {
    match day {
        civil::Weekday::Monday => "Monday",
        civil::Weekday::Tuesday => "Tuesday",
        civil::Weekday::Wednesday => "Wednesday",
        civil::Weekday::Thursday => "Thursday",
        civil::Weekday::Friday => "Friday",
        civil::Weekday::Saturday => "Saturday",
        civil::Weekday::Sunday => "Sunday",
    }
}

/// Names of the months in order.
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn month_name(month: i8) -> &'static str {
    usize::try_from(month).ok().and_then(|m| MONTHS.get(m.checked_sub(1)?)).copied().unwrap_or("January")
}

/// The least of iCalendar that says what takes place when.
fn icalendar(instance: &Instance<'_>) -> String {
    let line = |text: &str| {
        text.replace('\\', "\\\\").replace(['\r', '\n'], " ").replace(',', "\\,").replace(';', "\\;")
    };
    let at = |t: Timestamp| t.strftime("%Y%m%dT%H%M%SZ").to_string();
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//tenant-sim//EN\r\nBEGIN:VEVENT\r\nUID:{}\r\nDTSTAMP:{}\r\nDTSTART:{}\r\nDTEND:{}\r\nSUMMARY:{}\r\nLOCATION:{}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        line(&instance.event.uid),
        at(instance.event.modified),
        at(instance.start),
        at(instance.end),
        line(&instance.event.subject),
        line(&instance.event.location)
    )
}

/// `Message`, or the kind of message about a meeting.
pub(super) fn message_item(message: &Message, manner: Manner<'_>) -> String {
    let element = match message.meeting.as_ref().map(|m| m.kind) {
        None => "Message",
        Some(MeetingKind::Request) => "MeetingRequest",
        Some(MeetingKind::Response(_)) => "MeetingResponse",
        Some(MeetingKind::Cancellation) => "MeetingCancellation",
    };
    let class = match message.meeting.as_ref().map(|m| m.kind) {
        None => "IPM.Note",
        Some(MeetingKind::Request) => "IPM.Schedule.Meeting.Request",
        Some(MeetingKind::Response(Response::Accept)) => "IPM.Schedule.Meeting.Resp.Pos",
        Some(MeetingKind::Response(Response::Decline)) => "IPM.Schedule.Meeting.Resp.Neg",
        Some(MeetingKind::Response(_)) => "IPM.Schedule.Meeting.Resp.Tent",
        Some(MeetingKind::Cancellation) => "IPM.Schedule.Meeting.Canceled",
    };
    let mut out = Out { xml: format!("<t:{element}>"), manner };
    if (manner.shape.mime || manner.shape.names("item:MimeContent")) && !manner.found {
        let content = BASE64_STANDARD.encode(&message.mime);
        out.xml.push_str(&format!(r#"<t:MimeContent CharacterSet="UTF-8">{content}</t:MimeContent>"#));
    }
    out.xml.push_str(&item_id(&message.id, &message.change_key()));
    if out.wants("item:ParentFolderId", false) {
        out.xml.push_str(&format!(r#"<t:ParentFolderId Id="{}" ChangeKey="AQAAAA=="/>"#, manner.folder));
    }
    out.text("item:ItemClass", false, class);
    out.text("item:Subject", true, &message.subject);
    out.text("item:Sensitivity", true, "Normal");
    out.body(&message.body, false);
    out.attachments(&message.id, &message.attachments);
    out.time("item:DateTimeReceived", false, message.received);
    out.text("item:Size", true, &message.mime.len().to_string());
    out.text("item:Importance", false, "Normal");
    for uri in ["item:IsSubmitted", "item:IsDraft", "item:IsFromMe", "item:IsResend"] {
        out.flag(uri, false, false);
    }
    if manner.shape.base == Base::AllProperties || manner.shape.names("item:InternetMessageHeaders") {
        out.xml.push_str(&format!(r#"<t:InternetMessageHeaders><t:InternetMessageHeader HeaderName="Message-ID">{}</t:InternetMessageHeader></t:InternetMessageHeaders>"#,
            clean(&message.internet_message_id)
        ));
    }
    out.time("item:DateTimeSent", true, message.received);
    out.time("item:DateTimeCreated", true, message.received);
    out.text("item:DisplayTo", false, &message.to.join("; "));
    out.flag("item:HasAttachments", true, !message.attachments.is_empty());
    out.rights();
    out.text("item:LastModifiedName", false, &message.from.0);
    out.time("item:LastModifiedTime", false, message.received);
    let from = |found| mailbox(&message.from.0, &message.from.1, found);
    out.nested("message:Sender", false, || from(manner.found));
    out.nested_unless_found("message:ToRecipients", true, || {
        message.to.iter().map(|to| mailbox(to, to, false)).collect()
    });
    out.flag("message:IsReadReceiptRequested", true, false);
    out.text("message:ConversationTopic", false, &message.subject);
    out.nested("message:From", true, || from(manner.found));
    if !message.internet_message_id.is_empty() {
        out.text("message:InternetMessageId", false, &message.internet_message_id);
    }
    out.flag("message:IsRead", true, message.read);
    if let Some(event) = message.meeting.as_ref().and_then(|m| m.event.as_deref()).filter(|_| !manner.found) {
        out.xml.push_str(&format!(r#"<t:AssociatedCalendarItemId Id="{}"/>"#, wire_id(event)));
    }
    out.xml.push_str(&format!("</t:{element}>"));
    out.xml
}
