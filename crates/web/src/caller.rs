use std::{pin::Pin, sync::Arc};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{header, request::Parts},
};
use tokens::{Identity, Verifier, VerifyError};

use crate::problem::{Problem, kinds};

/// Checks which sessions are live.
pub trait Sessions: Send + Sync {
    /// Refuses a user whose session has ended, whose account is disabled, or who has lost a role
    /// that the token claims.
    fn check<'a>(&'a self, user: &'a Identity, token: &'a str) -> SessionCheck<'a>;
}

/// The result of [`Sessions::check`]: on failure a problem of the kind [`kinds::SESSION_OVER`], or
/// one which says that the session could not be checked.
pub type SessionCheck<'a> = Pin<Box<dyn Future<Output = Result<(), Problem>> + Send + 'a>>;

/// Checks callers' tokens and sessions. Part of a service's state.
#[derive(Clone)]
pub struct Gate {
    /// Verifies tokens.
    pub verifier: Verifier,
    /// The audience that tokens for this service must name.
    pub audience: &'static str,
    /// Checks a user's session before a change.
    pub sessions: Arc<dyn Sessions>,
}

impl Gate {
    /// Identifies the holder of a bearer token.
    async fn identify(&self, token: &str) -> Result<Identity, Problem> {
        self.verifier
            .verify(token, self.audience)
            .await
            .map_err(|error| match error {
                VerifyError::Expired => unauthenticated("The token has expired: refresh it."),
                VerifyError::Audience | VerifyError::Invalid => {
                    unauthenticated("The token is not valid here: log in.")
                }
                VerifyError::KeysUnavailable(why) => {
                    tracing::warn!("Tokens cannot be checked: {why}");
                    Problem::new(kinds::UNAVAILABLE)
                        .detail("Tokens cannot be checked right now. Try again.")
                }
            })
    }
}

fn unauthenticated(detail: &str) -> Problem {
    Problem::new(kinds::UNAUTHENTICATED).detail(detail)
}

/// The authenticated caller: a request without a valid bearer token is answered with 401. For a
/// user's request that may change something, the user's session is checked, too; a read only needs
/// a valid token.
#[derive(Debug, Clone)]
pub struct Caller(pub Identity);

impl Caller {
    /// The calling user; refuses services.
    ///
    /// # Errors
    /// 403 for a service.
    pub fn user(&self) -> Result<kernel::UserId, Problem> {
        self.0
            .user_id
            .ok_or_else(|| Problem::new(kinds::FORBIDDEN).detail("This call is for people."))
    }

    /// Refuses callers without this role.
    ///
    /// # Errors
    /// 403.
    pub fn require_role(&self, role: &str) -> Result<(), Problem> {
        if self.0.has_role(role) {
            Ok(())
        } else {
            Err(Problem::new(kinds::FORBIDDEN)
                .detail(format!("This call is for people with the role `{role}`.")))
        }
    }

    /// Refuses all callers except services with this scope.
    ///
    /// # Errors
    /// 403.
    pub fn require_scope(&self, scope: &str) -> Result<(), Problem> {
        if self.0.has_scope(scope) {
            Ok(())
        } else {
            Err(Problem::new(kinds::FORBIDDEN).detail(format!(
                "This call is for services with the scope `{scope}`."
            )))
        }
    }
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Gate: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let header = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let token = header
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| {
                unauthenticated("Send the header `Authorization: Bearer <access token>`.")
            })?;
        let gate = Gate::from_ref(state);
        let identity = gate.identify(token).await?;
        if !parts.method.is_safe() && identity.user_id.is_some() {
            gate.sessions.check(&identity, token).await?;
        }
        Ok(Self(identity))
    }
}

/// A caller with the role `operator` or `admin`. Other callers are refused before the body is read.
#[derive(Debug, Clone)]
pub struct Operator(pub Caller);

impl<S> FromRequestParts<S> for Operator
where
    S: Send + Sync,
    Gate: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        if !caller.0.has_role("admin") {
            caller.require_role("operator")?;
        }
        Ok(Self(caller))
    }
}

/// A caller with the role `admin`. Other callers are refused before the body is read.
#[derive(Debug, Clone)]
pub struct Admin(pub Caller);

impl<S> FromRequestParts<S> for Admin
where
    S: Send + Sync,
    Gate: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        caller.require_role("admin")?;
        Ok(Self(caller))
    }
}
