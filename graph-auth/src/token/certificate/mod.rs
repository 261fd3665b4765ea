//! Client certificates: reading them, signing with them, and the credential made of one.

mod assertion;
#[cfg(feature = "generate")]
mod generate;
mod pem;
mod signer;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use aws_lc_rs::digest;
use aws_lc_rs::signature::RsaKeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use m365_core::{ApplicationObjectId, ClientId, Cloud, Error, ErrorKind, Result, TenantName};
use secrecy::{ExposeSecret as _, SecretString};
use tracing::{debug, warn};
use url::Url;

use super::engine::{Engine, credential};
use super::entra::{Asking, ClientAuth, Entra};
use super::wire::Proof;
use crate::{ExpiryStage, PublicCertificate};
use assertion::Thumbprints;
use signer::{DynSigner, LocalKey, sha256};

#[cfg(feature = "generate")]
pub use generate::GeneratedCertificate;
pub use signer::{Signer, SigningAlgorithm, SigningInput};

/// A certificate and what signs with its key. The key is parsed once; clones share it, so one certificate serves the
/// credentials of any number of tenants.
///
/// `Debug` shows the thumbprint and nothing of the key.
#[derive(Clone)]
pub struct ClientCertificate(Arc<Inner>);

struct Inner {
    chain: Vec<Vec<u8>>,
    /// The chain as `x5c` wants it.
    encoded: Vec<String>,
    sha1: Vec<u8>,
    sha256: [u8; 32],
    x5t: String,
    x5t_s256: String,
    signer: Box<dyn DynSigner>,
    refuses_pss: AtomicBool,
    not_after: Option<Timestamp>,
    /// Days of the stage last warned of.
    warned: AtomicI64,
}

impl ClientCertificate {
    /// The certificate and its unencrypted RSA key (PKCS#8 or PKCS#1) out of one PEM text, in any order. Further
    /// certificates are taken for its chain.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when either is missing, damaged, encrypted or no RSA, when there are several keys,
    /// and when no certificate of the text belongs to the key. The text is never repeated.
    pub fn from_pem(pem: &SecretString) -> Result<Self> {
        let pem::Contents { certificates, keys } = pem::read(pem.expose_secret())?;
        Self::from_contents(certificates, keys)
    }

    /// As [`from_pem`](Self::from_pem), with the certificates and the key in two texts.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem).
    pub fn from_pem_parts(certificates: &str, key: &SecretString) -> Result<Self> {
        Self::from_contents(pem::read(certificates)?.certificates, pem::read(key.expose_secret())?.keys)
    }

    /// The certificate, its key and its chain out of a PFX (PKCS#12) file, such as Windows and Key Vault export.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when the password is wrong or the file damaged, and as
    /// [`from_pem`](Self::from_pem).
    #[cfg(feature = "pfx")]
    pub fn from_pfx(bytes: &[u8], password: &SecretString) -> Result<Self> {
        let archive =
            p12_keystore::Pkcs12Archive::from_pkcs12(bytes, password.expose_secret()).map_err(|e| {
                Error::invalid("the PFX file cannot be read: it is damaged, or its password is another one")
                    .with_source(e)
            })?;
        let certificates =
            archive.certs.iter().map(|bag| pem::certificate(bag.cert.as_der())).collect::<Result<_>>()?;
        let keys = archive.keys.iter().map(|bag| pem::pkcs8(bag.key.as_der())).collect::<Result<_>>()?;
        Self::from_contents(certificates, keys)
    }

    /// A certificate whose key stays elsewhere. The first certificate of the PEM text is the signer's own, further ones
    /// are its chain.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when the text holds no certificate.
    pub fn with_signer(certificates: &str, signer: impl Signer) -> Result<Self> {
        Self::assemble(pem::read(certificates)?.certificates, Box::new(signer))
    }

    /// The SHA-1 thumbprint as the portal shows it: 40 hexadecimal digits, upper case.
    pub fn thumbprint(&self) -> String {
        self.0.sha1.iter().map(|byte| format!("{byte:02X}")).collect()
    }

