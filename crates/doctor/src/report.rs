//! The result of a run. A check that did not run is never counted as one that holds.

use std::fmt;

use serde::Serialize;

use crate::{CHECKS, Check, Severity, Source, Violation};

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The checks that ran.
    pub made: Vec<&'static str>,
    /// The checks that could not run; their results are unknown.
    pub skipped: Vec<&'static str>,
    /// The checks that the caller left out.
    pub left_out: Vec<&'static str>,
    /// The sources that could not be read.
    pub unavailable: Vec<Unavailable>,
    /// The checks that ran on a part of what they are about.
    pub in_part: Vec<InPart>,
    /// Broken promises; the first hundred of each kind.
    pub violations: Vec<Violation>,
    /// Late work, and work that waits for an operator; the first hundred of each kind.
    pub warnings: Vec<Violation>,
}

/// A source that could not be read, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unavailable {
    /// The source.
    pub source: Source,
    /// The reason.
    pub reason: String,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source.title(), self.reason)
    }
}

/// Checks that ran on a part of what they are about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InPart {
    /// The checks.
    pub checks: &'static [&'static str],
    /// Which part: `for 500 of 52000 orders`.
    pub part: String,
}

impl fmt::Display for InPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.checks.join(", "), self.part)
    }
}

/// The result of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub enum CheckResult {
    /// The check ran and found nothing.
    #[serde(rename = "holds")]
    Holds,
    /// An invariant is broken.
    #[serde(rename = "violated")]
    Violated,
    /// A rule of hygiene is broken.
    #[serde(rename = "warning")]
    Warning,
    /// The check could not run.
    #[serde(rename = "not checked")]
    NotChecked,
    /// The caller left the check out.
    #[serde(rename = "left out")]
    LeftOut,
}

impl CheckResult {
    /// The result as printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Violated => "violated",
            Self::Warning => "warning",
            Self::NotChecked => "not checked",
            Self::LeftOut => "left out",
        }
    }
}

