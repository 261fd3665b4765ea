use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt as _, DuplexStream};

use super::*;
use crate::fixture::{
    APP_OID, GRAPH, OUTLOOK, assignment, caller, full_access, group, mailbox, start, tenant,
};
use crate::state::{MailboxSwitches, OrganizationSwitches, Propagation, ResourceScope, SendAs, Timed};

const CONSENTED: &str = "consented";
const BARE: &str = "bare";
const ANNA: &str = "anna@adatum.example";
const OK: &str = "235 2.7.0 Authentication successful";

struct Tenant {
    state: Mutex<State>,
    fault: Mutex<Option<(&'static str, &'static str)>>,
    delivered: Mutex<Vec<Submitted>>,
}

impl Tenant {
    /// A tenant where the app has FullAccess on anna's mailbox, and there is a bert.
    fn new() -> Arc<Self> {
        let mut state = tenant(Propagation::instant());
        let anna = mailbox(&mut state, "anna");
        mailbox(&mut state, "bert");
        full_access(&mut state, anna, APP_OID, false);
        Arc::new(Self { state: Mutex::new(state), fault: Mutex::default(), delivered: Mutex::default() })
    }

    fn id(&self, name: &str) -> uuid::Uuid {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.exchange.mailboxes.iter().find(|m| m.value.name == name).unwrap().value.object_id
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Backend for Tenant {
    fn caller(&self, bearer: &str) -> Option<Caller> {
        match bearer {
            "graph" => Some(caller(GRAPH, &["SMTP.SendAsApp"])),
            BARE => Some(caller(OUTLOOK, &[])),
            _ if bearer.starts_with(CONSENTED) => Some(caller(OUTLOOK, &["SMTP.SendAsApp"])),
            _ => None,
        }
    }
    fn with_state<R>(&self, f: impl FnOnce(&mut State, Timestamp) -> R) -> R {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner), start())
    }
    fn deliver(&self, message: Submitted) {
        self.delivered.lock().unwrap().push(message);
    }
    fn fault(&self, step: &str) -> Option<String> {
        self.fault.lock().unwrap().take_if(|(at, _)| *at == step).map(|(_, line)| line.to_owned())
    }
    fn journal(&self, _line: String) {}
}

/// A client on a connection that is secured already.
struct Client(BufReader<DuplexStream>);

impl Client {
    async fn new(tenant: &Arc<Tenant>) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let mut session = Session::new(BufReader::new(theirs), Arc::clone(tenant), true);
        tokio::spawn(async move { session.run().await });
        let mut client = Self(BufReader::new(ours));
        let hello = client.say("EHLO client.example").await;
        assert!(hello.starts_with("250-") && !hello.contains("STARTTLS"), "{hello}");
        client
    }

    async fn logged_in(tenant: &Arc<Tenant>) -> Self {
        let mut client = Self::new(tenant).await;
        assert_eq!(client.auth(ANNA, CONSENTED).await, OK);
        client
    }

    /// The lines of the reply.
    async fn reply(&mut self) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).await.unwrap();
            let last = line.as_bytes().get(3) != Some(&b'-');
            all.push_str(&line);
            if last {
                return all.trim_end().to_owned();
            }
        }
    }

    async fn say(&mut self, line: &str) -> String {
        self.0.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        self.reply().await
    }

    async fn auth(&mut self, user: &str, token: &str) -> String {
        assert_eq!(self.say("AUTH XOAUTH2").await, "334");
        self.say(&sasl(user, token)).await
    }
}

fn sasl(user: &str, token: &str) -> String {
    STANDARD.encode(format!("user={user}\u{1}auth=Bearer {token}\u{1}\u{1}"))
}

async fn login(tenant: &Arc<Tenant>, user: &str, token: &str) -> String {
    Client::new(tenant).await.auth(user, token).await
}

#[tokio::test]
async fn a_consent_needs_an_entry_on_the_mailbox_and_a_role_its_scope() {
    let tenant = Tenant::new();
    assert_eq!(login(&tenant, ANNA, CONSENTED).await, OK);
    for (user, token) in [
        ("bert@adatum.example", CONSENTED),
        ("anna.alias@adatum.example", CONSENTED),
        (ANNA, BARE),
        (ANNA, "graph"),
        (ANNA, "expired"),
    ] {
        let refused = login(&tenant, user, token).await;
        assert!(refused.starts_with("535 5.7.3 Authentication unsuccessful ["), "{user} {token}: {refused}");
    }
    let bert = tenant.id("bert");
    tenant.change(|state| {
        let scoped = group(state, "scoped", &[bert]);
        assignment(state, "Application SMTP.SendAsApp", ResourceScope::Group(scoped));
    });
    assert_eq!(login(&tenant, "bert@adatum.example", BARE).await, OK);
    assert!(login(&tenant, ANNA, BARE).await.starts_with("535 5.7.3"));
    assert!(
        login(&tenant, "bert@adatum.example", CONSENTED).await.starts_with("535 5.7.3"),
        "with a consent the entry is looked for, whatever the role says"
    );
}

