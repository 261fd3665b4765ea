//! The typed cmdlets, one file each: required parameters in `new`, optional ones by `with_*`.
//!
//! A `Get…` by identity gives an `Option`: `None` when Exchange surely has no such object. It compares what came back with
//! what was asked for, since Exchange may answer an identity that it does not know with every object it has. Lists are
//! cmdlets of their own (`List…`).

/// `facts!("Get-Mailbox", "get-mailbox", ["View-Only Recipients"], ViewOnlyOrganizationManagement, IMMEDIATE, Idempotent)`
macro_rules! facts {
    ($name:literal, $page:literal, [$($role:literal),+], $group:ident, $window:ident, $idempotency:ident) => {
        facts!($name, $page, [$($role),+], $group, $window, $idempotency, Both)
    };
    ($name:literal, $page:literal, [$($role:literal),+], $group:ident, $window:ident, $idempotency:ident, $premises:ident) => {
        &$crate::Facts {
            name: $crate::CmdletName::new($name),
            page: concat!("https://learn.microsoft.com/powershell/module/exchangepowershell/", $page),
            roles: &[$($role),+],
            role_group: $crate::RoleGroup::$group,
            window: $crate::PropagationWindow::$window,
            idempotency: m365_core::Idempotency::$idempotency,
            premises: $crate::Premises::$premises,
        }
    };
}

mod ad_permission;
mod add_distribution_group_member;
mod add_mailbox_folder_permission;
mod add_mailbox_permission;
mod add_management_role_entry;
mod add_recipient_permission;
mod add_role_group_member;
mod all;
mod application_access_policy;
mod authentication_policy;
mod cas_mailbox;
mod distribution_group;
mod enable_organization_customization;
mod ews_access;
mod folder_permission;
mod get_accepted_domain;
mod get_application_access_policy;
mod get_authentication_policy;
mod get_cas_mailbox;
mod get_distribution_group;
mod get_distribution_group_member;
mod get_dynamic_distribution_group_member;
mod get_mailbox;
mod get_mailbox_folder_permission;
mod get_mailbox_folder_statistics;
mod get_mailbox_permission;
mod get_management_role;
mod get_management_role_assignment;
mod get_management_role_entry;
mod get_management_scope;
mod get_organization_config;
mod get_recipient;
mod get_recipient_permission;
mod get_role_group;
mod get_role_group_member;
mod get_service_principal;
mod get_throttling_policy;
mod get_throttling_policy_association;
mod get_transport_config;
mod get_user;
mod list_role_assignments;
mod management_role_entry;
mod new_application_access_policy;
mod new_authentication_policy;
mod new_distribution_group;
mod new_impersonation_assignment;
mod new_mailbox;
mod new_management_role;
mod new_management_role_assignment;
mod new_management_scope;
mod new_resource_mailbox;
mod new_role_group;
mod new_service_principal;
mod new_throttling_policy;
mod new_user_mailbox;
mod remove_application_access_policy;
mod remove_authentication_policy;
mod remove_distribution_group;
mod remove_distribution_group_member;
mod remove_mailbox;
mod remove_mailbox_folder_permission;
mod remove_mailbox_permission;
mod remove_management_role;
mod remove_management_role_assignment;
mod remove_management_role_entry;
mod remove_management_scope;
mod remove_recipient_permission;
mod remove_role_group;
mod remove_role_group_member;
mod remove_service_principal;
mod remove_throttling_policy;
mod set_application_access_policy;
mod set_authentication_policy;
mod set_cas_mailbox;
mod set_mailbox;
mod set_mailbox_folder_permission;
mod set_management_role_entry;
mod set_management_scope;
mod set_organization_config;
mod set_throttling_policy;
mod set_throttling_policy_association;
mod set_transport_config;
mod set_user;
mod test_application_access_policy;
mod test_service_principal_authorization;
mod throttling_policy;

