use bytes::{Buf, Bytes, BytesMut};
use m365_core::{Error, ErrorKind, Result};
use memchr::{memchr, memchr2, memchr3, memmem};

use crate::xml::{XmlError, XmlProblem};

/// Bytes of one envelope.
const CAP: usize = 8 << 20;
/// Room for what arrives.
const ROOM: usize = 16 << 10;
/// A tag longer than this is no tag of an envelope.
const LONGEST_TAG: usize = 64 << 10;
/// The name of an envelope, prefix included.
const LONGEST_NAME: usize = 128;
/// Of how an envelope begins no more than this is remembered.
const LONGEST_OPENING: usize = 2 << 10;

/// Cuts an endless answer into the envelopes that it consists of.
///
/// `GetStreamingEvents` answers with one envelope after another in a single body, with or without an XML declaration,
/// a byte order mark and white space between them, and the borders of chunks mean nothing. Push what arrives, then take
/// envelopes until there is none; each is handed out with the chunk that completes it.
///
/// ```
/// use ews_client::EnvelopeFramer;
/// let mut framer = EnvelopeFramer::new();
/// framer.push(b"<Envelope><Body/></Envelope>\r\n<?xml version=\"1.0\"?><Envel");
/// assert_eq!(framer.next_envelope()?.as_deref(), Some(&b"<Envelope><Body/></Envelope>"[..]));
/// assert_eq!(framer.next_envelope()?, None);
/// framer.push(b"ope/>");
/// assert_eq!(framer.next_envelope()?.as_deref(), Some(&b"<Envelope/>"[..]));
/// framer.finish()?;
/// # Ok::<(), ews_client::Error>(())
/// ```
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getstreamingevents-operation>.
#[derive(Debug)]
pub struct EnvelopeFramer {
    buffer: BytesMut,
    /// Up to here the buffer was looked at.
    at: usize,
    state: State,
    /// The name of the open envelope, prefix included, ready to be found.
    name: memmem::Finder<'static>,
    /// Before this place of the buffer no tag bears that name.
    unnamed: usize,
    /// Elements of that name inside one another.
    depth: u32,
    /// Where the start tag of the open envelope is behind.
    body: usize,
    /// Nothing stood in the open envelope so far that needed a look.
    plain: bool,
    /// How envelopes of this stream begin.
    opening: Opening,
    /// Bytes handed out or passed over before the buffer.
    before: u64,
    cap: usize,
    broken: Option<XmlError>,
}

/// The first bytes that the envelopes of a stream share: the start tag, and behind it nothing that needs a look. Servers
/// write them alike each time, with the headers and the names of all spaces in them, so it is told by one comparison that
/// they say what they said before.
#[derive(Debug, Default)]
struct Opening {
    bytes: Vec<u8>,
    /// Where the start tag is behind.
    body: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between envelopes.
    Between,
    /// In a start tag that bears the envelope's name; the quote that is open.
    Tag(Option<u8>),
    /// Inside an envelope.
    Inside,
    /// In a comment, a CDATA section or a processing instruction; whether inside an envelope.
    Until(&'static [u8], bool),
}

impl Default for EnvelopeFramer {
    fn default() -> Self {
        Self::new()
    }
}

impl EnvelopeFramer {
    /// A framer for envelopes of at most 8 MiB.
    pub fn new() -> Self {
        Self::with_cap(CAP)
    }

    /// A framer for envelopes of at most so many bytes.
    pub fn with_cap(bytes: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            at: 0,
            state: State::Between,
            name: memmem::Finder::new("Envelope"),
            unnamed: 0,
            depth: 0,
            body: 0,
            plain: false,
            opening: Opening::default(),
            before: 0,
            cap: bytes,
            broken: None,
        }
    }

    /// Takes in what arrived.
    pub fn push(&mut self, chunk: &[u8]) {
        if self.buffer.capacity() - self.buffer.len() < chunk.len() {
            // What waits is moved when there is no room behind it: so seldom.
            self.buffer.reserve(chunk.len().max(ROOM));
        }
        self.buffer.extend_from_slice(chunk);
    }