    /// The certificate in DER: what a registration's `keyCredentials` want, in base64.
    pub fn der(&self) -> &[u8] {
        self.0.chain.first().map_or(&[], Vec::as_slice)
    }

    /// A signed client assertion for a token request that you send yourself, good once and for ten minutes: PS256, or RS256
    /// when the key refuses that.
    ///
    /// # Errors
    /// What the signer says.
    ///
    /// <https://learn.microsoft.com/entra/identity-platform/certificate-credentials>
    pub async fn client_assertion(
        &self,
        cloud: &Cloud,
        tenant: &TenantName,
        client: ClientId,
        now: Timestamp,
    ) -> Result<SecretString> {
        self.assertion(None, false, &cloud.token_endpoint(tenant), client, now).await.map(Into::into)
    }

    /// Its public half.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when it is no X.509 certificate of an RSA key.
    pub fn public(&self) -> Result<PublicCertificate> {
        PublicCertificate::from_der(self.der())
    }

    /// When it ends to be valid; `None` when it is no X.509 certificate.
    pub fn not_after(&self) -> Option<Timestamp> {
        self.0.not_after
    }

    /// The proof that [`AddKey`](crate::directory::AddKey) and [`RemoveKey`](crate::directory::RemoveKey) want: a token of
    /// ten minutes, signed with this certificate's key, RS256 as Microsoft's example does, PS256 where the key refuses
    /// that. `application` is the object id of the registration, not the client id.
    ///
    /// <https://learn.microsoft.com/graph/application-rollkey-prooftoken>
    ///
    /// # Errors
    /// Those of the [`Signer`].
    pub async fn proof_of_possession(
        &self,
        application: ApplicationObjectId,
        now: Timestamp,
    ) -> Result<SecretString> {
        let inner = &*self.0;
        let thumbprints = Thumbprints { sha1: &inner.x5t, sha256: &inner.x5t_s256 };
        let mut refusal = None;
        for algorithm in [SigningAlgorithm::Rs256, SigningAlgorithm::Ps256] {
            let text = assertion::proof_input(algorithm, &thumbprints, application, now)?;
            match inner.signer.sign(SigningInput::new(algorithm, text.as_bytes())).await {
                Ok(signature) => return Ok(assertion::assemble(text, &signature).into()),
                Err(e) if e.kind() == ErrorKind::Unsupported => refusal = Some(e),
                Err(e) => return Err(e),
            }
        }
        Err(refusal.unwrap_or_else(|| Error::new(ErrorKind::Unsupported, "the key signs with no algorithm")))
    }

    /// Says in the trace when the end is near: once for each of the days at which an expiry report would.
    fn warn_of_end(&self, now: Timestamp) {
        let Some(stage) = self.0.not_after.and_then(|end| ExpiryStage::at(end, now)) else { return };
        let stage_days = stage.days();
        if self.0.warned.fetch_min(stage_days, Ordering::Relaxed) > stage_days {
            warn!(
                thumbprint = self.thumbprint(),
                not_after = self.0.not_after.map(tracing::field::display),
                "the client certificate ends soon, or has ended"
            );
        }
    }

    fn from_contents(certificates: Vec<Vec<u8>>, mut keys: Vec<RsaKeyPair>) -> Result<Self> {
        let key =
            keys.pop().ok_or_else(|| Error::invalid("there is no private key beside the certificate"))?;
        if !keys.is_empty() {
            return Err(Error::invalid("there are several private keys: leave the one of the certificate"));
        }
        if certificates.is_empty() {
            return Err(no_certificate());
        }
        let chain = pem::leaf_first(certificates, &key).ok_or_else(|| {
            Error::invalid("the private key belongs to none of the certificates that are beside it")
        })?;
        Self::assemble(chain, Box::new(LocalKey(key)))
    }

