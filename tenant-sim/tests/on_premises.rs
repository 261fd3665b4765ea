//! The organisation's own Exchange server: who gets in, and how.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;
mod ews;

use base64::{Engine, prelude::BASE64_STANDARD};
use common::World;
use ews::{Raw, code, envelope, impersonating};
use reqwest::Client;
use sspi::{
    AuthIdentity, BufferType, ClientRequestFlags, CredentialUse, DataRepresentation, Ntlm, SecurityBuffer,
    Sspi, SspiImpl, Username,
};
use tenant_sim::state::{AuthScheme, ExtendedProtection};

const CALENDAR: &str = r#"<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape><m:FolderIds><t:DistinguishedFolderId Id="calendar"/></m:FolderIds></m:GetFolder>"#;

fn ews_url(world: &World) -> String {
    format!("{}/EWS/Exchange.asmx", world.tenant.on_premises_url())
}

async fn basic(world: &World, login: &str, password: &str, body: String) -> Raw {
    Raw::of(world.http.post(ews_url(world)).basic_auth(login, Some(password)).body(body)).await
}

#[tokio::test]
async fn basic_by_upn_and_by_domain_opens_the_own_mailbox_and_a_wrong_one_tells_every_scheme() {
    let world = World::instant().await;
    for login in ["olga@contoso.example", r"CONTOSO\olga", r"contoso\OLGA"] {
        let read = basic(&world, login, "Olga-Passw0rd", envelope("", CALENDAR)).await;
        assert_eq!(read.status, 200, "{login}: {}", read.body);
        assert!(read.body.contains("IPF.Appointment"), "{}", read.body);
    }
    for (login, password) in
        [("olga@contoso.example", "wrong"), (r"FABRIKAM\olga", "Olga-Passw0rd"), ("olga", "Olga-Passw0rd")]
    {
        let refused = basic(&world, login, password, envelope("", CALENDAR)).await;
        assert_eq!(refused.status, 401, "{login}");
        assert_eq!(
            refused.all("www-authenticate"),
            ["Negotiate", "NTLM", r#"Basic realm="mail.contoso.example""#]
        );
        assert_eq!(refused.body, "");
    }
    // The cloud takes no passwords.
    let url = format!("{}/EWS/Exchange.asmx", world.tenant.http_url());
    let cloud =
        Raw::of(world.http.post(url).basic_auth("olga@contoso.example", Some("Olga-Passw0rd")).body(""))
            .await;
    assert_eq!(cloud.status, 401);
    assert!(cloud.all("www-authenticate").iter().all(|s| s.starts_with("Bearer")));
}

#[tokio::test]
async fn a_service_account_acts_by_its_role_and_needs_a_mailbox_otherwise() {
    let world = World::instant().await;
    let service = |body: String| basic(&world, r"CONTOSO\svc-calendar", "Svc-Passw0rd", body);
    let read = service(envelope(&impersonating("olga@contoso.example"), CALENDAR)).await;
    assert_eq!(read.status, 200, "{}", read.body);
    let none = service(envelope("", CALENDAR)).await;
    assert_eq!((none.status, code(&none.body).as_str()), (500, "ErrorMissingEmailAddress"));
    let online = service(envelope(&impersonating("alice@contoso.example"), CALENDAR)).await;
    assert_eq!(code(&online.body), "ErrorNonExistentMailbox", "her mailbox lies in the cloud");
    let olga = basic(
        &world,
        "olga@contoso.example",
        "Olga-Passw0rd",
        envelope(&impersonating("olga@contoso.example"), CALENDAR),
    )
    .await;
    assert_eq!(code(&olga.body), "ErrorImpersonateUserDenied", "she has no such role");
}

#[tokio::test]
async fn a_locked_account_is_told_so_even_with_the_right_password() {
    let world = World::instant().await;
    world.tenant.with_state(|s| s.premises.lockout_after = 2);
    let olga =
        |password: &'static str| basic(&world, "olga@contoso.example", password, envelope("", CALENDAR));
    assert_eq!(olga("one").await.body, "");
    assert!(olga("two").await.body.contains("currently locked out"));
    let right = olga("Olga-Passw0rd").await;
    assert!(right.status == 401 && right.body.contains("currently locked out"));
    assert!(world.tenant.ews().lock_account("olga@contoso.example", false));
    assert_eq!(olga("Olga-Passw0rd").await.status, 200);
}

#[tokio::test]
async fn tokens_are_a_switch_of_the_server() {
    let mut world = World::instant().await;
    let (client, secret, principal) = world.product_app("presence", &[]).await;
    world.grant(&principal, common::EXCHANGE_API, &["full_access_as_app"]).await;
    let token = world.sign_in(&client, &secret, common::EXCHANGE).await.unwrap();
    world.token = token;
    let send = || {
        let body = envelope(&impersonating("olga@contoso.example"), CALENDAR);
        Raw::of(world.http.post(ews_url(&world)).bearer_auth(&world.token).body(body))
    };
    assert_eq!(send().await.status, 401);
    world.tenant.ews().set_schemes(&[AuthScheme::Bearer, AuthScheme::Ntlm]);
    let read = send().await;
    assert_eq!(read.status, 200, "{}", read.body);
}

/// A client of NTLM on one connection.
struct Caller {
    http: Client,
    url: String,
    scheme: &'static str,
    ntlm: Ntlm,
}

impl Caller {
    fn new(world: &World, tls: bool) -> Self {
        let ca = reqwest::Certificate::from_pem(world.tenant.ca_pem().as_bytes()).unwrap();
        let http = Client::builder()
            .no_proxy()
            .no_gzip()
            .tls_certs_only([ca])
            .pool_max_idle_per_host(1)
            .build()
            .unwrap();
        let base = if tls { world.tenant.on_premises_https_url() } else { world.tenant.on_premises_url() };
        Self { http, url: format!("{base}/EWS/Exchange.asmx"), scheme: "NTLM", ntlm: Ntlm::new() }
    }

    async fn send(&self, token: Option<&[u8]>, body: &str) -> Raw {
        let request = self.http.post(&self.url).body(body.to_owned());
        Raw::of(match token {
            Some(token) => {
                request.header("authorization", format!("{} {}", self.scheme, BASE64_STANDARD.encode(token)))
            }
            None => request,
        })
        .await
    }

    fn step(&mut self, credentials: &mut <Ntlm as SspiImpl>::CredentialsHandle, token: &[u8]) -> Vec<u8> {
        let mut input = [SecurityBuffer::new(token.to_vec(), BufferType::Token)];
        let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
        let mut builder = self
            .ntlm
            .initialize_security_context()
            .with_credentials_handle(credentials)
            .with_context_requirements(
                ClientRequestFlags::CONFIDENTIALITY | ClientRequestFlags::ALLOCATE_MEMORY,
            )
            .with_target_data_representation(DataRepresentation::Native)
            .with_target_name("HTTP/localhost")
            .with_input(&mut input)
            .with_output(&mut output);
        let done = self.ntlm.initialize_security_context_impl(&mut builder).unwrap().resolve_to_result();
        done.unwrap();
        output[0].buffer.clone()
    }

    /// The whole handshake; the third leg carries the body.
    async fn sign_in(
        &mut self,
        user: &str,
        domain: Option<&str>,
        password: &str,
        binding: Option<&[u8]>,
    ) -> Raw {
        if let Some(binding) = binding {
            self.ntlm.set_channel_bindings(binding);
        }
        let username = Username::new(user, domain).unwrap();
        let identity = AuthIdentity { username, password: password.to_owned().into() };
        let mut credentials = self
            .ntlm
            .acquire_credentials_handle()
            .with_credential_use(CredentialUse::Outbound)
            .with_auth_data(&identity)
            .execute(&mut self.ntlm)
            .unwrap()
            .credentials_handle;
        let first = self.step(&mut credentials, &[]);
        let challenge = self.send(Some(&first), "").await;
        assert_eq!(challenge.status, 401);
        let offered = challenge.all("www-authenticate");
        let text = offered[0].strip_prefix(&format!("{} ", self.scheme)).expect("a challenge");
        let third = self.step(&mut credentials, &BASE64_STANDARD.decode(text).unwrap());
        self.send(Some(&third), &envelope("", CALENDAR)).await
    }
}

#[tokio::test]
async fn trap_20_ntlm_speaks_for_its_connection_alone() {
    let world = World::instant().await;
    for scheme in ["NTLM", "Negotiate"] {
        let mut caller = Caller { scheme, ..Caller::new(&world, false) };
        let read = caller.sign_in("olga", Some("CONTOSO"), "Olga-Passw0rd", None).await;
        assert_eq!(read.status, 200, "{scheme}: {}", read.body);
        let again = caller.send(None, &envelope("", CALENDAR)).await;
        assert_eq!(again.status, 200, "the connection is known");
        let other = Caller::new(&world, false);
        assert_eq!(other.send(None, &envelope("", CALENDAR)).await.status, 401, "another one is not");
        world.tenant.ews().drop_connections();
        // Until the client has seen it.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert_eq!(caller.send(None, &envelope("", CALENDAR)).await.status, 401, "nor a new one");
    }
    let mut wrong = Caller::new(&world, false);
    assert_eq!(wrong.sign_in("olga", Some("CONTOSO"), "wrong", None).await.status, 401);
    let mut somebody = Caller::new(&world, false);
    // The password of another account opens nothing.
    assert_eq!(somebody.sign_in("olga", Some("CONTOSO"), "Svc-Passw0rd", None).await.status, 401);
    let mut upn = Caller::new(&world, false);
    assert_eq!(upn.sign_in("olga@contoso.example", None, "Olga-Passw0rd", None).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn extended_protection_looks_at_the_channel_binding() {
    let world = World::instant().await;
    let binding = binding(&world);
    for (protection, given, status) in [
        (ExtendedProtection::Allow, None, 200),
        (ExtendedProtection::Allow, Some(binding.clone()), 200),
        (ExtendedProtection::Allow, Some(b"tls-server-end-point:proxy".to_vec()), 401),
        (ExtendedProtection::Require, Some(binding.clone()), 200),
        (ExtendedProtection::Require, None, 401),
        (ExtendedProtection::Off, Some(b"tls-server-end-point:proxy".to_vec()), 200),
    ] {
        world.tenant.ews().set_extended_protection(protection);
        let mut caller = Caller::new(&world, true);
        let read = caller.sign_in("olga", Some("CONTOSO"), "Olga-Passw0rd", given.as_deref()).await;
        assert_eq!(read.status, status, "{protection:?} {:?}", given.map(|g| g.len()));
    }
}

/// The binding of the server's certificate, as a client computes it.
fn binding(world: &World) -> Vec<u8> {
    use std::{io::Write, net::TcpStream, sync::Arc};
    let mut roots = rustls::RootCertStore::empty();
    let pem = world.tenant.ca_pem();
    let der: String = pem.lines().filter(|l| !l.starts_with('-')).collect();
    roots.add(BASE64_STANDARD.decode(der).unwrap().into()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tls = rustls::ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let url = world.tenant.on_premises_https_url();
    let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut socket).unwrap();
    }
    socket.flush().unwrap();
    let certificate = tls.peer_certificates().unwrap()[0].to_vec();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &certificate);
    [b"tls-server-end-point:", digest.as_ref()].concat()
}
