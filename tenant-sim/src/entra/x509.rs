//! The few fields of a certificate that Entra looks at: names, validity and public key.

use jiff::Timestamp;

/// What a registered certificate says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Certificate<'a> {
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    /// DER of the issuer's name, without its head.
    pub(crate) issuer: &'a [u8],
    /// DER of the subject's name, without its head.
    pub(crate) subject: &'a [u8],
    /// DER of the SubjectPublicKeyInfo.
    pub(crate) public_key: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Walks the DER (RFC 5280, section 4.1); `None` when it is no certificate.
    pub(crate) fn parse(der: &'a [u8]) -> Option<Self> {
        let (outer, rest) = element(der, 0x30)?;
        if !rest.is_empty() {
            return None;
        }
        let (mut tbs, _) = element(outer, 0x30)?;
        // version (optional), serial number, signature algorithm
        if tbs.first() == Some(&0xa0) {
            tbs = element(tbs, 0xa0)?.1;
        }
        for tag in [0x02, 0x30] {
            tbs = element(tbs, tag)?.1;
        }
        let (issuer, after) = element(tbs, 0x30)?;
        let (validity, after) = element(after, 0x30)?;
        let (not_before, end) = time(validity)?;
        let (not_after, _) = time(end)?;
        let (subject, key_start) = element(after, 0x30)?;
        let (_, rest) = element(key_start, 0x30)?;
        let public_key = key_start.get(..key_start.len() - rest.len())?;
        Some(Self { not_before, not_after, issuer, subject, public_key })
    }
}

/// Content of the element with this tag at the start of `der`, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    if found != tag {
        return None;
    }
    let length = if first < 0x80 {
        usize::from(first)
    } else {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let (bytes, after) = rest.split_at_checked(count)?;
        rest = after;
        bytes.iter().fold(0_usize, |n, b| (n << 8) | usize::from(*b))
    };
    rest.split_at_checked(length)
}

fn time(der: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (text, rest, utc) = match der.first()? {
        0x17 => element(der, 0x17).map(|(t, r)| (t, r, true))?,
        _ => element(der, 0x18).map(|(t, r)| (t, r, false))?,
    };
    let text = std::str::from_utf8(text).ok()?;
    let (year, rest_of_text) = if utc {
        let short: i16 = text.get(..2)?.parse().ok()?;
        (if short >= 50 { 1900 + short } else { 2000 + short }, text.get(2..)?)
    } else {
        (text.get(..4)?.parse().ok()?, text.get(4..)?)
    };
    let part = |range: std::ops::Range<usize>| rest_of_text.get(range).and_then(|p| p.parse::<i8>().ok());
    let at =
        jiff::civil::DateTime::new(year, part(0..2)?, part(2..4)?, part(4..6)?, part(6..8)?, part(8..10)?, 0)
            .ok()?
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()?;
    Some((at.timestamp(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_rcgen_writes() {
        let key = rcgen::KeyPair::generate().expect("key");
        let mut params = rcgen::CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2026, 1, 2);
        params.not_after = rcgen::date_time_ymd(2055, 3, 4);
        let certificate = params.self_signed(&key).expect("certificate");
        let parsed = Certificate::parse(certificate.der()).expect("parses");
        assert_eq!(parsed.issuer, parsed.subject);
        assert_eq!(parsed.not_before.to_string(), "2026-01-02T00:00:00Z");
        assert_eq!(parsed.not_after.to_string(), "2055-03-04T00:00:00Z");
        assert_eq!(parsed.public_key, rcgen::PublicKeyData::subject_public_key_info(&key));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = Certificate::parse(&bytes);
        }
    }
}
