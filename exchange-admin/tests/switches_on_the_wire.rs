//! What our cmdlets switch, seen where it counts: at the doors of EWS, Graph, SMTP and IMAP of the simulated tenant.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "common/tenant.rs"]
mod tenant;

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use exchange_admin::cmdlets::*;
use exchange_admin::{
    AccessRight, ApplicationRole, ClientId, ExchangeAdmin, FolderGrantee, FolderRole, Grantee,
    MailboxAddress, MailboxRight, RecipientIdentity, ResourceScope, RoleAssignmentName,
    ServicePrincipalObjectId,
};
use jiff::SignedDuration;
use tenant::routed;
use tenant_sim::{Propagation, Scenario, Tenant};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

const AGENT: &str = "acme-connector/2.4";
const ALICE: &str = "alice@contoso.example";
const DAVE: &str = "dave@contoso.example";
const DISABLED: &str = "EWS is disabled for this user or tenant";
const BLOCKED: &str = "EWS is blocked by policy for this user or tenant";

struct World {
    tenant: Tenant,
    admin: ExchangeAdmin,
    http: reqwest::Client,
}

impl World {
    /// A tenant with one app that has consents, and one that has none, on a clock moved by hand.
    async fn new() -> Self {
        let mut scenario = Scenario::contoso();
        let template = scenario.apps[0].clone();
        for (name, graph, exchange) in [
            (
                "consented",
                vec!["Mail.Read"],
                vec!["full_access_as_app", "SMTP.SendAsApp", "IMAP.AccessAsApp"],
            ),
            ("bare", vec!["User.Read.All"], vec![]),
        ] {
            let mut app = template.clone();
            app.display_name = name.to_owned();
            app.made_in_portal = false;
            app.graph_roles = graph.into_iter().map(str::to_owned).collect();
            app.exchange_roles = exchange.into_iter().map(str::to_owned).collect();
            app.secret = Some(format!("secret-of-{name}"));
            scenario.apps.push(app);
        }
        let builder = Tenant::builder().scenario(scenario).propagation(Propagation::realistic());
        let tenant = builder.start().await.unwrap();
        let admin = routed(&tenant);
        let http = reqwest::Client::builder().no_proxy().user_agent(AGENT).build().unwrap();
        let world = Self { tenant, admin, http };
        for name in ["consented", "bare"] {
            let (client, object) = world.app(name);
            world.admin.run(&NewServicePrincipal::new(client, object, name)).await.unwrap();
        }
        world.minutes(5);
        world
    }

    fn app(&self, name: &str) -> (ClientId, ServicePrincipalObjectId) {
        self.tenant.with_state(|state| {
            let mut all = state.directory.service_principals.iter();
            let found = &all.find(|p| p.value.display_name == name).unwrap().value;
            (
                ClientId::parse(&found.app_id.to_string()).unwrap(),
                ServicePrincipalObjectId::parse(&found.id.to_string()).unwrap(),
            )
        })
    }

    fn minutes(&self, minutes: i64) {
        self.tenant.clock().advance(SignedDuration::from_mins(minutes));
    }

    async fn token(&self, name: &str, resource: &str) -> String {
        let (client, secret) = (self.app(name).0.to_string(), format!("secret-of-{name}"));
        let scope = format!("{resource}/.default");
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", &client),
            ("client_secret", &secret),
            ("scope", &scope),
        ];
        let url = format!("{}/{}/oauth2/v2.0/token", self.tenant.http_url(), self.tenant.tenant_id());
        let answer = self.http.post(url).form(&fields).send().await.unwrap().text().await.unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// What EWS says to the app about a folder, acting in the mailbox: `ok`, the reason of a 403, or the code.
    async fn ews(&self, app: &str, mailbox: &str, folder: &str) -> String {
        let body = format!(
            r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Header><t:RequestServerVersion Version="Exchange2016"/><t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>{mailbox}</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation></s:Header><s:Body><m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape><m:FolderIds>{folder}</m:FolderIds></m:GetFolder></s:Body></s:Envelope>"#
        );
        let answer = self
            .http
            .post(format!("{}/EWS/Exchange.asmx", self.tenant.http_url()))
            .bearer_auth(self.token(app, "https://outlook.office365.com").await)
            .header("content-type", "text/xml; charset=utf-8")
            .body(body)
            .send()
            .await
            .unwrap();
        if answer.status() == 403 {
            return answer.headers()["x-ews-policy-reason"].to_str().unwrap().to_owned();
        }
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        let code = text.split("ResponseCode").nth(1).and_then(|t| t.split_once('>')).map(|(_, t)| t);
        match code.and_then(|c| c.split_once('<')).map(|(c, _)| c) {
            Some("NoError") => "ok".to_owned(),
            Some(code) => code.to_owned(),
            None => status.to_string(),
        }
    }

