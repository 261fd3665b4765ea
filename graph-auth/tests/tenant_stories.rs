//! Federated trust, policies and consent by URL in a simulated tenant, over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

#[allow(dead_code, reason = "each test program uses its part")]
mod world;

use std::time::Duration;

use bytes::Bytes;
use graph_auth::directory::{Audience, Owner};
use graph_auth::{
    AdminConsent, Api, AppRegistration, ClientSecretCredential, Convergence, Difference, ErrorKind, Extent,
    FederatedCredential, GitHubActionsCredential, Offboarding, Permission, PolicyRefusal,
    RegistrationInventory, RegistrationState, SecretPolicy, StepOutcome, WhereRestricted,
    WorkloadIdentityCredential, apply_step, consent_would_revoke, drift, offboard_step, plan,
    plan_offboarding, prove_revoked, prove_roles,
};
use jiff::SignedDuration;
use m365_core::{
    Body, Credential, HttpTransport, Resource, SharedClock, TokenCredential as _, TokenRequest, Transport,
    TransportError,
};
use serde_json::json;
use tenant_sim::state::AdminDecision;
use tenant_sim::{ForeignIssuer, Propagation};
use world::{BACK, EXCHANGE, ISSUER, SUBJECT, World, bare, roles, tenant_name};

#[tokio::test]
async fn a_foreign_token_stands_for_the_app_once_trust_has_travelled() {
    let world = World::realistic().await;
    let issuer = world.tenant.foreign_issuer(ISSUER).unwrap();
    let sample = issuer.token(SUBJECT, EXCHANGE, world.clock.now()).unwrap();
    let registration = bare()
        .with_consented([Permission::graph("Mail.Read")])
        .with_federated([FederatedCredential::github_actions("github-main", &sample).unwrap()])
        .with_secret(SecretPolicy::new("acme", Duration::from_secs(30 * 86_400)).unwrap());
    let (state, added) = world.set_up(&registration, &mut RegistrationInventory::new("acme-mail")).await;
    let client = state.client_id().unwrap();
    let convergence = Convergence::new(world.clock.clone());
    let credential = Credential::new(world.by_assertion(client, &issuer, SUBJECT));
    let proof =
        prove_roles(&credential, &Resource::Graph, &roles(&["Mail.Read"]), &[], &convergence).await.unwrap();
    assert_eq!(proof.claims.client, Some(client));

    // Letter by letter: the plain form of a subject with ids, another issuer, another audience.
    let plain = world.by_assertion(client, &issuer, "repo:acme/connector:ref:refs/heads/main");
    let refused = plain.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap_err();
    assert_eq!((refused.kind(), refused.aadsts()), (ErrorKind::Authentication, &[700_213][..]));
    let elsewhere = world.tenant.foreign_issuer("https://token.actions.githubusercontent.com/").unwrap();
    let refused =
        world.by_assertion(client, &elsewhere, SUBJECT).get_token(&TokenRequest::new(Resource::Graph)).await;
    assert_eq!(refused.unwrap_err().aadsts(), [700_211]);

    // Taken away: the very next token is refused once that has travelled.
    let without = bare()
        .with_consented([Permission::graph("Mail.Read")])
        .with_former_federated(["github-main"])
        .with_held_secret(added.map(|(key_id, _)| key_id));
    world.set_up(&without, &mut RegistrationInventory::new("acme-mail")).await;
    world.tenant.clock().advance(SignedDuration::from_mins(5));
    let refused =
        world.by_assertion(client, &issuer, SUBJECT).get_token(&TokenRequest::new(Resource::Graph)).await;
    assert_eq!(refused.unwrap_err().aadsts(), [70021]);
}

/// Serves a job's identity tokens, and leads everything else to the tenant.
#[derive(Debug)]
struct Runner {
    tenant: Transport,
    issuer: ForeignIssuer,
    clock: SharedClock,
}

