use std::fmt;

use super::field::{Field, times};
use crate::email_address::EmailAddress;
use crate::ids::{ChangeKey, ItemId};
use crate::item::{ItemBody, ItemHead, ItemRef, Marker, write_named};
use crate::operations::{Importance, LegacyFreeBusyStatus, Sensitivity};
use crate::recurrence::Recurrence;
use crate::soap::{Capabilities, SchemaVersion};
use crate::when::When;
use crate::xml::Writer;
use crate::zone::ZoneRef;
use crate::{Error, Result};

/// The properties that a new item may have and an existing one may get.
macro_rules! setters {
    () => {
        /// How private it is.
        #[must_use]
        pub fn with_sensitivity(self, sensitivity: Sensitivity) -> Self {
            self.put(Field::Sensitivity(sensitivity))
        }

        /// What is written into it.
        #[must_use]
        pub fn with_body(self, body: ItemBody) -> Self {
            self.put(Field::Body(body))
        }

        /// Labels. None at all changes nothing: see `without_categories` of a change.
        #[must_use]
        pub fn with_categories<S: Into<Box<str>>>(self, labels: impl IntoIterator<Item = S>) -> Self {
            let labels: Vec<_> = labels.into_iter().map(Into::into).collect();
            if labels.is_empty() { self } else { self.put(Field::Categories(labels)) }
        }

        /// How important it is.
        #[must_use]
        pub fn with_importance(self, importance: Importance) -> Self {
            self.put(Field::Importance(importance))
        }

        /// Reminds so many minutes before the start; `None`: not at all.
        #[must_use]
        pub fn with_reminder(self, minutes_before: Option<u32>) -> Self {
            let set = self.put(Field::ReminderIsSet(minutes_before.is_some()));
            match minutes_before {
                Some(minutes) => set.put(Field::ReminderMinutes(minutes)),
                None => set,
            }
        }

        /// A mark by which it is found again when an answer was lost.
        #[must_use]
        pub fn with_marker(self, marker: Marker) -> Self {
            self.put(Field::Marker(marker))
        }

        /// How it stands in free/busy. Working elsewhere needs Exchange 2013.
        #[must_use]
        pub fn with_show_as(self, show_as: LegacyFreeBusyStatus) -> Self {
            self.put(Field::ShowAs(show_as))
        }

        /// Where.
        #[must_use]
        pub fn with_location(self, location: impl Into<Box<str>>) -> Self {
            self.put(Field::Location(location.into()))
        }

        /// Whether those invited are asked to answer.
        #[must_use]
        pub fn with_response_requested(self, requested: bool) -> Self {
            self.put(Field::IsResponseRequested(requested))
        }

        /// Who has to come: the whole list. None at all changes nothing.
        #[must_use]
        pub fn with_required_attendees(self, people: impl IntoIterator<Item = EmailAddress>) -> Self {
            self.put_people(people, Field::RequiredAttendees)
        }

        /// Who may come: the whole list. None at all changes nothing.
        #[must_use]
        pub fn with_optional_attendees(self, people: impl IntoIterator<Item = EmailAddress>) -> Self {
            self.put_people(people, Field::OptionalAttendees)
        }

        /// Rooms and equipment: the whole list. None at all changes nothing.
        #[must_use]
        pub fn with_resources(self, rooms: impl IntoIterator<Item = EmailAddress>) -> Self {
            self.put_people(rooms, Field::Resources)
        }

        fn put_people(
            self,
            people: impl IntoIterator<Item = EmailAddress>,
            field: fn(Vec<EmailAddress>) -> Field,
        ) -> Self {
            let people: Vec<_> = people.into_iter().collect();
            // The schema has no empty list.
            if people.is_empty() { self } else { self.put(field(people)) }
        }

        /// In the schema's order, each property once, the latest value.
        fn put(mut self, field: Field) -> Self {
            let (rank, _) = field.place();
            match self.fields.binary_search_by_key(&rank, |known| known.place().0) {
                Ok(at) => {
                    if let Some(known) = self.fields.get_mut(at) {
                        *known = field;
                    }
                }
                Err(at) => self.fields.insert(at, field),
            }
            self
        }

        pub(crate) fn since(&self) -> SchemaVersion {
            self.fields.iter().map(Field::since).max().unwrap_or(SchemaVersion::Exchange2007Sp1)
        }
    };
}

