use axum::{extract::State, http::StatusCode};
use web::{Caller, CallerProblems, Problem, ProblemBody};

use super::App;

/// Check whether the token's session is live. Services ask this before they change a user's data.
#[utoipa::path(
    get, path = "/api/session", operation_id = "check_session", security(("bearer" = [])),
    responses(
        (status = 204, description = "The session is live, and the account has the token's roles"),
        CallerProblems,
        (status = 401, body = ProblemBody, content_type = "application/problem+json",
         description = "`unauthenticated`, or `session-over`"),
    )
)]
pub(super) async fn check_session(
    State(app): State<App>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    app.sessions.check(&caller.0).await?;
    Ok(StatusCode::NO_CONTENT)
}
