//! The directory is a set of replicas: what was written is not at once what is read. This is how long, and for what, we
//! wait.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use m365_core::{Acted, Error, ErrorKind, Operation, Pipeline, Result, SharedClock, later, until};
use tokio::sync::OwnedMutexGuard;

/// The kind of call that failed, as far as [`classify`] is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Call {
    /// Registers an application.
    CreateApplication,
    /// Makes a service principal.
    CreateServicePrincipal,
    /// Consents to an application permission.
    GrantAppRole,
    /// Adds a secret.
    AddSecret,
    /// Adds a certificate, proving possession of another one.
    AddKey,
    /// Changes or reads something that exists.
    Change,
    /// Takes something away.
    Remove,
    /// Asks for a token.
    Token,
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Replication or a passing trouble: the same call again, later.
    Wait,
    /// What was wanted is already so.
    Done,
    /// It will not pass.
    Final,
}

/// What a failure of the directory means while objects are new. `is_new` says that the object called upon was made by
/// this run, or so recently that replicas may lag.
///
/// A text decides only where Graph gives one code to opposite things (a grant that exists, and a grant to a principal not
/// yet visible, are both `Request_BadRequest`); an unknown text falls back to `is_new`.
///
/// ```
/// use graph_auth::{Call, Verdict, classify, Error, ErrorKind};
/// let missing = Error::new(ErrorKind::NotFound, "Resource does not exist").with_code("Request_ResourceNotFound");
/// assert_eq!(classify(Call::Change, &missing, true), Verdict::Wait);
/// assert_eq!(classify(Call::Change, &missing, false), Verdict::Final);
/// ```
pub fn classify(call: Call, error: &Error, is_new: bool) -> Verdict {
    let code = error.service_code().unwrap_or_default();
    let status = error.status().map(|s| s.as_u16());
    let wait_if_new = if is_new { Verdict::Wait } else { Verdict::Final };
    let says = |text: &str| error.message().contains(text);
    if code == "Directory_ConcurrencyViolation" {
        return Verdict::Wait;
    }
    if error.is_transient() {
        // The pipeline has given up after several attempts: starting over would multiply them. A secret whose answer was
        // lost is different, since the pipeline never repeats that call.
        let unanswered = matches!(call, Call::AddSecret | Call::AddKey) && error.acted() == Acted::Unknown;
        return if error.attempts() <= 1 || unanswered { Verdict::Wait } else { Verdict::Final };
    }
    match (call, error.kind(), status) {
        (Call::Token, ErrorKind::Authentication, _) => wait_if_new,
        // Only Graph's own word counts: a proxy's 404 does not say that something is gone.
        (Call::Remove, ErrorKind::NotFound, _) if !code.is_empty() => Verdict::Done,
        (Call::Remove, ErrorKind::NotFound, _) => Verdict::Final,
        (_, ErrorKind::NotFound, _) => wait_if_new,
        (Call::CreateServicePrincipal, _, Some(400)) if says("NoBackingApplicationObject") => Verdict::Wait,
        (Call::CreateServicePrincipal, _, Some(400)) if code == "Request_BadRequest" => wait_if_new,
        (_, ErrorKind::PermissionDenied, _) if says("Insufficient privileges") => Verdict::Final,
        // Misleading: "the backing application must be in the local tenant" is said of one that is not yet visible.
        (Call::CreateServicePrincipal, ErrorKind::PermissionDenied, _) => wait_if_new,
        (Call::CreateServicePrincipal | Call::CreateApplication, ErrorKind::Conflict, _) => Verdict::Done,
        (Call::GrantAppRole, _, Some(400)) if says("already exists") => Verdict::Done,
        (Call::GrantAppRole, _, Some(400)) if says("Not a valid reference update") => Verdict::Wait,
        _ => Verdict::Final,
    }
}

/// A wait in progress, for progress bars.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Waiting<'a> {
    /// For what.
    pub what: &'a str,
    /// What was last seen.
    pub reason: &'a str,
    /// Tries so far.
    pub tries: u32,
    /// The wait that begins now.
    pub wait: Duration,
    /// Time since the first try.
    pub elapsed: Duration,
    /// When it is given up, since the first try.
    pub deadline: Duration,
}

