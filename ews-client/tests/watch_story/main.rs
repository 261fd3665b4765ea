#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]
//! A watch over many mailboxes of a simulated Exchange server, through everything that goes wrong with it, while changes go
//! on. Ten thousand of them, with what it costs: the example `ews_watch_load`.
#![cfg(feature = "reqwest")]

mod server;
mod work;

use std::time::{Duration, Instant};

use server::{Kind, Server};
use tenant_sim::{EwsQuirk, EwsThrottle};
use tokio::time::sleep;
use work::Desk;

const MAILBOXES: usize = 1_000;
/// How long the changes of a mishap take, which comes in their midst.
const CHANGES: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_secs(180);

async fn until(what: &str, mut met: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !met() {
        assert!(begun.elapsed() < SOON, "{what}: not within {SOON:?}");
        sleep(Duration::from_millis(100)).await;
    }
    println!("{what}: after {:.1} s", begun.elapsed().as_secs_f64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_is_lost_through_restarts_drops_storms_and_expiry() {
    let server = Server::start(MAILBOXES).await;
    let ews = server.tenant.ews();
    // Between two connections nobody is told of anything, as in the field.
    ews.set_quirk(EwsQuirk::EventsLostBetweenConnections, true);
    let desk = Desk::open(&server);
    let watching = desk.work();
    let streams = MAILBOXES.div_ceil(200);
    let subscribed = || server.calls("Subscribe", |status| status == 200);
    let opened = || server.calls("GetStreamingEvents", |status| status == 200);
    let refused = || server.calls("", |status| status >= 500);
    until("everybody streams", || desk.status().streaming == MAILBOXES).await;
    assert_eq!((subscribed(), ews.streams()), (MAILBOXES, streams));

    // Dropped connections: the streams, then everything.
    let (changes, before) = (server.change_some(500, CHANGES), opened());
    sleep(CHANGES / 2).await;
    ews.drop_streams();
    until("the streams are open again", || opened() >= before + streams).await;
    ews.drop_connections();
    changes.await.unwrap();
    until("all connections are open again", || opened() >= before + 2 * streams).await;

    // A storm of throttling, of every kind.
    let (changes, before) = (server.change_some(500, CHANGES), refused());
    sleep(CHANGES / 2).await;
    ews.throttle(None, EwsThrottle::Busy(Some(400)), 20);
    ews.throttle(None, EwsThrottle::BusyMessage(Some(300)), 20);
    ews.throttle(None, EwsThrottle::Busy(None), 20);
    ews.throttle(None, EwsThrottle::InternalError(200), 20);
    ews.throttle(None, EwsThrottle::Connections, 5);
    ews.drop_streams();
    changes.await.unwrap();
    until("the storm has struck", || refused() >= before + 40).await;
    ews.calm();

    // A restart, and a while until the server is up; the watcher dies in the midst of its repairs.
    let (changes, before) = (server.change_some(500, CHANGES), subscribed());
    sleep(CHANGES / 2).await;
    ews.throttle(None, EwsThrottle::Unavailable, 20);
    ews.restart();
    assert!(ews.subscriptions() < MAILBOXES);
    until("half of them are subscribed anew", || subscribed() >= before + MAILBOXES / 2).await;
    watching.abort();
    changes.await.unwrap();
    let in_vain = desk.crash();

    // Another watcher begins where the notes of the first one end.
    server.change_some(500, CHANGES).await.unwrap();
    let before = subscribed();
    let watching = desk.work();
    until("everybody streams again", || desk.status().streaming == MAILBOXES).await;
    assert!(subscribed() >= before + MAILBOXES);

    // Nobody gets through for half an hour: what was subscribed has run out.
    let (changes, before) = (server.change_some(500, CHANGES), subscribed());
    sleep(CHANGES / 2).await;
    ews.throttle(None, EwsThrottle::Unavailable, u32::MAX);
    ews.drop_streams();
    until("no stream is left", || ews.streams() == 0).await;
    server.tenant.clock().advance(jiff::SignedDuration::from_mins(31));
    ews.calm();
    changes.await.unwrap();
    until("everybody is subscribed anew", || subscribed() >= before + MAILBOXES).await;

    // The server forgets one, and loses events of all.
    let changes = server.change_some(usize::MAX, CHANGES);
    sleep(CHANGES / 2).await;
    assert_eq!(ews.forget_subscriptions(Some(&server.address(7))), 1);
    ews.miss_events(None);
    changes.await.unwrap();

    until("everything is told", || desk.missing(&server.made()) == 0).await;
    until("everybody streams after all", || desk.status().streaming == MAILBOXES).await;
    let made = server.made();
    assert_eq!(made.len(), 3 * MAILBOXES);
    assert_eq!(desk.invented(&made), Vec::<String>::new(), "nothing is told that did not happen");
    assert_eq!(desk.gaps(), 0, "no mailbox had to be read anew");

    // Healed: a change is told at once.
    (0..20).for_each(|n| server.change(n * (MAILBOXES / 20), Kind::Created));
    until("new changes are told", || desk.missing(&server.made()) == 0).await;
    println!("{} changes, {} told twice, {in_vain} done in vain", made.len() + 20, desk.repeated());
    watching.abort();
}