    fn assemble(chain: Vec<Vec<u8>>, signer: Box<dyn DynSigner>) -> Result<Self> {
        let leaf = chain.first().ok_or_else(no_certificate)?;
        let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, leaf).as_ref().to_vec();
        let sha256 = sha256(leaf);
        Ok(Self(Arc::new(Inner {
            encoded: chain.iter().map(|der| STANDARD.encode(der)).collect(),
            x5t: URL_SAFE_NO_PAD.encode(&sha1),
            x5t_s256: URL_SAFE_NO_PAD.encode(sha256),
            sha1,
            sha256,
            signer,
            refuses_pss: AtomicBool::new(false),
            not_after: PublicCertificate::from_der(leaf).ok().map(|certificate| certificate.not_after()),
            warned: AtomicI64::new(i64::MAX),
            chain,
        })))
    }

    async fn assertion(
        &self,
        algorithm: Option<SigningAlgorithm>,
        send_chain: bool,
        audience: &Url,
        client: ClientId,
        now: Timestamp,
    ) -> Result<String> {
        let inner = &*self.0;
        let refuses = inner.refuses_pss.load(Ordering::Relaxed);
        let first =
            algorithm.unwrap_or(if refuses { SigningAlgorithm::Rs256 } else { SigningAlgorithm::Ps256 });
        let input = |algorithm| {
            assertion::signing_input(
                algorithm,
                &Thumbprints { sha1: &inner.x5t, sha256: &inner.x5t_s256 },
                send_chain.then_some(&inner.encoded),
                client,
                audience.as_str(),
                now,
            )
        };
        let text = input(first)?;
        match inner.signer.sign(SigningInput::new(first, text.as_bytes())).await {
            Ok(signature) => Ok(assertion::assemble(text, &signature)),
            Err(e)
                if e.kind() == ErrorKind::Unsupported
                    && algorithm.is_none()
                    && first == SigningAlgorithm::Ps256 =>
            {
                debug!("the key refuses PS256; RS256 from now on");
                inner.refuses_pss.store(true, Ordering::Relaxed);
                let text = input(SigningAlgorithm::Rs256)?;
                let signature =
                    inner.signer.sign(SigningInput::new(SigningAlgorithm::Rs256, text.as_bytes())).await?;
                Ok(assertion::assemble(text, &signature))
            }
            Err(e) => Err(e),
        }
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("thumbprint", &self.thumbprint())
            .field("signer", &self.0.signer)
            .finish_non_exhaustive()
    }
}

fn no_certificate() -> Error {
    Error::invalid("there is no certificate: a section that begins with BEGIN CERTIFICATE is needed")
}

/// App-only tokens by a client certificate: each token request carries an assertion of its own, signed PS256 and named by
/// the certificate's SHA-256 thumbprint; RS256 and SHA-1 where the key refuses PSS. Cached as
/// [`ClientSecretCredential`](crate::ClientSecretCredential) does.
///
/// An assertion states the time. When Entra refuses it and the answer's `Date` shows that this machine's clock is off,
/// one more is sent with Entra's time, and the difference is remembered.
///
/// <https://learn.microsoft.com/entra/identity-platform/certificate-credentials>
///
/// ```
/// use graph_auth::{ClientCertificate, ClientCertificateCredential};
/// use m365_core::{ClientId, Cloud, Resource, TenantName, TokenCredential, TokenRequest};
///
/// # use m365_core::{Transport, transport::ReqwestTransport};
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// # let simulated = tenant_sim::Tenant::builder().propagation(tenant_sim::Propagation::instant()).start().await?;
/// # let base = url::Url::parse(&simulated.http_url())?;
/// # let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)?;
/// # let made = rcgen::CertificateParams::default().self_signed(&key)?;
/// # let text = format!("{}{}", key.serialize_pem(), made.pem());
/// let cloud = Cloud::public();
/// # let cloud = cloud.with_base_urls(base.clone(), base.clone(), base.clone());
/// # let setup = simulated.setup_identity();
/// # let admin = graph_auth::ClientSecretCredential::new(cloud.clone(), TenantName::parse("contoso.example")?,
/// #     ClientId::parse(&setup.client_id.to_string())?, setup.secret.into())?;
/// # let admin = admin.get_token(&TokenRequest::new(Resource::Graph)).await?;
/// # let post = async |path: &str, body: serde_json::Value| -> Result<serde_json::Value, Box<dyn std::error::Error>> {
/// #     let request = http::Request::post(format!("{base}v1.0/{path}")).header("authorization", admin.header())
/// #         .header("content-type", "application/json").body(body.to_string().into())?;
/// #     let body = Transport::new(ReqwestTransport::new()?).send(request).await?.into_body();
/// #     Ok(serde_json::from_slice(&body.collect(100_000).await?)?)
/// # };
/// # let app = post("applications", serde_json::json!({"displayName": "Acme", "keyCredentials": [{
/// #     "type": "AsymmetricX509Cert", "usage": "Verify",
/// #     "key": base64::Engine::encode(&base64::prelude::BASE64_STANDARD, made.der())}]})).await?;
/// # post("servicePrincipals", serde_json::json!({"appId": app["appId"]})).await?;
/// # let client_id = app["appId"].as_str().unwrap_or_default();
/// # let file = tempfile::NamedTempFile::new()?;
/// # std::fs::write(&file, text)?;
/// # let path = file.path();
/// let pem = std::fs::read_to_string(path)?.into();
/// let credential = ClientCertificateCredential::new(
///     cloud,
///     TenantName::parse("contoso.example")?,
///     ClientId::parse(client_id)?,
///     ClientCertificate::from_pem(&pem)?,
/// );
/// let token = credential.get_token(&TokenRequest::new(Resource::Graph)).await?;
/// println!("valid until {}", token.expires_on());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ClientCertificateCredential {
    engine: Engine<Entra<Certified>>,
}

