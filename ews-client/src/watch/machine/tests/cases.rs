//! What the facts say goes wrong, one case each.

use super::*;

#[test]
fn trap_08_201_mailboxes_make_two_groups_each_with_an_anchor_of_its_own() {
    let mut shuffled = entries(201);
    fastrand::Rng::with_seed(1).shuffle(&mut shuffled);
    let groups = plan(shuffled.clone(), 200);
    assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [200, 1]);
    assert_eq!(groups[0][0].address, address(0));
    assert_eq!(groups[1][0].address, address(200));
    for (at, entry) in shuffled.iter_mut().enumerate() {
        entry.grouping = (at % 2 == 0).then(|| "site-2".into());
    }
    assert_eq!(plan(shuffled.clone(), 200).len(), 2, "by grouping information");
    shuffled.iter_mut().enumerate().for_each(|(at, entry)| entry.lane = (at % 3) as u32);
    assert_eq!(plan(shuffled, 200).len(), 6, "and by server");
}

#[test]
fn the_first_subscription_of_a_group_goes_alone() {
    let mut machine = Machine::new(small(), entries(3), &WatchToken::new(), FAR);
    let Some(Action::Subscribe { mailbox: 0, kind: SubKind::Streaming }) = machine.next_action(FAR) else {
        panic!("the anchor first");
    };
    assert!(machine.next_action(FAR).is_none(), "until it is answered");
    let made = Subscribed { id: "one".into(), watermark: None, cookie: None };
    machine.input(Input::Subscribed { mailbox: 0, kind: SubKind::Streaming, result: Ok(made) }, FAR);
    let mut others = Vec::new();
    while let Some(Action::Subscribe { mailbox, .. }) = machine.next_action(FAR) {
        others.push(mailbox);
    }
    assert_eq!(others, [1, 2]);
}

/// A world that has settled.
fn settled(count: usize, config: WatchConfig) -> World {
    let mut world = World::new(count, config, 3);
    world.run(120_000, true);
    assert!(world.levels.iter().all(|level| matches!(level, Some(Level::Streaming))), "{:?}", world.levels);
    world.machine.ack(world.last_seen);
    world
}

#[test]
fn trap_08_one_bad_id_among_200_is_dropped_and_the_rest_goes_on_at_once() {
    let mut world = settled(200, WatchConfig::default().with_seed(1));
    let bad = world.server.subs.iter().find(|(_, (of, _))| *of == 17).unwrap().0.clone();
    world.server.subs.remove(&bad);
    let failure = Some((ResponseCode::ERROR_INVALID_SUBSCRIPTION, None));
    // The status says that all is well.
    world.say(0, Said { named: vec![bad.as_str().into()], failure, ..Said::default() });
    world.run(1_000, true);
    assert_eq!(world.server.streams[&0].1.len(), 199);
    world.run(60_000, true);
    let ids = &world.server.streams[&0].1;
    assert_eq!(ids.len(), 200, "the one subscribed anew is carried again");
    assert!(!ids.contains(&bad.as_str().into()));
    assert!(world.levels.iter().all(|level| matches!(level, Some(Level::Streaming))));
}

#[test]
fn trap_08_what_happens_between_two_connections_is_found() {
    let mut world = settled(3, small());
    world.cut(0, None);
    // Nobody is told of this one.
    world.server.log[1] += 1;
    world.run(30_000, true);
    assert!(world.told[1].contains_key(&1));
    assert_eq!(world.server.streams.len(), 1);
}

#[test]
fn trap_08_missed_events_are_looked_for_on_the_same_connection() {
    let mut world = settled(3, small());
    let generation = world.server.streams[&0].0;
    world.server.log[2] += 1;
    let failure = Some((ResponseCode::ERROR_MISSED_NOTIFICATION_EVENTS, None));
    world.say(0, Said { failure, ..Said::default() });
    world.run(10_000, true);
    assert!(world.told[2].contains_key(&1));
    assert_eq!(world.server.streams[&0].0, generation);
}

#[test]
fn trap_07_two_heartbeats_of_silence_are_a_cut() {
    let mut world = settled(3, small());
    let generation = world.server.streams[&0].0;
    // The connection stands, and nothing comes over it any more.
    world.server.streams.clear();
    world.server.log[0] += 1;
    world.run(60_000, true);
    assert!(world.server.streams.is_empty(), "not yet");
    world.run(60_000, true);
    assert_ne!(world.server.streams[&0].0, generation);
    assert!(world.told[0].contains_key(&1));
}

