//! npm `oidc-provider`, a certified OAuth server with strict assertion checks, judges what graph-auth sends.
//! Usage: `oidc_judge path/to/server.mjs`; the server is started and stopped here.
#![allow(clippy::print_stderr, reason = "a judge that cannot be started says why")]

mod browser;
mod forge;
mod server;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use browser::{Browser, Person};
use bytes::Bytes;
use forge::{Forged, Key, NoPss};
use graph_auth::{
    AssertionRequest, AuthorizationCodeCredential, ClientAssertionCredential, ClientCertificateCredential,
    ClientSecretCredential, DeviceCodeCredential, Error, ErrorKind, LoopbackHost, SignIn, SignInRequired,
};
use http::{Request, Response};
use m365_core::transport::ReqwestTransport;
use m365_core::{
    Body, ClientId, Clock, Cloud, HttpTransport, Resource, SharedClock, SystemClock, TenantName,
    TokenCredential, TokenRequest, Transport, TransportError,
};
use peers::Verdicts;
use serde_json::{Value, json};
use server::Server;

const TENANT: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
const RESOURCE: &str = "https://graph.microsoft.com";
const SECRET: &str = "Q8~very.hidden+value=and%more";
const BY_SECRET: &str = "5a5a0000-0000-4000-8000-000000000001";
const BY_PS256: &str = "5a5a0000-0000-4000-8000-000000000002";
const BY_RS256: &str = "5a5a0000-0000-4000-8000-000000000003";
const NATIVE: &str = "5a5a0000-0000-4000-8000-000000000004";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Verdicts that there must be.
const EXPECTED: u32 = 17;

/// Longest time for one verdict.
const PATIENCE: Duration = Duration::from_secs(30);

type Seen = Result<(), String>;
type Form = Vec<(String, String)>;

/// Notes the forms that pass, to look at what was really sent.
#[derive(Clone, Debug)]
struct Noting {
    inner: Transport,
    forms: Arc<Mutex<Vec<Form>>>,
}

impl HttpTransport for Noting {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
        let form = form_urlencoded::parse(request.body()).into_owned().collect();
        self.forms.lock().unwrap_or_else(PoisonError::into_inner).push(form);
        self.inner.send(request).await
    }
}

/// The machine's clock with short waits: a poll interval of 5 s is a server's kindness to itself.
#[derive(Debug)]
struct Hasty;

impl Clock for Hasty {
    fn now(&self) -> jiff::Timestamp {
        SystemClock.now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration / 20).await;
    }
}

struct Judge {
    server: Server,
    cloud: Cloud,
    tenant: TenantName,
    transport: Noting,
    key: Arc<Key>,
}

fn client(id: &str) -> Result<ClientId, String> {
    ClientId::parse(id).map_err(|e| e.to_string())
}

fn fresh() -> TokenRequest {
    TokenRequest::new(Resource::Graph).with_fresh()
}

async fn accepted(credential: &impl TokenCredential) -> Seen {
    credential.get_token(&fresh()).await.map(drop).map_err(|e| format!("{e:?}"))
}

/// Refused for good, as this.
fn typed(result: Result<(), Error>, code: &str) -> Seen {
    match result {
        Ok(()) => Err("accepted".to_owned()),
        Err(e)
            if e.kind() == ErrorKind::Authentication
                && e.service_code() == Some(code)
                && !e.is_transient() =>
        {
            Ok(())
        }
        Err(e) => Err(format!("another refusal: {e:?}")),
    }
}

async fn refused(credential: &impl TokenCredential, code: &str) -> Seen {
    typed(credential.get_token(&fresh()).await.map(drop), code)
}

/// One verdict; a conversation that hangs is a red one.
async fn judged(verdicts: &mut Verdicts, what: &str, verdict: impl Future<Output = Seen>) {
    let seen = tokio::time::timeout(PATIENCE, verdict).await;
    verdicts.add(what, seen.unwrap_or_else(|_| Err(format!("no end within {} s", PATIENCE.as_secs()))));
}

