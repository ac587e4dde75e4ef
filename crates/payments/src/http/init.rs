use axum::{Extension, extract::State, http::StatusCode};
use contracts::payments::{InitTransaction, MAX_AMOUNT, Transaction};
use telemetry::http::CallerTrace;
use web::{BodyProblems, Caller, CallerProblems, Json, Problem, ProblemBody, kinds};

use super::{App, problems, spoken_for};
use crate::transaction::{self, Created};

/// Create a transaction.
///
/// For the shop. Idempotent by order: a repeated call returns the existing transaction.
#[utoipa::path(
    post, path = "/transactions", tag = "shop", security(("bearer" = [])), request_body = InitTransaction,
    responses(
        (status = 201, body = Transaction, description = "It is new"),
        (status = 200, body = Transaction, description = "It was there, the same"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "`transaction-differs` or `transaction-canceled`"),
        CallerProblems, BodyProblems,
    )
)]
pub(super) async fn init(
    State(app): State<App>,
    caller: Caller,
    Extension(CallerTrace(trace)): Extension<CallerTrace>,
    Json(request): Json<InitTransaction>,
) -> Result<(StatusCode, Json<Transaction>), Problem> {
    let payer = spoken_for(&caller)?;
    if payer.is_some_and(|user_id| user_id != request.user_id) {
        return Err(Problem::new(kinds::FORBIDDEN)
            .detail("The token speaks for another user than `user_id`."));
    }
    if !(1..=MAX_AMOUNT).contains(&request.amount.amount) {
        return Err(Problem::invalid(
            "amount.amount",
            "range",
            format!("must be from 1 to {MAX_AMOUNT}"),
        ));
    }
    match transaction::init(&app.lane, &request, trace.as_ref()).await? {
        Created::New(transaction) => {
            tracing::info!(order.id = %request.order_id, "Created transaction {}", transaction.transaction_id);
            Ok((StatusCode::CREATED, Json(transaction)))
        }
        Created::Same(transaction) => Ok((StatusCode::OK, Json(transaction))),
        Created::Differs(transaction) => {
            let shown = transaction.filter(|found| payer.is_none() || found.user_id == payer);
            Err(problems::differs(shown))
        }
        // another user's transaction is not shown; a tombstone belongs to no user
        Created::Canceled(found)
            if payer.is_some() && found.user_id.is_some() && found.user_id != payer =>
        {
            Err(problems::differs(None))
        }
        Created::Canceled(transaction) => Err(problems::canceled(transaction)),
    }
}
