//! An app rolls its own certificate: no permission is needed, possession of the old key is proven.

use std::fmt;

use jiff::Timestamp;
use m365_core::{
    Acted, ClientId, Credential, Error, ErrorKind, KeyId, Pipeline, Resource, Result, TenantName,
    TokenRequest,
};

use super::record::{Rotation, RotationPhase, Wanted};
use super::{RotationHost, RotationProgress, drained_at, is_over, prove_usable};
use crate::convergence::{Call, Settled, Verdict, classify, is_not_served};
use crate::directory::{AddKey, GetCredentials, RemoveKey};
use crate::{ClientCertificate, ClientCertificateCredential, Convergence, PublicCertificate};

/// The app, its present certificate and the one that follows, both with their keys or signers.
#[derive(Clone)]
pub struct OwnCertificates {
    tenant: TenantName,
    client: ClientId,
    old: ClientCertificate,
    new: ClientCertificate,
}

impl OwnCertificates {
    /// The certificate in use and the one that follows it.
    pub fn new(tenant: TenantName, client: ClientId, old: ClientCertificate, new: ClientCertificate) -> Self {
        Self { tenant, client, old, new }
    }

    fn credential(&self, pipeline: &Pipeline, certificate: &ClientCertificate) -> Credential {
        let cloud = pipeline.cloud().clone();
        Credential::new(
            ClientCertificateCredential::new(cloud, self.tenant.clone(), self.client, certificate.clone())
                .with_transport(pipeline.transport().clone())
                .with_clock(pipeline.clock().clone()),
        )
    }
}

impl fmt::Debug for OwnCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnCertificates")
            .field("client", &self.client)
            .field("old", &self.old)
            .field("new", &self.new)
            .finish_non_exhaustive()
    }
}

/// Takes the roll of an app's own certificate as far as it goes now, as [`rotate`](super::rotate) does: `addKey` signed by
/// the old one, tokens by the new one, the host's switch, the drain, `removeKey` signed by the new one. `pipeline` is the
/// app's own; it needs no permission. The rotation is one of
/// [`Rotation::certificate`] with the key id of the old certificate. Of the host, `save` and `switch` are called.
///
/// An app without rights cannot read its registration. Hence, where `addKey` was answered without an id or not at all,
/// tokens decide whether the certificate was added, and [`Rotation::new_key`] stays unknown until somebody with rights
/// reads it; and two instances that roll at the same time do not see each other: let the host refuse to save a record
/// that is not the one it gave out.
///
/// ```
/// use graph_auth::{
///     Convergence, OwnCertificates, Result, Rotation, RotationHost, RotationProgress, rotate_own,
/// };
/// use m365_core::{ApplicationObjectId, KeyId, Pipeline};
///
/// /// A scheduled job: with the record stored last, or a new one.
/// async fn roll(
///     stored: Option<Rotation>,
///     (application, held): (ApplicationObjectId, KeyId),
///     certificates: &OwnCertificates,
///     next: graph_auth::PublicCertificate,
///     own: &Pipeline,
///     host: &impl RotationHost,
/// ) -> Result<()> {
///     let mut rotation = match stored {
///         Some(stored) => stored,
///         None => Rotation::certificate(application, Some(held), "acme", next)?,
///     };
///     let convergence = Convergence::new(own.clock().clone());
///     match rotate_own(own, &mut rotation, certificates, host, &convergence).await? {
///         RotationProgress::Draining { until } => println!("the job is due again at {until}"),
///         _ => println!("held from now on: {:?}", rotation.new_key()),
///     }
///     Ok(())
/// }
/// ```
///
/// # Errors
/// [`ErrorKind::InvalidInput`] when the rotation is none of a certificate, or of another one, and when the app may read
/// that its old key id is another certificate's. [`ErrorKind::Authentication`]
/// when the old certificate has ended or is refused: without a valid one only somebody who may write the registration can
/// add another, and the message says how. Otherwise what Graph or the host says.
pub async fn rotate_own<H: RotationHost>(
    pipeline: &Pipeline,
    rotation: &mut Rotation,
    certificates: &OwnCertificates,
    host: &H,
    convergence: &Convergence,
) -> Result<RotationProgress> {
    let (Wanted::Certificate(wanted), Some(old_key)) = (&rotation.wanted, rotation.old) else {
        return Err(Error::invalid(
            "this way rolls one certificate to another, and needs the old one's key id",
        ));
    };
    if wanted.der() != certificates.new.der() {
        return Err(Error::invalid("the new certificate is not that of the rotation"));
    }
    let _lock = convergence.lock(&rotation.application.to_string()).await;
    let mut work = Roll { pipeline, rotation, certificates, host, convergence, old_key };
    loop {
        match work.rotation.phase {
            RotationPhase::Begun => work.add().await?,
            RotationPhase::Added => {
                let new = certificates.credential(pipeline, &certificates.new);
                prove_usable(&new, convergence, convergence.confirmations()).await?;
                work.enter(RotationPhase::Usable).await?;
            }
            RotationPhase::Usable => work.enter(RotationPhase::Switching).await?,
            RotationPhase::Switching => {
                host.switch(&work.rotation.kept()).await?;
                work.rotation.switched_at = Some(work.now());
                work.enter(RotationPhase::Switched).await?;
            }
            RotationPhase::Switched => {
                let switched = work.rotation.switched_at.unwrap_or(Timestamp::MAX);
                let until = drained_at(switched, work.rotation.drain());
                if !is_over(until, work.now()) {
                    return Ok(RotationProgress::Draining { until });
                }
                work.remove_old().await?;
            }
            RotationPhase::Done => return Ok(RotationProgress::Done),
            RotationPhase::Withdrawn => return Ok(RotationProgress::Withdrawn),
        }
    }
}