impl Judge {
    async fn start(script: &str) -> Result<Self, String> {
        let key = Arc::new(Key::generate()?);
        let app = |id: &str, algorithm: &str| {
            json!({"client_id": id, "token_endpoint_auth_method": "private_key_jwt", "grant_types": ["client_credentials"],
                "token_endpoint_auth_signing_alg": algorithm, "redirect_uris": [], "response_types": [],
                "jwks": {"keys": [key.jwk(algorithm)]}})
        };
        let clients = json!([
            {"client_id": BY_SECRET, "client_secret": SECRET, "token_endpoint_auth_method": "client_secret_post",
             "grant_types": ["client_credentials"], "redirect_uris": [], "response_types": []},
            app(BY_PS256, "PS256"),
            app(BY_RS256, "RS256"),
            {"client_id": NATIVE, "application_type": "native", "token_endpoint_auth_method": "none",
             "grant_types": ["authorization_code", "refresh_token", DEVICE_GRANT], "response_types": ["code"],
             "redirect_uris": ["http://localhost", "http://127.0.0.1/callback"]},
        ]);
        let server =
            Server::start(script, &json!({"tenant": TENANT, "resource": RESOURCE, "clients": clients}))
                .await?;
        let base = server.url.clone();
        let inner = Transport::new(ReqwestTransport::new().map_err(|e| e.to_string())?);
        Ok(Self {
            cloud: Cloud::public().with_base_urls(base.clone(), base.clone(), base),
            tenant: TenantName::parse(TENANT).map_err(|e| e.to_string())?,
            transport: Noting { inner, forms: Arc::default() },
            server,
            key,
        })
    }

    fn transport(&self) -> Transport {
        Transport::new(self.transport.clone())
    }

    /// Values of this field in everything sent so far.
    fn sent(&self, field: &str) -> Vec<String> {
        let forms = self.transport.forms.lock().unwrap_or_else(PoisonError::into_inner);
        forms.iter().flatten().filter(|(name, _)| name == field).map(|(_, value)| value.clone()).collect()
    }

    fn by_secret(&self, secret: &str) -> Result<ClientSecretCredential, String> {
        ClientSecretCredential::new(
            self.cloud.clone(),
            self.tenant.clone(),
            client(BY_SECRET)?,
            secret.into(),
        )
        .map(|c| c.with_transport(self.transport()))
        .map_err(|e| e.to_string())
    }

    async fn secret(&self) -> Seen {
        accepted(&self.by_secret(SECRET)?).await
    }

    async fn wrong_secret(&self) -> Seen {
        refused(&self.by_secret("Q8~another.value")?, "invalid_client").await
    }

    /// Twice each: a strict server refuses the second when the assertion is the first one's.
    async fn certificate(&self, id: &str, pss: bool, algorithm: &str) -> Seen {
        let certificate =
            if pss { self.key.certificate()? } else { self.key.certificate_by(NoPss(self.key.clone()))? };
        let credential = ClientCertificateCredential::new(
            self.cloud.clone(),
            self.tenant.clone(),
            client(id)?,
            certificate,
        )
        .with_transport(self.transport());
        accepted(&credential).await?;
        accepted(&credential).await?;
        let header = self.sent("client_assertion").last().map(|a| forge::header(a)).unwrap_or_default();
        let thumbprint = if pss { "x5t#S256" } else { "x5t" };
        if at(&header, "alg") == algorithm && at(&header, thumbprint).is_string() {
            Ok(())
        } else {
            Err(header.to_string())
        }
    }

    fn by_forgery(&self, id: &str, forged: Forged) -> Result<ClientAssertionCredential, String> {
        let key = self.key.clone();
        Ok(ClientAssertionCredential::new(
            self.cloud.clone(),
            self.tenant.clone(),
            client(id)?,
            move |request: AssertionRequest| {
                let made = key.assertion(&forged, &request);
                async move { made.map(Into::into).map_err(Error::invalid) }
            },
        )
        .with_transport(self.transport()))
    }

