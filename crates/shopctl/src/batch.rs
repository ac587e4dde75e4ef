//! Dry runs, `shopctl apply` and `shopctl batch`.

use std::time::{Duration, Instant};

use clap::Subcommand;
use kernel::SagaId;
use operator::{
    Actor, Operator,
    batch::{self, BatchError, Item, State},
};
use saga::Verb;
use serde::Serialize;
use sqlx::PgPool;

use crate::{Common, exit::Failure, output, saga::operator};

/// Interval between polls of a running batch.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Time without a result after which the operator gets a hint.
const HINT_DELAY: Duration = Duration::from_secs(5);

#[derive(clap::Args)]
pub(crate) struct Apply {
    /// The plan's number.
    plan: i64,
    /// Maximum number of sagas per second.
    #[arg(long, value_parser = rate)]
    rps: Option<f64>,
    /// Act on this many sagas only, as a canary; apply again to continue.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    first: Option<u32>,
    /// Do not wait for the end.
    #[arg(long)]
    detach: bool,
    /// Stop waiting after this many seconds; the workers continue.
    #[arg(long, default_value_t = 3600)]
    timeout: u64,
}

#[derive(Subcommand)]
pub(crate) enum Batch {
    /// List plans, newest first.
    #[command(after_help = "Examples:\n  shopctl batch list")]
    List {
        /// Maximum number of plans.
        #[arg(long, default_value_t = 20)]
        limit: i64,
    },
    /// Show a plan, with the result for each saga.
    #[command(after_help = "Examples:\n  shopctl batch show 12\n  shopctl batch show 12 -o json")]
    Show {
        /// The plan's number.
        plan: i64,
    },
    /// Stop a running plan after the saga under way; apply again to continue.
    #[command(after_help = "Examples:\n  shopctl batch stop 12 --reason 'payments is down again'")]
    Stop {
        /// The plan's number.
        plan: i64,
        /// Reason; kept in the audit.
        #[arg(long)]
        reason: String,
    },
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if rate.is_finite() && rate >= 0.01 {
        Ok(rate)
    } else {
        Err("at least 0.01".to_owned())
    }
}

/// One item of a plan, as printed.
#[derive(Serialize)]
struct PrintedItem {
    plan: i64,
    #[serde(flatten)]
    item: Item,
}

/// Stores the effects that `verb` would have on `sagas` as a numbered plan, and prints it.
pub(crate) async fn plan(
    common: &Common,
    operator: &Operator,
    sagas: &[SagaId],
    verb: &Verb,
    actor: &Actor,
) -> anyhow::Result<()> {
    let plan = operator.plan(sagas, verb, actor).await.map_err(failure)?;
    let pool = operator.engine().pool();
    let items = print(common, pool, plan).await?;
    let skipped = items.iter().filter(|item| item.result.is_some()).count();
    output::talk(&format!(
        "Plan {plan}: {verb} for {} sagas, {skipped} more are left alone. Nothing is changed yet.\n\
         `shopctl apply {plan}` does it; `--first 1` tries it on one saga.",
        items.len() - skipped
    ));
    Ok(())
}

async fn print(common: &Common, pool: &PgPool, plan: i64) -> anyhow::Result<Vec<Item>> {
    let mut conn = pool.acquire().await?;
    let items = batch::items(&mut conn, plan).await?;
    let printed: Vec<_> = items
        .iter()
        .map(|item| PrintedItem {
            plan,
            item: item.clone(),
        })
        .collect();
    output::rows(
        common.output,
        &[
            "SAGA", "ORDER", "FROM", "TO", "THEN", "SENDS", "MOVES", "RESULT",
        ],
        &printed,
        |printed| {
            let shown = printed.item.effects();
            let effect =
                |of: fn(&operator::Effects) -> String| shown.as_ref().map(of).unwrap_or_default();
            let result = printed.item.result.as_ref();
            let result = result.map(ToString::to_string).unwrap_or_default();
            vec![
                printed.item.saga_id.to_string(),
                effect(|effects| {
                    effects
                        .order_id
                        .map_or_else(String::new, |id| id.to_string())
                }),
                effect(|effects| effects.from.clone()),
                effect(|effects| effects.to.clone()),
                effect(|effects| effects.next.clone()),
                effect(|effects| effects.messages.join("\n")),
                effect(|effects| effects.state_changes.join("\n")),
                match &printed.item.detail {
                    Some(why) => format!("{result}: {why}"),
                    None => result,
                },
            ]
        },
    )?;
    Ok(items)
}

