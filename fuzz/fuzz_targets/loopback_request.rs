//! What anybody on this machine, or a page in its browser, may send to the port of a sign-in. `STATE` and `PORT` in it
//! become the right ones, so that the fuzzer gets past the first check.
#![no_main]

use std::cell::OnceCell;

use fuzz::told;
use graph_auth::{AuthorizationCodeCredential, ErrorKind};
use m365_core::{Cloud, Resource, SharedClock, testing::ManualClock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

thread_local! {
    static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
}

libfuzzer_sys::fuzz_target!(|request: &[u8]| {
    RUNTIME.with(|runtime| {
        let runtime =
            runtime.get_or_init(|| Builder::new_current_thread().enable_all().build().expect("a runtime"));
        runtime.block_on(sent(request));
    });
});

async fn sent(request: &[u8]) {
    let credential = AuthorizationCodeCredential::new(Cloud::public(), fuzz::tenant(), fuzz::client())
        .with_transport(fuzz::service("token-of-a-person"))
        .with_clock(SharedClock::new(ManualClock::at(fuzz::now())));
    let (tell, told_address) = oneshot::channel();
    let sign_in = credential.sign_in(&Resource::Graph, |address| {
        tell.send(address.clone()).expect("somebody listens");
        Ok(())
    });
    let stranger = async {
        let address = told_address.await.ok()?;
        let parameter = |name: &str| {
            let found = address.query_pairs().find(|(n, _)| n == name).map(|(_, value)| value.into_owned());
            found.expect("every address has it")
        };
        let port = url::Url::parse(&parameter("redirect_uri")).expect("a URL").port().expect("a port");
        let state = parameter("state");
        let request =
            replaced(&replaced(request, b"STATE", state.as_bytes()), b"PORT", port.to_string().as_bytes());
        let answer = exchange(port, &request).await;
        Some((state, request, answer))
    };
    tokio::pin!(sign_in, stranger);
    let (ended, heard) = tokio::select! {
        biased;
        heard = &mut stranger => (done(&mut sign_in).await, heard),
        ended = &mut sign_in => (Some(ended), stranger.await),
    };
    // No port was free.
    let Some((state, request, answer)) = heard else { return };
    let text = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || text.starts_with("HTTP/1.1 "), "{text:?}");
    assert!(!text.contains(&state));
    let knows = String::from_utf8_lossy(&request).contains(&state);
    if let Some(ended) = ended {
        assert!(knows, "it ended without the state");
        match ended {
            Ok(_) => assert!(text.starts_with("HTTP/1.1 200 ")),
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::Network);
                told(&error);
            }
        }
    }
}

/// The end of a sign-in that has one by now. The token service answers at once.
async fn done<T>(sign_in: impl Future<Output = T>) -> Option<T> {
    tokio::pin!(sign_in);
    for _ in 0..20 {
        tokio::select! {
            biased;
            ended = &mut sign_in => return Some(ended),
            () = tokio::task::yield_now() => {}
        }
    }
    None
}

async fn exchange(port: u16, request: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    // A machine that is short of ports says nothing about the parser.
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return answer };
    let (mut from, mut to) = stream.split();
    let write = async {
        drop(to.write_all(request).await);
        drop(to.shutdown().await);
    };
    let (_, _) = tokio::join!(write, from.read_to_end(&mut answer));
    // So that no port lingers.
    drop(stream.set_zero_linger());
    answer
}

fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + to.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(from) {
            out.extend_from_slice(to);
            rest = behind;
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    out
}
