//! What application access policies come to for one app and one mailbox, as a pure function.

use m365_core::ClientId;

use crate::cmdlets::{ApplicationAccessPolicy, PolicyApp};
use crate::types::AccessRight;

/// Whether a mailbox is in a policy's scope: it is the scope, or a member of it, directly or through other groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Membership {
    /// It is.
    Inside,
    /// It is not.
    Outside,
    /// It was not read, or could not be: neither.
    Unknown,
}

/// What the policies come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// They leave the mailbox open to the app.
    Granted,
    /// They close it.
    Denied,
    /// A policy or a membership that decides is not known.
    Unknown,
}

/// The rule that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A policy that denies holds the mailbox; it goes before all others.
    DenyMatches,
    /// A policy that restricts holds the mailbox; several of them add up.
    RestrictMatches,
    /// Policies restrict the app, and none of them holds the mailbox.
    OutsideEveryRestriction,
    /// No policy says anything about the two.
    NothingApplies,
    /// Something that decides is not known.
    NotKnown,
}

/// The verdict, its reason, and the policies that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation<'a> {
    /// What the policies come to.
    pub verdict: Verdict,
    /// The rule that decided.
    pub reason: Reason,
    /// The policies that decided: those that match, those that restrict without a match, or those that are not known.
    pub policies: Vec<&'a ApplicationAccessPolicy>,
}

/// Evaluates the policies of a tenant for one app and one mailbox, in the documented order: a matching deny, a matching
/// restriction, any restriction, nothing. Policies of other apps count for nothing, those for every app (`*`) do.
///
/// Application access policies limit what an app was granted *in Entra*: mail, mailbox settings, calendars and contacts in
/// Graph, and EWS. They say nothing about roles of RBAC for Applications, IMAP, POP and SMTP.
///
/// A policy whose right was not understood, and a membership that is not known, make the verdict unknown unless a rule
/// decides all the same: a known matching deny denies whatever else there is.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/new-applicationaccesspolicy>
///
/// `membership` tells whether the mailbox is in a policy's scope. Nested groups count here, unlike in RBAC for
/// Applications.
pub fn evaluate<'a>(
    policies: &'a [ApplicationAccessPolicy],
    app: ClientId,
    membership: impl Fn(&ApplicationAccessPolicy) -> Membership,
) -> Evaluation<'a> {
    let mine: Vec<&ApplicationAccessPolicy> = policies
        .iter()
        .filter(|p| match p.app {
            PolicyApp::App(of) => of == app,
            PolicyApp::Every => true,
        })
        .collect();
    let known: Vec<_> = mine.iter().map(|p| (p.right, membership(p))).collect();
    let found = decide(&known);
    Evaluation {
        verdict: found.verdict,
        reason: found.reason,
        policies: found.deciding.iter().filter_map(|n| mine.get(*n).copied()).collect(),
    }
}

/// What the rules come to, with the places of the policies that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) verdict: Verdict,
    pub(crate) reason: Reason,
    pub(crate) deciding: Vec<usize>,
}

