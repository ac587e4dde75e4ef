use axum::extract::State;
use contracts::payments::{CancelByOrder, Transaction};
use web::{BodyProblems, Caller, CallerProblems, Json, Problem, ProblemBody};

use super::{App, spoken_for};
use crate::transaction;

/// Make sure that an order is never paid.
///
/// For the shop. Cancels the order's transaction. If the transaction has not been created yet,
/// leaves a tombstone that refuses the late creation.
#[utoipa::path(
    post, path = "/transactions/cancel-by-order", tag = "shop", security(("bearer" = [])),
    request_body = CancelByOrder,
    responses(
        (status = 200, body = Transaction, description = "It is canceled, or a tombstone"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json",
         description = "`not-found`: the order's transaction is of another user than the token speaks for"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "`transaction-paid`, with the `transaction`"),
        CallerProblems, BodyProblems,
    )
)]
pub(super) async fn cancel_by_order(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<CancelByOrder>,
) -> Result<Json<Transaction>, Problem> {
    let payer = spoken_for(&caller)?;
    app.answer(transaction::cancel_by_order(&app.lane, &request, payer).await?)
}
