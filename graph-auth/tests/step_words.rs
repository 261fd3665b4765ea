//! What a plan's reader sees, as one reviewed text.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::fmt::Write as _;
use std::time::Duration;

use graph_auth::directory::{Audience, NewCertificate, Owner};
use graph_auth::{
    Api, AppRegistration, Convergence, Declared, FederatedCredential, Owned, Permission, PublicCertificate,
    RegistrationState, RegistrationStep, SecretPolicy, apply_step, powershell_prelude,
};
use m365_core::{AppRoleId, KeyId, Pipeline};

#[test]
fn the_words_of_every_step() {
    let role = |permission: Permission| Declared { app_role_id: permission.known_id().unwrap(), permission };
    let grant = |permission: Permission| -> (Api, String, AppRoleId) {
        let id = permission.known_id().unwrap();
        (permission.api, permission.name, id)
    };
    let (api, name, app_role_id) = grant(Permission::exchange("IMAP.AccessAsApp"));
    let (unwanted_api, unwanted_name, unwanted_id) = grant(Permission::graph("Mail.Read"));
    let steps = [
        RegistrationStep::CreateApplication {
            unique_name: "acme-mail".to_owned(),
            display_name: "Acme O\u{2019}Mail".to_owned(),
            audience: Audience::SingleTenant,
        },
        RegistrationStep::UpdateApplication {
            display_name: Some("Acme".to_owned()),
            audience: Some(Audience::MultiTenant),
        },
        RegistrationStep::CreateApiServicePrincipal { api: Api::Exchange },
        RegistrationStep::CreateServicePrincipal,
        RegistrationStep::RemoveDefaultUserRead,
        RegistrationStep::DeclarePermissions {
            add: vec![role(Permission::exchange("IMAP.AccessAsApp"))],
            remove: vec![role(Permission::graph("Mail.Read"))],
        },
        RegistrationStep::RevokeAppRole { api: unwanted_api, name: unwanted_name, app_role_id: unwanted_id },
        RegistrationStep::GrantAppRole { api, name, app_role_id },
        RegistrationStep::RemoveOrphanSecret {
            display_name: "acme".to_owned(),
            key_id: KeyId::parse("d1000000-0000-4000-8000-000000000001").unwrap(),
        },
        RegistrationStep::AddSecret {
            policy: SecretPolicy::new("acme's", Duration::from_secs(180 * 86_400)).unwrap(),
            held: Some(KeyId::parse("d1000000-0000-4000-8000-000000000002").unwrap()),
        },
        RegistrationStep::AddCertificate {
            certificate: NewCertificate { display_name: "acme's".to_owned(), certificate: certificate() },
        },
        RegistrationStep::RemoveCertificate {
            display_name: "acme's".to_owned(),
            key_id: KeyId::parse("d1000000-0000-4000-8000-000000000003").unwrap(),
        },
        RegistrationStep::AddRedirectUris { add: vec!["https://acme.example/it's-back".to_owned()] },
        RegistrationStep::RemoveFederatedCredential { name: "ci-old".to_owned() },
        RegistrationStep::UpdateFederatedCredential { credential: federated().with_description("Acme's") },
        RegistrationStep::AddFederatedCredential { credential: federated() },
        RegistrationStep::AddOwner { of: Owned::Application, owner: owner() },
        RegistrationStep::RemoveOwner { of: Owned::ServicePrincipal, owner: owner() },
        RegistrationStep::EnableServicePrincipal,
        RegistrationStep::RestoreApplication { id: "a1000000-0000-4000-8000-000000000003".parse().unwrap() },
    ];
    let registration = AppRegistration::new("acme o'mail", "Acme").unwrap();
    let mut text = format!("{}\n", powershell_prelude(&registration).unwrap());
    for step in &steps {
        let (window, inverse) = (step.window(), step.inverse().unwrap());
        writeln!(text, "\n{}", step.sentence()).unwrap();
        writeln!(text, "  role    {}", step.minimum_role()).unwrap();
        writeln!(text, "  rights  {}", step.least_rights().join(", ")).unwrap();
        writeln!(text, "  REST    {}", step.rest_call()).unwrap();
        writeln!(
            text,
            "  window  {} / {} / {} s",
            window.earliest.as_secs(),
            window.likely.as_secs(),
            window.latest.as_secs()
        )
        .unwrap();
        writeln!(text, "{}", step.powershell().unwrap()).unwrap();
        writeln!(text, "  undo    {}\n{}", inverse.sentence, inverse.powershell).unwrap();
    }
    insta::assert_snapshot!(text);
}

/// Its stored form, so that the text is the same in every run.
fn certificate() -> PublicCertificate {
    serde_json::from_value(serde_json::json!({
        "der": "MIIBIjAN", "thumbprint": "AB".repeat(20), "subject": "CN=acme",
        "notBefore": "2026-11-21T00:00:00Z", "notAfter": "2027-11-21T00:00:00Z",
    }))
    .unwrap()
}

fn federated() -> FederatedCredential {
    FederatedCredential::new("ci", "https://ci.example", "job:connector").unwrap()
}

fn owner() -> Owner {
    Owner::User("0a000000-0000-4000-8000-000000000001".parse().unwrap())
}

/// Callers run these on any executor.
#[test]
fn the_futures_can_change_threads() {
    fn check(
        pipeline: &Pipeline,
        state: &mut RegistrationState,
        step: &RegistrationStep,
        registration: &AppRegistration,
    ) {
        fn send<T: Send>(future: T) -> T {
            future
        }
        let convergence = Convergence::default();
        drop(send(RegistrationState::read(pipeline, registration)));
        drop(send(apply_step(pipeline, step, state, &convergence)));
        drop(send(RegistrationState::read_whole(pipeline, registration)));
        let removal = graph_auth::OffboardingStep::RemoveRedirectUris { uris: Vec::new() };
        drop(send(graph_auth::offboard_step(pipeline, &removal, state, &convergence)));
    }
    let _compiles = check;
}