impl HttpTransport for Runner {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Body>, TransportError> {
        if request.uri().host() != Some("ids.example") {
            return self.tenant.send(request).await;
        }
        assert_eq!(request.headers()["authorization"], "bearer job");
        let token = self.issuer.token(SUBJECT, EXCHANGE, self.clock.now()).unwrap();
        Ok(http::Response::new(Body::from_bytes(json!({ "value": token }).to_string())))
    }
}

#[tokio::test]
async fn a_job_and_a_pod_sign_in_without_any_secret() {
    let world = World::realistic().await;
    let github = world.tenant.foreign_issuer(ISSUER).unwrap();
    let cluster = world.tenant.foreign_issuer("https://oidc.cluster.example/").unwrap();
    let account = "system:serviceaccount:mail:connector";
    let now = world.clock.now();
    let registration = bare().with_consented([Permission::graph("Mail.Read")]).with_federated([
        FederatedCredential::github_actions("github-main", &github.token(SUBJECT, EXCHANGE, now).unwrap())
            .unwrap(),
        FederatedCredential::kubernetes("cluster", &cluster.token(account, EXCHANGE, now).unwrap()).unwrap(),
    ]);
    let (state, _) = world.set_up(&registration, &mut RegistrationInventory::new("acme-mail")).await;
    let client = state.client_id().unwrap();
    let convergence = Convergence::new(world.clock.clone());
    let wanted = roles(&["Mail.Read"]);

    let runner = Runner { tenant: world.transport.clone(), issuer: github, clock: world.clock.clone() };
    let job = GitHubActionsCredential::from_vars(world.cloud(), tenant_name(&world.tenant), client, |name| {
        let value = if name.ends_with("_URL") { "https://ids.example/token?v=1" } else { "job" };
        Some(value.to_owned())
    })
    .unwrap()
    .with_transport(Transport::new(runner))
    .with_clock(world.clock.clone());
    prove_roles(&Credential::new(job), &Resource::Graph, &wanted, &[], &convergence).await.unwrap();

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, cluster.token(account, EXCHANGE, world.clock.now()).unwrap()).unwrap();
    let pod = WorkloadIdentityCredential::new(world.cloud(), tenant_name(&world.tenant), client, &file)
        .with_transport(world.transport.clone())
        .with_clock(world.clock.clone());
    prove_roles(&Credential::new(pod), &Resource::Graph, &wanted, &[], &convergence).await.unwrap();
}

#[tokio::test]
async fn trap_13_the_tenants_policy_is_kept_before_and_enforced_after() {
    let world = World::realistic().await;
    world.tenant.with_state(|state| {
        state.directory.lifecycle.default_policy = json!({"id": "p", "isEnabled": true, "applicationRestrictions": {
            "passwordCredentials": [{"restrictionType": "passwordLifetime", "state": "enabled", "maxLifetime": "P90D",
                "restrictForAppsCreatedAfterDateTime": "2026-01-01T00:00:00Z"}], "keyCredentials": []}});
    });
    let secret = SecretPolicy::new("acme", Duration::from_secs(180 * 86_400)).unwrap();
    let registration = bare().with_secret(secret.clone());
    let state = RegistrationState::read(&world.pipeline, &registration).await.unwrap();
    assert_eq!(PolicyRefusal::of(&plan(&registration, &state).unwrap_err()), Some(PolicyRefusal::Lifetime));
    let shortened = bare().with_secret(secret.with_where_restricted(WhereRestricted::Shorten));
    let (_, added) = world.set_up(&shortened, &mut RegistrationInventory::new("acme-mail")).await;
    assert!(added.is_some(), "the tenant took the shortened one");

    world.tenant.with_state(|state| {
        state.directory.lifecycle.default_policy = json!({"id": "p", "isEnabled": true, "applicationRestrictions": {
            "passwordCredentials": [{"restrictionType": "passwordAddition"}]}});
    });
    let state = RegistrationState::read(&world.pipeline, &shortened).await.unwrap();
    assert_eq!(
        PolicyRefusal::of(&plan(&shortened, &state).unwrap_err()),
        Some(PolicyRefusal::CredentialType)
    );
    let id = state.application_id().unwrap();
    let add = graph_auth::directory::AddPassword { id, display_name: "x".to_owned(), end: None };
    assert_eq!(
        PolicyRefusal::of(&world.pipeline.run(&add).await.unwrap_err()),
        Some(PolicyRefusal::CredentialType)
    );
    // An exemption of its own.
    world.tenant.with_state(|state| {
        let id = state.directory.applications.iter().find(|a| a.value.unique_name.as_deref() == Some("acme-mail")).unwrap().value.id;
        let exempt = json!({"id": "q", "isEnabled": true, "restrictions": {"passwordCredentials": [{"restrictionType": "passwordAddition", "state": "disabled"}]}});
        state.directory.lifecycle.app_policies.push((id, exempt));
    });
    let state = RegistrationState::read(&world.pipeline, &shortened).await.unwrap();
    assert!(plan(&shortened, &state).is_ok());
    world.tenant.clock().advance(SignedDuration::from_mins(1));
    assert!(world.pipeline.run(&add).await.is_ok());
}

