//! The whole life of a registration without any secret: set up, proven by a certificate and by a foreign token, repaired
//! after somebody's hand, its certificate rolled, its consent withdrawn, and gone as if it had never been.
#![allow(clippy::print_stdout, reason = "a program talks to its user")]

use std::sync::Mutex;
use std::time::Duration;

use graph_auth::directory::Owner;
use graph_auth::{
    AppRegistration, AssertionRequest, ClientAssertionCredential, ClientCertificateCredential,
    ClientSecretCredential, Convergence, FederatedCredential, GeneratedCertificate, KeptCredential,
    Offboarding, Permission, RegistrationInventory, RegistrationState, RegistrationStep, Rotation,
    RotationHost, apply_step, drift, offboard_step, plan, plan_offboarding, prove_revoked, prove_roles,
    rotate_to_the_end,
};
use m365_core::{ClientId, Credential, Error, Pipeline, Resource, Result, TenantId};
use secrecy::SecretString;
use tenant_sim::{Propagation, Scenario, Tenant};

const DAY: Duration = Duration::from_secs(86_400);
const SUBJECT: &str = "repo:acme@11/connector@22:ref:refs/heads/main";

#[tokio::main]
async fn main() -> Result<()> {
    let tenant = Tenant::builder()
        .scenario(Scenario::contoso())
        .propagation(Propagation::realistic())
        .start()
        .await
        .map_err(|e| Error::invalid("the simulated tenant does not start").with_source(e))?;
    let issuer = tenant
        .foreign_issuer("https://token.actions.githubusercontent.com")
        .map_err(|e| Error::invalid("the simulated issuer has no key").with_source(e))?;
    let product = Product::of(&tenant)?;
    let before = tenant.state_snapshot();

    println!("Set up");
    let first = product.certificate()?;
    let job = issuer
        .token(SUBJECT, graph_auth::exchange_audience(&product.cloud), product.convergence.clock().now())
        .map_err(|e| Error::invalid("the simulated issuer signs no token").with_source(e))?;
    let base = AppRegistration::new("acme-mail", "Acme mail")?
        .with_consented([Permission::graph("Mail.Read")])
        .with_owners(product.owners)
        .with_federated([FederatedCredential::github_actions("release", &job)?]);
    let wanted = base.clone().with_certificate("acme", first.public().clone())?;
    product.converge(&wanted).await?;
    let state = RegistrationState::read_whole(&product.admin, &wanted).await?;
    let (Some(client), Some(id)) = (state.client_id(), state.application_id()) else {
        return Err(Error::invalid("the registration is not there"));
    };

    println!("Proven by fresh tokens");
    let by_certificate = product.by_certificate(client, &first);
    product.prove("the certificate", &by_certificate).await?;
    let by_job = ClientAssertionCredential::new(
        product.cloud.clone(),
        product.tenant.into(),
        client,
        move |_: AssertionRequest| {
            let job = SecretString::from(job.clone());
            async move { Ok(job) }
        },
    )
    .with_transport(product.admin.transport().clone())
    .with_clock(product.convergence.clock().clone());
    product.prove("the build job's own token", &Credential::new(by_job)).await?;

    println!("Somebody removes the job's trust by hand");
    let mut by_hand = state.clone();
    let remove = RegistrationStep::RemoveFederatedCredential { name: "release".to_owned() };
    apply_step(&product.admin, &remove, &mut by_hand, &product.convergence).await?;
    let state = RegistrationState::read_whole(&product.admin, &wanted).await?;
    for finding in drift(&wanted, &state)?.findings {
        println!("  found    {}", finding.difference);
    }
    product.converge(&wanted).await?;

    println!("The certificate is rolled without an outage");
    let held =
        state.application().into_iter().flat_map(|a| &a.key_credentials).find(|k| k.is(first.public()));
    let next = product.certificate()?;
    let mut rotation = Rotation::certificate(id, held.map(|k| k.key_id), "acme", next.public().clone())?;
    let host = Host { product: &product, client, next: &next };
    let begun = product.convergence.clock().now();
    rotate_to_the_end(&product.admin, &mut rotation, &host, &product.convergence).await?;
    let took = m365_core::until(begun, product.convergence.clock().now());
    println!("  done     {} min later, the old one drained and gone", took.as_secs() / 60);

    println!("Consent withdrawn");
    let rolled = base.with_certificate("acme", next.public().clone())?.with_consent_withdrawn();
    product.converge(&rolled).await?;
    let by_next = product.by_certificate(client, &next);
    prove_revoked(&by_next, &Resource::Graph, &["Mail.Read".to_owned()], &product.convergence).await?;
    println!("  proven   a fresh token lacks Mail.Read");

    println!("Offboarded");
    let inventory = product.inventory().clone();
    let mut state = RegistrationState::read_inventory(&product.admin, &inventory).await?;
    for step in plan_offboarding(&inventory, &state, Offboarding::new().with_purge())? {
        offboard_step(&product.admin, &step, &mut state, &product.convergence).await?;
        println!("  step     {step}");
    }
    println!("The directory is as it was: {}", tenant.state_snapshot() == before);
    Ok(())
}

