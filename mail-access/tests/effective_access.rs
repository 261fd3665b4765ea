//! Two readings of the access rules, made without each other, agree: `AccessPicture::effective_access` here, and the
//! simulated tenant's enforcement there, on generated grants.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{World, consented};
use exchange_admin::ApplicationRole;
use graph_auth::Api;
use m365_core::{ClientId, ServicePrincipalObjectId};
use mail_access::AccessProfile;
use mail_access::access::{
    AccessPicture, AppPicture, AssignmentPicture, AssignmentScope, Grantee, GroupPicture, MailboxPicture,
    Outcome, PermissionPicture, PolicyPicture, PolicyRight, Question, RecipientId,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use tenant_sim::effective_access;
use tenant_sim::state::{
    self, AccessPolicy, AdministrativeUnit, AppRoleAssignment, Application, ExchangeServicePrincipal,
    GroupKind, GroupRecipient, MailboxKind, MailboxPermission, ManagementRoleAssignment, ManagementScope,
    ResourceScope, ServicePrincipal, State, Timed,
};
use uuid::Uuid;

const REGISTRATION: Uuid = Uuid::from_u128(0xA0);
const CLIENT: Uuid = Uuid::from_u128(0xA1);
const PRINCIPAL: Uuid = Uuid::from_u128(0xA2);
const FOREIGN_CLIENT: Uuid = Uuid::from_u128(0xF1);
const FOREIGN_PRINCIPAL: Uuid = Uuid::from_u128(0xF2);
const SOMEBODY: Uuid = Uuid::from_u128(0x5B);
const GONE: Uuid = Uuid::from_u128(0x60E);
const GROUPS: usize = 4;
const UNIQUE_NAME: &str = "acme-generated";

/// Permissions in question; those beyond mail, calendars, contacts and settings are not covered by access policies.
const PERMISSIONS: [&str; 11] = [
    "Mail.Read",
    "Mail.ReadWrite",
    "Mail.Send",
    "Calendars.Read",
    "Calendars.ReadWrite",
    "MailboxSettings.Read",
    "Contacts.Read",
    "Mail.ReadBasic.All",
    "MailboxFolder.Read.All",
    "MailboxItem.Read.All",
    "Mail-Advanced.ReadWrite.All",
];

const ROLES: [&str; 9] = [
    "Application Mail.Read",
    "Application Mail.ReadWrite",
    "Application Mail Full Access",
    "Application Exchange Full Access",
    "Application Calendars.Read",
    "Application Mail.ReadBasic",
    "Application MailboxFolder.Read",
    "Application MailboxItem.Read",
    "Application Mail-Advanced.ReadWrite.All",
];

/// What was granted, by numbers: mailboxes in the tenant's order, groups by their own.
#[derive(Clone, Debug)]
struct Grants {
    consents: BTreeSet<usize>,
    imap_consent: bool,
    /// 0 none, 1 wrong (the registration's id), others right.
    pointer: u8,
    groups: Vec<(u8, Vec<usize>)>,
    policies: Vec<(u8, bool, usize)>,
    scopes: Vec<(Vec<usize>, bool, bool)>,
    assignments: Vec<(usize, u8, usize)>,
    permissions: Vec<(usize, usize, bool, bool)>,
    imap_off: Vec<usize>,
    remote: Vec<usize>,
}

fn grants() -> impl Strategy<Value = Grants> {
    let any_mailbox = 0usize..10;
    (
        (proptest::collection::btree_set(0..PERMISSIONS.len(), 0..5), any::<bool>(), 0u8..6),
        vec((0u8..5, vec(0usize..10 + GROUPS + 1, 0..6)), GROUPS),
        vec((0u8..4, any::<bool>(), 0usize..GROUPS + 10 + 1), 0..4),
        vec((vec(0..GROUPS, 1..3), prop::bool::weighted(0.15), any::<bool>()), 2),
        vec((0..ROLES.len(), 0u8..12, 0usize..GROUPS), 0..4),
        vec(
            (any_mailbox.clone(), 0usize..3 + GROUPS, prop::bool::weighted(0.8), prop::bool::weighted(0.25)),
            0..8,
        ),
        (vec(any_mailbox.clone(), 0..3), vec(any_mailbox, 0..2)),
    )
        .prop_map(
            |(
                (consents, imap_consent, pointer),
                groups,
                policies,
                scopes,
                assignments,
                permissions,
                (imap_off, remote),
            )| {
                Grants {
                    consents,
                    imap_consent,
                    pointer,
                    groups,
                    policies,
                    scopes,
                    assignments,
                    permissions,
                    imap_off,
                    remote,
                }
            },
        )
}

fn group_id(index: usize) -> Uuid {
    Uuid::from_u128(0x6000 + index as u128)
}

/// An app like any other, in a tenant as it was.
fn base(mut state: State) -> State {
    let owners = state
        .directory
        .service_principals
        .iter()
        .filter(|sp| sp.value.display_name.starts_with("Set-up"))
        .map(|sp| sp.value.id)
        .collect();
    state.directory.applications.push(Timed::always(Application {
        id: REGISTRATION,
        app_id: CLIENT,
        unique_name: Some(UNIQUE_NAME.to_owned()),
        display_name: "Acme Generated".to_owned(),
        sign_in_audience: "AzureADMyOrg".to_owned(),
        required_resource_access: Vec::new(),
        passwords: Vec::new(),
        keys: Vec::new(),
        owners,
        notes: None,
        tags: Vec::new(),
    }));
    for (id, app_id, name) in
        [(PRINCIPAL, CLIENT, "Acme Generated"), (FOREIGN_PRINCIPAL, FOREIGN_CLIENT, "Somebody else's app")]
    {
        state.directory.service_principals.push(Timed::always(ServicePrincipal {
            id,
            app_id,
            display_name: name.to_owned(),
            account_enabled: true,
            app_roles: Vec::new(),
        }));
    }
    state
}

/// Writes the grants into the tenant; `consents` as assignments of roles where the tenant offers them.
fn write(state: &mut State, grants: &Grants) {
    let mailboxes: Vec<Uuid> = state.exchange.mailboxes.iter().map(|m| m.value.object_id).collect();
    let initial = state.initial_domain().to_owned();
    let exchange = &mut state.exchange;
    for index in &grants.imap_off {
        exchange.mailboxes[*index].value.imap_enabled = false;
    }
    for index in &grants.remote {
        exchange.mailboxes[*index].value.remote = true;
    }
    for (index, (kind, members)) in grants.groups.iter().enumerate() {
        let members = members.iter().map(|m| match *m {
            m if m < mailboxes.len() => mailboxes[m],
            m if m < mailboxes.len() + GROUPS => group_id(m - mailboxes.len()),
            _ => PRINCIPAL,
        });
        let name = format!("gen-{index}");
        exchange.groups.push(Timed::always(GroupRecipient {
            object_id: group_id(index),
            guid: Uuid::from_u128(0x7000 + index as u128),
            sid: format!("S-1-5-21-1-2-3-{index}"),
            alias: name.clone(),
            display_name: name.clone(),
            primary_smtp_address: format!("{name}@contoso.example"),
            name,
            kind: match kind {
                0 => GroupKind::Distribution,
                1 => GroupKind::Microsoft365,
                _ => GroupKind::MailEnabledSecurity,
            },
            member_join_restriction: "Closed".to_owned(),
            members: members.collect::<BTreeSet<_>>().into_iter().map(Timed::always).collect(),
        }));
    }
    if let Some(object_id) = pointer(grants) {
        exchange.service_principals.push(Timed::always(ExchangeServicePrincipal {
            app_id: CLIENT,
            object_id,
            display_name: "Acme Generated".to_owned(),
            identity: Uuid::from_u128(0xE1),
            sid: "S-1-5-21-9-9-9-9".to_owned(),
        }));
    }
    for (app, deny, scope) in &grants.policies {
        let scope = match *scope {
            s if s < GROUPS => group_id(s),
            s if s < GROUPS + mailboxes.len() => mailboxes[s - GROUPS],
            _ => GONE,
        };
        // Only what Exchange takes: mail-enabled security groups and user mailboxes.
        let group = exchange.groups.iter().find(|g| g.value.object_id == scope);
        let mailbox = exchange.mailboxes.iter().find(|m| m.value.object_id == scope);
        let fits = match (group, mailbox) {
            (Some(g), _) => g.value.kind == GroupKind::MailEnabledSecurity,
            (_, Some(m)) => m.value.kind == MailboxKind::User,
            _ => true,
        };
        let app_id = [Some(CLIENT), Some(CLIENT), Some(FOREIGN_CLIENT), None][usize::from(*app)];
        let right = if *deny { state::PolicyRight::Deny } else { state::PolicyRight::Restrict };
        let twice =
            exchange.access_policies.iter().any(|p| p.value.app_id == app_id && p.value.scope == scope);
        if fits && !twice {
            exchange.access_policies.push(Timed::always(AccessPolicy {
                app_id,
                scope,
                right,
                description: String::new(),
            }));
        }
    }
    for (index, (groups, by_attribute, exclusive)) in grants.scopes.iter().enumerate() {
        let dn = |g: &usize| {
            exchange
                .groups
                .iter()
                .find(|x| x.value.object_id == group_id(*g))
                .unwrap()
                .value
                .distinguished_name(&initial)
        };
        let filter = if *by_attribute {
            "Alias -eq 'bob'".to_owned()
        } else {
            groups.iter().map(|g| format!("MemberOfGroup -eq '{}'", dn(g))).collect::<Vec<_>>().join(" -or ")
        };
        exchange.scopes.push(Timed::always(ManagementScope {
            name: format!("generated {index}"),
            recipient_filter: filter,
            exclusive: *exclusive,
        }));
    }
    exchange.administrative_units.push(Timed::always(AdministrativeUnit {
        id: Uuid::from_u128(0xAD),
        name: "North".to_owned(),
        members: vec![Timed::always(mailboxes[0])],
    }));
    for (index, (role, kind, which)) in grants.assignments.iter().enumerate() {
        let Some(app) = pointer(grants) else { break };
        exchange.role_assignments.push(Timed::always(ManagementRoleAssignment {
            name: format!("generated assignment {index}"),
            app,
            role: ROLES[*role].to_owned(),
            scope: match kind {
                0 => ResourceScope::Organization,
                1 => ResourceScope::AdministrativeUnit("North".to_owned()),
                2 => ResourceScope::Custom("of no scope".to_owned()),
                3..7 => ResourceScope::Group(group_id(*which)),
                _ => ResourceScope::Custom(format!("generated {}", which % 2)),
            },
        }));
    }
    for (mailbox, grantee, full, deny) in &grants.permissions {
        let grantee = match *grantee {
            0 | 1 => PRINCIPAL,
            2 => SOMEBODY,
            g => group_id(g - 3),
        };
        let rights = if *full { "FullAccess" } else { "ReadPermission" };
        exchange.mailbox_permissions.push(Timed::always(MailboxPermission {
            mailbox: mailboxes[*mailbox],
            grantee,
            rights: vec![rights.to_owned()],
            deny: *deny,
            inheritance: "All".to_owned(),
        }));
    }
    let directory = &mut state.directory;
    let wanted: Vec<&str> =
        names(grants).into_iter().chain(grants.imap_consent.then_some("IMAP.AccessAsApp")).collect();
    for api in directory.service_principals.iter().filter(|sp| !sp.value.app_roles.is_empty()) {
        for role in api.value.app_roles.iter().filter(|r| r.enabled && wanted.contains(&r.value.as_str())) {
            directory.app_role_assignments.push(Timed::always(AppRoleAssignment {
                id: format!("generated-{}", role.id.simple()),
                principal_id: PRINCIPAL,
                resource_id: api.value.id,
                app_role_id: role.id,
            }));
        }
    }
}

fn names(grants: &Grants) -> Vec<&'static str> {
    grants.consents.iter().map(|i| PERMISSIONS[*i]).collect()
}

