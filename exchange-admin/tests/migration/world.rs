//! A tenant of a few words: the model beside which plans are judged, and its generators.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use exchange_admin::cmdlets::*;
use exchange_admin::migration::*;
use exchange_admin::{
    AccessRight, ApplicationRole, ClientId, GrantedScope, MailboxAddress, RecipientFilter, RecipientKind,
    ServicePrincipalObjectId,
};
use proptest::prelude::*;
use tenant_sim::state::{self, GroupKind, GroupRecipient, MailboxKind, MailboxRecipient, State, Timed};
use tenant_sim::{Scenario, Tenant, effective_access};
use uuid::Uuid;

pub(crate) const APP: &str = "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d";
pub(crate) const OTHER_APP: &str = "cc15fd57-2c6c-4117-a88c-83b1d56b4bbe";
pub(crate) const OBJECT: &str = "b7e4c6de-1d2f-4b8a-9d0e-2f1a6c5d4e3b";
pub(crate) const DOMAIN: &str = "contoso.onmicrosoft.com";
/// Mailboxes are 0..6, the last one is the canary; groups are 0..4; the migration's own group is 9.
pub(crate) const MAILBOXES: usize = 6;
pub(crate) const CANARY: usize = MAILBOXES - 1;
pub(crate) const GROUPS: usize = 4;
pub(crate) const OWN: usize = 9;

