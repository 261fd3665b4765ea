//! Every command that a type of ours renders, up to the values: all choices of its options.

use exchange_admin::cmdlets::*;
use exchange_admin::{
    AccessRight, ApplicationRole, AuthenticationPolicyName, CalendarSharing, Cmdlet, Command, ErrorKind,
    FolderAccess, FolderGrantee, FolderRole, Inheritance, MailboxRight, ManagementRoleName,
    ManagementScopeName, ObjectName, OrganizationalUnit, RecipientFilter, ResourceScope, RoleAssignmentName,
    RoleGroupName, ThrottlingPolicyName,
};

use crate::common::{address, app, object};
use crate::examples::{folder, named};

/// All choices of these options.
fn choices<T: Clone>(base: T, options: &[&dyn Fn(T) -> T]) -> Vec<T> {
    (0..1_u32 << options.len())
        .map(|choice| {
            let chosen = options.iter().enumerate().filter(|(at, _)| choice >> at & 1 == 1);
            chosen.fold(base.clone(), |cmdlet, (_, option)| option(cmdlet))
        })
        .collect()
}

/// The commands of those that are not refused.
fn commands<C: Cmdlet>(cmdlets: impl IntoIterator<Item = C>) -> Vec<Command> {
    let mut refused = 0;
    let rendered: Vec<Command> = cmdlets
        .into_iter()
        .filter_map(|cmdlet| match cmdlet.command() {
            Ok(command) => Some(command),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
                refused += 1;
                None
            }
        })
        .collect();
    assert!(!rendered.is_empty(), "{}: all {refused} choices are refused", C::NAME);
    rendered
}

pub(crate) fn every_command() -> Vec<Command> {
    [recipients(), permissions(), folders(), policies(), roles(), organisation(), on_premises()].concat()
}

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).unwrap()
}

fn scope() -> ManagementScopeName {
    ManagementScopeName::parse("s").unwrap()
}

fn recipients() -> Vec<Command> {
    let box_1 = || address("box1@contoso.com");
    let unit = || OrganizationalUnit::parse("contoso.example/Sales").unwrap();
    [
        commands([GetMailbox::new(named("a"))]),
        commands([ListMailboxes::new()]),
        commands(choices(
            NewSharedMailbox::new(name("a"), box_1()),
            &[&|c| c.with_alias("a"), &|c| c.with_display_name("A")],
        )),
        commands(choices(NewResourceMailbox::room(name("a"), box_1()), &[&|c| c.with_display_name("A")])),
        commands(choices(
            NewResourceMailbox::equipment(name("a"), box_1()),
            &[&|c| c.with_display_name("A")],
        )),
        commands(choices(NewUserMailbox::online(name("a"), box_1()), &[&|c| c.with_display_name("A")])),
        commands(choices(
            NewUserMailbox::on_premises(name("a"), box_1(), None),
            &[&|c| c.with_display_name("A")],
        )),
        commands(choices(
            NewUserMailbox::on_premises(name("a"), box_1(), Some(unit())),
            &[&|c| c.with_display_name("A")],
        )),
        commands(choices(
            SetMailbox::new(named("a")),
            &[
                &|c| c.with_send_on_behalf(&named("b")),
                &|c| c.without_send_on_behalf(&named("c")),
                &|c| c.with_hidden_from_address_lists(true),
                &|c| c.with_copy_of_sent_as(true),
            ],
        )),
        commands([RemoveMailbox::new(named("a"))]),
        commands([GetRecipient::new(named("a"))]),
        commands([GetUser::new(named("a"))]),
        commands([
            SetUser::with_authentication_policy(named("a"), AuthenticationPolicyName::parse("p").unwrap()),
            SetUser::without_authentication_policy(named("a")),
        ]),
        commands([GetDistributionGroup::new(named("g"))]),
        commands([ListDistributionGroups::new()]),
        commands(choices(
            NewDistributionGroup::security(name("g"), box_1()),
            &[&|c| c.with_alias("g"), &|c| c.with_display_name("G")],
        )),
        commands([RemoveDistributionGroup::new(named("g"))]),
        commands([GetDistributionGroupMember::new(named("g"))]),
        commands([AddDistributionGroupMember::new(named("g"), named("a"))]),
        commands([GetDynamicDistributionGroupMember::new(named("g"))]),
        commands([RemoveDistributionGroupMember::new(named("g"), named("a"))]),
    ]
    .concat()
}