    async fn inbox(&self) -> String {
        self.ews("consented", ALICE, r#"<t:DistinguishedFolderId Id="inbox"/>"#).await
    }

    /// What Graph says to the app about the mailbox's messages: `ok` or the error's text.
    async fn graph(&self, mailbox: &str) -> String {
        let url = format!("{}/v1.0/users/{mailbox}/messages?$top=1", self.tenant.http_url());
        let token = self.token("consented", "https://graph.microsoft.com").await;
        let answer = self.http.get(url).bearer_auth(token).send().await.unwrap();
        if answer.status() == 200 {
            return "ok".to_owned();
        }
        let answer: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        answer["error"]["message"].as_str().unwrap().to_owned()
    }

    fn tls(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.tenant.ca_pem().as_bytes()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }

    /// A session of SMTP that is secured and said hello.
    async fn smtp(&self) -> Lines<TlsStream<TcpStream>> {
        let mut clear = Lines(BufReader::new(TcpStream::connect(self.tenant.smtp_addr()).await.unwrap()));
        assert!(clear.reply().await.starts_with("220 "));
        assert!(clear.say("EHLO client.example").await.contains("250-STARTTLS"));
        assert!(clear.say("MAIL FROM:<alice@contoso.example>").await.starts_with("530"));
        // What is smuggled in behind STARTTLS is thrown away with the unprotected bytes.
        assert!(clear.say("STARTTLS\r\nRSET").await.starts_with("220 2.0.0"));
        let name = ServerName::try_from("localhost").unwrap();
        let mut session =
            Lines(BufReader::new(self.tls().connect(name, clear.0.into_inner()).await.unwrap()));
        assert!(session.say("EHLO client.example").await.contains("250-AUTH LOGIN XOAUTH2"));
        session
    }

    async fn smtp_login(&self, app: &str, mailbox: &str) -> (Lines<TlsStream<TcpStream>>, String) {
        let mut session = self.smtp().await;
        let token = self.token(app, "https://outlook.office365.com").await;
        assert_eq!(session.say("AUTH XOAUTH2").await, "334");
        let answer = session.say(&sasl(mailbox, &token)).await;
        (session, answer)
    }

    async fn imap_select(&self, mailbox: &str) -> String {
        let name = ServerName::try_from("localhost").unwrap();
        let tcp = TcpStream::connect(self.tenant.imap_addr()).await.unwrap();
        let mut session = Lines(BufReader::new(self.tls().connect(name, tcp).await.unwrap()));
        session.line().await;
        let token = self.token("consented", "https://outlook.office365.com").await;
        let login = session.tagged(&format!("AUTHENTICATE XOAUTH2 {}", sasl(mailbox, &token))).await;
        if login.starts_with("T OK") { session.tagged("SELECT INBOX").await } else { login }
    }
}

struct Lines<S>(BufReader<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Lines<S> {
    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line
    }

    async fn reply(&mut self) -> String {
        let mut all = String::new();
        loop {
            let line = self.line().await;
            let last = line.as_bytes().get(3) != Some(&b'-');
            all.push_str(&line);
            if last {
                return all.trim_end().to_owned();
            }
        }
    }

    async fn say(&mut self, line: &str) -> String {
        self.0.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
        self.reply().await
    }

    async fn tagged(&mut self, command: &str) -> String {
        self.0.write_all(format!("T {command}\r\n").as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
        loop {
            let line = self.line().await;
            if line.starts_with("T ") || line.is_empty() {
                return line.trim_end().to_owned();
            }
        }
    }
}

fn sasl(user: &str, token: &str) -> String {
    BASE64_STANDARD.encode(format!("user={user}\u{1}auth=Bearer {token}\u{1}\u{1}"))
}

fn address(text: &str) -> MailboxAddress {
    MailboxAddress::parse(text).unwrap()
}

fn mailbox(text: &str) -> RecipientIdentity {
    address(text).into()
}

#[tokio::test]
async fn trap_17_ews_is_on_for_listed_apps_only_and_the_list_takes_a_day() {
    let world = World::new().await;
    assert_eq!(world.inbox().await, "ok", "never set counts as on");
    let on = SetOrganizationConfig::new().with_ews(EwsSwitch::On);
    world.admin.run(&on).await.unwrap();
    assert_eq!(world.inbox().await, "ok");
    world.minutes(60);
    assert_eq!(world.inbox().await, BLOCKED, "on with an empty list is closed");
    let (ours, _) = world.app("consented");
    assert!(world.admin.ensure_ews_allowed_app(ours).await.unwrap().is_created());
    world.minutes(24 * 60 - 1);
    assert_eq!(world.inbox().await, BLOCKED);
    world.minutes(1);
    assert_eq!(world.inbox().await, "ok");
    world.admin.run(&SetOrganizationConfig::new().with_ews(EwsSwitch::Off)).await.unwrap();
    world.minutes(60);
    assert_eq!(world.inbox().await, DISABLED);
    world.admin.run(&SetCasMailbox::new(mailbox(ALICE)).with_ews(EwsSwitch::On)).await.unwrap();
    world.minutes(60);
    assert_eq!(world.inbox().await, DISABLED, "a mailbox cannot open what the organisation closed");
    world.admin.run(&on).await.unwrap();
    world.admin.run(&SetCasMailbox::new(mailbox(ALICE)).with_ews(EwsSwitch::Off)).await.unwrap();
    world.minutes(60);
    assert_eq!(world.inbox().await, DISABLED, "nor the other way round");
}

#[tokio::test]
async fn trap_18_a_list_of_user_agents_closes_ews_and_graph() {
    let world = World::new().await;
    assert_eq!((world.inbox().await.as_str(), world.graph(ALICE).await.as_str()), ("ok", "ok"));
    let others = UserAgentPattern::parse("OWA/*").unwrap();
    let list = SetOrganizationConfig::new()
        .with_ews_agent_policy(EwsAgentPolicy::AllowList)
        .with_ews_agent_allowed(&others);
    world.admin.run(&list).await.unwrap();
    world.minutes(10);
    assert_eq!(world.inbox().await, BLOCKED);
    assert_eq!(world.graph(ALICE).await, "Access to OData is disabled.");
    let ours = UserAgentPattern::parse("acme-connector/*").unwrap();
    let own = SetCasMailbox::new(mailbox(ALICE))
        .with_ews_agent_policy(EwsAgentPolicy::AllowList)
        .with_ews_agent_allowed(&ours);
    world.admin.run(&own).await.unwrap();
    world.minutes(10);
    assert_eq!((world.inbox().await.as_str(), world.graph(ALICE).await.as_str()), ("ok", "ok"));
    assert_eq!(world.graph(DAVE).await, "Access to OData is disabled.", "one mailbox has a list of its own");
    world.admin.run(&SetOrganizationConfig::new().with_ews_agent_allowed(&ours)).await.unwrap();
    world.minutes(10);
    assert_eq!(world.graph(DAVE).await, "ok");
}

#[tokio::test]
async fn an_access_policy_closes_graph_and_ews_and_a_role_opens_ews_past_it() {
    let world = World::new().await;
    let (client, object) = world.app("consented");
    let group = mailbox("presence-users@contoso.example");
    let deny = NewApplicationAccessPolicy::new(client, group.clone(), AccessRight::Deny);
    world.admin.run(&deny).await.unwrap();
    assert_eq!((world.inbox().await.as_str(), world.graph(ALICE).await.as_str()), ("ok", "ok"));
    world.minutes(45);
    assert_eq!(world.inbox().await, "ErrorAccessDenied");
    assert!(world.graph(ALICE).await.contains("[RAOP]"));
    assert_eq!(world.graph(DAVE).await, "ok");
    let inbox = r#"<t:DistinguishedFolderId Id="inbox"/>"#;
    assert_eq!(world.ews("bare", ALICE, inbox).await, "401", "no consent and no role");
    for (name, app) in [("one", object), ("two", world.app("bare").1)] {
        let role = NewManagementRoleAssignment::new(
            RoleAssignmentName::parse(name).unwrap(),
            app,
            ApplicationRole::EwsAccessAsApp,
            ResourceScope::Group(group.clone()),
        );
        world.admin.run(&role).await.unwrap();
    }
    world.minutes(120);
    assert_eq!(world.inbox().await, "ok", "policies do not limit roles");
    assert_eq!(world.ews("bare", ALICE, inbox).await, "ok");
    assert_eq!(world.ews("bare", DAVE, inbox).await, "ErrorImpersonateUserDenied", "outside the scope");
}

#[tokio::test]
async fn a_calendar_is_open_to_whom_its_entries_name() {
    let world = World::new().await;
    world.tenant.with_state(|state| {
        let alice = state.mailbox(ALICE, jiff::Timestamp::MAX).unwrap().object_id;
        state.exchange.folder_languages.insert(alice, "pl".to_owned());
    });
    let hers = format!(
        r#"<t:DistinguishedFolderId Id="calendar"><t:Mailbox><t:EmailAddress>{ALICE}</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId>"#
    );
    assert_eq!(world.ews("consented", DAVE, &hers).await, "ErrorAccessDenied", "Default shows free and busy");
    let calendar = world.admin.calendar_folder(mailbox(ALICE)).await.unwrap().identity(address(ALICE));
    let dave = FolderGrantee::from(address(DAVE));
    let wanted = AddMailboxFolderPermission::new(calendar.clone(), dave.clone(), FolderRole::Reviewer);
    world.admin.ensure_folder_permission(&wanted).await.unwrap();
    assert_eq!(world.ews("consented", DAVE, &hers).await, "ok", "entries on folders act at once");
    world.admin.run(&RemoveMailboxFolderPermission::new(calendar, dave)).await.unwrap();
    assert_eq!(world.ews("consented", DAVE, &hers).await, "ErrorAccessDenied");
}

#[tokio::test]
async fn smtp_has_two_switches_and_send_as_opens_the_sender() {
    let world = World::new().await;
    let (_, object) = world.app("consented");
    assert!(world.smtp_login("consented", ALICE).await.1.starts_with("535 5.7.3 "));
    let full = AddMailboxPermission::new(address(ALICE), Grantee::App(object), MailboxRight::FullAccess);
    world.admin.run(&full).await.unwrap();
    world.minutes(20);
    let (mut session, answer) = world.smtp_login("consented", ALICE).await;
    assert_eq!(answer, "235 2.7.0 Authentication successful");
    assert!(session.say(&format!("MAIL FROM:<{DAVE}>")).await.starts_with("550 5.7.60"));
    let send_as = AddRecipientPermission::send_as(mailbox(DAVE), mailbox(ALICE));
    assert!(world.admin.ensure_send_as(&send_as).await.unwrap().is_created());
    world.minutes(20);
    assert!(session.say(&format!("MAIL FROM:<{DAVE}>")).await.starts_with("250"));
    assert!(session.say("RCPT TO:<bob@contoso.example>").await.starts_with("250"));
    assert!(session.say("DATA").await.starts_with("354"));
    let message = format!(
        "From: {DAVE}\r\nSubject: Sent as Dave\r\nMessage-ID: <a1@contoso.example>\r\n\r\nHello\r\n."
    );
    assert!(session.say(&message).await.starts_with("250 2.0.0 OK"));
    world.tenant.with_state(|state| {
        let bob = state.mailbox("bob@contoso.example", jiff::Timestamp::MAX).unwrap().object_id;
        let arrived = state.store.inbox[&bob].last().unwrap();
        assert_eq!((arrived.subject.as_str(), arrived.from.1.as_str()), ("Sent as Dave", DAVE));
    });

    let off = SetTransportConfig::smtp_client_authentication_disabled(true);
    world.admin.run(&off).await.unwrap();
    world.minutes(60);
    let tenant = world.smtp_login("consented", ALICE).await.1;
    assert!(tenant.starts_with("535 5.7.139 ") && tenant.contains("disabled for the Tenant"), "{tenant}");
    let own = |off| SetCasMailbox::new(mailbox(ALICE)).with_smtp_client_authentication_disabled(off);
    world.admin.run(&own(Some(false))).await.unwrap();
    world.minutes(15);
    assert!(
        world.smtp_login("consented", ALICE).await.1.starts_with("235"),
        "the mailbox's own switch goes first"
    );
    world.admin.run(&own(Some(true))).await.unwrap();
    world.minutes(15);
    assert!(world.smtp_login("consented", ALICE).await.1.contains("disabled for the Mailbox"));
    assert!(
        world
            .tenant
            .journal()
            .iter()
            .any(|e| e.method == "SMTP" && e.path.contains("refused: OffForMailbox"))
    );
}

#[tokio::test]
async fn a_role_for_smtp_needs_no_entry_on_the_mailbox() {
    let world = World::new().await;
    let role = NewManagementRoleAssignment::new(
        RoleAssignmentName::parse("submission").unwrap(),
        world.app("bare").1,
        ApplicationRole::SmtpSendAsApp,
        ResourceScope::Group(mailbox("presence-users@contoso.example")),
    );
    world.admin.run(&role).await.unwrap();
    world.minutes(30);
    assert!(world.smtp_login("bare", ALICE).await.1.starts_with("235"));
    assert!(world.smtp_login("bare", DAVE).await.1.starts_with("535 5.7.3"));
}

#[tokio::test]
async fn imap_is_switched_per_mailbox_and_refuses_after_the_login() {
    let world = World::new().await;
    let (_, object) = world.app("consented");
    assert_eq!(world.imap_select(ALICE).await, "T NO AUTHENTICATE failed.");
    let full = AddMailboxPermission::new(address(ALICE), Grantee::App(object), MailboxRight::FullAccess);
    world.admin.run(&full).await.unwrap();
    world.minutes(20);
    assert!(world.imap_select(ALICE).await.starts_with("T OK [READ-WRITE]"));
    world.admin.run(&SetCasMailbox::new(mailbox(ALICE)).with_imap_enabled(false)).await.unwrap();
    world.minutes(15);
    assert_eq!(world.imap_select(ALICE).await, "T BAD User is authenticated but not connected.");
}