/// Permissions that mean the same thing, in the order of their consents.
pub(crate) const CLASSES: [&[&str]; 8] = [
    &["Mail.Read"],
    &["Mail.Send"],
    &["Mail.ReadBasic", "Mail.ReadBasic.All"],
    &["Calendars.Read"],
    &["full_access_as_app", "EWS.AccessAsApp"],
    &["Calendars.ReadBasic.All"],
    &["IMAP.AccessAsApp"],
    &["MailboxItem.Read.All"],
];
pub(crate) const EXCHANGE: [&str; 2] = ["full_access_as_app", "IMAP.AccessAsApp"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Thing {
    Mailbox(usize),
    Group(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Us,
    Another,
    Every,
}

#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) of: Of,
    pub(crate) right: Option<AccessRight>,
    pub(crate) target: Thing,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Holds {
    Organization,
    Scope(String),
}

/// A tenant of a few words.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) groups: BTreeMap<usize, BTreeSet<Thing>>,
    pub(crate) policies: Vec<Policy>,
    pub(crate) consents: BTreeSet<&'static str>,
    pub(crate) scopes: BTreeMap<String, BTreeSet<usize>>,
    pub(crate) assignments: Vec<(String, ApplicationRole, Holds)>,
    pub(crate) pointer: bool,
    /// What the steps before have shown; a consent goes only after its role was looked at.
    pub(crate) verified: BTreeSet<ApplicationRole>,
    pub(crate) proven: bool,
}

impl World {
    /// The five rules of policies and the union with roles, by hand.
    pub(crate) fn reaches(&self, class: &[&str], mailbox: usize) -> bool {
        let by_consent = class.iter().any(|p| self.consents.contains(p))
            && match class[0] {
                // Without a permission on the mailbox IMAP opens nothing.
                "IMAP.AccessAsApp" => false,
                "MailboxItem.Read.All" => true,
                _ => self.policies_allow(mailbox),
            };
        by_consent
            || self.assignments.iter().any(|(_, role, holds)| {
                role.permissions()
                    .iter()
                    .any(|p| class.contains(p) || *p == class[0].trim_end_matches(".All"))
                    && match holds {
                        Holds::Organization => true,
                        Holds::Scope(scope) => self.scopes.get(scope).is_some_and(|groups| {
                            groups.iter().any(|g| self.groups[g].contains(&Thing::Mailbox(mailbox)))
                        }),
                    }
            })
    }

    pub(crate) fn policies_allow(&self, mailbox: usize) -> bool {
        let ours = || self.policies.iter().filter(|p| p.of != Of::Another);
        let hit = |p: &Policy| self.holds(p.target, mailbox, &mut BTreeSet::new());
        if ours().any(|p| p.right == Some(AccessRight::Deny) && hit(p)) {
            return false;
        }
        let restricts: Vec<_> = ours().filter(|p| p.right == Some(AccessRight::Restrict)).collect();
        restricts.is_empty() || restricts.iter().any(|p| hit(p))
    }

    pub(crate) fn holds(&self, thing: Thing, mailbox: usize, seen: &mut BTreeSet<usize>) -> bool {
        match thing {
            Thing::Mailbox(m) => m == mailbox,
            Thing::Group(g) => {
                seen.insert(g) && self.groups[&g].iter().any(|t| self.holds(*t, mailbox, seen))
            }
        }
    }

    pub(crate) fn reach(&self) -> BTreeSet<(usize, usize)> {
        let all = (0..CLASSES.len()).flat_map(|c| (0..MAILBOXES).map(move |m| (c, m)));
        all.filter(|(c, m)| self.reaches(CLASSES[*c], *m)).collect()
    }

    /// The same, by the simulated tenant.
    pub(crate) fn reach_in(&self, base: &State) -> BTreeSet<(usize, usize)> {
        let state = self.state(base);
        let consented: Vec<String> = self.consents.iter().map(|c| (*c).to_owned()).collect();
        let (app, object) = (Uuid::parse_str(APP).unwrap(), Uuid::parse_str(OBJECT).unwrap());
        let all = (0..CLASSES.len()).flat_map(|c| (0..MAILBOXES).map(move |m| (c, m)));
        all.filter(|(c, m)| {
            CLASSES[*c].iter().any(|p| effective_access(&state, object, app, mailbox_id(*m), p, &consented))
        })
        .collect()
    }

    pub(crate) fn without_others(&self) -> Self {
        let mut own = self.clone();
        own.assignments.retain(|(name, ..)| name.starts_with("Acme"));
        own
    }

    pub(crate) fn state(&self, base: &State) -> State {
        let mut state = base.clone();
        let exchange = &mut state.exchange;
        exchange.mailboxes = (0..MAILBOXES)
            .map(|m| {
                let address = format!("m{m}@contoso.example");
                Timed::always(MailboxRecipient {
                    object_id: mailbox_id(m),
                    exchange_guid: mailbox_id(m),
                    name: format!("m{m}"),
                    alias: format!("m{m}"),
                    display_name: format!("m{m}"),
                    upn: address.clone(),
                    primary_smtp_address: address,
                    aliases: vec![],
                    kind: MailboxKind::User,
                    imap_enabled: true,
                    remote: false,
                })
            })
            .collect();
        let id = |thing: &Thing| match thing {
            Thing::Mailbox(m) => mailbox_id(*m),
            Thing::Group(g) => group_id(*g),
        };
        exchange.groups = self
            .groups
            .iter()
            .map(|(g, members)| {
                Timed::always(GroupRecipient {
                    object_id: group_id(*g),
                    guid: group_id(*g),
                    sid: format!("S-1-5-21-{g}"),
                    name: format!("g{g}"),
                    alias: format!("g{g}"),
                    display_name: format!("g{g}"),
                    primary_smtp_address: format!("g{g}@contoso.example"),
                    kind: GroupKind::MailEnabledSecurity,
                    member_join_restriction: "Closed".to_owned(),
                    members: members.iter().map(|m| Timed::always(id(m))).collect(),
                })
            })
            .collect();
        exchange.access_policies = self
            .policies
            .iter()
            .filter_map(|p| {
                Some(Timed::always(state::AccessPolicy {
                    app_id: match p.of {
                        Of::Us => Some(Uuid::parse_str(APP).unwrap()),
                        Of::Another => Some(Uuid::parse_str(OTHER_APP).unwrap()),
                        Of::Every => None,
                    },
                    scope: id(&p.target),
                    right: match p.right? {
                        AccessRight::Restrict => state::PolicyRight::Restrict,
                        AccessRight::Deny => state::PolicyRight::Deny,
                    },
                    description: String::new(),
                }))
            })
            .collect();
        exchange.scopes = self
            .scopes
            .iter()
            .map(|(name, groups)| {
                Timed::always(state::ManagementScope {
                    name: name.clone(),
                    recipient_filter: filter(groups).to_string(),
                    exclusive: false,
                })
            })
            .collect();
        exchange.role_assignments = self
            .assignments
            .iter()
            .map(|(name, role, holds)| {
                Timed::always(state::ManagementRoleAssignment {
                    name: name.clone(),
                    app: Uuid::parse_str(OBJECT).unwrap(),
                    role: role.name().to_owned(),
                    scope: match holds {
                        Holds::Organization => state::ResourceScope::Organization,
                        Holds::Scope(name) => state::ResourceScope::Custom(name.clone()),
                    },
                })
            })
            .collect();
        state
    }

    pub(crate) fn input(&self, options: &MigrationOptions) -> MigrationInput {
        let read = |g: usize| {
            let members = self.groups[&g].iter().map(|t| match t {
                Thing::Mailbox(m) => mailbox(*m),
                Thing::Group(g) => group(*g),
            });
            Group::new(group(g), Some(members.collect()))
        };
        let below = || self.groups.keys().map(|g| read(*g));
        let policies = self.policies.iter().enumerate().map(|(n, p)| ReadPolicy {
            policy: ApplicationAccessPolicy {
                identity: policy_identity(n),
                app: match p.of {
                    Of::Us => PolicyApp::App(client(APP)),
                    Of::Another => PolicyApp::App(client(OTHER_APP)),
                    Of::Every => PolicyApp::Every,
                },
                right: p.right,
                scope_name: String::new(),
                scope_identity: String::new(),
                description: String::new(),
                is_valid: Some(true),
            },
            target: Some(match p.target {
                Thing::Mailbox(m) => PolicyTarget::Mailbox(mailbox(m)),
                Thing::Group(g) => PolicyTarget::Group(GroupTree::new(read(g), below())),
            }),
        });
        let scope_name = options.scope_name().unwrap().to_string();
        MigrationInput {
            app: client(APP),
            object: object(),
            display_name: "Acme".to_owned(),
            policies: policies.collect(),
            consents: Some(self.consents.iter().map(|c| consent(c)).collect()),
            pointer: self.pointer.then(|| service_principal(OBJECT)),
            scope: self.scopes.get(&scope_name).map(|groups| ManagementScope {
                // Exchange hands it back in its own spelling.
                name: scope_name.to_uppercase(),
                filter: Some(
                    RecipientFilter::parse(
                        &filter(groups).as_str().to_uppercase().replace("-EQ", "-eq").replace("-OR", "-or"),
                    )
                    .unwrap(),
                ),
                exclusive: false,
            }),
            assignments: self
                .assignments
                .iter()
                .map(|(name, role, holds)| ManagementRoleAssignment {
                    name: name.clone(),
                    role_name: role.name().to_owned(),
                    role: Some(*role),
                    scope: match holds {
                        Holds::Organization => GrantedScope::Organization,
                        Holds::Scope(name) => GrantedScope::Custom(name.clone()),
                    },
                    assignees: vec![OBJECT.to_owned()],
                    enabled: true,
                })
                .collect(),
            own_group: match self.groups.contains_key(&OWN) {
                true => OwnGroup::There(read(OWN)),
                false => OwnGroup::Absent,
            },
            canary: mailbox(CANARY),
            dehydrated: Some(false),
            named_targets: vec![],
        }
    }

    /// Takes a step as Exchange would; an error where Exchange, or the step before, would refuse.
    pub(crate) fn take(&mut self, action: &MigrationAction) -> Result<(), String> {
        let must = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
        match action {
            MigrationAction::MakeGroup { .. } => {
                self.groups.insert(OWN, BTreeSet::new());
            }
            MigrationAction::AddMember { member, .. } => {
                must(self.groups.contains_key(&OWN), "no such group")?;
                let m = (0..MAILBOXES).find(|m| mailbox(*m).is(member)).unwrap();
                self.groups.get_mut(&OWN).unwrap().insert(Thing::Mailbox(m));
            }
            MigrationAction::MakeScope { name, groups, .. } => {
                let all: Vec<usize> = self.groups.keys().copied().collect();
                let named = groups.iter().map(|g| match g {
                    ScopeGroup::Made(_) => Some(OWN),
                    ScopeGroup::Known { distinguished_name, .. } => {
                        all.iter().copied().find(|g| group(*g).distinguished_name == *distinguished_name)
                    }
                });
                let named: BTreeSet<usize> = named.collect::<Option<_>>().unwrap();
                must(named.iter().all(|g| self.groups.contains_key(g)), "no such group")?;
                self.scopes.insert(name.to_string(), named);
            }
            MigrationAction::MakeServicePrincipal { .. } => self.pointer = true,
            MigrationAction::AssignRole { name, role, scope, .. } => {
                must(self.pointer, "Exchange does not know the app")?;
                must(self.scopes.contains_key(scope.as_str()), "no such scope")?;
                self.assignments.push((name.to_string(), *role, Holds::Scope(scope.to_string())));
            }
            MigrationAction::VerifyRole { role, inside, canary, .. } => {
                let class = |m: &MailboxAddress| {
                    let m = (0..MAILBOXES).find(|n| mailbox(*n).address.as_ref() == Some(m)).unwrap();
                    let mut only = self.clone();
                    only.consents.clear();
                    role.permissions().iter().all(|p| only.reaches(&[p], m))
                };
                must(!inside.is_empty(), "nothing to look at")?;
                must(inside.iter().all(class), "inside is not in scope")?;
                must(!class(canary), "the canary is in scope")?;
                self.verified.insert(*role);
            }
            MigrationAction::RemoveConsent { consent, replaced_by, .. } => {
                must(replaced_by.iter().all(|r| self.verified.contains(r)), "not verified")?;
                self.consents.retain(|c| *c != consent.permission);
            }
            MigrationAction::Prove { canary, .. } => {
                let m = (0..MAILBOXES).find(|n| mailbox(*n).address.as_ref() == Some(canary)).unwrap();
                let limited = CLASSES[..5].iter().flat_map(|c| c.iter());
                must(limited.clone().all(|p| !self.consents.contains(p)), "a consent is left")?;
                must(CLASSES[..5].iter().all(|c| !self.reaches(c, m)), "the canary opens")?;
                self.proven = true;
            }
            MigrationAction::RemovePolicy { policy, .. } => {
                must(self.proven, "not proven")?;
                let n: usize = policy.as_str().parse().unwrap();
                // The numbers of the others stay.
                self.policies[n].of = Of::Another;
            }
            other => panic!("{other:?} is no step of a migration"),
        }
        Ok(())
    }
}

pub(crate) fn mailbox_id(m: usize) -> Uuid {
    Uuid::from_u128(0xA000 + m as u128)
}

pub(crate) fn group_id(g: usize) -> Uuid {
    Uuid::from_u128(0xB000 + g as u128)
}

pub(crate) fn client(id: &str) -> ClientId {
    ClientId::parse(id).unwrap()
}

pub(crate) fn object() -> ServicePrincipalObjectId {
    ServicePrincipalObjectId::parse(OBJECT).unwrap()
}

pub(crate) fn consent(name: &str) -> Consent {
    let api = if EXCHANGE.contains(&name) { ClientId::EXCHANGE_ONLINE } else { ClientId::MICROSOFT_GRAPH };
    Consent::new(api, name)
}

pub(crate) fn policy_identity(n: usize) -> AccessPolicyIdentity {
    AccessPolicyIdentity::parse(&n.to_string()).unwrap()
}

pub(crate) fn service_principal(object: &str) -> ServicePrincipal {
    ServicePrincipal {
        app_id: client(APP),
        object_id: ServicePrincipalObjectId::parse(object).unwrap(),
        display_name: "Acme".to_owned(),
        identity: "Acme".to_owned(),
        sid: None,
    }
}

pub(crate) fn member(id: Uuid, name: String, kind: RecipientKind) -> Member {
    Member {
        id: id.to_string(),
        guid: Some(id),
        address: Some(MailboxAddress::parse(&format!("{name}@contoso.example")).unwrap()),
        distinguished_name: format!(
            "CN={name},OU={DOMAIN},OU=Microsoft Exchange Hosted Organizations,DC=EURPR01A001,DC=PROD,DC=OUTLOOK,DC=COM"
        ),
        name,
        kind,
    }
}

pub(crate) fn mailbox(m: usize) -> Member {
    member(mailbox_id(m), format!("m{m}"), RecipientKind::UserMailbox)
}

pub(crate) fn group(g: usize) -> Member {
    member(group_id(g), format!("g{g}"), RecipientKind::MailUniversalSecurityGroup)
}

pub(crate) fn filter(groups: &BTreeSet<usize>) -> RecipientFilter {
    RecipientFilter::members_of(groups.iter().map(|g| group(*g).distinguished_name)).unwrap()
}

pub(crate) fn base() -> &'static State {
    static BASE: OnceLock<State> = OnceLock::new();
    BASE.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime
            .block_on(async { Tenant::start(Scenario::contoso()).await.unwrap().with_state(|s| s.clone()) })
    })
}

