//! The syntax sections of the cmdlets' pages, as facts.

/// One parameter set of one cmdlet.
pub(crate) struct ParameterSet {
    pub(crate) cmdlet: &'static str,
    /// Its name on the page; empty where there is one set only.
    pub(crate) name: &'static str,
    pub(crate) mandatory: &'static str,
    /// Those of the others that a type of ours may send.
    pub(crate) optional: &'static str,
}

const fn set(
    cmdlet: &'static str,
    name: &'static str,
    mandatory: &'static str,
    optional: &'static str,
) -> ParameterSet {
    ParameterSet { cmdlet, name, mandatory, optional }
}

/// A new cmdlet gets its row here: read the syntax section of the page that its facts name. Order: as the pages sort.
pub(crate) const SYNTAX: &[ParameterSet] = &[
    set(
        "Add-ADPermission",
        "AccessRights",
        "Identity User",
        "AccessRights Deny ExtendedRights InheritanceType",
    ),
    set("Add-DistributionGroupMember", "", "Identity", "BypassSecurityGroupManagerCheck Member"),
    set(
        "Add-MailboxFolderPermission",
        "",
        "Identity AccessRights User",
        "SendNotificationToUser SharingPermissionFlags",
    ),
    set(
        "Add-MailboxPermission",
        "AccessRights",
        "Identity AccessRights User",
        "AutoMapping Deny InheritanceType",
    ),
    set("Add-ManagementRoleEntry", "Identity", "Identity", "Parameters"),
    set("Add-RecipientPermission", "", "Identity AccessRights Trustee", ""),
    set("Add-RoleGroupMember", "", "Identity Member", "BypassSecurityGroupManagerCheck"),
    set("Enable-OrganizationCustomization", "", "", ""),
    set("Get-ADPermission", "AccessRights", "Identity", "User"),
    set("Get-AcceptedDomain", "", "", "Identity ResultSize"),
    set("Get-ApplicationAccessPolicy", "", "", "Identity"),
    set("Get-AuthenticationPolicy", "", "", "Identity"),
    set("Get-CASMailbox", "Identity", "", "Identity ResultSize"),
    set("Get-DistributionGroup", "Identity", "", "Identity ResultSize"),
    set("Get-DistributionGroupMember", "", "Identity", "ResultSize"),
    set("Get-DynamicDistributionGroupMember", "", "Identity", "ResultSize"),
    set("Get-Mailbox", "Identity", "", "Identity ResultSize"),
    set("Get-MailboxFolderPermission", "", "Identity", "ResultSize User"),
    set("Get-MailboxFolderStatistics", "Identity", "Identity", "FolderScope ResultSize"),
    set("Get-MailboxPermission", "AccessRights", "Identity", "ResultSize User"),
    set("Get-ManagementRole", "Identity", "", "Identity Cmdlet CmdletParameters RoleType"),
    set("Get-ManagementRoleAssignment", "Identity", "", "Identity"),
    set("Get-ManagementRoleAssignment", "RoleAssignee", "", "Delegating GetEffectiveUsers Role RoleAssignee"),
    // ResultSize: in the cloud only, as in Get-AcceptedDomain.
    set("Get-ManagementRoleEntry", "", "Identity", "ResultSize"),
    set("Get-ManagementScope", "", "", "Identity"),
    // The one parameter that we send is not on this page: see DOCUMENTED_ELSEWHERE.
    set("Get-OrganizationConfig", "", "", "RetrieveEwsOperationAccessPolicy"),
    set("Get-Recipient", "Identity", "", "Identity ResultSize"),
    set("Get-RecipientPermission", "", "", "Identity AccessRights ResultSize Trustee"),
    set("Get-RoleGroup", "", "", "Identity ResultSize"),
    set("Get-RoleGroupMember", "", "Identity", "ResultSize"),
    set("Get-ServicePrincipal", "", "", "Identity"),
    set("Get-ThrottlingPolicy", "", "", "Identity"),
    set("Get-ThrottlingPolicyAssociation", "Identity", "", "Identity ResultSize"),
    set("Get-TransportConfig", "", "", ""),
    set("Get-User", "Identity", "", "Identity ResultSize"),
    set("New-ApplicationAccessPolicy", "", "AccessRight AppId PolicyScopeGroupId", "Description"),
    set(
        "New-AuthenticationPolicy",
        "",
        "Name",
        "AllowBasicAuthActiveSync AllowBasicAuthAutodiscover AllowBasicAuthImap AllowBasicAuthPop AllowBasicAuthSmtp AllowBasicAuthWebServices BlockLegacyAuthActiveSync BlockLegacyAuthAutodiscover BlockLegacyAuthImap BlockLegacyAuthMapi BlockLegacyAuthOfflineAddressBook BlockLegacyAuthPop BlockLegacyAuthRpc BlockLegacyAuthWebServices",
    ),
    set(
        "New-DistributionGroup",
        "",
        "Name",
        "Alias DisplayName MemberJoinRestriction PrimarySmtpAddress Type",
    ),
    // The switch that names a set is shown in brackets in the syntax section and as required in the parameter's own.
    set("New-Mailbox", "Equipment", "Name Equipment", "DisplayName PrimarySmtpAddress"),
    set("New-Mailbox", "MicrosoftOnlineServicesID", "Name Password MicrosoftOnlineServicesID", "DisplayName"),
    set("New-Mailbox", "Room", "Name Room", "DisplayName PrimarySmtpAddress"),
    set("New-Mailbox", "Shared", "Name Shared", "Alias DisplayName PrimarySmtpAddress"),
    set("New-Mailbox", "User", "Name Password UserPrincipalName", "DisplayName OrganizationalUnit"),
    // EnabledCmdlets: Exchange 2016 and later.
    set("New-ManagementRole", "NewDerivedRole", "Name Parent", "Description EnabledCmdlets"),
    set(
        "New-ManagementRoleAssignment",
        "App",
        "Role App",
        "Name CustomResourceScope RecipientAdministrativeUnitScope RecipientGroupScope",
    ),
    set(
        "New-ManagementRoleAssignment",
        "SecurityGroup",
        "Role SecurityGroup",
        "Name CustomRecipientWriteScope RecipientOrganizationalUnitScope",
    ),
    set(
        "New-ManagementRoleAssignment",
        "User",
        "Role User",
        "Name CustomRecipientWriteScope RecipientOrganizationalUnitScope",
    ),
    set("New-ManagementScope", "RecipientFilter", "Name RecipientRestrictionFilter", ""),
    set(
        "New-RoleGroup",
        "Default",
        "Name",
        "CustomRecipientWriteScope Description DisplayName ManagedBy Members Roles RecipientOrganizationalUnitScope",
    ),
    // The syntax also lists the deprecated ServiceId as mandatory; the page's own example leaves it out.
    set("New-ServicePrincipal", "", "AppId ObjectId", "DisplayName ServiceId"),
    set(
        "New-ThrottlingPolicy",
        "",
        "Name",
        "EwsCutoffBalance EwsMaxBurst EwsMaxConcurrency EwsMaxSubscriptions EwsRechargeRate ThrottlingPolicyScope",
    ),
    set(
        "Remove-ADPermission",
        "AccessRights",
        "Identity User",
        "AccessRights Deny ExtendedRights InheritanceType",
    ),
    set("Remove-ApplicationAccessPolicy", "", "Identity", ""),
    set("Remove-AuthenticationPolicy", "", "Identity", ""),
    set("Remove-DistributionGroup", "", "Identity", "BypassSecurityGroupManagerCheck"),
    set("Remove-DistributionGroupMember", "", "Identity", "BypassSecurityGroupManagerCheck Member"),
    set("Remove-Mailbox", "Identity", "Identity", ""),
    set("Remove-MailboxFolderPermission", "Identity", "Identity User", "Force SendNotificationToUser"),
    set(
        "Remove-MailboxFolderPermission",
        "ResetDelegateUserCollection",
        "Identity ResetDelegateUserCollection",
        "Force SendNotificationToUser",
    ),
    set("Remove-MailboxPermission", "AccessRights", "Identity AccessRights User", "InheritanceType"),
    set("Remove-ManagementRole", "", "Identity", ""),
    set("Remove-ManagementRoleAssignment", "", "Identity", ""),
    set("Remove-ManagementRoleEntry", "", "Identity", ""),
    set("Remove-ManagementScope", "", "Identity", ""),
    set("Remove-RecipientPermission", "", "Identity AccessRights Trustee", ""),
    set("Remove-RoleGroup", "", "Identity", ""),
    set("Remove-RoleGroupMember", "", "Identity Member", "BypassSecurityGroupManagerCheck"),
    set("Remove-ServicePrincipal", "", "Identity", ""),
    set("Remove-ThrottlingPolicy", "", "Identity", ""),
    set("Set-ApplicationAccessPolicy", "", "Identity Description", ""),
    set(
        "Set-AuthenticationPolicy",
        "",
        "Identity",
        "AllowBasicAuthActiveSync AllowBasicAuthAutodiscover AllowBasicAuthImap AllowBasicAuthPop AllowBasicAuthSmtp AllowBasicAuthWebServices BlockLegacyAuthActiveSync BlockLegacyAuthAutodiscover BlockLegacyAuthImap BlockLegacyAuthMapi BlockLegacyAuthOfflineAddressBook BlockLegacyAuthPop BlockLegacyAuthRpc BlockLegacyAuthWebServices",
    ),
    set(
        "Set-CASMailbox",
        "",
        "Identity",
        "EwsAllowList EwsApplicationAccessPolicy EwsBlockList EwsEnabled ImapEnabled PopEnabled SmtpClientAuthenticationDisabled",
    ),
    set(
        "Set-Mailbox",
        "Identity",
        "Identity",
        "GrantSendOnBehalfTo HiddenFromAddressListsEnabled MessageCopyForSentAsEnabled",
    ),
    set(
        "Set-MailboxFolderPermission",
        "",
        "Identity AccessRights User",
        "SendNotificationToUser SharingPermissionFlags",
    ),
    set("Set-ManagementRoleEntry", "", "Identity", "Parameters"),
    set("Set-ManagementScope", "RecipientFilter", "Identity", "RecipientRestrictionFilter"),
    set(
        "Set-OrganizationConfig",
        "",
        "",
        "EwsAllowList EwsAllowedAppIDs EwsApplicationAccessPolicy EwsBlockList EwsEnabled",
    ),
    // Spelt as on the page; PowerShell and Exchange do not mind the case.
    set(
        "Set-ThrottlingPolicy",
        "",
        "Identity",
        "EwsCutoffBalance EwsMaxBurst EWSMaxConcurrency EWSMaxSubscriptions EwsRechargeRate",
    ),
    set("Set-ThrottlingPolicyAssociation", "", "Identity", "ThrottlingPolicy"),
    set("Set-TransportConfig", "", "", "SmtpClientAuthenticationDisabled"),
    set("Set-User", "", "Identity", "AuthenticationPolicy"),
    set("Test-ApplicationAccessPolicy", "", "Identity AppId", ""),
    set("Test-ServicePrincipalAuthorization", "", "Identity", "Resource"),
];

