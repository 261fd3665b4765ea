//! Generated grants, written into the tenant and drawn as the picture that our evaluator reads.

use std::collections::BTreeSet;

use exchange_admin::{AccessRight, ApplicationRole, RecipientFilter};
use m365_core::{ClientId, ServicePrincipalObjectId};
use mail_access::access::{
    AccessPicture, AppPicture, AssignmentPicture, AssignmentScope, EntraGrant, ExchangePointer, Grantee,
    GroupPicture, MailboxPicture, MailboxSwitches, OrganizationEws, OrganizationPicture, PermissionPicture,
    PolicyPicture, RecipientId,
};
use proptest::collection::vec;
use proptest::prelude::*;
use tenant_sim::state::{
    self, AccessPolicy, AdministrativeUnit, AppRoleAssignment, Application, ExchangeServicePrincipal,
    GroupKind, GroupRecipient, MailboxKind, MailboxPermission, ManagementRoleAssignment, ManagementScope,
    OrganizationSwitches, ResourceScope, SendAs, ServicePrincipal, State, Timed,
};
use uuid::Uuid;

pub(crate) const REGISTRATION: Uuid = Uuid::from_u128(0xA0);
pub(crate) const CLIENT: Uuid = Uuid::from_u128(0xA1);
pub(crate) const PRINCIPAL: Uuid = Uuid::from_u128(0xA2);
pub(crate) const FOREIGN_CLIENT: Uuid = Uuid::from_u128(0xF1);
pub(crate) const FOREIGN_PRINCIPAL: Uuid = Uuid::from_u128(0xF2);
pub(crate) const SOMEBODY: Uuid = Uuid::from_u128(0x5B);
pub(crate) const GONE: Uuid = Uuid::from_u128(0x60E);
pub(crate) const GROUPS: usize = 4;
pub(crate) const UNIQUE_NAME: &str = "acme-generated";

