//! What may be shown: one line, no token, no secret, bounded.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

/// Longest text taken over from a server into an error or a trace, in characters.
const LIMIT: usize = 300;

/// Makes one bounded line of a foreign text and blanks out what looks like a token or follows the name of a secret.
///
/// ```
/// use m365_core::redact::line;
/// assert_eq!(line("AADSTS7000215: Invalid\r\nTrace ID: 1f"), "AADSTS7000215: Invalid Trace ID: 1f");
/// assert_eq!(line("Bearer eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln"), "Bearer [redacted]");
/// assert_eq!(line(r#"{"secretText": "Zx1~q w", "hint": "Zx1"}"#), r#"{"secretText": [redacted], "hint": "Zx1"}"#);
/// ```
pub fn line(text: &str) -> String {
    let text = without_named_secrets(text);
    let mut out = String::with_capacity(text.len().min(LIMIT));
    let mut shown = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        if looks_secret(word) {
            out.push_str(BLANK);
            shown += BLANK.len();
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

const BLANK: &str = "[redacted]";

/// Names whose value is a secret, in lower case: fields of token requests and answers, of Graph's new credential, and
/// the SASL string. Neither `code`, which in JSON is the name of every error's, nor `user_code`: people must see it.
const MARKS: [&str; 11] = [
    "client_secret",
    "client_assertion",
    "refresh_token",
    "access_token",
    "id_token",
    "secrettext",
    "clientsecret",
    "password",
    "device_code",
    "code_verifier",
    "auth=bearer",
];

/// Blanks the value after each mark: `name=value`, `"name" : "value"`, also escaped inside another string.
fn without_named_secrets(text: &str) -> Cow<'_, str> {
    let lower = text.to_ascii_lowercase();
    let mut out = String::new();
    let mut done = 0;
    loop {
        let rest = lower.get(done..).unwrap_or_default();
        let named = MARKS.iter().filter_map(|mark| Some((rest.find(mark)?, *mark)));
        let next = named.chain(authorization_code(rest).map(|at| (at, CODE))).min();
        let Some((at, mark)) = next else { break };
        let name_end = done + at + mark.len();
        let tail = text.get(name_end..).unwrap_or_default();
        let value = value_after(tail, mark == "auth=bearer");
        let kept_to = name_end + value.as_ref().map_or(0, |value| value.start);
        out.push_str(text.get(done..kept_to).unwrap_or_default());
        done = kept_to;
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            out.push_str(BLANK);
            done = name_end + value.end;
        }
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

/// An authorization code's name without what separates it from the parameter before.
const CODE: &str = "code";
/// No error code is as long; authorization codes have hundreds of characters.
const SHORTEST_CODE: usize = 40;

/// Where an authorization code is named as a parameter of a form or a query. A short value there is an error's code, as in
/// the addresses of help pages.
fn authorization_code(lower: &str) -> Option<usize> {
    lower.match_indices("code=").map(|(at, _)| at).find(|at| {
        let before = lower.get(..*at).unwrap_or_default();
        let value = lower.get(at + CODE.len() + 1..).unwrap_or_default();
        before.ends_with(['?', '&'])
            && value.chars().take_while(|c| !is_blank(*c) && !"&\"'".contains(*c)).count() >= SHORTEST_CODE
    })
}

/// Where the value stands in what follows a name; none when the name only occurs in a sentence.
fn value_after(tail: &str, blank_separates: bool) -> Option<Range<usize>> {
    let closed = skip(tail, &['\\', '"', '\'']);
    let value = skip(closed, &['=', ':', '>']);
    let separators = closed.get(..closed.len() - value.len()).unwrap_or_default();
    if !blank_separates && !separators.contains(['=', ':', '>']) {
        return None;
    }
    let start = tail.len() - value.len();
    let slashes = value.len() - value.trim_start_matches('\\').len();
    let quote = value.get(slashes..).and_then(|v| v.chars().next()).filter(|c| matches!(c, '"' | '\''));
    let length = match quote {
        Some(quote) => quoted(value, slashes, quote),
        None => value.find(|c: char| is_blank(c) || c == '&').unwrap_or(value.len()),
    };
    Some(start..start + length)
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// The text without leading blanks, also escaped ones, and without these characters.
fn skip<'a>(mut text: &'a str, also: &[char]) -> &'a str {
    // One at a time: a backslash may begin a blank or stand before a quote.
    let step = |text: &'a str| {
        ["\\n", "\\r", "\\t"]
            .iter()
            .find_map(|escape| text.strip_prefix(escape))
            .or_else(|| text.strip_prefix(is_blank))
            .or_else(|| text.strip_prefix(also))
    };
    while let Some(rest) = step(text) {
        text = rest;
    }
    text
}

