use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::DuplexStream;

use super::fetch::tests::message;
use super::*;
use crate::fixture::{APP_OID, OUTLOOK, caller, full_access, mailbox, start, tenant};
use crate::state::Propagation;

const GOOD: &str = "good-token";

struct Tenant {
    state: Mutex<State>,
    fault: Mutex<Option<(&'static str, &'static str)>>,
    journal: Mutex<Vec<String>>,
}

impl Backend for Tenant {
    fn caller(&self, bearer: &str) -> Option<Caller> {
        bearer.starts_with(GOOD).then(|| caller(OUTLOOK, &["IMAP.AccessAsApp"]))
    }
    fn with_state<R>(&self, f: impl FnOnce(&mut State, Timestamp) -> R) -> R {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner), start())
    }
    fn fault(&self, step: &str) -> Option<String> {
        let mut fault = self.fault.lock().unwrap();
        fault.take_if(|(at, _)| *at == step).map(|(_, line)| line.to_owned())
    }
    fn journal(&self, line: String) {
        self.journal.lock().unwrap().push(line);
    }
}

struct Client {
    stream: BufReader<DuplexStream>,
    tenant: Arc<Tenant>,
}

impl Client {
    /// A client of a tenant where the app may read anna's mailbox with three messages, after the greeting.
    async fn new() -> Self {
        let mut state = tenant(Propagation::instant());
        let anna = mailbox(&mut state, "anna");
        mailbox(&mut state, "bert");
        full_access(&mut state, anna, APP_OID, false);
        let mut inbox = vec![message(3, "One"), message(5, "Two"), message(8, "Three")];
        inbox[0].read = true;
        inbox[2].received = start();
        state.store.inbox.insert(anna, inbox);
        let tenant = Arc::new(Tenant {
            state: Mutex::new(state),
            fault: Mutex::new(None),
            journal: Mutex::new(vec![]),
        });
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        tokio::spawn(serve(theirs, Arc::clone(&tenant)));
        let mut client = Self { stream: BufReader::new(ours), tenant };
        assert!(client.line().await.starts_with("* OK The Microsoft Exchange IMAP4 service is ready. ["));
        client
    }

    async fn logged_in() -> Self {
        let mut client = Self::new().await;
        let reply = client.run(&format!("AUTHENTICATE XOAUTH2 {}", sasl("anna@adatum.example", GOOD))).await;
        assert_eq!(reply, ["T OK AUTHENTICATE completed."]);
        client
    }

    async fn selected() -> Self {
        let mut client = Self::logged_in().await;
        assert_eq!(client.last("SELECT \"INBOX\"").await, "T OK [READ-WRITE] SELECT completed.");
        client
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.unwrap();
        line.trim_end_matches("\r\n").to_owned()
    }

    async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// All lines up to the tagged one, or to the end of the connection.
    async fn run(&mut self, command: &str) -> Vec<String> {
        self.write(&format!("T {command}\r\n")).await;
        let mut lines = vec![];
        loop {
            let line = self.line().await;
            let done = line.starts_with("T ") || line.is_empty();
            lines.push(line);
            if done {
                return lines;
            }
        }
    }

    async fn last(&mut self, command: &str) -> String {
        self.run(command).await.pop().unwrap()
    }
}

fn sasl(user: &str, token: &str) -> String {
    STANDARD.encode(format!("user={user}\u{1}auth=Bearer {token}\u{1}\u{1}"))
}

#[tokio::test]
async fn capabilities_before_and_after_login() {
    let mut client = Client::new().await;
    let before = client.run("CAPABILITY").await;
    assert_eq!(before[0], format!("* CAPABILITY {CAPABILITIES}"));
    let mut client = Client::logged_in().await;
    assert!(client.run("CAPABILITY").await[0].ends_with(" BACKENDAUTHENTICATE"));
}

