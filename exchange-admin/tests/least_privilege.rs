//! The role group that is made for a plan, in the simulated tenant: it carries the plan, and nothing beside it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "common/tenant.rs"]
mod common_tenant;

use common_tenant::{app_connection, routed, routed_as, start};
use exchange_admin::cmdlets::*;
use exchange_admin::{
    ClientId, Cmdlet as _, Command, Error, ErrorKind, ExchangeAdmin, FolderGrantee, FolderIdentity,
    FolderPath, FolderRole, LeastPrivilege, MailboxAddress, MailboxRight, ManagementRoleName,
    ManagementScopeName, RecipientFilter, RecipientIdentity, RoleGroupName, Script, ServicePrincipalObjectId,
    Step,
};
use tenant_sim::{Scenario, ScenarioApp, Tenant};

const SECRET: &str = "plain-secret-of-the-worker";

fn address(name: &str) -> RecipientIdentity {
    MailboxAddress::parse(&format!("{name}@contoso.example")).unwrap().into()
}

fn calendar(name: &str) -> FolderIdentity {
    FolderIdentity::at(address(name), FolderPath::parse("Calendar").unwrap())
}

fn group_name() -> RoleGroupName {
    RoleGroupName::parse("Acme set-up").unwrap()
}

/// A tenant with an app that may call Exchange and has no role at all.
async fn world() -> (Tenant, ExchangeAdmin, ExchangeAdmin, ServicePrincipalObjectId) {
    let mut scenario = Scenario::contoso();
    let template = scenario.apps.first().unwrap().clone();
    scenario.apps.push(ScenarioApp {
        display_name: "Worker".to_owned(),
        unique_name: Some("worker".to_owned()),
        exchange_roles: vec!["Exchange.ManageAsApp".to_owned()],
        graph_roles: vec![],
        directory_roles: vec![],
        role_groups: vec![],
        secret: Some(SECRET.to_owned()),
        ..template
    });
    let tenant = start(scenario).await;
    let admin = routed(&tenant);
    let worker = routed_as(&tenant, &app_connection(&tenant, "Worker", SECRET));
    let (client, object) = tenant.with_state(|state| {
        let app = |d: &tenant_sim::state::Directory| {
            let found = d.service_principals.iter().find(|s| s.value.display_name == "Worker").unwrap();
            (found.value.app_id, found.value.id)
        };
        app(&state.directory)
    });
    let object = ServicePrincipalObjectId::from_bytes(*object.as_bytes());
    let client = ClientId::from_bytes(*client.as_bytes());
    admin.ensure_service_principal(&NewServicePrincipal::new(client, object, "Worker")).await.unwrap();
    (tenant, admin, worker, object)
}

/// What a profile for calendars does to a mailbox.
fn plan(app: ServicePrincipalObjectId) -> Vec<Command> {
    [
        GetRecipient::new(address("alice")).command(),
        GetMailboxPermission::new(address("alice")).with_user(app).command(),
        AddMailboxPermission::new(address("alice"), app, MailboxRight::FullAccess).command(),
        GetMailboxFolderPermission::new(calendar("alice")).command(),
        AddMailboxFolderPermission::new(
            calendar("alice"),
            FolderGrantee::from(address("dave")),
            FolderRole::Reviewer,
        )
        .command(),
        GetCasMailbox::new(address("alice")).command(),
        SetCasMailbox::new(address("alice")).with_imap_enabled(true).command(),
        GetOrganizationConfig::new().command(),
    ]
    .into_iter()
    .collect::<Result<_, Error>>()
    .unwrap()
}

/// Runs the plan as the worker, for one mailbox.
async fn carry_out(worker: &ExchangeAdmin, app: ServicePrincipalObjectId, name: &str) -> Result<(), Error> {
    worker.run(&GetRecipient::new(address(name))).await?;
    worker.run(&GetMailboxPermission::new(address(name)).with_user(app)).await?;
    worker.run(&AddMailboxPermission::new(address(name), app, MailboxRight::FullAccess)).await?;
    worker.run(&GetMailboxFolderPermission::new(calendar(name))).await?;
    let reviewer = FolderGrantee::from(address("dave"));
    worker.run(&AddMailboxFolderPermission::new(calendar(name), reviewer, FolderRole::Reviewer)).await?;
    worker.run(&GetCasMailbox::new(address(name))).await?;
    worker.run(&SetCasMailbox::new(address(name)).with_imap_enabled(true)).await?;
    worker.run(&GetOrganizationConfig::new()).await?;
    Ok(())
}

fn writes(tenant: &Tenant) -> usize {
    let journal = tenant.journal();
    let wrote = |line: &str| ["New-", "Set-", "Add-", "Remove-"].iter().any(|verb| line.contains(verb));
    journal.iter().filter(|e| wrote(&format!("{e:?}"))).count()
}

