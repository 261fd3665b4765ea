use jiff::Timestamp;
use m365_core::{Error, Result};
use mailparse::MailHeaderMap as _;

use super::command::Row;
use crate::mail::{MessageId, MessageSummary, Person};

/// What a FETCH row says of a message. Odd headers give empty fields, never a lost row.
pub(super) fn read(row: &Row, uid_validity: u32) -> Result<MessageSummary> {
    let uid = row.uid.ok_or_else(|| Error::unreadable("a FETCH row has no UID"))?;
    let headers = row
        .header
        .as_deref()
        .and_then(|bytes| mailparse::parse_headers(bytes).ok())
        .map(|(headers, _)| headers)
        .unwrap_or_default();
    let from = headers
        .get_first_header("From")
        .and_then(|h| mailparse::addrparse_header(h).ok())
        .and_then(|list| list.iter().find_map(person));
    Ok(MessageSummary {
        id: MessageId::new(format!("{uid_validity}:{uid}")),
        subject: headers.get_first_value("Subject").unwrap_or_default(),
        from,
        received: row
            .internal_date
            .as_deref()
            .and_then(arrival)
            .ok_or_else(|| Error::unreadable("a FETCH row has no readable INTERNALDATE"))?,
        is_read: row.seen,
        internet_message_id: headers.get_first_value("Message-ID"),
    })
}

/// `21-Nov-2026 08:00:00 +0000`, the day possibly padded with a blank.
fn arrival(text: &str) -> Option<Timestamp> {
    jiff::Zoned::strptime("%d-%b-%Y %H:%M:%S %z", text.trim_start()).ok().map(|z| z.timestamp())
}

fn person(address: &mailparse::MailAddr) -> Option<Person> {
    match address {
        mailparse::MailAddr::Single(single) => Some(Person {
            name: single.display_name.clone().unwrap_or_default(),
            address: single.addr.clone(),
        }),
        mailparse::MailAddr::Group(group) => group
            .addrs
            .first()
            .map(|s| Person { name: s.display_name.clone().unwrap_or_default(), address: s.addr.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrival_is_read_with_and_without_padding() {
        let expected: Timestamp = "2026-11-01T07:00:00Z".parse().unwrap();
        assert_eq!(arrival("01-Nov-2026 08:00:00 +0100"), Some(expected));
        assert_eq!(arrival(" 1-Nov-2026 08:00:00 +0100"), Some(expected));
        assert_eq!(arrival("soon"), None);
    }
}
