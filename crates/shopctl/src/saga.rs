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

use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use kernel::{OrderId, UserId};
use messaging::Wakeup;
use operator::{
    DataSources, Operator, Why,
    cause::Code,
    diagnosed::{self, DiagnosisFilter},
    sagas::{self, Filter, SagaSummary},
};
use saga::{Engine, EngineConfig, machine::StateKind};
use sqlx::PgPool;

use crate::Common;

pub(crate) use self::{
    act::Many,
    trace::Trace,
    watch::Watch,
    why::{WhyArgs, print_next},
};

#[derive(Subcommand)]
pub(crate) enum Saga {
    /// List sagas, oldest first; sagas at rest only with --state, --order or --user.
    #[command(
        after_help = "Examples:\n  shopctl saga list\n  shopctl saga list --state compensating --older-than 15m\n  \
                            shopctl saga list --order 01996e0e-0000-7000-8000-000000000001 -o json"
    )]
    List(list::List),
    /// Show a saga's full history: steps, attempts, errors, signals, operators' actions, and what
    /// is next.
    #[command(after_help = "Examples:\n  shopctl saga show 01996e0e-0000-7000-8000-000000000001")]
    Show(show::Show),
    /// Explain why a saga is where it is: the cause, the evidence, and what to do. Exit code 1 if
    /// it is stuck.
    #[command(after_help = "Examples:\n  shopctl saga why 01996e0e-0000-7000-8000-000000000001")]
    Why(why::WhyArgs),
    /// Print the link to a saga's trace, made from TRACE_URL; without TRACE_URL, the trace id.
    #[command(
        after_help = "Examples:\n  shopctl saga trace 01996e0e-0000-7000-8000-000000000001\n  \
                      shopctl saga trace 01996e0e-0000-7000-8000-000000000001 --reemit"
    )]
    Trace(trace::Trace),
    /// Run the current step or undo now, with a new retry budget.
    #[command(
        after_help = "Examples:\n  shopctl saga retry 01996e0e-0000-7000-8000-000000000001 --reason 'payments is back'\n  \
                            shopctl saga retry --step init_payment --dry-run --reason 'payments is back'"
    )]
    Retry(act::Many),
    /// Pause a saga: nothing more of it runs; signals are kept.
    #[command(
        after_help = "Examples:\n  shopctl saga pause 01996e0e-0000-7000-8000-000000000001 --reason 'looking into it'"
    )]
    Pause(act::Many),
    /// Resume a paused saga: apply the kept signals, then continue.
    #[command(
        after_help = "Examples:\n  shopctl saga resume 01996e0e-0000-7000-8000-000000000001 --reason 'looked into it'"
    )]
    Resume(act::Many),
    /// Undo a saga: its order is canceled, unless it is paid before the cancellation reaches
    /// payments.
    #[command(
        after_help = "Examples:\n  shopctl saga cancel 01996e0e-0000-7000-8000-000000000001 --reason 'the customer called'\n  \
                            shopctl saga cancel --state waiting --older-than 1d --dry-run --reason 'the sale is over'"
    )]
    Cancel(act::Many),
    /// Give a saga a signal that it missed: payments' decision. Payments must confirm it.
    #[command(
        after_help = "Examples:\n  shopctl saga signal 01996e0e-0000-7000-8000-000000000001 transaction_completed --reason 'the event is gone'"
    )]
    Signal(act::Signal),
    /// Declare the current step done or undone. Payments must confirm it.
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
    /// Print each change, until all sagas are at rest.
    #[command(
        after_help = "Examples:\n  shopctl saga watch 01996e0e-0000-7000-8000-000000000001\n  \
                            shopctl saga watch --state compensating --timeout 1h"
    )]
    Watch(watch::Watch),
    /// Check whether this binary runs every live saga; exit code 1 if it would leave some alone.
    #[command(after_help = "Examples:\n  shopctl saga check-compat")]
    CheckCompat(plan::CheckCompat),
    /// Print an export of one saga, without names, addresses and user ids; other ids are hashed.
    #[command(
        after_help = "Examples:\n  shopctl saga export 01996e0e-0000-7000-8000-000000000001 > saga.json"
    )]
    Export(export::ExportOne),
    /// Replay an exported saga through the state machine, step by step; needs no server.
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

/// Parses a state; help and completions list all of them.
fn states() -> impl TypedValueParser<Value = StateKind> {
    PossibleValuesParser::new(StateKind::ALL.map(StateKind::as_str)).try_map(|state| state.parse())
}

