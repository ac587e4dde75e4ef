use std::net::SocketAddr;

use auth::{AuthError, LoginError, PasswordError, Profile, Registered, Role, Session};
use axum::{
    Extension,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use crashpoint::crash_point;
use kernel::{Email, Stored, UserId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use telemetry::http::RequestTrace;
use utoipa::ToSchema;
use web::{
    BodyProblems, Caller, CallerProblems, Json, Problem, ProblemBody, PublicProblems, kinds,
};

use super::{
    App, audited,
    cookies::{DEVICE, REFRESH},
    limiter::network,
    own_page::OwnPage,
    problems,
    problems::RateProblems,
    rules,
};

/// How long a device stays known after a login, seconds.
pub(super) const DEVICE_AGE: u64 = 180 * 24 * 3600;

/// A request for an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Register {
    #[schema(value_type = rules::Email)]
    email: String,
    #[schema(min_length = 8, max_length = 128)]
    password: String,
    #[schema(value_type = rules::PersonName)]
    name: String,
}

/// A request to log in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    email: String,
    password: String,
}

/// An accepted registration.
#[derive(Serialize, ToSchema)]
pub(super) struct RegistrationAccepted {
    /// The address that a mail goes to.
    email: String,
}

/// An account, as its owner sees it.
#[derive(Serialize, ToSchema)]
pub(super) struct User {
    id: UserId,
    email: String,
    name: String,
    #[schema(value_type = Vec<Role>)]
    roles: Vec<Stored<Role>>,
    /// Whether a link that was mailed to the address was used.
    email_verified: bool,
}

impl From<Profile> for User {
    fn from(profile: Profile) -> Self {
        Self {
            id: profile.id,
            email: profile.email,
            name: profile.name,
            roles: profile.roles.into_iter().map(Stored::read).collect(),
            email_verified: profile.email_verified,
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

/// Create an account.
///
/// The answer is the same if the address already has an account; in that case its owner gets a
/// mail.
#[utoipa::path(
    post, path = "/api/register", request_body = Register,
    responses(
        (status = 202, body = RegistrationAccepted, description = "A mail is on its way. A new account can log in at once"),
        RateProblems, PublicProblems, BodyProblems,
    )
)]
pub(super) async fn register(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(trace): Extension<RequestTrace>,
    Json(request): Json<Register>,
) -> Result<(StatusCode, Json<RegistrationAccepted>), Problem> {
    app.logins.check(peer.ip())?;
    let registered = app
        .auth
        .register(
            &request.email,
            &request.name,
            &request.password,
            Some(trace.0.child()),
        )
        .await
        .map_err(problem)?;
    match registered {
        Registered::New(Profile { id, .. }) => {
            tracing::info!(user.id = %id, "Registered user {id}");
        }
        Registered::Known(id) => {
            tracing::info!(user.id = %id, "Registration with the address of user {id}");
        }
    }
    crash_point!("api.register.before_answer");
    let email = Email::normalize(&request.email);
    Ok((StatusCode::ACCEPTED, Json(RegistrationAccepted { email })))
}

/// Log in.
#[utoipa::path(
    post, path = "/api/login", request_body = Login,
    responses(
        (status = 200, body = Tokens, description = "A new session"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`wrong-credentials`"),
        RateProblems, PublicProblems, BodyProblems,
    )
)]
pub(super) async fn login(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(request): Json<Login>,
) -> Result<Response, Problem> {
    app.logins.check(peer.ip())?;
    let login = auth::Login {
        email: &request.email,
        password: request.password,
        device: DEVICE.of(&headers, app.secure_cookie),
        user_agent: headers
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok()),
    };
    let logged = app.auth.login(login).await;
    let result = match &logged {
        Ok(_) => "ok",
        Err(LoginError::Throttled(_)) => "throttled",
        Err(_) => "refused",
    };
    if let Err(LoginError::Throttled(_) | LoginError::Auth(AuthError::Credentials)) = &logged {
        // the address field may hold a password that was typed into the wrong field
        let account = Sha256::digest(Email::normalize(&request.email));
        tracing::warn!(
            account = %format!("{account:x}").get(..12).unwrap_or_default(),
            network = %network(peer.ip()),
            "Login {result}: unknown address, wrong password or too many of these"
        );
    }
    metrics::counter!("logins_total", "result" => result).increment(1);
    let logged = logged.map_err(not_logged_in)?;
    if !logged.session.profile.roles.is_empty() {
        // without the audit row there is no login: its token is not sent
        let (mut conn, network) = (app.pool.acquire().await?, network(peer.ip()).to_string());
        audited::login(&mut conn, &logged.session.profile, network).await?;
    }
    let mut response = logged_in(&app, StatusCode::OK, logged.session);
    DEVICE.set(&mut response, app.secure_cookie, &logged.device, DEVICE_AGE);
    Ok(response)
}