struct Roll<'a, H> {
    pipeline: &'a Pipeline,
    rotation: &'a mut Rotation,
    certificates: &'a OwnCertificates,
    host: &'a H,
    convergence: &'a Convergence,
    old_key: KeyId,
}

impl<H: RotationHost> Roll<'_, H> {
    async fn add(&mut self) -> Result<()> {
        let OwnCertificates { old, new, .. } = self.certificates;
        let mut unknown = self.rotation.tried;
        if unknown && self.becomes_accepted(new).await? {
            // An earlier run was interrupted after it had added it. A second entry of it could not be told from the first.
            return self.added(None).await;
        }
        if let Some(end) = old.not_after().filter(|end| *end <= self.now()) {
            return Err(needs_somebody(
                self.rotation,
                &Error::new(ErrorKind::Authentication, format!("the app's certificate ended on {end}")),
            ));
        }
        self.rotation.tried = true;
        self.host.save(self.rotation).await?;
        let mut patience = self.convergence.patience("the new certificate");
        loop {
            let proof = old.proof_of_possession(self.rotation.application, self.now()).await?;
            let operation = AddKey { id: self.rotation.application, certificate: new.public()?, proof };
            let error = match self.pipeline.run(&operation).await {
                Ok(key_id) => return self.added(key_id).await,
                Err(error) => error,
            };
            unknown |= error.acted() == Acted::Unknown;
            let may_be_there = error.acted() == Acted::Unknown || is_not_served(&error);
            if may_be_there && error.kind() != ErrorKind::Authentication && self.becomes_accepted(new).await?
            {
                return self.added(None).await;
            }
            let again = classify(Call::AddKey, &error, false) == Verdict::Wait
                && patience.wait(error.message(), error.retry_after()).await;
            if !again {
                // An attempt without an answer may have added it, whatever a later one was told.
                if error.acted() == Acted::No && !unknown {
                    self.rotation.tried = false;
                    self.host.save(self.rotation).await?;
                }
                return Err(if error.kind() == ErrorKind::Authentication {
                    needs_somebody(self.rotation, &error).with_source(error)
                } else {
                    error
                });
            }
        }
    }

    async fn added(&mut self, key_id: Option<KeyId>) -> Result<()> {
        self.rotation.new_key = match key_id {
            Some(key_id) => Some(key_id),
            None => self.read_key_id().await,
        };
        self.enter(RotationPhase::Added).await
    }

    /// Some apps may read registrations; for the others the id stays unknown.
    async fn read_key_id(&self) -> Option<KeyId> {
        let Wanted::Certificate(wanted) = &self.rotation.wanted else { return None };
        let lists = self.pipeline.run(&GetCredentials { id: self.rotation.application }).await.ok()?;
        let found = lists.keys.iter().map(|entry| entry.credential()).find(|key| key.is(wanted))?;
        Some(found.key_id)
    }

    async fn remove_old(&mut self) -> Result<()> {
        let OwnCertificates { old, new, .. } = self.certificates;
        self.check_old_key(&old.public()?).await?;
        prove_usable(&self.certificates.credential(self.pipeline, new), self.convergence, 1).await?;
        let proof = new.proof_of_possession(self.rotation.application, self.now()).await?;
        let operation = RemoveKey { id: self.rotation.application, key_id: self.old_key, proof };
        let refusal = match self.convergence.settle(self.pipeline, Call::Remove, &operation, false).await {
            Ok(Settled::Answer(())) => None,
            Ok(Settled::Done) => Some(Error::new(
                ErrorKind::NotReady,
                "the old certificate was not found in the registration, and is accepted",
            )),
            Err(error) if is_not_served(&error) => Some(error),
            Err(error) => return Err(error),
        };
        // "No such key" has no code of its own, and comes of a lost answer too: whether the old one is accepted decides.
        if let Some(refusal) = refusal
            && self.stays_accepted(old).await?
        {
            return Err(refusal.with_operation("remove key"));
        }
        self.enter(RotationPhase::Done).await
    }

    /// Where the app may read its registration: a key id of another certificate is not the one to remove.
    async fn check_old_key(&self, old: &PublicCertificate) -> Result<()> {
        let lists = match self.pipeline.run(&GetCredentials { id: self.rotation.application }).await {
            Ok(lists) => lists,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut keys = lists.keys.iter().map(|entry| entry.credential());
        match keys.find(|key| key.key_id == self.old_key) {
            Some(key) if !key.is(old) => {
                let what = format!(
                    "the key {} is not that of the old certificate, {}; it was not removed",
                    self.old_key,
                    old.thumbprint()
                );
                Err(Error::invalid(what).with_operation("remove key"))
            }
            _ => Ok(()),
        }
    }

    /// Within the time that a new credential may take to be known.
    async fn becomes_accepted(&self, certificate: &ClientCertificate) -> Result<bool> {
        self.within_grace(certificate, true).await
    }

    /// Beyond the time that a removed credential may take to be forgotten.
    async fn stays_accepted(&self, certificate: &ClientCertificate) -> Result<bool> {
        self.within_grace(certificate, false).await.map(|forgotten| !forgotten)
    }

    async fn within_grace(&self, certificate: &ClientCertificate, wanted: bool) -> Result<bool> {
        let mut patience = self.convergence.patience("the certificate's state to be known everywhere");
        loop {
            if self.is_accepted(certificate).await? == wanted {
                return Ok(true);
            }
            let over = patience.elapsed() >= self.convergence.credential_grace();
            if over || !patience.wait("the other state is still seen", None).await {
                return Ok(false);
            }
        }
    }

    async fn is_accepted(&self, certificate: &ClientCertificate) -> Result<bool> {
        // A credential of its own: it remembers no failure.
        let credential = self.certificates.credential(self.pipeline, certificate);
        match credential.get_token(&TokenRequest::new(Resource::Graph).with_fresh()).await {
            Ok(_) => Ok(true),
            Err(error) if error.service_code() == Some("invalid_client") && !error.is_transient() => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn now(&self) -> Timestamp {
        self.convergence.clock().now()
    }

    async fn enter(&mut self, phase: RotationPhase) -> Result<()> {
        self.rotation.phase = phase;
        tracing::debug!(application = %self.rotation.application, ?phase, "own certificate");
        self.host.save(self.rotation).await
    }
}

/// What to do when the app itself can no longer do it.
fn needs_somebody(rotation: &Rotation, why: &Error) -> Error {
    let mut error = Error::new(
        ErrorKind::Authentication,
        format!(
            "{}; addKey needs a valid certificate of the app. When none is left, somebody who may write the registration \
             must add the new one: PATCH /applications/{} with keyCredentials (the step AddCertificate of a plan)",
            why.message(),
            rotation.application
        ),
    )
    .with_operation("rotate")
    .with_acted(why.acted());
    if let Some(status) = why.status() {
        error = error.with_status(status);
    }
    if let Some(code) = why.service_code() {
        error = error.with_code(code);
    }
    match why.request_id() {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}
