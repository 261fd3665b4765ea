//! Asks whether the person is done: <https://www.rfc-editor.org/rfc/rfc8628#section-3.4>

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use jiff::Timestamp;
use m365_core::{ClientId, Cloud, Error, ErrorKind, Result, TenantId};

use super::{Granted, Refusal, endpoint};
use crate::token::retell::retold_as;
use crate::token::wire;

/// What one poll says.
pub(in crate::token::user) enum Poll {
    Granted(Granted),
    /// Not yet.
    Pending,
    /// Not yet, and less often.
    SlowDown,
    /// Something that may pass: the code is still good.
    Hiccup(Error),
    /// No.
    Ended(Error),
}

pub(in crate::token::user) fn request(
    cloud: &Cloud,
    tenant: &str,
    client: ClientId,
    device_code: &str,
    user_agent: &HeaderValue,
) -> Result<Request<Bytes>> {
    let client = client.to_string();
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", client.as_str()),
        ("device_code", device_code),
    ];
    wire::post(&endpoint(cloud, tenant, "token"), &fields, user_agent)
}

pub(in crate::token::user) fn read(
    response: &Response<Bytes>,
    now: Timestamp,
    tenant: Option<TenantId>,
    device_code: &str,
) -> Poll {
    match super::read(response, now, tenant, device_code) {
        Ok(granted) => Poll::Granted(granted),
        Err(Refusal { error, .. }) => match error.service_code().unwrap_or_default() {
            "authorization_pending" => Poll::Pending,
            "slow_down" => Poll::SlowDown,
            "authorization_declined" | "access_denied" => {
                Poll::Ended(retold_as(error, ErrorKind::Authentication, "the sign-in was declined"))
            }
            // Codes die before their promised time, too; a server that forgot one calls it unknown.
            "expired_token" | "code_expired" | "bad_verification_code" => Poll::Ended(expired(error)),
            _ if error.is_transient() => Poll::Hiccup(error),
            _ => Poll::Ended(error),
        },
    }
}

/// Nobody confirmed the code while it lived.
pub(in crate::token::user) fn expired(error: Error) -> Error {
    retold_as(
        error,
        ErrorKind::Timeout,
        "the code is no longer valid: nobody finished the sign-in in time; begin a new one",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(status: u16, body: &str) -> Poll {
        let response = Response::builder().status(status).body(Bytes::from(body.to_owned())).unwrap();
        read(&response, "2026-11-21T08:00:00Z".parse().unwrap(), None, "device")
    }

    #[test]
    fn trap_12_every_answer_of_the_device_flow_is_typed() {
        let error = |code: &str| {
            format!(r#"{{"error":"{code}","error_description":"AADSTS70016: x\r\nTrace ID: 1"}}"#)
        };
        assert!(matches!(poll(400, &error("authorization_pending")), Poll::Pending));
        assert!(matches!(poll(400, &error("slow_down")), Poll::SlowDown));
        for (code, kind) in [
            ("authorization_declined", ErrorKind::Authentication),
            ("access_denied", ErrorKind::Authentication),
            ("expired_token", ErrorKind::Timeout),
            ("bad_verification_code", ErrorKind::Timeout),
            ("invalid_grant", ErrorKind::Authentication),
        ] {
            let Poll::Ended(ended) = poll(400, &error(code)) else { panic!("{code} goes on") };
            assert_eq!((ended.kind(), ended.service_code()), (kind, Some(code)));
            assert!(!ended.is_transient(), "{code}");
        }
        for (status, body) in [(503, "busy"), (429, "{}"), (500, "<html>"), (502, "")] {
            assert!(matches!(poll(status, body), Poll::Hiccup(_)), "{status}");
        }
        assert!(matches!(poll(403, "<html>proxy</html>"), Poll::Ended(_)));
    }
}
