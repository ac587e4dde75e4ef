use axum::extract::State;
use contracts::payments::{SCOPE_SERVICE, Transaction};
use kernel::{OrderId, TransactionId};
use serde::Deserialize;
use utoipa::IntoParams;
use web::{Caller, Json, Path, Problem, ProblemBody, Query, kinds};

use super::App;
use crate::transaction;

/// Look at a transaction.
#[utoipa::path(
    get, path = "/transactions/{id}", security(("bearer" = [])),
    params(("id" = TransactionId, Path, description = "The transaction")),
    responses(
        (status = 200, body = Transaction),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not-found`"),
    )
)]
pub(super) async fn find(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<TransactionId>,
) -> Result<Json<Transaction>, Problem> {
    only_payer_or_service(&caller)?;
    found(transaction::find(&app.pool, id, caller.0.user_id).await?)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ByOrder {
    /// The order that it pays.
    order_id: OrderId,
}

/// Look at an order's transaction.
#[utoipa::path(
    get, path = "/transactions", security(("bearer" = [])), params(ByOrder),
    responses(
        (status = 200, body = Transaction),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not-found`"),
    )
)]
pub(super) async fn find_by_order(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ByOrder>,
) -> Result<Json<Transaction>, Problem> {
    only_payer_or_service(&caller)?;
    found(transaction::find_by_order(&app.pool, query.order_id, caller.0.user_id).await?)
}

fn only_payer_or_service(caller: &Caller) -> Result<(), Problem> {
    if caller.0.user_id.is_some() { Ok(()) } else { caller.require_scope(SCOPE_SERVICE) }
}

fn found(transaction: Option<Transaction>) -> Result<Json<Transaction>, Problem> {
    transaction
        .map(Json)
        .ok_or_else(|| Problem::new(kinds::NOT_FOUND).detail("There is no such transaction of yours."))
}
