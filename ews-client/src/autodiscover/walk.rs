use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use m365_core::{
    Error, ErrorKind, MailboxAddress, Resource, Result, TokenRequest, Transport, TransportErrorKind,
};
use tracing::debug;
use url::Url;

use super::host::{AllowedHosts, http_request, is_local, refused};
use super::{Discovered, DiscoverySource, Form, Resolver, Settings, Told, json, pox, soap};
use crate::auth::Scheme;
use crate::{EwsCredential, EwsEndpoint, HttpVerdict, classify_http};

/// Redirects of every kind, of one discovery.
const MAX_REDIRECTS: u32 = 10;
/// Answers have some kilobytes.
const MAX_ANSWER: usize = 1 << 20;
/// Records of SRV that are followed.
const MAX_RECORDS: usize = 5;

/// Finds out where a mailbox speaks EWS.
///
/// It asks, in this order, until somebody knows:
///
/// 1. `https://DOMAIN`, then `https://autodiscover.DOMAIN`, each by POX, by SOAP and by v2 ([`Form`]);
/// 2. `http://autodiscover.DOMAIN`, without credentials, where only a redirect with 302 counts, which POX then follows;
/// 3. the SRV record `_autodiscover._tcp.DOMAIN`, when there is a [`Resolver`].
///
/// Service connection points of Active Directory are for members of the Windows domain and are not asked.
///
/// What keeps credentials at home:
/// - nothing is asked, with or without credentials, but of the mailbox's own domain, its host `autodiscover`, and the
///   hosts that [`with_allowed_host`](Self::with_allowed_host) names; a redirect, an SRV record or another address of the
///   mailbox leads nowhere else. The only thing that goes out over plain http is the question of step 2.
/// - the address of EWS that comes out is https, and at or below the mailbox's domain or at an allowed host.
/// - hosts that lead to this machine or its link are refused: by name and by address, and with a [`Resolver`] by what
///   they resolve to.
/// - ten redirects, none twice. An account that is locked ends the walk, so that it is not prolonged.
///
/// Nothing is repeated: an error that [`is_transient`](Error::is_transient) may pass by itself.
#[derive(Clone, Debug)]
pub struct Autodiscover {
    transport: Transport,
    credential: Option<EwsCredential>,
    allowed: AllowedHosts,
    resolver: Option<Resolver>,
    forms: Vec<Form>,
    prefers_internal: bool,
    user_agent: HeaderValue,
    attempt_timeout: Duration,
}

impl Autodiscover {
    /// Asks through this transport. Without a credential, only by v2.
    pub fn new(transport: Transport) -> Self {
        Self {
            transport,
            credential: None,
            allowed: AllowedHosts::default(),
            resolver: None,
            forms: vec![Form::Pox, Form::Soap, Form::Json],
            prefers_internal: false,
            user_agent: HeaderValue::from_static(concat!("ews-client/", env!("CARGO_PKG_VERSION"))),
            attempt_timeout: Duration::from_secs(20),
        }
    }

    /// Asks through the shipped transport, and lets the operating system say where hosts lead to.
    ///
    /// # Errors
    /// As [`ReqwestTransport::new`](m365_core::transport::ReqwestTransport::new).
    #[cfg(feature = "reqwest")]
    pub fn over_reqwest() -> Result<Self> {
        let transport = Transport::new(m365_core::transport::ReqwestTransport::new()?);
        Ok(Self::new(transport).with_resolver(Resolver::new(super::SystemResolver)))
    }

    /// Who asks: Basic, or a bearer token, which is asked for each server's own address. Other schemes are not used here.
    #[must_use]
    pub fn with_credential(mut self, credential: EwsCredential) -> Self {
        self.credential = Some(credential);
        self
    }

    /// Allows a further host, `mail.hoster.example`, or `mail.hoster.example:8443` for a port other than 443: it may be
    /// asked, with credentials, and may be the address of EWS.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when that is no host.
    pub fn with_allowed_host(mut self, host: &str) -> Result<Self> {
        self.allowed.add(host)?;
        Ok(self)
    }