/// Length of a quoted value whose quotes stand behind so many backslashes; all of the text when it is cut short.
fn quoted(value: &str, slashes: usize, quote: char) -> usize {
    let mut before = 0;
    for (at, c) in value.char_indices().skip(slashes + 1) {
        match c {
            '\\' => before += 1,
            // An escaped quote of the same text has more backslashes, or an odd number where the closing one has none.
            c if c == quote && (before == slashes || (slashes == 0 && before % 2 == 0)) => return at + 1,
            _ => before = 0,
        }
    }
    value.len()
}

/// JSON Web Tokens and SASL strings.
fn looks_secret(word: &str) -> bool {
    word.contains("eyJ") && word.len() > 30 || word.starts_with("dXNlcj")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    #[test]
    fn names_of_secrets_in_sentences_stay() {
        for text in [
            "AADSTS7000216: 'client_assertion', 'client_secret' or 'request' is required.",
            "The secretText is shown once.",
            "password",
            "",
        ] {
            assert_eq!(line(text), text);
        }
        assert_eq!(line("a client_secret=abc&x=y"), "a client_secret=[redacted]&x=y");
        assert_eq!(
            line("{\"access_token\":\"\",\"error\":\"e\"}"),
            "{\"access_token\":[redacted],\"error\":\"e\"}"
        );
    }

    #[test]
    fn an_authorization_code_is_told_from_an_errors_code() {
        let code = "0.AXoA-made.up_code".repeat(4);
        for text in [
            format!("http://localhost:4711/?code={code}&state=s"),
            format!("grant_type=authorization_code&CODE={code}&redirect_uri=x and &code={code}"),
            format!("?code=70016&code={code}"),
        ] {
            let shown = line(&text);
            assert!(!shown.contains("made") && shown.contains("[redacted]"), "{shown}");
        }
        for text in [
            r#"{"error":{"code":"Authorization_RequestDenied","message":"code=abc"}}"#,
            "see https://login.example/error?code=7000215 code=x",
            "https://login.example/help?code=ErrorSubmissionQuotaExceeded&x=1",
            "postcode=0123456789012345678901234567890123456789",
        ] {
            assert_eq!(line(text), text);
        }
    }

    #[test]
    fn what_a_person_must_type_and_the_names_of_grants_stay() {
        for text in [
            "https://login.example/device?user_code=BCDF-2345",
            "enter the code BCDF2345",
            "grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=6c2f",
            "AADSTS900144: The request body must contain the parameter 'device_code' or 'code_verifier'.",
        ] {
            assert_eq!(line(text), text);
        }
        assert_eq!(
            line("device_code=HAQAB&code_verifier=dBj"),
            "device_code=[redacted]&code_verifier=[redacted]"
        );
    }

    proptest! {
        #[test]
        fn a_secret_after_any_mark_never_shows(
            mark in prop::sample::select(&MARKS[..10]),
            upper in any::<bool>(),
            blanks in "[ \t\r\n]{0,3}",
            before in "[a-z {]{0,12}",
            secret in "[!-~]{12,40}",
            plain in "[A-Za-z0-9~._-]{12,40}",
        ) {
            let mark = if upper { mark.to_uppercase() } else { mark.to_owned() };
            let json = serde_json::to_string(&secret).unwrap();
            let nested = serde_json::to_string(&format!("{{\"{mark}\"{blanks}:{blanks}{json}}}")).unwrap();
            for text in [
                format!("{before}\"{mark}\"{blanks}:{blanks}{json},\"x\":1}}"),
                format!("{before}{mark}={plain}&x=1"),
                format!("{before}{mark}{blanks}:{blanks}{plain}"),
                format!("{before}'{mark}'{blanks}={blanks}'{plain}'"),
                nested,
                format!("{before}auth=Bearer {plain}\u{1}\u{1}"),
            ] {
                let shown = line(&text);
                let bare = json.trim_matches('"');
                prop_assert!(
                    !shown.contains(&secret) && !shown.contains(bare) && !shown.contains(&plain),
                    "{text:?} gave {shown:?}"
                );
            }
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _shown = line(&text);
        }
    }
}
