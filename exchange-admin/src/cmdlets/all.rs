//! Every cmdlet of this crate, once by name.

use crate::{Cmdlet, Facts, cmdlets};

/// What is known of every cmdlet that this crate has a type for: one entry by name, in alphabetical order. Types that
/// render the same cmdlet share the entry, as [`GetMailbox`](cmdlets::GetMailbox) and
/// [`ListMailboxes`](cmdlets::ListMailboxes) do.
///
/// For tables, and for asking what the caller may not run:
///
/// ```
/// use exchange_admin::cmdlets;
/// assert!(cmdlets::ALL.iter().any(|facts| facts.name.as_str() == "New-ServicePrincipal"));
/// ```
///
/// ```no_run
/// # async fn f(exchange: exchange_admin::ExchangeAdmin) -> exchange_admin::Result<()> {
/// let may = exchange.capabilities().await?;
/// for facts in exchange_admin::cmdlets::ALL.iter().filter(|facts| !may.allows(facts.name)) {
///     println!("{} needs one of {:?}", facts.name, facts.roles);
/// }
/// # Ok(())
/// # }
/// ```
pub const ALL: &[&Facts] = &[
    cmdlets::AddAdPermission::FACTS,
    cmdlets::AddDistributionGroupMember::FACTS,
    cmdlets::AddMailboxFolderPermission::FACTS,
    cmdlets::AddMailboxPermission::FACTS,
    cmdlets::AddManagementRoleEntry::FACTS,
    cmdlets::AddRecipientPermission::FACTS,
    cmdlets::AddRoleGroupMember::FACTS,
    cmdlets::EnableOrganizationCustomization::FACTS,
    cmdlets::GetAdPermission::FACTS,
    cmdlets::ListAcceptedDomains::FACTS,
    cmdlets::GetApplicationAccessPolicy::FACTS,
    cmdlets::GetAuthenticationPolicy::FACTS,
    cmdlets::GetCasMailbox::FACTS,
    cmdlets::GetDistributionGroup::FACTS,
    cmdlets::GetDistributionGroupMember::FACTS,
    cmdlets::GetDynamicDistributionGroupMember::FACTS,
    cmdlets::GetMailbox::FACTS,
    cmdlets::GetMailboxFolderPermission::FACTS,
    cmdlets::GetMailboxFolderStatistics::FACTS,
    cmdlets::GetMailboxPermission::FACTS,
    cmdlets::GetManagementRole::FACTS,
    cmdlets::GetManagementRoleAssignment::FACTS,
    cmdlets::GetManagementRoleEntry::FACTS,
    cmdlets::GetManagementScope::FACTS,
    cmdlets::GetOrganizationConfig::FACTS,
    cmdlets::GetRecipient::FACTS,
    cmdlets::GetRecipientPermission::FACTS,
    cmdlets::GetRoleGroup::FACTS,
    cmdlets::GetRoleGroupMember::FACTS,
    cmdlets::GetServicePrincipal::FACTS,
    cmdlets::GetThrottlingPolicy::FACTS,
    cmdlets::GetThrottlingPolicyAssociation::FACTS,
    cmdlets::GetTransportConfig::FACTS,
    cmdlets::GetUser::FACTS,
    cmdlets::NewApplicationAccessPolicy::FACTS,
    cmdlets::NewAuthenticationPolicy::FACTS,
    cmdlets::NewDistributionGroup::FACTS,
    cmdlets::NewSharedMailbox::FACTS,
    cmdlets::NewManagementRole::FACTS,
    cmdlets::NewManagementRoleAssignment::FACTS,
    cmdlets::NewManagementScope::FACTS,
    cmdlets::NewRoleGroup::FACTS,
    cmdlets::NewServicePrincipal::FACTS,
    cmdlets::NewThrottlingPolicy::FACTS,
    cmdlets::RemoveAdPermission::FACTS,
    cmdlets::RemoveApplicationAccessPolicy::FACTS,
    cmdlets::RemoveAuthenticationPolicy::FACTS,
    cmdlets::RemoveDistributionGroup::FACTS,
    cmdlets::RemoveDistributionGroupMember::FACTS,
    cmdlets::RemoveMailbox::FACTS,
    cmdlets::RemoveMailboxFolderPermission::FACTS,
    cmdlets::RemoveMailboxPermission::FACTS,
    cmdlets::RemoveManagementRole::FACTS,
    cmdlets::RemoveManagementRoleAssignment::FACTS,
    cmdlets::RemoveManagementRoleEntry::FACTS,
    cmdlets::RemoveManagementScope::FACTS,
    cmdlets::RemoveRecipientPermission::FACTS,
    cmdlets::RemoveRoleGroup::FACTS,
    cmdlets::RemoveRoleGroupMember::FACTS,
    cmdlets::RemoveServicePrincipal::FACTS,
    cmdlets::RemoveThrottlingPolicy::FACTS,
    cmdlets::SetApplicationAccessPolicy::FACTS,
    cmdlets::SetAuthenticationPolicy::FACTS,
    cmdlets::SetCasMailbox::FACTS,
    cmdlets::SetMailbox::FACTS,
    cmdlets::SetMailboxFolderPermission::FACTS,
    cmdlets::SetManagementRoleEntry::FACTS,
    cmdlets::SetManagementScope::FACTS,
    cmdlets::SetOrganizationConfig::FACTS,
    cmdlets::SetThrottlingPolicy::FACTS,
    cmdlets::SetThrottlingPolicyAssociation::FACTS,
    cmdlets::SetTransportConfig::FACTS,
    cmdlets::SetUser::FACTS,
    cmdlets::TestApplicationAccessPolicy::FACTS,
    cmdlets::TestServicePrincipalAuthorization::FACTS,
];
