use std::borrow::Cow;

/// Where a text stands decides how white space in it is read and what must be escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Content,
    Attribute,
}

/// What a whole answer is free of, found in one look, so that its texts need none of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Purity {
    /// No control character, and no first byte of U+FFFE and U+FFFF.
    controls: bool,
    /// And no `&`.
    references: bool,
}

impl Purity {
    pub(super) fn of(text: &str) -> Self {
        let mut references = true;
        let (blocks, rest) = text.as_bytes().as_chunks::<1024>();
        // Simple enough to be done on many bytes at once; the first block with line ends says that most texts need a look.
        for block in blocks.iter().map(<[u8; 1024]>::as_slice).chain([rest]) {
            let (mut control, mut reference) = (false, false);
            for byte in block {
                control |= (*byte < b' ') | (*byte == 0xEF);
                reference |= *byte == b'&';
            }
            if control {
                return Self { controls: false, references: false };
            }
            references &= !reference;
        }
        Self { controls: true, references }
    }

    /// As [`decode`], for a text of that answer.
    #[inline]
    pub(super) fn decode<'a>(self, raw: &'a str, place: Place, replaced: &mut u64) -> Cow<'a, str> {
        match place {
            Place::Content if self.controls => Cow::Borrowed(raw),
            Place::Attribute if self.references => Cow::Borrowed(raw),
            _ => decode(raw, place, replaced),
        }
    }
}
/// Longest name of a reference in an attribute.
const LONGEST_REFERENCE: usize = 10;

/// The text between markup, with what XML 1.0 forbids replaced by U+FFFD and counted.
///
/// `references` says whether `&` begins a reference, which it does in attributes; in content the reader splits those off.
fn decode<'a>(raw: &'a str, place: Place, replaced: &mut u64) -> Cow<'a, str> {
    // Nearly every text is clean.
    if !is_doubtful(raw.as_bytes(), place) {
        return Cow::Borrowed(raw);
    }
    let clean = |c: char| match c {
        '\r' => false,
        '\t' | '\n' | '&' => place == Place::Content,
        _ => is_legal(c),
    };
    if raw.chars().all(clean) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len() + 8);
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or("");
        rest = after;
        match c {
            '\r' => {
                // Line ends are normalised, as XML asks.
                rest = after.strip_prefix('\n').unwrap_or(after);
                out.push(if place == Place::Attribute { ' ' } else { '\n' });
            }
            '\t' | '\n' if place == Place::Attribute => out.push(' '),
            '&' if place == Place::Attribute => match reference(after) {
                Some((name, tail)) => {
                    push_reference(&mut out, name, replaced);
                    rest = tail;
                }
                None => out.push('&'),
            },
            c if is_legal(c) => out.push(c),
            _ => {
                out.push(char::REPLACEMENT_CHARACTER);
                *replaced += 1;
            }
        }
    }
    Cow::Owned(out)
}

/// The name before the `;`, and what is behind it. Looked for nearby only: a text of nothing but `&` would otherwise be
/// searched to its end once for each.
fn reference(after: &str) -> Option<(&str, &str)> {
    let end = after.bytes().take(LONGEST_REFERENCE + 1).position(|byte| byte == b';')?;
    Some((after.get(..end)?, after.get(end + 1..)?))
}

/// Whether a closer look is due: a control character, the first byte of U+FFFE and U+FFFF among others, or in an
/// attribute a reference. Eight bytes at a time, since texts are short; a wrong yes costs that closer look, no more.
fn is_doubtful(text: &[u8], place: Place) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let below = |word: u64, n: u8| word.wrapping_sub(ONES * u64::from(n)) & !word & HIGH;
    let reference = if place == Place::Attribute { b'&' } else { 0 };
    let look = |word: u64| {
        below(word, b' ') | below(word ^ (ONES * 0xEF), 1) | below(word ^ (ONES * u64::from(reference)), 1)
    };
    let (words, rest) = text.as_chunks::<8>();
    let mut found = words.iter().fold(0, |found, word| found | look(u64::from_ne_bytes(*word)));
    if !rest.is_empty() {
        let mut last = [b' '; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        found |= look(u64::from_ne_bytes(last));
    }
    found != 0
}

