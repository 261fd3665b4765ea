//! Subscriptions: streams that go on, pull, and everything that goes wrong with them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;
mod ews;

use std::time::Duration;

use common::World;
use ews::{Raw, code, envelope, impersonating, text};
use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use tenant_sim::state::Event;
use tenant_sim::{EwsQuirk, EwsThrottle};

const OLGA: &str = "olga@contoso.example";

/// The on-premises door as the service account.
async fn call(world: &World, mailbox: &str, body: &str, headers: &[(&str, &str)]) -> Raw {
    Raw::of(request(world, mailbox, body, headers)).await
}

fn request(world: &World, mailbox: &str, body: &str, headers: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let url = format!("{}/EWS/Exchange.asmx", world.tenant.on_premises_url());
    let mut request = world
        .http
        .post(url)
        .basic_auth(r"CONTOSO\svc-calendar", Some("Svc-Passw0rd"))
        .body(envelope(&impersonating(mailbox), body));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
}

const TYPES: &str = "<t:EventTypes><t:EventType>CreatedEvent</t:EventType><t:EventType>ModifiedEvent</t:EventType><t:EventType>DeletedEvent</t:EventType><t:EventType>FreeBusyChangedEvent</t:EventType></t:EventTypes>";

fn streaming() -> String {
    format!(
        r#"<m:Subscribe><m:StreamingSubscriptionRequest><t:FolderIds><t:DistinguishedFolderId Id="calendar"/></t:FolderIds>{TYPES}</m:StreamingSubscriptionRequest></m:Subscribe>"#
    )
}

fn pull(minutes: u32) -> String {
    format!(
        r#"<m:Subscribe><m:PullSubscriptionRequest SubscribeToAllFolders="true">{TYPES}<t:Timeout>{minutes}</t:Timeout></m:PullSubscriptionRequest></m:Subscribe>"#
    )
}

async fn subscribe(world: &World) -> String {
    let made = call(world, OLGA, &streaming(), &[]).await;
    assert_eq!((made.status, code(&made.body).as_str()), (200, "NoError"), "{}", made.body);
    assert!(!made.body.contains("Watermark"));
    text(&made.body, "SubscriptionId").unwrap().to_owned()
}

fn events(ids: &[&str], minutes: u32) -> String {
    let ids: String = ids.iter().map(|id| format!("<t:SubscriptionId>{id}</t:SubscriptionId>")).collect();
    format!(
        "<m:GetStreamingEvents><m:SubscriptionIds>{ids}</m:SubscriptionIds><m:ConnectionTimeout>{minutes}</m:ConnectionTimeout></m:GetStreamingEvents>"
    )
}

/// An open stream, read envelope by envelope.
struct Stream {
    response: std::pin::Pin<Box<dyn futures_util::Stream<Item = reqwest::Result<bytes::Bytes>>>>,
    text: String,
}

impl Stream {
    async fn open(world: &World, ids: &[&str], minutes: u32) -> Self {
        let response = request(world, OLGA, &events(ids, minutes), &[]).send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self { response: Box::pin(response.bytes_stream()), text: String::new() }
    }

    /// The next envelope; `Ok(None)` at the good end, an error when the connection was cut.
    async fn next(&mut self) -> Result<Option<String>, String> {
        // A server with quirks writes SOAP's prefix.
        const ENDS: [&str; 2] = ["</Envelope>", "</s:Envelope>"];
        loop {
            let ends = ENDS.iter().filter_map(|end| self.text.find(end).map(|at| at + end.len()));
            if let Some(end) = ends.min() {
                let rest = self.text.split_off(end);
                return Ok(Some(std::mem::replace(&mut self.text, rest)));
            }
            let piece = tokio::time::timeout(Duration::from_secs(10), self.response.next());
            match piece.await.map_err(|_| "silence".to_owned())? {
                Some(Ok(bytes)) => self.text.push_str(std::str::from_utf8(&bytes).unwrap()),
                Some(Err(error)) => return Err(error.to_string()),
                None if self.text.is_empty() => return Ok(None),
                None => return Err(format!("cut in {}", self.text)),
            }
        }
    }

    async fn envelope(&mut self) -> String {
        self.next().await.unwrap().expect("an envelope")
    }
}

