//! Whose secrets are whose: other installations, other apps, other tenants, and the set-up identity itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod common;

use common::{World, profile};
use jiff::Timestamp;
use m365_core::{ClientId, KeyId, Result, TenantId};
use mail_access::{ErrorKind, HeldSecret, MemoryVault, Plan, SecretVault, Vault};

fn steps<'a>(plan: &'a Plan, word: &str) -> Vec<&'a str> {
    plan.steps.iter().map(|s| s.id.as_str()).filter(|id| id.contains(word)).collect()
}

/// The secrets of an app in the tenant: names and key ids.
fn secrets(world: &World, unique_name: &str) -> Vec<(String, KeyId)> {
    world.tenant.with_state(|state| {
        let mut apps = state.directory.applications.iter();
        let app = apps.find(|a| a.value.unique_name.as_deref() == Some(unique_name)).unwrap();
        app.value
            .passwords
            .iter()
            .filter(|p| p.is_configured())
            .map(|p| {
                let name = p.value.display_name.clone().unwrap_or_default();
                (name, KeyId::from_bytes(*p.value.key_id.as_bytes()))
            })
            .collect()
    })
}

/// Remembers who it is, and has lost what it held.
#[derive(Debug)]
struct Emptied(MemoryVault);

impl SecretVault for Emptied {
    async fn installation(&self) -> Result<String> {
        self.0.installation().await
    }
    async fn load(&self, _: TenantId, _: &str) -> Result<Option<HeldSecret>> {
        Ok(None)
    }
    async fn store(&self, tenant: TenantId, app: &str, secret: &HeldSecret) -> Result<()> {
        self.0.store(tenant, app, secret).await
    }
}

#[tokio::test]
async fn the_secret_of_another_installation_stays() {
    let world = World::instant().await;
    let profile = profile("imap-fetch");
    let app = profile.apps[0].unique_name.as_str();
    let production = world.onboarding();
    production.apply(&production.plan(&profile).await.unwrap(), &()).await.unwrap();
    let first = world.vault.load(world.tenant_id(), app).await.unwrap().unwrap();

    // Another machine, or the same one after it has lost its vault.
    let vault = MemoryVault::new();
    let other = world.onboarding_of(Vault::new(vault.clone()));
    let plan = other.plan(&profile).await.unwrap();
    assert_eq!((steps(&plan, "orphan").len(), steps(&plan, "/secret").len()), (0, 1), "{plan:?}");
    other.apply(&plan, &()).await.unwrap();
    let both = secrets(&world, app);
    assert!(both.iter().any(|(_, key)| *key == first.key_id), "the production secret is gone: {both:?}");
    assert_eq!(both.len(), 2);
    for (vault, of) in [(&world.vault, "production"), (&Vault::new(vault.clone()), "the other")] {
        let id = vault.installation().await.unwrap();
        assert!(both.iter().any(|(name, _)| *name == format!("m365-access {id}")), "{of}: {both:?}");
    }
    assert!(production.plan(&profile).await.unwrap().is_empty(), "production is as it was");
    assert!(other.plan(&profile).await.unwrap().is_empty());

    // What this installation made and lost is taken away, and nothing else.
    let mine = vault.load(world.tenant_id(), app).await.unwrap().unwrap().key_id;
    let emptied = world.onboarding_of(Vault::new(Emptied(vault)));
    let plan = emptied.plan(&profile).await.unwrap();
    let orphans = steps(&plan, "orphan");
    assert!(orphans.len() == 1 && orphans[0].ends_with(&mine.to_string()), "{orphans:?}");
    emptied.apply(&plan, &()).await.unwrap();
    let left = secrets(&world, app);
    assert!(left.iter().any(|(_, key)| *key == first.key_id) && left.iter().all(|(_, key)| *key != mine));
}

#[tokio::test]
async fn a_held_secret_of_another_app_is_named_and_not_overwritten() {
    let world = World::instant().await;
    let (profile, onboarding) = (profile("imap-fetch"), world.onboarding());
    let app = profile.apps[0].unique_name.as_str();
    onboarding.apply(&onboarding.plan(&profile).await.unwrap(), &()).await.unwrap();
    let right = world.vault.load(world.tenant_id(), app).await.unwrap().unwrap();
    let stranger = HeldSecret {
        client_id: ClientId::from_bytes([9; 16]),
        key_id: KeyId::from_bytes([8; 16]),
        secret: "not a real one".to_owned().into(),
        expires: Timestamp::MAX,
    };
    world.vault.store(world.tenant_id(), app, &stranger).await.unwrap();

    let error = onboarding.plan(&profile).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let text = error.to_string();
    for id in [stranger.client_id, right.client_id] {
        assert!(text.contains(&id.to_string()), "{id} is missing: {text}");
    }
    let held = world.vault.load(world.tenant_id(), app).await.unwrap().unwrap();
    assert_eq!(held.key_id, stranger.key_id);
}

#[tokio::test]
async fn a_secret_of_an_app_that_is_gone_is_noted_in_the_plan() {
    let world = World::instant().await;
    let (profile, onboarding) = (profile("imap-fetch"), world.onboarding());
    let gone = HeldSecret {
        client_id: ClientId::from_bytes([9; 16]),
        key_id: KeyId::from_bytes([8; 16]),
        secret: "not a real one".to_owned().into(),
        expires: Timestamp::MAX,
    };
    world.vault.store(world.tenant_id(), &profile.apps[0].unique_name, &gone).await.unwrap();
    let plan = onboarding.plan(&profile).await.unwrap();
    assert!(plan.notes.iter().any(|n| n.contains(&gone.client_id.to_string())), "{:?}", plan.notes);
}

#[tokio::test]
async fn a_plan_for_another_tenant_is_refused_before_anything_is_sent() {
    let world = World::instant().await;
    let (profile, onboarding) = (profile("imap-fetch"), world.onboarding());
    let mut plan = onboarding.plan(&profile).await.unwrap();
    plan.tenant_id = TenantId::from_bytes([3; 16]);
    world.tenant.clear_journal();
    let error = onboarding.apply(&plan, &()).await.unwrap_err();
    assert_eq!((error.kind(), error.step, error.applied.steps.len()), (ErrorKind::InvalidInput, None, 0));
    assert_eq!(world.tenant.journal().len(), 0);
}

#[tokio::test]
async fn a_set_up_identity_of_another_tenant_reads_nothing() {
    let world = World::instant().await;
    let setup = world.tenant.setup_identity();
    let client = ClientId::from_bytes(*setup.client_id.as_bytes());
    let elsewhere = TenantId::from_bytes([3; 16]);
    let onboarding = world.builder(elsewhere, client, &setup.secret, world.vault.clone()).build();
    let error = onboarding.read(&profile("imap-fetch")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    for tenant in [elsewhere, world.tenant_id()] {
        assert!(error.to_string().contains(&tenant.to_string()), "{error}");
    }
}

#[tokio::test]
async fn the_set_up_identity_is_never_set_up() {
    let world = World::instant().await;
    let mut profile = profile("imap-fetch");
    profile.apps[0].unique_name = "set-up-identity".to_owned();
    let error = world.onboarding().plan(&profile).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert!(error.to_string().contains("set-up identity itself"), "{error}");
}
