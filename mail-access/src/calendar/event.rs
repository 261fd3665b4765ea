use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::mail::Person;

/// The id of an event in one mailbox. Compared byte for byte: Exchange's ids differ by case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(Box<str>);

impl EventId {
    /// An id as a backend gave it.
    pub fn new(id: impl AsRef<str>) -> Self {
        Self(id.as_ref().into())
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({})", self.0)
    }
}

/// When an event happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventTime {
    /// Between two instants, the second exclusive.
    Timed {
        /// First instant.
        start: Timestamp,
        /// First instant after it.
        end: Timestamp,
    },
    /// On whole days, whatever the zone.
    AllDay {
        /// First day.
        first: Date,
        /// Last day, inclusive.
        last: Date,
    },
}

impl EventTime {
    /// All-day events come first on their day.
    pub(super) fn start_key(&self) -> (Timestamp, bool) {
        match self {
            Self::Timed { start, .. } => (*start, true),
            Self::AllDay { first, .. } => {
                (first.to_zoned(jiff::tz::TimeZone::UTC).map_or(Timestamp::MIN, |z| z.timestamp()), false)
            }
        }
    }
}

impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timed { start, end } => {
                write!(f, "{} to {}", start.strftime("%F %H:%M"), end.strftime("%H:%M UTC"))
            }
            Self::AllDay { first, last } if first == last => write!(f, "{first} all day"),
            Self::AllDay { first, last } => write!(f, "{first} to {last} all day"),
        }
    }
}

/// Who may see an event's details.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sensitivity {
    /// Everybody with access.
    Normal,
    /// Everybody with access; marked personal.
    Personal,
    /// Its owner.
    Private,
    /// Its owner.
    Confidential,
    /// A value that this crate does not know yet; treated like private.
    Other(String),
}

impl Sensitivity {
    /// Reads the wire's value without case.
    pub fn from_wire(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "normal" => Self::Normal,
            "personal" => Self::Personal,
            "private" => Self::Private,
            "confidential" => Self::Confidential,
            _ => Self::Other(text.to_owned()),
        }
    }

    /// True unless the value surely lets everybody see details.
    pub fn hides_details(&self) -> bool {
        !matches!(self, Self::Normal | Self::Personal)
    }
}

/// How the time shows to others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ShowAs {
    /// Free.
    Free,
    /// Tentative.
    Tentative,
    /// Busy.
    Busy,
    /// Out of office.
    OutOfOffice,
    /// Working elsewhere.
    WorkingElsewhere,
    /// Not known, or a value that this crate does not know yet.
    Other(String),
}

impl ShowAs {
    /// Reads the wire's value without case.
    pub fn from_wire(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "free" => Self::Free,
            "tentative" => Self::Tentative,
            "busy" => Self::Busy,
            "oof" => Self::OutOfOffice,
            "workingelsewhere" => Self::WorkingElsewhere,
            _ => Self::Other(text.to_owned()),
        }
    }
}

impl fmt::Display for ShowAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Free => "free",
            Self::Tentative => "tentative",
            Self::Busy => "busy",
            Self::OutOfOffice => "out of office",
            Self::WorkingElsewhere => "working elsewhere",
            Self::Other(_) => "unknown",
        })
    }
}

/// Whether the details of private events are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivateDetails {
    /// Time and show-as only.
    Hidden,
    /// Everything.
    Shown,
}

/// What an event is about; absent by type when it is private and nobody asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Details {
    /// The event is private.
    Hidden,
    /// Its details.
    Shown {
        /// Subject; may be empty.
        subject: String,
        /// Location; may be empty.
        location: String,
        /// Who called the meeting, when there is one.
        organizer: Option<Person>,
        /// Who was invited.
        attendees: Vec<Person>,
    },
}

/// An event, or one occurrence of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CalendarEvent {
    /// Its id.
    pub id: EventId,
    /// When it happens.
    pub time: EventTime,
    /// How the time shows to others.
    pub show_as: ShowAs,
    /// Who may see details.
    pub sensitivity: Sensitivity,
    /// True for cancelled meetings that still lie in the calendar.
    pub is_cancelled: bool,
    /// What it is about.
    pub details: Details,
}

impl CalendarEvent {
    /// An event; its details are dropped here when it is private and they were not asked for.
    pub fn new(
        id: EventId,
        time: EventTime,
        show_as: ShowAs,
        sensitivity: Sensitivity,
        is_cancelled: bool,
        details: Details,
        private: PrivateDetails,
    ) -> Self {
        let details = if sensitivity.hides_details() && private == PrivateDetails::Hidden {
            Details::Hidden
        } else {
            details
        };
        Self { id, time, show_as, sensitivity, is_cancelled, details }
    }

    /// The subject, or the words that stand for a private event.
    pub fn title(&self) -> &str {
        match &self.details {
            Details::Hidden => "Private appointment",
            Details::Shown { subject, .. } if subject.is_empty() => "(no subject)",
            Details::Shown { subject, .. } => subject,
        }
    }
}
