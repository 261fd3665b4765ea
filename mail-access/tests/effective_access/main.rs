//! Two readings of the access rules, made without each other, agree: `AccessPicture::effective_access` here, and the
//! simulated tenant's enforcement there, on generated grants.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]

#[path = "../common/mod.rs"]
mod common;
mod grants;

use std::collections::BTreeMap;

use common::{World, consented};
use exchange_admin::ApplicationRole;
use grants::*;
use m365_core::{ClientId, MailboxAddress, ServicePrincipalObjectId};
use mail_access::AccessProfile;
use mail_access::access::{AccessPicture, AccessQuery, AppPicture, EntraGrant, Outcome, Question, Way};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use tenant_sim::state::{ResourceScope, State};
use uuid::Uuid;

/// Compares one answer; `may_be_unknown` says whether something that decides is out of the picture's sight.
fn compare(
    picture: &AccessPicture,
    mailbox: Uuid,
    permission: &str,
    enforced: bool,
    may_be_unknown: bool,
) -> Result<Outcome, TestCaseError> {
    let needed = [permission];
    let question = match permission {
        "IMAP.AccessAsApp" => Question::Imap,
        "full_access_as_app" => Question::Ews,
        "SMTP.SendAsApp" => Question::Smtp,
        _ => Question::Graph(&needed),
    };
    let verdict = picture.effective_access(&recipient(mailbox), &question);
    match verdict.outcome {
        Outcome::Allowed => prop_assert!(enforced, "{permission}: we say open, the tenant closes: {verdict}"),
        Outcome::Denied => {
            prop_assert!(!enforced, "{permission}: we say closed, the tenant opens: {verdict}");
        }
        Outcome::Unknown => prop_assert!(may_be_unknown, "{permission}: unknown without need: {verdict}"),
    }
    Ok(verdict.outcome)
}

/// The permissions of Microsoft Graph that open what this one opens, as its reference of permissions tells.
fn opening(permission: &str) -> Vec<&str> {
    let broader: &[&str] = match permission {
        "Mail.ReadBasic.All" => &["Mail.Read", "Mail.ReadWrite"],
        "Mail.Read" => &["Mail.ReadWrite"],
        "Calendars.Read" => &["Calendars.ReadWrite"],
        "Contacts.Read" => &["Contacts.ReadWrite"],
        "MailboxSettings.Read" => &["MailboxSettings.ReadWrite"],
        "MailboxFolder.Read.All" => &["MailboxFolder.ReadWrite.All"],
        "MailboxItem.Read.All" => &["MailboxItem.ReadWrite.All"],
        _ => &[],
    };
    [permission].into_iter().chain(broader.iter().copied()).collect()
}

/// What the tenant enforces: by this permission or by one that includes it.
fn effective_access(
    state: &State,
    app: Uuid,
    client: Uuid,
    mailbox: Uuid,
    permission: &str,
    consents: &[String],
) -> bool {
    opening(permission).iter().any(|p| tenant_sim::effective_access(state, app, client, mailbox, p, consents))
}

fn may_be_unknown(state: &State, grants: &Grants, permission: &str, over_the_wire: bool) -> bool {
    opening(permission).iter().any(|p| may_be_unknown_by(state, grants, p, over_the_wire))
}

/// Whether an assignment that cannot be evaluated, or a policy whose scope is gone, could decide.
fn may_be_unknown_by(state: &State, grants: &Grants, permission: &str, over_the_wire: bool) -> bool {
    let opaque = |scope: &ResourceScope| match scope {
        ResourceScope::Organization => false,
        ResourceScope::Group(_) => over_the_wire,
        ResourceScope::AdministrativeUnit(_) => over_the_wire,
        ResourceScope::Custom(name) => match name.strip_prefix("generated ") {
            Some(index) => {
                let (groups, by_attribute, _) = &grants.scopes[index.parse::<usize>().unwrap()];
                // Over the wire, nobody lists the members of a Microsoft 365 group as those of a list.
                over_the_wire && (*by_attribute || groups.iter().any(|g| grants.groups[*g].0 == 1))
            }
            None => true,
        },
    };
    let granting = |role: &str| {
        let role = ApplicationRole::read(role).unwrap();
        let api = match EXCHANGE_PERMISSIONS.contains(&permission) {
            true => ClientId::EXCHANGE_ONLINE,
            false => ClientId::MICROSOFT_GRAPH,
        };
        role.permissions().contains(&permission)
            || ApplicationRole::from_permission(api, permission) == Some(role)
    };
    let by_role =
        state.exchange.role_assignments.iter().any(|a| opaque(&a.value.scope) && granting(&a.value.role));
    let unread = |scope: Uuid| {
        let nests = |(_, members): &(u8, Vec<usize>)| members.iter().any(|m| *m >= 10);
        let is_group = state.exchange.groups.iter().any(|g| g.value.object_id == scope);
        scope == GONE
            || (over_the_wire
                && is_group
                && grants.groups.iter().any(nests)
                && grants.groups.iter().any(|(kind, _)| *kind == 1))
    };
    let by_policy = state.exchange.access_policies.iter().any(|p| unread(p.value.scope));
    by_role || by_policy
}

