//! Properties of calendar items as requests write them.

use jiff::{
    SignedDuration, Timestamp, ToSpan as _,
    civil::{self, Weekday},
    tz::TimeZone,
};

use super::item_xml::MONTHS;
use super::operations::Failure;
use super::shape::extended_name;
use super::soap::{Element, TYPES};
use super::times;
use crate::state::{
    Attendee, AttendeeRole, DayKind, Event, Pattern, Range, Recurrence, Response, Sensitivity,
};

/// Appointments last at most five years.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 366 * 5);

fn invalid(text: &str) -> Failure {
    Failure::new("ErrorInvalidPropertySet", text)
}

/// What a request says of the times of an event.
#[derive(Clone, Debug, Default)]
pub(super) struct Times<'e> {
    start: Option<&'e str>,
    end: Option<&'e str>,
    start_zone: Option<&'e str>,
    end_zone: Option<&'e str>,
}

/// Writes one property into the event; times wait until all of them are known.
pub(super) fn set<'e>(
    event: &mut Event,
    property: &'e Element,
    times: &mut Times<'e>,
) -> Result<(), Failure> {
    let text = || property.text.clone();
    let flag = || matches!(property.text.as_str(), "true" | "1");
    match property.name.as_str() {
        "Subject" => event.subject = text(),
        "Sensitivity" => {
            event.sensitivity = match property.text.as_str() {
                "Personal" => Sensitivity::Personal,
                "Private" => Sensitivity::Private,
                "Confidential" => Sensitivity::Confidential,
                _ => Sensitivity::Normal,
            }
        }
        "Body" => {
            event.body = text();
            event.html = property.attribute("BodyType") == Some("HTML");
        }
        "Categories" => event.categories = property.children.iter().map(|c| c.text.clone()).collect(),
        "Importance" => event.importance = property.text.to_ascii_lowercase(),
        "ReminderIsSet" => event.reminder = flag().then(|| event.reminder.unwrap_or(15)),
        "ReminderMinutesBeforeStart" => {
            let minutes =
                property.text.parse().map_err(|_| invalid("The reminder is no number of minutes."))?;
            event.reminder = event.reminder.map(|_| minutes);
        }
        "ExtendedProperty" => {
            let (Some(path), Some(value)) =
                (property.child(TYPES, "ExtendedFieldURI"), property.child(TYPES, "Value"))
            else {
                return Err(Failure::new("ErrorInvalidExtendedPropertyValue", "The property has no value."));
            };
            let name = extended_name(path);
            event.extended.retain(|(n, _)| n.attributes != name.attributes);
            event.extended.push((name, value.text.clone()));
        }
        "UID" => event.uid = text(),
        "Start" => times.start = Some(&property.text),
        "End" => times.end = Some(&property.text),
        "IsAllDayEvent" => event.all_day = flag(),
        "LegacyFreeBusyStatus" => {
            event.show_as = match property.text.as_str() {
                "Free" => "free",
                "Tentative" => "tentative",
                "OOF" => "oof",
                "WorkingElsewhere" => "workingElsewhere",
                "NoData" => "noData",
                _ => "busy",
            }
            .to_owned();
        }
        "Location" => event.location = text(),
        "EnhancedLocation" => {
            if let Some(name) = property.child(TYPES, "DisplayName") {
                event.location = name.text.clone();
            }
        }
        "RequiredAttendees" => attendees(event, property, AttendeeRole::Required),
        "OptionalAttendees" => attendees(event, property, AttendeeRole::Optional),
        "Resources" => attendees(event, property, AttendeeRole::Resource),
        "Recurrence" => event.recurrence = Some(recurrence(property)?),
        "MeetingTimeZone" | "StartTimeZone" => {
            times.start_zone = property.attribute("Id").or(property.attribute("TimeZoneName"));
        }
        "EndTimeZone" => times.end_zone = property.attribute("Id"),
        "JoinOnlineMeetingUrl" => event.join_url = Some(text()),
        // Taken and without effect here.
        "ItemClass"
        | "IsResponseRequested"
        | "AllowNewTimeProposal"
        | "ConferenceType"
        | "Culture"
        | "DoNotForwardMeeting"
        | "MeetingWorkspaceUrl"
        | "NetShowUrl"
        | "IsOnlineMeeting" => {}
        other => {
            return Err(Failure::new(
                "ErrorInvalidPropertySet",
                format!("Set action is invalid for property {other}."),
            ));
        }
    }
    Ok(())
}

