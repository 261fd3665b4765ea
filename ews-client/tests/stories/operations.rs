//! Every operation once, against Exchange Online with an app's token, and against an organisation's own server with a password.

use ews_client::zone::ZoneRef;
use ews_client::{
    AlternateId, AttachmentContent, AttachmentId, CalendarItemChange, CallOptions, CancelMeeting,
    ConflictResolution, ConvertId, CreateCalendarItem, CreateMessage, DeleteItem, DeleteType,
    DistinguishedFolder, EmailAddress, EnvelopeFramer, EventTime, EventType, EwsClient, EwsCredential,
    ExpandDl, FindFolder, FindItem, FindItemPaged, FolderClass, FolderRef, FreeBusyView, GetAttachment,
    GetDelegate, GetEvents, GetFolder, GetItem, GetRoomLists, GetRooms, GetServerTimeZones,
    GetStreamingEvents, GetUserAvailability, GetUserOofSettings, IdFormat, Item, ItemBody, ItemHead,
    MeetingResponse, MessageDisposition, NewCalendarItem, NewMessage, NotificationEventType, OofState,
    ResolveNames, RespondToMeeting, SendItem, SendMeetingCancellations, SendMeetingInvitations,
    SendMeetingInvitationsOrCancellations, StreamingMessage, Subscribe, SyncChange, SyncFolderHierarchy,
    SyncFolderItems, Target, Unsubscribe, UpdateItem, When,
};
use futures_util::StreamExt as _;
use tenant_sim::state::{Attachment, Folder, FolderGrantee, FolderPermission, OutOfOffice, Timed};

use crate::help::*;

fn calendar() -> FolderRef {
    DistinguishedFolder::Calendar.into()
}

fn review() -> NewCalendarItem {
    let zone = ZoneRef::iana_zone("Europe/Copenhagen").unwrap();
    let time = |text: &str| EventTime { instant: at(text), zone: Some(zone.clone()) };
    let when = When::Timed { start: time("2027-01-12T09:00:00Z"), end: time("2027-01-12T09:30:00Z") };
    NewCalendarItem::new("Design review", &when, &zone).unwrap()
}

/// Reading and writing of one's calendar and mail, with whatever credential.
async fn through_a_mailbox(client: &EwsClient, me: &Target, other: &str) {
    let folder = one(client, me, &GetFolder::new([calendar()])).await;
    assert_eq!(folder.class, FolderClass::Calendar);
    let below = one(
        client,
        me,
        &FindFolder::deep(DistinguishedFolder::MsgFolderRoot.into()).with_class("IPF.Appointment"),
    )
    .await;
    assert!(below.folders.iter().any(|found| found.id == folder.id));
    let hierarchy =
        one(client, me, &SyncFolderHierarchy::new(DistinguishedFolder::MsgFolderRoot.into())).await;
    assert!(hierarchy.includes_last && !hierarchy.changes.is_empty());

    let before = one(client, me, &SyncFolderItems::new(calendar())).await;
    let made = one(
        client,
        me,
        &CreateCalendarItem::new(
            SendMeetingInvitations::SendToNone,
            calendar(),
            [review().with_location("Room 1").with_body(ItemBody::text("a & b < c"))],
        ),
    )
    .await;
    let day = FindItem::calendar_view(calendar(), at("2027-01-12T00:00:00Z"), at("2027-01-13T00:00:00Z"));
    let seen = one(client, me, &day).await;
    assert_eq!(seen.items.len(), 1);
    assert_eq!(seen.items[0].id, made.id);
    let read = |item: Item| *item.into_calendar().unwrap();
    let item = read(one(client, me, &GetItem::calendar([made.clone().into()])).await);
    assert_eq!(item.subject.as_deref(), Some("Design review"));
    assert_eq!(item.more.as_ref().unwrap().body.as_ref().unwrap().text.trim(), "a & b < c");
    let moved =
        CalendarItemChange::new(made.id.clone(), made.change_key.clone().unwrap()).with_location("Room 2");
    one(
        client,
        me,
        &UpdateItem::new(
            SendMeetingInvitationsOrCancellations::SendToNone,
            ConflictResolution::AutoResolve,
            [moved],
        )
        .unwrap(),
    )
    .await;
    let item = read(one(client, me, &GetItem::calendar([made.clone().into()])).await);
    assert_eq!(item.location.as_deref(), Some("Room 2"));
    let state = before.state.clone().unwrap();
    let changed = one(client, me, &SyncFolderItems::new(calendar()).with_state(state.clone())).await;
    assert!(matches!(&changed.changes[..], [SyncChange::Created(new)] if new.head().id == made.id));
    done(
        client,
        me,
        &DeleteItem::calendar(
            SendMeetingCancellations::SendToNone,
            DeleteType::HardDelete,
            [made.clone().into()],
        ),
    )
    .await;
    let gone = client.call(&GetItem::calendar([made.into()]), me).await.unwrap();
    assert_eq!(gone.results[0].code.as_str(), "ErrorItemNotFound");
    assert!(one(client, me, &day).await.items.is_empty());

    let to = [EmailAddress::smtp(other)];
    let draft = NewMessage::new("Minutes", ItemBody::text("Attached.")).with_to(to);
    let drafts = one(client, me, &CreateMessage::new(MessageDisposition::SaveOnly, [draft])).await;
    let head = drafts[0].clone();
    done(client, me, &SendItem::new([(head.id, head.change_key.unwrap())])).await;
    let sent = one(client, me, &FindItemPaged::messages(DistinguishedFolder::SentItems.into())).await;
    let sent: Vec<_> = sent.items.into_iter().filter_map(Item::into_message).collect();
    assert!(sent.iter().any(|message| message.subject.as_deref() == Some("Minutes")));
    let mime = one(client, me, &GetItem::messages([sent[0].head.clone().into()]).with_mime()).await;
    let mime = mime.into_message().unwrap().mime.unwrap();
    assert!(mime.windows(9).any(|bytes| bytes == b"Attached."), "{}", String::from_utf8_lossy(&mime));
    done(client, me, &DeleteItem::messages(DeleteType::MoveToDeletedItems, [sent[0].head.clone().into()]))
        .await;
}

