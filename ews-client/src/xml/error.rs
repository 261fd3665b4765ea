use m365_core::{Error, ErrorKind};
use thiserror::Error as ThisError;

/// Why an answer could not be read, and where.
///
/// It becomes an [`Error`] of kind [`ErrorKind::InvalidResponse`] ([`ErrorKind::Limit`] for a limit of ours) by `?`, and
/// is found again as that error's source. It never carries text of the answer other than names of XML.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[error("{}, at byte {}", .0.problem, .0.offset)]
pub struct XmlError(Box<Inner>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    offset: u64,
    problem: XmlProblem,
}

impl XmlError {
    pub(crate) fn at(offset: usize, problem: XmlProblem) -> Self {
        Self(Box::new(Inner { offset: offset as u64, problem }))
    }

    /// Where, in bytes from the beginning of the answer, a byte order mark included.
    pub fn offset(&self) -> u64 {
        self.0.offset
    }

    /// What is wrong there.
    pub fn problem(&self) -> &XmlProblem {
        &self.0.problem
    }
}

impl From<XmlError> for Error {
    fn from(error: XmlError) -> Self {
        let kind = match error.problem() {
            XmlProblem::TooDeep(_) | XmlProblem::TooLong(_) | XmlProblem::TooManyNamespaces(_) => {
                ErrorKind::Limit
            }
            _ => ErrorKind::InvalidResponse,
        };
        Self::new(kind, format!("the answer cannot be read: {error}")).with_source(error)
    }
}

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum XmlProblem {
    /// Not well-formed XML.
    #[error("ill-formed XML ({0})")]
    IllFormed(Box<str>),
    /// The answer ends before its elements do: a lost connection.
    #[error("the XML breaks off")]
    Cut,
    /// A document type declaration. Exchange sends none, and entities of one's own are a known way to attack a reader.
    #[error("a document type declaration is refused")]
    Dtd,
    /// The encoding is not UTF-8.
    #[error("the encoding {0} is not UTF-8")]
    Encoding(Box<str>),
    /// More elements inside one another than [`Limits::depth`].
    #[error("elements are nested deeper than {0}")]
    TooDeep(u32),
    /// The answer, or the text of one element, has more bytes than [`Limits`] allows.
    #[error("longer than {0} bytes")]
    TooLong(usize),
    /// More namespace declarations in force at once than any server needs.
    #[error("more than {0} namespaces in force")]
    TooManyNamespaces(usize),
    /// One of Exchange's namespaces written with `https://`. Documentation shows them so since a mass edit; on the wire
    /// they are `http://`, and an answer with the other form was not written by a server.
    #[error("the namespace {0} begins with https:// instead of http://")]
    SecureNamespace(Box<str>),
    /// Another element was due.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value that its type does not allow. The value is not repeated.
    #[error("{element} is no {expected}")]
    BadValue {
        /// The element or attribute.
        element: Box<str>,
        /// What was expected.
        expected: &'static str,
    },
}

/// How much of an answer is read before it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Elements inside one another.
    pub depth: u32,
    /// Bytes of the text of one element, or of one tag.
    pub element: usize,
    /// Bytes of the whole answer.
    pub total: usize,
}

impl Default for Limits {
    /// 64 levels, 32 MiB for one element, 64 MiB in all.
    fn default() -> Self {
        Self { depth: 64, element: 32 << 20, total: 64 << 20 }
    }
}

impl Limits {
    /// Elements inside one another.
    #[must_use]
    pub fn with_depth(mut self, depth: u32) -> Self {
        self.depth = depth;
        self
    }

    /// Bytes of the text of one element, or of one tag.
    #[must_use]
    pub fn with_element(mut self, bytes: usize) -> Self {
        self.element = bytes;
        self
    }

    /// Bytes of the whole answer.
    #[must_use]
    pub fn with_total(mut self, bytes: usize) -> Self {
        self.total = bytes;
        self
    }
}