    /// The next envelope, if it is whole; `None` when more must arrive.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`] for anything but envelopes, [`ErrorKind::Limit`] for an envelope above the cap. The
    /// framer answers the same error from then on.
    pub fn next_envelope(&mut self) -> Result<Option<Bytes>> {
        if let Some(error) = &self.broken {
            return Err(error.clone().into());
        }
        match self.scan() {
            Ok(Some(end)) if end > self.cap => Err(self.fail(XmlProblem::TooLong(self.cap), 0)),
            Ok(Some(end)) => {
                let envelope = self.buffer.split_to(end).freeze();
                self.before += end as u64;
                self.at = 0;
                Ok(Some(envelope))
            }
            Ok(None) if self.buffer.len() > self.cap => Err(self.fail(XmlProblem::TooLong(self.cap), 0)),
            Ok(None) => Ok(None),
            Err((problem, at)) => Err(self.fail(problem, at)),
        }
    }

    /// How many bytes of an unfinished envelope are waiting.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// Call at the end of the body: it tells a clean end from a cut.
    ///
    /// # Errors
    /// [`ErrorKind::Network`] when the body ended within an envelope; whatever broke the stream before.
    pub fn finish(self) -> Result<()> {
        if let Some(error) = self.broken {
            return Err(error.into());
        }
        if self.state == State::Between && self.buffer.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let offset = self.before + self.buffer.len() as u64;
        let cut = XmlError::at(usize::try_from(offset).unwrap_or(usize::MAX), XmlProblem::Cut);
        Err(Error::new(ErrorKind::Network, format!("the stream ended within an envelope: {cut}"))
            .with_source(cut))
    }

    fn fail(&mut self, problem: XmlProblem, at: usize) -> Error {
        let offset = usize::try_from(self.before).unwrap_or(usize::MAX).saturating_add(at);
        let error = XmlError::at(offset, problem);
        self.broken = Some(error.clone());
        self.buffer.clear();
        error.into()
    }

    /// Looks at what is new. Answers the length of the first envelope once it is whole.
    fn scan(&mut self) -> Result<Option<usize>, (XmlProblem, usize)> {
        loop {
            match self.state {
                State::Between => {
                    self.pass_over_space();
                    match self.between() {
                        Found::Step => {}
                        Found::More => return Ok(None),
                        Found::Wrong(problem) => return Err((problem, self.at)),
                    }
                }
                State::Tag(quote) => match self.tag(quote) {
                    None if self.buffer.len() - self.at_tag_start() > LONGEST_TAG && self.depth == 0 => {
                        return Err((XmlProblem::TooLong(LONGEST_TAG), self.at));
                    }
                    None => return Ok(None),
                    Some(empty) => {
                        if !empty {
                            if self.depth == 0 {
                                self.body = self.at;
                            }
                            self.depth += 1;
                        }
                        self.state = State::Inside;
                        if self.depth == 0 {
                            self.state = State::Between;
                            return Ok(Some(self.at));
                        }
                    }
                },
                State::Inside => match self.inside() {
                    Found::More => return Ok(None),
                    Found::Wrong(problem) => return Err((problem, self.at)),
                    Found::Step if self.depth == 0 => {
                        self.state = State::Between;
                        return Ok(Some(self.at));
                    }
                    Found::Step => {}
                },
                State::Until(end, inside) => {
                    let rest = self.buffer.get(self.at..).unwrap_or_default();
                    match end_of(rest, end) {
                        Some(behind) => {
                            self.at += behind;
                            self.state = if inside { State::Inside } else { State::Between };
                        }
                        None => {
                            // The end may have begun; its last bytes are looked at again.
                            self.at = self.at.max(self.buffer.len().saturating_sub(end.len() - 1));
                            // Between envelopes nothing of it is kept, so the cap is for envelopes alone.
                            if !inside {
                                self.before += self.at as u64;
                                self.buffer.advance(self.at);
                                self.at = 0;
                            }
                            return Ok(None);
                        }
                    }
                }
            }
        }
    }

    /// Drops white space and byte order marks before an envelope, and what was passed over before them.
    fn pass_over_space(&mut self) {
        let rest = self.buffer.get(self.at..).unwrap_or_default();
        let mut skip = 0;
        while let Some(more) = rest.get(skip..) {
            if more.starts_with(b"\xEF\xBB\xBF") {
                skip += 3;
            } else if more.first().is_some_and(u8::is_ascii_whitespace) {
                skip += 1;
            } else {
                break;
            }
        }
        let gone = self.at + skip;
        self.before += gone as u64;
        self.buffer.advance(gone);
        self.at = 0;
    }

