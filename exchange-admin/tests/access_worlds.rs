//! Effective access against brute force: every part that was not read takes every value that it could have, and a verdict
//! must hold in all of these worlds. The rules are written a second time here, over plain truth values.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use exchange_admin::access::{
    AccessPicture, AppPicture, AssignmentPicture, AssignmentScope, EntraGrant, EntraGrants, EntraPrincipal,
    ExchangePointer, Grantee, GroupPicture, MailboxPicture, MailboxSwitches, OrganizationEws,
    OrganizationPicture, Outcome, PermissionPicture, PolicyPicture, Question, RecipientId,
};
use exchange_admin::cmdlets::EwsAllowedApps;
use exchange_admin::{AccessRight, ApplicationRole, ClientId, RecipientFilter, ServicePrincipalObjectId};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

const CLIENT: ClientId = ClientId::from_bytes([0xA1; 16]);
const OBJECT: ServicePrincipalObjectId = ServicePrincipalObjectId::from_bytes([0xA2; 16]);
const WRONG: ServicePrincipalObjectId = ServicePrincipalObjectId::from_bytes([0xA3; 16]);

/// Mailboxes 0 and 1, groups 2 to 4. `None` is a part that was not read.
#[derive(Clone, Debug)]
struct Case {
    /// Present and enabled.
    principal: Option<bool>,
    /// Absent, right, wrong.
    pointer: Option<u8>,
    /// Graph Mail.Read, full_access_as_app, SMTP.SendAsApp, IMAP.AccessAsApp.
    consents: Option<[bool; 4]>,
    groups: Vec<Option<BTreeSet<usize>>>,
    /// Right (2: not understood), and the group or mailbox it names.
    policies: Option<Vec<(u8, usize)>>,
    assignments: Option<Vec<(Role, Scope)>>,
    unit: Option<BTreeSet<usize>>,
    alias: [Option<u8>; 2],
    full_access: [Option<Vec<(Who, bool)>>; 2],
    send_as: [Option<Vec<(Who, bool)>>; 2],
    /// IMAP off, EWS off, SMTP.
    switches: [Option<Switches>; 2],
    ews: Option<(Option<bool>, bool)>,
    smtp: Option<bool>,
}

/// IMAP off, EWS, SMTP off.
type Switches = (bool, Option<bool>, Option<bool>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    Read,
    Ews,
    Smtp,
    Calendars,
    NotKnown,
}

#[derive(Clone, Debug)]
enum Scope {
    Everywhere,
    Groups(BTreeSet<usize>),
    Unit,
    Alias,
    Opaque,
}

#[derive(Clone, Copy, Debug)]
enum Who {
    App,
    Somebody,
    Unclear,
}

fn maybe<T: std::fmt::Debug + Clone>(what: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop::option::weighted(0.8, what)
}

fn entries() -> impl Strategy<Value = Option<Vec<(Who, bool)>>> {
    let who = prop_oneof![3 => Just(Who::App), 1 => Just(Who::Somebody), 1 => Just(Who::Unclear)];
    maybe(vec((who, prop::bool::weighted(0.25)), 0..3))
}

