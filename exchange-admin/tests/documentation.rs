//! Our cmdlets against the public documentation: the parameter sets of the syntax sections as a table of facts, and the
//! documented examples that are covered, each of which must come out as the same command.
//!
//! Source: the page that each cmdlet's facts name, as published in MicrosoftDocs/office-docs-powershell
//! (`exchange/exchange-ps/ExchangePowerShell/<Cmdlet>.md`, CC BY 4.0), read in November 2026.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{address, app, mailbox, object};
use exchange_admin::cmdlets::*;
use exchange_admin::{
    AccessRight, ApplicationRole, AuthenticationPolicyName, CalendarSharing, ClientId, Cmdlet, Command,
    FolderAccess, FolderGrantee, FolderIdentity, FolderPath, FolderRole, MailboxRight, ManagementRoleName,
    ManagementScopeName, ObjectName, OrganizationalUnit, RecipientIdentity, ResourceScope,
    RoleAssignmentName, RoleGroupName, ServicePrincipalObjectId, ThrottlingPolicyName,
};

/// Cmdlet, name of the parameter set, mandatory parameters, those of the others that we send.
const SYNTAX: &[(&str, &str, &str, &str)] = &[
    (
        "Add-MailboxFolderPermission",
        "",
        "Identity AccessRights User",
        "SendNotificationToUser SharingPermissionFlags",
    ),
    (
        "Set-MailboxFolderPermission",
        "",
        "Identity AccessRights User",
        "SendNotificationToUser SharingPermissionFlags",
    ),
    ("Get-MailboxFolderPermission", "", "Identity", "ResultSize User"),
    ("Remove-MailboxFolderPermission", "Identity", "Identity User", "Force SendNotificationToUser"),
    (
        "Remove-MailboxFolderPermission",
        "ResetDelegateUserCollection",
        "Identity ResetDelegateUserCollection",
        "Force SendNotificationToUser",
    ),
    ("Get-MailboxFolderStatistics", "Identity", "Identity", "FolderScope ResultSize"),
    ("Add-RecipientPermission", "", "Identity AccessRights Trustee", ""),
    ("Get-RecipientPermission", "", "", "Identity AccessRights ResultSize Trustee"),
    (
        "Add-MailboxPermission",
        "AccessRights",
        "Identity AccessRights User",
        "AutoMapping Deny InheritanceType",
    ),
    (
        "New-RoleGroup",
        "Default",
        "Name",
        "CustomRecipientWriteScope Description DisplayName ManagedBy Members Roles RecipientOrganizationalUnitScope",
    ),
    ("Add-RoleGroupMember", "", "Identity Member", "BypassSecurityGroupManagerCheck"),
    ("Get-ManagementRole", "Identity", "", "Identity Cmdlet CmdletParameters RoleType"),
    (
        "New-ManagementRoleAssignment",
        "App",
        "Role App",
        "Name CustomResourceScope RecipientAdministrativeUnitScope RecipientGroupScope",
    ),
    (
        "New-ManagementRoleAssignment",
        "SecurityGroup",
        "Role SecurityGroup",
        "Name CustomRecipientWriteScope RecipientOrganizationalUnitScope",
    ),
    (
        "New-ManagementRoleAssignment",
        "User",
        "Role User",
        "Name CustomRecipientWriteScope RecipientOrganizationalUnitScope",
    ),
    ("New-ApplicationAccessPolicy", "", "AccessRight AppId PolicyScopeGroupId", "Description"),
    ("Set-ApplicationAccessPolicy", "", "Identity Description", ""),
    ("Test-ApplicationAccessPolicy", "", "Identity AppId", ""),
    // The syntax also lists the deprecated ServiceId as mandatory; the page's own example leaves it out.
    ("New-ServicePrincipal", "", "AppId ObjectId", "DisplayName ServiceId"),
    (
        "New-ThrottlingPolicy",
        "",
        "Name",
        "EwsCutoffBalance EwsMaxBurst EwsMaxConcurrency EwsMaxSubscriptions EwsRechargeRate ThrottlingPolicyScope",
    ),
    ("Set-ThrottlingPolicyAssociation", "", "Identity", "ThrottlingPolicy"),
    (
        "New-AuthenticationPolicy",
        "",
        "Name",
        "AllowBasicAuthActiveSync AllowBasicAuthAutodiscover AllowBasicAuthImap AllowBasicAuthPop AllowBasicAuthSmtp AllowBasicAuthWebServices BlockLegacyAuthActiveSync BlockLegacyAuthAutodiscover BlockLegacyAuthImap BlockLegacyAuthMapi BlockLegacyAuthOfflineAddressBook BlockLegacyAuthPop BlockLegacyAuthRpc BlockLegacyAuthWebServices",
    ),
    (
        "Set-OrganizationConfig",
        "",
        "",
        "EwsAllowList EwsAllowedAppIDs EwsApplicationAccessPolicy EwsBlockList EwsEnabled",
    ),
    (
        "Set-CASMailbox",
        "",
        "Identity",
        "EwsAllowList EwsApplicationAccessPolicy EwsBlockList EwsEnabled ImapEnabled PopEnabled SmtpClientAuthenticationDisabled",
    ),
    ("New-ManagementRole", "NewDerivedRole", "Name Parent", "Description EnabledCmdlets Force"),
    ("Remove-ManagementRole", "", "Identity", "Force Recurse"),
    ("Get-ManagementRoleEntry", "", "Identity", "Parameters ResultSize Type"),
    ("Add-ManagementRoleEntry", "Identity", "Identity", "Force Overwrite Parameters Type"),
    ("Set-ManagementRoleEntry", "", "Identity", "AddParameter Force Parameters RemoveParameter"),
    ("Remove-ManagementRoleEntry", "", "Identity", "Force"),
    (
        "Get-ManagementRoleAssignment",
        "RoleAssignee",
        "",
        "Role RoleAssignee Delegating Enabled GetEffectiveUsers CustomRecipientWriteScope",
    ),
    ("Get-AcceptedDomain", "", "", "Identity ResultSize"),
    ("Get-DynamicDistributionGroupMember", "", "Identity", "IncludeSoftDeletedObjects ResultSize"),
    (
        "Add-ADPermission",
        "AccessRights",
        "Identity User",
        "AccessRights ChildObjectTypes Deny ExtendedRights InheritanceType InheritedObjectType Properties",
    ),
    (
        "Remove-ADPermission",
        "AccessRights",
        "Identity User",
        "AccessRights ChildObjectTypes Deny ExtendedRights InheritanceType InheritedObjectType Properties",
    ),
    ("Get-ADPermission", "AccessRights", "Identity", "User"),
];

