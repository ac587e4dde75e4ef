//! `shopctl saga why`.

use kernel::SagaId;
use operator::Why;

use super::operator;
use crate::{
    Common,
    exit::Failure,
    output::{self, Output},
};

#[derive(clap::Args)]
pub(crate) struct WhyArgs {
    /// The saga.
    id: SagaId,
}

impl WhyArgs {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let operator = operator(common, &common.shop()?)?;
        let mut found = operator::why(&operator, &[self.id]).await?;
        let why = found.pop().ok_or_else(|| {
            Failure::not_found(format!("there is no saga {}", self.id))
                .hint("`shopctl saga list --order ORDER` finds one; old ones at rest are archived")
        })?;
        if common.output == Output::Json {
            output::data(&serde_json::to_string(&why)?);
        } else {
            tell(common, &why)?;
        }
        if why.judgement.stuck {
            return Err(Failure::not_done(format!(
                "saga {} is stuck: {}",
                self.id, why.judgement.code
            ))
            .hint(format!("{} tells more", why.judgement.runbook))
            .into());
        }
        Ok(())
    }
}

fn tell(common: &Common, why: &Why) -> anyhow::Result<()> {
    let judgement = &why.judgement;
    output::talk(&format!(
        "Saga {} is {}: {}, since {} ({}).\n{}",
        why.saga_id,
        why.state,
        judgement.title,
        judgement.since.format("%F %T"),
        judgement.sure.as_str(),
        judgement.explanation,
    ));
    let cause = ("cause", judgement.code.to_string());
    let evidence = judgement.evidence.iter();
    let rows: Vec<_> = std::iter::once(cause)
        .chain(evidence.map(|evidence| (evidence.name, evidence.value.clone())))
        .collect();
    output::rows(common.output, &["WHAT", "VALUE"], &rows, |(name, value)| {
        vec![(*name).to_owned(), value.clone()]
    })?;
    for what in &judgement.could_not_see {
        output::talk(&format!("Not seen: {what}"));
    }
    for next in &judgement.next {
        output::talk(&format!("To {}:\n  {}", next.title, next.command));
    }
    Ok(())
}
