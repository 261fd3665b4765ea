//! A registration's whole life in a simulated tenant: certificates, owners, foreign trust, policies, drift, rotation and the
//! end, with one inventory from the first step to the last.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

#[allow(dead_code, reason = "each test program uses its part")]
mod world;

use std::sync::Mutex;
use std::time::Duration;

use graph_auth::directory::Owner;
use graph_auth::{
    AppRegistration, Begun, ClientCertificateCredential, Convergence, Difference, ErrorKind,
    FederatedCredential, Foreign, ForeignEntry, GeneratedCertificate, KeptCredential, Offboarding,
    OffboardingStep, Permission, PolicyRefusal, RegistrationInventory, RegistrationState, RegistrationStep,
    Result, Rotation, RotationHost, RotationProgress, SecretPolicy, StepOutcome, WhereRestricted, apply_step,
    drift, foreign_entries, offboard_step, plan, plan_offboarding, prove_revoked, prove_roles, rotate,
};
use m365_core::{ClientId, Credential, KeyId, Resource, TokenRequest};
use secrecy::SecretString;
use serde_json::json;
use world::{BACK, ISSUER, SUBJECT, World, bare, roles, tenant_name};

const DAY: Duration = Duration::from_secs(86_400);

impl World {
    fn certificate(&self, name: &str, days: u32) -> GeneratedCertificate {
        GeneratedCertificate::starting(name, self.clock.now(), DAY * days).unwrap()
    }

    fn by_certificate(&self, client: ClientId, made: &GeneratedCertificate) -> Credential {
        let (name, certificate) = (tenant_name(&self.tenant), made.certificate().clone());
        Credential::new(
            ClientCertificateCredential::new(self.cloud(), name, client, certificate)
                .with_transport(self.transport.clone())
                .with_clock(self.clock.clone()),
        )
    }

    fn convergence(&self) -> Convergence {
        Convergence::new(self.clock.clone())
    }

    async fn is_proven(&self, credential: &Credential, wanted: &[&str]) {
        prove_roles(credential, &Resource::Graph, &roles(wanted), &[], &self.convergence()).await.unwrap();
    }

    /// What Graph says at this path, to the byte.
    async fn raw(&self, path: &str) -> String {
        let token = self.pipeline.credential().get_token(&TokenRequest::new(Resource::Graph)).await.unwrap();
        let request = http::Request::get(format!("{}/v1.0{path}", self.tenant.http_url()))
            .header("authorization", token.header().clone())
            .body(bytes::Bytes::new())
            .unwrap();
        let answer = self.transport.send(request).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let bytes = answer.into_body().collect(1 << 20).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// Everything that can be seen of registrations, once all has travelled.
    async fn picture(&self) -> String {
        self.tenant.clock().advance(jiff::SignedDuration::from_mins(10));
        let mut all = self.tenant.state_snapshot().to_string();
        for path in
            ["/applications", "/servicePrincipals", "/directory/deletedItems/microsoft.graph.application"]
        {
            all.push_str(&self.raw(path).await);
        }
        all
    }

    async fn offboard(&self, inventory: &RegistrationInventory, how: Offboarding) -> Vec<OffboardingStep> {
        let mut state = RegistrationState::read_inventory(&self.pipeline, inventory).await.unwrap();
        let steps = plan_offboarding(inventory, &state, how).unwrap();
        for step in &steps {
            offboard_step(&self.pipeline, step, &mut state, &self.convergence()).await.unwrap();
        }
        steps
    }

    fn setup_owner(&self) -> Owner {
        let caller = self.tenant.with_state(|s| {
            let mut principals = s.directory.service_principals.iter();
            principals.find(|sp| sp.value.display_name == "Administrator").unwrap().value.id
        });
        Owner::ServicePrincipal(caller.to_string().parse().unwrap())
    }
}

/// The product, which tells the inventory of its rotation whenever the record is stored.
struct Product<'a> {
    world: &'a World,
    client: ClientId,
    next: GeneratedCertificate,
    inventory: Mutex<RegistrationInventory>,
}

