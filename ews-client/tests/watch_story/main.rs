#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
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
/// Between two mishaps, so that the watch is caught at work and not only at its beginning.
const PAUSE: Duration = Duration::from_millis(2_500);

async fn until(what: &str, within: Duration, mut met: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !met() {
        assert!(begun.elapsed() < within, "{what}: not within {within:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_is_lost_through_restarts_drops_storms_and_expiry() {
    let server = Server::start(MAILBOXES).await;
    let ews = server.tenant.ews();
    // Between two connections nobody is told of anything, as in the field.
    ews.set_quirk(EwsQuirk::EventsLostBetweenConnections, true);
    let desk = Desk::open(&server);
    let watching = desk.work();
    until("everybody streams", Duration::from_secs(40), || desk.status().streaming == MAILBOXES).await;
    assert_eq!(ews.streams(), MAILBOXES.div_ceil(200));
    let subscribes = server.calls("Subscribe", |status| status == 200);
    assert_eq!(subscribes, MAILBOXES, "each is subscribed once");

    let changes = server.change_all(Duration::from_secs(20));
    sleep(PAUSE).await;

    // Dropped connections: the streams first, then everything.
    let opened = server.calls("GetStreamingEvents", |_| true);
    ews.drop_streams();
    sleep(PAUSE).await;
    ews.drop_connections();
    sleep(PAUSE).await;
    assert!(server.calls("GetStreamingEvents", |_| true) >= opened + 2 * MAILBOXES.div_ceil(200));

    // A storm of throttling, of every kind.
    ews.throttle(None, EwsThrottle::Busy(Some(400)), 200);
    ews.throttle(None, EwsThrottle::BusyMessage(Some(300)), 100);
    ews.throttle(None, EwsThrottle::Busy(None), 100);
    ews.throttle(None, EwsThrottle::InternalError(200), 50);
    ews.throttle(None, EwsThrottle::Connections, 10);
    let refused = server.calls("", |status| status >= 500);
    ews.drop_streams();
    sleep(PAUSE).await;
    assert!(server.calls("", |status| status >= 500) >= refused + 100, "the storm struck");

    // A restart, and a while until the server is up.
    ews.throttle(None, EwsThrottle::Unavailable, 200);
    ews.restart();
    assert_eq!(ews.subscriptions(), 0);
    sleep(PAUSE).await;

    // The watcher dies in the middle of its work, and another one begins where the first one's notes end.
    watching.abort();
    sleep(PAUSE).await;
    let lost_work = desk.crash();
    let watching = desk.work();

    // Nobody gets through for half an hour: what was subscribed has run out.
    sleep(PAUSE).await;
    ews.throttle(None, EwsThrottle::Unavailable, u32::MAX);
    ews.drop_streams();
    until("no stream is left", Duration::from_secs(10), || ews.streams() == 0).await;
    server.tenant.clock().advance(jiff::SignedDuration::from_mins(31));
    ews.calm();
    sleep(PAUSE).await;

    // The server forgets some, and loses events of all.
    ews.forget_subscriptions(Some(&server.address(7)));
    ews.miss_events(None);

    changes.await.unwrap();
    until("everything is told", Duration::from_secs(40), || desk.missing(&server.made()) == 0).await;
    until("everybody streams again", Duration::from_secs(40), || desk.status().streaming == MAILBOXES).await;
    let made = server.made();
    assert_eq!(made.len(), 3 * MAILBOXES);
    assert_eq!(desk.invented(&made), Vec::<String>::new(), "nothing is told that did not happen");
    assert_eq!(desk.gaps(), 0, "no mailbox had to be read anew");
    let again = server.calls("Subscribe", |status| status == 200) - subscribes;
    assert!(again >= 3 * MAILBOXES, "{again}: after the restart, by the second watcher, and after expiry");

    // Healed: it streams, and a change is told within seconds.
    let begun = Instant::now();
    (0..20).for_each(|mailbox| server.change(mailbox * (MAILBOXES / 20), Kind::Created));
    until("it is told at once", Duration::from_secs(10), || desk.missing(&server.made()) == 0).await;
    println!(
        "{MAILBOXES} mailboxes, {} changes, {} told twice, {lost_work} done in vain before the crash, the last in {:?}",
        made.len(),
        desk.repeated(),
        begun.elapsed()
    );
    watching.abort();
}
