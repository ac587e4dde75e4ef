use std::net::SocketAddr;

use auth::{AuthError, PasswordError};
use axum::{
    Extension,
    extract::{ConnectInfo, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use telemetry::http::RequestTrace;
use utoipa::ToSchema;
use web::{BodyProblems, Caller, CallerProblems, Json, Problem, PublicProblems};

use super::{
    App,
    account::{DEVICE_AGE, Tokens, logged_in, problem},
    cookies::DEVICE,
    problems::RateProblems,
};

/// The current password and its replacement.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangePassword {
    current_password: String,
    #[schema(min_length = 8, max_length = 128)]
    new_password: String,
}

/// The address of the account whose password is forgotten.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestReset {
    #[schema(max_length = 254)]
    email: String,
}

/// A new password, with the token of a mailed link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetPassword {
    /// The link's token, found after `#token=`.
    token: String,
    #[schema(min_length = 8, max_length = 128)]
    new_password: String,
}

/// Change the password.
///
/// All sessions of the account end; the answer is a new one. The owner gets a mail.
#[utoipa::path(
    post, path = "/api/password", request_body = ChangePassword, security(("bearer" = [])),
    responses(
        (status = 200, body = Tokens, description = "A new session"),
        RateProblems, CallerProblems, BodyProblems,
    )
)]
pub(super) async fn change_password(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(trace): Extension<RequestTrace>,
    caller: Caller,
    Json(request): Json<ChangePassword>,
) -> Result<Response, Problem> {
    app.logins.check(peer.ip())?;
    let id = caller.user()?;
    let changed = app
        .auth
        .change_password(
            id,
            request.current_password,
            &request.new_password,
            Some(trace.0.child()),
        )
        .await;
    if let Err(AuthError::CurrentPassword) = &changed {
        tracing::warn!(user.id = %id, "Password change refused: wrong current password");
    }
    let session = changed.map_err(of_new_password)?;
    tracing::info!(user.id = %id, "Changed the password of user {id}");
    Ok(logged_in(&app, StatusCode::OK, session))
}

/// Ask for a mail to reset a forgotten password.
///
/// The answer is the same whether or not the address has an account.
#[utoipa::path(
    post, path = "/api/password-reset", request_body = RequestReset,
    responses(
        (status = 202, description = "If there is an account for the address, a mail is on its way"),
        RateProblems, PublicProblems, BodyProblems,
    )
)]
pub(super) async fn request_password_reset(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(trace): Extension<RequestTrace>,
    Json(request): Json<RequestReset>,
) -> Result<StatusCode, Problem> {
    app.logins.check(peer.ip())?;
    app.auth
        .request_password_reset(&request.email, Some(trace.0.child()))
        .await
        .map_err(problem)?;
    Ok(StatusCode::ACCEPTED)
}

/// Set a new password with the token of a mailed link, once. All sessions of the account end.
#[utoipa::path(
    post, path = "/api/password-reset/confirm", request_body = ResetPassword,
    responses(
        (status = 204, description = "The password is set"),
        RateProblems, PublicProblems, BodyProblems,
    )
)]
pub(super) async fn reset_password(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(trace): Extension<RequestTrace>,
    Json(request): Json<ResetPassword>,
) -> Result<Response, Problem> {
    app.logins.check(peer.ip())?;
    let (id, device) = app
        .auth
        .reset_password(&request.token, &request.new_password, Some(trace.0.child()))
        .await
        .map_err(of_new_password)?;
    tracing::info!(user.id = %id, "Reset the password of user {id}");
    let mut response = StatusCode::NO_CONTENT.into_response();
    DEVICE.set(&mut response, app.secure_cookie, &device, DEVICE_AGE);
    Ok(response)
}

/// Like [`problem`], but names the password's field as these requests do.
fn of_new_password(error: AuthError) -> Problem {
    match error {
        AuthError::Password(
            PasswordError::Length | PasswordError::Common | PasswordError::Personal,
        ) => Problem::invalid("new_password", "password", error.to_string()),
        error => problem(error),
    }
}
