//! Extractors whose errors name the wrong field of a request.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{
        FromRequest, FromRequestParts, OptionalFromRequest, Request, rejection::BytesRejection,
    },
    http::{StatusCode, header, request::Parts},
    response::IntoResponse,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    problem::{Problem, kinds},
    strict::Strict,
};

/// How long the body of a request may take to arrive.
#[cfg(not(test))]
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
#[cfg(test)]
const BODY_TIMEOUT: Duration = Duration::from_millis(300);

/// A JSON body. Responds with 415 when the content type is not JSON, 400 when the body is not JSON,
/// and 422 when the JSON does not match `T`.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

impl<T: serde::Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> axum::response::Response {
        axum::Json(self.0).into_response()
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let content_type = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let essence = content_type
            .and_then(|value| value.split(';').next())
            .map(str::trim)
            .unwrap_or_default();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(Problem::new(kinds::MEDIA_TYPE)
                .detail("Send the header `Content-Type: application/json`."));
        }
        let body = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state))
            .await
            .map_err(|_| {
                Problem::new(kinds::TIMEOUT)
                    .detail(format!("The body did not arrive within {BODY_TIMEOUT:?}."))
            })?
            .map_err(|rejection| unreadable(&rejection))?;
        let value: Value = serde_json::from_slice(&body).map_err(|error| {
            Problem::new(kinds::MALFORMED).detail(format!("The body is not JSON: {error}"))
        })?;
        serde_path_to_error::deserialize(Strict(value))
            .map(Self)
            .map_err(|error| {
                let path = error.path().to_string();
                misfit(&path, &error.into_inner().to_string())
            })
    }
}

/// An optional JSON body: a request without a `Content-Type` has none.
impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        if request.headers().contains_key(header::CONTENT_TYPE) {
            let json = <Self as FromRequest<S>>::from_request(request, state).await?;
            return Ok(Some(json));
        }
        Ok(None)
    }
}

/// The problem for JSON that does not match the type: which field, and why.
fn misfit(path: &str, message: &str) -> Problem {
    // serde names an unknown or missing field only in its error text
    let named = |start: &str| {
        message
            .strip_prefix(start)
            .and_then(|rest| rest.split('`').nth(1))
    };
    let (code, name) = if let Some(name) = named("missing field ") {
        ("missing", Some(name))
    } else if let Some(name) = named("unknown field ") {
        // the path leads to the unknown field itself or to the object that contains it
        (
            "unknown",
            Some(name).filter(|name| path.rsplit('.').next() != Some(name)),
        )
    } else if message.starts_with("invalid type") {
        ("wrong-type", None)
    } else {
        ("invalid", None)
    };
    let field = match (path, name) {
        (".", Some(name)) => name.to_owned(),
        (".", None) => "body".to_owned(),
        (path, Some(name)) => format!("{path}.{name}"),
        (path, None) => path.to_owned(),
    };
    Problem::invalid(field, code, message)
}

fn unreadable(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::new(kinds::TOO_LARGE).detail("A request has at most 64 KiB.")
    } else {
        Problem::new(kinds::MALFORMED).detail("The body did not arrive whole.")
    }
}

/// Path parameters; 400 when one is malformed.
#[derive(Debug, Clone)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(error) => {
                let message = error.body_text();
                Err(Problem::new(kinds::MALFORMED)
                    .detail("The path is malformed.")
                    .field("path", "malformed", message))
            }
        }
    }
}

/// Query parameters; 400 when one is malformed.
#[derive(Debug, Clone)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(error) => {
                let message = error.body_text();
                Err(Problem::new(kinds::MALFORMED)
                    .detail("The query is malformed.")
                    .field("query", "malformed", message))
            }
        }
    }
}
