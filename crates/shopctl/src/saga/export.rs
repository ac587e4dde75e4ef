//! `shopctl saga export` and `shopctl saga replay`.

use std::path::PathBuf;

use operator::{
    export::{self, Export},
    replay::{self, ReplayError},
    saga_ref::AnyId,
};

use super::operator;
use crate::{Common, exit::Failure, output, saga_ref};

#[derive(clap::Args)]
pub(crate) struct ExportOne {
    /// A saga, or the order, transaction or message that it is about.
    id: AnyId,
}

#[derive(clap::Args)]
pub(crate) struct Replay {
    /// A file that `shopctl saga export` wrote.
    file: PathBuf,
}

impl ExportOne {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let pool = common.shop()?;
        let found = saga_ref::find(&operator(common, &pool)?, &self.id).await?;
        let mut conn = pool.acquire().await?;
        let export = export::export(&mut conn, found.saga_id).await?;
        let export = export.ok_or_else(|| saga_ref::archived(found))?;
        let pretty = serde_json::to_string_pretty(&export)?;
        output::either(common.output, &export, &pretty)
    }
}

impl Replay {
    pub(super) fn run(&self, common: &Common) -> anyhow::Result<()> {
        let file = self.file.display();
        let text = std::fs::read_to_string(&self.file).map_err(|error| {
            Failure::not_found(format!("{file} cannot be read: {error}"))
                .hint("`shopctl saga export ID > FILE` writes one")
        })?;
        let unreadable = |error: serde_json::Error| {
            Failure::usage(format!("{file} is no exported saga: {error}"))
                .hint("`shopctl saga export ID > FILE` writes one")
        };
        let value: serde_json::Value = serde_json::from_str(&text).map_err(unreadable)?;
        if !export::is_readable(&value) {
            return Err(
                Failure::usage(format!("{file} has format {}", value["format"]))
                    .hint("use the shopctl that wrote it")
                    .into(),
            );
        }
        let export: Export = serde_json::from_value(value).map_err(unreadable)?;
        let (steps, played) = replay::replay(&common.registry.shapes(), &export);
        let header = ["REVISION", "EVENT", "FROM", "TO", "IN THE SAME TRANSACTION"];
        output::rows(common.output, &header, &steps, |step| {
            vec![
                step.revision.to_string(),
                step.event.clone(),
                step.from.clone(),
                step.to.clone(),
                step.ops.join(", "),
            ]
        })?;
        match played {
            Ok(()) => {
                output::talk(&format!(
                    "{} events, and the machine agrees with each.",
                    steps.len()
                ));
                Ok(())
            }
            Err(error @ ReplayError::Plan { .. }) => Err(Failure::conflict(error.to_string())
                .hint("use the shopctl of the release that ran it")
                .into()),
            Err(error) => Err(Failure::not_done(error.to_string())
                .hint("this is the first difference: compare the machine's source of both releases")
                .into()),
        }
    }
}
