use axum::extract::State;
use kernel::SagaId;
use operator::{ActError, Actor, Effects};
use saga::{Resolution, Verb};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::{
    Admin, BodyProblems, Caller, CallerProblems, Json, Operator, Path, Problem, ProblemBody, kinds,
};

use super::{App, problems, rules, sagas::not_found};

/// An act.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Act {
    /// Why: kept in journal, audit and trace.
    #[schema(value_type = rules::Reason)]
    reason: String,
    /// Change nothing: say what it would do.
    #[serde(default)]
    dry_run: bool,
    /// Only if the saga is still at this revision.
    revision: Option<i64>,
}

/// What payments has decided, and the saga has not heard.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignalAct {
    /// `transaction_completed` or `transaction_canceled`; payments must bear it out.
    #[schema(value_type = rules::Reason)]
    name: String,
    /// A note for people that comes with it; U+FFFD replaces a NUL character.
    #[serde(default)]
    payload: serde_json::Value,
    /// Why: kept in journal, audit and trace.
    #[schema(value_type = rules::Reason)]
    reason: String,
    /// Change nothing: say what it would do.
    #[serde(default)]
    dry_run: bool,
    /// Only if the saga is still at this revision.
    revision: Option<i64>,
}

/// How the current step ended.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResolveAct {
    /// The step that the saga is at.
    #[schema(value_type = rules::Reason)]
    step: String,
    /// How it ended; payments must bear it out.
    #[serde(rename = "as")]
    to: Ended,
    /// How that is known.
    #[schema(value_type = rules::Reason)]
    evidence: String,
    /// Why: kept in journal, audit and trace.
    #[schema(value_type = rules::Reason)]
    reason: String,
    /// Change nothing: say what it would do.
    #[serde(default)]
    dry_run: bool,
    /// Only if the saga is still at this revision.
    revision: Option<i64>,
}

/// How a step ended.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ended {
    /// It took effect.
    Done,
    /// It did not, and cannot any more.
    Undone,
}

/// What an act did, or would do.
#[derive(Serialize, ToSchema)]
pub(super) struct Acted {
    /// Whether nothing was changed.
    dry_run: bool,
    #[serde(flatten)]
    effects: Effects,
}

/// Run the current work now; its retry budget begins again.
#[utoipa::path(
    post, path = "/api/sagas/{id}/retry", operation_id = "retry_saga", security(("bearer" = [])),
    params(("id" = SagaId, Path, description = "The saga")),
    responses(
        (status = 200, body = Acted, description = "What it did, or would do"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not-found`"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`act-refused`"),
        CallerProblems, BodyProblems,
    )
)]
pub(super) async fn retry(
    State(app): State<App>,
    Operator(caller): Operator,
    Path(id): Path<SagaId>,
    Json(act): Json<Act>,
) -> Result<Json<Acted>, Problem> {
    do_it(&app, &caller, id, Verb::Retry, act).await
}

/// Run nothing more of it; signals are kept.
#[utoipa::path(
    post, path = "/api/sagas/{id}/pause", operation_id = "pause_saga", security(("bearer" = [])),
    params(("id" = SagaId, Path, description = "The saga")),
    responses(
        (status = 200, body = Acted, description = "What it did, or would do"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not-found`"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`act-refused`"),
        CallerProblems, BodyProblems,
    )
)]
pub(super) async fn pause(
    State(app): State<App>,
    Operator(caller): Operator,
    Path(id): Path<SagaId>,
    Json(act): Json<Act>,
) -> Result<Json<Acted>, Problem> {
    do_it(&app, &caller, id, Verb::Pause, act).await
}

