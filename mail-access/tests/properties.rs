//! Whatever the profile and whatever the tenant: plan → apply → the next plan is empty, and nothing of others is touched.
//!
//! The whole loop is run 96 times (some hundred requests each, in one tenant put back to its start; more would only take
//! longer), the pure parts two thousand times each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]

mod common;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use common::World;
use exchange_admin::{AccessRight, ApplicationRole};
use jiff::Timestamp;
use m365_core::{ClientId, ServicePrincipalObjectId};
use mail_access::access::{
    AccessPicture, AppPicture, AssignmentPicture, AssignmentScope, EntraGrant, ExchangePointer, Grantee,
    GroupPicture, MailboxPicture, MailboxSwitches, Outcome, PermissionPicture, PolicyPicture, Question,
    RecipientId,
};
use mail_access::{AccessProfile, GrantMode, MemoryVault, Progress, Step, StepResult, Vault};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use tenant_sim::state::{
    AccessPolicy, AppRoleAssignment, Application, ExchangeServicePrincipal, MailboxPermission,
    ManagementRoleAssignment, ManagementScope, OAuth2PermissionGrant, PasswordCredential, ResourceScope,
    ServicePrincipal, State, Timed,
};
use tokio::sync::Notify;
use uuid::Uuid;

const MAILBOXES: [&str; 8] = ["alice", "bob", "carol", "dave", "invoices", "chris", "o'brien", "acme-queue"];
const OVER_GRAPH: [&str; 7] = [
    "Mail.Read",
    "Mail.ReadWrite",
    "Mail.Send",
    "Calendars.Read",
    "Calendars.ReadWrite",
    "Contacts.Read",
    "User.Read.All",
];
/// The queue is made by the profile.
const QUEUE: usize = 7;

#[derive(Clone, Debug)]
struct App {
    grant: u8,
    permissions: BTreeSet<usize>,
    mailboxes: BTreeSet<usize>,
    /// 0 the existing group, 1 one that apps with the same mailboxes share, 2 one of its own.
    group: u8,
    multi_tenant: bool,
    keep_user_read: bool,
}

/// What there is before.
#[derive(Clone, Debug)]
struct Before {
    /// The first app exists, with consents to these, made in the portal.
    portal: Option<BTreeSet<usize>>,
    portal_user_read: bool,
    foreign_secret: bool,
    /// Steps of an earlier run that was cut off after them.
    earlier_steps: usize,
    foreign_policy: bool,
    foreign_assignment: bool,
    foreign_permission: bool,
}

fn app() -> impl Strategy<Value = App> {
    (
        0u8..3,
        btree_set(0..OVER_GRAPH.len(), 1..4),
        btree_set(0..MAILBOXES.len(), 1..4),
        0u8..3,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(grant, permissions, mailboxes, group, multi_tenant, keep_user_read)| App {
            grant,
            permissions,
            mailboxes,
            group,
            multi_tenant,
            keep_user_read,
        })
}

fn before() -> impl Strategy<Value = Before> {
    (
        prop::option::of(btree_set(0..OVER_GRAPH.len(), 0..3)),
        any::<bool>(),
        any::<bool>(),
        prop_oneof![Just(0usize), 1usize..12],
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(
                portal,
                portal_user_read,
                foreign_secret,
                earlier_steps,
                foreign_policy,
                foreign_assignment,
                foreign_permission,
            )| Before {
                portal,
                portal_user_read,
                foreign_secret,
                earlier_steps,
                foreign_policy,
                foreign_assignment,
                foreign_permission,
            },
        )
}

fn grant(app: &App) -> GrantMode {
    [GrantMode::Rbac, GrantMode::AccessPolicy, GrantMode::MailboxPermission][usize::from(app.grant)]
}

fn address(mailbox: usize) -> String {
    format!("{}@contoso.example", MAILBOXES[mailbox])
}

