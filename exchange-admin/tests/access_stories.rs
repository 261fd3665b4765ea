//! Who reaches which mailbox, read from the simulated tenant and proven.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "common/tenant.rs"]
mod tenant;

use exchange_admin::access::{
    AccessProof, AccessQuery, AppPicture, AssignmentScope, EntraGrant, ExchangePointer, Outcome, Part,
    Question, Reached, SuggestionKind, Way, WideKind,
};
use exchange_admin::{ClientId, ExchangeAdmin, MailboxAddress, ServicePrincipalObjectId};
use m365_core::SharedClock;
use tenant::{connection, pipeline, start};
use tenant_sim::state::{
    AccessPolicy, AdministrativeUnit, Application, ExchangeServicePrincipal, ManagementRoleAssignment,
    ManagementScope, PolicyRight, ResourceScope, SendAs, ServicePrincipal, State, Timed,
};
use tenant_sim::{Fault, Scenario, Tenant};
use uuid::Uuid;

const CLIENT: Uuid = Uuid::from_u128(0xA1);
const OBJECT: Uuid = Uuid::from_u128(0xA2);
const OTHER_CLIENT: Uuid = Uuid::from_u128(0xB1);
const OTHER_OBJECT: Uuid = Uuid::from_u128(0xB2);

fn client(id: Uuid) -> ClientId {
    ClientId::from_bytes(*id.as_bytes())
}

fn object(id: Uuid) -> ServicePrincipalObjectId {
    ServicePrincipalObjectId::from_bytes(*id.as_bytes())
}

fn address(name: &str) -> MailboxAddress {
    MailboxAddress::parse(&format!("{name}@contoso.example")).unwrap()
}

fn app(consents: &[EntraGrant]) -> AppPicture {
    AppPicture::present(client(CLIENT), object(OBJECT))
        .with_consents(consents.iter().cloned())
        .with_display_name("Acme Reader")
}

/// A tenant with two apps of the same display name that Exchange knows.
async fn world() -> (Tenant, ExchangeAdmin) {
    let tenant = start(Scenario::contoso()).await;
    tenant.with_state(|state| {
        state.exchange.dehydrated = false;
        for (client, object, identity) in
            [(CLIENT, OBJECT, Uuid::from_u128(0xE1)), (OTHER_CLIENT, OTHER_OBJECT, Uuid::from_u128(0xE2))]
        {
            state.directory.applications.push(Timed::always(Application {
                id: Uuid::from_u128(object.as_u128() + 0x1000),
                app_id: client,
                unique_name: None,
                display_name: "Acme Reader".to_owned(),
                sign_in_audience: "AzureADMyOrg".to_owned(),
                required_resource_access: Vec::new(),
                passwords: Vec::new(),
                keys: Vec::new(),
                owners: Vec::new(),
                notes: None,
                tags: Vec::new(),
            }));
            state.directory.service_principals.push(Timed::always(ServicePrincipal {
                id: object,
                app_id: client,
                display_name: "Acme Reader".to_owned(),
                account_enabled: true,
                app_roles: Vec::new(),
            }));
            state.exchange.service_principals.push(Timed::always(ExchangeServicePrincipal {
                app_id: client,
                object_id: object,
                display_name: "Acme Reader".to_owned(),
                identity,
                sid: format!("S-1-5-21-9-9-9-{}", identity.as_u128()),
            }));
        }
    });
    let clock = SharedClock::new(tenant::TenantClock(tenant.clock().clone()));
    let (pipeline, id) = pipeline(&connection(&tenant), clock);
    (tenant, ExchangeAdmin::new(pipeline, id))
}

fn mailbox_id(state: &State, name: &str) -> Uuid {
    let wanted = address(name);
    let mut boxes = state.exchange.mailboxes.iter();
    boxes.find(|m| m.value.primary_smtp_address == wanted.as_str()).unwrap().value.object_id
}

fn group_id(state: &State, name: &str) -> Uuid {
    state.exchange.groups.iter().find(|g| g.value.name == name).unwrap().value.object_id
}

fn assign(state: &mut State, name: &str, app: Uuid, role: &str, scope: ResourceScope) {
    state.exchange.role_assignments.push(Timed::always(ManagementRoleAssignment {
        name: name.to_owned(),
        app,
        role: role.to_owned(),
        scope,
    }));
}

async fn prove(
    exchange: &ExchangeAdmin,
    app: AppPicture,
    name: &str,
    question: &Question<'_>,
) -> AccessProof {
    exchange.prove_access(app, &address(name), question, &[]).await
}

