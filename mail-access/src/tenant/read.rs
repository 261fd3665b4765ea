use std::collections::{BTreeMap, BTreeSet};

use exchange_admin::cmdlets::{
    GetCasMailbox, GetDistributionGroup, GetDistributionGroupMember, GetMailboxPermission,
    GetManagementScope, GetOrganizationConfig, GetRecipient, GetServicePrincipal,
    ListApplicationAccessPolicies, PolicyApp, Recipient,
};
use exchange_admin::{
    DistinguishedName, ExchangeAdmin, GrantedScope, ManagementScopeName, RecipientIdentity,
};
use graph_auth::RegistrationState;
use graph_auth::directory::GetOrganization;
use m365_core::{Error, MailboxAddress, Pipeline, Result, TenantId};

use super::{
    AppState, DistributionGroupInfo, EwsState, GroupState, HeldKey, MailboxState, PolicyState, TenantPicture,
    key_of,
};
use crate::names;
use crate::profile::{AccessProfile, AppProfile, GrantMode};
use crate::vault::Vault;

/// Most groups followed below policies and scopes; those beyond count as unread.
const MOST_NESTED: usize = 200;

/// Reads what the profile speaks of.
pub(crate) async fn read(
    graph: &Pipeline,
    exchange: &ExchangeAdmin,
    vault: &Vault,
    tenant: TenantId,
    profile: &AccessProfile,
) -> Result<TenantPicture> {
    let organization = graph.run(&GetOrganization).await?;
    if organization.id != tenant {
        return Err(Error::invalid(format!(
            "the set-up identity works in the tenant {}, not in {tenant}",
            organization.id
        )));
    }
    let ews = profile.apps.iter().any(names::uses_ews);
    let ask = GetOrganizationConfig::new();
    let config = exchange.run(&if ews { ask.with_ews_allowed_apps() } else { ask }).await?.value;
    let mut picture = TenantPicture {
        tenant_id: tenant,
        installation: vault.installation().await?,
        domains: organization.verified_domains.into_iter().map(|d| d.name).collect(),
        dehydrated: config.is_dehydrated.unwrap_or(false),
        ews: match config.ews_allowed_apps {
            Some(allowed) => Some(EwsState { enabled: config.ews_enabled, allowed }),
            None if ews => {
                return Err(Error::unreadable("the answer lacks the list of apps allowed for EWS"));
            }
            None => None,
        },
        apps: BTreeMap::new(),
        mailboxes: BTreeMap::new(),
        groups: BTreeMap::new(),
        policies: Vec::new(),
        further_groups: BTreeMap::new(),
    };
    // Before anything is looked up: an address of another organisation would only give puzzling answers.
    check_domains(profile, &picture)?;

    for mailbox in &profile.shared_mailboxes {
        read_mailbox(exchange, &mut picture, &mailbox.address, None).await?;
    }
    for app in &profile.apps {
        for address in app.scope.mailboxes.iter().chain([&app.scope.canary]) {
            read_mailbox(exchange, &mut picture, address, Some(app)).await?;
        }
        if let Some(group) = &app.scope.group {
            read_group(exchange, &mut picture, &group.address).await?;
        }
        let state = read_app(graph, exchange, vault, tenant, app).await?;
        picture.apps.insert(app.unique_name.clone(), state);
    }
    for policy in exchange.run(&ListApplicationAccessPolicies::new()).await?.value {
        picture.policies.push(PolicyState { policy, scope: None });
    }
    resolve_policies(exchange, &mut picture).await?;
    resolve_scopes(exchange, &mut picture).await?;
    Ok(picture)
}

fn check_domains(profile: &AccessProfile, picture: &TenantPicture) -> Result<()> {
    let shared = profile.shared_mailboxes.iter().map(|m| &m.address);
    let scoped = profile.apps.iter().flat_map(|app| {
        app.scope
            .mailboxes
            .iter()
            .chain([&app.scope.canary])
            .chain(app.scope.group.as_ref().map(|g| &g.address))
    });
    match shared.chain(scoped).find(|address| !picture.owns(address)) {
        None => Ok(()),
        Some(foreign) => Err(profile.complain(
            foreign.as_str(),
            format!("{foreign} is not of this tenant, whose domains are {}", picture.domains.join(", ")),
        )),
    }
}

async fn read_mailbox(
    exchange: &ExchangeAdmin,
    picture: &mut TenantPicture,
    address: &MailboxAddress,
    app: Option<&AppProfile>,
) -> Result<()> {
    if !picture.mailboxes.contains_key(address) {
        let recipient = exchange.run(&GetRecipient::new(address.clone())).await?.value;
        picture.mailboxes.insert(address.clone(), MailboxState { recipient, ..MailboxState::default() });
    }
    let Some(state) = picture.mailboxes.get_mut(address) else { return Ok(()) };
    let in_cloud = state.recipient.as_ref().is_some_and(names::is_cloud_mailbox);
    let by_permission = app.is_some_and(|a| a.scope.grant == GrantMode::MailboxPermission);
    if by_permission && in_cloud && state.permissions.is_none() {
        state.permissions = Some(exchange.run(&GetMailboxPermission::new(address.clone())).await?.value);
        state.switches = exchange.run(&GetCasMailbox::new(address.clone())).await?.value;
    }
    Ok(())
}

