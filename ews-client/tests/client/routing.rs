use std::time::Duration;

use ews_client::{Affinity, CallOptions, ErrorKind, Target};
use m365_core::testing::Reply;

use crate::help::*;

#[tokio::test]
async fn a_group_keeps_its_anchor_and_its_cookie() {
    let first = ok()
        .header("set-cookie", "exchangecookie=1; path=/")
        .header("set-cookie", "X-BackEndOverrideCookie=mbx-7; path=/; secure");
    let bench = Bench::new([first, ok()]);
    let affinity = Affinity::new(address("lead@fabrikam.example"));
    let answer = bench.ask_with(&CallOptions::default().with_affinity(affinity.clone())).await.unwrap();
    assert_eq!(bench.header(0, "x-anchormailbox").as_deref(), Some("lead@fabrikam.example"));
    assert_eq!(bench.header(0, "x-preferserveraffinity").as_deref(), Some("true"));
    assert_eq!(bench.header(0, "cookie"), None);
    assert!(
        bench.body(0).contains("<t:PrimarySmtpAddress>anna@fabrikam.example<"),
        "the mailbox stays its own"
    );
    let affinity = affinity.with_cookie(answer.back_end);
    assert!(!format!("{affinity:?}").contains("mbx-7"));
    bench.ask_with(&CallOptions::default().with_affinity(affinity)).await.unwrap();
    assert_eq!(bench.header(1, "cookie").as_deref(), Some("X-BackEndOverrideCookie=mbx-7"));
    assert!(bench.script.requests()[1].headers()["cookie"].is_sensitive());
}

#[tokio::test]
async fn cookies_are_kept_by_nobody_who_did_not_ask() {
    let bench = Bench::new([ok().header("set-cookie", "X-BackEndOverrideCookie=mbx-7"), ok()]);
    bench.ask(&["1"]).await.unwrap();
    bench.ask(&["1"]).await.unwrap();
    assert_eq!(bench.header(1, "cookie"), None);
}

#[tokio::test]
async fn a_mailbox_that_moved_is_not_asked_for_at_its_old_server() {
    for code in
        ["ErrorMailboxMoveInProgress", "ErrorProxyRequestNotAllowed", "ErrorNoRespondingCASInDestinationSite"]
    {
        let cookie = ok().header("set-cookie", "X-BackEndOverrideCookie=mbx-7");
        let bench = Bench::new([cookie, fault(code), ok()]);
        let answer = bench.ask(&["1"]).await.unwrap();
        let affinity = Affinity::new(address("lead@fabrikam.example")).with_cookie(answer.back_end);
        bench.ask_with(&CallOptions::default().with_affinity(affinity)).await.unwrap();
        assert!(bench.header(1, "cookie").is_some());
        assert_eq!(bench.header(2, "cookie"), None, "{code}");
        assert_eq!(bench.header(2, "x-anchormailbox").as_deref(), Some("lead@fabrikam.example"));
    }
}

const ALIAS: &str = "ErrorNonPrimarySmtpAddress";

#[tokio::test]
async fn trap_18_an_alias_is_followed_once_and_remembered() {
    // The name of the value is not documented; only its form is relied upon.
    for refusal in [
        fault_with(ALIAS, "Primary:anna.smith@fabrikam.example"),
        answer(&["ErrorNonPrimarySmtpAddress=Anything:SMTP:anna.smith@fabrikam.example"]),
    ] {
        let bench = Bench::new([refusal, ok(), ok()]);
        bench.ask(&["1"]).await.unwrap();
        bench.ask(&["1"]).await.unwrap();
        bench.script.assert_finished();
        for at in [1, 2] {
            assert!(bench.body(at).contains("<t:PrimarySmtpAddress>anna.smith@fabrikam.example<"));
            assert_eq!(bench.header(at, "x-anchormailbox").as_deref(), Some("anna.smith@fabrikam.example"));
        }
    }
}

#[tokio::test]
async fn trap_18_an_alias_is_asked_about_anew_after_an_hour() {
    let bench = Bench::new([fault_with(ALIAS, "Primary:anna.smith@fabrikam.example"), ok(), ok(), ok()]);
    for pause in [0, 3599, 1] {
        bench.client.clock().sleep(Duration::from_secs(pause)).await;
        bench.ask(&["1"]).await.unwrap();
    }
    let anchors = [0, 1, 2, 3].map(|at| bench.header(at, "x-anchormailbox").unwrap());
    let primary = "anna.smith@fabrikam.example";
    // It may belong to somebody else by now.
    assert_eq!(anchors, ["anna@fabrikam.example", primary, primary, "anna@fabrikam.example"]);
}

#[tokio::test]
async fn trap_18_a_circle_of_aliases_ends() {
    let bench = Bench::new([
        fault_with(ALIAS, "Primary:anna.smith@fabrikam.example"),
        fault_with(ALIAS, "Primary:anna@fabrikam.example"),
        ok(),
    ]);
    let error = bench.ask(&["1"]).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Rejected, 2));
    assert_eq!(error.service_code(), Some(ALIAS));
    // What was learned was wrong, and is forgotten.
    bench.ask(&["1"]).await.unwrap();
    assert_eq!(bench.header(2, "x-anchormailbox").as_deref(), Some("anna@fabrikam.example"));
}

#[tokio::test]
async fn trap_18_an_alias_without_a_usable_address_is_told() {
    for value in ["", "Primary:nobody", "Primary:anna@fabrikam.example"] {
        let error = Bench::new([fault_with(ALIAS, value)]).fails().await;
        assert_eq!(error.attempts(), 1);
    }
}

#[tokio::test]
async fn a_delegate_follows_an_alias_too() {
    let bench = Bench::new([fault_with(ALIAS, "Primary:anna.smith@fabrikam.example"), ok()]);
    bench.client.call(&Ask::of(&["1"]), &Target::Delegate(address("anna@fabrikam.example"))).await.unwrap();
    assert!(!bench.body(1).contains("ExchangeImpersonation"));
    assert_eq!(bench.header(1, "x-anchormailbox").as_deref(), Some("anna.smith@fabrikam.example"));
}

#[tokio::test]
async fn the_id_that_support_asks_for_comes_along() {
    let error = Bench::new([Reply::new(403, "").header("request-id", "r-1")]).fails().await;
    assert_eq!(error.request_id(), Some("r-1"));
}
