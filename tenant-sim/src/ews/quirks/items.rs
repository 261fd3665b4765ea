//! Quirks inside items and free/busy views.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Span, Timestamp, civil, tz};

use super::{Element, EwsQuirk, Quirks, TYPES, element, walk};
use crate::ews::series_of;

/// Elements that hold an instant of an item.
const INSTANTS: [&str; 9] = [
    "Start",
    "End",
    "OriginalStart",
    "RecurrenceId",
    "DateTimeReceived",
    "DateTimeSent",
    "DateTimeCreated",
    "LastModifiedTime",
    "TimeStamp",
];

pub(super) fn rewrite(quirks: &Quirks, request: Option<&Element>, root: &mut Element) {
    let has = |quirk| quirks.contains(&quirk);
    walk(root, &mut |e| {
        match e.name.as_str() {
            "CalendarItem" => calendar_item(quirks, e),
            "StartDate" | "EndDate" if has(EwsQuirk::DatesAsDateTimes) => {
                let day = e.text.get(..10).unwrap_or(&e.text).to_owned();
                e.text = format!("{day}T00:00:00.000000Z");
            }
            "Items" if request.is_some_and(is_view) => view(quirks, e),
            "FreeBusyResponse" => free_busy(quirks, request, e),
            "ItemId" if has(EwsQuirk::NoChangeKeys) => {
                e.attributes.retain(|(name, _)| name != "ChangeKey");
            }
            _ => {}
        }
        if INSTANTS.contains(&e.name.as_str()) {
            instant(quirks, e);
        }
        if has(EwsQuirk::PaddedText) && (e.name == "ResponseCode" || looks_like_time(&e.text)) {
            e.text = format!("\n    {}\n  ", e.text);
        }
    });
}

/// True for a view of a calendar.
fn is_view(request: &Element) -> bool {
    request.name == "FindItem" && request.children.iter().any(|c| c.name == "CalendarView")
}

/// Leaves series out, or shows their masters once.
fn view(quirks: &Quirks, items: &mut Element) {
    let masters = quirks.contains(&EwsQuirk::ViewHoldsMasters);
    if !masters && !quirks.contains(&EwsQuirk::ViewWithoutSeries) {
        return;
    }
    let mut shown = BTreeSet::new();
    items.children.retain_mut(|item| {
        let id = item.children.iter_mut().find(|c| c.name == "ItemId");
        let Some(id) = id.and_then(|id| id.attributes.iter_mut().find(|(name, _)| name == "Id")) else {
            return true;
        };
        let Some(series) = series_of(&id.1) else { return true };
        if !masters || !shown.insert(series.clone()) {
            return false;
        }
        id.1 = series;
        for kind in item.children.iter_mut().filter(|c| c.name == "CalendarItemType") {
            "RecurringMaster".clone_into(&mut kind.text);
        }
        true
    });
}

fn looks_like_time(text: &str) -> bool {
    text.len() >= 19
        && text.as_bytes().get(10) == Some(&b'T')
        && text.starts_with(|c: char| c.is_ascii_digit())
}

fn instant(quirks: &Quirks, e: &mut Element) {
    let Ok(at) = e.text.parse::<Timestamp>() else { return };
    if quirks.contains(&EwsQuirk::OffsetsWithoutColon) {
        e.text =
            at.to_zoned(tz::TimeZone::fixed(tz::offset(1))).strftime("%Y-%m-%dT%H:%M:%S+0100").to_string();
    } else if quirks.contains(&EwsQuirk::NineFractionalDigits) {
        e.text = at.strftime("%Y-%m-%dT%H:%M:%S.000000000Z").to_string();
    }
}

fn calendar_item(quirks: &Quirks, item: &mut Element) {
    let has = |quirk| quirks.contains(&quirk);
    if has(EwsQuirk::ReorderedElements) {
        // A stable sort: these come first, backwards.
        item.children.sort_by_key(|c| match c.name.as_str() {
            "EndTimeZone" => 0,
            "StartTimeZone" => 1,
            "UID" => 2,
            _ => 3,
        });
    }
    if has(EwsQuirk::DoubledZones) {
        let zones: Vec<Element> =
            item.children.iter().filter(|c| c.name.ends_with("TimeZone")).cloned().collect();
        item.children.extend(zones);
    }
    if has(EwsQuirk::UnknownElements) {
        let mut unheard = element(TYPES, "Unheard", "");
        unheard.children.push(element("urn:example:of", "Elsewhere", "1"));
        item.children.insert(0, unheard);
    }
    if has(EwsQuirk::MoreThanAsked) {
        let start = item.children.iter().find(|c| c.name == "Start").map(|c| c.text.clone());
        for (name, text) in [
            ("DateTimeReceived", start.as_deref().unwrap_or("2026-11-01T00:00:00Z")),
            ("IsRecurring", "false"),
            ("CalendarItemType", "Single"),
        ] {
            if !item.children.iter().any(|c| c.name == name) {
                item.children.push(element(TYPES, name, text));
            }
        }
    }
}

