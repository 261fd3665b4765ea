use std::fmt;

use jiff::{SignedDuration, Timestamp};
use m365_core::Result;

use super::{GetUserAvailability, Sent};
use crate::free_busy::{MergedSlot, MergedStatus, ShowAs, Slot, merge, merged_slots};
use crate::recurrence::DaysOfWeek;
use crate::xml::{Cursor, Element, XmlError};
use crate::xs;
use crate::zone::{SerializableTimeZone, read_serializable};

wire_enum! {
    /// How much was granted, which may be less than was asked for.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/freebusyviewtype>.
    FreeBusyView {
        /// Nothing.
        None = "None",
        /// The digits only, as for lists, or across forests.
        MergedOnly = "MergedOnly",
        /// Times and status.
        FreeBusy = "FreeBusy",
        /// Times, status, and the digits.
        FreeBusyMerged = "FreeBusyMerged",
        /// Times, status, and details.
        Detailed = "Detailed",
        /// Times, status, details, and the digits.
        DetailedMerged = "DetailedMerged",
    }
}

/// When one mailbox is busy.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/freebusyview>.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Availability {
    /// How much was granted. Be guided by it, and not by what was asked for.
    pub granted: FreeBusyView,
    /// Where the window begins that was asked for.
    pub start: Timestamp,
    /// Where it ends.
    pub end: Timestamp,
    /// The events that are in the window, sorted by time. One that reaches over its edge is whole; they overlap as they like.
    pub events: Vec<FreeBusyEvent>,
    /// Whether the server gave a list of events at all. Without one, [`events`](Self::events) being empty does not mean free.
    pub has_events: bool,
    /// The merged view, where it was granted.
    pub merged: Option<MergedView>,
    /// When its owner works.
    pub working_hours: Option<WorkingHours>,
    /// How many events came that are not in the window. They were dropped.
    pub outside: u32,
    /// How many events came that are the same as another in all that is known of them. They were dropped.
    pub duplicates: u32,
}

impl Availability {
    /// The times as one line: the strongest status wins where events overlap, and everything is cut to the window. Taken
    /// from the events, and from the merged view where there is no list of them or nothing in it; there, a digit that has
    /// no sure meaning becomes [`ShowAs::Other`]. Times that nothing covers are not in it: they are free, if anything was granted.
    ///
    /// ```
    /// # use ews_client::{Availability, Result, free_busy::ShowAs};
    /// fn is_busy_at(availability: &Availability, now: jiff::Timestamp) -> Result<bool> {
    ///     let line = availability.line()?;
    ///     Ok(line.iter().any(|slot| slot.start <= now && now < slot.end && slot.show_as >= ShowAs::Tentative))
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse) for a merged view of another length than the window has; and
    /// [`ErrorKind::PermissionDenied`](crate::ErrorKind::PermissionDenied) when neither was granted: that is not free.
    pub fn line(&self) -> Result<Vec<Slot>> {
        let listed = || merge(self.events.iter().map(FreeBusyEvent::slot), self.start, self.end);
        // An empty list beside digits that say busy was not granted, whatever is said of it: that is not free.
        let is_empty = self.events.is_empty() && self.outside == 0;
        let Some(merged) = self.merged.as_ref().filter(|_| is_empty || !self.has_events) else {
            if self.has_events {
                return Ok(listed());
            }
            return Err(m365_core::Error::new(
                m365_core::ErrorKind::PermissionDenied,
                "neither events nor a merged view were granted",
            ));
        };
        let slots = match merged.slots() {
            Ok(slots) => slots,
            Err(error) => return if self.has_events && merged.is_free() { Ok(listed()) } else { Err(error) },
        };
        let slots = slots.into_iter().map(|slot| Slot {
            start: slot.start,
            end: slot.end,
            show_as: match slot.status {
                MergedStatus::Free => ShowAs::Free,
                MergedStatus::Tentative => ShowAs::Tentative,
                MergedStatus::Busy => ShowAs::Busy,
                MergedStatus::Oof => ShowAs::Oof,
                MergedStatus::NoData => ShowAs::NoData,
                MergedStatus::Unknown4 => ShowAs::Other("4".into()),
                MergedStatus::Other(other) => ShowAs::Other(other.to_string().into()),
            },
        });
        Ok(merge(slots.filter(|slot| slot.show_as != ShowAs::Free), self.start, self.end))
    }

    pub(super) fn read<'a>(
        cursor: &mut Cursor<'a>,
        element: &Element<'a>,
        asked: &GetUserAvailability,
        sent: &Sent,
    ) -> Result<Self, XmlError> {
        let mut granted = None;
        let (start, end) = asked.window();
        let mut read = Self {
            granted: FreeBusyView::None,
            start,
            end,
            events: Vec::new(),
            has_events: false,
            merged: None,
            working_hours: None,
            outside: 0,
            duplicates: 0,
        };
        while let Some(child) = cursor.next_child(element)? {
            match child.ews() {
                "FreeBusyViewType" => granted = Some(FreeBusyView::new(&cursor.text(&child)?)),
                "MergedFreeBusy" => {
                    let digits = cursor.value(&child)?;
                    read.merged = (!digits.is_empty()).then(|| MergedView {
                        digits: digits.into(),
                        start: sent.instants.0,
                        end: sent.instants.1,
                        interval: SignedDuration::from_mins(sent.interval.into()),
                    });
                }
                "CalendarEventArray" => {
                    read.has_events = true;
                    while let Some(event) = cursor.next_child(&child)? {
                        if !event.is("CalendarEvent") {
                            continue;
                        }
                        let event = FreeBusyEvent::read(cursor, &event, asked)?;
                        if event.touches(start, end) {
                            read.events.push(event);
                        } else {
                            read.outside += 1;
                        }
                    }
                }
                "WorkingHours" => read.working_hours = WorkingHours::read(cursor, &child)?,
                _ => {}
            }
        }
        read.granted = granted.ok_or_else(|| element.missing("the FreeBusyViewType"))?;
        // A mailbox without any event may lack the list of them.
        read.has_events |= matches!(
            read.granted,
            FreeBusyView::FreeBusy
                | FreeBusyView::FreeBusyMerged
                | FreeBusyView::Detailed
                | FreeBusyView::DetailedMerged
        );
        if !read.events.is_sorted() {
            read.events.sort_unstable();
        }
        let before = read.events.len();
        read.events.dedup();
        read.duplicates = u32::try_from(before - read.events.len()).unwrap_or(u32::MAX);
        Ok(read)
    }
}