fn not_logged_in(error: LoginError) -> Problem {
    match error {
        LoginError::Throttled(delay) => {
            let seconds = delay.as_secs() + 1;
            Problem::new(kinds::TOO_MANY)
                .detail(format!(
                    "Too many attempts to log in. Try again in {seconds} seconds."
                ))
                .retry_after(seconds)
        }
        LoginError::Auth(error) => problem(error),
    }
}

/// Exchange the refresh cookie for a new session, once.
#[utoipa::path(
    post, path = "/api/refresh",
    responses(
        (status = 200, body = Tokens, description = "The next session"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`session-over`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json",
         description = "`forbidden`: a page of another site asks"),
        RateProblems, PublicProblems,
    )
)]
pub(super) async fn refresh(
    State(app): State<App>,
    _: OwnPage,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    app.refreshes.check(peer.ip())?;
    let token = REFRESH
        .of(&headers, app.secure_cookie)
        .ok_or(AuthError::SessionOver)
        .map_err(problem)?;
    let session = app.auth.refresh(token).await.map_err(problem)?;
    Ok(logged_in(&app, StatusCode::OK, session))
}

/// End the session.
#[utoipa::path(
    post, path = "/api/logout",
    responses(
        (status = 204, description = "It is over"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json",
         description = "`forbidden`: a page of another site asks"),
        PublicProblems,
    )
)]
pub(super) async fn logout(
    State(app): State<App>,
    _: OwnPage,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(token) = REFRESH.of(&headers, app.secure_cookie) {
        app.auth.logout(token).await.map_err(problem)?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    REFRESH.set(&mut response, app.secure_cookie, "", 0);
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

pub(super) fn logged_in(app: &App, status: StatusCode, session: Session) -> Response {
    let (refresh_token, max_age) = (session.refresh_token, session.refresh_expires_in);
    let tokens = Tokens {
        access_token: session.access_token,
        token_type: "Bearer",
        expires_in: session.expires_in,
        user: session.profile.into(),
    };
    let mut response = (status, Json(tokens)).into_response();
    REFRESH.set(&mut response, app.secure_cookie, &refresh_token, max_age);
    response
}

pub(super) fn problem(error: AuthError) -> Problem {
    let message = error.to_string();
    match error {
        AuthError::Email(_) => Problem::invalid("email", "malformed", message),
        AuthError::Name => Problem::invalid("name", "text", message),
        AuthError::Password(
            PasswordError::Length | PasswordError::Common | PasswordError::Personal,
        ) => Problem::invalid("password", "password", message),
        AuthError::CurrentPassword => Problem::invalid("current_password", "wrong", message),
        AuthError::Link => Problem::invalid("token", "used", message),
        AuthError::Credentials => Problem::new(problems::CREDENTIALS),
        AuthError::SessionOver | AuthError::NotFound => {
            Problem::new(kinds::SESSION_OVER).detail("Log in again.")
        }
        AuthError::Db(error) => error.into(),
        error => Problem::internal("use the account", &error),
    }
}
