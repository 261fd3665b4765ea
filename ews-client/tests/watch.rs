#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
//! The watch over the wire: a small server that keeps subscriptions and streams, and a clock that tokio moves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use ews_client::watch::{
    Change, Initial, Level, Resync, Watch, WatchConfig, WatchEvent, WatchToken, WatchedMailbox,
};
use ews_client::{DistinguishedFolder, ErrorKind, EwsClient, EwsCredential, EwsEndpoint};
use http::{Request, Response};
use m365_core::{
    Body, Clock, HttpTransport, MailboxAddress, SharedClock, Transport, TransportError, TransportErrorKind,
};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout};

/// Real time as tokio has it, which tests let run in no time.
#[derive(Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now(&self) -> jiff::Timestamp {
        let begin: jiff::Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        m365_core::later(begin, self.0.elapsed())
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

type Chunk = Result<Bytes, TransportError>;

#[derive(Default)]
struct State {
    /// Name, headers and body of each request.
    seen: Vec<(String, http::HeaderMap, String)>,
    /// Subscription → mailbox.
    subs: BTreeMap<String, String>,
    made: u32,
    log: BTreeMap<String, u64>,
    streams: Vec<UnboundedSender<Chunk>>,
    /// Nothing of a stream comes through.
    buffered: bool,
    refuse_states: bool,
    pulled: bool,
}

#[derive(Clone, Default)]
struct Server(Arc<Mutex<State>>);

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Server")
    }
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(open)?;
    Some(rest.split_once(close)?.0)
}

fn envelope(inside: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Header/><s:Body>{inside}</s:Body></s:Envelope>"#
    )
}

fn message(name: &str, class: &str, code: &str, inside: &str) -> String {
    envelope(&format!(
        r#"<m:{name}Response><m:ResponseMessages><m:{name}ResponseMessage ResponseClass="{class}"><m:ResponseCode>{code}</m:ResponseCode>{inside}</m:{name}ResponseMessage></m:ResponseMessages></m:{name}Response>"#
    ))
}

fn said(code: &str, inside: &str) -> String {
    message("GetStreamingEvents", if code == "NoError" { "Success" } else { "Error" }, code, inside)
}

fn modified(subscription: &str) -> String {
    said(
        "NoError",
        &format!(
            r#"<m:Notifications><m:Notification><t:SubscriptionId>{subscription}</t:SubscriptionId><t:ModifiedEvent><t:TimeStamp>2026-11-23T08:00:01Z</t:TimeStamp><t:ItemId Id="AAMkAD0=" ChangeKey="CQ=="/><t:ParentFolderId Id="AQMkAD0=" ChangeKey="AQ=="/></t:ModifiedEvent></m:Notification></m:Notifications>"#
        ),
    )
}

const ALIVE: &str = "<m:ConnectionStatus>OK</m:ConnectionStatus>";

impl Server {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn change(&self, mailbox: &str) {
        *self.state().log.entry(mailbox.to_owned()).or_default() += 1;
    }

    fn say(&self, text: &str) {
        let state = self.state();
        state.streams.last().unwrap().send(Ok(text.to_owned().into())).unwrap();
    }

    fn subscription_of(&self, mailbox: &str) -> String {
        self.state().subs.iter().rfind(|(_, of)| *of == mailbox).unwrap().0.clone()
    }

    fn seen(&self, name: &str) -> Vec<(http::HeaderMap, String)> {
        let state = self.state();
        state.seen.iter().filter(|(n, ..)| n == name).map(|(_, h, b)| (h.clone(), b.clone())).collect()
    }

