//! Every cmdlet on both routes: the whole HTTP request, and the line of PowerShell.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{APP, INVOKE, OBJECT, address, app, mailbox, object};
use exchange_admin::cmdlets::*;
use exchange_admin::{
    AccessRight, ApplicationRole, Cmdlet, CmdletTransport as _, Command, DistinguishedName, GroupObjectId,
    Inheritance, MailboxRight, ManagementScopeName, ObjectName, RecipientFilter, RecipientIdentity,
    ResourceScope, RoleAssignmentName, RoleGroup,
};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).unwrap()
}

fn commands() -> Vec<Command> {
    let anna = || mailbox("anna@contoso.example");
    let queues = || mailbox("queues@contoso.example");
    let scope = || ManagementScopeName::parse("Acme queues").unwrap();
    let assignment = || RoleAssignmentName::parse("Acme Mail.Read").unwrap();
    let policy = || {
        AccessPolicyIdentity::parse(
            "9f8e7d6c-0000-4000-8000-000000000001\\6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d:S-1-5-21-1-2-3-4;aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
        )
        .unwrap()
    };
    let group = GroupObjectId::parse("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee").unwrap();
    let role = |scope| {
        NewManagementRoleAssignment::new(assignment(), object(), ApplicationRole::MailRead, scope).command()
    };
    [
        GetServicePrincipal::of_app(app()).command(),
        GetServicePrincipal::of_object(object()).command(),
        ListServicePrincipals::new().command(),
        NewServicePrincipal::new(app(), object(), "Acme O\u{2019}Brien").command(),
        RemoveServicePrincipal::new(object()).command(),
        GetMailboxPermission::new(anna()).command(),
        GetMailboxPermission::new(anna()).with_user(object()).command(),
        AddMailboxPermission::new(anna(), object(), MailboxRight::FullAccess).command(),
        AddMailboxPermission::new(anna(), RecipientIdentity::from(group), MailboxRight::ReadPermission)
            .with_inheritance(Inheritance::Descendents)
            .with_auto_mapping(true)
            .command(),
        RemoveMailboxPermission::new(anna(), object(), MailboxRight::FullAccess).command(),
        GetMailbox::new(anna()).command(),
        GetMailbox::new(RecipientIdentity::ExchangeGuid(
            "0f3c2b1a-1111-4222-8333-444455556666".parse().unwrap(),
        ))
        .command(),
        ListMailboxes::new().command(),
        NewSharedMailbox::new(name("Queue O'Neill"), address("oneill@contoso.example"))
            .with_display_name("Queue")
            .with_alias("oneill")
            .command(),
        RemoveMailbox::new(anna()).command(),
        GetRecipient::new(anna()).command(),
        GetRecipient::new(DistinguishedName::parse("CN=Queue O'Neill,OU=contoso.example,DC=prod").unwrap())
            .command(),
        GetDistributionGroup::new(name("Queues")).command(),
        ListDistributionGroups::new().command(),
        NewDistributionGroup::security(name("Queues"), address("queues@contoso.example")).command(),
        RemoveDistributionGroup::new(queues()).command(),
        GetDistributionGroupMember::new(queues()).command(),
        AddDistributionGroupMember::new(queues(), anna()).command(),
        RemoveDistributionGroupMember::new(queues(), anna()).command(),
        GetApplicationAccessPolicy::new(policy()).command(),
        ListApplicationAccessPolicies::new().command(),
        NewApplicationAccessPolicy::new(app(), queues(), AccessRight::Restrict)
            .with_description("Acme reads the queues")
            .command(),
        RemoveApplicationAccessPolicy::new(policy()).command(),
        TestApplicationAccessPolicy::new(app(), anna()).command(),
        GetManagementScope::new(scope()).command(),
        ListManagementScopes::new().command(),
        NewManagementScope::new(
            scope(),
            RecipientFilter::members_of(["CN=Queue's,OU=contoso,DC=example"]).unwrap(),
        )
        .command(),
        RemoveManagementScope::new(scope()).command(),
        GetManagementRoleAssignment::new(assignment()).command(),
        ListManagementRoleAssignments::of_app(object()).command(),
        role(ResourceScope::Group(queues())),
        role(ResourceScope::Custom(scope())),
        role(ResourceScope::AdministrativeUnit(name("Sales"))),
        role(ResourceScope::Organization),
        RemoveManagementRoleAssignment::new(assignment()).command(),
        TestServicePrincipalAuthorization::new(object()).command(),
        TestServicePrincipalAuthorization::new(object()).with_resource(anna()).command(),
        GetCasMailbox::new(anna()).command(),
        SetCasMailbox::new(anna()).with_imap_enabled(true).with_pop_enabled(false).command(),
        GetOrganizationConfig::new().command(),
    ]
    .into_iter()
    .collect::<Result<_, _>>()
    .unwrap()
}