fn free_busy(quirks: &Quirks, request: Option<&Element>, response: &mut Element) {
    let has = |quirk| quirks.contains(&quirk);
    if has(EwsQuirk::FreeBusyUnknownWithoutView)
        && response.children.iter().any(|c| c.attribute("ResponseClass") == Some("Error"))
    {
        response.children.retain(|c| c.name != "FreeBusyView");
    }
    let Some(view) = response.children.iter_mut().find(|c| c.name == "FreeBusyView") else { return };
    if has(EwsQuirk::FreeBusyWithoutMerged) {
        view.children.retain(|c| c.name != "MergedFreeBusy");
        granted(view, |old| match old {
            "DetailedMerged" => "Detailed",
            "FreeBusyMerged" | "MergedOnly" => "FreeBusy",
            _ => "",
        });
    }
    if has(EwsQuirk::FreeBusyMergedOnly) {
        view.children.retain(|c| c.name != "CalendarEventArray");
        granted(view, |old| if old.contains("Merged") { "MergedOnly" } else { "" });
    }
    let zone = request.and_then(fixed_offset);
    let Some(events) = view.children.iter_mut().find(|c| c.name == "CalendarEventArray") else { return };
    if has(EwsQuirk::FreeBusyDuplicates) {
        events.children.extend(events.children.clone());
    }
    if has(EwsQuirk::FreeBusyBeyondWindow)
        && let Some(mut early) = events.children.first().cloned()
    {
        for time in early.children.iter_mut().filter(|c| c.name.ends_with("Time")) {
            if let Some(moved) = civil(&time.text).and_then(|t| t.checked_sub(Span::new().days(120)).ok()) {
                time.text = moved.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            }
        }
        events.children.insert(0, early);
    }
    let colon = has(EwsQuirk::FreeBusyWithOffset);
    let Some(zone) = zone.filter(|_| colon || has(EwsQuirk::FreeBusyOffsetWithoutColon)) else { return };
    for time in events.children.iter_mut().flat_map(|e| &mut e.children).filter(|c| c.name.ends_with("Time"))
    {
        if civil(&time.text).is_some() {
            let offset = zone.strftime(colon);
            time.text = format!("{}{offset}", time.text);
        }
    }
}

fn granted(view: &mut Element, change: impl Fn(&str) -> &'static str) {
    for kind in view.children.iter_mut().filter(|c| c.name == "FreeBusyViewType") {
        let new = change(&kind.text);
        if !new.is_empty() {
            new.clone_into(&mut kind.text);
        }
    }
}

/// A time without a zone.
fn civil(text: &str) -> Option<civil::DateTime> {
    (text.len() == 19).then(|| text.parse().ok()).flatten()
}

/// An offset of the request's zone that holds all year.
struct Fixed(i64);

impl Fixed {
    fn strftime(&self, colon: bool) -> String {
        let (sign, minutes) = (if self.0 < 0 { '-' } else { '+' }, self.0.abs());
        let colon = if colon { ":" } else { "" };
        format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
    }
}

fn fixed_offset(request: &Element) -> Option<Fixed> {
    let zone = request.children.iter().find(|c| c.name == "TimeZone")?;
    let bias = |e: &Element| e.children.iter().find(|c| c.name == "Bias")?.text.parse::<i64>().ok();
    let of = |name: &str| bias(zone.children.iter().find(|c| c.name == name)?);
    let (standard, daylight) = (of("StandardTime")?, of("DaylightTime")?);
    let west = bias(zone)? + standard;
    // Minutes beyond a day are nobody's zone.
    (standard == daylight && SignedDuration::from_mins(west).abs() < SignedDuration::from_hours(24))
        .then_some(Fixed(-west))
}