/// Parameters that every cmdlet takes.
const COMMON: [&str; 1] = ["Confirm"];

fn folder(mailbox_name: &str, path: &str) -> FolderIdentity {
    FolderIdentity::at(mailbox(mailbox_name), FolderPath::parse(path).unwrap())
}

fn named(name: &str) -> RecipientIdentity {
    RecipientIdentity::Name(ObjectName::parse(name).unwrap())
}

fn role(name: &str) -> ManagementRoleName {
    ManagementRoleName::parse(name).unwrap()
}

/// A documented example, and the command of ours that covers it.
fn examples() -> Vec<(&'static str, Command)> {
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
        (
            "Remove-ManagementRole ExampleRole1",
            RemoveManagementRole::new(role("ExampleRole1")).command().unwrap(),
        ),
        (
            "Remove-ManagementRoleEntry \"Tier 1 Help Desk\\New-Mailbox\"",
            RemoveManagementRoleEntry::new(role("Tier 1 Help Desk"), NewSharedMailbox::NAME).command().unwrap(),
        ),
        ("Get-AcceptedDomain", ListAcceptedDomains::new().command().unwrap()),
        (
            "Add-ADPermission -Identity \"Terry Adams\" -User AaronPainter -AccessRights ExtendedRight -ExtendedRights \"Send As\"",
            AddAdPermission::new(named("Terry Adams"), named("AaronPainter"), ExtendedRight::SendAs).command().unwrap(),
        ),
        (
            "Remove-ADPermission -Identity Administrator -User Kim -ExtendedRights \"Send As\"",
            RemoveAdPermission::new(named("Administrator"), named("Kim"), ExtendedRight::SendAs).command().unwrap(),
        ),
        ("Get-ADPermission -Identity Ed", GetAdPermission::new(named("Ed")).command().unwrap()),
    ]
}

