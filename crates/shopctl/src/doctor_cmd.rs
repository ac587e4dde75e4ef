//! `shopctl doctor`.

use std::time::Duration;

use doctor::{
    CHECKS, Check, CheckResult, Limits, PaymentsSource, Report, Source, Sources, Violation,
};
use serde::Serialize;
use sqlx::PgPool;
use workflows::settings::{CheckoutSettings, RetentionSettings};

use crate::{Common, exit::Failure, output, payments};

#[derive(clap::Args)]
pub(crate) struct Doctor {
    /// Warn of a payment's decision or a signal that has not taken effect for this many seconds.
    #[arg(long, default_value_t = 300)]
    grace: u64,
    /// Replay the journals of all sagas, not only of 1,000 live ones and the 1,000 newest ones.
    #[arg(long)]
    all_journals: bool,
    /// Leave out what only this source shows; a source that cannot be read and is not left out ends
    /// with exit code 6.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SOURCE")]
    without: Vec<LeftOut>,
    #[command(flatten)]
    checkout: CheckoutSettings,
    #[command(flatten)]
    retention: RetentionSettings,
}

/// A source that a run can leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LeftOut {
    /// Payments: its API and its database (I2, I3 and I5).
    Payments,
    /// Payments' database, which shows its outbox (I5).
    PaymentsDatabase,
    /// RabbitMQ's queues.
    Rabbitmq,
    /// RabbitMQ's bindings, which need its management API.
    Bindings,
}

impl From<LeftOut> for Source {
    fn from(left_out: LeftOut) -> Self {
        match left_out {
            LeftOut::Payments => Self::Payments,
            LeftOut::PaymentsDatabase => Self::PaymentsDatabase,
            LeftOut::Rabbitmq => Self::RabbitMq,
            LeftOut::Bindings => Self::Bindings,
        }
    }
}

#[derive(Serialize)]
struct PrintedCheck {
    #[serde(flatten)]
    check: &'static Check,
    result: CheckResult,
    /// The part that was checked, if the check did not see everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_part: Option<String>,
    found: Vec<Violation>,
}

impl PrintedCheck {
    /// The result, for people.
    fn shown(&self) -> String {
        match self.found.len() {
            0 if self.in_part.is_some() => format!("{}, in part", self.result.as_str()),
            0 => self.result.as_str().to_owned(),
            1 => format!("{} once", self.result.as_str().to_uppercase()),
            n => format!("{} {n} times", self.result.as_str().to_uppercase()),
        }
    }
}

impl Doctor {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let shop = common.shop()?;
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
        let without: Vec<_> = self.without.iter().copied().map(Source::from).collect();
        let payments = self.payments(common, &shop).await?;
        let sources = Sources {
            shop: &shop,
            payments: &payments,
            amqp_url: amqp_url.as_deref(),
            management_url: management_url.as_deref(),
            without: &without,
            plans: &common.registry.shapes(),
        };
        let report = doctor::examine_all(sources, &limits).await?;
        let printed: Vec<_> = CHECKS
            .iter()
            .map(|check| {
                let all = report.violations.iter().chain(&report.warnings);
                let found: Vec<_> = all
                    .filter(|found| found.check == check.id)
                    .cloned()
                    .collect();
                PrintedCheck {
                    check,
                    result: report.result(check),
                    in_part: report.part(check),
                    found,
                }
            })
            .collect();
        output::rows(
            common.output,
            &["CHECK", "RESULT", "PROMISE"],
            &printed,
            |one| {
                vec![
                    one.check.id.to_owned(),
                    one.shown(),
                    one.check.promise.to_owned(),
                ]
            },
        )?;
        explain(&printed);
        conclude(&report, &without)
    }
}

impl Doctor {
    /// How payments is read; says so on a line.
    async fn payments(&self, common: &Common, shop: &PgPool) -> anyhow::Result<PaymentsSource> {
        if self.without.contains(&LeftOut::Payments) {
            return Ok(PaymentsSource {
                api: Err("it is left out".to_owned()),
                database: Ok(None),
            });
        }
        let access = payments::access(common, shop)?;
        let report = payments::ServiceReport::ask(common, shop).await?;
        output::talk(&report.line());
        Ok(PaymentsSource {
            api: access.api().cloned(),
            database: access.database().await.map(Option::<&PgPool>::cloned),
        })
    }
}

/// Ends the command with the summary, as a success or as an error.
fn conclude(report: &Report, without: &[Source]) -> anyhow::Result<()> {
    let summary = report.summary();
    if !report.violations.is_empty() {
        return Err(Failure::not_done(summary).into());
    }
    if report.is_complete() {
        output::talk(&format!("{summary}."));
        return Ok(());
    }
    let missing = report.unavailable.iter().map(|missing| missing.source);
    let without: Vec<_> = without.iter().copied().chain(missing).collect();
    let names: Vec<_> = Source::ALL
        .into_iter()
        .filter(|source| without.contains(source))
        .map(Source::as_str)
        .collect();
    Err(Failure::unreachable(summary)
        .hint(format!(
            "run it where every source can be read, or leave these out: `--without {}`",
            names.join(",")
        ))
        .into())
}

fn explain(printed: &[PrintedCheck]) {
    for one in printed.iter().filter(|one| !one.found.is_empty()) {
        for Violation { subject, what, .. } in &one.found {
            output::talk(&format!("{}: {subject}: {what}", one.check.id));
        }
        output::talk(&format!(
            "  {}: {}.\n  What to do: {}.",
            one.check.id, one.check.explanation, one.check.hint
        ));
    }
}