/// An appointment or a meeting to be made.
///
/// ```
/// use ews_client::zone::ZoneRef;
/// use ews_client::{EmailAddress, NewCalendarItem, When};
/// use jiff::civil::date;
///
/// let copenhagen = ZoneRef::iana_zone("Europe/Copenhagen")?;
/// let offsite = NewCalendarItem::new("Offsite", &When::all_day(date(2026, 11, 25), 2)?, &copenhagen)?
///     .with_location("Elsinore")
///     .with_required_attendees([EmailAddress::smtp("bo@contoso.example")]);
/// # Ok::<(), ews_client::Error>(())
/// ```
///
/// `Debug` shows which properties it has, and none of their values.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/calendaritem>.
#[derive(Clone, PartialEq, Eq)]
pub struct NewCalendarItem {
    fields: Vec<Field>,
}

impl NewCalendarItem {
    /// An item of this subject, at this time. `zone` is the one that it belongs to: days begin there, and a series keeps its
    /// clock time there. An end of `when` that names a zone of its own is in that one.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput): the end is before the start, the event lasts longer than
    /// five years, or the zone has no Windows id; [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported): it is unknown.
    pub fn new(subject: impl Into<Box<str>>, when: &When, zone: &ZoneRef) -> Result<Self> {
        let item = Self { fields: Vec::with_capacity(12) }.put(Field::Subject(subject.into()));
        Ok(times(when, zone)?.into_iter().fold(item, Self::put))
    }

    /// Makes a series of it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput): the first day of the rule is not the day that the item
    /// begins. Exchange would take it, and lose the zone.
    pub fn with_recurrence(self, rule: Recurrence) -> Result<Self> {
        let begins = self.fields.iter().find_map(|field| match field {
            Field::Start(at) => Some(at.day()),
            _ => None,
        });
        if rule.dates().next() != begins {
            return Err(Error::invalid("a series begins on the first day of its rule"));
        }
        Ok(self.put(Field::Recurrence(rule)))
    }

    /// The id that all copies share. A server makes one when none is given.
    #[must_use]
    pub fn with_uid(self, uid: impl Into<Box<str>>) -> Self {
        self.put(Field::Uid(uid.into()))
    }

    setters!();

    /// Its mark, if it has one.
    pub(crate) fn marker(&self) -> Option<&Marker> {
        self.fields.iter().find_map(|field| match field {
            Field::Marker(marker) => Some(marker),
            _ => None,
        })
    }

    pub(crate) fn write(&self, writer: &mut Writer, capabilities: Capabilities) {
        writer.raw("<t:CalendarItem>");
        for field in self.fields.iter().filter(|field| field.is_known_to(capabilities)) {
            field.write(writer, capabilities);
        }
        writer.raw("</t:CalendarItem>");
    }
}

impl fmt::Debug for NewCalendarItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.fields.iter().map(|field| field.place().1)).finish()
    }
}

/// What to change of an item.
///
/// ```
/// use ews_client::{CalendarItemChange, ItemHead};
/// let moved = CalendarItemChange::new("AAMkAD0=".into(), "DwAAAB==".into())
///     .with_subject("Standup, new room")
///     .with_location("Room 2");
/// ```
///
/// `Debug` shows which properties change, and none of their values.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/itemchange>.
#[derive(Clone, PartialEq, Eq)]
pub struct CalendarItemChange {
    item: ItemRef,
    fields: Vec<Field>,
    removed: Vec<Removed>,
}

#[derive(Clone, PartialEq, Eq)]
enum Removed {
    Property(&'static str),
    Marker(Box<str>),
}

impl CalendarItemChange {
    /// Changes this version of an item. The version is needed even to overwrite whatever else happened to it.
    pub fn new(id: ItemId, change_key: ChangeKey) -> Self {
        Self::of(ItemHead { id, change_key: Some(change_key) }.into())
    }

    /// Changes one of a series, counted from 1 with deleted ones, by the version of its master. It becomes an exception.
    pub fn occurrence(master: ItemId, change_key: ChangeKey, index: u32) -> Self {
        Self::of(ItemRef::Occurrence { master: ItemHead { id: master, change_key: Some(change_key) }, index })
    }

