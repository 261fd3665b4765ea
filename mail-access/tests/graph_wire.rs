//! Mail and calendars over Microsoft Graph, on the wire.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at its first surprise"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use m365_core::testing::ManualClock;
use m365_core::transport::ReqwestTransport;
use m365_core::{
    AccessToken, Acted, Cloud, Credential, Error, ErrorKind, Pipeline, Result, SharedClock, TokenCredential,
    TokenRequest, Transport,
};
use mail_access::calendar::{Details, EventTime, Sensitivity, ShowAs};
use mail_access::mail::MessageId;
use mail_access::{Calendar, Mailbox};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wiremock::matchers::{method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const MAILBOX: &str = "queue@contoso.example";
const INBOX: &str = "/v1.0/users/queue%40contoso.example/mailFolders/inbox/messages";
const VIEW: &str = "/v1.0/users/queue%40contoso.example/calendarView";
const SEND: &str = "/v1.0/users/queue%40contoso.example/sendMail";

#[derive(Debug)]
struct Fixed(AccessToken);

impl TokenCredential for Fixed {
    async fn get_token(&self, _request: &TokenRequest) -> Result<AccessToken> {
        Ok(self.0.clone())
    }
}

/// A pipeline whose waits cost no time.
fn pipeline(base: &str) -> (Pipeline, ManualClock) {
    let clock = ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap());
    (builder(base).clock(SharedClock::new(clock.clone())).build(), clock)
}

fn builder(base: &str) -> m365_core::PipelineBuilder {
    let base: url::Url = format!("{base}/").parse().unwrap();
    let cloud = Cloud::public().with_base_urls(base.clone(), base.clone(), base);
    let token = AccessToken::new("s3cr3t-token", Timestamp::MAX).unwrap();
    Pipeline::builder(cloud, Transport::new(ReqwestTransport::new().unwrap()), Credential::new(Fixed(token)))
}

fn mailbox(server: &MockServer) -> Mailbox {
    Mailbox::graph(pipeline(&server.uri()).0, MAILBOX.parse().unwrap())
}

fn calendar(server: &MockServer) -> Calendar {
    Calendar::graph(pipeline(&server.uri()).0, MAILBOX.parse().unwrap())
}

async fn today(server: &MockServer) -> Result<Vec<mail_access::CalendarEvent>> {
    let (from, to) = ("2026-11-21T00:00:00Z".parse().unwrap(), "2026-11-22T00:00:00Z".parse().unwrap());
    calendar(server).view(from, to).await
}

async fn always(server: &MockServer, status: u16, body: Value) {
    let answer = ResponseTemplate::new(status).set_body_json(body);
    Mock::given(wiremock::matchers::any()).respond_with(answer).mount(server).await;
}

fn message(number: u32) -> Value {
    json!({"@odata.etag": "W/\"x\"", "id": format!("AAk{number}="), "subject": format!("Number {number}"),
        "receivedDateTime": "2026-11-21T07:30:00Z", "isRead": false, "internetMessageId": format!("<{number}@x>"),
        "from": {"emailAddress": {"name": "Ann", "address": "ann@fabrikam.example"}}})
}

fn event(id: &str, start: &str, end: &str, more: &Value) -> Value {
    let mut event = json!({"id": id, "subject": format!("Subject of {id}"), "sensitivity": "normal", "showAs": "busy",
        "start": {"dateTime": start, "timeZone": "UTC"}, "end": {"dateTime": end, "timeZone": "UTC"}});
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

fn failure(code: &str, text: &str) -> Value {
    json!({"error": {"code": code, "message": text, "innerError":
        {"date": "2026-11-21T08:00:00", "request-id": "3d0c0f4e-2b1a-4f0e-8d53-7d6a5c1b9e42"}}})
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers.get(name).map_or("", |v| v.to_str().unwrap())
}

/// Two pages of two messages; the second's link has every oddity that a rebuilt link would lose.
const ODD_QUERY: &str =
    "%24top=2&%24skip=2&x=a%2Bb+c~%7e&%24SELECT=id%2csubject&empty=&%24skiptoken=R%2F0+%3D%3D";

async fn two_pages(server: &MockServer) {
    let link = format!("{}{INBOX}?{ODD_QUERY}", server.uri());
    let first = json!({"value": [message(1), message(2)], "@odata.nextLink": link});
    Mock::given(method("GET"))
        .and(path(INBOX))
        .and(query_param_is_missing("$skip"))
        .respond_with(ResponseTemplate::new(200).set_body_json(first))
        .mount(server)
        .await;
    Mock::given(method("GET"))
        .and(path(INBOX))
        .and(query_param("$skip", "2"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"value": [message(3), message(4)]})))
        .mount(server)
        .await;
}

