//! The client assertion, as pure functions.
//!
//! <https://learn.microsoft.com/entra/identity-platform/certificate-credentials>

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use m365_core::{ApplicationObjectId, ClientId, Error, Result, later};
use serde::Serialize;

use super::signer::SigningAlgorithm;

/// Into the past for `nbf` and `iat`, so that a clock a little ahead of Entra's does no harm.
const BACK: Duration = Duration::from_secs(30);
/// From `nbf` to `exp`.
const LIFE: Duration = Duration::from_secs(600);

/// Microsoft Entra's own directory service, in every tenant and cloud.
const PROOF_AUDIENCE: &str = "00000002-0000-0000-c000-000000000000";

/// What names the certificate in the header.
pub(super) struct Thumbprints<'a> {
    pub(super) sha1: &'a str,
    pub(super) sha256: &'a str,
}

/// Header and payload, encoded and joined: what is to be signed.
pub(super) fn signing_input(
    algorithm: SigningAlgorithm,
    thumbprints: &Thumbprints<'_>,
    chain: Option<&[String]>,
    client: ClientId,
    audience: &str,
    now: Timestamp,
) -> Result<String> {
    let header = match algorithm {
        SigningAlgorithm::Ps256 => {
            Header { alg: "PS256", typ: "JWT", x5t_s256: Some(thumbprints.sha256), x5t: None, x5c: chain }
        }
        SigningAlgorithm::Rs256 => {
            Header { alg: "RS256", typ: "JWT", x5t_s256: None, x5t: Some(thumbprints.sha1), x5c: chain }
        }
    };
    let (client, start) = (client.to_string(), now.checked_sub(BACK).unwrap_or(now));
    let payload = Payload {
        aud: audience,
        iss: &client,
        sub: &client,
        jti: uuid::Uuid::new_v4().to_string(),
        nbf: start.as_second(),
        iat: start.as_second(),
        exp: later(start, LIFE).as_second(),
    };
    let mut text = String::with_capacity(1024);
    URL_SAFE_NO_PAD.encode_string(json(&header)?, &mut text);
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(json(&payload)?, &mut text);
    Ok(text)
}

/// The proof that `addKey` and `removeKey` want, header and payload: `iss` is the **object id** of the registration.
///
/// <https://learn.microsoft.com/graph/application-rollkey-prooftoken>
pub(super) fn proof_input(
    algorithm: SigningAlgorithm,
    thumbprints: &Thumbprints<'_>,
    application: ApplicationObjectId,
    now: Timestamp,
) -> Result<String> {
    let header = match algorithm {
        SigningAlgorithm::Ps256 => {
            Header { alg: "PS256", typ: "JWT", x5t_s256: Some(thumbprints.sha256), x5t: None, x5c: None }
        }
        SigningAlgorithm::Rs256 => {
            Header { alg: "RS256", typ: "JWT", x5t_s256: None, x5t: Some(thumbprints.sha1), x5c: None }
        }
    };
    let start = now.checked_sub(BACK).unwrap_or(now);
    let payload = ProofPayload {
        aud: PROOF_AUDIENCE,
        iss: application,
        nbf: start.as_second(),
        exp: later(start, LIFE).as_second(),
    };
    Ok(format!("{}.{}", URL_SAFE_NO_PAD.encode(json(&header)?), URL_SAFE_NO_PAD.encode(json(&payload)?)))
}

/// Appends the signature.
pub(super) fn assemble(mut input: String, signature: &[u8]) -> String {
    input.reserve(signature.len() * 4 / 3 + 4);
    input.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut input);
    input
}

fn json(part: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(part)
        .map_err(|e| Error::invalid("the client assertion cannot be written").with_source(e))
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    #[serde(rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    x5t_s256: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x5t: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x5c: Option<&'a [String]>,
}

#[derive(Serialize)]
struct Payload<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: String,
    nbf: i64,
    iat: i64,
    exp: i64,
}

#[derive(Serialize)]
struct ProofPayload {
    aud: &'static str,
    iss: ApplicationObjectId,
    nbf: i64,
    exp: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use m365_core::{Cloud, TenantName};