impl RotationHost for Product<'_> {
    async fn save(&self, rotation: &Rotation) -> Result<()> {
        self.inventory.lock().unwrap().record_rotation(rotation)
    }

    async fn keep(&self, _new: &KeptCredential, _secret: SecretString) -> Result<()> {
        panic!("no secret is made")
    }

    async fn credential(&self, _new: &KeptCredential) -> Result<Credential> {
        Ok(self.world.by_certificate(self.client, &self.next))
    }

    async fn switch(&self, _new: &KeptCredential) -> Result<()> {
        Ok(())
    }
}

fn desired(world: &World) -> AppRegistration {
    let owner = world.tenant.with_state(|s| s.directory.users[0].value.id);
    bare()
        .with_consented([Permission::graph("Mail.Read")])
        .with_owners([Owner::User(owner.to_string().parse().unwrap())])
        .with_redirect_uris([BACK])
        .with_federated([FederatedCredential::new("ci", ISSUER, SUBJECT).unwrap()])
}

#[tokio::test]
async fn a_registrations_whole_life_leaves_the_directory_as_it_was() {
    let world = World::realistic().await;
    let before = world.picture().await;
    let first = world.certificate("Acme mail", 180);
    let registration = desired(&world).with_certificate("acme", first.public().clone()).unwrap();
    let mut inventory = RegistrationInventory::new("acme-mail").with_set_up_by(world.setup_owner());

    // Set up, and proven by both ways in.
    let (state, _) = world.set_up(&registration, &mut inventory).await;
    let client = state.client_id().unwrap();
    assert_eq!(inventory.certificates, [state.application().unwrap().key_credentials[0].key_id]);
    let issuer = world.tenant.foreign_issuer(ISSUER).unwrap();
    let by_certificate = world.by_certificate(client, &first);
    let by_assertion = Credential::new(world.by_assertion(client, &issuer, SUBJECT));
    world.is_proven(&by_certificate, &["Mail.Read"]).await;
    world.is_proven(&by_assertion, &["Mail.Read"]).await;

    // Somebody works on it by hand; what is ours comes back, what is theirs is told and stays.
    let id = state.application_id().unwrap();
    let theirs =
        FederatedCredential::new("theirs", ISSUER, "repo:other@1/other@2:ref:refs/heads/main").unwrap();
    let foreign = world.certificate("theirs", 30);
    let by_hand = bare().with_certificate("theirs", foreign.public().clone()).unwrap();
    let mut by_hand_state = RegistrationState::read(&world.pipeline, &by_hand).await.unwrap();
    let taken = RegistrationStep::RemoveCertificate {
        display_name: "acme".to_owned(),
        key_id: inventory.certificates[0],
    };
    let added = RegistrationStep::AddCertificate { certificate: by_hand.certificates[0].clone() };
    let untrusted = RegistrationStep::RemoveFederatedCredential { name: "ci".to_owned() };
    let trusted = RegistrationStep::AddFederatedCredential { credential: theirs };
    for step in [&added, &taken, &untrusted, &trusted] {
        apply_step(&world.pipeline, step, &mut by_hand_state, &world.convergence()).await.unwrap();
    }
    world.tenant.clock().advance(jiff::SignedDuration::from_mins(5));
    let mut state = RegistrationState::read_whole(&world.pipeline, &registration).await.unwrap();
    let found = drift(&registration, &state).unwrap();
    let has = |wanted: &dyn Fn(&Difference) -> bool| found.findings.iter().any(|f| wanted(&f.difference));
    assert!(has(&|d| matches!(d, Difference::FederatedMissing(name) if name == "ci")));
    assert!(has(&|d| matches!(d, Difference::FederatedExtra(name) if name == "theirs")));
    assert!(has(&|d| *d == Difference::CertificateMissing(first.public().thumbprint().to_owned())));
    let foreign_key = |d: &Difference| matches!(d, Difference::CertificateExtra { display_name: Some(name), .. } if name == "theirs");
    assert!(has(&foreign_key), "{found:#?}");
    assert!(found.findings.iter().all(|f| f.repair.is_none() == foreign_key(&f.difference)
        || matches!(f.difference, Difference::FederatedExtra(_) | Difference::OwnerExtra(..))));
    for step in found.repair_steps() {
        inventory.begin(step);
        let outcome = apply_step(&world.pipeline, step, &mut state, &world.convergence()).await.unwrap();
        inventory.record(step, &outcome, &state);
    }
    let state = RegistrationState::read_whole(&world.pipeline, &registration).await.unwrap();
    assert_eq!(plan(&registration, &state).unwrap(), []);
    world.is_proven(&by_certificate, &["Mail.Read"]).await;

    // One certificate follows another.
    let held =
        state.application().unwrap().key_credentials.iter().find(|k| k.is(first.public())).unwrap().key_id;
    let next = world.certificate("Acme mail", 180);
    let mut rotation = Rotation::certificate(id, Some(held), "acme", next.public().clone()).unwrap();
    let product = Product { world: &world, client, next, inventory: Mutex::new(inventory) };
    let progress = rotate(&world.pipeline, &mut rotation, &product, &world.convergence()).await.unwrap();
    let RotationProgress::Draining { until } = progress else { panic!("{progress:?}") };
    let new = rotation.new_key().unwrap();
    let known = product.inventory.lock().unwrap().certificates.clone();
    assert!(known.contains(&held) && known.contains(&new), "both are ours while one is drained");
    world.clock.sleep_until(until).await;
    assert_eq!(
        rotate(&world.pipeline, &mut rotation, &product, &world.convergence()).await.unwrap(),
        RotationProgress::Done
    );
    let Product { next, inventory, .. } = product;
    let inventory = inventory.into_inner().unwrap();
    assert!(inventory.certificates.contains(&new) && !inventory.certificates.contains(&held));
    let by_next = world.by_certificate(client, &next);
    world.is_proven(&by_next, &["Mail.Read"]).await;
    let rolled = desired(&world).with_certificate("acme", next.public().clone()).unwrap();
    let state = RegistrationState::read_whole(&world.pipeline, &rolled).await.unwrap();
    assert_eq!(plan(&rolled, &state).unwrap(), []);

    // Consent withdrawn, and proven by a fresh token.
    let mut inventory = inventory;
    world.set_up(&rolled.with_consent_withdrawn(), &mut inventory).await;
    assert_eq!(inventory.consents, []);
    prove_revoked(&by_next, &Resource::Graph, &roles(&["Mail.Read"]), &world.convergence()).await.unwrap();

    // The end: what others added is named first, then goes with it, for nobody else can use it.
    let stored = serde_json::to_string(&inventory).unwrap();
    let inventory: RegistrationInventory = serde_json::from_str(&stored).unwrap();
    let state = RegistrationState::read_inventory(&world.pipeline, &inventory).await.unwrap();
    let others = foreign_entries(&inventory, &state, Offboarding::new()).unwrap();
    assert!(
        matches!(&others[..], [ForeignEntry::Certificate(_), ForeignEntry::FederatedCredential(_)]),
        "{others:?}"
    );
    assert_eq!(
        plan_offboarding(&inventory, &state, Offboarding::new()).unwrap_err().kind(),
        ErrorKind::Conflict
    );
    let everything = Offboarding::new().with_foreign(Foreign::Delete).with_purge();
    let steps = world.offboard(&inventory, everything).await;
    assert!(steps.contains(&OffboardingStep::RemoveCertificate { key_id: new }), "{steps:?}");
    assert_eq!(world.picture().await, before);
}

