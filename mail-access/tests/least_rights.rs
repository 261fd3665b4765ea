//! The rights that a plan lists suffice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod common;

use common::{PROFILES, World, profile};
use mail_access::VerifyOptions;
use tenant_sim::{Propagation, Scenario, ScenarioApp};

#[tokio::test]
async fn a_set_up_identity_with_exactly_the_listed_rights_completes_each_profile() {
    const NAME: &str = "Least rights";
    const SECRET: &str = "sim~least.rights.0123456789";
    for name in PROFILES {
        let profile = profile(name);
        let rights = World::instant().await.onboarding().plan(&profile).await.unwrap().rights;
        let list = |set: &std::collections::BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
        let mut scenario = Scenario::contoso();
        scenario.apps.push(ScenarioApp {
            display_name: NAME.to_owned(),
            unique_name: None,
            made_in_portal: false,
            graph_roles: list(&rights.graph),
            exchange_roles: list(&rights.exchange),
            secret: Some(SECRET.to_owned()),
            directory_roles: Vec::new(),
            role_groups: list(&rights.role_groups),
        });
        let world = World::start(scenario, Propagation::realistic()).await;
        let client = world.client_of(NAME);
        let onboarding = world.builder(world.tenant_id(), client, SECRET, world.vault.clone()).build();
        let failed = |what: &str, e: &dyn std::fmt::Display| -> String {
            format!("{name}: {what}: {e} with {rights}")
        };
        let plan = onboarding.plan(&profile).await.unwrap_or_else(|e| panic!("{}", failed("plan", &e)));
        assert_eq!(plan.rights, rights, "{name}");
        let applied =
            onboarding.apply(&plan, &()).await.unwrap_or_else(|e| panic!("{}", failed("apply", &e)));
        let options = VerifyOptions::default().with_test_message();
        let proof = onboarding
            .verify(&profile, Some(&applied), &options, &())
            .await
            .unwrap_or_else(|e| panic!("{}", failed("verify", &e)));
        let open: Vec<String> = proof.open_points().map(ToString::to_string).collect();
        assert!(proof.is_proven(), "{name}: {open:#?}");
        let receipt = onboarding.receipt(&plan, &applied, &proof).await.unwrap();
        assert_eq!(receipt.set_up_by, client);
    }
}
