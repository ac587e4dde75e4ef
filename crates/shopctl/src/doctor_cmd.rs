//! `shopctl doctor`.

use std::time::Duration;

use doctor::{CHECKS, Violation};
use serde::Serialize;

use crate::{Common, exit::Failure, output};

#[derive(clap::Args)]
pub(crate) struct Doctor {
    /// What is promised for settled things only is asked of what has not moved for so many seconds.
    #[arg(long, default_value_t = 300)]
    grace: u64,
}

#[derive(Serialize)]
struct Line {
    check: &'static str,
    promise: &'static str,
    result: String,
    violations: Vec<Violation>,
}

impl Doctor {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let shop = common.shop()?;
        let payments = common.payments()?;
        let report =
            doctor::examine(&shop, payments.as_ref(), Duration::from_secs(self.grace)).await?;
        let lines: Vec<_> = CHECKS
            .iter()
            .map(|check| {
                let violations: Vec<_> = report
                    .violations
                    .iter()
                    .filter(|violation| violation.check == check.id)
                    .cloned()
                    .collect();
                let result = match (report.made.contains(&check.id), violations.len()) {
                    (_, n) if n > 0 => format!("VIOLATED {n} times"),
                    (true, _) => "holds".to_owned(),
                    (false, _) => "not checked".to_owned(),
                };
                Line {
                    check: check.id,
                    promise: check.promise,
                    result,
                    violations,
                }
            })
            .collect();
        output::rows(
            common.output,
            &["CHECK", "RESULT", "PROMISE"],
            &lines,
            |line| {
                vec![
                    line.check.to_owned(),
                    line.result.clone(),
                    line.promise.to_owned(),
                ]
            },
        )?;
        if !report.skipped.is_empty() {
            output::talk("Not all was checked: PAYMENTS_DATABASE_URL is not set.");
        }
        for violation in &report.violations {
            output::talk(&format!(
                "{}: {}: {}",
                violation.check, violation.subject, violation.what
            ));
        }
        if report.violations.is_empty() {
            return Ok(());
        }
        Err(Failure::not_done(format!("{} violations", report.violations.len())).into())
    }
}