#[tokio::test]
async fn an_adopted_registration_is_left_as_it_was_found() {
    let world = World::realistic().await;
    let theirs = world.certificate("theirs", 365);
    let found = bare().with_certificate("theirs", theirs.public().clone()).unwrap();
    let (state, _) = world.set_up(&found, &mut RegistrationInventory::new("acme-mail")).await;
    world.tenant.clock().advance(jiff::SignedDuration::from_hours(1));
    let path = format!(
        "/applications/{}?$select=id,keyCredentials,passwordCredentials,requiredResourceAccess,web",
        state.application_id().unwrap()
    );
    let (before, picture) = (world.raw(&path).await, world.picture().await);

    let ours = world.certificate("Acme mail", 180);
    let registration = desired(&world).with_certificate("acme", ours.public().clone()).unwrap();
    let mut inventory = RegistrationInventory::new("acme-mail").with_set_up_by(world.setup_owner());
    inventory.reconcile(&state);
    let (state, _) = world.set_up(&registration, &mut inventory).await;
    world.is_proven(&world.by_certificate(state.client_id().unwrap(), &ours), &["Mail.Read"]).await;
    assert_ne!(world.raw(&path).await, before);
    let steps = world.offboard(&inventory, Offboarding::new()).await;
    assert!(steps.iter().any(|s| matches!(s, OffboardingStep::RemoveCertificate { .. })), "{steps:?}");
    assert!(!steps.iter().any(|s| matches!(s, OffboardingStep::DeleteApplication { .. })), "{steps:?}");
    assert_eq!(world.picture().await, picture);
    assert_eq!(world.raw(&path).await, before);
}

