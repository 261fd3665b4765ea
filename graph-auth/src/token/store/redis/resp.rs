//! The few words of the Redis protocol that a token store speaks, as pure functions. RESP2, which every server and every
//! compatible service understands.
//!
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>

use bytes::Bytes;
use m365_core::{Error, ErrorKind, Result};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};
use zeroize::Zeroizing;

use crate::token::store::LARGEST_RECORD;

/// Longest line of an answer, in bytes. Refusals have about a hundred.
const LONGEST_LINE: u64 = 1024;

/// What a server answers to the commands we send.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// `+OK` and the like.
    Done,
    /// A refusal's first word, such as `NOAUTH`. The text behind it can repeat what was sent.
    Refused(String),
    Number(i64),
    Bytes(Bytes),
    Nothing,
}

/// A command as an array of strings. Zeroized: one of them may be the password.
pub(super) fn command(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let room = parts.iter().map(|part| part.len() + 16).sum::<usize>() + 16;
    let mut command = Zeroizing::new(Vec::with_capacity(room));
    command.extend_from_slice(format!("*{}\r\n", parts.len()).as_bytes());
    for part in parts {
        command.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
        command.extend_from_slice(part);
        command.extend_from_slice(b"\r\n");
    }
    command
}

/// Reads one answer, and never more than the largest record: whatever length the server announces.
pub(super) async fn reply(from: &mut (impl AsyncBufRead + Unpin)) -> Result<Reply> {
    let line = line(from).await?;
    let (kind, rest) = line.split_first().ok_or_else(|| nonsense("an empty line"))?;
    match kind {
        b'+' => Ok(Reply::Done),
        b'-' => {
            let word = rest.split(|byte| *byte == b' ').next().unwrap_or_default();
            let plain = word.iter().take(32).filter(|byte| byte.is_ascii_uppercase());
            Ok(Reply::Refused(plain.map(|byte| char::from(*byte)).collect()))
        }
        b':' => number(rest).map(Reply::Number),
        b'$' => match number(rest)? {
            -1 => Ok(Reply::Nothing),
            length => bulk(from, length).await.map(Reply::Bytes),
        },
        _ => Err(nonsense("an answer of a kind that was not asked for")),
    }
}

async fn line(from: &mut (impl AsyncBufRead + Unpin)) -> Result<Vec<u8>> {
    let mut line = Vec::new();
    from.take(LONGEST_LINE).read_until(b'\n', &mut line).await.map_err(lost)?;
    match line.strip_suffix(b"\r\n") {
        Some(content) => Ok(content.to_vec()),
        None if line.is_empty() => Err(Error::new(ErrorKind::Unavailable, "Redis closed the connection")),
        None => Err(nonsense("a line without an end")),
    }
}

async fn bulk(from: &mut (impl AsyncBufRead + Unpin), length: i64) -> Result<Bytes> {
    let length = usize::try_from(length)
        .ok()
        // One more than we ask for at most.
        .filter(|length| *length <= LARGEST_RECORD + 1)
        .ok_or_else(|| nonsense("an answer larger than any record"))?;
    let mut bytes = vec![0; length + 2];
    from.read_exact(&mut bytes).await.map_err(lost)?;
    if !bytes.ends_with(b"\r\n") {
        return Err(nonsense("an answer of another length than announced"));
    }
    bytes.truncate(length);
    Ok(bytes.into())
}

fn number(digits: &[u8]) -> Result<i64> {
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| nonsense("a number that is none"))
}

pub(super) fn lost(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the connection to Redis broke off").with_source(error)
}

pub(super) fn nonsense(what: &str) -> Error {
    Error::unreadable(format!("Redis sent {what}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Reply> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { reply(&mut &*bytes).await })
    }

    #[test]
    fn a_command_is_an_array_of_counted_strings() {
        let sent = command(&[b"SET", b"k", b"a\r\nb"]);
        assert_eq!(&sent[..], b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n");
    }

    #[test]
    fn answers_are_read_and_a_refusal_keeps_its_first_word_only() {
        assert_eq!(read(b"+OK\r\n").unwrap(), Reply::Done);
        assert_eq!(read(b":-7\r\n").unwrap(), Reply::Number(-7));
        assert_eq!(read(b"$-1\r\n").unwrap(), Reply::Nothing);
        assert_eq!(read(b"$4\r\na\r\nb\r\n").unwrap(), Reply::Bytes(Bytes::from_static(b"a\r\nb")));
        let refused = read(b"-WRONGPASS invalid password 'hidden'\r\n").unwrap();
        assert_eq!(refused, Reply::Refused("WRONGPASS".to_owned()));
        assert_eq!(read(b"-ERRhidden x\r\n").unwrap(), Reply::Refused("ERR".to_owned()));
    }

    #[test]
    fn trap_a_hostile_server_makes_us_take_no_more_than_a_record() {
        for hostile in [
            "$536870912\r\n",
            "$9223372036854775807\r\n",
            "$-2\r\n",
            "$x\r\n",
            "*2\r\n:1\r\n:1\r\n",
            "%1\r\n",
            "\r\n",
        ] {
            assert_eq!(read(hostile.as_bytes()).unwrap_err().kind(), ErrorKind::InvalidResponse, "{hostile}");
        }
        assert!(read(&vec![b'+'; 10_000_000]).is_err());
        assert!(read(b"$3\r\nabcde\r\n").is_err());
        assert!(read(b"").is_err());
        assert!(read(b"$10\r\nabc").is_err());
    }

    proptest! {
        #[test]
        fn no_answer_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100), kind in 0usize..5) {
            drop(read(&[&[b"+-:$*"[kind]], &bytes[..], b"\r\n"].concat()));
        }
    }
}
