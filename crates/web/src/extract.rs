//! Extractors that name the field when something is wrong with a request.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request, rejection::BytesRejection},
    http::{StatusCode, header, request::Parts},
    response::IntoResponse,
};
use serde::de::DeserializeOwned;

use crate::problem::{Problem, kinds};

/// A JSON body. 415 when it is not said to be JSON, 400 when it is not, 422 when it does not fit.
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
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = content_type.and_then(|value| value.split(';').next()).map(str::trim).unwrap_or_default();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(Problem::new(kinds::MEDIA_TYPE).detail("Send the header `Content-Type: application/json`."));
        }
        let body = Bytes::from_request(request, state).await.map_err(unreadable)?;
        let mut json = serde_json::Deserializer::from_slice(&body);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            let error = error.into_inner();
            if !error.is_data() {
                return Problem::new(kinds::MALFORMED).detail(format!("The body is not JSON: {error}"));
            }
            let message = error.to_string();
            // serde says which field is unknown or missing in its text only
            let named = message.split('`').nth(1).filter(|_| message.contains("field `"));
            let field = match (path.as_str(), named) {
                (".", Some(name)) => name.to_owned(),
                (".", None) => "body".to_owned(),
                (path, Some(name)) if !path.ends_with(name) => format!("{path}.{name}"),
                (path, _) => path.to_owned(),
            };
            let code = match () {
                () if message.starts_with("unknown field") => "unknown",
                () if message.starts_with("missing field") => "missing",
                () => "wrong-type",
            };
            Problem::invalid(field, code, message)
        })?;
        json.end().map_err(|error| Problem::new(kinds::MALFORMED).detail(format!("The body is not JSON: {error}")))?;
        Ok(Self(value))
    }
}

fn unreadable(rejection: BytesRejection) -> Problem {
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
