//! Routes, grants, pages and batches against the simulated tenant.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "common/tenant.rs"]
mod tenant;

use exchange_admin::cmdlets::*;
use exchange_admin::{
    ApplicationRole, BulkOptions, Cmdlet as _, ErrorKind, ExchangeAdmin, Grantee, MailboxAddress,
    MailboxGrant, MailboxRight, ManagementScopeName, Names, Progress, RecipientFilter, RecipientIdentity,
    ResourceScope, RoleAssignmentName, RoleGroup, Route, ServicePrincipalObjectId, Standing,
};
use futures_util::TryStreamExt as _;
use tenant::{add_mailboxes, app_connection, routed, routed_as, start};
use tenant_sim::{Fault, Scenario, ScenarioApp, Tenant};

fn app(name: &str, exchange: &[&str], graph: &[&str], directory: &[&str], groups: &[&str]) -> ScenarioApp {
    let list = |items: &[&str]| items.iter().map(|i| (*i).to_owned()).collect::<Vec<_>>();
    let mut app = Scenario::contoso().apps.remove(0);
    app.display_name = name.to_owned();
    app.unique_name = None;
    app.made_in_portal = false;
    app.exchange_roles = list(exchange);
    app.graph_roles = list(graph);
    app.directory_roles = list(directory);
    app.role_groups = list(groups);
    app.secret = Some(format!("secret-of-{name}"));
    app
}

async fn world() -> Tenant {
    let mut scenario = Scenario::contoso();
    let manage = ["Exchange.ManageAsApp"];
    let roles = ["RoleManagement.ReadWrite.Exchange"];
    scenario.apps.push(app("nothing", &[], &["User.Read.All"], &[], &[]));
    scenario.apps.push(app("permission-only", &manage, &[], &[], &[]));
    scenario.apps.push(app("recipients", &manage, &[], &[], &["Recipient Management"]));
    scenario.apps.push(app("documented", &["Exchange.ManageAsAppV2"], &[], &["Exchange Administrator"], &[]));
    scenario.apps.push(app("graph", &["Exchange.ManageAsAppV2"], &roles, &[], &[]));
    start(scenario).await
}

fn client(tenant: &Tenant, name: &str) -> ExchangeAdmin {
    routed_as(tenant, &app_connection(tenant, name, &format!("secret-of-{name}")))
}

fn mailboxes(tenant: &Tenant) -> Vec<String> {
    tenant.with_state(|s| {
        let cloud = s.exchange.mailboxes.iter().filter(|m| !m.value.remote);
        cloud.map(|m| m.value.primary_smtp_address.clone()).collect()
    })
}

fn address(text: &str) -> MailboxAddress {
    MailboxAddress::parse(text).unwrap()
}

#[tokio::test]
async fn the_ladder_is_401_then_403_then_200_and_a_missing_role_is_named() {
    let tenant = world().await;
    assert_eq!(client(&tenant, "nothing").standing().await.unwrap(), Standing::NoPermission);
    match client(&tenant, "permission-only").standing().await.unwrap() {
        Standing::NoRole(why) => assert!(why.contains("isn't supported in this scenario"), "{why}"),
        other => panic!("{other:?}"),
    }
    let recipients = client(&tenant, "recipients");
    let Standing::Holds(capabilities) = recipients.standing().await.unwrap() else { panic!("no rights") };
    let plan = [AddMailboxPermission::FACTS, NewServicePrincipal::FACTS, NewManagementScope::FACTS];
    let missing = capabilities.missing(plan);
    let names: Vec<&str> = missing.cmdlets.iter().map(|m| m.cmdlet.as_str()).collect();
    assert_eq!(names, ["New-ServicePrincipal", "New-ManagementScope"]);
    assert_eq!(missing.role_group(), Some(RoleGroup::OrganizationManagement));
    let error = recipients.require(plan).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    recipients.require([AddMailboxPermission::FACTS]).await.unwrap();
    let journal = tenant.journal();
    let written = journal.iter().filter_map(|e| e.cmdlet.as_deref()).any(|c| c.starts_with("New-"));
    assert!(!written, "named before the first write");
}

