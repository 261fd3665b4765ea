//! What may be shown: one line, no token, no secret, bounded.

use std::fmt::Write as _;

/// Longest text taken over from a server into an error or a trace, in characters.
const LIMIT: usize = 300;

/// Makes one bounded line of a foreign text and blanks out what looks like a token.
///
/// ```
/// use m365_core::redact::line;
/// assert_eq!(line("AADSTS7000215: Invalid\r\nTrace ID: 1f"), "AADSTS7000215: Invalid Trace ID: 1f");
/// assert_eq!(line("Bearer eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln"), "Bearer [redacted]");
/// ```
pub fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(LIMIT));
    let mut shown = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        if looks_secret(word) {
            out.push_str("[redacted]");
            shown += 10;
        } else {
            for c in word.chars() {
                shown += 1;
                if shown > LIMIT {
                    let _ignored = write!(out, "…");
                    return out;
                }
                out.push(c);
            }
        }
    }
    out
}

/// JSON Web Tokens, SASL strings, and the key=value pairs of a token request.
fn looks_secret(word: &str) -> bool {
    const MARKS: [&str; 6] = [
        "client_secret=",
        "client_assertion=",
        "refresh_token=",
        "access_token\":",
        "secretText",
        "auth=Bearer",
    ];
    word.contains("eyJ") && word.len() > 30
        || word.starts_with("dXNlcj")
        || MARKS.iter().any(|m| word.contains(m))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_length_are_bounded() {
        assert_eq!(line("\0\0\0"), "");
        assert_eq!(line("a\u{1b}[31m b"), "a [31m b");
        assert!(line(&"x".repeat(10_000)).chars().count() <= LIMIT + 1);
        assert!(line(&"ä ".repeat(10_000)).chars().count() <= 2 * LIMIT + 2);
    }

    #[test]
    fn tokens_and_form_secrets_are_blanked() {
        let jwt = format!("eyJ{}.eyJ{}.sig", "a".repeat(40), "b".repeat(40));
        for text in [jwt.as_str(), "client_secret=Zx1~Q", "{\"access_token\":\"abc\"}", "dXNlcj10ZXN0"] {
            let shown = line(text);
            assert!(
                shown.contains("[redacted]") && !shown.contains("Zx1") && !shown.contains("abc\""),
                "{shown}"
            );
        }
    }
}
