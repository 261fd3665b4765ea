//! The proof of a service account on an Exchange Server: each way by its own call, and nothing but the refusal counts as one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::TenantClock;
use ews_client::{EwsClient, EwsCredential, EwsEndpoint};
use m365_core::{SharedClock, Transport, transport::ReqwestTransport};
use mail_access::verify::Finding;
use mail_access::{ErrorKind, OnPremisesPlan, Profile, Proof};
use tenant_sim::state::{
    Folder, FolderGrantee, FolderPermission, MailboxPermission, ResourceScope, State, Timed,
};
use tenant_sim::{Propagation, Scenario, ScenarioMailbox, Tenant};
use uuid::Uuid;

/// Everybody on premises; the account has a mailbox of its own.
async fn server() -> Tenant {
    let mut scenario = Scenario::contoso();
    for user in &mut scenario.users {
        if matches!(user.mailbox, ScenarioMailbox::User) || user.name == "svc-calendar" {
            user.mailbox = ScenarioMailbox::Remote;
        }
    }
    for account in &mut scenario.on_premises.accounts {
        account.impersonates = None;
    }
    Tenant::builder().scenario(scenario).propagation(Propagation::instant()).start().await.unwrap()
}

fn plan(grant: &str, reach: &str) -> OnPremisesPlan {
    let text = format!(
        "name = \"x\"\n[account]\nname = 'CONTOSO\\svc-calendar'\nserver = \"exchange-2013-to-se\"\nthrottling_policy = \"Acme\"\n\
         [account.access]\ngrant = \"{grant}\"\n{reach}\n"
    );
    match Profile::from_toml("p.toml", &text).unwrap() {
        Profile::OnPremises(profile) => profile.plan().unwrap(),
        Profile::Cloud(_) => panic!("it is for Exchange Server"),
    }
}

const LISTED: &str =
    "mailboxes = [\"alice@contoso.example\", \"bob@contoso.example\"]\ncanary = \"ceo@contoso.example\"";
const GROUP: &str = "scope = { group = \"presence-users@contoso.example\" }\nprobes = [\"alice@contoso.example\", \"bob@contoso.example\"]\ncanary = \"ceo@contoso.example\"";

fn client(tenant: &Tenant, password: &str) -> EwsClient {
    let endpoint = EwsEndpoint::on_premises_without_tls(tenant.on_premises_url().parse().unwrap()).unwrap();
    EwsClient::builder(endpoint, EwsCredential::basic(r"CONTOSO\svc-calendar", password.into()))
        .transport(Transport::new(ReqwestTransport::new().unwrap()))
        .clock(SharedClock::new(TenantClock(tenant.clock().clone())))
        .build()
        .unwrap()
}

async fn verify(tenant: &Tenant, plan: &OnPremisesPlan) -> Proof {
    plan.verify(&client(tenant, "Svc-Passw0rd"), &[], &()).await.unwrap()
}

fn account(state: &State) -> Uuid {
    state.premises.account(r"CONTOSO\svc-calendar").unwrap().user
}

fn mailbox(state: &State, name: &str) -> Uuid {
    state.exchange.mailboxes.iter().find(|m| m.value.name == name).unwrap().value.object_id
}

fn full_access(state: &mut State, name: &str) {
    let entry = MailboxPermission {
        mailbox: mailbox(state, name),
        grantee: account(state),
        rights: vec!["FullAccess".to_owned()],
        deny: false,
        inheritance: "All".to_owned(),
    };
    state.exchange.mailbox_permissions.push(Timed::always(entry));
}

fn on_calendar(state: &mut State, name: &str, rights: &[&str]) {
    let entry = FolderPermission {
        mailbox: mailbox(state, name),
        folder: Folder::Calendar,
        grantee: FolderGrantee::Recipient(account(state)),
        rights: rights.iter().map(|r| (*r).to_owned()).collect(),
        delegate: false,
        private_items: false,
    };
    state.exchange.folder_permissions.push(Timed::always(entry));
}

fn impersonate(state: &mut State, scope: ResourceScope) {
    state.premises.account_mut(r"CONTOSO\svc-calendar").unwrap().impersonates = Some(scope);
}

/// The live findings, by mailbox.
fn found(proof: &Proof) -> Vec<(&str, Finding)> {
    proof
        .checks
        .iter()
        .filter(|c| c.subject.contains('@'))
        .map(|c| (c.subject.split('@').next().unwrap(), c.finding))
        .collect()
}

type Give = fn(&mut State, &str);