/// Names of parameters come from commands alone.
fn parameters() -> Vec<exchange_admin::ParameterName> {
    let get = GetMailbox::new(named("x")).command().unwrap();
    get.parameters().iter().map(|(name, _)| *name).collect()
}

fn more() -> Vec<Command> {
    let scope = || ManagementScopeName::parse("s").unwrap();
    let name = || RoleAssignmentName::parse("n").unwrap();
    let assigned = |scope| {
        NewManagementRoleAssignment::new(name(), object(), ApplicationRole::MailRead, scope)
            .command()
            .unwrap()
    };
    let unit = OrganizationalUnit::parse("contoso.example/Sales").unwrap();
    let role = |name: &str| ManagementRoleName::parse(name).unwrap();
    vec![
        NewManagementRole::new(role("Reader"), role("Mail Recipients"), [GetMailbox::NAME])
            .with_description("x")
            .command()
            .unwrap(),
        FindManagementRole::new(role("Reader")).command().unwrap(),
        GetManagementRoleEntry::of_role(role("Transport Rules")).command().unwrap(),
        AddManagementRoleEntry::new(role("Reader"), GetMailbox::NAME, parameters()).command().unwrap(),
        SetManagementRoleEntry::new(role("Reader"), GetMailbox::NAME, parameters()).command().unwrap(),
        ListRoleAssignments::of_role(role("Mail Recipients")).command().unwrap(),
        GetDynamicDistributionGroupMember::new(named("Temporary Employees")).command().unwrap(),
        ListRoleAssignments::of_role_group(RoleGroupName::parse("g").unwrap()).command().unwrap(),
        ListEffectiveRoleUsers::of_role(role("Reader")).command().unwrap(),
        GetAdPermission::new(named("Ed")).with_user(named("Kim")).command().unwrap(),
        assigned(ResourceScope::Organization),
        assigned(ResourceScope::Custom(scope())),
        assigned(ResourceScope::Group(named("g"))),
        assigned(ResourceScope::AdministrativeUnit(ObjectName::parse("u").unwrap())),
        NewImpersonationAssignment::to_user(name(), named("svc"), ImpersonationScope::Custom(scope()))
            .command()
            .unwrap(),
        NewImpersonationAssignment::to_role_group(
            name(),
            RoleGroupName::parse("g").unwrap(),
            ImpersonationScope::OrganizationalUnit(unit),
        )
        .command()
        .unwrap(),
        GetRecipientPermission::new(named("a")).with_trustee(object()).command().unwrap(),
        GetManagementRole::with_parameters(SetOrganizationConfig::NAME, &["EwsEnabled"]).command().unwrap(),
        NewThrottlingPolicy::new(ThrottlingPolicyName::parse("t").unwrap(), EwsBudget::unlimited())
            .command()
            .unwrap(),
        SetMailboxFolderPermission::new(
            folder("a@contoso.com", "x"),
            FolderGrantee::Default,
            FolderAccess::none(),
        )
        .command()
        .unwrap(),
        SetOrganizationConfig::new()
            .with_ews(EwsSwitch::On)
            .with_ews_allowed_apps([app()].into_iter().collect())
            .with_ews_agent_policy(EwsAgentPolicy::BlockList)
            .with_ews_agent_allowed(&UserAgentPattern::parse("a*").unwrap())
            .with_ews_agent_blocked(&UserAgentPattern::parse("b*").unwrap())
            .command()
            .unwrap(),
        SetCasMailbox::new(named("a"))
            .with_ews(EwsSwitch::Off)
            .with_imap_enabled(true)
            .with_pop_enabled(true)
            .with_smtp_client_authentication_disabled(None)
            .with_ews_agent_policy(EwsAgentPolicy::AllowList)
            .without_ews_agent_allowed(&UserAgentPattern::parse("a*").unwrap())
            .command()
            .unwrap(),
    ]
}

