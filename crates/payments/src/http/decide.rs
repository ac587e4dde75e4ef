use axum::extract::State;
use contracts::{
    payment_event::Outcome,
    payments::{SCOPE_SERVICE, Status, Transaction, TransactionRef},
};
use web::{Caller, Json, Problem, ProblemBody, kinds};

use super::{App, problems};
use crate::transaction::{self, Moved};

/// Pay.
///
/// A simulator of a payment provider: only there with `PAYMENTS_SIMULATOR=1`. Repeating it is 200;
/// of a canceled transaction it is 409.
#[utoipa::path(
    post, path = "/transactions/complete", security(("bearer" = [])), request_body = TransactionRef,
    responses(
        (status = 200, body = Transaction, description = "It is paid"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not-found`"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "`transaction-canceled`, with the `transaction`"),
    )
)]
pub(super) async fn complete(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<TransactionRef>,
) -> Result<Json<Transaction>, Problem> {
    decide(&app, &caller, &request, Outcome::Completed).await
}

/// Cancel.
///
/// A simulator of a payment provider: only there with `PAYMENTS_SIMULATOR=1`. Repeating it is 200;
/// of a paid transaction it is 409.
#[utoipa::path(
    post, path = "/transactions/cancel", security(("bearer" = [])), request_body = TransactionRef,
    responses(
        (status = 200, body = Transaction, description = "It is canceled"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not-found`"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "`transaction-paid`, with the `transaction`"),
    )
)]
pub(super) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<TransactionRef>,
) -> Result<Json<Transaction>, Problem> {
    decide(&app, &caller, &request, Outcome::Canceled).await
}

async fn decide(
    app: &App,
    caller: &Caller,
    request: &TransactionRef,
    outcome: Outcome,
) -> Result<Json<Transaction>, Problem> {
    if !app.simulator {
        return Err(Problem::new(kinds::NOT_FOUND).detail("The simulator is switched off (PAYMENTS_SIMULATOR)."));
    }
    if caller.0.user_id.is_none() {
        caller.require_scope(SCOPE_SERVICE)?;
    }
    let moved = transaction::decide(&app.pool, request.transaction_id, caller.0.user_id, outcome).await?;
    app.wakeup.notify();
    answer(moved)
}

pub(super) fn answer(moved: Moved) -> Result<Json<Transaction>, Problem> {
    match moved {
        Moved::There(transaction) => {
            let status = transaction.status.as_str();
            tracing::info!(order.id = %transaction.order_id, "Transaction {} is {status}", transaction.transaction_id);
            Ok(Json(transaction))
        }
        Moved::Lost(transaction) => {
            let kind = if transaction.status == Status::Paid { problems::PAID } else { problems::CANCELED };
            Err(Problem::new(kind).detail("It was decided the other way before.").with("transaction", transaction))
        }
        Moved::NotFound => Err(Problem::new(kinds::NOT_FOUND).detail("There is no such transaction of yours.")),
    }
}
