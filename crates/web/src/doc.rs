//! Problem responses that many calls share, for OpenAPI documents.

use std::collections::BTreeMap;

use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

/// Declares groups of problem responses for `#[utoipa::path(responses(…))]`. The document must hold
/// the schema [`crate::ProblemBody`].
#[macro_export]
macro_rules! problem_groups {
    ($($(#[$doc:meta])* $visibility:vis $name:ident: $([$status:expr, $description:expr])+;)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        $visibility struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<String, $crate::ResponseOrRef> {
                $crate::problem_responses(&[$(($status, $description)),+])
            }
        }
    )+};
}

problem_groups! {
    /// Responses of every call that needs a token.
    pub CallerProblems:
        ["401", "`unauthenticated`: no token, or none that is good here; `session-over`: a change, and the session has ended"]
        ["403", "`forbidden`: a call for others"]
        ["503", UNAVAILABLE];

    /// Responses of every call that needs no token.
    pub PublicProblems: ["503", UNAVAILABLE];

    /// Responses of every call that returns a paged list.
    pub PageProblems:
        ["400", "`malformed`: `cursor` or another part of the query cannot be read"]
        ["422", "`invalid`: `errors` names the part of the query that is out of range"];

    /// Further responses of every call with a JSON body.
    pub BodyProblems:
        ["400", "`malformed`: the body is not JSON"]
        ["413", "`too-large`: more than 64 KiB"]
        ["415", "`unsupported-media-type`: not `application/json`"]
        ["422", "`invalid`: `errors` names each field and what is wrong with it"];

    /// Further responses of every call without a body that names one thing.
    pub IdProblems: ["400", "`malformed`"] ["404", "`not-found`"];
}

const UNAVAILABLE: &str =
    "`unavailable`: something that is needed is not there right now; see `Retry-After`";

/// A response, as [`utoipa::IntoResponses`] wants it.
pub type ResponseOrRef = RefOr<Response>;

/// The responses of a group, each a status and its description.
pub fn problem_responses(described: &[(&str, &str)]) -> BTreeMap<String, ResponseOrRef> {
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
