use axum::{Extension, extract::State, http::StatusCode};
use contracts::payments::{InitTransaction, SCOPE_SERVICE, Transaction};
use telemetry::http::RequestTrace;
use web::{Caller, Json, Problem, ProblemBody};

use super::{App, problems};
use crate::transaction::{self, Created, MAX_AMOUNT};

/// Create a transaction.
///
/// Idempotent by order: a repeat is answered with the transaction that is there.
#[utoipa::path(
    post, path = "/transactions", security(("bearer" = [])), request_body = InitTransaction,
    responses(
        (status = 201, body = Transaction, description = "It is new"),
        (status = 200, body = Transaction, description = "It was there, the same"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "`transaction-differs` or `transaction-canceled`"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`invalid`"),
    )
)]
pub(super) async fn init(
    State(app): State<App>,
    caller: Caller,
    Extension(trace): Extension<RequestTrace>,
    Json(request): Json<InitTransaction>,
) -> Result<(StatusCode, Json<Transaction>), Problem> {
    caller.require_scope(SCOPE_SERVICE)?;
    if !(1..=MAX_AMOUNT).contains(&request.amount.amount) {
        return Err(Problem::invalid("amount.amount", "range", format!("must be from 1 to {MAX_AMOUNT}")));
    }
    match transaction::init(&app.pool, &request, Some(&trace.0)).await? {
        Created::New(transaction) => {
            tracing::info!(order.id = %transaction.order_id, "Created transaction {}", transaction.transaction_id);
            Ok((StatusCode::CREATED, Json(transaction)))
        }
        Created::Same(transaction) => Ok((StatusCode::OK, Json(transaction))),
        Created::Differs => Err(Problem::new(problems::DIFFERS)
            .detail("This order or this transaction id has another transaction already.")),
        Created::Canceled(transaction) => Err(Problem::new(problems::CANCELED)
            .detail("This order was canceled and can never be paid.")
            .with("transaction", transaction)),
    }
}