fn case() -> impl Strategy<Value = Case> {
    let role = prop_oneof![
        3 => Just(Role::Read), 3 => Just(Role::Ews), 3 => Just(Role::Smtp), 1 => Just(Role::Calendars),
        1 => Just(Role::NotKnown)
    ];
    let scope = prop_oneof![
        2 => Just(Scope::Everywhere), 4 => btree_set(2usize..5, 1..3).prop_map(Scope::Groups), 1 => Just(Scope::Unit),
        1 => Just(Scope::Alias), 1 => Just(Scope::Opaque)
    ];
    let switches = || maybe((prop::bool::weighted(0.3), any::<Option<bool>>(), any::<Option<bool>>()));
    (
        (
            maybe(prop::bool::weighted(0.9)),
            maybe(prop_oneof![1 => Just(0u8), 4 => Just(1), 1 => Just(2)]),
            maybe(any::<[bool; 4]>()),
        ),
        vec(maybe(btree_set(0usize..5, 0..3)), 3),
        maybe(vec((0u8..3, 0usize..5), 0..3)),
        maybe(vec((role, scope), 0..3)),
        (maybe(btree_set(0usize..2, 0..2)), [maybe(0u8..2), maybe(0u8..2)]),
        ([entries(), entries()], [entries(), entries()]),
        ([switches(), switches()], maybe((any::<Option<bool>>(), any::<bool>())), maybe(any::<bool>())),
    )
        .prop_map(
            |(
                (principal, pointer, consents),
                groups,
                policies,
                assignments,
                (unit, alias),
                (full_access, send_as),
                (switches, ews, smtp),
            )| {
                Case {
                    principal,
                    // Without Entra the pointer is the only id there is, and entries are the app's under it.
                    pointer: if principal.is_none() { pointer.map(|p: u8| p.min(1)) } else { pointer },
                    consents,
                    groups,
                    policies,
                    assignments,
                    unit,
                    alias,
                    full_access,
                    send_as,
                    switches,
                    ews,
                    smtp,
                }
            },
        )
}

fn id(index: usize) -> RecipientId {
    RecipientId::new(format!("r{index}"))
}

fn picture(case: &Case) -> AccessPicture {
    let consents = [
        EntraGrant::graph("Mail.Read"),
        EntraGrant::exchange("full_access_as_app"),
        EntraGrant::exchange("SMTP.SendAsApp"),
        EntraGrant::exchange("IMAP.AccessAsApp"),
    ];
    let entries = |list: &Option<Vec<(Who, bool)>>| {
        list.as_ref().map(|list| {
            list.iter()
                .map(|(who, deny)| PermissionPicture {
                    grantee: match who {
                        Who::App => Grantee::App(OBJECT),
                        Who::Somebody => Grantee::Other,
                        Who::Unclear => Grantee::Unclear("Acme".to_owned()),
                    },
                    deny: *deny,
                })
                .collect()
        })
    };
    AccessPicture {
        app: AppPicture {
            client_id: Some(CLIENT),
            principal: match case.principal {
                None => EntraPrincipal::Unread,
                Some(enabled) => EntraPrincipal::Present { object_id: OBJECT, enabled },
            },
            consents: case.consents.map_or(EntraGrants::Unread, |held| {
                EntraGrants::Read(
                    consents.into_iter().zip(held).filter_map(|(c, held)| held.then_some(c)).collect(),
                )
            }),
            pointer: match case.pointer {
                None => ExchangePointer::Unread,
                Some(0) => ExchangePointer::Absent,
                Some(1) => ExchangePointer::To(OBJECT),
                Some(_) => ExchangePointer::To(WRONG),
            },
            ..AppPicture::default()
        },
        mailboxes: (0..2)
            .map(|m| {
                let read = MailboxPicture {
                    full_access: entries(&case.full_access[m]),
                    send_as: entries(&case.send_as[m]),
                    switches: case.switches[m].map(|(imap_off, ews, smtp_disabled)| MailboxSwitches {
                        imap: Some(!imap_off),
                        ews,
                        smtp_disabled,
                        ..MailboxSwitches::default()
                    }),
                    attributes: case.alias[m]
                        .map(|a| BTreeMap::from([("alias".to_owned(), vec![format!("a{a}")])]))
                        .unwrap_or_default(),
                    ..MailboxPicture::in_cloud(format!("m{m}"))
                };
                (id(m), read)
            })
            .collect(),
        groups: case
            .groups
            .iter()
            .enumerate()
            .map(|(g, members)| {
                let members = members.as_ref().map(|m| m.iter().map(|m| id(*m)).collect());
                (id(g + 2), GroupPicture { is_security_principal: true, members, ..GroupPicture::default() })
            })
            .collect(),
        units: case
            .unit
            .iter()
            .map(|members| ("north".to_owned(), members.iter().map(|m| id(*m)).collect()))
            .collect(),
        policies: case.policies.as_ref().map(|policies| {
            policies
                .iter()
                .map(|(right, scope)| PolicyPicture {
                    identity: String::new(),
                    app: (scope % 2 == 0).then_some(CLIENT),
                    right: [Some(AccessRight::Restrict), Some(AccessRight::Deny), None][usize::from(*right)],
                    scope: id(*scope),
                })
                .collect()
        }),
        assignments: case.assignments.as_ref().map(|assignments| {
            assignments
                .iter()
                .map(|(role, scope)| AssignmentPicture {
                    name: String::new(),
                    role: match role {
                        Role::Read => Some(ApplicationRole::MailRead),
                        Role::Ews => Some(ApplicationRole::EwsAccessAsApp),
                        Role::Smtp => Some(ApplicationRole::SmtpSendAsApp),
                        Role::Calendars => Some(ApplicationRole::CalendarsRead),
                        Role::NotKnown => None,
                    },
                    scope: match scope {
                        Scope::Everywhere => AssignmentScope::Organization,
                        Scope::Groups(groups) => {
                            AssignmentScope::MembersOf(groups.iter().map(|g| id(*g)).collect())
                        }
                        Scope::Unit => AssignmentScope::AdministrativeUnit("North".to_owned()),
                        Scope::Alias => {
                            AssignmentScope::Filter(RecipientFilter::parse("Alias -eq 'A1'").unwrap())
                        }
                        Scope::Opaque => AssignmentScope::Opaque("x".to_owned()),
                    },
                    // It changes nothing.
                    exclusive: matches!(scope, Scope::Alias),
                })
                .collect()
        }),
        organization: OrganizationPicture {
            ews: case.ews.map(|(enabled, listed)| OrganizationEws {
                enabled,
                allowed_apps: Some(listed.then_some(CLIENT).into_iter().collect::<EwsAllowedApps>()),
                ..OrganizationEws::default()
            }),
            smtp_disabled: case.smtp,
        },
        ..AccessPicture::default()
    }
}

