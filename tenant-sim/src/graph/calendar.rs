//! Events. Pages: <https://learn.microsoft.com/graph/api/user-list-calendarview>,
//! <https://learn.microsoft.com/graph/api/resources/event>

use http::StatusCode;
use jiff::{Timestamp, civil, tz::TimeZone};
use serde_json::{Value, json};

use super::{
    Answer, Context,
    error::GraphError,
    mail::{self, same_id, shown_id, wants_immutable},
    odata, preferences,
    request::GraphRequest,
};
use crate::state::{Event, Sensitivity};

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
    let mut events: Vec<&Event> = context
        .state
        .store
        .events
        .get(&user)
        .into_iter()
        .flatten()
        .filter(|e| e.start < end && (e.end > start || e.start == e.end && e.start >= start))
        .collect();
    events.sort_by(|a, b| (a.start, &a.id).cmp(&(b.start, &b.id)));
    if let Some(order) = request.option("orderby") {
        if !order.to_ascii_lowercase().starts_with("start/datetime") {
            return Err(GraphError::new(StatusCode::BAD_REQUEST, "BadRequest", "Unsupported sort property."));
        }
        if order.to_ascii_lowercase().trim_end().ends_with("desc") {
            events.reverse();
        }
    }
    let items = events.into_iter().map(|e| render(e, request)).collect();
    odata::page(request, "calendarView", items, odata::OUTLOOK, true)
}

/// One event.
pub(crate) fn get(context: &mut Context<'_>, request: &GraphRequest) -> Answer {
    let user = mail::open(context, request, &READ)?;
    check_zone(request)?;
    let id = request.segment(3);
    let mut events = context.state.store.events.get(&user).into_iter().flatten();
    let found = events.find(|e| same_id(&e.id, id)).ok_or_else(|| {
        GraphError::new(
            StatusCode::NOT_FOUND,
            "ErrorItemNotFound",
            "The specified object was not found in the store.",
        )
    })?;
    Ok(odata::object(request, "events", render(found, request), true))
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

fn render(event: &Event, request: &GraphRequest) -> Value {
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
            json!({"type": "required", "status": {"response": "none", "time": "0001-01-01T00:00:00Z"},
                "emailAddress": person(a, a)})
        })
        .collect();
    let text = preferences(&request.headers).iter().any(|p| p == "outlook.body-content-type=text");
    let key = event.id.get(8..38).unwrap_or_default();
    json!({
        "@odata.etag": format!("W/\"{key}==\""),
        "id": shown_id(&event.id, wants_immutable(request)),
        "changeKey": format!("{key}=="),
        "iCalUId": format!("040000008200E00074C5B7101A82E008{}", event.start.as_second()),
        "transactionId": null,
        "subject": event.subject,
        "body": mail::body(&event.body, text),
        "bodyPreview": event.body.chars().take(255).collect::<String>(),
        "importance": "normal",
        "sensitivity": sensitivity,
        "showAs": event.show_as,
        "type": "singleInstance",
        "isAllDay": event.all_day,
        "isCancelled": event.cancelled,
        "isOrganizer": true,
        "isReminderOn": false,
        "hasAttachments": false,
        "seriesMasterId": null,
        "originalStartTimeZone": "UTC",
        "originalEndTimeZone": "UTC",
        "start": at(event.start),
        "end": at(event.end),
        "location": {"displayName": event.location, "locationType": "default"},
        "organizer": {"emailAddress": person(&event.organizer.0, &event.organizer.1)},
        "attendees": attendees,
        "onlineMeeting": null,
    })
}
