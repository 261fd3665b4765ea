//! Calendars over Microsoft Graph.

use crate::mail::MailboxRef;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, time};
use m365_core::odata::{self, Page};
use m365_core::{Cloud, Error, Idempotency, Meta, Operation, Pipeline, Resource, Result, Service};
use serde::Deserialize;

use super::{
    CalendarBackend, CalendarEvent, Details, EventId, EventTime, PrivateDetails, Sensitivity, ShowAs,
};
use crate::mail::graph::{IMMUTABLE_IDS, WireRecipient};

/// Most events taken from one view.
const MOST_EVENTS: usize = 100_000;

/// The calendar of one mailbox over Microsoft Graph.
#[derive(Clone, Debug)]
pub struct GraphCalendar {
    pipeline: Pipeline,
    mailbox: MailboxRef,
}

impl GraphCalendar {
    /// The calendar of this mailbox.
    pub fn new(pipeline: Pipeline, mailbox: MailboxRef) -> Self {
        Self { pipeline, mailbox }
    }
}

impl CalendarBackend for GraphCalendar {
    async fn view(
        &self,
        from: Timestamp,
        to: Timestamp,
        details: PrivateDetails,
    ) -> Result<Vec<CalendarEvent>> {
        let operation = CalendarView { mailbox: self.mailbox.clone(), from, to, details, page_size: 250 };
        self.pipeline.list(&operation, MOST_EVENTS).await
    }

    async fn probe(&self) -> Result<()> {
        let from = self.pipeline.clock().now();
        let to = m365_core::later(from, std::time::Duration::from_secs(60));
        let operation = CalendarView {
            mailbox: self.mailbox.clone(),
            from,
            to,
            details: PrivateDetails::Hidden,
            page_size: 1,
        };
        let mut rows = std::pin::pin!(self.pipeline.rows(&operation));
        rows.try_next().await.map(|_| ())
    }
}

/// `GET /users/{address}/calendarView`: the server expands recurrences. Needs `Calendars.Read` or wider. No time zone is
/// preferred: every time comes in UTC, and an unknown zone can never be refused.
///
/// <https://learn.microsoft.com/graph/api/user-list-calendarview>
#[derive(Clone, Debug)]
pub struct CalendarView {
    mailbox: MailboxRef,
    from: Timestamp,
    to: Timestamp,
    details: PrivateDetails,
    page_size: usize,
}

impl CalendarView {
    /// What lies between two instants, private details hidden.
    pub fn new(mailbox: MailboxRef, from: Timestamp, to: Timestamp) -> Self {
        Self { mailbox, from, to, details: PrivateDetails::Hidden, page_size: 250 }
    }
}

impl Operation for CalendarView {
    type Output = Page<CalendarEvent>;

