//! Connections that are signed in, against a server that does its half.

use std::sync::Arc;

use ews_client::{CallOptions, ErrorKind, EwsClient, EwsCredential, EwsEndpoint};
use m365_core::RetryPolicy;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::{TlsAcceptor, rustls};

use crate::help::*;
use crate::ntlm_server::*;

fn ntlm() -> EwsCredential {
    EwsCredential::ntlm(&format!("FABRIKAM\\{USER}"), PASSWORD.into()).unwrap()
}

fn client(server: &Server, credential: EwsCredential) -> EwsClient {
    let url = format!("http://{}", server.address).parse().unwrap();
    EwsClient::builder(EwsEndpoint::on_premises_without_tls(url).unwrap(), credential)
        .retry(RetryPolicy::default().with_max_attempts(2))
        .build()
        .unwrap()
}

async fn ask(client: &EwsClient) -> ews_client::Result<()> {
    let answer = client.call(&Ask::of(&["1"]), &anna()).await?;
    assert_eq!(said(&answer), ["1"]);
    Ok(())
}

#[tokio::test]
async fn trap_20_the_handshake_runs_on_one_connection_and_the_first_leg_has_no_body() {
    let server = Server::start(Setup::default()).await;
    ask(&client(&server, ntlm())).await.unwrap();
    let seen = server.seen();
    assert_eq!(server.story(), [(0, 401), (0, 200)]);
    assert_eq!(seen[0].body, 0);
    assert!(seen[1].body > 300 && seen[0].token && seen[1].token);
}

#[tokio::test]
async fn trap_20_a_connection_that_is_signed_in_is_used_again() {
    let server = Server::start(Setup::default()).await;
    let client = client(&server, ntlm());
    for _ in 0..3 {
        ask(&client).await.unwrap();
    }
    assert_eq!(server.story(), [(0, 401), (0, 200), (0, 200), (0, 200)]);
    assert!(!server.seen()[2].token);
}

#[tokio::test]
async fn trap_20_a_second_identity_never_uses_the_connection_of_the_first() {
    let server = Server::start(Setup::default()).await;
    ask(&client(&server, ntlm())).await.unwrap();
    ask(&client(&server, ntlm())).await.unwrap();
    assert_eq!(server.story(), [(0, 401), (0, 200), (1, 401), (1, 200)]);
    let wrong = EwsCredential::ntlm(r"FABRIKAM\other", "wrong".into()).unwrap();
    let error = ask(&client(&server, wrong)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(server.seen().iter().skip(4).all(|seen| seen.connection >= 2 && seen.status == 401));
}

#[tokio::test]
async fn a_wrong_password_is_tried_twice_and_no_more() {
    let server = Server::start(Setup::default()).await;
    let wrong = EwsCredential::ntlm(&format!("FABRIKAM\\{USER}"), "mistyped".into()).unwrap();
    let error = ask(&client(&server, wrong)).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Authentication, 2));
    assert_eq!(server.story(), [(0, 401), (0, 401), (1, 401), (1, 401)]);
    assert!(!format!("{error:?}").contains("mistyped"));
}

#[tokio::test]
async fn trap_20_a_server_that_hangs_up_in_the_middle_is_tried_again() {
    let server = Server::start(Setup { hang_up: 1, ..Setup::default() }).await;
    ask(&client(&server, ntlm())).await.unwrap();
    assert_eq!(server.story(), [(0, 401), (1, 401), (1, 200)]);
    // Nothing of the request had left, so even what must not be doubled is repeated.
    let server = Server::start(Setup { hang_up: 1, ..Setup::default() }).await;
    let write = Ask { once: true, ..Ask::of(&["1"]) };
    client(&server, ntlm()).call(&write, &anna()).await.unwrap();
    let always = Server::start(Setup { hang_up: 9, ..Setup::default() }).await;
    let error = ask(&client(&always, ntlm())).await.unwrap_err();
    assert_eq!((error.kind(), error.acted()), (ErrorKind::Network, m365_core::Acted::No));
}

#[tokio::test]
async fn a_connection_that_the_server_closed_or_forgot_is_replaced() {
    let short = Server::start(Setup { short: true, ..Setup::default() }).await;
    let of_short = client(&short, ntlm());
    let forgetful = Server::start(Setup { forgetful: true, ..Setup::default() }).await;
    let of_forgetful = client(&forgetful, ntlm());
    for _ in 0..2 {
        ask(&of_short).await.unwrap();
        ask(&of_forgetful).await.unwrap();
    }
    assert_eq!(short.story(), [(0, 401), (0, 200), (1, 401), (1, 200)]);
    assert_eq!(forgetful.story(), [(0, 401), (0, 200), (0, 401), (1, 401), (1, 200)]);
}

#[tokio::test]
async fn requests_at_a_time_have_a_connection_each_and_so_has_a_stream() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let server = Server::start(Setup { slow: Some(Arc::clone(&gate)), ..Setup::default() }).await;
    let client = client(&server, ntlm());
    let both = futures_util::future::join(ask(&client), ask(&client));
    let release = async {
        while server.seen().len() < 2 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(10);
    };
    let ((first, second), ()) = futures_util::future::join(both, release).await;
    first.and(second).unwrap();
    let mut connections: Vec<_> = server.seen().iter().map(|seen| seen.connection).collect();
    connections.sort_unstable();
    assert_eq!(connections, [0, 0, 1, 1]);
    // While a stream hangs, its connection carries nothing else.
    let stream = client.open(&Ask::of(&["1"]), &anna(), &CallOptions::default()).await.unwrap();
    let stream_at = server.seen().last().unwrap().connection;
    ask(&client).await.unwrap();
    assert_ne!(server.seen().last().unwrap().connection, stream_at);
    stream.into_body().collect(10_000).await.unwrap();
}