/// Permissions in question; those beyond mail, calendars, contacts and settings are not covered by access policies.
pub(crate) const PERMISSIONS: [&str; 11] = [
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

pub(crate) const ROLES: [&str; 11] = [
    "Application Mail.Read",
    "Application Mail.ReadWrite",
    "Application Mail Full Access",
    "Application Exchange Full Access",
    "Application Calendars.Read",
    "Application Mail.ReadBasic",
    "Application MailboxFolder.Read",
    "Application MailboxItem.Read",
    "Application Mail-Advanced.ReadWrite.All",
    "Application EWS.AccessAsApp",
    "Application SMTP.SendAsApp",
];

/// What was granted, by numbers: mailboxes in the tenant's order, groups by their own.
#[derive(Clone, Debug)]
pub(crate) struct Grants {
    pub(crate) consents: BTreeSet<usize>,
    /// IMAP, EWS, SMTP.
    pub(crate) exchange_consents: [bool; 3],
    /// 0 none, 1 wrong (the registration's id), others right.
    pub(crate) pointer: u8,
    pub(crate) groups: Vec<(u8, Vec<usize>)>,
    pub(crate) policies: Vec<(u8, bool, usize)>,
    pub(crate) scopes: Vec<(Vec<usize>, bool, bool)>,
    pub(crate) assignments: Vec<(usize, u8, usize)>,
    pub(crate) permissions: Vec<(usize, usize, bool, bool)>,
    pub(crate) imap_off: Vec<usize>,
    pub(crate) remote: Vec<usize>,
    /// Mailbox, and who sends as it.
    pub(crate) send_as: Vec<(usize, usize)>,
    /// EWS: never set, off, on; whether the app is listed; SMTP off.
    pub(crate) organization: (u8, bool, bool),
    /// Mailbox, EWS, SMTP: never set, off, on.
    pub(crate) switches: Vec<(usize, u8, u8)>,
}

/// Application permissions of Office 365 Exchange Online.
pub(crate) const EXCHANGE_PERMISSIONS: [&str; 3] =
    ["IMAP.AccessAsApp", "full_access_as_app", "SMTP.SendAsApp"];

pub(crate) fn grants() -> impl Strategy<Value = Grants> {
    let any_mailbox = 0usize..10;
    (
        (proptest::collection::btree_set(0..PERMISSIONS.len(), 0..5), any::<[bool; 3]>(), 0u8..6),
        vec((0u8..5, vec(0usize..10 + GROUPS + 1, 0..6)), GROUPS),
        vec((0u8..4, any::<bool>(), 0usize..GROUPS + 10 + 1), 0..4),
        vec((vec(0..GROUPS, 1..3), prop::bool::weighted(0.15), any::<bool>()), 2),
        vec((0..ROLES.len(), 0u8..12, 0usize..GROUPS), 0..4),
        vec(
            (any_mailbox.clone(), 0usize..3 + GROUPS, prop::bool::weighted(0.8), prop::bool::weighted(0.25)),
            0..8,
        ),
        (vec(any_mailbox.clone(), 0..3), vec(any_mailbox.clone(), 0..2)),
        (
            vec((any_mailbox.clone(), 0usize..3 + GROUPS), 0..6),
            (0u8..4, prop::bool::weighted(0.7), prop::bool::weighted(0.2)),
            vec((any_mailbox, 0u8..3, 0u8..3), 0..4),
        ),
    )
        .prop_map(
            |(
                (consents, exchange_consents, pointer),
                groups,
                policies,
                scopes,
                assignments,
                permissions,
                (imap_off, remote),
                (send_as, organization, switches),
            )| {
                Grants {
                    consents,
                    exchange_consents,
                    pointer,
                    groups,
                    policies,
                    scopes,
                    assignments,
                    permissions,
                    imap_off,
                    remote,
                    send_as,
                    organization,
                    switches,
                }
            },
        )
}

pub(crate) fn group_id(index: usize) -> Uuid {
    Uuid::from_u128(0x6000 + index as u128)
}

/// An app like any other, in a tenant as it was.
pub(crate) fn base(mut state: State) -> State {
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
pub(crate) fn write(state: &mut State, grants: &Grants) {
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
    // Without Exchange's own service principal nobody can name the app as a trustee.
    for (mailbox, trustee) in grants.send_as.iter().filter(|_| pointer(grants) == Some(PRINCIPAL)) {
        let trustee = match *trustee {
            0 | 1 => PRINCIPAL,
            2 => SOMEBODY,
            // Exchange takes mail-enabled security groups only.
            g if grants.groups[g - 3].0 > 1 => group_id(g - 3),
            _ => SOMEBODY,
        };
        exchange.send_as.push(Timed::always(SendAs { recipient: mailboxes[*mailbox], trustee }));
    }
    let (ews, listed, smtp_disabled) = grants.organization;
    let state_of = |n: u8| [None, Some(false), Some(true), Some(true)][usize::from(n)];
    exchange.organization_switches.push(Timed::always(OrganizationSwitches {
        ews_enabled: state_of(ews),
        ews_allowed_apps: listed.then_some(CLIENT).into_iter().collect(),
        smtp_disabled,
        ..OrganizationSwitches::default()
    }));
    for (mailbox, ews, smtp) in &grants.switches {
        exchange.mailbox_switches.push(Timed::always(state::MailboxSwitches {
            ews_enabled: state_of(*ews),
            smtp_disabled: state_of(*smtp),
            ..state::MailboxSwitches::untouched(mailboxes[*mailbox])
        }));
    }
    let directory = &mut state.directory;
    let wanted: Vec<&str> = names(grants).into_iter().chain(exchange_names(grants)).collect();
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

pub(crate) fn names(grants: &Grants) -> Vec<&'static str> {
    grants.consents.iter().map(|i| PERMISSIONS[*i]).collect()
}

pub(crate) fn exchange_names(grants: &Grants) -> impl Iterator<Item = &'static str> {
    EXCHANGE_PERMISSIONS
        .into_iter()
        .zip(grants.exchange_consents)
        .filter_map(|(name, held)| held.then_some(name))
}

pub(crate) fn pointer(grants: &Grants) -> Option<Uuid> {
    match grants.pointer {
        0 => None,
        1 => Some(REGISTRATION),
        _ => Some(PRINCIPAL),
    }
}

pub(crate) fn recipient(id: Uuid) -> RecipientId {
    RecipientId::new(id.to_string())
}

/// The picture that a perfect reader would make of this state.
pub(crate) fn picture(state: &State, grants: &Grants, consents: &[String]) -> AccessPicture {
    let exchange = &state.exchange;
    let object = |id: Uuid| ServicePrincipalObjectId::from_bytes(*id.as_bytes());
    let client = |id: Uuid| ClientId::from_bytes(*id.as_bytes());
    let consented = consents.iter().map(|c| match EXCHANGE_PERMISSIONS.contains(&c.as_str()) {
        true => EntraGrant::exchange(c),
        false => EntraGrant::graph(c),
    });
    let grantee = |id: Uuid| match id {
        PRINCIPAL => Grantee::App(object(PRINCIPAL)),
        SOMEBODY => Grantee::Other,
        group => Grantee::Group(recipient(group)),
    };
    let recipients = |ids: &[Timed<Uuid>]| ids.iter().map(|m| recipient(m.value)).collect::<BTreeSet<_>>();
    AccessPicture {
        app: AppPicture {
            pointer: pointer(grants).map_or(ExchangePointer::Absent, |id| ExchangePointer::To(object(id))),
            ..AppPicture::present(client(CLIENT), object(PRINCIPAL)).with_consents(consented)
        },
        mailboxes: exchange
            .mailboxes
            .iter()
            .map(|m| {
                let entries = exchange.mailbox_permissions.iter().map(|p| &p.value);
                let mut switches = exchange.mailbox_switches.iter().map(|s| &s.value);
                let switches = switches.rfind(|s| s.mailbox == m.value.object_id);
                let picture = MailboxPicture {
                    in_cloud: Some(!m.value.remote),
                    full_access: Some(
                        entries
                            .filter(|p| p.mailbox == m.value.object_id)
                            .filter(|p| p.rights.iter().any(|r| r == "FullAccess"))
                            .map(|p| PermissionPicture { grantee: grantee(p.grantee), deny: p.deny })
                            .collect(),
                    ),
                    send_as: Some(
                        exchange
                            .send_as
                            .iter()
                            .filter(|s| s.value.recipient == m.value.object_id)
                            .map(|s| PermissionPicture { grantee: grantee(s.value.trustee), deny: false })
                            .collect(),
                    ),
                    switches: Some(MailboxSwitches {
                        imap: Some(m.value.imap_enabled),
                        pop: switches.map(|s| s.pop_enabled).or(Some(true)),
                        ews: switches.and_then(|s| s.ews_enabled),
                        smtp_disabled: switches.and_then(|s| s.smtp_disabled),
                        ..MailboxSwitches::default()
                    }),
                    attributes: [("alias".to_owned(), vec![m.value.alias.clone()])].into(),
                    ..MailboxPicture::in_cloud(m.value.primary_smtp_address.clone())
                };
                (recipient(m.value.object_id), picture)
            })
            .collect(),
        groups: exchange
            .groups
            .iter()
            .map(|g| {
                let picture = GroupPicture {
                    address: g.value.primary_smtp_address.clone(),
                    distinguished_name: g.value.distinguished_name(state.initial_domain()),
                    is_security_principal: g.value.kind == GroupKind::MailEnabledSecurity,
                    members: Some(recipients(&g.value.members)),
                };
                (recipient(g.value.object_id), picture)
            })
            .collect(),
        units: exchange
            .administrative_units
            .iter()
            .map(|u| (u.value.name.to_lowercase(), recipients(&u.value.members)))
            .collect(),
        policies: Some(
            exchange
                .access_policies
                .iter()
                .map(|p| PolicyPicture {
                    identity: String::new(),
                    app: p.value.app_id.map(client),
                    right: Some(match p.value.right {
                        state::PolicyRight::Restrict => AccessRight::Restrict,
                        state::PolicyRight::Deny => AccessRight::Deny,
                    }),
                    scope: recipient(p.value.scope),
                })
                .collect(),
        ),
        assignments: Some(
            exchange
                .role_assignments
                .iter()
                .map(|a| AssignmentPicture {
                    name: a.value.name.clone(),
                    role: Some(ApplicationRole::read(&a.value.role).expect("a known role")),
                    scope: match &a.value.scope {
                        ResourceScope::Organization => AssignmentScope::Organization,
                        ResourceScope::Group(group) => {
                            AssignmentScope::MembersOf(BTreeSet::from([recipient(*group)]))
                        }
                        ResourceScope::Custom(name) => exchange
                            .scopes
                            .iter()
                            .find(|s| s.value.name == *name)
                            .map_or(AssignmentScope::Opaque(name.clone()), |s| {
                                AssignmentScope::Filter(
                                    RecipientFilter::parse(&s.value.recipient_filter).unwrap(),
                                )
                            }),
                        ResourceScope::AdministrativeUnit(name) => {
                            AssignmentScope::AdministrativeUnit(name.clone())
                        }
                    },
                    exclusive: false,
                })
                .collect(),
        ),
        organization: organization(state),
        ..AccessPicture::default()
    }
}

pub(crate) fn organization(state: &State) -> OrganizationPicture {
    let switches = state.exchange.organization_switches.last().map(|s| s.value.clone()).unwrap_or_default();
    OrganizationPicture {
        ews: Some(OrganizationEws {
            enabled: switches.ews_enabled,
            allowed_apps: Some(
                switches.ews_allowed_apps.iter().map(|id| ClientId::from_bytes(*id.as_bytes())).collect(),
            ),
            ..OrganizationEws::default()
        }),
        smtp_disabled: Some(switches.smtp_disabled),
    }
}