#[tokio::test]
async fn trap_10_an_administrator_consents_by_url_and_a_token_proves_it() {
    let world = World::realistic().await;
    let registration = bare()
        .with_redirect_uris([BACK])
        .with_secret(SecretPolicy::new("acme", Duration::from_secs(30 * 86_400)).unwrap())
        .with_consented([Permission::graph("Mail.Read"), Permission::exchange("IMAP.AccessAsApp")]);
    // Declared and not consented: that is the administrator's.
    let mut inventory = RegistrationInventory::new("acme-mail");
    let mut state = RegistrationState::read(&world.pipeline, &registration).await.unwrap();
    let convergence = Convergence::new(world.clock.clone());
    let mut secret = None;
    for step in plan(&registration, &state).unwrap() {
        if matches!(step, graph_auth::RegistrationStep::GrantAppRole { .. }) {
            continue;
        }
        inventory.begin(&step);
        let outcome = apply_step(&world.pipeline, &step, &mut state, &convergence).await.unwrap();
        inventory.record(&step, &outcome, &state);
        if let StepOutcome::Secret { key_id, secret: text, .. } = outcome {
            secret = Some((key_id, text));
        }
    }
    let (held, secret) = secret.unwrap();
    let client = state.client_id().unwrap();
    let consent = AdminConsent::new(world.cloud(), client, BACK).unwrap().expecting(world.tenant_id());
    let wrong = AdminConsent::new(world.cloud(), client, "https://evil.example/").unwrap();
    assert_eq!(
        world.browse(wrong.begin().url()).await.0,
        400,
        "an address that is not declared leads nowhere"
    );

    world.tenant.with_state(|state| state.directory.lifecycle.admin = AdminDecision::Decline);
    let begun = consent.begin();
    let (_, back) = world.browse(begun.url()).await;
    let declined = consent.read_redirect(begun.state(), &back).unwrap_err();
    assert_eq!((declined.kind(), declined.aadsts()), (ErrorKind::PermissionDenied, &[65004][..]));
    assert_eq!(
        consent.read_redirect(consent.begin().state(), &back).unwrap_err().kind(),
        ErrorKind::Rejected
    );

    world.tenant.with_state(|state| state.directory.lifecycle.admin = AdminDecision::Approve);
    for consent in [consent.clone(), consent.clone().with_v1()] {
        let begun = consent.begin();
        let (status, back) = world.browse(begun.url()).await;
        assert_eq!((status, back.starts_with(BACK)), (302, true), "{back}");
        assert_eq!(consent.read_redirect(begun.state(), &back).unwrap().tenant, world.tenant_id());
    }
    let credential = Credential::new(
        ClientSecretCredential::new(world.cloud(), tenant_name(&world.tenant), client, secret)
            .unwrap()
            .with_transport(world.transport.clone())
            .with_clock(world.clock.clone()),
    );
    prove_roles(&credential, &Resource::Graph, &roles(&["Mail.Read"]), &[], &convergence).await.unwrap();
    prove_roles(&credential, &Resource::Exchange, &roles(&["IMAP.AccessAsApp"]), &[], &convergence)
        .await
        .unwrap();
    let state = RegistrationState::read(&world.pipeline, &registration).await.unwrap();
    inventory.adopt_consents(&state, &registration.consented);
    assert_eq!(inventory.consents.len(), 2);

    // Declared shorter: a re-consent takes the rest back, which the library says beforehand.
    let shorter = bare().with_consented([Permission::graph("Mail.Read")]).with_redirect_uris([BACK]);
    let mut application = state.application().unwrap().clone();
    application.required_resource_access.retain(|e| e.resource_app_id == Api::Graph.client_id());
    let update = graph_auth::directory::UpdateApplication {
        id: application.id,
        settings: graph_auth::directory::ApplicationSettings {
            required_resource_access: Some(application.required_resource_access),
            ..Default::default()
        },
    };
    world.pipeline.run(&update).await.unwrap();
    let state = RegistrationState::read(&world.pipeline, &shorter).await.unwrap();
    assert_eq!(consent_would_revoke(&state, Api::Exchange), [Permission::exchange("IMAP.AccessAsApp")]);
    world.browse(consent.begin().url()).await;
    prove_revoked(&credential, &Resource::Exchange, &roles(&["IMAP.AccessAsApp"]), &convergence)
        .await
        .unwrap();

    // Withdrawn altogether, and proven by a fresh token.
    let withdrawn = registration.with_held_secret(Some(held)).with_consent_withdrawn();
    world.set_up(&withdrawn, &mut RegistrationInventory::new("acme-mail")).await;
    prove_revoked(&credential, &Resource::Graph, &roles(&["Mail.Read"]), &convergence).await.unwrap();
}

