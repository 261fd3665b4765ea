use ews_client::{CallOptions, EwsOperation as _, Target};
use futures_util::StreamExt as _;
use m365_core::testing::Reply;

use crate::help::*;

#[tokio::test]
async fn a_request_has_the_headers_that_exchange_wants() {
    let bench = Bench::new([ok()]);
    let answer =
        bench.ask_with(&CallOptions::default().with_time_zone("Romance Standard Time")).await.unwrap();
    assert_eq!(said(&answer), ["1"]);
    let requests = bench.script.requests();
    let request = &requests[0];
    assert_eq!(request.uri(), "https://mail.fabrikam.example/EWS/Exchange.asmx");
    let id = bench.header(0, "client-request-id").unwrap();
    assert_eq!(id.len(), 36);
    for (name, value) in [
        ("authorization", "Bearer token-1"),
        ("content-type", "text/xml; charset=utf-8"),
        ("accept", "text/xml"),
        ("user-agent", "acme-connector/2.4"),
        ("return-client-request-id", "true"),
        ("x-anchormailbox", "anna@fabrikam.example"),
    ] {
        assert_eq!(bench.header(0, name).as_deref(), Some(value));
    }
    assert!(request.headers()["authorization"].is_sensitive());
    assert!(bench.header(0, "cookie").is_none() && bench.header(0, "x-preferserveraffinity").is_none());
    insta::assert_snapshot!("GetItem_of_the_client", bench.body(0));
    // Hybrid modern authentication: the token is asked for the server itself.
    let wanted = bench.tokens.0.lock().unwrap()[0].resource.clone();
    assert_eq!(wanted, m365_core::Resource::Other("https://mail.fabrikam.example".into()));
}

#[tokio::test]
async fn each_request_has_an_id_of_its_own() {
    let bench = Bench::new([ok(), ok()]);
    bench.ask(&["1"]).await.unwrap();
    bench.ask(&["1"]).await.unwrap();
    assert_ne!(bench.header(0, "client-request-id"), bench.header(1, "client-request-id"));
}

#[tokio::test]
async fn the_mailbox_of_the_account_needs_no_anchor() {
    let bench = Bench::new([ok()]);
    bench.client.call(&Ask::of(&["1"]), &Target::SelfMailbox).await.unwrap();
    assert_eq!(bench.header(0, "x-anchormailbox"), None);
    assert!(!bench.body(0).contains("ExchangeImpersonation"));
}

#[tokio::test]
async fn a_stream_is_handed_out_while_it_flows() {
    let flowing = Reply::new(200, "<Envelope/>")
        .header("content-type", "text/xml; charset=utf-8")
        .header("request-id", "r-7")
        .header("set-cookie", "X-BackEndOverrideCookie=mbx-7; path=/; secure");
    let bench = Bench::new([fault_with(BUSY, "4000"), flowing]);
    let open = bench.client.open(&Ask::of(&["1"]), &anna(), &CallOptions::default()).await.unwrap();
    assert!(bench.slept().as_secs() >= 4, "refusals are repeated before the stream begins");
    assert_eq!(bench.header(1, "accept-encoding").as_deref(), Some("identity"));
    assert_eq!(open.request_id.as_deref(), Some("r-7"));
    assert!(open.back_end.is_some());
    let whole = open.into_body().collect(100).await.unwrap();
    assert_eq!(whole, "<Envelope/>");
}

#[tokio::test]
async fn trap_03_too_many_streams_stop_no_calls() {
    let bench = Bench::with([fault_with("ErrorExceededConnectionCount", "297749"), ok()], |b| b);
    let error = bench.client.open(&Ask::of(&["1"]), &anna(), &CallOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ews_client::ErrorKind::Throttled);
    assert!(error.retry_after().unwrap().as_secs() > 290);
    bench.ask(&["1"]).await.unwrap();
    assert!(bench.slept().is_zero());
}

#[tokio::test]
async fn a_login_page_is_no_stream() {
    let page = Reply::new(200, "<html><body>Sign in</body></html>").header("content-type", "text/html");
    let bench = Bench::new([page]);
    let error = bench.client.open(&Ask::of(&["1"]), &anna(), &CallOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ews_client::ErrorKind::InvalidResponse);
    assert_eq!(error.operation(), Some(Ask::NAME));
}

#[tokio::test]
async fn xml_that_does_not_say_so_is_a_stream_still() {
    let bench = Bench::new([Reply::new(200, envelope("", "<m:GetItemResponse/>"))]);
    let open = bench.client.open(&Ask::of(&["1"]), &anna(), &CallOptions::default()).await.unwrap();
    assert!(open.into_body().next().await.unwrap().unwrap().starts_with(b"<s:Envelope"));
}
