//! Our cmdlets against the public documentation: the parameter sets of the syntax sections as a table of facts, and the
//! documented examples that are covered, each of which must come out as the same command.
//!
//! Source: the page that each cmdlet's facts name, as published in MicrosoftDocs/office-docs-powershell
//! (`exchange/exchange-ps/ExchangePowerShell/<Cmdlet>.md`, CC BY 4.0), read in November 2026.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;

mod combinations;
mod examples;
mod line;
mod read_examples;
mod syntax;

use std::collections::BTreeSet;

use combinations::every_command;
use examples::{ADDED, WITHOUT_EXAMPLE};
use exchange_admin::cmdlets::ALL;
use exchange_admin::{Command, Premises};
use line::meaning;
use syntax::{COMMON, DOCUMENTED_ELSEWHERE, ONLY_ON_PREMISES, ONLY_ONLINE, ParameterSet, SYNTAX, UNVERIFIED};

fn all_examples() -> Vec<(&'static str, Command)> {
    examples::examples().into_iter().chain(read_examples::examples()).collect()
}

fn listed() -> BTreeSet<&'static str> {
    SYNTAX.iter().map(|set| set.cmdlet).collect()
}

#[test]
fn every_cmdlet_has_its_parameter_sets_or_is_counted_as_unverified() {
    let missing: Vec<_> = ALL
        .iter()
        .map(|facts| facts.name.as_str())
        .filter(|name| !listed().contains(name) && !UNVERIFIED.contains(name))
        .collect();
    assert!(missing.is_empty(), "no row in syntax.rs for {missing:?}");
    assert_eq!((listed().len(), UNVERIFIED.len()), (ALL.len() - UNVERIFIED.len(), 0));
    let unknown: Vec<_> =
        listed().into_iter().filter(|name| ALL.iter().all(|f| f.name.as_str() != *name)).collect();
    assert!(unknown.is_empty(), "rows of cmdlets that are not in ALL: {unknown:?}");
}

/// Case does not matter to PowerShell.
fn holds(names: &str, name: &str) -> bool {
    names.split(' ').any(|n| n.eq_ignore_ascii_case(name))
}

fn fits(set: &ParameterSet, sent: &BTreeSet<&str>) -> bool {
    sent.iter().all(|n| holds(set.mandatory, n) || holds(set.optional, n))
        && set.mandatory.split_whitespace().all(|m| sent.iter().any(|n| n.eq_ignore_ascii_case(m)))
}

#[test]
fn every_command_fits_exactly_one_documented_parameter_set() {
    let mut used = BTreeSet::new();
    let mut parameters = BTreeSet::new();
    let mut count = 0;
    for command in all_examples().into_iter().map(|(_, command)| command).chain(every_command()) {
        count += 1;
        let sent: BTreeSet<&str> =
            command.parameters().iter().map(|(n, _)| n.as_str()).filter(|n| !COMMON.contains(n)).collect();
        let name = command.name().as_str();
        let fitting: Vec<_> = SYNTAX.iter().filter(|set| set.cmdlet == name && fits(set, &sent)).collect();
        // No parameter at all fits both sets of a read, and means the same in both.
        assert!(
            fitting.len() == 1 || (sent.is_empty() && !fitting.is_empty()),
            "{name} {sent:?} fits {} parameter sets",
            fitting.len()
        );
        assert!(command.facts().page.ends_with(&name.to_lowercase()));
        used.insert((fitting[0].cmdlet, fitting[0].name));
        parameters.extend(sent.iter().map(|n| (name, n.to_lowercase())));
    }
    let listed: BTreeSet<_> = SYNTAX.iter().map(|set| (set.cmdlet, set.name)).collect();
    assert_eq!(used, listed, "each row of the table is tried");
    assert!(count > 500, "{count} commands");
    for (cmdlet, parameter, page) in DOCUMENTED_ELSEWHERE {
        assert!(parameters.contains(&(cmdlet, parameter.to_lowercase())) && page.starts_with("https://"));
    }
}

#[test]
fn a_command_with_a_parameter_too_many_or_too_few_fits_nothing() {
    let named = |name: &str| SYNTAX.iter().filter(|s| s.cmdlet == name).collect::<Vec<_>>();
    let fit = |name: &str, sent: &[&str]| {
        let sent = sent.iter().copied().collect();
        named(name).iter().any(|set| fits(set, &sent))
    };
    assert!(fit("Add-RoleGroupMember", &["Identity", "member"]));
    assert!(!fit("Add-RoleGroupMember", &["Identity"]));
    assert!(!fit("Add-RoleGroupMember", &["Identity", "Member", "Members"]));
    // Two sets at once.
    assert!(!fit("New-ManagementRoleAssignment", &["Name", "Role", "App", "User"]));
    assert!(!fit("New-Mailbox", &["Name", "Shared", "Room"]));
}

#[test]
fn where_a_cmdlet_exists_is_what_its_page_says() {
    for facts in ALL {
        let name = facts.name.as_str();
        let documented = match (ONLY_ONLINE.contains(&name), ONLY_ON_PREMISES.contains(&name)) {
            (true, _) => Premises::Online,
            (_, true) => Premises::OnPremises,
            _ => Premises::Both,
        };
        assert_eq!(facts.premises, documented, "{name}");
    }
}

#[test]
fn documented_examples_come_out_as_the_same_command() {
    let mut covered = BTreeSet::new();
    for (documented, command) in all_examples() {
        let line = command.to_powershell().unwrap();
        // What is done with the output is not part of the command.
        let documented = documented.split(" | ").next().unwrap();
        let theirs = meaning(documented);
        let mut ours = meaning(&line);
        for (cmdlet, parameter, value) in ADDED {
            let key = parameter.to_lowercase();
            if ours.0 == *cmdlet && !theirs.1.contains_key(&key) {
                let sent = ours.1.remove(&key);
                assert!(
                    value.is_empty() || sent.is_none_or(|sent| sent == [*value]),
                    "{cmdlet} -{parameter} is always {value}"
                );
            }
        }
        assert_eq!(ours, theirs, "{line}\n{documented}");
        covered.insert(command.name().as_str());
    }
    let excused: BTreeSet<_> = WITHOUT_EXAMPLE.iter().map(|(cmdlet, _)| *cmdlet).collect();
    assert!(covered.is_disjoint(&excused), "an excuse too many");
    for facts in ALL {
        let name = facts.name.as_str();
        assert!(covered.contains(name) || excused.contains(name), "{name}: no documented example, no reason");
    }
}

#[test]
fn all_is_every_cmdlet_once_in_order() {
    let names: Vec<_> = ALL.iter().map(|facts| facts.name.as_str()).collect();
    assert!(names.is_sorted_by(|a, b| a < b), "sorted, and each once");
    // Every name that a file of the crate states.
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cmdlets");
    for file in std::fs::read_dir(directory).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for name in text.split('"').filter(|literal| is_cmdlet(literal)) {
            assert!(names.contains(&name), "{name} is missing from cmdlets::ALL");
        }
    }
}

fn is_cmdlet(text: &str) -> bool {
    let verbs = ["Add", "Disable", "Enable", "Get", "New", "Remove", "Set", "Test", "Update"];
    text.split_once('-').is_some_and(|(verb, noun)| {
        verbs.contains(&verb) && !noun.is_empty() && noun.chars().all(|c| c.is_ascii_alphabetic())
    })
}