    fn of(item: ItemRef) -> Self {
        Self { item, fields: Vec::new(), removed: Vec::new() }
    }

    /// Another subject.
    #[must_use]
    pub fn with_subject(self, subject: impl Into<Box<str>>) -> Self {
        self.put(Field::Subject(subject.into()))
    }

    /// Another time, as [`NewCalendarItem::new`] has it: both ends and their zones, together.
    ///
    /// # Errors
    /// As [`NewCalendarItem::new`].
    pub fn with_when(self, when: &When, zone: &ZoneRef) -> Result<Self> {
        Ok(times(when, zone)?.into_iter().fold(self, Self::put))
    }

    /// Another rule. It is for the caller to see that the item begins on its first day.
    #[must_use]
    pub fn with_recurrence(self, rule: Recurrence) -> Self {
        self.put(Field::Recurrence(rule))
    }

    setters!();

    /// No place.
    #[must_use]
    pub fn without_location(self) -> Self {
        self.remove("calendar:Location")
    }

    /// Nothing written into it.
    #[must_use]
    pub fn without_body(self) -> Self {
        self.remove("item:Body")
    }

    /// No labels.
    #[must_use]
    pub fn without_categories(self) -> Self {
        self.remove("item:Categories")
    }

    /// Nobody who has to come.
    #[must_use]
    pub fn without_required_attendees(self) -> Self {
        self.remove("calendar:RequiredAttendees")
    }

    /// Nobody who may come.
    #[must_use]
    pub fn without_optional_attendees(self) -> Self {
        self.remove("calendar:OptionalAttendees")
    }

    /// No rooms.
    #[must_use]
    pub fn without_resources(self) -> Self {
        self.remove("calendar:Resources")
    }

    /// A series no more.
    #[must_use]
    pub fn without_recurrence(self) -> Self {
        self.remove("calendar:Recurrence")
    }

    /// No mark of this name.
    #[must_use]
    pub fn without_marker(mut self, name: impl Into<Box<str>>) -> Self {
        self.fields.retain(|field| !matches!(field, Field::Marker(_)));
        self.removed.push(Removed::Marker(name.into()));
        self
    }

    /// Whether nothing is to be changed; the schema does not allow that.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.removed.is_empty()
    }

    fn remove(mut self, uri: &'static str) -> Self {
        self.fields.retain(|field| field.place().1 != uri);
        if !self.removed.contains(&Removed::Property(uri)) {
            self.removed.push(Removed::Property(uri));
        }
        self
    }

    pub(crate) fn write(&self, writer: &mut Writer, capabilities: Capabilities) {
        writer.raw("<t:ItemChange>");
        self.item.write(writer);
        writer.raw("<t:Updates>");
        for field in self.fields.iter().filter(|field| field.is_known_to(capabilities)) {
            writer.raw("<t:SetItemField>");
            match field {
                Field::Marker(marker) => write_named(writer, marker.name()),
                _ => write_path(writer, field.place().1),
            }
            writer.raw("<t:CalendarItem>");
            field.write(writer, capabilities);
            writer.raw("</t:CalendarItem></t:SetItemField>");
        }
        for removed in &self.removed {
            // What was set after it was removed is set.
            if let Removed::Property(uri) = removed
                && self.fields.iter().any(|field| field.place().1 == *uri)
            {
                continue;
            }
            writer.raw("<t:DeleteItemField>");
            match removed {
                Removed::Property(uri) => write_path(writer, uri),
                Removed::Marker(name) => write_named(writer, name),
            }
            writer.raw("</t:DeleteItemField>");
        }
        writer.raw("</t:Updates></t:ItemChange>");
    }
}

fn write_path(writer: &mut Writer, uri: &'static str) {
    writer.raw("<t:FieldURI FieldURI=\"");
    writer.raw(uri);
    writer.raw("\"/>");
}

impl fmt::Debug for CalendarItemChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set: Vec<_> = self.fields.iter().map(|field| field.place().1).collect();
        f.debug_struct("CalendarItemChange")
            .field("item", &self.item)
            .field("set", &set)
            .field("removed", &self.removed.len())
            .finish()
    }
}
