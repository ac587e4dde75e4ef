use axum::extract::State;
use kernel::SagaId;
use operator::{ActionError, Actor, Effects};
use saga::{Resolution, Verb};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::{Admin, BodyProblems, Caller, CallerProblems, Json, Operator, Path, Problem, kinds};

use super::{App, problems, problems::ActProblems, rules, sagas::not_found};

/// An operator's act.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Act {
    /// Reason: kept in journal, audit and trace.
    #[schema(value_type = rules::Reason)]
    reason: String,
    /// Change nothing; only report what the act would do.
    #[serde(default)]
    dry_run: bool,
    /// Act only if the saga is still at this revision.
    revision: Option<i64>,
}

/// A decision of payments that the saga has not received.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignalAct {
    /// `transaction_completed` or `transaction_canceled`; the state of payments must confirm it.
    #[schema(value_type = rules::Reason)]
    name: String,
    /// A note for people, stored with the signal; U+FFFD replaces a NUL character.
    #[serde(default)]
    payload: serde_json::Value,
    /// Reason: kept in journal, audit and trace.
    #[schema(value_type = rules::Reason)]
    reason: String,
    /// Change nothing; only report what the act would do.
    #[serde(default)]
    dry_run: bool,
    /// Act only if the saga is still at this revision.
    revision: Option<i64>,
}

/// The result of the current step.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResolveAct {
    /// The step that the saga is at.
    #[schema(value_type = rules::Reason)]
    step: String,
    /// The step's result; the state of payments must confirm it.
    #[serde(rename = "as")]
    to: StepResult,
    /// How the operator knows the result.
    #[schema(value_type = rules::Reason)]
    evidence: String,
    /// Reason: kept in journal, audit and trace.
    #[schema(value_type = rules::Reason)]
    reason: String,
    /// Change nothing; only report what the act would do.
    #[serde(default)]
    dry_run: bool,
    /// Act only if the saga is still at this revision.
    revision: Option<i64>,
}

/// The result of a step.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Ended)]
pub(super) enum StepResult {
    /// The step took effect.
    Done,
    /// The step did not take effect and no longer can.
    Undone,
}

/// The effects of an act, or of its dry run.
#[derive(Serialize, ToSchema)]
#[schema(as = Acted)]
pub(super) struct ActionResult {
    /// Whether the act was only simulated.
    dry_run: bool,
    #[serde(flatten)]
    effects: Effects,
}

/// Run the saga's current work now; its retry budget starts again.
#[utoipa::path(
    post, path = "/api/sagas/{id}/retry", operation_id = "retry_saga", security(("bearer" = [])),
    params(("id" = SagaId, Path, description = "The saga")),
    responses(
        (status = 200, body = ActionResult, description = "What it did, or would do"),
        ActProblems, CallerProblems, BodyProblems,
    )
)]
pub(super) async fn retry(
    State(app): State<App>,
    Operator(caller): Operator,
    Path(id): Path<SagaId>,
    Json(act): Json<Act>,
) -> Result<Json<ActionResult>, Problem> {
    execute(&app, &caller, id, Verb::Retry, act).await
}

/// Stop running the saga; signals are kept.
#[utoipa::path(
    post, path = "/api/sagas/{id}/pause", operation_id = "pause_saga", security(("bearer" = [])),
    params(("id" = SagaId, Path, description = "The saga")),
    responses(
        (status = 200, body = ActionResult, description = "What it did, or would do"),
        ActProblems, CallerProblems, BodyProblems,
    )
)]
pub(super) async fn pause(
    State(app): State<App>,
    Operator(caller): Operator,
    Path(id): Path<SagaId>,
    Json(act): Json<Act>,
) -> Result<Json<ActionResult>, Problem> {
    execute(&app, &caller, id, Verb::Pause, act).await
}

/// Apply the signals that were kept during the pause, then continue.
#[utoipa::path(
    post, path = "/api/sagas/{id}/resume", operation_id = "resume_saga", security(("bearer" = [])),
    params(("id" = SagaId, Path, description = "The saga")),
    responses(
        (status = 200, body = ActionResult, description = "What it did, or would do"),
        ActProblems, CallerProblems, BodyProblems,
    )
)]
pub(super) async fn resume(
    State(app): State<App>,
    Operator(caller): Operator,
    Path(id): Path<SagaId>,
    Json(act): Json<Act>,
) -> Result<Json<ActionResult>, Problem> {
    execute(&app, &caller, id, Verb::Resume, act).await
}

