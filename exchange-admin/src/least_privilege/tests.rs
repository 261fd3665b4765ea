use proptest::prelude::*;

use super::*;
use crate::cmdlets::*;
use crate::types::{
    ApplicationRole, MailboxRight, ObjectName, RecipientIdentity, ResourceScope, RoleAssignmentName,
};
use crate::{
    AccessRight, ClientId, FolderGrantee, FolderIdentity, FolderPath, FolderRole, MailboxAddress,
    ServicePrincipalObjectId,
};

fn app() -> ServicePrincipalObjectId {
    ServicePrincipalObjectId::parse("b7e4c6de-1d2f-4b8a-9d0e-2f1a6c5d4e3b").unwrap()
}

fn client() -> ClientId {
    ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d").unwrap()
}

fn anna() -> RecipientIdentity {
    MailboxAddress::parse("anna@contoso.example").unwrap().into()
}

fn calendar() -> FolderIdentity {
    FolderIdentity::at(anna(), FolderPath::parse("Calendar").unwrap())
}

fn group() -> RoleGroupName {
    RoleGroupName::parse("Acme set-up").unwrap()
}

/// One command of every kind of role that there is.
fn commands() -> Vec<Command> {
    let name = |text: &str| ObjectName::parse(text).unwrap();
    let address = || MailboxAddress::parse("queue@contoso.example").unwrap();
    let scope = ManagementScopeName::parse("Acme queues").unwrap();
    vec![
        GetMailbox::new(anna()).command(),
        GetMailbox::new(anna()).command().map(|c| c.with("Filter", "Department -eq 'x'")),
        GetCasMailbox::new(anna()).command(),
        SetCasMailbox::new(anna()).with_imap_enabled(true).command(),
        AddMailboxPermission::new(anna(), app(), MailboxRight::FullAccess).command(),
        RemoveMailboxPermission::new(anna(), app(), MailboxRight::FullAccess).command(),
        GetMailboxPermission::new(anna()).command(),
        AddMailboxFolderPermission::new(calendar(), FolderGrantee::Default, FolderRole::Reviewer).command(),
        GetRecipientPermission::new(anna()).command(),
        NewSharedMailbox::new(name("Queue"), address()).command(),
        GetDistributionGroup::new(anna()).command(),
        NewDistributionGroup::security(name("Queues"), address()).command(),
        AddDistributionGroupMember::new(anna(), anna()).command(),
        ListApplicationAccessPolicies::new().command(),
        NewApplicationAccessPolicy::new(client(), anna(), AccessRight::Restrict).command(),
        ListServicePrincipals::new().command(),
        NewServicePrincipal::new(client(), app(), "Acme").command(),
        GetManagementScope::new(scope.clone()).command(),
        NewManagementRoleAssignment::new(
            RoleAssignmentName::parse("Acme reads").unwrap(),
            app(),
            ApplicationRole::MailRead,
            ResourceScope::Custom(scope),
        )
        .command(),
        GetOrganizationConfig::new().command(),
        SetOrganizationConfig::new().with_ews(EwsSwitch::On).command(),
        GetTransportConfig::new().command(),
        SetTransportConfig::smtp_client_authentication_disabled(false).command(),
        GetRoleGroup::new(group()).command(),
        AddRoleGroupMember::new(group(), app()).command(),
        ListAcceptedDomains::new().command(),
        EnableOrganizationCustomization::new().command(),
    ]
    .into_iter()
    .collect::<Result<_>>()
    .unwrap()
}

#[test]
fn a_group_of_custom_roles_has_these_cmdlets_with_these_parameters_alone() {
    let plan: Vec<Command> = [
        GetMailbox::new(anna()).command(),
        SetCasMailbox::new(anna()).with_imap_enabled(true).command(),
        NewServicePrincipal::new(client(), app(), "Acme").command(),
    ]
    .into_iter()
    .collect::<Result<_>>()
    .unwrap();
    let group = LeastPrivilege::for_commands(group(), &plan)
        .unwrap()
        .with_member(app())
        .with_write_scope(ManagementScopeName::parse("Acme queues").unwrap())
        .with_custom_roles();
    let text = |commands: Vec<Command>| -> String {
        commands.iter().map(|c| c.to_powershell().unwrap() + "\n").collect()
    };
    let table: Vec<String> = group.roles().unwrap().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(format!(
        "{}\n{}\n{}\n\n{}\n",
        text(group.commands().unwrap()),
        text(group.removal().unwrap()),
        table.join("\n"),
        group.notes().join("\n")
    ));
    assert!(!group.allows(&SetCasMailbox::new(anna()).with_pop_enabled(true).command().unwrap()));
    assert!(!group.allows(&RemoveMailbox::new(anna()).command().unwrap()));
}