fn toml(apps: &[App]) -> String {
    let mut text = "name = \"generated\"\nsummary = \"Generated.\"\n".to_owned();
    if apps.iter().any(|a| a.mailboxes.contains(&QUEUE)) {
        write!(text, "[[shared_mailbox]]\naddress = \"{}\"\ndisplay_name = \"Acme queue\"\n", address(QUEUE))
            .unwrap();
    }
    for (index, app) in apps.iter().enumerate() {
        let mode = grant(app);
        let permissions: Vec<&str> = match mode {
            GrantMode::MailboxPermission => vec!["IMAP.AccessAsApp"],
            _ => app.permissions.iter().map(|p| OVER_GRAPH[*p]).collect(),
        };
        let mailboxes: Vec<String> = app.mailboxes.iter().map(|m| address(*m)).collect();
        write!(
            text,
            "[[app]]\nunique_name = \"acme-{index}\"\ndisplay_name = \"Acme {index}\"\npermissions = {permissions:?}\n\
             multi_tenant = {}\nremove_default_user_read = {}\n[app.scope]\ngrant = \"{}\"\nmailboxes = {mailboxes:?}\n\
             canary = \"ceo@contoso.example\"\n",
            app.multi_tenant,
            !app.keep_user_read,
            mode.name(),
        )
        .unwrap();
        if mode != GrantMode::MailboxPermission {
            let group = match app.group {
                0 => "presence-users".to_owned(),
                // Apps that share a group name the same mailboxes.
                1 => format!(
                    "acme-shared-{}",
                    app.mailboxes.iter().map(ToString::to_string).collect::<String>()
                ),
                _ => format!("acme-group-{index}"),
            };
            writeln!(
                text,
                "group = {{ address = \"{group}@contoso.example\", create = {}, allow_other_members = {} }}",
                app.group != 0,
                app.group == 0
            )
            .unwrap();
        }
    }
    text
}

/// Things of others, and the first app as somebody left it.
fn write(state: &mut State, before: &Before) {
    let mailbox = |state: &State, name: &str| {
        state.exchange.mailboxes.iter().find(|m| m.value.name == name).unwrap().value.object_id
    };
    let (alice, ceo) = (mailbox(state, "alice"), mailbox(state, "ceo"));
    let group =
        state.exchange.groups.iter().find(|g| g.value.name == "presence-users").unwrap().value.clone();
    let (other_client, other) = (Uuid::from_u128(0xF1), Uuid::from_u128(0xF2));
    principal(state, other, other_client, "Somebody else's app");
    state.exchange.service_principals.push(Timed::always(ExchangeServicePrincipal {
        app_id: other_client,
        object_id: other,
        display_name: "Somebody else's app".to_owned(),
        identity: Uuid::from_u128(0xF3),
        sid: "S-1-5-21-4-4-4-4".to_owned(),
    }));
    if before.foreign_policy {
        state.exchange.access_policies.push(Timed::always(AccessPolicy {
            app_id: Some(other_client),
            scope: group.object_id,
            right: tenant_sim::state::PolicyRight::Restrict,
            description: "somebody's".to_owned(),
        }));
    }
    if before.foreign_assignment {
        let filter = format!("MemberOfGroup -eq '{}'", group.distinguished_name(state.initial_domain()));
        state.exchange.scopes.push(Timed::always(ManagementScope {
            name: "Somebody's scope".to_owned(),
            recipient_filter: filter,
            exclusive: false,
        }));
        state.exchange.role_assignments.push(Timed::always(ManagementRoleAssignment {
            name: "Somebody's assignment".to_owned(),
            app: other,
            role: "Application Mail.Read".to_owned(),
            scope: ResourceScope::Custom("Somebody's scope".to_owned()),
        }));
    }
    if before.foreign_permission {
        state.exchange.mailbox_permissions.push(Timed::always(MailboxPermission {
            mailbox: alice,
            grantee: ceo,
            rights: vec!["FullAccess".to_owned()],
            deny: false,
            inheritance: "All".to_owned(),
        }));
    }
    let Some(consents) = &before.portal else { return };
    let setup = state
        .directory
        .service_principals
        .iter()
        .find(|sp| sp.value.display_name.starts_with("Set-up"))
        .unwrap()
        .value
        .id;
    let graph = state
        .directory
        .service_principals
        .iter()
        .find(|sp| sp.value.display_name == "Microsoft Graph")
        .unwrap()
        .value
        .clone();
    let foreign = PasswordCredential {
        key_id: Uuid::from_u128(0x77),
        display_name: Some("somebody's secret".to_owned()),
        secret: "Smb~8Q.somebodys-own-secret".to_owned(),
        start: Timestamp::UNIX_EPOCH,
        end: Timestamp::MAX,
    };
    state.directory.applications.push(Timed::always(Application {
        id: Uuid::from_u128(0xA0),
        app_id: Uuid::from_u128(0xA1),
        unique_name: Some("acme-0".to_owned()),
        display_name: "Acme, made in the portal".to_owned(),
        sign_in_audience: "AzureADMyOrg".to_owned(),
        required_resource_access: Vec::new(),
        passwords: before.foreign_secret.then(|| Timed::always(foreign)).into_iter().collect(),
        keys: Vec::new(),
        owners: vec![setup],
        notes: Some("somebody's note".to_owned()),
        tags: vec!["somebody's tag".to_owned()],
    }));
    principal(state, Uuid::from_u128(0xA2), Uuid::from_u128(0xA1), "Acme, made in the portal");
    for name in consents.iter().map(|p| OVER_GRAPH[*p]) {
        state.directory.app_role_assignments.push(Timed::always(AppRoleAssignment {
            id: format!("portal-{name}"),
            principal_id: Uuid::from_u128(0xA2),
            resource_id: graph.id,
            app_role_id: graph.app_roles.iter().find(|r| r.value == name).unwrap().id,
        }));
    }
    if before.portal_user_read {
        state.directory.oauth2_permission_grants.push(Timed::always(OAuth2PermissionGrant {
            id: "portal-delegated".to_owned(),
            client_id: Uuid::from_u128(0xA2),
            resource_id: graph.id,
            scope: "User.Read openid".to_owned(),
            consent_type: "AllPrincipals".to_owned(),
        }));
    }
}