#[tokio::test]
async fn login_in_two_lines_and_with_a_large_token() {
    let mut client = Client::new().await;
    client.write("T AUTHENTICATE XOAUTH2\r\n").await;
    assert_eq!(client.line().await, "+ ");
    let token = format!("{GOOD}{}", "x".repeat(8000));
    client.write(&format!("{}\r\n", sasl("anna@adatum.example", &token))).await;
    assert_eq!(client.line().await, "T OK AUTHENTICATE completed.");
    let mut client = Client::new().await;
    assert_eq!(
        client.last(&format!("AUTHENTICATE XOAUTH2 {}", sasl("anna@adatum.example", &token))).await,
        "T OK AUTHENTICATE completed."
    );
}

#[tokio::test]
async fn trap_every_refusal_has_the_same_text_and_no_challenge() {
    let mut client = Client::new().await;
    for (user, token) in [
        ("anna@adatum.example", "bad"),
        ("anna.alias@adatum.example", GOOD),
        ("bert@adatum.example", GOOD),
        ("nobody@adatum.example", GOOD),
    ] {
        let reply = client.run(&format!("AUTHENTICATE XOAUTH2 {}", sasl(user, token))).await;
        assert_eq!(reply, ["T NO AUTHENTICATE failed."], "{user}");
    }
    assert_eq!(client.run("AUTHENTICATE XOAUTH2 AAAA").await, ["T NO AUTHENTICATE failed."]);
    client.write("T AUTHENTICATE XOAUTH2\r\n").await;
    assert_eq!(client.line().await, "+ ");
    client.write("*\r\n").await;
    assert_eq!(client.line().await, "T BAD AUTHENTICATE cancelled.");
    assert!(client.last("LOGIN anna secret").await.contains("LogonDenied-BasicAuthBlocked"));
    assert_eq!(client.last("SELECT INBOX").await, "T BAD Command received in Invalid state.");
    let journal = client.tenant.journal.lock().unwrap().join("\n");
    assert!(journal.contains("user=bert@adatum.example") && journal.contains("NoFullAccess"));
    assert!(!journal.contains(GOOD) && !journal.contains("secret"));
}

#[tokio::test]
async fn trap_a_switched_off_mailbox_logs_in_but_is_not_connected() {
    let mut client = Client::new().await;
    client.tenant.with_state(|state, _| state.exchange.mailboxes[0].value.imap_enabled = false);
    let login = format!("AUTHENTICATE XOAUTH2 {}", sasl("anna@adatum.example", GOOD));
    assert_eq!(client.last(&login).await, "T OK AUTHENTICATE completed.");
    assert_eq!(client.run("NOOP").await, ["T OK NOOP completed."]);
    assert_eq!(client.run("SELECT INBOX").await, ["T BAD User is authenticated but not connected."]);
}

#[tokio::test]
async fn folders_are_listed_without_roles() {
    let mut client = Client::logged_in().await;
    let list = client.run("LIST \"\" \"*\"").await;
    assert_eq!(list[0], "* LIST (\\HasNoChildren) \"/\" INBOX");
    assert_eq!(list[1], "* LIST (\\HasNoChildren) \"/\" \"Sent Items\"");
    assert_eq!(list.len(), FOLDERS.len() + 1);
    assert_eq!(client.run("LIST \"\" s%items").await.len(), 2);
    assert_eq!(client.run("LIST \"\" \"\"").await[0], "* LIST (\\Noselect \\HasChildren) \"/\" \"\"");
    assert_eq!(client.run("NAMESPACE").await[0], "* NAMESPACE ((\"\" \"/\")) NIL NIL");
    let status = client.run("STATUS INBOX (MESSAGES UNSEEN UIDNEXT)").await;
    assert_eq!(status[0], "* STATUS \"INBOX\" (MESSAGES 3 UNSEEN 2 UIDNEXT 9)");
}

#[tokio::test]
async fn trap_select_offers_no_custom_keywords() {
    let mut client = Client::logged_in().await;
    let lines = client.run("SELECT INBOX").await;
    assert!(
        lines.contains(&"* 3 EXISTS".to_owned())
            && lines.contains(&"* OK [UIDVALIDITY 14] UIDVALIDITY value".to_owned())
    );
    assert!(
        lines.iter().any(|l| l.contains("[UIDNEXT 9]")) && lines.iter().any(|l| l.contains("[UNSEEN 2]"))
    );
    assert!(lines.iter().all(|l| !l.contains("\\*") && !l.contains("HIGHESTMODSEQ")));
    assert_eq!(client.last("SELECT Nowhere").await, "T NO Nowhere doesn't exist.");
    assert_eq!(client.last("UID FETCH 1:* UID").await, "T BAD Command received in Invalid state.");
    client.write("T EXAMINE {5}\r\n").await;
    assert_eq!(client.line().await, "+ Ready for additional command text.");
    client.write("INBOX\r\n").await;
    assert_eq!(client.line().await, "* 3 EXISTS");
}

