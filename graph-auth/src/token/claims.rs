use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use m365_core::{AccessToken, ClientId, Error, Result, ServicePrincipalObjectId, TenantId};
use serde::Deserialize;

/// What an app-only token says about itself, read **without verifying** its signature: for diagnosis and proof of one's
/// own tokens, never to authorise somebody else.
///
/// <https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference>
///
/// ```
/// use graph_auth::TokenClaims;
/// // {"aud":"https://graph.microsoft.com","roles":["Mail.Read"]}
/// let claims = TokenClaims::parse(
///     "eyJ0eXAiOiJKV1QifQ.eyJhdWQiOiJodHRwczovL2dyYXBoLm1pY3Jvc29mdC5jb20iLCJyb2xlcyI6WyJNYWlsLlJlYWQiXX0.c2ln",
/// )?;
/// assert_eq!(claims.roles, ["Mail.Read"]);
/// # Ok::<(), graph_auth::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenClaims {
    /// The API that the token is for (`aud`).
    pub audience: String,
    /// The tenant that issued it (`tid`).
    pub tenant: Option<TenantId>,
    /// The app it was issued to (`appid`, or `azp` in v2.0 tokens).
    pub client: Option<ClientId>,
    /// The object id of the app's service principal (`oid`): what Exchange's `New-ServicePrincipal -ObjectId` wants.
    pub service_principal: Option<ServicePrincipalObjectId>,
    /// Kind of identity (`idtyp`): `app` for app-only tokens.
    pub identity_type: Option<String>,
    /// Application permissions (`roles`), frozen when the token was issued. Absent on the wire when nothing was consented,
    /// which is legal for apps that work by Exchange roles alone.
    pub roles: Vec<String>,
    /// When it expires (`exp`).
    pub expires_on: Option<Timestamp>,
}

impl TokenClaims {
    /// Reads the claims of a token.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse) when the token is not a JSON Web Token; opaque
    /// tokens exist, so this alone does not make a token unusable.
    pub fn read(token: &AccessToken) -> Result<Self> {
        Self::parse(token.expose_secret())
    }

    /// Reads the claims of a bare token.
    ///
    /// # Errors
    /// As [`TokenClaims::read`].
    pub fn parse(token: &str) -> Result<Self> {
        let unreadable = || Error::unreadable("the access token is not a readable JSON Web Token");
        let payload = token.split('.').nth(1).ok_or_else(unreadable)?;
        let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).map_err(|_| unreadable())?;
        let raw: Raw = serde_json::from_slice(&bytes).map_err(|_| unreadable())?;
        Ok(Self {
            audience: raw.aud,
            tenant: raw.tid.as_deref().and_then(|t| TenantId::parse(t).ok()),
            client: raw.appid.or(raw.azp).as_deref().and_then(|t| ClientId::parse(t).ok()),
            service_principal: raw.oid.as_deref().and_then(|t| ServicePrincipalObjectId::parse(t).ok()),
            identity_type: raw.idtyp,
            roles: raw.roles,
            expires_on: raw.exp.and_then(|s| Timestamp::from_second(s).ok()),
        })
    }
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    aud: String,
    tid: Option<String>,
    appid: Option<String>,
    azp: Option<String>,
    oid: Option<String>,
    idtyp: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    exp: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn jwt(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn v1_and_v2_names_of_the_client_are_both_read() {
        let id = "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d";
        for name in ["appid", "azp"] {
            let claims = TokenClaims::parse(&jwt(&format!(r#"{{"aud":"x","{name}":"{id}"}}"#))).unwrap();
            assert_eq!(claims.client.unwrap().to_string(), id);
            assert!(claims.roles.is_empty());
        }
    }

    #[test]
    fn all_claims_are_typed() {
        let claims = TokenClaims::parse(&jwt(
            r#"{"aud":"https://outlook.office365.com","tid":"0f0e0d0c-0b0a-4908-8706-050403020100","oid":"11111111-2222-4333-8444-555555555555","idtyp":"app","roles":["IMAP.AccessAsApp"],"exp":1795000000}"#,
        ))
        .unwrap();
        assert_eq!(claims.tenant.unwrap().to_string(), "0f0e0d0c-0b0a-4908-8706-050403020100");
        assert_eq!(claims.service_principal.unwrap().to_string(), "11111111-2222-4333-8444-555555555555");
        assert_eq!(claims.identity_type.as_deref(), Some("app"));
        assert_eq!(claims.expires_on.unwrap().as_second(), 1_795_000_000);
    }

    proptest! {
        #[test]
        fn never_panics(token in ".*", payload in ".*", exp in any::<i64>()) {
            let _read = TokenClaims::parse(&token);
            let _read = TokenClaims::parse(&jwt(&payload));
            let any_time = TokenClaims::parse(&jwt(&format!("{{\"exp\":{exp}}}")));
            prop_assert!(any_time.is_ok());
        }
    }
}