pub use ad_permission::{AdPermission, AddAdPermission, ExtendedRight, GetAdPermission, RemoveAdPermission};
pub use add_distribution_group_member::AddDistributionGroupMember;
pub use add_mailbox_folder_permission::AddMailboxFolderPermission;
pub use add_mailbox_permission::AddMailboxPermission;
pub use add_management_role_entry::AddManagementRoleEntry;
pub use add_recipient_permission::AddRecipientPermission;
pub use add_role_group_member::AddRoleGroupMember;
pub use all::ALL;
pub use application_access_policy::{AccessPolicyIdentity, ApplicationAccessPolicy, PolicyApp};
pub use authentication_policy::{BasicAuthProtocol, LegacyAuthProtocol, SignInRules};
pub use cas_mailbox::CasMailbox;
pub use distribution_group::DistributionGroup;
pub use enable_organization_customization::EnableOrganizationCustomization;
pub use ews_access::{EwsAgentPolicy, EwsAgents, EwsAllowedApps, EwsSwitch, UserAgentPattern};
pub use folder_permission::{FolderPermission, FolderUser};
pub use get_accepted_domain::{AcceptedDomain, DomainKind, ListAcceptedDomains};
pub use get_application_access_policy::{GetApplicationAccessPolicy, ListApplicationAccessPolicies};
pub use get_authentication_policy::{
    AuthenticationPolicy, GetAuthenticationPolicy, ListAuthenticationPolicies,
};
pub use get_cas_mailbox::GetCasMailbox;
pub use get_distribution_group::{GetDistributionGroup, ListDistributionGroups};
pub use get_distribution_group_member::GetDistributionGroupMember;
pub use get_dynamic_distribution_group_member::GetDynamicDistributionGroupMember;
pub use get_mailbox::{GetMailbox, ListMailboxes, Mailbox};
pub use get_mailbox_folder_permission::GetMailboxFolderPermission;
pub use get_mailbox_folder_statistics::{GetMailboxFolderStatistics, MailboxFolder};
pub use get_mailbox_permission::{GetMailboxPermission, MailboxPermission};
pub use get_management_role::{FindManagementRole, GetManagementRole, ManagementRole};
pub use get_management_role_assignment::{
    GetManagementRoleAssignment, ListManagementRoleAssignments, ManagementRoleAssignment,
};
pub use get_management_role_entry::GetManagementRoleEntry;
pub use get_management_scope::{GetManagementScope, ListManagementScopes, ManagementScope};
pub use get_organization_config::{GetOrganizationConfig, OrganizationConfig};
pub use get_recipient::{GetRecipient, Recipient};
pub use get_recipient_permission::{GetRecipientPermission, RecipientPermission};
pub use get_role_group::{AdminRoleGroup, GetRoleGroup, ListRoleGroups};
pub use get_role_group_member::{GetRoleGroupMember, RoleGroupMember};
pub use get_service_principal::{GetServicePrincipal, ListServicePrincipals, ServicePrincipal};
pub use get_throttling_policy::{GetThrottlingPolicy, ListThrottlingPolicies, ThrottlingPolicy};
pub use get_throttling_policy_association::GetThrottlingPolicyAssociation;
pub use get_transport_config::{GetTransportConfig, TransportConfig};
pub use get_user::{GetUser, User};
pub use list_role_assignments::{EffectiveRoleUser, ListEffectiveRoleUsers, ListRoleAssignments};
pub use management_role_entry::ManagementRoleEntry;
pub use new_application_access_policy::NewApplicationAccessPolicy;
pub use new_authentication_policy::NewAuthenticationPolicy;
pub use new_distribution_group::NewDistributionGroup;
pub use new_impersonation_assignment::{ImpersonationScope, NewImpersonationAssignment};
pub use new_mailbox::NewSharedMailbox;
pub use new_management_role::NewManagementRole;
pub use new_management_role_assignment::NewManagementRoleAssignment;
pub use new_management_scope::NewManagementScope;
pub use new_resource_mailbox::NewResourceMailbox;
pub use new_role_group::NewRoleGroup;
pub use new_service_principal::NewServicePrincipal;
pub use new_throttling_policy::NewThrottlingPolicy;
pub use new_user_mailbox::NewUserMailbox;
pub use remove_application_access_policy::RemoveApplicationAccessPolicy;
pub use remove_authentication_policy::RemoveAuthenticationPolicy;
pub use remove_distribution_group::RemoveDistributionGroup;
pub use remove_distribution_group_member::RemoveDistributionGroupMember;
pub use remove_mailbox::RemoveMailbox;
pub use remove_mailbox_folder_permission::RemoveMailboxFolderPermission;
pub use remove_mailbox_permission::RemoveMailboxPermission;
pub use remove_management_role::RemoveManagementRole;
pub use remove_management_role_assignment::RemoveManagementRoleAssignment;
pub use remove_management_role_entry::RemoveManagementRoleEntry;
pub use remove_management_scope::RemoveManagementScope;
pub use remove_recipient_permission::RemoveRecipientPermission;
pub use remove_role_group::RemoveRoleGroup;
pub use remove_role_group_member::RemoveRoleGroupMember;
pub use remove_service_principal::RemoveServicePrincipal;
pub use remove_throttling_policy::RemoveThrottlingPolicy;
pub use set_application_access_policy::SetApplicationAccessPolicy;
pub use set_authentication_policy::SetAuthenticationPolicy;
pub use set_cas_mailbox::SetCasMailbox;
pub use set_mailbox::SetMailbox;
pub use set_mailbox_folder_permission::SetMailboxFolderPermission;
pub use set_management_role_entry::SetManagementRoleEntry;
pub use set_management_scope::SetManagementScope;
pub use set_organization_config::SetOrganizationConfig;
pub use set_throttling_policy::SetThrottlingPolicy;
pub use set_throttling_policy_association::SetThrottlingPolicyAssociation;
pub use set_transport_config::SetTransportConfig;
pub use set_user::SetUser;
pub use test_application_access_policy::{AccessCheck, AccessCheckResult, TestApplicationAccessPolicy};
pub use test_service_principal_authorization::{
    InScope, RoleAuthorization, TestServicePrincipalAuthorization,
};
pub use throttling_policy::{Budget, EwsBudget};

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
