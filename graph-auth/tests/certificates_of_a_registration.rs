//! Certificates in a plan: added beside foreign ones, retired, interrupted, written by two at once; and the expiry report.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

#[allow(dead_code, reason = "each test program uses its part")]
mod rolling;

use graph_auth::directory::GetCredentials;
use graph_auth::{
    AppRegistration, ClientCertificateCredential, Convergence, ErrorKind, ExpiringKind, ExpiryStage,
    GeneratedCertificate, Ours, RegistrationState, RegistrationStep, Result, StepOutcome, apply_step, plan,
    prove_roles, sweep_expiring,
};
use m365_core::{
    Credential, Resource, Transport,
    testing::{Reply, ScriptedTransport},
};
use rolling::{DAY, Story, certificate, public};
use tenant_sim::Fault;

fn desired() -> AppRegistration {
    AppRegistration::new("acme", "Acme").unwrap()
}

async fn converge(story: &Story, desired: &AppRegistration) -> Result<Vec<StepOutcome>> {
    let pipeline = story.pipeline();
    let mut state = RegistrationState::read(&pipeline, desired).await?;
    let mut outcomes = Vec::new();
    for step in plan(desired, &state)? {
        outcomes.push(apply_step(&pipeline, &step, &mut state, &story.convergence()).await?);
    }
    Ok(outcomes)
}

async fn steps(story: &Story, desired: &AppRegistration) -> Vec<RegistrationStep> {
    plan(desired, &RegistrationState::read(&story.pipeline(), desired).await.unwrap()).unwrap()
}

/// Whether the app gets a token with this certificate, in a minute at the latest.
async fn is_trusted(story: &Story, n: usize) -> bool {
    let made = ClientCertificateCredential::new(story.cloud(), story.name(), story.client, certificate(n))
        .with_transport(story.transport.clone())
        .with_clock(story.clock.clone());
    prove_roles(&Credential::new(made), &Resource::Graph, &[], &[], &story.convergence()).await.is_ok()
}

#[tokio::test]
async fn trap_2_certificates_come_and_go_beside_foreign_ones() {
    let story = Story::begin(true).await;
    let before = story.pipeline().run(&GetCredentials { id: story.application }).await.unwrap();
    let both = desired()
        .with_certificate("acme", public(0))
        .unwrap()
        .with_certificate("acme next", public(1))
        .unwrap();
    assert!(matches!(&steps(&story, &both).await[..], [RegistrationStep::AddCertificate { .. }]));
    converge(&story, &both).await.unwrap();
    assert!(is_trusted(&story, 0).await && is_trusted(&story, 1).await && is_trusted(&story, 2).await);
    assert_eq!(steps(&story, &both).await, []);
    // What was there is there as it was, to the byte.
    let after = story.pipeline().run(&GetCredentials { id: story.application }).await.unwrap();
    for entry in &before.keys {
        assert!(after.keys.iter().any(|e| e.raw().get() == entry.raw().get()));
    }
    story.use_certificate(1);
    let next = desired()
        .with_certificate("acme next", public(1))
        .unwrap()
        .with_retired_certificate(public(0).thumbprint().to_lowercase());
    assert!(matches!(&steps(&story, &next).await[..], [RegistrationStep::RemoveCertificate { .. }]));
    converge(&story, &next).await.unwrap();
    assert_eq!(steps(&story, &next).await, []);
    assert_eq!(story.ours().len(), 1);
    assert!(is_trusted(&story, 1).await && is_trusted(&story, 2).await && !is_trusted(&story, 0).await);
}

#[tokio::test]
async fn a_certificate_wanted_and_retired_is_refused() {
    let both = desired()
        .with_certificate("acme", public(0))
        .unwrap()
        .with_retired_certificate(public(0).thumbprint());
    let story = Story::begin(true).await;
    let error = RegistrationState::read(&story.pipeline(), &both).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    for bad in ["", "AB", &"g".repeat(40)] {
        let retired = desired().with_retired_certificate(bad);
        assert!(RegistrationState::read(&story.pipeline(), &retired).await.is_err());
    }
    assert!(desired().with_certificate("x".repeat(91), public(0)).is_err());
}