#[tokio::test]
async fn a_certificate_added_by_an_interrupted_run_is_ours() {
    let world = World::realistic().await;
    let ours = world.certificate("Acme mail", 180);
    let registration = bare().with_certificate("acme", ours.public().clone()).unwrap();
    let mut inventory = RegistrationInventory::new("acme-mail").with_set_up_by(world.setup_owner());
    let mut state = RegistrationState::read(&world.pipeline, &registration).await.unwrap();
    for step in plan(&registration, &state).unwrap() {
        inventory.begin(&step);
        let outcome = apply_step(&world.pipeline, &step, &mut state, &world.convergence()).await.unwrap();
        if !matches!(step, RegistrationStep::AddCertificate { .. }) {
            inventory.record(&step, &outcome, &state);
        }
    }
    assert_eq!(inventory.begun, Some(Begun::Certificate(ours.public().thumbprint().to_owned())));
    let state = RegistrationState::read(&world.pipeline, &registration).await.unwrap();
    inventory.reconcile(&state);
    assert_eq!(inventory.certificates, [state.application().unwrap().key_credentials[0].key_id]);
}

#[tokio::test]
async fn a_rotation_of_another_registration_is_not_recorded() {
    let world = World::realistic().await;
    let mut inventory = RegistrationInventory::new("acme-mail");
    world.set_up(&bare(), &mut inventory).await;
    let (other, old) = (uuid::Uuid::new_v4(), KeyId::from_bytes([7; 16]));
    let policy = SecretPolicy::new("acme", DAY * 30).unwrap();
    let rotation = Rotation::secret(other.to_string().parse().unwrap(), Some(old), &policy).unwrap();
    assert_eq!(inventory.record_rotation(&rotation).unwrap_err().kind(), ErrorKind::InvalidInput);
    let rotation = Rotation::secret(inventory.application.unwrap().id, Some(old), &policy).unwrap();
    let before = inventory.clone();
    inventory.record_rotation(&rotation).unwrap();
    assert_eq!(inventory, before, "nothing was made yet");
}

