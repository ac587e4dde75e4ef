use std::{pin::Pin, sync::Arc};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{header, request::Parts},
};
use tokens::{Identity, Verifier, VerifyError};

use crate::problem::{Problem, kinds};

/// Knows which sessions are live.
pub trait Sessions: Send + Sync {
    /// Refuses a user whose session is over, whose account is disabled, or who has lost a role that the token claims.
    fn check<'a>(&'a self, user: &'a Identity, token: &'a str) -> SessionCheck<'a>;
}

/// The answer of [`Sessions::check`]: a problem of the kind [`kinds::SESSION_OVER`], or one that says that it is not known.
pub type SessionCheck<'a> = Pin<Box<dyn Future<Output = Result<(), Problem>> + Send + 'a>>;

/// What callers' tokens are checked by. Part of a service's state.
#[derive(Clone)]
pub struct Gate {
    /// Checks signatures.
    pub verifier: Verifier,
    /// The audience that this service is.
    pub audience: &'static str,
    /// Asked before a user changes something.
    pub sessions: Arc<dyn Sessions>,
}

impl Gate {
    /// Whose bearer token this is.
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

/// Who calls: a request without a good bearer token is answered with 401. A user's request that may change something is
/// also held against the user's session; one that reads is good for as long as the token.
#[derive(Debug, Clone)]
pub struct Caller(pub Identity);

impl Caller {
    /// The user who calls; services are refused.
    ///
    /// # Errors
    /// 403 for a service.
    pub fn user(&self) -> Result<kernel::UserId, Problem> {
        self.0
            .user_id
            .ok_or_else(|| Problem::new(kinds::FORBIDDEN).detail("This call is for people."))
    }

    /// Refuses everybody without this role.
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

    /// Refuses everybody but services with this scope.
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

/// A caller who looks after the system: with the role `operator` or `admin`. Whoever lacks it is
/// refused before the body is read.
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

/// A caller with the role `admin`. Whoever lacks it is refused before the body is read.
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
