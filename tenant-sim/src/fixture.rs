//! A small tenant for unit tests, built from literals.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::Caller;
use crate::ews::EwsServer;
use crate::state::{
    AccessPolicy, Directory, Exchange, ExchangeServicePrincipal, GroupKind, GroupRecipient, MailStore,
    MailboxKind, MailboxPermission, MailboxRecipient, ManagementRoleAssignment, PolicyRight, Premises,
    Propagation, ResourceScope, ServicePrincipal, State, Timed, User,
};

pub(crate) const TENANT: Uuid = Uuid::from_u128(0x7e0a);
pub(crate) const APP: Uuid = Uuid::from_u128(0xa9901);
pub(crate) const APP_OID: Uuid = Uuid::from_u128(0x0b1d1);
pub(crate) const GRAPH: &str = "https://graph.microsoft.com";
pub(crate) const OUTLOOK: &str = "https://outlook.office365.com";

pub(crate) fn start() -> Timestamp {
    "2026-11-21T08:00:00Z".parse().unwrap()
}

pub(crate) fn minutes(n: i64) -> Timestamp {
    start() + SignedDuration::from_mins(n)
}

/// A tenant with one enterprise application, known to Exchange, and no recipients.
pub(crate) fn tenant(propagation: Propagation) -> State {
    let mut state = State {
        tenant_id: TENANT,
        name: "Adatum".to_owned(),
        domains: vec!["adatum.onmicrosoft.example".to_owned(), "adatum.example".to_owned()],
        directory: Directory::default(),
        exchange: Exchange { organization_id: Uuid::from_u128(0x09a), ..Exchange::default() },
        store: MailStore::default(),
        autodiscover: crate::Autodiscover::default(),
        premises: Premises::default(),
        ews: EwsServer::default(),
        propagation,
    };
    state.directory.service_principals.push(Timed::always(ServicePrincipal {
        id: APP_OID,
        app_id: APP,
        display_name: "Archive".to_owned(),
        account_enabled: true,
        app_roles: vec![],
    }));
    pointer(&mut state, APP_OID);
    state
}

pub(crate) fn pointer(state: &mut State, object_id: Uuid) {
    state.exchange.service_principals.push(Timed::always(ExchangeServicePrincipal {
        app_id: APP,
        object_id,
        display_name: "Archive".to_owned(),
        identity: Uuid::from_u128(object_id.as_u128() + 0x1000),
        sid: "S-1-5-21-1-2-3-4".to_owned(),
    }));
}

/// A user mailbox `name@adatum.example`; the answer is its object id.
pub(crate) fn mailbox(state: &mut State, name: &str) -> Uuid {
    let id = Uuid::from_u128(0x3_0000 + state.exchange.mailboxes.len() as u128);
    let address = format!("{name}@adatum.example");
    state.directory.users.push(Timed::always(User {
        id,
        upn: address.clone(),
        display_name: name.to_owned(),
        mail: Some(address.clone()),
        account_enabled: true,
    }));
    state.exchange.mailboxes.push(Timed::always(MailboxRecipient {
        object_id: id,
        exchange_guid: Uuid::from_u128(0x4_0000 + id.as_u128()),
        name: name.to_owned(),
        alias: name.to_owned(),
        display_name: name.to_owned(),
        upn: address.clone(),
        primary_smtp_address: address,
        aliases: vec![format!("{name}.alias@adatum.example")],
        kind: MailboxKind::User,
        imap_enabled: true,
        remote: false,
    }));
    id
}

/// A mail-enabled security group with these direct members.
pub(crate) fn group(state: &mut State, name: &str, members: &[Uuid]) -> Uuid {
    let id = Uuid::from_u128(0x5_0000 + state.exchange.groups.len() as u128);
    state.exchange.groups.push(Timed::always(GroupRecipient {
        object_id: id,
        guid: Uuid::from_u128(0x6_0000 + id.as_u128()),
        sid: format!("S-1-5-21-9-9-9-{}", state.exchange.groups.len()),
        name: name.to_owned(),
        alias: name.to_owned(),
        display_name: name.to_owned(),
        primary_smtp_address: format!("{name}@adatum.example"),
        kind: GroupKind::MailEnabledSecurity,
        member_join_restriction: "Closed".to_owned(),
        members: members.iter().copied().map(Timed::always).collect(),
    }));
    id
}

pub(crate) fn policy(state: &mut State, app: Option<Uuid>, scope: Uuid, right: PolicyRight) {
    state.exchange.access_policies.push(Timed::always(AccessPolicy {
        app_id: app,
        scope,
        right,
        description: String::new(),
    }));
}

pub(crate) fn assignment(state: &mut State, role: &str, scope: ResourceScope) {
    state.exchange.role_assignments.push(Timed::always(ManagementRoleAssignment {
        name: format!("{role} {}", state.exchange.role_assignments.len()),
        app: APP_OID,
        role: role.to_owned(),
        scope,
    }));
}

pub(crate) fn full_access(state: &mut State, mailbox: Uuid, grantee: Uuid, deny: bool) {
    state.exchange.mailbox_permissions.push(Timed::always(MailboxPermission {
        mailbox,
        grantee,
        rights: vec!["FullAccess".to_owned()],
        deny,
        inheritance: "All".to_owned(),
    }));
}

/// The app with a token for this API.
pub(crate) fn caller(audience: &str, roles: &[&str]) -> Caller {
    Caller {
        app_id: APP,
        object_id: APP_OID,
        tenant_id: TENANT,
        audience: audience.to_owned(),
        user_roles: None,
        issued_at: Timestamp::UNIX_EPOCH,
        answers_challenges: false,
        roles: roles.iter().map(|r| (*r).to_owned()).collect(),
    }
}