const READ: Question<'static> = Question::Graph(&["Mail.Read"]);

#[tokio::test]
async fn a_scoped_role_opens_its_group_and_nothing_else() {
    let (tenant, exchange) = world().await;
    tenant.with_state(|state| {
        let group = group_id(state, "presence-users");
        assign(state, "acme read", OBJECT, "Application Mail.Read", ResourceScope::Group(group));
    });
    let open = prove(&exchange, app(&[]), "alice", &READ).await;
    assert_eq!(open.outcome, Outcome::Allowed, "{open}");
    assert!(open.evidence.iter().any(|e| e.object.as_deref() == Some("acme read")), "{open}");
    assert!(
        open.evidence.iter().any(|e| e.text.contains("Test-ServicePrincipalAuthorization says the same"))
    );
    assert!(open.blast_radius.is_empty() && open.gaps.is_empty(), "{open}");
    let closed = prove(&exchange, app(&[]), "ceo", &READ).await;
    assert_eq!(closed.outcome, Outcome::Denied, "{closed}");
    let nobody = prove(&exchange, app(&[]), "nobody-at-all", &READ).await;
    assert_eq!(nobody.outcome, Outcome::Denied, "{nobody}");
    let json = serde_json::to_value(&closed).unwrap();
    assert_eq!(json["outcome"], "denied");
    assert_eq!(json["evidence"][0]["authority"], "Microsoft Entra (consent)");
}

#[tokio::test]
async fn trap_13_a_consent_beside_a_scoped_role_opens_every_mailbox_and_the_proof_says_how_to_close_them() {
    let (tenant, exchange) = world().await;
    tenant.with_state(|state| {
        let group = group_id(state, "presence-users");
        assign(state, "acme read", OBJECT, "Application Mail.Read", ResourceScope::Group(group));
    });
    let proof = prove(&exchange, app(&[EntraGrant::graph("Mail.Read")]), "ceo", &READ).await;
    assert_eq!(proof.outcome, Outcome::Allowed, "{proof}");
    assert_eq!(proof.blast_radius[0].kind, WideKind::Consent);
    let advice = &proof.suggestions[0];
    assert_eq!(advice.kind, SuggestionKind::RemoveConsent);
    assert!(advice.commands.last().unwrap().contains("Remove-MgServicePrincipalAppRoleAssignment"));
    assert_eq!(proof.suggestions.len(), 1, "{proof}");
}

#[tokio::test]
async fn trap_15_a_role_without_a_scope_is_named_as_organisation_wide_with_lines_that_scope_it() {
    let (tenant, exchange) = world().await;
    tenant.with_state(|state| {
        assign(state, "acme wide", OBJECT, "Application Mail.ReadWrite", ResourceScope::Organization);
    });
    let proof = prove(&exchange, app(&[]), "ceo", &Question::Graph(&["Mail.Read", "Mail.ReadWrite"])).await;
    assert_eq!(proof.outcome, Outcome::Allowed, "{proof}");
    assert_eq!(proof.blast_radius[0].kind, WideKind::Role);
    let kinds: Vec<_> = proof.suggestions.iter().map(|s| s.kind).collect();
    assert_eq!(kinds, [SuggestionKind::ScopeRole, SuggestionKind::NarrowPermission], "{proof}");
    assert!(proof.suggestions[0].commands[0].contains("-RecipientGroupScope 'NAME-OF-THE-GROUP'"), "{proof}");
    assert!(proof.suggestions[1].commands[0].contains("-Role 'Application Mail.Read'"), "{proof}");
    let none_of_it_needed =
        exchange.prove_access(app(&[]), &address("ceo"), &READ, &[EntraGrant::graph("Calendars.Read")]).await;
    assert!(none_of_it_needed.suggestions.iter().any(|s| s.kind == SuggestionKind::RemoveUnneeded));
}

