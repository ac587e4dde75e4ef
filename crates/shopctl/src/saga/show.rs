//! `shopctl saga show`.

use operator::{
    saga_ref::AnyId,
    sagas::{self, SagaDetail},
};

use super::{engine, operator};
use crate::{
    Common,
    output::{self, Output},
    saga_ref,
};

#[derive(clap::Args)]
pub(crate) struct Show {
    /// A saga, or the order, transaction or message that it is about.
    id: AnyId,
}

impl Show {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let pool = common.shop()?;
        let engine = engine(common, &pool)?;
        let found = saga_ref::find(&operator(common, &pool)?, &self.id).await?;
        let mut conn = pool.acquire().await?;
        let detail = sagas::find_detail(&mut conn, found.saga_id, &engine).await?;
        let detail = detail.ok_or_else(|| saga_ref::archived(found))?;
        if common.output == Output::Json {
            output::data(&serde_json::to_string(&detail)?)?;
            return Ok(());
        }
        head(&detail);
        timeline(common.output, &detail)
    }
}

fn head(detail: &SagaDetail) {
    let saga = &detail.saga;
    output::talk(&format!(
        "Saga {} of order {}, {} v{}, revision {}, trace {}",
        saga.saga_id,
        saga.order_id.as_deref().unwrap_or("?"),
        saga.plan,
        saga.plan_version,
        saga.revision,
        saga.trace_id,
    ));
    let paused = if saga.paused { ", paused" } else { "" };
    let reason = saga
        .reason
        .as_ref()
        .map(|reason| format!(", because {reason}"))
        .unwrap_or_default();
    output::talk(&format!("It is {}{paused}{reason}.", saga.state));
    for step in &detail.steps {
        output::talk(&format!(
            "  {:<16} {:<7} {}",
            step.name, step.kind, step.status
        ));
    }
    if let (Some(step), Some(due_at)) = (&saga.step, saga.due_at) {
        let error = saga
            .last_error
            .as_ref()
            .map(|error| format!("; last error: {error}"))
            .unwrap_or_default();
        let attempts = saga.attempt.unwrap_or_default();
        output::talk(&format!(
            "Next: {step} at {}, after {attempts} attempts{error}",
            due_at.format("%F %T")
        ));
    }
    for signal in &detail.signals {
        let verdict = signal.verdict.as_ref();
        let verdict = verdict.map_or("kept".to_owned(), ToString::to_string);
        output::talk(&format!(
            "Signal {} from {} at {}: {verdict}",
            signal.name,
            signal.source,
            signal.received_at.format("%F %T%.3f")
        ));
    }
    for act in &detail.acts {
        let batch = act
            .batch_id
            .map(|id| format!(" by plan {id}"))
            .unwrap_or_default();
        output::talk(&format!(
            "Act {}{batch} by {} at {}: {}",
            act.verb,
            act.actor,
            act.at.format("%F %T%.3f"),
            act.reason
        ));
    }
}

fn timeline(output: Output, detail: &SagaDetail) -> anyhow::Result<()> {
    output::rows(
        output,
        &["AT", "WHAT", "STEP", "ATTEMPT", "STATE", "DETAIL", "BY"],
        &detail.timeline,
        |entry| {
            vec![
                entry.at.format("%F %T%.3f").to_string(),
                entry.kind.to_string(),
                entry.step.clone().unwrap_or_default(),
                entry
                    .attempt
                    .map(|attempt| attempt.to_string())
                    .unwrap_or_default(),
                entry.state.to_string(),
                entry.detail.clone().unwrap_or_default(),
                entry.actor.clone().unwrap_or_default(),
            ]
        },
    )
}