fn permissions() -> Vec<Command> {
    let all = MailboxRight::FullAccess;
    [
        commands(choices(GetMailboxPermission::new(named("a")), &[&|c| c.with_user(object())])),
        commands(choices(
            AddMailboxPermission::new(named("a"), named("b"), all),
            &[&|c| c.with_inheritance(Inheritance::None), &|c| c.with_auto_mapping(true)],
        )),
        commands(choices(
            RemoveMailboxPermission::new(named("a"), object(), all),
            &[&|c| c.with_inheritance(Inheritance::None)],
        )),
        commands(choices(GetRecipientPermission::new(named("a")), &[&|c| c.with_trustee(object())])),
        commands([AddRecipientPermission::send_as(named("a"), object())]),
        commands([RemoveRecipientPermission::send_as(named("a"), object())]),
    ]
    .concat()
}

fn folders() -> Vec<Command> {
    let calendar = || folder("a@contoso.com", "Calendar");
    let bob = || FolderGrantee::from(address("bob@contoso.com"));
    let access = [
        FolderAccess::none(),
        FolderRole::Reviewer.into(),
        FolderRole::Editor.into(),
        FolderRole::Owner.into(),
    ];
    let sharing =
        [CalendarSharing::None, CalendarSharing::Delegate, CalendarSharing::DelegateWithPrivateItems];
    let mut all = Vec::new();
    let (mut adds, mut sets) = (Vec::new(), Vec::new());
    for grantee in [bob(), FolderGrantee::Default, FolderGrantee::Anonymous] {
        for access in &access {
            for sharing in sharing {
                adds.extend(choices(
                    AddMailboxFolderPermission::new(calendar(), grantee.clone(), access.clone()),
                    &[&|c| c.with_sharing(sharing), &|c| c.with_notification()],
                ));
                sets.extend(choices(
                    SetMailboxFolderPermission::new(calendar(), grantee.clone(), access.clone()),
                    &[&|c| c.with_sharing(sharing), &|c| c.with_notification(true, sharing), &|c| {
                        c.with_notification(false, sharing)
                    }],
                ));
            }
        }
    }
    all.extend(commands(adds));
    all.extend(commands(sets));
    all.extend(commands(choices(GetMailboxFolderPermission::new(calendar()), &[&|c| c.with_user(bob())])));
    all.extend(commands([
        RemoveMailboxFolderPermission::new(calendar(), bob()),
        RemoveMailboxFolderPermission::new(calendar(), FolderGrantee::Default),
        RemoveMailboxFolderPermission::reset_delegates(calendar()),
    ]));
    all.extend(commands([
        GetMailboxFolderStatistics::new(named("a")),
        GetMailboxFolderStatistics::of_calendars(named("a")),
    ]));
    all
}

fn policies() -> Vec<Command> {
    let policy = || AccessPolicyIdentity::parse("o\\a:S-1-5-21-1;x").unwrap();
    let sign_in = || AuthenticationPolicyName::parse("p").unwrap();
    let basic = {
        use BasicAuthProtocol as P;
        [P::WebServices, P::Imap, P::Pop, P::Smtp, P::Autodiscover, P::ActiveSync]
    };
    let legacy = {
        use LegacyAuthProtocol as P;
        [
            P::WebServices,
            P::Imap,
            P::Pop,
            P::Autodiscover,
            P::ActiveSync,
            P::Mapi,
            P::OfflineAddressBook,
            P::Rpc,
        ]
    };
    let rules = [
        SignInRules::default(),
        SignInRules { basic_allowed: basic.into(), ..SignInRules::default() },
        SignInRules { legacy_blocked: legacy.into(), ..SignInRules::default() },
        SignInRules { basic_allowed: basic.into(), legacy_blocked: legacy.into() },
    ];
    let switched = |on: bool| {
        let of_basic =
            basic.iter().map(|p| SetAuthenticationPolicy::new(sign_in()).with_basic_allowed(*p, on));
        let of_legacy =
            legacy.iter().map(|p| SetAuthenticationPolicy::new(sign_in()).with_legacy_blocked(*p, on));
        of_basic.chain(of_legacy).collect::<Vec<_>>()
    };
    [
        commands([GetApplicationAccessPolicy::new(policy())]),
        commands([ListApplicationAccessPolicies::new()]),
        commands(choices(
            NewApplicationAccessPolicy::new(app(), named("g"), AccessRight::Restrict),
            &[&|c| c.with_description("d")],
        )),
        commands([SetApplicationAccessPolicy::new(policy(), "d")]),
        commands([RemoveApplicationAccessPolicy::new(policy())]),
        commands([TestApplicationAccessPolicy::new(app(), named("a"))]),
        commands([GetAuthenticationPolicy::new(sign_in())]),
        commands([ListAuthenticationPolicies::new()]),
        commands(rules.map(|rules| NewAuthenticationPolicy::new(sign_in(), rules))),
        commands(switched(true)),
        commands(switched(false)),
        commands([RemoveAuthenticationPolicy::new(sign_in())]),
    ]
    .concat()
}