#[tokio::test]
async fn a_list_follows_its_links_byte_for_byte_with_the_same_headers() {
    let server = MockServer::start().await;
    two_pages(&server).await;
    let list = mailbox(&server).newest(10).await.unwrap();
    let subjects: Vec<&str> = list.iter().map(|m| m.subject.as_str()).collect();
    assert_eq!(subjects, ["Number 1", "Number 2", "Number 3", "Number 4"]);
    assert_eq!(list[0].from.as_ref().unwrap().to_string(), "Ann <ann@fabrikam.example>");
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].url.query(), Some(ODD_QUERY));
    for request in &requests {
        assert_eq!(header(request, "prefer"), "IdType=\"ImmutableId\"");
        assert_eq!(header(request, "authorization"), "Bearer s3cr3t-token");
        assert!(!request.url.as_str().contains("s3cr3t"));
    }
    assert_ne!(header(&requests[0], "client-request-id"), header(&requests[1], "client-request-id"));
}

#[tokio::test]
async fn newest_stops_as_soon_as_it_has_enough() {
    let server = MockServer::start().await;
    two_pages(&server).await;
    assert_eq!(mailbox(&server).newest(2).await.unwrap().len(), 2);
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1, "the second page is not asked for");
    assert!(requests[0].url.query().unwrap().contains("$top=2"));
    assert!(mailbox(&server).newest(0).await.unwrap().is_empty());
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_empty_page_with_a_link_is_not_the_end() {
    let server = MockServer::start().await;
    let link = format!("{}{INBOX}?$skip=2", server.uri());
    let first = json!({"value": [], "@odata.nextLink": link});
    Mock::given(query_param_is_missing("$skip"))
        .respond_with(ResponseTemplate::new(200).set_body_json(first))
        .mount(&server)
        .await;
    always(&server, 200, json!({"value": [message(3)]})).await;
    assert_eq!(mailbox(&server).newest(5).await.unwrap().len(), 1);
}

#[tokio::test]
async fn trap_a_list_that_fails_on_its_second_page_is_no_short_list() {
    for (status, body) in [
        (404, failure("ErrorItemNotFound", "gone")),
        (410, failure("SyncStateNotFound", "gone")),
        (200, json!({"error": {"code": "x"}})),
        (200, Value::Null),
    ] {
        let server = MockServer::start().await;
        let link = format!("{}{INBOX}?$skip=2", server.uri());
        let first = json!({"value": [message(1)], "@odata.nextLink": link});
        Mock::given(query_param_is_missing("$skip"))
            .respond_with(ResponseTemplate::new(200).set_body_json(first))
            .mount(&server)
            .await;
        always(&server, status, body).await;
        mailbox(&server).newest(10).await.expect_err("half a list");
    }
}

