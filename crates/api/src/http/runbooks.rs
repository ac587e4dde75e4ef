use axum::{
    extract::Path,
    http::{HeaderName, header},
};
use operator::cause::Code;
use web::{Problem, kinds};

/// A cause's runbook, as the text that it is: what [`operator::judge::Judgement::runbook`] names, for
/// browsers. It tells nothing of any saga, so anybody may read it.
pub(super) async fn page(
    Path(page): Path<String>,
) -> Result<([(HeaderName, &'static str); 2], &'static str), Problem> {
    let code = page.strip_suffix(".md").and_then(|code| code.parse().ok());
    let code: Code = code.ok_or_else(|| {
        Problem::new(kinds::NOT_FOUND).detail(format!("There is no runbook {page}."))
    })?;
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    Ok((headers, code.about().page))
}
