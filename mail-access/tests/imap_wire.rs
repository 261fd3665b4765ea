//! Mail over IMAP against a scripted server that speaks like Exchange Online, its refusals and its accidents included.
#![cfg(feature = "imap")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at its first surprise"
)]

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use m365_core::{AccessToken, Credential, ErrorKind, HostPort, Result, TokenCredential, TokenRequest};
use mail_access::Mailbox;
use mail_access::mail::imap::{ImapServer, TlsRoots};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const CLASSIC: &str =
    "* OK The Microsoft Exchange IMAP4 service is ready. [VABFADEAUABSADAAMQBNAEIAMAAwADAAMQAuAGUAeAA=]";
const FRONT_END: &str = "* OK Microsoft Exchange IMAP4 service ready. 6f2d8a34-1c77-4b3e-9d10-7f0a54c2be91 (tcpproxy/15.21.0406.000 BACKENDAUTHENTICATE) [QU0xUFIwMQ==]";
const THROTTLED: &str = "{tag} BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds";
const WAIT: Duration = Duration::from_millis(92_415);
const NOT_CONNECTED: &str = "* BAD User is authenticated but not connected.";
const REFUSED: &str = "{tag} NO AUTHENTICATE failed.";

/// What the server does after a line of the client; `{tag}` stands for the command's tag.
enum Turn {
    Say(String),
    SayAndLeave(String),
    /// A refusal as a challenge, which the client must answer before it gets the final line.
    Challenge(&'static str, &'static str),
}

impl From<&str> for Turn {
    fn from(text: &str) -> Self {
        Self::Say(text.to_owned())
    }
}

/// An ordinary inbox of three messages under this UIDVALIDITY.
fn ordinary(command: &str, uid_validity: u32) -> Turn {
    let said = match command.split(' ').next().unwrap() {
        "GREETING" => CLASSIC.to_owned(),
        "SASL" => "{tag} OK AUTHENTICATE completed.".to_owned(),
        "NOOP" => "{tag} OK NOOP completed.".to_owned(),
        "EXAMINE" => format!(
            "* 3 EXISTS\r\n* 0 RECENT\r\n* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $MDNSent)\r\n* OK [PERMANENTFLAGS (\\Seen)] Permanent flags\r\n* OK [UIDVALIDITY {uid_validity}] UIDVALIDITY value\r\n* OK [UIDNEXT 12] The next unique identifier value\r\n{{tag}} OK [READ-ONLY] EXAMINE completed."
        ),
        "FETCH" | "UID" if command.contains("BODY.PEEK[]") => {
            let mime = "Subject: nine\r\n\r\nBody of nine.\r\n";
            format!("* 2 FETCH (UID 9 BODY[] {{{}}}\r\n{mime})\r\n{{tag}} OK FETCH completed.", mime.len())
        }
        "FETCH" | "UID" => {
            let by_uid = command.starts_with("UID");
            let set = command.trim_start_matches("UID ").split(' ').nth(1).unwrap();
            let (first, last) = set.split_once(':').unwrap_or((set, set));
            let wanted = first.parse::<u32>().unwrap()..=last.parse().unwrap();
            let rows: String = [(1, 8), (2, 9), (3, 10)]
                .into_iter()
                .filter(|(number, uid)| wanted.contains(if by_uid { uid } else { number }))
                .map(|(number, uid)| row(number, uid) + "\r\n")
                .collect();
            format!("{rows}{{tag}} OK FETCH completed.")
        }
        other => format!("{{tag}} BAD Command Error. 12 {other}"),
    };
    Turn::Say(said)
}

fn row(number: u32, uid: u32) -> String {
    let header =
        format!("Subject: Number {uid}\r\nFrom: Ann <ann@contoso.example>\r\nMessage-ID: <{uid}@x>\r\n\r\n");
    format!(
        "* {number} FETCH (UID {uid} FLAGS (\\Seen) INTERNALDATE \"21-Nov-2026 08:00:00 +0000\" BODY[HEADER.FIELDS (SUBJECT FROM MESSAGE-ID)] {{{}}}\r\n{header})",
        header.len()
    )
}

