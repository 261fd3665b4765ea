use std::borrow::Cow;
use std::str::FromStr;

use memchr::memchr;

use super::error::{Limits, XmlError, XmlProblem};
use super::name::Ns;
use super::scanner::{Attributes, Scanner, Tag, Token};
use super::text::{Place, Purity, push_reference};

/// Namespace declarations in force at once.
const MAX_BINDINGS: usize = 64;

/// An answer, ready to be walked.
///
/// A byte order mark is left out. Bytes that are no UTF-8 do not lose the answer: each becomes U+FFFD where it is read,
/// and is counted like an illegal character.
#[derive(Debug)]
pub struct Document<'b> {
    text: Cow<'b, str>,
    base: usize,
    limits: Limits,
}

impl<'b> Document<'b> {
    /// These bytes, within the usual [`Limits`].
    ///
    /// # Errors
    /// Longer than [`Limits::total`], or UTF-16 by its byte order mark.
    pub fn new(bytes: &'b [u8]) -> Result<Self, XmlError> {
        Self::with_limits(bytes, Limits::default())
    }

    /// These bytes, within limits of one's own.
    ///
    /// # Errors
    /// As [`Document::new`].
    pub fn with_limits(bytes: &'b [u8], limits: Limits) -> Result<Self, XmlError> {
        if bytes.len() > limits.total {
            return Err(XmlError::at(limits.total, XmlProblem::TooLong(limits.total)));
        }
        if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
            return Err(XmlError::at(0, XmlProblem::Encoding("UTF-16".into())));
        }
        let (base, bytes) = match bytes.strip_prefix(b"\xEF\xBB\xBF") {
            Some(rest) => (3, rest),
            None => (0, bytes),
        };
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(repaired(bytes)),
        };
        Ok(Self { text, base, limits })
    }

    /// A cursor before the first element.
    pub fn cursor(&self) -> Cursor<'_> {
        let doc = self.text.as_ref();
        Cursor {
            blank: doc.trim_ascii().is_empty(),
            base: self.base,
            scanner: Scanner::new(doc, self.base, self.limits),
            purity: Purity::of(doc),
            depth: 0,
            bindings: Vec::with_capacity(8),
            replaced: 0,
            limits: self.limits,
        }
    }
}

/// The text with every byte that is no UTF-8 turned into one control character, which the decoder replaces and counts.
/// One byte for one byte, so that offsets stay true.
fn repaired(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| '\u{1A}'));
    }
    out
}

/// An element whose start tag was read. It owns nothing and is cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    /// Its namespace.
    pub ns: Ns,
    /// Its name without prefix.
    pub local: &'a str,
    attributes: &'a str,
    depth: u32,
    offset: usize,
}

impl<'a> Element<'a> {
    /// Whether it is this element of EWS, in whichever of its namespaces (see [`Ns::is_ews`]).
    pub fn is(&self, local: &str) -> bool {
        self.ns.is_ews() && self.local == local
    }

    /// Its name, when it belongs to EWS; empty otherwise, which no name equals.
    pub fn ews(&self) -> &'a str {
        if self.ns.is_ews() { self.local } else { "" }
    }

    /// Where it begins, in bytes from the beginning of the answer.
    pub fn offset(&self) -> u64 {
        self.offset as u64
    }

    /// That this element, or an attribute of it, is no `expected`.
    pub fn bad_value(&self, expected: &'static str) -> XmlError {
        XmlError::at(self.offset, XmlProblem::BadValue { element: self.local.into(), expected })
    }

    /// That something is missing inside.
    pub fn missing(&self, what: &'static str) -> XmlError {
        XmlError::at(self.offset, XmlProblem::Missing(what))
    }
}

struct Binding<'a> {
    prefix: &'a str,
    ns: Ns,
    depth: u32,
}

/// Walks a [`Document`] forwards, each byte once.
///
/// Ask for the children of an element with [`next_child`](Self::next_child) and for its text with
/// [`text`](Self::text). Whatever of a child was not read is passed over by the next call, so elements may come in any
/// order and unknown ones need no care. Text is borrowed from the answer unless it has references in it.
pub struct Cursor<'a> {
    /// Nothing but white space is there.
    blank: bool,
    base: usize,
    scanner: Scanner<'a>,
    purity: Purity,
    depth: u32,
    bindings: Vec<Binding<'a>>,
    replaced: u64,
    limits: Limits,
}