/// Until the server has seen that no stream is read any more.
async fn quiet(world: &World) {
    while world.tenant.ews().streams() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Olga's calendar gets an event; its id.
fn put(world: &World, subject: &str) -> String {
    let now = world.tenant.now();
    world.tenant.with_state(|state| {
        let olga = state.mailbox(OLGA, now).unwrap().object_id;
        state.store.put_event(olga, Event::new(subject, now, now), now)
    })
}

fn remove(world: &World, id: &str) {
    let now = world.tenant.now();
    world.tenant.with_state(|state| {
        let olga = state.mailbox(OLGA, now).unwrap().object_id;
        state.store.remove_event(olga, id, false, now).expect("an event");
    });
}

#[tokio::test]
async fn a_stream_tells_what_happens_as_it_happens_and_ends_well() {
    let world = World::instant().await;
    let id = subscribe(&world).await;
    put(&world, "Before the stream");
    let mut stream = Stream::open(&world, &[&id], 1).await;
    let first = stream.envelope().await;
    assert_eq!(text(&first, "ConnectionStatus"), Some("OK"), "{first}");
    assert!(first.starts_with("<?xml") && !first.contains("Notification"), "{first}");
    let backlog = stream.envelope().await;
    assert!(
        backlog.contains("<m:Notification><t:SubscriptionId>") && !backlog.contains("<?xml"),
        "{backlog}"
    );
    assert_eq!(backlog.matches("<t:FreeBusyChangedEvent>").count(), 1, "{backlog}");
    let item = put(&world, "During");
    let created = stream.envelope().await;
    assert!(created.contains("<t:CreatedEvent><t:TimeStamp>"), "{created}");
    remove(&world, &item);
    assert!(stream.envelope().await.contains("<t:DeletedEvent>"));
    assert_eq!((world.tenant.ews().subscriptions(), world.tenant.ews().streams()), (1, 1));

    world.tenant.clock().advance(SignedDuration::from_secs(45));
    assert_eq!(text(&stream.envelope().await, "ConnectionStatus"), Some("OK"), "a heartbeat");
    world.tenant.clock().advance(SignedDuration::from_secs(15));
    assert_eq!(text(&stream.envelope().await, "ConnectionStatus"), Some("Closed"));
    assert_eq!(stream.next().await, Ok(None));
    // The subscription lives on for half an hour.
    world.minutes(29);
    assert!(code(&Stream::open(&world, &[&id], 1).await.envelope().await) == "NoError");
    quiet(&world).await;
    world.minutes(31);
    let gone = Stream::open(&world, &[&id], 1).await.envelope().await;
    assert_eq!(code(&gone), "ErrorInvalidSubscription");
}

#[tokio::test]
async fn trap_08_one_bad_id_silences_the_good_ones() {
    let world = World::instant().await;
    let id = subscribe(&world).await;
    let mut stream = Stream::open(&world, &[&id, "bm9uc2Vuc2U="], 1).await;
    let only = stream.envelope().await;
    assert_eq!(code(&only), "ErrorInvalidSubscription");
    assert_eq!(only.matches("<t:SubscriptionId>").count(), 1);
    assert!(only.contains("bm9uc2Vuc2U=") && only.contains("Closed"), "{only}");
    assert_eq!(stream.next().await, Ok(None));

    // Somebody else's is not told of either.
    let url = format!("{}/EWS/Exchange.asmx", world.tenant.on_premises_url());
    let body = envelope("", &events(&[&id], 1));
    let foreign = world.http.post(url).basic_auth(OLGA, Some("Olga-Passw0rd")).body(body);
    assert_eq!(code(&Raw::of(foreign).await.body), "ErrorSubscriptionAccessDenied");

    world.tenant.ews().set_quirk(EwsQuirk::InvalidSubscriptionStaysOpen, true);
    let mut open = Stream::open(&world, &["bm9uc2Vuc2U="], 1).await;
    for _ in 0..2 {
        assert_eq!(text(&open.envelope().await, "ConnectionStatus"), Some("OK"));
        world.tenant.clock().advance(SignedDuration::from_secs(45));
    }
}

#[tokio::test]
async fn what_goes_wrong_with_a_stream() {
    let world = World::instant().await;
    let ews = || world.tenant.ews();
    let id = subscribe(&world).await;

    let mut stream = Stream::open(&world, &[&id], 30).await;
    stream.envelope().await;
    put(&world, "Lost");
    ews().miss_events(Some(OLGA));
    loop {
        let told = stream.envelope().await;
        if code(&told) == "ErrorMissedNotificationEvents" {
            assert_eq!(text(&told, "ConnectionStatus"), Some("OK"));
            break;
        }
    }
    put(&world, "It lives");
    assert!(stream.envelope().await.contains("CreatedEvent"));

    ews().drop_streams();
    assert!(stream.next().await.is_err(), "a cut is no end");
    put(&world, "Between");
    let mut stream = Stream::open(&world, &[&id], 30).await;
    stream.envelope().await;
    assert!(stream.envelope().await.contains("CreatedEvent"), "what happened between waits");
    ews().set_quirk(EwsQuirk::EventsLostBetweenConnections, true);
    ews().drop_streams();
    assert!(stream.next().await.is_err());
    quiet(&world).await;
    put(&world, "Lost between");
    let mut stream = Stream::open(&world, &[&id], 30).await;
    stream.envelope().await;
    put(&world, "Seen");
    let seen = stream.envelope().await;
    assert_eq!(seen.matches("CreatedEvent>").count(), 2, "one event alone: {seen}");

    assert_eq!(ews().forget_subscriptions(Some(OLGA)), 1);
    let gone = stream.envelope().await;
    assert_eq!(
        (code(&gone).as_str(), text(&gone, "ConnectionStatus")),
        ("ErrorSubscriptionNotFound", Some("Closed"))
    );

    let id = subscribe(&world).await;
    let mut stream = Stream::open(&world, &[&id], 30).await;
    stream.envelope().await;
    ews().restart();
    assert!(stream.next().await.is_err());
    let after = Stream::open(&world, &[&id], 30).await.envelope().await;
    assert_eq!(code(&after), "ErrorInvalidSubscription", "a restart forgets");
}

#[tokio::test]
async fn streams_and_subscriptions_have_limits() {
    let mut scenario = tenant_sim::Scenario::contoso();
    let olga = scenario.users.iter().find(|u| u.name == "olga").unwrap().clone();
    scenario.users.push(tenant_sim::ScenarioUser { name: "otto".to_owned(), ..olga });
    let world = World::of(scenario, tenant_sim::Propagation::instant()).await;
    world.tenant.ews().set_limits(|l| {
        l.hanging_connections = 2;
        l.subscriptions_on_premises = 3;
        l.ids_per_stream = 2;
    });
    let ids = [subscribe(&world).await, subscribe(&world).await, subscribe(&world).await];
    let fourth = call(&world, OLGA, &streaming(), &[]).await;
    assert_eq!(code(&fourth.body), "ErrorExceededSubscriptionCount");
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_eq!(call(&world, OLGA, &events(&ids, 1), &[]).await.status, 500, "too many ids");
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = Stream::open(&world, &ids[..1], 1).await;
        stream.envelope().await;
        open.push(stream);
    }
    let third = call(&world, OLGA, &events(&ids[..1], 1), &[]).await;
    assert_eq!((third.status, code(&third.body).as_str()), (500, "ErrorExceededConnectionCount"));
    assert!(third.body.contains("Suggested backoff time 0 ms."));
    let other = request(&world, "otto@contoso.example", &events(&ids[..1], 1), &[]).send().await.unwrap();
    assert_eq!(other.status(), 200, "another mailbox that is impersonated has another budget");
    drop(other);
    open.pop();
    while world.tenant.ews().streams() > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Stream::open(&world, &ids[..1], 1).await.envelope().await;
    for (body, status) in [(events(&[], 1), 500), (events(&ids[..1], 31), 500), (events(&ids[..1], 0), 500)] {
        assert_eq!(call(&world, OLGA, &body, &[]).await.status, status, "{body}");
    }
}