/// Takes one property away.
pub(super) fn delete(event: &mut Event, path: &Element) -> Result<(), Failure> {
    if path.name == "ExtendedFieldURI" {
        let name = extended_name(path);
        event.extended.retain(|(n, _)| n.attributes != name.attributes);
        return Ok(());
    }
    let role = |role| move |a: &Attendee| a.role != role;
    match path.attribute("FieldURI").unwrap_or_default() {
        "item:Subject" => event.subject.clear(),
        "item:Body" => event.body.clear(),
        "item:Categories" => event.categories.clear(),
        "item:Attachments" => event.attachments.clear(),
        "item:Sensitivity" => event.sensitivity = Sensitivity::Normal,
        "item:Importance" => "normal".clone_into(&mut event.importance),
        "item:ReminderIsSet" | "item:ReminderMinutesBeforeStart" => event.reminder = None,
        "calendar:Location" | "calendar:EnhancedLocation" => event.location.clear(),
        "calendar:RequiredAttendees" => event.attendees.retain(role(AttendeeRole::Required)),
        "calendar:OptionalAttendees" => event.attendees.retain(role(AttendeeRole::Optional)),
        "calendar:Resources" => event.attendees.retain(role(AttendeeRole::Resource)),
        "calendar:Recurrence" => {
            event.recurrence = None;
            event.exceptions.clear();
            event.deleted.clear();
        }
        other => {
            return Err(Failure::new(
                "ErrorInvalidPropertyDelete",
                format!("Delete action is invalid for property {other}."),
            ));
        }
    }
    Ok(())
}

/// Applies the times, moves those of all-day events outward to midnights, and checks that they fit. A new zone alone
/// keeps the local time.
pub(super) fn finish(
    event: &mut Event,
    times: &Times<'_>,
    context: Option<&TimeZone>,
) -> Result<(), Failure> {
    let before = event.time_zone();
    if let Some(id) = times.start_zone {
        times::zone_named(id)?;
        id.clone_into(&mut event.zone);
    } else if let Some(zone) = context.filter(|_| event.id.is_empty()) {
        // Created in the zone of the context; its rules have the IANA name.
        zone.iana_name().unwrap_or("UTC").clone_into(&mut event.zone);
    }
    let zone = event.time_zone();
    let default = if times.start_zone.is_some() { &zone } else { context.unwrap_or(&zone) };
    let end_default = times.end_zone.map(times::zone_named).transpose()?;
    let read = |text: &str, zone: &TimeZone| {
        times::instant(text, zone).ok_or_else(|| invalid("The value is no time."))
    };
    let moved = |at: Timestamp| {
        let local = before.to_datetime(at);
        zone.to_ambiguous_zoned(local).compatible().map_or(at, |z| z.timestamp())
    };
    let length = event.end.duration_since(event.start);
    let rezoned = times.start_zone.is_some() && !event.id.is_empty();
    event.start = match times.start {
        Some(text) => read(text, default)?,
        None if rezoned => moved(event.start),
        None => event.start,
    };
    event.end = match times.end {
        Some(text) => read(text, end_default.as_ref().unwrap_or(default))?,
        None if rezoned => moved(event.end),
        None if times.start.is_some() => event.start.checked_add(length).unwrap_or(event.start),
        None => event.end,
    };
    if event.end < event.start {
        return Err(Failure::new(
            "ErrorCalendarEndDateIsEarlierThanStartDate",
            "EndDate is earlier than StartDate.",
        ));
    }
    if event.end.duration_since(event.start) > LONGEST {
        return Err(Failure::new(
            "ErrorCalendarDurationIsTooLong",
            "The calendar item duration is too long.",
        ));
    }
    if event.all_day {
        outward(event, &zone);
    }
    if let Some(rule) = &event.recurrence {
        if rule.dates().next().is_none() {
            return Err(Failure::new(
                "ErrorRecurrenceHasNoOccurrence",
                "The recurrence has no occurrences in the specified range.",
            ));
        }
        if matches!(rule.range, Range::End(last) if last > civil::date(4500, 9, 1)) {
            return Err(Failure::new(
                "ErrorRecurrenceEndDateTooBig",
                "The end date of the recurrence is too big.",
            ));
        }
    }
    Ok(())
}

