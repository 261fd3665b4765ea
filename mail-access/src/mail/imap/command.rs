use async_imap::imap_proto::{AttributeValue, MessageSection, Response, SectionPath, Status};
use m365_core::{Error, Result};

use super::connect::Session;
use super::refusal::{classify, refused};

/// What a FETCH said of one message.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) uid: Option<u32>,
    pub(super) seen: bool,
    pub(super) internal_date: Option<String>,
    pub(super) header: Option<Vec<u8>>,
    pub(super) body: Option<Vec<u8>>,
}

/// Runs a FETCH and reads it up to its tagged line. The library's own stream drops that line, so that a throttled
/// answer would look like a short list.
pub(super) async fn fetch(session: &mut Session, command: &str, operation: &'static str) -> Result<Vec<Row>> {
    let id = session.run_command(command).await.map_err(|e| classify(e, operation))?;
    let mut rows = Vec::new();
    loop {
        let response = session
            .read_response()
            .await
            .map_err(|e| classify(e.into(), operation))?
            .ok_or_else(|| classify(async_imap::error::Error::ConnectionLost, operation))?;
        match response.parsed() {
            Response::Fetch(_, attributes) => rows.push(row(attributes)),
            Response::Done { tag, status, outcome, .. } if *tag == id => {
                let text = outcome.information.as_deref().unwrap_or("");
                return match status {
                    Status::Ok => Ok(rows),
                    Status::No if matches!(&outcome.code, Some(c) if format!("{c:?}").contains("Unavailable")) => {
                        Err(refused("NO", &format!("[UNAVAILABLE] {text}")).with_operation(operation))
                    }
                    Status::No => Err(refused("NO", text).with_operation(operation)),
                    Status::Bad => Err(refused("BAD", text).with_operation(operation)),
                    _ => Err(Error::unreadable("the IMAP server ended the command in an unknown way")
                        .with_operation(operation)),
                };
            }
            Response::Data { status: Status::Bye, .. } => {
                return Err(classify(async_imap::error::Error::ConnectionLost, operation));
            }
            // `* BAD User is authenticated but not connected.`
            Response::Data { status: Status::Bad, outcome, .. } => {
                return Err(
                    refused("BAD", outcome.information.as_deref().unwrap_or("")).with_operation(operation)
                );
            }
            _ => {}
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