fn principal(state: &mut State, id: Uuid, app_id: Uuid, name: &str) {
    state.directory.service_principals.push(Timed::always(ServicePrincipal {
        id,
        app_id,
        display_name: name.to_owned(),
        account_enabled: true,
        app_roles: Vec::new(),
    }));
}

/// Everything that bears none of our names, line by line. Our own objects all do.
fn foreign(snapshot: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for (area, content) in snapshot.as_object().unwrap() {
        let items = content.as_array().cloned().unwrap_or_else(|| vec![content.clone()]);
        for mut item in items {
            if item["address"] == "presence-users@contoso.example" {
                // The profiles may put members into it.
                item["members"] = Value::Null;
            }
            let text = format!("{area} {item}");
            if !text.to_lowercase().contains("acme") {
                lines.push(text);
            }
        }
    }
    lines
}

struct CutAfter(usize, Notify);

impl Progress for CutAfter {
    fn step_finished(&self, index: usize, _: usize, _: &Step, _: &StepResult) {
        if index + 1 == self.0 {
            self.1.notify_one();
        }
    }
}

#[test]
fn a_plan_applied_leaves_nothing_to_plan_and_nothing_of_others_touched() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::instant());
    let start = world.tenant.snapshot();
    let mut runner = TestRunner::new(Config {
        cases: 96,
        failure_persistence: None,
        max_shrink_iters: 40,
        ..Config::default()
    });
    runner
        .run(&(vec(app(), 1..4), before()), |(apps, before)| {
            runtime.block_on(one_case(&world, &start, &apps, &before))
        })
        .unwrap();
}