#[tokio::test]
async fn both_renderings_of_every_cmdlet() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path(INVOKE))
        .respond_with(ResponseTemplate::new(200).set_body_string(r#"{"value":[]}"#))
        .mount(&server)
        .await;
    let (_, api) = common::over_http(&server.uri());
    let mut shown = String::new();
    for command in commands() {
        api.invoke(&command).await.unwrap();
        let request = server.received_requests().await.unwrap().pop().unwrap();
        let header = |n: &str| request.headers.get(n).map_or("-", |v| v.to_str().unwrap()).to_owned();
        assert_eq!(header("authorization"), "Bearer t0ken-of-the-test");
        assert_eq!(header("content-type"), "application/json; charset=utf-8");
        assert_eq!(header("prefer"), "odata.maxpagesize=1000");
        assert_eq!(header("accept-language"), "en-US");
        assert_eq!(header("x-cmdletname"), command.name().as_str());
        assert_eq!(header("user-agent"), "acme-connector/2.4");
        assert!(header("accept-encoding").contains("gzip"));
        assert!(header("client-request-id").len() == 36 && header("connection-id").len() == 36);
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert!(body["CmdletInput"]["Parameters"].is_object());
        shown.push_str(&format!(
            "{}\n  anchor {}\n  select {}\n  {}\n  {}\n",
            command.name(),
            header("x-anchormailbox"),
            request.url.query().unwrap_or("-"),
            String::from_utf8(request.body.clone()).unwrap(),
            command.to_powershell().unwrap(),
        ));
    }
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn trap_5_lists_are_anchored_by_guid_and_the_tenant_is_never_named_by_domain() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_string(""))
        .mount(&server)
        .await;
    let (_, api) = common::over_http(&server.uri());
    for command in commands() {
        api.invoke(&command).await.unwrap();
        let request = server.received_requests().await.unwrap().pop().unwrap();
        let anchor = request.headers["x-anchormailbox"].to_str().unwrap();
        assert_eq!(request.url.path(), INVOKE);
        match anchor.strip_prefix("SMTP:") {
            // One mailbox: its own address, and an answer that fits on one page.
            Some(address) => assert_eq!(address, "anna@contoso.example"),
            None => assert!(anchor.ends_with(&format!("@{}", common::TENANT)), "{anchor}"),
        }
    }
}

#[test]
fn trap_7_no_cmdlet_sends_a_secure_string() {
    for command in commands() {
        for (name, _) in command.parameters() {
            assert!(!name.as_str().to_lowercase().contains("password"), "{name:?}");
        }
    }
}

#[test]
fn trap_15_only_the_spelled_out_organisation_has_no_scope() {
    let assignments: Vec<Command> =
        commands().into_iter().filter(|c| c.name() == NewManagementRoleAssignment::NAME).collect();
    let scoped = assignments
        .iter()
        .filter(|c| c.parameters().iter().any(|(n, _)| n.as_str().ends_with("Scope")))
        .count();
    assert_eq!((assignments.len(), scoped), (4, 3));
}

#[test]
fn trap_12_ids_of_the_enterprise_application_reach_the_wire() {
    let line = NewServicePrincipal::new(app(), object(), "").command().unwrap().to_powershell().unwrap();
    assert_eq!(line, format!("New-ServicePrincipal -AppId '{APP}' -ObjectId '{OBJECT}'"));
}

#[test]
fn changes_that_cannot_be_meant_are_refused_before_the_call() {
    assert!(SetCasMailbox::new(mailbox("anna@contoso.example")).command().is_err());
    let for_an_app =
        AddMailboxPermission::new(mailbox("anna@contoso.example"), object(), MailboxRight::FullAccess);
    assert!(for_an_app.with_auto_mapping(true).command().is_err());
}

#[test]
fn what_a_planner_asks_of_a_cmdlet() {
    assert_eq!(AddMailboxPermission::minimum_role_group(), RoleGroup::RecipientManagement);
    assert_eq!(NewManagementRoleAssignment::minimum_role_group().to_string(), "Organization Management");
    assert_eq!(GetServicePrincipal::minimum_role_group(), RoleGroup::ViewOnlyOrganizationManagement);
    assert_eq!(NewManagementScope::window().likely.as_secs(), 30 * 60);
    assert_eq!(NewApplicationAccessPolicy::window().latest.as_secs(), 2 * 3600);
    for command in commands() {
        let facts = command.facts();
        assert!(facts.page.ends_with(&facts.name.as_str().to_lowercase()), "{}", facts.page);
        let reads = facts.name.as_str().starts_with("Get-") || facts.name.as_str().starts_with("Test-");
        assert_eq!(reads, facts.window == exchange_admin::PropagationWindow::IMMEDIATE, "{}", facts.name);
        assert_eq!(
            facts.name.as_str().starts_with("New-") || facts.name.as_str().starts_with("Add-"),
            facts.idempotency == m365_core::Idempotency::NotIdempotent,
            "{}",
            facts.name
        );
    }
}
