//! Reading commands: words, sets, FETCH items, SEARCH keys, and the XOAUTH2 string.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::Date;

/// A reader of command arguments; literals were put inline as `{n}CRLF` and their bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads these bytes.
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    fn peek(&mut self) -> Option<u8> {
        while let [b' ', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied()
    }

    /// True when nothing but blanks is left.
    pub(super) fn is_empty(&mut self) -> bool {
        self.peek().is_none()
    }

    fn eat(&mut self, byte: u8) -> bool {
        if self.peek() == Some(byte) {
            self.rest = self.rest.get(1..).unwrap_or_default();
            return true;
        }
        false
    }

    /// The next word, quoted string or literal.
    pub(super) fn word(&mut self) -> Option<String> {
        match self.peek()? {
            b'"' => {
                let mut out = vec![];
                let mut bytes = self.rest.iter().copied().enumerate().skip(1);
                loop {
                    match bytes.next()? {
                        (_, b'\\') => out.push(bytes.next()?.1),
                        (end, b'"') => {
                            self.rest = self.rest.get(end + 1..)?;
                            return String::from_utf8(out).ok();
                        }
                        (_, byte) => out.push(byte),
                    }
                }
            }
            b'{' => {
                let end = self.rest.windows(3).position(|w| w == b"}\r\n")?;
                let length: usize =
                    std::str::from_utf8(self.rest.get(1..end)?).ok()?.trim_end_matches('+').parse().ok()?;
                let start = end + 3;
                let text = self.rest.get(start..start.checked_add(length)?)?;
                self.rest = self.rest.get(start + length..)?;
                String::from_utf8(text.to_vec()).ok()
            }
            b'(' | b')' => None,
            _ => {
                let end =
                    self.rest.iter().position(|b| matches!(b, b' ' | b'(' | b')')).unwrap_or(self.rest.len());
                let (word, rest) = self.rest.split_at_checked(end)?;
                self.rest = rest;
                String::from_utf8(word.to_vec()).ok()
            }
        }
    }

    /// What is left, as text.
    pub(super) fn remainder(&self) -> String {
        String::from_utf8_lossy(self.rest).trim().to_owned()
    }
}

/// Tag, command in upper case, arguments.
pub(super) fn command(line: &[u8]) -> Option<(String, String, Reader<'_>)> {
    let mut reader = Reader::new(line);
    let tag = reader.word()?;
    if tag.is_empty() || !tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
        return None;
    }
    let name = reader.word()?.to_ascii_uppercase();
    Some((tag, name, reader))
}

/// Ranges of numbers; `u32::MAX` stands for `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NumberSet(Vec<(u32, u32)>);

impl NumberSet {
    /// Reads `1,3:5,7:*`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| match text {
            "*" => Some(u32::MAX),
            text => text.parse().ok().filter(|n| *n > 0),
        };
        text.split(',')
            .map(|part| match part.split_once(':') {
                Some((a, b)) => Some((number(a)?, number(b)?)),
                None => number(part).map(|n| (n, n)),
            })
            .collect::<Option<Vec<_>>>()
            .map(Self)
    }

    /// True when the set holds the number; `last` is what `*` means.
    pub(super) fn contains(&self, number: u32, last: u32) -> bool {
        let resolve = |n: u32| if n == u32::MAX { last } else { n };
        self.0.iter().any(|(a, b)| {
            let (a, b) = (resolve(*a), resolve(*b));
            (a.min(b)..=a.max(b)).contains(&number)
        })
    }
}

/// One thing to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FetchItem {
    /// `UID`
    Uid,
    /// `FLAGS`
    Flags,
    /// `RFC822.SIZE`
    Size,
    /// `INTERNALDATE`
    InternalDate,
    /// `ENVELOPE`
    Envelope,
    /// `BODY[…]`, `BODY.PEEK[…]` and their `RFC822` elders.
    Body {
        /// How the answer names it.
        label: String,
        /// Which part.
        section: Section,
        /// True when reading leaves the message unread.
        peek: bool,
        /// First octet and number of octets.
        partial: Option<(usize, usize)>,
    },
}

/// Part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// Everything.
    All,
    /// The header with its blank line.
    Header,
    /// The body.
    Text,
    /// These header fields, in lower case.
    Fields(Vec<String>),
}

/// Reads one item, a macro, or a list in parentheses.
pub(super) fn fetch_items(mut reader: Reader<'_>) -> Option<Vec<FetchItem>> {
    let mut items = vec![];
    if reader.eat(b'(') {
        while !reader.eat(b')') {
            items.extend(fetch_item(&mut reader)?);
        }
    } else {
        items.extend(fetch_item(&mut reader)?);
    }
    (reader.is_empty() && !items.is_empty()).then_some(items)
}