fn pointer(grants: &Grants) -> Option<Uuid> {
    match grants.pointer {
        0 => None,
        1 => Some(REGISTRATION),
        _ => Some(PRINCIPAL),
    }
}

fn id(id: Uuid) -> RecipientId {
    RecipientId::new(id.to_string())
}

/// The picture that a perfect reader would make of this state.
fn picture(state: &State, grants: &Grants, consents: &[String]) -> AccessPicture {
    let exchange = &state.exchange;
    let object = |id: Uuid| ServicePrincipalObjectId::from_bytes(*id.as_bytes());
    let consented = consents
        .iter()
        .map(|c| (if c == "IMAP.AccessAsApp" { Api::Exchange } else { Api::Graph }, c.clone()))
        .collect();
    AccessPicture {
        app: AppPicture {
            client_id: Some(ClientId::from_bytes(*CLIENT.as_bytes())),
            object_id: Some(object(PRINCIPAL)),
            enabled: true,
            consented,
            exchange_pointer: pointer(grants).map(object),
        },
        mailboxes: exchange
            .mailboxes
            .iter()
            .map(|m| {
                let picture = MailboxPicture {
                    address: m.value.primary_smtp_address.clone(),
                    in_cloud: !m.value.remote,
                    imap_enabled: Some(m.value.imap_enabled),
                };
                (id(m.value.object_id), picture)
            })
            .collect(),
        groups: exchange
            .groups
            .iter()
            .map(|g| {
                let picture = GroupPicture {
                    address: g.value.primary_smtp_address.clone(),
                    is_security_principal: g.value.kind == GroupKind::MailEnabledSecurity,
                    members: Some(g.value.members.iter().map(|m| id(m.value)).collect()),
                };
                (id(g.value.object_id), picture)
            })
            .collect(),
        policies: Some(
            exchange
                .access_policies
                .iter()
                .map(|p| PolicyPicture {
                    app: p.value.app_id.map(|app| ClientId::from_bytes(*app.as_bytes())),
                    right: match p.value.right {
                        state::PolicyRight::Restrict => PolicyRight::Restrict,
                        state::PolicyRight::Deny => PolicyRight::Deny,
                    },
                    scope: id(p.value.scope),
                })
                .collect(),
        ),
        assignments: Some(
            exchange
                .role_assignments
                .iter()
                .map(|a| AssignmentPicture {
                    role: Some(ApplicationRole::read(&a.value.role).expect("a known role")),
                    scope: match &a.value.scope {
                        ResourceScope::Organization => AssignmentScope::Organization,
                        ResourceScope::Group(group) => {
                            AssignmentScope::MembersOf(BTreeSet::from([id(*group)]))
                        }
                        ResourceScope::Custom(name) => match name.strip_prefix("generated ") {
                            Some(index) => {
                                let (groups, by_attribute, _) =
                                    &grants.scopes[index.parse::<usize>().unwrap()];
                                if *by_attribute {
                                    AssignmentScope::Opaque(name.clone())
                                } else {
                                    AssignmentScope::MembersOf(
                                        groups.iter().map(|g| id(group_id(*g))).collect(),
                                    )
                                }
                            }
                            None => AssignmentScope::Opaque(name.clone()),
                        },
                        ResourceScope::AdministrativeUnit(name) => AssignmentScope::Opaque(name.clone()),
                    },
                })
                .collect(),
        ),
        permissions: Some(
            exchange
                .mailbox_permissions
                .iter()
                .filter(|p| p.value.rights.iter().any(|r| r == "FullAccess"))
                .map(|p| PermissionPicture {
                    mailbox: id(p.value.mailbox),
                    grantee: match p.value.grantee {
                        PRINCIPAL => Grantee::App(object(PRINCIPAL)),
                        SOMEBODY => Grantee::Other,
                        group => Grantee::Group(id(group)),
                    },
                    deny: p.value.deny,
                })
                .collect(),
        ),
    }
}