#[tokio::test]
async fn trap_13_where_secrets_are_forbidden_a_certificate_takes_the_place() {
    let world = World::realistic().await;
    world.tenant.with_state(|state| {
        state.directory.lifecycle.default_policy = json!({"id": "p", "isEnabled": true, "applicationRestrictions": {
            "passwordCredentials": [{"restrictionType": "passwordAddition", "state": "enabled"}],
            "keyCredentials": [{"restrictionType": "asymmetricKeyLifetime", "state": "enabled", "maxLifetime": "P90D"}]}});
    });
    let secret =
        SecretPolicy::new("acme", DAY * 30).unwrap().with_where_restricted(WhereRestricted::ShortenOrOmit);
    let wanted = |days| {
        let made = world.certificate("Acme mail", days);
        let registration = bare()
            .with_consented([Permission::graph("Mail.Read")])
            .with_secret(secret.clone())
            .with_certificate("acme", made.public().clone())
            .unwrap();
        (made, registration)
    };
    // One that lives too long is refused before anything is made.
    let (_, too_long) = wanted(365);
    let state = RegistrationState::read(&world.pipeline, &too_long).await.unwrap();
    let error = plan(&too_long, &state).unwrap_err();
    assert_eq!(PolicyRefusal::of(&error), Some(PolicyRefusal::Lifetime));
    assert!(error.message().contains("90 days"), "{error}");
    assert!(world.tenant.journal().iter().all(|line| line.method != "PATCH"), "nothing was changed");

    let (made, registration) = wanted(89);
    let (state, added) = world.set_up(&registration, &mut RegistrationInventory::new("acme-mail")).await;
    assert!(added.is_none());
    let credential = world.by_certificate(state.client_id().unwrap(), &made);
    world.is_proven(&credential, &["Mail.Read"]).await;
    let state = RegistrationState::read(&world.pipeline, &registration).await.unwrap();
    assert_eq!(plan(&registration, &state).unwrap(), []);

    // The tenant itself refuses what a plan made in the dark would add.
    let (_, too_long) = wanted(365);
    let mut state = RegistrationState::read(&world.pipeline, &too_long).await.unwrap();
    let step = RegistrationStep::AddCertificate { certificate: too_long.certificates[0].clone() };
    let error = apply_step(&world.pipeline, &step, &mut state, &world.convergence()).await.unwrap_err();
    assert_eq!(PolicyRefusal::of(&error), Some(PolicyRefusal::Lifetime));
}

#[tokio::test]
async fn trap_13_a_certificate_that_vouches_for_itself_may_be_forbidden() {
    let world = World::realistic().await;
    world.tenant.with_state(|state| {
        state.directory.lifecycle.default_policy = json!({"id": "p", "isEnabled": true, "applicationRestrictions": {
            "keyCredentials": [{"restrictionType": "trustedCertificateAuthority", "state": "enabled"}]}});
    });
    let made = world.certificate("Acme mail", 30);
    let registration = bare().with_certificate("acme", made.public().clone()).unwrap();
    let state = RegistrationState::read(&world.pipeline, &registration).await.unwrap();
    let error = plan(&registration, &state).unwrap_err();
    assert_eq!(PolicyRefusal::of(&error), Some(PolicyRefusal::CredentialType));
    assert!(error.message().contains("trusted authorities"), "{error}");
    let (_, _) = world.set_up(&bare(), &mut RegistrationInventory::new("acme-mail")).await;
    let mut state = RegistrationState::read(&world.pipeline, &registration).await.unwrap();
    let step = RegistrationStep::AddCertificate { certificate: registration.certificates[0].clone() };
    let error = apply_step(&world.pipeline, &step, &mut state, &world.convergence()).await.unwrap_err();
    assert_eq!(PolicyRefusal::of(&error), Some(PolicyRefusal::CredentialType));
}