pub(crate) fn thing() -> impl Strategy<Value = Thing> {
    prop_oneof![3 => (0..GROUPS).prop_map(Thing::Group), 1 => (0..MAILBOXES - 1).prop_map(Thing::Mailbox)]
}

pub(crate) fn member_of_group() -> impl Strategy<Value = Thing> {
    prop_oneof![
        12 => (0..MAILBOXES - 1).prop_map(Thing::Mailbox),
        3 => (0..GROUPS).prop_map(Thing::Group),
        1 => Just(Thing::Mailbox(CANARY)),
    ]
}

pub(crate) fn policy() -> impl Strategy<Value = Policy> {
    let of = prop_oneof![30 => Just(Of::Us), 6 => Just(Of::Another), 1 => Just(Of::Every)];
    let right = prop_oneof![
        30 => Just(Some(AccessRight::Restrict)),
        2 => Just(Some(AccessRight::Deny)),
    ];
    (of, right, thing()).prop_map(|(of, right, target)| Policy { of, right, target })
}

pub(crate) fn world() -> impl Strategy<Value = World> {
    let groups = proptest::collection::vec(proptest::collection::btree_set(member_of_group(), 0..4), GROUPS);
    let consents = proptest::collection::vec(
        prop_oneof![
            12 => (0usize..5).prop_map(|c| CLASSES[c][0]),
            3 => Just("Mail.ReadBasic.All"),
            1 => (5usize..8).prop_map(|c| CLASSES[c][0]),
        ],
        0..5,
    );
    // Foreign scopes of the app: number of the role, and the groups; no groups: the whole organisation.
    let foreign = proptest::collection::vec(
        (0usize..3, proptest::collection::btree_set(0..GROUPS, 0..3), 0u8..6),
        0..2,
    );
    (groups, proptest::collection::vec(policy(), 0..4), consents, foreign, any::<bool>()).prop_map(
        |(groups, policies, consents, foreign, pointer)| {
            let mut world = World {
                groups: groups.into_iter().enumerate().collect(),
                policies,
                consents: consents.into_iter().collect(),
                scopes: BTreeMap::new(),
                assignments: vec![],
                pointer: pointer || !foreign.is_empty(),
                verified: BTreeSet::new(),
                proven: false,
            };
            for (n, (role, groups, wide)) in foreign.into_iter().enumerate() {
                let role =
                    [ApplicationRole::MailRead, ApplicationRole::CalendarsRead, ApplicationRole::MailSend]
                        [role];
                let holds = if wide == 0 || groups.is_empty() {
                    Holds::Organization
                } else {
                    let name = format!("Foreign {n}");
                    world.scopes.insert(name.clone(), groups);
                    Holds::Scope(name)
                };
                world.assignments.push((format!("Foreign {n}"), role, holds));
            }
            world
        },
    )
}

pub(crate) fn options() -> impl Strategy<Value = MigrationOptions> {
    let nested = prop_oneof![1 => Just(NestedGroups::Refuse), 3 => Just(NestedGroups::Filter), 2 => Just(NestedGroups::Copy)];
    (nested, any::<bool>(), any::<bool>()).prop_map(|(nested, keep, own)| {
        let mut options = MigrationOptions::new("Acme").with_nested(nested);
        if keep {
            options = options.with_policies_kept();
        }
        if own {
            options = options.with_own_group(group(OWN).address.unwrap());
        }
        options
    })
}
