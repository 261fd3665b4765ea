use std::time::Duration;

use m365_core::{Acted, Error, ErrorKind};

/// Tells Exchange's refusals apart: refused, throttled, without mailbox, temporarily down.
///
/// The protocol library wraps the server's line in its own words; what counts is the line.
pub(super) fn classify(error: async_imap::error::Error, operation: &'static str) -> Error {
    use async_imap::error::Error as Imap;
    let error = match error {
        Imap::No(text) => refused("NO", &server_text(&text)),
        Imap::Bad(text) => refused("BAD", &server_text(&text)),
        Imap::ConnectionLost => lost("the IMAP server closed the connection"),
        // Neither is carried along as a source: both quote what was on the wire. The library reports a line that it
        // cannot parse as an I/O error of no kind.
        Imap::Io(e) if e.kind() == std::io::ErrorKind::Other => unreadable(),
        Imap::Parse(_) => unreadable(),
        Imap::Io(e) => lost("the IMAP connection broke").with_source(e),
        Imap::Validate(_) => Error::invalid("a character cannot stand in an IMAP command"),
        _ => Error::new(ErrorKind::Unavailable, "the IMAP call failed"),
    };
    error.with_operation(operation)
}

fn unreadable() -> Error {
    Error::unreadable("the IMAP server's answer cannot be read")
}

fn lost(text: &str) -> Error {
    Error::new(ErrorKind::Network, text)
}

pub(super) fn refused(status: &str, line: &str) -> Error {
    let shown = format!("{status} {line}");
    let lower = line.to_ascii_lowercase();
    if let Some(wait) = backoff(&lower) {
        return Error::new(ErrorKind::Throttled, shown).with_retry_after(Some(wait)).with_acted(Acted::No);
    }
    if lower.contains("[unavailable]") || lower.contains("unavailable") && status == "NO" {
        return Error::new(ErrorKind::Unavailable, shown).with_acted(Acted::No);
    }
    let refusals =
        ["authenticate", "authenticationfailed", "authfailed", "authentication failed", NOT_CONNECTED];
    let kind = if refusals.iter().any(|mark| lower.contains(mark)) {
        ErrorKind::PermissionDenied
    } else {
        ErrorKind::Rejected
    };
    Error::new(kind, shown).with_acted(Acted::No)
}

const NOT_CONNECTED: &str = "user is authenticated but not connected";

/// Whether the login worked and no mailbox was bound to it.
pub(super) fn is_not_connected(error: &Error) -> bool {
    error.message().to_ascii_lowercase().contains(NOT_CONNECTED)
}

/// `Request is throttled. Suggested Backoff Time: N milliseconds`
fn backoff(lower: &str) -> Option<Duration> {
    let (_, rest) = lower.split_once("suggested backoff time:")?;
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().map(Duration::from_millis)
}

/// The library formats `code: None, info: Some("…")`; anything else is taken as it is.
fn server_text(text: &str) -> String {
    let info =
        text.rsplit_once("info: Some(\"").and_then(|(code, rest)| Some((code, rest.strip_suffix("\")")?)));
    match info {
        Some((code, info)) => {
            let code = if code.contains("Unavailable") || code.contains("UNAVAILABLE") {
                "[UNAVAILABLE] "
            } else {
                ""
            };
            format!("{code}{}", info.replace("\\\"", "\"").replace("\\\\", "\\"))
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_imap::error::Error as Imap;

    fn no(text: &str) -> Error {
        classify(Imap::No(format!("code: None, info: Some({text:?})")), "log in")
    }

    fn bad(text: &str) -> Error {
        classify(Imap::Bad(format!("code: None, info: Some({text:?})")), "log in")
    }

    #[test]
    fn throttled_is_not_a_bad_password() {
        let error = bad("Request is throttled. Suggested Backoff Time: 299961 milliseconds");
        assert_eq!(
            (error.kind(), error.retry_after()),
            (ErrorKind::Throttled, Some(Duration::from_millis(299_961)))
        );
        assert_eq!(error.diagnosis().id(), "THR-IMAP");
    }

    #[test]
    fn refusals_are_told_apart() {
        assert_eq!(no("AUTHENTICATE failed.").diagnosis().id(), "IMAP-AUTH-FAILED");
        let denied =
            no("AUTHENTICATE failed. Error=\"AuthFailed:LogonDenied-None-OAuthLog:AuthExc_Auth Failed.\"");
        assert_eq!(denied.diagnosis().id(), "IMAP-LOGONDENIED");
        let unbound = bad("User is authenticated but not connected.");
        assert!(is_not_connected(&unbound));
        assert_eq!(unbound.diagnosis().id(), "IMAP-NOT-CONNECTED");
        for error in [no("AUTHENTICATE failed."), denied, unbound] {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            assert!(!error.is_transient());
        }
    }

    #[test]
    fn unavailable_and_lost_connections_may_be_tried_again() {
        assert!(no("[UNAVAILABLE] Temporary authentication failure.").is_transient());
        assert!(classify(Imap::ConnectionLost, "log in").is_transient());
        assert!(!bad("Command Argument Error. 11").is_transient());
    }

    #[test]
    fn an_unreadable_line_is_not_quoted() {
        let quoted = std::io::Error::other("Error(..) during parsing of \"* 1 FETCH (dear diary\"");
        let error = classify(Imap::Io(quoted), "list messages");
        assert!(!error.is_transient());
        assert!(!format!("{error:?} {error}").contains("diary"));
    }
}