/// Who sets it up, and what it remembers.
struct Product {
    cloud: m365_core::Cloud,
    tenant: TenantId,
    admin: Pipeline,
    convergence: Convergence,
    owners: [Owner; 2],
    /// A file or a row in yours: kept before and after every step.
    inventory: Mutex<RegistrationInventory>,
}

impl Product {
    fn of(tenant: &Tenant) -> Result<Self> {
        let (cloud, clock) = (examples::cloud_of(tenant)?, examples::clock_of(tenant));
        let transport = examples::transport_of(tenant)?;
        let id = TenantId::from_bytes(*tenant.tenant_id().as_bytes());
        let identity = tenant.setup_identity();
        let client = ClientId::from_bytes(*identity.client_id.as_bytes());
        let credential =
            ClientSecretCredential::new(cloud.clone(), id.into(), client, identity.secret.into())?
                .with_transport(transport.clone())
                .with_clock(clock.clone());
        // The first user of the directory looks after the app; the set-up identity owns what it makes.
        let (user, principal) = tenant.with_state(|state| {
            let principals = &state.directory.service_principals;
            let own = principals.iter().find(|p| p.value.app_id == identity.client_id);
            (state.directory.users.first().map(|u| u.value.id), own.map(|p| p.value.id))
        });
        let owner = |id: Option<_>| id.ok_or_else(|| Error::invalid("the scenario has no owner for the app"));
        let user = m365_core::UserObjectId::from_bytes(*owner(user)?.as_bytes());
        let principal = m365_core::ServicePrincipalObjectId::from_bytes(*owner(principal)?.as_bytes());
        let setup = Owner::ServicePrincipal(principal);
        let inventory = RegistrationInventory::new("acme-mail").with_tenant(id).with_set_up_by(setup);
        Ok(Self {
            admin: Pipeline::builder(cloud.clone(), transport, Credential::new(credential))
                .clock(clock.clone())
                .build(),
            cloud,
            tenant: id,
            convergence: Convergence::new(clock),
            owners: [Owner::User(user), setup],
            inventory: Mutex::new(inventory),
        })
    }

    fn inventory(&self) -> std::sync::MutexGuard<'_, RegistrationInventory> {
        self.inventory.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn certificate(&self) -> Result<GeneratedCertificate> {
        GeneratedCertificate::starting("Acme mail", self.convergence.clock().now(), DAY * 180)
    }

    fn by_certificate(&self, client: ClientId, made: &GeneratedCertificate) -> Credential {
        let (cloud, certificate) = (self.cloud.clone(), made.certificate().clone());
        Credential::new(
            ClientCertificateCredential::new(cloud, self.tenant.into(), client, certificate)
                .with_transport(self.admin.transport().clone())
                .with_clock(self.convergence.clock().clone()),
        )
    }

    /// Reads, plans and takes the steps, with the inventory told before and after each.
    async fn converge(&self, wanted: &AppRegistration) -> Result<()> {
        let mut state = RegistrationState::read(&self.admin, wanted).await?;
        self.inventory().reconcile(&state);
        for step in plan(wanted, &state)? {
            // A sentence says what, and after a colon why.
            println!("  step     {}", step.sentence().split(": ").next().unwrap_or_default());
            self.inventory().begin(&step);
            let outcome = apply_step(&self.admin, &step, &mut state, &self.convergence).await?;
            self.inventory().record(&step, &outcome, &state);
        }
        Ok(())
    }

    async fn prove(&self, how: &str, credential: &Credential) -> Result<()> {
        let wanted = ["Mail.Read".to_owned()];
        prove_roles(credential, &Resource::Graph, &wanted, &[], &self.convergence).await?;
        println!("  proven   {how} gives a token with Mail.Read");
        Ok(())
    }
}

/// What the rotation asks of the product.
struct Host<'a> {
    product: &'a Product,
    client: ClientId,
    next: &'a GeneratedCertificate,
}

impl RotationHost for Host<'_> {
    async fn save(&self, rotation: &Rotation) -> Result<()> {
        // Yours stores the record as well, to go on from.
        self.product.inventory().record_rotation(rotation)
    }

    async fn keep(&self, _new: &KeptCredential, _secret: SecretString) -> Result<()> {
        Err(Error::invalid("a certificate is rolled, and no secret is made"))
    }

    async fn credential(&self, _new: &KeptCredential) -> Result<Credential> {
        Ok(self.product.by_certificate(self.client, self.next))
    }

    async fn switch(&self, new: &KeptCredential) -> Result<()> {
        println!("  switched to the certificate {}", new.thumbprint.as_deref().unwrap_or_default());
        Ok(())
    }
}
