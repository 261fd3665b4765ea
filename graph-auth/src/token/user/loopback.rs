//! The port of this machine that a browser brings the answer to: open for one answer, bounded in size and time, and
//! deaf to everybody else. <https://www.rfc-editor.org/rfc/rfc8252#section-7.3>

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::task::Poll;
use std::time::Duration;

use aws_lc_rs::constant_time;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use m365_core::{Acted, Authority, Error, ErrorKind, Result};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tracing::debug;

/// Largest request head accepted, in bytes.
const HEAD_LIMIT: usize = 16 * 1024;
/// Connections served at a time; browsers open some ahead of need and say nothing on them.
const CONNECTIONS: usize = 16;
/// How long one connection may take.
const CONNECTION_TIME: Duration = Duration::from_secs(10);
/// Tries to find a port that is free in both address families.
const PORTS: u32 = 8;

/// How a redirect address names this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoopbackHost {
    /// `localhost`: what Entra's portal lets an app register.
    #[default]
    Localhost,
    /// `127.0.0.1`, as RFC 8252 advises; Entra takes it through the app's manifest only.
    Ipv4,
}

/// The open port.
pub(super) struct Loopback {
    listeners: Vec<TcpListener>,
    redirect: String,
    port: u16,
    path: String,
}

/// What a request to the port is.
#[derive(Debug)]
enum Judged {
    /// The answer.
    Code(SecretString),
    /// The answer is no: `error` and `error_description`.
    No(String, String),
    /// Not for us: this status.
    Foreign(&'static str),
}

impl Loopback {
    pub(super) async fn open(host: LoopbackHost, path: &str) -> Result<Self> {
        let refused = |e: io::Error| {
            Error::new(ErrorKind::Network, "no port of this machine can be opened").with_source(e)
        };
        let (listeners, port) = listeners().await.map_err(refused)?;
        let name = match host {
            LoopbackHost::Localhost => "localhost",
            LoopbackHost::Ipv4 => "127.0.0.1",
        };
        let redirect = format!("http://{name}:{port}{path}");
        let path = if path.is_empty() { "/" } else { path }.to_owned();
        Ok(Self { listeners, redirect, port, path })
    }

    pub(super) fn redirect(&self) -> &str {
        &self.redirect
    }

    /// The code that comes with this state. Other requests are answered and forgotten. The port closes with the future.
    pub(super) async fn answer(self, state: &str) -> Result<SecretString> {
        let mut open = FuturesUnordered::new();
        let mut failures = 0;
        let this = &self;
        let judged = std::future::poll_fn(|cx| {
            loop {
                let mut moved = false;
                for listener in this.listeners.iter().filter(|_| open.len() < CONNECTIONS) {
                    match listener.poll_accept(cx) {
                        Poll::Ready(Ok((stream, _))) => {
                            open.push(this.serve(stream, state));
                            moved = true;
                        }
                        Poll::Ready(Err(error)) if failures >= CONNECTIONS => return Poll::Ready(Err(error)),
                        Poll::Ready(Err(_)) => {
                            failures += 1;
                            moved = true;
                        }
                        Poll::Pending => {}
                    }
                }
                match open.poll_next_unpin(cx) {
                    Poll::Ready(Some(Some(judged))) => return Poll::Ready(Ok(judged)),
                    Poll::Ready(Some(None)) => moved = true,
                    Poll::Ready(None) | Poll::Pending => {}
                }
                if !moved {
                    return Poll::Pending;
                }
            }
        })
        .await;
        match judged {
            Ok(Judged::Code(code)) => Ok(code),
            Ok(Judged::No(error, description)) => Err(refusal(&error, &description)),
            Ok(Judged::Foreign(_)) => {
                Err(Error::new(ErrorKind::InvalidResponse, "the sign-in brought no answer"))
            }
            Err(error) => {
                Err(Error::new(ErrorKind::Network, "the port of this machine failed").with_source(error))
            }
        }
    }