#[tokio::test]
async fn pull_goes_from_watermark_to_watermark() {
    let world = World::instant().await;
    world.tenant.ews().set_limits(|l| l.events_per_notification = 3);
    let made = call(&world, OLGA, &pull(10), &[]).await.body;
    let id = text(&made, "SubscriptionId").unwrap().to_owned();
    let mut mark = text(&made, "Watermark").unwrap().to_owned();
    let get = |mark: &str| {
        format!(
            "<m:GetEvents><m:SubscriptionId>{id}</m:SubscriptionId><m:Watermark>{mark}</m:Watermark></m:GetEvents>"
        )
    };
    for n in 0..4 {
        put(&world, &n.to_string());
    }
    let mut seen = 0;
    loop {
        let body = call(&world, OLGA, &get(&mark), &[]).await.body;
        let again = call(&world, OLGA, &get(&mark), &[]).await.body;
        assert_eq!(body, again, "an answer that was lost can be had again");
        seen += body.matches("<t:TimeStamp>").count();
        let last = body.rfind("<t:Watermark>").unwrap() + "<t:Watermark>".len();
        mark = body[last..last + body[last..].find('<').unwrap()].to_owned();
        if text(&body, "MoreEvents") == Some("false") {
            break;
        }
    }
    assert_eq!(seen, 8, "each is a new item, and changes free/busy");
    assert!(call(&world, OLGA, &get(&mark), &[]).await.body.contains("<t:StatusEvent><t:Watermark>"));
    assert_eq!(code(&call(&world, OLGA, &get("AAAA"), &[]).await.body), "ErrorInvalidWatermark");
    world.minutes(9);
    assert_eq!(code(&call(&world, OLGA, &get(&mark), &[]).await.body), "NoError");
    world.minutes(10);
    assert_eq!(code(&call(&world, OLGA, &get(&mark), &[]).await.body), "ErrorExpiredSubscription");
    let made = call(&world, OLGA, &pull(10), &[]).await.body;
    let id = text(&made, "SubscriptionId").unwrap();
    let end = format!("<m:Unsubscribe><m:SubscriptionId>{id}</m:SubscriptionId></m:Unsubscribe>");
    assert_eq!(code(&call(&world, OLGA, &end, &[]).await.body), "NoError");
    assert_eq!(code(&call(&world, OLGA, &end, &[]).await.body), "ErrorSubscriptionNotFound");
}

