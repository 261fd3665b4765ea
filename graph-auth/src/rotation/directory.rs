//! Rotation by somebody who may write the registration.

use jiff::Timestamp;
use m365_core::{Acted, Error, ErrorKind, KeyId, Pipeline, Result, later, until};
use secrecy::SecretString;

use super::record::{Rotation, RotationPhase, UNDER_WAY, Wanted};
use super::{RotationHost, RotationProgress, conflict, drained_at, is_over, prove_usable};
use crate::Convergence;
use crate::convergence::{Call, Settled, Verdict, classify, is_not_served};
use crate::directory::{
    AddPassword, CredentialLists, GetCredentials, NewCertificate, NewPassword, PasswordCredential,
    RemovePassword,
};
use crate::registration::Certificates;

/// How often one call begins anew because what it had made was taken away by somebody else.
const BEGINNINGS: u32 = 3;

/// Takes a rotation as far as it goes now: adds the new credential, waits until it is accepted wherever it is tried, lets
/// the host switch, and, once the old one is drained, removes the old one. `pipeline` is that of somebody who may write the
/// registration; an app without such rights rolls its certificate with `rotate_own`.
///
/// It may be interrupted anywhere and called again with the record that the host stored last. At every moment a credential
/// of the product works: the old one is removed only when the new one was switched to, the old one is drained, and the new
/// one is accepted once more. Nothing is removed but what this rotation made and the one credential that it was told to
/// replace.
///
/// Of two rotations of one application at the same time one goes on and the other [withdraws](RotationProgress::Withdrawn).
/// A plan of the registration made during a rotation should hold the old secret
/// ([`AppRegistration::with_held_secret`](crate::AppRegistration::with_held_secret)): one that holds the new one would
/// remove the old one before it is drained.
///
/// ```
/// use graph_auth::{
///     ClientSecretCredential, Convergence, KeptCredential, Result, Rotation, RotationHost, RotationProgress, SecretPolicy,
///     rotate_to_the_end,
/// };
/// use m365_core::{Credential, KeyId};
/// use secrecy::SecretString;
/// # use graph_auth::directory::{AddPassword, ApplicationSettings, CreateApplication, CreateServicePrincipal};
/// # use m365_core::{ClientId, Cloud, Clock, Pipeline, SharedClock, TenantName, Transport, transport::ReqwestTransport};
/// # use std::{sync::Mutex, time::Duration};
///
/// /// Keeps everything in memory; yours is a database and a vault.
/// struct Product {
///     # app: (Cloud, TenantName, ClientId, SharedClock),
///     next: Mutex<Option<SecretString>>,
///     in_use: Mutex<SecretString>,
///     record: Mutex<String>,
/// }
///
/// impl RotationHost for Product {
///     async fn save(&self, rotation: &Rotation) -> Result<()> {
///         let text = serde_json::to_string(rotation).map_err(|e| graph_auth::Error::invalid("no JSON").with_source(e))?;
///         *self.record.lock().unwrap() = text;
///         Ok(())
///     }
///     async fn keep(&self, _new: &KeptCredential, secret: SecretString) -> Result<()> {
///         *self.next.lock().unwrap() = Some(secret);
///         Ok(())
///     }
///     async fn credential(&self, _new: &KeptCredential) -> Result<Credential> {
///         # let (cloud, tenant, client, clock) = self.app.clone();
///         let next = self.next.lock().unwrap().clone().unwrap_or_default();
///         let credential = ClientSecretCredential::new(cloud, tenant, client, next)?;
///         # let credential = credential.with_clock(clock);
///         Ok(Credential::new(credential))
///     }
///     async fn switch(&self, _new: &KeptCredential) -> Result<()> {
///         *self.in_use.lock().unwrap() = self.next.lock().unwrap().clone().unwrap_or_default();
///         Ok(())
///     }
/// }
///
/// # #[derive(Debug)]
/// # struct Ticking(tenant_sim::SimClock);
/// # impl Clock for Ticking {
/// #     fn now(&self) -> jiff::Timestamp { self.0.now() }
/// #     async fn sleep(&self, by: Duration) { self.0.advance(by.try_into().unwrap()); tokio::task::yield_now().await; }
/// # }
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// # let sim = tenant_sim::Tenant::start(tenant_sim::Scenario::contoso()).await?;
/// # let clock = SharedClock::new(Ticking(sim.clock().clone()));
/// # let base = url::Url::parse(&sim.http_url())?;
/// # let (cloud, tenant) = (Cloud::public().with_base_urls(base.clone(), base.clone(), base), TenantName::parse("contoso.example")?);
/// # let setup = sim.setup_identity();
/// # let admin = ClientSecretCredential::new(cloud.clone(), tenant.clone(), ClientId::parse(&setup.client_id.to_string())?,
/// #     setup.secret.into())?.with_clock(clock.clone());
/// # let pipeline = Pipeline::builder(cloud.clone(), Transport::new(ReqwestTransport::new()?), Credential::new(admin))
/// #     .clock(clock.clone()).build();
/// # let settings = ApplicationSettings { display_name: Some("Acme".to_owned()), ..Default::default() };
/// # let made = pipeline.run(&CreateApplication { unique_name: "acme".to_owned(), settings }).await?;
/// # clock.sleep(Duration::from_secs(60)).await;
/// # pipeline.run(&CreateServicePrincipal { client_id: made.client_id }).await?;
/// # let old = pipeline.run(&AddPassword { id: made.id, display_name: "acme".to_owned(), end: None }).await?;
/// # clock.sleep(Duration::from_secs(60)).await;
/// # let (application, held): (_, KeyId) = (made.id, old.key_id);
/// # let app = (cloud, tenant, made.client_id, clock.clone());
/// # let product = Product { app, next: Mutex::default(), in_use: Mutex::new(old.secret), record: Mutex::default() };
/// let policy = SecretPolicy::new("acme", std::time::Duration::from_secs(180 * 86_400))?;
/// let mut rotation = Rotation::secret(application, Some(held), &policy)?;
/// let end = rotate_to_the_end(&pipeline, &mut rotation, &product, &Convergence::new(clock)).await?;
/// assert_eq!(end, RotationProgress::Done);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) when the credential to be replaced is not there, or somebody removes
/// the new one; [`ErrorKind::NotReady`](crate::ErrorKind::NotReady) when the lists do not settle;
/// [`ErrorKind::Authentication`](crate::ErrorKind::Authentication) when the new credential is not accepted in time;
/// otherwise what Graph or the host says. The old credential works after each of them.
pub async fn rotate<H: RotationHost>(
    pipeline: &Pipeline,
    rotation: &mut Rotation,
    host: &H,
    convergence: &Convergence,
) -> Result<RotationProgress> {
    match rotation.phase {
        RotationPhase::Done => return Ok(RotationProgress::Done),
        RotationPhase::Withdrawn => return Ok(RotationProgress::Withdrawn),
        RotationPhase::Switched if !is_over(drain_end(rotation), convergence.clock().now()) => {
            return Ok(RotationProgress::Draining { until: drain_end(rotation) });
        }
        _ => {}
    }
    let get = GetCredentials { id: rotation.application };
    let name = match convergence.settle(pipeline, Call::Change, &get, false).await? {
        Settled::Answer(CredentialLists { unique_name: Some(name), .. }) => name,
        _ => rotation.application.to_string(),
    };
    // Under the lock that steps of a plan take too.
    let _lock = convergence.lock(&name).await;
    let mut work = Work {
        certificates: Certificates {
            pipeline,
            convergence,
            application: rotation.application,
            is_new: false,
        },
        rotation,
        host,
    };
    let mut beginnings = 0;
    loop {
        match work.rotation.phase {
            RotationPhase::Begun if beginnings == BEGINNINGS => {
                return Err(conflict("the new credential was taken away again and again by somebody else"));
            }
            RotationPhase::Begun => {
                beginnings += 1;
                work.begin().await?;
            }
            RotationPhase::Added => work.prove().await?,
            RotationPhase::Usable => work.decide().await?,
            RotationPhase::Switching => work.switch().await?,
            RotationPhase::Switched => {
                let until = drain_end(work.rotation);
                if !is_over(until, convergence.clock().now()) {
                    return Ok(RotationProgress::Draining { until });
                }
                work.remove_old().await?;
            }
            RotationPhase::Done => return Ok(RotationProgress::Done),
            RotationPhase::Withdrawn => return Ok(RotationProgress::Withdrawn),
        }
    }
}