    fn between(&mut self) -> Found {
        let rest = self.buffer.as_ref();
        if rest.is_empty() {
            return Found::More;
        }
        // Nearly always it is what it was before.
        let name = self.name.needle();
        let opening = self.opening.bytes.as_slice();
        if !opening.is_empty() {
            if rest.starts_with(opening) {
                // In its last bytes a tag of that name may have begun.
                self.at = self.opening.body.max(opening.len().saturating_sub(2 + name.len()));
                self.unnamed = 0;
                self.depth = 1;
                self.body = self.opening.body;
                self.plain = false;
                self.state = State::Inside;
                return Found::Step;
            }
            if opening.starts_with(rest) {
                return Found::More;
            }
        }
        if rest.strip_prefix(b"<").is_some_and(|tag| bears(tag, name) == Some(true)) {
            self.at = 1 + name.len();
            return self.begin();
        }
        for (begin, end) in [(&b"<?"[..], &b"?>"[..]), (b"<!--", b"-->")] {
            if rest.starts_with(begin) {
                self.at = begin.len();
                self.state = State::Until(end, false);
                return Found::Step;
            }
            if begin.starts_with(rest) {
                return Found::More;
            }
        }
        if b"\xEF\xBB\xBF".starts_with(rest) {
            return Found::More;
        }
        if rest.starts_with(b"<!") {
            return Found::Wrong(XmlProblem::Dtd);
        }
        let Some(tag) = rest.strip_prefix(b"<") else {
            return Found::Wrong(XmlProblem::Missing("an envelope"));
        };
        // The same limit wherever a chunk ends.
        let Some(length) = tag.iter().take(LONGEST_NAME + 1).position(|b| is_name_end(*b)) else {
            return if tag.len() > LONGEST_NAME {
                Found::Wrong(XmlProblem::Missing("an envelope"))
            } else {
                Found::More
            };
        };
        let name = tag.get(..length).unwrap_or_default();
        let local = memchr(b':', name).map_or(name, |colon| name.get(colon + 1..).unwrap_or_default());
        if local != b"Envelope" {
            return Found::Wrong(XmlProblem::Missing("an envelope"));
        }
        if self.name.needle() != name {
            self.name = memmem::Finder::new(name).into_owned();
            self.opening = Opening::default();
        }
        self.at = 1 + length;
        self.begin()
    }

    /// Behind the name of an envelope's start tag.
    fn begin(&mut self) -> Found {
        self.unnamed = 0;
        self.depth = 0;
        self.plain = true;
        self.state = State::Tag(None);
        Found::Step
    }

    fn at_tag_start(&self) -> usize {
        if self.depth == 0 { 0 } else { self.at }
    }