async fn one_case(
    world: &World,
    start: &tenant_sim::Snapshot,
    apps: &[App],
    before: &Before,
) -> Result<(), TestCaseError> {
    let fail =
        |what: &str, e: m365_core::Error| TestCaseError::fail(format!("{what}: {e} {}", e.diagnosis().id()));
    world.tenant.restore(start);
    world.tenant.clear_journal();
    world.tenant.with_state(|state| write(state, before));
    let text = toml(apps);
    let profile = AccessProfile::from_toml("generated.toml", &text).map_err(|e| fail("profile", e))?;
    let vault = Vault::new(MemoryVault::new());
    let onboarding = || world.onboarding_with(vault.clone(), world.transport(), world.clock.clone());
    let untouched = foreign(&world.tenant.state_snapshot());
    prop_assert!(untouched.len() > 10);

    if before.earlier_steps > 0 {
        let earlier = onboarding();
        let plan = earlier.plan(&profile).await.map_err(|e| fail("earlier plan", e))?;
        let cut = CutAfter(before.earlier_steps.min(plan.steps.len()), Notify::new());
        tokio::select! {
            biased;
            () = cut.1.notified() => {}
            result = earlier.apply(&plan, &cut) => { result.map_err(|e| fail("earlier run", e.into()))?; }
        }
    }
    let first = onboarding();
    let plan = first.plan(&profile).await.map_err(|e| fail("plan", e))?;
    let has = |end: &str| plan.steps.iter().any(|s| s.id.ends_with(end));
    for (step, right) in [
        ("remove-user-read", "DelegatedPermissionGrant.ReadWrite.All"),
        ("secret", "Application.ReadWrite.OwnedBy"),
    ] {
        prop_assert!(
            !has(step) || plan.rights.graph.contains(right),
            "{step} needs {right}: {}",
            plan.rights
        );
    }
    first.apply(&plan, &()).await.map_err(|e| fail("apply", e.into()))?;
    let end = world.tenant.state_snapshot();

    let second = onboarding();
    let again = second.plan(&profile).await.map_err(|e| fail("second plan", e))?;
    let left: Vec<&str> = again.steps.iter().map(|s| s.id.as_str()).collect();
    prop_assert!(left.is_empty(), "left to do: {left:?}");
    prop_assert!(!second.apply(&again, &()).await.map_err(|e| fail("second apply", e.into()))?.changed());

    // The old plan once more: each step finds itself done, and the secret that is in use stays.
    let mut held = Vec::new();
    for app in &profile.apps {
        held.push(vault.load(world.tenant_id(), &app.unique_name).await.unwrap().unwrap().key_id);
    }
    let stale = onboarding();
    stale.apply(&plan, &()).await.map_err(|e| fail("the same plan again", e.into()))?;
    for (app, key) in profile.apps.iter().zip(held) {
        prop_assert_eq!(
            vault.load(world.tenant_id(), &app.unique_name).await.unwrap().unwrap().key_id,
            key,
            "the secret in use is kept"
        );
    }
    prop_assert_eq!(&world.tenant.state_snapshot(), &end, "the same plan again changed something");

    prop_assert_eq!(
        foreign(&end),
        untouched,
        "something of others was touched, or something has no name of ours"
    );
    if before.portal.is_some() {
        let application = world.tenant.with_state(|state| {
            let mut all = state.directory.applications.iter().filter(|a| a.is_configured());
            all.find(|a| a.value.unique_name.as_deref() == Some("acme-0")).unwrap().value.clone()
        });
        prop_assert_eq!(application.notes.as_deref(), Some("somebody's note"));
        prop_assert_eq!(application.tags, vec!["somebody's tag".to_owned()]);
        let kept = application
            .passwords
            .iter()
            .any(|p| p.is_configured() && p.value.key_id == Uuid::from_u128(0x77));
        prop_assert_eq!(kept, before.foreign_secret, "a secret of others");
    }
    let members = |v: &Value| -> BTreeSet<String> {
        let groups = v["groups"].as_array().unwrap();
        let group = groups.iter().find(|g| g["address"] == "presence-users@contoso.example").unwrap();
        group["members"].as_array().unwrap().iter().map(ToString::to_string).collect()
    };
    for name in ["alice", "bob"] {
        prop_assert!(members(&end).iter().any(|m| m.contains(name)), "{name} was a member before");
    }
    Ok(())
}

fn pure() -> TestRunner {
    TestRunner::new(Config { cases: 2000, failure_persistence: None, ..Config::default() })
}

