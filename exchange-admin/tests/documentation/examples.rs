//! Documented examples of the cmdlets that change something, and what we add to them.

use exchange_admin::cmdlets::*;
use exchange_admin::{
    AccessRight, AuthenticationPolicyName, CalendarSharing, ClientId, Cmdlet, Command, FolderGrantee,
    FolderIdentity, FolderPath, FolderRole, MailboxRight, ManagementRoleName, ManagementScopeName,
    ObjectName, RecipientIdentity, RoleGroupName, ServicePrincipalObjectId, ThrottlingPolicyName,
};

use crate::common::{address, mailbox};

/// Cmdlet, parameter, value: what a type of ours always sends and an example need not. An empty value: any.
pub(crate) const ADDED: &[(&str, &str, &str)] = &[
    // Only owners may change a group otherwise.
    ("Add-DistributionGroupMember", "BypassSecurityGroupManagerCheck", "$true"),
    ("Remove-DistributionGroup", "BypassSecurityGroupManagerCheck", "$true"),
    ("Remove-DistributionGroupMember", "BypassSecurityGroupManagerCheck", "$true"),
    // An app has no Outlook.
    ("Add-MailboxPermission", "AutoMapping", "$false"),
    // A list must not be cut.
    ("Get-DistributionGroup", "ResultSize", "unlimited"),
    ("Get-DistributionGroupMember", "ResultSize", "unlimited"),
    ("Get-DynamicDistributionGroupMember", "ResultSize", "unlimited"),
    ("Get-MailboxPermission", "ResultSize", "unlimited"),
    ("Get-ManagementRoleEntry", "ResultSize", "unlimited"),
    ("Get-RecipientPermission", "ResultSize", "unlimited"),
    ("Get-RoleGroupMember", "ResultSize", "unlimited"),
    // Who may hand a role on does not hold it.
    ("Get-ManagementRoleAssignment", "Delegating", "$false"),
    // Nobody joins by himself a group that a scope names.
    ("New-DistributionGroup", "MemberJoinRestriction", "Closed"),
    // The address must be known beforehand.
    ("New-DistributionGroup", "PrimarySmtpAddress", ""),
    ("New-Mailbox", "PrimarySmtpAddress", ""),
];

/// Cmdlets whose page has no example that a type of ours says, and why.
pub(crate) const WITHOUT_EXAMPLE: &[(&str, &str)] = &[
    ("Add-ManagementRoleEntry", "names parameters that no command of ours has"),
    ("New-ManagementRole", "each role gets all cmdlets of its parent"),
    ("New-ManagementRoleAssignment", "none is for an app"),
    ("New-ManagementScope", "those for recipients have a root or are exclusive"),
    ("Set-AuthenticationPolicy", "only for the reporting web services"),
    ("Set-CASMailbox", "each sets a switch of another protocol as well"),
    ("Set-ManagementRoleEntry", "names parameters that no command of ours has"),
    ("Set-Mailbox", "the example of New-Mailbox overwrites the list that we add to"),
    ("Set-OrganizationConfig", "other settings"),
    ("Set-ThrottlingPolicy", "the one for EWS takes its identity from a pipe"),
    ("Set-TransportConfig", "other settings"),
    ("Set-User", "other settings"),
    ("Test-ServicePrincipalAuthorization", "the app is named by its display name, which two apps may share"),
];

pub(crate) fn folder(mailbox_name: &str, path: &str) -> FolderIdentity {
    FolderIdentity::at(mailbox(mailbox_name), FolderPath::parse(path).unwrap())
}

pub(crate) fn named(name: &str) -> RecipientIdentity {
    RecipientIdentity::Name(ObjectName::parse(name).unwrap())
}

pub(crate) fn role(name: &str) -> ManagementRoleName {
    ManagementRoleName::parse(name).unwrap()
}