    /// Allows hosts that lead to this machine or its link. For tests.
    #[must_use]
    pub fn with_local_hosts(mut self) -> Self {
        self.allowed.local = true;
        self
    }

    /// Who asks the DNS.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Resolver) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// Only these forms, in this order, at each host. Without POX the step over plain http is left out, too.
    #[must_use]
    pub fn with_forms(mut self, forms: impl IntoIterator<Item = Form>) -> Self {
        self.forms = forms.into_iter().collect();
        self
    }

    /// Takes the address for callers inside the organisation's network when there is one.
    #[must_use]
    pub fn with_internal_url(mut self) -> Self {
        self.prefers_internal = true;
        self
    }

    /// The `User-Agent`, which some servers have lists of.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when it cannot stand in a header.
    pub fn with_user_agent(mut self, name: &str) -> Result<Self> {
        self.user_agent = HeaderValue::try_from(name)
            .map_err(|_| Error::invalid("the User-Agent cannot stand in a header"))?;
        Ok(self)
    }

    /// How long one answer may take; 20 seconds by default.
    #[must_use]
    pub fn with_attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Asks around for this mailbox.
    ///
    /// # Errors
    /// The most telling of what was met: [`ErrorKind::Authentication`] when a credential was refused,
    /// [`ErrorKind::PermissionDenied`] when the trail leads to a host that is not allowed (the message names it),
    /// [`ErrorKind::NotFound`] or [`ErrorKind::Rejected`] when a server does not know the mailbox,
    /// [`ErrorKind::InvalidResponse`], [`ErrorKind::Network`]; [`ErrorKind::Limit`] after ten redirects.
    pub async fn discover(&self, mailbox: &MailboxAddress) -> Result<Discovered> {
        let mut walk = Walk::new(self, mailbox.domain())?;
        walk.all(mailbox.clone())
            .await
            .map_err(|error| error.with_operation("Autodiscover").with_mailbox(mailbox.as_str()))
    }
}

/// Where a step leads.
enum Step {
    Found(Box<Discovered>),
    /// The same person has another address.
    Again(MailboxAddress),
    Next(After),
}

/// What the next form at the same host is worth.
#[derive(PartialEq)]
enum After {
    /// Try it.
    Anything,
    /// Nobody is there.
    Gone,
    /// Only one without credentials: another attempt would count towards a lock.
    Refused,
}

struct Walk<'a> {
    with: &'a Autodiscover,
    allowed: AllowedHosts,
    redirects: u32,
    asked: HashSet<(Form, String, String)>,
    troubles: Vec<Error>,
}

impl<'a> Walk<'a> {
    fn new(with: &'a Autodiscover, domain: &str) -> Result<Self> {
        let mut allowed = with.allowed.clone();
        allowed.begin(domain)?;
        Ok(Self { with, allowed, redirects: 0, asked: HashSet::new(), troubles: Vec::new() })
    }

    async fn all(&mut self, mut mailbox: MailboxAddress) -> Result<Discovered> {
        let mut addresses = HashSet::from([mailbox.to_key()]);
        loop {
            match self.places(&mailbox).await? {
                Step::Found(found) => return Ok(*found),
                Step::Next(_) => return Err(self.verdict()),
                Step::Again(other) => {
                    self.hop()?;
                    if !addresses.insert(other.to_key()) {
                        self.troubles.push(circle());
                        return Err(self.verdict());
                    }
                    mailbox = other;
                }
            }
        }
    }

