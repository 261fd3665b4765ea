//! Trades a refresh token for an access token of any resource that the person consented to:
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow#refresh-the-access-token>

use bytes::Bytes;
use http::{HeaderValue, Request};
use m365_core::{ClientId, Cloud, Result};

use super::{Refusal, endpoint};
use crate::token::wire;

pub(in crate::token::user) fn request(
    cloud: &Cloud,
    tenant: &str,
    client: ClientId,
    refresh_token: &str,
    scope: &str,
    claims: Option<&str>,
    user_agent: &HeaderValue,
) -> Result<Request<Bytes>> {
    let client = client.to_string();
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", client.as_str()),
        ("scope", scope),
        ("refresh_token", refresh_token),
        ("claims", claims.unwrap_or_default()),
    ];
    wire::post(&endpoint(cloud, tenant, "token"), &fields, user_agent)
}

/// What a refusal means for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::token::user) enum Meaning {
    /// The refresh token is dead.
    Ended,
    /// Only a person gets further with this resource; others may still work.
    Interaction,
    /// Neither: the network, the server, the registration.
    Other,
}

/// Behaviour hangs on `error` and `suberror` alone.
///
/// Values of `suberror`: <https://learn.microsoft.com/entra/msal/dotnet/advanced/exceptions/msal-error-handling>
pub(in crate::token::user) fn meaning(refusal: &Refusal) -> Meaning {
    let about_the_request = matches!(
        refusal.suberror.as_deref(),
        Some(
            "consent_required"
                | "basic_action"
                | "additional_action"
                | "message_only"
                | "interaction_required"
        )
    );
    match refusal.error.service_code() {
        Some("interaction_required" | "login_required" | "consent_required") => Meaning::Interaction,
        Some("invalid_grant") if about_the_request => Meaning::Interaction,
        Some("invalid_grant") => Meaning::Ended,
        _ => Meaning::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use m365_core::{Error, ErrorKind};

    #[test]
    fn only_a_dead_refresh_token_ends_the_session() {
        let of = |code: &str, suberror: Option<&str>| {
            let error = Error::new(ErrorKind::Authentication, "x").with_code(code);
            meaning(&Refusal { error, suberror: suberror.map(str::to_owned) })
        };
        assert_eq!(of("invalid_grant", None), Meaning::Ended);
        assert_eq!(of("invalid_grant", Some("bad_token")), Meaning::Ended);
        assert_eq!(of("invalid_grant", Some("token_expired")), Meaning::Ended);
        assert_eq!(of("invalid_grant", Some("consent_required")), Meaning::Interaction);
        assert_eq!(of("interaction_required", Some("basic_action")), Meaning::Interaction);
        assert_eq!(of("invalid_client", None), Meaning::Other);
        assert_eq!(of("temporarily_unavailable", None), Meaning::Other);
    }
}
