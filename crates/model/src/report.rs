//! The results of all explorations, as Markdown.

use std::fmt::Write;

use crate::{Mutation, counterexample, explore, scenario};

/// The output of `cargo xtask model`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Two tables: the explored scenarios, and the planted mutations.
    pub tables: String,
    /// The path to each violation of the first table.
    pub violations: Vec<String>,
    /// Mutations that were not detected, or not by one of their required rules.
    pub missed: Vec<String>,
    /// The path to each violation of the second table: one shortest counterexample each.
    pub counterexamples: Vec<(Mutation, String)>,
}

/// Explores every scenario to its end and searches for every mutation.
pub fn summarize() -> Summary {
    let mut summary = Summary {
        tables: String::new(),
        violations: Vec::new(),
        missed: Vec::new(),
        counterexamples: Vec::new(),
    };
    explored(&mut summary);
    summary.tables.push('\n');
    broken_on_purpose(&mut summary);
    summary
}

fn explored(summary: &mut Summary) {
    summary
        .tables
        .push_str("| scenario | states | transitions | depth | at rest | found |\n");
    summary.tables.push_str("|---|--:|--:|--:|--:|---|\n");
    for named in scenario::ALL {
        let report = explore(named.scenario);
        let found = match &report.violation {
            Some(violation) => violation.broken.what,
            None => "nothing",
        };
        let _ = writeln!(
            summary.tables,
            "| {} | {} | {} | {} | {} | {found} |",
            named.name, report.states, report.transitions, report.depth, report.settled
        );
        let path = report
            .violation
            .map(|violation| counterexample(named.scenario, &violation));
        summary.violations.extend(path);
    }
}

fn broken_on_purpose(summary: &mut Summary) {
    summary.tables.push_str(
        "| broken on purpose | found by | steps of the counterexample |\n|---|---|--:|\n",
    );
    for mutation in Mutation::ALL {
        let (scenario, title) = (scenario::of(*mutation), mutation.title());
        let Some(found) = explore(scenario).violation else {
            summary.missed.push(format!("nothing found: {title}"));
            let _ = writeln!(summary.tables, "| {title} | **nothing** | |");
            continue;
        };
        let rule = found.broken.rule;
        let path = counterexample(scenario, &found);
        let steps = found.path.len() + 1;
        let _ = writeln!(summary.tables, "| {title} | {} | {steps} |", rule.name());
        if !mutation.found_by().contains(&rule) {
            summary
                .missed
                .push(format!("found by another rule: {title}\n{path}"));
        }
        summary.counterexamples.push((*mutation, path));
    }
}