#[tokio::test]
async fn our_reading_and_the_tenants_agree_on_generated_grants() {
    let world = World::instant().await;
    let state = base(world.tenant.with_state(|state| state.clone()));
    let mut counts: BTreeMap<(bool, &str), usize> = BTreeMap::new();
    let mut runner = TestRunner::new(Config { cases: 4000, failure_persistence: None, ..Config::default() });
    let seen = std::sync::Mutex::new(&mut counts);
    runner
        .run(&grants(), |grants| {
            let mut state = state.clone();
            write(&mut state, &grants);
            let consents: Vec<String> =
                names(&grants).into_iter().chain(exchange_names(&grants)).map(str::to_owned).collect();
            let picture = picture(&state, &grants, &consents);
            for mailbox in state.exchange.mailboxes.iter().map(|m| m.value.object_id) {
                for permission in PERMISSIONS.into_iter().chain(EXCHANGE_PERMISSIONS) {
                    let enforced =
                        effective_access(&state, PRINCIPAL, CLIENT, mailbox, permission, &consents);
                    let may = permission != "IMAP.AccessAsApp"
                        && may_be_unknown(&state, &grants, permission, false);
                    let outcome = compare(&picture, mailbox, permission, enforced, may)?;
                    let way = match EXCHANGE_PERMISSIONS.contains(&permission) {
                        true => permission,
                        false => "Graph",
                    };
                    if outcome != Outcome::Unknown {
                        *seen.lock().unwrap().entry((enforced, way)).or_default() += 1;
                    }
                }
            }
            Ok(())
        })
        .unwrap();
    // Agreement on nothing but refusals would prove little.
    for way in EXCHANGE_PERMISSIONS.into_iter().chain(["Graph"]) {
        for enforced in [true, false] {
            let seen = counts.get(&(enforced, way)).copied().unwrap_or_default();
            assert!(seen > 500, "{way} {enforced}: {counts:?}");
        }
    }
}

fn generated_profile(grant: &str) -> AccessProfile {
    let (permission, group) = match grant {
        "mailbox-permission" => ("IMAP.AccessAsApp", ""),
        _ => (
            "Mail.Read",
            "group = { address = \"gen-3@contoso.example\", display_name = \"g\", create = true }",
        ),
    };
    let text = format!(
        "name = \"generated\"\n[[app]]\nunique_name = \"{UNIQUE_NAME}\"\ndisplay_name = \"Acme Generated\"\n\
         permissions = [\"{permission}\"]\n[app.scope]\ngrant = \"{grant}\"\n{group}\n\
         mailboxes = [\"alice@contoso.example\", \"bob@contoso.example\", \"carol@contoso.example\", \
         \"dave@contoso.example\", \"invoices@contoso.example\", \"o'brien@contoso.example\"]\n\
         canary = \"ceo@contoso.example\"\n"
    );
    AccessProfile::from_toml("generated.toml", &text).unwrap()
}

