//! `shopctl saga`.

mod act;
mod export;
mod list;
mod plan;
mod show;
mod stats;
mod trace;
mod watch;
mod why;

use std::time::Duration;

use clap::{Args, Subcommand};
use kernel::{OrderId, UserId};
use messaging::Wakeup;
use operator::{
    Operator, PaymentsSight, Sight, Why,
    cause::Code,
    judged::{self, Wanted},
    sagas::{self, Filter, Line},
};
use saga::{Engine, EngineConfig};
use sqlx::PgPool;

use crate::Common;

#[derive(Subcommand)]
pub(crate) enum Saga {
    /// List sagas, oldest first: those that are not at rest, unless a filter says otherwise.
    #[command(
        after_help = "Examples:\n  shopctl saga list\n  shopctl saga list --state compensating --older-than 15m\n  \
                            shopctl saga list --order 01996e0e-0000-7000-8000-000000000001 -o json"
    )]
    List(list::List),
    /// Show one saga's whole life: steps, attempts, errors, signals, operators' acts, what is next.
    #[command(after_help = "Examples:\n  shopctl saga show 01996e0e-0000-7000-8000-000000000001")]
    Show(show::Show),
    /// Tell why it stands where it stands: the cause, what speaks for it, what to do. Exit code 1 if
    /// it is stuck.
    #[command(after_help = "Examples:\n  shopctl saga why 01996e0e-0000-7000-8000-000000000001")]
    Why(why::WhyArgs),
    /// Print where its trace is; TRACE_URL says where traces are shown.
    #[command(
        after_help = "Examples:\n  shopctl saga trace 01996e0e-0000-7000-8000-000000000001\n  \
                      shopctl saga trace 01996e0e-0000-7000-8000-000000000001 --reemit"
    )]
    Trace(trace::Trace),
    /// Run the current work now; its retry budget begins again.
    #[command(
        after_help = "Examples:\n  shopctl saga retry 01996e0e-0000-7000-8000-000000000001 --reason 'payments is back'\n  \
                            shopctl saga retry --step init_payment --dry-run --reason 'payments is back'"
    )]
    Retry(act::Many),
    /// Run nothing more of it; signals are kept.
    #[command(
        after_help = "Examples:\n  shopctl saga pause 01996e0e-0000-7000-8000-000000000001 --reason 'looking into it'"
    )]
    Pause(act::Many),
    /// Apply what was kept while it was paused, then go on.
    #[command(
        after_help = "Examples:\n  shopctl saga resume 01996e0e-0000-7000-8000-000000000001 --reason 'looked into it'"
    )]
    Resume(act::Many),
    /// Have it undone: its order is canceled, unless it is paid before payments hears of it.
    #[command(
        after_help = "Examples:\n  shopctl saga cancel 01996e0e-0000-7000-8000-000000000001 --reason 'the customer called'\n  \
                            shopctl saga cancel --state waiting --older-than 1d --dry-run --reason 'the sale is over'"
    )]
    Cancel(act::Many),
    /// Tell it what payments has decided and it has not heard. Payments must bear it out.
    #[command(
        after_help = "Examples:\n  shopctl saga signal 01996e0e-0000-7000-8000-000000000001 transaction_completed --reason 'the event is gone'"
    )]
    Signal(act::Signal),
    /// Say that the current step is done, or undone. Payments must bear it out.
    #[command(
        after_help = "Examples:\n  shopctl saga resolve 01996e0e-0000-7000-8000-000000000001 --step init_payment --as undone \\\n    \
                            --evidence 'canceled at payments, ticket 4711' --reason 'its answer is lost'"
    )]
    Resolve(act::Resolve),
    /// Show the steps of a plan.
    #[command(
        after_help = "Examples:\n  shopctl saga plan\n  shopctl saga plan checkout --mermaid"
    )]
    Plan(plan::Plan),
    /// Count sagas, by state or by cause.
    #[command(
        after_help = "Examples:\n  shopctl saga stats\n  shopctl saga stats --by cause\n  shopctl saga stats -o json"
    )]
    Stats(stats::Stats),
    /// Tell what changes, until all are at rest.
    #[command(
        after_help = "Examples:\n  shopctl saga watch 01996e0e-0000-7000-8000-000000000001\n  \
                            shopctl saga watch --state compensating --timeout 1h"
    )]
    Watch(watch::Watch),
    /// Whether this binary works on every live saga; exit code 1 if some would be left alone.
    #[command(after_help = "Examples:\n  shopctl saga check-compat")]
    CheckCompat(plan::CheckCompat),
    /// Print one saga as a file without names, addresses and user ids; other ids are hashed.
    #[command(
        after_help = "Examples:\n  shopctl saga export 01996e0e-0000-7000-8000-000000000001 > saga.json"
    )]
    Export(export::ExportOne),
    /// Run the machine over an exported saga, step by step; needs no server.
    #[command(after_help = "Examples:\n  shopctl saga replay saga.json")]
    Replay(export::Replay),
}

