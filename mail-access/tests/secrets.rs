//! No secret in anything that people get to see: traces and log lines at the most talkative level, plans, scripts, receipts,
//! proofs, errors, `Debug` of everything, the tenant's journal, and files that others may read.
//!
//! A transport in the middle notes every secret and every token that the services ever hand out, so nothing has to be
//! guessed. Alone in its process: subscriber and logger are global.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]

mod common;

use std::collections::BTreeSet;
use std::fmt::{Debug, Display, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use common::{PROFILES, World, profile};
use m365_core::transport::{Body, HttpTransport, TransportError};
use m365_core::{Error, MailboxAddress, Resource, TokenRequest, Transport};
use mail_access::{DirectoryVault, Progress, Step, StepResult, Vault, VerifyOptions, Wait};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tenant_sim::Fault;

/// Where all output goes.
#[derive(Clone, Debug, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    fn show(&self, what: &str, value: &(impl Debug + ?Sized)) {
        let text = format!("{what}: {value:?}\n{what}: {value:#?}\n");
        self.0.lock().unwrap().extend_from_slice(text.as_bytes());
    }

    fn print(&self, what: &str, value: &(impl Display + ?Sized)) {
        self.0.lock().unwrap().extend_from_slice(format!("{what}: {value}\n").as_bytes());
    }

    /// An error with everything underneath it.
    fn error(&self, error: &Error) {
        self.print("error", error);
        self.show("error", error);
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            self.print("cause", &cause);
            self.show("cause", &cause);
            source = cause.source();
        }
        let diagnosis = error.diagnosis();
        self.print("diagnosis", &format!("{} {} {}", diagnosis.id(), diagnosis.cause(), diagnosis.remedy()));
    }
}

impl std::io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Libraries that do not trace write log lines.
impl log::Log for Sink {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.print(record.target(), record.args());
    }

    fn flush(&self) {}
}

/// Notes what must stay secret, and can break answers on their way.
struct Middle {
    inner: Transport,
    secrets: Arc<Mutex<BTreeSet<String>>>,
    /// Cuts answers that hold a secret in the middle of their JSON.
    breaks: Arc<AtomicBool>,
}

impl Debug for Middle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Debug::fmt(&self.inner, f)
    }
}

impl HttpTransport for Middle {
    async fn send(
        &self,
        request: http::Request<bytes::Bytes>,
    ) -> Result<http::Response<Body>, TransportError> {
        let (head, body) = self.inner.send(request).await?.into_parts();
        let Ok(mut bytes) = body.collect(1 << 24).await else {
            return Ok(http::Response::from_parts(head, Body::from_bytes("")));
        };
        if let Ok(answer) = serde_json::from_slice::<Value>(&bytes) {
            let found: Vec<&str> =
                ["secretText", "access_token"].iter().filter_map(|key| answer[*key].as_str()).collect();
            self.secrets.lock().unwrap().extend(found.iter().map(|s| (*s).to_owned()));
            if !found.is_empty() && self.breaks.load(Ordering::SeqCst) {
                bytes = bytes.slice(..bytes.len() - 1);
            }
        }
        Ok(http::Response::from_parts(head, Body::from_bytes(bytes)))
    }
}

impl Progress for Sink {
    fn step_started(&self, index: usize, _: usize, step: &Step) {
        self.print("started", step);
        self.show(&format!("step {index}"), step);
    }

    fn step_finished(&self, _: usize, _: usize, _: &Step, result: &StepResult) {
        self.show("result", result);
    }

    fn waiting(&self, wait: &Wait<'_>, _: jiff::Timestamp) {
        self.show("wait", wait);
    }

    fn checked(&self, check: &mail_access::verify::Check) {
        self.print("check", check);
        self.show("check", check);
    }
}

/// The forms in which a secret could appear.
fn forms(secret: &str, mailboxes: &[MailboxAddress]) -> Vec<String> {
    let encoded: String = form_encoded(secret);
    let mut forms = vec![
        secret.to_owned(),
        encoded,
        STANDARD_NO_PAD.encode(secret),
        format!("{:?}", secret.as_bytes()).trim_matches(['[', ']']).to_owned(),
    ];
    // What a login over IMAP sends.
    forms.extend(
        mailboxes.iter().map(|m| STANDARD.encode(format!("user={m}\u{1}auth=Bearer {secret}\u{1}\u{1}"))),
    );
    forms
}

