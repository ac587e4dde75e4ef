use axum::extract::State;
use contracts::payments::{CancelByOrder, SCOPE_SERVICE, Transaction};
use web::{Caller, Json, Problem, ProblemBody};

use super::{App, decide::answer, problems};
use crate::transaction::{self, Moved};

/// Make sure that an order is never paid.
///
/// Cancels its transaction; where none has arrived yet, leaves a tombstone that refuses the late one.
#[utoipa::path(
    post, path = "/transactions/cancel-by-order", security(("bearer" = [])), request_body = CancelByOrder,
    responses(
        (status = 200, body = Transaction, description = "It is canceled, or a tombstone"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "`transaction-paid`, with the `transaction`"),
    )
)]
pub(super) async fn cancel_by_order(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<CancelByOrder>,
) -> Result<Json<Transaction>, Problem> {
    caller.require_scope(SCOPE_SERVICE)?;
    let moved = transaction::cancel_by_order(&app.pool, &request).await?;
    app.wakeup.notify();
    if moved == Moved::NotFound {
        return Err(Problem::new(problems::DIFFERS).detail("This transaction id belongs to another order."));
    }
    answer(moved)
}
