//! Tables of requests that must be refused.

use reqwest::RequestBuilder;

use crate::support::{Answer, Shop};

/// A request that must be refused.
pub(crate) struct Bad {
    what: String,
    request: RequestBuilder,
    status: u16,
    slug: &'static str,
    /// The field that `errors` must name.
    field: Option<&'static str>,
}

pub(crate) fn bad(
    what: impl Into<String>,
    request: RequestBuilder,
    (status, slug): (u16, &'static str),
    field: impl Into<Option<&'static str>>,
) -> Bad {
    Bad {
        what: what.into(),
        request,
        status,
        slug,
        field: field.into(),
    }
}

pub(crate) const MALFORMED: (u16, &str) = (400, "malformed");
pub(crate) const KEY_MISSING: (u16, &str) = (400, "idempotency-key-missing");
pub(crate) const NOT_FOUND: (u16, &str) = (404, "not-found");
pub(crate) const INVALID: (u16, &str) = (422, "invalid");

impl Shop {
    /// Asserts that each request is refused for its reason, and that nothing changes.
    pub(crate) async fn refuses(&self, table: Vec<Bad>) {
        let before = self.traces().await;
        for row in table {
            let answer = Answer::to(row.request).await;
            let (what, text) = (&row.what, &answer.text);
            assert_eq!(answer.status, row.status, "{what}: {text}");
            let problem = answer.problem(row.status, row.slug);
            if let Some(field) = row.field {
                let errors = problem["errors"].as_array();
                let errors = errors.unwrap_or_else(|| panic!("{what}: {text}"));
                assert!(
                    errors.iter().any(|error| error["field"] == field
                        && !error["code"].as_str().unwrap().is_empty()
                        && !error["message"].as_str().unwrap().is_empty()),
                    "{what} names {field}: {text}"
                );
            }
            assert_eq!(self.traces().await, before, "{what} leaves nothing behind");
        }
    }
}
