//! What is tried again, how often, and after what.

use std::time::Duration;

use ews_client::{
    CallOptions, ConnectingSid, ErrorKind, EwsClient, EwsCredential, EwsEndpoint, SchemaVersion, Target,
};
use m365_core::testing::{ManualClock, Reply, ScriptedTransport};
use m365_core::{
    Acted, Cloud, Credential, RetryPolicy, SharedClock, Throttle, Transport, TransportErrorKind,
};

use crate::help::*;

const POLICY: &str = "X-EWS-Policy-Reason";

#[tokio::test]
async fn trap_01_a_response_message_with_500_is_an_answer() {
    let body = envelope(
        "",
        r#"<m:GetItemResponse><m:ResponseMessages><m:GetItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Items>1</m:Items></m:GetItemResponseMessage></m:ResponseMessages></m:GetItemResponse>"#,
    );
    Bench::new([Reply::new(500, body)]).succeeds().await;
}

#[tokio::test]
async fn trap_02_a_switched_off_ews_is_told_once_with_both_lists_and_our_user_agent() {
    for (reason, diagnosis) in [
        ("EWS is disabled for this user or tenant", "EWS-DISABLED"),
        ("EWS is blocked by policy for this user or tenant", "EWS-BLOCKED-POLICY"),
    ] {
        for (online, today, words) in [
            (true, "2026-11-21", "Exchange Online EWS ends for everybody on 2027-04-01: Microsoft Graph"),
            (
                true,
                "2027-04-01",
                "Exchange Online EWS has ended for everybody on 2027-04-01: Microsoft Graph",
            ),
            (false, "2026-11-21", ""),
        ] {
            let endpoint = if online { EwsEndpoint::online(&Cloud::public()) } else { endpoint() };
            let script =
                ScriptedTransport::new().on("POST", PATH, Reply::new(403, "").header(POLICY, reason));
            let clock = ManualClock::at(format!("{today}T08:00:00Z").parse().unwrap());
            let credential = EwsCredential::bearer(Credential::new(Tokens::default()));
            let client = EwsClient::builder(endpoint, credential)
                .transport(Transport::new(script.clone()))
                .clock(SharedClock::new(clock))
                .user_agent("acme-connector/2.4")
                .build()
                .unwrap();
            let error = client.call(&Ask::of(&["1"]), &anna()).await.unwrap_err();
            script.assert_finished();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            assert_eq!(error.diagnosis().id(), diagnosis);
            assert!(!error.is_transient());
            for word in ["EwsAllowedAppIDs", "EwsAllowList", "EwsBlockList", "acme-connector/2.4", words] {
                assert!(error.message().contains(word), "{error}");
            }
            assert_eq!(error.message().contains("Graph"), online, "a server of one's own keeps EWS");
        }
    }
}

#[tokio::test]
async fn trap_02_a_403_without_the_header_proves_neither_switch_nor_list() {
    for body in ["", "<html><body>Forbidden</body></html>", "\0\0\0\0"] {
        let error = Bench::new([Reply::new(403, body).header("request-id", "r-9")]).fails().await;
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert_eq!(error.diagnosis().id(), "EWS-403-OTHER");
        assert_eq!(error.request_id(), Some("r-9"));
        assert!(!error.message().contains("EwsAllowedAppIDs"));
    }
}

#[tokio::test]
async fn trap_02_login_pages_and_redirects_are_not_followed() {
    for reply in [
        Reply::new(200, "<!DOCTYPE html><html><body>Sign in</body></html>"),
        Reply::new(302, "").header("location", "https://sso.example/login"),
        Reply::new(302, "").header("location", "/internalsite/internalerror.asp"),
    ] {
        let error = Bench::new([reply]).fails().await;
        assert_eq!(error.kind(), ErrorKind::InvalidResponse);
        assert_eq!(error.attempts(), 1);
    }
}

#[tokio::test]
async fn trap_02_what_passes_is_tried_again() {
    for reply in [
        Reply::new(302, "").header("location", "/ews/genericerrorpage.htm?aspxerrorpath=/ews/exchange.asmx"),
        Reply::new(500, "<html><body>Server Error in '/EWS' Application.</body></html>"),
        Reply::new(503, "<html><body>Service Unavailable</body></html>"),
        Reply::new(500, "").header("x-caserrorcode", "CAS error: unreachable"),
        Reply::new(500, "").header("connection", "close"),
        Reply::new(429, ""),
        Reply::new(440, ""),
        Reply::new(449, ""),
        fault("ErrorTimeoutExpired"),
        fault("ErrorMailboxStoreUnavailable"),
        fault("ErrorADUnavailable"),
        Reply::failure(TransportErrorKind::Interrupted),
        Reply::failure(TransportErrorKind::Timeout),
    ] {
        Bench::new([reply, ok()]).succeeds().await;
    }
}

