use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Map, Value};

/// A kind of problem. Its page is `docs/problems/<slug>.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Last part of the problem's `type`.
    pub slug: &'static str,
    /// The title, the same for every occurrence.
    pub title: &'static str,
    /// HTTP status.
    pub status: u16,
}

impl Kind {
    /// Creates a kind.
    pub const fn new(status: u16, slug: &'static str, title: &'static str) -> Self {
        Self {
            slug,
            title,
            status,
        }
    }
}

/// Problems that any of our services may return.
pub mod kinds {
    use super::Kind;

    /// 400
    pub const MALFORMED: Kind = Kind::new(400, "malformed", "The request cannot be read");
    /// 401
    pub const UNAUTHENTICATED: Kind = Kind::new(401, "unauthenticated", "Please log in");
    /// 401
    pub const SESSION_OVER: Kind = Kind::new(401, "session-over", "The session is over");
    /// 403
    pub const FORBIDDEN: Kind = Kind::new(403, "forbidden", "Access denied");
    /// 404
    pub const NOT_FOUND: Kind = Kind::new(404, "not-found", "Not found");
    /// 405
    pub const METHOD: Kind = Kind::new(405, "method-not-allowed", "This cannot be done here");
    /// 408
    pub const TIMEOUT: Kind = Kind::new(
        408,
        "request-timeout",
        "The request took too long to arrive",
    );
    /// 413
    pub const TOO_LARGE: Kind = Kind::new(413, "too-large", "The request is too large");
    /// 415
    pub const MEDIA_TYPE: Kind =
        Kind::new(415, "unsupported-media-type", "The request is not JSON");
    /// 422
    pub const INVALID: Kind = Kind::new(422, "invalid", "Please check the highlighted fields");
    /// 429
    pub const TOO_MANY: Kind = Kind::new(429, "too-many-requests", "Too many requests");
    /// 500
    pub const INTERNAL: Kind = Kind::new(500, "internal", "Something went wrong on our side");
    /// 503
    pub const UNAVAILABLE: Kind = Kind::new(
        503,
        "unavailable",
        "Something that is needed is not there right now",
    );
}

/// All of [`kinds`].
pub const COMMON: &[Kind] = &[
    kinds::MALFORMED,
    kinds::UNAUTHENTICATED,
    kinds::SESSION_OVER,
    kinds::FORBIDDEN,
    kinds::NOT_FOUND,
    kinds::METHOD,
    kinds::TIMEOUT,
    kinds::TOO_LARGE,
    kinds::MEDIA_TYPE,
    kinds::INVALID,
    kinds::TOO_MANY,
    kinds::INTERNAL,
    kinds::UNAVAILABLE,
];

/// An error in one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Path of the field, such as `items[0].quantity`.
    pub field: String,
    /// Code for programs.
    pub code: String,
    /// Message for people.
    pub message: String,
}

/// A problem document (RFC 9457), as documented.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ProblemBody {
    /// Stable name of the kind of problem: `/problems/<slug>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The title, the same for every problem of the kind.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// An explanation of this occurrence, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The request's trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Errors in single fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Further members, depending on the kind of problem.
    #[serde(flatten)]
    #[schema(ignore)]
    pub more: Map<String, Value>,
}

/// A problem to be returned to the client.
#[derive(Debug, Clone)]
pub struct Problem {
    body: Box<ProblemBody>,
    retry_after: Option<u64>,
}

impl Problem {
    /// Creates a problem of this kind.
    pub fn new(kind: Kind) -> Self {
        let body = Box::new(ProblemBody {
            kind: format!("/problems/{}", kind.slug),
            title: kind.title.to_owned(),
            status: kind.status,
            detail: None,
            trace_id: None,
            errors: Vec::new(),
            more: Map::new(),
        });
        Self {
            body,
            retry_after: (kind.status == 503).then_some(2),
        }
    }

    /// Sets the detail: what happened in this case, and what to do.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.body.detail = Some(detail.into());
        self
    }

    /// Adds an error in one field.
    #[must_use]
    pub fn field(
        mut self,
        field: impl Into<String>,
        code: &str,
        message: impl Into<String>,
    ) -> Self {
        self.body.errors.push(FieldError {
            field: field.into(),
            code: code.to_owned(),
            message: message.into(),
        });
        self
    }

    /// Adds a member that only this kind of problem has.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        if let Ok(value) = serde_json::to_value(value) {
            self.body.more.insert(name.to_owned(), value);
        }
        self
    }

    /// Sets the number of seconds after which the client may retry.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// A problem with one invalid field.
    pub fn invalid(field: impl Into<String>, code: &str, message: impl Into<String>) -> Self {
        Self::new(kinds::INVALID).field(field, code, message)
    }

    /// An internal error: logs the whole error chain once; the client gets only the trace id.
    pub fn internal(doing: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut chain = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            chain = format!("{chain}: {error}");
            cause = error.source();
        }
        tracing::error!("Could not {doing}: {chain}");
        Self::new(kinds::INTERNAL)
            .detail("It is logged under this trace id. Trying again may help.")
    }

    pub(crate) fn of_status(status: StatusCode) -> Self {
        let kind = COMMON.iter().find(|kind| kind.status == status.as_u16());
        let fallback = if status.is_server_error() {
            kinds::INTERNAL
        } else {
            kinds::MALFORMED
        };
        let mut problem = Self::new(kind.copied().unwrap_or(fallback));
        problem.body.status = status.as_u16();
        problem
    }

    /// The problem document.
    pub(crate) fn body(&self) -> Vec<u8> {
        serde_json::to_vec(&self.body).unwrap_or_default()
    }

    pub(crate) fn render(mut self, trace_id: Option<String>) -> Response {
        self.body.trace_id = trace_id;
        let status =
            StatusCode::from_u16(self.body.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Response::new(Body::from(self.body()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.render(None)
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        if db::is_locked(&error) {
            tracing::warn!(%error, "A needed row or table is locked by another session");
            return Self::new(kinds::UNAVAILABLE)
                .detail("Another database session has locked what this call needs. Try again.");
        }
        if db::is_unreachable(&error) || db::is_retryable(&error) {
            tracing::warn!(%error, "The database cannot be used right now");
            return Self::new(kinds::UNAVAILABLE)
                .detail("The database cannot be used right now. Try again.");
        }
        Self::internal("use the database", &error)
    }
}