type Hook = Arc<dyn Fn(&Waiting<'_>) + Send + Sync>;

/// How patiently replication is waited for. Cloning it copies pointers; clones share the lock per application, so that
/// steps of one application never run side by side.
#[derive(Clone)]
pub struct Convergence {
    clock: SharedClock,
    deadline: Duration,
    confirmations: u32,
    credential_grace: Duration,
    on_wait: Option<Hook>,
    locks: Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>,
}

impl Convergence {
    /// Waits on this clock: 5 minutes at most for one thing, 5 equal readings for credentials.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            deadline: Duration::from_secs(300),
            confirmations: 5,
            credential_grace: Duration::from_secs(120),
            on_wait: None,
            locks: Arc::default(),
        }
    }

    /// The longest wait for one thing.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How many equal readings in a row are needed before a list of credentials is believed. Other readings need two at
    /// most.
    #[must_use]
    pub fn with_confirmations(mut self, readings: u32) -> Self {
        self.confirmations = readings.max(1);
        self
    }

    /// How long a refused credential may be a new one that is not known everywhere yet; 2 minutes by default. Zero when
    /// the credential is old.
    #[must_use]
    pub fn with_credential_grace(mut self, grace: Duration) -> Self {
        self.credential_grace = grace;
        self
    }

    /// Somebody who hears of each wait. It must not block.
    #[must_use]
    pub fn on_wait(mut self, hook: impl Fn(&Waiting<'_>) + Send + Sync + 'static) -> Self {
        self.on_wait = Some(Arc::new(hook));
        self
    }

    /// Its clock.
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// The same, less patient.
    pub(crate) fn within(&self, deadline: Duration) -> Self {
        Self { deadline: self.deadline.min(deadline), ..self.clone() }
    }

    pub(crate) fn credential_grace(&self) -> Duration {
        self.credential_grace
    }

    pub(crate) fn confirmations(&self) -> u32 {
        self.confirmations
    }

    pub(crate) async fn lock(&self, application: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            // Locks that nobody holds are only in the map.
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            locks.entry(application.to_owned()).or_default().clone()
        };
        lock.lock_owned().await
    }

    pub(crate) fn patience<'a>(&'a self, what: &'a str) -> Patience<'a> {
        Patience { convergence: self, what, started: self.clock.now(), tries: 0 }
    }

    /// Runs a call until it is answered, done already, or failed for good.
    pub(crate) async fn settle<O: Operation>(
        &self,
        pipeline: &Pipeline,
        call: Call,
        operation: &O,
        is_new: bool,
    ) -> Result<Settled<O::Output>> {
        let mut patience = self.patience(operation.meta().name);
        loop {
            let error = match pipeline.run(operation).await {
                Ok(value) => return Ok(Settled::Answer(value)),
                Err(error) => error,
            };
            match classify(call, &error, is_new) {
                Verdict::Done => return Ok(Settled::Done),
                Verdict::Wait if patience.wait(error.message(), error.retry_after()).await => {}
                Verdict::Wait => {
                    let tries = error.attempts().max(patience.tries());
                    return Err(error.with_attempts(tries));
                }
                Verdict::Final => return Err(error),
            }
        }
    }

    /// Reads until `readings` in a row say yes. Gives what the last one read, or `None` at the deadline.
    ///
    /// A reading gives `Ok(None)` for "not yet"; an error that is not the replication's ends the wait.
    pub(crate) async fn confirm<T, F>(
        &self,
        what: &str,
        readings: u32,
        mut read: impl FnMut() -> F + Send,
    ) -> Result<Option<T>>
    where
        T: Send,
        F: Future<Output = Result<Option<T>>> + Send,
    {
        let started = self.clock.now();
        let mut patience = self.patience(what);
        let mut in_a_row = 0;
        loop {
            match read().await? {
                Some(value) => {
                    in_a_row += 1;
                    if in_a_row >= readings {
                        return Ok(Some(value));
                    }
                    if until(started, self.clock.now()) > self.deadline {
                        return Ok(None);
                    }
                    self.clock.sleep(BETWEEN_READINGS).await;
                }
                None => {
                    in_a_row = 0;
                    if !patience.wait("not yet readable everywhere", None).await {
                        return Ok(None);
                    }
                }
            }
        }
    }
}

/// How a call that was repeated came out.
pub(crate) enum Settled<T> {
    /// It was answered.
    Answer(T),
    /// What it wants is so already.
    Done,
}

/// Replicas answer in turn; readings closer together would ask the same one.
const BETWEEN_READINGS: Duration = Duration::from_secs(1);

