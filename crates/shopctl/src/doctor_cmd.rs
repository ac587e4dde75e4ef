//! `shopctl doctor`.

use std::time::Duration;

use doctor::{CHECKS, Check, Limits, Severity, Sources, Violation};
use serde::Serialize;
use workflows::settings::{CheckoutSettings, RetentionSettings};

use crate::{Common, exit::Failure, output};

#[derive(clap::Args)]
pub(crate) struct Doctor {
    /// Check invariants of settled rows only on rows unchanged for this many seconds.
    #[arg(long, default_value_t = 300)]
    grace: u64,
    /// Replay the journals of all sagas, not only of 1,000 live ones and the 1,000 newest ones.
    #[arg(long)]
    all_journals: bool,
    #[command(flatten)]
    checkout: CheckoutSettings,
    #[command(flatten)]
    retention: RetentionSettings,
}

#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    check: &'static Check,
    result: &'static str,
    found: Vec<Violation>,
}

impl Line {
    /// The result, for people.
    fn shown(&self) -> String {
        match self.found.len() {
            0 => self.result.to_owned(),
            n => format!("{} {n} times", self.result.to_uppercase()),
        }
    }
}

impl Doctor {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let shop = common.shop()?;
        let payments = common.payments()?;
        let windows = self.retention.checked(&self.checkout)?;
        let limits = Limits {
            grace: Duration::from_secs(self.grace),
            sagas: windows.sagas,
            inbox: windows.inbox,
            ..Limits::default()
        };
        let limits = Limits {
            journals: limits.journals.filter(|_| !self.all_journals),
            ..limits
        };
        let amqp_url = common.find_amqp()?;
        let management_url = common.find_management()?;
        let sources = Sources {
            shop: &shop,
            payments: payments.as_ref(),
            amqp_url: amqp_url.as_deref(),
            management_url: management_url.as_deref(),
            plans: &common.registry.shapes(),
        };
        let report = doctor::examine_all(sources, &limits).await?;
        let lines: Vec<_> = CHECKS
            .iter()
            .map(|check| {
                let all = report.violations.iter().chain(&report.warnings);
                let found: Vec<_> = all
                    .filter(|found| found.check == check.id)
                    .cloned()
                    .collect();
                let result = match (found.is_empty(), check.severity) {
                    (false, Severity::Violation) => "violated",
                    (false, Severity::Warning) => "warning",
                    (true, _) if report.made.contains(&check.id) => "holds",
                    (true, _) => "not checked",
                };
                Line {
                    check,
                    result,
                    found,
                }
            })
            .collect();
        output::rows(
            common.output,
            &["CHECK", "RESULT", "PROMISE"],
            &lines,
            |line| {
                vec![
                    line.check.id.to_owned(),
                    line.shown(),
                    line.check.promise.to_owned(),
                ]
            },
        )?;
        tell(&lines, &report.unseen);
        if report.violations.is_empty() {
            return Ok(());
        }
        Err(Failure::not_done(format!("{} violations", report.violations.len())).into())
    }
}

fn tell(lines: &[Line], unseen: &[String]) {
    for what in unseen {
        output::talk(&format!("Not all was checked. {what}"));
    }
    for line in lines.iter().filter(|line| !line.found.is_empty()) {
        for Violation { subject, what, .. } in &line.found {
            output::talk(&format!("{}: {subject}: {what}", line.check.id));
        }
        output::talk(&format!(
            "  {}: {}.\n  What to do: {}.",
            line.check.id, line.check.explanation, line.check.hint
        ));
    }
}