#[tokio::test]
async fn an_app_reads_and_writes_online_for_whom_it_impersonates() {
    let world = World::new().await;
    through_a_mailbox(&world.online(), &acting_as(ALICE), BOB).await;
    let bob = one(
        &world.online(),
        &acting_as(BOB),
        &FindItemPaged::messages(DistinguishedFolder::Inbox.into()).with_unread_only(),
    )
    .await;
    let bob: Vec<_> = bob.items.into_iter().filter_map(Item::into_message).collect();
    assert_eq!(bob[0].subject.as_deref(), Some("Minutes"));
}

#[tokio::test]
async fn a_service_reads_and_writes_on_premises_by_impersonation_with_basic() {
    let world = World::new().await;
    through_a_mailbox(&world.service(), &acting_as(OLGA), PETE).await;
}

#[tokio::test]
async fn an_owner_reads_and_writes_her_own_mailbox_on_premises() {
    let world = World::new().await;
    let olga = world.own(EwsCredential::basic(r"CONTOSO\olga", "Olga-Passw0rd".into()));
    through_a_mailbox(&olga, &Target::SelfMailbox, PETE).await;
}

#[cfg(feature = "ntlm")]
#[tokio::test]
async fn trap_20_an_owner_and_a_service_sign_in_by_ntlm_with_channel_binding() {
    let world = World::new().await;
    world.tenant.ews().set_extended_protection(tenant_sim::state::ExtendedProtection::Require);
    let olga = world.own(EwsCredential::ntlm(r"CONTOSO\olga", "Olga-Passw0rd".into()).unwrap());
    through_a_mailbox(&olga, &Target::SelfMailbox, PETE).await;
    let service = world.own(EwsCredential::ntlm(r"CONTOSO\svc-calendar", "Svc-Passw0rd".into()).unwrap());
    through_a_mailbox(&service, &acting_as(RITA), PETE).await;
    let wrong = world.own(EwsCredential::ntlm(r"CONTOSO\olga", "not-hers".into()).unwrap());
    let refused = wrong.call(&GetFolder::new([calendar()]), &Target::SelfMailbox).await.unwrap_err();
    assert_eq!(refused.kind(), ews_client::ErrorKind::Authentication);
}

#[tokio::test]
async fn a_delegate_reads_what_the_owner_opened_and_may_not_write() {
    let world = World::new().await;
    let client = world.own(EwsCredential::basic(r"CONTOSO\svc-ladder", "Ladder-Passw0rd".into()));
    let pete = Target::Delegate(address(PETE));
    let folder = one(&client, &pete, &GetFolder::new([calendar()]).with_sharing_rights()).await;
    let rights = folder.rights.unwrap();
    assert!(rights.read && !rights.create_contents, "{rights:?}");
    one(
        &client,
        &pete,
        &FindItem::calendar_view(calendar(), at("2026-11-21T00:00:00Z"), at("2026-11-22T00:00:00Z")),
    )
    .await;
    let create = CreateCalendarItem::new(SendMeetingInvitations::SendToNone, calendar(), [review()]);
    let refused = client.call(&create, &pete).await.unwrap();
    assert_eq!(refused.results[0].code.as_str(), "ErrorAccessDenied");
    let subscribe = Subscribe::streaming([calendar()], [EventType::Created]).unwrap();
    let refused = client.call(&subscribe, &pete).await.unwrap();
    assert_eq!(refused.results[0].code.as_str(), "ErrorSubscriptionDelegateAccessNotSupported");
}

