//! Messages as RFC 5322 text, and the few headers read back from it.

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;

/// What a message is composed of.
pub(crate) struct Parts<'a> {
    pub(crate) from: (&'a str, &'a str),
    pub(crate) to: &'a [String],
    pub(crate) subject: &'a str,
    pub(crate) date: Timestamp,
    pub(crate) message_id: &'a str,
    pub(crate) body: &'a str,
}

/// The whole message with CRLF line ends; anything beyond ASCII is encoded.
pub(crate) fn compose(parts: &Parts<'_>) -> Vec<u8> {
    let date =
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_string(&parts.date).unwrap_or_default();
    let (encoding, body) = if parts.body.is_ascii() {
        ("7bit", parts.body.replace("\r\n", "\n").replace('\n', "\r\n"))
    } else {
        let encoded = BASE64_STANDARD.encode(parts.body);
        let lines: Vec<String> =
            encoded.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        ("base64", lines.join("\r\n"))
    };
    format!(
        "Date: {date}\r\nMessage-ID: {}\r\nFrom: {} <{}>\r\nTo: {}\r\nSubject: {}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n",
        parts.message_id,
        phrase(parts.from.0),
        one_line(parts.from.1),
        parts.to.iter().map(|a| one_line(a)).collect::<Vec<_>>().join(", "),
        encoded_words(parts.subject),
    )
    .into_bytes()
}

fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

fn phrase(name: &str) -> String {
    let name = one_line(name);
    if name.is_ascii() {
        format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        encoded_words(&name)
    }
}

fn encoded_words(text: &str) -> String {
    let text = one_line(text);
    if text.is_ascii() {
        return text;
    }
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        if word.len() + c.len_utf8() > 42 {
            words.push(std::mem::take(&mut word));
        }
        word.push(c);
    }
    words.push(word);
    words
        .iter()
        .map(|w| format!("=?utf-8?B?{}?=", BASE64_STANDARD.encode(w)))
        .collect::<Vec<_>>()
        .join("\r\n ")
}

/// First header of this name, unfolded and undecoded.
pub(crate) fn header(message: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(message);
    let mut found: Option<String> = None;
    for line in text.lines().take_while(|l| !l.is_empty()) {
        match (&mut found, line.starts_with([' ', '\t'])) {
            (Some(value), true) => {
                value.push(' ');
                value.push_str(line.trim());
            }
            (Some(_), false) => break,
            (None, _) => {
                found = line
                    .split_once(':')
                    .filter(|(n, _)| n.eq_ignore_ascii_case(name))
                    .map(|(_, v)| v.trim().to_owned());
            }
        }
    }
    found
}

/// Addresses of a recipient header.
pub(crate) fn addresses(value: &str) -> Vec<String> {
    value
        .split(',')
        .map(|part| match part.rsplit_once('<') {
            Some((_, rest)) => rest.split('>').next().unwrap_or_default().trim().to_owned(),
            None => part.trim().to_owned(),
        })
        .filter(|a| a.contains('@'))
        .collect()
}

/// What follows the headers.
pub(crate) fn body(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let start = text.find("\r\n\r\n").map(|n| n + 4).or_else(|| text.find("\n\n").map(|n| n + 2));
    start.and_then(|n| text.get(n..)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_headers_read_back() {
        let to = vec!["b@contoso.example".to_owned(), "c@contoso.example".to_owned()];
        let message = compose(&Parts {
            from: ("A \"quoted\" name", "a@contoso.example"),
            to: &to,
            subject: "Grüße",
            date: Timestamp::UNIX_EPOCH,
            message_id: "<1@x>",
            body: "one\ntwo",
        });
        assert_eq!(addresses(&header(&message, "to").expect("to")), to);
        assert_eq!(header(&message, "Message-Id").as_deref(), Some("<1@x>"));
        assert_eq!(header(&message, "subject").as_deref(), Some("=?utf-8?B?R3LDvMOfZQ==?="));
        assert_eq!(body(&message), "one\r\ntwo\r\n");
    }

    #[test]
    fn a_subject_cannot_add_a_header() {
        let message = compose(&Parts {
            from: ("a", "a@x"),
            to: &[],
            subject: "x\r\nBcc: evil@x",
            date: Timestamp::UNIX_EPOCH,
            message_id: "<1@x>",
            body: "",
        });
        assert_eq!(header(&message, "bcc"), None);
    }
}
