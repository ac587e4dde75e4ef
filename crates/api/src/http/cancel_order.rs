use axum::{extract::State, http::StatusCode};
use commerce::order;
use crashpoint::crash_point;
use kernel::OrderId;
use saga::{EngineError, Verdict};
use web::{Caller, CallerProblems, Json, Path, Problem, ProblemBody, kinds};

use super::{App, problems, read_orders::owner, shapes};

/// Ask for an order to be canceled.
///
/// Payments decides: an order that is paid meanwhile completes all the same.
#[utoipa::path(
    post, path = "/api/orders/{id}/cancel", security(("bearer" = [])),
    params(("id" = OrderId, Path, description = "The order")),
    responses(
        (status = 202, body = shapes::Order, description = "It is being canceled, or is canceled"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "`malformed`"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not-found`"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`too-late`"),
        CallerProblems,
    )
)]
pub(super) async fn cancel_order(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<OrderId>,
) -> Result<(StatusCode, Json<shapes::Order>), Problem> {
    let not_found = || Problem::new(kinds::NOT_FOUND).detail("Order not found.");
    let owner = owner(&caller)?;
    let order = order::find(&mut *app.pool.acquire().await?, id, owner)
        .await?
        .ok_or_else(not_found)?;
    let source = format!("user {}", caller.user()?);
    let verdict = workflows::submit::cancel(&app.engine, order.saga_id, source)
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
    // without a verdict: its saga is archived, or decides later
    let late = verdict == Some(Verdict::Late)
        || (verdict.is_none() && order.status == order::Status::Completed);
    if late {
        return Err(Problem::new(problems::TOO_LATE).detail("The order is paid and completed."));
    }
    crash_point!("api.cancel.before_answer");
    Ok((StatusCode::ACCEPTED, Json(order.into())))
}