/// Chooses what an unread part is, and goes through all choices one world after the other.
#[derive(Default)]
struct Chooser {
    digits: Vec<(usize, usize)>,
    keys: Vec<String>,
}

impl Chooser {
    fn pick(&mut self, key: impl Into<String>, among: usize) -> usize {
        let key = key.into();
        let place = self.keys.iter().position(|k| *k == key).unwrap_or_else(|| {
            self.keys.push(key);
            self.keys.len() - 1
        });
        if place == self.digits.len() {
            self.digits.push((0, among));
        }
        self.digits[place].0
    }

    fn yes(&mut self, key: impl Into<String>) -> bool {
        self.pick(key, 2) == 1
    }

    /// False when every world was seen.
    fn next_world(&mut self) -> bool {
        self.digits.truncate(self.keys.len());
        self.keys.clear();
        while let Some((digit, among)) = self.digits.pop() {
            if digit + 1 < among {
                self.digits.push((digit + 1, among));
                return true;
            }
        }
        false
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ask {
    Graph,
    Ews,
    Smtp,
    Imap,
}

/// The rules once more: is it open in this world?
fn truth(case: &Case, mailbox: usize, ask: Ask, world: &mut Chooser) -> bool {
    let present = case.principal.unwrap_or_else(|| world.yes("principal"));
    if !present {
        return false;
    }
    let pointer = match case.pointer {
        None => world.yes("pointer"),
        Some(0) => false,
        // Exchange points somewhere; whether to the enterprise application, nobody looked.
        Some(_) if case.principal.is_none() => world.yes("points right"),
        Some(to) => to == 1,
    };
    let consents = case.consents.unwrap_or_else(|| {
        let names = ["graph", "ews", "smtp", "imap"];
        names.map(|name| world.yes(format!("consent {name}")))
    });
    match ask {
        Ask::Graph => {
            (consents[0] && policies(case, mailbox, world)) || role(case, mailbox, Role::Read, pointer, world)
        }
        Ask::Ews => {
            let granted = (consents[1] && policies(case, mailbox, world))
                || role(case, mailbox, Role::Ews, pointer, world);
            let organization = match case.ews {
                None => world.yes("organisation's EWS"),
                Some((None, _)) => true,
                Some((Some(on), listed)) => on && listed,
            };
            let own = match case.switches[mailbox] {
                None => world.yes("own EWS"),
                Some((_, ews, _)) => ews != Some(false),
            };
            // Lists of user agents that were not read may close as well.
            let agents = (case.ews.is_some() || world.yes("agents"))
                && (case.switches[mailbox].is_some() || world.yes("own agents"));
            granted && organization && own && agents
        }
        Ask::Smtp => {
            let granted = if consents[2] {
                pointer
                    && (entry(&case.full_access[mailbox], "full", world)
                        || entry(&case.send_as[mailbox], "send", world))
            } else {
                role(case, mailbox, Role::Smtp, pointer, world)
            };
            let organization =
                |world: &mut Chooser| !case.smtp.unwrap_or_else(|| world.yes("organisation's SMTP"));
            let on = match case.switches[mailbox] {
                Some((_, _, Some(disabled))) => !disabled,
                Some((_, _, None)) => organization(world),
                None => match world.pick("own SMTP", 3) {
                    0 => false,
                    1 => true,
                    _ => organization(world),
                },
            };
            granted && on
        }
        Ask::Imap => {
            let on = match case.switches[mailbox] {
                None => world.yes("own IMAP"),
                Some((off, ..)) => !off,
            };
            consents[3] && pointer && entry(&case.full_access[mailbox], "full", world) && on
        }
    }
}

fn entry(list: &Option<Vec<(Who, bool)>>, name: &str, world: &mut Chooser) -> bool {
    let Some(list) = list else { return world.yes(name) };
    let (mut allowed, mut denied) = (false, false);
    for (n, (who, deny)) in list.iter().enumerate() {
        let ours = match who {
            Who::App => true,
            Who::Somebody => false,
            Who::Unclear => world.yes(format!("{name} entry {n}")),
        };
        allowed |= ours && !deny;
        denied |= ours && *deny;
    }
    allowed && !denied
}

/// 0: outside, 1: inside through another group, 2: a direct member.
fn place(case: &Case, group: usize, mailbox: usize, world: &mut Chooser) -> usize {
    let mut open = vec![group];
    let mut seen = BTreeSet::new();
    let mut found = 0;
    while let Some(next) = open.pop() {
        if !seen.insert(next) {
            continue;
        }
        let here = match &case.groups[next - 2] {
            None => world.pick(format!("group {next}"), 3),
            Some(members) if members.contains(&mailbox) => 2,
            Some(members) => {
                open.extend(members.iter().filter(|m| **m >= 2));
                0
            }
        };
        found = found.max(if next == group { here } else { here.min(1) });
    }
    found
}

fn policies(case: &Case, mailbox: usize, world: &mut Chooser) -> bool {
    let Some(policies) = &case.policies else { return world.yes("policies") };
    let (mut deny, mut opens, mut restricts) = (false, false, false);
    for (n, (right, scope)) in policies.iter().enumerate() {
        let inside = match *scope {
            s if s < 2 => s == mailbox,
            s => place(case, s, mailbox, world) > 0,
        };
        let denies = match right {
            0 => false,
            1 => true,
            _ => world.yes(format!("policy {n}")),
        };
        deny |= denies && inside;
        opens |= !denies && inside;
        restricts |= !denies;
    }
    !deny && (opens || !restricts)
}

fn role(case: &Case, mailbox: usize, wanted: Role, pointer: bool, world: &mut Chooser) -> bool {
    if !pointer {
        return false;
    }
    let Some(assignments) = &case.assignments else { return world.yes("roles") };
    assignments.iter().enumerate().fold(false, |open, (n, (role, scope))| {
        let granted = match role {
            Role::NotKnown => world.yes(format!("role {n}")),
            role => *role == wanted,
        };
        let here = match scope {
            Scope::Everywhere => true,
            Scope::Groups(groups) => groups.iter().fold(false, |in_one, g| {
                let direct = match &case.groups[g - 2] {
                    Some(members) => members.contains(&mailbox),
                    None => world.pick(format!("group {g}"), 3) == 2,
                };
                in_one || direct
            }),
            Scope::Unit => {
                case.unit.as_ref().map_or_else(|| world.yes("unit"), |unit| unit.contains(&mailbox))
            }
            Scope::Alias => case.alias[mailbox].map_or_else(|| world.yes("alias"), |alias| alias == 1),
            Scope::Opaque => world.yes(format!("scope {n}")),
        };
        open || (granted && here)
    })
}

/// Whether some unread part is looked at in two places, which the evaluator documents not to connect.
fn connected(case: &Case) -> bool {
    let by_policies = case.policies.iter().flatten().filter(|(_, scope)| *scope >= 2).count();
    let in_scopes = |wanted: fn(&Scope) -> bool| {
        case.assignments.iter().flatten().filter(|(_, scope)| wanted(scope)).count()
    };
    let unread_group = case.groups.iter().any(Option::is_none);
    let not_known = case.policies.iter().flatten().any(|(right, _)| *right == 2);
    (unread_group && by_policies + in_scopes(|s| matches!(s, Scope::Groups(_))) > 1)
        // A policy of a right that is not understood is taken for either, match or no match.
        || not_known
        // Without any id of the app, an entry of some app may be its own or not.
        || (case.principal.is_none() && case.pointer.is_none())
        || (case.unit.is_none() && in_scopes(|s| matches!(s, Scope::Unit)) > 1)
        || in_scopes(|s| matches!(s, Scope::Alias)) > 1
}

#[test]
fn a_verdict_holds_in_every_possible_world_and_unknown_means_that_two_of_them_differ() {
    let config = ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() };
    let counts = std::cell::RefCell::new(BTreeMap::<String, usize>::new());
    proptest::test_runner::TestRunner::new(config)
        .run(&case(), |case| {
            let picture = picture(&case);
            for mailbox in 0..2 {
                for (ask, question) in [
                    (Ask::Graph, Question::Graph(&["Mail.Read"])),
                    (Ask::Ews, Question::Ews),
                    (Ask::Smtp, Question::Smtp),
                    (Ask::Imap, Question::Imap),
                ] {
                    let verdict = picture.effective_access(&id(mailbox), &question);
                    let (mut open, mut closed) = (false, false);
                    let mut world = Chooser::default();
                    loop {
                        let so = truth(&case, mailbox, ask, &mut world);
                        open |= so;
                        closed |= !so;
                        if (open && closed) || !world.next_world() {
                            break;
                        }
                    }
                    *counts.borrow_mut().entry(format!("{ask:?} {}", verdict.outcome)).or_default() += 1;
                    match verdict.outcome {
                        Outcome::Allowed => prop_assert!(!closed, "{ask:?}: {verdict}"),
                        Outcome::Denied => prop_assert!(!open, "{ask:?}: {verdict}"),
                        Outcome::Unknown => {
                            prop_assert!(
                                (open && closed) || connected(&case),
                                "{ask:?} without need: {verdict}"
                            );
                        }
                    }
                    prop_assert!(!verdict.evidence.is_empty());
                }
            }
            Ok(())
        })
        .unwrap();
    let counts = counts.into_inner();
    for ask in ["Graph", "Ews", "Smtp", "Imap"] {
        for outcome in ["open", "closed", "unknown"] {
            let seen = counts.get(&format!("{ask} {outcome}")).copied().unwrap_or_default();
            assert!(seen > 100, "{ask} {outcome}: {counts:?}");
        }
    }
}