impl Saga {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        match self {
            Self::List(list) => list.run(common).await,
            Self::Show(show) => show.run(common).await,
            Self::Why(why) => why.run(common).await,
            Self::Trace(trace) => trace.run(common).await,
            Self::Retry(act) => act.run(common, saga::Verb::Retry).await,
            Self::Pause(act) => act.run(common, saga::Verb::Pause).await,
            Self::Resume(act) => act.run(common, saga::Verb::Resume).await,
            Self::Cancel(act) => act.run(common, saga::Verb::Cancel).await,
            Self::Signal(signal) => signal.run(common).await,
            Self::Resolve(resolve) => resolve.run(common).await,
            Self::Plan(plan) => plan.run(common),
            Self::Stats(stats) => stats.run(common).await,
            Self::Watch(watch) => watch.run(common).await,
            Self::CheckCompat(check) => check.run(common).await,
            Self::Export(export) => export.run(common).await,
            Self::Replay(replay) => replay.run(common),
        }
    }
}

/// Which sagas.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct Which {
    /// Only those in this state: running, waiting, compensating, completed, compensated.
    #[arg(long, value_parser = ["running", "waiting", "compensating", "completed", "compensated"])]
    state: Option<String>,
    /// Only those of this plan.
    #[arg(long)]
    plan: Option<String>,
    /// Only those at this step.
    #[arg(long)]
    step: Option<String>,
    /// Only those that have not moved for so long: 90s, 15m, 2h, 1d.
    #[arg(long, value_parser = duration)]
    older_than: Option<Duration>,
    /// Only the saga of this order.
    #[arg(long)]
    order: Option<OrderId>,
    /// Only those of this user's orders.
    #[arg(long)]
    user: Option<UserId>,
    /// Only those with this in their last error, or in the reason of their compensation.
    #[arg(long)]
    text: Option<String>,
    /// Only those with this cause, as `saga why` names it.
    #[arg(long)]
    cause: Option<Code>,
    /// Only those that are stuck: that do not go on by themselves.
    #[arg(long)]
    stuck: bool,
}

impl Which {
    pub(crate) fn filter(&self) -> Filter {
        Filter {
            state: self.state.clone(),
            plan: self.plan.clone(),
            step: self.step.clone(),
            older_than: self.older_than,
            order: self.order,
            user: self.user,
            orders: None,
            text: self.text.clone(),
            after: None,
        }
    }

    /// Whether anything is said: no act is meant for all sagas by accident.
    pub(crate) fn says_nothing(&self) -> bool {
        self.filter() == Filter::default() && self.cause.is_none() && !self.stuck
    }

    /// The sagas, oldest first, at most `limit`, each with its cause if that was asked for.
    pub(crate) async fn find(
        &self,
        common: &Common,
        pool: &PgPool,
        limit: usize,
    ) -> anyhow::Result<Vec<(Line, Option<Why>)>> {
        if self.cause.is_none() && !self.stuck {
            let mut conn = pool.acquire().await?;
            let found = sagas::list(&mut conn, &self.filter(), i64::try_from(limit)?).await?;
            return Ok(found.into_iter().map(|saga| (saga, None)).collect());
        }
        let wanted = Wanted {
            cause: self.cause,
            stuck: self.stuck,
        };
        let found = self.judged(common, pool, wanted, limit).await?;
        let found = found.into_iter();
        Ok(found.map(|(saga, why)| (saga, Some(why))).collect())
    }

    /// Up to `limit` of these sagas whose causes are `wanted`, oldest first.
    async fn judged(
        &self,
        common: &Common,
        pool: &PgPool,
        wanted: Wanted,
        limit: usize,
    ) -> anyhow::Result<Vec<(Line, Why)>> {
        let operator = operator(common, pool)?;
        let judged = judged::list(&operator, &self.filter(), wanted, limit, usize::MAX).await?;
        Ok(judged.found)
    }
}

/// `90s`, `15m`, `2h`, `1d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let says = || format!("`{text}` is no duration: say it like 90s, 15m, 2h or 1d");
    let (number, unit) = text
        .char_indices()
        .next_back()
        .map(|(at, unit)| (&text[..at], unit))
        .ok_or_else(says)?;
    let number: u64 = number.parse().map_err(|_| says())?;
    let seconds = match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(60 * 60),
        'd' => Some(24 * 60 * 60),
        _ => None,
    };
    seconds
        .and_then(|seconds| number.checked_mul(seconds))
        .map(Duration::from_secs)
        .ok_or_else(says)
}

/// What operators see and do, from here.
pub(crate) fn operator(common: &Common, pool: &PgPool) -> anyhow::Result<Operator> {
    let payments = match common.payments()? {
        Some(pool) => PaymentsSight::Database(pool),
        None => PaymentsSight::None,
    };
    let sight = Sight {
        payments,
        amqp_url: common.find_amqp()?,
        reads_failed: true,
    };
    Ok(Operator::new(
        engine(common, pool)?,
        common.registry.clone(),
        sight,
    ))
}

/// An engine that decides and stores: workers run steps.
pub(crate) fn engine(common: &Common, pool: &PgPool) -> anyhow::Result<Engine> {
    let (config, wakeup) = (EngineConfig::default(), Wakeup::default());
    Ok(Engine::new(&common.registry, pool.clone(), config, wakeup)?)
}
