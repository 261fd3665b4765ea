//! Messages, sending and calendars over HTTP, and the faults.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at its first surprise"
)]

mod common;

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use common::{World, answer, code, text};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tenant_sim::{Fault, Propagation, Tenant};

async fn reader(roles: &[&str]) -> World {
    let world = World::instant().await;
    let (client, secret, _) = world.product_app("acme", roles).await;
    world.sign_in_as(&client, &secret).await
}

fn subjects(body: &Value) -> Vec<String> {
    body["value"].as_array().unwrap().iter().map(|m| text(&m["subject"])).collect()
}

#[tokio::test]
async fn newest_messages_come_first_and_pages_are_whole() {
    let world = reader(&["Mail.Read"]).await;
    let path = "/users/invoices@contoso.example/mailFolders/Inbox/messages?$select=subject&$top=5\
                &$orderby=receivedDateTime desc";
    let first = world.get(path).await.body;
    assert_eq!(subjects(&first)[0], "Invoice 4112");
    let mut all = subjects(&first);
    let mut link = first["@odata.nextLink"].as_str().map(str::to_owned);
    while let Some(url) = link {
        let page = answer(world.http.get(url).bearer_auth(&world.token)).await.body;
        all.extend(subjects(&page));
        link = page["@odata.nextLink"].as_str().map(str::to_owned);
    }
    assert_eq!(all.len(), 12);
    let recent = "/users/alice@contoso.example/messages?$filter=receivedDateTime ge 2026-11-21T07:00:00Z";
    assert_eq!(subjects(&world.get(recent).await.body), ["Müller – Angebot"]);
    let inefficient = format!("{path}&$filter=isRead eq false");
    assert_eq!(code(&world.get(&inefficient).await), "InefficientFilter");
}

#[tokio::test]
async fn immutable_ids_are_echoed_and_both_forms_open_the_message() {
    let world = reader(&["Mail.ReadWrite"]).await;
    let path = "/users/alice@contoso.example/messages?$top=1";
    let plain = text(&world.get(path).await.body["value"][0]["id"]);
    let immutable = answer(world.request(Method::GET, path).header("Prefer", "IdType=\"ImmutableId\"")).await;
    assert_eq!(immutable.headers["preference-applied"], "IdType=\"ImmutableId\"");
    let id = text(&immutable.body["value"][0]["id"]);
    assert_ne!(plain, id);
    for id in [&plain, &id] {
        let mime = world.get(&format!("/users/alice@contoso.example/messages/{id}/$value")).await;
        assert!(text(&mime.body).contains("Message-ID: <"), "{mime:?}");
    }
    let read =
        world.patch(&format!("/users/alice@contoso.example/messages/{id}"), json!({"isRead": true})).await;
    assert_eq!(read.body["isRead"], true);
    let malformed = world.get("/users/alice@contoso.example/messages/nonsense").await;
    assert_eq!(code(&malformed), "ErrorInvalidIdMalformed");
}

