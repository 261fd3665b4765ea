//! Microsoft Graph's OData dialect: requests, pages, the error envelope, `$batch`.

mod batch;
mod error;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, Uri};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::{Position, Url};

use crate::{Cloud, Error, Result};

pub use batch::{BATCH_SIZE, BatchItem, BatchReply};
pub(crate) use batch::{PostBatch, open};
pub use error::{classify, error_of};

/// One page of a list. An answer without rows (`value`) is not a page: it must not pass for an empty list.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Page<T> {
    /// The rows of this page; a page may be empty and still have a successor.
    pub value: Vec<T>,
    /// Where the list goes on, to be used byte for byte.
    #[serde(rename = "@odata.nextLink")]
    pub next_link: Option<String>,
    /// Where changes can be asked for later.
    #[serde(rename = "@odata.deltaLink")]
    pub delta_link: Option<String>,
}

impl<T> Page<T> {
    /// The same page with each row read further.
    ///
    /// # Errors
    /// The first that `read` gives.
    pub fn try_map<U>(self, read: impl FnMut(T) -> Result<U>) -> Result<Page<U>> {
        let value = self.value.into_iter().map(read).collect::<Result<_>>()?;
        Ok(Page { value, next_link: self.next_link, delta_link: self.delta_link })
    }
}

/// A GET below Graph's base; `path` starts with the version and may carry a query.
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the path cannot stand in a URL.
pub fn get(cloud: &Cloud, path: &str) -> Result<Request<Bytes>> {
    below(cloud.graph(), Method::GET, path, None)
}

/// A request with a JSON body below Graph's base.
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the path cannot stand in a URL or the body is no JSON.
pub fn send_json(cloud: &Cloud, method: Method, path: &str, body: &impl Serialize) -> Result<Request<Bytes>> {
    let body = serde_json::to_vec(body)
        .map_err(|e| Error::invalid("the body cannot be written as JSON").with_source(e))?;
    below(cloud.graph(), method, path, Some(body.into()))
}

/// A request without body below Graph's base.
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the path cannot stand in a URL.
pub fn send_empty(cloud: &Cloud, method: Method, path: &str) -> Result<Request<Bytes>> {
    below(cloud.graph(), method, path, None)
}

/// Joins a base and a path that may carry a query.
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the result is no URL below the base.
pub fn join(base: &Url, path: &str) -> Result<Url> {
    let url = base.join(path).map_err(|e| Error::invalid("the path cannot stand in a URL").with_source(e))?;
    if url.origin() == base.origin() { Ok(url) } else { Err(Error::invalid("the path leaves its host")) }
}

fn below(base: &Url, method: Method, path: &str, body: Option<Bytes>) -> Result<Request<Bytes>> {
    if !is_plain(path) {
        return request(method, &join(base, path)?, body);
    }
    // Joining would parse, normalise and check what is known to stay as it is: a tenth of a whole call.
    let origin = &base[..Position::BeforePath];
    let mut uri = String::with_capacity(origin.len() + path.len());
    uri.push_str(origin);
    uri.push_str(path);
    build(method, uri.try_into(), body)
}

/// Whether a path with query is taken over into a URL byte for byte.
fn is_plain(path: &str) -> bool {
    /// One bit for each ASCII character.
    const PLAIN: u128 = {
        let mut plain = 0;
        let mut rest: &[u8] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~!$&()*+,;=:@/?%.";
        while let [first, others @ ..] = rest {
            plain |= 1 << *first;
            rest = others;
        }
        plain
    };
    // A second slash would name another host; segments that begin with a dot may be resolved, encoded ones too.
    let (mut before, mut start) = (b'/', true);
    path.starts_with('/')
        && path.bytes().skip(1).all(|byte| {
            let special = before == b'/' && (matches!(byte, b'.' | b'%') || start && byte == b'/');
            (before, start) = (byte, false);
            !special && byte.is_ascii() && PLAIN >> byte & 1 == 1
        })
}

pub(crate) fn request(method: Method, url: &Url, body: Option<Bytes>) -> Result<Request<Bytes>> {
    build(method, url.as_str().try_into(), body)
}

fn build(
    method: Method,
    uri: Result<Uri, http::uri::InvalidUri>,
    body: Option<Bytes>,
) -> Result<Request<Bytes>> {
    let uri = uri.map_err(|e| Error::invalid("the path cannot stand in a URL").with_source(e))?;
    let mut builder = Request::builder()
        .method(method)
        .uri(uri)
        .header(ACCEPT, const { HeaderValue::from_static("application/json") });
    if body.is_some() {
        builder = builder.header(CONTENT_TYPE, const { HeaderValue::from_static("application/json") });
    }
    builder
        .body(body.unwrap_or_default())
        .map_err(|e| Error::invalid("the request cannot be built").with_source(e))
}

/// Reads a JSON body, whatever its content type says.
///
/// # Errors
/// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse) with status and place, without the body.
pub fn json<T: DeserializeOwned>(response: &Response<Bytes>) -> Result<T> {
    serde_json::from_slice(response.body()).map_err(|e| {
        Error::unreadable(format!(
            "the answer is not the JSON expected (line {}, column {})",
            e.line(),
            e.column()
        ))
        .with_status(response.status())
    })
}

/// Percent-encodes one segment of a path: an id, an address, a name.
///
/// ```
/// assert_eq!(m365_core::odata::segment("o'brien+x@contoso.example"), "o%27brien%2Bx%40contoso.example");
/// ```
pub fn segment(text: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const KEEP: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, KEEP).to_string()
}

/// A string literal of an OData expression: quotes doubled, then percent-encoded.
///
/// ```
/// assert_eq!(m365_core::odata::literal("O'Brien"), "%27O%27%27Brien%27");
/// ```
pub fn literal(text: &str) -> String {
    segment(&format!("'{}'", text.replace('\'', "''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leaves_its_host() {
        let cloud = Cloud::public();
        assert!(get(&cloud, "//evil.example/v1.0/users").is_err());
        assert!(get(&cloud, "https://evil.example/").is_err());
        assert_eq!(
            get(&cloud, "/v1.0/users?$top=5").unwrap().uri(),
            "https://graph.microsoft.com/v1.0/users?$top=5"
        );
    }

    proptest::proptest! {
        #[test]
        fn the_short_way_gives_what_joining_gives(path in r"/([a-z0-9%2E./?$=&'()@ :;\\#-]|%2e|%27|\.\./|ü){0,16}") {
            let joined = join(Cloud::public().graph(), &path).and_then(|url| request(Method::GET, &url, None));
            match (get(&Cloud::public(), &path), joined) {
                (Ok(short), Ok(long)) => proptest::prop_assert_eq!(short.uri(), long.uri()),
                (short, long) => proptest::prop_assert_eq!(short.is_err(), long.is_err()),
            }
        }
    }
}
