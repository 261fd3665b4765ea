//! `GetUserAvailability`: free and busy times, as detailed as the calendar's entries allow.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getuseravailability-operation>

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use uuid::Uuid;

use super::item_xml::busy_type;
use super::operations::{Acting, Failure, listed, told};
use super::place::rights;
use super::serialized_zone::SerializedZone;
use super::soap::{Element, Fault, MESSAGES, TYPES, escaped};
use super::{schema_violation, times};
use crate::state::{Folder, Instance, Sensitivity};

/// Mailboxes in one request.
const MAX_MAILBOXES: usize = 100;
/// Days of one window.
const MAX_DAYS: i64 = 42;

/// How much is shown, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    None,
    Merged,
    FreeBusy,
    Detailed,
}

struct Request {
    zone: SerializedZone,
    start: Timestamp,
    end: Timestamp,
    interval: i64,
    level: Level,
    merged: bool,
}

/// Answers for each mailbox on its own.
pub(super) fn run(acting: &mut Acting<'_>, operation: &Element) -> Result<String, Fault> {
    let asked = read(acting, operation)?;
    let all = listed(operation, "MailboxDataArray")?;
    if all.len() > MAX_MAILBOXES {
        return Err(Fault::new(
            "ErrorMailboxDataArrayTooBig",
            "The number of elements in the MailboxData array exceeds the limit of 100.",
        ));
    }
    let mut answers = String::new();
    for mailbox in all {
        let address = mailbox
            .child(TYPES, "Email")
            .and_then(|e| e.child(TYPES, "Address"))
            .map_or("", |a| a.text.as_str());
        let (message, view) = match one(acting, address, &asked) {
            Ok(view) => (
                r#"<m:ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode></m:ResponseMessage>"#.to_owned(),
                view,
            ),
            Err(failure) => (
                format!(r#"<m:ResponseMessage ResponseClass="Error">{}</m:ResponseMessage>"#, told(&failure)),
                "<t:FreeBusyViewType>None</t:FreeBusyViewType>".to_owned(),
            ),
        };
        answers.push_str(&format!(
            "<m:FreeBusyResponse>{message}<m:FreeBusyView>{view}</m:FreeBusyView></m:FreeBusyResponse>"
        ));
    }
    Ok(format!(
        r#"<m:GetUserAvailabilityResponse xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"><m:FreeBusyResponseArray>{answers}</m:FreeBusyResponseArray></m:GetUserAvailabilityResponse>"#
    ))
}

fn read(acting: &Acting<'_>, operation: &Element) -> Result<Request, Fault> {
    let options = operation
        .child(TYPES, "FreeBusyViewOptions")
        .ok_or_else(|| Fault::new("ErrorInvalidFreeBusyViewType", "The free/busy view is missing."))?;
    let zone = match operation.child(TYPES, "TimeZone") {
        Some(zone) => SerializedZone::read(zone)?,
        None => SerializedZone::Rules(acting.zone.clone().unwrap_or(TimeZone::UTC)),
    };
    let window = options
        .child(TYPES, "TimeWindow")
        .ok_or_else(|| schema_violation("FreeBusyViewOptions needs TimeWindow."))?;
    let time = |name: &str| {
        window.child(TYPES, name).and_then(|t| moment(&t.text, &zone)).ok_or_else(|| {
            schema_violation(format!("The '{name}' element is invalid according to its datatype."))
        })
    };
    let (start, end) = (time("StartTime")?, time("EndTime")?);
    if end <= start {
        return Err(Fault::new("ErrorInvalidTimeInterval", "The end of the window lies before its start."));
    }
    let length = end.duration_since(start);
    if length > SignedDuration::from_hours(24 * MAX_DAYS) {
        return Err(Fault::new(
            "ErrorTimeIntervalTooBig",
            format!("The requested time duration is too long. Allowed limit = {MAX_DAYS} days."),
        ));
    }
    let interval = match options.child(TYPES, "MergedFreeBusyIntervalInMinutes") {
        Some(minutes) => minutes.text.parse::<i64>().unwrap_or(0),
        None => 30,
    };
    if !(5..=1440).contains(&interval) || SignedDuration::from_mins(interval) > length {
        return Err(Fault::new(
            "ErrorInvalidMergedFreeBusyInterval",
            "The merged free/busy interval is from 5 to 1440 minutes and not longer than the window.",
        ));
    }
    let view = options.child(TYPES, "RequestedView").map_or("FreeBusy", |v| v.text.as_str());
    let (level, merged) = match view {
        "MergedOnly" => (Level::Merged, true),
        "FreeBusy" => (Level::FreeBusy, false),
        "FreeBusyMerged" => (Level::FreeBusy, true),
        "Detailed" => (Level::Detailed, false),
        "DetailedMerged" => (Level::Detailed, true),
        _ => {
            return Err(Fault::new(
                "ErrorInvalidFreeBusyViewType",
                format!("The free/busy view {view} is not valid in a request."),
            ));
        }
    };
    Ok(Request { zone, start, end, interval, level, merged })
}

fn moment(text: &str, zone: &SerializedZone) -> Option<Timestamp> {
    let local = text.trim().parse::<civil::DateTime>().ok();
    // Only a time with an offset differs from itself in two zones.
    let fixed = times::instant(text, &TimeZone::UTC)
        .filter(|at| times::instant(text, &TimeZone::fixed(jiff::tz::offset(1))) == Some(*at));
    fixed.or_else(|| zone.to_instant(local?))
}

fn one(acting: &Acting<'_>, address: &str, asked: &Request) -> Result<String, Failure> {
    let unknown = || {
        Failure::new(
            "ErrorMailRecipientNotFound",
            format!("Unable to resolve e-mail address {address} to an Active Directory object."),
        )
    };
    let (mailboxes, level) = match acting.state.mailbox(address, acting.now) {
        Some(found) if found.remote != acting.on_premises => {
            return Err(Failure::new(
                "ErrorProxyRequestProcessingFailed",
                "Unable to send cross-forest request for mailbox.",
            ));
        }
        Some(found) => (vec![found.object_id], granted(acting, found.object_id)),
        None => (members(acting, address).ok_or_else(unknown)?, Level::Merged),
    };
    if level == Level::None {
        return Err(Failure::new(
            "ErrorNoFreeBusyAccess",
            "The caller does not have access to free/busy data.",
        ));
    }
    let store = &acting.state.store;
    let mut events: Vec<Instance<'_>> = mailboxes
        .iter()
        .flat_map(|m| store.events_of(*m, &Folder::Calendar))
        .flat_map(|event| event.instances(asked.start, asked.end))
        .filter(|i| i.start < asked.end && i.end > asked.start)
        .collect();
    events.sort_by_key(|i| (i.start, i.end, i.id()));
    let level = level.min(asked.level);
    let mut view = String::new();
    let merged = asked.merged || level == Level::Merged;
    let name = match (level, merged) {
        (Level::FreeBusy, false) => "FreeBusy",
        (Level::FreeBusy, true) => "FreeBusyMerged",
        (Level::Detailed, false) => "Detailed",
        (Level::Detailed, true) => "DetailedMerged",
        (Level::Merged | Level::None, _) => "MergedOnly",
    };
    view.push_str(&format!("<t:FreeBusyViewType>{name}</t:FreeBusyViewType>"));
    if merged {
        view.push_str(&format!("<t:MergedFreeBusy>{}</t:MergedFreeBusy>", digits(&events, asked)));
    }
    if level == Level::Merged {
        return Ok(view);
    }
    if !events.is_empty() {
        let own = mailboxes.contains(&acting.mailbox);
        let rows: String = events.iter().map(|i| row(i, asked, level == Level::Detailed, own)).collect();
        view.push_str(&format!("<t:CalendarEventArray>{rows}</t:CalendarEventArray>"));
    }
    // Everybody here works from eight to five in UTC.
    view.push_str("<t:WorkingHours><t:TimeZone><t:Bias>0</t:Bias><t:StandardTime><t:Bias>0</t:Bias><t:Time>00:00:00</t:Time><t:DayOrder>0</t:DayOrder><t:Month>0</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek></t:StandardTime><t:DaylightTime><t:Bias>0</t:Bias><t:Time>00:00:00</t:Time><t:DayOrder>0</t:DayOrder><t:Month>0</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek></t:DaylightTime></t:TimeZone><t:WorkingPeriodArray><t:WorkingPeriod><t:DayOfWeek>Monday Tuesday Wednesday Thursday Friday</t:DayOfWeek><t:StartTimeInMinutes>480</t:StartTimeInMinutes><t:EndTimeInMinutes>1020</t:EndTimeInMinutes></t:WorkingPeriod></t:WorkingPeriodArray></t:WorkingHours>");
    Ok(view)
}

/// What the calendar's entries let the caller see.
fn granted(acting: &Acting<'_>, owner: Uuid) -> Level {
    let rights = rights(acting, owner, &Folder::Calendar);
    if rights.contains("ReadItems") || rights.contains("LimitedDetails") {
        Level::Detailed
    } else if rights.contains("AvailabilityOnly") {
        Level::FreeBusy
    } else {
        Level::None
    }
}

/// The mailboxes of a group.
fn members(acting: &Acting<'_>, address: &str) -> Option<Vec<Uuid>> {
    let group =
        acting.state.exchange.groups.iter().find(|g| {
            g.is_effective(acting.now) && g.value.primary_smtp_address.eq_ignore_ascii_case(address)
        })?;
    let members = group.value.members.iter().filter(|m| m.is_effective(acting.now)).map(|m| m.value);
    Some(members.filter(|m| acting.state.mailbox_of(*m, acting.now).is_some()).collect())
}

/// One digit for each interval; the highest wins, and the last interval may be a part of one.
fn digits(events: &[Instance<'_>], asked: &Request) -> String {
    let digit = |i: &Instance<'_>| match i.event.show_as.as_str() {
        // Who works elsewhere can be met.
        "free" | "workingElsewhere" => b'0',
        "tentative" => b'1',
        "oof" => b'3',
        "noData" => b'4',
        _ => b'2',
    };
    let step = asked.interval * 60;
    let (start, end) = (asked.start.as_second(), asked.end.as_second());
    let count = usize::try_from((end - start + step - 1) / step).unwrap_or_default();
    let mut all = vec![b'0'; count];
    for event in events {
        let from = (event.start.as_second() - start).max(0) / step;
        let until = ((event.end.as_second() - start).max(0) + step - 1) / step;
        let from = usize::try_from(from).unwrap_or(count).min(count);
        let until = usize::try_from(until).unwrap_or(count).clamp(from, count);
        for slot in all.get_mut(from..until).unwrap_or_default() {
            *slot = (*slot).max(digit(event));
        }
    }
    all.into_iter().map(char::from).collect()
}

fn row(instance: &Instance<'_>, asked: &Request, detailed: bool, own: bool) -> String {
    let event = instance.event;
    let local = |at| asked.zone.to_local(at).strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let mut details = String::new();
    if detailed {
        let private = event.sensitivity == Sensitivity::Private;
        let mut texts = String::new();
        if own || !private {
            let hex: String = event.id.bytes().take(32).map(|b| format!("{b:02X}")).collect();
            texts = format!(
                "<t:ID>{hex}</t:ID><t:Subject>{}</t:Subject><t:Location>{}</t:Location>",
                escaped(&event.subject),
                escaped(&event.location)
            );
        }
        details = format!(
            "<t:CalendarEventDetails>{texts}<t:IsMeeting>{}</t:IsMeeting><t:IsRecurring>{}</t:IsRecurring><t:IsException>{}</t:IsException><t:IsReminderSet>{}</t:IsReminderSet><t:IsPrivate>{private}</t:IsPrivate></t:CalendarEventDetails>",
            !event.attendees.is_empty(),
            instance.master.is_some(),
            instance.changed,
            event.reminder.is_some(),
        );
    }
    format!(
        "<t:CalendarEvent><t:StartTime>{}</t:StartTime><t:EndTime>{}</t:EndTime><t:BusyType>{}</t:BusyType>{details}</t:CalendarEvent>",
        local(instance.start),
        local(instance.end),
        busy_type(&event.show_as)
    )
}
