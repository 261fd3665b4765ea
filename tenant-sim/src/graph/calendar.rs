//! Events. Pages: <https://learn.microsoft.com/graph/api/user-list-calendarview>,
//! <https://learn.microsoft.com/graph/api/resources/event>

use http::StatusCode;
use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Answer, Context,
    error::GraphError,
    mail::{self, shown_id, wants_immutable},
    odata, preferences,
    request::GraphRequest,
};
use crate::state::{AttendeeRole, Folder, Instance, Response, Sensitivity, change_key, split_occurrence_id};

const READ: [&str; 2] = ["Calendars.Read", "Calendars.ReadWrite"];
const READ_BASIC: [&str; 3] = ["Calendars.ReadBasic.All", "Calendars.Read", "Calendars.ReadWrite"];

/// Single instances that touch the window, in order of their start.
pub(crate) fn view(context: &mut Context<'_>, request: &GraphRequest) -> Answer {
    let user = mail::open(context, request, &READ_BASIC)?;
    check_zone(request)?;
    let start = moment(request, "startDateTime")?;
    let end = moment(request, "endDateTime")?;
    if end < start {
        return Err(GraphError::new(
            StatusCode::BAD_REQUEST,
            "ErrorInvalidParameter",
            "The end of the window lies before its start.",
        ));
    }
    let mut events: Vec<Instance<'_>> = context
        .state
        .store
        .events_of(user, &Folder::Calendar)
        .flat_map(|e| e.instances(start, end))
        .filter(|e| e.end > start || e.start == e.end && e.start >= start)
        .collect();
    events.sort_by_key(|e| (e.start, e.id()));
    if let Some(order) = request.option("orderby") {
        if !order.to_ascii_lowercase().starts_with("start/datetime") {
            return Err(GraphError::new(StatusCode::BAD_REQUEST, "BadRequest", "Unsupported sort property."));
        }
        if order.to_ascii_lowercase().trim_end().ends_with("desc") {
            events.reverse();
        }
    }
    let items = events.iter().map(|e| render(e, request)).collect();
    odata::page(request, "calendarView", items, odata::OUTLOOK, true)
}

/// One event.
pub(crate) fn get(context: &mut Context<'_>, request: &GraphRequest) -> Answer {
    let user = mail::open(context, request, &READ)?;
    check_zone(request)?;
    let id = request.segment(3);
    let id = id.strip_prefix("AAMk").map_or_else(|| id.to_owned(), |rest| format!("AAkA{rest}"));
    let found = named(context, user, &id).ok_or_else(|| {
        GraphError::new(
            StatusCode::NOT_FOUND,
            "ErrorItemNotFound",
            "The specified object was not found in the store.",
        )
    })?;
    Ok(odata::object(request, "events", render(&found, request), true))
}

/// An event, a series, or an occurrence.
fn named<'a>(context: &'a Context<'_>, user: Uuid, id: &str) -> Option<Instance<'a>> {
    let store = &context.state.store;
    if let Some((master, original)) = split_occurrence_id(id) {
        let master = store.event(user, &master)?;
        let after = original.checked_add(SignedDuration::from_secs(1)).ok()?;
        let slot = master.slots(after).into_iter().find(|slot| slot.start == original)?;
        return master.at(slot);
    }
    let event = store.event(user, id)?;
    let (start, end) = (event.start, event.end);
    Some(Instance { event, master: None, original: None, start, end, changed: false })
}

/// ISO 8601; an offset is honoured, without one the time is UTC.
fn moment(request: &GraphRequest, name: &str) -> Result<Timestamp, GraphError> {
    let refuse = |text: &str| GraphError::new(StatusCode::BAD_REQUEST, "ErrorInvalidParameter", text);
    let text = request.option(name).ok_or_else(|| {
        refuse("This request requires a time window specified by the query string parameters StartDateTime and EndDateTime.")
    })?;
    let naive = || text.parse::<civil::DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|z| z.timestamp());
    text.parse::<Timestamp>()
        .ok()
        .or_else(naive)
        .ok_or_else(|| refuse(&format!("The value '{text}' of parameter '{name}' is invalid.")))
}

