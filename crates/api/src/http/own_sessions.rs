use auth::{LiveSession, Which};
use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{Caller, CallerProblems, IdProblems, Json, Path, Problem, kinds};

use super::{App, account::problem};

/// A live session of the account.
#[derive(Serialize, ToSchema)]
pub(super) struct OpenSession {
    id: Uuid,
    /// Time of its login.
    started_at: DateTime<Utc>,
    /// Time at which its last token was issued.
    renewed_at: DateTime<Utc>,
    /// The browser's `User-Agent` at the login.
    user_agent: Option<String>,
    /// Whether the request's own token belongs to it.
    current: bool,
}

/// The live sessions of an account.
#[derive(Serialize, ToSchema)]
pub(super) struct OpenSessions {
    /// The most recently renewed session comes first.
    items: Vec<OpenSession>,
}

/// The caller's live sessions.
#[utoipa::path(
    get, path = "/api/sessions", operation_id = "list_sessions", security(("bearer" = [])),
    responses((status = 200, body = OpenSessions, description = "All of them"), CallerProblems)
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<OpenSessions>, Problem> {
    let current = caller.0.session_id;
    let sessions = app.auth.sessions(caller.user()?).await.map_err(problem)?;
    let shown = |session: LiveSession| OpenSession {
        id: session.session_id,
        started_at: session.started_at,
        renewed_at: session.renewed_at,
        user_agent: session.user_agent,
        current: Some(session.session_id) == current,
    };
    Ok(Json(OpenSessions {
        items: sessions.into_iter().map(shown).collect(),
    }))
}

/// End one of the caller's sessions.
#[utoipa::path(
    delete, path = "/api/sessions/{id}", operation_id = "end_session", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The session")),
    responses(
        (status = 204, description = "It is over"),
        IdProblems, CallerProblems,
    )
)]
pub(super) async fn end(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let ended = app.auth.end_sessions(caller.user()?, Which::Only(id)).await;
    if ended.map_err(problem)? == 0 {
        return Err(Problem::new(kinds::NOT_FOUND).detail("Session not found, or over already."));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// End all of the caller's sessions except the one of this request.
#[utoipa::path(
    delete, path = "/api/sessions", operation_id = "end_other_sessions", security(("bearer" = [])),
    responses((status = 204, description = "They are over"), CallerProblems)
)]
pub(super) async fn end_others(
    State(app): State<App>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    let others = Which::AllBut(caller.0.session_id);
    let ended = app.auth.end_sessions(caller.user()?, others).await;
    ended.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}
