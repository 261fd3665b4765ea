use jiff::Zoned;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::recurrence::Recurrence;
use crate::zone::ZoneRef;
use crate::{Error, EventTime, Marker, NewCalendarItem, Result, When};

/// The property that new events are marked with.
const MARKER: &str = "ews-client-created";

/// An event to be made.
///
/// It carries a mark of its own from the beginning, by which it is found if the answer to its making is lost: an event is
/// never made twice. So make one `NewEvent` for each event, and keep it until it is there.
///
/// ```
/// use ews_client::calendar::NewEvent;
/// use ews_client::EmailAddress;
///
/// let start: jiff::Zoned = "2026-11-23T09:00[Europe/Copenhagen]".parse()?;
/// let end = &start + jiff::Span::new().minutes(15);
/// let standup = NewEvent::timed("Standup", &start, &end)?
///     .with(|item| item.with_location("Room 1").with_required_attendees([EmailAddress::smtp("bo@contoso.example")]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct NewEvent {
    item: NewCalendarItem,
    marker: Marker,
}

impl NewEvent {
    /// An event from one moment to another. The zones are written with it, so a series keeps its clock time in that of the start.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput): the end is before the start, the event lasts longer than five
    /// years, or a zone has no IANA name or none that Windows knows.
    pub fn timed(subject: impl Into<Box<str>>, start: &Zoned, end: &Zoned) -> Result<Self> {
        let zone = zone_ref(start.time_zone())?;
        let when = When::Timed {
            start: EventTime { instant: start.timestamp(), zone: Some(zone.clone()) },
            end: EventTime { instant: end.timestamp(), zone: Some(zone_ref(end.time_zone())?) },
        };
        Ok(Self::from(NewCalendarItem::new(subject, &when, &zone)?))
    }

    /// An event for whole days, in this zone: midnights are its midnights.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput): no days, beyond the year 9999, or a zone as in
    /// [`timed`](Self::timed).
    pub fn all_day(subject: impl Into<Box<str>>, first: Date, days: u16, zone: &TimeZone) -> Result<Self> {
        let when = When::all_day(first, days)?;
        Ok(Self::from(NewCalendarItem::new(subject, &when, &zone_ref(zone)?)?))
    }

    /// With more than a subject and a time.
    #[must_use]
    pub fn with(mut self, more: impl FnOnce(NewCalendarItem) -> NewCalendarItem) -> Self {
        self.item = more(self.item);
        match self.item.marker() {
            Some(marker) => self.marker = marker.clone(),
            None => self.item = self.item.with_marker(self.marker.clone()),
        }
        self
    }

    /// Makes a series of it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput): the first day of the rule is not the day that the event begins.
    pub fn with_recurrence(mut self, rule: Recurrence) -> Result<Self> {
        self.item = self.item.with_recurrence(rule)?;
        Ok(self)
    }

    /// Another mark than the random one: one that the application can make again after a crash, from its own key of the event.
    #[must_use]
    pub fn with_marker(self, marker: Marker) -> Self {
        self.with(|item| item.with_marker(marker))
    }

    /// The mark by which it is found again.
    pub fn marker(&self) -> &Marker {
        &self.marker
    }

    pub(super) fn to_item(&self) -> NewCalendarItem {
        self.item.clone()
    }
}

impl From<NewCalendarItem> for NewEvent {
    /// It keeps the item's own mark, and gets one if it has none.
    fn from(item: NewCalendarItem) -> Self {
        let marker = item.marker().cloned();
        let marker = marker.unwrap_or_else(|| Marker::new(MARKER, uuid::Uuid::new_v4().to_string()));
        Self { item: item.with_marker(marker.clone()), marker }
    }
}

fn zone_ref(zone: &TimeZone) -> Result<ZoneRef> {
    let name = zone.iana_name().ok_or_else(|| {
        Error::invalid(
            "a new event needs a time zone with an IANA name: an offset alone says nothing about summer",
        )
    })?;
    ZoneRef::iana_zone(name)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::ErrorKind;

    #[test]
    fn an_offset_is_no_zone_and_every_event_has_a_mark_of_its_own() {
        let zoned = |text: &str| text.parse::<Zoned>().unwrap();
        let (start, end) =
            (zoned("2026-11-23T09:00[Europe/Copenhagen]"), zoned("2026-11-23T10:00[Europe/London]"));
        let one = NewEvent::timed("Canary", &start, &end).unwrap();
        let two = NewEvent::timed("Canary", &start, &end).unwrap();
        assert_ne!(one.marker(), two.marker());
        assert_eq!(one.clone().marker(), one.marker());
        assert!(!format!("{one:?}").contains("Canary"));
        // One's own mark is the mark, by whichever way it came.
        let mark = Marker::new("contoso-booking", "42");
        let by_item = one.clone().with(|item| item.with_marker(mark.clone()));
        let of_item = NewEvent::from(by_item.to_item());
        for marked in [by_item, of_item, one.clone().with_marker(mark.clone())] {
            assert_eq!((marked.marker(), marked.to_item().marker()), (&mark, Some(&mark)));
        }
        assert_eq!(one.to_item().marker(), Some(one.marker()));
        let offset = zoned("2026-11-23T09:00[+01:00]");
        assert_eq!(NewEvent::timed("x", &offset, &end).unwrap_err().kind(), ErrorKind::InvalidInput);
        let late = zoned("2026-11-23T08:59[Europe/Copenhagen]");
        assert_eq!(NewEvent::timed("x", &start, &late).unwrap_err().kind(), ErrorKind::InvalidInput);
        let zone = TimeZone::get("Europe/Copenhagen").unwrap();
        assert!(NewEvent::all_day("x", date(2026, 11, 25), 1, &zone).is_ok());
        assert!(NewEvent::all_day("x", date(2026, 11, 25), 0, &zone).is_err());
    }
}