/// The merged view: a digit for each interval.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergedView {
    /// The digits as they came.
    pub digits: Box<str>,
    /// Where the first one begins.
    pub start: Timestamp,
    /// Where the last one ends, even if that cuts its interval short.
    pub end: Timestamp,
    /// How long one is.
    pub interval: SignedDuration,
}

impl MergedView {
    /// Whether no digit says anything but free.
    fn is_free(&self) -> bool {
        self.digits.bytes().all(|digit| digit == b'0')
    }

    /// What the digits mean, see [`merged_slots`].
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse): not as many digits as the window has intervals.
    pub fn slots(&self) -> Result<Vec<MergedSlot>> {
        merged_slots(&self.digits, self.start, self.end, self.interval)
    }
}

/// One event of somebody's free/busy times. `Debug` shows no details.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/calendarevent>.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct FreeBusyEvent {
    /// When it begins.
    pub start: Timestamp,
    /// When it ends.
    pub end: Timestamp,
    /// What it shows as.
    pub show_as: ShowAs,
    details: Option<FreeBusyDetails>,
}

impl FreeBusyEvent {
    /// What else is known of it, unless it is private. Servers send the details of private events, or not, as they like.
    pub fn visible(&self) -> Option<&FreeBusyDetails> {
        self.details.as_ref().filter(|details| !details.is_private)
    }

    /// What else is known of it, also of a private one. Who asks for that should have its owner's consent.
    pub fn reveal_private(&self) -> Option<&FreeBusyDetails> {
        self.details.as_ref()
    }

    /// Whether it is private: also when the server did not say.
    pub fn is_private(&self) -> bool {
        self.visible().is_none()
    }

    /// Its times and its status.
    pub fn slot(&self) -> Slot {
        Slot { start: self.start, end: self.end, show_as: self.show_as.clone() }
    }

    /// Whether any of it is in the window; an event without length is, at the window's start too.
    fn touches(&self, start: Timestamp, end: Timestamp) -> bool {
        self.start < end && (self.end > start || (self.start == start && self.end == start))
    }

    fn read<'a>(
        cursor: &mut Cursor<'a>,
        element: &Element<'a>,
        asked: &GetUserAvailability,
    ) -> Result<Self, XmlError> {
        let (mut start, mut end, mut show_as, mut details) = (None, None, None, None);
        while let Some(child) = cursor.next_child(element)? {
            match child.ews() {
                "StartTime" => start = Some(time(cursor, &child, asked)?),
                "EndTime" => end = Some(time(cursor, &child, asked)?),
                "BusyType" => show_as = Some(ShowAs::parse(&cursor.text(&child)?)),
                "CalendarEventDetails" => details = Some(FreeBusyDetails::read(cursor, &child)?),
                _ => {}
            }
        }
        Ok(Self {
            start: start.ok_or_else(|| element.missing("the StartTime"))?,
            end: end.ok_or_else(|| element.missing("the EndTime"))?,
            show_as: show_as.ok_or_else(|| element.missing("the BusyType"))?,
            details,
        })
    }
}