#[tokio::test]
async fn what_does_not_pass_is_tried_once() {
    for reply in [
        fault("ErrorAccessDenied"),
        fault("ErrorSchemaValidation"),
        fault("ErrorInvalidPropertyRequest"),
        fault("ErrorItemNotFound"),
        Reply::new(407, ""),
        Reply::new(404, "<html></html>"),
        Reply::new(200, "not xml"),
        Reply::failure(TransportErrorKind::Undecodable),
    ] {
        let error = Bench::new([reply]).fails().await;
        assert_eq!((error.attempts(), error.operation()), (1, Some("GetItem")), "{error}");
        assert_eq!(error.mailbox(), Some("anna@fabrikam.example"));
    }
}

#[tokio::test]
async fn attempts_are_bounded() {
    let bench = Bench::with((0..3).map(|_| fault("ErrorInternalServerTransientError")), |builder| {
        builder.retry(RetryPolicy::default().with_max_attempts(3))
    });
    let error = bench.fails().await;
    assert_eq!((error.attempts(), error.kind()), (3, ErrorKind::Unavailable));
}

#[tokio::test]
async fn trap_03_a_back_off_is_a_floor_wherever_it_stands() {
    for reply in [
        fault_with(BUSY, "7000"),
        fault_with("ErrorInternalServerError", "7000"),
        answer(&["ErrorServerBusy=7000"]),
    ] {
        let bench = Bench::new([reply, ok()]);
        bench.succeeds().await;
        let slept = bench.slept();
        assert!((7000..8000).contains(&slept.as_millis()), "{slept:?}");
    }
}

#[tokio::test]
async fn trap_03_no_usable_back_off_means_our_own() {
    for wait in ["0", "", "soon", "-5"] {
        let bench = Bench::new([fault_with(BUSY, wait), fault_with(BUSY, wait), ok()]);
        bench.succeeds().await;
        assert!(bench.slept() < Duration::from_secs(5), "{wait}: {:?}", bench.slept());
        assert!(bench.slept() > Duration::ZERO, "{wait}: never at once");
    }
}

#[tokio::test]
async fn trap_03_a_huge_back_off_is_not_slept_through_and_told() {
    for (wait, least) in [("297749", 297), ("99999999999999999999", 3600)] {
        let bench = Bench::new([fault_with(BUSY, wait)]);
        let error = bench.fails().await;
        assert_eq!(error.kind(), ErrorKind::Throttled);
        assert!(error.retry_after().unwrap() >= Duration::from_secs(least));
        assert_eq!((error.acted(), bench.slept()), (Acted::No, Duration::ZERO));
        // During the pause nothing is sent: further calls would prolong it.
        let error = bench.ask(&["1"]).await.unwrap_err();
        assert_eq!((error.kind(), error.acted()), (ErrorKind::Throttled, Acted::No));
        assert!(error.retry_after().unwrap() >= Duration::from_secs(least - 1));
        assert_eq!(bench.script.requests().len(), 1);
    }
}

#[tokio::test]
async fn trap_03_the_pause_stops_only_its_own_mailbox() {
    let bench = Bench::new([fault_with(BUSY, "297749"), ok()]);
    bench.ask(&["1"]).await.unwrap_err();
    let other = Target::Impersonate(ConnectingSid::PrimarySmtpAddress(address("bo@fabrikam.example")));
    bench.client.call(&Ask::of(&["1"]), &other).await.unwrap();
    assert_eq!(bench.slept(), Duration::ZERO);
    bench.script.assert_finished();
}

#[tokio::test]
async fn trap_03_clients_of_one_account_share_the_pause_when_they_share_the_throttle() {
    let throttle = Throttle::new();
    let first =
        Bench::with([fault_with(BUSY, "297749")], |b| b.throttle(throttle.clone()).account("svc-calendar"));
    first.fails().await;
    let second = Bench::with([], |b| b.throttle(throttle.clone()).account("svc-calendar"));
    assert_eq!(second.fails().await.kind(), ErrorKind::Throttled);
    Bench::with([ok()], |b| b.throttle(throttle).account("svc-mail")).succeeds().await;
}

#[tokio::test]
async fn trap_03_deadlines_cut_a_pause_short() {
    let bench = Bench::new([fault_with(BUSY, "20000")]);
    let options = CallOptions::default().with_deadline(Duration::from_secs(10));
    let error = bench.ask_with(&options).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(20)));
    assert_eq!(bench.slept(), Duration::ZERO);
}

#[tokio::test]
async fn trap_03_too_many_connections_is_a_pause_of_a_second_at_least() {
    for reply in [
        fault_with("ErrorExceededConnectionCount", "0"),
        fault_with("ErrorExceededConnectionCount", "MaxConcurrencyLimit:27"),
        answer(&["ErrorExceededConnectionCount=0"]),
    ] {
        let bench = Bench::new([reply, ok()]);
        bench.succeeds().await;
        assert!((1000..2000).contains(&bench.slept().as_millis()), "{:?}", bench.slept());
    }
}

