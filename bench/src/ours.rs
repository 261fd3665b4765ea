use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};
use graph_auth::{ClientCertificate, ClientSecretCredential};
use jiff::Timestamp;
use m365_core::testing::{Reply, ScriptedTransport};
use m365_core::transport::ReqwestTransport;
use m365_core::{
    AccessToken, ClientId, Cloud, Credential, Pipeline, Resource, TenantName, TokenCredential, TokenRequest,
    Transport,
};

use crate::{Loopback, now};

/// A token answer of usual size.
pub(crate) const ANSWER: &str = concat!(
    r#"{"token_type":"Bearer","expires_in":3599,"access_token":""#,
    // 1,500 characters, as the token of an app with some roles has.
    "eyJ0eXAiOiJKV1Qi",
    include_str!("token.txt"),
    r#""}"#
);

const TENANT: &str = "8c1f3a52-7d4e-4b60-9a1b-2c3d4e5f6071";
const CLIENT: &str = "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d";

/// A credential whose cache holds the answer to the request.
pub struct Hit {
    credential: Credential,
    request: TokenRequest,
}

impl Hit {
    /// The hit.
    pub fn take(&self) -> AccessToken {
        now(self.credential.get_token(&self.request)).expect("a token")
    }
}

fn tenant(number: u32) -> TenantName {
    TenantName::parse(&format!("8c1f3a52-7d4e-4b60-9a1b-{number:012x}")).expect("a GUID")
}

fn secret_credential(answers: u32) -> ClientSecretCredential {
    let mut script = ScriptedTransport::new();
    for number in 0..answers {
        let path = if answers == 1 {
            format!("/{TENANT}/oauth2/v2.0/token")
        } else {
            format!("/{}/oauth2/v2.0/token", tenant(number).as_str())
        };
        script = script.on("POST", &path, Reply::json(200, ANSWER));
    }
    let tenant = TenantName::parse(TENANT).expect("a GUID");
    let client = ClientId::parse(CLIENT).expect("a GUID");
    ClientSecretCredential::new(Cloud::public(), tenant, client, "Q8~secret".into())
        .expect("a credential")
        .with_transport(Transport::new(script))
}

fn warm(credential: ClientSecretCredential, requests: Vec<TokenRequest>, measured: usize) -> Hit {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for request in &requests {
        runtime.block_on(credential.get_token(request)).expect("a token");
    }
    let hit = Hit { credential: Credential::new(credential), request: requests[measured].clone() };
    hit.take();
    hit
}

/// One app in its own tenant, one API: what most products have.
pub fn one_scope_hit() -> Hit {
    warm(secret_credential(1), vec![TokenRequest::new(Resource::Graph)], 0)
}

/// One of a thousand tenants of one credential, named by the request.
pub fn keyed_hit() -> Hit {
    let requests = (0..1000).map(|n| TokenRequest::new(Resource::Exchange).with_tenant(tenant(n)));
    warm(secret_credential(1000), requests.collect(), 617)
}

/// A certificate and its bare key.
pub struct Assertion {
    certificate: ClientCertificate,
    key: RsaKeyPair,
    random: SystemRandom,
    cloud: Cloud,
    tenant: TenantName,
    client: ClientId,
}

impl Assertion {
    /// Makes them.
    ///
    /// # Panics
    /// When they cannot be made.
    #[allow(clippy::new_without_default, reason = "it takes seconds")]
    pub fn new() -> Self {
        let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)
            .expect("a key");
        let made = rcgen::CertificateParams::default().self_signed(&pair).expect("a certificate");
        let pem = format!("{}{}", pair.serialize_pem(), made.pem());
        let this = Self {
            certificate: ClientCertificate::from_pem(&pem.into()).expect("a client certificate"),
            key: RsaKeyPair::from_pkcs8(&pair.serialize_der()).expect("a key"),
            random: SystemRandom::new(),
            cloud: Cloud::public(),
            tenant: TenantName::parse(TENANT).expect("a GUID"),
            client: ClientId::parse(CLIENT).expect("a GUID"),
        };
        // The first signature of a key computes what the later ones use.
        this.bare(&[7; 500]);
        this.whole();
        this
    }

    /// The signature alone.
    pub fn bare(&self, input: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PSS_SHA256, &self.random, input, &mut signature).expect("a signature");
        signature
    }

    /// The client assertion.
    pub fn whole(&self) -> secrecy::SecretString {
        now(self.certificate.client_assertion(&self.cloud, &self.tenant, self.client, Timestamp::now()))
            .expect("an assertion")
    }
}

#[derive(Debug)]
struct Ready(ClientSecretCredential);

impl TokenCredential for Ready {
    async fn get_token(&self, request: &TokenRequest) -> graph_auth::Result<AccessToken> {
        self.0.get_token(request).await
    }

    fn cached_token(&self, request: &TokenRequest) -> Option<AccessToken> {
        self.0.cached_token(request)
    }
}

/// A pipeline to the server, with a cached token of a real credential.
pub fn pipeline(server: &Loopback) -> Pipeline {
    let credential = secret_credential(1);
    let transport = Transport::new(ReqwestTransport::new().expect("a transport"));
    let base = server.url.clone();
    let cloud = Cloud::public().with_base_urls(base.clone(), base.clone(), base);
    Pipeline::builder(cloud, transport, Credential::new(Ready(credential)))
        .app(CLIENT)
        .user_agent("bench/1.0")
        .build()
}