/// Compensate the saga: its order is canceled, unless it is paid before payments processes this.
#[utoipa::path(
    post, path = "/api/sagas/{id}/cancel", operation_id = "cancel_saga", security(("bearer" = [])),
    params(("id" = SagaId, Path, description = "The saga")),
    responses(
        (status = 200, body = ActionResult, description = "What it did, or would do"),
        ActProblems, CallerProblems, BodyProblems,
    )
)]
pub(super) async fn cancel(
    State(app): State<App>,
    Operator(caller): Operator,
    Path(id): Path<SagaId>,
    Json(act): Json<Act>,
) -> Result<Json<ActionResult>, Problem> {
    execute(&app, &caller, id, Verb::Cancel, act).await
}

/// Give the saga a decision of payments that it has not received.
#[utoipa::path(
    post, path = "/api/sagas/{id}/signal", operation_id = "signal_saga", security(("bearer" = [])),
    params(("id" = SagaId, Path, description = "The saga")),
    responses(
        (status = 200, body = ActionResult, description = "What it did, or would do"),
        ActProblems, CallerProblems, BodyProblems,
    )
)]
pub(super) async fn signal(
    State(app): State<App>,
    Operator(caller): Operator,
    Path(id): Path<SagaId>,
    Json(signal): Json<SignalAct>,
) -> Result<Json<ActionResult>, Problem> {
    let mut payload = signal.payload;
    rules::replace_nul(&mut payload);
    let verb = Verb::Signal {
        name: rules::reason("name", signal.name)?,
        payload,
    };
    let act = Act {
        reason: signal.reason,
        dry_run: signal.dry_run,
        revision: signal.revision,
    };
    execute(&app, &caller, id, verb, act).await
}

/// Declare the saga's current step done or undone. For admins.
#[utoipa::path(
    post, path = "/api/sagas/{id}/resolve", operation_id = "resolve_saga", security(("bearer" = [])),
    params(("id" = SagaId, Path, description = "The saga")),
    responses(
        (status = 200, body = ActionResult, description = "What it did, or would do"),
        ActProblems, CallerProblems, BodyProblems,
    )
)]
pub(super) async fn resolve(
    State(app): State<App>,
    Admin(caller): Admin,
    Path(id): Path<SagaId>,
    Json(resolve): Json<ResolveAct>,
) -> Result<Json<ActionResult>, Problem> {
    let verb = Verb::Resolve {
        step: rules::reason("step", resolve.step)?,
        to: match resolve.to {
            StepResult::Done => Resolution::Done,
            StepResult::Undone => Resolution::Undone,
        },
        evidence: rules::reason("evidence", resolve.evidence)?,
    };
    let act = Act {
        reason: resolve.reason,
        dry_run: resolve.dry_run,
        revision: resolve.revision,
    };
    execute(&app, &caller, id, verb, act).await
}

/// The acting user with their reason.
pub(super) fn actor(caller: &Caller, reason: String) -> Result<Actor, Problem> {
    let reason = rules::reason("reason", reason)?;
    Actor::new(format!("user {}", caller.user()?), &reason)
        .map_err(|error| Problem::invalid("reason", "text", error.to_string()))
}

async fn execute(
    app: &App,
    caller: &Caller,
    id: SagaId,
    verb: Verb,
    act: Act,
) -> Result<Json<ActionResult>, Problem> {
    let actor = actor(caller, act.reason)?;
    let done = if act.dry_run {
        app.operator.preview(id, &verb).await
    } else {
        app.operator.execute(id, verb, &actor, act.revision).await
    };
    let effects = done.map_err(|error| refused(id, error))?;
    Ok(Json(ActionResult {
        dry_run: act.dry_run,
        effects,
    }))
}

fn refused(id: SagaId, error: ActionError) -> Problem {
    let message = error.to_string();
    match error {
        ActionError::NotFound(_) => not_found(id),
        ActionError::Conflict(_)
        | ActionError::Contradicted { .. }
        | ActionError::Unreadable(_) => Problem::new(problems::ACT_REFUSED).detail(message),
        ActionError::Unavailable { .. } => Problem::new(kinds::UNAVAILABLE).detail(message),
        ActionError::Locked { ref sessions, .. } => {
            let problem = Problem::new(kinds::UNAVAILABLE).detail(message);
            match sessions.first() {
                Some(session) => problem.with("hint", session.end_command()),
                None => problem,
            }
        }
        ActionError::Db(error) => error.into(),
    }
}