fn fetch_item(reader: &mut Reader<'_>) -> Option<Vec<FetchItem>> {
    let word = reader.word()?;
    let upper = word.to_ascii_uppercase();
    let old = |section, peek| FetchItem::Body { label: upper.clone(), section, peek, partial: None };
    Some(match upper.as_str() {
        "UID" => vec![FetchItem::Uid],
        "FLAGS" => vec![FetchItem::Flags],
        "RFC822.SIZE" => vec![FetchItem::Size],
        "INTERNALDATE" => vec![FetchItem::InternalDate],
        "ENVELOPE" => vec![FetchItem::Envelope],
        "FAST" => vec![FetchItem::Flags, FetchItem::InternalDate, FetchItem::Size],
        "ALL" => vec![FetchItem::Flags, FetchItem::InternalDate, FetchItem::Size, FetchItem::Envelope],
        "RFC822" => vec![old(Section::All, false)],
        "RFC822.HEADER" => vec![old(Section::Header, true)],
        "RFC822.TEXT" => vec![old(Section::Text, false)],
        _ => {
            let (peek, rest) = match (upper.strip_prefix("BODY.PEEK["), upper.strip_prefix("BODY[")) {
                (Some(rest), _) => (true, rest),
                (None, Some(rest)) => (false, rest),
                (None, None) => return None,
            };
            // "HEADER.FIELDS" ends at the blank before its list; every other section ends in this word.
            let (section, name, tail) = if rest == "HEADER.FIELDS" {
                let mut fields = vec![];
                if !reader.eat(b'(') {
                    return None;
                }
                while !reader.eat(b')') {
                    fields.push(reader.word()?);
                }
                let name = format!("HEADER.FIELDS ({})", fields.join(" "));
                let fields = fields.iter().map(|f| f.to_ascii_lowercase()).collect();
                (Section::Fields(fields), name, reader.word()?.strip_prefix(']')?.to_owned())
            } else {
                let (name, tail) = rest.split_once(']')?;
                let section = match name {
                    "" => Section::All,
                    "HEADER" => Section::Header,
                    "TEXT" => Section::Text,
                    _ => return None,
                };
                (section, name.to_owned(), tail.to_owned())
            };
            let partial = match tail.strip_prefix('<').and_then(|t| t.strip_suffix('>')) {
                Some(range) => {
                    let (start, length) = range.split_once('.')?;
                    Some((start.parse().ok()?, length.parse().ok()?))
                }
                None if tail.is_empty() => None,
                None => return None,
            };
            let origin = partial.map(|(start, _)| format!("<{start}>")).unwrap_or_default();
            vec![FetchItem::Body { label: format!("BODY[{name}]{origin}"), section, peek, partial }]
        }
    })
}

/// What a search asks for; all keys must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SearchKey {
    /// `ALL`
    All,
    /// `SEEN` and `UNSEEN`
    Seen(bool),
    /// `SINCE`
    Since(Date),
    /// `UID` and a set
    Uid(NumberSet),
    /// A set of sequence numbers.
    Sequence(NumberSet),
}

/// Why a search is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SearchRefusal {
    /// A key that this server does not do.
    Key,
    /// A character set other than US-ASCII.
    Charset,
}

/// Reads search keys.
pub(super) fn search_keys(mut reader: Reader<'_>) -> Result<Vec<SearchKey>, SearchRefusal> {
    let mut keys = vec![];
    while !reader.is_empty() {
        let word = reader.word().ok_or(SearchRefusal::Key)?;
        let mut argument = || reader.word().ok_or(SearchRefusal::Key);
        keys.push(match word.to_ascii_uppercase().as_str() {
            "CHARSET" => {
                if !argument()?.eq_ignore_ascii_case("US-ASCII") {
                    return Err(SearchRefusal::Charset);
                }
                continue;
            }
            "ALL" => SearchKey::All,
            "SEEN" => SearchKey::Seen(true),
            "UNSEEN" => SearchKey::Seen(false),
            "SINCE" => SearchKey::Since(date(&argument()?).ok_or(SearchRefusal::Key)?),
            "UID" => SearchKey::Uid(NumberSet::parse(&argument()?).ok_or(SearchRefusal::Key)?),
            set => SearchKey::Sequence(NumberSet::parse(set).ok_or(SearchRefusal::Key)?),
        });
    }
    if keys.is_empty() { Err(SearchRefusal::Key) } else { Ok(keys) }
}

