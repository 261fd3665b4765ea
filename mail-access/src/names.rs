//! What a profile's objects are called in the tenant, and what its words mean to the crates below.

use exchange_admin::cmdlets::Recipient;
use exchange_admin::{
    ApplicationRole, ManagementScopeName, ObjectName, RecipientIdentity, RecipientKind, RoleAssignmentName,
};
use graph_auth::directory::Audience;
use graph_auth::{AppRegistration, Permission as Consent, SecretPolicy};
use m365_core::{ClientId, Error, Result};

use crate::permission::{EWS, Permission, Reach};
use crate::profile::{AppProfile, CredentialPolicy, GrantMode};
use crate::tenant::{GroupState, HeldKey, key_of};

/// Name of the secrets that an installation makes: by it they are told from those of others, also of another machine's.
pub(crate) fn secret(installation: &str) -> String {
    format!("m365-access {installation}")
}

/// The registration that an app's profile asks for, with a credential of this installation's.
pub(crate) fn registration_with_secret(
    app: &AppProfile,
    held: Option<&HeldKey>,
    installation: &str,
) -> Result<AppRegistration> {
    let registration = registration(app)?.with_held_secret(held.map(|h| h.key_id));
    Ok(match app.credential {
        CredentialPolicy::NewSecret { lifetime } => {
            registration.with_secret(SecretPolicy::new(secret(installation), lifetime)?)
        }
        CredentialPolicy::FromEnvironment { .. } => registration,
    })
}

/// The registration that an app's profile asks for, apart from its credential.
pub(crate) fn registration(app: &AppProfile) -> Result<AppRegistration> {
    let (consented, scoped): (Vec<Permission>, Vec<Permission>) =
        app.permissions.iter().map(|p| Permission::parse(p)).partition(|p| is_consented(app.scope.grant, p));
    let consent = |p: &Permission| match p.api() {
        graph_auth::Api::Exchange => Consent::exchange(p.entra_name()),
        _ => Consent::graph(p.name()),
    };
    let mut registration = AppRegistration::new(app.unique_name.clone(), app.display_name.clone())?
        .with_audience(if app.multi_tenant { Audience::MultiTenant } else { Audience::SingleTenant })
        .with_consented(consented.iter().map(consent))
        .with_not_consented(scoped.iter().map(consent));
    if !app.remove_default_user_read {
        registration = registration.with_default_user_read_kept();
    }
    Ok(registration)
}

/// Whether a permission is consented in Entra; under RBAC a scoped role grants mailbox permissions instead, and consent
/// beside it would open every mailbox.
pub(crate) fn is_consented(grant: GrantMode, permission: &Permission) -> bool {
    !(grant == GrantMode::Rbac && permission.reach() == Reach::Mailbox)
}

/// The application roles that an app gets by RBAC, with their permissions.
pub(crate) fn roles(app: &AppProfile) -> Vec<(String, ApplicationRole)> {
    if app.scope.grant != GrantMode::Rbac {
        return Vec::new();
    }
    app.permissions
        .iter()
        .map(|p| Permission::parse(p))
        .filter(|p| p.reach() == Reach::Mailbox)
        .filter_map(|p| Some((p.name().to_owned(), role(p.name())?)))
        .collect()
}

/// Whether an app goes to mailboxes over EWS.
pub(crate) fn uses_ews(app: &AppProfile) -> bool {
    app.permissions.iter().any(|p| Permission::parse(p).name() == EWS)
}

/// The application role that grants a permission of Microsoft Graph, or EWS.
pub(crate) fn role(permission: &str) -> Option<ApplicationRole> {
    if permission == EWS {
        return Some(ApplicationRole::EwsAccessAsApp);
    }
    ApplicationRole::from_permission(ClientId::MICROSOFT_GRAPH, permission)
}

pub(crate) fn scope(app: &AppProfile) -> Result<ManagementScopeName> {
    ManagementScopeName::parse(&format!("{} mailboxes", app.unique_name))
}

pub(crate) fn assignment(app: &AppProfile, permission: &str) -> Result<RoleAssignmentName> {
    RoleAssignmentName::parse(&format!("{} {permission}", app.unique_name))
}

/// The name of a mailbox or group that is made for an address: its local part.
pub(crate) fn object(address: &m365_core::MailboxAddress) -> Result<ObjectName> {
    ObjectName::parse(address.as_str().rsplit_once('@').map_or("", |(local, _)| local))
}

/// Whether a recipient is a mailbox of Exchange Online.
pub(crate) fn is_cloud_mailbox(recipient: &Recipient) -> bool {
    matches!(
        recipient.kind,
        RecipientKind::UserMailbox
            | RecipientKind::SharedMailbox
            | RecipientKind::RoomMailbox
            | RecipientKind::EquipmentMailbox
    )
}

/// Whether `Get-DistributionGroupMember` lists the members of a group.
pub(crate) fn has_readable_members(group: &Recipient) -> bool {
    matches!(
        group.kind,
        RecipientKind::MailUniversalSecurityGroup | RecipientKind::MailUniversalDistributionGroup
    )
}

pub(crate) fn group_key(state: &GroupState) -> Option<String> {
    state.group.as_ref()?.object_id.map(|id| id.to_string().to_lowercase())
}

/// The surest name that a recipient has.
pub(crate) fn identity_of(recipient: &Recipient) -> Result<RecipientIdentity> {
    if let Some(guid) = recipient.guid {
        return Ok(RecipientIdentity::ExchangeGuid(guid));
    }
    match &recipient.primary_smtp_address {
        Some(address) => Ok(address.clone().into()),
        None => {
            Err(Error::unreadable(format!("the recipient {} has neither id nor address", recipient.name)))
        }
    }
}

/// Whether a list of members holds a mailbox.
pub(crate) fn holds(members: &[Recipient], mailbox: Option<&Recipient>) -> bool {
    let Some(key) = mailbox.and_then(key_of) else { return false };
    members.iter().any(|m| key_of(m).as_deref() == Some(key.as_str()))
}
