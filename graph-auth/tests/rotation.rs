//! Rotation against a simulated tenant whose replicas lag: the whole way, interrupted everywhere, two at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

#[allow(dead_code, reason = "each test program uses its part")]
mod rolling;

use graph_auth::directory::{AddPassword, GetCredentials};
use graph_auth::{
    ClientSecretCredential, ErrorKind, RotatingCredential, Rotation, RotationPhase, RotationProgress, rotate,
    rotate_own, rotate_to_the_end,
};
use m365_core::{Resource, TokenCredential as _, TokenRequest};
use rolling::{DAY, Story, Way, certificate};
use secrecy::ExposeSecret as _;
use tenant_sim::Fault;

#[tokio::test]
async fn a_secret_follows_another_and_its_text_is_seen_once() {
    let story = Story::begin(false).await;
    let (host, mut rotation) = (story.host(), story.to_secret());
    let progress = rotate(&story.pipeline(), &mut rotation, &host, &story.convergence()).await.unwrap();
    let switched = rotation.switched_at().unwrap();
    assert_eq!(progress, RotationProgress::Draining { until: switched + DAY / 16 });
    assert_eq!(story.ours().len(), 2, "both work while the old one is drained");
    // Too early: nothing happens, and nothing is asked.
    let before = story.tenant.journal().len();
    assert_eq!(
        rotate(&story.pipeline(), &mut rotation, &host, &story.convergence()).await.unwrap(),
        progress
    );
    assert_eq!(story.tenant.journal().len(), before);
    let end = rotate_to_the_end(&story.pipeline(), &mut rotation, &host, &story.convergence()).await;
    assert_eq!((end.unwrap(), rotation.phase()), (RotationProgress::Done, RotationPhase::Done));
    assert!(story.clock.now() >= switched + DAY / 16);
    assert_eq!(story.ours(), [rotation.new_key().unwrap()]);
    let kept = host.kept.lock().unwrap().clone();
    assert_eq!(kept.len(), 1);
    let text = kept[0].1.expose_secret();
    let shown = format!("{rotation:?} {:?} {:?}", host.saved.lock().unwrap(), story.tenant.journal());
    assert!(!shown.contains(text));
    // Again: nothing.
    assert_eq!(
        rotate(&story.pipeline(), &mut rotation, &host, &story.convergence()).await.unwrap(),
        RotationProgress::Done
    );
}

#[tokio::test]
async fn certificates_and_secrets_follow_each_other() {
    for (by_certificate, to_certificate) in [(true, true), (false, true), (true, false)] {
        let story = Story::begin(by_certificate).await;
        let mut rotation = if to_certificate { story.to_certificate(1) } else { story.to_secret() };
        let host = story.host();
        let end = rotate_to_the_end(&story.pipeline(), &mut rotation, &host, &story.convergence()).await;
        assert_eq!(end.unwrap(), RotationProgress::Done);
        assert_eq!(story.ours(), [rotation.new_key().unwrap()]);
    }
}

#[tokio::test]
async fn an_app_without_rights_rolls_its_own_certificate() {
    let story = Story::begin(true).await;
    let begun = story.to_certificate(1);
    let host = story.host();
    let (end, rotation, errors) = Way::Own.to_the_end(&story, &begun, &host).await;
    assert_eq!((end, errors.len()), (RotationProgress::Done, 0));
    assert_eq!(story.ours(), [rotation.new_key().unwrap()]);
    let calls: Vec<_> = story.tenant.journal().iter().map(|line| line.path.clone()).collect();
    assert!(calls.iter().any(|path| path.ends_with("/addKey")));
    assert!(calls.iter().any(|path| path.ends_with("/removeKey")));
}

#[tokio::test]
async fn trap_12_an_ended_or_absent_certificate_names_the_way_that_is_left() {
    // Ended.
    let story = Story::begin(true).await;
    story.clock.sleep(DAY * 366).await;
    let story_ended = &story;
    let call = async |rotation: &mut Rotation, story: &Story| {
        let host = story.host();
        rotate_own(&story.own_pipeline(0), rotation, &story.own_certificates(), &host, &story.convergence())
            .await
    };
    let error = call(&mut story_ended.to_certificate(1), story_ended).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    let patch = format!("PATCH /applications/{} with keyCredentials", story_ended.application);
    assert!(error.message().contains("ended on") && error.message().contains(&patch), "{error}");
    // Never registered.
    let story = Story::begin(false).await;
    let error = call(&mut story.to_certificate(1), &story).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(error.message().contains("keyCredentials"), "{error}");
    assert_eq!(error.service_code(), Some("invalid_client"));
}