#[tokio::test]
async fn a_server_that_wants_another_scheme_is_named() {
    let wiremock = wiremock::MockServer::start().await;
    wiremock::Mock::given(wiremock::matchers::any())
        .respond_with(wiremock::ResponseTemplate::new(401).insert_header("www-authenticate", "Negotiate"))
        .expect(1)
        .mount(&wiremock)
        .await;
    let url = wiremock.uri().parse().unwrap();
    let client =
        EwsClient::builder(EwsEndpoint::on_premises_without_tls(url).unwrap(), ntlm()).build().unwrap();
    let error = ask(&client).await.unwrap_err();
    assert_eq!(error.message(), "the server does not take NTLM: it offers Negotiate");
}

/// A certificate of its own authority, its acceptor and its hash.
fn tls() -> (String, TlsAcceptor, Vec<u8>) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .unwrap();
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate.der());
    (certificate.pem(), TlsAcceptor::from(Arc::new(config)), hash.as_ref().to_vec())
}

async fn over_tls(bindings: impl FnOnce(Vec<u8>) -> Vec<u8>, spnego: bool) -> ews_client::Result<()> {
    let (pem, acceptor, hash) = tls();
    let setup = Setup { tls: Some(acceptor), bindings: Some(bindings(hash)), spnego, ..Setup::default() };
    let server = Server::start(setup).await;
    let endpoint =
        EwsEndpoint::on_premises(format!("https://127.0.0.1:{}", server.address.port()).parse().unwrap())?;
    let credential = if spnego { negotiate() } else { ntlm() };
    ask(&EwsClient::builder(endpoint, credential).only_roots(pem).build()?).await
}

#[tokio::test]
async fn the_sign_in_is_bound_to_the_certificate_of_the_server() {
    over_tls(|hash| hash, false).await.unwrap();
    // As behind a proxy that ends TLS with a certificate of its own.
    let error = over_tls(|_| vec![0; 32], false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(error.message().contains("ends TLS"), "{error}");
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_is_refused_before_anything_is_said() {
    let (_, acceptor, _) = tls();
    let server = Server::start(Setup { tls: Some(acceptor), ..Setup::default() }).await;
    let url = format!("https://127.0.0.1:{}", server.address.port()).parse().unwrap();
    let (other, ..) = tls();
    let client = EwsClient::builder(EwsEndpoint::on_premises(url).unwrap(), ntlm())
        .only_roots(other)
        .retry(RetryPolicy::never())
        .build()
        .unwrap();
    let error = ask(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.acted()), (ErrorKind::Network, m365_core::Acted::No));
    assert!(server.seen().is_empty());
}

#[test]
fn no_password_shows_in_debug_and_none_goes_to_exchange_online_or_in_the_clear() {
    let shown = format!("{:?}", ntlm());
    assert!(!shown.contains(PASSWORD) && !shown.contains(USER), "{shown}");
    let online = EwsEndpoint::online(&m365_core::Cloud::public());
    assert!(EwsClient::builder(online, ntlm()).build().unwrap_err().message().contains("refuses NTLM"));
    let plain =
        EwsEndpoint::on_premises_without_tls("http://mail.fabrikam.example".parse().unwrap()).unwrap();
    assert!(EwsClient::builder(plain, ntlm()).send_password_without_tls().build().is_err());
}

#[cfg(not(feature = "negotiate"))]
fn negotiate() -> EwsCredential {
    ntlm()
}

#[cfg(feature = "negotiate")]
fn negotiate() -> EwsCredential {
    // Nobody listens there, so Kerberos gives way to NTLM.
    let nobody = "tcp://127.0.0.1:1".parse().unwrap();
    EwsCredential::negotiate_at(&format!("FABRIKAM\\{USER}"), PASSWORD.into(), nobody).unwrap()
}

#[cfg(feature = "negotiate")]
#[tokio::test]
async fn negotiate_falls_back_to_ntlm_when_no_domain_controller_answers() {
    let server = Server::start(Setup { spnego: true, ..Setup::default() }).await;
    let client = client(&server, negotiate());
    ask(&client).await.unwrap();
    ask(&client).await.unwrap();
    assert_eq!(server.story(), [(0, 401), (0, 200), (0, 200)]);
    assert_eq!(server.seen()[0].body, 0);
}

#[cfg(feature = "negotiate")]
#[tokio::test]
async fn negotiate_is_bound_to_the_certificate_too() {
    over_tls(|hash| hash, true).await.unwrap();
    assert_eq!(over_tls(|_| vec![0; 32], true).await.unwrap_err().kind(), ErrorKind::Authentication);
}

#[cfg(feature = "negotiate")]
#[tokio::test]
async fn a_server_that_cannot_prove_itself_may_have_acted_all_the_same() {
    let server = Server::start(Setup { spnego: true, spoiled: true, ..Setup::default() }).await;
    let error = ask(&client(&server, negotiate())).await.unwrap_err();
    assert_eq!((error.kind(), error.acted()), (ErrorKind::Authentication, m365_core::Acted::Unknown));
    assert_eq!(server.story(), [(0, 401), (0, 200)]);
}

#[cfg(feature = "negotiate")]
#[test]
fn a_domain_controller_is_spoken_to_by_tcp() {
    for url in ["https://dc1.fabrikam.example/KdcProxy", "udp://dc1.fabrikam.example"] {
        let refused =
            EwsCredential::negotiate_at("svc@fabrikam.example", PASSWORD.into(), url.parse().unwrap());
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
