//! One connection to Redis: the protocol is the client library's; address, TLS and the bound on answers are ours.

use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Either, Fuse, select};
use m365_core::{Error, ErrorKind, Result};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, RedisConnectionInfo, RedisError, Value};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::address::{Address, Login, Way};
use super::bounded::{Allowance, Bounded};

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Logged in, and with no answer outstanding. A connection on which an exchange was not finished must be dropped: the
/// next answer on it would be the last question's.
pub(super) struct Connection {
    handle: MultiplexedConnection,
    /// Reads and writes, while somebody asks and at no other time: no task of its own, and dropped with the connection.
    driver: Fuse<BoxFuture<'static, ()>>,
    allowance: Allowance,
}

impl Connection {
    pub(super) async fn open(address: &Address, tls: &Arc<ClientConfig>) -> Result<Self> {
        let unreachable = |e| Error::new(ErrorKind::Network, "Redis cannot be reached").with_source(e);
        let stream: Box<dyn Stream> = match &address.way {
            Way::Tcp { host, port, tls: wrapped } => {
                let tcp = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
                // Small questions are not to wait for each other.
                tcp.set_nodelay(true).map_err(unreachable)?;
                if *wrapped {
                    let name = ServerName::try_from(host.clone()).map_err(|e| {
                        Error::invalid("the Redis host is no name that a certificate can have").with_source(e)
                    })?;
                    let wrapped =
                        TlsConnector::from(tls.clone()).connect(name, tcp).await.map_err(unreachable)?;
                    Box::new(wrapped)
                } else {
                    Box::new(tcp)
                }
            }
            #[cfg(unix)]
            Way::Socket(path) => Box::new(tokio::net::UnixStream::connect(path).await.map_err(unreachable)?),
        };
        let mut connection = Self::over(stream).await?;
        connection.log_in(&address.login, address.database).await?;
        Ok(connection)
    }

    /// Nothing is said yet. The library's own login would send more than the commands that a narrow user may give, and
    /// after a refusal try the password without the user.
    async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Self> {
        let allowance = Allowance::default();
        let (handle, driver) = MultiplexedConnection::new_with_config(
            &RedisConnectionInfo::default().set_skip_set_lib_name(),
            Bounded::new(stream, allowance.clone()),
            // Whoever asks has a timeout of its own.
            AsyncConnectionConfig::new().set_response_timeout(None),
        )
        .await
        .map_err(|e| broken(&e, &allowance))?;
        Ok(Self { handle, driver: driver.boxed().fuse(), allowance })
    }

    async fn log_in(&mut self, login: &Login, database: u32) -> Result<()> {
        if let Some(password) = &login.password {
            let mut command = redis::cmd("AUTH");
            if let Some(user) = &login.user {
                command.arg(user);
            }
            command.arg(password.expose_secret());
            done(&self.ask(&command).await?)?;
        }
        if database != 0 {
            done(&self.ask(redis::cmd("SELECT").arg(database)).await?)?;
        }
        Ok(())
    }

    /// One question and its answer. Not to be used again after an error, nor when it was dropped halfway.
    pub(super) async fn ask(&mut self, command: &Cmd) -> Result<Value> {
        self.allowance.renew();
        let answer = pin!(self.handle.send_packed_command(command));
        let answer = match select(answer, &mut self.driver).await {
            Either::Left((answer, _)) => answer,
            // The connection is at its end; it may have brought the answer first.
            Either::Right(((), answer)) => answer.await,
        };
        answer.map_err(|e| broken(&e, &self.allowance))
    }
}

/// The answer to a command that has nothing to tell.
pub(super) fn done(answer: &Value) -> Result<()> {
    if *answer == Value::Okay { Ok(()) } else { Err(unexpected(answer)) }
}

/// An answer that is not what was asked for: a refusal, or something the command cannot have.
pub(super) fn unexpected(answer: &Value) -> Error {
    let Value::ServerError(refusal) = answer else {
        return Error::unreadable("Redis sent an answer that does not fit the command");
    };
    // The first word; the text behind it can repeat what was sent.
    let word: String = refusal.code().chars().take(32).filter(char::is_ascii_uppercase).collect();
    let kind = match word.as_str() {
        "NOAUTH" | "WRONGPASS" | "NOPERM" => ErrorKind::Authentication,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("Redis refuses: {word}")).with_code(word)
}

