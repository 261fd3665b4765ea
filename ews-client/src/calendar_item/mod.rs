//! The one reader of calendar items, and what is written of them.

mod details;
mod field;
mod write;

use std::fmt;
use std::sync::Arc;

use crate::ids::{ChangeKey, ItemId};
use crate::item::ItemHead;
use crate::operations::{CalendarItemType, LegacyFreeBusyStatus, MyResponseType, Sensitivity};
use crate::xml::{Cursor, Element, XmlError, XmlProblem};
use crate::xs;
use crate::zone::{WireZone, ZoneDefinition, read_rules};

pub use details::{Attendee, CalendarItemDetails, OccurrenceInfo};
pub use write::{CalendarItemChange, NewCalendarItem};

/// An item as the server gives it, before zones, days and privacy are made sense of.
///
/// Exchange does not hide the details of private items from an app that impersonates; so `Debug` shows none of them,
/// whatever the sensitivity.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/calendaritem>.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawCalendarItem {
    /// Opaque; tells the cases of letters apart.
    pub id: ItemId,
    /// The version of the item.
    pub change_key: Option<ChangeKey>,
    /// The id that all copies and all occurrences share.
    pub uid: Option<Box<str>>,
    /// When an occurrence would be, had it not been moved.
    pub recurrence_id: Option<xs::DateTime>,
    /// When it begins.
    pub start: xs::DateTime,
    /// When it ends.
    pub end: xs::DateTime,
    /// The zone it begins in.
    pub start_zone: Option<RawZone>,
    /// The zone it ends in.
    pub end_zone: Option<RawZone>,
    /// Cut at 255 characters by FindItem; whole from GetItem.
    pub subject: Option<Box<str>>,
    /// Cut at 255 characters by FindItem; whole from GetItem.
    pub location: Option<Arc<str>>,
    /// The organizer's name; FindItem gives no address, GetItem does (see [`CalendarItemDetails::organizer`]).
    pub organizer: Option<Arc<str>>,
    /// Absent when the server left it out: then it is not known, not normal.
    pub sensitivity: Option<Sensitivity>,
    /// How it stands in free/busy.
    pub show_as: Option<LegacyFreeBusyStatus>,
    /// What it is to a series.
    pub item_type: Option<CalendarItemType>,
    /// What the owner answered.
    pub my_response: Option<MyResponseType>,
    /// Whether it is for whole days.
    pub is_all_day: Option<bool>,
    /// Whether others are invited.
    pub is_meeting: Option<bool>,
    /// Whether it was called off. It may still be shown as busy.
    pub is_cancelled: Option<bool>,
    /// What only GetItem gives.
    pub more: Option<Box<CalendarItemDetails>>,
}

impl RawCalendarItem {
    /// Its id and version.
    pub fn head(&self) -> ItemHead {
        ItemHead { id: self.id.clone(), change_key: self.change_key.clone() }
    }
}

impl fmt::Debug for RawCalendarItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawCalendarItem")
            .field("id", &self.id)
            .field("start", &self.start)
            .field("end", &self.end)
            .field("item_type", &self.item_type)
            .field("sensitivity", &self.sensitivity)
            .finish_non_exhaustive()
    }
}

/// A zone as the wire has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawZone {
    /// Usually a Windows id; may be empty.
    pub id: Arc<str>,
    /// A name for people.
    pub name: Option<Arc<str>>,
    /// The rules, when they came along: the only thing that says what a made-up or localised id means.
    pub definition: Option<Box<ZoneDefinition>>,
}

impl RawZone {
    /// Ready to be resolved.
    ///
    /// `offsets` of [`WireZone`] are left out: whoever asked the server to answer in the item's zone adds them.
    pub fn wire(&self) -> WireZone<'_> {
        WireZone {
            id: Some(&self.id),
            name: self.name.as_deref(),
            definition: self.definition.as_deref(),
            ..WireZone::default()
        }
    }
}

/// What was found under the name of a calendar item.
#[allow(
    clippy::large_enum_variant,
    reason = "it is taken apart at once; a box would be an allocation for each item"
)]
pub(crate) enum Found {
    Whole(RawCalendarItem),
    /// The shape asked for no times.
    Head(ItemHead),
}

