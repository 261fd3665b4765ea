//! One session: commands in, replies out, with bounded lines and messages.

use std::io;
use std::sync::Arc;

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};

use super::{Backend, Submitted};
use crate::access::{SmtpLogin, SmtpRefusal, check_smtp, smtp_sender};
use crate::imap::xoauth2;

const HOST: &str = "AM0PR01CA0001.outlook.office365.com";
/// What EHLO announces.
const MAX_MESSAGE: usize = 157_286_400;
/// Messages above this are refused all the same: they stay in memory here.
const HELD_MESSAGE: usize = 32 * 1024 * 1024;
/// A command without its end (RFC 5321, with room for long paths): a token never fits beside AUTH. A line that answers a
/// challenge may be longer (RFC 4954).
const COMMAND_LIMIT: usize = 2048;
const RESPONSE_LIMIT: usize = 12_288;
const MAX_RECIPIENTS: usize = 500;

const REFUSED: &str = "535 5.7.3 Authentication unsuccessful [AM0PR01CA0001.EURPR01.PROD.OUTLOOK.COM]";
const OFF_FOR_TENANT: &str = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information. [AM0PR01CA0001.EURPR01.PROD.OUTLOOK.COM]";
const OFF_FOR_MAILBOX: &str = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled for more information. [AM0PR01CA0001.EURPR01.PROD.OUTLOOK.COM]";
const SEND_AS_DENIED: &str = "550 5.7.60 SMTP; Client does not have permissions to send as this sender";
const BAD_SEQUENCE: &str = "503 5.5.1 Bad sequence of commands";

/// Why a session is over, when the connection is not broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Quit,
    StartTls,
}

pub(super) struct Session<S, B> {
    stream: BufReader<S>,
    backend: Arc<B>,
    secured: bool,
    greeted: bool,
    login: Option<SmtpLogin>,
    from: Option<String>,
    to: Vec<String>,
}

enum Line {
    Text(Vec<u8>),
    TooLong,
    End,
}

