//! A cache hit allocates nothing: neither on the credential itself nor behind the shared handle.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

use futures_util::FutureExt as _;
use graph_auth::{ClientSecretCredential, FileTokenStore, SharedTokens, StoreKey};
use m365_core::testing::{ManualClock, Reply, ScriptedTransport};
use m365_core::{
    ClientId, Cloud, Credential, Resource, SharedClock, TenantName, TokenCredential as _, TokenRequest,
    Transport,
};

#[test]
fn a_hit_allocates_nothing() {
    hit_allocates_nothing(|credential| credential, &TokenRequest::new(Resource::Graph));
}

#[test]
fn nor_does_a_hit_of_another_tenant_or_api() {
    for (tenant, resource) in [
        (Some("fabrikam.example"), Resource::Exchange),
        (Some("8c1f3a52-7d4e-4b60-9a1b-2c3d4e5f6071"), Resource::Graph),
        (None, Resource::Other("https://vault.azure.net".into())),
        (Some("fabrikam.example"), Resource::Other("https://vault.azure.net".into())),
    ] {
        let mut request = TokenRequest::new(resource);
        request.tenant = tenant.map(|name| TenantName::parse(name).unwrap());
        hit_allocates_nothing(|credential| credential, &request);
    }
}

#[test]
fn nor_does_a_hit_with_a_shared_store() {
    let home = tempfile::tempdir().unwrap();
    let store = FileTokenStore::open(home.path().join("tokens")).unwrap();
    let shared = SharedTokens::new(store, StoreKey::generate().unwrap());
    hit_allocates_nothing(|credential| credential.with_store(shared), &TokenRequest::new(Resource::Graph));
    assert_eq!(home.path().join("tokens").read_dir().unwrap().count(), 2, "a record and a lock: it was used");
}

fn hit_allocates_nothing(
    change: impl FnOnce(ClientSecretCredential) -> ClientSecretCredential,
    request: &TokenRequest,
) {
    let tenant = request.tenant.as_ref().map_or("contoso.example", TenantName::as_str);
    let script = ScriptedTransport::new().on(
        "POST",
        &format!("/{tenant}/oauth2/v2.0/token"),
        Reply::json(200, r#"{"access_token":"abc","expires_in":3600}"#),
    );
    let credential = ClientSecretCredential::new(
        Cloud::public(),
        TenantName::parse("contoso.example").unwrap(),
        ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d").unwrap(),
        "Q8~secret".into(),
    )
    .unwrap()
    .with_transport(Transport::new(script))
    .with_clock(SharedClock::new(ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap())));
    let credential = change(credential);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let first = runtime.block_on(credential.get_token(request)).unwrap();

    let handle = Credential::new(credential.clone());
    // The counter counts.
    let counted = allocation_counter::measure(|| drop(vec![first.clone()]));
    assert!(counted.count_total > 0);

    let direct = allocation_counter::measure(|| {
        let hit = credential.get_token(request).now_or_never().unwrap().unwrap();
        assert!(hit.header().is_sensitive());
    });
    assert_eq!(direct.count_total, 0);
    let shared = allocation_counter::measure(|| {
        let _hit = handle.get_token(request).now_or_never().unwrap().unwrap();
    });
    assert_eq!(shared.count_total, 0);
}