/// Every read in turn is refused: the proof is unknown or what it is with everything read, and never the opposite.
#[tokio::test]
async fn a_read_that_fails_is_a_gap_and_never_an_absence() {
    let (tenant, exchange) = world().await;
    tenant.with_state(|state| {
        let (group, alice) = (group_id(state, "presence-users"), mailbox_id(state, "alice"));
        assign(state, "acme read", OBJECT, "Application Mail.Read", ResourceScope::Custom("acme".to_owned()));
        let filter = {
            let of = state.exchange.groups.iter().find(|g| g.value.object_id == group).unwrap();
            format!("MemberOfGroup -eq '{}'", of.value.distinguished_name(state.initial_domain()))
        };
        let scope = ManagementScope { name: "acme".to_owned(), recipient_filter: filter, exclusive: false };
        state.exchange.scopes.push(Timed::always(scope));
        state.exchange.access_policies.push(Timed::always(AccessPolicy {
            app_id: Some(CLIENT),
            scope: group,
            right: PolicyRight::Restrict,
            description: String::new(),
        }));
        state.exchange.send_as.push(Timed::always(SendAs { recipient: alice, trustee: OBJECT }));
    });
    let consents = [EntraGrant::graph("Mail.Send"), EntraGrant::exchange("SMTP.SendAsApp")];
    let questions = [READ, Question::Graph(&["Mail.Send"]), Question::Smtp, Question::Ews, Question::Imap];
    let mut unknown = 0;
    for name in ["alice", "ceo"] {
        for question in &questions {
            tenant.faults().clear();
            let whole = prove(&exchange, app(&consents), name, question).await;
            assert_ne!(whole.outcome, Outcome::Unknown, "{whole}");
            for cmdlet in [
                "Get-ServicePrincipal",
                "Get-ManagementRoleAssignment",
                "Get-ManagementScope",
                "Get-Recipient",
                "Get-DistributionGroupMember",
                "Get-ApplicationAccessPolicy",
                "Get-MailboxPermission",
                "Get-RecipientPermission",
                "Get-CASMailbox",
                "Get-OrganizationConfig",
                "Get-TransportConfig",
                "Test-ApplicationAccessPolicy",
                "Test-ServicePrincipalAuthorization",
            ] {
                tenant.faults().clear();
                tenant.faults().inject(Fault::status(403).on_cmdlet(cmdlet).times(1000));
                let part = prove(&exchange, app(&consents), name, question).await;
                assert!(
                    part.outcome == whole.outcome || part.outcome == Outcome::Unknown,
                    "without {cmdlet}: {part}\nbut {whole}"
                );
                if part.outcome == Outcome::Unknown {
                    unknown += 1;
                    assert!(!part.gaps.is_empty(), "without {cmdlet} unknown, and no gap says why: {part}");
                    assert!(part.to_string().contains("Not read"));
                }
            }
        }
    }
    assert!(unknown > 20, "{unknown}");
}

#[tokio::test]
async fn trap_20_what_exchange_says_settles_what_was_not_read_and_a_contradiction_proves_nothing() {
    let (tenant, exchange) = world().await;
    tenant.with_state(|state| {
        let unit = "North".to_owned();
        let members = vec![Timed::always(mailbox_id(state, "alice"))];
        state.exchange.administrative_units.push(Timed::always(AdministrativeUnit {
            id: Uuid::from_u128(0xAD),
            name: unit.clone(),
            members,
        }));
        assign(state, "north", OBJECT, "Application Mail.Read", ResourceScope::AdministrativeUnit(unit));
    });
    // The members of an administrative unit are nothing that Exchange lists.
    let settled = prove(&exchange, app(&[]), "alice", &READ).await;
    assert_eq!(settled.outcome, Outcome::Allowed, "{settled}");
    assert_eq!(prove(&exchange, app(&[]), "bob", &READ).await.outcome, Outcome::Denied);
    let query = AccessQuery::of(app(&[])).for_mailbox(address("alice")).over([Way::Graph]).with_tests();
    let mut picture = exchange.access_pictures(query).await.remove(0);
    assert_eq!(
        picture.assignments.as_ref().unwrap()[0].scope,
        AssignmentScope::AdministrativeUnit("North".to_owned())
    );
    picture.units.insert("north".to_owned(), std::collections::BTreeSet::new());
    let contradiction = picture.prove(&address("alice"), &READ, &[]);
    assert_eq!(contradiction.outcome, Outcome::Unknown, "{contradiction}");
    assert!(contradiction.to_string().contains("one of the two is out of date"), "{contradiction}");
    let id = picture.find(&address("alice")).unwrap().unwrap();
    let says = picture.exchange_says.get_mut(&id).unwrap();
    says.roles.as_mut().unwrap()[0].in_scope = exchange_admin::cmdlets::InScope::NotRun;
    assert_eq!(picture.prove(&address("alice"), &READ, &[]).outcome, Outcome::Denied, "not run says nothing");
    picture.units.clear();
    assert_eq!(picture.prove(&address("alice"), &READ, &[]).outcome, Outcome::Unknown);
}

#[tokio::test]
async fn trap_28_a_proof_says_that_it_is_the_configuration_s_truth() {
    let (_tenant, exchange) = world().await;
    let proof = prove(&exchange, app(&[]), "alice", &READ).await;
    assert!(proof.truth.contains("run ahead") && proof.to_string().ends_with(proof.truth));
}

