//! `shopctl saga stats`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use operator::{cause::Code, diagnosed::DiagnosisFilter, stats};
use serde::Serialize;

use super::Which;
use crate::{Common, output};

#[derive(clap::Args)]
pub(crate) struct Stats {
    /// How to group the sagas.
    #[arg(long, value_enum, default_value_t = By::State)]
    by: By,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum By {
    /// All sagas that are not archived, by state.
    State,
    /// Sagas that are not at rest, by cause.
    Cause,
}

impl Stats {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        match self.by {
            By::State => by_state(common).await,
            By::Cause => by_cause(common).await,
        }
    }
}

async fn by_state(common: &Common) -> anyhow::Result<()> {
    let mut conn = common.shop()?.acquire().await?;
    let states = stats::by_state(&mut conn).await?;
    let header = ["STATE", "SAGAS", "PAUSED", "LONGEST UNMOVED"];
    output::rows(common.output, &header, &states, |state| {
        vec![
            state.state.to_string(),
            state.sagas.to_string(),
            state.paused.to_string(),
            format!("{:.0} s", state.oldest_seconds),
        ]
    })?;
    let total: i64 = states.iter().map(|state| state.sagas).sum();
    output::talk(&format!(
        "{total} sagas; those that are archived are not counted"
    ));
    Ok(())
}

/// The live sagas of one cause.
#[derive(Debug, Serialize)]
struct OfCause {
    cause: &'static str,
    stuck: bool,
    sagas: usize,
    since: DateTime<Utc>,
}

async fn by_cause(common: &Common) -> anyhow::Result<()> {
    let pool = common.shop()?;
    let every = DiagnosisFilter::default();
    let all = Which::default();
    let all = all.diagnosed(common, &pool, every, usize::MAX).await?;
    let mut causes = BTreeMap::<Code, OfCause>::new();
    for (_, why) in &all {
        let code = why.diagnosis.code;
        let of = causes.entry(code).or_insert(OfCause {
            cause: code.as_str(),
            stuck: why.diagnosis.stuck,
            sagas: 0,
            since: why.diagnosis.since,
        });
        of.sagas += 1;
        of.since = of.since.min(why.diagnosis.since);
    }
    let causes: Vec<_> = causes.into_values().collect();
    let header = ["CAUSE", "STUCK", "SAGAS", "SINCE"];
    output::rows(common.output, &header, &causes, |of| {
        vec![
            of.cause.to_owned(),
            if of.stuck { "yes" } else { "no" }.to_owned(),
            of.sagas.to_string(),
            of.since.format("%F %T").to_string(),
        ]
    })?;
    let stuck: usize = causes.iter().filter(|of| of.stuck).map(|of| of.sagas).sum();
    output::talk(&format!("{} live sagas, {stuck} of them stuck", all.len()));
    Ok(())
}
