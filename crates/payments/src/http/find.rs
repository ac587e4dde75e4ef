use axum::extract::State;
use contracts::payments::Transaction;
use kernel::TransactionId;
use web::{Caller, CallerProblems, Json, Path, Problem, ProblemBody};

use super::{App, not_found, reader};
use crate::transaction;

/// Get a transaction.
#[utoipa::path(
    get, path = "/transactions/{id}", tag = "payer", security(("bearer" = [])),
    params(("id" = TransactionId, Path, description = "The transaction")),
    responses(
        (status = 200, body = Transaction, description = "The transaction"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "`malformed`"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not-found`"),
        CallerProblems,
    )
)]
pub(super) async fn find(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<TransactionId>,
) -> Result<Json<Transaction>, Problem> {
    let payer = reader(&caller)?;
    transaction::find(&app.pool, id, payer)
        .await?
        .map(Json)
        .ok_or_else(not_found)
}