    async fn places(&mut self, mailbox: &MailboxAddress) -> Result<Step> {
        let domain = mailbox.domain();
        for host in [domain.to_owned(), format!("autodiscover.{domain}")] {
            match self.host(&host, mailbox).await? {
                Step::Next(_) => {}
                step => return Ok(step),
            }
        }
        if let Some(url) = self.plain(domain).await? {
            match self.ask(Form::Pox, url, mailbox).await? {
                Step::Next(_) => {}
                step => return Ok(step),
            }
        }
        let Some(resolver) = &self.with.resolver else { return Ok(Step::Next(After::Anything)) };
        let records = match resolver.srv(&format!("_autodiscover._tcp.{domain}")).await {
            Ok(records) => records,
            Err(error) => {
                self.troubles.push(error);
                Vec::new()
            }
        };
        for record in records.iter().take(MAX_RECORDS) {
            let name = record.target.trim_end_matches('.');
            match self.host(&format!("{name}:{}", record.port), mailbox).await? {
                Step::Next(_) => {}
                step => return Ok(step),
            }
        }
        Ok(Step::Next(After::Anything))
    }

    /// Every form at one host.
    async fn host(&mut self, host: &str, mailbox: &MailboxAddress) -> Result<Step> {
        let mut after = After::Anything;
        for form in &self.with.forms {
            if *form != Form::Json && (self.with.credential.is_none() || after == After::Refused) {
                continue;
            }
            let url = match form {
                Form::Pox => pox::url(host),
                Form::Soap => soap::url(host),
                Form::Json => json::url(host, mailbox),
            };
            let url = match url {
                Ok(url) => url,
                Err(error) => {
                    self.troubles.push(error);
                    break;
                }
            };
            match self.ask(*form, url, mailbox).await? {
                Step::Next(After::Gone) => break,
                Step::Next(next) => after = next,
                step => return Ok(step),
            }
        }
        Ok(Step::Next(after))
    }

    /// One form, wherever it is sent to.
    async fn ask(&mut self, form: Form, mut url: Url, mailbox: &MailboxAddress) -> Result<Step> {
        let mut led = false;
        loop {
            if form != Form::Json && self.with.credential.is_none() {
                return Ok(Step::Next(After::Anything));
            }
            if let Err(error) = self.may_ask(&url).await {
                self.troubles.push(error);
                return Ok(Step::Next(After::Gone));
            }
            if !self.asked.insert((form, url.as_str().to_owned(), mailbox.to_key())) {
                if led {
                    self.troubles.push(circle());
                }
                return Ok(Step::Next(After::Anything));
            }
            let (status, headers, body) = match self.send(self.request(form, &url, mailbox).await?).await {
                Ok(answer) => answer,
                Err(error) => {
                    debug!(%form, host = url.host_str(), kind = ?error.kind(), "no answer");
                    let gone = error.kind() == ErrorKind::Network;
                    self.troubles.push(error);
                    return Ok(Step::Next(if gone { After::Gone } else { After::Anything }));
                }
            };
            debug!(%form, host = url.host_str(), status = status.as_u16(), bytes = body.len(), "answered");
            if status == StatusCode::UNAUTHORIZED {
                let verdict = classify_http(status, &headers, &body);
                let error = verdict.to_error(status).unwrap_or_else(|| super::of_status(status));
                if verdict == HttpVerdict::LockedOut {
                    return Err(error);
                }
                self.troubles.push(error);
                return Ok(Step::Next(After::Refused));
            }
            let to = if status.is_redirection() { location(&url, &headers) } else { None };
            let told = match (to, form) {
                (Some(to), _) => Ok(Told::OtherUrl(to)),
                (None, Form::Pox) => pox::read(status, &body),
                (None, Form::Soap) => soap::read(status, &body),
                (None, Form::Json) => json::read(status, &body).map(|url| {
                    Told::Settings(Box::new(Settings { external_ews_url: Some(url), ..Settings::default() }))
                }),
            };
            match told {
                Ok(Told::Settings(settings)) => match self.found(*settings, form, &url, mailbox).await {
                    Ok(found) => return Ok(Step::Found(Box::new(found))),
                    Err(error) => {
                        self.troubles.push(error);
                        return Ok(Step::Next(After::Anything));
                    }
                },
                Ok(Told::OtherAddress(address)) => return Ok(Step::Again(address)),
                Ok(Told::OtherUrl(to)) => {
                    self.hop()?;
                    (url, led) = (to, true);
                }
                Err(error) => {
                    self.troubles.push(error);
                    return Ok(Step::Next(After::Anything));
                }
            }
        }
    }