/// Appends what the reference `&name;` stands for: one of the five names or a character. A character that XML forbids
/// becomes U+FFFD; a name that only a document type could explain is kept as it was written. Both are counted.
pub(super) fn push_reference(out: &mut String, name: &str, replaced: &mut u64) {
    let known = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    };
    if let Some(c) = known {
        out.push(c);
        return;
    }
    let Some(number) = name.strip_prefix('#') else {
        *replaced += 1;
        out.push('&');
        out.push_str(name);
        out.push(';');
        return;
    };
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => number.parse(),
    };
    match code.ok().and_then(char::from_u32).filter(|c| is_legal(*c)) {
        Some(c) => out.push(c),
        None => {
            *replaced += 1;
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

/// Appends a text so that a reader gets it back unchanged, except for characters that XML cannot carry at all: those
/// become U+FFFD and are counted. Exchange answers them with a schema fault otherwise.
pub(super) fn encode(out: &mut String, text: &str, place: Place) -> u64 {
    let doubtful = text.bytes().fold(false, |found, byte| {
        found
            | ((byte < b' ')
                | (byte == 0xEF)
                | (byte == b'&')
                | (byte == b'<')
                | (byte == b'>')
                | ((byte == b'"') & (place == Place::Attribute)))
    });
    if !doubtful {
        out.push_str(text);
        return 0;
    }
    let mut replaced = 0;
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#xD;"),
            '"' if place == Place::Attribute => out.push_str("&quot;"),
            '\t' if place == Place::Attribute => out.push_str("&#x9;"),
            '\n' if place == Place::Attribute => out.push_str("&#xA;"),
            c if is_legal(c) => out.push(c),
            _ => {
                replaced += 1;
                out.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }
    replaced
}

/// Whether XML 1.0 allows this character: <https://www.w3.org/TR/xml/#charsets>.
fn is_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn trap_06_illegal_references_become_one_replacement_each() {
        for name in
            ["#x0", "#0", "#x1F", "#16", "#xD800", "#xFFFE", "#x110000", "#99999999999", "#", "#x", "#+5"]
        {
            let (mut out, mut replaced) = (String::new(), 0);
            push_reference(&mut out, name, &mut replaced);
            if name == "#+5" {
                continue;
            }
            assert_eq!((out.as_str(), replaced), ("\u{FFFD}", 1), "{name}");
        }
    }

    #[test]
    fn a_reference_that_only_a_dtd_explains_is_kept_and_counted() {
        let (mut out, mut replaced) = (String::new(), 0);
        push_reference(&mut out, "nbsp", &mut replaced);
        assert_eq!((out.as_str(), replaced), ("&nbsp;", 1));
    }

    #[test]
    fn white_space_in_attributes_is_normalised_and_references_are_resolved() {
        let mut replaced = 0;
        let text = decode("a\tb\r\nc &lt;&#x1F;&#xA; & d", Place::Attribute, &mut replaced);
        assert_eq!((text.as_ref(), replaced), ("a b c <\u{FFFD}\n & d", 1));
    }

    #[test]
    fn an_attribute_of_nothing_but_ampersands_costs_what_its_length_costs() {
        for raw in ["&".repeat(1 << 20), "&".repeat(1 << 20) + ";"] {
            let began = std::time::Instant::now();
            let mut replaced = 0;
            let text = decode(&raw, Place::Attribute, &mut replaced);
            assert!(text.starts_with("&&&") && text.ends_with(if raw.ends_with(';') { ";" } else { "&" }));
            // It took minutes when each of them was followed to the end.
            assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// A look at the whole changes nothing that is read.
        #[test]
        fn a_pure_answer_is_read_as_any_other(
            text in "([ -~\u{e9}]{0,40}|[&\r\n\t\u{1}\u{FFFE}\u{FFFF}a]{0,3}){0,60}",
            at in any::<prop::sample::Index>(),
            attribute in any::<bool>(),
        ) {
            let place = if attribute { Place::Attribute } else { Place::Content };
            // In content the reader hands references over apart.
            let text = if attribute { text } else { text.replace('&', "") };
            let raw = &text[text.floor_char_boundary(at.index(text.len() + 1))..];
            let (mut looked, mut once) = (0, 0);
            prop_assert_eq!(Purity::of(&text).decode(raw, place, &mut once), decode(raw, place, &mut looked));
            prop_assert_eq!(once, looked);
        }

        #[test]
        fn what_is_written_is_read_again(text in any::<String>(), attribute in any::<bool>()) {
            let place = if attribute { Place::Attribute } else { Place::Content };
            let mut out = String::new();
            let lost = encode(&mut out, &text, place);
            let expected: String = text.chars().map(|c| if is_legal(c) { c } else { '\u{FFFD}' }).collect();
            prop_assert_eq!(lost, text.chars().filter(|c| !is_legal(*c)).count() as u64);
            let mut replaced = 0;
            // In content the reader splits references off; attributes go through the whole of it.
            let read = if attribute {
                decode(&out, place, &mut replaced).into_owned()
            } else {
                let xml = format!("<a>{out}</a>");
                let document = crate::xml::Document::new(xml.as_bytes()).unwrap();
                let mut cursor = document.cursor();
                let root = cursor.root().unwrap();
                cursor.text(&root).unwrap().into_owned()
            };
            prop_assert_eq!(read, expected);
            prop_assert_eq!(replaced, 0);
        }
    }
}
