//! Pages: `Prefer: odata.maxpagesize`, and links that are POSTed again with the same body and soon expire.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Request;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::envelope::{Failure, Row};
use super::header;
use crate::state::State;

/// Rows of a page unless the request prefers another number.
const DEFAULT_SIZE: usize = 1000;

/// How long a link lives; the error text names another time.
const LINK_LIFE: SignedDuration = SignedDuration::from_mins(5);

/// What part of the output the request wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    offset: usize,
    size: usize,
}

impl Page {
    /// Reads preference and link; an expired or foreign link is an error, and so is a link under an anchor that names a
    /// vanity domain.
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
            return Ok(Self { offset: 0, size });
        };
        let expired = || {
            Failure::bad_request(
                "",
                "Microsoft.Exchange.Admin.OData.Core.ODataServiceException",
                "Expired or Invalid pagination request. Default Expiry time is 00:30:00",
            )
        };
        let (issued, offset) = read_token(&token).ok_or_else(expired)?;
        if now.duration_since(issued) > LINK_LIFE || !pages_under(header(request, "x-anchormailbox"), state) {
            return Err(expired());
        }
        Ok(Self { offset, size })
    }

    /// The rows of this page, and the link to the next one if there is more.
    pub(super) fn cut(
        self,
        rows: Vec<Row>,
        request: &Request<Bytes>,
        now: Timestamp,
    ) -> (Vec<Row>, Option<String>) {
        let end = self.offset.saturating_add(self.size);
        let next = (self.size > 0 && end < rows.len()).then(|| link(request, now, end));
        (rows.into_iter().skip(self.offset).take(self.size).collect(), next)
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

fn link(request: &Request<Bytes>, now: Timestamp, offset: usize) -> String {
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
    let token = URL_SAFE_NO_PAD.encode(format!("{}:{offset}", now.as_millisecond()));
    query.append_pair("$skiptoken", &token);
    format!("{scheme}://{host}{}?{}", request.uri().path(), query.finish())
}

fn read_token(token: &str) -> Option<(Timestamp, usize)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (issued, offset) = text.split_once(':')?;
    Some((Timestamp::from_millisecond(issued.parse().ok()?).ok()?, offset.parse().ok()?))
}
