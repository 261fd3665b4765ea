//! `FindItem`: a calendar's view, or pages of items.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/finditem-operation>

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};

use super::item_xml::{self, Manner, busy_type};
use super::operations::{Acting, Failure, choice, listed, message, response};
use super::paging;
use super::place::{Place, resolve};
use super::restriction::{Path, Restriction, compare};
use super::shape::{Shape, field_uri};
use super::soap::{Element, Fault, MESSAGES, TYPES};
use super::{schema_violation, times};
use crate::state::{Event, Instance, Message};

struct View {
    start: Timestamp,
    end: Timestamp,
    most: Option<usize>,
}

/// Answers for each folder on its own.
pub(super) fn run(acting: &mut Acting<'_>, operation: &Element) -> Result<String, Fault> {
    let traversal = choice(operation, "Traversal", &["Shallow", "SoftDeleted", "Associated"])?
        .ok_or_else(|| schema_violation("FindItem needs Traversal."))?;
    let shape = Shape::read(operation, "ItemShape", acting.version)?;
    let view = operation.child(MESSAGES, "CalendarView").map(|v| calendar_view(acting, v)).transpose()?;
    let restriction = operation.child(MESSAGES, "Restriction").map(Restriction::read).transpose()?;
    let order = sort_order(operation)?;
    let page = paging::read(operation, "IndexedPageItemView")?;
    if view.is_some() && (restriction.is_some() || !order.is_empty()) {
        return Err(Fault::new(
            "ErrorInvalidOperation",
            "Restrictions and sort order may not be specified for a CalendarView.",
        ));
    }
    let mut messages = String::new();
    for id in listed(operation, "ParentFolderIds")? {
        let outcome = shape.clone().and_then(|shape| {
            let place = resolve(acting, id)?;
            if !place.has("ReadItems") {
                return Err(Failure::access_denied());
            }
            if traversal != "Shallow" {
                return Ok(root_folder(&page.cut(0).attributes, ""));
            }
            match &view {
                Some(view) => in_view(acting, &place, view, &shape),
                None => in_pages(acting, &place, restriction.as_ref(), &order, page, &shape),
            }
        });
        messages.push_str(&message("FindItem", outcome, ""));
    }
    Ok(response("FindItem", &messages))
}

fn root_folder(attributes: &str, items: &str) -> String {
    format!("<m:RootFolder {attributes}><t:Items>{items}</t:Items></m:RootFolder>")
}

fn calendar_view(acting: &Acting<'_>, view: &Element) -> Result<View, Fault> {
    let zone = acting.zone.clone().unwrap_or(TimeZone::UTC);
    let time = |name: &str| {
        view.attribute(name).and_then(|text| times::instant(text, &zone)).ok_or_else(|| {
            schema_violation(format!("The '{name}' attribute is invalid according to its datatype."))
        })
    };
    let most = match view.attribute("MaxEntriesReturned") {
        None => None,
        Some(text) => Some(
            text.parse::<usize>()
                .ok()
                .filter(|n| *n > 0)
                .ok_or_else(|| schema_violation("The 'MaxEntriesReturned' attribute is invalid."))?,
        ),
    };
    Ok(View { start: time("StartDate")?, end: time("EndDate")?, most })
}