fn roles() -> Vec<Command> {
    let assignment = || RoleAssignmentName::parse("n").unwrap();
    let group = || RoleGroupName::parse("g").unwrap();
    let filter = || RecipientFilter::parse("Department -eq 'Sales'").unwrap();
    let scopes = [
        ResourceScope::Organization,
        ResourceScope::Custom(scope()),
        ResourceScope::Group(named("g")),
        ResourceScope::AdministrativeUnit(name("u")),
    ];
    [
        commands([GetServicePrincipal::of_app(app()), GetServicePrincipal::of_object(object())]),
        commands([ListServicePrincipals::new()]),
        commands(["", "Acme"].map(|display| NewServicePrincipal::new(app(), object(), display))),
        commands([RemoveServicePrincipal::new(object())]),
        commands(choices(
            TestServicePrincipalAuthorization::new(object()),
            &[&|c| c.with_resource(named("a"))],
        )),
        commands([GetManagementScope::new(scope())]),
        commands([ListManagementScopes::new()]),
        commands([NewManagementScope::new(scope(), filter())]),
        commands([SetManagementScope::new(scope(), filter())]),
        commands([RemoveManagementScope::new(scope())]),
        commands([GetManagementRoleAssignment::new(assignment())]),
        commands([ListManagementRoleAssignments::of_app(object())]),
        commands(scopes.map(|scope| {
            NewManagementRoleAssignment::new(assignment(), object(), ApplicationRole::MailRead, scope)
        })),
        commands([RemoveManagementRoleAssignment::new(assignment())]),
        commands([GetRoleGroup::new(group())]),
        commands([ListRoleGroups::new()]),
        commands(choices(
            NewRoleGroup::new(group(), [ManagementRoleName::parse("Mail Recipients").unwrap()]),
            &[&|c| c.with_member(object()), &|c| c.with_write_scope(scope()), &|c| c.with_description("d")],
        )),
        commands([RemoveRoleGroup::new(group())]),
        commands([GetRoleGroupMember::new(group())]),
        commands([AddRoleGroupMember::new(group(), object())]),
        commands([RemoveRoleGroupMember::new(group(), object())]),
        commands([
            GetManagementRole::with_cmdlet(SetOrganizationConfig::NAME),
            GetManagementRole::with_parameters(SetOrganizationConfig::NAME, &["EwsEnabled"]),
        ]),
        role_entries(),
    ]
    .concat()
}

fn role_entries() -> Vec<Command> {
    let role = || ManagementRoleName::parse("Acme reader").unwrap();
    let parent = || ManagementRoleName::parse("Mail Recipients").unwrap();
    // Their names come from commands alone.
    let parameters = || {
        let list = GetDistributionGroupMember::new(named("g")).command().unwrap();
        list.parameters().iter().map(|(name, _)| *name).collect::<Vec<_>>()
    };
    [
        commands([FindManagementRole::new(role())]),
        commands(choices(
            NewManagementRole::new(role(), parent(), [GetMailbox::NAME, GetUser::NAME]),
            &[&|c| c.with_description("d")],
        )),
        commands([RemoveManagementRole::new(role())]),
        commands([GetManagementRoleEntry::of_role(role())]),
        // Without parameters it is refused.
        commands(
            [parameters(), Vec::new()].map(|p| AddManagementRoleEntry::new(role(), GetMailbox::NAME, p)),
        ),
        commands(
            [parameters(), Vec::new()].map(|p| SetManagementRoleEntry::new(role(), GetMailbox::NAME, p)),
        ),
        commands([RemoveManagementRoleEntry::new(role(), GetMailbox::NAME)]),
        commands([
            ListRoleAssignments::of_role(role()),
            ListRoleAssignments::of_role_group(RoleGroupName::parse("g").unwrap()),
        ]),
        commands([ListEffectiveRoleUsers::of_role(role())]),
    ]
    .concat()
}