#[tokio::test]
async fn people_rooms_groups_and_ids() {
    let world = World::new().await;
    let (client, me) = (world.online(), acting_as(ALICE));
    let found = client.call(&ResolveNames::new("Chris").unwrap(), &me).await.unwrap();
    let found = ews_client::Resolutions::of(found.results.into_iter().next().unwrap()).unwrap();
    assert!(found.found.len() == 2 && found.is_complete);
    let one_address = one(&client, &me, &ResolveNames::address(&address(BOB)).with_contact_data()).await;
    assert_eq!(one_address.found[0].mailbox.smtp_address(), Some(BOB));
    let nobody = client.call(&ResolveNames::new("Zebedee").unwrap(), &me).await.unwrap();
    let nobody = ews_client::Resolutions::of(nobody.results.into_iter().next().unwrap()).unwrap();
    assert!(nobody.found.is_empty());
    let staff = one(&client, &me, &ExpandDl::new(&address("all-staff@contoso.example"))).await;
    assert!(staff.is_complete && staff.members.iter().any(|member| member.smtp_address() == Some(BOB)));
    let lists = one(&client, &me, &GetRoomLists).await;
    assert_eq!(lists.len(), 1);
    let rooms = one(&client, &me, &GetRooms::new(address(lists[0].smtp_address().unwrap()))).await;
    assert_eq!(rooms.len(), 2);
    let day = FindItem::calendar_view(calendar(), at("2026-11-21T00:00:00Z"), at("2026-11-22T00:00:00Z"));
    let item = one(&client, &me, &day).await.items.remove(0);
    let id = AlternateId::new(IdFormat::EwsId, item.id.as_str(), ALICE);
    let hex = one(&client, &me, &ConvertId::new(IdFormat::HexEntryId, [id])).await;
    assert!(hex.id().bytes().all(|b| b.is_ascii_hexdigit()), "{}", hex.id());
    let back = one(&client, &me, &ConvertId::new(IdFormat::EwsId, [hex])).await;
    assert_eq!(back.id(), item.id.as_str());
}

#[tokio::test]
async fn absence_delegates_and_zones() {
    let world = World::new().await;
    let (client, me) = (world.online(), acting_as(ALICE));
    let (alice, bob) = (world.id(ALICE), world.id(BOB));
    world.tenant.with_state(|state| {
        let away = OutOfOffice {
            enabled: true,
            internal_reply: "Back on Monday".to_owned(),
            ..OutOfOffice::default()
        };
        state.exchange.out_of_office.insert(alice, away);
        state.exchange.folder_permissions.push(Timed::always(FolderPermission {
            mailbox: alice,
            folder: Folder::Calendar,
            grantee: FolderGrantee::Recipient(bob),
            rights: ["FolderVisible", "ReadItems", "CreateItems", "EditAllItems"].map(str::to_owned).into(),
            delegate: true,
            private_items: true,
        }));
    });
    let away = one(&client, &me, &GetUserOofSettings::new(address(ALICE))).await;
    assert_eq!((away.state, away.internal_reply.as_deref()), (OofState::Enabled, Some("Back on Monday")));
    let delegates = one(&client, &me, &GetDelegate::new(address(ALICE))).await;
    let delegate = delegates.users[0].value.as_ref().unwrap();
    assert_eq!((delegate.address.as_deref(), delegate.calendar()), (Some(BOB), Some("Editor")));
    assert_eq!(delegate.view_private_items, Some(true));
    let zones =
        one(&client, &me, &GetServerTimeZones::new().with_id("Romance Standard Time").with_rules()).await;
    assert_eq!(zones.len(), 1);
}

#[tokio::test]
async fn free_and_busy_times_of_three_of_whom_one_is_nobody() {
    let world = World::new().await;
    let ask = GetUserAvailability::new(
        [ALICE, BOB, "nobody@contoso.example"].map(address),
        at("2026-11-21T00:00:00Z"),
        at("2026-11-22T00:00:00Z"),
    )
    .unwrap();
    let answer = world.online().call(&ask, &acting_as(ALICE)).await.unwrap();
    let [alice, bob, nobody] = &answer.results[..] else { panic!("three answers") };
    assert_eq!(alice.value.as_ref().unwrap().granted, FreeBusyView::DetailedMerged);
    assert_eq!(bob.value.as_ref().unwrap().granted, FreeBusyView::FreeBusyMerged);
    assert!(bob.value.as_ref().unwrap().events.iter().all(|event| event.visible().is_none()));
    assert_eq!(nobody.code.as_str(), "ErrorMailRecipientNotFound");
}