type Play = dyn Fn(usize, &str) -> Turn + Send + Sync;

/// A TLS server that plays a script and remembers each line of each connection.
struct Server {
    port: u16,
    ca: String,
    seen: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Server {
    /// `play` is asked with the number of the connection, from 0, and the line: `GREETING`, `SASL`, or a command.
    async fn start(play: impl Fn(usize, &str) -> Turn + Send + Sync + 'static) -> Self {
        let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
        let (lines, play): (_, Arc<Play>) = (Arc::clone(&seen), Arc::new(play));
        tokio::spawn(async move {
            for number in 0.. {
                let (tcp, _) = listener.accept().await.unwrap();
                lines.lock().unwrap().push(Vec::new());
                let (acceptor, lines, play) = (acceptor.clone(), Arc::clone(&lines), Arc::clone(&play));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(tcp).await {
                        let note = |line: &str| lines.lock().unwrap()[number].push(line.to_owned());
                        // The client may leave at any time.
                        let _left = converse(stream, |line| play(number, line), note).await;
                    }
                });
            }
        });
        Self { port, ca: certified.cert.pem(), seen }
    }

    fn mailbox(&self, tokens: &Tokens) -> Mailbox {
        let server = ImapServer::new(HostPort::new("localhost", self.port))
            .with_roots(TlsRoots::only(&self.ca).unwrap());
        Mailbox::imap(server, Credential::new(tokens.clone()), "queue+mail@contoso.example".parse().unwrap())
    }

    fn connections(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    fn lines(&self) -> Vec<String> {
        self.seen.lock().unwrap().concat()
    }

    /// The SASL strings that arrived.
    fn sasl(&self) -> Vec<String> {
        self.lines().iter().filter_map(|l| l.strip_prefix("SASL ")).map(str::to_owned).collect()
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    play: impl Fn(&str) -> Turn,
    note: impl Fn(&str),
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut tag = "*".to_owned();
    let mut command = "GREETING".to_owned();
    loop {
        let (said, leave) = match play(&command) {
            Turn::Say(said) => (said, false),
            Turn::SayAndLeave(said) => (said, true),
            Turn::Challenge(json, said) => {
                stream.write_all(format!("+ {}\r\n", STANDARD.encode(json)).as_bytes()).await?;
                stream.flush().await?;
                let mut answer = String::new();
                stream.read_line(&mut answer).await?;
                note(&format!("ANSWER {answer:?}"));
                (said.to_owned(), false)
            }
        };
        let end = if leave { "" } else { "\r\n" };
        stream.write_all(format!("{}{end}", said.replace("{tag}", &tag)).as_bytes()).await?;
        stream.flush().await?;
        if leave {
            return stream.shutdown().await;
        }
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let line = line.trim_end_matches("\r\n");
        let (its_tag, rest) = line.split_once(' ').unwrap_or((line, ""));
        (tag, command) = (its_tag.to_owned(), rest.to_owned());
        note(&command);
        if command.starts_with("AUTHENTICATE") {
            stream.write_all(b"+ \r\n").await?;
            stream.flush().await?;
            let mut sasl = String::new();
            stream.read_line(&mut sasl).await?;
            let sasl = STANDARD.decode(sasl.trim_end_matches("\r\n")).unwrap();
            note(&format!("SASL {}", String::from_utf8(sasl).unwrap()));
            command = "SASL".to_owned();
        }
    }
}

/// A credential that hands out the next token when one was rejected, and the last one for ever.
#[derive(Clone, Debug)]
struct Tokens(Arc<Mutex<Vec<AccessToken>>>);

impl Tokens {
    fn new(tokens: &[&str]) -> Self {
        let tokens = tokens.iter().map(|t| AccessToken::new(t, jiff::Timestamp::MAX).unwrap()).collect();
        Self(Arc::new(Mutex::new(tokens)))
    }
}

impl TokenCredential for Tokens {
    async fn get_token(&self, request: &TokenRequest) -> Result<AccessToken> {
        let mut tokens = self.0.lock().unwrap();
        if request.rejected.as_ref() == tokens.first() && tokens.len() > 1 {
            tokens.remove(0);
        }
        Ok(tokens[0].clone())
    }
}

fn two() -> Tokens {
    Tokens::new(&["token-one", "token-two"])
}

/// No call of these tests may hang.
async fn soon<T>(call: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), call).await.expect("the client hangs")
}