#[tokio::test]
async fn members_of_the_group_carry_out_the_plan_and_nothing_else() {
    for custom in [false, true] {
        let (tenant, admin, worker, app) = world().await;
        let mut group = LeastPrivilege::for_commands(group_name(), &plan(app)).unwrap().with_member(app);
        if custom {
            group = group.with_custom_roles();
        }
        assert_eq!(carry_out(&worker, app, "alice").await.unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert!(admin.ensure_least_privilege(&group).await.unwrap().is_created());
        assert_eq!(admin.check_least_privilege(&group).await.unwrap(), []);
        let before = writes(&tenant);
        assert!(!admin.ensure_least_privilege(&group).await.unwrap().is_created());
        assert_eq!(writes(&tenant), before, "a second time writes nothing");

        carry_out(&worker, app, "alice").await.unwrap();

        let beyond = worker.run(&RemoveMailbox::new(address("bob"))).await.unwrap_err();
        assert_eq!(beyond.kind(), ErrorKind::PermissionDenied);
        let more = SetCasMailbox::new(address("alice")).with_pop_enabled(true);
        assert_eq!(worker.run(&more).await.is_err(), custom, "another parameter");
        let other = GetMailboxFolderStatistics::of_calendars(address("alice"));
        assert_eq!(worker.run(&other).await.is_err(), custom, "another cmdlet of the same role");

        admin.remove_least_privilege(&group).await.unwrap();
        admin.remove_least_privilege(&group).await.unwrap();
        assert!(worker.run(&GetRecipient::new(address("alice"))).await.is_err());
        assert!(tenant.with_state(|s| s.exchange.management_roles.is_empty()));
    }
}

#[tokio::test]
async fn a_write_scope_keeps_the_set_up_away_from_other_mailboxes() {
    let (_tenant, admin, worker, app) = world().await;
    let scope = ManagementScopeName::parse("Alice alone").unwrap();
    let filter = RecipientFilter::parse("Alias -eq 'alice'").unwrap();
    admin.ensure_management_scope(&NewManagementScope::new(scope.clone(), filter)).await.unwrap();
    let group = LeastPrivilege::for_commands(group_name(), &plan(app))
        .unwrap()
        .with_member(app)
        .with_write_scope(scope)
        .with_custom_roles();
    admin.ensure_least_privilege(&group).await.unwrap();
    carry_out(&worker, app, "alice").await.unwrap();
    let outside = carry_out(&worker, app, "bob").await.unwrap_err();
    assert_eq!(outside.kind(), ErrorKind::PermissionDenied);
    assert!(outside.to_string().contains("write scope"), "{outside}");
    // The same group without the limit is another group.
    let wider = LeastPrivilege::for_commands(group_name(), &plan(app)).unwrap().with_custom_roles();
    assert_eq!(admin.ensure_least_privilege(&wider).await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn what_is_there_under_the_name_is_compared_and_left_as_it_is() {
    let (tenant, admin, _, app) = world().await;
    let group = LeastPrivilege::for_commands(group_name(), &plan(app)).unwrap().with_custom_roles();
    let role = group.custom_roles().unwrap().remove(0);
    let theirs = |cmdlet, parent: &str| {
        let name = group.roles().unwrap()[0].role.clone();
        NewManagementRole::new(name, ManagementRoleName::parse(parent).unwrap(), [cmdlet])
    };
    for made in [
        theirs(GetServicePrincipal::NAME, "Role Management"),
        theirs(RemoveMailboxPermission::NAME, "Mail Recipients"),
        theirs(GetMailboxPermission::NAME, "Mail Recipients"),
    ] {
        admin.run(&made).await.unwrap();
        let before = writes(&tenant);
        assert_eq!(admin.ensure_management_role(&role).await.unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(writes(&tenant), before);
        let removed = RemoveManagementRole::new(group.roles().unwrap()[0].role.clone());
        admin.run(&removed).await.unwrap();
    }
    let other = [ManagementRoleName::parse("Role Management").unwrap()];
    admin.run(&NewRoleGroup::new(group_name(), other)).await.unwrap();
    assert_eq!(admin.ensure_least_privilege(&group).await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_role_that_somebody_holds_is_not_changed_and_one_that_nobody_holds_is_completed() {
    let (tenant, admin, worker, app) = world().await;
    let group =
        LeastPrivilege::for_commands(group_name(), &plan(app)).unwrap().with_member(app).with_custom_roles();
    // All roles, with all parameters of their parents: what a run leaves that ends early.
    for role in group.custom_roles().unwrap() {
        admin.run(&role).await.unwrap();
    }
    let theirs = RoleGroupName::parse("Theirs").unwrap();
    let role = group.roles().unwrap()[0].role.clone();
    admin.run(&NewRoleGroup::new(theirs.clone(), [role])).await.unwrap();
    let before = writes(&tenant);
    let refused = admin.ensure_least_privilege(&group).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(refused.to_string().contains("Theirs"), "{refused}");
    assert_eq!(writes(&tenant), before);
    admin.run(&RemoveRoleGroup::new(theirs)).await.unwrap();
    assert!(admin.ensure_least_privilege(&group).await.unwrap().is_created());
    carry_out(&worker, app, "alice").await.unwrap();
    let more = SetCasMailbox::new(address("alice")).with_pop_enabled(true);
    assert_eq!(worker.run(&more).await.unwrap_err().kind(), ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn what_somebody_else_made_under_the_name_is_not_removed() {
    let (tenant, admin, _, app) = world().await;
    let group = LeastPrivilege::for_commands(group_name(), &plan(app)).unwrap().with_custom_roles();
    let other = [ManagementRoleName::parse("Role Management").unwrap()];
    admin.run(&NewRoleGroup::new(group_name(), other)).await.unwrap();
    let before = writes(&tenant);
    assert_eq!(admin.remove_least_privilege(&group).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(writes(&tenant), before);
    admin.run(&RemoveRoleGroup::new(group_name())).await.unwrap();
    let name = group.roles().unwrap()[0].role.clone();
    let parent = ManagementRoleName::parse("Role Management").unwrap();
    admin.run(&NewManagementRole::new(name, parent, [GetServicePrincipal::NAME])).await.unwrap();
    assert_eq!(admin.remove_least_privilege(&group).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(tenant.with_state(|s| s.exchange.management_roles.len()), 1);
}

#[tokio::test]
async fn members_of_the_group_fill_a_security_group_that_others_manage() {
    let (_tenant, admin, worker, app) = world().await;
    let queues = NewDistributionGroup::security(
        exchange_admin::ObjectName::parse("Queues").unwrap(),
        MailboxAddress::parse("queues@contoso.example").unwrap(),
    );
    admin.run(&queues).await.unwrap();
    let add = AddDistributionGroupMember::new(address("queues"), address("alice"));
    let group =
        LeastPrivilege::for_commands(group_name(), &[add.command().unwrap()]).unwrap().with_member(app);
    for group in [group.clone(), group.with_custom_roles()] {
        admin.ensure_least_privilege(&group).await.unwrap();
        let member = if group.custom_roles().unwrap().is_empty() { "alice" } else { "dave" };
        let add = AddDistributionGroupMember::new(address("queues"), address(member));
        worker.run(&add).await.unwrap();
        admin.remove_least_privilege(&group).await.unwrap();
    }
}

#[tokio::test]
async fn who_holds_a_role_is_listed() {
    let (_tenant, admin, _, app) = world().await;
    let group = LeastPrivilege::for_commands(group_name(), &plan(app)).unwrap().with_member(app);
    admin.ensure_least_privilege(&group).await.unwrap();
    let role = || ManagementRoleName::parse("Mail Recipients").unwrap();
    let held = admin.run(&ListRoleAssignments::of_role(role())).await.unwrap().value;
    assert!(held.iter().any(|a| a.assignees.iter().any(|n| n == "Acme set-up")));
    let users = admin.run(&ListEffectiveRoleUsers::of_role(role())).await.unwrap().value;
    assert!(users.iter().any(|u| u.user == "Worker"), "{users:?}");
}

#[test]
fn the_group_of_a_script_and_the_script_of_a_group() {
    let app = ServicePrincipalObjectId::parse("b7e4c6de-1d2f-4b8a-9d0e-2f1a6c5d4e3b").unwrap();
    let client = ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d").unwrap();
    let script = Script::new("Acme", client)
        .with_step(Step::service_principal(&NewServicePrincipal::new(client, app, "Acme")).unwrap())
        .with_step(
            Step::mailbox_permission(&AddMailboxPermission::new(
                address("alice"),
                app,
                MailboxRight::FullAccess,
            ))
            .unwrap(),
        );
    let group = LeastPrivilege::for_script(group_name(), &script).unwrap().with_custom_roles();
    let table: Vec<String> = group.roles().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        table,
        [
            "Mail Recipients: Add-MailboxPermission (step 2); Get-MailboxPermission (step 2)",
            "Role Management: Get-ServicePrincipal (step 1); New-ServicePrincipal (step 1)",
        ]
    );
    let steps = group.script_steps().unwrap();
    assert_eq!(
        steps.iter().map(|s| s.apply().clone()).collect::<Vec<_>>(),
        group.commands().unwrap(),
        "the same commands"
    );
    let printed = steps.into_iter().fold(Script::new("Rights", client), Script::with_step).render().unwrap();
    insta::assert_snapshot!(
        printed.split_once("try {\n    # Step").unwrap().1.split_once("finally").unwrap().0
    );
}
