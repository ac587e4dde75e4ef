use axum::{extract::State, http::StatusCode};
use commerce::order;
use crashpoint::crash_point;
use kernel::OrderId;
use operator::audit::{Subject, Verb};
use saga::{EngineError, Verdict};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use web::{BodyProblems, Caller, CallerProblems, Json, Path, Problem, ProblemBody, kinds};

use super::{App, audited, problems, read_orders::owner, saga_acts::actor, shapes};

/// The reason for canceling an order.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelOrder {
    /// Kept in the audit. An admin must give one for another user's order.
    #[schema(min_length = 1, max_length = 1000)]
    reason: Option<String>,
}

/// Ask for an order to be canceled.
///
/// Payments decides: an order that is paid in the meantime still completes. The body is optional.
#[utoipa::path(
    post, path = "/api/orders/{id}/cancel", security(("bearer" = [])),
    request_body = Option<CancelOrder>,
    params(("id" = OrderId, Path, description = "The order")),
    responses(
        (status = 202, body = shapes::Order, description = "It is being canceled, or is canceled"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not-found`"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`too-late`"),
        CallerProblems, BodyProblems,
    )
)]
pub(super) async fn cancel_order(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<OrderId>,
    request: Option<Json<Option<CancelOrder>>>,
) -> Result<(StatusCode, Json<shapes::Order>), Problem> {
    let not_found = || Problem::new(kinds::NOT_FOUND).detail("Order not found.");
    let owner = owner(&caller)?;
    let order = order::find(&mut *app.pool.acquire().await?, id, owner)
        .await?
        .ok_or_else(not_found)?;
    let user = caller.user()?;
    let reason = request.and_then(|Json(request)| request?.reason);
    let is_foreign = order.user_id != user;
    let actor = (is_foreign || reason.is_some())
        .then(|| actor(&caller, reason.unwrap_or_default()))
        .transpose()?;
    let mut tx = db::begin(app.engine.pool()).await?;
    if let Some(actor) = actor.filter(|_| is_foreign) {
        let before = json!({ "status": order.status.as_str(), "user_id": order.user_id });
        let change = (before, json!({ "asked_to_cancel": true }));
        let id = id.to_string();
        audited::write(
            &mut tx,
            &actor,
            Verb::OrderCancel,
            Subject::Order(&id),
            change,
        )
        .await?;
    }
    let source = format!("user {user}");
    let verdict = workflows::submit::cancel(&app.engine, tx, order.saga_id, source)
        .await
        .map_err(|error| match error {
            EngineError::Db(error) => error.into(),
            EngineError::Fenced => {
                Problem::new(kinds::UNAVAILABLE).detail("The order is moving right now. Try again.")
            }
            error => Problem::internal("cancel an order", &error),
        })?;
    let order = order::find(&mut *app.pool.acquire().await?, id, None)
        .await?
        .ok_or_else(not_found)?;
    // no verdict: the saga is archived, or decides later
    let late = verdict == Some(Verdict::Late)
        || (verdict.is_none() && order.status == order::Status::Completed);
    if late {
        return Err(Problem::new(problems::TOO_LATE).detail("The order is paid and completed."));
    }
    crash_point!("api.cancel.before_answer");
    Ok((StatusCode::ACCEPTED, Json(order.into())))
}
