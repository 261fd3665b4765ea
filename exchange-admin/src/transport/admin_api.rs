use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, SET_COOKIE};
use http::{HeaderValue, Request, Response};
use m365_core::{
    Body, Cloud, Error, ErrorKind, Idempotency, Meta, Operation, Pipeline, Resource, Result, Service,
    TenantId,
};
use tracing::debug;
use uuid::Uuid;

use super::answer::{self, Page};
use super::batch::named;
use super::capabilities::GetCapabilities;
use super::failure::error_of;
use super::pace::Pace;
use super::routes::{Route, RouteSupport};
use super::stream::Splitter;
use super::{Answer, Capabilities, CmdletTransport, RowStream};
use crate::command::{Anchor, Command};
use crate::row::Row;

/// The Exchange Admin API: `POST {base}/adminapi/beta/{tenant}/InvokeCommand`, the route that Microsoft's own
/// PowerShell module takes (<https://learn.microsoft.com/exchange/reference/admin-api-get-started>).
///
/// The caller needs the application permission `Exchange.ManageAsApp` and a role that holds the cmdlets.
#[derive(Clone, Debug)]
pub struct AdminApi {
    pub(super) pipeline: Pipeline,
    pub(super) tenant: TenantId,
    pub(super) connection: Uuid,
    pub(super) pace: Pace,
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
        Self { pipeline, tenant, connection: Uuid::new_v4(), pace: Pace::default() }
    }

    fn call<'a>(&'a self, route: Route, command: &'a Command, body: &'a Bytes, paging: Paging) -> Call<'a> {
        Call { api: self, route, command, body, paging, place: Place::default() }
    }

    async fn drain(&self, route: Route, command: &Command, body: &Bytes, paging: Paging) -> Result<Answer> {
        let mut call = self.call(route, command, body, paging);
        let mut whole = Answer { route, ..Answer::default() };
        for page in 1..=MOST_PAGES {
            self.pace.keep(self.pipeline.clock()).await;
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
            if warns_of_cut(&whole.warnings) {
                return Err(cut_short(whole.rows.len(), "the service warned that it cut the list"));
            }
            if !call.place.go_on(got.next_link, got.cookies, whole.rows.len())? {
                return Ok(whole);
            }
        }
        Err(cut_short(whole.rows.len(), "the list has too many pages"))
    }
}

impl AdminApi {
    /// Runs one command on one of the two Admin API routes.
    pub(super) async fn invoke_over(&self, route: Route, command: &Command) -> Result<Answer> {
        let body = body_for(route, command)?;
        let name = command.name().as_str();
        let first = self.drain(route, command, &body, Paging::Asked).await;
        let answer = match first {
            // Some back ends cannot follow their own links. Only a read has pages, so starting over is safe; once.
            Err(error)
                if error.message().contains(EXPIRED_PAGE)
                    && command.facts().idempotency == Idempotency::Idempotent =>
            {
                debug!(cmdlet = name, "paging refused, reading once more without it");
                match self.drain(route, command, &body, Paging::NotAsked).await {
                    Err(error) if error.message().contains(EXPIRED_PAGE) => {
                        Err(cut_short(0, "the service refuses to follow its own pages"))
                    }
                    other => other,
                }
            }
            other => other,
        };
        answer.map_err(|error| named(error, command))
    }

    /// The rows as they come in. What is refused at the first page is refused here; what breaks later ends the stream.
    pub(super) async fn rows_over(&self, route: Route, command: &Command) -> Result<RowStream> {
        let mut reading = Reading {
            api: self.clone(),
            route,
            body: body_for(route, command)?,
            command: command.clone(),
            place: Place::default(),
            page: None,
            rows: VecDeque::new(),
            pages: 0,
            given: 0,
            done: false,
        };
        reading.open().await.map_err(|e| named(e, command))?;
        let rows = futures_util::stream::unfold(reading, |mut reading| async {
            let next = reading.next().await.map_err(|e| named(e, &reading.command)).transpose()?;
            if next.is_err() {
                reading.done = true;
                reading.page = None;
                reading.rows.clear();
            }
            Some((next, reading))
        });
        Ok(RowStream::new(route, rows))
    }
}

