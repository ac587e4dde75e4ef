use std::net::SocketAddr;

use axum::{
    Extension,
    extract::{ConnectInfo, State},
    http::StatusCode,
};
use serde::Deserialize;
use telemetry::http::RequestTrace;
use utoipa::ToSchema;
use web::{BodyProblems, Caller, CallerProblems, Json, Problem, PublicProblems};

use super::{App, account::problem, problems::RateProblems};

/// The token of a mailed link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyEmail {
    /// The link's token, found after `#token=`.
    token: String,
}

/// Verify an account's e-mail address with the token of a mailed link, once.
#[utoipa::path(
    post, path = "/api/verify-email", request_body = VerifyEmail,
    responses(
        (status = 204, description = "The address is verified"),
        RateProblems, PublicProblems, BodyProblems,
    )
)]
pub(super) async fn verify_email(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Json(request): Json<VerifyEmail>,
) -> Result<StatusCode, Problem> {
    app.logins.check(peer.ip())?;
    let id = app
        .auth
        .verify_email(&request.token)
        .await
        .map_err(problem)?;
    tracing::info!(user.id = %id, "Verified the address of user {id}");
    Ok(StatusCode::NO_CONTENT)
}

/// Ask for another mail to verify the address.
#[utoipa::path(
    post, path = "/api/verify-email/send", security(("bearer" = [])),
    responses(
        (status = 202, description = "A mail is on its way, or the address is verified already"),
        RateProblems, CallerProblems,
    )
)]
pub(super) async fn send_verification(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(trace): Extension<RequestTrace>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    app.logins.check(peer.ip())?;
    app.auth
        .request_verification(caller.user()?, Some(trace.0.child()))
        .await
        .map_err(problem)?;
    Ok(StatusCode::ACCEPTED)
}