/// Two apps share a display name: an entry, an assignment of the other one is not ours.
#[tokio::test]
async fn trap_9_another_app_of_the_same_name_lends_nothing() {
    let (tenant, exchange) = world().await;
    tenant.with_state(|state| {
        let alice = mailbox_id(state, "alice");
        assign(state, "theirs", OTHER_OBJECT, "Application Mail.Read", ResourceScope::Organization);
        state.exchange.mailbox_permissions.push(Timed::always(tenant_sim::state::MailboxPermission {
            mailbox: alice,
            grantee: OTHER_OBJECT,
            rights: vec!["FullAccess".to_owned()],
            deny: false,
            inheritance: "All".to_owned(),
        }));
    });
    assert_eq!(prove(&exchange, app(&[]), "alice", &READ).await.outcome, Outcome::Denied);
    let imap = [EntraGrant::exchange("IMAP.AccessAsApp")];
    assert_eq!(prove(&exchange, app(&imap), "alice", &Question::Imap).await.outcome, Outcome::Denied);
}

/// Exchange's pointer to the registration's object id lets everything be set up and nobody in.
#[tokio::test]
async fn trap_12_a_pointer_to_the_wrong_object_id_opens_nothing() {
    let (tenant, exchange) = world().await;
    tenant.with_state(|state| {
        assign(state, "wide", OBJECT, "Application Mail.Read", ResourceScope::Organization);
    });
    let wrong = AppPicture::present(client(CLIENT), object(Uuid::from_u128(0xC2))).with_consents([]);
    let proof = prove(&exchange, wrong, "alice", &READ).await;
    assert_eq!(proof.outcome, Outcome::Denied, "{proof}");
    assert!(proof.blast_radius.is_empty(), "{proof}");
}

#[tokio::test]
async fn trap_17_ews_with_an_empty_list_is_closed_and_trap_18_lists_of_user_agents_hit_graph_too() {
    let (tenant, exchange) = world().await;
    tenant.with_state(|state| {
        assign(state, "ews", OBJECT, "Application EWS.AccessAsApp", ResourceScope::Organization);
        assign(state, "read", OBJECT, "Application Mail.Read", ResourceScope::Organization);
    });
    let switch = |change: &dyn Fn(&mut tenant_sim::state::OrganizationSwitches)| {
        tenant.with_state(|state| {
            let mut switches =
                state.exchange.organization_switches.last().map(|s| s.value.clone()).unwrap_or_default();
            change(&mut switches);
            state.exchange.organization_switches.clear();
            state.exchange.organization_switches.push(Timed::always(switches));
        });
    };
    let ews = |agent: Option<&'static str>| {
        let app = app(&[]);
        let app = match agent {
            Some(agent) => app.with_user_agent(agent),
            None => app,
        };
        let exchange = exchange.clone();
        async move {
            (
                prove(&exchange, app.clone(), "alice", &Question::Ews).await,
                prove(&exchange, app, "alice", &READ).await,
            )
        }
    };
    assert_eq!(ews(None).await.0.outcome, Outcome::Allowed, "never set");
    switch(&|s| s.ews_enabled = Some(true));
    let empty = ews(None).await.0;
    assert_eq!(empty.outcome, Outcome::Denied, "{empty}");
    switch(&|s| s.ews_allowed_apps.extend([CLIENT]));
    assert_eq!(ews(None).await.0.outcome, Outcome::Allowed);
    switch(&|s| {
        s.agents.allow_list_counts = Some(true);
        s.agents.allowed = vec!["acme/*".to_owned()];
    });
    for (agent, outcome) in
        [(None, Outcome::Unknown), (Some("acme/2.4"), Outcome::Allowed), (Some("other/1"), Outcome::Denied)]
    {
        let (over_ews, over_graph) = ews(agent).await;
        assert_eq!(
            (over_ews.outcome, over_graph.outcome),
            (outcome, outcome),
            "{agent:?} {over_ews}\n{over_graph}"
        );
    }
    switch(&|s| s.ews_enabled = Some(false));
    assert_eq!(ews(Some("acme/2.4")).await.0.outcome, Outcome::Denied);
}