    const CLIENT: &str = "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d";

    fn parts(algorithm: SigningAlgorithm, chain: Option<&[String]>, cloud: &Cloud) -> [String; 2] {
        let audience = cloud.token_endpoint(&TenantName::parse("contoso.example").unwrap());
        let input = signing_input(
            algorithm,
            &Thumbprints { sha1: "c2hhMQ", sha256: "c2hhMjU2" },
            chain,
            ClientId::parse(CLIENT).unwrap(),
            audience.as_str(),
            "2026-11-21T08:00:00Z".parse().unwrap(),
        )
        .unwrap();
        let decode = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        let (header, payload) = input.split_once('.').unwrap();
        [decode(header), decode(payload)]
    }

    fn jti(payload: &str) -> String {
        let payload: serde_json::Value = serde_json::from_str(payload).unwrap();
        let jti = payload["jti"].as_str().unwrap().to_owned();
        assert!(uuid::Uuid::parse_str(&jti).is_ok());
        jti
    }

    #[test]
    fn trap_6_golden_header_and_payload() {
        let [header, payload] = parts(SigningAlgorithm::Ps256, None, &Cloud::public());
        assert_eq!(header, r#"{"alg":"PS256","typ":"JWT","x5t#S256":"c2hhMjU2"}"#);
        let jti = jti(&payload);
        // 2026-11-21T07:59:30Z and ten minutes later, as integers.
        assert_eq!(
            payload,
            format!(
                r#"{{"aud":"https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token","iss":"{CLIENT}","sub":"{CLIENT}","jti":"{jti}","nbf":1795247970,"iat":1795247970,"exp":1795248570}}"#
            )
        );
        let chain = ["TUlJQw==".to_owned(), "TUlJRA==".to_owned()];
        let [header, _] = parts(SigningAlgorithm::Rs256, Some(&chain), &Cloud::public());
        assert_eq!(header, r#"{"alg":"RS256","typ":"JWT","x5t":"c2hhMQ","x5c":["TUlJQw==","TUlJRA=="]}"#);
    }

    #[test]
    fn trap_6_jti_is_fresh_and_the_audience_is_that_of_the_cloud() {
        for (cloud, host) in [
            (Cloud::public(), "login.microsoftonline.com"),
            (Cloud::us_gov_l4(), "login.microsoftonline.us"),
            (Cloud::us_gov_dod(), "login.microsoftonline.us"),
            (Cloud::china(), "login.partner.microsoftonline.cn"),
        ] {
            let [[_, one], [_, two]] = [(); 2].map(|()| parts(SigningAlgorithm::Ps256, None, &cloud));
            assert_ne!(jti(&one), jti(&two));
            assert!(one.starts_with(&format!(r#"{{"aud":"https://{host}/contoso.example/"#)), "{one}");
        }
    }

    #[test]
    fn trap_12_golden_proof_of_possession() {
        let object = "a0000000-0000-4000-8000-000000000001";
        let proof = |algorithm| {
            let thumbprints = Thumbprints { sha1: "c2hhMQ", sha256: "c2hhMjU2" };
            let now = "2026-11-21T08:00:00Z".parse().unwrap();
            let input = proof_input(algorithm, &thumbprints, object.parse().unwrap(), now).unwrap();
            let decode = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
            let (header, payload) = input.split_once('.').unwrap();
            [decode(header), decode(payload)]
        };
        let [header, payload] = proof(SigningAlgorithm::Rs256);
        assert_eq!(header, r#"{"alg":"RS256","typ":"JWT","x5t":"c2hhMQ"}"#);
        // 2026-11-21T07:59:30Z and ten minutes later, as integers.
        let golden = format!(
            r#"{{"aud":"00000002-0000-0000-c000-000000000000","iss":"{object}","nbf":1795247970,"exp":1795248570}}"#
        );
        assert_eq!(payload, golden);
        let [header, payload] = proof(SigningAlgorithm::Ps256);
        assert_eq!(header, r#"{"alg":"PS256","typ":"JWT","x5t#S256":"c2hhMjU2"}"#);
        assert_eq!(payload, golden);
    }
}