/// As [`rotate`], and waits on the convergence's clock while the old credential is drained.
///
/// # Errors
/// As [`rotate`].
pub async fn rotate_to_the_end<H: RotationHost>(
    pipeline: &Pipeline,
    rotation: &mut Rotation,
    host: &H,
    convergence: &Convergence,
) -> Result<RotationProgress> {
    loop {
        match rotate(pipeline, rotation, host, convergence).await? {
            RotationProgress::Draining { until } => convergence.clock().sleep_until(until).await,
            end => return Ok(end),
        }
    }
}

fn drain_end(rotation: &Rotation) -> Timestamp {
    rotation.switched_at.map_or(Timestamp::MAX, |at| drained_at(at, rotation.drain()))
}

struct Work<'a, H> {
    certificates: Certificates<'a>,
    rotation: &'a mut Rotation,
    host: &'a H,
}

impl<H: RotationHost> Work<'_, H> {
    async fn begin(&mut self) -> Result<()> {
        let lists = self.certificates.settled().await?;
        if let Some(old) = self.rotation.old
            && !has(&lists, old)
        {
            return Err(conflict(format!(
                "the credential {old}, which is to be replaced, is not in the registration: another rotation has replaced \
                 it, or somebody removed it; nothing was changed"
            )));
        }
        if !self.rivals(&lists).is_empty() {
            return self.withdraw(&lists).await;
        }
        match self.rotation.wanted.clone() {
            Wanted::Secret { lifetime_seconds } => {
                // Of an interrupted run: their texts are lost.
                self.remove_own_secrets(&lists).await?;
                let end = later(self.now(), std::time::Duration::from_secs(lifetime_seconds));
                let NewPassword { key_id, secret, end: told } = self.add_password(end).await?;
                self.rotation.new_key = Some(key_id);
                self.rotation.new_end = Some(told.unwrap_or(end));
                self.keep(key_id, secret).await?;
            }
            Wanted::Certificate(certificate) => {
                let new = NewCertificate { display_name: self.rotation.name(), certificate };
                let (key_id, _) = self.certificates.add(&new).await?;
                self.rotation.new_key = Some(key_id);
            }
        }
        self.enter(RotationPhase::Added).await
    }

    /// The text exists only here until the host has it.
    async fn keep(&mut self, key_id: KeyId, secret: SecretString) -> Result<()> {
        let Err(error) = self.host.keep(&self.rotation.kept(), secret).await else { return Ok(()) };
        self.rotation.new_key = None;
        if let Err(left) = self.remove_secret(key_id).await {
            tracing::debug!(%key_id, kind = ?left.kind(), "the secret that nobody holds is removed by the next run");
        }
        Err(error)
    }

    async fn add_password(&self, end: Timestamp) -> Result<NewPassword> {
        let (pipeline, convergence) = (self.certificates.pipeline, self.certificates.convergence);
        let operation =
            AddPassword { id: self.rotation.application, display_name: self.rotation.name(), end: Some(end) };
        let mut patience = convergence.patience("the new secret");
        loop {
            let error = match pipeline.run(&operation).await {
                Ok(made) => return Ok(made),
                Err(error) => error,
            };
            let again = classify(Call::AddSecret, &error, false) == Verdict::Wait
                && patience.wait(error.message(), error.retry_after()).await;
            if !again {
                return Err(error);
            }
            if error.acted() == Acted::Unknown {
                let lists = self.certificates.settled().await?;
                self.remove_own_secrets(&lists).await?;
            }
        }
    }

    async fn prove(&mut self) -> Result<()> {
        let lists = self.certificates.settled().await?;
        if !self.has_new(&lists) {
            // Written over by somebody who had read an older list, or taken away: what is not there is made again.
            self.rotation.new_key = None;
            return self.enter(RotationPhase::Begun).await;
        }
        if self.loses(&lists) {
            return self.withdraw(&lists).await;
        }
        let credential = self.host.credential(&self.rotation.kept()).await?;
        let convergence = self.certificates.convergence;
        prove_usable(&credential, convergence, convergence.confirmations()).await?;
        self.enter(RotationPhase::Usable).await
    }

    /// Once more before the switch: by now two rotations that began at the same time see each other.
    async fn decide(&mut self) -> Result<()> {
        let lists = self.certificates.settled().await?;
        if !self.has_new(&lists) {
            return self.enter(RotationPhase::Added).await;
        }
        if self.loses(&lists) {
            return self.withdraw(&lists).await;
        }
        self.enter(RotationPhase::Switching).await
    }

    async fn switch(&mut self) -> Result<()> {
        self.host.switch(&self.rotation.kept()).await?;
        self.rotation.switched_at = Some(self.now());
        self.enter(RotationPhase::Switched).await
    }

    async fn remove_old(&mut self) -> Result<()> {
        let Some(old) = self.rotation.old else { return self.enter(RotationPhase::Done).await };
        let lists = self.certificates.settled().await?;
        if !self.has_new(&lists) {
            return Err(conflict(format!(
                "the new credential is no longer in the registration, so the old one, {old}, stays"
            )));
        }
        let credential = self.host.credential(&self.rotation.kept()).await?;
        prove_usable(&credential, self.certificates.convergence, 1).await?;
        if lists.secrets.iter().any(|secret| secret.key_id == old) {
            self.remove_secret(old).await?;
        } else {
            self.certificates.remove(old).await?;
        }
        self.enter(RotationPhase::Done).await
    }

    /// Takes back what this rotation has made.
    async fn withdraw(&mut self, lists: &CredentialLists) -> Result<()> {
        self.remove_own_secrets(lists).await?;
        let own = self.rotation.name();
        let keys = lists.keys.iter().map(|entry| entry.credential());
        for key in keys.filter(|key| key.display_name.as_deref() == Some(&own)) {
            self.certificates.remove(key.key_id).await?;
        }
        self.rotation.new_key = None;
        self.rotation.rival = self.rivals(lists).into_iter().min();
        self.enter(RotationPhase::Withdrawn).await
    }

    async fn remove_own_secrets(&self, lists: &CredentialLists) -> Result<()> {
        let own = self.rotation.name();
        for secret in lists.secrets.iter().filter(|s| s.display_name.as_deref() == Some(&own)) {
            self.remove_secret(secret.key_id).await?;
        }
        Ok(())
    }

    async fn remove_secret(&self, key_id: KeyId) -> Result<()> {
        let Certificates { pipeline, convergence, .. } = self.certificates;
        let operation = RemovePassword { id: self.rotation.application, key_id };
        let refusal = match convergence.settle(pipeline, Call::Remove, &operation, false).await {
            Ok(_) => None,
            // "No such credential" has no code of its own: what is there decides.
            Err(error) if is_not_served(&error) => Some(error),
            Err(error) => return Err(error),
        };
        // A 404 may have been a replica's that does not know the application.
        let lists = self.certificates.settled().await?;
        if !lists.secrets.iter().any(|secret| secret.key_id == key_id) {
            return Ok(());
        }
        Err(refusal.unwrap_or_else(|| {
            let what = format!("the secret {key_id} was removed and is still in the list");
            Error::new(ErrorKind::NotReady, what).with_operation("remove secret")
        }))
    }

    /// Credentials that other rotations of this product are making.
    fn rivals(&self, lists: &CredentialLists) -> Vec<KeyId> {
        let (prefix, own, now) = (self.rotation.prefix(), self.rotation.name(), self.now());
        let is_rival = |id: KeyId, name: Option<&str>, start: Option<Timestamp>| {
            name.is_some_and(|name| name.starts_with(&prefix) && name != own)
                && Some(id) != self.rotation.old
                && start.is_none_or(|start| until(start, now) < UNDER_WAY)
        };
        let secrets = lists.secrets.iter().map(|s| (s.key_id, s.display_name.as_deref(), s.start_date_time));
        let keys = lists.keys.iter().map(|entry| {
            let key = entry.credential();
            (key.key_id, key.display_name.as_deref(), key.start_date_time)
        });
        secrets
            .chain(keys)
            .filter(|(id, name, start)| is_rival(*id, *name, *start))
            .map(|(id, ..)| id)
            .collect()
    }

    /// Of rotations under way at once the one whose credential has the smallest id goes on: all of them see the same.
    fn loses(&self, lists: &CredentialLists) -> bool {
        self.rotation.new_key.is_some_and(|own| self.rivals(lists).iter().any(|rival| *rival < own))
    }

    fn has_new(&self, lists: &CredentialLists) -> bool {
        self.rotation.new_key.is_some_and(|new| has(lists, new))
    }

    fn now(&self) -> Timestamp {
        self.certificates.convergence.clock().now()
    }

    async fn enter(&mut self, phase: RotationPhase) -> Result<()> {
        self.rotation.phase = phase;
        tracing::debug!(application = %self.rotation.application, ?phase, "rotation");
        self.host.save(self.rotation).await
    }
}

fn has(lists: &CredentialLists, key_id: KeyId) -> bool {
    lists.secrets.iter().any(|secret: &PasswordCredential| secret.key_id == key_id)
        || lists.keys.iter().any(|entry| entry.credential().key_id == key_id)
}
