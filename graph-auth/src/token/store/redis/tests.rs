//! Against a server that is scripted byte by byte; a real one judges in `peers`.

use std::time::Duration;

use m365_core::ErrorKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::StoreKey;

fn name() -> RecordName {
    let mut bytes = [1; 32];
    bytes[0] = 2;
    StoreKey::from_bytes(&bytes).unwrap().keys.name(b"a")
}

/// Answers each read with the next text of a connection's script, then closes it. Tells what it read.
async fn scripted(connections: Vec<Vec<Vec<u8>>>) -> (u16, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (heard, hear) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for script in connections {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in script {
                let mut buffer = vec![0; 8192];
                let count = stream.read(&mut buffer).await.unwrap();
                heard.send(String::from_utf8_lossy(&buffer[..count]).into_owned()).unwrap();
                // A client that has read enough hangs up.
                drop(stream.write_all(&answer).await);
            }
        }
    });
    (port, hear)
}

async fn store(connections: &[&[&str]]) -> (RedisTokenStore, mpsc::UnboundedReceiver<String>) {
    let script = connections.iter().map(|c| c.iter().map(|answer| answer.as_bytes().to_vec()).collect());
    let (port, hear) = scripted(script.collect()).await;
    let url = format!("redis://app:h%69dden@127.0.0.1:{port}/3");
    (RedisTokenStore::new(&url.into()).unwrap().with_prefix("p:"), hear)
}

#[tokio::test]
async fn each_call_is_one_command_on_one_connection_that_logs_in_first() {
    let (store, mut hear) = store(&[&[
        "+OK\r\n",
        "+OK\r\n",
        "$3\r\nabc\r\n",
        "+OK\r\n",
        "+OK\r\n",
        "$-1\r\n",
        ":1\r\n",
        "$0\r\n\r\n",
    ]])
    .await;
    let (name, life) = (name(), Duration::from_micros(1_500_500));
    assert_eq!(store.load(&name).await.unwrap().unwrap(), "abc");
    store.save(&name, Bytes::from_static(b"new"), life).await.unwrap();
    assert!(store.lease(&name, "me", life).await.unwrap());
    assert!(!store.lease(&name, "me", life).await.unwrap());
    store.release(&name, "me").await.unwrap();
    assert_eq!(store.load(&name).await.unwrap(), None);
    let mut said = Vec::new();
    while let Ok(text) = hear.try_recv() {
        let words = text.split("\r\n").filter(|word| !word.starts_with(['*', '$']) && !word.is_empty());
        said.push(words.collect::<Vec<_>>().join(" "));
    }
    let (record, lease) = (format!("p:record:{name}"), format!("p:lease:{name}"));
    let expected = [
        "AUTH app hidden".to_owned(),
        "SELECT 3".to_owned(),
        format!("GETRANGE {record} 0 65536"),
        format!("SET {record} new PX 1500"),
        format!("SET {lease} me NX PX 1500"),
        format!("SET {lease} me NX PX 1500"),
        format!("EVAL {RELEASE} 1 {lease} me"),
        format!("GETRANGE {record} 0 65536"),
    ];
    assert_eq!(said, expected);
}

#[tokio::test]
async fn a_connection_that_broke_is_made_anew_within_the_call() {
    let login = ["+OK\r\n", "+OK\r\n"];
    let first = [login[0], login[1], "$1\r\na\r\n"];
    let (store, _hear) = store(&[&first, &first]).await;
    for _ in 0..2 {
        assert_eq!(store.load(&name()).await.unwrap().unwrap(), "a");
    }
    assert_eq!(store.load(&name()).await.unwrap_err().kind(), ErrorKind::Network, "the script is at its end");
}

#[tokio::test]
async fn trap_a_connection_that_lay_idle_is_not_trusted() {
    let answers = ["+OK\r\n", "+OK\r\n", "$1\r\na\r\n"];
    let (store, mut hear) = store(&[&answers, &answers]).await;
    store.load(&name()).await.unwrap();
    if let Some((_, used)) = store.connection.lock().await.as_mut() {
        *used -= IDLE;
    }
    store.load(&name()).await.unwrap();
    let mut commands = 0;
    while hear.try_recv().is_ok() {
        commands += 1;
    }
    assert_eq!(commands, 6, "it logged in again and asked nothing on the old one");
}

#[tokio::test]
async fn trap_11_a_wrong_password_is_told_apart_and_never_told() {
    let refusal = "-WRONGPASS invalid username-password pair hidden\r\n";
    let (store, _hear) = store(&[&[refusal]]).await;
    let error = store.load(&name()).await.unwrap_err();
    assert_eq!((error.kind(), error.service_code()), (ErrorKind::Authentication, Some("WRONGPASS")));
    assert!(!format!("{error} {error:?} {store:?}").contains("hidden"));
}

#[tokio::test]
async fn trap_a_hostile_server_cannot_make_us_take_a_huge_value() {
    let mut huge = b"$209715200\r\n".to_vec();
    huge.resize(1_000_000, b'x');
    let ok = || b"+OK\r\n".to_vec();
    let (port, _hear) =
        scripted(vec![vec![ok(), ok(), huge], vec![ok(), ok(), b"*1\r\n:1\r\n".to_vec()]]).await;
    let store = RedisTokenStore::new(&format!("redis://:x@127.0.0.1:{port}/1").into()).unwrap();
    for _ in 0..2 {
        assert_eq!(store.load(&name()).await.unwrap_err().kind(), ErrorKind::InvalidResponse);
    }
}

#[tokio::test]
async fn an_answer_nobody_waited_for_is_not_taken_for_the_next_one() {
    let (port, _hear) =
        scripted(vec![vec![Vec::new(), b"$3\r\nold\r\n".to_vec()], vec![b"$3\r\nnew\r\n".to_vec()]]).await;
    let store = RedisTokenStore::new(&format!("redis://127.0.0.1:{port}").into()).unwrap();
    let late = tokio::time::timeout(Duration::from_millis(50), store.load(&name())).await;
    assert!(late.is_err(), "it does not answer");
    // The script goes on once the first connection is gone.
    assert_eq!(store.load(&name()).await.unwrap().unwrap(), "new");
}

#[tokio::test]
async fn no_plain_connection_is_made_where_tls_was_asked_for() {
    let (port, mut hear) = scripted(vec![vec![b"+OK\r\n".to_vec()]]).await;
    let store = RedisTokenStore::new(&format!("rediss://:hidden@127.0.0.1:{port}").into()).unwrap();
    assert_eq!(store.load(&name()).await.unwrap_err().kind(), ErrorKind::Network);
    assert!(!hear.recv().await.unwrap().contains("AUTH"));
    assert!(RedisTokenStore::new(&"redis://h".into()).unwrap().with_roots("nothing").is_err());
}