/// The picture as it is read over the wire. 300 tenants, because each is read with some thirty requests.
#[tokio::test]
async fn what_is_read_over_the_wire_says_the_same() {
    let world = World::instant().await;
    let start = base(world.tenant.with_state(|state| state.clone()));
    let onboarding = world.onboarding();
    let profiles = ["rbac", "access-policy", "mailbox-permission"].map(generated_profile);
    let mut runner = TestRunner::deterministic();
    let mut decided = 0;
    for round in 0..300 {
        let mut grants = grants().new_tree(&mut runner).unwrap().current();
        // Exchange takes no service principal into a group.
        for (_, members) in &mut grants.groups {
            members.retain(|m| *m < 10 + GROUPS);
        }
        world.tenant.with_state(|state| {
            *state = start.clone();
            write(state, &grants);
        });
        let state = world.tenant.with_state(|state| state.clone());
        let consents = consented(&state, PRINCIPAL);
        let profile = &profiles[round % 3];
        let read = onboarding.read(profile).await.unwrap();
        let picture = read.access_picture(UNIQUE_NAME);
        let imap = round % 3 == 2;
        for address in profile.apps[0].scope.mailboxes.iter().chain([&profile.apps[0].scope.canary]) {
            let mailbox = state
                .exchange
                .mailboxes
                .iter()
                .find(|m| m.value.primary_smtp_address == address.as_str())
                .unwrap()
                .value
                .object_id;
            for permission in PERMISSIONS.into_iter().chain(imap.then_some("IMAP.AccessAsApp")) {
                let enforced = effective_access(&state, PRINCIPAL, CLIENT, mailbox, permission, &consents);
                let may =
                    permission != "IMAP.AccessAsApp" && may_be_unknown(&state, &grants, permission, true);
                match compare(&picture, mailbox, permission, enforced, may) {
                    Ok(Outcome::Unknown) => {}
                    Ok(_) => decided += 1,
                    Err(error) => panic!("round {round}, {address}: {error}\n{grants:#?}"),
                }
            }
        }
    }
    assert!(decided > 10_000, "{decided}");
}

/// The same by the reader of exchange-admin, which knows nothing of profiles, over every way. 40 tenants of ten mailboxes.
#[tokio::test]
async fn the_reader_for_proofs_says_the_same_over_every_way() {
    let world = World::instant().await;
    let start = base(world.tenant.with_state(|state| state.clone()));
    let exchange = world.exchange();
    let mut runner = TestRunner::deterministic();
    let mut decided: BTreeMap<&str, usize> = BTreeMap::new();
    for round in 0..40 {
        let mut grants = grants().new_tree(&mut runner).unwrap().current();
        // Exchange takes no service principal into a group.
        for (_, members) in &mut grants.groups {
            members.retain(|m| *m < 10 + GROUPS);
        }
        world.tenant.with_state(|state| {
            *state = start.clone();
            write(state, &grants);
        });
        let state = world.tenant.with_state(|state| state.clone());
        let consents = consented(&state, PRINCIPAL);
        let held = consents.iter().map(|c| match EXCHANGE_PERMISSIONS.contains(&c.as_str()) {
            true => EntraGrant::exchange(c),
            false => EntraGrant::graph(c),
        });
        let app = AppPicture::present(
            ClientId::from_bytes(*CLIENT.as_bytes()),
            ServicePrincipalObjectId::from_bytes(*PRINCIPAL.as_bytes()),
        )
        .with_consents(held);
        let mailboxes: Vec<(Uuid, MailboxAddress)> = state
            .exchange
            .mailboxes
            .iter()
            .map(|m| (m.value.object_id, m.value.primary_smtp_address.parse().unwrap()))
            .collect();
        let query = AccessQuery::of(app)
            .for_mailboxes(mailboxes.iter().map(|(_, address)| address.clone()))
            .over(Way::ALL)
            .with_tests();
        let picture = exchange.access_pictures(query).await.remove(0);
        for (mailbox, address) in mailboxes {
            for permission in PERMISSIONS.into_iter().chain(EXCHANGE_PERMISSIONS) {
                let enforced = effective_access(&state, PRINCIPAL, CLIENT, mailbox, permission, &consents);
                let may = may_be_unknown(&state, &grants, permission, true);
                match compare(&picture, mailbox, permission, enforced, may) {
                    Ok(Outcome::Unknown) => {}
                    Ok(_) => *decided.entry(permission).or_default() += 1,
                    Err(error) => panic!("round {round}, {address}: {error}\n{grants:#?}"),
                }
            }
        }
    }
    assert!(PERMISSIONS.iter().chain(&EXCHANGE_PERMISSIONS).all(|p| decided[p] > 100), "{decided:?}");
}