/// A documented example, and the command of ours that covers it.
pub(crate) fn examples() -> Vec<(&'static str, Command)> {
    let user = |a: &str| FolderGrantee::from(address(a));
    let group = |n: &str| RoleGroupName::parse(n).unwrap();
    let client = |id: &str| ClientId::parse(id).unwrap();
    let sign_in = |n: &str| AuthenticationPolicyName::parse(n).unwrap();
    let set = |access: FolderRole| {
        SetMailboxFolderPermission::new(
            folder("ayla@contoso.com", "Calendar"),
            user("ed@contoso.com"),
            access,
        )
    };
    vec![
        (
            r"Add-MailboxFolderPermission -Identity ayla@contoso.com:\Marketing -User ed@contoso.com -AccessRights Owner",
            AddMailboxFolderPermission::new(folder("ayla@contoso.com", "Marketing"), user("ed@contoso.com"), FolderRole::Owner).command().unwrap(),
        ),
        (
            r"Add-MailboxFolderPermission -Identity ayla@contoso.com:\Calendar -User julia@contoso.com -AccessRights Editor -SharingPermissionFlags Delegate",
            AddMailboxFolderPermission::new(folder("ayla@contoso.com", "Calendar"), user("julia@contoso.com"), FolderRole::Editor)
                .with_sharing(CalendarSharing::Delegate).command().unwrap(),
        ),
        (
            r"Add-MailboxFolderPermission -Identity ayla@contoso.com:\Calendar -User laura@contoso.com -AccessRights Editor -SharingPermissionFlags Delegate,CanViewPrivateItems",
            AddMailboxFolderPermission::new(folder("ayla@contoso.com", "Calendar"), user("laura@contoso.com"), FolderRole::Editor)
                .with_sharing(CalendarSharing::DelegateWithPrivateItems).command().unwrap(),
        ),
        (
            r"Set-MailboxFolderPermission -Identity ayla@contoso.com:\Calendar -User ed@contoso.com -AccessRights Editor -SharingPermissionFlags Delegate -SendNotificationToUser $true",
            set(FolderRole::Editor).with_notification(true, CalendarSharing::Delegate).command().unwrap(),
        ),
        (
            r"Set-MailboxFolderPermission -Identity ayla@contoso.com:\Calendar -User ed@contoso.com -AccessRights Editor -SharingPermissionFlags Delegate",
            set(FolderRole::Editor).with_sharing(CalendarSharing::Delegate).command().unwrap(),
        ),
        (
            r"Set-MailboxFolderPermission -Identity ayla@contoso.com:\Calendar -User ed@contoso.com -AccessRights Editor -SharingPermissionFlags None",
            set(FolderRole::Editor).with_sharing(CalendarSharing::None).command().unwrap(),
        ),
        (
            r"Set-MailboxFolderPermission -Identity ayla@contoso.com:\Calendar -User ed@contoso.com -AccessRights Editor",
            set(FolderRole::Editor).command().unwrap(),
        ),
        (
            r"Remove-MailboxFolderPermission -Identity kim@contoso.com:\Training -User john@contoso.com",
            RemoveMailboxFolderPermission::new(folder("kim@contoso.com", "Training"), user("john@contoso.com")).command().unwrap(),
        ),
        (
            r"Remove-MailboxFolderPermission -Identity kim@contoso.com:\Calendar -ResetDelegateUserCollection",
            RemoveMailboxFolderPermission::reset_delegates(folder("kim@contoso.com", "Calendar")).command().unwrap(),
        ),
        (
            r"Get-MailboxFolderPermission -Identity john@contoso.com:\Marketing\Reports -User Ayla@contoso.com",
            GetMailboxFolderPermission::new(folder("john@contoso.com", "Marketing\\Reports"))
                .with_user(user("Ayla@contoso.com")).command().unwrap(),
        ),
        (
            "Get-MailboxFolderStatistics -Identity Chris -FolderScope Calendar",
            GetMailboxFolderStatistics::of_calendars(named("Chris")).command().unwrap(),
        ),
        (
            "Add-RecipientPermission \"Help Desk\" -AccessRights SendAs -Trustee \"Ayla Kol\"",
            AddRecipientPermission::send_as(named("Help Desk"), named("Ayla Kol")).command().unwrap(),
        ),
        (
            "Add-MailboxPermission -Identity \"Jeroen Cool\" -User \"Mark Steele\" -AccessRights FullAccess -InheritanceType All -AutoMapping $false",
            AddMailboxPermission::new(named("Jeroen Cool"), named("Mark Steele"), MailboxRight::FullAccess).command().unwrap(),
        ),
        (
            "New-RoleGroup -Name \"Limited Recipient Management\" -Roles \"Mail Recipients\", \"Mail Enabled Public Folders\" -Members Kim, Martin",
            NewRoleGroup::new(group("Limited Recipient Management"), [role("Mail Recipients"), role("Mail Enabled Public Folders")])
                .with_member(named("Kim")).with_member(named("Martin")).command().unwrap(),
        ),
        (
            "New-RoleGroup -Name \"Seattle Limited Recipient Management\" -Roles \"Mail Recipients\", \"Mail Enabled Public Folders\" -Members John, Carol -CustomRecipientWriteScope \"Seattle Recipients\"",
            NewRoleGroup::new(group("Seattle Limited Recipient Management"), [role("Mail Recipients"), role("Mail Enabled Public Folders")])
                .with_member(named("John")).with_member(named("Carol"))
                .with_write_scope(ManagementScopeName::parse("Seattle Recipients").unwrap()).command().unwrap(),
        ),
        (
            "Add-RoleGroupMember \"Recipient Management\" -Member David",
            AddRoleGroupMember::new(group("Recipient Management"), named("David")).command().unwrap(),
        ),
        (
            "New-ApplicationAccessPolicy -AccessRight RestrictAccess -AppId \"e7e4dbfc-046f-4074-9b3b-2ae8f144f59b\" -PolicyScopeGroupId EvenUsers@AppPolicyTest2.com -Description \"Restrict this app's access to members of security group EvenUsers.\"",
            NewApplicationAccessPolicy::new(client("e7e4dbfc-046f-4074-9b3b-2ae8f144f59b"), mailbox("EvenUsers@AppPolicyTest2.com"), AccessRight::Restrict)
                .with_description("Restrict this app's access to members of security group EvenUsers.").command().unwrap(),
        ),
        (
            r#"Set-ApplicationAccessPolicy -Identity "596ade3a-1abe-4c5b-b7d5-a169c4b05d4a\7a774f0c-7a6f-11e0-85ad-07fb4824019b:S-1-5-21-724521725-2336880675-2689004279-1821338;8b6ce428-cca2-459a-ac50-d38bcc932258" -Description "Executive Assistant Policy""#,
            SetApplicationAccessPolicy::new(
                AccessPolicyIdentity::parse(r"596ade3a-1abe-4c5b-b7d5-a169c4b05d4a\7a774f0c-7a6f-11e0-85ad-07fb4824019b:S-1-5-21-724521725-2336880675-2689004279-1821338;8b6ce428-cca2-459a-ac50-d38bcc932258").unwrap(),
                "Executive Assistant Policy").command().unwrap(),
        ),
        (
            "Test-ApplicationAccessPolicy -Identity \"Engineering Staff\" -AppID 3dbc2ae1-7198-45ed-9f9f-d86ba3ec35b5",
            TestApplicationAccessPolicy::new(client("3dbc2ae1-7198-45ed-9f9f-d86ba3ec35b5"), named("Engineering Staff")).command().unwrap(),
        ),
        (
            "New-ServicePrincipal -AppId 71487acd-ec93-476d-bd0e-6c8b31831053 -ObjectId 6233fba6-0198-4277-892f-9275bf728bcc",
            NewServicePrincipal::new(client("71487acd-ec93-476d-bd0e-6c8b31831053"), ServicePrincipalObjectId::parse("6233fba6-0198-4277-892f-9275bf728bcc").unwrap(), "").command().unwrap(),
        ),
        (
            "New-ThrottlingPolicy -Name ITUserPolicy -EwsMaxConcurrency 4 -ThrottlingPolicyScope Regular",
            NewThrottlingPolicy::new(ThrottlingPolicyName::parse("ITUserPolicy").unwrap(),
                EwsBudget { max_concurrency: Some(Budget::Limit(4)), ..EwsBudget::default() }).command().unwrap(),
        ),
        (
            "Set-ThrottlingPolicyAssociation -Identity tonysmith -ThrottlingPolicy ITStaffPolicy",
            SetThrottlingPolicyAssociation::new(named("tonysmith"), ThrottlingPolicyName::parse("ITStaffPolicy").unwrap()).command().unwrap(),
        ),
        (
            "New-AuthenticationPolicy -Name \"Engineering Group\" -AllowBasicAuthImap",
            NewAuthenticationPolicy::new(sign_in("Engineering Group"),
                SignInRules { basic_allowed: [BasicAuthProtocol::Imap].into(), ..SignInRules::default() }).command().unwrap(),
        ),
        (
            "New-AuthenticationPolicy -Name \"Research and Development Group\" -BlockLegacyAuthActiveSync -BlockLegacyAuthAutodiscover -BlockLegacyAuthImap -BlockLegacyAuthMapi -BlockLegacyAuthOfflineAddressBook -BlockLegacyAuthPop -BlockLegacyAuthRpc -BlockLegacyAuthWebServices",
            NewAuthenticationPolicy::new(sign_in("Research and Development Group"), SignInRules {
                legacy_blocked: {
                    use LegacyAuthProtocol as P;
                    [P::WebServices, P::Imap, P::Pop, P::Autodiscover, P::ActiveSync, P::Mapi, P::OfflineAddressBook, P::Rpc].into()
                },
                ..SignInRules::default()
            }).command().unwrap(),
        ),
    ]
}