async fn read_group(
    exchange: &ExchangeAdmin,
    picture: &mut TenantPicture,
    address: &MailboxAddress,
) -> Result<()> {
    if picture.groups.contains_key(address) {
        return Ok(());
    }
    let group = exchange.run(&GetDistributionGroup::new(address.clone())).await?.value;
    let state = match group {
        Some(_) => {
            let members = exchange.run(&GetDistributionGroupMember::new(address.clone())).await?.value;
            GroupState { group, members, other: None }
        }
        None => {
            let other = exchange.run(&GetRecipient::new(address.clone())).await?.value;
            GroupState { group: None, members: Vec::new(), other }
        }
    };
    picture.groups.insert(address.clone(), state);
    Ok(())
}

async fn read_app(
    graph: &Pipeline,
    exchange: &ExchangeAdmin,
    vault: &Vault,
    tenant: TenantId,
    app: &AppProfile,
) -> Result<AppState> {
    let held = vault.load(tenant, &app.unique_name).await?.map(|h| HeldKey {
        client_id: h.client_id,
        key_id: h.key_id,
        expires: h.expires,
    });
    let desired = names::registration(app)?;
    let registration = RegistrationState::read(graph, &desired).await?;
    let pointer = match registration.client_id() {
        Some(client) => exchange.run(&GetServicePrincipal::of_app(client)).await?.value,
        None => None,
    };
    let assignments = match &pointer {
        Some(pointer) => exchange.assignments_of(pointer).await?,
        None => Vec::new(),
    };
    let mut scopes = BTreeMap::new();
    let mut wanted: BTreeSet<String> = assignments
        .iter()
        .filter_map(|a| match &a.scope {
            GrantedScope::Custom(name) => Some(name.clone()),
            _ => None,
        })
        .collect();
    if app.scope.grant == GrantMode::Rbac {
        wanted.insert(names::scope(app)?.to_string());
    }
    for name in wanted {
        let scope = exchange.run(&GetManagementScope::new(ManagementScopeName::parse(&name)?)).await?.value;
        scopes.insert(name, scope);
    }
    Ok(AppState { registration, held, pointer, assignments, scopes })
}

/// Finds out whom the policies name, as far as they concern one of the profile's apps.
async fn resolve_policies(exchange: &ExchangeAdmin, picture: &mut TenantPicture) -> Result<()> {
    let ours: BTreeSet<_> = picture.apps.values().filter_map(|a| a.registration.client_id()).collect();
    for index in 0..picture.policies.len() {
        let Some(state) = picture.policies.get(index) else { continue };
        let concerns_us = match &state.policy.app {
            PolicyApp::Every => true,
            PolicyApp::App(client) => ours.contains(client),
        };
        let Some(guid) = state.policy.identity.scope_guid().filter(|_| concerns_us) else { continue };
        let recipient = exchange.run(&GetRecipient::new(RecipientIdentity::ExchangeGuid(guid))).await?.value;
        let scope = recipient.as_ref().and_then(key_of);
        if let Some(recipient) = recipient {
            follow(exchange, picture, recipient).await?;
        }
        if let Some(state) = picture.policies.get_mut(index) {
            state.scope = scope;
        }
    }
    Ok(())
}

/// Reads the members of a group and of every group below it; a mailbox has none. Groups may hold each other in circles.
async fn follow(exchange: &ExchangeAdmin, picture: &mut TenantPicture, group: Recipient) -> Result<()> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![group]);
    while let Some(group) = open.pop() {
        let Some(key) = key_of(&group) else { continue };
        if !seen.insert(key.clone()) || picture.further_groups.contains_key(&key) {
            continue;
        }
        // Some kinds of group have no list that this cmdlet reads, and somewhere following must end: unread, not empty.
        let readable = names::has_readable_members(&group) && picture.further_groups.len() < MOST_NESTED;
        let members = if readable {
            Some(exchange.run(&GetDistributionGroupMember::new(names::identity_of(&group)?)).await?.value)
        } else {
            (!group.kind.is_group()).then(Vec::new)
        };
        open.extend(members.iter().flatten().filter(|m| m.kind.is_group()).cloned());
        if picture.groups.values().any(|g| names::group_key(g).as_deref() == Some(key.as_str())) {
            continue;
        }
        let info = DistributionGroupInfo {
            address: group
                .primary_smtp_address
                .as_ref()
                .map_or_else(|| group.name.clone(), ToString::to_string),
            distinguished_name: group.distinguished_name.clone(),
            is_security_principal: group.is_valid_security_principal.unwrap_or(false),
        };
        picture.further_groups.insert(key, (info, members));
    }
    Ok(())
}

/// Reads the groups that the scopes of existing assignments name and the profile does not.
async fn resolve_scopes(exchange: &ExchangeAdmin, picture: &mut TenantPicture) -> Result<()> {
    let named: BTreeSet<String> = picture
        .apps
        .values()
        .flat_map(|app| app.scopes.values().flatten())
        .filter_map(|scope| scope.filter.as_ref()?.groups())
        .flatten()
        .collect();
    for dn in named {
        let known = picture
            .groups
            .values()
            .any(|g| g.group.as_ref().is_some_and(|g| g.distinguished_name.eq_ignore_ascii_case(&dn)));
        if known {
            continue;
        }
        // Exchange finds a recipient by its distinguished name as by any other identity.
        let Ok(identity) = DistinguishedName::parse(&dn) else { continue };
        if let Some(recipient) =
            exchange.run(&GetRecipient::new(identity)).await?.value.filter(|r| r.kind.is_group())
        {
            follow(exchange, picture, recipient).await?;
        }
    }
    Ok(())
}
