//! `CreateItem`: events, messages, and answers to meetings.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/createitem-operation>

use jiff::{SignedDuration, Timestamp};

use super::calendar_read::{self, Times, mailbox};
use super::item_xml::item_id;
use super::operations::{Acting, Failure, choice, listed, message, response};
use super::place::{self, Named, Place, resolve, rights};
use super::soap::{Element, Fault, MESSAGES, TYPES};
use super::{meetings, send_item};
use crate::state::{Event, Folder, Message, Response, change_key};

const INVITATIONS: [&str; 3] = ["SendToNone", "SendOnlyToAll", "SendToAllAndSaveCopy"];
const DISPOSITIONS: [&str; 3] = ["SaveOnly", "SendOnly", "SendAndSaveCopy"];

/// Answers for each item on its own.
pub(super) fn run(acting: &mut Acting<'_>, operation: &Element) -> Result<String, Fault> {
    let invitations = choice(operation, "SendMeetingInvitations", &INVITATIONS)?;
    let disposition = choice(operation, "MessageDisposition", &DISPOSITIONS)?;
    let target = operation.child(MESSAGES, "SavedItemFolderId").and_then(|s| s.children.first());
    let mut messages = String::new();
    for item in listed(operation, "Items")? {
        let outcome = one(acting, item, target, invitations, disposition)
            .map(|items| format!("<m:Items>{items}</m:Items>"));
        messages.push_str(&message("CreateItem", outcome, "<m:Items/>"));
    }
    Ok(response("CreateItem", &messages))
}

fn one(
    acting: &mut Acting<'_>,
    item: &Element,
    target: Option<&Element>,
    invitations: Option<&str>,
    disposition: Option<&str>,
) -> Result<String, Failure> {
    let needs_disposition =
        || Failure::new("ErrorMessageDispositionRequired", "Message disposition is required.");
    match item.name.as_str() {
        "CalendarItem" => {
            let invitations = invitations.ok_or_else(|| {
                Failure::new(
                    "ErrorSendMeetingInvitationsRequired",
                    "SendMeetingInvitations attribute is required for calendar items.",
                )
            })?;
            event(acting, item, target, invitations)
        }
        "Message" => mail(acting, item, target, disposition.ok_or_else(needs_disposition)?),
        "AcceptItem" | "TentativelyAcceptItem" | "DeclineItem" | "CancelCalendarItem" => {
            answer(acting, item, disposition.ok_or_else(needs_disposition)?)
        }
        other => Err(Failure::new(
            "ErrorUnsupportedTypeForConversion",
            format!("The simulated tenant makes no {other}."),
        )),
    }
}

/// The folder that the request names, or this one of the mailbox.
fn folder(acting: &Acting<'_>, target: Option<&Element>, usual: Folder) -> Result<Place, Failure> {
    let place = match target {
        Some(id) => resolve(acting, id)?,
        None => {
            let rights = rights(acting, acting.mailbox, &usual);
            Place { owner: acting.mailbox, folder: usual, rights }
        }
    };
    if place.has("CreateItems") { Ok(place) } else { Err(Failure::access_denied()) }
}

fn event(
    acting: &mut Acting<'_>,
    item: &Element,
    target: Option<&Element>,
    invitations: &str,
) -> Result<String, Failure> {
    let place = folder(acting, target, Folder::Calendar)?;
    if !place.folder.is_calendar() {
        return Err(Failure::new(
            "ErrorCannotCreateCalendarItemInNonCalendarFolder",
            "Cannot create a calendar item in a folder that's not a calendar folder.",
        ));
    }
    let owner = acting.state.mailbox_of(place.owner, acting.now).ok_or_else(Failure::folder_not_found)?;
    let organizer = (owner.display_name.clone(), owner.primary_smtp_address.clone());
    // Without times it lasts half an hour from the next one on.
    let slot = acting.now.as_second().div_euclid(1800) * 1800 + 1800;
    let start = Timestamp::from_second(slot).unwrap_or(acting.now);
    let end = start.checked_add(SignedDuration::from_mins(30)).unwrap_or(start);
    let mut event =
        Event { organizer, created: acting.now, folder: place.folder.clone(), ..Event::new("", start, end) };
    let mut times = Times::default();
    for property in &item.children {
        calendar_read::set(&mut event, property, &mut times)?;
    }
    calendar_read::finish(&mut event, &times, acting.zone.as_ref())?;
    let now = acting.now;
    let id = acting.state.store.put_event(place.owner, event, now);
    let stored = acting.state.store.event(place.owner, &id).cloned().ok_or_else(Failure::item_not_found)?;
    if invitations != "SendToNone" {
        meetings::invite(acting, &stored, |_| true);
    }
    Ok(format!("<t:CalendarItem>{}</t:CalendarItem>", item_id(&id, &change_key(&id, stored.change, false))))
}

