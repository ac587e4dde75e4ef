//! `shopctl saga list`.

use super::Which;
use crate::{Common, output};

#[derive(clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    which: Which,
    /// At most so many.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

impl List {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let found = self.which.find(&common.shop()?, self.limit).await?;
        output::rows(
            common.output,
            &[
                "SAGA",
                "ORDER",
                "STATE",
                "STEP",
                "ATTEMPT",
                "DUE",
                "LAST ERROR",
            ],
            &found,
            |saga| {
                vec![
                    saga.saga_id.to_string(),
                    saga.order_id.clone().unwrap_or_default(),
                    if saga.paused {
                        format!("{} (paused)", saga.state)
                    } else {
                        saga.state.clone()
                    },
                    saga.step.clone().unwrap_or_default(),
                    saga.attempt
                        .map(|attempt| attempt.to_string())
                        .unwrap_or_default(),
                    saga.due_at
                        .map(|at| at.format("%F %T").to_string())
                        .unwrap_or_default(),
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