#[tokio::test]
async fn trap_a_link_to_another_host_gets_no_token() {
    let (server, thief) = (MockServer::start().await, MockServer::start().await);
    let link = format!("{}{INBOX}?$skip=2", thief.uri());
    always(&server, 200, json!({"value": [message(1)], "@odata.nextLink": link})).await;
    mailbox(&server).newest(10).await.expect_err("a foreign link");
    assert!(thief.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn odd_messages_are_read() {
    let server = MockServer::start().await;
    let odd = json!({"value": [
        {"id": "A", "receivedDateTime": "0001-01-01T00:00:00Z", "from": {"emailAddress": {}}},
        {"id": "B", "receivedDateTime": "2026-11-21T07:30:00.1234567Z", "from": {}, "subject": null, "isRead": null},
        {"id": "a", "@odata.type": "#microsoft.graph.eventMessageRequest", "from": null},
    ]});
    always(&server, 200, odd).await;
    let list = mailbox(&server).newest(10).await.unwrap();
    assert_eq!(list.len(), 3);
    assert_eq!(list[1].received, "2026-11-21T07:30:00.1234567Z".parse().unwrap());
    assert_ne!(list[0].id, list[2].id, "ids differ by case");
}

#[tokio::test]
async fn a_message_larger_than_any_answer_is_streamed() {
    const SIZE: usize = 20 * 1024 * 1024;
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_raw(vec![b'm'; SIZE], "text/plain");
    Mock::given(path("/v1.0/users/queue%40contoso.example/messages/AAk%2B1%3D/$value"))
        .respond_with(answer)
        .mount(&server)
        .await;
    let mut body = mailbox(&server).mime(&MessageId::new("AAk+1=")).await.unwrap();
    let (mut chunks, mut size) = (0, 0);
    while let Some(chunk) = body.next().await {
        chunks += 1;
        size += chunk.unwrap().len();
    }
    assert_eq!(size, SIZE);
    assert!(chunks > 10, "{chunks} chunks");
}

#[tokio::test]
async fn trap_a_message_is_never_sent_twice_and_a_throttled_one_is_sent_once() {
    let mime = Bytes::from_static(b"To: bob@contoso.example\r\nSubject: once\r\n\r\nHi\r\n");
    for status in [500, 502, 503, 504] {
        let server = MockServer::start().await;
        always(&server, status, failure("ServiceUnavailable", "later")).await;
        let error = mailbox(&server).send_mime(mime.clone()).await.unwrap_err();
        assert_eq!(server.received_requests().await.unwrap().len(), 1, "{status}: {error}");
        assert_ne!(error.acted(), Acted::No, "{status}: nobody knows whether it went out");
    }

    let server = MockServer::start().await;
    Mock::given(path(SEND))
        .respond_with_err(|_: &Request| std::io::Error::other("the connection ends"))
        .mount(&server)
        .await;
    let error = mailbox(&server).send_mime(mime.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
    assert_eq!(error.acted(), Acted::Unknown);
    assert_eq!(server.received_requests().await.unwrap().len(), 1);

    let server = MockServer::start().await;
    let throttled = ResponseTemplate::new(429)
        .insert_header("Retry-After", "2.128")
        .set_body_json(failure("ApplicationThrottled", "Application is over its MailboxConcurrency limit."));
    Mock::given(path(SEND)).respond_with(throttled).up_to_n_times(2).mount(&server).await;
    Mock::given(path(SEND)).respond_with(ResponseTemplate::new(202)).mount(&server).await;
    let (pipeline, clock) = pipeline(&server.uri());
    Mailbox::graph(pipeline, MAILBOX.parse().unwrap()).send_mime(mime).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 3);
    assert!(clock.slept() >= Duration::from_millis(4_256), "{:?}", clock.slept());
    assert_eq!(header(&requests[2], "content-type"), "text/plain");
    assert_eq!(requests[0].body, requests[2].body);
}

#[tokio::test]
async fn refusals_are_diagnosed_by_who_refused() {
    let cases = [
        (
            403,
            failure(
                "ErrorAccessDenied",
                "Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings.",
            ),
            ErrorKind::PermissionDenied,
            "GRAPH-RAOP",
        ),
        (
            403,
            failure("ErrorAccessDenied", "Access is denied. Check credentials and try again."),
            ErrorKind::PermissionDenied,
            "GRAPH-ACCESS-DENIED",
        ),
        (
            404,
            failure(
                "MailboxNotEnabledForRESTAPI",
                "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
            ),
            ErrorKind::NotFound,
            "MBX-NOT-REST",
        ),
    ];
    for (status, body, kind, diagnosis) in cases {
        let server = MockServer::start().await;
        always(&server, status, body).await;
        let errors: [Error; 3] = [
            mailbox(&server).probe().await.unwrap_err(),
            mailbox(&server).newest(1).await.unwrap_err(),
            calendar(&server).probe().await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!((error.kind(), error.diagnosis().id()), (kind, diagnosis), "{error}");
            assert_eq!(error.status().map(|s| s.as_u16()), Some(status));
            assert_eq!(error.mailbox(), Some(MAILBOX));
            assert_eq!(error.request_id(), Some("3d0c0f4e-2b1a-4f0e-8d53-7d6a5c1b9e42"));
            assert!(!error.is_transient());
        }
        assert_eq!(server.received_requests().await.unwrap().len(), 3, "a refusal is not repeated");
    }
}

#[tokio::test]
async fn a_view_over_two_pages_comes_sorted_and_masked() {
    let server = MockServer::start().await;
    let link = format!("{}{VIEW}?startDateTime=2026-11-21T00%3a00%3a00Z&$skip=2", server.uri());
    let late = event("late", "2026-11-21T15:00:00.0000000", "2026-11-21T16:00:00.0000000", &json!({}));
    let private = event(
        "private",
        "2026-11-21T09:00:00.0000000",
        "2026-11-21T10:00:00.0000000",
        &json!({"sensitivity": "PRIVATE", "showAs": "Oof", "location": {"displayName": "Clinic"},
            "organizer": {"emailAddress": {"name": "Dr. Reed", "address": "reed@clinic.example"}},
            "attendees": [{"emailAddress": {"address": "queue@contoso.example"}}]}),
    );
    let early = event("early", "2026-11-21T08:00:00.5000000", "2026-11-21T08:30:00.0000000", &json!({}));
    let all_day = event(
        "all day",
        "2026-11-21T00:00:00.0000000",
        "2026-11-22T00:00:00.0000000",
        &json!({"isAllDay": true, "showAs": "free"}),
    );
    let first = json!({"value": [late, private], "@odata.nextLink": link});
    Mock::given(query_param_is_missing("$skip"))
        .respond_with(ResponseTemplate::new(200).set_body_json(first))
        .mount(&server)
        .await;
    always(&server, 200, json!({"value": [early, all_day]})).await;

    let events = today(&server).await.unwrap();
    let ids: Vec<&str> = events.iter().map(|e| e.id.as_str()).collect();
    assert_eq!(ids, ["all day", "early", "private", "late"]);
    assert_eq!((&events[2].details, &events[2].show_as), (&Details::Hidden, &ShowAs::OutOfOffice));
    let shown = format!("{events:?}");
    assert!(!shown.contains("Clinic") && !shown.contains("Reed") && !shown.contains("Subject of private"));
    let EventTime::Timed { start, .. } = events[1].time else { panic!("timed") };
    assert_eq!(start, "2026-11-21T08:00:00.5Z".parse().unwrap());
    for request in server.received_requests().await.unwrap() {
        assert_eq!(header(&request, "prefer"), "IdType=\"ImmutableId\"", "and no zone is preferred");
    }

    let (from, to) = ("2026-11-21T00:00:00Z".parse().unwrap(), "2026-11-22T00:00:00Z".parse().unwrap());
    let open = calendar(&server).view_with_private_details(from, to).await.unwrap();
    assert_eq!(open[2].title(), "Subject of private");
}

#[tokio::test]
async fn odd_events_are_read() {
    let server = MockServer::start().await;
    let time = |t: &str| json!({"dateTime": t, "timeZone": "UTC"});
    let odd = json!({"value": [
        {"id": "bare", "start": time("2026-11-21T08:00:00"), "end": time("2026-11-21T08:00:00.0000000")},
        {"id": "nulls", "subject": null, "location": null, "isAllDay": null, "isCancelled": null, "sensitivity": null,
            "showAs": null, "organizer": null, "attendees": null,
            "start": time("2026-11-21T08:00:00.1234567"), "end": time("2026-11-21T09:00:00.0000000")},
        {"id": "new", "sensitivity": "topSecret", "showAs": "unknownFutureValue", "attendees": [],
            "start": time("2026-11-21T08:00:00.0000000"), "end": time("2026-11-21T09:00:00.0000000")},
        {"id": "case", "sensitivity": "Normal", "showAs": "WORKINGELSEWHERE", "location": {}, "organizer": {},
            "attendees": [{"type": "required", "status": {"response": "none", "time": "0001-01-01T00:00:00Z"}},
                {"emailAddress": {"name": "Room 1"}}],
            "start": {"dateTime": "2026-11-21T08:00:00.0000000", "timeZone": "tzone://Microsoft/Utc"},
            "end": time("2026-11-21T09:00:00.0000000")},
        {"id": "zoned", "sensitivity": "normal",
            "start": {"dateTime": "2026-11-21T09:00:00.0000000", "timeZone": "Europe/Berlin"},
            "end": time("2026-11-21T09:00:00.0000000")},
        {"id": "never", "sensitivity": "normal", "start": time("0001-01-01T00:00:00.0000000"),
            "end": time("0001-01-01T00:00:00.0000000")},
    ]});
    always(&server, 200, odd).await;
    let events = today(&server).await.unwrap();
    assert_eq!(events.len(), 6);
    let named = |id: &str| events.iter().find(|e| e.id.as_str() == id).unwrap();
    for id in ["bare", "nulls", "new"] {
        assert_eq!(named(id).details, Details::Hidden, "{id}: nobody said that it is public");
    }
    assert_eq!(named("new").sensitivity, Sensitivity::Other("topSecret".to_owned()));
    assert_eq!(named("new").show_as, ShowAs::Other("unknownFutureValue".to_owned()));
    assert_eq!(named("case").show_as, ShowAs::WorkingElsewhere);
    let Details::Shown { attendees, organizer, .. } = &named("case").details else { panic!("public") };
    assert_eq!((attendees.len(), organizer), (1, &None));
    let eight: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
    let EventTime::Timed { start, .. } = named("zoned").time else { panic!("timed") };
    assert_eq!(start, eight);
    let EventTime::Timed { start, .. } = named("nulls").time else { panic!("timed") };
    assert_eq!(start, "2026-11-21T08:00:00.1234567Z".parse().unwrap());
    assert_eq!(named("bare").time, EventTime::Timed { start: eight, end: eight }, "zero length");
}

#[tokio::test]
async fn trap_a_zone_without_rules_is_an_error_that_names_it() {
    for zone in ["tzone://Microsoft/Custom", "Mars Standard Time"] {
        let server = MockServer::start().await;
        let odd = json!({"dateTime": "2026-11-21T08:00:00.0000000", "timeZone": zone});
        let event = event("x", "2026-11-21T08:00:00", "2026-11-21T09:00:00", &json!({"end": odd}));
        always(&server, 200, json!({"value": [event]})).await;
        let error = today(&server).await.unwrap_err();
        assert!(error.message().contains(zone), "{error}");
        assert_eq!(error.kind(), Error::unreadable("").kind());
    }
}

#[tokio::test]
async fn an_empty_or_reversed_window_is_refused_before_any_request() {
    let server = MockServer::start().await;
    let at: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
    assert_eq!(calendar(&server).view(at, at).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(server.received_requests().await.unwrap().is_empty());
}

/// An HTTP server that takes its time, and the most requests that it ever held at once.
async fn slow_server() -> (String, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (now, most, all) =
        (Arc::new(AtomicUsize::new(0)), Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let seen = (Arc::clone(&most), Arc::clone(&all));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (now, (most, all)) = (Arc::clone(&now), seen.clone());
            tokio::spawn(async move {
                let mut request = Vec::new();
                while stream.read_buf(&mut request).await.is_ok_and(|count| count > 0) {
                    if !request.ends_with(b"\r\n\r\n") {
                        continue;
                    }
                    request.clear();
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    all.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"value\":[]}";
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (base, most, all)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_never_more_than_four_requests_in_flight_for_one_mailbox() {
    let (base, most, all) = slow_server().await;
    let pipeline = builder(&base).build();
    // Mail and calendar of one mailbox, whatever the case of its address, share the four.
    let calls = (0..20).map(|n| {
        let pipeline = pipeline.clone();
        async move {
            let address = if n % 4 < 2 { MAILBOX.to_owned() } else { MAILBOX.to_uppercase() };
            let address = address.parse().unwrap();
            if n % 2 == 0 {
                Mailbox::graph(pipeline, address).newest(3).await.map(|_| ())
            } else {
                Calendar::graph(pipeline, address).probe().await
            }
        }
    });
    for result in futures_util::future::join_all(calls).await {
        result.unwrap();
    }
    assert_eq!(all.load(Ordering::SeqCst), 20);
    assert_eq!(most.load(Ordering::SeqCst), 4, "the four are used, and no more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_mailbox_has_its_own_four() {
    let (base, most, _) = slow_server().await;
    let pipeline = builder(&base).build();
    let calls = (0..16).map(|n| {
        let mailbox =
            Mailbox::graph(pipeline.clone(), format!("m{}@contoso.example", n % 2).parse().unwrap());
        async move { mailbox.newest(1).await }
    });
    for result in futures_util::future::join_all(calls).await {
        result.unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), 8);
}