#[tokio::test]
async fn the_switches_have_their_own_texts_and_the_mailbox_goes_first() {
    let tenant = Tenant::new();
    let anna = tenant.id("anna");
    tenant.change(|state| {
        let off = OrganizationSwitches { smtp_disabled: true, ..OrganizationSwitches::default() };
        state.exchange.organization_switches.push(Timed::always(off));
    });
    let refused = login(&tenant, ANNA, CONSENTED).await;
    assert!(refused.starts_with("535 5.7.139 ") && refused.contains("disabled for the Tenant."), "{refused}");
    for (own, answer) in [(false, OK), (true, "disabled for the Mailbox.")] {
        tenant.change(|state| {
            let switches = MailboxSwitches { smtp_disabled: Some(own), ..MailboxSwitches::untouched(anna) };
            state.exchange.mailbox_switches = vec![Timed::always(switches)];
        });
        assert!(login(&tenant, ANNA, CONSENTED).await.contains(answer));
    }
}

#[tokio::test]
async fn a_message_is_taken_in_with_its_dots_and_only_from_senders_that_are_allowed() {
    let tenant = Tenant::new();
    let (anna, bert) = (tenant.id("anna"), tenant.id("bert"));
    let mut client = Client::logged_in(&tenant).await;
    assert_eq!(
        client.say("MAIL FROM:<bert@adatum.example>").await,
        "550 5.7.60 SMTP; Client does not have permissions to send as this sender"
    );
    assert!(client.say("RCPT TO:<x@example.org>").await.starts_with("503"));
    assert!(client.say("MAIL FROM:<anna@adatum.example> SIZE=200 BODY=8BITMIME").await.starts_with("250"));
    assert!(client.say("DATA").await.starts_with("503"), "no recipient yet");
    assert!(client.say("RCPT TO:<bert@adatum.example>").await.starts_with("250"));
    assert!(client.say("RCPT TO:<x@example.org>").await.starts_with("250"));
    assert!(client.say("DATA").await.starts_with("354"));
    let text = "From: anna@adatum.example\r\nSubject: Dots\r\n\r\n..one\r\n...two\r\n.\r\n";
    assert!(client.say(text.trim_end()).await.starts_with("250 2.0.0 OK"));
    {
        let delivered = tenant.delivered.lock().unwrap();
        assert_eq!(delivered.len(), 1);
        assert_eq!((delivered[0].mailbox, delivered[0].to.len()), (anna, 2));
        assert!(delivered[0].mime.ends_with(b"\r\n\r\n.one\r\n..two\r\n"));
    }
    // The From header counts as well as the envelope.
    for (granted, answer) in [(false, "554 5.2.252 SendAsDenied"), (true, "250 2.0.0 OK")] {
        if granted {
            tenant.change(|s| {
                s.exchange.send_as.push(Timed::always(SendAs { recipient: bert, trustee: anna }));
            });
        }
        assert!(client.say("MAIL FROM:<anna@adatum.example>").await.starts_with("250"));
        assert!(client.say("RCPT TO:<x@example.org>").await.starts_with("250"));
        assert!(client.say("DATA").await.starts_with("354"));
        assert!(client.say("From: Bert <bert@adatum.example>\r\n\r\nx\r\n.").await.starts_with(answer));
    }
    assert!(
        client.say("MAIL FROM:<bert@adatum.example>").await.starts_with("250"),
        "Send As opens the envelope"
    );
    assert!(client.say("RSET").await.starts_with("250"));
    assert!(client.say("DATA").await.starts_with("503"));
    assert!(client.say("QUIT").await.starts_with("221"));
    assert_eq!(tenant.delivered.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn bad_order_bad_lines_and_passwords() {
    let tenant = Tenant::new();
    let mut client = Client::new(&tenant).await;
    for (line, answer) in [
        ("MAIL FROM:<anna@adatum.example>", "530 5.7.57"),
        ("AUTH LOGIN", "550 5.7.30"),
        ("AUTH GSSAPI", "504"),
        ("AUTH XOAUTH2 bm9uc2Vuc2U=", "501 5.5.124"),
        ("STARTTLS", "503"),
        ("VRFY x", "500 5.3.3"),
        ("NOOP", "250"),
    ] {
        assert!(client.say(line).await.starts_with(answer), "{line}");
    }
    assert_eq!(client.say("AUTH XOAUTH2").await, "334");
    assert!(client.say("*").await.starts_with("501"));
    let long = format!("AUTH XOAUTH2 {}", sasl(ANNA, &format!("{CONSENTED}{}", "x".repeat(2000))));
    assert!(client.say(&long).await.starts_with("500 5.5.2"), "a token of real size needs the second line");
    let mut client = Client::new(&tenant).await;
    assert_eq!(client.auth(ANNA, &format!("{CONSENTED}{}", "x".repeat(4000))).await, OK);
    assert!(client.say("MAIL FROM:<anna@adatum.example> SIZE=999999999").await.starts_with("552"));
    assert!(client.say("MAIL FROM:anna@adatum.example").await.starts_with("501"));
    *tenant.fault.lock().unwrap() = Some(("MAIL", "421 4.3.2 Service not available"));
    assert!(client.say("MAIL FROM:<anna@adatum.example>").await.starts_with("421"));
    assert_eq!(client.reply().await, "", "the session is over");
}