/// A filter on sagas.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct Which {
    /// Only sagas in this state: running, waiting, compensating, completed, compensated.
    #[arg(long, value_parser = states())]
    state: Option<StateKind>,
    /// Only sagas of this plan.
    #[arg(long)]
    plan: Option<String>,
    /// Only sagas at this step.
    #[arg(long)]
    step: Option<String>,
    /// Only sagas unchanged for this long: 90s, 15m, 2h, 1d. An attempt is a change.
    #[arg(long, value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    /// Only stuck sagas that have been in their state, at their step, for this long.
    #[arg(long, value_parser = humantime::parse_duration)]
    stuck_for: Option<Duration>,
    /// Only sagas whose step has been attempted for this long and whose last attempt failed.
    #[arg(long, value_parser = humantime::parse_duration)]
    failing_for: Option<Duration>,
    /// Only the saga of this order.
    #[arg(long)]
    order: Option<OrderId>,
    /// Only the sagas of this user's orders.
    #[arg(long)]
    user: Option<UserId>,
    /// Only sagas with this text in their last error or in the reason of their compensation.
    #[arg(long, visible_alias = "error")]
    text: Option<String>,
    /// Only sagas with this cause, as `saga why` names it.
    #[arg(long, value_parser = crate::causes())]
    cause: Option<Code>,
    /// Only stuck sagas: those that do not continue by themselves.
    #[arg(long)]
    stuck: bool,
}

impl Which {
    pub(crate) fn filter(&self) -> Filter {
        Filter {
            state: self.state,
            plan: self.plan.clone(),
            step: self.step.clone(),
            older_than: self.older_than,
            in_state_for: self.stuck_for,
            failing_for: self.failing_for,
            order: self.order,
            user: self.user,
            orders: None,
            text: self.text.clone(),
            after: None,
        }
    }

    /// Whether only stuck sagas match.
    const fn stuck(&self) -> bool {
        self.stuck || self.stuck_for.is_some()
    }

    /// Whether no filter is set: no action may apply to all sagas by accident.
    pub(crate) fn says_nothing(&self) -> bool {
        self.filter() == Filter::default() && self.cause.is_none() && !self.stuck()
    }

    /// Up to `limit` sagas, oldest first, each with its cause if a filter is about causes.
    pub(crate) async fn find(
        &self,
        common: &Common,
        pool: &PgPool,
        limit: usize,
    ) -> anyhow::Result<Vec<(SagaSummary, Option<Why>)>> {
        if self.cause.is_none() && !self.stuck() {
            let mut conn = pool.acquire().await?;
            let found = sagas::list(&mut conn, &self.filter(), i64::try_from(limit)?).await?;
            return Ok(found.into_iter().map(|saga| (saga, None)).collect());
        }
        let wanted = DiagnosisFilter {
            cause: self.cause,
            stuck: self.stuck(),
        };
        let found = self.diagnosed(common, pool, wanted, limit).await?;
        let found = found.into_iter();
        Ok(found.map(|(saga, why)| (saga, Some(why))).collect())
    }

    /// Up to `limit` of these sagas whose causes match `wanted`, oldest first.
    async fn diagnosed(
        &self,
        common: &Common,
        pool: &PgPool,
        wanted: DiagnosisFilter,
        limit: usize,
    ) -> anyhow::Result<Vec<(SagaSummary, Why)>> {
        let operator = operator(common, pool)?;
        let diagnosed =
            diagnosed::list(&operator, &self.filter(), wanted, limit, usize::MAX).await?;
        Ok(diagnosed.found)
    }
}

/// The operator's view and actions, with the data sources that are configured here.
pub(crate) fn operator(common: &Common, pool: &PgPool) -> anyhow::Result<Operator> {
    let sources = DataSources {
        payments: crate::payments::access(common, pool)?,
        amqp_url: common.find_amqp()?,
        reads_failed: true,
    };
    Ok(Operator::new(
        engine(common, pool)?,
        common.registry.clone(),
        sources,
    ))
}

/// An engine that decides and stores transitions; the workers run the steps.
pub(crate) fn engine(common: &Common, pool: &PgPool) -> anyhow::Result<Engine> {
    let (config, wakeup) = (EngineConfig::default(), Wakeup::default());
    Ok(Engine::new(&common.registry, pool.clone(), config, wakeup)?)
}