    /// The question in the clear: where to. Nothing in it but the domain, and nothing in the answer but the redirect
    /// counts.
    async fn plain(&mut self, domain: &str) -> Result<Option<Url>> {
        // Whoever would not ask by POX has no use for the answer.
        if self.with.credential.is_none() || !self.with.forms.contains(&Form::Pox) {
            return Ok(None);
        }
        let mut url = pox::url(&format!("autodiscover.{domain}"))?;
        // A domain that only a redirect named is asked nothing, either.
        if self.allowed.may_ask(&url).is_err() || url.set_scheme("http").is_err() {
            return Ok(None);
        }
        if let Err(error) = self.resolves_elsewhere(&url).await {
            self.troubles.push(error);
            return Ok(None);
        }
        let mut request = http_request(Method::GET, &url, "*/*", Bytes::new())?;
        request.headers_mut().insert(USER_AGENT, self.with.user_agent.clone());
        match self.send(request).await {
            Ok((StatusCode::FOUND, headers, _)) => {
                let to = location(&url, &headers);
                if to.is_some() {
                    self.hop()?;
                }
                Ok(to)
            }
            Ok(_) => Ok(None),
            Err(error) => {
                self.troubles.push(error);
                Ok(None)
            }
        }
    }

    async fn found(
        &self,
        settings: Settings,
        form: Form,
        url: &Url,
        mailbox: &MailboxAddress,
    ) -> Result<Discovered> {
        let Settings { external_ews_url, internal_ews_url, grouping_information, schemas, .. } = settings;
        let ews = if self.with.prefers_internal {
            internal_ews_url.or(external_ews_url)
        } else {
            external_ews_url.or(internal_ews_url)
        };
        let ews = ews.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "Autodiscover knows the mailbox, and no address of EWS for it")
        })?;
        self.allowed.may_serve(&ews)?;
        self.resolves_elsewhere(&ews).await?;
        Ok(Discovered {
            ews_url: EwsEndpoint::on_premises(ews).map_err(|error| Error::unreadable(error.message()))?,
            grouping_information,
            schemas,
            mailbox: mailbox.clone(),
            source: DiscoverySource::Answered { form, url: url.clone() },
        })
    }

    async fn may_ask(&self, url: &Url) -> Result<()> {
        self.allowed.may_ask(url)?;
        self.resolves_elsewhere(url).await
    }

    /// Refuses a name that leads to this machine or its link. Who cannot be resolved cannot be connected to either, or
    /// only by a proxy, so that is no reason.
    async fn resolves_elsewhere(&self, url: &Url) -> Result<()> {
        let (Some(resolver), Some(url::Host::Domain(host)), false) =
            (&self.with.resolver, url.host(), self.allowed.local)
        else {
            return Ok(());
        };
        match resolver.addresses(host).await {
            Ok(addresses) if addresses.iter().any(|ip| is_local(*ip)) => {
                Err(refused(url, "it resolves to this machine or its link"))
            }
            _ => Ok(()),
        }
    }

    /// The question of this form, with credentials unless it is v2. The host was checked before.
    async fn request(&self, form: Form, url: &Url, mailbox: &MailboxAddress) -> Result<Request<Bytes>> {
        let mut request = match form {
            Form::Pox => pox::request(url, mailbox)?,
            Form::Soap => soap::request(url, mailbox)?,
            Form::Json => json::request(url)?,
        };
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, self.with.user_agent.clone());
        if let (Some(credential), false) = (&self.with.credential, form == Form::Json) {
            headers.insert(AUTHORIZATION, authorization(credential, url).await?);
        }
        Ok(request)
    }

    async fn send(&self, request: Request<Bytes>) -> Result<(StatusCode, HeaderMap, Bytes)> {
        let answered = async {
            let (head, body) = self.with.transport.send(request).await?.into_parts();
            let body = match body.collect(MAX_ANSWER).await {
                Ok(body) => body,
                // Some proxies declare a compression that a redirect's or a refusal's empty body does not have.
                Err(e) if !head.status.is_success() && e.kind() != TransportErrorKind::TooLarge => {
                    Bytes::new()
                }
                Err(e) => return Err(Error::from(e).with_status(head.status)),
            };
            Ok((head.status, head.headers, body))
        };
        match tokio::time::timeout(self.with.attempt_timeout, answered).await {
            Ok(answer) => answer,
            Err(_) => {
                let limit = self.with.attempt_timeout.as_secs();
                Err(Error::new(ErrorKind::Timeout, format!("no answer within {limit} s")))
            }
        }
    }

    fn hop(&mut self) -> Result<()> {
        self.redirects += 1;
        if self.redirects <= MAX_REDIRECTS {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Limit, format!("Autodiscover redirects more than {MAX_REDIRECTS} times")))
    }

    /// The most telling trouble, with how many there were.
    fn verdict(&mut self) -> Error {
        let rank = |error: &Error| match error.kind() {
            ErrorKind::Authentication => 0,
            ErrorKind::PermissionDenied => 1,
            ErrorKind::NotFound if error.service_code().is_some() => 2,
            ErrorKind::Rejected | ErrorKind::Unsupported => 3,
            ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Timeout => 4,
            ErrorKind::InvalidResponse | ErrorKind::Limit => 5,
            // A web site without Autodiscover proves nothing about a host that was not reached.
            ErrorKind::NotFound => 7,
            _ => 6,
        };
        let count = self.troubles.len();
        let first = self.troubles.iter().enumerate().min_by_key(|(_, error)| rank(error)).map(|(at, _)| at);
        let Some(error) = first.map(|at| self.troubles.swap_remove(at)) else {
            return Error::invalid("there is nobody to ask: no credential, and v2 is left out");
        };
        let text = format!("no address of EWS was found, {count} attempts failed; {}", error.message());
        let mut whole = Error::new(error.kind(), text).with_transient(error.is_transient());
        if let Some(code) = error.service_code() {
            whole = whole.with_code(code);
        }
        if let Some(status) = error.status() {
            whole = whole.with_status(status);
        }
        whole.with_source(error)
    }
}