#[tokio::test]
async fn each_way_is_proven_by_its_own_call() {
    let ways: [(&str, &str, Give); 3] = [
        ("full-access", LISTED, full_access),
        ("calendar-reviewer", LISTED, |state, name| {
            on_calendar(state, name, &["FolderVisible", "ReadItems"]);
        }),
        ("impersonation", GROUP, |state, _| {
            let mut groups = state.exchange.groups.iter();
            let id = groups.find(|g| g.value.name == "presence-users").unwrap().value.object_id;
            impersonate(state, ResourceScope::Group(id));
        }),
    ];
    for (grant, reach, give) in ways {
        let tenant = server().await;
        let plan = plan(grant, reach);
        let nothing = verify(&tenant, &plan).await;
        assert_eq!(
            found(&nothing),
            [("alice", Finding::Failed), ("bob", Finding::Failed), ("ceo", Finding::Proven)],
            "{grant}"
        );
        assert!(!nothing.is_proven());
        tenant.with_state(|state| ["alice", "bob"].map(|name| give(state, name)));
        let proof = verify(&tenant, &plan).await;
        assert!(proof.is_proven(), "{grant}: {:#?}", proof.checks);
        // A throttling policy is nothing that a call shows.
        let untried: Vec<_> = proof.untried().map(|c| c.subject.as_str()).collect();
        assert_eq!(untried, ["x/throttling"]);
        // Somebody widens it.
        tenant.with_state(|state| match grant {
            "impersonation" => impersonate(state, ResourceScope::Organization),
            _ => give(state, "ceo"),
        });
        let wide = verify(&tenant, &plan).await;
        assert_eq!(found(&wide)[2], ("ceo", Finding::Failed), "{grant}");
    }
}

#[tokio::test]
async fn what_is_no_refusal_is_unknown_and_never_absent() {
    let tenant = server().await;
    let plan = plan("full-access", LISTED);
    tenant.with_state(|state| ["alice", "bob"].map(|name| full_access(state, name)));
    let all = |finding| [("alice", finding), ("bob", finding), ("ceo", finding)];
    // A wrong password.
    let proof = plan.verify(&client(&tenant, "wrong"), &[], &()).await.unwrap();
    assert_eq!(found(&proof), all(Finding::Unknown), "{:#?}", proof.checks);
    // A canary that is not there at all.
    tenant.with_state(|state| state.exchange.mailboxes.retain(|m| m.value.name != "ceo"));
    let proof = verify(&tenant, &plan).await;
    assert_eq!(found(&proof)[2], ("ceo", Finding::Unknown), "{:#?}", proof.checks);
    assert!(!proof.is_proven());
}

#[tokio::test]
async fn a_calendar_that_is_visible_and_not_readable_is_not_open() {
    let tenant = server().await;
    let plan = plan("calendar-reviewer", LISTED);
    tenant.with_state(|state| {
        on_calendar(state, "alice", &["FolderVisible", "CreateItems"]);
        on_calendar(state, "bob", &["FolderVisible", "ReadItems"]);
    });
    let proof = verify(&tenant, &plan).await;
    assert_eq!(found(&proof)[..2], [("alice", Finding::Failed), ("bob", Finding::Proven)]);
}

#[tokio::test]
async fn inside_the_window_of_a_script_a_refusal_is_waited_for() {
    let tenant = server().await;
    let plan = plan("full-access", LISTED);
    let began = tenant.clock().now();
    let receipt = serde_json::json!({"receipt": "exchange-admin/1", "app": r"CONTOSO\svc-calendar", "apply": true,
        "completed": true, "finishedAt": began, "steps": []});
    let receipt = plan.read_receipt(receipt.to_string().as_bytes()).unwrap();
    // Half an hour later the server knows.
    let later = began + jiff::SignedDuration::from_mins(30);
    tenant.with_state(|state| {
        for name in ["alice", "bob"] {
            full_access(state, name);
            let entry = state.exchange.mailbox_permissions.last_mut().unwrap();
            entry.effective_from = later;
        }
    });
    let proof = plan.verify(&client(&tenant, "Svc-Passw0rd"), &[receipt], &()).await.unwrap();
    assert!(proof.is_proven(), "{:#?}", proof.checks);
    assert!(tenant.clock().now() >= later);
}

#[tokio::test]
async fn whoever_reaches_everybody_has_no_canary_and_it_is_said() {
    let tenant = server().await;
    let reach = "scope = { whole_organization = true }\nprobes = [\"alice@contoso.example\"]";
    tenant.with_state(|state| impersonate(state, ResourceScope::Organization));
    let proof = verify(&tenant, &plan("impersonation", reach)).await;
    assert!(proof.is_proven());
    assert!(proof.untried().any(|c| c.subject == "canary"));
}

#[tokio::test]
async fn a_client_of_exchange_online_is_refused() {
    let endpoint = EwsEndpoint::online(&m365_core::Cloud::public());
    let tenant = m365_core::TenantId::from_bytes([7; 16]);
    let app = m365_core::ClientId::from_bytes([8; 16]);
    let credential = graph_auth::ClientSecretCredential::new(
        m365_core::Cloud::public(),
        tenant.into(),
        app,
        "not a real one, and long enough".to_owned().into(),
    )
    .unwrap();
    let credential = m365_core::Credential::new(credential);
    let client = EwsClient::builder(endpoint, EwsCredential::bearer(credential)).build().unwrap();
    let error = plan("full-access", LISTED).verify(&client, &[], &()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
