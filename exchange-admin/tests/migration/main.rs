//! From access policies to roles: never wider at any moment, the same at the end, nothing too much, and the traps.
//!
//! Two oracles, neither of which knows the planner: a small model in `world`, and the simulated tenant's enforcement.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod world;

use std::collections::{BTreeMap, BTreeSet};

use exchange_admin::cmdlets::*;
use exchange_admin::migration::*;
use exchange_admin::{AccessRight, ApplicationRole, ClientId, Cmdlet, RecipientFilter, RecipientKind, Row};
use proptest::prelude::*;
use world::*;

/// Whether a mailbox known to the canary's role is open to it by somebody else's scope: then no proof is possible.
fn canary_is_open_by_others(world: &World) -> bool {
    let mut others = world.clone();
    others.consents.clear();
    CLASSES.iter().any(|c| others.reaches(c, CANARY))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2500))]

    #[test]
    fn never_wider_in_between_and_the_same_at_the_end(world in world(), options in options()) {
        let before = world.reach();
        prop_assert_eq!(&before, &world.reach_in(base()), "the two oracles agree");
        let input = world.input(&options);
        let ours = |p: &&Policy| p.of != Of::Another;
        let denies = world.policies.iter().filter(ours).any(|p| p.right == Some(AccessRight::Deny));
        let plan = match plan(&input, &options) {
            Ok(plan) => plan,
            Err(blocked) => {
                prop_assert!(!blocked.blockers.is_empty());
                return Ok(());
            }
        };
        prop_assert!(!denies || plan.is_empty() && world.consents.is_empty(), "a deny was planned away");
        prop_assert!(rehearse(&input, &options, &plan.steps).first_wider().is_none());
        let mut now = world.clone();
        let unprovable = canary_is_open_by_others(&world);
        for step in &plan.steps {
            match now.take(&step.action) {
                Err(_) if unprovable => return Ok(()),
                taken => prop_assert_eq!(taken, Ok(()), "{}", step),
            }
            let reach = now.reach();
            prop_assert!(reach.is_subset(&before), "wider after {step}: {reach:?} {before:?}");
            prop_assert_eq!(reach, now.reach_in(base()));
        }
        prop_assert_eq!(&now.reach(), &before, "the same mailboxes at the end");
        let kept = now.policies.iter().any(|p| p.of == Of::Us);
        let unmapped = CLASSES[5..7].iter().any(|c| now.consents.contains(c[0]));
        prop_assert!(plan.is_empty() || kept == (unmapped && world.policies.iter().any(|p| p.of == Of::Us)));
        let again = super_plan(&now, &options);
        prop_assert!(again.as_ref().is_ok_and(MigrationPlan::is_empty), "a second plan: {again:?}");

        // Nothing is too much: without any one step, a later one fails or the end is another.
        for left_out in 0..plan.steps.len() {
            let mut less = world.clone();
            let steps = plan.steps.iter().enumerate().filter(|(n, _)| *n != left_out);
            let failed = steps.map(|(_, s)| less.take(&s.action)).any(|r| r.is_err());
            // What others gave the app is no excuse for a step.
            let same = less.without_others().reach() == now.without_others().reach()
                && less.consents == now.consents
                && less.policies.iter().filter(|p| p.of == Of::Us).count()
                    == now.policies.iter().filter(|p| p.of == Of::Us).count();
            // A proof that no removal rests on is the end of the plan, and shows in nothing else.
            let proof = matches!(plan.steps[left_out].action, MigrationAction::Prove { .. });
            prop_assert!(failed || !same || proof && !less.proven, "too much: {}", plan.steps[left_out]);
        }
    }

    /// Stopped after any step, what is planned then ends in the same state; and policies go last in either part.
    #[test]
    fn a_plan_made_in_the_middle_leads_to_the_same_end(world in world(), options in options(), at in 0usize..20) {
        let Ok(plan) = plan(&world.input(&options), &options) else { return Ok(()) };
        if canary_is_open_by_others(&world) {
            return Ok(());
        }
        let before = world.reach();
        let mut now = world;
        for step in plan.steps.iter().take(at) {
            now.take(&step.action).unwrap();
        }
        // Another run has seen nothing yet.
        now.verified.clear();
        now.proven = false;
        let rest = super_plan(&now, &options);
        let rest = match rest {
            Ok(rest) => rest,
            Err(blocked) => return Err(TestCaseError::fail(format!("after {at}: {blocked}"))),
        };
        let last = rest.steps.iter().rposition(|s| !matches!(s.action, MigrationAction::RemovePolicy { .. }));
        let first = rest.steps.iter().position(|s| matches!(s.action, MigrationAction::RemovePolicy { .. }));
        prop_assert!(first.is_none() || last < first);
        for step in &rest.steps {
            prop_assert_eq!(now.take(&step.action), Ok(()), "{}", step);
            prop_assert!(now.reach().is_subset(&before));
        }
        prop_assert_eq!(now.reach(), before);
        prop_assert!(super_plan(&now, &options).is_ok_and(|p| p.is_empty()));
    }
}

