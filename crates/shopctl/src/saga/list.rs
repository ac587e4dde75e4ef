//! `shopctl saga list`.

use operator::{Why, sagas::SagaSummary};
use serde::Serialize;

use super::Which;
use crate::{Common, output};

#[derive(clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    which: Which,
    /// Maximum number of sagas.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// A saga, with its cause if a filter is about causes.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    saga: SagaSummary,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stuck: Option<bool>,
}

impl From<(SagaSummary, Option<Why>)> for Row {
    fn from((saga, why): (SagaSummary, Option<Why>)) -> Self {
        Self {
            saga,
            cause: why.as_ref().map(|why| why.diagnosis.code.as_str()),
            stuck: why.map(|why| why.diagnosis.stuck),
        }
    }
}

impl List {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let found = self.which.find(common, &common.shop()?, self.limit).await?;
        let found: Vec<_> = found.into_iter().map(Row::from).collect();
        output::rows(
            common.output,
            &[
                "SAGA",
                "ORDER",
                "STATE",
                "STEP",
                "ATTEMPT",
                "DUE",
                "CAUSE",
                "LAST ERROR",
            ],
            &found,
            |Row { saga, cause, .. }| {
                vec![
                    saga.saga_id.to_string(),
                    saga.order_id.clone().unwrap_or_default(),
                    if saga.paused {
                        format!("{} (paused)", saga.state)
                    } else {
                        saga.state.to_string()
                    },
                    saga.step.clone().unwrap_or_default(),
                    saga.attempt
                        .map(|attempt| attempt.to_string())
                        .unwrap_or_default(),
                    saga.due_at
                        .map(|at| at.format("%F %T").to_string())
                        .unwrap_or_default(),
                    cause.unwrap_or_default().to_owned(),
                    saga.last_error.clone().unwrap_or_default(),
                ]
            },
        )?;
        output::talk(&match found.len() {
            1 => "1 saga".to_owned(),
            n if n == self.limit => format!("{n} sagas, and perhaps more: raise --limit"),
            n => format!("{n} sagas"),
        });
        Ok(())
    }
}