/// Apply what was kept while it was paused, then go on.
#[utoipa::path(
    post, path = "/api/sagas/{id}/resume", operation_id = "resume_saga", security(("bearer" = [])),
    params(("id" = SagaId, Path, description = "The saga")),
    responses(
        (status = 200, body = Acted, description = "What it did, or would do"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not-found`"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`act-refused`"),
        CallerProblems, BodyProblems,
    )
)]
pub(super) async fn resume(
    State(app): State<App>,
    Operator(caller): Operator,
    Path(id): Path<SagaId>,
    Json(act): Json<Act>,
) -> Result<Json<Acted>, Problem> {
    do_it(&app, &caller, id, Verb::Resume, act).await
}

/// Have it undone: its order is canceled, unless it is paid before payments hears of it.
#[utoipa::path(
    post, path = "/api/sagas/{id}/cancel", operation_id = "cancel_saga", security(("bearer" = [])),
    params(("id" = SagaId, Path, description = "The saga")),
    responses(
        (status = 200, body = Acted, description = "What it did, or would do"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not-found`"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`act-refused`"),
        CallerProblems, BodyProblems,
    )
)]
pub(super) async fn cancel(
    State(app): State<App>,
    Operator(caller): Operator,
    Path(id): Path<SagaId>,
    Json(act): Json<Act>,
) -> Result<Json<Acted>, Problem> {
    do_it(&app, &caller, id, Verb::Cancel, act).await
}

/// Tell it what payments has decided and it has not heard.
#[utoipa::path(
    post, path = "/api/sagas/{id}/signal", operation_id = "signal_saga", security(("bearer" = [])),
    params(("id" = SagaId, Path, description = "The saga")),
    responses(
        (status = 200, body = Acted, description = "What it did, or would do"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not-found`"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`act-refused`"),
        CallerProblems, BodyProblems,
    )
)]
pub(super) async fn signal(
    State(app): State<App>,
    Operator(caller): Operator,
    Path(id): Path<SagaId>,
    Json(signal): Json<SignalAct>,
) -> Result<Json<Acted>, Problem> {
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
    do_it(&app, &caller, id, verb, act).await
}

/// Say that its current step is done, or undone. For admins.
#[utoipa::path(
    post, path = "/api/sagas/{id}/resolve", operation_id = "resolve_saga", security(("bearer" = [])),
    params(("id" = SagaId, Path, description = "The saga")),
    responses(
        (status = 200, body = Acted, description = "What it did, or would do"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not-found`"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`act-refused`"),
        CallerProblems, BodyProblems,
    )
)]
pub(super) async fn resolve(
    State(app): State<App>,
    Admin(caller): Admin,
    Path(id): Path<SagaId>,
    Json(resolve): Json<ResolveAct>,
) -> Result<Json<Acted>, Problem> {
    let verb = Verb::Resolve {
        step: rules::reason("step", resolve.step)?,
        to: match resolve.to {
            Ended::Done => Resolution::Done,
            Ended::Undone => Resolution::Undone,
        },
        evidence: rules::reason("evidence", resolve.evidence)?,
    };
    let act = Act {
        reason: resolve.reason,
        dry_run: resolve.dry_run,
        revision: resolve.revision,
    };
    do_it(&app, &caller, id, verb, act).await
}

/// Who acts, and why.
pub(super) fn actor(caller: &Caller, reason: String) -> Result<Actor, Problem> {
    let reason = rules::reason("reason", reason)?;
    Actor::new(format!("user {}", caller.user()?), &reason)
        .map_err(|error| Problem::invalid("reason", "text", error.to_string()))
}

async fn do_it(
    app: &App,
    caller: &Caller,
    id: SagaId,
    verb: Verb,
    act: Act,
) -> Result<Json<Acted>, Problem> {
    let actor = actor(caller, act.reason)?;
    let done = if act.dry_run {
        app.operator.preview(id, &verb).await
    } else {
        app.operator.act(id, verb, &actor, act.revision).await
    };
    let effects = done.map_err(|error| refused(id, error))?;
    Ok(Json(Acted {
        dry_run: act.dry_run,
        effects,
    }))
}

fn refused(id: SagaId, error: ActError) -> Problem {
    let message = error.to_string();
    match error {
        ActError::NotFound(_) => not_found(id),
        ActError::Conflict(_) | ActError::Contradicted { .. } | ActError::Unreadable(_) => {
            Problem::new(problems::ACT_REFUSED).detail(message)
        }
        ActError::Unavailable { .. } => Problem::new(kinds::UNAVAILABLE).detail(message),
        ActError::Db(error) => error.into(),
    }
}
