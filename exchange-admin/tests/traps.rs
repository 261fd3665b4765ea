//! Every trap that is known of Exchange's administration has a test that is named after it, `trap_<number>_…`, here or
//! in the crates that build on this one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const TRAPS: std::ops::RangeInclusive<u32> = 1..=28;

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_trap_has_a_test_that_is_named_after_it() {
    let mut files = Vec::new();
    for directory in ["src", "tests"] {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory), &mut files);
    }
    let mut tests: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for (at, begin) in text.match_indices(concat!("fn ", "trap_")) {
            let rest = &text[at + begin.len()..];
            let name = rest.split('(').next().unwrap();
            let number = name.split('_').next().unwrap().parse().unwrap();
            assert!(TRAPS.contains(&number), "{name}: no such trap");
            tests.entry(number).or_default().insert(name.to_owned());
        }
    }
    let missing: Vec<_> = TRAPS.filter(|n| !tests.contains_key(n)).collect();
    assert!(missing.is_empty(), "no test named after {missing:?}");
}
