use axum::extract::State;
use contracts::payments::Transaction;
use kernel::TransactionId;
use web::{Caller, CallerProblems, IdProblems, Json, Path, Problem};

use super::{App, not_found, reader};
use crate::transaction;

/// Get a transaction.
#[utoipa::path(
    get, path = "/transactions/{id}", tag = "payer", security(("bearer" = [])),
    params(("id" = TransactionId, Path, description = "The transaction")),
    responses(
        (status = 200, body = Transaction, description = "The transaction"),
        IdProblems, CallerProblems,
    )
)]
pub(super) async fn find(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<TransactionId>,
) -> Result<Json<Transaction>, Problem> {
    let payer = reader(&caller)?;
    transaction::find(&app.lane, id, payer)
        .await?
        .map(Json)
        .ok_or_else(not_found)
}