fn organisation() -> Vec<Command> {
    let agent = UserAgentPattern::parse("a*").unwrap();
    [
        commands([ListAcceptedDomains::new()]),
        commands([EnableOrganizationCustomization::new()]),
        commands(choices(GetOrganizationConfig::new(), &[&|c| c.with_ews_allowed_apps()])),
        commands(choices(
            SetOrganizationConfig::new(),
            &[
                &|c| c.with_ews(EwsSwitch::On),
                &|c| c.with_ews_allowed_apps([app()].into_iter().collect()),
                &|c| c.with_ews_agent_policy(EwsAgentPolicy::AllowList),
                &|c| c.with_ews_agent_allowed(&agent),
                &|c| c.without_ews_agent_allowed(&agent),
                &|c| c.with_ews_agent_blocked(&agent),
                &|c| c.without_ews_agent_blocked(&agent),
            ],
        )),
        commands([GetTransportConfig::new()]),
        commands([true, false].map(SetTransportConfig::smtp_client_authentication_disabled)),
        commands([GetCasMailbox::new(named("a"))]),
        commands(choices(
            SetCasMailbox::new(named("a")),
            &[
                &|c| c.with_imap_enabled(true),
                &|c| c.with_pop_enabled(false),
                &|c| c.with_smtp_client_authentication_disabled(None),
                &|c| c.with_ews(EwsSwitch::Unset),
                &|c| c.with_ews_agent_policy(EwsAgentPolicy::BlockList),
                &|c| c.with_ews_agent_allowed(&agent),
                &|c| c.without_ews_agent_allowed(&agent),
            ],
        )),
    ]
    .concat()
}

fn on_premises() -> Vec<Command> {
    let throttling = || ThrottlingPolicyName::parse("t").unwrap();
    let assignment = || RoleAssignmentName::parse("n").unwrap();
    let unit = || OrganizationalUnit::parse("contoso.example/Sales").unwrap();
    let scopes = || {
        [
            ImpersonationScope::Organization,
            ImpersonationScope::Custom(scope()),
            ImpersonationScope::OrganizationalUnit(unit()),
        ]
    };
    let rights = [ExtendedRight::SendAs, ExtendedRight::Impersonation, ExtendedRight::MayImpersonate];
    let budgets = choices(
        EwsBudget::default(),
        &[
            &|b: EwsBudget| EwsBudget { max_concurrency: Some(Budget::Limit(4)), ..b },
            &|b| EwsBudget { max_burst: Some(Budget::Unlimited), ..b },
            &|b| EwsBudget { recharge_rate: Some(Budget::Unlimited), ..b },
            &|b| EwsBudget { cutoff_balance: Some(Budget::Unlimited), ..b },
            &|b| EwsBudget { max_subscriptions: Some(Budget::Limit(9)), ..b },
        ],
    );
    [
        commands([GetThrottlingPolicy::new(throttling())]),
        commands([ListThrottlingPolicies::new()]),
        commands(budgets.clone().into_iter().map(|ews| NewThrottlingPolicy::new(throttling(), ews))),
        commands(budgets.into_iter().map(|ews| SetThrottlingPolicy::new(throttling(), ews))),
        commands([RemoveThrottlingPolicy::new(throttling())]),
        commands([GetThrottlingPolicyAssociation::new(named("a"))]),
        commands([
            SetThrottlingPolicyAssociation::new(named("a"), throttling()),
            SetThrottlingPolicyAssociation::to_default(named("a")),
        ]),
        commands(
            scopes().map(|scope| NewImpersonationAssignment::to_user(assignment(), named("svc"), scope)),
        ),
        commands(scopes().map(|scope| {
            NewImpersonationAssignment::to_role_group(assignment(), RoleGroupName::parse("g").unwrap(), scope)
        })),
        commands(rights.map(|right| AddAdPermission::new(named("a"), named("svc"), right))),
        commands(rights.map(|right| RemoveAdPermission::new(named("a"), named("svc"), right))),
        commands(choices(GetAdPermission::new(named("a")), &[&|c| c.with_user(named("svc"))])),
    ]
    .concat()
}
