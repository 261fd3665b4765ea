//! A product whose app has an old credential, beside foreign ones, in a simulated tenant whose replicas lag. After every
//! request it is checked that the credential which the product uses is accepted.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use bytes::Bytes;
use graph_auth::directory::{
    AddPassword, CreateApplication, CreateServicePrincipal, GetCredentials, NewCertificate,
    ReplaceCertificates,
};
use graph_auth::{
    ClientCertificate, ClientCertificateCredential, ClientSecretCredential, Convergence, Error, ErrorKind,
    GeneratedCertificate, KeptCredential, OwnCertificates, PublicCertificate, Result, Rotation, RotationHost,
    RotationProgress, SecretPolicy, rotate, rotate_own,
};
use m365_core::transport::ReqwestTransport;
use m365_core::{
    ApplicationObjectId, Body, ClientId, Clock, Cloud, Credential, HttpTransport, KeyId, Pipeline,
    SharedClock, TenantName, Transport, TransportError,
};
use secrecy::{ExposeSecret as _, SecretString};
use tenant_sim::{Propagation, SimClock, Tenant};

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// Old, new, foreign, and one more new one; making RSA keys takes long.
pub(crate) static CERTIFICATES: LazyLock<[GeneratedCertificate; 4]> = LazyLock::new(|| {
    let now = "2026-11-21T08:00:00Z".parse().unwrap();
    ["old", "new", "foreign", "newer"]
        .map(|name| GeneratedCertificate::starting(name, now, DAY * 365).unwrap())
});

thread_local! {
    /// One for all stories of a test, which has a thread and a runtime to itself: each would read the machine's roots.
    static CLIENT: Transport = Transport::new(ReqwestTransport::new().unwrap());
}

pub(crate) fn certificate(n: usize) -> ClientCertificate {
    CERTIFICATES[n].certificate().clone()
}

pub(crate) fn public(n: usize) -> PublicCertificate {
    CERTIFICATES[n].public().clone()
}

/// The tenant's clock as a [`Clock`]: whoever sleeps moves it on.
#[derive(Clone, Debug)]
pub(crate) struct Ticking(pub(crate) SimClock);

impl Clock for Ticking {
    fn now(&self) -> jiff::Timestamp {
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.advance(duration.try_into().unwrap());
        tokio::task::yield_now().await;
    }
}

/// What the product uses at the moment.
#[derive(Clone)]
pub(crate) enum InUse {
    Secret(SecretString),
    Certificate(Vec<u8>),
}

/// Sends, and then looks whether the product could get a token.
#[derive(Clone)]
struct Watch {
    inner: Transport,
    tenant: Arc<Tenant>,
    in_use: Arc<Mutex<Option<(ApplicationObjectId, InUse)>>>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

impl HttpTransport for Watch {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Body>, TransportError> {
        let what = format!("{} {}", request.method(), request.uri());
        let answer = self.inner.send(request).await;
        if let Some((application, in_use)) = &*self.in_use.lock().unwrap() {
            assert!(works(&self.tenant, *application, in_use), "no token could be got after {what}");
        }
        answer
    }
}

/// The token endpoint's own rule, without a request that a fault could strike.
fn works(tenant: &Tenant, application: ApplicationObjectId, in_use: &InUse) -> bool {
    let now = tenant.now();
    tenant.with_state(|state| {
        let mut applications = state.directory.applications.iter();
        let found = applications.find(|a| a.value.id.to_string() == application.to_string()).unwrap();
        match in_use {
            InUse::Secret(text) => {
                found.value.passwords.iter().any(|p| {
                    p.is_effective(now) && p.value.secret == text.expose_secret() && now < p.value.end
                })
            }
            InUse::Certificate(der) => found.value.keys.iter().any(|k| {
                k.is_configured() && k.is_effective(now) && k.value.certificate == *der && now < k.value.end
            }),
        }
    })
}

pub(crate) struct Story {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) clock: SharedClock,
    pub(crate) transport: Transport,
    pub(crate) application: ApplicationObjectId,
    pub(crate) client: ClientId,
    pub(crate) old: KeyId,
    pub(crate) foreign: Vec<KeyId>,
    old_in_use: Option<InUse>,
    in_use: Arc<Mutex<Option<(ApplicationObjectId, InUse)>>>,
    admin: Credential,
}