/// What follows a command.
enum Next {
    Reply(String),
    End(Ended),
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send, B: Backend> Session<S, B> {
    pub(super) fn new(stream: BufReader<S>, backend: Arc<B>, secured: bool) -> Self {
        Self { stream, backend, secured, greeted: false, login: None, from: None, to: Vec::new() }
    }

    pub(super) fn into_stream(self) -> BufReader<S> {
        self.stream
    }

    pub(super) async fn greet(&mut self) -> io::Result<()> {
        let now = self.backend.with_state(|_, now| now).strftime("%a, %-d %b %Y %H:%M:%S +0000");
        self.send(&format!("220 {HOST} Microsoft ESMTP MAIL Service ready at {now}")).await
    }

    pub(super) async fn run(&mut self) -> io::Result<Ended> {
        loop {
            let line = match self.read_line(COMMAND_LIMIT).await? {
                Line::Text(line) => line,
                Line::TooLong => {
                    self.send("500 5.5.2 Line too long").await?;
                    return Ok(Ended::Quit);
                }
                Line::End => return Ok(Ended::Quit),
            };
            let Ok(line) = String::from_utf8(line) else {
                self.send("500 5.5.2 Syntax error").await?;
                continue;
            };
            let (name, rest) = line.split_once(' ').unwrap_or((line.as_str(), ""));
            match self.execute(&name.to_ascii_uppercase(), rest.trim()).await? {
                Next::Reply(reply) => {
                    self.send(&reply).await?;
                    if reply.starts_with("421") {
                        return Ok(Ended::Quit);
                    }
                }
                Next::End(ended) => {
                    let farewell = match ended {
                        Ended::Quit => "221 2.0.0 Service closing transmission channel",
                        Ended::StartTls => "220 2.0.0 SMTP server ready",
                    };
                    self.send(farewell).await?;
                    return Ok(ended);
                }
            }
        }
    }

    async fn execute(&mut self, name: &str, rest: &str) -> io::Result<Next> {
        let reply = match name {
            "QUIT" => return Ok(Next::End(Ended::Quit)),
            "NOOP" => "250 2.0.0 OK".to_owned(),
            "RSET" => {
                self.forget();
                "250 2.0.0 Resetting".to_owned()
            }
            "EHLO" | "HELO" if rest.is_empty() => "501 5.5.4 Invalid domain name".to_owned(),
            "EHLO" | "HELO" => {
                self.forget();
                self.greeted = true;
                self.backend.fault("EHLO").unwrap_or_else(|| self.extensions(name == "EHLO"))
            }
            "STARTTLS" if self.secured || !self.greeted => BAD_SEQUENCE.to_owned(),
            "STARTTLS" => return Ok(Next::End(Ended::StartTls)),
            "AUTH" | "MAIL" | "RCPT" | "DATA" if !self.greeted => "503 5.5.2 Send hello first".to_owned(),
            "AUTH" | "MAIL" | "RCPT" | "DATA" if !self.secured => {
                "530 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM: STARTTLS is required"
                    .to_owned()
            }
            "AUTH" if self.login.is_some() => BAD_SEQUENCE.to_owned(),
            "AUTH" => self.authenticate(rest).await?,
            "MAIL" | "RCPT" | "DATA" if self.login.is_none() => {
                "530 5.7.57 Client not authenticated to send mail.".to_owned()
            }
            "MAIL" => self.mail(rest),
            "RCPT" => self.recipient(rest),
            "DATA" => self.data().await?,
            _ => "500 5.3.3 Unrecognized command 'unknown'".to_owned(),
        };
        Ok(Next::Reply(reply))
    }

    fn extensions(&self, extended: bool) -> String {
        if !extended {
            return format!("250 {HOST} Hello [127.0.0.1]");
        }
        let secured = if self.secured { "AUTH LOGIN XOAUTH2" } else { "STARTTLS" };
        [
            &format!("{HOST} Hello [127.0.0.1]"),
            &format!("SIZE {MAX_MESSAGE}"),
            "PIPELINING",
            "DSN",
            "ENHANCEDSTATUSCODES",
            secured,
            "8BITMIME",
        ]
        .map(|line| format!("250-{line}"))
        .into_iter()
        .chain(["250 SMTPUTF8".to_owned()])
        .collect::<Vec<_>>()
        .join("\r\n")
    }

    /// `AUTH XOAUTH2`, the string on the same line when it fits, else after the challenge. A refusal has no challenge.
    async fn authenticate(&mut self, rest: &str) -> io::Result<String> {
        let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
        match mechanism.to_ascii_uppercase().as_str() {
            "XOAUTH2" => {}
            "LOGIN" | "PLAIN" => {
                self.backend.journal("SMTP AUTH refused: passwords are off".to_owned());
                return Ok(
                    "550 5.7.30 Basic authentication is not supported for Client Submission.".to_owned()
                );
            }
            _ => return Ok("504 5.7.4 Unrecognized authentication type".to_owned()),
        }
        let mut response = initial.trim().as_bytes().to_vec();
        if response.is_empty() {
            self.send("334 ").await?;
            response = match self.read_line(RESPONSE_LIMIT).await? {
                Line::Text(line) => line,
                Line::TooLong => {
                    return Ok("421 4.7.0 Line too long, closing transmission channel".to_owned());
                }
                Line::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            };
        }
        if response == b"*" {
            return Ok("501 5.7.0 Authentication cancelled".to_owned());
        }
        if let Some(fault) = self.backend.fault("AUTH") {
            return Ok(fault);
        }
        let Some((user, token)) = xoauth2(&response) else {
            self.backend.journal("SMTP AUTH refused: malformed XOAUTH2 string".to_owned());
            return Ok("501 5.5.124 Invalid XOAUTH2 auth data".to_owned());
        };
        let Some(caller) = self.backend.caller(&token) else {
            self.backend.journal(format!("SMTP AUTH user={user} refused: the token is not valid"));
            return Ok(REFUSED.to_owned());
        };
        let app = caller.app_id;
        match self.backend.with_state(|state, now| check_smtp(state, &caller, &user, now)) {
            Ok(login) => {
                self.backend.journal(format!("SMTP AUTH user={user} app={app} accepted"));
                self.login = Some(login);
                Ok("235 2.7.0 Authentication successful".to_owned())
            }
            Err(refusal) => {
                self.backend.journal(format!("SMTP AUTH user={user} app={app} refused: {refusal:?}"));
                Ok(match refusal {
                    SmtpRefusal::OffForTenant => OFF_FOR_TENANT,
                    SmtpRefusal::OffForMailbox => OFF_FOR_MAILBOX,
                    _ => REFUSED,
                }
                .to_owned())
            }
        }
    }

    fn mail(&mut self, rest: &str) -> String {
        if self.from.is_some() {
            return BAD_SEQUENCE.to_owned();
        }
        let Some((address, parameters)) = path(rest, "FROM:") else {
            return "501 5.1.7 Invalid address".to_owned();
        };
        if let Some(fault) = self.backend.fault("MAIL") {
            return fault;
        }
        let size = parameters.split_ascii_whitespace().find_map(|p| p.strip_prefix("SIZE="));
        if size.and_then(|s| s.parse::<usize>().ok()).is_some_and(|size| size > MAX_MESSAGE) {
            return "552 5.3.4 Message size exceeds fixed maximum message size".to_owned();
        }
        if !self.may_send_as(&address) {
            self.backend.journal(format!("SMTP MAIL FROM={address} refused: no Send As"));
            return SEND_AS_DENIED.to_owned();
        }
        self.from = Some(address);
        "250 2.1.0 Sender OK".to_owned()
    }

    fn may_send_as(&self, address: &str) -> bool {
        self.login.is_some_and(|login| {
            self.backend.with_state(|s, now| smtp_sender(s, login, address, now)).is_some()
        })
    }

    fn recipient(&mut self, rest: &str) -> String {
        if self.from.is_none() {
            return "503 5.5.2 Need mail command".to_owned();
        }
        let Some((address, _)) = path(rest, "TO:").filter(|(address, _)| address.contains('@')) else {
            return "501 5.1.3 Invalid address".to_owned();
        };
        if let Some(fault) = self.backend.fault("RCPT") {
            return fault;
        }
        if self.to.len() >= MAX_RECIPIENTS {
            return "452 4.5.3 Too many recipients".to_owned();
        }
        self.to.push(address);
        "250 2.1.5 Recipient OK".to_owned()
    }

    /// The message up to the final dot. Its `From` must be a permitted sender as well.
    async fn data(&mut self) -> io::Result<String> {
        let (Some(login), Some(from)) = (self.login, self.from.clone()) else {
            return Ok("503 5.5.2 Need mail command".to_owned());
        };
        if self.to.is_empty() {
            return Ok("503 5.5.2 Need rcpt command".to_owned());
        }
        self.send("354 Start mail input; end with <CRLF>.<CRLF>").await?;
        let Some(mime) = self.message().await? else {
            self.forget();
            return Ok("552 5.3.4 Message size exceeds fixed maximum message size".to_owned());
        };
        let to = std::mem::take(&mut self.to);
        self.forget();
        if let Some(fault) = self.backend.fault("DATA") {
            return Ok(fault);
        }
        let shown = crate::graph::mime::header(&mime, "from")
            .and_then(|value| crate::graph::mime::addresses(&value).into_iter().next());
        if shown.is_some_and(|shown| !self.may_send_as(&shown)) {
            self.backend.journal(format!("SMTP DATA FROM={from} refused: no Send As for the From header"));
            return Ok("554 5.2.252 SendAsDenied; the mailbox is not allowed to send as the address in From"
                .to_owned());
        }
        self.backend.journal(format!("SMTP DATA FROM={from} TO={} accepted", to.join(",")));
        self.backend.deliver(Submitted { mailbox: login.mailbox, from, to, mime });
        Ok("250 2.0.0 OK [Hostname=AM0PR01MB0001.eurprd01.prod.exchangelabs.com]".to_owned())
    }

    /// Lines without their stuffed dots; `None` when they are too many.
    async fn message(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut message = Some(Vec::new());
        loop {
            let mut line = Vec::new();
            // A line of a message is bounded by the message.
            let mut limited = (&mut self.stream).take(HELD_MESSAGE as u64);
            limited.read_until(b'\n', &mut line).await?;
            if line.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line == b".\r\n" {
                return Ok(message);
            }
            let text = line.strip_prefix(b".").unwrap_or(&line);
            match &mut message {
                Some(held) if held.len() + text.len() <= HELD_MESSAGE => held.extend_from_slice(text),
                _ => message = None,
            }
        }
    }

    /// Forgets the message in the making; the login stays.
    fn forget(&mut self) {
        self.from = None;
        self.to.clear();
    }

    async fn send(&mut self, line: &str) -> io::Result<()> {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.stream.flush().await
    }

    /// One line without its end, at most `limit` bytes.
    async fn read_line(&mut self, limit: usize) -> io::Result<Line> {
        let mut line = vec![];
        let mut limited = (&mut self.stream).take(limit as u64 + 2);
        limited.read_until(b'\n', &mut line).await?;
        if line.pop_if(|b| *b == b'\n').is_none() {
            return Ok(if line.len() > limit { Line::TooLong } else { Line::End });
        }
        line.pop_if(|b| *b == b'\r');
        Ok(Line::Text(line))
    }
}

/// `FROM:<address> PARAMETERS`
fn path(rest: &str, keyword: &str) -> Option<(String, String)> {
    let (start, rest) = rest.split_at_checked(keyword.len())?;
    let (address, parameters) = rest
        .trim_start()
        .strip_prefix('<')
        .filter(|_| start.eq_ignore_ascii_case(keyword))?
        .split_once('>')?;
    Some((address.to_owned(), parameters.to_ascii_uppercase()))
}