#[tokio::test]
async fn trap_a_refusal_after_an_unanswered_addition_does_not_make_it_undone() {
    let story = Story::begin(true).await;
    let (host, mut rotation) = (story.host(), story.to_certificate(1));
    story.tenant.faults().inject(Fault::drop_before().on_path("/addKey"));
    let denied = Fault::error(403, "Authorization_RequestDenied", "Insufficient privileges.");
    story.tenant.faults().inject(denied.on_path("/addKey").skip(1));
    let error = Way::Own.call(&story, &mut rotation, &host).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    assert_eq!(story.tenant.faults().waiting(), 0);
    let saved = host.saved.lock().unwrap().last().unwrap().clone();
    assert!(saved.contains("\"tried\":true"), "{saved}");
}

#[tokio::test]
async fn a_key_id_of_another_certificate_is_not_removed_where_the_list_can_be_read() {
    let story = Story::begin(true).await;
    let lists = story.pipeline().run(&GetCredentials { id: story.application }).await.unwrap();
    let mut keys = lists.keys.iter().map(|entry| entry.credential());
    let theirs = keys.find(|key| key.display_name.as_deref() == Some("theirs")).unwrap().key_id;
    let new = story.own_certificates();
    let public = certificate(1).public().unwrap();
    let mut rotation = Rotation::certificate(story.application, Some(theirs), "acme", public).unwrap();
    let (host, reader) = (story.host(), story.pipeline());
    let mut call = async || rotate_own(&reader, &mut rotation, &new, &host, &story.convergence()).await;
    let RotationProgress::Draining { until } = call().await.unwrap() else { panic!("not drained") };
    story.clock.sleep_until(until).await;
    let error = call().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    assert!(error.message().contains(&theirs.to_string()), "{error}");
    assert_eq!(story.ours().len(), 2, "theirs is looked for too");
}

#[tokio::test]
async fn trap_12_a_proof_of_the_wrong_id_or_key_is_refused() {
    let story = Story::begin(true).await;
    let pipeline = story.own_pipeline(0);
    let now = story.clock.now();
    // The client id in the place of the object id; a key that is not registered; a proof of yesterday.
    let wrong_id = story.client.to_string().parse().unwrap();
    for proof in [
        certificate(0).proof_of_possession(wrong_id, now).await.unwrap(),
        certificate(1).proof_of_possession(story.application, now).await.unwrap(),
        certificate(0).proof_of_possession(story.application, now - DAY).await.unwrap(),
    ] {
        let add =
            graph_auth::directory::AddKey { id: story.application, certificate: rolling::public(1), proof };
        let error = pipeline.run(&add).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    }
    assert_eq!(story.ours(), [story.old]);
}

#[tokio::test]
async fn interrupted_before_or_after_any_save_keep_or_switch_it_converges() {
    for way in Way::ALL {
        for stop in 0.. {
            let mut struck = false;
            for after in [false, true] {
                let (story, begun) = way.story().await;
                let host = story.host();
                *host.stops_in.lock().unwrap() = Some((stop, after));
                let (end, rotation, errors) = way.to_the_end(&story, &begun, &host).await;
                struck = host.stops_in.lock().unwrap().is_none();
                assert_eq!(end, RotationProgress::Done, "{way:?}, stop {stop}, {after}");
                assert_eq!(errors.len(), usize::from(struck), "{way:?}, stop {stop}, {after}: {errors:#?}");
                let ours = story.ours();
                assert_eq!(ours.len(), 1, "{way:?}, stop {stop}, {after}: {ours:?}");
                assert_ne!(ours[0], story.old);
                assert!(way == Way::Own || rotation.new_key() == Some(ours[0]));
            }
            if !struck {
                assert!(stop >= 5, "{way:?} has steps");
                break;
            }
        }
    }
}

#[tokio::test]
async fn two_rotations_at_once_leave_one_new_credential_and_no_orphan() {
    for way in [Way::Secret, Way::Certificate] {
        let story = Story::begin(way == Way::Certificate).await;
        let begin = |n| if way == Way::Secret { story.to_secret() } else { story.to_certificate(n) };
        // Two processes: nothing is shared between them but the tenant.
        let (one, other) = (begin(1), begin(3));
        let (first, second) = (story.host(), story.host());
        let ((a, one, _), (b, other, _)) =
            tokio::join!(way.to_the_end(&story, &one, &first), way.to_the_end(&story, &other, &second));
        let (winner, loser) = match (a, b) {
            (RotationProgress::Done, RotationProgress::Withdrawn) => (one, other),
            (RotationProgress::Withdrawn, RotationProgress::Done) => (other, one),
            both => panic!("{way:?}: {both:?}"),
        };
        assert_eq!(story.ours(), [winner.new_key().unwrap()], "{way:?}");
        assert_eq!(loser.new_key(), None);
        assert!(loser.rival().is_some());
    }
}