#[tokio::test]
async fn mail_is_delivered_inside_the_tenant_and_filed_under_sent_items() {
    let world = reader(&["Mail.Send", "Mail.Read"]).await;
    let message = json!({"Message": {"subject": "Hi", "body": {"contentType": "text", "content": "Hello"},
        "toRecipients": [{"emailAddress": {"address": "bob@contoso.example"}}]}, "SaveToSentItems": true});
    let sent = world.post("/users/alice@contoso.example/sendMail", message).await;
    assert_eq!((sent.status, sent.body), (StatusCode::ACCEPTED, Value::String(String::new())));
    let inbox = world.get("/users/bob@contoso.example/mailFolders/inbox/messages?$top=1").await.body;
    assert_eq!(subjects(&inbox), ["Hi"]);
    let filed = world.get("/users/alice@contoso.example/mailFolders/sentitems/messages").await.body;
    assert_eq!(subjects(&filed), ["Hi"]);

    let mime =
        "From: Somebody Else <else@fabrikam.example>\r\nTo: bob@contoso.example\r\nSubject: raw\r\n\r\nx\r\n";
    let url = "/users/alice@contoso.example/sendMail";
    let post =
        |body: String| world.request(Method::POST, url).header("Content-Type", "text/plain").body(body);
    assert_eq!(answer(post(BASE64_STANDARD.encode(mime))).await.status, StatusCode::ACCEPTED);
    let inbox = world.get("/users/bob@contoso.example/mailFolders/inbox/messages?$top=5").await.body;
    let raw = inbox["value"].as_array().unwrap().iter().find(|m| m["subject"] == "raw").unwrap();
    assert_eq!(
        raw["from"]["emailAddress"]["address"], "alice@contoso.example",
        "From of the MIME is ignored"
    );
    assert_eq!(answer(post(mime.to_owned())).await.status, StatusCode::BAD_REQUEST);

    let foreign = json!({"message": {"from": {"emailAddress": {"address": "ceo@contoso.example"}},
        "toRecipients": [{"emailAddress": {"address": "bob@contoso.example"}}]}});
    assert_eq!(code(&world.post(url, foreign.clone()).await), "ErrorSendAsDenied");
    world.tenant.with_state(|state| {
        let id = |name: &str| {
            let mut boxes = state.exchange.mailboxes.iter();
            boxes.find(|m| m.value.alias == name).unwrap().value.object_id
        };
        let entry = tenant_sim::state::SendAs { recipient: id("ceo"), trustee: id("alice") };
        state.exchange.send_as.push(tenant_sim::state::Timed::always(entry));
    });
    assert_eq!(world.post(url, foreign).await.status, StatusCode::ACCEPTED);
    let inbox = world.get("/users/bob@contoso.example/mailFolders/inbox/messages?$top=9").await.body;
    let mut senders =
        inbox["value"].as_array().unwrap().iter().map(|m| &m["from"]["emailAddress"]["address"]);
    assert!(senders.any(|from| from == "ceo@contoso.example"));
    assert_eq!(code(&world.post(url, json!({"message": {}})).await), "ErrorInvalidRecipients");
}

#[tokio::test]
async fn todays_events_come_in_utc_with_seven_digits_and_private_ones_in_full() {
    let world = reader(&["Calendars.Read"]).await;
    let path = "/users/alice@contoso.example/calendarView?startDateTime=2026-11-21T00:00:00Z\
                &endDateTime=2026-11-22T00:00:00";
    let view = world.get(path).await;
    assert_eq!(subjects(&view.body), ["Trade fair", "Stand-up", "Doctor", "Roadmap draft"]);
    let doctor = &view.body["value"][2];
    assert_eq!(doctor["start"], json!({"dateTime": "2026-11-21T10:00:00.0000000", "timeZone": "UTC"}));
    assert_eq!(
        (&doctor["sensitivity"], &doctor["location"]["displayName"]),
        (&json!("private"), &json!("Dr. Reed"))
    );
    assert_eq!(view.body["value"][0]["isAllDay"], true);
    assert_eq!(view.body["value"][0]["end"]["dateTime"], "2026-11-22T00:00:00.0000000");
    let id = text(&doctor["id"]);
    assert_eq!(
        world.get(&format!("/users/alice@contoso.example/events/{id}")).await.body["subject"],
        "Doctor"
    );
    let unknown_zone =
        answer(world.request(Method::GET, path).header("Prefer", "outlook.timezone=\"Middle-earth\"")).await;
    assert_eq!(code(&unknown_zone), "TimeZoneNotSupportedException");
    let open = world.get("/users/alice@contoso.example/calendarView").await;
    assert_eq!(code(&open), "ErrorInvalidParameter");
}