impl fmt::Debug for FreeBusyEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FreeBusyEvent")
            .field("start", &self.start)
            .field("end", &self.end)
            .field("show_as", &self.show_as)
            .finish_non_exhaustive()
    }
}

fn time<'a>(
    cursor: &mut Cursor<'a>,
    element: &Element<'a>,
    asked: &GetUserAvailability,
) -> Result<Timestamp, XmlError> {
    match xs::parse_date_time(&cursor.text(element)?) {
        Ok(time) => Ok(asked.resolve(time)),
        Err(_) => Err(element.bad_value("dateTime")),
    }
}

/// What else is known of an event. `Debug` shows neither subject nor place.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/calendareventdetails>.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct FreeBusyDetails {
    /// The event's id in the form [`IdFormat::HexEntryId`](crate::IdFormat::HexEntryId); [`ConvertId`](crate::ConvertId) makes
    /// one of it that GetItem takes.
    pub id: Option<Box<str>>,
    /// Its subject.
    pub subject: Option<Box<str>>,
    /// Its place.
    pub location: Option<Box<str>>,
    /// Whether others are invited.
    pub is_meeting: bool,
    /// Whether it is one of a series.
    pub is_recurring: bool,
    /// Whether it is a changed one of a series.
    pub is_exception: bool,
    /// Whether it reminds its owner.
    pub is_reminder_set: bool,
    /// Whether it is private: also when the server did not say.
    pub is_private: bool,
}

impl FreeBusyDetails {
    fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Self, XmlError> {
        let mut details = Self { is_private: true, ..Self::default() };
        while let Some(child) = cursor.next_child(element)? {
            match child.ews() {
                "ID" => details.id = Some(cursor.boxed(&child)?),
                "Subject" => details.subject = Some(cursor.boxed(&child)?),
                "Location" => details.location = Some(cursor.boxed(&child)?),
                "IsMeeting" => details.is_meeting = cursor.boolean(&child)?,
                "IsRecurring" => details.is_recurring = cursor.boolean(&child)?,
                "IsException" => details.is_exception = cursor.boolean(&child)?,
                "IsReminderSet" => details.is_reminder_set = cursor.boolean(&child)?,
                "IsPrivate" => details.is_private = cursor.boolean(&child)?,
                _ => {}
            }
        }
        Ok(details)
    }
}

impl fmt::Debug for FreeBusyDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FreeBusyDetails").field("is_private", &self.is_private).finish_non_exhaustive()
    }
}

/// When somebody works.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/workinghours-ex15websvcsotherref>.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkingHours {
    /// The zone of the hours, which is the mailbox's and not the request's.
    pub zone: SerializableTimeZone,
    /// The hours.
    pub periods: Vec<WorkingPeriod>,
}

/// Hours on some days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct WorkingPeriod {
    /// The days.
    pub days: DaysOfWeek,
    /// The beginning, in minutes from midnight.
    pub start_minutes: u16,
    /// The end, in minutes from midnight.
    pub end_minutes: u16,
}

impl WorkingHours {
    /// None for an empty element, which says nothing.
    fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Option<Self>, XmlError> {
        let (mut zone, mut periods) = (None, Vec::new());
        while let Some(child) = cursor.next_child(element)? {
            match child.ews() {
                "TimeZone" => zone = Some(read_serializable(cursor, &child)?),
                "WorkingPeriodArray" => {
                    while let Some(period) = cursor.next_child(&child)? {
                        if period.is("WorkingPeriod") {
                            periods.push(WorkingPeriod::read(cursor, &period)?);
                        }
                    }
                }
                _ => {}
            }
        }
        match zone {
            Some(zone) => Ok(Some(Self { zone, periods })),
            None if periods.is_empty() => Ok(None),
            None => Err(element.missing("the TimeZone of working hours")),
        }
    }
}

impl WorkingPeriod {
    fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Self, XmlError> {
        let mut period = Self { days: DaysOfWeek::default(), start_minutes: 0, end_minutes: 0 };
        while let Some(child) = cursor.next_child(element)? {
            match child.ews() {
                "DayOfWeek" => {
                    let words = cursor.value(&child)?;
                    // Somebody who works on no day is told by an empty list.
                    if !words.is_empty() {
                        period.days =
                            DaysOfWeek::parse(&words).map_err(|_| child.bad_value("list of days"))?;
                    }
                }
                "StartTimeInMinutes" => period.start_minutes = cursor.number(&child)?,
                "EndTimeInMinutes" => period.end_minutes = cursor.number(&child)?,
                _ => {}
            }
        }
        Ok(period)
    }
}
