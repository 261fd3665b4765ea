//! The three set-up guides, end to end in a simulated tenant.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod common;

use common::{PROFILES, World, profile};
use mail_access::VerifyOptions;

#[tokio::test]
async fn each_profile_is_planned_applied_and_proven_and_a_second_pass_changes_nothing() {
    for name in PROFILES {
        let world = World::realistic().await;
        let (onboarding, profile) = (world.onboarding(), profile(name));
        let options = VerifyOptions::default().with_test_message();

        let plan = onboarding.plan(&profile).await.unwrap();
        assert!(!plan.is_empty(), "{name}");
        let applied =
            onboarding.apply(&plan, &()).await.unwrap_or_else(|e| panic!("{name}: {e} {:?}", e.diagnosis()));
        let proof = onboarding.verify(&profile, Some(&applied), &options, &()).await.unwrap();
        let open: Vec<String> = proof.open_points().map(ToString::to_string).collect();
        assert!(proof.is_proven(), "{name}: {open:#?}");

        let before = world.tenant.state_snapshot();
        let again = onboarding.plan(&profile).await.unwrap();
        let steps: Vec<&str> = again.steps.iter().map(|s| s.id.as_str()).collect();
        assert!(again.is_empty(), "{name}: {steps:?}");
        assert!(!onboarding.apply(&again, &()).await.unwrap().changed());
        assert!(onboarding.verify(&profile, None, &options, &()).await.unwrap().is_proven(), "{name}");
        assert_eq!(before, world.tenant.state_snapshot(), "{name}: the second pass changed something");
    }
}
