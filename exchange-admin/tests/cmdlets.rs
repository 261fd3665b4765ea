//! Every cmdlet on both routes: the whole HTTP request, and the line of PowerShell.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{APP, INVOKE, OBJECT, address, app, mailbox, object};
use exchange_admin::cmdlets::*;
use exchange_admin::{
    AccessRight, ApplicationRole, AuthenticationPolicyName, CalendarSharing, Cmdlet, CmdletTransport as _,
    Command, DistinguishedName, FolderAccess, FolderGrantee, FolderId, FolderIdentity, FolderPath,
    FolderRight, FolderRole, GroupObjectId, Inheritance, MailboxRight, ManagementRoleName,
    ManagementScopeName, ObjectName, OrganizationalUnit, RecipientFilter, RecipientIdentity, ResourceScope,
    RoleAssignmentName, RoleGroup, RoleGroupName, ThrottlingPolicyName,
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
    vec![
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
    .chain(more_commands())
    .chain(role_commands())
    .collect::<Result<_, _>>()
    .unwrap()
}

fn more_commands() -> Vec<exchange_admin::Result<Command>> {
    let anna = || mailbox("anna@contoso.example");
    let bob = || FolderGrantee::from(address("bob@contoso.example"));
    let calendar = || FolderIdentity::by_id(anna(), FolderId::parse("LgAAAAB/+Q==").unwrap());
    let projects = || FolderIdentity::at(anna(), FolderPath::parse("Projekte\\O'Neill").unwrap());
    let scope = || ManagementScopeName::parse("Acme queues").unwrap();
    let group = || RoleGroupName::parse("Acme set-up").unwrap();
    let throttling = || ThrottlingPolicyName::parse("Acme EWS").unwrap();
    let sign_in = || AuthenticationPolicyName::parse("Acme sign-in").unwrap();
    let agent = UserAgentPattern::parse("acme-connector/*").unwrap();
    let role = |r: &str| ManagementRoleName::parse(r).unwrap();
    let policy = AccessPolicyIdentity::parse("o\\a:S-1-5-21-1;aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee").unwrap();
    let impersonation = || RoleAssignmentName::parse("Acme impersonation").unwrap();
    vec![
        AddMailboxFolderPermission::new(calendar(), bob(), FolderRole::Reviewer)
            .with_notification()
            .command(),
        AddMailboxFolderPermission::new(calendar(), bob(), FolderRole::Editor)
            .with_sharing(CalendarSharing::DelegateWithPrivateItems)
            .command(),
        AddMailboxFolderPermission::new(
            projects(),
            bob(),
            FolderAccess::of_rights([FolderRight::ReadItems, FolderRight::CreateItems]),
        )
        .command(),
        SetMailboxFolderPermission::new(calendar(), FolderGrantee::Default, FolderAccess::none()).command(),
        SetMailboxFolderPermission::new(calendar(), bob(), FolderRole::Editor)
            .with_notification(false, CalendarSharing::Delegate)
            .command(),
        GetMailboxFolderPermission::new(calendar()).command(),
        GetMailboxFolderPermission::new(FolderIdentity::root(anna())).with_user(bob()).command(),
        RemoveMailboxFolderPermission::new(projects(), bob()).command(),
        RemoveMailboxFolderPermission::reset_delegates(calendar()).command(),
        GetMailboxFolderStatistics::of_calendars(anna()).command(),
        GetMailboxFolderStatistics::new(anna()).command(),
        AddRecipientPermission::send_as(anna(), object()).command(),
        GetRecipientPermission::new(anna()).with_trustee(object()).command(),
        RemoveRecipientPermission::send_as(anna(), object()).command(),
        NewResourceMailbox::room(name("Room 1"), address("room1@contoso.example")).command(),
        NewResourceMailbox::equipment(name("Beamer"), address("beamer@contoso.example"))
            .with_display_name("Beamer 2")
            .command(),
        SetMailbox::new(anna())
            .with_send_on_behalf(&mailbox("bob@contoso.example"))
            .with_hidden_from_address_lists(true)
            .command(),
        GetUser::new(anna()).command(),
        SetUser::with_authentication_policy(anna(), sign_in()).command(),
        SetUser::without_authentication_policy(anna()).command(),
        SetApplicationAccessPolicy::new(policy, " ").command(),
        SetManagementScope::new(scope(), RecipientFilter::parse("Department -eq 'Sales'").unwrap()).command(),
        EnableOrganizationCustomization::new().command(),
        GetRoleGroup::new(group()).command(),
        ListRoleGroups::new().command(),
        NewRoleGroup::new(group(), [role("Mail Recipients"), role("Role Management")])
            .with_member(object())
            .with_write_scope(scope())
            .with_description("Sets up Acme")
            .command(),
        RemoveRoleGroup::new(group()).command(),
        GetRoleGroupMember::new(group()).command(),
        AddRoleGroupMember::new(group(), object()).command(),
        RemoveRoleGroupMember::new(group(), object()).command(),
        GetManagementRole::with_parameters(SetOrganizationConfig::NAME, &["EwsAllowedAppIDs"]).command(),
        NewImpersonationAssignment::to_user(impersonation(), anna(), ImpersonationScope::Custom(scope()))
            .command(),
        NewImpersonationAssignment::to_role_group(
            impersonation(),
            group(),
            ImpersonationScope::OrganizationalUnit(
                OrganizationalUnit::parse("contoso.example/Sales").unwrap(),
            ),
        )
        .command(),
        GetThrottlingPolicy::new(throttling()).command(),
        ListThrottlingPolicies::new().command(),
        NewThrottlingPolicy::new(throttling(), EwsBudget::unlimited()).command(),
        SetThrottlingPolicy::new(
            throttling(),
            EwsBudget { max_concurrency: Some(Budget::Limit(27)), ..EwsBudget::default() },
        )
        .command(),
        RemoveThrottlingPolicy::new(throttling()).command(),
        SetThrottlingPolicyAssociation::new(anna(), throttling()).command(),
        SetThrottlingPolicyAssociation::to_default(anna()).command(),
        GetThrottlingPolicyAssociation::new(anna()).command(),
        GetOrganizationConfig::new().with_ews_allowed_apps().command(),
        SetOrganizationConfig::new().with_ews_allowed_apps([app()].into_iter().collect()).command(),
        SetOrganizationConfig::new()
            .with_ews(EwsSwitch::Unset)
            .with_ews_allowed_apps(EwsAllowedApps::default())
            .with_ews_agent_policy(EwsAgentPolicy::AllowList)
            .with_ews_agent_allowed(&agent)
            .without_ews_agent_blocked(&agent)
            .command(),
        SetCasMailbox::new(anna())
            .with_smtp_client_authentication_disabled(Some(false))
            .with_ews(EwsSwitch::On)
            .with_ews_agent_allowed(&agent)
            .command(),
        SetCasMailbox::new(anna()).with_smtp_client_authentication_disabled(None).command(),
        GetTransportConfig::new().command(),
        SetTransportConfig::smtp_client_authentication_disabled(true).command(),
        GetAuthenticationPolicy::new(sign_in()).command(),
        ListAuthenticationPolicies::new().command(),
        NewAuthenticationPolicy::new(
            sign_in(),
            SignInRules { basic_allowed: [BasicAuthProtocol::Smtp].into(), ..SignInRules::default() },
        )
        .command(),
        SetAuthenticationPolicy::new(sign_in())
            .with_legacy_blocked(LegacyAuthProtocol::WebServices, false)
            .command(),
        RemoveAuthenticationPolicy::new(sign_in()).command(),
    ]
}

fn role_commands() -> Vec<exchange_admin::Result<Command>> {
    let anna = || mailbox("anna@contoso.example");
    let queues = || mailbox("queues@contoso.example");
    let role_name = || ManagementRoleName::parse("Acme set-up - Mail Recipients").unwrap();
    let parent = || ManagementRoleName::parse("Mail Recipients").unwrap();
    let parameters = || -> Vec<exchange_admin::ParameterName> {
        GetMailbox::new(anna()).command().unwrap().parameters().iter().map(|(name, _)| *name).collect()
    };
    vec![
        FindManagementRole::new(role_name()).command(),
        NewManagementRole::new(role_name(), parent(), [GetMailbox::NAME, SetCasMailbox::NAME])
            .with_description("Acme's part")
            .command(),
        GetManagementRoleEntry::of_role(role_name()).command(),
        AddManagementRoleEntry::new(role_name(), GetMailbox::NAME, parameters()).command(),
        SetManagementRoleEntry::new(role_name(), GetMailbox::NAME, parameters()).command(),
        SetManagementRoleEntry::new(role_name(), GetTransportConfig::NAME, []).command(),
        RemoveManagementRoleEntry::new(role_name(), GetMailbox::NAME).command(),
        RemoveManagementRole::new(role_name()).command(),
        ListRoleAssignments::of_role(parent()).command(),
        ListRoleAssignments::of_role_group(RoleGroupName::parse("Acme set-up").unwrap()).command(),
        ListEffectiveRoleUsers::of_role(parent()).command(),
        ListAcceptedDomains::new().command(),
        GetDynamicDistributionGroupMember::new(queues()).command(),
        GetAdPermission::new(name("Anna Berg")).with_user(anna()).command(),
        AddAdPermission::new(name("Anna Berg"), anna(), ExtendedRight::SendAs).command(),
        AddAdPermission::new(name("Mailbox Database 1"), anna(), ExtendedRight::MayImpersonate).command(),
        RemoveAdPermission::new(name("CAS01"), anna(), ExtendedRight::Impersonation).command(),
    ]
}

#[test]
fn trap_10_notifying_never_drops_a_delegate_by_itself() {
    let calendar =
        FolderIdentity::at(mailbox("anna@contoso.example"), FolderPath::parse("Calendar").unwrap());
    let bob = FolderGrantee::from(address("bob@contoso.example"));
    let set = SetMailboxFolderPermission::new(calendar.clone(), bob.clone(), FolderRole::Editor);
    for plain in
        [set.clone().command().unwrap(), set.clone().with_sharing(CalendarSharing::None).command().unwrap()]
    {
        assert_eq!(plain.parameter("SendNotificationToUser"), None);
    }
    let told = set.with_notification(true, CalendarSharing::Delegate).command().unwrap();
    assert!(
        told.parameter("SendNotificationToUser").is_some()
            && told.parameter("SharingPermissionFlags").is_some()
    );
    let add = |role| AddMailboxFolderPermission::new(calendar.clone(), bob.clone(), role);
    assert!(add(FolderRole::Reviewer).with_sharing(CalendarSharing::Delegate).command().is_err());
    assert!(add(FolderRole::Owner).with_notification().command().is_err());
    let everybody =
        AddMailboxFolderPermission::new(calendar.clone(), FolderGrantee::Default, FolderRole::Editor);
    assert!(everybody.with_sharing(CalendarSharing::Delegate).command().is_err());
}

#[test]
fn trap_8_default_and_anonymous_are_closed_and_never_removed() {
    let calendar =
        FolderIdentity::at(mailbox("anna@contoso.example"), FolderPath::parse("Calendar").unwrap());
    for special in [FolderGrantee::Default, FolderGrantee::Anonymous] {
        assert!(RemoveMailboxFolderPermission::new(calendar.clone(), special.clone()).command().is_err());
        let closed =
            SetMailboxFolderPermission::new(calendar.clone(), special, FolderAccess::none()).command();
        assert!(closed.unwrap().to_powershell().unwrap().contains("-AccessRights @('None')"));
    }
}

#[test]
fn roles_of_apps_are_not_for_role_groups_and_an_empty_group_is_no_group() {
    let group = || RoleGroupName::parse("Acme").unwrap();
    assert!(NewRoleGroup::new(group(), []).command().is_err());
    let app_role = ManagementRoleName::parse("application mail.read").unwrap();
    assert!(NewRoleGroup::new(group(), [app_role]).command().is_err());
    let empty = EwsBudget::default();
    assert!(SetThrottlingPolicy::new(ThrottlingPolicyName::parse("x").unwrap(), empty).command().is_err());
    assert!(SetMailbox::new(mailbox("anna@contoso.example")).command().is_err());
    assert!(SetOrganizationConfig::new().command().is_err());
    let mut both = SignInRules { basic_allowed: [BasicAuthProtocol::Imap].into(), ..SignInRules::default() };
    both.legacy_blocked.insert(LegacyAuthProtocol::Imap);
    let policy = AuthenticationPolicyName::parse("x").unwrap();
    assert!(NewAuthenticationPolicy::new(policy, both).command().is_err());
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
    let assignments: Vec<Command> = commands()
        .into_iter()
        .filter(|c| c.name() == NewManagementRoleAssignment::NAME && c.parameter("App").is_some())
        .collect();
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
            ["New-", "Add-", "Enable-"].iter().any(|verb| facts.name.as_str().starts_with(verb)),
            facts.idempotency == m365_core::Idempotency::NotIdempotent,
            "{}",
            facts.name
        );
    }
}