#[derive(Clone)]
struct Certified {
    certificate: ClientCertificate,
    algorithm: Option<SigningAlgorithm>,
    send_chain: bool,
}

impl ClientCertificateCredential {
    /// A credential of this app in this tenant. Nothing is sent yet.
    pub fn new(cloud: Cloud, tenant: TenantName, client: ClientId, certificate: ClientCertificate) -> Self {
        let auth = Certified { certificate, algorithm: None, send_chain: false };
        Self { engine: Engine::new(Entra::new(cloud, tenant, client, auth)) }
    }

    /// Sends the certificate and its chain along (`x5c`): for registrations that trust a subject name and issuer instead
    /// of a thumbprint, so that a renewed certificate works without touching them. Drops cached tokens.
    #[must_use]
    pub fn with_send_chain(self) -> Self {
        self.change(|auth| auth.send_chain = true)
    }

    /// This algorithm and no other. Drops cached tokens.
    #[must_use]
    pub fn with_algorithm(self, algorithm: SigningAlgorithm) -> Self {
        self.change(|auth| auth.algorithm = Some(algorithm))
    }

    /// The certificate.
    pub fn certificate(&self) -> &ClientCertificate {
        &self.engine.issuer().auth.certificate
    }

    fn change(self, change: impl FnOnce(&mut Certified)) -> Self {
        let Entra { cloud, tenant, client, auth, .. } = self.engine.issuer();
        let mut auth = auth.clone();
        change(&mut auth);
        let issuer = Entra::new(cloud.clone(), tenant.clone(), *client, auth);
        Self { engine: self.engine.with_issuer(issuer) }
    }
}

credential!(ClientCertificateCredential of an app);

impl ClientAuth for Certified {
    const DATED: bool = true;

    fn certificate(&self) -> u128 {
        let (first, _) = self.certificate.0.sha256.split_first_chunk().unwrap_or((&[0; 16], &[]));
        u128::from_be_bytes(*first)
    }

    async fn prove(&self, asking: Asking<'_>) -> Result<Proof> {
        self.certificate.warn_of_end(asking.now);
        let audience = asking.cloud.token_endpoint(asking.tenant);
        let Self { certificate, algorithm, send_chain } = self;
        let assertion =
            certificate.assertion(*algorithm, *send_chain, &audience, asking.client, asking.now).await?;
        Ok(Proof::Assertion(assertion.into()))
    }
}

#[cfg(test)]
mod tests;
