//! docs/security.md names only existing tests.

use std::{collections::BTreeSet, fs};

use regex::Regex;

use crate::layout::{root, sources, tests};

#[test]
fn every_promise_names_a_test_that_exists() {
    let mut files = Vec::new();
    for folder in ["crates", "workflows", "xtask"] {
        sources(&root().join(folder), &mut files);
    }
    let texts: Vec<_> = files
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let all: BTreeSet<_> = texts.iter().flat_map(|text| tests(text)).collect();
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    // shorter names in code style are settings, metrics and files
    let name = Regex::new("`([a-z0-9]+(?:_[a-z0-9]+){3,})`").unwrap();
    let named: Vec<_> = name
        .captures_iter(&page)
        .map(|found| found.extract::<1>().1[0])
        .collect();
    assert!(named.len() > 60, "{named:?}");
    let missing: Vec<_> = named.iter().filter(|test| !all.contains(*test)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
    let mut promises = 0;
    for table in page.split("| promise | where | test |").skip(1) {
        let rows = table
            .lines()
            .skip(2)
            .take_while(|line| line.starts_with('|'));
        for row in rows {
            let column = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
            assert!(name.is_match(column), "a promise without a test: {row}");
            promises += 1;
        }
    }
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| ") && name.is_match(line));
    assert_eq!(promises, rows.count(), "a row stands outside of its table");
}
