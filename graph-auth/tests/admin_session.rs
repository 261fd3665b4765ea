//! An administrator signs in to the simulated tenant and sets an app up with that session, as a vendor's set-up tool would.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use std::time::Duration;

use graph_auth::{
    AppRegistration, AuthorizationCodeCredential, ClientSecretCredential, Convergence, DeviceCodeCredential,
    ErrorKind, Permission, RegistrationState, RegistrationStep, SecretPolicy, SignInRequired, SignInTenant,
    StepOutcome, apply_step, plan, prove_roles,
};
use jiff::SignedDuration;
use m365_core::transport::ReqwestTransport;
use m365_core::{
    ClientId, Clock, Cloud, Credential, Pipeline, Resource, SharedClock, TenantId, TenantName,
    TokenCredential as _, TokenRequest, Transport,
};
use tenant_sim::{Scenario, SimClock, Tenant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const ADMIN: &str = "dave@contoso.example";
const SCOPES: [&str; 4] = [
    "Application.ReadWrite.All",
    "AppRoleAssignment.ReadWrite.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    "Directory.Read.All",
];

/// The tenant's time: whoever waits moves it on.
#[derive(Debug)]
struct TenantTime(SimClock);

impl Clock for TenantTime {
    fn now(&self) -> jiff::Timestamp {
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.advance(SignedDuration::try_from(duration).unwrap());
        tokio::task::yield_now().await;
    }
}

struct Story {
    tenant: Tenant,
    cloud: Cloud,
    clock: SharedClock,
    client: ClientId,
}

impl Story {
    async fn of(role: &str) -> Self {
        let tenant = Tenant::builder().scenario(Scenario::contoso()).strict(true).start().await.unwrap();
        tenant.assign_directory_role(ADMIN, role).unwrap();
        let base: url::Url = tenant.http_url().parse().unwrap();
        let client = tenant.register_public_client("Acme set-up", &["http://localhost"]);
        Self {
            cloud: Cloud::public().with_base_urls(base.clone(), base.clone(), base),
            clock: SharedClock::new(TenantTime(tenant.clock().clone())),
            client: ClientId::parse(&client.to_string()).unwrap(),
            tenant,
        }
    }

    async fn by_device_code(&self) -> DeviceCodeCredential {
        let credential =
            DeviceCodeCredential::new(self.cloud.clone(), SignInTenant::Organizations, self.client)
                .with_clock(self.clock.clone())
                .with_scopes(&Resource::Graph, SCOPES)
                .unwrap();
        let who = credential
            .sign_in(&Resource::Graph, |prompt| {
                self.tenant.approve_device_code(&prompt.user_code, ADMIN).unwrap();
            })
            .await
            .unwrap();
        assert_eq!(who.username.as_deref(), Some(ADMIN));
        assert_eq!(who.tenant.unwrap().to_string(), self.tenant.tenant_id().to_string());
        credential
    }

    async fn by_browser(&self) -> AuthorizationCodeCredential {
        self.tenant.sign_in_browser(Some(ADMIN));
        let tenant = TenantId::parse(&self.tenant.tenant_id().to_string()).unwrap();
        let credential = AuthorizationCodeCredential::new(self.cloud.clone(), tenant, self.client)
            .with_clock(self.clock.clone())
            .with_scopes(&Resource::Graph, SCOPES)
            .unwrap();
        let who = credential
            .sign_in(&Resource::Graph, |address| {
                tokio::spawn(browser(address.to_string()));
                Ok(())
            })
            .await
            .unwrap();
        assert!(SCOPES.iter().all(|scope| who.scopes.iter().any(|given| given == scope)), "{:?}", who.scopes);
        credential
    }

    /// Plans and applies; gives the steps and the first refusal.
    async fn set_up(
        &self,
        credential: Credential,
        registration: &AppRegistration,
    ) -> (Vec<RegistrationStep>, graph_auth::Result<Option<(ClientId, secrecy::SecretString)>>) {
        let transport = Transport::new(ReqwestTransport::new().unwrap());
        let pipeline =
            Pipeline::builder(self.cloud.clone(), transport, credential).clock(self.clock.clone()).build();
        let mut state = RegistrationState::read(&pipeline, registration).await.unwrap();
        let steps = plan(registration, &state).unwrap();
        let convergence = Convergence::new(self.clock.clone());
        let mut secret = None;
        for step in &steps {
            match apply_step(&pipeline, step, &mut state, &convergence).await {
                Ok(StepOutcome::Secret { secret: text, .. }) => secret = Some(text),
                Ok(_) => {}
                Err(error) => return (steps, Err(error)),
            }
        }
        let client = state.client_id();
        (steps, Ok(client.zip(secret)))
    }
}

/// Opens the address and follows where it leads, as a browser does.
async fn browser(address: String) {
    let first = fetch(&address).await;
    let location = first.lines().find_map(|l| l.strip_prefix("location: ").or(l.strip_prefix("Location: ")));
    let page = fetch(&location.unwrap().replace("localhost", "127.0.0.1")).await;
    assert!(page.contains("200 OK"), "{page}");
}

async fn fetch(address: &str) -> String {
    let url: url::Url = address.parse().unwrap();
    let (host, port) = (url.host_str().unwrap(), url.port().unwrap());
    let mut stream = tokio::net::TcpStream::connect((host, port)).await.unwrap();
    let target = format!("{}?{}", url.path(), url.query().unwrap_or_default());
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn desired() -> AppRegistration {
    AppRegistration::new("acme-mail", "Acme mail")
        .unwrap()
        .with_consented([Permission::exchange("IMAP.AccessAsApp"), Permission::graph("Mail.Send")])
        .with_secret(SecretPolicy::new("acme", Duration::from_secs(180 * 86_400)).unwrap())
}

#[tokio::test]
async fn an_administrator_sets_an_app_up_by_device_code() {
    let story = Story::of("Privileged Role Administrator").await;
    let session = story.by_device_code().await;
    let (steps, made) = story.set_up(Credential::new(session.clone()), &desired()).await;
    assert!(steps.len() >= 5, "{steps:#?}");
    let (client, secret) = made.unwrap().unwrap();
    // The app's own identity works, with exactly the permissions that the person consented to.
    let tenant = TenantName::parse("contoso.example").unwrap();
    let app = ClientSecretCredential::new(story.cloud.clone(), tenant, client, secret)
        .unwrap()
        .with_clock(story.clock.clone());
    prove_roles(
        &Credential::new(app),
        &Resource::Graph,
        &["Mail.Send".to_owned()],
        &[],
        &Convergence::new(story.clock.clone()),
    )
    .await
    .unwrap();
    // The session is for the set-up: once revoked it is over, and says so.
    story.tenant.revoke_sign_ins(ADMIN).unwrap();
    let fresh = TokenRequest::new(Resource::Graph).with_fresh();
    let error = session.get_token(&fresh).await.unwrap_err();
    assert!(SignInRequired::is_behind(&error), "{error:?}");
}

#[tokio::test]
async fn an_administrator_sets_an_app_up_by_browser() {
    let story = Story::of("Global Administrator").await;
    let session = Credential::new(story.by_browser().await);
    let (_, made) = story.set_up(session.clone(), &desired()).await;
    assert!(made.unwrap().is_some());
    let (left, _) = story.set_up(session, &desired().with_held_secret(None)).await;
    let kinds: Vec<String> = left.iter().map(|step| format!("{step:?}")).collect();
    assert!(kinds.iter().all(|k| k.contains("Secret")), "only the secret that nobody held: {kinds:?}");
}

#[tokio::test]
async fn an_application_administrator_consents_for_exchange_and_not_for_graph() {
    let story = Story::of("Cloud Application Administrator").await;
    let session = Credential::new(story.by_device_code().await);
    let exchange = AppRegistration::new("acme-imap", "Acme IMAP")
        .unwrap()
        .with_consented([Permission::exchange("IMAP.AccessAsApp")]);
    story.set_up(session.clone(), &exchange).await.1.unwrap();
    let error = story.set_up(session, &desired()).await.1.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
}

#[tokio::test]
async fn a_server_that_rotates_never_sees_a_refresh_token_twice() {
    let story = Story::of("Global Administrator").await;
    let session = story.by_device_code().await;
    let fresh = TokenRequest::new(Resource::Graph).with_fresh();
    for _ in 0..3 {
        session.get_token(&fresh).await.unwrap();
    }
    let exchange = TokenRequest::new(Resource::Exchange);
    let (one, two) = tokio::join!(session.get_token(&exchange), session.get_token(&fresh));
    one.unwrap();
    two.unwrap();
    assert!(session.signed_in().is_some(), "every refresh token was used once");
}