#[tokio::test]
async fn every_fault_at_every_call_of_adding_and_of_retiring() {
    let missing =
        "Resource 'x' does not exist or one of its queried reference-property objects are not present.";
    let faults = [
        ("not found", Fault::error(404, "Request_ResourceNotFound", missing)),
        ("concurrency", Fault::concurrency_violation()),
        ("old list", Fault::stale_read().on_method("GET")),
        ("too many", Fault::status(429).with_retry_after("2")),
        ("busy", Fault::status(503)),
        ("dependency", Fault::error(424, "FailedDependency", "A call before this one failed.")),
        ("denied", Fault::by_id("PROV-NO-PRIVILEGE").unwrap()),
        ("never arrived", Fault::drop_before()),
        ("answer lost", Fault::drop_after()),
        ("gateway", Fault::html(502)),
    ];
    let add = desired().with_certificate("acme", public(1)).unwrap();
    let swap = add.clone().with_retired_certificate(public(0).thumbprint());
    for (wanted, is_left) in [(&add, true), (&swap, false)] {
        for (name, fault) in &faults {
            for (method, place) in [("PATCH", 0), ("GET", 0), ("GET", 4), ("GET", 8)] {
                let what = format!("{name} at {method} number {place}");
                let story = Story::begin(true).await;
                if !is_left {
                    story.use_nothing();
                }
                let fault = fault.clone().on_method(method).on_path("/v1.0/applications").skip(place);
                story.tenant.faults().inject(fault);
                let first = converge(&story, wanted).await;
                if let Err(error) = &first {
                    assert!(error.operation().is_some(), "{what}: {error:?}");
                    assert!((*name, method) != ("concurrency", "PATCH"), "{what}: {error:?}");
                }
                story.clock.sleep(DAY / 24).await;
                converge(&story, wanted).await.unwrap();
                assert_eq!(steps(&story, wanted).await, [], "{what}");
                assert_eq!(story.ours().len(), if is_left { 2 } else { 1 }, "{what}");
                assert_eq!(story.ours().contains(&story.old), is_left, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn two_processes_that_add_at_once_both_find_their_certificate_in_the_end() {
    let story = Story::begin(true).await;
    let wanted = [1, 3].map(|n| desired().with_certificate(format!("acme {n}"), public(n)).unwrap());
    let until_done = async |wanted: &AppRegistration| {
        for _ in 0..5 {
            converge(&story, wanted).await.unwrap();
            if steps(&story, wanted).await.is_empty() {
                return;
            }
        }
        panic!("never there");
    };
    tokio::join!(until_done(&wanted[0]), until_done(&wanted[1]));
    story.clock.sleep(DAY / 24).await;
    // Whose list was written over hears of it at the next plan.
    for wanted in &wanted {
        until_done(wanted).await;
    }
    assert_eq!(story.ours().len(), 3);
    assert!(is_trusted(&story, 1).await && is_trusted(&story, 3).await);
}

/// What Graph is known not to do, and what would be a disaster in silence.
#[tokio::test]
async fn an_entry_without_bytes_that_is_lost_by_the_write_is_told() {
    let story = Story::begin(true).await;
    let object = story.application;
    let path = format!("/v1.0/applications/{object}");
    let id = |n: u8| format!("d0000000-0000-4000-8000-0000000000{n:02}");
    let ours = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, public(1).der());
    let whole = |keys: &str| {
        format!(
            r#"{{"id":"{object}","appId":"{object}","uniqueName":"acme","displayName":"Acme","signInAudience":"AzureADMyOrg","passwordCredentials":[],"keyCredentials":[{keys}]}}"#
        )
    };
    let foreign = format!(r#"{{"keyId":"{}","key":null,"odd":1.0}}"#, id(1));
    let new = format!(r#"{{"keyId":"{}","key":"{ours}"}}"#, id(2));
    let mut script = ScriptedTransport::new();
    for _ in 0..3 {
        script = script.on("GET", &path, Reply::json(200, &whole(&foreign)));
    }
    let script =
        script.on("PATCH", &path, Reply::json(204, "")).on("GET", &path, Reply::json(200, &whole(&new)));
    let pipeline = m365_core::Pipeline::builder(
        story.cloud(),
        Transport::new(script.clone()),
        story.pipeline().credential().clone(),
    )
    .clock(story.clock.clone())
    .build();
    let wanted = desired().with_certificate("acme", public(1)).unwrap();
    let mut state = RegistrationState::read(&story.pipeline(), &wanted).await.unwrap();
    let step = RegistrationStep::AddCertificate { certificate: wanted.certificates[0].clone() };
    let convergence = Convergence::new(story.clock.clone()).with_confirmations(1);
    let error = apply_step(&pipeline, &step, &mut state, &convergence).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert!(error.message().contains(&id(1)), "{error}");
    let sent = script.requests();
    let patch = sent.iter().find(|r| r.method() == "PATCH").unwrap();
    assert!(String::from_utf8_lossy(patch.body()).contains(&foreign), "byte for byte");
}

#[tokio::test]
async fn a_certificate_made_here_is_registered_and_proven() {
    let story = Story::begin(true).await;
    let made = GeneratedCertificate::starting("Acme connector", story.clock.now(), DAY * 365).unwrap();
    let wanted = desired().with_certificate("acme", made.public().clone()).unwrap();
    converge(&story, &wanted).await.unwrap();
    let credential = ClientCertificateCredential::new(
        story.cloud(),
        story.name(),
        story.client,
        made.certificate().clone(),
    )
    .with_transport(story.transport.clone())
    .with_clock(story.clock.clone());
    prove_roles(&Credential::new(credential), &Resource::Graph, &[], &[], &story.convergence())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_sweep_reports_what_ends_in_the_whole_tenant() {
    let story = Story::begin(true).await;
    let ours = Ours::of(&desired()).with_thumbprint(public(0).thumbprint());
    assert_eq!(sweep_expiring(&story.pipeline(), &ours).await.unwrap(), []);
    story.clock.sleep(DAY * 360).await;
    let events = sweep_expiring(&story.pipeline(), &ours).await.unwrap();
    let mine: Vec<_> = events.iter().filter(|e| e.application == Some(story.application)).collect();
    assert_eq!(mine.len(), 2, "{mine:#?}");
    assert!(mine.iter().all(|e| e.kind == ExpiringKind::Certificate && e.stage == ExpiryStage::SevenDays));
    assert!(mine.iter().all(|e| e.days_left == 4 && e.application_name == "Acme"));
    let ours: Vec<_> = mine.iter().filter(|e| e.ours).map(|e| e.key_id.unwrap()).collect();
    assert_eq!(ours, [story.old]);
    assert!(serde_json::to_string(&mine).unwrap().contains("\"daysLeft\":4"));
}
