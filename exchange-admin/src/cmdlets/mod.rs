//! The typed cmdlets, one file each: required parameters in `new`, optional ones by `with_*`.
//!
//! A `Get…` by identity gives an `Option`: `None` when Exchange surely has no such object. It compares what came back with
//! what was asked for, since Exchange may answer an identity that it does not know with every object it has. Lists are
//! cmdlets of their own (`List…`).

/// `facts!("Get-Mailbox", "get-mailbox", ["View-Only Recipients"], ViewOnlyOrganizationManagement, IMMEDIATE, Idempotent)`
macro_rules! facts {
    ($name:literal, $page:literal, [$($role:literal),+], $group:ident, $window:ident, $idempotency:ident) => {
        &$crate::Facts {
            name: $crate::CmdletName::new($name),
            page: concat!("https://learn.microsoft.com/powershell/module/exchangepowershell/", $page),
            roles: &[$($role),+],
            role_group: $crate::RoleGroup::$group,
            window: $crate::PropagationWindow::$window,
            idempotency: m365_core::Idempotency::$idempotency,
        }
    };
}

mod add_distribution_group_member;
mod add_mailbox_permission;
mod application_access_policy;
mod cas_mailbox;
mod distribution_group;
mod get_application_access_policy;
mod get_cas_mailbox;
mod get_distribution_group;
mod get_distribution_group_member;
mod get_mailbox;
mod get_mailbox_permission;
mod get_management_role_assignment;
mod get_management_scope;
mod get_organization_config;
mod get_recipient;
mod get_service_principal;
mod new_application_access_policy;
mod new_distribution_group;
mod new_mailbox;
mod new_management_role_assignment;
mod new_management_scope;
mod new_service_principal;
mod remove_application_access_policy;
mod remove_distribution_group;
mod remove_distribution_group_member;
mod remove_mailbox;
mod remove_mailbox_permission;
mod remove_management_role_assignment;
mod remove_management_scope;
mod remove_service_principal;
mod set_cas_mailbox;
mod test_application_access_policy;
mod test_service_principal_authorization;

pub use add_distribution_group_member::AddDistributionGroupMember;
pub use add_mailbox_permission::AddMailboxPermission;
pub use application_access_policy::{AccessPolicyIdentity, ApplicationAccessPolicy, PolicyApp};
pub use cas_mailbox::CasMailbox;
pub use distribution_group::DistributionGroup;
pub use get_application_access_policy::{GetApplicationAccessPolicy, ListApplicationAccessPolicies};
pub use get_cas_mailbox::GetCasMailbox;
pub use get_distribution_group::{GetDistributionGroup, ListDistributionGroups};
pub use get_distribution_group_member::GetDistributionGroupMember;
pub use get_mailbox::{GetMailbox, ListMailboxes, Mailbox};
pub use get_mailbox_permission::{GetMailboxPermission, MailboxPermission};
pub use get_management_role_assignment::{
    GetManagementRoleAssignment, ListManagementRoleAssignments, ManagementRoleAssignment,
};
pub use get_management_scope::{GetManagementScope, ListManagementScopes, ManagementScope};
pub use get_organization_config::{GetOrganizationConfig, OrganizationConfig};
pub use get_recipient::{GetRecipient, Recipient};
pub use get_service_principal::{GetServicePrincipal, ListServicePrincipals, ServicePrincipal};
pub use new_application_access_policy::NewApplicationAccessPolicy;
pub use new_distribution_group::NewDistributionGroup;
pub use new_mailbox::NewSharedMailbox;
pub use new_management_role_assignment::NewManagementRoleAssignment;
pub use new_management_scope::NewManagementScope;
pub use new_service_principal::NewServicePrincipal;
pub use remove_application_access_policy::RemoveApplicationAccessPolicy;
pub use remove_distribution_group::RemoveDistributionGroup;
pub use remove_distribution_group_member::RemoveDistributionGroupMember;
pub use remove_mailbox::RemoveMailbox;
pub use remove_mailbox_permission::RemoveMailboxPermission;
pub use remove_management_role_assignment::RemoveManagementRoleAssignment;
pub use remove_management_scope::RemoveManagementScope;
pub use remove_service_principal::RemoveServicePrincipal;
pub use set_cas_mailbox::SetCasMailbox;
pub use test_application_access_policy::{AccessCheck, AccessCheckResult, TestApplicationAccessPolicy};
pub use test_service_principal_authorization::{
    InScope, RoleAuthorization, TestServicePrincipalAuthorization,
};

use m365_core::{Error, Result};

use crate::Removal;
use crate::classify::object_not_found;

/// For reads by identity: "no such object" is an answer, and no other failure is.
fn absent<T>(error: Error) -> Result<Option<T>> {
    if object_not_found(&error) { Ok(None) } else { Err(error) }
}

/// For removals by identity: what is not there is as gone as it should be.
fn already_gone(error: Error) -> Result<Removal> {
    if object_not_found(&error) { Ok(Removal::AlreadyGone) } else { Err(error) }
}

/// The one object that a cmdlet made; an answer without it leaves the question to a read.
fn last<T>(objects: Vec<T>) -> Option<T> {
    objects.into_iter().next_back()
}
