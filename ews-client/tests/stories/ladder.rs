//! Four mailboxes, four rungs: what a service account gets of each.

use ews_client::calendar::{AccessLevel, Content, Ladder, Rung};
use ews_client::{EwsCredential, Target};
use futures_util::StreamExt as _;
use tenant_sim::state::{Event, Sensitivity};

use crate::help::*;

#[tokio::test]
async fn each_rung_of_the_ladder_is_obtained_and_told() {
    let world = World::new().await;
    for owner in [OLGA, PETE, RITA, SVEN] {
        world.event(owner, Event::new("Visible", at("2026-11-23T09:00:00Z"), at("2026-11-23T10:00:00Z")));
        let private = Event {
            sensitivity: Sensitivity::Private,
            ..Event::new("Hidden", at("2026-11-23T11:00:00Z"), at("2026-11-23T12:00:00Z"))
        };
        world.event(owner, private);
    }
    let client = world.own(EwsCredential::basic(r"CONTOSO\svc-ladder", "Ladder-Passw0rd".into()));
    let ladder = Ladder::new(client, Target::SelfMailbox);
    let mailboxes = [OLGA, PETE, RITA, SVEN].map(address);
    let day = (at("2026-11-23T00:00:00Z"), at("2026-11-24T00:00:00Z"));
    let seen: Vec<_> = ladder.read_many(&mailboxes, day.0, day.1).collect().await;
    let all: Vec<_> = seen.into_iter().map(|(_, access)| access.unwrap()).collect();
    let rungs: Vec<_> =
        all.iter().map(|access| (access.rung(), access.level(), access.refusals.len())).collect();
    assert_eq!(
        rungs,
        [
            (Some(Rung::Impersonation), AccessLevel::Details, 0),
            (Some(Rung::Delegate), AccessLevel::Details, 1),
            (Some(Rung::FreeBusy), AccessLevel::FreeBusyOnly, 2),
            (None, AccessLevel::None, 3),
        ]
    );
    let busy: Vec<_> = all.iter().map(|access| access.presence().len()).collect();
    assert_eq!(busy, [2, 2, 2, 0]);
    for access in &all {
        if let Content::Items { events, .. } = &access.content {
            let subjects: Vec<_> = events.events.iter().map(|event| event.subject()).collect();
            assert_eq!(subjects.first(), Some(&Some("Visible")));
            assert!(!subjects.contains(&Some("Hidden")), "{subjects:?}");
        }
        assert!(!format!("{access:?}").contains("Hidden"));
    }
}