/// Answers are in UTC; any other wish is refused like an unknown zone.
fn check_zone(request: &GraphRequest) -> Result<(), GraphError> {
    let preferences = preferences(&request.headers);
    let zone = preferences.iter().find_map(|p| p.strip_prefix("outlook.timezone="));
    match zone {
        None | Some("utc") => Ok(()),
        Some(zone) => Err(GraphError::new(
            StatusCode::BAD_REQUEST,
            "TimeZoneNotSupportedException",
            &format!("The time zone '{zone}' is not supported."),
        )),
    }
}

fn render(instance: &Instance<'_>, request: &GraphRequest) -> Value {
    let event = instance.event;
    let id = instance.id();
    let answer = |response| match response {
        Response::Unknown | Response::NoResponseReceived => "none",
        Response::Organizer => "organizer",
        Response::Tentative => "tentativelyAccepted",
        Response::Accept => "accepted",
        Response::Decline => "declined",
    };
    let kind = match (instance.original, instance.changed) {
        (Some(_), true) => "exception",
        (Some(_), false) => "occurrence",
        (None, _) if event.is_series() => "seriesMaster",
        (None, _) => "singleInstance",
    };
    let master = instance.master.map(|m| shown_id(&m.id, wants_immutable(request)));
    let person = |name: &str, address: &str| json!({"name": name, "address": address});
    let at = |t: Timestamp| json!({"dateTime": format!("{}.0000000", t.strftime("%Y-%m-%dT%H:%M:%S")), "timeZone": "UTC"});
    let sensitivity = match event.sensitivity {
        Sensitivity::Normal => "normal",
        Sensitivity::Personal => "personal",
        Sensitivity::Private => "private",
        Sensitivity::Confidential => "confidential",
    };
    let attendees: Vec<Value> = event
        .attendees
        .iter()
        .map(|a| {
            let role = match a.role {
                AttendeeRole::Required => "required",
                AttendeeRole::Optional => "optional",
                AttendeeRole::Resource => "resource",
            };
            let time = a.responded.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |t| t.to_string());
            json!({"type": role, "status": {"response": answer(a.response), "time": time},
                "emailAddress": person(&a.name, &a.address)})
        })
        .collect();
    let text = preferences(&request.headers).iter().any(|p| p == "outlook.body-content-type=text");
    let key = change_key(&id, instance.change(), false);
    json!({
        "@odata.etag": format!("W/\"{key}\""),
        "id": shown_id(&id, wants_immutable(request)),
        "changeKey": key,
        "iCalUId": event.uid,
        "transactionId": null,
        "subject": event.subject,
        "body": mail::body(&event.body, text),
        "bodyPreview": event.body.chars().take(255).collect::<String>(),
        "importance": event.importance,
        "sensitivity": sensitivity,
        "showAs": event.show_as,
        "type": kind,
        "isAllDay": event.all_day,
        "isCancelled": event.cancelled,
        "isOrganizer": event.is_organizer,
        "responseStatus": {"response": answer(event.my_response), "time": "0001-01-01T00:00:00Z"},
        "isReminderOn": event.reminder.is_some(),
        "categories": event.categories,
        "hasAttachments": !event.attachments.is_empty(),
        "seriesMasterId": master,
        "originalStartTimeZone": event.zone,
        "originalEndTimeZone": event.zone,
        "start": at(instance.start),
        "end": at(instance.end),
        "location": {"displayName": event.location, "locationType": "default"},
        "organizer": {"emailAddress": person(&event.organizer.0, &event.organizer.1)},
        "attendees": attendees,
        "onlineMeeting": event.join_url.as_ref().map(|url| json!({"joinUrl": url})),
    })
}
