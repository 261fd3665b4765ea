//! Claims challenges of continuous access evaluation.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

const TOLERANT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// The JSON of the claims that a 401 asks for, when its `WWW-Authenticate` says `insufficient_claims`.
///
/// <https://learn.microsoft.com/entra/identity-platform/claims-challenge>
pub fn read(headers: &HeaderMap) -> Option<String> {
    headers.get_all(WWW_AUTHENTICATE).iter().find_map(|value| {
        let value = value.to_str().ok()?;
        if !value.contains("insufficient_claims") {
            return None;
        }
        let (_, rest) = value.split_once("claims=\"")?;
        let (encoded, _) = rest.split_once('"')?;
        let bytes = GeneralPurpose::new(&STANDARD, TOLERANT)
            .decode(encoded)
            .or_else(|_| GeneralPurpose::new(&URL_SAFE, TOLERANT).decode(encoded))
            .ok()?;
        let json = String::from_utf8(bytes).ok()?;
        serde_json::from_str::<serde::de::IgnoredAny>(&json).ok()?;
        Some(json)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(claims: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let value = format!("Bearer realm=\"\", error=\"insufficient_claims\", claims=\"{claims}\"");
        headers.insert(WWW_AUTHENTICATE, value.parse().unwrap());
        headers
    }

    #[test]
    fn decoded_with_and_without_padding() {
        let expected = r#"{"access_token":{"acrs":{"essential":true,"value":"cp1"}}}"#;
        let padded = base64::engine::general_purpose::STANDARD.encode(expected);
        assert_eq!(read(&challenge(&padded)).as_deref(), Some(expected));
        assert_eq!(read(&challenge(padded.trim_end_matches('='))).as_deref(), Some(expected));
    }

    #[test]
    fn other_challenges_are_not_claims() {
        assert_eq!(read(&challenge("!!!")), None);
        assert_eq!(read(&challenge("bm90IGpzb24")), None);
        assert_eq!(read(&HeaderMap::new()), None);
    }
}