#[tokio::test]
async fn the_newest_messages_are_listed_and_one_is_read() {
    let server = Server::start(|_, line| ordinary(line, 14)).await;
    let mailbox = server.mailbox(&two());
    let list = soon(mailbox.newest(3)).await.unwrap();
    let subjects: Vec<&str> = list.iter().map(|m| m.subject.as_str()).collect();
    assert_eq!(subjects, ["Number 10", "Number 9", "Number 8"], "same instant: the higher UID is newer");
    assert_eq!(list[1].id.as_str(), "14:9");
    let mime = soon(mailbox.mime(&list[1].id)).await.unwrap().collect(1_000).await.unwrap();
    assert_eq!(&mime[..], b"Subject: nine\r\n\r\nBody of nine.\r\n");
    assert_eq!(server.connections(), 1, "the session is kept");
}

#[tokio::test]
async fn trap_nothing_that_exchange_lacks_is_used_even_when_it_is_advertised() {
    const ADVERTISED: &str = "IMAP4 IMAP4rev1 AUTH=XOAUTH2 LOGINDISABLED SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+ ENABLE IMAP4rev2 CONDSTORE QRESYNC ESEARCH SPECIAL-USE XLIST BACKENDAUTHENTICATE-IR";
    let server = Server::start(|_, line| match line {
        "GREETING" => FRONT_END.into(),
        "SASL" => {
            Turn::Say(format!("* CAPABILITY {ADVERTISED}\r\n{{tag}} OK [CAPABILITY {ADVERTISED}] done."))
        }
        line => ordinary(line, 14),
    })
    .await;
    let mailbox = server.mailbox(&two());
    soon(mailbox.probe()).await.unwrap();
    let list = soon(mailbox.newest(2)).await.unwrap();
    soon(mailbox.get(&list[0].id)).await.unwrap();
    soon(mailbox.mime(&list[1].id)).await.unwrap();
    for line in server.lines() {
        let first = line.split(' ').next().unwrap();
        assert!(["AUTHENTICATE", "SASL", "EXAMINE", "NOOP", "FETCH", "UID"].contains(&first), "{line}");
        for word in ["CONDSTORE", "CHANGEDSINCE", "MODSEQ", "QRESYNC", "RETURN", "STORE", "IDLE"] {
            assert!(!line.to_ascii_uppercase().contains(word), "{line}");
        }
        assert!(!line.contains("BODY["), "only PEEK leaves messages unread: {line}");
    }
}

