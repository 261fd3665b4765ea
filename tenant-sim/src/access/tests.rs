use jiff::SignedDuration;
use proptest::prelude::*;

use super::imap::ImapRefusal;
use super::*;
use crate::fixture::{
    APP, APP_OID, GRAPH, OUTLOOK, assignment, caller, full_access, group, mailbox, minutes, pointer, policy,
    start, tenant,
};
use crate::state::{GroupKind, ManagementScope, PolicyRight, Propagation, ResourceScope};

const READ: &[&str] = &["Mail.Read", "Mail.ReadWrite"];

fn instant() -> State {
    tenant(Propagation::instant())
}

fn roles(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

#[test]
fn a_consented_permission_opens_every_cloud_mailbox_and_nothing_else() {
    let mut state = instant();
    let (anna, bert) = (mailbox(&mut state, "anna"), mailbox(&mut state, "bert"));
    state.exchange.mailboxes[1].value.remote = true;
    let app = caller(GRAPH, &["Mail.ReadWrite"]);
    assert_eq!(check_graph_mailbox(&mut state, &app, anna, READ, start()), Ok(()));
    assert_eq!(
        check_graph_mailbox(&mut state, &app, anna, &["Calendars.Read"], start()),
        Err(Refusal::NoPermission)
    );
    assert_eq!(check_graph_mailbox(&mut state, &app, bert, READ, start()), Err(Refusal::NoMailbox));
    assert_eq!(
        check_graph_mailbox(&mut state, &app, Uuid::from_u128(1), READ, start()),
        Err(Refusal::NoMailbox)
    );
    let elsewhere = caller(OUTLOOK, &["Mail.ReadWrite"]);
    assert_eq!(check_graph_mailbox(&mut state, &elsewhere, anna, READ, start()), Err(Refusal::NoPermission));
}

#[test]
fn trap_policies_count_nested_members_and_roles_do_not() {
    let mut state = instant();
    let (anna, bert) = (mailbox(&mut state, "anna"), mailbox(&mut state, "bert"));
    let inner = group(&mut state, "inner", &[anna]);
    let outer = group(&mut state, "outer", &[inner]);
    policy(&mut state, Some(APP), outer, PolicyRight::Restrict);
    let consented = caller(GRAPH, &["Mail.Read"]);
    assert_eq!(check_graph_mailbox(&mut state, &consented, anna, READ, start()), Ok(()));
    assert_eq!(
        check_graph_mailbox(&mut state, &consented, bert, READ, start()),
        Err(Refusal::BlockedByPolicy)
    );

    assignment(&mut state, "Application Mail.Read", ResourceScope::Group(outer));
    let bare = caller(GRAPH, &[]);
    assert_eq!(check_graph_mailbox(&mut state, &bare, anna, READ, start()), Err(Refusal::NoPermission));
    assignment(&mut state, "Application Mail.Read", ResourceScope::Group(inner));
    assert_eq!(check_graph_mailbox(&mut state, &bare, anna, READ, start()), Ok(()));
}

#[test]
fn groups_that_hold_each_other_end() {
    let mut state = instant();
    let anna = mailbox(&mut state, "anna");
    let a = group(&mut state, "a", &[]);
    let b = group(&mut state, "b", &[a]);
    state.exchange.groups[0].value.members.push(Timed::always(b));
    policy(&mut state, None, a, PolicyRight::Restrict);
    assert!(!effective_access(&state, APP_OID, APP, anna, "Mail.Read", &roles(&["Mail.Read"])));
}

#[test]
fn trap_union_consent_voids_the_scope_and_policies_limit_only_the_consent() {
    let mut state = instant();
    let (anna, bert) = (mailbox(&mut state, "anna"), mailbox(&mut state, "bert"));
    let scoped = group(&mut state, "scoped", &[anna]);
    assignment(&mut state, "Application Mail.Full", ResourceScope::Organization);
    assignment(&mut state, "Application Mail Full Access", ResourceScope::Group(scoped));
    assert!(effective_access(&state, APP_OID, APP, anna, "Mail.Send", &[]));
    assert!(!effective_access(&state, APP_OID, APP, bert, "Mail.Send", &[]));
    assert!(effective_access(&state, APP_OID, APP, bert, "Mail.Send", &roles(&["Mail.Send"])));
    policy(&mut state, None, scoped, PolicyRight::Deny);
    let consented = roles(&["Mail.Send", "MailboxItem.Read.All"]);
    assert!(effective_access(&state, APP_OID, APP, anna, "Mail.Send", &consented), "the role is not limited");
    assert!(effective_access(&state, APP_OID, APP, bert, "Mail.Send", &consented));
    assert!(effective_access(&state, APP_OID, APP, anna, "MailboxItem.Read.All", &consented), "not covered");
}

#[test]
fn permission_names_lose_all_only_where_the_role_does() {
    let mut state = instant();
    let anna = mailbox(&mut state, "anna");
    for role in ["MailboxFolder.Read", "Mail.ReadBasic", "MailTips.ReadBasic.All"] {
        assignment(&mut state, &format!("application {role}"), ResourceScope::Organization);
    }
    for (permission, open) in [
        ("MailboxFolder.Read.All", true),
        ("Mail.ReadBasic.All", true),
        ("MailTips.ReadBasic.All", true),
        ("Mail.Read", false),
        ("Calendars.ReadBasic.All", false),
    ] {
        assert_eq!(effective_access(&state, APP_OID, APP, anna, permission, &[]), open, "{permission}");
    }
    assert_eq!(rbac::ROLES.len(), 24);
}

#[test]
fn custom_scopes_follow_the_filter_and_exclusive_scopes_restrict_nobody() {
    let mut state = instant();
    let (anna, bert) = (mailbox(&mut state, "anna"), mailbox(&mut state, "bert"));
    group(&mut state, "queue, one", &[anna]);
    let dn = state.exchange.groups[0].value.distinguished_name(state.initial_domain());
    assert!(dn.starts_with("CN=queue\\, one,OU=adatum.onmicrosoft.example,"));
    for (name, filter, exclusive) in [
        ("Queue", format!("memberofgroup -eq '{}'", dn.to_uppercase()), false),
        ("VIP", "Alias -eq 'anna'".to_owned(), true),
    ] {
        state.exchange.scopes.push(Timed::always(ManagementScope {
            name: name.to_owned(),
            recipient_filter: filter,
            exclusive,
        }));
    }
    assignment(&mut state, "Application Mail.Read", ResourceScope::Custom("queue".to_owned()));
    assert!(effective_access(&state, APP_OID, APP, anna, "Mail.Read", &[]));
    assert!(!effective_access(&state, APP_OID, APP, bert, "Mail.Read", &[]));
    state.exchange.scopes[0].value.recipient_filter = "not a filter".to_owned();
    assert!(!effective_access(&state, APP_OID, APP, anna, "Mail.Read", &[]));
}

/// Adds a role at the fixture's start and answers at which of these minutes the app's calls first succeed.
fn first_success(calls: &[i64]) -> Option<i64> {
    let mut state = tenant(Propagation::realistic());
    let anna = mailbox(&mut state, "anna");
    rbac::about_to_change(&mut state, start());
    assignment(&mut state, "Application Mail.Read", ResourceScope::Organization);
    state.exchange.role_assignments[0].effective_from = start();
    let app = caller(GRAPH, &[]);
    calls.iter().copied().find(|m| check_graph_mailbox(&mut state, &app, anna, READ, minutes(*m)).is_ok())
}

#[test]
fn trap_an_idle_app_waits_half_an_hour_and_a_probing_one_two_hours() {
    assert_eq!(first_success(&[30]), Some(30));
    assert_eq!(first_success(&[29, 58, 88]), Some(88));
    let every_ten: Vec<i64> = (0..=13).map(|n| n * 10).collect();
    assert_eq!(first_success(&every_ten), Some(120));
}

#[test]
fn a_revoked_role_lives_on_in_the_cache() {
    let mut state = tenant(Propagation::realistic());
    let anna = mailbox(&mut state, "anna");
    assignment(&mut state, "Application Mail.Read", ResourceScope::Organization);
    let app = caller(GRAPH, &[]);
    assert_eq!(check_graph_mailbox(&mut state, &app, anna, READ, start()), Ok(()));
    state.exchange.role_assignments[0].delete(minutes(1), SignedDuration::ZERO);
    assert_eq!(check_graph_mailbox(&mut state, &app, anna, READ, minutes(20)), Ok(()));
    assert!(!effective_access(&state, APP_OID, APP, anna, "Mail.Read", &[]));
    assert_eq!(check_graph_mailbox(&mut state, &app, anna, READ, minutes(50)), Err(Refusal::NoPermission));
}

#[test]
fn a_new_member_reaches_policies_after_their_own_delay() {
    let mut state = tenant(Propagation::realistic());
    let anna = mailbox(&mut state, "anna");
    let scoped = group(&mut state, "scoped", &[]);
    policy(&mut state, Some(APP), scoped, PolicyRight::Restrict);
    state.exchange.groups[0].value.members.push(Timed::new(anna, start(), SignedDuration::ZERO));
    let app = caller(GRAPH, &["Mail.Read"]);
    assert_eq!(check_graph_mailbox(&mut state, &app, anna, READ, minutes(44)), Err(Refusal::BlockedByPolicy));
    assert_eq!(check_graph_mailbox(&mut state, &app, anna, READ, minutes(45)), Ok(()));
}

#[test]
fn deleting_the_enterprise_application_deletes_pointer_and_assignments() {
    let mut state = instant();
    let anna = mailbox(&mut state, "anna");
    assignment(&mut state, "Application Mail.Read", ResourceScope::Organization);
    state.directory.service_principals[0].delete(start(), SignedDuration::ZERO);
    let app = caller(GRAPH, &[]);
    assert_eq!(check_graph_mailbox(&mut state, &app, anna, READ, minutes(1)), Err(Refusal::NoPermission));
    assert!(!state.exchange.role_assignments[0].is_configured());
}

#[test]
fn imap_needs_role_pointer_entry_and_the_mailbox_own_address() {
    let mut state = instant();
    let anna = mailbox(&mut state, "anna");
    let login = |state: &mut State, app: &Caller, user: &str| check_imap(state, app, user, start());
    let app = caller(OUTLOOK, &["IMAP.AccessAsApp"]);
    assert_eq!(login(&mut state, &app, "anna@adatum.example"), Err(ImapRefusal::NoFullAccess));
    full_access(&mut state, anna, APP_OID, false);
    let opened = ImapLogin { mailbox: anna, connected: true };
    assert_eq!(login(&mut state, &app, "ANNA@adatum.example"), Ok(opened));
    assert!(effective_access(&state, APP_OID, APP, anna, "IMAP.AccessAsApp", &roles(&["IMAP.AccessAsApp"])));
    assert!(!effective_access(&state, APP_OID, APP, anna, "IMAP.AccessAsApp", &[]));
    assert_eq!(login(&mut state, &app, "anna.alias@adatum.example"), Err(ImapRefusal::NotTheMailbox));
    let graph = caller(GRAPH, &["IMAP.AccessAsApp"]);
    assert_eq!(login(&mut state, &graph, "anna@adatum.example"), Err(ImapRefusal::WrongAudience));
    let bare = caller(OUTLOOK, &[]);
    assert_eq!(login(&mut state, &bare, "anna@adatum.example"), Err(ImapRefusal::RoleMissing));
    state.exchange.mailboxes[0].value.imap_enabled = false;
    assert_eq!(
        login(&mut state, &app, "anna@adatum.example"),
        Ok(ImapLogin { mailbox: anna, connected: false })
    );
    full_access(&mut state, anna, APP_OID, true);
    assert_eq!(login(&mut state, &app, "anna@adatum.example"), Err(ImapRefusal::NoFullAccess));
}

#[test]
fn trap_the_registration_object_id_never_signs_in() {
    let mut state = instant();
    let anna = mailbox(&mut state, "anna");
    let registration = Uuid::from_u128(0xbad);
    state.exchange.service_principals.clear();
    pointer(&mut state, registration);
    full_access(&mut state, anna, registration, false);
    let app = caller(OUTLOOK, &["IMAP.AccessAsApp"]);
    assert_eq!(
        check_imap(&mut state, &app, "anna@adatum.example", start()),
        Err(ImapRefusal::NoServicePrincipal)
    );
}

#[test]
fn imap_entries_reach_through_security_groups_only() {
    let mut state = instant();
    let anna = mailbox(&mut state, "anna");
    let apps = group(&mut state, "apps", &[APP_OID]);
    full_access(&mut state, anna, apps, false);
    let app = caller(OUTLOOK, &["IMAP.AccessAsApp"]);
    assert!(check_imap(&mut state, &app, "anna@adatum.example", start()).is_ok());
    state.exchange.groups[0].value.kind = GroupKind::Distribution;
    assert_eq!(check_imap(&mut state, &app, "anna@adatum.example", start()), Err(ImapRefusal::NoFullAccess));
}

/// What was granted, by small numbers: five mailboxes, four groups that may hold each other.
#[derive(Clone, Debug)]
struct Grants {
    members: Vec<Vec<usize>>,
    policies: Vec<(bool, usize, bool)>,
    scopes: Vec<usize>,
    consented: bool,
}

fn grants() -> impl Strategy<Value = Grants> {
    let members = proptest::collection::vec(proptest::collection::vec(0..9_usize, 0..4), 4);
    let policies = proptest::collection::vec((any::<bool>(), 0..4_usize, any::<bool>()), 0..4);
    (members, policies, proptest::collection::vec(0..4_usize, 0..3), any::<bool>())
        .prop_map(|(members, policies, scopes, consented)| Grants { members, policies, scopes, consented })
}

/// The rules once more, by saturation instead of by search.
fn expected(grants: &Grants, mailbox: usize) -> bool {
    let mut closure: Vec<Vec<usize>> = grants.members.clone();
    for _ in 0..4 {
        for group in 0..4 {
            let inherited: Vec<usize> =
                closure[group].iter().filter(|m| **m >= 5).flat_map(|m| closure[*m - 5].clone()).collect();
            closure[group].extend(inherited);
            closure[group].sort_unstable();
            closure[group].dedup();
        }
    }
    // Policies for another app are none.
    let own: Vec<_> = grants.policies.iter().filter(|(own, _, _)| *own).collect();
    let hits = |deny: bool| own.iter().any(|(_, scope, d)| *d == deny && closure[*scope].contains(&mailbox));
    let open = !hits(true) && (hits(false) || own.iter().all(|(_, _, deny)| *deny));
    (grants.consented && open) || grants.scopes.iter().any(|g| grants.members[*g].contains(&mailbox))
}

proptest! {
    #[test]
    fn enforcement_inspection_and_the_plain_rules_agree(grants in grants()) {
        let mut state = instant();
        let mailboxes: Vec<Uuid> = (0..5).map(|n| mailbox(&mut state, &format!("m{n}"))).collect();
        let groups: Vec<Uuid> = (0..4).map(|n| group(&mut state, &format!("g{n}"), &[])).collect();
        for (record, members) in state.exchange.groups.iter_mut().zip(&grants.members) {
            let ids = members.iter().map(|m| if *m < 5 { mailboxes[*m] } else { groups[*m - 5] });
            record.value.members = ids.map(Timed::always).collect();
        }
        for (own, scope, deny) in &grants.policies {
            let app = if *own { APP } else { Uuid::from_u128(99) };
            policy(&mut state, Some(app), groups[*scope], if *deny { PolicyRight::Deny } else { PolicyRight::Restrict });
        }
        for scope in &grants.scopes {
            assignment(&mut state, "Application Mail.Read", ResourceScope::Group(groups[*scope]));
        }
        let consented: &[&str] = if grants.consented { &["Mail.Read"] } else { &[] };
        let app = caller(GRAPH, consented);
        for (number, id) in mailboxes.iter().enumerate() {
            let wanted = expected(&grants, number);
            prop_assert_eq!(effective_access(&state, APP_OID, APP, *id, "Mail.Read", &roles(consented)), wanted);
            prop_assert_eq!(check_graph_mailbox(&mut state, &app, *id, &["Mail.Read"], start()).is_ok(), wanted);
        }
    }
}