    fn meta(&self) -> Meta<'_> {
        Meta::new("read calendar view", Resource::Graph, Service::Outlook, Idempotency::Idempotent)
            .with_mailbox(self.mailbox.address().as_str())
    }

    fn request(&self, cloud: &Cloud) -> Result<http::Request<Bytes>> {
        let mut request = odata::get(
            cloud,
            &format!(
                "/v1.0/users/{}/calendarView?startDateTime={}&endDateTime={}&$select=id,subject,location,start,end,isAllDay,isCancelled,sensitivity,showAs,organizer,attendees&$top={}",
                self.mailbox.segment(),
                odata::segment(&self.from.to_string()),
                odata::segment(&self.to.to_string()),
                self.page_size
            ),
        )?;
        request.headers_mut().insert("prefer", IMMUTABLE_IDS);
        Ok(request)
    }

    fn read(&self, response: http::Response<Bytes>) -> Result<Page<CalendarEvent>> {
        odata::json::<Page<WireEvent>>(&response)?.try_map(|event| event.into_event(self.details))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireEvent {
    id: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    location: Option<WireLocation>,
    start: WireTime,
    end: WireTime,
    #[serde(default)]
    is_all_day: Option<bool>,
    #[serde(default)]
    is_cancelled: Option<bool>,
    #[serde(default)]
    sensitivity: Option<String>,
    #[serde(default)]
    show_as: Option<String>,
    #[serde(default)]
    organizer: Option<WireRecipient>,
    #[serde(default)]
    attendees: Option<Vec<WireRecipient>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireLocation {
    #[serde(default)]
    display_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireTime {
    date_time: DateTime,
    time_zone: String,
}

impl WireTime {
    /// The instant. UTC is what we ask for; a zone that the machine knows is honoured, any other is an error, since a
    /// guessed time is worse than none.
    fn instant(&self) -> Result<Timestamp> {
        let zone = match self.time_zone.as_str() {
            "UTC" | "" | "tzone://Microsoft/Utc" | "Etc/GMT" => jiff::tz::TimeZone::UTC,
            name => jiff::tz::TimeZone::get(name)
                .map_err(|_| Error::unreadable(format!("an event has a time in the unknown zone {name}")))?,
        };
        zone.to_timestamp(self.date_time).map_err(|_| Error::unreadable("an event's time is out of range"))
    }

    /// The day that a midnight of an all-day event means: its own date, or, when the server shifted the owner's midnight to
    /// UTC, the day that began then in the zones from -10:00 to +13:59. Auckland's midnight is 11:00 the day before.
    fn day(&self) -> Result<Date> {
        let date = self.date_time.date();
        if self.date_time.time() <= time(10, 0, 0, 0) {
            return Ok(date);
        }
        date.tomorrow().map_err(|_| Error::unreadable("an event's date is out of range"))
    }
}

impl WireEvent {
    fn into_event(self, private: PrivateDetails) -> Result<CalendarEvent> {
        let time = if self.is_all_day == Some(true) {
            let first = self.start.day()?;
            let after = self.end.day()?;
            let last = after.yesterday().map_err(|_| Error::unreadable("an event's date is out of range"))?;
            EventTime::AllDay { first, last: last.max(first) }
        } else {
            EventTime::Timed { start: self.start.instant()?, end: self.end.instant()? }
        };
        Ok(CalendarEvent::new(
            EventId::new(self.id),
            time,
            ShowAs::from_wire(self.show_as.as_deref().unwrap_or("unknown")),
            // Not said is not public.
            Sensitivity::from_wire(self.sensitivity.as_deref().unwrap_or("unknown")),
            self.is_cancelled == Some(true),
            Details::Shown {
                subject: self.subject.unwrap_or_default(),
                location: self.location.and_then(|l| l.display_name).unwrap_or_default(),
                organizer: self.organizer.and_then(WireRecipient::into_person),
                attendees: self
                    .attendees
                    .into_iter()
                    .flatten()
                    .filter_map(WireRecipient::into_person)
                    .collect(),
            },
            private,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(json: &str, details: PrivateDetails) -> Result<CalendarEvent> {
        serde_json::from_str::<WireEvent>(json).unwrap().into_event(details)
    }

    const PRIVATE: &str = r#"{"id":"A","subject":"Doctor","location":{"displayName":"Clinic"},"sensitivity":"Private","showAs":"Busy",
        "start":{"dateTime":"2026-11-21T08:00:00.0000000","timeZone":"UTC"},"end":{"dateTime":"2026-11-21T09:00:00.0000000","timeZone":"UTC"},
        "attendees":[{"emailAddress":{"name":"Dr No","address":"no@clinic.example"}}]}"#;

    #[test]
    fn private_events_come_out_masked() {
        let masked = event(PRIVATE, PrivateDetails::Hidden).unwrap();
        assert_eq!((masked.title(), &masked.show_as), ("Private appointment", &ShowAs::Busy));
        let text = format!("{masked:?}");
        assert!(
            !text.contains("Doctor") && !text.contains("Clinic") && !text.contains("clinic.example"),
            "{text}"
        );
        assert_eq!(event(PRIVATE, PrivateDetails::Shown).unwrap().title(), "Doctor");
    }

    #[test]
    fn a_sensitivity_that_is_missing_or_new_hides_details() {
        let unknown = PRIVATE.replace("\"Private\"", "\"topSecret\"");
        assert_eq!(event(&unknown, PrivateDetails::Hidden).unwrap().details, Details::Hidden);
        let missing = PRIVATE.replace("\"sensitivity\":\"Private\",", "");
        assert_eq!(event(&missing, PrivateDetails::Hidden).unwrap().details, Details::Hidden);
    }

    #[test]
    fn all_day_events_are_dates_even_when_shifted_to_utc() {
        let all_day = |start: &str, end: &str| {
            let json = format!(
                r#"{{"id":"A","isAllDay":true,"sensitivity":"normal","start":{{"dateTime":"{start}","timeZone":"UTC"}},"end":{{"dateTime":"{end}","timeZone":"UTC"}}}}"#
            );
            event(&json, PrivateDetails::Hidden).unwrap().time
        };
        let day = |d: i8| jiff::civil::date(2026, 11, d);
        assert_eq!(
            all_day("2026-11-21T00:00:00.0000000", "2026-11-22T00:00:00.0000000"),
            EventTime::AllDay { first: day(21), last: day(21) }
        );
        assert_eq!(
            all_day("2026-11-20T23:00:00.0000000", "2026-11-22T23:00:00.0000000"),
            EventTime::AllDay { first: day(21), last: day(22) }
        );
        assert_eq!(
            all_day("2026-11-21T05:00:00.0000000", "2026-11-22T05:00:00.0000000"),
            EventTime::AllDay { first: day(21), last: day(21) }
        );
    }

    #[test]
    fn the_days_of_auckland_and_honolulu_are_told_apart() {
        let day = |text: &str| {
            WireTime { date_time: text.parse().unwrap(), time_zone: "UTC".to_owned() }.day().unwrap()
        };
        assert_eq!(day("2026-11-20T11:00:00"), jiff::civil::date(2026, 11, 21));
        assert_eq!(day("2026-11-21T10:00:00"), jiff::civil::date(2026, 11, 21));
    }

    #[test]
    fn an_unknown_zone_is_an_error_not_a_guess() {
        let odd = PRIVATE.replace("\"timeZone\":\"UTC\"", "\"timeZone\":\"tzone://Microsoft/Custom\"");
        assert!(event(&odd, PrivateDetails::Hidden).is_err());
    }

    #[test]
    fn the_request_is_exact() {
        let from: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let view = CalendarView::new(
            "a@contoso.example".parse().unwrap(),
            from,
            "2026-11-22T00:00:00Z".parse().unwrap(),
        );
        let request = view.request(&Cloud::public()).unwrap();
        assert!(request.uri().to_string().starts_with(
            "https://graph.microsoft.com/v1.0/users/a%40contoso.example/calendarView?startDateTime=2026-11-21T00%3A00%3A00Z&endDateTime=2026-11-22T00%3A00%3A00Z&$select="
        ));
        assert!(!request.headers().get("prefer").unwrap().to_str().unwrap().contains("timezone"));
    }
}
