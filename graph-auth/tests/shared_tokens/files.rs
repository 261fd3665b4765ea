//! Two real processes that share a directory.

use std::process::Stdio;
use std::time::Duration;

use graph_auth::{ClientSecretCredential, FileTokenStore, SharedTokens, StoreKey};
use m365_core::{ClientId, Cloud, Resource, TenantName, TokenCredential as _, TokenRequest};
use secrecy::ExposeSecret as _;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::stores::{CLIENT, TENANT};

const CHILD: &str = "files::a_child_of_the_other_tests";

/// This very program again, as another process that does one thing.
fn child(task: &str, directory: &std::path::Path, key: &StoreKey, service: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([CHILD, "--exact", "--nocapture"])
        .env("SHARED_TOKENS_TASK", task)
        .env("SHARED_TOKENS_DIRECTORY", directory)
        .env("SHARED_TOKENS_KEY", key.to_base64().expose_secret())
        .env("SHARED_TOKENS_SERVICE", service)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// What a child says until this word, which it does say.
async fn hear(child: &mut Child, word: &str) -> String {
    let mut text = String::new();
    let stdout = child.stdout.as_mut().unwrap();
    let mut buffer = [0; 1024];
    while !text.contains(word) {
        let read = tokio::time::timeout(Duration::from_secs(30), stdout.read(&mut buffer)).await;
        let count = read.expect("the child says something").unwrap();
        assert!(count > 0, "no {word:?} in {text:?}");
        text += std::str::from_utf8(&buffer[..count]).unwrap();
    }
    text
}

fn credential(service: &str, directory: &std::path::Path, key: StoreKey) -> ClientSecretCredential {
    let base: url::Url = service.parse().unwrap();
    let cloud = Cloud::public().with_base_urls(base.clone(), base.clone(), base);
    let (tenant, client) = (TenantName::parse(TENANT).unwrap(), ClientId::parse(CLIENT).unwrap());
    ClientSecretCredential::new(cloud, tenant, client, "Q8~secret".into())
        .unwrap()
        .with_store(SharedTokens::new(FileTokenStore::open(directory).unwrap(), key))
}

async fn service(delay: Duration) -> MockServer {
    let server = MockServer::start().await;
    let token = r#"{"access_token":"the-token","expires_in":3600}"#;
    Mock::given(method("POST"))
        .and(path(format!("/{TENANT}/oauth2/v2.0/token")))
        .respond_with(ResponseTemplate::new(200).set_delay(delay).set_body_string(token))
        .mount(&server)
        .await;
    server
}

/// No test of its own: the other processes of the tests below. Run without a task it does nothing.
#[tokio::test]
async fn a_child_of_the_other_tests() {
    let Ok(task) = std::env::var("SHARED_TOKENS_TASK") else { return };
    let of = |name: &str| std::env::var(name).unwrap();
    let key = StoreKey::from_base64(&of("SHARED_TOKENS_KEY").into()).unwrap();
    let credential = credential(&of("SHARED_TOKENS_SERVICE"), of("SHARED_TOKENS_DIRECTORY").as_ref(), key);
    let out = std::io::stdout();
    let say = |text: &str| std::io::Write::write_all(&mut &out, format!("{text}\n").as_bytes()).unwrap();
    match task.as_str() {
        "get" => {
            let token = credential.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap();
            say(&format!("token={};", token.expose_secret()));
        }
        // Its token never comes: it holds the lease until it is killed.
        "hold" => {
            say("holding;");
            drop(credential.get_token(&TokenRequest::new(Resource::Graph)).await);
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn two_processes_sharing_a_directory_make_one_token_request() {
    let (home, key) = (tempfile::tempdir().unwrap(), StoreKey::generate().unwrap());
    let server = service(Duration::from_millis(500)).await;
    let directory = home.path().join("tokens");
    let mut children: Vec<_> = (0..2).map(|_| child("get", &directory, &key, &server.uri())).collect();
    for child in &mut children {
        assert!(hear(child, ";").await.contains("token=the-token;"));
        assert!(child.wait().await.unwrap().success());
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
    // A third one, much later, makes none at all.
    let mut late = child("get", &directory, &key, &server.uri());
    assert!(hear(&mut late, ";").await.contains("token=the-token;"));
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
    for file in std::fs::read_dir(&directory).unwrap() {
        let text = String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap()).into_owned();
        assert!(!text.contains("the-token") && !text.contains("contoso"));
    }
}

#[tokio::test]
async fn trap_a_process_killed_with_the_lease_is_taken_over_at_once() {
    let (home, key) = (tempfile::tempdir().unwrap(), StoreKey::generate().unwrap());
    let (slow, quick) = (service(Duration::from_secs(600)).await, service(Duration::ZERO).await);
    let directory = home.path().join("tokens");
    let mut holder = child("hold", &directory, &key, &slow.uri());
    hear(&mut holder, "holding;").await;
    while slow.received_requests().await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    holder.kill().await.unwrap();
    let begun = std::time::Instant::now();
    let token = credential(&quick.uri(), &directory, key)
        .get_token(&TokenRequest::new(Resource::Graph))
        .await
        .unwrap();
    assert_eq!(token.expose_secret(), "the-token");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}