#[tokio::test]
async fn refusals_are_worded_as_exchange_words_them() {
    let world = reader(&["Calendars.Read"]).await;
    let denied = world.get("/users/alice@contoso.example/messages").await;
    assert_eq!((denied.status, code(&denied).as_str()), (StatusCode::FORBIDDEN, "ErrorAccessDenied"));
    let view = "calendarView?startDateTime=2026-11-21&endDateTime=2026-11-22";
    for (user, status, expected) in [
        ("nobody@contoso.example", 404, "ErrorInvalidUser"),
        ("a.adams@contoso.example", 404, "ErrorInvalidUser"),
        ("11111111-2222-3333-4444-555555555555", 404, "ResourceNotFound"),
        ("olga@contoso.example", 404, "MailboxNotEnabledForRESTAPI"),
        ("temp@contoso.example", 404, "MailboxNotEnabledForRESTAPI"),
    ] {
        let refused = world.get(&format!("/users/{user}/{view}")).await;
        assert_eq!((refused.status.as_u16(), code(&refused).as_str()), (status, expected), "{user}");
    }
}

#[tokio::test]
async fn the_fifth_request_in_flight_to_one_mailbox_is_throttled() {
    let mut world = reader(&["Mail.Read"]).await;
    // A tenant of the same state whose mailbox calls take time.
    let slow =
        Tenant::builder().propagation(Propagation::instant()).latency(Duration::from_millis(300)).start();
    let slow = slow.await.unwrap();
    slow.restore(&world.tenant.snapshot());
    world.tenant = slow;
    let calls = |user: &'static str, n: usize| (0..n).map(move |_| user).collect::<Vec<_>>();
    let mut all = calls("alice@contoso.example", 6);
    all.extend(calls("bob@contoso.example", 4));
    let calls = all.iter().map(async |user| world.get(&format!("/users/{user}/messages")).await);
    let answers = futures_util::future::join_all(calls).await;
    let refused: Vec<_> = answers.iter().filter(|a| a.status == StatusCode::TOO_MANY_REQUESTS).collect();
    assert_eq!(refused.len(), 2);
    assert_eq!(code(refused[0]), "ApplicationThrottled");
    assert!(refused[0].headers.contains_key("retry-after"));
    assert_eq!(world.get("/users/alice@contoso.example/messages").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_batch_runs_four_side_by_side_per_mailbox_and_fails_dependents_with_424() {
    let world = reader(&["Mail.Read"]).await;
    let url = |user: &str| format!("/users/{user}@contoso.example/messages?$top=1");
    let crowd: Vec<Value> =
        (0..6).map(|n| json!({"id": n.to_string(), "method": "GET", "url": url("alice")})).collect();
    let status = |body: &Value, id: &str| {
        let all = body["responses"].as_array().unwrap();
        all.iter().find(|r| r["id"] == id).unwrap()["status"].as_u64().unwrap()
    };
    let body = world.post("/$batch", json!({"requests": crowd})).await.body;
    assert_eq!((0..6).filter(|n| status(&body, &n.to_string()) == 429).count(), 2);
    let chain = json!({"requests": [
        {"id": "a", "method": "GET", "url": "/users/nobody@contoso.example/messages"},
        {"id": "b", "dependsOn": ["a"], "method": "GET", "url": url("alice")},
        {"id": "c", "method": "GET", "url": url("bob")},
    ]});
    let body = world.post("/$batch", chain).await.body;
    assert_eq!(["a", "b", "c"].map(|id| status(&body, id)), [404, 424, 200]);
    let too_many: Vec<Value> =
        (0..21).map(|n| json!({"id": n.to_string(), "method": "GET", "url": "/users"})).collect();
    assert_eq!(world.post("/$batch", json!({"requests": too_many})).await.status, StatusCode::BAD_REQUEST);
    let twins =
        json!([{"id": "A", "method": "GET", "url": "/users"}, {"id": "a", "method": "GET", "url": "/users"}]);
    assert_eq!(world.post("/$batch", json!({"requests": twins})).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_lost_answer_after_acting_leaves_the_deed_done() {
    let world = World::instant().await;
    let before = world.tenant.state_snapshot();
    world.tenant.faults().inject(Fault::drop_before().on_method("POST").on_path("/applications"));
    world.tenant.faults().inject(Fault::drop_after().on_method("POST").on_path("/applications"));
    let post = || world.request(Method::POST, "/applications").json(&json!({"displayName": "lost"})).send();
    assert!(post().await.is_err());
    assert_eq!(world.tenant.state_snapshot(), before, "dropped before acting");
    assert!(post().await.is_err());
    assert_ne!(world.tenant.state_snapshot(), before, "dropped after acting");
    assert_eq!(world.tenant.faults().waiting(), 0);
    let journal = world.tenant.journal();
    let last = journal.last().unwrap();
    assert_eq!((last.fault.as_deref(), last.status), (Some("drop after"), None));
}

#[tokio::test]
async fn faults_shape_the_answer_on_the_nth_match() {
    let world = reader(&["Mail.Read"]).await;
    let path = "/users/alice@contoso.example/messages";
    let faults = world.tenant.faults();
    for value in ["7", "2.128", "Sat, 21 Nov 2026 08:00:09 GMT"] {
        faults.inject(Fault::status(429).with_retry_after(value).on_path("/messages"));
        let refused = world.get(path).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.headers["retry-after"], value);
    }
    faults.inject(Fault::html(502).skip(1));
    assert_eq!(world.get(path).await.status, StatusCode::OK);
    let gateway = world.get(path).await;
    assert_eq!(gateway.status, StatusCode::BAD_GATEWAY);
    assert!(text(&gateway.body).starts_with("<!DOCTYPE html>"));
    for (id, status, expected) in [
        ("MBX-INFO-STALE", 503, "MailboxInfoStale"),
        ("THR-GRAPH-MBX", 429, "ApplicationThrottled"),
        ("THR-GRAPH-RATE", 429, "TooManyRequests"),
    ] {
        faults.inject(Fault::by_id(id).unwrap());
        let refused = world.get(path).await;
        assert_eq!((refused.status.as_u16(), code(&refused).as_str()), (status, expected));
    }
    faults.inject(Fault::by_id("AUTH-STS-TRANSIENT").unwrap());
    assert_eq!(world.sign_in("x", "y", common::GRAPH).await, Err(90_033));
}

#[tokio::test]
async fn a_stale_read_shows_what_was_before_the_write() {
    let world = World::instant().await;
    let app = world.upsert("acme", json!({"displayName": "old"})).await.body;
    let path = format!("/applications/{}", text(&app["id"]));
    world.tenant.faults().inject(Fault::stale_read().on_method("GET").on_path("/applications"));
    assert_eq!(world.patch(&path, json!({"displayName": "new"})).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.get(&path).await.body["displayName"], "old");
    assert_eq!(world.get(&path).await.body["displayName"], "new");
}

#[tokio::test]
async fn the_journal_holds_no_secret_token_or_query() {
    let world = reader(&["Mail.Read"]).await;
    world.get("/users/alice@contoso.example/messages?$filter=isRead eq false").await;
    let text = serde_json::to_string(&world.tenant.journal()).unwrap();
    let setup = world.tenant.setup_identity();
    assert!(!text.contains(&setup.secret) && !text.contains(&world.token) && !text.contains("isRead"));
    let last = world.tenant.journal().pop().unwrap();
    assert_eq!(last.mailbox.as_deref(), Some("alice@contoso.example"));
    assert!(last.app_id.is_some_and(|id| id != setup.client_id));
    assert!(!format!("{setup:?}").contains(&setup.secret));
    world.tenant.clear_journal();
    assert!(world.tenant.journal().is_empty());
}

#[tokio::test]
async fn https_is_trusted_by_the_tenants_own_authority_and_ends_with_it() {
    let world = World::instant().await;
    let ca = reqwest::Certificate::from_pem(world.tenant.ca_pem().as_bytes()).unwrap();
    let trusting = reqwest::Client::builder().no_proxy().tls_certs_only([ca]).build().unwrap();
    let url = format!("{}/v1.0/users?$top=1", world.tenant.https_url());
    let page = answer(trusting.get(&url).bearer_auth(&world.token)).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(text(&page.body["@odata.nextLink"]).starts_with(&world.tenant.https_url()));
    assert!(world.http.get(&url).send().await.is_err(), "a foreign authority is not trusted");
    drop(world);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(trusting.get(&url).send().await.is_err());
}
