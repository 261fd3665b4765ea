use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, SET_COOKIE};
use http::{HeaderValue, Request, Response};
use m365_core::{
    Cloud, Error, ErrorKind, Idempotency, Meta, Operation, Pipeline, Resource, Result, Service, TenantId,
};
use tracing::debug;
use uuid::Uuid;

use super::answer::{self, Page};
use super::capabilities::GetCapabilities;
use super::failure::error_of;
use super::{Answer, Capabilities, CmdletTransport};
use crate::command::{Anchor, Command};

/// The Exchange Admin API: `POST {base}/adminapi/beta/{tenant}/InvokeCommand`, the route that Microsoft's own
/// PowerShell module takes (<https://learn.microsoft.com/exchange/reference/admin-api-get-started>).
///
/// The caller needs the application permission `Exchange.ManageAsApp` and a role that holds the cmdlets.
#[derive(Clone, Debug)]
pub struct AdminApi {
    pipeline: Pipeline,
    tenant: TenantId,
    connection: Uuid,
}

/// Most pages followed of one list: ten million rows.
const MOST_PAGES: usize = 10_000;

/// Text of the refusal of a page's link; the service has no code for it.
const EXPIRED_PAGE: &str = "Expired or Invalid pagination request";

/// Text of the warning that says a list was cut.
const CUT: &str = "increase the value for the ResultSize parameter";

impl AdminApi {
    /// The tenant is named by its GUID: paging fails where a vanity domain stands in the anchor.
    pub fn new(pipeline: Pipeline, tenant: TenantId) -> Self {
        Self { pipeline, tenant, connection: Uuid::new_v4() }
    }

    async fn drain(&self, command: &Command, body: &Bytes, paging: Paging) -> Result<Answer> {
        let mut call = InvokeCommand {
            command,
            body,
            tenant: self.tenant,
            connection: self.connection,
            paging,
            next: None,
            cookies: BTreeMap::new(),
        };
        let mut whole = Answer::default();
        for page in 1..=MOST_PAGES {
            let got = match self.pipeline.run(&call).await {
                Ok(got) => got,
                Err(error) if page > 1 => return Err(broken_off(error, whole.rows.len())),
                Err(error) => return Err(error),
            };
            if page > 1 && got.blank {
                return Err(cut_short(whole.rows.len(), "a page came back without content"));
            }
            whole.rows.extend(got.rows);
            for warning in got.warnings {
                if !whole.warnings.contains(&warning) {
                    whole.warnings.push(warning);
                }
            }
            if whole.warnings.iter().any(|w| w.contains(CUT)) {
                return Err(cut_short(whole.rows.len(), "the service warned that it cut the list"));
            }
            let Some(next) = got.next_link else {
                return Ok(whole);
            };
            if call.next.as_deref() == Some(next.as_str()) {
                return Err(cut_short(whole.rows.len(), "the list's next page is the page itself"));
            }
            call.next = Some(next);
            call.cookies.extend(got.cookies);
        }
        Err(cut_short(whole.rows.len(), "the list has too many pages"))
    }
}

impl CmdletTransport for AdminApi {
    async fn invoke(&self, command: &Command) -> Result<Answer> {
        let body = Bytes::from(command.to_invoke_body()?);
        let name = command.name().as_str();
        let first = self.drain(command, &body, Paging::Asked).await;
        let answer = match first {
            // Some back ends cannot follow their own links. Only a read has pages, so starting over is safe; once.
            Err(error)
                if error.message().contains(EXPIRED_PAGE)
                    && command.facts().idempotency == Idempotency::Idempotent =>
            {
                debug!(cmdlet = name, "paging refused, reading once more without it");
                match self.drain(command, &body, Paging::NotAsked).await {
                    Err(error) if error.message().contains(EXPIRED_PAGE) => {
                        Err(cut_short(0, "the service refuses to follow its own pages"))
                    }
                    other => other,
                }
            }
            other => other,
        };
        answer.map_err(|error| {
            let error = error.with_operation(name);
            match command.anchor() {
                Anchor::Address(address) => error.with_mailbox(address.as_str()),
                _ => error,
            }
        })
    }

    async fn capabilities(&self) -> Result<Capabilities> {
        self.pipeline.run(&GetCapabilities { tenant: self.tenant, connection: self.connection }).await
    }
}

/// A page that failed: what was read so far is withheld. A page that is "not found" says nothing about the object.
fn broken_off(error: Error, rows: usize) -> Error {
    match error.kind() {
        ErrorKind::NotFound => cut_short(rows, "a page was not found").with_source(error),
        _ => error,
    }
}