fn form_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, b| {
        if b.is_ascii_alphanumeric() || b"-._~*".contains(&b) {
            out.push(char::from(b));
        } else {
            write!(out, "%{b:02X}").unwrap();
        }
        out
    })
}

/// The first place at which a secret, or anything that looks like a token, shows.
fn leak(text: &str, secrets: &BTreeSet<String>, mailboxes: &[MailboxAddress]) -> Option<String> {
    let around = |at: usize| {
        let start: Vec<char> = text[..at].chars().rev().take(150).collect();
        start.into_iter().rev().chain(text[at..].chars().take(60)).collect::<String>()
    };
    for secret in secrets {
        for form in forms(secret, mailboxes) {
            if let Some(at) = text.find(&form) {
                return Some(around(at));
            }
        }
        // Part of a secret is a secret.
        if let Some(at) =
            secret.get(..16).and_then(|start| text.find(start)).filter(|_| !secret.starts_with("eyJ"))
        {
            return Some(around(at));
        }
    }
    text.find("eyJ").map(around)
}

#[tokio::test]
async fn no_secret_in_anything_that_people_see() {
    let sink = Sink::default();
    let writer = sink.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    log::set_boxed_logger(Box::new(sink.clone())).unwrap();
    log::set_max_level(log::LevelFilter::Trace);

    let secrets = Arc::new(Mutex::new(BTreeSet::new()));
    let mut mailboxes = Vec::new();
    for name in PROFILES {
        let world = World::realistic().await;
        secrets.lock().unwrap().insert(world.tenant.setup_identity().secret);
        let profile = profile(name);
        let directory = tempfile::tempdir().unwrap();
        let vault = Vault::new(DirectoryVault::open(directory.path().join("vault")).unwrap());
        let breaks = Arc::new(AtomicBool::new(false));
        let middle = Transport::new(Middle {
            inner: world.transport(),
            secrets: secrets.clone(),
            breaks: breaks.clone(),
        });
        let onboarding = || world.onboarding_with(vault.clone(), middle.clone(), world.clock.clone());
        let first = onboarding();
        sink.show("onboarding", &first);

        // What goes wrong first: answers that hold a secret and cannot be read, and an answer that is lost.
        breaks.store(true, Ordering::SeqCst);
        sink.error(&onboarding().plan(&profile).await.expect_err("no token can be read"));
        breaks.store(false, Ordering::SeqCst);
        let plan = first.plan(&profile).await.unwrap();
        let cut = CutBeforeSecret { sink: sink.clone(), breaks: breaks.clone() };
        let broken = first.apply(&plan, &cut).await.expect_err("the secret cannot be read");
        breaks.store(false, Ordering::SeqCst);
        sink.show("stopped", &broken);
        sink.print("stopped", &broken.to_string());
        sink.error(&broken.into());
        // The next run knows nothing of what this one changed, so its verification would not wait for it.
        world.wait(std::time::Duration::from_secs(3 * 3600));

        let second = onboarding();
        let plan = second.plan(&profile).await.unwrap();
        world.tenant.faults().inject(Fault::drop_after().on_path("/addPassword"));
        sink.show("plan", &plan);
        sink.print("plan", &serde_json::to_string_pretty(&plan).unwrap());
        sink.print("script", &String::from_utf8(plan.to_script().unwrap()).unwrap());
        for step in &plan.steps {
            sink.print(&step.description.powershell, step);
        }
        let applied = second.apply(&plan, &sink).await.unwrap();
        sink.show("applied", &applied);
        let proof = second
            .verify(&profile, Some(&applied), &VerifyOptions::default().with_test_message(), &sink)
            .await
            .unwrap();
        let open: Vec<String> = proof.open_points().map(ToString::to_string).collect();
        assert!(proof.is_proven(), "{name}: {open:#?}");
        sink.show("proof", &proof);
        let receipt = second.receipt(&plan, &applied, &proof).await.unwrap();
        sink.show("receipt", &receipt);
        sink.print("receipt", &receipt.to_json().unwrap());
        sink.show("picture", &second.read(&profile).await.unwrap());

        for app in &profile.apps {
            mailboxes.extend(app.scope.mailboxes.iter().chain([&app.scope.canary]).cloned());
            let held = vault.load(world.tenant_id(), &app.unique_name).await.unwrap().unwrap();
            let noted = secrets.lock().unwrap().contains(held.secret.expose_secret());
            assert!(noted, "every secret goes through the middle");
            sink.show("held", &held);
            let session = second.session(&profile, app).await.unwrap();
            sink.show("session", &session);
            for resource in [Resource::Graph, Resource::Exchange] {
                let request = TokenRequest::new(resource).with_fresh();
                let token = session.credential().get_token(&request).await.unwrap();
                secrets.lock().unwrap().insert(token.expose_secret().to_owned());
                sink.show("token", &token);
                sink.show("request", &request.with_rejected(token));
            }
            sink.show("credential", session.credential());
            let canary = app.scope.canary.clone();
            for error in [
                session.mailbox(canary.clone()).probe().await.expect_err("closed"),
                session.calendar(canary.clone()).probe().await.expect_err("closed"),
                session.imap_mailbox(canary).probe().await.expect_err("closed"),
            ] {
                sink.error(&error);
            }
            // A secret that is refused.
            world.tenant.faults().inject(Fault::by_id("AUTH-SECRET-EXPIRED").unwrap());
            let request = TokenRequest::new(Resource::Graph).with_fresh();
            sink.error(&session.credential().get_token(&request).await.expect_err("refused"));
        }
        sink.show("vault", &vault);
        sink.print("journal", &serde_json::to_string(&world.tenant.journal()).unwrap());
        sink.print("snapshot", &world.tenant.state_snapshot());
        files_are_private(directory.path(), &secrets.lock().unwrap(), profile.apps.len());
    }

    let secrets = secrets.lock().unwrap().clone();
    let tokens = secrets.iter().filter(|s| s.starts_with("eyJ")).count();
    assert!(tokens >= 20 && secrets.len() - tokens >= 10, "{tokens} tokens, {} in all", secrets.len());
    let text = sink.text();
    assert!(
        text.contains("token minted") && text.contains("decode: input"),
        "traces and log lines are caught"
    );
    if let Some(line) = leak(&text, &secrets, &mailboxes) {
        panic!("a secret shows: {line}");
    }

    // The positive control: each form of each kind of secret would have been found.
    for secret in &secrets {
        for form in forms(secret, &mailboxes) {
            assert!(leak(&format!("a\nb {form} c\n"), &secrets, &mailboxes).is_some());
        }
    }
}