#[tokio::test]
async fn attachments_are_fetched() {
    let world = World::new().await;
    let (alice, now) = (world.id(ALICE), world.tenant.now());
    let mut event =
        tenant_sim::state::Event::new("With a file", at("2027-01-12T09:00:00Z"), at("2027-01-12T10:00:00Z"));
    event.attachments.push(Attachment {
        id: String::new(),
        name: "plan.txt".to_owned(),
        content_type: "text/plain".to_owned(),
        content: b"step one".to_vec(),
    });
    world.tenant.with_state(|state| state.store.put_event(alice, event, now));
    let (client, me) = (world.online(), acting_as(ALICE));
    let day = FindItem::calendar_view(calendar(), at("2027-01-12T00:00:00Z"), at("2027-01-13T00:00:00Z"));
    let item = one(&client, &me, &day).await.items.remove(0);
    let item = one(&client, &me, &GetItem::calendar([item.id.into()])).await.into_calendar().unwrap();
    let id: AttachmentId = item.more.unwrap().attachments[0].id.clone().unwrap();
    let file = one(&client, &me, &GetAttachment::new([id])).await;
    assert_eq!(file.info.name.as_deref(), Some("plan.txt"));
    assert!(matches!(file.content, AttachmentContent::File(bytes) if bytes == "step one"));
}

#[tokio::test]
async fn a_meeting_is_made_answered_and_called_off() {
    let world = World::new().await;
    let (client, alice, bob) = (world.online(), acting_as(ALICE), acting_as(BOB));
    let meeting = review().with_required_attendees([EmailAddress::smtp(BOB)]);
    let create = CreateCalendarItem::new(SendMeetingInvitations::SendToAllAndSaveCopy, calendar(), [meeting]);
    let made = one(&client, &alice, &create).await;
    let day = FindItem::calendar_view(calendar(), at("2027-01-12T00:00:00Z"), at("2027-01-13T00:00:00Z"));
    let copy = one(&client, &bob, &day).await.items.remove(0);
    assert_eq!(copy.is_meeting, Some(true));
    let copy = ItemHead::new(copy.id).with_change_key(copy.change_key.unwrap());
    let answer = RespondToMeeting::new(MeetingResponse::Accept, MessageDisposition::SendAndSaveCopy, copy);
    one(&client, &bob, &answer).await;
    let item = one(&client, &alice, &GetItem::calendar([made.clone().into()])).await.into_calendar().unwrap();
    let attendee = &item.more.as_ref().unwrap().required_attendees[0];
    assert_eq!(attendee.response.as_ref().map(|r| r.as_str()), Some("Accept"));
    let head = ItemHead::new(item.id).with_change_key(item.change_key.unwrap());
    one(&client, &alice, &CancelMeeting::new(head).with_body(ItemBody::text("Not needed."))).await;
    let left = one(&client, &bob, &day).await.items;
    assert!(left.iter().all(|item| item.is_cancelled == Some(true)), "{left:?}");
}

#[tokio::test]
async fn changes_are_told_by_pull_and_by_stream() {
    let world = World::new().await;
    let (client, me) = (world.online(), acting_as(ALICE));
    let pull = one(&client, &me, &Subscribe::pull([calendar()], [EventType::Created], 10).unwrap()).await;
    let stream = one(&client, &me, &Subscribe::streaming([calendar()], [EventType::Created]).unwrap()).await;
    let create = CreateCalendarItem::new(SendMeetingInvitations::SendToNone, calendar(), [review()]);
    one(&client, &me, &create).await;
    let told = one(&client, &me, &GetEvents::new(pull.id.clone(), pull.watermark.unwrap())).await;
    assert!(told.events.iter().any(|event| event.kind == NotificationEventType::Created), "{told:?}");

    let get = GetStreamingEvents::new([stream.id.clone()], 1).unwrap();
    let mut body = client.open(&get, &me, &CallOptions::default()).await.unwrap().into_body();
    let mut framer = EnvelopeFramer::new();
    let mut seen = false;
    'reading: while let Some(chunk) = body.next().await {
        framer.push(&chunk.unwrap());
        while let Some(envelope) = framer.next_envelope().unwrap() {
            let message = StreamingMessage::read(&envelope).unwrap();
            seen |= message
                .notifications
                .iter()
                .any(|n| n.events.iter().any(|e| e.kind == NotificationEventType::Created));
            if seen {
                break 'reading;
            }
        }
    }
    assert!(seen, "the stream ended without the event");
    drop(body);
    done(&client, &me, &Unsubscribe::new(stream.id)).await;
    done(&client, &me, &Unsubscribe::new(pull.id)).await;
    assert_eq!(world.tenant.ews().subscriptions(), 0);
}