#[tokio::test]
async fn an_application_of_several_tenants_comes_by_consent_or_by_graph_and_leaves_alone() {
    for by_consent in [true, false] {
        let home = World::of(Propagation::realistic(), "vendor").await;
        let customer = World::of(Propagation::realistic(), "the customer").await;
        assert_ne!(home.tenant_id(), customer.tenant_id());
        let registration = bare()
            .with_audience(Audience::MultiTenant)
            .with_redirect_uris([BACK])
            .with_consented([Permission::graph("Mail.Read")])
            .with_secret(SecretPolicy::new("acme", Duration::from_secs(30 * 86_400)).unwrap());
        let (state, added) = home.set_up(&registration, &mut RegistrationInventory::new("acme-mail")).await;
        let client = state.client_id().unwrap();
        home.tenant.clock().advance(SignedDuration::from_mins(1));
        customer
            .tenant
            .clock()
            .advance(home.clock.now().duration_since(customer.clock.now()) + SignedDuration::from_mins(1));
        assert!(
            home.tenant.publish_to(&customer.tenant, uuid::Uuid::parse_str(&client.to_string()).unwrap())
        );

        let guest = AppRegistration::of_another_tenant(client)
            .with_home_tenant(home.tenant_id())
            .with_consented([Permission::graph("Mail.Read")]);
        let mut inventory = RegistrationInventory::new(client.to_string()).with_tenant(customer.tenant_id());
        if by_consent {
            let consent = AdminConsent::new(customer.cloud(), client, BACK).unwrap();
            let begun = consent.begin();
            let (_, back) = customer.browse(begun.url()).await;
            assert_eq!(consent.read_redirect(begun.state(), &back).unwrap().tenant, customer.tenant_id());
            customer.tenant.clock().advance(SignedDuration::from_mins(1));
        }
        customer.set_up(&guest, &mut inventory).await;
        let state = RegistrationState::read_whole(&customer.pipeline, &guest).await.unwrap();
        assert_eq!(plan(&guest, &state).unwrap(), []);
        assert!(drift(&guest, &state).unwrap().is_none(), "{:?}", drift(&guest, &state));
        let elsewhere = guest.clone().with_home_tenant(customer.tenant_id());
        let found = drift(&elsewhere, &state).unwrap();
        assert!(matches!(found.findings[0].difference, Difference::HomeTenantOther { .. }));

        // Proven by a token of the customer's tenant.
        let credential = Credential::new(
            ClientSecretCredential::new(
                customer.cloud(),
                tenant_name(&customer.tenant),
                client,
                added.unwrap().1,
            )
            .unwrap()
            .with_transport(customer.transport.clone())
            .with_clock(customer.clock.clone()),
        );
        let convergence = Convergence::new(customer.clock.clone());
        let proof = prove_roles(&credential, &Resource::Graph, &roles(&["Mail.Read"]), &[], &convergence)
            .await
            .unwrap();
        assert_eq!(proof.claims.tenant, Some(customer.tenant_id()));

        if by_consent {
            // The consent page made it on our behalf.
            inventory.adopt_consents(&state, &guest.consented);
        }
        let offboarding = Offboarding::new().with_extent(Extent::ThisTenant);
        let mut state = RegistrationState::read_inventory(&customer.pipeline, &inventory).await.unwrap();
        let steps = plan_offboarding(&inventory, &state, offboarding).unwrap();
        assert_eq!(steps.len(), 2, "{steps:?}");
        for step in &steps {
            offboard_step(&customer.pipeline, step, &mut state, &convergence).await.unwrap();
        }
        assert!(
            RegistrationState::read(&customer.pipeline, &guest).await.unwrap().service_principal().is_none()
        );
        assert!(
            RegistrationState::read(&home.pipeline, &registration).await.unwrap().application().is_some()
        );
    }
}