#[tokio::test]
async fn subscriptions_are_known_where_they_were_made() {
    let world = World::instant().await;
    world.tenant.ews().set_limits(|l| l.back_ends = 4);
    let prefer = [("x-preferserveraffinity", "true"), ("x-anchormailbox", OLGA)];
    let made = call(&world, OLGA, &streaming(), &prefer).await;
    let id = text(&made.body, "SubscriptionId").unwrap();
    let cookies = made.all("set-cookie");
    let cookie = cookies[0].split(';').next().unwrap();
    assert!(cookie.starts_with("X-BackEndOverrideCookie=mbx0"), "{cookie}");
    let with = [("cookie", cookie), ("x-anchormailbox", "elsewhere@contoso.example")];
    assert!(call(&world, OLGA, &streaming(), &with).await.all("set-cookie").is_empty());
    let end = format!("<m:Unsubscribe><m:SubscriptionId>{id}</m:SubscriptionId></m:Unsubscribe>");
    let mut found = 0;
    for anchor in ["a", "b", "c", "d"] {
        let lost = call(&world, OLGA, &end, &[("x-anchormailbox", anchor)]).await;
        found += u32::from(code(&lost.body) == "NoError");
    }
    assert!(found <= 1);
    if found == 0 {
        assert_eq!(code(&call(&world, OLGA, &end, &with).await.body), "NoError");
    }
}

