//! IMAP over TLS together with Entra's tokens and the Admin API's grants in the same tenant.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at its first surprise"
)]

mod common;

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use common::{EXCHANGE, EXCHANGE_API, GRAPH, World, text};
use jiff::SignedDuration;
use serde_json::json;
use tenant_sim::{Fault, Propagation};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const OK: &str = "T OK AUTHENTICATE completed.";
const REFUSED: &str = "T NO AUTHENTICATE failed.";
const INVOICES: &str = "invoices@contoso.example";

/// A client that speaks lines.
struct Imap(BufReader<TlsStream<tokio::net::TcpStream>>);

impl Imap {
    async fn connect(world: &World) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(world.tenant.ca_pem().as_bytes()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = tokio::net::TcpStream::connect(world.tenant.imap_addr()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut imap =
            Self(BufReader::new(TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()));
        assert!(imap.line().await.starts_with("* OK The Microsoft Exchange IMAP4 service is ready. ["));
        imap
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line.trim_end_matches("\r\n").to_owned()
    }

    async fn send(&mut self, line: &str) {
        self.0.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// All lines up to the tagged one, or up to the end of the connection.
    async fn run(&mut self, command: &str) -> Vec<String> {
        self.send(&format!("T {command}")).await;
        let mut lines = vec![self.line().await];
        while lines.last().is_some_and(|l| !l.starts_with("T ") && !l.is_empty()) {
            lines.push(self.line().await);
        }
        lines
    }

    async fn last(&mut self, command: &str) -> String {
        self.run(command).await.pop().unwrap()
    }

    /// Logs in with the string on the command's own line.
    async fn log_in(&mut self, user: &str, token: &str) -> String {
        self.last(&format!("AUTHENTICATE XOAUTH2 {}", sasl(user, token))).await
    }
}

fn sasl(user: &str, token: &str) -> String {
    BASE64_STANDARD.encode(format!("user={user}\u{1}auth=Bearer {token}\u{1}\u{1}"))
}

/// How a login on a fresh connection ends.
async fn login(world: &World, user: &str, token: &str) -> String {
    Imap::connect(world).await.log_in(user, token).await
}

fn last_refusal(world: &World) -> String {
    let journal = world.tenant.journal();
    journal.into_iter().rev().find(|e| e.method == "IMAP").map(|e| e.path).unwrap()
}

/// An app with `IMAP.AccessAsApp`.
struct App {
    client: String,
    secret: String,
    principal: String,
}

impl App {
    async fn new(world: &World, roles: &[&str]) -> Self {
        let (client, secret, principal) = world.product_app("fetcher", &[]).await;
        world.grant(&principal, EXCHANGE_API, roles).await;
        Self { client, secret, principal }
    }

    /// The app, its pointer in Exchange, and FullAccess on the invoices' mailbox.
    async fn set_up(world: &World) -> Self {
        let app = Self::new(world, &["IMAP.AccessAsApp"]).await;
        app.point(world, &app.principal).await;
        app.permit(world, INVOICES).await;
        app
    }

    async fn point(&self, world: &World, object: &str) {
        world.rows("New-ServicePrincipal", json!({"AppId": self.client, "ObjectId": object})).await;
    }

    async fn permit(&self, world: &World, mailbox: &str) {
        let entry = json!({"Identity": mailbox, "User": self.client, "AccessRights": ["FullAccess"]});
        world.rows("Add-MailboxPermission", entry).await;
    }

    async fn token(&self, world: &World) -> String {
        world.sign_in(&self.client, &self.secret, EXCHANGE).await.unwrap()
    }
}

#[tokio::test]
async fn a_set_up_by_cmdlets_opens_the_mailbox_in_both_forms_of_login() {
    let world = World::instant().await;
    let app = App::set_up(&world).await;
    let token = app.token(&world).await;
    assert_eq!(login(&world, INVOICES, &token).await, OK);

    let mut imap = Imap::connect(&world).await;
    imap.send("T AUTHENTICATE XOAUTH2").await;
    assert_eq!(imap.line().await, "+ ");
    imap.send(&sasl(INVOICES, &token)).await;
    assert_eq!(imap.line().await, OK);
    let opened = imap.run("SELECT INBOX").await;
    assert!(opened.contains(&"* 12 EXISTS".to_owned()), "{opened:?}");
    assert!(opened.iter().any(|l| l.starts_with("* OK [UIDVALIDITY ")));
    assert!(!opened.iter().any(|l| l.contains("HIGHESTMODSEQ") || l.contains("\\*")), "{opened:?}");
    assert_eq!(opened.last().unwrap(), "T OK [READ-WRITE] SELECT completed.");

    imap.send("T UID FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])").await;
    let (mut subjects, mut rows) = (Vec::new(), 0);
    loop {
        let line = imap.line().await;
        if line.starts_with("T ") {
            assert!(line.starts_with("T OK "), "{line}");
            break;
        }
        rows += usize::from(line.starts_with("* ") && line.contains(" FETCH ("));
        if let Some((_, size)) = line.strip_suffix('}').and_then(|l| l.rsplit_once('{')) {
            let mut literal = vec![0; size.parse().unwrap()];
            imap.0.read_exact(&mut literal).await.unwrap();
            subjects.push(String::from_utf8(literal).unwrap());
        }
    }
    assert_eq!((rows, subjects.len()), (12, 12));
    assert!(subjects.last().unwrap().contains("Subject: Invoice 4112"), "{subjects:?}");

    let all = format!("{:?}", world.tenant.journal());
    assert!(all.contains(&format!("IMAP AUTHENTICATE user={INVOICES} app={} accepted", app.client)));
    assert!(!all.contains(&token[20..60]) && !all.contains(&sasl(INVOICES, &token)[40..80]));
}

#[tokio::test]
async fn trap_one_text_for_every_cause_of_a_refused_login() {
    let world = World::instant().await;
    let app = App::set_up(&world).await;
    let good = app.token(&world).await;
    let graph = world.sign_in(&app.client, &app.secret, GRAPH).await.unwrap();
    assert_eq!(login(&world, INVOICES, &graph).await, REFUSED, "wrong audience");
    for (user, cause) in [
        ("ceo@contoso.example", "NoFullAccess"),
        ("nobody@contoso.example", "NotTheMailbox"),
        // An alias is not the mailbox's own address.
        ("a.adams@contoso.example", "NotTheMailbox"),
        // On premises.
        ("olga@contoso.example", "NotTheMailbox"),
    ] {
        assert_eq!(login(&world, user, &good).await, REFUSED);
        assert!(last_refusal(&world).ends_with(cause), "{user}: {}", last_refusal(&world));
    }
    let mut forged = good.clone();
    forged.replace_range(forged.len() - 8.., "AAAAAAAA");
    assert_eq!(login(&world, INVOICES, &forged).await, REFUSED, "forged");
    let mut imap = Imap::connect(&world).await;
    let lacks_its_end = BASE64_STANDARD.encode(format!("user={INVOICES}\u{1}auth=Bearer {good}"));
    assert_eq!(imap.last(&format!("AUTHENTICATE XOAUTH2 {lacks_its_end}")).await, REFUSED);
    assert!(imap.last("LOGIN alice hunter2").await.contains("LogonDenied-BasicAuthBlocked"));
    assert_eq!(imap.log_in(INVOICES, &good).await, OK, "the connection outlives refusals");
    world.minutes(120);
    assert_eq!(login(&world, INVOICES, &good).await, REFUSED, "expired");
}

#[tokio::test]
async fn the_role_is_needed_besides_pointer_and_permission() {
    let world = World::instant().await;
    let app = App::new(&world, &["POP.AccessAsApp"]).await;
    app.point(&world, &app.principal).await;
    app.permit(&world, INVOICES).await;
    assert_eq!(login(&world, INVOICES, &app.token(&world).await).await, REFUSED);
    assert!(last_refusal(&world).ends_with("RoleMissing"));
    world.grant(&app.principal, EXCHANGE_API, &["IMAP.AccessAsApp"]).await;
    assert_eq!(login(&world, INVOICES, &app.token(&world).await).await, OK);
}

#[tokio::test]
async fn trap_the_registrations_object_id_makes_a_pointer_that_nothing_opens() {
    let world = World::instant().await;
    let app = App::new(&world, &["IMAP.AccessAsApp"]).await;
    let registration = world.get(&format!("/applications?$filter=appId eq '{}'", app.client)).await;
    let registration = text(&registration.body["value"][0]["id"]);
    assert_ne!(registration, app.principal);
    // Everything "succeeds" …
    app.point(&world, &registration).await;
    app.permit(&world, INVOICES).await;
    // … until somebody signs in.
    assert_eq!(login(&world, INVOICES, &app.token(&world).await).await, REFUSED);
    assert!(last_refusal(&world).ends_with("NoServicePrincipal"));
    world.rows("Remove-ServicePrincipal", json!({"Identity": app.client, "Confirm": false})).await;
    app.point(&world, &app.principal).await;
    app.permit(&world, INVOICES).await;
    assert_eq!(login(&world, INVOICES, &app.token(&world).await).await, OK);
}

#[tokio::test]
async fn trap_imap_off_is_authenticated_but_not_connected() {
    let world = World::instant().await;
    let app = App::set_up(&world).await;
    app.permit(&world, "dave@contoso.example").await;
    let token = app.token(&world).await;
    let mut imap = Imap::connect(&world).await;
    assert_eq!(imap.log_in("dave@contoso.example", &token).await, OK);
    assert_eq!(imap.last("NOOP").await, "T OK NOOP completed.", "NOOP proves nothing");
    assert_eq!(imap.last("SELECT INBOX").await, "T BAD User is authenticated but not connected.");
    world.rows("Set-CASMailbox", json!({"Identity": "dave@contoso.example", "ImapEnabled": true})).await;
    let mut imap = Imap::connect(&world).await;
    assert_eq!(imap.log_in("dave@contoso.example", &token).await, OK);
    assert!(imap.last("SELECT INBOX").await.starts_with("T OK "));
}

#[tokio::test]
async fn faults_answer_the_step_they_are_aimed_at() {
    let world = World::instant().await;
    let app = App::set_up(&world).await;
    let token = app.token(&world).await;
    let throttled = "BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds";
    let faults = world.tenant.faults();
    faults.inject(Fault::imap("AUTHENTICATE", throttled));
    faults.inject(Fault::imap("SELECT", throttled));
    faults.inject(Fault::imap("FETCH", throttled));
    faults.inject(Fault::imap("FETCH", "BYE Connection closed. 14").skip(1));
    let mut imap = Imap::connect(&world).await;
    assert_eq!(imap.log_in(INVOICES, &token).await, format!("T {throttled}"));
    assert_eq!(imap.log_in(INVOICES, &token).await, OK);
    assert_eq!(imap.last("SELECT INBOX").await, format!("T {throttled}"));
    assert!(imap.last("SELECT INBOX").await.starts_with("T OK "));
    assert_eq!(imap.last("FETCH 1:* (UID)").await, format!("T {throttled}"));
    let end = imap.run("FETCH 1:* (UID)").await;
    assert_eq!(end, ["* BYE Connection closed. 14", ""], "and the connection is over");
    assert_eq!(faults.waiting(), 0);
    assert_eq!(Fault::by_id("NO-SUCH").unwrap_err().id, "NO-SUCH");
}

#[tokio::test]
async fn trap_a_new_grant_is_refused_until_it_has_propagated() {
    let mut propagation = Propagation::instant();
    propagation.mailbox_permission = SignedDuration::from_mins(20);
    let world = World::with(propagation).await;
    let app = App::set_up(&world).await;
    let configured = json!({"Identity": INVOICES, "User": app.client});
    assert_eq!(
        world.rows("Get-MailboxPermission", configured).await.len(),
        1,
        "administrators see it at once"
    );
    let token = app.token(&world).await;
    assert_eq!(login(&world, INVOICES, &token).await, REFUSED);
    world.minutes(19);
    assert_eq!(login(&world, INVOICES, &token).await, REFUSED);
    world.minutes(1);
    assert_eq!(login(&world, INVOICES, &token).await, OK);

    // A second mailbox has its own time; a session that runs lives on when its grant is taken back.
    app.permit(&world, "alice@contoso.example").await;
    assert_eq!(login(&world, "alice@contoso.example", &token).await, REFUSED);
    let mut running = Imap::connect(&world).await;
    assert_eq!(running.log_in(INVOICES, &token).await, OK);
    let entry =
        json!({"Identity": INVOICES, "User": app.client, "AccessRights": ["FullAccess"], "Confirm": false});
    world.rows("Remove-MailboxPermission", entry).await;
    assert_eq!(login(&world, INVOICES, &token).await, OK, "the removal propagates as slowly");
    world.minutes(20);
    assert_eq!(login(&world, INVOICES, &token).await, REFUSED);
    assert!(running.last("SELECT INBOX").await.starts_with("T OK "));
    assert_eq!(login(&world, "alice@contoso.example", &token).await, OK);
}

#[tokio::test]
async fn trap_access_policies_and_exchange_roles_do_not_reach_imap() {
    let world = World::instant().await;
    let app = App::set_up(&world).await;
    let policy = json!({"AppId": [app.client], "PolicyScopeGroupId": "presence-users", "AccessRight": "RestrictAccess"});
    world.rows("New-ApplicationAccessPolicy", policy).await;
    let token = app.token(&world).await;
    assert_eq!(login(&world, INVOICES, &token).await, OK, "the policy names other mailboxes");
    assert_eq!(login(&world, "alice@contoso.example", &token).await, REFUSED, "and grants nothing");
}

#[tokio::test]
async fn a_deny_entry_closes_what_an_allow_entry_opens() {
    let world = World::instant().await;
    let app = App::set_up(&world).await;
    let deny =
        json!({"Identity": INVOICES, "User": app.client, "AccessRights": ["FullAccess"], "Deny": true});
    world.rows("Add-MailboxPermission", deny).await;
    assert_eq!(login(&world, INVOICES, &app.token(&world).await).await, REFUSED);
}

#[tokio::test]
async fn async_imap_reads_the_inbox_too() {
    struct Xoauth2(String);
    impl async_imap::Authenticator for Xoauth2 {
        type Response = String;
        fn process(&mut self, _challenge: &[u8]) -> String {
            std::mem::take(&mut self.0)
        }
    }
    let world = World::instant().await;
    let app = App::set_up(&world).await;
    let token = app.token(&world).await;
    let stream = Imap::connect(&world).await.0.into_inner();
    let string = format!("user={INVOICES}\u{1}auth=Bearer {token}\u{1}\u{1}");
    let client = async_imap::Client::new(stream);
    let mut session = client.authenticate("XOAUTH2", Xoauth2(string)).await.map_err(|(e, _)| e).unwrap();
    assert_eq!(session.examine("INBOX").await.unwrap().exists, 12);
    let capabilities = session.capabilities().await.unwrap();
    assert!(capabilities.has_str("UIDPLUS") && !capabilities.has_str("CONDSTORE"));
    session.logout().await.unwrap();
}