    /// One connection: one request, one static page. Some when it brought the answer.
    async fn serve(&self, stream: TcpStream, state: &str) -> Option<Judged> {
        let served = tokio::time::timeout(CONNECTION_TIME, self.talk(stream, state)).await;
        served
            .ok()?
            .inspect_err(|e| debug!(kind = ?e.kind(), "a connection to the loopback port failed"))
            .ok()?
    }

    async fn talk(&self, mut stream: TcpStream, state: &str) -> io::Result<Option<Judged>> {
        let mut head = Vec::new();
        let judged = loop {
            let mut chunk = [0; 2048];
            let read = stream.read(&mut chunk).await?;
            head.extend_from_slice(chunk.get(..read).unwrap_or_default());
            let end = head.windows(4).position(|w| w == b"\r\n\r\n");
            match end.and_then(|end| head.get(..end)) {
                Some(complete) => break judge(complete, self.port, &self.path, state),
                None if head.len() > HEAD_LIMIT => {
                    break Judged::Foreign("431 Request Header Fields Too Large");
                }
                None if read == 0 => return Ok(None),
                None => {}
            }
        };
        let (status, text) = match &judged {
            Judged::Code(_) => {
                ("200 OK", "The sign-in was handed to the program. You can close this window.")
            }
            Judged::No(..) => {
                ("200 OK", "The sign-in did not succeed. The program says why; you can close this window.")
            }
            Judged::Foreign(status) => (*status, "There is nothing here."),
        };
        // Nothing of the request comes back: the page is the same for everybody.
        let page = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Sign-in</title><p>{text}</p></html>"
        );
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\
             Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\
             Content-Security-Policy: default-src 'none'\r\n\r\n{page}",
            page.len()
        );
        // The answer counts even if the browser does not wait for the page.
        let written = stream.write_all(answer.as_bytes()).await;
        let closed = stream.shutdown().await;
        match judged {
            Judged::Foreign(status) => {
                debug!(status, "a request that is not the sign-in's answer");
                written.and(closed).map(|()| None)
            }
            judged => Ok(Some(judged)),
        }
    }
}

/// A port of the loopback addresses of both families: a browser may take `localhost` for either, and a port that is ours
/// in one family only would leave the other to somebody else.
async fn listeners() -> io::Result<(Vec<TcpListener>, u16)> {
    let mut taken = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..PORTS {
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = v4.local_addr()?.port();
        match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
            Ok(v6) => return Ok((vec![v4, v6], port)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => taken = error,
            // A machine without IPv6.
            Err(_) => return Ok((vec![v4], port)),
        }
    }
    Err(taken)
}

/// What a request head says; a pure function.
fn judge(head: &[u8], port: u16, path: &str, state: &str) -> Judged {
    let Ok(head) = std::str::from_utf8(head) else { return Judged::Foreign("400 Bad Request") };
    let mut lines = head.split("\r\n");
    let mut request = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (request.next(), request.next(), request.next(), request.next())
    else {
        return Judged::Foreign("400 Bad Request");
    };
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
        return Judged::Foreign("505 HTTP Version Not Supported");
    }
    // A page of another site can make a browser call this port under a name of its own; only ours are answered.
    let mut hosts = lines
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| name.eq_ignore_ascii_case("host"))
        .map(|(_, value)| value.trim());
    let ours = |host: &str| {
        host.rsplit_once(':').is_some_and(|(name, p)| {
            p.parse() == Ok(port)
                && (name.eq_ignore_ascii_case("localhost") || matches!(name, "127.0.0.1" | "[::1]"))
        })
    };
    if !(hosts.next().is_some_and(ours) && hosts.next().is_none()) {
        return Judged::Foreign("421 Misdirected Request");
    }
    let (asked, query) = target.split_once('?').unwrap_or((target, ""));
    if asked != path {
        return Judged::Foreign("404 Not Found");
    }
    if method != "GET" {
        return Judged::Foreign("405 Method Not Allowed");
    }
    let once = |name: &str| {
        let mut values =
            form_urlencoded::parse(query.as_bytes()).filter(|(n, _)| n == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(value), None) if !value.is_empty() => Some(value),
            _ => None,
        }
    };
    let same = once("state").is_some_and(|sent| {
        constant_time::verify_slices_are_equal(sent.as_bytes(), state.as_bytes()).is_ok()
    });
    if !same {
        return Judged::Foreign("400 Bad Request");
    }
    match (once("code"), once("error")) {
        (Some(code), None) => Judged::Code(SecretString::from(&*code)),
        (None, Some(error)) => {
            Judged::No(error.into_owned(), once("error_description").unwrap_or_default().into_owned())
        }
        _ => Judged::Foreign("400 Bad Request"),
    }
}