#[tokio::test]
async fn trap_search_knows_few_keys() {
    let mut client = Client::selected().await;
    for (keys, found) in [
        ("ALL", "* SEARCH 3 5 8"),
        ("UNSEEN", "* SEARCH 5 8"),
        ("SINCE 20-Nov-2026", "* SEARCH 8"),
        ("UID 4:*", "* SEARCH 5 8"),
        ("1:2 UNSEEN", "* SEARCH 5"),
        ("UID 1", "* SEARCH"),
    ] {
        assert_eq!(client.run(&format!("UID SEARCH {keys}")).await[0], found, "{keys}");
    }
    assert_eq!(client.run("SEARCH UNSEEN").await[0], "* SEARCH 2 3");
    assert_eq!(client.last("UID SEARCH KEYWORD x").await, "T BAD Command Argument Error. 11");
    assert_eq!(client.last("UID SEARCH OR UNSEEN OR SEEN ALL").await, "T BAD Command Argument Error. 11");
    assert!(client.last("UID SEARCH CHARSET UTF-8 ALL").await.starts_with("T NO [BADCHARSET (US-ASCII)]"));
}

#[tokio::test]
async fn fetch_reads_and_marks_as_read_unless_it_peeks() {
    let mut client = Client::selected().await;
    assert_eq!(
        client.run("UID FETCH 4:* (FLAGS RFC822.SIZE)").await[0],
        format!("* 2 FETCH (UID 5 FLAGS () RFC822.SIZE {})", message(5, "Two").mime.len())
    );
    let peek = client.run("FETCH 2 BODY.PEEK[TEXT]").await;
    assert_eq!(peek, ["* 2 FETCH (BODY[TEXT] {9}", "Hello 5", ")", "T OK FETCH completed."]);
    let read = client.run("FETCH 2 BODY[TEXT]<0.5>").await;
    assert_eq!(read[..2], ["* 2 FETCH (BODY[TEXT]<0> {5}", "Hello FLAGS (\\Seen))"]);
    assert_eq!(client.run("FETCH 2 FLAGS").await[0], "* 2 FETCH (FLAGS (\\Seen))");
    assert_eq!(client.last("EXAMINE INBOX").await, "T OK [READ-ONLY] EXAMINE completed.");
    client.run("FETCH 3 BODY[TEXT]").await;
    assert_eq!(client.run("FETCH 3 FLAGS").await[0], "* 3 FETCH (FLAGS ())");
    assert_eq!(client.run("UID FETCH 77 UID").await, ["T OK UID FETCH completed."]);
    assert_eq!(client.last("FETCH 1 BODYSTRUCTURE").await, "T BAD Command Argument Error. 11");
    assert_eq!(client.last("UNSELECT").await, "T OK UNSELECT completed.");
}

#[tokio::test]
async fn trap_a_session_outlives_the_grant_and_new_mail_is_announced() {
    let mut client = Client::selected().await;
    client.tenant.with_state(|state, now| {
        state.exchange.mailbox_permissions[0].delete(now, jiff::SignedDuration::ZERO);
        for inbox in state.store.inbox.values_mut() {
            inbox.push(message(9, "Four"));
        }
    });
    client.write("T IDLE\r\n").await;
    assert!(client.line().await.starts_with("+ "));
    client.write("DONE\r\n").await;
    assert_eq!(client.line().await, "* 4 EXISTS");
    assert_eq!(client.line().await, "T OK IDLE completed.");
    assert!(client.run("FETCH 4 UID").await[0].contains("UID 9"));
    assert_eq!(client.run("LOGOUT").await.len(), 2);
}