#[tokio::test]
async fn many_rotations_of_one_process_go_one_after_the_other() {
    let story = Story::begin(false).await;
    let (pipeline, convergence) = (story.pipeline(), story.convergence());
    let run = async || {
        let (host, mut rotation) = (story.host(), story.to_secret());
        (rotate(&pipeline, &mut rotation, &host, &convergence).await.unwrap(), rotation)
    };
    let all = futures_util::future::join_all((0..4).map(|_| run())).await;
    let drains = all.iter().filter(|(end, _)| matches!(end, RotationProgress::Draining { .. })).count();
    let withdrawn = all.iter().filter(|(end, _)| *end == RotationProgress::Withdrawn).count();
    assert_eq!((drains, withdrawn), (1, 3));
    assert_eq!(story.ours().len(), 2);
}

#[tokio::test]
async fn a_second_rotation_from_a_stale_record_changes_nothing() {
    let story = Story::begin(false).await;
    let (host, stale) = (story.host(), story.to_secret());
    Way::Secret.to_the_end(&story, &story.to_secret(), &host).await;
    let ours = story.ours();
    let mut stale = stale;
    let error = rotate(&story.pipeline(), &mut stale, &story.host(), &story.convergence()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().contains("nothing was changed"), "{error}");
    assert_eq!(story.ours(), ours);
}

#[tokio::test]
async fn the_next_rotation_begins_with_the_last_ones_credential() {
    let story = Story::begin(false).await;
    let (_, first, _) = Way::Secret.to_the_end(&story, &story.to_secret(), &story.host()).await;
    let next = Rotation::secret(story.application, first.new_key(), &story.policy()).unwrap();
    let (host, mut next) = (story.host(), next);
    let end = rotate_to_the_end(&story.pipeline(), &mut next, &host, &story.convergence()).await.unwrap();
    assert_eq!(end, RotationProgress::Done);
    assert_eq!(story.ours(), [next.new_key().unwrap()]);
}

#[tokio::test]
async fn the_new_one_taken_away_while_drained_keeps_the_old_one() {
    let story = Story::begin(false).await;
    let (host, mut rotation) = (story.host(), story.to_secret());
    rotate(&story.pipeline(), &mut rotation, &host, &story.convergence()).await.unwrap();
    // Somebody takes the new one away, and the product goes back to the old one.
    story.tenant.with_state(|state| {
        for app in &mut state.directory.applications {
            app.value
                .passwords
                .retain(|p| Some(p.value.key_id.to_string()) != rotation.new_key().map(|k| k.to_string()));
        }
    });
    story.use_old();
    story.clock.sleep(DAY).await;
    let error = rotate(&story.pipeline(), &mut rotation, &host, &story.convergence()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().contains("stays"), "{error}");
    assert_eq!(story.ours(), [story.old]);
}

#[tokio::test]
async fn trap_15_nodes_that_hold_both_work_all_along() {
    let story = Story::begin(false).await;
    let (host, mut rotation) = (story.host(), story.to_secret());
    let pipeline = story.pipeline();
    rotate(&pipeline, &mut rotation, &host, &story.convergence()).await.unwrap();
    let with = |text: secrecy::SecretString| {
        ClientSecretCredential::new(story.cloud(), story.name(), story.client, text)
            .unwrap()
            .with_transport(story.transport.clone())
            .with_clock(story.clock.clone())
    };
    let new = host.kept.lock().unwrap()[0].1.clone();
    let node = RotatingCredential::new(with(story.old_text()), with(new));
    let fresh = TokenRequest::new(Resource::Graph).with_fresh();
    node.get_token(&fresh).await.unwrap();
    assert_eq!(node.current(), 0, "the old one works while it is drained");
    rotate_to_the_end(&pipeline, &mut rotation, &host, &story.convergence()).await.unwrap();
    story.clock.sleep(DAY / 24).await;
    node.get_token(&fresh).await.unwrap();
    assert_eq!(node.current(), 1);
}