impl Report {
    /// Divides these checks into those that ran and those that did not, and the findings by
    /// severity.
    pub(crate) fn new<'a>(
        checks: impl Iterator<Item = &'a Check>,
        made: impl Fn(&Check) -> bool,
        mut found: Vec<Violation>,
    ) -> Self {
        let place = |id| CHECKS.iter().position(|check| check.id == id);
        found.sort_by_key(|violation| place(violation.check));
        let (made, skipped): (Vec<&Check>, Vec<&Check>) = checks.partition(|check| made(check));
        let is_warning = |violation: &Violation| {
            place(violation.check).is_some_and(|at| CHECKS[at].severity == Severity::Warning)
        };
        let (warnings, violations) = found.into_iter().partition(is_warning);
        Self {
            made: made.into_iter().map(|check| check.id).collect(),
            skipped: skipped.into_iter().map(|check| check.id).collect(),
            left_out: Vec::new(),
            unavailable: Vec::new(),
            in_part: Vec::new(),
            violations,
            warnings,
        }
    }

    /// Counts the checks of these sources as left out instead of skipped.
    pub(crate) fn leave_out(&mut self, without: &[Source]) {
        let left_out = |id: &&str| {
            let check = CHECKS.iter().find(|check| check.id == *id);
            let sources = check.map_or(&[][..], |check| check.reads.sources());
            sources.iter().any(|source| without.contains(source))
        };
        let (left_out, skipped) = self.skipped.iter().partition(|id| left_out(id));
        (self.left_out, self.skipped) = (left_out, skipped);
    }

    /// Whether every check ran, except for those that the caller left out.
    pub const fn is_complete(&self) -> bool {
        self.skipped.is_empty()
    }

    /// The part to which a check that ran was limited; none if it saw everything.
    pub fn part(&self, check: &Check) -> Option<String> {
        let ran = self.made.contains(&check.id);
        let limited = self.in_part.iter();
        let limited = limited.filter(|part| ran && part.checks.contains(&check.id));
        let parts: Vec<_> = limited.map(|part| part.part.as_str()).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// The result of a check.
    pub fn result(&self, check: &Check) -> CheckResult {
        let mut all = self.violations.iter().chain(&self.warnings);
        match check.severity {
            _ if all.all(|found| found.check != check.id) => self.unbroken(check),
            Severity::Violation => CheckResult::Violated,
            Severity::Warning => CheckResult::Warning,
        }
    }

    fn unbroken(&self, check: &Check) -> CheckResult {
        if self.made.contains(&check.id) {
            CheckResult::Holds
        } else if self.left_out.contains(&check.id) {
            CheckResult::LeftOut
        } else {
            CheckResult::NotChecked
        }
    }

    /// The run in one sentence: how many invariants hold, and why others were not checked.
    pub fn summary(&self) -> String {
        let count = |severity, result| {
            let checks = CHECKS.iter().filter(|check| check.severity == severity);
            checks.filter(|check| self.result(check) == result).count()
        };
        let invariants = |result| count(Severity::Violation, result);
        let total = CHECKS
            .iter()
            .filter(|check| check.severity == Severity::Violation)
            .count();
        let rules = count(Severity::Warning, CheckResult::NotChecked);
        let mut parts = vec![format!(
            "{} of {total} invariants hold",
            invariants(CheckResult::Holds)
        )];
        let limited = CHECKS.iter().filter(|check| {
            check.severity == Severity::Violation
                && self.result(check) == CheckResult::Holds
                && self.part(check).is_some()
        });
        for (number, what) in [
            (limited.count(), "of them in part"),
            (invariants(CheckResult::Violated), "violated"),
            (invariants(CheckResult::LeftOut), "left out"),
            (invariants(CheckResult::NotChecked), "not checked"),
            (
                rules,
                if rules == 1 {
                    "rule of hygiene not checked"
                } else {
                    "rules of hygiene not checked"
                },
            ),
        ] {
            if number > 0 {
                parts.push(format!("{number} {what}"));
            }
        }
        let counts = parts.join(", ");
        let reasons = self.unavailable.iter().map(ToString::to_string);
        let parts = self.in_part.iter().map(ToString::to_string);
        let reasons: Vec<_> = reasons.chain(parts).collect();
        if reasons.is_empty() {
            counts
        } else {
            format!("{counts}: {}", reasons.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reads;

    fn run(found: Vec<Violation>) -> Report {
        let at_payments = [Reads::Payments, Reads::PaymentsDatabase];
        Report::new(
            CHECKS.iter(),
            |check| !at_payments.contains(&check.reads),
            found,
        )
    }

    fn payments_is_away(mut report: Report) -> Report {
        report.unavailable.push(Unavailable {
            source: Source::Payments,
            reason: "connection refused".to_owned(),
        });
        report
    }

    #[test]
    fn the_summary_counts_what_was_not_checked_and_says_why() {
        let report = payments_is_away(run(Vec::new()));
        assert!(!report.is_complete());
        assert_eq!(
            report.summary(),
            "8 of 11 invariants hold, 3 not checked, 4 rules of hygiene not checked: \
             payments: connection refused"
        );
    }

    #[test]
    fn a_source_left_out_on_purpose_leaves_the_run_complete() {
        let mut report = run(Vec::new());
        report.leave_out(&[Source::Payments]);
        assert!(report.is_complete());
        assert_eq!(report.summary(), "8 of 11 invariants hold, 3 left out");
        let check = CHECKS.iter().find(|check| check.id == "I3").unwrap();
        assert_eq!(report.result(check), CheckResult::LeftOut);
    }

    #[test]
    fn a_violation_of_a_partial_check_is_counted() {
        let violation = Violation {
            check: "I5",
            subject: "saga 1".to_owned(),
            what: "took effect twice".to_owned(),
        };
        let report = payments_is_away(run(vec![violation]));
        assert!(
            report
                .summary()
                .starts_with("8 of 11 invariants hold, 1 violated, 2 not checked"),
            "{}",
            report.summary()
        );
    }

    #[test]
    fn a_check_of_a_part_says_which_part() {
        let mut report = Report::new(CHECKS.iter(), |_| true, Vec::new());
        report.in_part.push(InPart {
            checks: &["I2", "I3"],
            part: "for 500 of 900 orders, the newest".to_owned(),
        });
        assert!(report.is_complete());
        assert_eq!(
            report.summary(),
            "11 of 11 invariants hold, 2 of them in part: I2, I3 for 500 of 900 orders, the newest"
        );
    }
}