#[tokio::test]
async fn trap_throttling_is_a_tagged_bad_and_a_bye_ends_the_session() {
    let mut client = Client::selected().await;
    let throttled = "BAD Request is throttled. Suggested Backoff Time: 5000 milliseconds";
    *client.tenant.fault.lock().unwrap() = Some(("FETCH", throttled));
    assert_eq!(client.run("FETCH 1 UID").await, [format!("T {throttled}")]);
    assert_eq!(client.run("FETCH 1 UID").await.len(), 2);
    *client.tenant.fault.lock().unwrap() = Some(("SELECT", "BYE Connection closed. 14"));
    assert_eq!(client.run("SELECT INBOX").await, ["* BYE Connection closed. 14", ""]);
}

#[tokio::test]
async fn trap_long_commands_close_the_connection() {
    let mut client = Client::selected().await;
    let set = vec!["1"; 5200].join(",");
    assert_eq!(client.last(&format!("UID FETCH {set} UID")).await, "T BAD Command line too long.");
    assert_eq!(client.line().await, "* BYE Connection closed. 14");
    assert_eq!(client.line().await, "");
    let mut client = Client::new().await;
    client.write(&"x".repeat(20_000)).await;
    assert_eq!(client.line().await, "* BAD Command line too long.");
}

#[tokio::test]
async fn unknown_and_broken_commands_are_bad() {
    let mut client = Client::selected().await;
    assert_eq!(client.last("XYZZY").await, "T BAD Command Error. 12");
    client.write("\r\n").await;
    assert_eq!(client.line().await, "* BAD Command Error. 12");
    assert_eq!(client.last("UID COPY 1 x").await, "T BAD Command Argument Error. 11");
    client.write("T SELECT {5+}\r\nINBOX\r\n").await;
    assert_eq!(client.line().await, "* 3 EXISTS");
}

/// A foreign client as the judge of our lines.
#[tokio::test]
async fn async_imap_reads_a_mailbox() {
    use futures_util::TryStreamExt as _;

    struct Xoauth2;
    impl async_imap::Authenticator for &Xoauth2 {
        type Response = String;
        fn process(&mut self, _challenge: &[u8]) -> String {
            format!("user=anna@adatum.example\u{1}auth=Bearer {GOOD}\u{1}\u{1}")
        }
    }

    let tenant = Client::new().await.tenant;
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    tokio::spawn(serve(theirs, tenant));
    let mut client = async_imap::Client::new(ours);
    client.read_response().await.unwrap().unwrap();
    let mut session = client.authenticate("XOAUTH2", &Xoauth2).await.map_err(|(error, _)| error).unwrap();
    assert!(session.capabilities().await.unwrap().has_str("UIDPLUS"));
    let names: Vec<_> = session.list(Some(""), Some("*")).await.unwrap().try_collect().await.unwrap();
    assert_eq!(names[1].name(), "Sent Items");
    let inbox = session.select("INBOX").await.unwrap();
    assert_eq!((inbox.exists, inbox.uid_validity, inbox.uid_next), (3, Some(14), Some(9)));
    assert_eq!(session.uid_search("UNSEEN").await.unwrap().len(), 2);
    let query =
        "(UID FLAGS RFC822.SIZE INTERNALDATE ENVELOPE BODY.PEEK[HEADER.FIELDS (Subject)] BODY.PEEK[])";
    let mails: Vec<_> = session.uid_fetch("5:*", query).await.unwrap().try_collect().await.unwrap();
    assert_eq!(mails.len(), 2);
    assert_eq!(
        (mails[0].uid, mails[0].size),
        (Some(5), Some(u32::try_from(message(5, "Two").mime.len()).unwrap()))
    );
    assert_eq!(mails[0].body().unwrap(), message(5, "Two").mime);
    assert_eq!(mails[0].envelope().unwrap().subject.as_deref(), Some(&b"Two (again)"[..]));
    assert_eq!(mails[0].internal_date().unwrap().to_rfc3339(), "2026-11-01T07:00:00+00:00");
    assert!(matches!(session.select("Nowhere").await, Err(async_imap::error::Error::No(_))));
    session.examine("Sent Items").await.unwrap();
    let mut idle = session.idle();
    idle.init().await.unwrap();
    let mut session = idle.done().await.unwrap();
    session.logout().await.unwrap();
}
