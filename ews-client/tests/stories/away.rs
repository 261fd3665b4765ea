//! Servers that are busy, old, or closed by their admins.

use ews_client::{
    CallOptions, DistinguishedFolder, ErrorKind, FindItem, GetFolder, GetItem, Result, SchemaVersion,
};
use m365_core::RetryPolicy;
use tenant_sim::state::{AgentLists, ExchangeBuild, OrganizationSwitches, Timed};
use tenant_sim::{EwsQuirk, EwsThrottle};

use crate::help::*;

fn calendar() -> GetFolder {
    GetFolder::new([DistinguishedFolder::Calendar.into()])
}

#[tokio::test]
async fn trap_03_a_busy_server_is_left_alone_as_long_as_it_asked_and_then_answers() {
    for (answer, pause) in [
        (EwsThrottle::Busy(Some(30_000)), 30),
        (EwsThrottle::BusyMessage(Some(20_000)), 20),
        (EwsThrottle::InternalError(15_000), 15),
        (EwsThrottle::Busy(None), 0),
        (EwsThrottle::Connections, 0),
        (EwsThrottle::Unavailable, 0),
    ] {
        let world = World::new().await;
        let client = world.online();
        world.tenant.ews().throttle(Some(ALICE), answer, 2);
        let before = world.tenant.now();
        let read = client.call(&calendar(), &acting_as(ALICE)).await;
        assert!(read.is_ok_and(|answer| answer.results[0].is_done()), "{answer:?}");
        let waited = world.tenant.now().duration_since(before).as_secs();
        assert!(waited >= 2 * pause, "{answer:?}: {waited} s");
        let before = world.tenant.now();
        one(&client, &acting_as(BOB), &calendar()).await;
        assert_eq!(world.tenant.now(), before, "nobody else waits");
    }
}

#[tokio::test]
async fn trap_03_a_pause_longer_than_the_deadline_is_reported_and_not_waited_for() {
    let world = World::new().await;
    world.tenant.ews().throttle(Some(ALICE), EwsThrottle::Busy(Some(297_749)), 1);
    let options = CallOptions::default().with_deadline(std::time::Duration::from_secs(10));
    let client = world.online_with(|builder| builder.retry(RetryPolicy::default()));
    let error = client.call_with(&calendar(), &acting_as(ALICE), &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert!(error.retry_after().is_some_and(|wait| wait.as_secs() >= 297), "{error:?}");
}

#[tokio::test]
async fn trap_17_an_old_server_is_spoken_to_in_its_own_version_after_one_refusal() {
    for (build, version) in [
        (ExchangeBuild::Exchange2013, SchemaVersion::Exchange2013Sp1),
        (ExchangeBuild::Exchange2010, SchemaVersion::Exchange2010Sp2),
    ] {
        let world = World::new().await;
        world.tenant.with_state(|state| state.exchange.build = build);
        let client = world.service();
        let day = FindItem::calendar_view(
            DistinguishedFolder::Calendar.into(),
            at("2026-11-21T00:00:00Z"),
            at("2026-11-22T00:00:00Z"),
        );
        world.event(
            OLGA,
            tenant_sim::state::Event::new("Old", at("2026-11-21T09:00:00Z"), at("2026-11-21T10:00:00Z")),
        );
        let item = one(&client, &acting_as(OLGA), &day).await.items.remove(0);
        assert_eq!(client.capabilities().schema(), version);
        let whole = one(&client, &acting_as(OLGA), &GetItem::calendar([item.id.into()])).await;
        assert!(whole.into_calendar().is_some());
    }
}

async fn closed(switches: OrganizationSwitches) -> Result<()> {
    let world = World::new().await;
    world.tenant.with_state(|state| state.exchange.organization_switches.push(Timed::always(switches)));
    world.online().call(&calendar(), &acting_as(ALICE)).await.map(drop)
}

#[tokio::test]
async fn trap_02_an_organisation_that_closed_ews_says_so() {
    let disabled = OrganizationSwitches { ews_enabled: Some(false), ..OrganizationSwitches::default() };
    let error = closed(disabled).await.unwrap_err();
    assert_eq!((error.kind(), error.diagnosis().id()), (ErrorKind::PermissionDenied, "EWS-DISABLED"));
    let blocked = OrganizationSwitches {
        agents: AgentLists {
            allow_list_counts: Some(false),
            blocked: vec!["acme*".to_owned()],
            ..AgentLists::default()
        },
        ..OrganizationSwitches::default()
    };
    let error = closed(blocked).await.unwrap_err();
    assert_eq!((error.kind(), error.diagnosis().id()), (ErrorKind::PermissionDenied, "EWS-BLOCKED-POLICY"));
    let not_listed = OrganizationSwitches {
        ews_enabled: Some(true),
        ews_allowed_apps: [uuid::Uuid::from_u128(7)].into(),
        ..OrganizationSwitches::default()
    };
    let error = closed(not_listed).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
}

#[tokio::test]
async fn trap_18_nobody_behind_an_address_and_an_alias_are_told_apart() {
    let world = World::new().await;
    let client = world.online();
    let error = client.call(&calendar(), &acting_as("nobody@contoso.example")).await.unwrap_err();
    assert_eq!(error.service_code(), Some("ErrorNonExistentMailbox"));
    // The alias is followed once to the address that is the mailbox's own.
    one(&client, &acting_as("a.adams@contoso.example"), &calendar()).await;
    let plain = client.call(&calendar(), &ews_client::Target::SelfMailbox).await.unwrap_err();
    assert_eq!(plain.service_code(), Some("ErrorInvalidExchangeImpersonationHeaderData"));
    assert!(asked(&world).iter().all(|operation| &**operation == "GetFolder"));
}

#[tokio::test]
async fn trap_01_faults_of_every_make_are_errors_that_name_what_they_can() {
    let world = World::new().await;
    let client = world.online();
    for (quirk, code) in [
        (EwsQuirk::FaultWithHttp200, Some("ErrorNonExistentMailbox")),
        (EwsQuirk::FaultQualified, Some("ErrorNonExistentMailbox")),
        (EwsQuirk::FaultOf2007, Some("ErrorNonExistentMailbox")),
        (EwsQuirk::FaultEmpty, None),
        (EwsQuirk::FaultNumeric, None),
    ] {
        world.tenant.ews().set_quirk(quirk, true);
        let error = client.call(&calendar(), &acting_as("nobody@contoso.example")).await.unwrap_err();
        world.tenant.ews().set_quirk(quirk, false);
        if code.is_some() {
            assert_eq!(error.service_code(), code, "{quirk:?}: {error:?}");
        }
    }
}