#[test]
fn a_profile_says_what_its_text_says() {
    pure()
        .run(&vec(app(), 1..4), |apps| {
            let text = toml(&apps);
            let profile = AccessProfile::from_toml("x.toml", &text)
                .map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
            prop_assert_eq!(profile.apps.len(), apps.len());
            for (index, (read, made)) in profile.apps.iter().zip(&apps).enumerate() {
                prop_assert_eq!(&read.unique_name, &format!("acme-{index}"));
                prop_assert_eq!(read.scope.grant, grant(made));
                let wanted: BTreeSet<String> = made.mailboxes.iter().map(|m| address(*m)).collect();
                let found: BTreeSet<String> = read.scope.mailboxes.iter().map(ToString::to_string).collect();
                prop_assert_eq!(found, wanted);
                prop_assert_eq!(read.multi_tenant, made.multi_tenant);
                prop_assert_eq!(read.remove_default_user_read, !made.keep_user_read);
                let line = text.lines().position(|l| l.contains(&read.unique_name)).unwrap() + 1;
                prop_assert_eq!(profile.place_of(&read.unique_name), Some(format!("x.toml:{line}")));
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_broken_profile_is_an_error_with_its_place_and_never_a_panic() {
    let source = toml(&[App {
        grant: 0,
        permissions: BTreeSet::from([0, 1]),
        mailboxes: BTreeSet::from([0, QUEUE]),
        group: 1,
        multi_tenant: false,
        keep_user_read: false,
    }]);
    let length = source.len();
    pure()
        .run(&(0..length, 0..length, ".{0,4}"), |(at, cut, patch)| {
            let (from, to) = (at.min(cut), at.max(cut).min(at.min(cut) + 12));
            let (Some(head), Some(tail)) = (source.get(..from), source.get(to..)) else { return Ok(()) };
            if let Err(error) = AccessProfile::from_toml("x.toml", &format!("{head}{patch}{tail}")) {
                prop_assert!(error.to_string().contains("x.toml:"), "no place: {error}");
            }
            Ok(())
        })
        .unwrap();
}

const CLIENT: ClientId = ClientId::from_bytes([0xA1; 16]);
const OBJECT: ServicePrincipalObjectId = ServicePrincipalObjectId::from_bytes([0xA2; 16]);

fn recipient(index: usize) -> RecipientId {
    RecipientId::new(format!("r{index}"))
}

/// Mailboxes r0..r3, groups r4..r6.
fn picture() -> impl Strategy<Value = AccessPicture> {
    let roles: Vec<ApplicationRole> = ApplicationRole::all().collect();
    let scope = prop_oneof![
        Just(AssignmentScope::Organization),
        btree_set(4usize..7, 1..3)
            .prop_map(|g| AssignmentScope::MembersOf(g.into_iter().map(recipient).collect())),
        Just(AssignmentScope::Opaque("x".to_owned())),
    ];
    (
        btree_set(prop::sample::select(vec!["Mail.Read", "Mail.Send", "MailboxItem.Read.All"]), 0..3),
        any::<bool>(),
        vec(btree_set(0usize..7, 0..4), 3),
        vec((any::<bool>(), any::<bool>(), 0usize..7), 0..3),
        vec((prop::sample::select(roles), scope), 0..3),
        vec((0usize..4, 0usize..3, any::<bool>()), 0..4),
        (any::<bool>(), vec(any::<bool>(), 4)),
    )
        .prop_map(|(consents, imap, groups, policies, assignments, permissions, (pointer, switches))| {
            AccessPicture {
                app: AppPicture {
                    pointer: if pointer { ExchangePointer::To(OBJECT) } else { ExchangePointer::Absent },
                    ..AppPicture::present(CLIENT, OBJECT).with_consents(
                        consents
                            .into_iter()
                            .map(EntraGrant::graph)
                            .chain(imap.then(|| EntraGrant::exchange("IMAP.AccessAsApp"))),
                    )
                },
                mailboxes: (0..4)
                    .map(|m| {
                        let picture = MailboxPicture {
                            full_access: Some(
                                permissions
                                    .iter()
                                    .filter(|(mailbox, ..)| *mailbox == m)
                                    .map(|(_, grantee, deny)| PermissionPicture {
                                        grantee: match grantee {
                                            0 => Grantee::App(OBJECT),
                                            1 => Grantee::Group(recipient(4)),
                                            _ => Grantee::Other,
                                        },
                                        deny: *deny,
                                    })
                                    .collect(),
                            ),
                            switches: Some(MailboxSwitches {
                                imap: Some(switches[m]),
                                ..MailboxSwitches::default()
                            }),
                            ..MailboxPicture::in_cloud(format!("m{m}"))
                        };
                        (recipient(m), picture)
                    })
                    .collect(),
                groups: groups
                    .into_iter()
                    .enumerate()
                    .map(|(g, members)| {
                        let members = Some(members.into_iter().map(recipient).collect());
                        (
                            recipient(4 + g),
                            GroupPicture {
                                address: format!("g{g}"),
                                is_security_principal: true,
                                members,
                                ..GroupPicture::default()
                            },
                        )
                    })
                    .collect(),
                policies: Some(
                    policies
                        .into_iter()
                        .map(|(ours, deny, scope)| PolicyPicture {
                            identity: String::new(),
                            app: ours.then_some(CLIENT),
                            right: Some(if deny { AccessRight::Deny } else { AccessRight::Restrict }),
                            scope: recipient(scope),
                        })
                        .collect(),
                ),
                assignments: Some(
                    assignments
                        .into_iter()
                        .map(|(role, scope)| AssignmentPicture {
                            name: String::new(),
                            role: Some(role),
                            scope,
                            exclusive: false,
                        })
                        .collect(),
                ),
                ..AccessPicture::default()
            }
        })
}

fn questions() -> [Question<'static>; 4] {
    [
        Question::Graph(&["Mail.Read", "Mail.ReadWrite"]),
        Question::Graph(&["Mail.Send"]),
        Question::Graph(&["MailboxItem.Read.All"]),
        Question::Imap,
    ]
}

fn answers(picture: &AccessPicture) -> Vec<Outcome> {
    let mut out = Vec::new();
    for mailbox in 0..4 {
        for question in questions() {
            out.push(picture.effective_access(&recipient(mailbox), &question).outcome);
        }
    }
    out
}

/// A part that was not read makes an answer unknown, or changes nothing; never the opposite answer.
#[test]
fn what_was_not_read_is_never_a_verdict() {
    pure()
        .run(&(picture(), 0usize..5, 0usize..3), |(whole, what, which)| {
            let mut part = whole.clone();
            match what {
                0 => part.policies = None,
                1 => part.assignments = None,
                2 => part.mailboxes.values_mut().for_each(|m| m.full_access = None),
                3 => part.mailboxes.values_mut().for_each(|m| m.switches = None),
                _ => part.groups.get_mut(&recipient(4 + which)).unwrap().members = None,
            }
            for (known, seen) in answers(&whole).into_iter().zip(answers(&part)) {
                prop_assert!(seen == known || seen == Outcome::Unknown, "{known:?} became {seen:?}");
            }
            Ok(())
        })
        .unwrap();
}

/// Rights add up: one more role never closes a mailbox, one more denial never opens one.
#[test]
fn roles_only_open_and_denials_only_close() {
    pure()
        .run(&(picture(), 0usize..7), |(less, scope)| {
            let mut more = less.clone();
            let groups = BTreeSet::from([recipient(4 + scope % 3)]);
            more.assignments.as_mut().unwrap().push(AssignmentPicture {
                name: String::new(),
                exclusive: false,
                role: Some(ApplicationRole::MailRead),
                scope: AssignmentScope::MembersOf(groups),
            });
            for (before, after) in answers(&less).into_iter().zip(answers(&more)) {
                prop_assert!(before == after || after == Outcome::Allowed, "a role: {before:?} → {after:?}");
            }
            let mut denied = less.clone();
            denied.policies.as_mut().unwrap().push(PolicyPicture {
                identity: String::new(),
                app: None,
                right: Some(AccessRight::Deny),
                scope: recipient(scope),
            });
            for (before, after) in answers(&less).into_iter().zip(answers(&denied)) {
                prop_assert!(
                    before == after || (before == Outcome::Allowed && after != Outcome::Allowed),
                    "a denial: {before:?} → {after:?}"
                );
            }
            Ok(())
        })
        .unwrap();
}
