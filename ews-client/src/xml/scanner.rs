use memchr::{memchr, memchr2, memchr3, memmem};

use super::error::{Limits, XmlError, XmlProblem};

/// What the next piece of markup or text is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Start(Tag<'a>),
    End,
    Text(&'a str),
    CData(&'a str),
    Reference(&'a str),
    Eof,
}

/// A start tag whose prefix is not resolved yet: an element that is skipped never needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    pub(super) name: &'a str,
    pub(super) attributes: &'a str,
    pub(super) offset: usize,
    /// An attribute's name begins with `x`: it may declare a namespace.
    pub(super) declares: bool,
}

/// Cuts a text into tokens, each byte looked at once. End tags are held against their start tags; comments,
/// instructions and the declaration are passed over; document types are refused.
///
/// quick-xml reads the same language and takes twice as long, since it must serve sources that are no slice and
/// encodings that are no UTF-8; a test holds the two against each other.
pub(super) struct Scanner<'a> {
    doc: &'a str,
    base: usize,
    at: usize,
    /// The names of the open elements, outermost first.
    open: Vec<&'a str>,
    /// The innermost open element was written `<name/>`: its end is due without being in the text.
    closing: bool,
    limits: Limits,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(doc: &'a str, base: usize, limits: Limits) -> Self {
        Self { doc, base, at: 0, open: Vec::with_capacity(16), closing: false, limits }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Elements that are open.
    #[inline]
    pub(super) fn depth(&self) -> u32 {
        // The limit of depth is a u32.
        self.open.len() as u32
    }

    pub(super) fn token(&mut self) -> Result<Token<'a>, XmlError> {
        if self.closing {
            self.closing = false;
            self.open.pop();
            return Ok(Token::End);
        }
        loop {
            let rest = self.doc.get(self.at..).unwrap_or("");
            let bytes = rest.as_bytes();
            match bytes {
                [] => return Ok(Token::Eof),
                [b'<', b'/', ..] => return self.end_tag(rest),
                [b'<', b'!', ..] => {
                    if let Some(section) = self.section(rest)? {
                        return Ok(Token::CData(section));
                    }
                }
                [b'<', b'?', ..] => self.instruction(rest)?,
                [b'<', ..] => return self.start_tag(rest),
                [b'&', after @ ..] => {
                    let end = memchr3(b';', b'&', b'<', after).ok_or_else(|| self.cut())?;
                    if after.get(end) != Some(&b';') {
                        return Err(self.wrong("`&` that begins no reference"));
                    }
                    self.at += end + 2;
                    return Ok(Token::Reference(rest.get(1..=end).unwrap_or("")));
                }
                _ => {
                    let end = memchr2(b'<', b'&', bytes).unwrap_or(bytes.len());
                    self.at += end;
                    return Ok(Token::Text(rest.get(..end).unwrap_or("")));
                }
            }
        }
    }

    #[inline]
    fn start_tag(&mut self, rest: &'a str) -> Result<Token<'a>, XmlError> {
        let bytes = rest.as_bytes();
        let inner = bytes.get(1..).unwrap_or_default();
        let length = inner.iter().position(|b| ends_name(*b)).ok_or_else(|| self.cut())?;
        let behind = length + 1;
        if length == 0 {
            return Err(self.wrong("`<` that begins no tag"));
        }
        // Most tags have no attributes and end here.
        let (end, declares) = match bytes.get(behind..) {
            Some([b'>', ..]) => (behind, false),
            Some([b'/', b'>', ..]) => (behind + 1, false),
            Some([b'/'] | []) | None => return Err(self.cut()),
            Some([b' ' | b'\t' | b'\r' | b'\n', ..]) => self.tag_end(bytes, behind)?,
            _ => return Err(self.wrong("a character that no name may have")),
        };
        let empty = bytes.get(end - 1) == Some(&b'/');
        let last = if empty { end - 1 } else { end };
        let tag = Tag {
            name: rest.get(1..behind).unwrap_or(""),
            attributes: rest.get(behind..last).unwrap_or(""),
            offset: self.base + self.at,
            declares,
        };
        if self.depth() >= self.limits.depth {
            return Err(XmlError::at(tag.offset, XmlProblem::TooDeep(self.limits.depth)));
        }
        if end > self.limits.element {
            return Err(XmlError::at(tag.offset, XmlProblem::TooLong(self.limits.element)));
        }
        self.open.push(tag.name);
        self.closing = empty;
        self.at += end + 1;
        Ok(Token::Start(tag))
    }

    /// Where the `>` of a tag is, one within quotes being none; and whether an attribute may declare a namespace.
    fn tag_end(&self, bytes: &[u8], from: usize) -> Result<(usize, bool), XmlError> {
        let (mut at, mut declares) = (from, false);
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let found = memchr3(b'>', b'"', b'\'', rest).ok_or_else(|| self.cut())?;
            at += found;
            match rest.get(found) {
                Some(b'>') => return Ok((at, declares)),
                quote => {
                    let name = rest.get(..found).unwrap_or_default().trim_ascii_start();
                    declares |= name.first() == Some(&b'x');
                    let quote = quote.copied().unwrap_or(b'"');
                    let value = bytes.get(at + 1..).unwrap_or_default();
                    at += memchr(quote, value).ok_or_else(|| self.cut())? + 2;
                }
            }
        }
    }

    #[inline]
    fn end_tag(&mut self, rest: &'a str) -> Result<Token<'a>, XmlError> {
        let tag = rest.get(2..).unwrap_or("");
        let Some(open) = self.open.last() else {
            return Err(self.wrong("an end tag without a start tag"));
        };
        let behind = tag.strip_prefix(open).unwrap_or(tag);
        let length = if behind.len() < tag.len() && behind.starts_with('>') {
            open.len()
        } else {
            let end = memchr(b'>', tag.as_bytes()).ok_or_else(|| self.cut())?;
            if tag.get(..end).map(str::trim_ascii_end) != Some(open) {
                let name: String = tag.get(..end).unwrap_or("").chars().take(60).collect();
                let open: String = open.chars().take(60).collect();
                return Err(self.wrong(&format!("`</{name}>` where `</{open}>` is due")));
            }
            end
        };
        self.open.pop();
        self.at += length + 3;
        Ok(Token::End)
    }

    /// A comment, which is passed over, or a CDATA section.
    fn section(&mut self, rest: &'a str) -> Result<Option<&'a str>, XmlError> {
        for (begin, end) in [("<!--", "-->"), ("<![CDATA[", "]]>")] {
            if let Some(inner) = rest.strip_prefix(begin) {
                let length = memmem::find(inner.as_bytes(), end.as_bytes()).ok_or_else(|| self.cut())?;
                self.at += begin.len() + length + end.len();
                return Ok(if begin == "<!--" { None } else { inner.get(..length) });
            }
            if begin.starts_with(rest) {
                return Err(self.cut());
            }
        }
        let begin = rest.get(..9).unwrap_or(rest);
        if begin.eq_ignore_ascii_case("<!DOCTYPE") {
            Err(XmlError::at(self.base + self.at, XmlProblem::Dtd))
        } else if "<!DOCTYPE".starts_with(begin) {
            Err(self.cut())
        } else {
            Err(self.wrong("`<!` without a comment or a CDATA section"))
        }
    }

    /// A processing instruction; the XML declaration is one whose encoding must be UTF-8.
    fn instruction(&mut self, rest: &'a str) -> Result<(), XmlError> {
        let end = memmem::find(rest.as_bytes(), b"?>").ok_or_else(|| self.cut())?;
        let inner = rest.get(2..end).unwrap_or("");
        if let Some(declaration) = inner.strip_prefix("xml")
            && declaration.starts_with(|c: char| c.is_ascii_whitespace())
        {
            for attribute in Attributes::of(declaration) {
                let (name, value) =
                    attribute.ok_or_else(|| self.wrong("an XML declaration without `=` or quotes"))?;
                if name == "encoding"
                    && !["utf-8", "us-ascii"].iter().any(|known| value.eq_ignore_ascii_case(known))
                {
                    let value: String = value.chars().take(40).collect();
                    return Err(XmlError::at(self.base + self.at, XmlProblem::Encoding(value.into())));
                }
            }
        }
        self.at += end + 2;
        Ok(())
    }

    fn cut(&self) -> XmlError {
        XmlError::at(self.base + self.at, XmlProblem::Cut)
    }

    fn wrong(&self, what: &str) -> XmlError {
        XmlError::at(self.base + self.at, XmlProblem::IllFormed(what.into()))
    }
}

#[inline]
fn ends_name(byte: u8) -> bool {
    // Letters are above all of these.
    byte <= b'>'
        && matches!(byte, b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n' | b'<' | b'&' | b'=' | b'"' | b'\'')
}

/// Name and raw value of each attribute; `None` for what is no attribute, after which it ends.
pub(super) struct Attributes<'a> {
    rest: &'a str,
}

impl<'a> Attributes<'a> {
    pub(super) fn of(attributes: &'a str) -> Self {
        Self { rest: attributes }
    }

    /// The next one, in one pass; what is behind it remains.
    #[inline]
    fn split(&mut self, from: usize) -> Option<(&'a str, &'a str)> {
        let bytes = self.rest.as_bytes();
        // Names are so short that a loop finds the end of one before a search would have begun.
        let mut at = from;
        while *bytes.get(at)? != b'=' {
            at += 1;
        }
        let name = self.rest.get(from..at)?;
        let name = if name.ends_with(is_space) { name.trim_ascii_end() } else { name };
        at += 1;
        while is_space(char::from(*bytes.get(at)?)) {
            at += 1;
        }
        let quote = *bytes.get(at)?;
        if name.is_empty() || !matches!(quote, b'"' | b'\'') {
            return None;
        }
        let end = at + 1 + memchr(quote, bytes.get(at + 1..)?)?;
        let value = self.rest.get(at + 1..end)?;
        self.rest = self.rest.get(end + 1..)?;
        Some((name, value))
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Option<(&'a str, &'a str)>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let from = self.rest.bytes().position(|b| !b.is_ascii_whitespace())?;
        let found = self.split(from);
        if found.is_none() {
            self.rest = "";
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_xml::events::Event;

    use super::*;

    /// Names and texts as quick-xml finds them; `None` when it refuses.
    fn theirs(xml: &str) -> Option<Vec<String>> {
        let mut reader = quick_xml::Reader::from_str(xml);
        let mut found = Vec::new();
        let mut depth = 0;
        loop {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            match reader.read_event().ok()? {
                Event::Start(tag) => {
                    depth += 1;
                    found.push(format!("<{}|{}", text(tag.name().as_ref()), text(tag.attributes_raw())));
                }
                Event::Empty(tag) => {
                    found.push(format!("<{}|{}", text(tag.name().as_ref()), text(tag.attributes_raw())));
                    found.push(">".to_owned());
                }
                Event::End(_) => {
                    depth -= 1;
                    found.push(">".to_owned());
                }
                Event::Text(piece) => found.push(format!("t{}", text(&piece))),
                Event::CData(piece) => found.push(format!("c{}", text(&piece))),
                Event::GeneralRef(piece) => found.push(format!("&{}", text(&piece))),
                Event::DocType(_) => return None,
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
                Event::Eof => return (depth == 0).then_some(found),
            }
        }
    }

    fn ours(xml: &str) -> Option<Vec<String>> {
        let mut scanner = Scanner::new(xml, 0, Limits::default());
        let mut found = Vec::new();
        loop {
            match scanner.token().ok()? {
                Token::Start(tag) => found.push(format!("<{}|{}", tag.name, tag.attributes)),
                Token::End => found.push(">".to_owned()),
                Token::Text(text) => found.push(format!("t{text}")),
                Token::CData(text) => found.push(format!("c{text}")),
                Token::Reference(name) => found.push(format!("&{name}")),
                Token::Eof => return (scanner.depth() == 0).then_some(found),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        #[test]
        fn another_reader_finds_the_same(pieces in proptest::collection::vec(prop_oneof![
            Just("<a>"), Just("</a>"), Just("<b x='>'>"), Just("</b >"), Just("<c:d/>"), Just("<e y=\"/\" />"), Just("text"),
            Just("&amp;"), Just("&#x1F;"), Just("<![CDATA[<&]]]>"), Just("<!-- > -->"), Just("<?pi x?>"), Just(" "),
            Just("</c:d>"), Just("&"), Just("]]>"), Just("<f\n>"), Just("</f>"), Just("\u{e9}"), Just("<"), Just(">"), Just("\""),
        ], 0..14)) {
            let xml: String = pieces.concat();
            // What we accept, they accept and understand alike. We refuse more: names with characters that none may have.
            if let Some(found) = ours(&xml) {
                prop_assert_eq!(Some(found), theirs(&xml), "{}", xml);
            } else if let Some(found) = theirs(&xml) {
                let bad_name = found.iter().filter_map(|event| event.strip_prefix('<')).any(|tag| {
                    let name = tag.split('|').next().unwrap_or("");
                    name.is_empty() || name.contains(['<', '&', '"', '=', '\''])
                });
                prop_assert!(bad_name, "refused by us alone: {}", xml);
            }
        }
    }
}
