use ews_client::ErrorKind;
use m365_core::testing::Reply;
use m365_core::{RetryPolicy, TransportErrorKind};

use crate::help::*;

const STOPPED: &str = "ErrorBatchProcessingStopped";

#[tokio::test]
async fn trap_04_only_what_was_not_executed_is_sent_again_and_order_is_kept() {
    let bench = Bench::new([answer(&["ok:1", "ErrorItemNotFound", STOPPED]), answer(&["ok:3"])]);
    let answer = bench.ask(&["1", "2", "3"]).await.unwrap();
    assert_eq!(said(&answer), ["1", "ErrorItemNotFound", "3"]);
    assert!(!bench.body(1).contains(r#"Id="1""#) && !bench.body(1).contains(r#"Id="2""#));
    assert!(bench.body(1).contains(r#"Id="3""#));
    assert!(bench.slept().is_zero(), "the rest has time of its own");
    bench.script.assert_finished();
}

#[tokio::test]
async fn trap_04_what_must_not_be_doubled_is_sent_again_when_it_was_not_executed() {
    let bench =
        Bench::new([answer(&["ok:1", STOPPED, STOPPED]), answer(&["ok:2", STOPPED]), answer(&["ok:3"])]);
    assert_eq!(said(&bench.write(&["1", "2", "3"]).await.unwrap()), ["1", "2", "3"]);
    bench.script.assert_finished();
}

#[tokio::test]
async fn a_batch_that_never_moves_on_ends() {
    let bench = Bench::with((0..3).map(|_| answer(&[STOPPED, STOPPED])), |b| {
        b.retry(RetryPolicy::default().with_max_attempts(3))
    });
    assert_eq!(said(&bench.ask(&["1", "2"]).await.unwrap()), [STOPPED, STOPPED]);
    bench.script.assert_finished();
}

#[tokio::test]
async fn an_element_that_failed_in_passing_is_asked_for_again_a_bounded_number_of_times() {
    let passing = "ErrorMailboxStoreUnavailable";
    let bench = Bench::new([answer(&["ok:1", passing, "ok:3"]), answer(&[passing]), answer(&["ok:2"])]);
    assert_eq!(said(&bench.ask(&["1", "2", "3"]).await.unwrap()), ["1", "2", "3"]);
    bench.script.assert_finished();

    let stuck = std::iter::once(answer(&["ok:1", passing])).chain((0..2).map(|_| answer(&[passing])));
    let bench = Bench::with(stuck, |b| b.retry(RetryPolicy::default().with_max_attempts(3)));
    assert_eq!(said(&bench.ask(&["1", "2"]).await.unwrap()), ["1", passing]);
    bench.script.assert_finished();
}

#[tokio::test]
async fn a_back_off_of_one_element_is_kept_before_it_is_asked_for_again() {
    let bench = Bench::new([
        answer(&["ok:1", "ErrorServerBusy=5000", "ErrorServerBusy=9000"]),
        answer(&["ok:2", "ok:3"]),
    ]);
    assert_eq!(said(&bench.ask(&["1", "2", "3"]).await.unwrap()), ["1", "2", "3"]);
    assert!((9..11).contains(&bench.slept().as_secs()), "{:?}", bench.slept());
}

#[tokio::test]
async fn an_operation_that_is_whole_or_nothing_keeps_its_answer() {
    let bench = Bench::new([answer(&["ok:1", STOPPED])]);
    let whole = Ask { whole: true, ..Ask::of(&["1", "2"]) };
    let answer = bench.client.call(&whole, &anna()).await.unwrap();
    assert_eq!(said(&answer), ["1", STOPPED]);
    bench.script.assert_finished();
}

#[tokio::test]
async fn trap_02_413_halves_the_batch() {
    for too_large in [
        || Reply::new(413, "<html></html>"),
        || fault("ErrorRequestStreamTooBig"),
        || Reply::failure(TransportErrorKind::TooLarge),
    ] {
        let bench = Bench::new([
            too_large(),
            too_large(),
            answer(&["ok:1"]),
            answer(&["ok:2"]),
            answer(&["ok:3", "ErrorItemNotFound"]),
        ]);
        let answer = bench.ask(&["1", "2", "3", "4"]).await.unwrap();
        assert_eq!(said(&answer), ["1", "2", "3", "ErrorItemNotFound"]);
        bench.script.assert_finished();
    }
}

#[tokio::test]
async fn a_request_too_large_to_be_sent_is_halved_without_asking() {
    let long = |letter: &str| letter.repeat(250_000);
    let (a, b) = (long("a"), long("b"));
    let bench = Bench::new([answer(&["ok:1"]), answer(&["ok:2"])]);
    assert_eq!(said(&bench.ask(&[&a, &b]).await.unwrap()), ["1", "2"]);
    bench.script.assert_finished();
}

#[tokio::test]
async fn one_element_that_is_too_large_is_an_error() {
    let bench = Bench::new([Reply::new(413, ""), Reply::new(413, "")]);
    assert_eq!(bench.ask(&["1", "2"]).await.unwrap_err().kind(), ErrorKind::Limit);
    bench.script.assert_finished();
}

#[tokio::test]
async fn a_read_of_which_half_failed_fails() {
    let bench = Bench::new([Reply::new(413, ""), answer(&["ok:1"]), fault("ErrorAccessDenied")]);
    assert_eq!(bench.ask(&["1", "2"]).await.unwrap_err().kind(), ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn a_write_of_which_half_failed_tells_what_was_written() {
    let bench = Bench::new([
        Reply::new(413, ""),
        Reply::new(413, ""),
        answer(&["ok:1"]),
        Reply::failure(TransportErrorKind::Interrupted),
    ]);
    let answer = bench.write(&["1", "2", "3", "4"]).await.unwrap();
    assert_eq!(said(&answer), ["1", "ErrorInternalServerError", STOPPED, STOPPED]);
    bench.script.assert_finished();
}

#[tokio::test]
async fn what_was_read_of_a_stopped_batch_stays_when_the_rest_fails() {
    let bench = Bench::new([answer(&["ok:1", STOPPED]), fault("ErrorAccessDenied")]);
    assert_eq!(said(&bench.ask(&["1", "2"]).await.unwrap()), ["1", STOPPED]);
}

#[tokio::test]
async fn trap_22_what_was_sent_again_and_lost_is_no_longer_called_unexecuted() {
    let lost = Reply::failure(TransportErrorKind::Interrupted);
    let bench = Bench::new([answer(&["ok:1", STOPPED]), lost]);
    assert_eq!(said(&bench.write(&["1", "2"]).await.unwrap()), ["1", "ErrorInternalServerError"]);
    // Nor when the server says itself that it may have acted; and all of it, when all of it was sent again.
    let bench = Bench::with([answer(&[STOPPED, STOPPED]), fault("ErrorTimeoutExpired")], |b| {
        b.retry(RetryPolicy::default().with_max_attempts(2))
    });
    assert_eq!(said(&bench.write(&["1", "2"]).await.unwrap()), ["ErrorTimeoutExpired"; 2]);
    // Surely not acted upon: it stays what it was.
    let bench = Bench::new([answer(&["ok:1", STOPPED]), fault("ErrorImpersonationDenied")]);
    assert_eq!(said(&bench.write(&["1", "2"]).await.unwrap()), ["1", STOPPED]);
}

#[tokio::test]
async fn each_part_of_a_halved_batch_has_attempts_of_its_own() {
    let passing = || fault("ErrorMailboxStoreUnavailable");
    let replies = [
        Reply::new(413, ""),
        passing(),
        passing(),
        answer(&["ok:1", "ok:2"]),
        passing(),
        passing(),
        answer(&["ok:3", "ok:4"]),
    ];
    let bench = Bench::with(replies, |b| b.retry(RetryPolicy::default().with_max_attempts(3)));
    assert_eq!(said(&bench.ask(&["1", "2", "3", "4"]).await.unwrap()), ["1", "2", "3", "4"]);
    bench.script.assert_finished();
}

#[tokio::test]
async fn a_read_that_ran_out_of_the_servers_time_is_halved() {
    let slow = || fault("ErrorTimeoutExpired");
    let bench = Bench::new([slow(), slow(), answer(&["ok:1"]), answer(&["ok:2"]), answer(&["ok:3", "ok:4"])]);
    assert_eq!(said(&bench.ask(&["1", "2", "3", "4"]).await.unwrap()), ["1", "2", "3", "4"]);
    bench.script.assert_finished();
    // One that cannot be taken apart is tried again as it is; what may have been written is not.
    let bench = Bench::new([slow(), answer(&["ok:1", "ok:2"])]);
    let whole = Ask { whole: true, ..Ask::of(&["1", "2"]) };
    assert_eq!(said(&bench.client.call(&whole, &anna()).await.unwrap()), ["1", "2"]);
    let bench = Bench::new([slow()]);
    assert_eq!(bench.write(&["1", "2"]).await.unwrap_err().attempts(), 1);
}