    /// To the end of a start tag; whether it is one of an empty element. `None` when more must arrive.
    fn tag(&mut self, mut quote: Option<u8>) -> Option<bool> {
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            let found = match quote {
                Some(open) => memchr(open, rest),
                None => memchr3(b'"', b'\'', b'>', rest),
            };
            let Some(found) = found else {
                self.at = self.buffer.len();
                self.state = State::Tag(quote);
                return None;
            };
            let byte = rest.get(found).copied();
            self.at += found + 1;
            match (quote, byte) {
                (Some(_), _) => quote = None,
                (None, Some(b'>')) => {
                    return Some(self.at >= 2 && self.buffer.get(self.at - 2) == Some(&b'/'));
                }
                (None, byte) => quote = byte,
            }
        }
    }

    /// To the next tag that bears the envelope's name, or into a comment, a CDATA section or an instruction, whichever
    /// comes first. In well-formed XML `<` stands nowhere else than at the beginning of markup, so nothing else needs a
    /// look, and both are found by searches that skip whole blocks of bytes.
    fn inside(&mut self) -> Found {
        loop {
            let (limit, behind) = self.next_named();
            self.unnamed = limit;
            if let Some(section) = self.next_section(limit) {
                self.at = section;
                return self.section();
            }
            self.at = limit;
            let Some(behind) = behind else { return Found::More };
            let Some(next) = self.buffer.get(behind) else { return Found::More };
            if !is_name_end(*next) {
                self.plain = false;
                self.at += 2;
            } else if self.buffer.get(limit + 1) == Some(&b'/') {
                let rest = self.buffer.get(behind..).unwrap_or_default();
                let close = if *next == b'>' { Some(0) } else { memchr(b'>', rest) };
                let Some(close) = close else { return Found::More };
                if self.plain && self.depth == 1 {
                    self.learn(limit);
                }
                self.at = behind + close + 1;
                self.depth -= 1;
                return Found::Step;
            } else {
                self.plain = false;
                self.at = behind;
                self.state = State::Tag(None);
                return Found::Step;
            }
        }
    }

    /// Keeps how this envelope begins, or what of it is as it was in those before; `end` is where its end tag begins.
    fn learn(&mut self, end: usize) {
        let envelope = self.buffer.get(..end.min(LONGEST_OPENING)).unwrap_or_default();
        let shared = self.opening.bytes.iter().zip(envelope).take_while(|(a, b)| a == b).count();
        if shared > 0 && shared >= self.opening.body {
            self.opening.bytes.truncate(shared);
        } else if self.body <= envelope.len() {
            self.opening.bytes.clear();
            self.opening.bytes.extend_from_slice(envelope);
            self.opening.body = self.body;
        }
    }

    /// Where the next tag begins that seems to bear the name, and where the name is behind; or how far none does.
    fn next_named(&self) -> (usize, Option<usize>) {
        let mut from = self.at.max(self.unnamed);
        let name = self.name.needle().len();
        while let Some(found) = self.buffer.get(from..).and_then(|rest| self.name.find(rest)) {
            let at = from + found;
            let begin = match self.buffer.get(..at) {
                Some([.., b'<']) => Some(at - 1),
                Some([.., b'<', b'/']) => Some(at - 2),
                _ => None,
            };
            match begin {
                Some(begin) if begin >= self.at => return (begin, Some(at + name)),
                _ => from = at + 1,
            }
        }
        // The name may have begun in the last bytes, with `</` before it.
        (self.buffer.len().saturating_sub(name + 1).max(self.at), None)
    }

    /// Where, before `limit`, a comment, a CDATA section or an instruction begins.
    fn next_section(&self, limit: usize) -> Option<usize> {
        let mut from = self.at + 1;
        while let Some(found) = self.buffer.get(from..=limit).and_then(|rest| memchr2(b'!', b'?', rest)) {
            let at = from + found;
            if at > self.at && self.buffer.get(at - 1) == Some(&b'<') {
                return Some(at - 1);
            }
            from = at + 1;
        }
        None
    }

    fn section(&mut self) -> Found {
        self.plain = false;
        let markup = self.buffer.get(self.at..).unwrap_or_default();
        for (begin, end) in [(&b"<?"[..], &b"?>"[..]), (b"<!--", b"-->"), (b"<![CDATA[", b"]]>")] {
            if markup.starts_with(begin) {
                self.at += begin.len();
                self.state = State::Until(end, true);
                return Found::Step;
            }
            if begin.starts_with(markup) {
                return Found::More;
            }
        }
        Found::Wrong(XmlProblem::Dtd)
    }
}

enum Found {
    Step,
    More,
    Wrong(XmlProblem),
}

/// Where the end of a section is behind. All ends end with `>`, which is found faster than a searcher is made.
fn end_of(rest: &[u8], end: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = rest.get(from..).and_then(|rest| memchr(b'>', rest)) {
        from += found + 1;
        if rest.get(..from).is_some_and(|so_far| so_far.ends_with(end)) {
            return Some(from);
        }
    }
    None
}

/// Whether a tag begins with exactly this name; `None` when too little of it is there.
fn bears(tag: &[u8], name: &[u8]) -> Option<bool> {
    match tag.strip_prefix(name) {
        Some(after) => after.first().map(|b| is_name_end(*b)),
        None if name.starts_with(tag) => None,
        None => Some(false),
    }
}

fn is_name_end(byte: u8) -> bool {
    matches!(byte, b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n')
}
