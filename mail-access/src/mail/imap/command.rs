use std::borrow::Cow;
use std::time::Duration;

use async_imap::imap_proto::{
    AttributeValue, MailboxDatum, MessageSection, Response, ResponseCode, SectionPath, Status,
};
use m365_core::{Error, ErrorKind, Result};

use super::connect::{PATIENCE, Session};
use super::refusal::{classify, refused};

/// How long one part of a FETCH's answer may take: a whole message comes as one.
const BODY_PATIENCE: Duration = Duration::from_secs(600);

/// What a FETCH said of one message.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) uid: Option<u32>,
    pub(super) seen: bool,
    pub(super) internal_date: Option<String>,
    pub(super) header: Option<Vec<u8>>,
    pub(super) body: Option<Vec<u8>>,
}

/// What opening the inbox said of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inbox {
    pub(super) uid_validity: u32,
    pub(super) exists: u32,
}

/// Opens the inbox read-only: listing must not touch `\Recent` or `\Seen`.
pub(super) async fn examine(session: &mut Session) -> Result<Inbox> {
    let operation = "open inbox";
    let (mut uid_validity, mut exists) = (None, None);
    run(session, "EXAMINE \"INBOX\"", (operation, PATIENCE), |response| match response {
        Response::MailboxData(MailboxDatum::Exists(count)) => exists = Some(*count),
        Response::Data { outcome, .. } => {
            if let Some(ResponseCode::UidValidity(value)) = &outcome.code {
                uid_validity = Some(*value);
            }
        }
        _ => {}
    })
    .await?;
    let lacks = |what: &str| Error::unreadable(format!("the inbox has no {what}")).with_operation(operation);
    Ok(Inbox {
        uid_validity: uid_validity.ok_or_else(|| lacks("UIDVALIDITY"))?,
        exists: exists.ok_or_else(|| lacks("EXISTS"))?,
    })
}

/// Asks whether the session still lives.
pub(super) async fn noop(session: &mut Session) -> Result<()> {
    run(session, "NOOP", ("keep the session", PATIENCE), |_| {}).await
}

/// Runs a FETCH.
pub(super) async fn fetch(session: &mut Session, command: &str, operation: &'static str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    run(session, command, (operation, BODY_PATIENCE), |response| {
        if let Response::Fetch(_, attributes) = response {
            rows.push(row(attributes));
        }
    })
    .await?;
    Ok(rows)
}

/// Runs a command and reads it up to its tagged line. The library's own readers drop that line or take the end of the
/// connection for it, so that a throttled or broken answer would look like a short list.
async fn run(
    session: &mut Session,
    command: &str,
    (operation, patience): (&'static str, Duration),
    mut see: impl FnMut(&Response<'_>) + Send,
) -> Result<()> {
    let id = session.run_command(command).await.map_err(|e| classify(e, operation))?;
    loop {
        let response = tokio::time::timeout(patience, session.read_response())
            .await
            .map_err(|_| {
                Error::new(ErrorKind::Timeout, "the IMAP server did not answer in time")
                    .with_transient(true)
                    .with_operation(operation)
            })?
            .map_err(|e| classify(e.into(), operation))?
            .ok_or_else(|| classify(async_imap::error::Error::ConnectionLost, operation))?;
        let text = |information: &Option<Cow<'_, str>>| information.as_deref().unwrap_or_default().to_owned();
        match response.parsed() {
            Response::Done { tag, status, outcome, .. } if *tag == id => {
                let text = text(&outcome.information);
                return match status {
                    Status::Ok => {
                        see(response.parsed());
                        Ok(())
                    }
                    Status::No if matches!(&outcome.code, Some(c) if format!("{c:?}").to_ascii_uppercase().contains("UNAVAILABLE")) => {
                        Err(refused("NO", &format!("[UNAVAILABLE] {text}")).with_operation(operation))
                    }
                    Status::No => Err(refused("NO", &text).with_operation(operation)),
                    Status::Bad => Err(refused("BAD", &text).with_operation(operation)),
                    _ => Err(Error::unreadable("the IMAP server ended the command in an unknown way")
                        .with_operation(operation)),
                };
            }
            Response::Data { status: Status::Bye, .. } => {
                return Err(classify(async_imap::error::Error::ConnectionLost, operation));
            }
            // `* BAD User is authenticated but not connected.`
            Response::Data { status: Status::Bad, outcome, .. } => {
                return Err(refused("BAD", &text(&outcome.information)).with_operation(operation));
            }
            other => see(other),
        }
    }
}

fn row(attributes: &[AttributeValue<'_>]) -> Row {
    let mut row = Row::default();
    for attribute in attributes {
        match attribute {
            AttributeValue::Uid(uid) => row.uid = Some(*uid),
            AttributeValue::Flags(flags) => row.seen = flags.iter().any(|f| f.eq_ignore_ascii_case("\\Seen")),
            AttributeValue::InternalDate(date) => row.internal_date = Some(date.clone().into_owned()),
            AttributeValue::BodySection { section, data: Some(data), .. } => match section {
                None => row.body = Some(data.to_vec()),
                Some(SectionPath::Full(MessageSection::Header)) => row.header = Some(data.to_vec()),
                Some(_) => {}
            },
            _ => {}
        }
    }
    row
}
