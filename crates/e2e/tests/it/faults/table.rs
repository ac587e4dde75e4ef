//! docs/reliability/faults.md names only existing tests, and every case test.

use std::{collections::BTreeSet, fs, path::Path};

use crate::layout::{root, sources, tests};

fn table() -> String {
    fs::read_to_string(root().join("docs/reliability/faults.md")).unwrap()
}

/// The names in backquotes in a row that contain `::`: its tests.
fn named(row: &str) -> impl Iterator<Item = &str> {
    let test = |name: &&str| name.contains("::");
    row.split('`').skip(1).step_by(2).filter(test)
}

fn rows(table: &str) -> impl Iterator<Item = &str> {
    table.lines().filter(|line| line.starts_with("| F"))
}

#[test]
fn every_fault_has_a_row_with_a_test_or_reason() {
    let table = table();
    let cases: Vec<_> = rows(&table)
        .map(|row| row.split('|').nth(1).unwrap().trim().to_owned())
        .collect();
    let all: Vec<_> = (1..=79).map(|number| format!("F{number:02}")).collect();
    assert_eq!(cases, all);
    for row in rows(&table) {
        let reason = row.split('|').nth(4).unwrap();
        assert!(
            named(row).next().is_some()
                || reason.contains("left out:")
                || reason.contains("elsewhere:"),
            "{row}"
        );
    }
}

#[test]
fn the_fault_table_and_the_tests_name_each_other() {
    let table = table();
    let mut files = Vec::new();
    for folder in ["crates", "workflows"] {
        sources(&root().join(folder), &mut files);
    }
    let texts: Vec<_> = files
        .iter()
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect();
    let is_test = |krate: &str, name: &str| {
        texts.iter().any(|(path, text)| {
            let folder = if krate == "workflows" {
                "workflows".to_owned()
            } else {
                format!("crates/{krate}")
            };
            path.starts_with(root().join(folder)) && tests(text).any(|test| test == name)
        })
    };
    let mut missing = BTreeSet::new();
    for name in rows(&table).flat_map(named) {
        let (krate, test) = name.split_once("::").unwrap();
        if !is_test(krate, test) {
            missing.insert(name);
        }
    }
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/faults");
    for (_, text) in texts.iter().filter(|(path, _)| path.starts_with(&here)) {
        let is_case = |test: &&str| {
            let number = test.rsplit_once("_f").map(|(_, number)| number);
            number.is_some_and(|number| number.parse::<u8>().is_ok())
        };
        for test in tests(text).filter(is_case) {
            assert!(
                table.contains(&format!("`e2e::{test}`")),
                "{test} is not in the table"
            );
        }
    }
}