impl Story {
    /// An app that uses a secret, or a certificate, and has a foreign one of each.
    pub(crate) async fn begin(by_certificate: bool) -> Self {
        let clock = SimClock::new("2026-11-21T08:00:00Z".parse().unwrap());
        let tenant = Tenant::builder()
            .clock(clock.clone())
            .propagation(Propagation::realistic())
            .start()
            .await
            .unwrap();
        let tenant = Arc::new(tenant);
        let in_use = Arc::default();
        let inner = CLIENT.with(Clone::clone);
        let transport = Transport::new(Watch { inner, tenant: tenant.clone(), in_use: Arc::clone(&in_use) });
        let clock = SharedClock::new(Ticking(clock));
        let setup = tenant.setup_identity();
        let admin = ClientSecretCredential::new(
            cloud(&tenant),
            name(&tenant),
            setup.client_id.to_string().parse().unwrap(),
            setup.secret.into(),
        );
        let admin = admin.unwrap().with_transport(transport.clone()).with_clock(clock.clone());
        let mut story = Self {
            clock,
            transport,
            application: ApplicationObjectId::from_bytes([0; 16]),
            client: ClientId::from_bytes([0; 16]),
            old: KeyId::from_bytes([0; 16]),
            foreign: Vec::new(),
            old_in_use: None,
            in_use,
            admin: Credential::new(admin),
            tenant,
        };
        story.register(by_certificate).await;
        story
    }

    async fn register(&mut self, by_certificate: bool) {
        let pipeline = self.pipeline();
        let settings = graph_auth::directory::ApplicationSettings {
            display_name: Some("Acme".to_owned()),
            sign_in_audience: Some(graph_auth::directory::Audience::SingleTenant),
            ..Default::default()
        };
        let create = CreateApplication { unique_name: "acme".to_owned(), settings };
        let made = pipeline.run(&create).await.unwrap();
        (self.application, self.client) = (made.id, made.client_id);
        self.clock.sleep(Duration::from_secs(30)).await;
        pipeline.run(&CreateServicePrincipal { client_id: made.client_id }).await.unwrap();
        let password = async |name: &str| {
            self.clock.sleep(Duration::from_secs(60)).await;
            let end = Some(self.clock.now() + DAY * 400);
            let add = AddPassword { id: made.id, display_name: name.to_owned(), end };
            pipeline.run(&add).await.unwrap()
        };
        let foreign = password("theirs").await;
        // One whose name is like ours, but for the mark.
        let alike = password("acme").await;
        let old = if by_certificate { None } else { Some(password("acme first").await) };
        let new =
            |n: usize, name: &str| NewCertificate { display_name: name.to_owned(), certificate: public(n) };
        let mut added = vec![new(2, "theirs")];
        if by_certificate {
            added.push(new(0, "acme first"));
        }
        pipeline.run(&ReplaceCertificates { id: made.id, kept: Vec::new(), added }).await.unwrap();
        self.clock.sleep(Duration::from_secs(600)).await;
        let lists = pipeline.run(&GetCredentials { id: made.id }).await.unwrap();
        let key = |n: usize| {
            let mut keys = lists.keys.iter().map(|entry| entry.credential());
            keys.find(|key| key.is(&public(n))).unwrap().key_id
        };
        self.foreign = vec![foreign.key_id, alike.key_id, key(2)];
        self.foreign.sort_unstable();
        let in_use = match &old {
            Some(old) => InUse::Secret(old.secret.clone()),
            None => InUse::Certificate(public(0).der().to_vec()),
        };
        self.old = old.map_or_else(|| key(0), |old| old.key_id);
        self.old_in_use = Some(in_use);
        self.use_old();
    }

    pub(crate) fn use_old(&self) {
        let old = self.old_in_use.clone().map(|old| (self.application, old));
        *self.in_use.lock().unwrap() = old;
    }

    pub(crate) fn use_certificate(&self, n: usize) {
        let der = public(n).der().to_vec();
        *self.in_use.lock().unwrap() = Some((self.application, InUse::Certificate(der)));
    }

    /// From here on nothing is looked at after each request.
    pub(crate) fn use_nothing(&self) {
        *self.in_use.lock().unwrap() = None;
    }

