use axum::extract::State;
use commerce::order::{self, Status};
use kernel::{OrderId, UserId};
use serde::Deserialize;
use utoipa::IntoParams;
use web::{Caller, CallerProblems, Json, PageProblems, Path, Problem, ProblemBody, Query, kinds};

use super::{App, shapes};

/// Whose orders the caller may see: their own, or, as an admin, everybody's.
pub(super) fn owner(caller: &Caller) -> Result<Option<UserId>, Problem> {
    let user = caller.user()?;
    Ok((!caller.0.has_role("admin")).then_some(user))
}

/// Look at an order.
#[utoipa::path(
    get, path = "/api/orders/{id}", operation_id = "find_order", security(("bearer" = [])),
    params(("id" = OrderId, Path, description = "The order")),
    responses(
        (status = 200, body = shapes::Order, description = "The order as it is now"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "`malformed`"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not-found`"),
        CallerProblems,
    )
)]
pub(super) async fn find(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<OrderId>,
) -> Result<Json<shapes::Order>, Problem> {
    let found = order::find(&mut *app.pool.acquire().await?, id, owner(&caller)?).await?;
    found
        .map(|order| Json(order.into()))
        .ok_or_else(|| Problem::new(kinds::NOT_FOUND).detail("There is no such order of yours."))
}

/// One's own orders, newest first.
#[utoipa::path(
    get, path = "/api/orders", operation_id = "list_orders", security(("bearer" = [])), params(shapes::Paging),
    responses(
        (status = 200, body = shapes::Page<shapes::Order>, description = "A page of them"),
        CallerProblems, PageProblems,
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(paging): Query<shapes::Paging>,
) -> Result<Json<shapes::Page<shapes::Order>>, Problem> {
    let (cursor, limit) = paging.checked()?;
    let user = caller.user()?;
    let page = order::list(
        &mut *app.pool.acquire().await?,
        Some(user),
        None,
        cursor,
        limit,
    )
    .await?;
    Ok(Json(shapes::Page::of(page)))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct Filter {
    /// `pending`, `awaiting_payment`, `completed` or `canceled`.
    status: Option<String>,
    /// Whose.
    user_id: Option<UserId>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items a page, 1 to 100; 20 by default.
    limit: Option<u32>,
}

/// Everybody's orders, newest first.
#[utoipa::path(
    get, path = "/api/admin/orders", operation_id = "list_all_orders", security(("bearer" = [])), params(Filter),
    responses(
        (status = 200, body = shapes::Page<shapes::Order>, description = "A page of them"),
        CallerProblems, PageProblems,
    )
)]
pub(super) async fn list_all(
    State(app): State<App>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<shapes::Page<shapes::Order>>, Problem> {
    caller.require_role("admin")?;
    let unknown = || {
        Problem::invalid(
            "status",
            "unknown",
            "must be pending, awaiting_payment, completed or canceled",
        )
    };
    let status = filter
        .status
        .as_deref()
        .map(|status| Status::parse(status).ok_or_else(unknown))
        .transpose()?;
    let (cursor, limit) = shapes::Paging::new(filter.cursor, filter.limit).checked()?;
    let page = order::list(
        &mut *app.pool.acquire().await?,
        filter.user_id,
        status,
        cursor,
        limit,
    )
    .await?;
    Ok(Json(shapes::Page::of(page)))
}