    /// The forger's own work is accepted when nothing is wrong with it; otherwise its refusals prove nothing.
    async fn honest_forgery(&self) -> Seen {
        accepted(&self.by_forgery(BY_PS256, Forged::default())?).await
    }

    async fn forgery(&self, forged: Forged) -> Seen {
        refused(&self.by_forgery(BY_PS256, forged)?, "invalid_client").await
    }

    async fn replay(&self) -> Seen {
        let credential =
            self.by_forgery(BY_PS256, Forged { jti: Some("the-same".to_owned()), ..Forged::default() })?;
        accepted(&credential).await?;
        refused(&credential, "invalid_client").await
    }

    fn device(&self) -> Result<DeviceCodeCredential, String> {
        Ok(DeviceCodeCredential::new(self.cloud.clone(), self.tenant.clone(), client(NATIVE)?)
            .with_transport(self.transport())
            .with_clock(SharedClock::new(Hasty)))
    }

    async fn by_device(&self, person: Person) -> Result<(DeviceCodeCredential, SignIn), Error> {
        let credential = self.device().map_err(Error::invalid)?;
        let browser = Browser::new(self.transport.inner.clone(), person);
        let who = credential
            .sign_in(&Resource::Graph, move |prompt| {
                let (page, code) = (prompt.verification_uri.clone(), prompt.user_code.clone());
                tokio::spawn(async move {
                    if let Err(why) = browser.visit(&page, Some(&code)).await {
                        eprintln!("the person at the device page failed: {why}");
                    }
                });
            })
            .await?;
        Ok((credential, who))
    }

    async fn device_flow(&self) -> Seen {
        let (credential, who) = self.by_device(Person::Willing).await.map_err(|e| format!("{e:?}"))?;
        if who.tenant.map(|t| t.to_string()).as_deref() != Some(TENANT) {
            return Err(format!("{who:?}"));
        }
        let kept = credential.get_token(&TokenRequest::new(Resource::Graph)).await;
        kept.map(drop).map_err(|e| format!("{e:?}"))
    }

    async fn device_declined(&self) -> Seen {
        typed(self.by_device(Person::Unwilling).await.map(drop), "access_denied")
    }

    fn native(&self) -> Result<AuthorizationCodeCredential, String> {
        Ok(AuthorizationCodeCredential::new(self.cloud.clone(), self.tenant.clone(), client(NATIVE)?)
            .with_transport(self.transport())
            .with_patience(Duration::from_secs(30)))
    }

    async fn by_browser(
        &self,
        credential: AuthorizationCodeCredential,
        person: Person,
    ) -> Result<AuthorizationCodeCredential, Error> {
        let browser = Browser::new(self.transport.inner.clone(), person);
        credential
            .sign_in(&Resource::Graph, move |address| {
                let address = address.to_string();
                tokio::spawn(async move {
                    if let Err(why) = browser.visit(&address, None).await {
                        eprintln!("the person at the sign-in page failed: {why}");
                    }
                });
                Ok(())
            })
            .await?;
        Ok(credential)
    }

    async fn proof_key(&self) -> Seen {
        self.by_browser(self.native()?, Person::Willing).await.map(drop).map_err(|e| format!("{e:?}"))
    }

    async fn proof_key_by_address(&self) -> Seen {
        let credential =
            self.native()?.with_redirect(LoopbackHost::Ipv4, "/callback").map_err(|e| e.to_string())?;
        self.by_browser(credential, Person::Willing).await.map(drop).map_err(|e| format!("{e:?}"))
    }

    async fn browser_declined(&self) -> Seen {
        typed(self.by_browser(self.native()?, Person::Unwilling).await.map(drop), "access_denied")
    }

    /// Three refreshes, three refresh tokens.
    async fn rotation(&self) -> Seen {
        let credential =
            self.by_browser(self.native()?, Person::Willing).await.map_err(|e| format!("{e:?}"))?;
        for _ in 0..3 {
            accepted(&credential).await?;
        }
        let sent = self.sent("refresh_token");
        let mut last: Vec<&String> = sent.iter().rev().take(3).collect();
        last.sort();
        last.dedup();
        if last.len() == 3 { Ok(()) } else { Err(format!("{} different refresh tokens", last.len())) }
    }

