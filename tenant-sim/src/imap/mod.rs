//! IMAP as Exchange Online speaks it: few extensions, XOAUTH2 only, one text for every refused login.
//! <https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth>

mod fetch;
mod parse;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use uuid::Uuid;

pub(crate) use self::parse::xoauth2;
use self::parse::{FetchItem, NumberSet, Reader, SearchKey, SearchRefusal};
use crate::Caller;
use crate::access::{ImapLogin, check_imap};
use crate::state::{Message, State};

const GREETING: &str =
    "* OK The Microsoft Exchange IMAP4 service is ready. [QU0xUFIwMU1CMDAwMS5FVVJQUjAxLnByb2Q=]";
const CAPABILITIES: &str = "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+";
const CAPABILITIES_AFTER_LOGIN: &str = " CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE";
const FLAGS: &str = "(\\Seen \\Answered \\Flagged \\Deleted \\Draft $MDNSent)";
const ARGUMENT_ERROR: &str = "BAD Command Argument Error. 11";
const NOT_CONNECTED: &str = "BAD User is authenticated but not connected.";
const LOGIN_FAILED: &str = "NO AUTHENTICATE failed.";
const BASIC_BLOCKED: &str = "NO LOGIN failed. Error=\"AuthFailed:LogonDenied-BasicAuthBlocked\"";

/// Longest command; only AUTHENTICATE, which carries a token, may be longer.
const COMMAND_LIMIT: usize = 10_240;
const TOKEN_LIMIT: usize = 16_384;

const FOLDERS: [&str; 4] = ["INBOX", "Sent Items", "Drafts", "Deleted Items"];

/// What the session needs from the tenant around it.
pub(crate) trait Backend: Send + Sync + 'static {
    /// Who a bearer token speaks for; `None` when it is not valid now.
    fn caller(&self, bearer: &str) -> Option<Caller>;
    /// Runs with the tenant's state and time.
    fn with_state<R>(&self, f: impl FnOnce(&mut State, Timestamp) -> R) -> R;
    /// A server line (without tag) to send instead of doing `AUTHENTICATE`, `SELECT` or `FETCH`; one that begins with `BYE`
    /// is sent untagged and ends the session.
    fn fault(&self, step: &str) -> Option<String>;
    /// Notes what happened.
    fn journal(&self, line: String);
}

/// Speaks to one client until it leaves or the connection breaks.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send>(stream: S, backend: Arc<impl Backend>) {
    let mut session = Session { stream: BufReader::new(stream), backend, login: None, selected: None };
    let served = match session.run().await {
        // The client is told that this is the end, and not an accident.
        Ok(()) => session.stream.shutdown().await,
        broken => broken,
    };
    if let Err(error) = served {
        tracing::debug!(%error, "an IMAP connection broke");
    }
}

struct Session<S, B> {
    stream: BufReader<S>,
    backend: Arc<B>,
    login: Option<ImapLogin>,
    selected: Option<Selected>,
}

struct Selected {
    folder: usize,
    read_only: bool,
    /// UIDs by sequence number, as the client knows them.
    uids: Vec<u32>,
}

/// What follows a command.
enum Next {
    /// The final line, without tag.
    Reply(String),
    /// The connection ends.
    Close,
}

