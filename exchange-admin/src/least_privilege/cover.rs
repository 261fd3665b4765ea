use std::collections::BTreeSet;

/// The smallest set of roles of which every need holds one: among sets of the same size the one with fewer roles that
/// write, and then the first by name. Exact; the roles of all cmdlets here are few.
pub(super) fn smallest(needs: &BTreeSet<&'static [&'static str]>) -> BTreeSet<&'static str> {
    let mut best = None;
    search(needs, &mut BTreeSet::new(), &mut best);
    best.map(|(_, _, roles)| roles).unwrap_or_default()
}

type Ranked = (usize, usize, BTreeSet<&'static str>);

fn search(
    needs: &BTreeSet<&'static [&'static str]>,
    chosen: &mut BTreeSet<&'static str>,
    best: &mut Option<Ranked>,
) {
    let open = needs.iter().filter(|roles| !roles.iter().any(|r| chosen.contains(r)));
    let Some(narrowest) = open.min_by_key(|roles| roles.len()) else {
        let writes = chosen.iter().filter(|r| !r.starts_with("View-Only")).count();
        let candidate = (chosen.len(), writes, chosen.clone());
        if best.as_ref().is_none_or(|b| candidate < *b) {
            *best = Some(candidate);
        }
        return;
    };
    if best.as_ref().is_some_and(|(size, ..)| chosen.len() + 1 > *size) {
        return;
    }
    for role in *narrowest {
        if chosen.insert(role) {
            search(needs, chosen, best);
            chosen.remove(role);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETS: &[&[&str]] = &[
        &["a"],
        &["a", "b"],
        &["View-Only c", "b"],
        &["View-Only c", "d"],
        &["d", "e"],
        &["e", "a", "f"],
        &["f", "g"],
        &["g", "View-Only c", "b"],
    ];
    const ROLES: [&str; 7] = ["a", "b", "View-Only c", "d", "e", "f", "g"];

    fn covers(needs: &BTreeSet<&'static [&'static str]>, roles: &BTreeSet<&str>) -> bool {
        needs.iter().all(|need| need.iter().any(|r| roles.contains(r)))
    }

    #[test]
    fn reading_is_preferred_where_the_size_is_the_same() {
        let needs: BTreeSet<&'static [&'static str]> = [SETS[2], SETS[3]].into();
        assert_eq!(smallest(&needs), BTreeSet::from(["View-Only c"]));
        assert_eq!(smallest(&BTreeSet::new()), BTreeSet::new());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn as_small_as_trying_every_set_of_roles_finds(picked in prop::collection::btree_set(0..SETS.len(), 0..8)) {
            let needs: BTreeSet<&'static [&'static str]> = picked.iter().map(|n| SETS[*n]).collect();
            let found = smallest(&needs);
            prop_assert!(covers(&needs, &found));
            let least = (0u32..1 << ROLES.len())
                .filter(|mask| {
                    let roles = ROLES.iter().enumerate().filter(|(n, _)| mask & (1 << n) != 0).map(|(_, r)| *r);
                    covers(&needs, &roles.collect())
                })
                .map(u32::count_ones)
                .min()
                .unwrap();
            prop_assert_eq!(found.len(), least as usize);
        }
    }
}
