//! Rendering messages: FETCH answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::parse::{FetchItem, Section};
use crate::state::Message;

/// One `* n FETCH (…)` line.
pub(super) fn line(sequence: usize, message: &Message, items: &[FetchItem]) -> Vec<u8> {
    let mut out = format!("* {sequence} FETCH (").into_bytes();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        match item {
            FetchItem::Uid => out.extend(format!("UID {}", message.uid).bytes()),
            FetchItem::Flags => out.extend(flags(message).bytes()),
            FetchItem::Size => out.extend(format!("RFC822.SIZE {}", message.mime.len()).bytes()),
            FetchItem::InternalDate => {
                let date = message.received.strftime("%d-%b-%Y %H:%M:%S +0000");
                out.extend(format!("INTERNALDATE \"{date}\"").bytes());
            }
            FetchItem::Envelope => out.extend(envelope(message).bytes()),
            FetchItem::Body { label, section, partial, .. } => {
                let bytes = content(&message.mime, section);
                let bytes = match partial {
                    Some((start, length)) => bytes.into_iter().skip(*start).take(*length).collect(),
                    None => bytes,
                };
                out.extend(format!("{label} {{{}}}\r\n", bytes.len()).bytes());
                out.extend(bytes);
            }
        }
    }
    out.extend_from_slice(b")\r\n");
    out
}

fn flags(message: &Message) -> String {
    format!("FLAGS ({})", if message.read { "\\Seen" } else { "" })
}

/// Where the body begins: after the first empty line.
fn body_start(mime: &[u8]) -> usize {
    mime.windows(4).position(|w| w == b"\r\n\r\n").map_or(mime.len(), |at| at + 4)
}

fn content(mime: &[u8], section: &Section) -> Vec<u8> {
    let (header, body) = mime.split_at(body_start(mime));
    match section {
        Section::All => mime.to_vec(),
        Section::Header => header.to_vec(),
        Section::Text => body.to_vec(),
        Section::Fields(names) => {
            let mut out = vec![];
            let mut wanted = false;
            for line in header.split_inclusive(|b| *b == b'\n') {
                if !line.starts_with(b" ") && !line.starts_with(b"\t") {
                    let name = line.split(|b| *b == b':').next().unwrap_or_default();
                    wanted = names.iter().any(|n| n.as_bytes().eq_ignore_ascii_case(name.trim_ascii()));
                }
                if wanted {
                    out.extend_from_slice(line);
                }
            }
            out.extend_from_slice(b"\r\n");
            out
        }
    }
}

/// The unfolded value of a header field, as it stands in the message.
fn field(message: &Message, name: &str) -> Option<String> {
    let raw = content(&message.mime, &Section::Fields(vec![name.to_owned()]));
    let text = String::from_utf8_lossy(&raw).replace("\r\n", "");
    let value = text.split_once(':')?.1.replace('\t', " ");
    Some(value.trim().to_owned())
}

/// <https://www.rfc-editor.org/rfc/rfc3501#section-7.4.2>
fn envelope(message: &Message) -> String {
    let date = field(message, "date")
        .unwrap_or_else(|| message.received.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string());
    let subject = field(message, "subject").unwrap_or_else(|| message.subject.clone());
    let (name, sender) = &message.from;
    let from = format!("({})", address(Some(name.as_str()).filter(|n| !n.is_empty()), sender));
    let to: String = message.to.iter().map(|to| address(None, to)).collect();
    let to = if to.is_empty() { "NIL".to_owned() } else { format!("({to})") };
    let reply = field(message, "in-reply-to").map_or_else(|| "NIL".to_owned(), |v| string(&v));
    format!(
        "ENVELOPE ({} {} {from} {from} {from} {to} NIL NIL {reply} {})",
        string(&date),
        string(&subject),
        string(&message.internet_message_id)
    )
}

fn address(name: Option<&str>, address: &str) -> String {
    let (user, host) = address.split_once('@').unwrap_or((address, ""));
    let name = name.map_or_else(|| "NIL".to_owned(), string);
    format!("({name} NIL {} {})", string(user), string(host))
}

/// A quoted string; what is not ASCII becomes an encoded word, control characters become blanks.
fn string(text: &str) -> String {
    let text =
        if text.is_ascii() { text.to_owned() } else { format!("=?utf-8?B?{}?=", STANDARD.encode(text)) };
    let clean: String = text.chars().map(|c| if c.is_ascii_control() { ' ' } else { c }).collect();
    format!("\"{}\"", clean.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::imap) fn message(uid: u32, subject: &str) -> Message {
        let mime = format!(
            "From: Carla <carla@contoso.example>\r\nTo: anna@adatum.example\r\nSubject: {subject}\r\n (again)\r\nDate: Sat, 21 Nov 2026 07:00:00 +0000\r\n\r\nHello {uid}\r\n"
        );
        Message {
            id: format!("AAMk{uid}"),
            uid,
            internet_message_id: format!("<{uid}@contoso.example>"),
            subject: subject.to_owned(),
            from: ("Zoë \"Z\"".to_owned(), "zoe@contoso.example".to_owned()),
            to: vec!["anna@adatum.example".to_owned()],
            received: "2026-11-01T07:00:00Z".parse().unwrap(),
            body: format!("Hello {uid}"),
            read: false,
            mime: mime.into_bytes(),
            ..Message::default()
        }
    }

    fn fetched(item: FetchItem) -> String {
        String::from_utf8(line(3, &message(9, "Offer"), &[item])).unwrap()
    }

    #[test]
    fn envelope_carries_ascii_only_and_unfolds_the_subject() {
        let text = fetched(FetchItem::Envelope);
        assert!(text.is_ascii());
        assert!(text.starts_with(
            "* 3 FETCH (ENVELOPE (\"Sat, 21 Nov 2026 07:00:00 +0000\" \"Offer (again)\" ((\"=?utf-8?B?"
        ));
        assert!(
            text.ends_with(
                "((NIL NIL \"anna\" \"adatum.example\")) NIL NIL NIL \"<9@contoso.example>\"))\r\n"
            )
        );
    }

    #[test]
    fn parts_and_partials() {
        let body = |section, partial| FetchItem::Body { label: "X".to_owned(), section, peek: true, partial };
        assert_eq!(fetched(body(Section::Text, None)), "* 3 FETCH (X {9}\r\nHello 9\r\n)\r\n");
        assert_eq!(fetched(body(Section::Text, Some((6, 99)))), "* 3 FETCH (X {3}\r\n9\r\n)\r\n");
        assert_eq!(fetched(body(Section::Text, Some((99, 1)))), "* 3 FETCH (X {0}\r\n)\r\n");
        let fields = body(Section::Fields(vec!["subject".to_owned(), "cc".to_owned()]), None);
        assert_eq!(fetched(fields), "* 3 FETCH (X {28}\r\nSubject: Offer\r\n (again)\r\n\r\n)\r\n");
        assert_eq!(
            fetched(FetchItem::InternalDate),
            "* 3 FETCH (INTERNALDATE \"01-Nov-2026 07:00:00 +0000\")\r\n"
        );
    }
}