enum Line {
    Text(Vec<u8>),
    TooLong,
    End,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send, B: Backend> Session<S, B> {
    async fn run(&mut self) -> io::Result<()> {
        self.send(GREETING).await?;
        loop {
            let line = match self.read_command().await? {
                Line::Text(line) => line,
                Line::TooLong => {
                    self.send("* BAD Command line too long.").await?;
                    return self.send("* BYE Connection closed. 14").await;
                }
                Line::End => return Ok(()),
            };
            let Some((tag, name, arguments)) = parse::command(&line) else {
                self.send("* BAD Command Error. 12").await?;
                continue;
            };
            if name != "AUTHENTICATE" && line.len() > COMMAND_LIMIT {
                self.send(&format!("{tag} BAD Command line too long.")).await?;
                return self.send("* BYE Connection closed. 14").await;
            }
            match self.execute(&name, arguments).await? {
                Next::Reply(reply) => match reply.strip_prefix("BYE") {
                    Some(farewell) => return self.send(&format!("* BYE{farewell}")).await,
                    None => self.send(&format!("{tag} {reply}")).await?,
                },
                Next::Close => {
                    self.send("* BYE Microsoft Exchange Server IMAP4 server signing off.").await?;
                    return self.send(&format!("{tag} OK LOGOUT completed.")).await;
                }
            }
        }
    }

    async fn execute(&mut self, name: &str, mut arguments: Reader<'_>) -> io::Result<Next> {
        let reply = match (name, self.login) {
            ("CAPABILITY", login) => {
                let more = if login.is_some() { CAPABILITIES_AFTER_LOGIN } else { "" };
                self.send(&format!("* CAPABILITY {CAPABILITIES}{more}")).await?;
                "OK CAPABILITY completed.".to_owned()
            }
            ("LOGOUT", _) => return Ok(Next::Close),
            ("ID", _) => {
                self.send("* ID (\"name\" \"Microsoft.Exchange.Imap4.Imap4Server\" \"version\" \"15.20\")")
                    .await?;
                "OK ID completed".to_owned()
            }
            ("NOOP", _) => {
                self.announce().await?;
                "OK NOOP completed.".to_owned()
            }
            ("AUTHENTICATE", None) => self.authenticate(arguments).await?,
            ("LOGIN", None) => {
                self.backend.journal("IMAP LOGIN refused: passwords are off".to_owned());
                BASIC_BLOCKED.to_owned()
            }
            (_, None) | ("AUTHENTICATE" | "LOGIN", Some(_)) => {
                "BAD Command received in Invalid state.".to_owned()
            }
            (_, Some(login)) if !login.connected => NOT_CONNECTED.to_owned(),
            ("NAMESPACE", Some(_)) => {
                self.send("* NAMESPACE ((\"\" \"/\")) NIL NIL").await?;
                "OK NAMESPACE completed.".to_owned()
            }
            ("LIST" | "LSUB", Some(_)) => self.list(name, arguments).await?,
            ("SELECT" | "EXAMINE", Some(login)) => self.select(name, login.mailbox, arguments).await?,
            ("STATUS", Some(login)) => self.status(login.mailbox, arguments).await?,
            ("IDLE", Some(_)) => return self.idle().await,
            ("FETCH" | "SEARCH" | "UID" | "CHECK" | "CLOSE" | "UNSELECT", Some(login)) => {
                if self.selected.is_none() {
                    return Ok(Next::Reply("BAD Command received in Invalid state.".to_owned()));
                }
                match name {
                    "FETCH" => self.fetch(login.mailbox, arguments, false).await?,
                    "SEARCH" => self.search(login.mailbox, arguments, false).await?,
                    "UID" => match arguments.word().unwrap_or_default().to_ascii_uppercase().as_str() {
                        "FETCH" => self.fetch(login.mailbox, arguments, true).await?,
                        "SEARCH" => self.search(login.mailbox, arguments, true).await?,
                        _ => ARGUMENT_ERROR.to_owned(),
                    },
                    "CHECK" => {
                        self.announce().await?;
                        "OK CHECK completed.".to_owned()
                    }
                    _ => {
                        self.selected = None;
                        format!("OK {name} completed.")
                    }
                }
            }
            _ => "BAD Command Error. 12".to_owned(),
        };
        Ok(Next::Reply(reply))
    }

    /// `AUTHENTICATE XOAUTH2`, with the string on the same line or after a prompt. Exchange sends no challenge on refusal.
    async fn authenticate(&mut self, mut arguments: Reader<'_>) -> io::Result<String> {
        match arguments.word().unwrap_or_default().to_ascii_uppercase().as_str() {
            "XOAUTH2" => {}
            "PLAIN" => return Ok(BASIC_BLOCKED.to_owned()),
            _ => return Ok(ARGUMENT_ERROR.to_owned()),
        }
        let mut response = arguments.remainder().into_bytes();
        if response.is_empty() {
            self.send("+ ").await?;
            response = match self.read_line(TOKEN_LIMIT).await? {
                Line::Text(line) => line,
                Line::TooLong => return Ok("BYE Connection closed. 14".to_owned()),
                Line::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            };
        }
        if response == b"*" {
            return Ok("BAD AUTHENTICATE cancelled.".to_owned());
        }
        if let Some(fault) = self.backend.fault("AUTHENTICATE") {
            return Ok(fault);
        }
        let Some((user, token)) = xoauth2(&response) else {
            self.backend.journal("IMAP AUTHENTICATE refused: malformed XOAUTH2 string".to_owned());
            return Ok(LOGIN_FAILED.to_owned());
        };
        let Some(caller) = self.backend.caller(&token) else {
            self.backend.journal(format!("IMAP AUTHENTICATE user={user} refused: the token is not valid"));
            return Ok(LOGIN_FAILED.to_owned());
        };
        match self.backend.with_state(|state, now| check_imap(state, &caller, &user, now)) {
            Ok(login) => {
                self.backend.journal(format!("IMAP AUTHENTICATE user={user} app={} accepted", caller.app_id));
                self.login = Some(login);
                Ok("OK AUTHENTICATE completed.".to_owned())
            }
            Err(refusal) => {
                self.backend.journal(format!(
                    "IMAP AUTHENTICATE user={user} app={} refused: {refusal:?}",
                    caller.app_id
                ));
                Ok(LOGIN_FAILED.to_owned())
            }
        }
    }

    async fn list(&mut self, name: &str, mut arguments: Reader<'_>) -> io::Result<String> {
        let (Some(reference), Some(pattern)) = (arguments.word(), arguments.word()) else {
            return Ok(ARGUMENT_ERROR.to_owned());
        };
        if pattern.is_empty() {
            self.send(&format!("* {name} (\\Noselect \\HasChildren) \"/\" \"\"")).await?;
        } else {
            let pattern = format!("{reference}{pattern}");
            for folder in FOLDERS.iter().filter(|folder| matches_pattern(&pattern, folder)) {
                let shown = if folder.contains(' ') { format!("\"{folder}\"") } else { (*folder).to_owned() };
                self.send(&format!("* {name} (\\HasNoChildren) \"/\" {shown}")).await?;
            }
        }
        Ok(format!("OK {name} completed."))
    }

    async fn select(&mut self, name: &str, mailbox: Uuid, mut arguments: Reader<'_>) -> io::Result<String> {
        self.selected = None;
        let Some(folder_name) = arguments.word().filter(|_| arguments.is_empty()) else {
            return Ok(ARGUMENT_ERROR.to_owned());
        };
        if let Some(fault) = self.backend.fault("SELECT") {
            return Ok(fault);
        }
        let Some(folder) = FOLDERS.iter().position(|f| f.eq_ignore_ascii_case(&folder_name)) else {
            return Ok(format!("NO {folder_name} doesn't exist."));
        };
        let (uids, unseen) = self.backend.with_state(|state, _| {
            let messages = messages(state, mailbox, folder);
            (messages.iter().map(|m| m.uid).collect::<Vec<_>>(), messages.iter().position(|m| !m.read))
        });
        self.send(&format!("* {} EXISTS", uids.len())).await?;
        self.send("* 0 RECENT").await?;
        self.send(&format!("* FLAGS {FLAGS}")).await?;
        self.send(&format!("* OK [PERMANENTFLAGS {FLAGS}] Permanent flags")).await?;
        if let Some(first) = unseen {
            let first = first + 1;
            self.send(&format!("* OK [UNSEEN {first}] Is the first unseen message")).await?;
        }
        self.send(&format!("* OK [UIDVALIDITY {}] UIDVALIDITY value", uid_validity(folder))).await?;
        self.send(&format!("* OK [UIDNEXT {}] The next unique identifier value", uid_next(&uids))).await?;
        let read_only = name == "EXAMINE";
        self.selected = Some(Selected { folder, read_only, uids });
        Ok(format!("OK [{}] {name} completed.", if read_only { "READ-ONLY" } else { "READ-WRITE" }))
    }

    async fn status(&mut self, mailbox: Uuid, mut arguments: Reader<'_>) -> io::Result<String> {
        let Some(folder_name) = arguments.word() else {
            return Ok(ARGUMENT_ERROR.to_owned());
        };
        let Some(folder) = FOLDERS.iter().position(|f| f.eq_ignore_ascii_case(&folder_name)) else {
            return Ok(format!("NO {folder_name} doesn't exist."));
        };
        let (uids, unseen) = self.backend.with_state(|state, _| {
            let messages = messages(state, mailbox, folder);
            (messages.iter().map(|m| m.uid).collect::<Vec<_>>(), messages.iter().filter(|m| !m.read).count())
        });
        let wanted = arguments.remainder();
        let Some(wanted) = wanted.strip_prefix('(').and_then(|w| w.strip_suffix(')')) else {
            return Ok(ARGUMENT_ERROR.to_owned());
        };
        let mut parts = vec![];
        for item in wanted.split_ascii_whitespace() {
            let item = item.to_ascii_uppercase();
            let value = match item.as_str() {
                "MESSAGES" => uids.len().to_string(),
                "RECENT" => "0".to_owned(),
                "UIDNEXT" => uid_next(&uids).to_string(),
                "UIDVALIDITY" => uid_validity(folder).to_string(),
                "UNSEEN" => unseen.to_string(),
                _ => return Ok(ARGUMENT_ERROR.to_owned()),
            };
            parts.push(format!("{item} {value}"));
        }
        let shown = FOLDERS.get(folder).copied().unwrap_or_default();
        self.send(&format!("* STATUS \"{shown}\" ({})", parts.join(" "))).await?;
        Ok("OK STATUS completed.".to_owned())
    }

    async fn fetch(&mut self, mailbox: Uuid, mut arguments: Reader<'_>, by_uid: bool) -> io::Result<String> {
        let set = arguments.word().and_then(|set| NumberSet::parse(&set));
        let (Some(set), Some(mut items)) = (set, parse::fetch_items(arguments)) else {
            return Ok(ARGUMENT_ERROR.to_owned());
        };
        if let Some(fault) = self.backend.fault("FETCH") {
            return Ok(fault);
        }
        let Some(selected) = &self.selected else {
            return Ok(ARGUMENT_ERROR.to_owned());
        };
        if by_uid && !items.contains(&FetchItem::Uid) {
            items.insert(0, FetchItem::Uid);
        }
        let reads =
            !selected.read_only && items.iter().any(|i| matches!(i, FetchItem::Body { peek: false, .. }));
        let lines: Vec<Vec<u8>> = self.backend.with_state(|state, now| {
            let wanted = numbered(&selected.uids).filter(|(sequence, uid)| {
                if by_uid {
                    set.contains(*uid, selected.uids.last().copied().unwrap_or(0))
                } else {
                    set.contains(*sequence, u32::try_from(selected.uids.len()).unwrap_or(u32::MAX))
                }
            });
            let mut lines = vec![];
            for (sequence, uid) in wanted {
                let find = |state: &State| {
                    messages(state, mailbox, selected.folder).iter().find(|m| m.uid == uid).cloned()
                };
                let Some(mut message) = find(state) else { continue };
                let mut items = items.clone();
                if reads && !message.read {
                    message.read = true;
                    state.store.change_message(mailbox, &message.id, now, |m| m.read = true);
                    if !items.contains(&FetchItem::Flags) {
                        items.push(FetchItem::Flags);
                    }
                }
                lines.push(fetch::line(sequence as usize, &message, &items));
            }
            lines
        });
        for line in lines {
            self.stream.write_all(&line).await?;
        }
        Ok(if by_uid { "OK UID FETCH completed." } else { "OK FETCH completed." }.to_owned())
    }

    async fn search(&mut self, mailbox: Uuid, arguments: Reader<'_>, by_uid: bool) -> io::Result<String> {
        let keys = match parse::search_keys(arguments) {
            Ok(keys) => keys,
            Err(SearchRefusal::Key) => return Ok(ARGUMENT_ERROR.to_owned()),
            Err(SearchRefusal::Charset) => {
                return Ok("NO [BADCHARSET (US-ASCII)] The specified charset is not supported.".to_owned());
            }
        };
        let Some(selected) = &self.selected else {
            return Ok(ARGUMENT_ERROR.to_owned());
        };
        let last_uid = selected.uids.last().copied().unwrap_or(0);
        let count = u32::try_from(selected.uids.len()).unwrap_or(u32::MAX);
        let found: Vec<String> = self.backend.with_state(|state, _| {
            let messages = messages(state, mailbox, selected.folder);
            numbered(&selected.uids)
                .filter_map(|(sequence, uid)| messages.iter().find(|m| m.uid == uid).map(|m| (sequence, m)))
                .filter(|(sequence, message)| {
                    keys.iter().all(|key| match key {
                        SearchKey::All => true,
                        SearchKey::Seen(seen) => message.read == *seen,
                        SearchKey::Since(date) => message.received.to_zoned(TimeZone::UTC).date() >= *date,
                        SearchKey::Uid(set) => set.contains(message.uid, last_uid),
                        SearchKey::Sequence(set) => set.contains(*sequence, count),
                    })
                })
                .map(|(sequence, message)| if by_uid { message.uid } else { sequence }.to_string())
                .collect()
        });
        let found = if found.is_empty() { String::new() } else { format!(" {}", found.join(" ")) };
        self.send(&format!("* SEARCH{found}")).await?;
        Ok(if by_uid { "OK UID SEARCH completed." } else { "OK SEARCH completed." }.to_owned())
    }

    async fn idle(&mut self) -> io::Result<Next> {
        self.send("+ IDLE accepted, awaiting DONE command.").await?;
        match self.read_line(COMMAND_LIMIT).await? {
            Line::Text(line) if line.eq_ignore_ascii_case(b"DONE") => {}
            Line::Text(_) => return Ok(Next::Reply(ARGUMENT_ERROR.to_owned())),
            Line::TooLong | Line::End => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        self.announce().await?;
        Ok(Next::Reply("OK IDLE completed.".to_owned()))
    }

    /// Tells of messages that have arrived in the selected folder.
    async fn announce(&mut self) -> io::Result<()> {
        let (Some(login), Some(selected)) = (self.login, &mut self.selected) else {
            return Ok(());
        };
        let last = selected.uids.last().copied().unwrap_or(0);
        let new: Vec<u32> = self.backend.with_state(|state, _| {
            messages(state, login.mailbox, selected.folder)
                .iter()
                .map(|m| m.uid)
                .filter(|u| *u > last)
                .collect()
        });
        if new.is_empty() {
            return Ok(());
        }
        selected.uids.extend(new);
        let count = selected.uids.len();
        self.send(&format!("* {count} EXISTS")).await
    }

    async fn send(&mut self, line: &str) -> io::Result<()> {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.stream.flush().await
    }

    /// A command with its literals inline.
    async fn read_command(&mut self) -> io::Result<Line> {
        let mut command = match self.read_line(TOKEN_LIMIT).await? {
            Line::Text(line) => line,
            other => return Ok(other),
        };
        while let Some((length, waits)) = announced_literal(&command) {
            if command.len() + length > COMMAND_LIMIT {
                return Ok(Line::TooLong);
            }
            if waits {
                self.send("+ Ready for additional command text.").await?;
            }
            let mut literal = vec![0; length];
            self.stream.read_exact(&mut literal).await?;
            command.extend_from_slice(b"\r\n");
            command.extend(literal);
            match self.read_line(TOKEN_LIMIT).await? {
                Line::Text(rest) => command.extend(rest),
                other => return Ok(other),
            }
        }
        Ok(Line::Text(command))
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

/// Length of the literal that the line's end announces, and whether the client waits for a prompt.
fn announced_literal(line: &[u8]) -> Option<(usize, bool)> {
    let inner = line.strip_suffix(b"}")?;
    let start = inner.iter().rposition(|b| *b == b'{')?;
    let digits = std::str::from_utf8(inner.get(start + 1..)?).ok()?;
    match digits.strip_suffix('+') {
        Some(digits) => Some((digits.parse().ok()?, false)),
        None => Some((digits.parse().ok()?, true)),
    }
}

fn messages(state: &State, mailbox: Uuid, folder: usize) -> &[Message] {
    let store = match folder {
        0 => state.store.inbox.get(&mailbox),
        1 => state.store.sent.get(&mailbox),
        _ => None,
    };
    store.map_or(&[], Vec::as_slice)
}

/// Sequence numbers and UIDs.
fn numbered(uids: &[u32]) -> impl Iterator<Item = (u32, u32)> {
    (1..).zip(uids.iter().copied())
}

fn uid_next(uids: &[u32]) -> u32 {
    uids.iter().max().map_or(1, |last| last.saturating_add(1))
}

fn uid_validity(folder: usize) -> usize {
    14 + folder
}

/// `*` stands for anything, `%` for anything inside one level; INBOX has no case.
fn matches_pattern(pattern: &str, folder: &str) -> bool {
    fn matches(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((wild @ (b'*' | b'%'), rest)) => {
                let level =
                    name.iter().position(|b| *b == b'/').filter(|_| *wild == b'%').unwrap_or(name.len());
                (0..=level).any(|skip| name.get(skip..).is_some_and(|name| matches(rest, name)))
            }
            Some((byte, rest)) => name
                .split_first()
                .is_some_and(|(first, name)| first.eq_ignore_ascii_case(byte) && matches(rest, name)),
        }
    }
    // Long runs of wildcards would take exponential time.
    pattern.bytes().filter(|b| matches!(b, b'*' | b'%')).count() <= 4
        && matches(pattern.as_bytes(), folder.as_bytes())
}
