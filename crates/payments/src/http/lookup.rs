use axum::extract::State;
use contracts::payments::{Found, Lookup, MAX_LOOKUP, SCOPE_SERVICE};
use web::{BodyProblems, Caller, CallerProblems, Json, Problem};

use super::{App, reader};
use crate::transaction;

/// Look up several transactions.
///
/// For the shop, which asks about events that it cannot verify. The response omits unknown
/// transactions.
#[utoipa::path(
    post, path = "/transactions/lookup", tag = "shop", security(("bearer" = [])),
    request_body = Lookup,
    responses(
        (status = 200, body = Found, description = "Those that are known"),
        CallerProblems, BodyProblems,
    )
)]
pub(super) async fn lookup(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<Lookup>,
) -> Result<Json<Found>, Problem> {
    caller.require_scope(SCOPE_SERVICE)?;
    let payer = reader(&caller)?;
    let ids = &request.transaction_ids;
    if !(1..=MAX_LOOKUP).contains(&ids.len()) {
        return Err(Problem::invalid(
            "transaction_ids",
            "length",
            format!("1 to {MAX_LOOKUP} ids"),
        ));
    }
    let transactions = transaction::find_all(&app.lane, ids, payer).await?;
    Ok(Json(Found { transactions }))
}
