//! The little language in which a row says which evidence it explains.

use http::HeaderMap;

use super::Evidence;

/// A condition on the evidence. All of it is data, so that a row is one constant and a test can walk it.
#[derive(Debug)]
pub(super) enum When {
    /// Nothing on the wire proves it: reachable by id only.
    ByIdOnly,
    /// Every part holds.
    All(&'static [When]),
    /// At least one part holds.
    Any(&'static [When]),
    /// The part does not hold.
    Not(&'static When),
    /// One of the AADSTS numbers is present.
    Aadsts(&'static [u32]),
    /// The status is one of these.
    Status(&'static [u16]),
    /// The code is one of these, case included.
    Code(&'static [&'static str]),
    /// A whole segment of the path is one of these resources, also in its `name(key='..')` form, in any case.
    /// Whole segments, because a mailbox may well be called `groups@` or `applications@`.
    Resource(&'static [&'static str]),
    /// The text or the code contains this.
    Says(&'static str),
    /// The text or the code contains these, one after the other.
    InOrder(&'static [&'static str]),
    /// As `InOrder`, in any ASCII case.
    InOrderAnyCase(&'static [&'static str]),
    /// The text contains `before`, a decimal number and `after`, without anything between.
    Number { before: &'static str, after: &'static str },
    /// The text holds nothing a person could read: empty, white space, NUL.
    Blank,
    /// The header is present with exactly this value.
    Header { name: &'static str, value: &'static str },
    /// The header's value begins with this.
    HeaderBegins { name: &'static str, with: &'static str },
    /// The header's value contains this.
    HeaderSays { name: &'static str, text: &'static str },
}

impl When {
    /// Whether the code is one of those that the condition asks for; parts that must not hold do not count.
    pub(super) fn names_code(&self, code: &str) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(|part| part.names_code(code)),
            Self::Code(codes) => codes.contains(&code),
            _ => false,
        }
    }

    pub(super) fn holds(&self, evidence: &Evidence<'_>) -> bool {
        let words = |test: &dyn Fn(&str) -> bool| test(evidence.text) || evidence.code.is_some_and(test);
        match self {
            Self::ByIdOnly => false,
            Self::All(parts) => parts.iter().all(|part| part.holds(evidence)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(evidence)),
            Self::Not(part) => !part.holds(evidence),
            Self::Aadsts(numbers) => evidence.aadsts.iter().any(|number| numbers.contains(number)),
            Self::Status(statuses) => evidence.status.is_some_and(|status| statuses.contains(&status)),
            Self::Code(codes) => evidence.code.is_some_and(|code| codes.contains(&code)),
            Self::Resource(names) => names.iter().any(|name| path_has_resource(evidence.path, name)),
            Self::Says(needle) => words(&|text| text.contains(needle)),
            Self::InOrder(parts) => words(&|text| in_order(text, parts, <[u8]>::eq)),
            Self::InOrderAnyCase(parts) => words(&|text| in_order(text, parts, <[u8]>::eq_ignore_ascii_case)),
            Self::Number { before, after } => words(&|text| number_between(text, before, after)),
            Self::Blank => evidence.text.chars().all(|c| c == '\0' || c.is_whitespace()),
            Self::Header { name, value } => header_is(evidence.headers, name, |found| found == *value),
            Self::HeaderBegins { name, with } => {
                header_is(evidence.headers, name, |found| found.starts_with(with))
            }
            Self::HeaderSays { name, text } => {
                header_is(evidence.headers, name, |found| found.contains(text))
            }
        }
    }
}

fn path_has_resource(path: &str, name: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    path.split('/').any(|segment| {
        let resource = segment.split('(').next().unwrap_or_default();
        resource.eq_ignore_ascii_case(name)
    })
}

/// Whether the parts occur one after the other. Taking the leftmost place for each is enough: a later place
/// would only leave less room for the rest.
fn in_order(text: &str, parts: &[&str], same: fn(&[u8], &[u8]) -> bool) -> bool {
    let mut rest = text.as_bytes();
    parts.iter().all(|part| {
        let part = part.as_bytes();
        let found = rest.windows(part.len().max(1)).position(|window| same(window, part));
        found.and_then(|at| rest.get(at + part.len()..)).map(|tail| rest = tail).is_some()
    })
}

fn number_between(text: &str, before: &str, after: &str) -> bool {
    text.split(before).skip(1).any(|rest| {
        let tail = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        tail.len() < rest.len() && tail.starts_with(after)
    })
}

/// Whether any value of the header passes. Bytes outside UTF-8 are replaced, not taken for a missing header.
fn header_is(headers: Option<&HeaderMap>, name: &str, test: impl Fn(&str) -> bool) -> bool {
    headers.is_some_and(|headers| {
        headers.get_all(name).iter().any(|value| test(String::from_utf8_lossy(value.as_bytes()).trim_ascii()))
    })
}