#[test]
fn trap_07_a_stream_may_end_33_seconds_late_and_is_opened_again_at_once() {
    let mut world = settled(3, small().with_connection_minutes(30));
    let generation = world.server.streams[&0].0;
    world.run(28 * 60_000 + 33_000, true);
    assert_eq!(world.server.streams[&0].0, generation);
    world.say(0, Said { closed: true, ..Said::default() });
    world.run(500, true);
    assert_eq!(world.server.streams[&0].0, generation.wrapping_add(2));
}

#[test]
fn trap_14_a_lost_state_is_told_of_and_never_replaced_by_an_empty_one() {
    let mut world = settled(1, small());
    let before = world.machine.token();
    world.server.log[0] += 20;
    world.server.epoch[0] += 1;
    world.change(0);
    let mut resynced = None;
    for _ in 0..100 {
        // Nothing is taken meanwhile but here.
        world.run_until(100, |_| false);
        while let Some(event) = world.machine.next_event() {
            if let Change::Resynced(why) = event.change {
                resynced = Some((why, event.sequence()));
            }
        }
        if resynced.is_none() {
            assert_eq!(world.machine.token(), before, "until it is told, the old one stands");
        }
    }
    let (why, sequence) = resynced.unwrap();
    assert_eq!(why, Resync::StateLost);
    assert_eq!(world.machine.token(), before);
    world.machine.ack(sequence);
    assert_eq!(only_state(&world.machine).as_str(), "1:21");
}

#[test]
fn a_consumer_who_is_always_late_gets_on_in_bounded_memory() {
    let mut world = settled(1, small());
    for round in 0..50 {
        world.change(0);
        world.run(5_000, true);
        let (_, before) = parts(&only_state(&world.machine));
        world.machine.ack(world.last_seen - 1);
        let (_, after) = parts(&only_state(&world.machine));
        assert!(after >= before && after < world.server.log[0]);
        assert!(round < 2 || after > 0, "it gets on");
        assert!(world.machine.mailboxes[0].pending.len() <= 2);
    }
}

#[test]
fn a_proxy_that_holds_back_streams_leads_to_pulling_and_back_up_later() {
    let mut world = World::new(3, small(), 5);
    world.server.buffered = true;
    world.run(150_000, true);
    assert!(world.levels.iter().all(|level| matches!(level, Some(Level::Pull))), "{:?}", world.levels);
    world.change(1);
    world.run(70_000, true);
    assert!(world.told[1].contains_key(&1));
    world.server.buffered = false;
    world.run(3_600_000, true);
    assert!(world.levels.iter().all(|level| matches!(level, Some(Level::Streaming))));
}

#[test]
fn a_server_without_streaming_is_pulled_and_a_refused_mailbox_is_compared() {
    let mut world = World::new(3, small(), 5);
    world.server.no_streaming = true;
    world.server.denied.insert(1);
    world.run(30_000, true);
    assert!(matches!(world.levels[..], [Some(Level::Pull), Some(Level::Poll), Some(Level::Pull)]));
    world.change(1);
    world.run(400_000, true);
    assert!(world.told[1].contains_key(&1));
}

#[test]
fn groups_beyond_the_connections_allowed_are_pulled() {
    let mut world = World::new(9, small().with_hanging_connections(2), 5);
    world.run(60_000, true);
    assert_eq!(world.server.streams.len(), 2);
    let status = world.machine.status();
    assert_eq!((status.streaming, status.pull, status.connections), (6, 3, 2));
}

#[test]
fn after_a_restart_of_the_server_connections_do_not_come_back_in_one_instant() {
    let mut world = settled(60, small());
    world.restart_server();
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        world.run(100, true);
        seen.insert(world.server.streams.len());
    }
    assert!(seen.len() > 5, "{seen:?}");
    world.run(60_000, true);
    assert_eq!(world.server.streams.len(), 20);
}

#[test]
fn a_mailbox_is_small() {
    assert!(size_of::<Mailbox>() <= 512, "{}", size_of::<Mailbox>());
}