#[test]
fn every_command_fits_a_documented_parameter_set() {
    let mut used = BTreeSet::new();
    for command in examples().into_iter().map(|(_, command)| command).chain(more()) {
        let sent: BTreeSet<&str> =
            command.parameters().iter().map(|(n, _)| n.as_str()).filter(|n| !COMMON.contains(n)).collect();
        let fit = SYNTAX.iter().find(|(cmdlet, _, mandatory, optional)| {
            let known = |n: &&str| mandatory.split(' ').chain(optional.split(' ')).any(|k| k == *n);
            *cmdlet == command.name().as_str()
                && sent.iter().all(known)
                && mandatory.split_whitespace().all(|m| sent.contains(m))
        });
        let (cmdlet, set, ..) =
            fit.unwrap_or_else(|| panic!("{} {sent:?} fits no parameter set", command.name()));
        assert!(command.facts().page.ends_with(&cmdlet.to_lowercase()));
        used.insert((*cmdlet, *set));
    }
    let listed: BTreeSet<_> = SYNTAX.iter().map(|(cmdlet, set, ..)| (*cmdlet, *set)).collect();
    assert_eq!(used, listed, "each row of the table is tried");
}

#[test]
fn documented_examples_come_out_as_the_same_command() {
    for (documented, command) in examples() {
        let ours = command.to_powershell().unwrap();
        assert_eq!(meaning(&ours), meaning(documented), "{ours}\n{documented}");
    }
}

/// What a line of PowerShell says: the cmdlet, and its parameters in lower case with their values. Arrays and comma lists
/// are the same; the first argument without a name is the identity. A second reading, for these lines only.
fn meaning(line: &str) -> (String, BTreeMap<String, Vec<String>>) {
    let mut words = words(line).into_iter();
    let cmdlet = words.next().unwrap();
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut open = "identity".to_owned();
    for word in words {
        if let Some(name) = word.strip_prefix('-') {
            let (name, value) = name.split_once(':').unwrap_or((name, ""));
            open = name.to_lowercase();
            let values = parameters.entry(open.clone()).or_default();
            if !value.is_empty() {
                values.push(value.to_owned());
            }
        } else {
            let values = parameters.entry(open.clone()).or_default();
            values.extend(word.split(',').map(|v| v.trim().to_owned()).filter(|v| !v.is_empty()));
        }
    }
    parameters.remove("confirm");
    for values in parameters.values_mut() {
        // A switch that is on says the same with and without its value.
        if values.is_empty() {
            values.push("$true".to_owned());
        }
    }
    (cmdlet, parameters)
}

/// Words of a line; quotes are taken off, `@(` and `)` too. Descriptions hold no commas here.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut any) = (vec![], String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            quote @ ('\'' | '"') => {
                any = true;
                while let Some(c) = chars.next() {
                    if c != quote {
                        word.push(c);
                    } else if chars.next_if_eq(&quote).is_some() {
                        word.push(quote);
                    } else {
                        break;
                    }
                }
            }
            ' ' if any => {
                words.push(std::mem::take(&mut word));
                any = false;
            }
            ' ' | ')' => {}
            '@' if chars.peek() == Some(&'(') => _ = chars.next(),
            c => {
                any = true;
                word.push(c);
            }
        }
    }
    if any {
        words.push(word);
    }
    words
}