impl std::fmt::Debug for Cursor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor")
            .field("offset", &self.offset())
            .field("depth", &self.depth)
            .field("replaced", &self.replaced)
            .finish_non_exhaustive()
    }
}

impl<'a> Cursor<'a> {
    /// The outermost element.
    ///
    /// # Errors
    /// There is none, or what stands before it is not XML.
    pub fn root(&mut self) -> Result<Element<'a>, XmlError> {
        loop {
            match self.token()? {
                Token::Start(tag) => return self.resolve(tag),
                Token::Text(text) if text.bytes().all(|b| b.is_ascii_whitespace()) => {}
                Token::Eof if self.blank => return Err(self.error(XmlProblem::Cut)),
                Token::Eof => return Err(self.error(XmlProblem::Missing("an element"))),
                _ => return Err(self.error(XmlProblem::IllFormed("text outside any element".into()))),
            }
        }
    }

    /// The next element directly inside `parent`, or `None` when there is no further one.
    ///
    /// # Errors
    /// Ill-formed XML, a cut, or a limit.
    pub fn next_child(&mut self, parent: &Element<'a>) -> Result<Option<Element<'a>>, XmlError> {
        while self.depth >= parent.depth {
            match self.token()? {
                Token::Start(tag) if self.depth == parent.depth + 1 => return self.resolve(tag).map(Some),
                Token::Eof => return Err(self.error(XmlProblem::Cut)),
                _ => {}
            }
        }
        Ok(None)
    }

    /// The text of an element: its pieces joined, references resolved, what is illegal in XML replaced by U+FFFD and
    /// counted. Elements inside are passed over.
    ///
    /// # Errors
    /// Ill-formed XML, a cut, or longer than [`Limits::element`].
    pub fn text(&mut self, element: &Element<'a>) -> Result<Cow<'a, str>, XmlError> {
        let mut text = Cow::Borrowed("");
        let push = |text: &mut Cow<'a, str>, piece: Cow<'a, str>| {
            if text.is_empty() {
                *text = piece;
            } else {
                own(text, piece.len()).push_str(&piece);
            }
        };
        while self.depth >= element.depth {
            let token = self.token()?;
            let inside = self.depth == element.depth;
            match token {
                Token::Text(raw) | Token::CData(raw) if inside => {
                    if text.len() + raw.len() > self.limits.element {
                        return Err(self.error(XmlProblem::TooLong(self.limits.element)));
                    }
                    push(&mut text, self.purity.decode(raw, Place::Content, &mut self.replaced));
                }
                Token::Reference(name) if inside => {
                    if text.len() + name.len() > self.limits.element {
                        return Err(self.error(XmlProblem::TooLong(self.limits.element)));
                    }
                    push_reference(own(&mut text, 4), name, &mut self.replaced);
                }
                Token::Eof => return Err(self.error(XmlProblem::Cut)),
                _ => {}
            }
        }
        Ok(text)
    }

    /// The text without white space around it, as values of any type but a string are read.
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub fn value(&mut self, element: &Element<'a>) -> Result<Cow<'a, str>, XmlError> {
        Ok(match self.text(element)? {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim_ascii()),
            Cow::Owned(text) if text.trim_ascii().len() == text.len() => Cow::Owned(text),
            Cow::Owned(text) => Cow::Owned(text.trim_ascii().to_owned()),
        })
    }

    /// A text of one's own.
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub fn boxed(&mut self, element: &Element<'a>) -> Result<Box<str>, XmlError> {
        Ok(match self.text(element)? {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into_boxed_str(),
        })
    }

    /// An `xs:boolean`: `true`, `false`, `1` or `0`, in any case.
    ///
    /// # Errors
    /// As [`text`](Self::text), and for any other value.
    pub fn boolean(&mut self, element: &Element<'a>) -> Result<bool, XmlError> {
        parse_bool(&self.value(element)?).ok_or_else(|| element.bad_value("boolean"))
    }

    /// A number.
    ///
    /// # Errors
    /// As [`text`](Self::text), and for what is not a number of this type.
    pub fn number<N: FromStr>(&mut self, element: &Element<'a>) -> Result<N, XmlError> {
        self.value(element)?.parse().map_err(|_| element.bad_value("number of the expected size"))
    }

    /// An attribute without prefix.
    ///
    /// # Errors
    /// The attributes are ill-formed.
    pub fn attribute(&mut self, element: &Element<'a>, name: &str) -> Result<Option<Cow<'a, str>>, XmlError> {
        for attribute in Attributes::of(element.attributes) {
            let (found, raw) = attribute.ok_or_else(|| self.bad_attributes(element.offset))?;
            if found == name {
                return Ok(Some(self.purity.decode(raw, Place::Attribute, &mut self.replaced)));
            }
        }
        Ok(None)
    }

    /// Several attributes without prefix in one pass, in the order asked.
    ///
    /// # Errors
    /// The attributes are ill-formed.
    pub fn attributes<const N: usize>(
        &mut self,
        element: &Element<'a>,
        names: [&str; N],
    ) -> Result<[Option<Cow<'a, str>>; N], XmlError> {
        let mut values = [const { None }; N];
        for attribute in Attributes::of(element.attributes) {
            let (found, raw) = attribute.ok_or_else(|| self.bad_attributes(element.offset))?;
            for (name, value) in names.iter().zip(&mut values) {
                if found == *name {
                    *value = Some(self.purity.decode(raw, Place::Attribute, &mut self.replaced));
                    break;
                }
            }
        }
        Ok(values)
    }

    /// Whether the element says of itself, by `xsi:nil`, that it has no value.
    pub fn is_nil(&self, element: &Element<'a>) -> bool {
        !element.attributes.is_empty()
            && Attributes::of(element.attributes).flatten().any(|(name, value)| {
                name.rsplit_once(':').is_some_and(|(_, local)| local == "nil")
                    && parse_bool(value) == Some(true)
            })
    }

    /// Passes over the rest of an element. Needed only to find out whether it is whole.
    ///
    /// # Errors
    /// Ill-formed XML, a cut, or a limit.
    pub fn skip(&mut self, element: &Element<'a>) -> Result<(), XmlError> {
        while self.depth >= element.depth {
            if matches!(self.token()?, Token::Eof) {
                return Err(self.error(XmlProblem::Cut));
            }
        }
        Ok(())
    }

    /// Reads the rest of an element as if all of it were wanted: every name resolved, every text and attribute decoded.
    ///
    /// # Errors
    /// As [`text`](Self::text) and [`attribute`](Self::attribute).
    pub fn exhaust(&mut self, element: &Element<'a>) -> Result<(), XmlError> {
        let mut scratch = String::new();
        self.checked_attributes(element.attributes, element.offset)?;
        while self.depth >= element.depth {
            match self.token()? {
                Token::Start(tag) => {
                    self.resolve(tag)?;
                    self.checked_attributes(tag.attributes, tag.offset)?;
                }
                Token::Text(raw) | Token::CData(raw) => {
                    self.purity.decode(raw, Place::Content, &mut self.replaced);
                }
                Token::Reference(name) => {
                    scratch.clear();
                    push_reference(&mut scratch, name, &mut self.replaced);
                }
                Token::End => {}
                Token::Eof => return Err(self.error(XmlProblem::Cut)),
            }
        }
        Ok(())
    }

    fn checked_attributes(&mut self, attributes: &'a str, offset: usize) -> Result<(), XmlError> {
        for attribute in Attributes::of(attributes) {
            let (_, raw) = attribute.ok_or_else(|| self.bad_attributes(offset))?;
            self.purity.decode(raw, Place::Attribute, &mut self.replaced);
        }
        Ok(())
    }

    /// Reads what is left to the end of the answer, which is thereby known to be whole.
    ///
    /// # Errors
    /// Ill-formed XML, a cut, or text or a further element behind the outermost one.
    pub fn finish(&mut self) -> Result<(), XmlError> {
        let mut outside = self.depth == 0;
        loop {
            let token = self.token()?;
            match token {
                Token::Eof if self.depth > 0 => return Err(self.error(XmlProblem::Cut)),
                Token::Eof => return Ok(()),
                Token::Text(text) if outside && !text.bytes().all(|b| b.is_ascii_whitespace()) => {
                    return Err(self.error(XmlProblem::IllFormed("text behind the last element".into())));
                }
                Token::Start(_) | Token::CData(_) | Token::Reference(_) if outside => {
                    return Err(self.error(XmlProblem::IllFormed("a second outermost element".into())));
                }
                _ => {}
            }
            outside = self.depth == 0;
        }
    }

    /// How many characters were replaced by U+FFFD so far, and references to names of a document type kept as they were.
    pub fn replaced(&self) -> u64 {
        self.replaced
    }

    /// How far the answer was read, in bytes from its beginning.
    pub fn offset(&self) -> u64 {
        (self.base + self.scanner.position()) as u64
    }

    fn error(&self, problem: XmlProblem) -> XmlError {
        XmlError::at(self.base + self.scanner.position(), problem)
    }

    fn bad_attributes(&self, offset: usize) -> XmlError {
        XmlError::at(offset, XmlProblem::IllFormed("attributes without name, `=` or quotes".into()))
    }

    /// The next token. Forgets the namespaces of elements that end.
    #[inline]
    fn token(&mut self) -> Result<Token<'a>, XmlError> {
        let token = self.scanner.token()?;
        self.depth = self.scanner.depth();
        if matches!(token, Token::End) {
            while self.bindings.last().is_some_and(|binding| binding.depth > self.depth) {
                self.bindings.pop();
            }
        }
        Ok(token)
    }

    /// Takes in the namespaces that a tag declares, and finds the one it is in.
    #[inline]
    fn resolve(&mut self, tag: Tag<'a>) -> Result<Element<'a>, XmlError> {
        if tag.declares {
            self.declare(&tag)?;
        }
        // Nearly every prefix has one letter.
        let colon = match tag.name.as_bytes() {
            [_, b':', ..] => Some(1),
            name => memchr(b':', name),
        };
        let (prefix, local) = match colon {
            Some(at) => (tag.name.get(..at).unwrap_or(""), tag.name.get(at + 1..).unwrap_or("")),
            None => ("", tag.name),
        };
        let unbound = if prefix.is_empty() { Ns::None } else { Ns::Other };
        let ns = self
            .bindings
            .iter()
            .rev()
            .find(|binding| binding.prefix == prefix)
            .map_or(unbound, |binding| binding.ns);
        Ok(Element { ns, local, attributes: tag.attributes, depth: self.depth, offset: tag.offset })
    }

    fn declare(&mut self, tag: &Tag<'a>) -> Result<(), XmlError> {
        for attribute in Attributes::of(tag.attributes) {
            let (name, raw) = attribute.ok_or_else(|| self.bad_attributes(tag.offset))?;
            let Some(prefix) = name.strip_prefix("xmlns") else { continue };
            let prefix = match prefix.strip_prefix(':') {
                Some(prefix) => prefix,
                None if prefix.is_empty() => "",
                None => continue,
            };
            let uri = self.purity.decode(raw, Place::Attribute, &mut self.replaced);
            let ns = Ns::of(uri.trim_ascii()).map_err(|_| {
                XmlError::at(
                    tag.offset,
                    XmlProblem::SecureNamespace(uri.chars().take(100).collect::<String>().into()),
                )
            })?;
            if self.bindings.len() >= MAX_BINDINGS {
                return Err(XmlError::at(tag.offset, XmlProblem::TooManyNamespaces(MAX_BINDINGS)));
            }
            self.bindings.push(Binding { prefix, ns, depth: self.depth });
        }
        Ok(())
    }
}

/// The text as a string with room for more, so that joining a few pieces allocates once.
fn own<'t>(text: &'t mut Cow<'_, str>, more: usize) -> &'t mut String {
    if let Cow::Borrowed(piece) = *text {
        let mut joined = String::with_capacity(piece.len() + more + 48);
        joined.push_str(piece);
        *text = Cow::Owned(joined);
    }
    text.to_mut()
}

fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}