/// `21-Nov-2026`
fn date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let names = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let month = names.iter().position(|n| n.eq_ignore_ascii_case(month))? + 1;
    Date::new(year.parse().ok()?, i8::try_from(month).ok()?, day.parse().ok()?).ok()
}

/// Mailbox and token of an XOAUTH2 string.
/// <https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth>
pub(crate) fn xoauth2(encoded: &[u8]) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(encoded.trim_ascii()).ok()?).ok()?;
    let (user, token) = text.strip_prefix("user=")?.strip_suffix("\u{1}\u{1}")?.split_once('\u{1}')?;
    let token = token.strip_prefix("auth=Bearer ")?;
    (!user.is_empty() && !token.is_empty() && !token.contains('\u{1}'))
        .then(|| (user.to_owned(), token.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_published_sasl_vector_is_read() {
        let vector = "dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFvN0ozVmUwYmpMQldaV0NjbFJDM0VvQUEBAQ==";
        let (user, token) = xoauth2(vector.as_bytes()).unwrap();
        assert_eq!(user, "test@contoso.onmicrosoft.com");
        assert_eq!(token, "EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA");
    }

    #[test]
    fn malformed_sasl_strings_are_refused() {
        for text in [
            "",
            "user=a\u{1}auth=Bearer t",
            "user=a\u{1}auth=t\u{1}\u{1}",
            "user=\u{1}auth=Bearer t\u{1}\u{1}",
        ] {
            assert_eq!(xoauth2(STANDARD.encode(text).as_bytes()), None, "{text:?}");
        }
        assert_eq!(xoauth2(b"!"), None);
    }

    #[test]
    fn sets_know_ranges_and_the_star() {
        let set = NumberSet::parse("2,5:4,7:*").unwrap();
        let held: Vec<u32> = (1..=9).filter(|n| set.contains(*n, 9)).collect();
        assert_eq!(held, [2, 4, 5, 7, 8, 9]);
        assert!(
            NumberSet::parse("12:*").unwrap().contains(9, 9),
            "a start beyond the end means the last one"
        );
        assert!(
            NumberSet::parse("*").unwrap().contains(9, 9) && !NumberSet::parse("*").unwrap().contains(8, 9)
        );
        assert!(NumberSet::parse("0").is_none() && NumberSet::parse("a").is_none());
    }

    #[test]
    fn fetch_items_are_read() {
        let items = |text: &str| fetch_items(Reader::new(text.as_bytes()));
        let body = |label: &str, section, peek, partial| FetchItem::Body {
            label: label.to_owned(),
            section,
            peek,
            partial,
        };
        assert_eq!(
            items("(UID body.peek[header.fields (Date \"From\")]<10.20> BODY[])").unwrap(),
            [
                FetchItem::Uid,
                body(
                    "BODY[HEADER.FIELDS (Date From)]<10>",
                    Section::Fields(vec!["date".to_owned(), "from".to_owned()]),
                    true,
                    Some((10, 20))
                ),
                body("BODY[]", Section::All, false, None),
            ]
        );
        assert_eq!(items("fast").unwrap().len(), 3);
        for bad in ["", "()", "(UID", "BODYSTRUCTURE", "BODY[1]", "BODY[]x", "UID FLAGS"] {
            assert_eq!(items(bad), None, "{bad}");
        }
    }

    #[test]
    fn search_keys_are_few() {
        let keys = |text: &str| search_keys(Reader::new(text.as_bytes()));
        assert_eq!(keys("CHARSET US-ASCII UNSEEN").unwrap(), [SearchKey::Seen(false)]);
        assert_eq!(keys("since 1-nov-2026").unwrap(), [SearchKey::Since(Date::constant(2026, 11, 1))]);
        assert_eq!(keys("CHARSET UTF-8 ALL"), Err(SearchRefusal::Charset));
        for bad in ["", "KEYWORD x", "OR UNSEEN ALL", "SINCE tomorrow", "(ALL)"] {
            assert_eq!(keys(bad), Err(SearchRefusal::Key), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_client_sends_panics(line in proptest::collection::vec(any::<u8>(), 0..60), text in "[ -~\r\n]{0,40}") {
            for bytes in [line.as_slice(), text.as_bytes()] {
                let _command = command(bytes).is_some();
                let _items = fetch_items(Reader::new(bytes)).is_some();
                let _keys = search_keys(Reader::new(bytes)).is_ok();
                let _login = xoauth2(bytes).is_some();
            }
        }
    }
}