/// Breaks the answer that holds the new secret.
struct CutBeforeSecret {
    sink: Sink,
    breaks: Arc<AtomicBool>,
}

impl Progress for CutBeforeSecret {
    fn step_started(&self, index: usize, total: usize, step: &Step) {
        self.sink.step_started(index, total, step);
        self.breaks.store(step.id.ends_with("/secret"), Ordering::SeqCst);
    }
}

/// The vault's files hold the secrets (so the search can find one), nobody else may read them, and nothing lies around.
fn files_are_private(directory: &std::path::Path, secrets: &BTreeSet<String>, apps: usize) {
    let mut open = vec![directory.to_owned()];
    let mut files = 0;
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()) {
            if entry.is_dir() {
                open.push(entry);
                continue;
            }
            let text = std::fs::read_to_string(&entry).unwrap();
            // Beside the secrets lies the name of the installation.
            if entry.extension().is_some_and(|e| e == "json") {
                files += 1;
                assert!(leak(&text, secrets, &[]).is_some(), "the search finds what is there");
            }
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                assert_eq!(
                    std::fs::metadata(&entry).unwrap().permissions().mode() & 0o777,
                    0o600,
                    "{entry:?}"
                );
                let parent = entry.parent().unwrap();
                assert_eq!(
                    std::fs::metadata(parent).unwrap().permissions().mode() & 0o777,
                    0o700,
                    "{parent:?}"
                );
            }
        }
    }
    assert_eq!(files, apps);
}
