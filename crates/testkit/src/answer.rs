use contracts::payments::Transaction;
use reqwest::{RequestBuilder, header::HeaderMap};
use serde_json::{Map, Value};

/// A service's response.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The response to a request.
    ///
    /// # Panics
    /// When there is none.
    pub async fn to(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("the service answers");
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.expect("the answer is text"),
        }
    }

    /// The body.
    ///
    /// # Panics
    /// When it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The body, if it is JSON.
    pub fn json_or_null(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The body, as a transaction of payments.
    ///
    /// # Panics
    /// When it is something else.
    pub fn transaction(&self) -> Transaction {
        serde_json::from_value(self.json()).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Asserts that the answer is this problem, as RFC 9457 defines it, and returns the document.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn problem(&self, status: u16, slug: &str) -> Value {
        let text = &self.text;
        assert_eq!(self.status, status, "{text}");
        let content_type = self.header("content-type");
        assert_eq!(content_type, Some("application/problem+json"), "{text}");
        let problem = self.json();
        assert_eq!(problem["type"], format!("/problems/{slug}"), "{text}");
        assert_eq!(problem["status"], status, "{text}");
        let trace_id = problem["trace_id"].as_str().map(str::len);
        assert_eq!(trace_id, Some(32), "{text}");
        problem
    }

    /// Like [`Answer::problem`], with a `Retry-After`.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn problem_for_now(&self, status: u16, slug: &str) -> Value {
        let seconds = self
            .header("retry-after")
            .and_then(|text| text.parse().ok());
        assert!(
            seconds.is_some_and(|it: u64| (1..=60).contains(&it)),
            "{self:?}"
        );
        self.problem(status, slug)
    }
}

/// Calls `visit` on every object in a JSON document.
pub fn for_each_object(value: &Value, visit: &mut impl FnMut(&Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object
                .values()
                .for_each(|value| for_each_object(value, visit));
        }
        Value::Array(values) => values
            .iter()
            .for_each(|value| for_each_object(value, visit)),
        _ => {}
    }
}
