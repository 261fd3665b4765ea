//! Nothing secret is traced, told or stored by a rotation. One test alone in its process: a callsite that a thread without
//! a subscriber meets first may stay silent for the others.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

#[allow(dead_code, reason = "each test program uses its part")]
mod rolling;

use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use graph_auth::RotationProgress;
use rolling::{CERTIFICATES, Way};
use secrecy::ExposeSecret as _;
use tenant_sim::Fault;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn trap_7_no_secret_key_or_proof_in_traces_errors_records_or_debug() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let (mut shown, mut hidden) = (String::new(), vec!["eyJ".to_owned()]);
    for way in Way::ALL {
        let (story, begun) = way.story().await;
        let host = story.host();
        // Lost answers and refusals, so that errors are told too.
        for path in ["/addPassword", "/removePassword", "/addKey", "/removeKey"] {
            story.tenant.faults().inject(Fault::drop_after().on_path(path));
            story.tenant.faults().inject(Fault::by_id("PROV-NO-PRIVILEGE").unwrap().on_path(path).skip(1));
        }
        let (end, rotation, errors) = way.to_the_end(&story, &begun, &host).await;
        assert_eq!(end, RotationProgress::Done);
        write!(shown, "{rotation:?} {errors:?} {:?}", host.saved.lock().unwrap()).unwrap();
        write!(shown, "{:?} {:?}", story.own_certificates(), *CERTIFICATES).unwrap();
        for error in &errors {
            let mut source = std::error::Error::source(error);
            while let Some(inner) = source {
                write!(shown, "{inner} {inner:?}").unwrap();
                source = inner.source();
            }
        }
        for (id, secret) in host.kept.lock().unwrap().iter() {
            write!(shown, "{id}").unwrap();
            hidden.push(secret.expose_secret()[4..].to_owned());
        }
    }
    drop(guard);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.pem");
    CERTIFICATES[1].write_to(&path).unwrap();
    let pem = std::fs::read_to_string(path).unwrap();
    hidden.push(pem.lines().nth(5).unwrap().to_owned());
    assert!(hidden.len() > 2);
    let traced = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(traced.contains("rotation") && traced.contains("own certificate"), "was heard");
    // The records hold public certificates; of them nothing is to be hidden.
    let certificate = base64::prelude::BASE64_STANDARD.encode(CERTIFICATES[1].public().der());
    assert!(shown.contains(&certificate));
    for text in [&shown, &traced] {
        for hidden in &hidden {
            assert!(!text.contains(hidden.as_str()), "{hidden}");
        }
    }
}