#[tokio::test]
async fn set_up_and_taken_away_leaves_the_tenant_as_it_was() {
    let world = World::realistic().await;
    let owner = world.tenant.with_state(|s| s.directory.users[0].value.id);
    let before = world.tenant.state_snapshot();
    let registration = bare()
        .with_consented([Permission::graph("Mail.Read")])
        .with_owners([Owner::User(owner.to_string().parse().unwrap())])
        .with_owners_of_principal()
        .with_federated([FederatedCredential::new("ci", ISSUER, SUBJECT).unwrap()])
        .with_redirect_uris([BACK])
        .with_secret(SecretPolicy::new("acme", Duration::from_secs(30 * 86_400)).unwrap());
    let caller = world.tenant.with_state(|s| {
        let found = s.directory.service_principals.iter().find(|sp| sp.value.display_name == "Administrator");
        found.unwrap().value.id
    });
    let mut inventory = RegistrationInventory::new("acme-mail")
        .with_set_up_by(Owner::ServicePrincipal(caller.to_string().parse().unwrap()));
    world.set_up(&registration, &mut inventory).await;
    assert_ne!(world.tenant.state_snapshot(), before);
    let convergence = Convergence::new(world.clock.clone());
    let everything = Offboarding::new().with_purge();
    let mut state = RegistrationState::read_inventory(&world.pipeline, &inventory).await.unwrap();
    for step in plan_offboarding(&inventory, &state, everything).unwrap() {
        offboard_step(&world.pipeline, &step, &mut state, &convergence).await.unwrap();
    }
    assert_eq!(world.tenant.state_snapshot(), before);
    let state = RegistrationState::read_inventory(&world.pipeline, &inventory).await.unwrap();
    assert_eq!(plan_offboarding(&inventory, &state, everything).unwrap(), []);
}