fn circle() -> Error {
    Error::unreadable("Autodiscover redirects in a circle")
}

fn location(here: &Url, headers: &HeaderMap) -> Option<Url> {
    here.join(headers.get(LOCATION)?.to_str().ok()?).ok()
}

async fn authorization(credential: &EwsCredential, url: &Url) -> Result<HeaderValue> {
    match &credential.0 {
        Scheme::Basic { header } => Ok(header.clone()),
        #[cfg(feature = "ntlm")]
        Scheme::Connection { .. } => Err(Error::new(
            ErrorKind::Unsupported,
            "Autodiscover signs in with a password or a token; its second version needs neither",
        )
        .with_acted(m365_core::Acted::No)),
        Scheme::Bearer { credential, resource } => {
            // A token for Exchange Online is no business of anybody's own server.
            let mut origin = url.clone();
            origin.set_path("/");
            origin.set_query(None);
            let online = EwsEndpoint::on_premises(origin.clone()).is_ok_and(|endpoint| endpoint.is_online());
            let own = if online { Resource::Exchange } else { Resource::Other(origin.as_str().into()) };
            let resource = match resource {
                None => own,
                Some(Resource::Other(other)) => Resource::Other(other.clone()),
                Some(resource) if *resource == own => own,
                Some(_) => {
                    return Err(Error::invalid(
                        "a token of Microsoft's cloud is not sent to a server outside of it",
                    ));
                }
            };
            Ok(credential.get_token(&TokenRequest::new(resource)).await?.header().clone())
        }
    }
}