#[tokio::test]
async fn trap_a_refused_login_is_tried_twice_with_two_different_tokens() {
    const JSON: &str = r#"{"status":"401","schemes":"bearer","scope":"https://outlook.office.com/"}"#;
    for challenge in [false, true] {
        let server = Server::start(move |_, line| match line {
            "SASL" if challenge => Turn::Challenge(JSON, REFUSED),
            "SASL" => REFUSED.into(),
            line => ordinary(line, 14),
        })
        .await;
        let error = soon(server.mailbox(&two()).probe()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert_eq!(error.diagnosis().id(), "IMAP-AUTH-FAILED");
        assert_eq!(error.mailbox(), Some("queue+mail@contoso.example"));
        assert!(!error.is_transient());
        let expected = ["token-one", "token-two"]
            .map(|t| format!("user=queue+mail@contoso.example\u{1}auth=Bearer {t}\u{1}\u{1}"));
        assert_eq!(server.sasl(), expected);
        let answers: Vec<String> = server.lines().into_iter().filter(|l| l.starts_with("ANSWER")).collect();
        assert_eq!(answers, vec!["ANSWER \"\\r\\n\""; if challenge { 2 } else { 0 }]);
    }
}

#[tokio::test]
async fn a_refused_token_is_not_sent_again_when_there_is_no_other() {
    let server = Server::start(|_, line| match line {
        "SASL" => REFUSED.into(),
        line => ordinary(line, 14),
    })
    .await;
    soon(server.mailbox(&Tokens::new(&["only-one"])).probe()).await.unwrap_err();
    assert_eq!(server.sasl().len(), 1);
}

#[tokio::test]
async fn a_fresh_token_opens_what_the_stale_one_did_not() {
    let server = Server::start(|connection, line| match line {
        "SASL" if connection == 0 => REFUSED.into(),
        line => ordinary(line, 14),
    })
    .await;
    assert_eq!(soon(server.mailbox(&two()).newest(3)).await.unwrap().len(), 3);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn trap_throttled_at_login_is_a_wait_and_no_bad_password() {
    let server = Server::start(|_, line| match line {
        "SASL" => THROTTLED.into(),
        line => ordinary(line, 14),
    })
    .await;
    let error = soon(server.mailbox(&two()).newest(3)).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, Some(WAIT)));
    assert_eq!(error.diagnosis().id(), "THR-IMAP");
    assert_eq!(server.sasl().len(), 1, "a throttled login is not repeated");
}

#[tokio::test]
async fn trap_throttled_later_is_a_wait_and_never_a_short_list() {
    for at in ["EXAMINE", "FETCH", "FETCH after a row"] {
        let server = Server::start(move |_, line| match line.split(' ').next().unwrap() {
            "EXAMINE" if at == "EXAMINE" => THROTTLED.into(),
            "FETCH" if at == "FETCH" => THROTTLED.into(),
            "FETCH" if at == "FETCH after a row" => Turn::Say(format!("{}\r\n{THROTTLED}", row(1, 8))),
            _ => ordinary(line, 14),
        })
        .await;
        let error = soon(server.mailbox(&two()).newest(3)).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, Some(WAIT)), "{at}: {error}");
        assert_eq!(server.connections(), 1, "{at}");
        assert!(!error.message().contains("outcome"), "the server's own line, not a library's: {error}");
    }
}

#[tokio::test]
async fn a_throttled_kept_session_spends_no_new_login() {
    let server = Server::start(|_, line| match line {
        "NOOP" => THROTTLED.into(),
        line => ordinary(line, 14),
    })
    .await;
    let mailbox = server.mailbox(&two());
    soon(mailbox.probe()).await.unwrap();
    let error = soon(mailbox.probe()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, Some(WAIT)));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn trap_authenticated_but_not_connected_is_reconnected_once_and_then_diagnosed() {
    for at in ["EXAMINE", "FETCH"] {
        for cured in [true, false] {
            let server = Server::start(move |connection, line| {
                if line.starts_with(at) && (connection == 0 || !cured) {
                    NOT_CONNECTED.into()
                } else {
                    ordinary(line, 14)
                }
            })
            .await;
            let list = soon(server.mailbox(&two()).newest(3)).await;
            assert_eq!(server.connections(), 2, "{at}");
            if cured {
                assert_eq!(list.unwrap().len(), 3);
            } else {
                let error = list.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::PermissionDenied);
                assert_eq!(error.diagnosis().id(), "IMAP-NOT-CONNECTED");
                assert_eq!(server.sasl()[0], server.sasl()[1], "the token was good");
            }
        }
    }
}

