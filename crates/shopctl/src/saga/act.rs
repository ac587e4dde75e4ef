//! The verbs of `shopctl saga` that change sagas.

use kernel::SagaId;
use operator::{ActionError, Actor, Effects, Operator, saga_ref::AnyId};
use saga::{Resolution, Verb};
use serde_json::Value;

use super::{Which, operator};
use crate::{
    Common, batch,
    exit::Failure,
    output::{self, Output},
    saga_ref,
};

/// An action on one saga, or its dry run on many sagas.
#[derive(clap::Args)]
pub(crate) struct Many {
    /// A saga, or the order, transaction or message that it is about.
    #[arg(conflicts_with_all = ["state", "plan", "step", "older_than", "stuck_for", "failing_for", "order", "user", "text", "cause", "stuck"])]
    id: Option<AnyId>,
    #[command(flatten)]
    which: Which,
    /// Change nothing: show the effects on each saga, and store them as a numbered plan for
    /// `shopctl apply`.
    #[arg(long)]
    dry_run: bool,
    /// Reason; kept in the journal, the audit and the trace.
    #[arg(long)]
    reason: String,
}

/// A signal that the saga has missed.
#[derive(clap::Args)]
pub(crate) struct Signal {
    /// A saga, or the order, transaction or message that it is about.
    id: AnyId,
    /// `transaction_completed` or `transaction_canceled`.
    name: String,
    /// Payload of the signal, as JSON, for people to read.
    #[arg(long, value_parser = json)]
    payload: Option<Value>,
    /// Change nothing: show the effects, and store them as a numbered plan for `shopctl apply`.
    #[arg(long)]
    dry_run: bool,
    /// Reason; kept in the journal, the audit and the trace.
    #[arg(long)]
    reason: String,
}

/// The result of a step, as the operator knows it.
#[derive(clap::Args)]
pub(crate) struct Resolve {
    /// A saga, or the order, transaction or message that it is about.
    id: AnyId,
    /// The saga's current step.
    #[arg(long)]
    step: String,
    /// The result of the step.
    #[arg(long = "as")]
    to: To,
    /// Evidence for this result.
    #[arg(long)]
    evidence: String,
    /// Change nothing: show the effects, and store them as a numbered plan for `shopctl apply`.
    #[arg(long)]
    dry_run: bool,
    /// Reason; kept in the journal, the audit and the trace.
    #[arg(long)]
    reason: String,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum To {
    /// The step took effect.
    Done,
    /// The step did not take effect, and no longer can.
    Undone,
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))
}

impl Many {
    pub(crate) async fn run(&self, common: &Common, verb: Verb) -> anyhow::Result<()> {
        let actor = crate::actor(&self.reason)?;
        let pool = common.shop()?;
        let operator = operator(common, &pool)?;
        let named = match &self.id {
            Some(id) => Some(saga_ref::find(&operator, id).await?.saga_id),
            None => None,
        };
        if let (Some(id), false) = (named, self.dry_run) {
            return one(common, &operator, id, verb, &actor).await;
        }
        let sagas = match named {
            Some(id) => vec![id],
            None if self.which.says_nothing() => {
                return Err(Failure::usage("which sagas?")
                    .hint("name one, or a filter such as --state or --older-than with --dry-run")
                    .into());
            }
            None if !self.dry_run => {
                return Err(
                    Failure::usage("many sagas are never changed at once unseen")
                        .hint("say --dry-run, look, then `shopctl apply PLAN`")
                        .into(),
                );
            }
            None => {
                let found = self
                    .which
                    .find(common, &pool, operator::batch::MAX_ITEMS + 1);
                found.await?.iter().map(|(saga, _)| saga.saga_id).collect()
            }
        };
        batch::plan(common, &operator, &sagas, &verb, &actor).await
    }
}

impl Signal {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let verb = Verb::Signal {
            name: self.name.clone(),
            payload: self.payload.clone().unwrap_or_default(),
        };
        by_hand(common, &self.id, verb, &self.reason, self.dry_run).await
    }
}

impl Resolve {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<()> {
        let verb = Verb::Resolve {
            step: self.step.clone(),
            to: match self.to {
                To::Done => Resolution::Done,
                To::Undone => Resolution::Undone,
            },
            evidence: self.evidence.clone(),
        };
        by_hand(common, &self.id, verb, &self.reason, self.dry_run).await
    }
}

async fn by_hand(
    common: &Common,
    id: &AnyId,
    verb: Verb,
    reason: &str,
    dry_run: bool,
) -> anyhow::Result<()> {
    let actor = crate::actor(reason)?;
    let operator = operator(common, &common.shop()?)?;
    let id = saga_ref::find(&operator, id).await?.saga_id;
    if dry_run {
        return batch::plan(common, &operator, &[id], &verb, &actor).await;
    }
    one(common, &operator, id, verb, &actor).await
}

/// Shows the effects, asks for confirmation, and acts only if the saga is unchanged since then.
async fn one(
    common: &Common,
    operator: &Operator,
    id: SagaId,
    verb: Verb,
    actor: &Actor,
) -> anyhow::Result<()> {
    let shown = operator.preview(id, &verb).await.map_err(failure)?;
    output::confirm(common.yes, &consequences(&verb, &shown))?;
    let done = operator
        .execute(id, verb, actor, Some(shown.revision))
        .await;
    let done = done.map_err(failure)?;
    if common.output == Output::Json {
        output::data(&serde_json::to_string(&done)?)?;
    }
    output::talk(&format!(
        "Done: {} → {}. `shopctl saga show {id}` tells what comes of it.",
        done.from, done.to
    ));
    Ok(())
}

/// Describes the effects of the action.
fn consequences(verb: &Verb, effects: &Effects) -> String {
    let Effects { from, to, next, .. } = effects;
    let id = effects.saga_id;
    let mut lines = vec![if next == to {
        format!("{verb}: saga {id} goes from {from} to {to}.")
    } else {
        format!("{verb}: saga {id} goes from {from} to {to}, then to {next}.")
    }];
    for (title, what) in [
        ("Sends", &effects.messages),
        ("Moves", &effects.state_changes),
        ("Note", &effects.notes),
    ] {
        lines.extend(what.iter().map(|what| format!("  {title}: {what}.")));
    }
    lines.join("\n") + "\n"
}

pub(crate) fn failure(error: ActionError) -> anyhow::Error {
    let message = error.to_string();
    match error {
        ActionError::NotFound(_) => Failure::not_found(message)
            .hint("`shopctl saga list --order ORDER` finds one; old ones at rest are archived")
            .into(),
        ActionError::Conflict(_) => Failure::conflict(message)
            .hint("`shopctl saga show ID` tells where it stands now")
            .into(),
        ActionError::Contradicted { .. } => Failure::conflict(message)
            .hint("`shopctl saga why ID` tells what is known of both sides")
            .into(),
        ActionError::Unavailable { .. } => Failure::unreachable(message)
            .hint("`shopctl payments` shows how payments is asked; or wait until it can be reached")
            .into(),
        ActionError::Unreadable(_) => Failure::not_done(message)
            .hint("use the shopctl that belongs to the workers which know its plan")
            .into(),
        ActionError::Locked { sessions, .. } => crate::db_sessions::locked(message, &sessions),
        ActionError::Db(error) => error.into(),
    }
}