#[tokio::test]
async fn each_cmdlet_takes_the_route_that_lets_the_caller_in() {
    let tenant = world().await;
    let some = mailboxes(&tenant).remove(0);
    // Only the documented API: a listing works, streamed as well, and says over which route.
    let documented = client(&tenant, "documented");
    let listed = documented.run(&ListMailboxes::new()).await.unwrap();
    assert_eq!((listed.route, listed.value.len()), (Route::AdminApiV2, mailboxes(&tenant).len()));
    let streamed: Vec<Mailbox> =
        documented.stream(ListMailboxes::new()).await.unwrap().try_collect().await.unwrap();
    assert_eq!(streamed, listed.value);
    // Nobody serves this one to it; the refusal is an error and no empty list.
    let error = documented.run(&GetMailboxPermission::new(address(&some))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    // With everything, the first route answers.
    let setup = routed(&tenant).run(&GetMailbox::new(address(&some))).await.unwrap();
    assert_eq!(setup.route, Route::InvokeCommand);
    assert!(setup.value.is_some());
}

#[tokio::test]
async fn a_role_is_assigned_over_graph_and_both_routes_show_the_same() {
    let tenant = world().await;
    let (client_id, object) = tenant.with_state(|s| {
        let app = s.directory.applications.iter().find(|a| a.value.display_name == "recipients").unwrap();
        let id = app.value.app_id;
        let sp = s.directory.service_principals.iter().find(|p| p.value.app_id == id).unwrap();
        (id, sp.value.id)
    });
    let object = ServicePrincipalObjectId::from_bytes(*object.as_bytes());
    let admin = routed(&tenant);
    let client_id = exchange_admin::ClientId::from_bytes(*client_id.as_bytes());
    admin.run(&NewServicePrincipal::new(client_id, object, "recipients")).await.unwrap();
    let group = tenant.with_state(|s| s.exchange.groups[0].value.distinguished_name(s.initial_domain()));
    let scope = ManagementScopeName::parse("Acme queues").unwrap();
    let over_graph = client(&tenant, "graph");
    let filter = RecipientFilter::members_of([group.as_str()]).unwrap();
    let made = over_graph.run(&NewManagementScope::new(scope.clone(), filter)).await.unwrap();
    assert_eq!(made.route, Route::Graph);
    let assigned = over_graph
        .run(&NewManagementRoleAssignment::new(
            RoleAssignmentName::parse("Acme Mail.Read").unwrap(),
            object,
            ApplicationRole::MailRead,
            ResourceScope::Custom(scope),
        ))
        .await
        .unwrap();
    assert_eq!(assigned.route, Route::Graph);
    let list = ListManagementRoleAssignments::of_app(object);
    let (theirs, ours) = (over_graph.run(&list).await.unwrap(), admin.run(&list).await.unwrap());
    assert_eq!((theirs.route, ours.route), (Route::Graph, Route::InvokeCommand));
    assert_eq!((theirs.value.len(), ours.value.len()), (1, 1));
    assert_eq!((theirs.value[0].role, &theirs.value[0].scope), (ours.value[0].role, &ours.value[0].scope));
}

#[tokio::test]
async fn a_list_is_continued_where_it_began() {
    let tenant = world().await;
    add_mailboxes(&tenant, 2_500);
    tenant.with_state(|s| s.exchange.paging_affinity = true);
    let all = mailboxes(&tenant).len();
    let admin = routed(&tenant);
    assert_eq!(admin.run(&ListMailboxes::new()).await.unwrap().value.len(), all);
    let streamed = admin.stream(ListMailboxes::new()).await.unwrap();
    assert_eq!(streamed.try_fold(0, |n, _| async move { Ok(n + 1) }).await.unwrap(), all);
    // A page that is lost on the way is asked for again; one whose back end is gone ends the list with an error.
    tenant.faults().inject(Fault::drop_before().on_cmdlet("Get-Mailbox").skip(1));
    let streamed = admin.stream(ListMailboxes::new()).await.unwrap();
    assert_eq!(streamed.try_fold(0, |n, _| async move { Ok(n + 1) }).await.unwrap(), all);
    let mut streamed = std::pin::pin!(admin.stream(ListMailboxes::new()).await.unwrap());
    assert!(streamed.try_next().await.unwrap().is_some());
    tenant.with_state(|s| s.exchange.cursors.clear());
    let error = loop {
        match streamed.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a short list"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Truncated);
}

#[tokio::test]
async fn a_batch_that_fails_in_part_tells_which_and_why() {
    let tenant = world().await;
    let there = mailboxes(&tenant);
    let grantee = || Grantee::from(RecipientIdentity::from(address(&there[1])));
    let wanted =
        |mailbox: &str| AddMailboxPermission::new(address(mailbox), grantee(), MailboxRight::FullAccess);
    let results = routed(&tenant)
        .run_batch(&[wanted(&there[0]), wanted("nobody@contoso.example"), wanted(&there[2])])
        .await;
    assert!(results[0].is_ok() && results[2].is_ok());
    let error = results[1].as_ref().unwrap_err();
    assert_eq!((error.kind(), error.mailbox()), (ErrorKind::NotFound, Some("nobody@contoso.example")));

    let items: Vec<MailboxGrant> = [there[0].as_str(), "nobody@contoso.example", &there[3]]
        .iter()
        .map(|mailbox| MailboxGrant::new(wanted(mailbox), Names::new([there[1].clone()])))
        .collect();
    let mut progress = Progress::default();
    let report =
        routed(&tenant).apply_all(&items, &mut progress, BulkOptions::default(), |_| Ok(())).await.unwrap();
    assert_eq!((report.already_there.len(), report.applied.len(), report.failed.len()), (1, 1, 1));
    assert!(report.failed[0].0.starts_with("nobody@") && report.failed[0].1.starts_with("NotFound"));
    assert!(!report.is_complete());
    // Progress survives as JSON.
    let text = serde_json::to_string(&progress).unwrap();
    assert_eq!(serde_json::from_str::<Progress>(&text).unwrap(), progress);
}

#[tokio::test]
async fn a_role_that_still_propagates_stops_a_bulk_run_instead_of_failing_every_item() {
    let tenant = world().await;
    let there = mailboxes(&tenant);
    tenant.faults().inject(Fault::nul_403(false).on_path("/$batch"));
    let grantee = Grantee::from(RecipientIdentity::from(address(&there[1])));
    let item = MailboxGrant::new(
        AddMailboxPermission::new(address(&there[0]), grantee, MailboxRight::FullAccess),
        Names::new([there[1].clone()]),
    );
    let connection = tenant::connection(&tenant);
    let (pipeline, id) = tenant::pipeline(&connection, tenant::clock_of(&tenant));
    let direct = ExchangeAdmin::new(pipeline, id);
    let mut progress = Progress::default();
    let run =
        direct.apply_all(std::slice::from_ref(&item), &mut progress, BulkOptions::default(), |_| Ok(()));
    assert!(exchange_admin::role_may_be_propagating(&run.await.unwrap_err()));
    // Later the role is there, and the same run goes on.
    let run =
        direct.apply_all(std::slice::from_ref(&item), &mut progress, BulkOptions::default(), |_| Ok(()));
    assert_eq!(run.await.unwrap().applied.len(), 1);
}
