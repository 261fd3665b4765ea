use std::time::Duration;

use http::header::{CONNECTION, DATE, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use m365_core::retry::retry_after;
use m365_core::{Acted, Error, ErrorKind};

/// What some servers write in place of a code, whatever their language.
pub(crate) const VERSION_REFUSED: &str = "The specified server version is invalid";

/// What status and headers say before, or instead of, the body.
///
/// EWS is judged by its body: a fault may come with 200 or 500, a login page with 200, a block with 403 and nothing. This
/// is the table of those answers that are no SOAP.
///
/// Source of the policy header:
/// <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/how-to-control-access-to-ews-in-exchange>.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpVerdict {
    /// A SOAP envelope: read it, whatever the status.
    Soap,
    /// 403 with `X-EWS-Policy-Reason`: EWS is switched off for the tenant or the mailbox, or the app or its User-Agent is
    /// not on the list. Microsoft Graph is the way that stays.
    EwsBlocked {
        /// The header's value.
        reason: Box<str>,
    },
    /// 403 without that header, which proves neither switch nor list: scope, licence, a cache, a proxy.
    Forbidden,
    /// 401. One in between may also be Exchange's way of throttling connections.
    Unauthorized {
        /// What the server would take instead.
        schemes: Vec<AuthScheme>,
    },
    /// The account is locked: every further attempt prolongs it.
    LockedOut,
    /// 407: a proxy in between wants to know who is asking.
    ProxyAuthentication,
    /// A page for people, or an address where no EWS is.
    NotEws,
    /// A redirect elsewhere. Credentials do not follow it.
    Redirect,
    /// A redirect to Exchange's own error page: it passes.
    PassingOutage,
    /// A redirect to a gateway's page about certificates or initialisation: it does not pass.
    GatewayTrouble,
    /// The web application itself failed under load.
    Overloaded,
    /// 503, or an error that closes the connection.
    Busy {
        /// How long to wait, when the server said so.
        retry_after: Option<Duration>,
    },
    /// The front end did not reach the mailbox server; the header's text.
    FrontEnd {
        /// The value of `X-CasErrorCode`.
        code: Box<str>,
    },
    /// 413: halve the request.
    TooLarge,
    /// 429.
    TooManyRequests {
        /// How long to wait, when the server said so.
        retry_after: Option<Duration>,
    },
    /// 440 or 449: a session ended or was not ready; once more.
    TryAgain,
    /// 500 that says in words, and in no envelope, that the server does not speak the version of the request: step down.
    VersionRefused,
    /// A body that is compressed without saying so, or in a way nobody asked for.
    Compressed,
    /// Success without a body.
    Empty,
    /// Any other status.
    Other,
}

/// A scheme of `WWW-Authenticate`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthScheme {
    /// OAuth.
    Bearer,
    /// Kerberos, or NTLM inside.
    Negotiate,
    /// NTLM.
    Ntlm,
    /// User name and password.
    Basic,
    /// Another one.
    Other(Box<str>),
}

impl AuthScheme {
    fn of(name: &str) -> Self {
        match name {
            _ if name.eq_ignore_ascii_case("bearer") => Self::Bearer,
            _ if name.eq_ignore_ascii_case("negotiate") => Self::Negotiate,
            _ if name.eq_ignore_ascii_case("ntlm") => Self::Ntlm,
            _ if name.eq_ignore_ascii_case("basic") => Self::Basic,
            _ => Self::Other(name.into()),
        }
    }

    /// Its name, in the usual spelling.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Bearer => "Bearer",
            Self::Negotiate => "Negotiate",
            Self::Ntlm => "NTLM",
            Self::Basic => "Basic",
            Self::Other(name) => name,
        }
    }
}

/// The schemes that a 401 offers, each once, from one header or several.
///
/// ```
/// use ews_client::{AuthScheme, auth_schemes};
/// let mut headers = http::HeaderMap::new();
/// headers.append("www-authenticate", "Negotiate, NTLM".parse().unwrap());
/// headers.append("www-authenticate", r#"Basic realm="mail, and more""#.parse().unwrap());
/// assert_eq!(auth_schemes(&headers), [AuthScheme::Negotiate, AuthScheme::Ntlm, AuthScheme::Basic]);
/// ```
pub fn auth_schemes(headers: &HeaderMap) -> Vec<AuthScheme> {
    let mut schemes = Vec::new();
    for value in headers.get_all(WWW_AUTHENTICATE) {
        for part in split_list(&String::from_utf8_lossy(value.as_bytes())) {
            // `name=value` continues the scheme before it; `Basic realm="x"` begins one.
            let word = part.split_ascii_whitespace().next().unwrap_or("");
            if word.is_empty()
                || word.contains('=')
                || part.trim_start_matches(word).trim_start().starts_with('=')
            {
                continue;
            }
            let scheme = AuthScheme::of(word);
            if !schemes.contains(&scheme) {
                schemes.push(scheme);
            }
        }
    }
    schemes
}

