//! `shopctl saga watch`.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use operator::{
    saga_ref::AnyId,
    sagas::{self, SagaSummary},
};
use saga::machine::StateKind;

use super::{Which, operator};
use crate::{
    Common,
    exit::Failure,
    output::{self, Output},
    saga_ref,
};

/// Interval between polls.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Maximum number of sagas watched at once.
const MAX_SAGAS: usize = 1000;

#[derive(clap::Args)]
pub(crate) struct Watch {
    /// A saga, or the order, transaction or message that it is about.
    #[arg(conflicts_with_all = ["state", "plan", "step", "older_than", "stuck_for", "failing_for", "order", "user", "text", "cause", "stuck"])]
    id: Option<AnyId>,
    #[command(flatten)]
    which: Which,
    /// Give up after this long.
    #[arg(long, default_value = "10m", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// The fields of a saga whose changes are printed.
#[derive(PartialEq)]
struct PrintedState {
    revision: i64,
    attempt: Option<i32>,
    last_error: Option<String>,
}

impl Watch {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let pool = common.shop()?;
        let named = match &self.id {
            Some(id) => Some(saga_ref::find(&operator(common, &pool)?, id).await?),
            None => None,
        };
        let mut watched = if let Some(found) = named {
            vec![found.saga_id]
        } else {
            let found = self.which.find(common, &pool, MAX_SAGAS).await?;
            found.iter().map(|(saga, _)| saga.saga_id).collect()
        };
        output::talk(&format!(
            "Watching {}.",
            output::counted(watched.len(), "saga")
        ));
        let begun = Instant::now();
        let mut printed = BTreeMap::new();
        loop {
            let mut conn = pool.acquire().await?;
            let now = sagas::find(&mut conn, &watched).await?;
            drop(conn);
            if let (Some(found), true) = (named, now.is_empty()) {
                return Err(saga_ref::archived(found).into());
            }
            let mut still = Vec::with_capacity(now.len());
            for saga in now {
                if printed.get(&saga.saga_id) != Some(&PrintedState::of(&saga)) {
                    print(common.output, &saga)?;
                    printed.insert(saga.saga_id, PrintedState::of(&saga));
                }
                if !saga.state.known().is_some_and(StateKind::is_at_rest) {
                    still.push(saga.saga_id);
                }
            }
            if still.is_empty() {
                output::talk("All are at rest.");
                return Ok(());
            }
            if begun.elapsed() >= self.timeout {
                return Err(Failure::not_done(format!(
                    "{} of {} sagas are not at rest after {:?}; the first is {}",
                    still.len(),
                    printed.len(),
                    self.timeout,
                    still[0]
                ))
                .hint(format!(
                    "`shopctl saga show {}`, or a longer --timeout",
                    still[0]
                ))
                .into());
            }
            watched = still;
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

impl PrintedState {
    fn of(saga: &SagaSummary) -> Self {
        Self {
            revision: saga.revision,
            attempt: saga.attempt,
            last_error: saga.last_error.clone(),
        }
    }
}

fn print(output: Output, saga: &SagaSummary) -> anyhow::Result<()> {
    if output == Output::Json {
        output::data(&serde_json::to_string(saga)?)?;
        return Ok(());
    }
    let paused = if saga.paused { " (paused)" } else { "" };
    let step = saga
        .step
        .as_ref()
        .map(|step| format!(" at {step}"))
        .unwrap_or_default();
    let attempt = saga.attempt.filter(|attempt| *attempt > 0);
    let attempt = attempt
        .map(|n| format!(", attempt {n}"))
        .unwrap_or_default();
    let error = saga
        .last_error
        .as_ref()
        .map(|error| format!(": {error}"))
        .unwrap_or_default();
    output::data(&format!(
        "{} {} {}{paused}{step}{attempt}{error}",
        saga.updated_at.format("%F %T%.3f"),
        saga.saga_id,
        saga.state
    ))?;
    Ok(())
}
