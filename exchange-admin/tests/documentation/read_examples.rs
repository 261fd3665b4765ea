//! Documented examples of the cmdlets that read, and of those that remove or create by name.

use exchange_admin::cmdlets::*;
use exchange_admin::{
    AuthenticationPolicyName, Cmdlet, Command, MailboxRight, ManagementScopeName, ObjectName,
    RecipientFilter, RoleAssignmentName, RoleGroupName, ServicePrincipalObjectId, ThrottlingPolicyName,
};

use crate::common::{address, mailbox};
use crate::examples::{named, role};

const POLICY: &str = r"596ade3a-1abe-4c5b-b7d5-a169c4b05d4a\7a774f0c-7a6f-11e0-85ad-07fb4824019b:S-1-5-21-724521725-2336880675-2689004279-1821338;8b6ce428-cca2-459a-ac50-d38bcc932258";

#[allow(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn example<C: Cmdlet>(documented: &'static str, ours: C) -> (&'static str, Command) {
    (documented, ours.command().unwrap())
}

pub(crate) fn examples() -> Vec<(&'static str, Command)> {
    reads().into_iter().chain(writes()).collect()
}

fn reads() -> Vec<(&'static str, Command)> {
    let policy = || AccessPolicyIdentity::parse(POLICY).unwrap();
    let sign_in = |n: &str| AuthenticationPolicyName::parse(n).unwrap();
    let group = |n: &str| RoleGroupName::parse(n).unwrap();
    let assignment = |n: &str| RoleAssignmentName::parse(n).unwrap();
    let scope = |n: &str| ManagementScopeName::parse(n).unwrap();
    let throttling = |n: &str| ThrottlingPolicyName::parse(n).unwrap();
    let object = |id: &str| ServicePrincipalObjectId::parse(id).unwrap();
    vec![
        example("Get-ADPermission -Identity Ed", GetAdPermission::new(named("Ed"))),
        example(
            r#"Get-ADPermission "Contoso.com" -User Chris"#,
            GetAdPermission::new(named("Contoso.com")).with_user(named("Chris")),
        ),
        example("Get-AcceptedDomain", ListAcceptedDomains::new()),
        example(
            "Get-ApplicationAccessPolicy | Format-Table -Auto Description,ScopeName,AccessRight",
            ListApplicationAccessPolicies::new(),
        ),
        example(
            r#"Get-ApplicationAccessPolicy -Identity "596ade3a-1abe-4c5b-b7d5-a169c4b05d4a\7a774f0c-7a6f-11e0-85ad-07fb4824019b:S-1-5-21-724521725-2336880675-2689004279-1821338;8b6ce428-cca2-459a-ac50-d38bcc932258""#,
            GetApplicationAccessPolicy::new(policy()),
        ),
        example("Get-AuthenticationPolicy | Format-Table -Auto Name", ListAuthenticationPolicies::new()),
        example(
            r#"Get-AuthenticationPolicy -Identity "Engineering Group""#,
            GetAuthenticationPolicy::new(sign_in("Engineering Group")),
        ),
        example(r#"Get-CASMailbox "Jeff Hay""#, GetCasMailbox::new(named("Jeff Hay"))),
        example(
            "Get-CASMailbox tony@contoso.com | Format-List Imap*",
            GetCasMailbox::new(mailbox("tony@contoso.com")),
        ),
        example(
            "Get-CASMailbox chris@contoso.com | Format-List Ews*",
            GetCasMailbox::new(mailbox("chris@contoso.com")),
        ),
        example("Get-DistributionGroup", ListDistributionGroups::new()),
        example(
            r#"Get-DistributionGroup -Identity "Marketing Reports" | Format-List"#,
            GetDistributionGroup::new(named("Marketing Reports")),
        ),
        example(
            r#"Get-DistributionGroupMember -Identity "Marketing USA""#,
            GetDistributionGroupMember::new(named("Marketing USA")),
        ),
        example(
            r#"Get-DistributionGroupMember -Identity "Marketing Worldwide""#,
            GetDistributionGroupMember::new(named("Marketing Worldwide")),
        ),
        example(
            r#"Get-DynamicDistributionGroupMember -Identity "Temporary Employees""#,
            GetDynamicDistributionGroupMember::new(named("Temporary Employees")),
        ),
        example("Get-Mailbox -ResultSize unlimited", ListMailboxes::new()),
        example(
            "Get-MailboxPermission -Identity john@contoso.com | Format-List",
            GetMailboxPermission::new(mailbox("john@contoso.com")),
        ),
        example(
            r#"Get-MailboxPermission -Identity john@contoso.com -User "Ayla""#,
            GetMailboxPermission::new(mailbox("john@contoso.com")).with_user(named("Ayla")),
        ),
        example(
            r#"Get-ManagementRole "Transport Rules" | Format-List Name, RoleType"#,
            FindManagementRole::new(role("Transport Rules")),
        ),
        example(
            r#"Get-ManagementRoleAssignment -Role "Mail Recipients""#,
            ListRoleAssignments::of_role(role("Mail Recipients")),
        ),
        example(
            r#"Get-ManagementRoleEntry "Transport Rules\*""#,
            GetManagementRoleEntry::of_role(role("Transport Rules")),
        ),
        example(
            r#"Get-ManagementRoleAssignment "Denver Help Desk" | Format-List"#,
            GetManagementRoleAssignment::new(assignment("Denver Help Desk")),
        ),
        example(
            r#"Get-ManagementScope "Redmond Servers Scope" | Format-List"#,
            GetManagementScope::new(scope("Redmond Servers Scope")),
        ),
        example(r"Get-OrganizationConfig | Export-CliXML C:\Data\MyFile.xml", GetOrganizationConfig::new()),
        example(
            "Get-OrganizationConfig | Format-List EwsApplicationAccessPolicy,Ews*List",
            GetOrganizationConfig::new(),
        ),
        example(
            r#"Get-Recipient -Identity "Marketing Department" | Format-List"#,
            GetRecipient::new(named("Marketing Department")),
        ),
        example(r#"Get-RecipientPermission "Help Desk""#, GetRecipientPermission::new(named("Help Desk"))),
        example("Get-RoleGroup", ListRoleGroups::new()),
        example(
            r#"Get-RoleGroup "Recipient Administrators" | Format-List"#,
            GetRoleGroup::new(group("Recipient Administrators")),
        ),
        example(
            r#"Get-RoleGroupMember "Recipient Administrators""#,
            GetRoleGroupMember::new(group("Recipient Administrators")),
        ),
        example("Get-ServicePrincipal", ListServicePrincipals::new()),
        example(
            "Get-ServicePrincipal -Identity ca73fffa-cedb-4b84-860f-d7fb8aa8a6c1 | Format-List",
            GetServicePrincipal::of_object(object("ca73fffa-cedb-4b84-860f-d7fb8aa8a6c1")),
        ),
        example("Get-ThrottlingPolicy | Format-List", ListThrottlingPolicies::new()),
        example(
            "Get-ThrottlingPolicy -Identity ThrottlingPolicy2 | Format-List",
            GetThrottlingPolicy::new(throttling("ThrottlingPolicy2")),
        ),
        example(
            r#"Get-ThrottlingPolicyAssociation -Identity "Courtney Sweet" | Format-List"#,
            GetThrottlingPolicyAssociation::new(named("Courtney Sweet")),
        ),
        example("Get-TransportConfig", GetTransportConfig::new()),
        example("Get-TransportConfig | Format-List *DSN*", GetTransportConfig::new()),
        example(r#"Get-User -Identity "Coy Damon" | Format-List"#, GetUser::new(named("Coy Damon"))),
    ]
}

fn writes() -> Vec<(&'static str, Command)> {
    let name = |n: &str| ObjectName::parse(n).unwrap();
    let scope = |n: &str| ManagementScopeName::parse(n).unwrap();
    vec![
        example(
            r#"Add-ADPermission -Identity "Terry Adams" -User AaronPainter -AccessRights ExtendedRight -ExtendedRights "Send As""#,
            AddAdPermission::new(named("Terry Adams"), named("AaronPainter"), ExtendedRight::SendAs),
        ),
        example(
            r#"Remove-ADPermission -Identity Administrator -User Kim -ExtendedRights "Send As""#,
            RemoveAdPermission::new(named("Administrator"), named("Kim"), ExtendedRight::SendAs),
        ),
        example("Remove-ManagementRole ExampleRole1", RemoveManagementRole::new(role("ExampleRole1"))),
        example(
            r#"Remove-ManagementRoleEntry "Tier 1 Help Desk\New-Mailbox""#,
            RemoveManagementRoleEntry::new(role("Tier 1 Help Desk"), NewSharedMailbox::NAME),
        ),
        example(
            r#"Add-DistributionGroupMember -Identity "Staff" -Member "JohnEvans@contoso.com""#,
            AddDistributionGroupMember::new(named("Staff"), mailbox("JohnEvans@contoso.com")),
        ),
        example(
            "Add-MailboxPermission -Identity Sales -User MarketingSG -AccessRights FullAccess -InheritanceType All",
            AddMailboxPermission::new(named("Sales"), named("MarketingSG"), MailboxRight::FullAccess),
        ),
        example("Enable-OrganizationCustomization", EnableOrganizationCustomization::new()),
        example(
            r#"New-DistributionGroup -Name "Managers" -Type "Security""#,
            NewDistributionGroup::security(name("Managers"), address("managers@contoso.com")),
        ),
        example(
            r#"New-Mailbox -Shared -Name "Sales Department" -DisplayName "Sales Department" -Alias Sales"#,
            NewSharedMailbox::new(name("Sales Department"), address("sales@contoso.com"))
                .with_display_name("Sales Department")
                .with_alias("Sales"),
        ),
        example(
            r#"Remove-ApplicationAccessPolicy -Identity "596ade3a-1abe-4c5b-b7d5-a169c4b05d4a\7a774f0c-7a6f-11e0-85ad-07fb4824019b:S-1-5-21-724521725-2336880675-2689004279-1821338;8b6ce428-cca2-459a-ac50-d38bcc932258""#,
            RemoveApplicationAccessPolicy::new(AccessPolicyIdentity::parse(POLICY).unwrap()),
        ),
        example(
            r#"Remove-AuthenticationPolicy -Identity "Engineering Group""#,
            RemoveAuthenticationPolicy::new(AuthenticationPolicyName::parse("Engineering Group").unwrap()),
        ),
        example(
            r#"Remove-DistributionGroup -Identity "Temporary Staff""#,
            RemoveDistributionGroup::new(named("Temporary Staff")),
        ),
        example(
            r#"Remove-DistributionGroupMember -Identity "Technical Support" -Member "Jan Dryml""#,
            RemoveDistributionGroupMember::new(named("Technical Support"), named("Jan Dryml")),
        ),
        example(r#"Remove-Mailbox -Identity "John Rodman""#, RemoveMailbox::new(named("John Rodman"))),
        example(
            r#"Remove-MailboxPermission -Identity "Yuuto Sasaki" -User "Pedro Pizarro" -AccessRights FullAccess -InheritanceType All"#,
            RemoveMailboxPermission::new(
                named("Yuuto Sasaki"),
                named("Pedro Pizarro"),
                MailboxRight::FullAccess,
            ),
        ),
        example(
            r#"Remove-ManagementRoleAssignment "Recipients_Seattle Recipient Management""#,
            RemoveManagementRoleAssignment::new(
                RoleAssignmentName::parse("Recipients_Seattle Recipient Management").unwrap(),
            ),
        ),
        example(
            r#"Remove-ManagementScope "Redmond Servers""#,
            RemoveManagementScope::new(scope("Redmond Servers")),
        ),
        example(
            r#"Remove-RecipientPermission "Help Desk" -AccessRights SendAs -Trustee "Ayla Kol""#,
            RemoveRecipientPermission::send_as(named("Help Desk"), named("Ayla Kol")),
        ),
        example(
            r#"Remove-RoleGroup "Training Administrators""#,
            RemoveRoleGroup::new(RoleGroupName::parse("Training Administrators").unwrap()),
        ),
        example(
            r#"Remove-RoleGroupMember "Recipient Management" -Member David"#,
            RemoveRoleGroupMember::new(RoleGroupName::parse("Recipient Management").unwrap(), named("David")),
        ),
        example(
            "Remove-ServicePrincipal -Identity 7c7599b2-23af-45e3-99ff-0025d148e929",
            RemoveServicePrincipal::new(
                ServicePrincipalObjectId::parse("7c7599b2-23af-45e3-99ff-0025d148e929").unwrap(),
            ),
        ),
        example(
            "Remove-ThrottlingPolicy -Identity ClientThrottlingPolicy2",
            RemoveThrottlingPolicy::new(ThrottlingPolicyName::parse("ClientThrottlingPolicy2").unwrap()),
        ),
        example(
            "Remove-ThrottlingPolicy ClientThrottlingPolicy2",
            RemoveThrottlingPolicy::new(ThrottlingPolicyName::parse("ClientThrottlingPolicy2").unwrap()),
        ),
        example(
            r#"Set-ManagementScope "Seattle Mailboxes" -RecipientRestrictionFilter "City -eq 'Seattle' -and RecipientType -eq 'UserMailbox'""#,
            SetManagementScope::new(
                scope("Seattle Mailboxes"),
                RecipientFilter::parse("City -eq 'Seattle' -and RecipientType -eq 'UserMailbox'").unwrap(),
            ),
        ),
    ]
}