    fn answer(&self, name: &str, mailbox: &str, body: &str) -> Response<Body> {
        let mut state = self.state();
        let text = match name {
            "Subscribe" => {
                state.made += 1;
                let id = format!("sub-{}", state.made);
                state.subs.insert(id.clone(), mailbox.to_owned());
                let watermark = if body.contains("Pull") { "<m:Watermark>w0</m:Watermark>" } else { "" };
                message(
                    name,
                    "Success",
                    "NoError",
                    &format!("<m:SubscriptionId>{id}</m:SubscriptionId>{watermark}"),
                )
            }
            "Unsubscribe" => {
                let id = between(body, "<m:SubscriptionId>", "<").unwrap();
                state.subs.remove(id).unwrap();
                message(name, "Success", "NoError", "")
            }
            "GetEvents" => {
                state.pulled = true;
                let id = between(body, "<m:SubscriptionId>", "<").unwrap();
                let event = "<t:ModifiedEvent><t:Watermark>w1</t:Watermark><t:TimeStamp>2026-11-23T08:00:01Z</t:TimeStamp><t:ItemId Id=\"A=\"/><t:ParentFolderId Id=\"B=\"/></t:ModifiedEvent>";
                message(
                    name,
                    "Success",
                    "NoError",
                    &format!(
                        "<m:Notification><t:SubscriptionId>{id}</t:SubscriptionId><t:MoreEvents>false</t:MoreEvents>{event}</m:Notification>"
                    ),
                )
            }
            "SyncFolderItems" => {
                let from = between(body, "<m:SyncState>", "<");
                if from.is_some() && std::mem::take(&mut state.refuse_states) {
                    message(name, "Error", "ErrorInvalidSyncStateData", "<m:SyncState/>")
                } else {
                    let from = from.map_or(0, |from| from.strip_prefix("state-").unwrap().parse().unwrap());
                    let to = state.log.get(mailbox).copied().unwrap_or_default();
                    let changes: String = (from + 1..=to)
                        .map(|n: u64| format!(r#"<t:Update><t:CalendarItem><t:ItemId Id="item-{n}" ChangeKey="C"/></t:CalendarItem></t:Update>"#))
                        .collect();
                    message(
                        name,
                        "Success",
                        "NoError",
                        &format!(
                            "<m:SyncState>state-{to}</m:SyncState><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange><m:Changes>{changes}</m:Changes>"
                        ),
                    )
                }
            }
            "GetStreamingEvents" => {
                let (sender, mut receiver) = unbounded_channel::<Chunk>();
                if !state.buffered {
                    let dead =
                        between(body, "<t:SubscriptionId>", "<").filter(|id| !state.subs.contains_key(*id));
                    let first = match dead {
                        None => said("NoError", ALIVE),
                        Some(id) => said(
                            "ErrorInvalidSubscription",
                            &format!(
                                "<m:ErrorSubscriptionIds><m:SubscriptionId>{id}</m:SubscriptionId></m:ErrorSubscriptionIds>{ALIVE}"
                            ),
                        ),
                    };
                    sender.send(Ok(first.into())).unwrap();
                }
                state.streams.push(sender);
                let body = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
                return Response::new(Body::from_stream(body));
            }
            other => panic!("{other}"),
        };
        let mut response = Response::new(Body::from_bytes(text));
        if name == "Subscribe" && state.made == 1 {
            response
                .headers_mut()
                .append("set-cookie", "X-BackEndOverrideCookie=mbx-7~42; path=/; secure".parse().unwrap());
        }
        response
    }
}

impl HttpTransport for Server {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let body = String::from_utf8(request.body().to_vec()).unwrap();
        let name = between(&body, "<s:Body><m:", ">").unwrap().split(['/', ' ']).next().unwrap().to_owned();
        let mailbox = between(&body, "<t:PrimarySmtpAddress>", "<").unwrap().to_owned();
        self.state().seen.push((name.clone(), request.headers().clone(), body.clone()));
        let mut response = self.answer(&name, &mailbox, &body);
        response.headers_mut().insert("content-type", "text/xml; charset=utf-8".parse().unwrap());
        Ok(response)
    }
}

const ANNA: &str = "anna@fabrikam.example";
const BERT: &str = "bert@fabrikam.example";

fn mailbox(address: &str) -> WatchedMailbox {
    WatchedMailbox::new(MailboxAddress::parse(address).unwrap()).with_grouping_information("site-1")
}

fn client(server: &Server) -> EwsClient {
    let endpoint = EwsEndpoint::on_premises("https://mail.fabrikam.example".parse().unwrap()).unwrap();
    EwsClient::builder(endpoint, EwsCredential::basic(r"FABRIKAM\svc", "invented".to_owned().into()))
        .transport(Transport::new(server.clone()))
        .clock(SharedClock::new(TokioClock(Instant::now())))
        .build()
        .unwrap()
}

fn watch(server: &Server, token: &str) -> Watch {
    Watch::builder(client(server), [mailbox(BERT), mailbox(ANNA)])
        .config(WatchConfig::default().with_seed(1))
        .resume(token.parse().unwrap())
        .build()
        .unwrap()
}

/// Events until it is quiet for this long.
async fn events(watch: &mut Watch, quiet: u64) -> Vec<WatchEvent> {
    let mut events = Vec::new();
    while let Ok(event) = timeout(Duration::from_secs(quiet), watch.next()).await {
        events.push(event);
    }
    events
}

fn told(events: &[WatchEvent], mailbox: &str) -> Vec<String> {
    let of = events.iter().filter(|event| event.mailbox.as_str() == mailbox);
    of.map(|event| match &event.change {
        Change::Updated(id) => id.to_string(),
        Change::Resynced(why) => format!("{why:?}"),
        Change::Level(Level::Lost { error }) => format!("{error}"),
        Change::Level(level) => format!("{level:?}"),
        other => format!("{other:?}"),
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn a_group_keeps_its_anchor_and_its_cookie_and_tells_what_changes() {
    let server = Server::default();
    let mut watch = watch(&server, "");
    let first = events(&mut watch, 20).await;
    assert_eq!(told(&first, ANNA), ["First", "Streaming"]);
    assert_eq!(told(&first, BERT), ["First", "Streaming"]);
    watch.ack(first.last().unwrap());

    for (name, cookies) in [
        ("Subscribe", [None, Some("X-BackEndOverrideCookie=mbx-7~42")].as_slice()),
        ("GetStreamingEvents", &[Some("X-BackEndOverrideCookie=mbx-7~42")]),
    ] {
        let seen = server.seen(name);
        assert_eq!(seen.len(), cookies.len(), "{name}");
        for ((headers, _), cookie) in seen.iter().zip(cookies) {
            assert_eq!(headers["x-anchormailbox"], ANNA);
            assert_eq!(headers["x-preferserveraffinity"], "true");
            assert_eq!(headers.get("cookie").map(|c| c.to_str().unwrap()), *cookie, "{name}");
        }
    }
    assert!(server.seen("Subscribe")[0].1.contains(ANNA), "the anchor first");
    assert!(server.seen("GetStreamingEvents")[0].1.contains(ANNA), "it impersonates the anchor");
    for (headers, body) in server.seen("SyncFolderItems") {
        assert_eq!(between(&body, "<t:PrimarySmtpAddress>", "<").unwrap(), headers["x-anchormailbox"]);
        assert!(!headers.contains_key("cookie"));
    }

    // Three events of one act, in one chunk, with a declaration amid the stream: one comparison.
    server.change(BERT);
    let (syncs, bert) = (server.seen("SyncFolderItems").len(), server.subscription_of(BERT));
    server.say(&modified(&bert).repeat(3));
    let next = events(&mut watch, 20).await;
    assert_eq!(told(&next, BERT), ["item-1"]);
    assert_eq!(server.seen("SyncFolderItems").len(), syncs + 1);
    let before = watch.token();
    watch.ack(&next[0]);
    assert_ne!(watch.token(), before);
    assert_eq!(next[0].token().unwrap().state().as_str(), "state-1");
    assert_eq!(watch.status().streaming, 2);

    let token = watch.close().await;
    assert_eq!(token.len(), 2);
    assert!(server.state().subs.is_empty(), "ended politely");
}

#[tokio::test(start_paused = true)]
async fn a_token_resumes_where_it_ended_and_one_of_another_folder_is_refused() {
    let server = Server::default();
    (0..3).for_each(|_| server.change(ANNA));
    let token = format!("ews-watch/1 {ANNA} d:calendar state-1\n");
    let mut watch = watch(&server, &token);
    let first = events(&mut watch, 20).await;
    assert_eq!(told(&first, ANNA), ["item-2", "item-3", "Streaming"]);
    assert!(first[0].token().is_none() && first.iter().any(|event| event.token().is_some()));

    let inbox = mailbox(ANNA).with_folder(DistinguishedFolder::Inbox);
    let token: WatchToken = token.parse().unwrap();
    let error = Watch::builder(client(&server), [inbox.clone()]).resume(token.clone()).build().unwrap_err();
    assert_eq!((error.kind(), error.mailbox()), (ErrorKind::InvalidInput, Some(ANNA)));
    assert!(Watch::builder(client(&server), [inbox, mailbox(ANNA)]).resume(token).build().is_ok());
    assert!(Watch::builder(client(&server), [mailbox(ANNA), mailbox(ANNA)]).build().is_err(), "twice");
}

#[tokio::test(start_paused = true)]
async fn trap_07_invalid_subscription_with_status_ok_heals() {
    let server = Server::default();
    let mut watch = watch(&server, "");
    events(&mut watch, 20).await;
    // The server forgot everything, says so for one at a time, and that the connection is well.
    server.state().subs.clear();
    server.change(ANNA);
    server.say(&said("ErrorInvalidSubscription", &format!("<m:ErrorSubscriptionIds><t:SubscriptionId>sub-1</t:SubscriptionId></m:ErrorSubscriptionIds>{ALIVE}")));
    let next = events(&mut watch, 60).await;
    assert_eq!(told(&next, ANNA), ["item-1"]);
    assert_eq!(server.state().subs.len(), 2);
    assert!(server.seen("Subscribe").iter().all(|(_, body)| !body.contains("Watermark")));
    let ids = server.seen("GetStreamingEvents").last().unwrap().1.matches("<t:SubscriptionId>").count();
    assert_eq!(ids, 2);
}

#[tokio::test(start_paused = true)]
async fn trap_07_a_stream_that_breaks_anywhere_is_opened_again_and_nothing_is_lost() {
    let server = Server::default();
    let mut watch = watch(&server, "");
    events(&mut watch, 20).await;
    let note = modified(&server.subscription_of(ANNA));
    let mut number = 0;
    for end in (0..note.len()).step_by(97) {
        server.change(ANNA);
        number += 1;
        server.say(&note[..end]);
        match end % 2 {
            // A bare end.
            0 => drop(server.state().streams.pop()),
            _ => {
                let error = TransportError::new(TransportErrorKind::Interrupted, "reset");
                server.state().streams.last().unwrap().send(Err(error)).unwrap();
            }
        }
        let next = events(&mut watch, 80).await;
        assert_eq!(told(&next, ANNA), [format!("item-{number}")], "cut at {end}");
    }
}

#[tokio::test(start_paused = true)]
async fn trap_07_a_proxy_that_holds_back_the_stream_leads_to_pulling() {
    let server = Server::default();
    server.state().buffered = true;
    let mut watch = watch(&server, "");
    let first = events(&mut watch, 120).await;
    assert_eq!(told(&first, ANNA), ["First", "Pull"]);
    assert_eq!(server.seen("Unsubscribe").len(), 2, "the streaming subscriptions are ended");
    server.change(ANNA);
    let next = events(&mut watch, 90).await;
    assert_eq!(told(&next, ANNA), ["item-1"]);
    assert!(server.state().pulled);
}

#[tokio::test(start_paused = true)]
async fn trap_14_a_refused_state_gives_a_resync_and_the_empty_one_is_never_kept() {
    let server = Server::default();
    (0..3).for_each(|_| server.change(ANNA));
    server.state().refuse_states = true;
    let token = format!("ews-watch/1 {ANNA} d:calendar state-1\n");
    let mut watch =
        Watch::builder(client(&server), [mailbox(ANNA)]).resume(token.parse().unwrap()).build().unwrap();
    let first = events(&mut watch, 20).await;
    assert_eq!(told(&first, ANNA), ["StateLost", "Streaming"]);
    assert!(matches!(first[0].change, Change::Resynced(Resync::StateLost)));
    assert_eq!(watch.token().to_string(), token, "not yet acknowledged");
    watch.ack(&first[0]);
    assert!(watch.token().to_string().ends_with(" state-3\n"));
}

#[tokio::test(start_paused = true)]
async fn a_first_watch_may_tell_of_everything() {
    let server = Server::default();
    (0..3).for_each(|_| server.change(ANNA));
    let config = WatchConfig::default().with_initial(Initial::Report);
    let mut watch = Watch::builder(client(&server), [mailbox(ANNA)]).config(config).build().unwrap();
    let first = events(&mut watch, 20).await;
    assert_eq!(told(&first, ANNA), ["item-1", "item-2", "item-3", "Streaming"]);
}

#[tokio::test(start_paused = true)]
async fn silence_is_found_out_after_two_heartbeats() {
    let server = Server::default();
    let mut watch = watch(&server, "");
    events(&mut watch, 20).await;
    server.change(ANNA);
    let begun = Instant::now();
    let event = watch.next().await;
    assert!(matches!(event.change, Change::Updated(_)));
    let took = begun.elapsed().as_secs();
    assert!((80..=110).contains(&took), "{took} s");
}
