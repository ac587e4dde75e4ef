use axum::http::{HeaderName, header};
use web::{IdProblems, Path, Problem, PublicProblems, kinds};

macro_rules! page {
    ($slug:literal) => {
        (
            $slug,
            include_str!(concat!("../../../../docs/problems/", $slug, ".md")),
        )
    };
}

/// The pages of docs/problems, by the last part of the problem's `type`.
pub const PAGES: &[(&str, &str)] = &[
    page!("act-refused"),
    page!("failed-changed"),
    page!("forbidden"),
    page!("idempotency-key-in-flight"),
    page!("idempotency-key-missing"),
    page!("idempotency-key-reused"),
    page!("if-match-missing"),
    page!("internal"),
    page!("invalid"),
    page!("malformed"),
    page!("method-not-allowed"),
    page!("not-found"),
    page!("order-limit"),
    page!("out-of-stock"),
    page!("price-changed"),
    page!("request-timeout"),
    page!("session-over"),
    page!("stale"),
    page!("stock-held"),
    page!("too-large"),
    page!("too-late"),
    page!("too-many-requests"),
    page!("transaction-canceled"),
    page!("transaction-differs"),
    page!("transaction-paid"),
    page!("unauthenticated"),
    page!("unavailable"),
    page!("unsupported-media-type"),
    page!("wrong-credentials"),
];

/// Read about a problem: its meaning and its remedy. Every problem's `type` leads here.
#[utoipa::path(
    get, path = "/api/problems/{slug}", operation_id = "find_problem",
    params(("slug" = String, Path, description = "The last part of the problem's `type`")),
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "The page, as Markdown"),
        IdProblems, PublicProblems,
    )
)]
pub(super) async fn find(
    Path(slug): Path<String>,
) -> Result<([(HeaderName, &'static str); 2], &'static str), Problem> {
    let page = PAGES.iter().find(|(known, _)| *known == slug);
    let (_, page) = page.ok_or_else(|| {
        Problem::new(kinds::NOT_FOUND).detail("There is no problem of this name.")
    })?;
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    Ok((headers, *page))
}