#[tokio::test]
async fn filters_by_attribute_are_evaluated_as_far_as_exchange_shows_the_attribute() {
    let (tenant, exchange) = world().await;
    for (filter, alice, bob) in [
        ("Alias -eq 'alice'", Outcome::Allowed, Outcome::Denied),
        (
            "RecipientTypeDetails -eq 'UserMailbox' -and DisplayName -like 'Bob*'",
            Outcome::Denied,
            Outcome::Allowed,
        ),
        ("CustomAttribute1 -eq 'x' -or Alias -eq 'alice'", Outcome::Allowed, Outcome::Unknown),
    ] {
        tenant.with_state(|state| {
            state.exchange.scopes.clear();
            state.exchange.role_assignments.clear();
            state.exchange.scopes.push(Timed::always(ManagementScope {
                name: "by attribute".to_owned(),
                recipient_filter: filter.to_owned(),
                exclusive: true,
            }));
            let scope = ResourceScope::Custom("by attribute".to_owned());
            assign(state, "read", OBJECT, "Application Mail.Read", scope);
        });
        let query =
            AccessQuery::of(app(&[])).for_mailboxes([address("alice"), address("bob")]).over([Way::Graph]);
        let picture = exchange.access_pictures(query).await.remove(0);
        assert_eq!(picture.prove(&address("alice"), &READ, &[]).outcome, alice, "{filter}");
        assert_eq!(picture.prove(&address("bob"), &READ, &[]).outcome, bob, "{filter}");
        assert!(picture.blast_radius().iter().any(|w| w.kind == WideKind::ExclusiveScope));
    }
}

#[tokio::test]
async fn the_reverse_views() {
    let (tenant, exchange) = world().await;
    tenant.with_state(|state| {
        let group = group_id(state, "presence-users");
        assign(state, "acme read", OBJECT, "Application Mail.Read", ResourceScope::Group(group));
        assign(state, "theirs", OTHER_OBJECT, "Application Calendars.Read", ResourceScope::Organization);
    });
    let query = AccessQuery::of(app(&[])).over([Way::Graph]).with_members();
    let picture = exchange.access_pictures(query).await.remove(0);
    let reached: Vec<Reached> = picture.mailboxes_of(&READ).collect();
    let open: Vec<&str> = reached
        .iter()
        .filter_map(|r| match r {
            Reached::Mailbox { address, verdict, .. } if verdict.outcome == Outcome::Allowed => {
                Some(address.as_str())
            }
            _ => None,
        })
        .collect();
    assert_eq!(open.len(), 2, "{reached:#?}");
    assert!(open.contains(&"alice@contoso.example") && open.contains(&"bob@contoso.example"));
    assert!(!reached.iter().any(|r| matches!(r, Reached::Others { .. } | Reached::EveryMailbox { .. })));

    // Who holds all of them gets one line, not a hundred thousand.
    let wide = AccessQuery::of(app(&[EntraGrant::graph("Mail.Read")])).over([Way::Graph]).with_members();
    let picture = exchange.access_pictures(wide).await.remove(0);
    let reached: Vec<Reached> = picture.mailboxes_of(&READ).collect();
    assert!(matches!(reached.as_slice(), [Reached::EveryMailbox { .. }]), "{reached:#?}");

    let apps = exchange.apps_of(&address("alice"), [app(&[])]).await.unwrap();
    assert_eq!(apps.apps.len(), 2, "{apps}");
    assert_eq!(apps.apps[0].app.client_id, Some(client(CLIENT)), "{apps}");
    assert_eq!(apps.apps[0].outcome, Outcome::Allowed);
    // Nobody said what Entra knows of the other: its role opens every calendar, if it may sign in.
    assert_eq!(apps.apps[1].outcome, Outcome::Unknown, "{apps}");
    tenant.faults().inject(Fault::status(403).on_cmdlet("Get-ServicePrincipal").times(10));
    exchange.apps_of(&address("alice"), []).await.unwrap_err();
}

/// What only another way looks at is not asked for.
#[tokio::test]
async fn only_what_is_needed_is_read() {
    let (tenant, exchange) = world().await;
    let before = tenant.journal().len();
    let query = AccessQuery::of(app(&[])).for_mailbox(address("alice")).over([Way::Imap]);
    let picture = exchange.access_pictures(query).await.remove(0);
    assert_eq!(picture.app.pointer, ExchangePointer::To(object(OBJECT)));
    let paths = format!("{:?}", &tenant.journal()[before..]);
    assert!(paths.contains("CASMailbox"), "{paths}");
    assert!(!paths.contains("ApplicationAccessPolicy") && !paths.contains("RoleAssignment"), "{paths}");
    assert!(!paths.contains("OrganizationConfig") && !paths.contains("RecipientPermission"), "{paths}");
    assert!(picture.policies.is_none() && picture.gaps.is_empty());
    assert_eq!(picture.gaps.iter().filter(|g| matches!(g.part, Part::Policies)).count(), 0);
}