    pub(crate) fn old_text(&self) -> SecretString {
        match &self.old_in_use {
            Some(InUse::Secret(text)) => text.clone(),
            _ => panic!("the old one is no secret"),
        }
    }

    pub(crate) fn cloud(&self) -> Cloud {
        cloud(&self.tenant)
    }

    pub(crate) fn name(&self) -> TenantName {
        name(&self.tenant)
    }

    /// Of the administrator.
    pub(crate) fn pipeline(&self) -> Pipeline {
        Pipeline::builder(self.cloud(), self.transport.clone(), self.admin.clone())
            .clock(self.clock.clone())
            .build()
    }

    /// Of the app itself, which has no permission.
    pub(crate) fn own_pipeline(&self, n: usize) -> Pipeline {
        let credential =
            ClientCertificateCredential::new(self.cloud(), self.name(), self.client, certificate(n))
                .with_transport(self.transport.clone())
                .with_clock(self.clock.clone());
        Pipeline::builder(self.cloud(), self.transport.clone(), Credential::new(credential))
            .clock(self.clock.clone())
            .build()
    }

    pub(crate) fn own_certificates(&self) -> OwnCertificates {
        OwnCertificates::new(self.name(), self.client, certificate(0), certificate(1))
    }

    pub(crate) fn convergence(&self) -> Convergence {
        // The simulated replicas answer in turn, so three readings tell as much as five.
        Convergence::new(self.clock.clone()).with_confirmations(3)
    }

    pub(crate) fn policy(&self) -> SecretPolicy {
        SecretPolicy::new("acme", DAY * 180).unwrap()
    }

    pub(crate) fn to_secret(&self) -> Rotation {
        Rotation::secret(self.application, Some(self.old), &self.policy()).unwrap()
    }

    pub(crate) fn to_certificate(&self, n: usize) -> Rotation {
        Rotation::certificate(self.application, Some(self.old), "acme", public(n)).unwrap()
    }

    pub(crate) fn host(&self) -> Host<'_> {
        Host { story: self, kept: Mutex::default(), saved: Mutex::default(), stops_in: Mutex::default() }
    }

    /// All credentials but the foreign ones, after checking that those are there.
    pub(crate) fn ours(&self) -> Vec<KeyId> {
        let mut all: Vec<KeyId> = self.tenant.with_state(|state| {
            let mut applications = state.directory.applications.iter();
            let app = applications.find(|a| a.value.id.to_string() == self.application.to_string()).unwrap();
            let secrets = app.value.passwords.iter().filter(|p| p.is_configured()).map(|p| p.value.key_id);
            let keys = app.value.keys.iter().filter(|k| k.is_configured()).map(|k| k.value.key_id);
            secrets.chain(keys).map(|id| id.to_string().parse().unwrap()).collect()
        });
        for foreign in &self.foreign {
            assert!(all.contains(foreign), "a foreign credential is gone");
        }
        all.retain(|id| !self.foreign.contains(id));
        all
    }
}

fn cloud(tenant: &Tenant) -> Cloud {
    let base: url::Url = tenant.http_url().parse().unwrap();
    Cloud::public().with_base_urls(base.clone(), base.clone(), base)
}

fn name(tenant: &Tenant) -> TenantName {
    TenantName::parse(&tenant.tenant_id().to_string()).unwrap()
}

/// The product: where it keeps its record and its secrets, and when its machine stops.
pub(crate) struct Host<'a> {
    pub(crate) story: &'a Story,
    pub(crate) kept: Mutex<Vec<(KeyId, SecretString)>>,
    pub(crate) saved: Mutex<Vec<String>>,
    /// The machine stops at the so-many-th call from here: before it (odd tests) or right after it.
    pub(crate) stops_in: Mutex<Option<(u32, bool)>>,
}

impl Host<'_> {
    /// Whether the machine stops now, and after the work.
    fn stops(&self) -> (bool, bool) {
        let mut left = self.stops_in.lock().unwrap();
        match &mut *left {
            Some((0, after)) => {
                let after = *after;
                *left = None;
                (!after, after)
            }
            Some((n, _)) => {
                *n -= 1;
                (false, false)
            }
            None => (false, false),
        }
    }

    fn at(&self, work: impl FnOnce()) -> Result<()> {
        let stopped = || Err(Error::new(ErrorKind::Unavailable, "the machine stopped"));
        let (before, after) = self.stops();
        if before {
            return stopped();
        }
        work();
        if after { stopped() } else { Ok(()) }
    }

    /// The record stored last, else the one begun with.
    pub(crate) fn last(&self, begun: &Rotation) -> Rotation {
        let saved = self.saved.lock().unwrap();
        saved.last().map_or_else(|| begun.clone(), |text| serde_json::from_str(text).unwrap())
    }
}

