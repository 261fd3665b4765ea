//! What each step of a migration does in Exchange.

use exchange_admin::cmdlets::InScope;
use exchange_admin::cmdlets::{
    AddDistributionGroupMember, GetDistributionGroup, NewDistributionGroup, NewManagementRoleAssignment,
    NewManagementScope, NewServicePrincipal, RemoveApplicationAccessPolicy, RemoveManagementRoleAssignment,
    RemoveManagementScope, RoleAuthorization, TestServicePrincipalAuthorization,
};
use exchange_admin::migration::{MigrationAction, ScopeGroup};
use exchange_admin::{
    ApplicationRole, Ensured, ExchangeAdmin, MailboxAddress, RecipientFilter, Removal, ResourceScope,
    ServicePrincipalObjectId,
};
use m365_core::{Error, ErrorKind, Result};

use crate::receipt::StepStatus;

/// Makes, or finds made, what a step asks for in Exchange. Steps that look or concern the directory are not this one's.
pub(super) async fn make(exchange: &ExchangeAdmin, action: &MigrationAction) -> Result<Option<StepStatus>> {
    let done = match action {
        MigrationAction::MakeGroup { name, address } => {
            let group = NewDistributionGroup::security(name.clone(), address.clone());
            of(&exchange.ensure_security_group(&group).await?)
        }
        MigrationAction::AddMember { group, member } => {
            let add = AddDistributionGroupMember::new(group.clone(), member.identity()?);
            of(&exchange.ensure_group_member(&add).await?)
        }
        MigrationAction::MakeScope { name, groups, filter } => {
            let filter = match filter {
                Some(filter) => filter.clone(),
                None => RecipientFilter::members_of(names(exchange, groups).await?)?,
            };
            let scope = NewManagementScope::new(name.clone(), filter);
            of(&exchange.ensure_management_scope(&scope).await?)
        }
        MigrationAction::MakeServicePrincipal { app, object, display_name } => {
            let pointer = NewServicePrincipal::new(*app, *object, display_name);
            of(&exchange.ensure_service_principal(&pointer).await?)
        }
        MigrationAction::AssignRole { name, object, role, scope } => {
            let scope = ResourceScope::Custom(scope.clone());
            let assignment = NewManagementRoleAssignment::new(name.clone(), *object, *role, scope);
            of(&exchange.ensure_management_role_assignment(&assignment).await?)
        }
        MigrationAction::AllowEws { app } => of(&exchange.ensure_ews_allowed_app(*app).await?),
        MigrationAction::RemovePolicy { policy, .. } => {
            gone(exchange.run(&RemoveApplicationAccessPolicy::new(policy.clone())).await?.value)
        }
        MigrationAction::RemoveAssignment { name } => {
            gone(exchange.run(&RemoveManagementRoleAssignment::new(name.clone())).await?.value)
        }
        MigrationAction::RemoveScope { name } => {
            gone(exchange.run(&RemoveManagementScope::new(name.clone())).await?.value)
        }
        _ => return Ok(None),
    };
    Ok(Some(done))
}

fn of<T>(ensured: &Ensured<T>) -> StepStatus {
    if ensured.is_created() { StepStatus::Applied } else { StepStatus::AlreadyThere }
}

fn gone(removal: Removal) -> StepStatus {
    match removal {
        Removal::Removed => StepStatus::Applied,
        Removal::AlreadyGone => StepStatus::AlreadyThere,
    }
}

/// Distinguished names of the scope's groups; that of the migration's own is read now that it is there.
async fn names(exchange: &ExchangeAdmin, groups: &[ScopeGroup]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for group in groups {
        names.push(match group {
            ScopeGroup::Known { distinguished_name, .. } => distinguished_name.clone(),
            ScopeGroup::Made(address) => {
                let found = exchange.run(&GetDistributionGroup::new(address.clone())).await?.value;
                let named = found.map(|g| g.distinguished_name).filter(|name| !name.is_empty());
                named.ok_or_else(|| {
                    let why = format!("the group {address} has no distinguished name yet: run again later");
                    Error::new(ErrorKind::NotReady, why)
                })?
            }
        });
    }
    Ok(names)
}

/// What Exchange says of a role: in scope inside, out of scope outside. "Not run" is neither.
pub(super) async fn look(
    exchange: &ExchangeAdmin,
    object: ServicePrincipalObjectId,
    role: ApplicationRole,
    inside: &[MailboxAddress],
    canary: &MailboxAddress,
) -> Result<()> {
    for mailbox in inside {
        let rows = rows(exchange, object, role, mailbox).await?;
        if !rows.iter().any(|r| r.in_scope == InScope::Yes) {
            return Err(Error::new(
                ErrorKind::NotReady,
                format!("{role} is not (surely) in scope for {mailbox}; no consent was taken back for it"),
            )
            .with_mailbox(mailbox.as_str()));
        }
    }
    let rows = rows(exchange, object, role, canary).await?;
    if rows.is_empty() || rows.iter().any(|r| r.in_scope != InScope::No) {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!("{role} is not (surely) out of scope for {canary}; no consent was taken back for it"),
        )
        .with_mailbox(canary.as_str()));
    }
    Ok(())
}

async fn rows(
    exchange: &ExchangeAdmin,
    object: ServicePrincipalObjectId,
    role: ApplicationRole,
    mailbox: &MailboxAddress,
) -> Result<Vec<RoleAuthorization>> {
    let test = TestServicePrincipalAuthorization::new(object).with_resource(mailbox.clone());
    let mut rows = exchange.run(&test).await?.value;
    rows.retain(|r| r.role == Some(role));
    Ok(rows)
}