fn mail(
    acting: &mut Acting<'_>,
    item: &Element,
    target: Option<&Element>,
    disposition: &str,
) -> Result<String, Failure> {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let usual = if disposition == "SaveOnly" { Folder::Drafts } else { Folder::Sent };
    let place = folder(acting, target, usual)?;
    let sender = acting.state.mailbox_of(place.owner, acting.now).ok_or_else(Failure::folder_not_found)?;
    let mut draft = Message {
        from: (sender.display_name.clone(), sender.primary_smtp_address.clone()),
        received: acting.now,
        read: true,
        ..Message::default()
    };
    let mut raw = None;
    for property in &item.children {
        match property.name.as_str() {
            "MimeContent" => {
                let compact: String = property.text.split_whitespace().collect();
                raw = Some(BASE64_STANDARD.decode(compact).map_err(|_| {
                    Failure::new(
                        "ErrorMimeContentInvalidBase64String",
                        "The MIME content is no valid base64.",
                    )
                })?);
            }
            "Subject" => draft.subject.clone_from(&property.text),
            "Body" => draft.body.clone_from(&property.text),
            "ToRecipients" | "CcRecipients" | "BccRecipients" => {
                draft.to.extend(property.children.iter().filter_map(mailbox).map(|(_, address)| address));
            }
            "InternetMessageId" => draft.internet_message_id.clone_from(&property.text),
            "IsRead" => draft.read = matches!(property.text.as_str(), "true" | "1"),
            _ => {}
        }
    }
    send_item::compose(acting, &mut draft, raw);
    let now = acting.now;
    if disposition == "SaveOnly" {
        let id = acting.state.store.add_message(place.owner, &place.folder, draft, now);
        let key =
            acting.state.store.message(place.owner, &id).map(|(_, m)| m.change_key()).unwrap_or_default();
        return Ok(format!("<t:Message>{}</t:Message>", item_id(&id, &key)));
    }
    send_item::deliver(acting, place.owner, &draft)?;
    if disposition == "SendAndSaveCopy" {
        acting.state.store.add_message(place.owner, &place.folder, draft, now);
    }
    Ok(String::new())
}

/// An answer to a meeting, or its cancellation.
fn answer(acting: &mut Acting<'_>, item: &Element, disposition: &str) -> Result<String, Failure> {
    let reference = item
        .child(TYPES, "ReferenceItemId")
        .ok_or_else(|| Failure::new("ErrorInvalidReferenceItem", "The reference item is missing."))?;
    let mut found = place::item(acting, reference)?;
    if let Named::Message(message) = &found.item {
        let event =
            message.meeting.as_ref().and_then(|m| m.event.clone()).ok_or_else(|| {
                Failure::new("ErrorInvalidReferenceItem", "The reference item is no meeting.")
            })?;
        found = place::by_store_id(acting, &event)?;
    }
    let (Named::Event(event) | Named::Occurrence(event, _)) = found.item else {
        return Err(Failure::item_not_found());
    };
    let (owner, now) = (found.place.owner, acting.now);
    if !found.place.has("EditAllItems") {
        return Err(Failure::access_denied());
    }
    if item.name == "CancelCalendarItem" {
        if !event.is_organizer {
            return Err(Failure::new(
                "ErrorCalendarIsNotOrganizer",
                "You must be the organizer to perform this action.",
            ));
        }
        acting.state.store.remove_event(owner, &event.id, true, now);
        meetings::cancel(acting, &event);
        return Ok(String::new());
    }
    if event.is_organizer {
        let code = match item.name.as_str() {
            "AcceptItem" => "ErrorCalendarIsOrganizerForAccept",
            "DeclineItem" => "ErrorCalendarIsOrganizerForDecline",
            _ => "ErrorCalendarIsOrganizerForTentative",
        };
        return Err(Failure::new(code, "The meeting organizer can't perform this action."));
    }
    let (answer, show_as) = match item.name.as_str() {
        "AcceptItem" => (Response::Accept, "busy"),
        "DeclineItem" => (Response::Decline, "free"),
        _ => (Response::Tentative, "tentative"),
    };
    let changed = Event { my_response: answer, show_as: show_as.to_owned(), ..(*event).clone() };
    acting.state.store.put_event(owner, changed.clone(), now);
    meetings::respond(acting, &changed, owner, answer, disposition != "SaveOnly");
    if answer == Response::Decline {
        acting.state.store.remove_event(owner, &event.id, true, now);
        return Ok(String::new());
    }
    let key = acting.state.store.event(owner, &event.id).map(Event::change_key).unwrap_or_default();
    Ok(format!("<t:CalendarItem>{}</t:CalendarItem>", item_id(&event.id, &key)))
}