#[tokio::test]
async fn trap_03_storms_strike_in_every_form() {
    let world = World::instant().await;
    let ews = || world.tenant.ews();
    let get = r#"<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds><t:DistinguishedFolderId Id="calendar"/><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>"#;
    let send = || call(&world, OLGA, get, &[]);
    ews().throttle(Some(OLGA), EwsThrottle::Busy(Some(297_749)), 2);
    for _ in 0..2 {
        let busy = send().await;
        assert_eq!((busy.status, code(&busy.body).as_str()), (500, "ErrorServerBusy"));
        assert!(busy.body.contains(r#"<t:Value Name="BackOffMilliseconds">297749</t:Value>"#));
    }
    assert_eq!(send().await.status, 200);
    ews().throttle(None, EwsThrottle::BusyMessage(Some(5000)), 1);
    let message = send().await;
    assert_eq!(
        (message.status, message.body.matches("ErrorServerBusy").count()),
        (200, 2),
        "{}",
        message.body
    );
    ews().throttle(None, EwsThrottle::Connections, 1);
    assert!(send().await.body.contains("<t:Value Name=\"MaxConcurrencyLimit\">27</t:Value>"));
    ews().throttle(None, EwsThrottle::InternalError(1000), 1);
    assert_eq!(code(&send().await.body), "ErrorInternalServerError");
    ews().throttle(None, EwsThrottle::Unavailable, 1);
    let page = send().await;
    assert!(page.status == 503 && page.body.starts_with("<!DOCTYPE html>"));
    ews().throttle(Some("nobody@contoso.example"), EwsThrottle::Busy(None), 1);
    assert_eq!(send().await.status, 200, "another mailbox's storm");
    ews().calm();
}

#[tokio::test]
async fn quirks_of_streams_show_on_the_wire() {
    let world = World::instant().await;
    let ews = || world.tenant.ews();
    let id = subscribe(&world).await;
    for quirk in [
        EwsQuirk::HeartbeatIsStatusEvent,
        EwsQuirk::EventsWithoutChangeKey,
        EwsQuirk::NotificationInTypes,
        EwsQuirk::StreamInSmallChunks,
        EwsQuirk::DeclarationMidStream,
    ] {
        ews().set_quirk(quirk, true);
    }
    let mut stream = Stream::open(&world, &[&id], 1).await;
    assert!(stream.envelope().await.contains("<t:StatusEvent/></t:Notification>"));
    put(&world, "One");
    let event = stream.envelope().await;
    assert!(
        event.starts_with("<?xml") && event.contains("CreatedEvent") && !event.contains("ChangeKey"),
        "{event}"
    );
    ews().set_quirk(EwsQuirk::StreamEndsLate, true);
    drop(stream);
    let mut late = Stream::open(&world, &[&id], 1).await;
    late.envelope().await;
    world.minutes(1);
    assert_eq!(text(&late.envelope().await, "ConnectionStatus"), Some("OK"), "after the time that was asked");
    world.tenant.clock().advance(SignedDuration::from_secs(33));
    assert_eq!(text(&late.envelope().await, "ConnectionStatus"), Some("Closed"));
}

#[tokio::test]
async fn ten_thousand_mailboxes_and_fifty_streams_are_cheap() {
    const MAILBOXES: usize = 10_000;
    let mut scenario = tenant_sim::Scenario::contoso();
    let olga = scenario.users.iter().find(|u| u.name == "olga").unwrap().clone();
    scenario
        .users
        .extend((0..MAILBOXES).map(|n| tenant_sim::ScenarioUser { name: format!("m{n}"), ..olga.clone() }));
    let world = World::of(scenario, tenant_sim::Propagation::instant()).await;
    world.tenant.ews().set_limits(|l| l.hanging_connections = 50);
    let started = std::time::Instant::now();
    let mut streams = Vec::new();
    for n in 0..50 {
        let mut ids = Vec::new();
        for k in 0..4 {
            let made = call(&world, &format!("m{}@contoso.example", n * 200 + k), &streaming(), &[]).await;
            ids.push(text(&made.body, "SubscriptionId").unwrap().to_owned());
        }
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut stream = Stream::open(&world, &ids, 30).await;
        stream.envelope().await;
        streams.push(stream);
    }
    let now: Timestamp = world.tenant.now();
    world.tenant.with_state(|state| {
        let ids: Vec<_> = state.exchange.mailboxes.iter().map(|m| m.value.object_id).collect();
        for id in ids {
            state.store.put_event(id, Event::new("All", now, now), now);
        }
    });
    for stream in &mut streams {
        let mut told = 0;
        while told < 4 {
            told += stream.envelope().await.matches("<t:CreatedEvent>").count();
        }
    }
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}