/// No answer. The library's error is not passed on: it may repeat what the server sent.
fn broken(error: &RedisError, allowance: &Allowance) -> Error {
    if allowance.is_used_up() {
        return Error::unreadable("Redis sent an answer larger than any record");
    }
    match error.kind() {
        redis::ErrorKind::Parse => Error::unreadable("Redis sent what is no answer"),
        _ => Error::new(ErrorKind::Unavailable, "the connection to Redis broke off"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// What comes of one question to a server that answers like this and hangs up.
    fn answered(bytes: &[u8]) -> Result<Value> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (ours, mut theirs) = tokio::io::duplex(1024);
            let mut connection = Connection::over(ours).await?;
            let server = async {
                let mut question = [0; 14];
                theirs.read_exact(&mut question).await.unwrap();
                assert_eq!(&question, b"*1\r\n$4\r\nPING\r\n");
                // Whoever has heard enough hangs up.
                drop(theirs.write_all(bytes).await);
                drop(theirs);
            };
            let command = redis::cmd("PING");
            let asking = async move { connection.ask(&command).await };
            tokio::join!(asking, server).0
        })
    }

    #[test]
    fn answers_are_read_and_a_refusal_keeps_its_first_word_only() {
        assert_eq!(answered(b"+OK\r\n").unwrap(), Value::Okay);
        assert_eq!(answered(b":-7\r\n").unwrap(), Value::Int(-7));
        assert_eq!(answered(b"$-1\r\n").unwrap(), Value::Nil);
        assert_eq!(answered(b"$4\r\na\r\nb\r\n").unwrap(), Value::BulkString(b"a\r\nb".to_vec()));
        for (refusal, word) in [
            ("-WRONGPASS invalid password 'hidden'\r\n", "WRONGPASS"),
            ("-ERRhidden x\r\n", "ERR"),
            ("-MOVED 7 hidden\r\n", "MOVED"),
            ("!11\r\nTOO hidden!\r\n", "TOO"),
        ] {
            let error = unexpected(&answered(refusal.as_bytes()).unwrap());
            assert_eq!(error.service_code(), Some(word));
            assert!(!format!("{error} {error:?}").contains("hidden"), "{error:?}");
        }
    }

    #[test]
    fn the_largest_record_is_taken_whole() {
        let record = vec![7; LARGEST];
        let answer = [format!("${LARGEST}\r\n").as_bytes(), &record, b"\r\n"].concat();
        assert_eq!(answered(&answer).unwrap(), Value::BulkString(record));
    }

    #[test]
    fn trap_a_hostile_server_makes_us_take_no_more_than_a_record() {
        for beginning in
            ["+", "-", "$536870912\r\n", "$9223372036854775807\r\n", "*70000\r\n$65000\r\n", "!99999\r\n"]
        {
            let endless = [beginning.as_bytes(), &vec![b'x'; 1_000_000]].concat();
            let error = answered(&endless).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{beginning}");
        }
        // Lengths that no memory has, and containers as deep as can be.
        for bytes in [
            "$9223372036854775807\r\n".to_owned(),
            "*9223372036854775807\r\n:1\r\n".to_owned(),
            "%9223372036854775807\r\n".to_owned(),
            "|9223372036854775807\r\n".to_owned(),
            "=-1\r\n".to_owned(),
            "*4096\r\n".repeat(9000),
            "%4096\r\n".repeat(9000),
            "*1\r\n".repeat(15_000),
            "|1\r\n".repeat(15_000),
        ] {
            assert!(answered(bytes.as_bytes()).is_err(), "{}", &bytes[..10]);
        }
    }

    #[test]
    fn what_is_no_answer_or_cut_off_is_an_error_that_repeats_nothing() {
        for bytes in
            ["", "hidden\r\n", ":hidden\r\n", "$x hidden\r\n", "$3\r\nhidden\r\n", "$10\r\nhidden", "\r\n"]
        {
            let error = answered(bytes.as_bytes()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hidden"), "{error:?}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100), kind in 0usize..15) {
            drop(answered(&[&[b"+-:$*%|~_,#!=(>"[kind]], &bytes[..], b"\r\n"].concat()));
        }
    }

    const LARGEST: usize = crate::token::store::LARGEST_RECORD + 1;
}
