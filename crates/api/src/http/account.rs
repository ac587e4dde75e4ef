use std::net::SocketAddr;

use auth::{AuthError, PasswordError, Profile, Session};
use axum::{
    Extension,
    extract::{ConnectInfo, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use crashpoint::crash_point;
use kernel::UserId;
use serde::{Deserialize, Serialize};
use telemetry::http::RequestTrace;
use utoipa::ToSchema;
use web::{BodyProblems, Caller, CallerProblems, Json, Problem, ProblemBody, PublicProblems};

use super::{App, problems};

const COOKIE: &str = "shop_refresh";

/// Who wants an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Register {
    email: String,
    #[schema(min_length = 8, max_length = 128)]
    password: String,
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

/// Who wants in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    email: String,
    password: String,
}

/// An account, as its owner sees it.
#[derive(Serialize, ToSchema)]
pub(super) struct User {
    id: UserId,
    email: String,
    name: String,
    roles: Vec<String>,
}

impl From<Profile> for User {
    fn from(profile: Profile) -> Self {
        Self {
            id: profile.id,
            email: profile.email,
            name: profile.name,
            roles: profile.roles,
        }
    }
}

/// A login. The refresh token is in an HttpOnly cookie.
#[derive(Serialize, ToSchema)]
pub(super) struct Tokens {
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    user: User,
}

/// Make an account; it is logged in.
#[utoipa::path(
    post, path = "/api/register", request_body = Register,
    responses(
        (status = 201, body = Tokens, description = "The account, logged in"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`email-taken`"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`too-many-requests`"),
        PublicProblems, BodyProblems,
    )
)]
pub(super) async fn register(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(trace): Extension<RequestTrace>,
    Json(request): Json<Register>,
) -> Result<Response, Problem> {
    app.logins.check(peer.ip())?;
    let session = app
        .auth
        .register(
            &request.email,
            &request.name,
            request.password,
            Some(trace.0.child()),
        )
        .await
        .map_err(problem)?;
    tracing::info!(user.id = %session.profile.id, "Registered user {}", session.profile.id);
    crash_point!("api.register.before_answer");
    Ok(logged_in(&app, StatusCode::CREATED, session))
}

/// Log in.
#[utoipa::path(
    post, path = "/api/login", request_body = Login,
    responses(
        (status = 200, body = Tokens, description = "A new session"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`wrong-credentials`"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`too-many-requests`"),
        PublicProblems, BodyProblems,
    )
)]
pub(super) async fn login(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Json(request): Json<Login>,
) -> Result<Response, Problem> {
    app.logins.check(peer.ip())?;
    let session = app
        .auth
        .login(&request.email, request.password)
        .await
        .map_err(problem)?;
    Ok(logged_in(&app, StatusCode::OK, session))
}

/// Exchange the refresh cookie for a new session, once.
#[utoipa::path(
    post, path = "/api/refresh",
    responses(
        (status = 200, body = Tokens, description = "The next session"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`session-over`"),
        PublicProblems,
    )
)]
pub(super) async fn refresh(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let token = cookie(&headers)
        .ok_or(AuthError::SessionOver)
        .map_err(problem)?;
    let session = app.auth.refresh(token).await.map_err(problem)?;
    Ok(logged_in(&app, StatusCode::OK, session))
}

/// End the session.
#[utoipa::path(
    post, path = "/api/logout",
    responses((status = 204, description = "It is over"), PublicProblems)
)]
pub(super) async fn logout(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(token) = cookie(&headers) {
        app.auth.logout(token).await.map_err(problem)?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_cookie(&app, &mut response, "", 0);
    Ok(response)
}

/// Current user.
#[utoipa::path(
    get, path = "/api/me", security(("bearer" = [])),
    responses(
        (status = 200, body = User, description = "The account"),
        CallerProblems,
        (status = 401, body = ProblemBody, content_type = "application/problem+json",
         description = "`unauthenticated`, or `session-over` when the account is gone"),
    )
)]
pub(super) async fn me(State(app): State<App>, caller: Caller) -> Result<Json<User>, Problem> {
    let profile = app.auth.profile(caller.user()?).await.map_err(problem)?;
    Ok(Json(profile.into()))
}

fn logged_in(app: &App, status: StatusCode, session: Session) -> Response {
    let (refresh_token, max_age) = (session.refresh_token, session.refresh_expires_in);
    let tokens = Tokens {
        access_token: session.access_token,
        token_type: "Bearer",
        expires_in: session.expires_in,
        user: session.profile.into(),
    };
    let mut response = (status, Json(tokens)).into_response();
    set_cookie(app, &mut response, &refresh_token, max_age);
    response
}

fn set_cookie(app: &App, response: &mut Response, token: &str, max_age: u64) {
    let secure = if app.secure_cookie { "; Secure" } else { "" };
    let cookie = format!(
        "{COOKIE}={token}; Path=/api; HttpOnly; SameSite=Strict; Max-Age={max_age}{secure}"
    );
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
        .filter(|token| !token.is_empty())
}

fn problem(error: AuthError) -> Problem {
    let message = error.to_string();
    match error {
        AuthError::Email => Problem::invalid("email", "malformed", message),
        AuthError::Name => Problem::invalid("name", "length", message),
        AuthError::Password(PasswordError::Length) => {
            Problem::invalid("password", "length", message)
        }
        AuthError::EmailTaken => {
            Problem::new(problems::EMAIL_TAKEN).detail("Log in, or use another address.")
        }
        AuthError::Credentials => Problem::new(problems::CREDENTIALS),
        AuthError::SessionOver | AuthError::NotFound => {
            Problem::new(problems::SESSION_OVER).detail("Log in again.")
        }
        AuthError::Db(error) => error.into(),
        error => Problem::internal("use the account", &error),
    }
}