fn outward(event: &mut Event, zone: &TimeZone) {
    let midnight = |date: civil::Date| {
        zone.to_ambiguous_zoned(date.to_datetime(civil::Time::midnight())).compatible().map(|z| z.timestamp())
    };
    let first = zone.to_datetime(event.start).date();
    let end = zone.to_datetime(event.end);
    let whole = end.time() == civil::Time::midnight() && event.end > event.start;
    let last = if whole { Ok(end.date()) } else { end.date().checked_add(1.day()) };
    if let (Ok(start), Ok(end)) = (midnight(first), last.and_then(midnight)) {
        (event.start, event.end) = (start, end);
    }
}

/// Name and address in a `Mailbox`.
pub(super) fn mailbox(element: &Element) -> Option<(String, String)> {
    let mailbox = if element.name == "Mailbox" { element } else { element.child(TYPES, "Mailbox")? };
    let address = mailbox.child(TYPES, "EmailAddress")?.text.clone();
    let name = mailbox.child(TYPES, "Name").map_or_else(|| address.clone(), |n| n.text.clone());
    Some((name, address))
}

/// Replaces those of one role; who stays keeps their answer.
fn attendees(event: &mut Event, list: &Element, role: AttendeeRole) {
    let before = std::mem::take(&mut event.attendees);
    let (same, others): (Vec<_>, Vec<_>) = before.into_iter().partition(|a| a.role == role);
    event.attendees = others;
    for (name, address) in list.children.iter().filter_map(mailbox) {
        let known = same.iter().find(|a| a.address.eq_ignore_ascii_case(&address));
        event.attendees.push(known.cloned().unwrap_or(Attendee {
            name,
            address,
            role,
            response: Response::NoResponseReceived,
            responded: None,
        }));
    }
}