#[tokio::test]
async fn the_last_credential_that_can_sign_in_is_never_planned_away() {
    let world = World::realistic().await;
    let (first, next) = (world.certificate("first", 30), world.certificate("next", 180));
    let trust = FederatedCredential::new("ci", ISSUER, SUBJECT).unwrap();
    let with = |made: &GeneratedCertificate| bare().with_certificate("acme", made.public().clone()).unwrap();
    world.set_up(&with(&first), &mut RegistrationInventory::new("acme-mail")).await;
    let steps = async |registration: &AppRegistration| {
        plan(registration, &RegistrationState::read(&world.pipeline, registration).await.unwrap())
    };
    let refused = async |registration: &AppRegistration| {
        let error = steps(registration).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert!(error.message().contains("`rotate`"), "{error}");
    };
    let retired = first.public().thumbprint();
    refused(&bare().with_retired_certificate(retired)).await;
    // What the same plan adds has not been proven by anybody.
    refused(&with(&next).with_retired_certificate(retired)).await;
    refused(&bare().with_retired_certificate(retired).with_federated([trust.clone()])).await;

    // Each other kind of credential will do, once it is there.
    world.set_up(&bare().with_federated([trust.clone()]), &mut RegistrationInventory::new("acme-mail")).await;
    assert_eq!(steps(&bare().with_retired_certificate(retired)).await.unwrap().len(), 1);
    assert_eq!(steps(&bare().with_former_federated(["ci"])).await.unwrap().len(), 1);
    refused(&bare().with_former_federated(["ci"]).with_retired_certificate(retired)).await;
    // An ended certificate cannot sign in, so the trust is the last; and the ended one may go.
    world.clock.sleep(DAY * 31).await;
    refused(&bare().with_former_federated(["ci"])).await;
    assert_eq!(steps(&bare().with_retired_certificate(retired)).await.unwrap().len(), 1);
    let secret = bare().with_secret(SecretPolicy::new("acme", DAY * 30).unwrap());
    let (_, added) = world.set_up(&secret, &mut RegistrationInventory::new("acme-mail")).await;
    assert_eq!(steps(&bare().with_former_federated(["ci"])).await.unwrap().len(), 1);
    // A secret that the plan itself removes is none to rely on.
    refused(&secret.clone().with_former_federated(["ci"])).await;
    let held = secret.with_held_secret(added.map(|(key_id, _)| key_id)).with_former_federated(["ci"]);
    assert!(matches!(&steps(&held).await.unwrap()[..], [RegistrationStep::RemoveFederatedCredential { .. }]));
}

#[tokio::test]
async fn a_retired_certificate_and_a_foreign_secret_are_differences() {
    let world = World::realistic().await;
    let (first, next) = (world.certificate("first", 180), world.certificate("next", 180));
    let both = bare()
        .with_certificate("first", first.public().clone())
        .unwrap()
        .with_certificate("next", next.public().clone())
        .unwrap()
        .with_secret(SecretPolicy::new("theirs", DAY * 30).unwrap());
    let (state, added) = world.set_up(&both, &mut RegistrationInventory::new("acme-mail")).await;
    let rolled = bare()
        .with_certificate("next", next.public().clone())
        .unwrap()
        .with_retired_certificate(first.public().thumbprint());
    let mut state_now = RegistrationState::read_whole(&world.pipeline, &rolled).await.unwrap();
    let found = drift(&rolled, &state_now).unwrap();
    let left = state.application().unwrap().key_credentials.iter().find(|k| k.is(first.public())).unwrap();
    let differences: Vec<&Difference> = found
        .findings
        .iter()
        .map(|f| &f.difference)
        .filter(|d| !matches!(d, Difference::OwnerExtra(..)))
        .collect();
    let left = Difference::CertificateLeft { display_name: "first".to_owned(), key_id: left.key_id };
    let extra = Difference::SecretExtra { display_name: Some("theirs".to_owned()), key_id: added.unwrap().0 };
    assert_eq!(differences, [&left, &extra]);
    for step in found.repair_steps() {
        let outcome = apply_step(&world.pipeline, step, &mut state_now, &world.convergence()).await.unwrap();
        assert!(matches!(outcome, StepOutcome::Applied));
    }
    let state = RegistrationState::read_whole(&world.pipeline, &rolled).await.unwrap();
    let left = drift(&rolled, &state).unwrap();
    assert!(left.findings.iter().all(|f| f.repair.is_none()), "{left:#?}");
}