#[tokio::test]
async fn a_host_that_cannot_keep_the_secret_leaves_none_behind() {
    let story = Story::begin(false).await;
    let (host, begun) = (story.host(), story.to_secret());
    *host.stops_in.lock().unwrap() = Some((0, false));
    let mut rotation = begun.clone();
    rotate(&story.pipeline(), &mut rotation, &host, &story.convergence()).await.unwrap_err();
    assert_eq!(story.ours(), [story.old]);
    assert_eq!((rotation.phase(), rotation.new_key()), (RotationPhase::Begun, None));
}

#[tokio::test]
async fn somebody_elses_rotation_left_behind_blocks_for_a_day_and_is_named() {
    let story = Story::begin(false).await;
    let add = AddPassword {
        id: story.application,
        display_name: "acme #0123456789ab".to_owned(),
        end: Some(story.clock.now() + DAY * 30),
    };
    let left = story.pipeline().run(&add).await.unwrap().key_id;
    story.clock.sleep(DAY / 24).await;
    let mut rotation = story.to_secret();
    let host = story.host();
    let end = rotate(&story.pipeline(), &mut rotation, &host, &story.convergence()).await.unwrap();
    assert_eq!((end, rotation.rival()), (RotationProgress::Withdrawn, Some(left)));
    story.clock.sleep(DAY).await;
    let (end, rotation, _) = Way::Secret.to_the_end(&story, &story.to_secret(), &story.host()).await;
    assert_eq!(end, RotationProgress::Done);
    // What it did not make, it leaves.
    let mut ours = story.ours();
    ours.retain(|id| *id != left);
    assert_eq!(ours, [rotation.new_key().unwrap()]);
}

#[tokio::test]
async fn a_refusal_on_one_node_restarts_the_count_before_the_switch() {
    for way in Way::ALL {
        let (story, begun) = way.story().await;
        // The administrator has a token; the app asks for one of its own first.
        let before = if way == Way::Own { 3 } else { 2 };
        story.tenant.faults().inject(Fault::by_id("AUTH-SECRET-ID").unwrap().skip(before));
        story.tenant.clear_journal();
        let mut rotation = begun;
        way.call(&story, &mut rotation, &story.host()).await.unwrap();
        assert!(rotation.switched_at().is_some());
        assert_eq!(story.tenant.faults().waiting(), 0, "{way:?}");
        let tokens: Vec<_> =
            story.tenant.journal().iter().filter(|l| l.path.ends_with("/token")).map(|l| l.status).collect();
        // Two of three, one refusal, and then three in a row.
        let after = tokens.iter().rev().take_while(|status| **status == Some(200)).count();
        assert_eq!(after, 3, "{way:?}: {tokens:?}");
    }
}

#[tokio::test]
async fn of_two_that_added_without_seeing_each_other_the_same_one_goes_on_whoever_looks_first() {
    for reversed in [false, true] {
        let story = Story::begin(false).await;
        let mut added = Vec::new();
        for _ in 0..2 {
            let (begun, host) = (story.to_secret(), story.host());
            let add = AddPassword {
                id: story.application,
                display_name: begun.name(),
                end: Some(story.clock.now() + DAY * 180),
            };
            let made = story.pipeline().run(&add).await.unwrap();
            host.kept.lock().unwrap().push((made.key_id, made.secret));
            let mut record = serde_json::to_value(&begun).unwrap();
            record["phase"] = "added".into();
            record["newKey"] = made.key_id.to_string().into();
            added.push((made.key_id, serde_json::from_value::<Rotation>(record).unwrap(), host));
            story.clock.sleep(DAY / 288).await;
        }
        added.sort_by_key(|(id, ..)| *id);
        let smallest = added[0].0;
        if reversed {
            added.reverse();
        }
        for (id, begun, host) in &added {
            let (end, rotation, errors) = Way::Secret.to_the_end(&story, begun, host).await;
            assert_eq!(errors.len(), 0);
            let expected = if *id == smallest { RotationProgress::Done } else { RotationProgress::Withdrawn };
            assert_eq!(end, expected);
            assert_eq!(rotation.rival().is_some(), *id != smallest);
        }
        assert_eq!(story.ours(), [smallest]);
    }
}

#[tokio::test]
async fn an_interrupted_roll_adds_its_certificate_once() {
    let (story, begun) = Way::Own.story().await;
    let host = story.host();
    // The first save says that it is tried, the second one that it was added.
    *host.stops_in.lock().unwrap() = Some((1, false));
    let (end, _, errors) = Way::Own.to_the_end(&story, &begun, &host).await;
    assert_eq!((end, errors.len()), (RotationProgress::Done, 1));
    let adds = story.tenant.journal().iter().filter(|line| line.path.ends_with("/addKey")).count();
    assert_eq!(adds, 1);
}