/// Compares one answer; `may_be_unknown` says whether something that decides is out of the picture's sight.
fn compare(
    picture: &AccessPicture,
    mailbox: Uuid,
    permission: &str,
    enforced: bool,
    may_be_unknown: bool,
) -> Result<Outcome, TestCaseError> {
    let needed = [permission];
    let question = if permission == "IMAP.AccessAsApp" { Question::Imap } else { Question::Graph(&needed) };
    let verdict = picture.effective_access(&id(mailbox), &question);
    match verdict.outcome {
        Outcome::Allowed => prop_assert!(enforced, "{permission}: we say open, the tenant closes: {verdict}"),
        Outcome::Denied => {
            prop_assert!(!enforced, "{permission}: we say closed, the tenant opens: {verdict}");
        }
        Outcome::Unknown => prop_assert!(may_be_unknown, "{permission}: unknown without need: {verdict}"),
    }
    Ok(verdict.outcome)
}

/// Whether an assignment that cannot be evaluated, or a policy whose scope is gone, could decide.
fn may_be_unknown(state: &State, grants: &Grants, permission: &str, over_the_wire: bool) -> bool {
    let opaque = |scope: &ResourceScope| match scope {
        ResourceScope::Organization => false,
        ResourceScope::Group(_) => over_the_wire,
        ResourceScope::AdministrativeUnit(_) => true,
        ResourceScope::Custom(name) => match name.strip_prefix("generated ") {
            Some(index) => {
                let (groups, by_attribute, _) = &grants.scopes[index.parse::<usize>().unwrap()];
                // Over the wire, nobody lists the members of a Microsoft 365 group as those of a list.
                *by_attribute || (over_the_wire && groups.iter().any(|g| grants.groups[*g].0 == 1))
            }
            None => true,
        },
    };
    let granting = |role: &str| {
        let role = ApplicationRole::read(role).unwrap();
        role.permissions().contains(&permission)
            || ApplicationRole::from_permission(ClientId::MICROSOFT_GRAPH, permission) == Some(role)
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
            let mut consents: Vec<String> = names(&grants).into_iter().map(str::to_owned).collect();
            consents.extend(grants.imap_consent.then(|| "IMAP.AccessAsApp".to_owned()));
            let picture = picture(&state, &grants, &consents);
            for mailbox in state.exchange.mailboxes.iter().map(|m| m.value.object_id) {
                for permission in PERMISSIONS.into_iter().chain(["IMAP.AccessAsApp"]) {
                    let enforced =
                        effective_access(&state, PRINCIPAL, CLIENT, mailbox, permission, &consents);
                    let may = permission != "IMAP.AccessAsApp"
                        && may_be_unknown(&state, &grants, permission, false);
                    let outcome = compare(&picture, mailbox, permission, enforced, may)?;
                    let way = if permission == "IMAP.AccessAsApp" { "imap" } else { "graph" };
                    if outcome != Outcome::Unknown {
                        *seen.lock().unwrap().entry((enforced, way)).or_default() += 1;
                    }
                }
            }
            Ok(())
        })
        .unwrap();
    // Agreement on nothing but refusals would prove little.
    for key in [(true, "imap"), (false, "imap"), (true, "graph"), (false, "graph")] {
        assert!(counts.get(&key).copied().unwrap_or_default() > 500, "{counts:?}");
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