    /// Somebody else uses an old refresh token: the server ends the session, and our side says what to do.
    async fn reuse(&self) -> Seen {
        let credential =
            self.by_browser(self.native()?, Person::Willing).await.map_err(|e| format!("{e:?}"))?;
        accepted(&credential).await?;
        let used = self.sent("refresh_token").pop().ok_or("no refresh token was sent")?;
        let body: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("grant_type", "refresh_token"),
                ("client_id", NATIVE),
                ("refresh_token", used.as_str()),
            ])
            .finish();
        let answer = browser::send(
            &self.transport.inner,
            self.cloud.token_endpoint(&self.tenant).as_str(),
            Some(body),
            "",
        )
        .await?;
        if answer.status != 400 {
            return Err(format!("the server took a used refresh token: {}", answer.status));
        }
        match credential.get_token(&fresh()).await {
            Err(e) if SignInRequired::is_behind(&e) && e.service_code() == Some("invalid_grant") => {
                if credential.signed_in().is_none() {
                    Ok(())
                } else {
                    Err("still signed in".to_owned())
                }
            }
            other => Err(format!("{other:?}")),
        }
    }

    async fn all(&self, verdicts: &mut Verdicts) {
        judged(verdicts, "a client secret is accepted", self.secret()).await;
        judged(verdicts, "a wrong secret is refused", self.wrong_secret()).await;
        judged(verdicts, "PS256 assertions are accepted", self.certificate(BY_PS256, true, "PS256")).await;
        judged(
            verdicts,
            "RS256 assertions of a key that refuses PSS are accepted",
            self.certificate(BY_RS256, false, "RS256"),
        )
        .await;
        judged(verdicts, "an assertion by callback is accepted", self.honest_forgery()).await;
        judged(verdicts, "a replayed assertion is refused", self.replay()).await;
        let forged = Forged { algorithm: "RS256", ..Forged::default() };
        judged(verdicts, "another algorithm than registered is refused", self.forgery(forged)).await;
        let forged = Forged { ends_in: -10, ..Forged::default() };
        judged(verdicts, "an expired assertion is refused", self.forgery(forged)).await;
        let forged = Forged {
            audience: Some("https://login.microsoftonline.com/x/oauth2/v2.0/token"),
            ..Forged::default()
        };
        judged(verdicts, "an assertion for another audience is refused", self.forgery(forged)).await;
        let forged = Forged { spoiled: true, ..Forged::default() };
        judged(verdicts, "an assertion with a wrong signature is refused", self.forgery(forged)).await;
        judged(verdicts, "a person signs in by device code", self.device_flow()).await;
        judged(verdicts, "a person declines a device code", self.device_declined()).await;
        judged(verdicts, "a person signs in by browser, with a proof key", self.proof_key()).await;
        judged(verdicts, "the same with a redirect address by number", self.proof_key_by_address()).await;
        judged(verdicts, "a person declines in the browser", self.browser_declined()).await;
        judged(verdicts, "refresh tokens rotate", self.rotation()).await;
        judged(verdicts, "a reused refresh token ends the session, and we say so", self.reuse()).await;
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(script) = std::env::args().nth(1) else {
        eprintln!("usage: oidc_judge path/to/server.mjs");
        return ExitCode::FAILURE;
    };
    let judge = match Judge::start(&script).await {
        Ok(judge) => judge,
        Err(why) => {
            eprintln!("the judge cannot be started: {why}");
            return ExitCode::FAILURE;
        }
    };
    let mut verdicts = Verdicts::of("oidc-provider");
    judge.all(&mut verdicts).await;
    judge.server.stop().await;
    verdicts.finish(EXPECTED)
}

/// A member of a JSON value; null when there is none.
fn at<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}