fn in_view(acting: &Acting<'_>, place: &Place, view: &View, shape: &Shape) -> Result<String, Failure> {
    if !place.folder.is_calendar() {
        return Err(Failure::new(
            "ErrorCalendarFolderIsInvalidForCalendarView",
            "CalendarView may only be used on a calendar folder.",
        ));
    }
    if view.end < view.start {
        return Err(Failure::new(
            "ErrorCalendarEndDateIsEarlierThanStartDate",
            "EndDate is earlier than StartDate.",
        ));
    }
    let limit = view.start.to_zoned(TimeZone::UTC).checked_add(2.years()).map(|z| z.timestamp());
    if limit.is_ok_and(|limit| view.end > limit) {
        return Err(Failure::new(
            "ErrorCalendarViewRangeTooBig",
            "The specified view range exceeds the maximum range of two years.",
        ));
    }
    let store = &acting.state.store;
    let mut all: Vec<Instance<'_>> = store
        .events_of(place.owner, &place.folder)
        .flat_map(|event| event.instances(view.start, view.end))
        .collect();
    all.sort_by_key(|i| (i.start, i.id()));
    let policy = store.find_count_limit();
    let shown = view.most.unwrap_or(usize::MAX).min(all.len());
    if shown > policy {
        return Err(Failure::new(
            "ErrorExceededFindCountLimit",
            "You have exceeded the maximum number of objects that can be returned for the find operation. Use paging to reduce the result size and try your request again.",
        )
        .with_value("PolicyLimit", policy.to_string()));
    }
    let folder = place.id(acting.state);
    let manner = Manner { shape, zone: acting.zone.as_ref(), found: true, folder: &folder };
    let items: String = all.iter().take(shown).map(|i| item_xml::calendar_item(i, manner)).collect();
    let attributes =
        format!(r#"TotalItemsInView="{}" IncludesLastItemInRange="{}""#, all.len(), shown == all.len());
    Ok(root_folder(&attributes, &items))
}

enum Row<'a> {
    Event(&'a Event),
    Message(&'a Message),
}

impl Row<'_> {
    /// What restrictions compare.
    fn property(&self, path: &Path) -> Option<String> {
        match (self, path) {
            (_, Path::Field(uri)) => self.value(uri),
            (Self::Event(e), Path::Extended(name)) => {
                e.extended.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            }
            (Self::Message(_), Path::Extended(_)) => None,
        }
    }

    /// What restrictions and orders compare.
    fn value(&self, uri: &str) -> Option<String> {
        Some(match (self, uri) {
            (Self::Event(e), "item:Subject") => e.subject.clone(),
            (Self::Message(m), "item:Subject") => m.subject.clone(),
            (Self::Event(_), "item:ItemClass") => "IPM.Appointment".to_owned(),
            (Self::Message(_), "item:ItemClass") => "IPM.Note".to_owned(),
            (Self::Event(e), "item:DateTimeCreated" | "item:DateTimeReceived" | "item:DateTimeSent") => {
                e.created.to_string()
            }
            (Self::Message(m), "item:DateTimeCreated" | "item:DateTimeReceived" | "item:DateTimeSent") => {
                m.received.to_string()
            }
            (Self::Event(e), "item:LastModifiedTime") => e.modified.to_string(),
            (Self::Message(m), "item:LastModifiedTime") => m.received.to_string(),
            (Self::Message(m), "message:IsRead") => m.read.to_string(),
            (Self::Message(m), "message:From" | "message:Sender") => m.from.1.clone(),
            (Self::Message(m), "message:InternetMessageId") => m.internet_message_id.clone(),
            (Self::Message(m), "item:HasAttachments") => (!m.attachments.is_empty()).to_string(),
            (Self::Message(m), "item:Size") => m.mime.len().to_string(),
            (Self::Message(m), "item:Body") => m.body.clone(),
            (Self::Event(e), "calendar:Start") => e.start.to_string(),
            (Self::Event(e), "calendar:End") => e.end.to_string(),
            (Self::Event(e), "calendar:UID") => e.uid.clone(),
            (Self::Event(e), "calendar:Location") => e.location.clone(),
            (Self::Event(e), "calendar:IsAllDayEvent") => e.all_day.to_string(),
            (Self::Event(e), "calendar:LegacyFreeBusyStatus") => busy_type(&e.show_as).to_owned(),
            _ => return None,
        })
    }
}

fn in_pages(
    acting: &Acting<'_>,
    place: &Place,
    restriction: Option<&Restriction>,
    order: &[(String, bool)],
    page: paging::Paging,
    shape: &Shape,
) -> Result<String, Failure> {
    let store = &acting.state.store;
    // Without an order the newest come first.
    let messages = store.messages(place.owner, &place.folder).iter().rev().map(Row::Message);
    let mut rows = Vec::new();
    for row in messages.chain(store.events_of(place.owner, &place.folder).map(Row::Event)) {
        if restriction.map_or(Ok(true), |r| r.holds(&|path: &Path| row.property(path)))? {
            rows.push(row);
        }
    }
    rows.sort_by(|a, b| {
        let mut by = order.iter().map(|(uri, descending)| {
            let order = compare(&a.value(uri).unwrap_or_default(), &b.value(uri).unwrap_or_default());
            if *descending { order.reverse() } else { order }
        });
        by.find(|o| o.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    });
    let mut cut = page.cut(rows.len());
    let policy = store.find_count_limit();
    if cut.range.len() > policy {
        if acting.version < super::version::Version::Exchange2010Sp1 {
            return Err(Failure::new("ErrorServerBusy", "The server cannot service this request right now."));
        }
        // The page ends where the budget does.
        cut = page.at_most(policy).cut(rows.len());
    }
    let folder = place.id(acting.state);
    let manner = Manner { shape, zone: acting.zone.as_ref(), found: true, folder: &folder };
    let items: String = rows
        .get(cut.range.clone())
        .unwrap_or_default()
        .iter()
        .map(|row| match row {
            Row::Event(event) => item_xml::event_itself(event, manner),
            Row::Message(message) => item_xml::message_item(message, manner),
        })
        .collect();
    Ok(root_folder(&cut.attributes, &items))
}

/// Properties, and whether they descend.
fn sort_order(operation: &Element) -> Result<Vec<(String, bool)>, Fault> {
    let mut order = Vec::new();
    let fields = operation.child(MESSAGES, "SortOrder").map(|s| s.children.as_slice()).unwrap_or_default();
    for field in fields {
        if let Some(uri) = field.child(TYPES, "FieldURI") {
            order.push((field_uri(uri)?.to_owned(), field.attribute("Order") == Some("Descending")));
        }
    }
    Ok(order)
}
