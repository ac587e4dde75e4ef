use axum::http::{HeaderName, header};
use operator::cause::Code;
use web::{IdProblems, Path, Problem, PublicProblems, kinds};

/// The runbook of a cause: its page of docs/runbooks, as Markdown. It reveals nothing about any
/// saga.
#[utoipa::path(
    get, path = "/api/runbooks/{cause}", operation_id = "find_runbook",
    params(("cause" = Code, Path, description = "As `why` names it")),
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "The page"),
        IdProblems, PublicProblems,
    )
)]
pub(super) async fn find(
    Path(cause): Path<String>,
) -> Result<([(HeaderName, &'static str); 2], &'static str), Problem> {
    let code: Code = cause
        .parse()
        .map_err(|why: String| Problem::new(kinds::NOT_FOUND).detail(why))?;
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    Ok((headers, code.about().page))
}