#[tokio::test]
async fn trap_17_a_lower_version_is_taken_and_remembered() {
    let in_words = Reply::new(
        500,
        envelope(
            "",
            "<s:Fault><faultcode>s:Client</faultcode><faultstring>The specified server version is invalid.</faultstring></s:Fault>",
        ),
    );
    for refusal in [
        fault("ErrorInvalidServerVersion"),
        fault("ErrorIncorrectSchemaVersion"),
        Reply::new(500, "<html><body>The specified server version is invalid.</body></html>"),
        in_words,
        answer(&["ErrorInvalidSchemaVersionForMailboxVersion"]),
    ] {
        let silent = || versioned(&["ok:1"], "");
        let bench = Bench::new([refusal, fault("ErrorInvalidServerVersion"), silent(), silent()]);
        bench.ask(&["1"]).await.unwrap();
        bench.ask(&["1"]).await.unwrap();
        bench.script.assert_finished();
        let versions: Vec<String> = (0..4)
            .map(|at| {
                bench.body(at).split("Version=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
            })
            .collect();
        assert_eq!(versions, ["Exchange2016", "Exchange2013_SP1", "Exchange2010_SP2", "Exchange2010_SP2"]);
        assert_eq!(bench.slept(), Duration::ZERO);
        assert_eq!(bench.client.capabilities().schema(), SchemaVersion::Exchange2010Sp2);
    }
}

#[tokio::test]
async fn trap_17_a_server_that_knows_no_version_of_ours_is_told() {
    let bench = Bench::new((0..5).map(|_| fault("ErrorInvalidServerVersion")));
    let error = bench.fails().await;
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Unsupported, 5));
}

#[tokio::test]
async fn trap_17_the_server_tells_its_version_and_an_unknown_schema_does_no_harm() {
    let bench = Bench::new([versioned(
        &["ok:1"],
        r#"MajorVersion="14" MinorVersion="3" MajorBuildNumber="513" MinorBuildNumber="0" Version="V2_23""#,
    )]);
    assert_eq!(bench.client.server_version(), None);
    bench.succeeds().await;
    assert_eq!(bench.client.server_version().unwrap().to_string(), "14.3.513.0");
    assert_eq!(bench.client.capabilities().schema(), SchemaVersion::Exchange2010Sp2);
}

#[tokio::test]
async fn trap_18_impersonation_that_must_or_must_not_be_is_told_at_once() {
    let error = Bench::new([fault("ErrorInvalidExchangeImpersonationHeaderData")]).fails().await;
    assert_eq!(error.diagnosis().id(), "EWS-NO-IMPERSONATION");
    assert_eq!(error.attempts(), 1);
}

#[tokio::test]
async fn trap_18_a_denied_impersonation_counts_when_it_was_denied_three_times() {
    let denied = || fault("ErrorImpersonateUserDenied");
    Bench::new([denied(), denied(), ok()]).succeeds().await;
    let error = Bench::new([denied(), denied(), denied()]).fails().await;
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::PermissionDenied, 3));
    // The lower level of the wire says the same.
    let bench = Bench::new([answer(&["ErrorImpersonateUserDenied"]), denied(), ok()]);
    bench.succeeds().await;
}

#[tokio::test]
async fn a_call_that_must_not_be_doubled_is_repeated_only_when_surely_not_acted_upon() {
    for reply in [
        fault(BUSY),
        fault_with(BUSY, "1000"),
        fault("ErrorExceededConnectionCount"),
        Reply::new(429, ""),
        fault("ErrorImpersonateUserDenied"),
        fault("ErrorInvalidServerVersion"),
        Reply::failure(TransportErrorKind::NotSent),
    ] {
        let bench = Bench::new([reply, ok()]);
        assert_eq!(said(&bench.write(&["1"]).await.unwrap()), ["1"]);
        bench.script.assert_finished();
    }
    for reply in [
        fault("ErrorTimeoutExpired"),
        fault("ErrorInternalServerTransientError"),
        Reply::new(503, ""),
        Reply::new(500, "").header("x-caserrorcode", "CAS error: unreachable"),
        Reply::new(302, "").header("location", "/ews/genericerrorpage.htm?aspxerrorpath=/ews/exchange.asmx"),
        Reply::new(200, &b"\x1F\x8B\x08\0"[..]),
        Reply::failure(TransportErrorKind::Interrupted),
        Reply::failure(TransportErrorKind::Timeout),
    ] {
        let bench = Bench::new([reply]);
        let error = bench.write(&["1"]).await.unwrap_err();
        assert_eq!((error.acted(), error.attempts()), (Acted::Unknown, 1), "{error}");
    }
}

#[tokio::test]
async fn trap_22_an_element_that_may_have_been_written_is_not_written_again() {
    let bench = Bench::new([answer(&["ok:1", "ErrorTimeoutExpired"])]);
    assert_eq!(said(&bench.write(&["1", "2"]).await.unwrap()), ["1", "ErrorTimeoutExpired"]);
    bench.script.assert_finished();
}