impl Apply {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let pool = common.shop()?;
        let operator = operator(common, &pool)?;
        let mut conn = pool.acquire().await?;
        let plan = batch::find(&mut conn, self.plan).await?;
        let plan = plan.ok_or_else(|| failure(BatchError::NotFound(self.plan)))?;
        drop(conn);
        let left = plan.items - plan.done - plan.skipped - plan.failed;
        let now = self.first.map_or(left, |first| left.min(i64::from(first)));
        output::confirm(
            common.yes,
            &format!(
                "Plan {} ({}, because: {}) will act on {now} of {left} sagas.",
                self.plan, plan.act["verb"], plan.reason
            ),
        )?;
        let by = crate::actor(&plan.reason)?;
        let applied = operator.apply(self.plan, self.rps, self.first, by.name());
        applied.await.map_err(failure)?;
        if self.detach {
            output::talk(&format!(
                "The workers have it. `shopctl batch show {}` tells what comes of it.",
                self.plan
            ));
            return Ok(());
        }
        self.wait(common, &pool).await
    }

    async fn wait(&self, common: &Common, pool: &PgPool) -> anyhow::Result<()> {
        let begun = Instant::now();
        let (mut hinted, mut before, mut quiet_since) = (false, 0, begun);
        let mut bar = None;
        let ended = loop {
            let mut conn = pool.acquire().await?;
            let plan = batch::find(&mut conn, self.plan).await?;
            drop(conn);
            let plan = plan.ok_or_else(|| failure(BatchError::NotFound(self.plan)))?;
            if plan.state != State::Queued {
                break plan;
            }
            let results = plan.done + plan.skipped + plan.failed;
            let items = plan.items.unsigned_abs();
            let bar = bar.get_or_insert_with(|| output::Progress::new(items, "sagas"));
            bar.set(results.unsigned_abs());
            if results != before {
                (before, quiet_since) = (results, Instant::now());
            }
            if !hinted && quiet_since.elapsed() > HINT_DELAY.max(self.pace()) {
                hinted = true;
                output::talk(
                    "Nothing has come of it yet: is a worker with the role async running?",
                );
            }
            if begun.elapsed() > Duration::from_secs(self.timeout) {
                return Err(Failure::not_done(format!(
                    "plan {} is not done after {} s: the workers go on",
                    self.plan, self.timeout
                ))
                .hint(format!("`shopctl batch show {}`", self.plan))
                .into());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        };
        drop(bar);
        print(common, pool, self.plan).await?;
        output::talk(&format!(
            "Plan {} is {}: {} done, {} skipped, {} failed, of {}.",
            self.plan, ended.state, ended.done, ended.skipped, ended.failed, ended.items
        ));
        match (ended.state.known(), ended.error) {
            (Some(State::Done | State::CanaryDone), _) => Ok(()),
            (_, why) => Err(Failure::not_done(format!(
                "plan {} was stopped: {}",
                self.plan,
                why.unwrap_or_default()
            ))
            .hint(format!(
                "mend that, then `shopctl apply {}` goes on",
                self.plan
            ))
            .into()),
        }
    }

    /// The longest time between two results to be expected at this rate.
    fn pace(&self) -> Duration {
        self.rps
            .map_or(Duration::ZERO, |rps| Duration::from_secs_f64(2.0 / rps))
    }
}

impl Batch {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let pool = common.shop()?;
        match self {
            Self::List { limit } => list(common, &pool, *limit).await,
            Self::Show { plan } => {
                let mut conn = pool.acquire().await?;
                let found = batch::find(&mut conn, *plan).await?;
                let found = found.ok_or_else(|| failure(BatchError::NotFound(*plan)))?;
                drop(conn);
                print(common, &pool, *plan).await?;
                output::talk(&format!(
                    "Plan {plan} by {} ({}): {}.",
                    found.actor, found.reason, found.state
                ));
                Ok(())
            }
            Self::Stop { plan, reason } => {
                let by = crate::actor(reason)?;
                let operator = operator(common, &pool)?;
                operator.stop(*plan, &by).await.map_err(failure)?;
                output::talk(&format!(
                    "Plan {plan} is stopped. `shopctl apply {plan}` goes on."
                ));
                Ok(())
            }
        }
    }
}

async fn list(common: &Common, pool: &PgPool, limit: i64) -> anyhow::Result<()> {
    let mut conn = pool.acquire().await?;
    let plans = batch::list(&mut conn, limit).await?;
    output::rows(
        common.output,
        &[
            "PLAN", "STATE", "ACT", "SAGAS", "DONE", "SKIPPED", "FAILED", "BY", "REASON",
        ],
        &plans,
        |plan| {
            vec![
                plan.batch_id.to_string(),
                plan.state.to_string(),
                plan.act["verb"].as_str().unwrap_or_default().to_owned(),
                plan.items.to_string(),
                plan.done.to_string(),
                plan.skipped.to_string(),
                plan.failed.to_string(),
                plan.actor.clone(),
                plan.reason.clone(),
            ]
        },
    )?;
    output::talk(&format!("{} plans", plans.len()));
    Ok(())
}

fn failure(error: BatchError) -> anyhow::Error {
    let message = error.to_string();
    match error {
        BatchError::NotFound(_) => Failure::not_found(message)
            .hint("`shopctl batch list`")
            .into(),
        BatchError::Conflict { batch_id, .. } => Failure::conflict(message)
            .hint(format!("`shopctl batch show {batch_id}`"))
            .into(),
        BatchError::TooMany => Failure::usage(message).into(),
        BatchError::Db(error) => error.into(),
    }
}