/// The browser came back with an error.
fn refusal(error: &str, description: &str) -> Error {
    let transient = matches!(error, "temporarily_unavailable" | "server_error");
    let said = if description.is_empty() { error } else { description };
    let kind = if transient { ErrorKind::Unavailable } else { ErrorKind::Authentication };
    Error::new(kind, format!("the sign-in did not succeed: {said}"))
        .with_authority(Authority::EntraToken)
        .with_code(error)
        .with_acted(Acted::No)
        .with_transient(transient)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;

    const STATE: &str = "right-state";

    fn get(target: &str, host: &str) -> Judged {
        judge(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept: */*").as_bytes(), 4711, "/", STATE)
    }

    fn foreign(judged: &Judged) -> Option<&str> {
        match judged {
            Judged::Foreign(status) => Some(&status[..3]),
            _ => None,
        }
    }

    #[test]
    fn only_the_right_state_brings_a_code() {
        for host in ["localhost:4711", "127.0.0.1:4711", "[::1]:4711", "LOCALHOST:4711"] {
            let Judged::Code(code) = get("/?code=c%2B1&state=right-state&session_state=x", host) else {
                panic!("{host}")
            };
            assert_eq!(code.expose_secret(), "c+1");
        }
        for (target, host, status) in [
            ("/favicon.ico", "localhost:4711", "404"),
            ("/", "localhost:4711", "400"),
            ("/?code=c&state=wrong", "localhost:4711", "400"),
            ("/?code=c", "localhost:4711", "400"),
            ("/?code=c&state=right-state&state=right-state", "localhost:4711", "400"),
            ("/?code=c&code=d&state=right-state", "localhost:4711", "400"),
            ("/?code=&state=right-state", "localhost:4711", "400"),
            ("/?code=c&error=e&state=right-state", "localhost:4711", "400"),
            ("/?code=c&state=right-state", "attacker.example:4711", "421"),
            ("/?code=c&state=right-state", "localhost:80", "421"),
            ("/?code=c&state=right-state", "localhost", "421"),
            ("http://localhost:4711/?code=c&state=right-state", "localhost:4711", "404"),
        ] {
            assert_eq!(foreign(&get(target, host)), Some(status), "{target} {host}");
        }
        let post = b"POST /?code=c&state=right-state HTTP/1.1\r\nHost: localhost:4711";
        assert_eq!(foreign(&judge(post, 4711, "/", STATE)), Some("405"));
        let two = b"GET /?code=c&state=right-state HTTP/1.1\r\nHost: localhost:4711\r\nHost: x:4711";
        assert_eq!(foreign(&judge(two, 4711, "/", STATE)), Some("421"));
    }

    #[test]
    fn an_error_is_an_answer_too() {
        let Judged::No(error, description) = get(
            "/?error=access_denied&error_description=The+user+said+no&state=right-state",
            "localhost:4711",
        ) else {
            panic!("no answer")
        };
        let error = refusal(&error, &description);
        assert_eq!((error.kind(), error.service_code()), (ErrorKind::Authentication, Some("access_denied")));
        assert!(error.message().contains("The user said no"));
        assert_eq!(refusal("temporarily_unavailable", "").kind(), ErrorKind::Unavailable);
    }

    proptest! {
        #[test]
        fn no_request_panics_or_passes_without_the_state(head in prop::collection::vec(any::<u8>(), 0..400), query in "[ -~]{0,60}") {
            let _judged = judge(&head, 4711, "/", STATE);
            let judged = get(&format!("/?{query}"), "localhost:4711");
            prop_assert!(foreign(&judged).is_some() || query.contains("right-state"), "{judged:?}");
        }
    }
}