#[test]
fn what_no_role_group_gives_is_said() {
    let all = commands();
    let group = LeastPrivilege::for_commands(group(), &all).unwrap();
    assert_eq!(
        group.beyond().map(CmdletName::as_str).collect::<Vec<_>>(),
        ["Enable-OrganizationCustomization"]
    );
    let notes = group.notes().join("\n");
    assert!(notes.contains("Application Mail.Read") && notes.contains("delegating"), "{notes}");
    assert!(notes.contains("Enable-OrganizationCustomization (step 27)"), "{notes}");
    assert!(LeastPrivilege::for_commands(RoleGroupName::parse("x").unwrap(), []).is_err());
    let only = EnableOrganizationCustomization::new().command().unwrap();
    let none = LeastPrivilege::for_commands(RoleGroupName::parse("x").unwrap(), [&only]).unwrap();
    assert!(none.role_group().is_err() && !none.allows(&only));
}

#[test]
fn built_in_roles_are_said_to_be_wider_than_the_plan() {
    let service = NewServicePrincipal::new(client(), app(), "Acme").command().unwrap();
    let built_in = LeastPrivilege::for_commands(group(), [&service]).unwrap();
    let notes = built_in.notes().join("\n");
    assert!(notes.contains("other cmdlets") && notes.contains("every other role"), "{notes}");
    let line =
        |group: &LeastPrivilege| group.role_group().unwrap().command().unwrap().to_powershell().unwrap();
    assert!(!line(&built_in).contains("Exactly"), "{}", line(&built_in));
    let custom = built_in.with_custom_roles();
    assert_eq!(custom.notes(), [""; 0]);
    assert!(line(&custom).contains("Exactly"));
}

#[test]
fn a_group_that_others_manage_takes_the_role_that_passes_over_them() {
    let group = || RoleGroupName::parse("g").unwrap();
    let add = AddDistributionGroupMember::new(anna(), anna()).command().unwrap();
    assert!(add.parameter("BypassSecurityGroupManagerCheck").is_some());
    let needed = LeastPrivilege::for_commands(group(), [&add]).unwrap();
    assert_eq!(needed.roles.keys().copied().collect::<Vec<_>>(), ["Security Group Creation and Membership"]);

    let member = AddRoleGroupMember::new(group(), app()).command().unwrap();
    assert!(member.parameter("BypassSecurityGroupManagerCheck").is_none());
    let notes = LeastPrivilege::for_commands(group(), [&member]).unwrap().with_custom_roles().notes();
    assert!(notes.len() == 1 && notes[0].contains("ManagedBy"), "{notes:?}");

    let scope = ImpersonationScope::Organization;
    let name = RoleAssignmentName::parse("n").unwrap();
    let impersonation = NewImpersonationAssignment::to_user(name, anna(), scope).command().unwrap();
    let notes = LeastPrivilege::for_commands(group(), [&impersonation]).unwrap().with_custom_roles().notes();
    assert!(notes[0].contains("ApplicationImpersonation") && notes[0].contains("delegating"), "{notes:?}");
}

#[test]
fn names_of_custom_roles_fit_and_differ() {
    let long = RoleGroupName::parse(&"ä".repeat(64)).unwrap();
    let group = LeastPrivilege::for_commands(long, &commands()).unwrap().with_custom_roles();
    let names: BTreeSet<String> = group.roles().unwrap().into_iter().map(|r| r.role.to_string()).collect();
    assert_eq!(names.len(), group.roles.len());
    assert!(group.commands().is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn it_suffices_and_every_role_of_it_is_needed(
        picked in prop::collection::vec(0..commands().len(), 1..12),
        custom in any::<bool>(),
    ) {
        let all = commands();
        let plan: Vec<&Command> = picked.iter().map(|n| &all[*n]).collect();
        let mut group = LeastPrivilege::for_commands(group(), plan.iter().copied()).unwrap();
        if custom {
            group = group.with_custom_roles();
        }
        let given: Vec<&&Command> = plan.iter().filter(|c| is_given(c.facts())).collect();
        for command in &given {
            prop_assert!(group.allows(command), "{}", command.name());
        }
        for role in group.roles.keys() {
            prop_assert!(given.iter().any(|c| !group.allows_without(c, role)), "{} is not needed", role);
        }
        // Custom roles give nothing else.
        for command in &all {
            let in_plan = plan.iter().any(|c| c.name() == command.name());
            prop_assert!(!custom || in_plan || !group.allows(command));
        }
        let steps: BTreeSet<usize> =
            group.roles.values().flatten().flat_map(|c| &c.steps).chain(group.beyond.values().flatten()).copied().collect();
        prop_assert_eq!(steps, (1..=plan.len()).collect::<BTreeSet<_>>());
    }
}
