//! Asks for a code pair: <https://www.rfc-editor.org/rfc/rfc8628#section-3.1>,
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code>

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use jiff::Timestamp;
use m365_core::{ClientId, Cloud, Error, Result, later, redact};
use secrecy::SecretString;
use serde::Deserialize;

use super::endpoint;
use crate::token::user::DevicePrompt;
use crate::token::wire::{self, Zeroed};

/// Poll interval of a server that states none.
const INTERVAL: Duration = Duration::from_secs(5);
/// Life of a code when the server states none that makes sense.
const LIFE: Duration = Duration::from_secs(900);
const LONGEST_LIFE: f64 = 86_400.0;

/// A code pair that waits for a person.
pub(in crate::token::user) struct Started {
    pub(in crate::token::user) device_code: SecretString,
    pub(in crate::token::user) interval: Duration,
    pub(in crate::token::user) prompt: DevicePrompt,
}

pub(in crate::token::user) fn request(
    cloud: &Cloud,
    tenant: &str,
    client: ClientId,
    scope: &str,
    user_agent: &HeaderValue,
) -> Result<Request<Bytes>> {
    let client = client.to_string();
    wire::post(
        &endpoint(cloud, tenant, "devicecode"),
        &[("client_id", client.as_str()), ("scope", scope)],
        user_agent,
    )
}

pub(in crate::token::user) fn read(response: &Response<Bytes>, now: Timestamp) -> Result<Started> {
    if !response.status().is_success() {
        return Err(wire::refused(response, now, ""));
    }
    // The body is not repeated: it may hold half of a code.
    let unreadable =
        || Error::unreadable("the device code answer is not readable").with_status(response.status());
    let raw: Raw = serde_json::from_slice(response.body()).map_err(|_| unreadable())?;
    let uri = raw.verification_uri.or(raw.verification_url).ok_or_else(unreadable)?;
    if raw.user_code.is_empty()
        || raw.device_code.is_empty()
        || !["https://", "http://"].iter().any(|s| uri.starts_with(s))
    {
        return Err(unreadable());
    }
    let positive = |seconds: Option<f64>| seconds.filter(|s| *s >= 1.0 && *s <= LONGEST_LIFE);
    let life = positive(raw.expires_in).map_or(LIFE, Duration::from_secs_f64);
    // One line and no control character: this goes to a terminal.
    let (user_code, uri) = (redact::line(&raw.user_code), redact::line(&uri));
    let message = match raw.message.as_deref().map(redact::line) {
        Some(text) if !text.is_empty() => text,
        _ => format!("To sign in, open {uri} in a web browser and enter the code {user_code}."),
    };
    Ok(Started {
        device_code: SecretString::from(&*raw.device_code),
        interval: positive(raw.interval).map_or(INTERVAL, Duration::from_secs_f64),
        prompt: DevicePrompt {
            user_code,
            verification_uri: uri,
            verification_uri_complete: raw.verification_uri_complete.as_deref().map(redact::line),
            message,
            expires_on: later(now, life),
        },
    })
}

#[derive(Deserialize)]
struct Raw {
    user_code: String,
    device_code: Zeroed,
    verification_uri: Option<String>,
    /// The name that older endpoints use.
    verification_url: Option<String>,
    verification_uri_complete: Option<String>,
    message: Option<String>,
    #[serde(default, deserialize_with = "wire::number")]
    expires_in: Option<f64>,
    #[serde(default, deserialize_with = "wire::number")]
    interval: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> Timestamp {
        "2026-11-21T08:00:00Z".parse().unwrap()
    }

    fn parse(body: &str) -> Result<Started> {
        read(&Response::new(Bytes::from(body.to_owned())), now())
    }

    #[test]
    fn a_missing_interval_is_five_seconds_and_quoted_numbers_count() {
        let bare =
            parse(r#"{"user_code":"AB12","device_code":"d","verification_uri":"https://x.example/link"}"#)
                .unwrap();
        assert_eq!(bare.interval, Duration::from_secs(5));
        assert_eq!(bare.prompt.expires_on, later(now(), Duration::from_secs(900)));
        assert!(
            bare.prompt.message.contains("AB12") && bare.prompt.message.contains("https://x.example/link")
        );
        let quoted = parse(
            r#"{"user_code":"AB12","device_code":"d","verification_uri":"https://x.example/link","interval":"7","expires_in":"300","message":"go\u001b[2J there"}"#,
        )
        .unwrap();
        assert_eq!(quoted.interval, Duration::from_secs(7));
        assert_eq!(quoted.prompt.expires_on, later(now(), Duration::from_secs(300)));
        assert_eq!(quoted.prompt.message, "go [2J there", "nothing steers the terminal");
    }

    #[test]
    fn half_an_answer_is_refused_and_not_repeated() {
        for body in [
            r#"{"device_code":"hidden-device-code","verification_uri":"https://x.example/"}"#,
            r#"{"user_code":"A","device_code":"hidden-device-code","verification_uri":"javascript:alert(1)"}"#,
            r#"{"user_code":"A","device_code":"hidden-device-code","#,
            "",
        ] {
            let error = parse(body).err().unwrap();
            assert!(!format!("{error:?}").contains("hidden-device-code"), "{error:?}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(body in ".*", interval in any::<f64>(), life in any::<f64>()) {
            let _read = parse(&body);
            let number = |n: f64| serde_json::to_string(&n).unwrap();
            let _read = parse(&format!(
                r#"{{"user_code":"A","device_code":"d","verification_uri":"https://x","interval":{},"expires_in":{}}}"#,
                number(interval), number(life)
            ));
        }
    }
}