impl RotationHost for Host<'_> {
    async fn save(&self, rotation: &Rotation) -> Result<()> {
        self.at(|| self.saved.lock().unwrap().push(serde_json::to_string(rotation).unwrap()))
    }

    async fn keep(&self, new: &KeptCredential, secret: SecretString) -> Result<()> {
        self.at(|| self.kept.lock().unwrap().push((new.key_id.unwrap(), secret)))
    }

    async fn credential(&self, new: &KeptCredential) -> Result<Credential> {
        let story = self.story;
        if let Some(thumbprint) = &new.thumbprint {
            let found = CERTIFICATES.iter().find(|c| c.public().thumbprint() == thumbprint).unwrap();
            let certificate = found.certificate().clone();
            let made =
                ClientCertificateCredential::new(story.cloud(), story.name(), story.client, certificate)
                    .with_transport(story.transport.clone())
                    .with_clock(story.clock.clone());
            return Ok(Credential::new(made));
        }
        let secret = {
            let kept = self.kept.lock().unwrap();
            kept.iter().find(|(id, _)| Some(*id) == new.key_id).unwrap().1.clone()
        };
        let made = ClientSecretCredential::new(story.cloud(), story.name(), story.client, secret)?;
        Ok(Credential::new(made.with_transport(story.transport.clone()).with_clock(story.clock.clone())))
    }

    async fn switch(&self, new: &KeptCredential) -> Result<()> {
        self.at(|| {
            let in_use = match &new.thumbprint {
                Some(thumbprint) => {
                    let found = CERTIFICATES.iter().find(|c| c.public().thumbprint() == thumbprint).unwrap();
                    InUse::Certificate(found.public().der().to_vec())
                }
                None => {
                    let kept = self.kept.lock().unwrap();
                    let found = kept.iter().find(|(id, _)| Some(*id) == new.key_id).unwrap();
                    InUse::Secret(found.1.clone())
                }
            };
            *self.story.in_use.lock().unwrap() = Some((self.story.application, in_use));
        })
    }
}

/// How a rotation is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Secret,
    Certificate,
    Own,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Secret, Self::Certificate, Self::Own];

    pub(crate) async fn story(self) -> (Story, Rotation) {
        let story = Story::begin(self != Self::Secret).await;
        let rotation = if self == Self::Secret { story.to_secret() } else { story.to_certificate(1) };
        (story, rotation)
    }

    /// One call.
    pub(crate) async fn call(
        self,
        story: &Story,
        rotation: &mut Rotation,
        host: &Host<'_>,
    ) -> Result<RotationProgress> {
        let convergence = story.convergence();
        if self != Self::Own {
            return rotate(&story.pipeline(), rotation, host, &convergence).await;
        }
        let pipeline = story.own_pipeline(if rotation.switched_at().is_some() { 1 } else { 0 });
        rotate_own(&pipeline, rotation, &story.own_certificates(), host, &convergence).await
    }

    /// Calls, as a scheduled job does, until it is over; a failed call is made again from the record stored last. Gives
    /// the errors.
    pub(crate) async fn to_the_end(
        self,
        story: &Story,
        begun: &Rotation,
        host: &Host<'_>,
    ) -> (RotationProgress, Rotation, Vec<Error>) {
        let mut errors = Vec::new();
        for _ in 0..12 {
            let mut rotation = host.last(begun);
            match self.call(story, &mut rotation, host).await {
                Ok(RotationProgress::Draining { until }) => {
                    assert!(story.ours().contains(&story.old), "the old one went before it was drained");
                    story.clock.sleep_until(until).await;
                }
                Ok(end) => return (end, rotation, errors),
                Err(error) => {
                    errors.push(error);
                    story.clock.sleep(Duration::from_secs(60)).await;
                }
            }
        }
        panic!("never over: {errors:#?}");
    }
}