impl Default for Convergence {
    fn default() -> Self {
        Self::new(SharedClock::system())
    }
}

impl fmt::Debug for Convergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Convergence")
            .field("deadline", &self.deadline)
            .field("confirmations", &self.confirmations)
            .field("credential_grace", &self.credential_grace)
            .finish_non_exhaustive()
    }
}

/// Waits of up to 2, 5, 10, 20, 30, 30, … seconds until the deadline.
pub(crate) struct Patience<'a> {
    convergence: &'a Convergence,
    what: &'a str,
    started: Timestamp,
    tries: u32,
}

impl Patience<'_> {
    pub(crate) fn tries(&self) -> u32 {
        self.tries + 1
    }

    pub(crate) fn elapsed(&self) -> Duration {
        until(self.started, self.convergence.clock.now())
    }

    /// Waits for the next try; `false`, without waiting, when the deadline would pass.
    pub(crate) async fn wait(&mut self, reason: &str, floor: Option<Duration>) -> bool {
        const WAITS: [u64; 5] = [2, 5, 10, 20, 30];
        let bound = Duration::from_secs(WAITS.get(self.tries as usize).copied().unwrap_or(30));
        // Between half and whole: replication wants time, so a wait near zero would be wasted.
        let wait = bound.mul_f64(0.5 + fastrand::f64() / 2.0).max(floor.unwrap_or_default());
        let (elapsed, deadline) = (self.elapsed(), self.convergence.deadline);
        if elapsed.saturating_add(wait) > deadline {
            return false;
        }
        self.tries += 1;
        if let Some(hook) = &self.convergence.on_wait {
            hook(&Waiting { what: self.what, reason, tries: self.tries, wait, elapsed, deadline });
        }
        tracing::debug!(
            what = self.what,
            tries = self.tries,
            wait_ms = wait.as_millis(),
            "waiting for replication"
        );
        let clock = &self.convergence.clock;
        clock.sleep_until(later(clock.now(), wait)).await;
        true
    }
}

/// Whether a status says that the call itself is not served here, so that another way is worth trying.
pub(crate) fn is_not_served(error: &Error) -> bool {
    matches!(error.status(), Some(StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND))
}

#[cfg(test)]
mod tests {
    use super::*;
    use m365_core::odata;
    use m365_core::testing::ManualClock;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn graph(status: u16, body: &str) -> Error {
        odata::error_of(
            StatusCode::from_u16(status).unwrap(),
            &http::HeaderMap::new(),
            body.as_bytes(),
            Timestamp::UNIX_EPOCH,
        )
    }

    const NO_BACKING: &str = r#"{"error":{"code":"Request_BadRequest","message":"The appId 'c0000000-0000-4000-8000-000000000002' of the service principal does not reference a valid application object.","details":[{"code":"NoBackingApplicationObject","message":"The appId does not reference an application.","target":"appId"}]}}"#;
    const LOCAL_TENANT: &str = r#"{"error":{"code":"Authorization_RequestDenied","message":"When using this permission, the backing application of the service principal being created must in the local tenant"}}"#;
    const MISSING: &str = r#"{"error":{"code":"Request_ResourceNotFound","message":"Resource 'x' does not exist or one of its queried reference-property objects are not present."}}"#;
    const NO_OBJECT: &str = r#"{"error":{"code":"Directory_ObjectNotFound","message":"Unable to read the company information from the directory."}}"#;
    const REFERENCE: &str =
        r#"{"error":{"code":"Request_BadRequest","message":"Not a valid reference update."}}"#;
    const CONCURRENT: &str = r#"{"error":{"code":"Directory_ConcurrencyViolation","message":"Error due to concurrent requests being made to the tenant. Please wait briefly and retry."}}"#;
    const DUPLICATE: &str = r#"{"error":{"code":"Request_MultipleObjectsWithSameKeyValue","message":"Another object with the same value for property appId already exists."}}"#;
    const GRANTED: &str = r#"{"error":{"code":"Request_BadRequest","message":"Permission being assigned already exists on the object"}}"#;
    const DENIED: &str = r#"{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges to complete the operation."}}"#;

