//! Every cmdlet over a real HTTP client: the exact request, an answer in the shape in which Exchange sends it, and every
//! envelope in which Exchange hides a failure.
//!
//! A new cmdlet gets its case in the module where its kin is; [`every_cmdlet_is_in_the_table`] names those that have none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;

mod case;
mod failures;
mod organisation;
mod permissions;
mod policies;
mod recipients;
mod roles;

use std::collections::BTreeSet;

use case::{Case, Kind, as_exchange_sends, foreign};
use common::{INVOKE, over_http};
use exchange_admin::cmdlets::{ALL, NewUserMailbox};
use exchange_admin::{ErrorKind, ExchangeAdmin, ObjectName};
use m365_core::Idempotency;
use m365_core::testing::{Reply, ScriptedTransport};
use m365_core::transport::{ReqwestTransport, Transport, TransportErrorKind};
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

fn cases() -> Vec<Case> {
    let modules =
        [recipients::cases(), permissions::cases(), policies::cases(), roles::cases(), organisation::cases()];
    modules.into_iter().flatten().collect()
}

async fn answering(server: &MockServer, response: ResponseTemplate) {
    server.reset().await;
    Mock::given(method("POST")).respond_with(response).mount(server).await;
}

#[test]
fn every_cmdlet_is_in_the_table() {
    let tried: BTreeSet<_> = cases().iter().map(|case| case.command.name().as_str()).collect();
    let missing: Vec<_> =
        ALL.iter().map(|facts| facts.name.as_str()).filter(|name| !tried.contains(name)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
    assert_eq!(tried.len(), ALL.len(), "a case of a cmdlet that is not in ALL");
}

fn check_request(case: &Case, request: &Request) {
    let name = case.command.name().as_str();
    let header = |n: &str| request.headers.get(n).map_or("-", |v| v.to_str().unwrap());
    assert_eq!(request.url.path(), INVOKE, "{name}");
    assert_eq!(header("x-anchormailbox"), case.anchor, "{name}");
    assert_eq!(header("x-cmdletname"), name);
    assert_eq!(header("prefer"), "odata.maxpagesize=1000", "{name}");
    assert_eq!(header("accept-language"), "en-US", "{name}");
    assert_eq!(header("content-type"), "application/json; charset=utf-8", "{name}");
    assert_eq!(header("authorization"), "Bearer t0ken-of-the-test", "{name}");
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        body,
        json!({"CmdletInput": {"CmdletName": name, "Parameters": case.parameters}}),
        "{name}: {body:#}"
    );
    // What the answer is read from must have been asked for.
    match request.url.query() {
        None => {}
        Some(query) => {
            let selected: BTreeSet<_> = query.strip_prefix("$select=").unwrap().split(',').collect();
            for row in case.answer.as_array().unwrap() {
                for property in row.as_object().unwrap().keys() {
                    assert!(selected.contains(property.as_str()), "{name} does not ask for {property}");
                }
            }
        }
    }
}

#[tokio::test]
async fn every_request_is_exact_and_every_answer_is_read() {
    let server = MockServer::start().await;
    let (exchange, _) = over_http(&server.uri());
    for case in cases() {
        let name = case.command.name();
        let rows: Vec<Value> = case.answer.as_array().unwrap().iter().map(as_exchange_sends).collect();
        let body = json!({
            "@odata.context": "https://outlook.office.com/adminapi/beta/t/$metadata#Collection(Exchange.GenericHashTable)",
            "adminapi.warnings@odata.type": "#Collection(String)",
            "@adminapi.warnings": ["from the body"],
            "value": rows,
        });
        let response = ResponseTemplate::new(200)
            .insert_header("X-Warnings", "from the header")
            .insert_header("Rate-Limit-Remaining", "29997")
            .set_body_raw(
                body.to_string(),
                "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8",
            );
        answering(&server, response).await;
        let ran = (case.run)(exchange.clone(), true).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(ran.warnings, ["from the header", "from the body"], "{name}");
        let requests = server.received_requests().await.unwrap();
        assert_eq!(requests.len(), 1, "{name}");
        check_request(&case, &requests[0]);
    }
}

