//! `shopctl audit`.

use clap::Subcommand;
use kernel::SagaId;
use operator::audit::{self, Subject};

use crate::{Common, output};

#[derive(Subcommand)]
pub(crate) enum Audit {
    /// List operators' actions, newest first.
    #[command(
        after_help = "Examples:\n  shopctl audit list\n  shopctl audit list --saga 01996e0e-0000-7000-8000-000000000001\n  \
                            shopctl audit list --limit 1000 -o json"
    )]
    List {
        /// Only actions on this saga.
        #[arg(long)]
        saga: Option<SagaId>,
        /// Maximum number of actions.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
}

impl Audit {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let Self::List { saga, limit } = self;
        let saga = saga.map(|id| id.to_string());
        let mut conn = common.shop()?.acquire().await?;
        let subject = saga.as_deref().map(Subject::Saga);
        let rows = audit::list(&mut conn, subject, *limit).await?;
        let header = ["AT", "BY", "ACT", "ON", "ID", "PLAN", "REASON"];
        output::rows(common.output, &header, &rows, |row| {
            vec![
                row.at.format("%F %T").to_string(),
                row.actor.clone(),
                row.verb.to_string(),
                row.subject_kind.to_string(),
                row.subject_id.clone(),
                row.batch_id.map(|id| id.to_string()).unwrap_or_default(),
                row.reason.clone(),
            ]
        })?;
        output::talk(&output::counted(rows.len(), "act"));
        Ok(())
    }
}