/// The rules themselves, over the policies that concern one app, each with its right and with whether its scope holds the
/// mailbox.
pub(crate) fn decide(policies: &[(Option<AccessRight>, Membership)]) -> Decision {
    let (mut denies, mut opens, mut restricts, mut unclear) = (vec![], vec![], vec![], vec![]);
    // What might still deny, and what might still open.
    let (mut may_deny, mut may_open) = (false, false);
    for (place, policy) in policies.iter().enumerate() {
        match policy {
            (Some(AccessRight::Deny), Membership::Inside) => denies.push(place),
            (Some(AccessRight::Deny), Membership::Outside) => {}
            (Some(AccessRight::Deny), Membership::Unknown) => {
                may_deny = true;
                unclear.push(place);
            }
            (Some(AccessRight::Restrict), Membership::Inside) => opens.push(place),
            (Some(AccessRight::Restrict), Membership::Outside) => restricts.push(place),
            (Some(AccessRight::Restrict), Membership::Unknown) => {
                may_open = true;
                unclear.push(place);
            }
            (None, _) => {
                may_deny = true;
                may_open = true;
                unclear.push(place);
            }
        }
    }
    let (verdict, reason, deciding) = if !denies.is_empty() {
        (Verdict::Denied, Reason::DenyMatches, denies)
    } else if may_deny && (may_open || !opens.is_empty() || restricts.is_empty()) {
        (Verdict::Unknown, Reason::NotKnown, unclear)
    } else if !opens.is_empty() {
        (Verdict::Granted, Reason::RestrictMatches, opens)
    } else if may_open {
        (Verdict::Unknown, Reason::NotKnown, unclear)
    } else if !restricts.is_empty() {
        (Verdict::Denied, Reason::OutsideEveryRestriction, restricts)
    } else {
        (Verdict::Granted, Reason::NothingApplies, vec![])
    };
    Decision { verdict, reason, deciding }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cmdlets::AccessPolicyIdentity;

    const APPS: [&str; 2] = ["6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d", "cc15fd57-2c6c-4117-a88c-83b1d56b4bbe"];

    /// Whom, which right (2: not understood), and where the mailbox is.
    type Case = (usize, u8, Membership);

    fn policy(number: usize, (app, right, _): &Case) -> ApplicationAccessPolicy {
        ApplicationAccessPolicy {
            identity: AccessPolicyIdentity::parse(&number.to_string()).unwrap(),
            app: APPS.get(*app).map_or(PolicyApp::Every, |id| PolicyApp::App(ClientId::parse(id).unwrap())),
            right: [Some(AccessRight::Restrict), Some(AccessRight::Deny), None][usize::from(*right)],
            scope_name: String::new(),
            scope_identity: String::new(),
            description: String::new(),
            is_valid: None,
        }
    }

    fn ours(cases: &[Case]) -> (Verdict, Reason) {
        let policies: Vec<_> = cases.iter().enumerate().map(|(n, c)| policy(n, c)).collect();
        let place = |p: &ApplicationAccessPolicy| cases[p.identity.as_str().parse::<usize>().unwrap()].2;
        let found = evaluate(&policies, ClientId::parse(APPS[0]).unwrap(), place);
        (found.verdict, found.reason)
    }

    /// The five rules one after the other, over policies of which everything is known.
    fn five_rules(known: &[(bool, bool)]) -> Verdict {
        let matching_deny = known.iter().any(|(deny, inside)| *deny && *inside);
        let matching_restrict = known.iter().any(|(deny, inside)| !*deny && *inside);
        let restricted = known.iter().any(|(deny, _)| !*deny);
        match (matching_deny, matching_restrict, restricted) {
            (true, ..) => Verdict::Denied,
            (_, true, _) => Verdict::Granted,
            (_, _, true) => Verdict::Denied,
            _ => Verdict::Granted,
        }
    }

    /// Every way in which what is not known could be: one verdict in all of them, or unknown.
    fn brute_force(cases: &[Case]) -> Verdict {
        let mut worlds: Vec<Vec<(bool, bool)>> = vec![vec![]];
        for (_, right, place) in cases.iter().filter(|(app, ..)| *app != 1) {
            let rights: &[bool] = match right {
                0 => &[false],
                1 => &[true],
                _ => &[false, true],
            };
            let places: &[bool] = match place {
                Membership::Inside => &[true],
                Membership::Outside => &[false],
                Membership::Unknown => &[false, true],
            };
            worlds = worlds
                .into_iter()
                .flat_map(|world| {
                    rights.iter().flat_map(move |r| {
                        let world = world.clone();
                        places.iter().map(move |p| {
                            let mut world = world.clone();
                            world.push((*r, *p));
                            world
                        })
                    })
                })
                .collect();
        }
        let verdicts: Vec<Verdict> = worlds.iter().map(|w| five_rules(w)).collect();
        match verdicts.first() {
            Some(first) if verdicts.iter().all(|v| v == first) => *first,
            _ => Verdict::Unknown,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn what_is_known_follows_the_five_rules(cases in proptest::collection::vec(
            (0usize..3, 0u8..2, prop_oneof![Just(Membership::Inside), Just(Membership::Outside)]), 0..6)) {
            prop_assert_eq!(ours(&cases).0, brute_force(&cases));
        }

        /// A verdict is right in every possible world; where all worlds agree, giving no verdict is allowed only when a
        /// policy was not understood.
        #[test]
        fn a_verdict_holds_in_every_possible_world(cases in proptest::collection::vec(
            (0usize..3, 0u8..3, prop_oneof![
                Just(Membership::Inside), Just(Membership::Outside), Just(Membership::Unknown)]), 0..5)) {
            let (verdict, _) = ours(&cases);
            let truth = brute_force(&cases);
            prop_assert!(verdict == truth || verdict == Verdict::Unknown, "{verdict:?} {truth:?}");
            if cases.iter().all(|(_, right, _)| *right != 2) {
                prop_assert_eq!(verdict, truth);
            }
        }
    }

    #[test]
    fn each_rule_says_why() {
        use Membership::{Inside, Outside, Unknown};
        for (cases, verdict, reason) in [
            (vec![], Verdict::Granted, Reason::NothingApplies),
            (vec![(1, 1, Inside)], Verdict::Granted, Reason::NothingApplies),
            (vec![(0, 0, Inside), (2, 1, Inside)], Verdict::Denied, Reason::DenyMatches),
            (vec![(0, 0, Inside), (0, 0, Outside)], Verdict::Granted, Reason::RestrictMatches),
            (vec![(2, 0, Outside)], Verdict::Denied, Reason::OutsideEveryRestriction),
            (vec![(0, 2, Inside)], Verdict::Unknown, Reason::NotKnown),
            (vec![(0, 1, Inside), (0, 2, Unknown)], Verdict::Denied, Reason::DenyMatches),
        ] {
            assert_eq!(ours(&cases), (verdict, reason), "{cases:?}");
        }
    }
}