#[tokio::test]
async fn trap_3_no_output_means_the_same_in_every_shape_for_every_cmdlet() {
    let server = MockServer::start().await;
    let (exchange, _) = over_http(&server.uri());
    for body in [
        "",
        "{}",
        r#"{"value":null}"#,
        r#"{"value":[]}"#,
        r##"{"adminapi.warnings@odata.type":"#Collection(String)","@adminapi.warnings":[]}"##,
    ] {
        answering(&server, ResponseTemplate::new(200).set_body_string(body)).await;
        for case in cases() {
            let name = case.command.name();
            let answer = (case.run)(exchange.clone(), false).await;
            match case.kind.without_rows() {
                Some(expected) => assert_eq!(answer.unwrap().shown, expected, "{name} {body:?}"),
                None => assert_eq!(answer.unwrap_err().kind(), ErrorKind::InvalidResponse, "{name} {body:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_row_that_does_not_say_who_it_is_never_shortens_a_list() {
    let server = MockServer::start().await;
    let (exchange, _) = over_http(&server.uri());
    for broken in
        [r#"{"value":[{"ObjectState":"Unchanged"}]}"#, r#"{"value":["a"]}"#, r#"{"value":7}"#, "<html>"]
    {
        answering(&server, ResponseTemplate::new(200).set_body_string(broken)).await;
        for case in cases().into_iter().filter(|case| case.kind == Kind::Lists) {
            let error = (case.run)(exchange.clone(), false).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{} {broken}", case.command.name());
        }
    }
}

/// Exchange answers an identity that it does not know with every object that it has.
#[tokio::test]
async fn whoever_else_comes_back_is_not_the_one_asked_for() {
    let server = MockServer::start().await;
    let (exchange, _) = over_http(&server.uri());
    let mut tried = 0;
    for case in cases().into_iter().filter(|case| case.kind == Kind::ReadsOne) {
        let own = &case.answer[0];
        let everybody = [foreign(own, 1), foreign(own, 2)];
        let body = json!({"value": everybody}).to_string();
        answering(&server, ResponseTemplate::new(200).set_body_string(body)).await;
        let shown = (case.run)(exchange.clone(), false).await.unwrap().shown;
        assert_eq!(shown, "None", "{}", case.command.name());

        let body = json!({"value": [everybody[0], own, everybody[1]]}).to_string();
        answering(&server, ResponseTemplate::new(200).set_body_string(body)).await;
        (case.run)(exchange.clone(), true).await.unwrap_or_else(|e| panic!("{}: {e}", case.command.name()));
        tried += 1;
    }
    assert!(tried >= 10, "{tried}");
}

#[tokio::test]
async fn every_envelope_of_a_failure_is_opened_for_every_cmdlet() {
    let server = MockServer::start().await;
    let transport = Transport::new(ReqwestTransport::new().unwrap());
    for failure in failures::failures() {
        answering(&server, failure.response).await;
        let mut before = 0;
        for case in cases() {
            let name = case.command.name();
            // A client of its own each time: how often calls go again is limited for a client.
            let pipeline = common::pipeline(transport.clone(), Some(&server.uri()), &common::clock());
            let exchange = ExchangeAdmin::new(pipeline, common::tenant());
            let error = match (case.run)(exchange, false).await {
                Ok(ran) => panic!("{name}, {}: {}", failure.what, ran.shown),
                Err(error) => error,
            };
            assert_eq!(error.kind(), failure.kind, "{name}, {}: {error}", failure.what);
            let now = server.received_requests().await.unwrap().len();
            let again = failure.refused_unread || case.command.facts().idempotency == Idempotency::Idempotent;
            let expected = if failure.passes && again { 3 } else { 1 };
            assert_eq!(now - before, expected, "{name}, {}", failure.what);
            before = now;
        }
    }
}

#[tokio::test]
async fn an_absence_is_an_answer_only_to_those_that_asked_for_it() {
    let server = MockServer::start().await;
    let (exchange, _) = over_http(&server.uri());
    for exception in failures::ABSENCES {
        for (shape, response) in failures::in_every_envelope(exception) {
            answering(&server, response).await;
            for case in cases() {
                let name = case.command.name();
                let answer = (case.run)(exchange.clone(), false).await;
                match case.when(exception) {
                    Some(expected) => {
                        let ran = answer.unwrap_or_else(|e| panic!("{name}, {exception}, {shape}: {e}"));
                        assert_eq!(ran.shown, expected, "{name}, {exception}, {shape}");
                    }
                    None => {
                        let error = answer.err().unwrap_or_else(|| panic!("{name}, {exception}, {shape}"));
                        assert_eq!(error.kind(), ErrorKind::NotFound, "{name}, {exception}, {shape}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn trap_26_a_lost_answer_is_asked_for_again_only_where_that_changes_nothing() {
    for kind in [TransportErrorKind::Timeout, TransportErrorKind::Interrupted] {
        for case in cases() {
            let lost = || Reply::failure(kind);
            let script = ScriptedTransport::new()
                .on("POST", INVOKE, lost())
                .on("POST", INVOKE, lost())
                .on("POST", INVOKE, lost())
                .on("POST", INVOKE, Reply::new(200, ""));
            let exchange = common::over_script(&script, &common::clock());
            assert!((case.run)(exchange, false).await.is_err(), "{}", case.command.name());
            let again = case.command.facts().idempotency == Idempotency::Idempotent;
            assert_eq!(script.requests().len(), if again { 3 } else { 1 }, "{}", case.command.name());
        }
    }
}

#[tokio::test]
async fn trap_7_a_password_does_not_reach_the_wire() {
    let server = MockServer::start().await;
    let (exchange, _) = over_http(&server.uri());
    let user =
        NewUserMailbox::online(ObjectName::parse("Anna").unwrap(), common::address("anna@contoso.example"));
    assert_eq!(exchange.run(&user).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert!(server.received_requests().await.unwrap().is_empty());
}
