//! `shopctl saga why`.

use operator::{Why, diagnosis::NextStep, saga_ref::AnyId};

use super::operator;
use crate::{
    Common,
    exit::Failure,
    output::{self, Output},
    runbook, saga_ref,
};

#[derive(clap::Args)]
pub(crate) struct WhyArgs {
    /// A saga, or the order, transaction or message that it is about.
    id: AnyId,
}

impl WhyArgs {
    pub(crate) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let operator = operator(common, &common.shop()?)?;
        let found = saga_ref::find(&operator, &self.id).await?;
        let why = operator::why(&operator, &[found.saga_id]).await?.pop();
        let why = why.ok_or_else(|| saga_ref::archived(found))?;
        if common.output == Output::Json {
            output::data(&serde_json::to_string(&why)?)?;
        } else {
            print(common, &why)?;
        }
        if why.diagnosis.stuck {
            return Err(Failure::not_done(format!(
                "saga {} is stuck: {}",
                why.saga_id, why.diagnosis.code
            ))
            .hint(format!("`{}` prints its page", runbook::command(&why)))
            .into());
        }
        Ok(())
    }
}

fn print(common: &Common, why: &Why) -> anyhow::Result<()> {
    let diagnosis = &why.diagnosis;
    output::talk(&format!(
        "Saga {} is {}: {}, since {} ({}).\n{}",
        why.saga_id,
        why.state,
        diagnosis.title,
        diagnosis.since.format("%F %T"),
        diagnosis.confidence.as_str(),
        diagnosis.explanation,
    ));
    let cause = ("cause", diagnosis.code.to_string());
    let evidence = diagnosis.evidence.iter();
    let rows: Vec<_> = std::iter::once(cause)
        .chain(evidence.map(|evidence| (evidence.name, evidence.value.clone())))
        .collect();
    output::rows(common.output, &["WHAT", "VALUE"], &rows, |(name, value)| {
        vec![(*name).to_owned(), value.clone()]
    })?;
    for source in &diagnosis.unavailable {
        output::talk(&format!("Not seen: {source}"));
    }
    diagnosis.next.iter().for_each(print_next);
    Ok(())
}

/// Prints a next step: its purpose, and the command to paste.
pub(crate) fn print_next(next: &NextStep) {
    let mut title = next.title.chars();
    let first = title.next().map(|first| first.to_uppercase().to_string());
    output::talk(&format!(
        "{}{}:\n  {}",
        first.unwrap_or_default(),
        title.as_str(),
        next.command
    ));
}
