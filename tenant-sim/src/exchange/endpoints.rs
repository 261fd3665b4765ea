//! The documented Admin API v2.0: six endpoints, each with its own cmdlets and parameters.
//! <https://learn.microsoft.com/exchange/reference/admin-api-endpoints-reference>

/// Endpoint, cmdlet, parameters.
const TABLE: &[(&str, &str, &[&str])] = &[
    ("AcceptedDomain", "Get-AcceptedDomain", &["Identity", "ResultSize"]),
    ("DistributionGroupMember", "Get-DistributionGroupMember", &["Identity", "ResultSize"]),
    ("DynamicDistributionGroupMember", "Get-DynamicDistributionGroupMember", &["Identity", "ResultSize"]),
    ("Mailbox", "Get-Mailbox", &["Identity", "ResultSize", "IncludeGrantSendOnBehalfTowithDisplayNames"]),
    ("Mailbox", "Set-Mailbox", &["Identity", "GrantSendOnBehalfTo"]),
    (
        "MailboxFolderPermission",
        "Add-MailboxFolderPermission",
        &["Identity", "User", "AccessRights", "SharingPermissionFlags", "SendNotificationToUser"],
    ),
    ("MailboxFolderPermission", "Get-MailboxFolderPermission", &["Identity", "User", "ResultSize"]),
    (
        "MailboxFolderPermission",
        "Set-MailboxFolderPermission",
        &["Identity", "User", "AccessRights", "SharingPermissionFlags", "SendNotificationToUser"],
    ),
    (
        "MailboxFolderPermission",
        "Remove-MailboxFolderPermission",
        &["Identity", "User", "SendNotificationToUser"],
    ),
    ("OrganizationConfig", "Get-OrganizationConfig", &[]),
];

/// True when there is such an endpoint.
pub(super) fn exists(endpoint: &str) -> bool {
    TABLE.iter().any(|(name, ..)| name.eq_ignore_ascii_case(endpoint))
}

/// The parameters that the endpoint takes for this cmdlet; `None` when it does not run it.
pub(super) fn parameters(endpoint: &str, cmdlet: &str) -> Option<&'static [&'static str]> {
    TABLE
        .iter()
        .find(|(name, runs, _)| name.eq_ignore_ascii_case(endpoint) && runs.eq_ignore_ascii_case(cmdlet))
        .map(|(.., parameters)| *parameters)
}
