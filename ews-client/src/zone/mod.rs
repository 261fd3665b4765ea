//! Time zones: what Exchange calls them, what IANA calls them, and rules that come with an item.
//!
//! A zone arrives in one of five forms (a Windows id, a made-up id with or without rules, an IANA name, a display name, a
//! localised id with rules). [`WireZone::resolve`] finds what it means and says how it was found; what it cannot find stays
//! [`ZoneRef::Unknown`] with its text, and the instants of the item are right all the same.

mod definition;
mod names;
mod read;
mod rules;
mod serializable;
mod table;
mod windows;

use std::sync::Arc;

use jiff::civil;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

pub use definition::{Period, Target, Transition, TransitionTime, TransitionsGroup, ZoneDefinition};
pub(crate) use read::{read_definition, read_rules, read_serializable};
pub use rules::ZoneRules;
pub use serializable::{SeasonStart, SerializableTimeZone};
pub use windows::{cldr_version, iana_to_windows, windows_ids, windows_to_iana};

use crate::{Error, ErrorKind, Result};

/// What Exchange writes for a zone that somebody described by rules.
pub(crate) const CUSTOM_ID: &str = "tzone://Microsoft/Custom";

/// A zone as it came, resolved as far as possible.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ZoneRef {
    /// A zone that Windows knows.
    Windows {
        /// The id as CLDR spells it.
        id: Box<str>,
        /// Its IANA zone.
        iana: &'static str,
    },
    /// An IANA name.
    Iana(Box<str>),
    /// The rules that came with it.
    Rules(Box<ZoneRules>),
    /// Neither name nor rules say which zone it is.
    Unknown {
        /// The id as it came; may be empty.
        id: Box<str>,
        /// The name as it came.
        name: Option<Box<str>>,
    },
}

impl ZoneRef {
    /// The zone with this IANA name. The Windows id is known where CLDR has one.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`]: neither CLDR nor this machine's database knows the name.
    pub fn iana_zone(name: &str) -> Result<Self> {
        if windows::is_iana(name) || (name.contains('/') && TimeZone::get(name).is_ok()) {
            return Ok(Self::Iana(name.into()));
        }
        Err(Error::invalid("there is no IANA time zone of this name"))
    }

    /// The zone with this Windows id.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`]: CLDR does not know the id.
    pub fn windows_zone(id: &str) -> Result<Self> {
        windows_ref(id, None).ok_or_else(|| Error::invalid("there is no Windows time zone of this id"))
    }

    /// Its IANA name. Rules have one if their id is a name that Windows or IANA knows.
    pub fn iana(&self) -> Option<&str> {
        match self {
            Self::Windows { iana, .. } => Some(iana),
            Self::Iana(name) => Some(name),
            Self::Rules(rules) => {
                let id = &rules.definition().id;
                windows_to_iana(id, None).or_else(|| windows::is_iana(id).then_some(&**id))
            }
            Self::Unknown { .. } => None,
        }
    }

    /// Its Windows id, which is what a server wants to be told.
    pub fn windows(&self) -> Option<&str> {
        match self {
            Self::Windows { id, .. } => Some(id),
            Self::Iana(name) => iana_to_windows(name),
            Self::Rules(rules) => {
                let id = &rules.definition().id;
                windows::canonical(id).or_else(|| iana_to_windows(id))
            }
            Self::Unknown { .. } => None,
        }
    }

    /// Something to compute with.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`]: the zone is unknown, or this machine's time zone database lacks it.
    pub fn zone(&self) -> Result<Zone> {
        let iana = match self {
            Self::Rules(rules) => return Ok(Zone(Inner::Rules(Arc::new((**rules).clone())))),
            Self::Windows { iana, .. } => iana,
            Self::Iana(name) => &**name,
            Self::Unknown { .. } => {
                return Err(Error::new(ErrorKind::Unsupported, "the item's time zone is unknown"));
            }
        };
        TimeZone::get(iana).map(Zone::from).map_err(|error| {
            Error::new(ErrorKind::Unsupported, "the time zone database of this machine lacks a zone")
                .with_source(error)
        })
    }
}

/// A zone to compute with: from the IANA database, or from rules that came over the wire. Cheap to clone.
///
/// ```
/// use ews_client::zone::ZoneRef;
/// use jiff::civil::date;
///
/// let zone = ZoneRef::windows_zone("Romance Standard Time")?.zone()?;
/// let instant = zone.to_instant(date(2026, 11, 23).at(9, 0, 0, 0));
/// assert_eq!(instant.to_string(), "2026-11-23T08:00:00Z");
/// # Ok::<(), ews_client::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(Inner);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Inner {
    Iana(TimeZone),
    Rules(Arc<ZoneRules>),
}

impl Zone {
    /// The offset in force at an instant.
    pub fn offset_at(&self, instant: Timestamp) -> Offset {
        match &self.0 {
            Inner::Iana(zone) => zone.to_offset(instant),
            Inner::Rules(rules) => rules.offset_at(instant),
        }
    }

    /// What a clock of the zone shows.
    pub fn to_local(&self, instant: Timestamp) -> civil::DateTime {
        self.offset_at(instant).to_datetime(instant)
    }

