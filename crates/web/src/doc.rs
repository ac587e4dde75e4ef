//! Problem responses that many calls share, for OpenAPI documents.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses,
    openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder},
};

/// Responses of every call that needs a token, for `#[utoipa::path(responses(…, CallerProblems))]`.
///
/// The document must hold the schema [`crate::ProblemBody`].
#[derive(Debug)]
pub struct CallerProblems;

impl IntoResponses for CallerProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            (
                "401",
                "`unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended",
            ),
            ("403", "`forbidden`: a call for others"),
            UNAVAILABLE,
        ])
    }
}

/// Responses of every call that needs no token.
#[derive(Debug)]
pub struct PublicProblems;

impl IntoResponses for PublicProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[UNAVAILABLE])
    }
}

/// Responses of every call that returns a paged list.
#[derive(Debug)]
pub struct PageProblems;

impl IntoResponses for PageProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            (
                "400",
                "`malformed`: `cursor` or another part of the query cannot be read",
            ),
            (
                "422",
                "`invalid`: `errors` names the part of the query that is out of range",
            ),
        ])
    }
}

/// Further responses of every call with a JSON body.
#[derive(Debug)]
pub struct BodyProblems;

impl IntoResponses for BodyProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            ("400", "`malformed`: the body is not JSON"),
            ("413", "`too-large`: more than 64 KiB"),
            ("415", "`unsupported-media-type`: not `application/json`"),
            (
                "422",
                "`invalid`: `errors` names each field and what is wrong with it",
            ),
        ])
    }
}

const UNAVAILABLE: (&str, &str) = (
    "503",
    "`unavailable`: something that is needed is not there right now; see `Retry-After`",
);

fn problems(described: &[(&str, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let response = |description: &str| {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("ProblemBody")))
            .build();
        ResponseBuilder::new()
            .description(description)
            .content("application/problem+json", content)
            .build()
    };
    described
        .iter()
        .map(|(status, text)| ((*status).to_owned(), response(text).into()))
        .collect()
}