/// The members of a list with commas, those within quotes left alone.
fn split_list(value: &str) -> Vec<&str> {
    let (mut parts, mut from, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                parts.push(value.get(from..at).unwrap_or("").trim_ascii());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(value.get(from..).unwrap_or("").trim_ascii());
    parts
}

/// What an HTTP answer is, from its status, its headers and the beginning of its body (2 KiB are enough). A pure function.
pub fn classify_http(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> HttpVerdict {
    let beginning = Beginning::of(body);
    let text = |name: &str| {
        headers
            .get(name)
            .map(|value| Box::<str>::from(String::from_utf8_lossy(value.as_bytes()).trim_ascii()))
    };
    let pause = || {
        // A date counts from the server's own clock; without that, from nothing.
        let sent = headers.get(DATE).and_then(|date| jiff::fmt::rfc2822::parse(date.to_str().ok()?).ok());
        let now = sent.map_or(Timestamp::MAX, |sent| sent.timestamp());
        retry_after(headers, now).filter(|wait| !wait.is_zero())
    };
    match status.as_u16() {
        401 if beginning.contains("The referenced account is currently locked out") => HttpVerdict::LockedOut,
        401 => HttpVerdict::Unauthorized { schemes: auth_schemes(headers) },
        403 => match text("x-ews-policy-reason") {
            Some(reason) => HttpVerdict::EwsBlocked { reason },
            None if beginning.is_envelope() => HttpVerdict::Soap,
            None => HttpVerdict::Forbidden,
        },
        407 => HttpVerdict::ProxyAuthentication,
        413 => HttpVerdict::TooLarge,
        429 => HttpVerdict::TooManyRequests { retry_after: pause() },
        440 | 449 => HttpVerdict::TryAgain,
        300..=399 => {
            let to =
                headers.get(LOCATION).map(|l| String::from_utf8_lossy(l.as_bytes()).to_ascii_lowercase());
            let to = to.unwrap_or_default();
            if to.contains("/ews/genericerrorpage.htm") {
                HttpVerdict::PassingOutage
            } else if to.contains("/internalsite/internalerror.asp")
                || to.contains("/internalsite/initparams.aspx")
            {
                HttpVerdict::GatewayTrouble
            } else if beginning.is_html() {
                HttpVerdict::NotEws
            } else {
                HttpVerdict::Redirect
            }
        }
        _ if beginning.is_envelope() => HttpVerdict::Soap,
        code => {
            let failed = code >= 400;
            let closes =
                || headers.get(CONNECTION).is_some_and(|c| c.as_bytes().eq_ignore_ascii_case(b"close"));
            if let Some(code) = text("x-caserrorcode").filter(|_| failed) {
                HttpVerdict::FrontEnd { code }
            } else if code == 500 && beginning.contains(VERSION_REFUSED) {
                HttpVerdict::VersionRefused
            } else if failed && beginning.contains("Server Error in '/EWS' Application") {
                HttpVerdict::Overloaded
            } else if code == 503 || (code >= 500 && closes()) {
                HttpVerdict::Busy { retry_after: pause() }
            } else if beginning.0.starts_with(&[0x1F, 0x8B]) {
                HttpVerdict::Compressed
            } else if code == 404 || (!failed && beginning.is_html()) {
                HttpVerdict::NotEws
            } else if failed {
                HttpVerdict::Other
            } else if beginning.0.is_empty() {
                HttpVerdict::Empty
            } else {
                // Let the reader say what is wrong with it, and where.
                HttpVerdict::Soap
            }
        }
    }
}

impl HttpVerdict {
    /// The error that it is; none for [`HttpVerdict::Soap`], whose body decides. The caller adds the headers, which the
    /// diagnosis of a block looks at.
    pub fn to_error(&self, status: StatusCode) -> Option<Error> {
        let (kind, message, transient, wait) = match self {
            Self::Soap => return None,
            Self::EwsBlocked { reason } => {
                (ErrorKind::PermissionDenied, format!("EWS is refused by policy: {reason}"), false, None)
            }
            Self::Forbidden => (
                ErrorKind::PermissionDenied,
                "EWS is refused without a policy reason: scope, licence, cache or proxy".to_owned(),
                false,
                None,
            ),
            Self::Unauthorized { schemes } if schemes.is_empty() => (
                ErrorKind::Authentication,
                "the credential is refused; no scheme is offered".to_owned(),
                false,
                None,
            ),
            Self::Unauthorized { schemes } => {
                let names: Vec<_> = schemes.iter().map(AuthScheme::as_str).collect();
                let names = names.join(", ");
                (
                    ErrorKind::Authentication,
                    format!("the credential is refused; offered: {names}"),
                    false,
                    None,
                )
            }
            Self::LockedOut => {
                (ErrorKind::Authentication, "the account is locked out".to_owned(), false, None)
            }
            Self::ProxyAuthentication => {
                (ErrorKind::Authentication, "a proxy wants authentication".to_owned(), false, None)
            }
            Self::NotEws => (
                ErrorKind::InvalidResponse,
                "a web page answered: a login page in between, or not the address of EWS".to_owned(),
                false,
                None,
            ),
            Self::Redirect => (
                ErrorKind::InvalidResponse,
                "redirected elsewhere, which credentials do not follow".to_owned(),
                false,
                None,
            ),
            Self::PassingOutage => {
                (ErrorKind::Unavailable, "redirected to the error page of Exchange".to_owned(), true, None)
            }
            Self::GatewayTrouble => (
                ErrorKind::InvalidResponse,
                "a gateway in front of Exchange has trouble".to_owned(),
                false,
                None,
            ),
            Self::Overloaded => (
                ErrorKind::Unavailable,
                "the web application of EWS failed under load".to_owned(),
                true,
                None,
            ),
            Self::Busy { retry_after } => {
                (ErrorKind::Unavailable, "the server is busy".to_owned(), true, *retry_after)
            }
            Self::FrontEnd { code } => (
                ErrorKind::Unavailable,
                format!("the front end did not reach the mailbox server: {code}"),
                true,
                None,
            ),
            Self::TooLarge => (ErrorKind::Limit, "the request is too large".to_owned(), false, None),
            Self::TooManyRequests { retry_after } => {
                (ErrorKind::Throttled, "too many requests".to_owned(), true, *retry_after)
            }
            Self::TryAgain => (ErrorKind::Unavailable, "the session is over".to_owned(), true, None),
            Self::VersionRefused => (
                ErrorKind::Unsupported,
                "the server does not speak the version of the request".to_owned(),
                false,
                None,
            ),
            Self::Compressed => {
                (ErrorKind::InvalidResponse, "the answer is compressed".to_owned(), false, None)
            }
            Self::Empty => (ErrorKind::InvalidResponse, "the answer is empty".to_owned(), false, None),
            Self::Other if status.is_server_error() => {
                (ErrorKind::Unavailable, "the server failed without SOAP".to_owned(), true, None)
            }
            Self::Other => {
                (ErrorKind::Rejected, "the request was refused without SOAP".to_owned(), false, None)
            }
        };
        let acted = match self {
            // The page of an application that failed in the middle of whatever it did; a success that cannot be read.
            Self::PassingOutage | Self::Overloaded | Self::Compressed | Self::Empty => Acted::Unknown,
            Self::Busy { .. } | Self::FrontEnd { .. } | Self::Other => Acted::Unknown,
            _ => Acted::No,
        };
        Some(
            Error::new(kind, message)
                .with_status(status)
                .with_transient(transient)
                .with_retry_after(wait)
                .with_acted(acted),
        )
    }
}

/// So many bytes of a body are looked at.
pub(crate) const BEGINNING: usize = 2048;

/// Whether a body that begins like this is an XML document whose outermost element is an Envelope.
pub(crate) fn begins_with_envelope(body: &[u8]) -> bool {
    Beginning::of(body).is_envelope()
}

/// The first bytes of a body, without a byte order mark and white space.
struct Beginning<'a>(&'a [u8]);

impl<'a> Beginning<'a> {
    fn of(body: &'a [u8]) -> Self {
        let body = body.get(..BEGINNING).unwrap_or(body);
        Self(body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii_start())
    }

    fn contains(&self, text: &str) -> bool {
        memchr::memmem::find(self.0, text.as_bytes()).is_some()
    }

    /// Whether it is an XML document whose outermost element is an Envelope. Exchange writes it within the first bytes.
    fn is_envelope(&self) -> bool {
        self.0.starts_with(b"<") && !self.is_html() && self.contains("Envelope")
    }

    fn is_html(&self) -> bool {
        // XHTML may begin with a declaration.
        let lower = self.0.get(..512).unwrap_or(self.0).to_ascii_lowercase();
        let has = |tag: &str| memchr::memmem::find(&lower, tag.as_bytes()).is_some();
        let begins = |tag: &str| lower.starts_with(tag.as_bytes());
        // A page may show an envelope, too.
        begins("<!doctype html")
            || begins("<html")
            || (begins("<") && (has("<!doctype html") || has("<html")) && !has("envelope"))
    }
}
