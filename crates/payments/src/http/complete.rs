use axum::extract::State;
use contracts::{
    payment_event::Outcome,
    payments::{Transaction, TransactionRef},
};
use web::{BodyProblems, Caller, CallerProblems, Json, Problem, ProblemBody};

use super::App;
use crate::transaction;

/// Pay a transaction.
///
/// Simulates a payment provider: users can call it only with `PAYMENTS_SIMULATOR=1`. A repeated
/// call returns 200; paying a canceled transaction returns 409.
#[utoipa::path(
    post, path = "/transactions/complete", tag = "payer", security(("bearer" = [])), request_body = TransactionRef,
    responses(
        (status = 200, body = Transaction, description = "It is paid"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not-found`"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "`transaction-canceled`, with the `transaction`"),
        CallerProblems, BodyProblems,
    )
)]
pub(super) async fn complete(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<TransactionRef>,
) -> Result<Json<Transaction>, Problem> {
    let payer = app.deciding_payer(&caller)?;
    app.answer(
        transaction::decide(&app.lane, request.transaction_id, payer, Outcome::Completed).await?,
    )
}