/// Cmdlets whose page could not be read. They are counted, never left out.
pub(crate) const UNVERIFIED: [&str; 0] = [];

/// Parameters that the cmdlet's page lacks and another page of Microsoft's has.
pub(crate) const DOCUMENTED_ELSEWHERE: [(&str, &str, &str); 1] = [(
    "Get-OrganizationConfig",
    "RetrieveEwsOperationAccessPolicy",
    "https://learn.microsoft.com/exchange/client-developer/exchange-web-services/how-to-control-access-to-ews-in-exchange",
)];

/// Parameters that every cmdlet takes.
pub(crate) const COMMON: [&str; 1] = ["Confirm"];

/// Pages that begin with "available only in the cloud-based service".
pub(crate) const ONLY_ONLINE: [&str; 14] = [
    "Add-RecipientPermission",
    "Enable-OrganizationCustomization",
    "Get-ApplicationAccessPolicy",
    "Get-DynamicDistributionGroupMember",
    "Get-RecipientPermission",
    "Get-ServicePrincipal",
    "New-ApplicationAccessPolicy",
    "New-ServicePrincipal",
    "Remove-ApplicationAccessPolicy",
    "Remove-RecipientPermission",
    "Remove-ServicePrincipal",
    "Set-ApplicationAccessPolicy",
    "Test-ApplicationAccessPolicy",
    "Test-ServicePrincipalAuthorization",
];

/// Pages that begin with "available only in on-premises Exchange".
pub(crate) const ONLY_ON_PREMISES: [&str; 9] = [
    "Add-ADPermission",
    "Get-ADPermission",
    "Get-ThrottlingPolicy",
    "Get-ThrottlingPolicyAssociation",
    "New-ThrottlingPolicy",
    "Remove-ADPermission",
    "Remove-ThrottlingPolicy",
    "Set-ThrottlingPolicy",
    "Set-ThrottlingPolicyAssociation",
];