    /// The instant of a clock reading. One that a change of clocks leaves out is moved forward by the gap, of one that
    /// comes twice the earlier is meant (jiff's *compatible* strategy). Beyond what [`Timestamp`] holds, the nearest one it
    /// does.
    pub fn to_instant(&self, local: civil::DateTime) -> Timestamp {
        match &self.0 {
            Inner::Iana(zone) => {
                let limit = if local.year() > 0 { Timestamp::MAX } else { Timestamp::MIN };
                zone.to_timestamp(local).unwrap_or(limit)
            }
            Inner::Rules(rules) => rules.to_instant(local),
        }
    }

    /// Whether a day of this zone begins at this instant, and which: also where midnight does not exist or comes twice.
    pub(crate) fn day_beginning_at(&self, instant: Timestamp) -> Option<civil::Date> {
        let local = self.to_local(instant);
        let date = local.date();
        (local.time() == civil::Time::midnight() || self.to_instant(date.at(0, 0, 0, 0)) == instant)
            .then_some(date)
    }
}

impl From<TimeZone> for Zone {
    fn from(zone: TimeZone) -> Self {
        Self(Inner::Iana(zone))
    }
}

impl From<ZoneRules> for Zone {
    fn from(rules: ZoneRules) -> Self {
        Self(Inner::Rules(Arc::new(rules)))
    }
}

/// A zone as the wire has it: any part may be missing.
///
/// ```
/// use ews_client::zone::{Provenance, WireZone};
///
/// let wire = WireZone { id: Some("Romance Standard Time"), ..WireZone::default() };
/// let found = wire.resolve(Some("DK"));
/// assert_eq!((found.zone.iana(), found.provenance), (Some("Europe/Copenhagen"), Provenance::WindowsId));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct WireZone<'a> {
    /// `Id`, or the text of `StartTimeZoneId`, `calendar:TimeZone`.
    pub id: Option<&'a str>,
    /// `Name`.
    pub name: Option<&'a str>,
    /// The periods and transitions, when there are any.
    pub definition: Option<&'a ZoneDefinition>,
    /// The offsets that the item's start and end were written with, when the server was asked to answer in the item's zone.
    /// `Z` says nothing about a zone: leave it out.
    pub offsets: Option<(Offset, Offset)>,
}

/// A zone and how it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedZone {
    /// What it means.
    pub zone: ZoneRef,
    /// How that was found.
    pub provenance: Provenance,
}

/// How a zone was found, the surest way first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Provenance {
    /// The server sent the rules.
    ServerRules,
    /// The id is a Windows zone.
    WindowsId,
    /// The id is a Windows zone that was retired; its successor is used.
    RetiredWindowsId,
    /// The id is an IANA zone.
    IanaId,
    /// The id or the name is the English text that Windows shows for a zone.
    DisplayName,
    /// A made-up zone without rules: the one offset that start and end share. Right for this item, not for its series.
    Offsets,
    /// Nothing matched.
    Unresolved,
}

impl WireZone<'_> {
    /// Finds out what the zone means. Rules that cannot be understood are passed over, as if they had not come.
    /// Localised texts are never matched. The territory is the one of [`windows_to_iana`].
    pub fn resolve(&self, territory: Option<&str>) -> ResolvedZone {
        let found = |zone, provenance| ResolvedZone { zone, provenance };
        if let Some(definition) = self.definition
            && !definition.periods.is_empty()
            && let Ok(rules) = ZoneRules::new(definition.clone())
        {
            return found(ZoneRef::Rules(Box::new(rules)), Provenance::ServerRules);
        }
        let id = self.id.or(self.definition.map(|definition| &*definition.id)).unwrap_or_default().trim();
        let name = self.name.or(self.definition.and_then(|definition| definition.name.as_deref()));
        let name = name.map(str::trim).filter(|name| !name.is_empty());
        if let Some(zone) = windows_ref(id, territory) {
            return found(zone, Provenance::WindowsId);
        }
        if id == "tzone://Microsoft/Utc" {
            return found(ZoneRef::Windows { id: "UTC".into(), iana: "Etc/UTC" }, Provenance::WindowsId);
        }
        if let Some(zone) = windows::successor(id).and_then(|id| windows_ref(id, territory)) {
            return found(zone, Provenance::RetiredWindowsId);
        }
        if let Ok(zone) = ZoneRef::iana_zone(id) {
            return found(zone, Provenance::IanaId);
        }
        let made_up = id == CUSTOM_ID || id.eq_ignore_ascii_case("Customized Time Zone");
        // The name of a made-up zone is that of the zone which somebody changed: it would be a guess.
        let shown = [Some(id), name.filter(|_| !made_up)];
        if let Some(zone) = shown
            .into_iter()
            .flatten()
            .find_map(windows::from_display_name)
            .and_then(|id| windows_ref(id, territory))
        {
            return found(zone, Provenance::DisplayName);
        }
        if made_up
            && let Some((start, end)) = self.offsets
            && start == end
        {
            return found(ZoneRef::Rules(Box::new(ZoneRules::fixed(start))), Provenance::Offsets);
        }
        found(ZoneRef::Unknown { id: id.into(), name: name.map(Into::into) }, Provenance::Unresolved)
    }
}

fn windows_ref(id: &str, territory: Option<&str>) -> Option<ZoneRef> {
    let iana = windows_to_iana(id, territory)?;
    Some(ZoneRef::Windows { id: windows::canonical(id)?.into(), iana })
}

/// How far apart the offsets of two zones can be, and a little more.
pub(crate) const OFFSET_MARGIN: SignedDuration = SignedDuration::from_hours(52);