    #[test]
    fn trap_3_every_row_of_the_table() {
        use Call::{
            AddSecret, Change, CreateApplication, CreateServicePrincipal, GrantAppRole, Remove, Token,
        };
        use Verdict::{Done, Final, Wait};
        for (row, call, status, body, new, old) in [
            (1, CreateServicePrincipal, 400, NO_BACKING, Wait, Wait),
            (2, CreateServicePrincipal, 403, LOCAL_TENANT, Wait, Final),
            (3, Change, 404, MISSING, Wait, Final),
            (3, AddSecret, 404, NO_OBJECT, Wait, Final),
            (4, GrantAppRole, 404, MISSING, Wait, Final),
            (4, GrantAppRole, 400, REFERENCE, Wait, Wait),
            (5, AddSecret, 409, CONCURRENT, Wait, Wait),
            (5, CreateServicePrincipal, 409, CONCURRENT, Wait, Wait),
            (6, Change, 409, DUPLICATE, Final, Final),
            (6, CreateServicePrincipal, 409, DUPLICATE, Done, Done),
            (6, CreateApplication, 409, DUPLICATE, Done, Done),
            (7, GrantAppRole, 400, GRANTED, Done, Done),
            (11, Change, 429, "", Wait, Wait),
            (11, GrantAppRole, 503, "busy", Wait, Wait),
            (11, Change, 424, "", Wait, Wait),
            (12, GrantAppRole, 403, DENIED, Final, Final),
            (12, Change, 403, DENIED, Final, Final),
            (12, CreateServicePrincipal, 403, DENIED, Final, Final),
            (12, AddSecret, 403, DENIED, Final, Final),
            (0, Remove, 404, MISSING, Done, Done),
            (0, Remove, 404, "<html>proxy</html>", Final, Final),
            (
                0,
                Change,
                400,
                r#"{"error":{"code":"Request_BadRequest","message":"Invalid value"}}"#,
                Final,
                Final,
            ),
        ] {
            let error = graph(status, body);
            assert_eq!(classify(call, &error, true), new, "row {row}, new, {error}");
            assert_eq!(classify(call, &error, false), old, "row {row}, old, {error}");
        }
        let refused = Error::new(ErrorKind::Authentication, "x").with_code("invalid_client");
        assert_eq!(classify(Token, &refused, true), Wait, "row 9");
        assert_eq!(classify(Token, &refused, false), Final, "row 9");
    }

    #[test]
    fn what_the_pipeline_gave_up_on_is_not_started_over() {
        let busy = || graph(503, "");
        assert_eq!(classify(Call::Change, &busy().with_attempts(6), true), Verdict::Final);
        assert_eq!(classify(Call::AddSecret, &busy().with_attempts(1), true), Verdict::Wait);
    }

    fn convergence() -> (ManualClock, Convergence) {
        let manual = ManualClock::at(Timestamp::UNIX_EPOCH);
        (manual.clone(), Convergence::new(SharedClock::new(manual)))
    }

    #[tokio::test]
    async fn trap_5_a_bad_reading_restarts_the_count() {
        let (_, convergence) = convergence();
        let reads = AtomicU32::new(0);
        let good = [true, true, true, true, false, true, true, true, true, true];
        let seen = convergence
            .confirm("list", 5, async || {
                let n = reads.fetch_add(1, Ordering::Relaxed) as usize;
                Ok(good[n].then_some(n))
            })
            .await
            .unwrap();
        assert_eq!(seen, Some(9));
    }

    #[tokio::test]
    async fn waiting_ends_at_the_deadline_and_is_reported() {
        let (manual, convergence) = convergence();
        let heard = Arc::new(AtomicU32::new(0));
        let counter = heard.clone();
        let convergence = convergence.with_deadline(Duration::from_secs(60)).on_wait(move |w| {
            assert!(w.elapsed + w.wait <= w.deadline);
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let never = convergence.confirm("x", 1, async || Ok(None::<()>)).await.unwrap();
        assert_eq!(never, None);
        assert!(manual.slept() <= Duration::from_secs(60) && manual.slept() > Duration::from_secs(25));
        assert!(heard.load(Ordering::Relaxed) >= 3);
    }

    #[tokio::test]
    async fn one_application_at_a_time() {
        let (_, convergence) = convergence();
        let first = convergence.lock("a").await;
        let mut second = Box::pin(convergence.lock("a"));
        assert!(futures_util::poll!(&mut second).is_pending());
        let _other = convergence.lock("b").await;
        drop(first);
        let _second = second.await;
    }
}
