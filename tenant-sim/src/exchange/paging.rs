//! Pages: `Prefer: odata.maxpagesize`, and links that are POSTed again with the same body and soon expire.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{HeaderValue, Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use uuid::Uuid;

use super::envelope::{self, Failure};
use super::header;
use crate::state::{Cursor, State};

/// Rows of a page unless the request prefers another number.
const DEFAULT_SIZE: usize = 1000;

/// How long a link lives; the error text names another time.
const LINK_LIFE: SignedDuration = SignedDuration::from_mins(5);

/// How long the rows of a list are kept.
const CURSOR_LIFE: SignedDuration = SignedDuration::from_mins(30);

/// Names the back end that holds the list.
const COOKIE: &str = "exchangecookie";

/// What part of the output the request wants.
#[derive(Clone, Debug)]
pub(super) struct Page {
    size: usize,
    /// The list that the request's link continues, and where.
    continues: Option<(Uuid, usize, Cursor)>,
}

/// A first page, and whether there is more.
#[derive(Debug)]
pub(super) struct First {
    rows: Vec<Value>,
    next: Option<(String, Uuid)>,
}

impl First {
    /// The answer, with the cookie that the next pages must bring.
    pub(super) fn answer(self, warnings: &[String]) -> Response<Bytes> {
        let (next, id) = self.next.unzip();
        let mut reply = envelope::success(Value::Array(self.rows), warnings, next);
        let cookie = id.map(|id| HeaderValue::try_from(format!("{COOKIE}={}; path=/; secure", id.simple())));
        if let Some(Ok(cookie)) = cookie {
            reply.headers_mut().append(SET_COOKIE, cookie);
        }
        reply
    }
}

impl Page {
    /// Reads preference and link; an expired or foreign link is an error, and so is a link under an anchor that names a
    /// vanity domain, or with affinity one without the cookie of its first page.
    pub(super) fn of(request: &Request<Bytes>, state: &State, now: Timestamp) -> Result<Self, Failure> {
        let size = header(request, "prefer")
            .into_iter()
            .flat_map(|prefer| prefer.split([';', ',']))
            .find_map(|part| part.trim().strip_prefix("odata.maxpagesize="))
            .and_then(|size| size.parse().ok())
            .unwrap_or(DEFAULT_SIZE)
            .min(DEFAULT_SIZE);
        let token = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
            .find(|(key, _)| key == "$skiptoken")
            .map(|(_, value)| value.into_owned());
        let Some(token) = token else {
            return Ok(Self { size, continues: None });
        };
        let expired = || {
            Failure::bad_request(
                "",
                "Microsoft.Exchange.Admin.OData.Core.ODataServiceException",
                "Expired or Invalid pagination request. Default Expiry time is 00:30:00",
            )
        };
        let (issued, offset, id) = read_token(&token).ok_or_else(expired)?;
        let cursor = state.exchange.cursors.get(&id).ok_or_else(expired)?;
        let here = !state.exchange.paging_affinity
            || header(request, "cookie").is_some_and(|c| c.contains(&format!("{COOKIE}={}", id.simple())));
        let late = now.duration_since(issued) > LINK_LIFE;
        if late || !here || !pages_under(header(request, "x-anchormailbox"), state) {
            return Err(expired());
        }
        Ok(Self { size, continues: Some((id, offset, cursor.clone())) })
    }

    /// The rows of a page that is not the first, and the link to the next one if there is more.
    pub(super) fn continued(
        &self,
        request: &Request<Bytes>,
        now: Timestamp,
    ) -> Option<(Vec<Value>, Option<String>)> {
        let (id, offset, cursor) = self.continues.as_ref()?;
        let rows = cursor.rows.iter().skip(*offset).take(self.size);
        let rows = rows.map(|row| serde_json::from_str(row).unwrap_or_default()).collect();
        let end = offset.saturating_add(self.size);
        let next = (self.size > 0 && end < cursor.rows.len()).then(|| link(request, now, end, *id));
        Some((rows, next))
    }

    /// The rows of the first page. What is left is kept for the links.
    pub(super) fn first(
        &self,
        rows: impl Iterator<Item = Value>,
        request: &Request<Bytes>,
        state: &mut State,
        now: Timestamp,
    ) -> First {
        let mut rows = rows;
        let head: Vec<Value> = rows.by_ref().take(self.size).collect();
        let tail = rows.map(|row| row.to_string().into_boxed_str());
        let kept: Vec<Box<str>> = if self.size == 0 { vec![] } else { tail.collect() };
        if kept.is_empty() {
            return First { rows: head, next: None };
        }
        // A link lives five minutes from its page, and a list is not paged for longer than half an hour.
        state.exchange.cursors.retain(|_, c| now.duration_since(c.taken_at) < CURSOR_LIFE);
        let id = Uuid::new_v4();
        state.exchange.cursors.insert(id, Cursor { taken_at: now, rows: kept.into() });
        First { rows: head, next: Some((link(request, now, 0, id), id)) }
    }
}

/// True when pages can be continued under this anchor: a GUID or the initial domain, never a vanity domain.
fn pages_under(anchor: Option<&str>, state: &State) -> bool {
    let Some((_, domain)) = anchor.and_then(|a| a.rsplit_once('@')) else {
        return true;
    };
    Uuid::parse_str(domain).is_ok()
        || domain.to_ascii_lowercase().ends_with(".onmicrosoft.com")
        || domain.eq_ignore_ascii_case(state.initial_domain())
}

fn link(request: &Request<Bytes>, now: Timestamp, offset: usize, id: Uuid) -> String {
    let scheme = header(request, "x-sim-scheme").unwrap_or("https");
    let host = header(request, "host")
        .or_else(|| request.uri().authority().map(http::uri::Authority::as_str))
        .unwrap_or("localhost");
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (key, value) in form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()) {
        if key != "$skiptoken" {
            query.append_pair(&key, &value);
        }
    }
    let token = URL_SAFE_NO_PAD.encode(format!("{}:{offset}:{}", now.as_millisecond(), id.simple()));
    query.append_pair("$skiptoken", &token);
    format!("{scheme}://{host}{}?{}", request.uri().path(), query.finish())
}

fn read_token(token: &str) -> Option<(Timestamp, usize, Uuid)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let mut parts = text.split(':');
    let issued = Timestamp::from_millisecond(parts.next()?.parse().ok()?).ok()?;
    Some((issued, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
