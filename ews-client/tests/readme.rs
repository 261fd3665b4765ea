//! The tables of README.md: every operation has a row, and every row a test that is there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The rows between two comments, without head and rule, a cell each.
fn table(name: &str) -> Vec<Vec<String>> {
    let readme = std::fs::read_to_string(root().join("ews-client/README.md")).unwrap();
    let inside = readme.split(&format!("<!-- {name} -->")).nth(1).unwrap();
    let inside = inside.split(&format!("<!-- end of {name} -->")).next().unwrap();
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    inside.trim().lines().skip(2).map(cells).collect()
}

fn quoted(cell: &str) -> Option<&str> {
    cell.split('`').nth(1)
}

fn files(under: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(under).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") || path.ends_with("peers/run") {
            found.push(path);
        }
    }
}

fn sources(folders: &[&str]) -> String {
    let mut found = Vec::new();
    for folder in folders {
        files(&root().join(folder), &mut found);
    }
    found.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn every_row_names_a_test_that_is_there() {
    let mut source = sources(&["ews-client/src", "ews-client/tests", "mail-access/tests"]);
    source.push_str(&std::fs::read_to_string(root().join("peers/run")).unwrap());
    let rows = [table("operations"), table("firsts")].concat();
    assert!(rows.len() >= 40, "{}", rows.len());
    let missing: Vec<_> = rows
        .iter()
        .map(|row| quoted(row.last().unwrap()).unwrap_or_else(|| panic!("no test: {row:?}")))
        // A judge is a function of the shell.
        .filter(|test| !source.contains(&format!("fn {test}(")) && !source.contains(&format!("{test}() {{")))
        .collect();
    assert!(missing.is_empty(), "there is no {missing:?}");
}

#[test]
fn every_operation_has_a_row() {
    let source = sources(&["ews-client/src/operations"]);
    let ours: BTreeSet<_> = source
        .split("impl EwsOperation for ")
        .skip(1)
        .map(|rest| rest.split([' ', '<', '{']).next().unwrap().to_owned())
        .collect();
    assert!(ours.len() >= 25, "{ours:?}");
    let rows: BTreeSet<_> =
        table("operations").iter().filter_map(|row| quoted(&row[0])).map(str::to_owned).collect();
    let missing: Vec<_> = ours.difference(&rows).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
}