impl CmdletTransport for AdminApi {
    async fn invoke(&self, command: &Command) -> Result<Answer> {
        self.invoke_over(Route::InvokeCommand, command).await
    }

    async fn rows(&self, command: &Command) -> Result<RowStream> {
        self.rows_over(Route::InvokeCommand, command).await
    }

    async fn invoke_batch(&self, commands: &[Command]) -> Vec<Result<Answer>> {
        self.batches(commands).await
    }

    async fn capabilities(&self) -> Result<Capabilities> {
        self.pipeline.run(&GetCapabilities { tenant: self.tenant, connection: self.connection }).await
    }
}

/// A listing in the middle of being read.
struct Reading {
    api: AdminApi,
    route: Route,
    command: Command,
    body: Bytes,
    place: Place,
    page: Option<(Body, Splitter)>,
    rows: VecDeque<Row>,
    pages: usize,
    given: usize,
    done: bool,
}

impl Reading {
    /// Asks for the page at the present place; its rows are still to come.
    async fn open(&mut self) -> Result<()> {
        self.pages += 1;
        if self.pages > MOST_PAGES {
            return Err(cut_short(self.given, "the list has too many pages"));
        }
        self.api.pace.keep(self.api.pipeline.clock()).await;
        let mut call = self.api.call(self.route, &self.command, &self.body, Paging::Asked);
        std::mem::swap(&mut call.place, &mut self.place);
        let opened = self.api.pipeline.open(&call).await;
        let place = call.place;
        self.place = place;
        let opened = opened.map_err(|error| match self.pages {
            1 => error,
            _ if error.message().contains(EXPIRED_PAGE) => {
                cut_short(self.given, "the service refuses to follow its own pages").with_source(error)
            }
            _ => broken_off(error, self.given),
        })?;
        self.api.pace.learn(&opened.head.headers, self.api.pipeline.clock().now());
        let cookies = opened.head.headers.get_all(SET_COOKIE).iter().filter_map(cookie);
        self.place.cookies.extend(cookies);
        self.page = Some((opened.into_body(), Splitter::default()));
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Row>> {
        loop {
            if let Some(row) = self.rows.pop_front() {
                self.given += 1;
                return Ok(Some(row));
            }
            if self.done {
                return Ok(None);
            }
            let Some((body, splitter)) = &mut self.page else {
                self.open().await?;
                continue;
            };
            match body.next().await {
                Some(piece) => splitter.push(&piece?, &mut self.rows)?,
                None => {
                    let envelope = Response::new(Bytes::from(splitter.finish()?));
                    self.page = None;
                    self.end_of_page(&envelope)?;
                }
            }
        }
    }

    fn end_of_page(&mut self, envelope: &Response<Bytes>) -> Result<()> {
        let now = self.api.pipeline.clock().now();
        if let Some(error) = error_of(envelope, self.command.name().as_str(), now) {
            return Err(error);
        }
        let page = answer::read(envelope)?;
        if page.blank && self.pages > 1 {
            return Err(cut_short(self.given, "a page came back without content"));
        }
        if warns_of_cut(&page.warnings) {
            return Err(cut_short(self.given, "the service warned that it cut the list"));
        }
        self.rows.extend(page.rows);
        self.done = !self.place.go_on(page.next_link, Vec::new(), self.given)?;
        Ok(())
    }
}

/// Where a list goes on.
#[derive(Clone, Debug, Default)]
struct Place {
    next: Option<String>,
    cookies: BTreeMap<String, String>,
}

impl Place {
    /// Whether there is a further page.
    fn go_on(&mut self, next: Option<String>, cookies: Vec<(String, String)>, rows: usize) -> Result<bool> {
        let Some(next) = next else { return Ok(false) };
        if self.next.as_deref() == Some(next.as_str()) {
            return Err(cut_short(rows, "the list's next page is the page itself"));
        }
        self.next = Some(next);
        self.cookies.extend(cookies);
        Ok(true)
    }
}

pub(super) fn warns_of_cut(warnings: &[String]) -> bool {
    warnings.iter().any(|w| w.contains(CUT))
}

/// The documented endpoints take only the parameters on their page, and never ask for confirmation.
fn body_for(route: Route, command: &Command) -> Result<Bytes> {
    let body = match route {
        Route::AdminApiV2 => command.clone().without("Confirm").to_invoke_body()?,
        _ => command.to_invoke_body()?,
    };
    Ok(Bytes::from(body))
}

/// The address of a command on `InvokeCommand`.
pub(super) fn invoke_url(cloud: &Cloud, tenant: TenantId, command: &Command) -> Result<String> {
    url_over(Route::InvokeCommand, cloud, tenant, command)
}

fn url_over(route: Route, cloud: &Cloud, tenant: TenantId, command: &Command) -> Result<String> {
    let path = match (route, RouteSupport::of(command.name().as_str()).and_then(|row| row.endpoint)) {
        (Route::AdminApiV2, Some(endpoint)) => format!("/adminapi/v2.0/{tenant}/{endpoint}"),
        _ => format!("/adminapi/beta/{tenant}/InvokeCommand"),
    };
    let mut url = m365_core::odata::join(cloud.outlook(), &path)?;
    if !command.select().is_empty() {
        url.set_query(Some(&format!("$select={}", command.select().join(","))));
    }
    Ok(url.into())
}

/// The value of `X-AnchorMailbox`.
pub(super) fn anchor(anchor: &Anchor, tenant: TenantId) -> String {
    match anchor {
        Anchor::Address(address) => format!("SMTP:{address}"),
        Anchor::ExchangeGuid(id) => format!("MBX:{id}@{tenant}"),
        Anchor::Organization => format!("APP:SystemMailbox{{bb558c35-97f1-4cb9-8ff7-d53741dc928c}}@{tenant}"),
    }
}

/// A page that failed: what was read so far is withheld. A page that is "not found" says nothing about the object.
fn broken_off(error: Error, rows: usize) -> Error {
    if error.kind() == ErrorKind::NotFound || error.status() == Some(http::StatusCode::NOT_FOUND) {
        return cut_short(rows, "a page was not found").with_source(error);
    }
    error
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
struct Call<'a> {
    api: &'a AdminApi,
    route: Route,
    command: &'a Command,
    body: &'a Bytes,
    paging: Paging,
    place: Place,
}

impl Operation for Call<'_> {
    type Output = Page;

    /// The throttle's key names no mailbox: the service counts cmdlets per organisation.
    fn meta(&self) -> Meta<'_> {
        let facts = self.command.facts();
        Meta::new(facts.name.as_str(), Resource::Exchange, Service::ExchangeAdmin, facts.idempotency)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let tenant = self.api.tenant;
        let uri = match &self.place.next {
            Some(link) => link.clone(),
            None => url_over(self.route, cloud, tenant, self.command)?,
        };
        let mut request = Request::post(uri).body(self.body.clone()).map_err(|e| {
            Error::unreadable("the address of the cmdlet's next page is unreadable").with_source(e)
        })?;
        let anchor = match self.paging {
            Paging::Asked => anchor(self.command.anchor(), tenant),
            Paging::NotAsked => anchor(&Anchor::Organization, tenant),
        };
        let headers = request.headers_mut();
        common_headers(headers, self.api.connection)?;
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
        if self.place.next.is_some() && !self.place.cookies.is_empty() {
            let cookies: Vec<String> = self.place.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
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
        self.api.pace.learn(response.headers(), now);
        error_of(response, self.command.name().as_str(), now).map_or(Ok(()), Err)
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