impl RawCalendarItem {
    pub(crate) fn read<'a>(
        cursor: &mut Cursor<'a>,
        element: &Element<'a>,
        seen: &mut Interner,
    ) -> Result<Self, XmlError> {
        match Self::read_any(cursor, element, seen)? {
            Found::Whole(item) => Ok(item),
            Found::Head(_) => Err(element.missing("the Start or the End")),
        }
    }

    /// Reads an item whose shape need not have times in it.
    pub(crate) fn read_any<'a>(
        cursor: &mut Cursor<'a>,
        element: &Element<'a>,
        seen: &mut Interner,
    ) -> Result<Found, XmlError> {
        let (mut id, mut change_key, mut uid, mut recurrence_id) = (None, None, None, None);
        let (mut start, mut end, mut start_zone, mut end_zone) = (None, None, None, None);
        let (mut subject, mut location, mut organizer, mut sensitivity) = (None, None, None, None);
        let (mut show_as, mut item_type, mut my_response) = (None, None, None);
        let (mut is_all_day, mut is_meeting, mut is_cancelled) = (None, None, None);
        let mut more = None;
        while let Some(child) = cursor.next_child(element)? {
            match child.ews() {
                "ItemId" => {
                    let [found, key] = cursor.attributes(&child, ["Id", "ChangeKey"])?;
                    (id, change_key) = (found.map(Into::into), key.map(Into::into));
                }
                "Subject" => subject = Some(cursor.boxed(&child)?),
                "Sensitivity" => sensitivity = Some(Sensitivity::new(&cursor.text(&child)?)),
                "UID" => uid = Some(cursor.boxed(&child)?),
                "RecurrenceId" => recurrence_id = Some(read_time(cursor, &child)?),
                "Start" => start = Some(read_time(cursor, &child)?),
                "End" => end = Some(read_time(cursor, &child)?),
                "IsAllDayEvent" => is_all_day = Some(cursor.boolean(&child)?),
                "LegacyFreeBusyStatus" => show_as = Some(LegacyFreeBusyStatus::new(&cursor.text(&child)?)),
                "Location" => location = Some(seen.intern(&cursor.text(&child)?)),
                "IsMeeting" => is_meeting = Some(cursor.boolean(&child)?),
                "IsCancelled" => is_cancelled = Some(cursor.boolean(&child)?),
                "CalendarItemType" => item_type = Some(CalendarItemType::new(&cursor.text(&child)?)),
                "MyResponseType" => my_response = Some(MyResponseType::new(&cursor.text(&child)?)),
                "Organizer" => organizer = details::read_organizer(cursor, &child, seen, &mut more)?,
                "StartTimeZone" => start_zone = read_zone(cursor, &child, seen)?,
                "EndTimeZone" => end_zone = read_zone(cursor, &child, seen)?,
                "" => {}
                _ => details::take(&mut more, cursor, &child)?,
            }
        }
        let id = id.ok_or_else(|| element.missing("the ItemId"))?;
        let (Some(start), Some(end)) = (start, end) else {
            return Ok(Found::Head(ItemHead { id, change_key }));
        };
        Ok(Found::Whole(Self {
            id,
            change_key,
            uid,
            recurrence_id,
            start,
            end,
            start_zone,
            end_zone,
            subject,
            location,
            organizer,
            sensitivity,
            show_as,
            item_type,
            my_response,
            is_all_day,
            is_meeting,
            is_cancelled,
            more,
        }))
    }
}

/// An `xs:dateTime` with or without offset.
pub(crate) fn read_time<'a>(
    cursor: &mut Cursor<'a>,
    element: &Element<'a>,
) -> Result<xs::DateTime, XmlError> {
    xs::parse_date_time(&cursor.text(element)?).map_err(|_| element.bad_value("dateTime"))
}

fn read_zone<'a>(
    cursor: &mut Cursor<'a>,
    element: &Element<'a>,
    seen: &mut Interner,
) -> Result<Option<RawZone>, XmlError> {
    let [id, name] = cursor.attributes(element, ["Id", "Name"])?;
    let mut definition = match read_rules(cursor, element) {
        Ok(rules) => rules,
        // The instants of an item are right without its rules, and one bad zone is no reason to lose a whole view.
        Err(error) if matches!(error.problem(), XmlProblem::BadValue { .. } | XmlProblem::Missing(_)) => {
            cursor.skip(element)?;
            None
        }
        Err(error) => return Err(error),
    };
    if let Some(rules) = &mut definition {
        rules.id = id.as_deref().unwrap_or_default().into();
        rules.name = name.as_deref().map(Into::into);
    }
    // A zone may come as rules alone.
    if id.is_none() && definition.is_none() {
        return Ok(None);
    }
    let id = seen.intern(id.as_deref().unwrap_or_default());
    Ok(Some(RawZone { id, name: name.map(|name| seen.intern(&name)), definition }))
}

/// Shares the texts that repeat from item to item: organizers, zones, rooms. Each text has one place by its length and its
/// ends, where the latest stays.
pub(crate) struct Interner([Option<Arc<str>>; 64]);

impl Default for Interner {
    fn default() -> Self {
        Self([const { None }; 64])
    }
}

impl Interner {
    fn intern(&mut self, text: &str) -> Arc<str> {
        let byte = |from_end: usize| {
            let at = text.len().checked_sub(from_end);
            at.and_then(|at| text.as_bytes().get(at)).map_or(0, |b| usize::from(*b))
        };
        let place = text.len().wrapping_mul(7)
            ^ byte(1)
            ^ byte(2).wrapping_mul(11)
            ^ byte(text.len()).wrapping_mul(3);
        match self.0.get_mut(place % 64) {
            Some(Some(known)) if known.as_ref() == text => known.clone(),
            Some(slot) => slot.insert(text.into()).clone(),
            None => text.into(),
        }
    }
}