fn recurrence(element: &Element) -> Result<Recurrence, Failure> {
    let bad =
        |what: &str| Failure::new("ErrorInvalidRecurrence", format!("The recurrence is invalid: {what}"));
    let ends_with = |suffix: &[&str]| element.children.iter().find(|c| suffix.contains(&c.name.as_str()));
    let range = ends_with(&["NoEndRecurrence", "EndDateRecurrence", "NumberedRecurrence"])
        .ok_or_else(|| bad("it has no range"))?;
    let text = |parent: &Element, name: &str| parent.child(TYPES, name).map(|c| c.text.clone());
    let first =
        text(range, "StartDate").and_then(|t| times::date(&t)).ok_or_else(|| bad("it has no first day"))?;
    let pattern =
        element.children.iter().find(|c| !std::ptr::eq(*c, range)).ok_or_else(|| bad("it has no pattern"))?;
    let number = |name: &str, max: u32| {
        text(pattern, name)
            .and_then(|t| t.parse::<u32>().ok())
            .filter(|n| (1..=max).contains(n))
            .ok_or_else(|| bad(name))
    };
    let small = |name: &str, max: u32| number(name, max).and_then(|n| i8::try_from(n).map_err(|_| bad(name)));
    let kind = || {
        let name = text(pattern, "DaysOfWeek").ok_or_else(|| bad("DaysOfWeek"))?;
        Ok(match name.as_str() {
            "Day" => DayKind::Day,
            "Weekday" => DayKind::Weekday,
            "WeekendDay" => DayKind::WeekendDay,
            day => DayKind::On(weekday(day).ok_or_else(|| bad("DaysOfWeek"))?),
        })
    };
    let index = || {
        Ok(match text(pattern, "DayOfWeekIndex").as_deref() {
            Some("First") => 1,
            Some("Second") => 2,
            Some("Third") => 3,
            Some("Fourth") => 4,
            Some("Last") => -1,
            _ => return Err(bad("DayOfWeekIndex")),
        })
    };
    let month = || {
        let name = text(pattern, "Month").unwrap_or_default();
        let at = MONTHS.iter().position(|m| *m == name).and_then(|n| i8::try_from(n + 1).ok());
        at.ok_or_else(|| bad("Month"))
    };
    let pattern = match pattern.name.as_str() {
        "DailyRecurrence" => Pattern::Daily { interval: number("Interval", 999)? },
        "WeeklyRecurrence" => {
            let mut days = Vec::new();
            for name in text(pattern, "DaysOfWeek").unwrap_or_default().split_whitespace() {
                match name {
                    "Day" => days.extend(Weekday::Monday.cycle_forward().take(7)),
                    "Weekday" => days.extend(Weekday::Monday.cycle_forward().take(5)),
                    "WeekendDay" => days.extend([Weekday::Saturday, Weekday::Sunday]),
                    day => days.push(weekday(day).ok_or_else(|| bad("DaysOfWeek"))?),
                }
            }
            if days.is_empty() {
                return Err(bad("DaysOfWeek"));
            }
            let first_day =
                text(pattern, "FirstDayOfWeek").and_then(|d| weekday(&d)).unwrap_or(Weekday::Sunday);
            Pattern::Weekly { interval: number("Interval", 99)?, days, first_day }
        }
        "AbsoluteMonthlyRecurrence" => {
            Pattern::AbsoluteMonthly { interval: number("Interval", 99)?, day: small("DayOfMonth", 31)? }
        }
        "RelativeMonthlyRecurrence" => {
            Pattern::RelativeMonthly { interval: number("Interval", 99)?, days: kind()?, index: index()? }
        }
        "AbsoluteYearlyRecurrence" => {
            Pattern::AbsoluteYearly { month: month()?, day: small("DayOfMonth", 31)? }
        }
        "RelativeYearlyRecurrence" => {
            Pattern::RelativeYearly { month: month()?, days: kind()?, index: index()? }
        }
        other => return Err(bad(other)),
    };
    let range = match range.name.as_str() {
        "NoEndRecurrence" => Range::NoEnd,
        "EndDateRecurrence" => {
            Range::End(text(range, "EndDate").and_then(|t| times::date(&t)).ok_or_else(|| bad("EndDate"))?)
        }
        _ => Range::Numbered(
            text(range, "NumberOfOccurrences")
                .and_then(|t| t.parse().ok())
                .filter(|n| (1..=999).contains(n))
                .ok_or_else(|| bad("NumberOfOccurrences"))?,
        ),
    };
    Ok(Recurrence { pattern, first, range })
}

pub(super) fn weekday(name: &str) -> Option<Weekday> {
    Some(match name {
        "Monday" => Weekday::Monday,
        "Tuesday" => Weekday::Tuesday,
        "Wednesday" => Weekday::Wednesday,
        "Thursday" => Weekday::Thursday,
        "Friday" => Weekday::Friday,
        "Saturday" => Weekday::Saturday,
        "Sunday" => Weekday::Sunday,
        _ => return None,
    })
}