#[tokio::test]
async fn the_tagged_form_of_not_connected_means_the_same() {
    let server = Server::start(|_, line| match line.split(' ').next().unwrap() {
        "EXAMINE" => "{tag} BAD User is authenticated but not connected.".into(),
        _ => ordinary(line, 14),
    })
    .await;
    let error = soon(server.mailbox(&two()).probe()).await.unwrap_err();
    assert_eq!(error.diagnosis().id(), "IMAP-NOT-CONNECTED");
    assert_eq!(error.message(), "BAD User is authenticated but not connected.");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn trap_a_connection_that_ends_inside_an_answer_is_an_error_not_a_short_list() {
    let half = row(2, 9);
    let half = half[..half.len() / 2].to_owned();
    let ends = [
        ("FETCH", format!("{}\r\n* BYE Connection closed. 14\r\n", row(1, 8))),
        ("FETCH", format!("{}\r\n", row(1, 8))),
        ("FETCH", format!("{}\r\n{half}", row(1, 8))),
        ("FETCH", String::new()),
        ("EXAMINE", "* BYE Connection closed. 14\r\n".to_owned()),
        ("EXAMINE", "* 0 EXISTS\r\n".to_owned()),
        ("EXAMINE", "* 0 EXISTS\r\n* OK [UIDVALIDITY 14] UIDVALIDITY value\r\n".to_owned()),
        ("EXAMINE", String::new()),
        ("SASL", "* BYE Connection closed. 14\r\n".to_owned()),
        ("SASL", String::new()),
        ("GREETING", String::new()),
    ];
    for (at, said) in ends {
        let shown = format!("{at} {said:?}");
        let server = Server::start(move |_, line| {
            if line.starts_with(at) { Turn::SayAndLeave(said.clone()) } else { ordinary(line, 14) }
        })
        .await;
        let error = soon(server.mailbox(&two()).newest(3)).await.expect_err(&shown);
        assert_eq!(error.kind(), ErrorKind::Network, "{shown}: {error}");
        assert!(error.is_transient(), "{shown}");
    }
}

#[tokio::test]
async fn trap_a_kept_session_that_breaks_while_reopening_the_inbox_is_no_empty_inbox() {
    let examined = Mutex::new(0);
    let server = Server::start(move |_, line| {
        if line.starts_with("EXAMINE") {
            let mut examined = examined.lock().unwrap();
            *examined += 1;
            // Once to open, once to list; the third time the server is gone.
            if *examined == 3 {
                return Turn::SayAndLeave(String::new());
            }
        }
        ordinary(line, 14)
    })
    .await;
    let mailbox = server.mailbox(&two());
    assert_eq!(soon(mailbox.newest(3)).await.unwrap().len(), 3);
    assert_eq!(soon(mailbox.newest(3)).await.unwrap_err().kind(), ErrorKind::Network);
    assert_eq!(soon(mailbox.newest(3)).await.unwrap().len(), 3, "the next call connects anew");
}

#[tokio::test]
async fn a_message_that_breaks_off_is_no_message() {
    let server = Server::start(|_, line| {
        if line.contains("BODY.PEEK[]") {
            Turn::SayAndLeave("* 2 FETCH (UID 9 BODY[] {4000}\r\nSubject: cut".to_owned())
        } else {
            ordinary(line, 14)
        }
    })
    .await;
    let mailbox = server.mailbox(&two());
    let list = soon(mailbox.newest(3)).await.unwrap();
    assert_eq!(soon(mailbox.mime(&list[0].id)).await.unwrap_err().kind(), ErrorKind::Network);
}

#[tokio::test]
async fn trap_a_changed_uidvalidity_makes_old_ids_gone() {
    // Every connection finds the mailbox rebuilt, and so does every EXAMINE but the first of a connection.
    let opened = Mutex::new(0);
    let server = Server::start(move |_, line| {
        let mut opened = opened.lock().unwrap();
        *opened += u32::from(line.starts_with("EXAMINE"));
        ordinary(line, *opened)
    })
    .await;
    let mailbox = server.mailbox(&two());
    let first = soon(mailbox.newest(1)).await.unwrap();
    assert_eq!(
        first[0].id.as_str(),
        "2:10",
        "ids belong to the inbox as it was listed, not as it was opened"
    );
    assert_eq!(soon(mailbox.get(&first[0].id)).await.unwrap().id, first[0].id);
    let second = soon(mailbox.newest(1)).await.unwrap();
    assert_eq!(second[0].id.as_str(), "3:10");
    let gone = soon(mailbox.mime(&first[0].id)).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    assert!(
        !server.lines().iter().any(|l| l.contains("UID FETCH 10 (UID BODY")),
        "it was not even asked for"
    );
}

#[tokio::test]
async fn temporary_failures_are_not_refusals() {
    for line in [
        "{tag} NO [UNAVAILABLE] Temporary authentication failure. [host:2026-11-21 08:00:00]",
        "{tag} NO [UNAVAILABLE] Service is not available.",
    ] {
        let server = Server::start(move |_, command| match command {
            "SASL" => line.into(),
            command => ordinary(command, 14),
        })
        .await;
        let error = soon(server.mailbox(&two()).probe()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.is_transient());
        assert_eq!(server.sasl().len(), 1, "no second token is spent on it");
    }
}

#[tokio::test]
async fn trap_tokens_of_every_size_arrive_whole() {
    for size in [600, 900, 2_400, 6_000] {
        let token: String = (0..size).map(|n| char::from(b'a' + u8::try_from(n % 26).unwrap())).collect();
        let server = Server::start(|_, line| ordinary(line, 14)).await;
        soon(server.mailbox(&Tokens::new(&[&token])).probe()).await.unwrap();
        let expected = format!("user=queue+mail@contoso.example\u{1}auth=Bearer {token}\u{1}\u{1}");
        assert_eq!(server.sasl(), [expected]);
    }
}

/// Everything that any library writes to the `log` facade or to tracing, at the finest level.
fn overheard() -> &'static Mutex<String> {
    struct Ear(Mutex<String>);
    impl log::Log for Ear {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            writeln!(self.0.lock().unwrap(), "{}: {}", record.target(), record.args()).unwrap();
        }
        fn flush(&self) {}
    }
    struct Writer;
    impl std::io::Write for Writer {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            EAR.get().unwrap().0.lock().unwrap().push_str(&String::from_utf8_lossy(text));
            Ok(text.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    static EAR: OnceLock<Ear> = OnceLock::new();
    let ear = EAR.get_or_init(|| Ear(Mutex::default()));
    if log::set_logger(ear).is_ok() {
        log::set_max_level(log::LevelFilter::Trace);
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_writer(|| Writer)
            .init();
    }
    &ear.0
}

#[tokio::test]
async fn trap_nothing_of_the_sasl_string_is_logged_traced_or_told() {
    const SECRET: &str = "eyJ0eXAiOiJKV1QifQ.s3cr3t-p4yload.s1gnature";
    let heard = overheard();
    let server = Server::start(|connection, line| match line {
        "SASL" if connection < 2 => REFUSED.into(),
        // A server that cannot be understood, and quotes what it was told.
        "NOOP" => Turn::Say(format!("* {SECRET} \u{0} (\r\n{{tag}} BAD no")),
        line => ordinary(line, 14),
    })
    .await;
    let tokens = Tokens::new(&[SECRET, &format!("{SECRET}2")]);
    let mailbox = server.mailbox(&tokens);
    let mut told = format!("{:?}", soon(mailbox.probe()).await.unwrap_err());
    soon(mailbox.newest(3)).await.unwrap();
    // The kept session is unreadable: a new one is opened.
    soon(mailbox.newest(3)).await.unwrap();
    write!(told, "{mailbox:?} {tokens:?}").unwrap();
    let sasl = STANDARD.encode(&server.sasl()[0]);
    let base64_of_token = STANDARD.encode(SECRET);
    told.push_str(&heard.lock().unwrap());
    assert!(told.contains("AUTHENTICATE XOAUTH2"), "the facade was listened to");
    let client_lines: String = told.lines().filter(|l| !l.contains("decode: input")).collect();
    for part in [SECRET, "s3cr3t", &sasl, &sasl[40..80], &base64_of_token] {
        assert!(!client_lines.contains(part), "{part} was told");
    }
    assert!(!told.contains(&sasl) && !told.contains(&sasl[40..80]));
}