fn cut_short(rows: usize, why: &str) -> Error {
    Error::new(ErrorKind::Truncated, format!("{why}; {rows} rows read so far were withheld"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paging {
    /// With `Prefer: odata.maxpagesize` and the command's own anchor.
    Asked,
    /// Without it, and anchored at the organisation by GUID.
    NotAsked,
}

/// One page of one command.
struct InvokeCommand<'a> {
    command: &'a Command,
    body: &'a Bytes,
    tenant: TenantId,
    connection: Uuid,
    paging: Paging,
    next: Option<String>,
    cookies: BTreeMap<String, String>,
}

impl Operation for InvokeCommand<'_> {
    type Output = Page;

    /// The throttle's key names no mailbox: the service counts cmdlets per organisation.
    fn meta(&self) -> Meta<'_> {
        let facts = self.command.facts();
        Meta::new(facts.name.as_str(), Resource::Exchange, Service::ExchangeAdmin, facts.idempotency)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let uri = match &self.next {
            Some(link) => link.clone(),
            None => {
                let path = format!("/adminapi/beta/{}/InvokeCommand", self.tenant);
                let mut url = m365_core::odata::join(cloud.outlook(), &path)?;
                if !self.command.select().is_empty() {
                    url.set_query(Some(&format!("$select={}", self.command.select().join(","))));
                }
                url.into()
            }
        };
        let mut request = Request::post(uri).body(self.body.clone()).map_err(|e| {
            Error::unreadable("the address of the cmdlet's next page is unreadable").with_source(e)
        })?;
        let anchor = match (self.paging, self.command.anchor()) {
            (Paging::Asked, Anchor::Address(address)) => format!("SMTP:{address}"),
            (Paging::Asked, Anchor::ExchangeGuid(id)) => format!("MBX:{id}@{}", self.tenant),
            _ => format!("APP:SystemMailbox{{bb558c35-97f1-4cb9-8ff7-d53741dc928c}}@{}", self.tenant),
        };
        let headers = request.headers_mut();
        common_headers(headers, self.connection)?;
        headers.insert(CONTENT_TYPE, const { HeaderValue::from_static("application/json; charset=utf-8") });
        headers
            .insert(const { HeaderName::from_static("x-cmdletname") }, value(self.command.name().as_str())?);
        headers.insert(const { HeaderName::from_static("x-anchormailbox") }, value(&anchor)?);
        if self.paging == Paging::Asked {
            headers.insert(
                const { HeaderName::from_static("prefer") },
                const { HeaderValue::from_static("odata.maxpagesize=1000") },
            );
        }
        if self.next.is_some() && !self.cookies.is_empty() {
            let cookies: Vec<String> = self.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let mut cookies = value(&cookies.join("; "))?;
            cookies.set_sensitive(true);
            headers.insert(COOKIE, cookies);
        }
        Ok(request)
    }

    fn read(&self, response: Response<Bytes>) -> Result<Page> {
        let mut page = answer::read(&response)?;
        page.cookies = response.headers().get_all(SET_COOKIE).iter().filter_map(cookie).collect();
        Ok(page)
    }

    fn classify(&self, response: &Response<Bytes>, now: jiff::Timestamp) -> Result<()> {
        match error_of(response, self.command.name().as_str(), now) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn body_limit(&self) -> usize {
        // A thousand rows of a cmdlet whose properties cannot be chosen.
        64 * 1024 * 1024
    }
}

pub(super) fn common_headers(headers: &mut HeaderMap, connection: Uuid) -> Result<()> {
    headers.insert(ACCEPT, const { HeaderValue::from_static("application/json") });
    // Warnings, errors and some names are translated into this language.
    headers.insert(ACCEPT_LANGUAGE, const { HeaderValue::from_static("en-US") });
    headers.insert(const { HeaderName::from_static("connection-id") }, value(&connection.to_string())?);
    Ok(())
}

fn value(text: &str) -> Result<HeaderValue> {
    HeaderValue::try_from(text).map_err(|_| Error::invalid("a value cannot stand in a header"))
}

/// The link names one back end, and a cookie keeps the balancer from choosing another.
fn cookie(header: &HeaderValue) -> Option<(String, String)> {
    let (name, value) = header.to_str().ok()?.split(';').next()?.split_once('=')?;
    Some((name.trim().to_owned(), value.trim().to_owned()))
}