/// A plan of what stands now; policies that were removed are gone from the list.
fn super_plan(world: &World, options: &MigrationOptions) -> Result<MigrationPlan, Blocked> {
    plan(&world.input(options), options)
}

fn simple() -> World {
    World {
        groups: (0..GROUPS).map(|g| (g, BTreeSet::from([Thing::Mailbox(g)]))).collect(),
        policies: vec![Policy { of: Of::Us, right: Some(AccessRight::Restrict), target: Thing::Group(0) }],
        consents: BTreeSet::from(["Mail.Read"]),
        scopes: BTreeMap::new(),
        assignments: vec![],
        pointer: false,
        verified: BTreeSet::new(),
        proven: false,
    }
}

fn acme() -> MigrationOptions {
    MigrationOptions::new("Acme")
}

fn blockers(world: &World, options: &MigrationOptions) -> Vec<Blocker> {
    plan(&world.input(options), options).expect_err("blocked").blockers
}

fn ids(plan: &MigrationPlan) -> Vec<&str> {
    plan.steps.iter().map(|s| s.id.as_str()).collect()
}

#[test]
fn the_plan_as_people_read_it() {
    let mut world = simple();
    world.policies.push(Policy { of: Of::Us, right: Some(AccessRight::Restrict), target: Thing::Group(1) });
    world.consents.insert("full_access_as_app");
    world.groups.get_mut(&1).unwrap().insert(Thing::Group(2));
    let options = acme().with_nested(NestedGroups::Filter);
    let plan = plan(&world.input(&options), &options).unwrap();
    let lines: Vec<String> = plan
        .steps
        .iter()
        .map(|s| {
            format!(
                "{} [{}]\n  {s}\n  > {}\n  < {} {}",
                s.id, s.executor, s.powershell, s.inverse, s.inverse_powershell
            )
        })
        .chain(plan.notes.iter().map(|n| format!("note: {n}")))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn the_scripts_as_people_read_them() {
    let mut world = simple();
    world.policies.push(Policy { of: Of::Us, right: Some(AccessRight::Restrict), target: Thing::Mailbox(3) });
    let options = acme().with_own_group(group(OWN).address.unwrap());
    let plan = plan(&world.input(&options), &options).unwrap();
    let scripts = plan.to_scripts(client(APP)).unwrap();
    let text: Vec<String> =
        scripts.iter().map(|s| format!("=== {} [{}]\n{}", s.title, s.executor, s.text)).collect();
    let text = text.join("\n");
    assert!(!text.contains("the-group-made-above"), "{text}");
    // What is known at planning time stands in it, what is not is asked for.
    assert!(text.contains(
        "(Get-DistributionGroup -Identity 'g9@contoso.example' -ErrorAction Stop).DistinguishedName"
    ));
    insta::assert_snapshot!(text);
}

#[test]
fn trap_14_a_deny_never_becomes_a_scope() {
    let mut world = simple();
    world.policies.push(Policy { of: Of::Us, right: Some(AccessRight::Deny), target: Thing::Group(1) });
    assert_eq!(blockers(&world, &acme()), [Blocker::DenyAccess { policy: "1".to_owned() }]);
    world.policies[1].right = None;
    assert_eq!(blockers(&world, &acme()), [Blocker::UnreadableRight { policy: "1".to_owned() }]);
    world.policies[1] = Policy { of: Of::Every, right: Some(AccessRight::Restrict), target: Thing::Group(1) };
    assert_eq!(blockers(&world, &acme()), [Blocker::EveryApp { policy: "1".to_owned() }]);
    // Another app's is nobody's business here, and stays.
    world.policies[1] = Policy { of: Of::Another, right: Some(AccessRight::Deny), target: Thing::Group(1) };
    let plan = plan(&world.input(&acme()), &acme()).unwrap();
    assert!(!ids(&plan).contains(&"policy/1"), "{:?}", ids(&plan));
}

#[test]
fn trap_7_nested_members_are_named_and_kept_on_request() {
    let mut world = simple();
    world.groups.get_mut(&0).unwrap().insert(Thing::Group(1));
    world.groups.get_mut(&1).unwrap().insert(Thing::Group(0));
    let [Blocker::Nested { groups, mailboxes }] = &blockers(&world, &acme())[..] else { panic!() };
    assert_eq!(
        (groups.as_slice(), mailboxes.as_slice()),
        (&["g1@contoso.example".to_owned()][..], &["m1@contoso.example".to_owned()][..])
    );
    let followed = acme().with_nested(NestedGroups::Filter);
    let steps = plan(&world.input(&followed), &followed).unwrap();
    let scope = steps.steps.iter().find(|s| s.id == "scope").unwrap();
    assert!(scope.powershell.contains("CN=g0") && scope.powershell.contains("CN=g1"), "{}", scope.powershell);
    let copied = acme().with_nested(NestedGroups::Copy);
    assert!(matches!(blockers(&world, &copied)[..], [Blocker::OwnGroupNeeded { .. }]));
    let copied = copied.with_own_group(group(OWN).address.unwrap());
    let steps = plan(&world.input(&copied), &copied).unwrap();
    assert_eq!(ids(&steps).iter().filter(|id| id.starts_with("member/")).count(), 2);
}

#[test]
fn trap_13_consents_go_after_their_roles_and_before_the_policies() {
    let mut world = simple();
    world.consents.insert("Calendars.Read");
    let plan = plan(&world.input(&acme()), &acme()).unwrap();
    let graph = ClientId::MICROSOFT_GRAPH;
    let (mail, calendars) = (format!("consent/{graph}/Mail.Read"), format!("consent/{graph}/Calendars.Read"));
    assert_eq!(
        ids(&plan),
        [
            "scope",
            "service-principal",
            "role/Mail.Read",
            "role/Calendars.Read",
            "verify/Mail.Read",
            "verify/Calendars.Read",
            &calendars,
            &mail,
            "prove",
            "policy/0"
        ]
    );
}

#[test]
fn trap_16_a_scope_with_another_filter_or_none_stops() {
    let name = acme().scope_name().unwrap().to_string();
    let mut world = simple();
    world.scopes.insert(name, BTreeSet::from([1]));
    assert!(matches!(blockers(&world, &acme())[..], [Blocker::ScopeDiffers { .. }]));
    let mut input = simple().input(&acme());
    for (filter, exclusive) in [(None, false), (Some(filter(&BTreeSet::from([0]))), true)] {
        input.scope = Some(ManagementScope { name: "acme MAILBOXES".to_owned(), filter, exclusive });
        let blocked = plan(&input, &acme()).unwrap_err();
        assert!(matches!(blocked.blockers[..], [Blocker::ScopeDiffers { .. }]), "{blocked}");
    }
    // Nobody inside: the scope could not be proven.
    let mut world = simple();
    world.groups.insert(0, BTreeSet::new());
    assert_eq!(blockers(&world, &acme()), [Blocker::EmptyScope]);
}

#[test]
fn trap_12_a_pointer_to_the_registration_stops() {
    let mut input = simple().input(&acme());
    input.pointer = Some(service_principal("11111111-2222-4333-8444-555555555555"));
    let blocked = plan(&input, &acme()).unwrap_err();
    assert!(matches!(blocked.blockers[..], [Blocker::WrongPointer { .. }]), "{blocked}");
}

#[test]
fn trap_15_a_role_for_the_whole_organisation_is_no_ground_to_build_on() {
    let mut world = simple();
    world.pointer = true;
    world.assignments.push(("Old".to_owned(), ApplicationRole::ExchangeFullAccess, Holds::Organization));
    world.consents = BTreeSet::from(["Calendars.Read"]);
    assert_eq!(blockers(&world, &acme()), [Blocker::WideAssignment { assignment: "Old".to_owned() }]);
}

#[test]
fn what_has_no_role_keeps_the_policies() {
    for without in ["IMAP.AccessAsApp", "Calendars.ReadBasic.All"] {
        let mut world = simple();
        world.consents.insert(without);
        assert_eq!(blockers(&world, &acme()), [Blocker::Unmappable { consents: vec![consent(without)] }]);
        let options = acme().with_policies_kept();
        let plan = plan(&world.input(&options), &options).unwrap();
        assert!(ids(&plan).contains(&"prove") && !ids(&plan).iter().any(|id| id.starts_with("policy")));
        assert!(!ids(&plan).iter().any(|id| id.contains(without)));
    }
    // A role of the old API bears Graph's name and is another thing.
    let mut input = simple().input(&acme());
    let old = Consent::new(ClientId::EXCHANGE_ONLINE, "Mail.Read");
    input.consents = Some(BTreeSet::from([old.clone()]));
    assert_eq!(plan(&input, &acme()).unwrap_err().blockers, [Blocker::Unmappable { consents: vec![old] }]);
    // SMTP's role would send as everybody in the scope.
    let mut input = simple().input(&acme());
    input.consents.as_mut().unwrap().insert(Consent::new(ClientId::EXCHANGE_ONLINE, "SMTP.SendAsApp"));
    assert!(matches!(plan(&input, &acme()).unwrap_err().blockers[..], [Blocker::Unmappable { .. }]));
}

#[test]
fn what_was_not_read_is_not_absent() {
    let mut input = simple().input(&acme());
    input.consents = None;
    assert_eq!(plan(&input, &acme()).unwrap_err().blockers, [Blocker::ConsentsUnread]);
    let mut input = simple().input(&acme());
    input.policies[0].target = None;
    assert_eq!(
        plan(&input, &acme()).unwrap_err().blockers,
        [Blocker::UnreadScope { policy: "0".to_owned() }]
    );
    let mut input = simple().input(&acme());
    let office = Member { kind: RecipientKind::GroupMailbox, ..group(3) };
    let outer = Group::new(group(0), Some(vec![mailbox(0), office]));
    input.policies[0].target = Some(PolicyTarget::Group(GroupTree::new(outer, [])));
    let blocked = plan(&input, &acme().with_nested(NestedGroups::Filter)).unwrap_err();
    assert_eq!(blocked.blockers, [Blocker::UnreadGroup { group: "g3@contoso.example".to_owned() }]);
    let mut input = simple().input(&acme());
    let nameless = Member { distinguished_name: String::new(), ..group(0) };
    let outer = Group::new(nameless, Some(vec![mailbox(0)]));
    input.policies[0].target = Some(PolicyTarget::Group(GroupTree::new(outer, [])));
    assert!(matches!(plan(&input, &acme()).unwrap_err().blockers[..], [Blocker::NoDistinguishedName { .. }]));
    let mut input = simple().input(&acme());
    input.dehydrated = Some(true);
    assert_eq!(plan(&input, &acme()).unwrap_err().blockers, [Blocker::Dehydrated]);
}

#[test]
fn trap_6_the_canary_is_outside_or_nothing_is_planned() {
    let mut world = simple();
    world.groups.get_mut(&0).unwrap().insert(Thing::Mailbox(CANARY));
    let canary = mailbox(CANARY).label();
    assert_eq!(blockers(&world, &acme()), [Blocker::CanaryInside { canary }]);
}

#[test]
fn policies_of_one_app_are_one_scope_whatever_the_case_of_its_id() {
    let row = |app: &str, scope: usize| {
        let value = serde_json::json!({
            "Identity": format!("org\\{app}:S-1-5-21-{scope};{}", group_id(scope)),
            "AppId": app, "AccessRight": "RestrictAccess", "IsValid": "True",
        });
        let serde_json::Value::Object(row) = value else { panic!() };
        Row::new(row)
    };
    let rows = vec![row(APP, 0), row(&APP.to_uppercase(), 1), row(APP, 1)];
    let policies = ListApplicationAccessPolicies::new().read(rows).unwrap();
    let mut input = simple().input(&acme());
    input.policies = policies
        .into_iter()
        .zip([0, 1, 1])
        .map(|(policy, g)| ReadPolicy {
            policy,
            target: Some(PolicyTarget::Group(GroupTree::new(
                Group::new(group(g), Some(vec![mailbox(g)])),
                [],
            ))),
        })
        .collect();
    let plan = plan(&input, &acme()).unwrap();
    let scope = plan.steps.iter().find(|s| s.id == "scope").unwrap();
    assert_eq!(scope.powershell.matches("MemberOfGroup").count(), 2, "{}", scope.powershell);
    assert_eq!(ids(&plan).iter().filter(|id| id.starts_with("policy/")).count(), 3);
}

#[test]
fn giving_up_takes_back_what_was_given_and_not_after_a_consent_is_gone() {
    let mut world = simple();
    world.consents.insert("Calendars.Read");
    let whole = plan(&world.input(&acme()), &acme()).unwrap();
    assert!(abandon(&world.input(&acme()), &acme()).unwrap().is_empty());
    let before = world.reach();
    for step in &whole.steps[..6] {
        world.take(&step.action).unwrap();
    }
    let back = abandon(&world.input(&acme()), &acme()).unwrap();
    assert_eq!(
        ids(&back),
        ["undo/role/Acme Mail.Read", "undo/role/Acme Calendars.Read", "undo/scope/Acme mailboxes"]
    );
    assert_eq!(before, world.reach());
    world.take(&whole.steps[6].action).unwrap();
    let blocked = abandon(&world.input(&acme()), &acme()).unwrap_err();
    assert!(blocked.to_string().contains("Calendars.Read"), "{blocked}");
}

#[test]
fn impersonation_gives_way_to_a_role_in_the_same_scope() {
    let mut input = simple().input(&acme());
    input.policies = vec![];
    input.consents = Some(BTreeSet::new());
    let wide = retire_impersonation(&FormerImpersonation::WholeOrganisation, &input, &acme()).unwrap_err();
    assert_eq!(wide.blockers, [Blocker::WholeOrganisation]);
    let held = FormerImpersonation::Filter {
        filter: RecipientFilter::parse("Department -eq 'Sales'").unwrap(),
        inside: vec![mailbox(0).address.unwrap()],
    };
    let ews = retire_impersonation(&held, &input, &acme()).unwrap();
    assert_eq!(
        ids(&ews),
        ["scope", "service-principal", "role/EWS.AccessAsApp", "ews-list", "verify/EWS.AccessAsApp"]
    );
    assert!(ews.notes.iter().any(|n| n.contains("2027-04-01")), "{:?}", ews.notes);
    assert!(ews.steps[0].powershell.contains("Department -eq ''Sales''"), "{}", ews.steps[0].powershell);
    let outer = Group::new(group(0), Some(vec![mailbox(0)]));
    input.named_targets = vec![PolicyTarget::Group(GroupTree::new(outer, []))];
    let graph = acme().with_ews(EwsTarget::graph([ProductUse::ReadMail, ProductUse::ChangeCalendars]));
    let graph = retire_impersonation(&FormerImpersonation::Groups, &input, &graph).unwrap();
    assert_eq!(
        ids(&graph),
        [
            "scope",
            "service-principal",
            "role/Mail.Read",
            "role/Calendars.ReadWrite",
            "verify/Mail.Read",
            "verify/Calendars.ReadWrite"
        ]
    );
}

#[test]
fn ews_gives_way_to_graph_and_other_consents_keep_their_policies() {
    let mut world = simple();
    world.consents = BTreeSet::from(["full_access_as_app"]);
    let uses = [ProductUse::ReadCalendars];
    let ews = format!("consent/{}/full_access_as_app", ClientId::EXCHANGE_ONLINE);
    let moved = retire_ews(&world.input(&acme()), uses, &acme()).unwrap();
    assert_eq!(
        ids(&moved),
        [
            "scope",
            "service-principal",
            "role/Calendars.Read",
            "verify/Calendars.Read",
            &ews,
            "prove",
            "policy/0"
        ]
    );
    world.consents.insert("Mail.Send");
    let options = acme().with_policies_kept();
    let moved = retire_ews(&world.input(&options), uses, &options).unwrap();
    assert!(!ids(&moved).iter().any(|id| id.starts_with("policy/") || id.contains("Mail.Send")));
    // Without a policy nothing says where.
    world.policies.clear();
    let mut input = world.input(&acme());
    assert_eq!(retire_ews(&input, uses, &acme()).unwrap_err().blockers, [Blocker::NoPolicy]);
    let outer = Group::new(group(0), Some(vec![mailbox(0)]));
    input.named_targets = vec![PolicyTarget::Group(GroupTree::new(outer, []))];
    assert!(ids(&retire_ews(&input, uses, &acme()).unwrap()).contains(&ews.as_str()));
    assert!(retire_ews(&input, [], &acme()).is_err());
}
