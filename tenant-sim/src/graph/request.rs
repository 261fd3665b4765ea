//! A request as Graph reads it: segments with keys unfolded, query names without regard to case.

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use uuid::Uuid;

use super::error::GraphError;
use crate::server::origin;

/// One request, direct or from a batch.
#[derive(Debug)]
pub(crate) struct GraphRequest {
    pub(crate) method: Method,
    /// Decoded segments after the version; `name('key')` counts as two.
    pub(crate) segments: Vec<String>,
    /// The same in lower case, for matching.
    pub(crate) names: Vec<String>,
    query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Scheme and host of the request, for links.
    pub(crate) origin: String,
    /// Path after the version, undecoded.
    pub(crate) path: String,
}

impl GraphRequest {
    pub(crate) fn from_http(request: &Request<Bytes>) -> Self {
        let path = request.uri().path().trim_start_matches('/');
        let path = path.split_once('/').map_or("", |(_, rest)| rest);
        Self::new(
            request.method().clone(),
            path,
            request.uri().query().unwrap_or_default(),
            request.headers().clone(),
            request.body().clone(),
            origin(request),
        )
    }

    pub(crate) fn new(
        method: Method,
        path: &str,
        query: &str,
        headers: HeaderMap,
        body: Bytes,
        origin: String,
    ) -> Self {
        let segments = segments(path);
        let names = segments.iter().map(|s| s.to_ascii_lowercase()).collect();
        let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { method, segments, names, query, headers, body, origin, path: path.to_owned() }
    }

    /// The n-th segment as written, decoded.
    pub(crate) fn segment(&self, n: usize) -> &str {
        self.segments.get(n).map(String::as_str).unwrap_or_default()
    }

    /// A query option; `$top`, `top` and any casing mean the same.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(k, _)| k.trim_start_matches('$').eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    /// The query without the given option, for the next link.
    pub(crate) fn query_without(&self, name: &str) -> impl Iterator<Item = &(String, String)> {
        self.query.iter().filter(move |(k, _)| !k.trim_start_matches('$').eq_ignore_ascii_case(name))
    }

    /// The mailbox that a `/users/{id}/…` request is about.
    pub(crate) fn mailbox(&self) -> Option<&str> {
        match self.segments.as_slice() {
            [users, identity, _, ..] if users.eq_ignore_ascii_case("users") => Some(identity),
            _ => None,
        }
    }

    /// The body as a JSON object.
    pub(crate) fn json(&self) -> Result<Value, GraphError> {
        serde_json::from_slice::<Value>(&self.body).ok().filter(Value::is_object).ok_or_else(|| {
            GraphError::new(
                http::StatusCode::BAD_REQUEST,
                "BadRequest",
                "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
            )
        })
    }
}

/// How an application or service principal is addressed.
#[derive(Debug)]
pub(crate) enum Key {
    Id(Uuid),
    AppId(Uuid),
    UniqueName(String),
    /// Not a GUID where one belongs: nothing has it.
    Nothing,
}

impl Key {
    /// `{id}`, `appId=…` or `uniqueName=…`.
    pub(crate) fn read(text: &str) -> Self {
        match text.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("appid") => {
                value.parse().map_or(Self::Nothing, Self::AppId)
            }
            Some((name, value)) if name.eq_ignore_ascii_case("uniquename") => {
                Self::UniqueName(value.to_owned())
            }
            Some(_) => Self::Nothing,
            None => text.parse().map_or(Self::Nothing, Self::Id),
        }
    }
}

/// Splits before decoding, so that an encoded slash stays inside its segment.
fn segments(path: &str) -> Vec<String> {
    let mut all = Vec::new();
    for raw in path.split('/').filter(|s| !s.is_empty()) {
        let text = percent_decode_str(raw).decode_utf8_lossy().into_owned();
        let Some((name, key)) = text.strip_suffix(')').and_then(|t| t.split_once('(')) else {
            all.push(text);
            continue;
        };
        all.push(name.to_owned());
        let unquote = |v: &str| v.trim_matches('\'').replace("''", "'");
        match key.split_once('=') {
            _ if key.is_empty() => {}
            Some((property, value)) if !key.starts_with('\'') => {
                all.push(format!("{property}={}", unquote(value)));
            }
            _ => all.push(unquote(key)),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_parentheses_are_segments() {
        assert_eq!(segments("applications(appId='a')/owners"), ["applications", "appId=a", "owners"]);
        assert_eq!(
            segments("users/al%2Fice%40x/messages('AA=b')/$value"),
            ["users", "al/ice@x", "messages", "AA=b", "$value"]
        );
        assert_eq!(segments("users/delta()"), ["users", "delta"]);
        assert_eq!(segments("applications(uniqueName='o''brien')"), ["applications", "uniqueName=o'brien"]);
    }

    #[test]
    fn options_with_and_without_dollar_are_one() {
        let r = GraphRequest::new(
            Method::GET,
            "users",
            "%24top=3&StartDateTime=x",
            HeaderMap::new(),
            Bytes::new(),
            String::new(),
        );
        assert_eq!((r.option("top"), r.option("startdatetime")), (Some("3"), Some("x")));
    }
}
