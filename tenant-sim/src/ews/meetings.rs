//! What meetings do in other mailboxes: invitations, answers, cancellations.
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/calendars-and-ews-in-exchange>

use uuid::Uuid;

use super::operations::Acting;
use crate::graph::mime;
use crate::state::{Event, Folder, MeetingKind, MeetingMessage, Message, Response};

/// Brings the meeting into the attendees' calendars, each with a message, or brings what is there up to date. Only those
/// whose address `chosen` says yes to.
pub(super) fn invite(acting: &mut Acting<'_>, event: &Event, chosen: impl Fn(&str) -> bool) {
    for user in attendees(acting, event, chosen) {
        let own = copy_of(acting, user, event);
        let (id, my_response) =
            own.map_or((String::new(), Response::NoResponseReceived), |e| (e.id, e.my_response));
        let copy = Event {
            id,
            folder: Folder::Calendar,
            is_organizer: false,
            my_response,
            show_as: if my_response == Response::Accept {
                event.show_as.clone()
            } else {
                "tentative".to_owned()
            },
            ..event.clone()
        };
        let now = acting.now;
        let id = acting.state.store.put_event(user, copy, now);
        tell(acting, user, event, MeetingKind::Request, &event.organizer, &event.subject, Some(id));
    }
}

/// Marks the meeting as cancelled in the attendees' calendars, each with a message.
pub(super) fn cancel(acting: &mut Acting<'_>, event: &Event) {
    for user in attendees(acting, event, |_| true) {
        let Some(own) = copy_of(acting, user, event) else { continue };
        let subject = format!("Canceled: {}", event.subject);
        let copy = Event { cancelled: true, subject: subject.clone(), sequence: event.sequence + 1, ..own };
        let now = acting.now;
        let id = acting.state.store.put_event(user, copy, now);
        tell(acting, user, event, MeetingKind::Cancellation, &event.organizer, &subject, Some(id));
    }
}

/// Notes an attendee's answer in the organizer's calendar, with a message if one is to be sent.
pub(super) fn respond(acting: &mut Acting<'_>, event: &Event, attendee: Uuid, answer: Response, send: bool) {
    let organizer = acting.state.mailbox(&event.organizer.1, acting.now).map(|m| m.object_id);
    let person = acting
        .state
        .mailbox_of(attendee, acting.now)
        .map(|m| ((m.display_name.clone(), m.primary_smtp_address.clone()), m.proxy_addresses()));
    let (Some(organizer), Some((from, addresses))) = (organizer, person) else { return };
    let Some(mut own) = copy_of(acting, organizer, event).filter(|_| organizer != attendee) else { return };
    if !send {
        return;
    }
    let now = acting.now;
    for a in &mut own.attendees {
        if addresses.iter().any(|one| one.get(5..).is_some_and(|one| one.eq_ignore_ascii_case(&a.address))) {
            (a.response, a.responded) = (answer, Some(now));
        }
    }
    let id = acting.state.store.put_event(organizer, own, now);
    let word = match answer {
        Response::Accept => "Accepted",
        Response::Decline => "Declined",
        _ => "Tentative",
    };
    let subject = format!("{word}: {}", event.subject);
    tell(acting, organizer, event, MeetingKind::Response(answer), &from, &subject, Some(id));
}

/// Mailboxes of the tenant among the attendees, without the organizer's.
fn attendees(acting: &Acting<'_>, event: &Event, chosen: impl Fn(&str) -> bool) -> Vec<Uuid> {
    let mut all: Vec<Uuid> = event
        .attendees
        .iter()
        .filter(|a| chosen(&a.address) && !a.address.eq_ignore_ascii_case(&event.organizer.1))
        .filter_map(|a| acting.state.mailbox(&a.address, acting.now))
        .map(|m| m.object_id)
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The same meeting in another mailbox.
fn copy_of(acting: &Acting<'_>, user: Uuid, event: &Event) -> Option<Event> {
    let all = acting.state.store.events.get(&user)?;
    all.values().find(|e| e.uid == event.uid && e.folder != Folder::Deleted).cloned()
}

fn tell(
    acting: &mut Acting<'_>,
    user: Uuid,
    event: &Event,
    kind: MeetingKind,
    from: &(String, String),
    subject: &str,
    item: Option<String>,
) {
    let to = acting.state.mailbox_of(user, acting.now).map(|m| m.primary_smtp_address.clone());
    let to: Vec<String> = to.into_iter().collect();
    let id = acting.state.store.fresh_id();
    let internet_message_id = format!("<{}@meetings>", id.get(8..40).unwrap_or(&id));
    let now = acting.now;
    let message = Message {
        id,
        mime: mime::compose(&mime::Parts {
            from: (&from.0, &from.1),
            to: &to,
            subject,
            date: now,
            message_id: &internet_message_id,
            body: &event.body,
        }),
        internet_message_id,
        subject: subject.to_owned(),
        from: from.clone(),
        to,
        received: now,
        body: event.body.clone(),
        meeting: Some(MeetingMessage { kind, event: item }),
        ..Message::default()
    };
    acting.state.store.add_message(user, &Folder::Inbox, message, now);
}
