use axum::extract::State;
use contracts::payments::Transaction;
use kernel::OrderId;
use serde::Deserialize;
use utoipa::IntoParams;
use web::{Caller, CallerProblems, IdProblems, Json, Problem, Query};

use super::{App, not_found, reader};
use crate::transaction;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ByOrder {
    /// The order that the transaction pays.
    order_id: OrderId,
}

/// Find an order's transaction.
#[utoipa::path(
    get, path = "/transactions", tag = "payer", security(("bearer" = [])), params(ByOrder),
    responses(
        (status = 200, body = Transaction, description = "The transaction"),
        IdProblems, CallerProblems,
    )
)]
pub(super) async fn find_by_order(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ByOrder>,
) -> Result<Json<Transaction>, Problem> {
    let payer = reader(&caller)?;
    transaction::find_by_order(&app.lane, query.order_id, payer)
        .await?
        .map(Json)
        .ok_or_else(not_found)
}
