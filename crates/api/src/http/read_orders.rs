use axum::extract::State;
use commerce::order::{self, Status};
use kernel::{OrderId, UserId};
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::IntoParams;
use web::{
    Caller, CallerProblems, IdProblems, Json, Operator, PageProblems, Path, Problem, Query, kinds,
};

use super::{App, rules, shapes};

/// The orders that the caller may read: their own, or, as an admin or operator, all.
pub(super) fn reader(caller: &Caller) -> Result<Option<UserId>, Problem> {
    let user = caller.user()?;
    let staff = caller.0.has_role("admin") || caller.0.has_role("operator");
    Ok((!staff).then_some(user))
}

/// The orders that the caller may cancel: their own, or, as an admin, all.
pub(super) fn owner(caller: &Caller) -> Result<Option<UserId>, Problem> {
    let user = caller.user()?;
    Ok((!caller.0.has_role("admin")).then_some(user))
}

/// Read an order.
#[utoipa::path(
    get, path = "/api/orders/{id}", operation_id = "find_order", security(("bearer" = [])),
    params(("id" = OrderId, Path, description = "The order")),
    responses(
        (status = 200, body = shapes::Order, description = "The order as it is now"),
        IdProblems, CallerProblems,
    )
)]
pub(super) async fn find(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<OrderId>,
) -> Result<Json<shapes::Order>, Problem> {
    let found = order::find(&mut *app.pool.acquire().await?, id, reader(&caller)?).await?;
    found
        .map(|order| Json(order.into()))
        .ok_or_else(|| Problem::new(kinds::NOT_FOUND).detail("Order not found."))
}

/// The caller's orders, newest first.
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
    let own = order::Filter {
        owner: Some(caller.user()?),
        ..order::Filter::default()
    };
    let page = order::list(&mut *app.pool.acquire().await?, &own, cursor, limit).await?;
    Ok(Json(shapes::Page::of(page)))
}

/// Filters of the list of all orders.
pub(super) enum Sought {
    /// The orders of an account; empty if no account has the address.
    Customer(Option<UserId>),
    /// An order.
    Order(order::Number),
}

impl Sought {
    /// Parses the text: one with an `@` is an address, any other a number or an id.
    pub(super) async fn by(app: &App, text: &str) -> Result<Self, Problem> {
        if rules::is_address(text) {
            let user = auth::find_user(&mut *app.pool.acquire().await?, text).await?;
            return Ok(Self::Customer(user));
        }
        let number = text.parse().map_err(|_| {
            let message = "Enter an order number such as 1C1FB183, an e-mail address, \
                           or the id of an order or a transaction.";
            Problem::invalid("find", "unknown", message)
        })?;
        Ok(Self::Order(number))
    }
}

#[derive(Deserialize, IntoParams)]
pub(super) struct Filter {
    /// Status of the orders.
    #[param(value_type = Option<Status>, inline)]
    status: Option<String>,
    /// The customer.
    user_id: Option<UserId>,
    /// An order's number or id, its transaction's id, or its customer's e-mail address.
    #[param(value_type = Option<rules::OrderReference>, inline)]
    find: Option<String>,
    /// `next_cursor` of the previous page.
    #[param(value_type = Option<rules::PageCursor>, inline)]
    cursor: Option<String>,
    /// Items per page; 20 by default.
    #[param(value_type = Option<rules::PageLimit>, inline)]
    limit: Option<u32>,
}

/// All orders, newest first, with their customers. For admins and operators.
#[utoipa::path(
    get, path = "/api/admin/orders", operation_id = "list_all_orders", security(("bearer" = [])), params(Filter),
    responses(
        (status = 200, body = shapes::Page<shapes::StaffOrder>, description = "A page of them"),
        CallerProblems, PageProblems,
    )
)]
pub(super) async fn list_all(
    State(app): State<App>,
    _: Operator,
    Query(filter): Query<Filter>,
) -> Result<Json<shapes::Page<shapes::StaffOrder>>, Problem> {
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
    let mut wanted = order::Filter {
        owner: filter.user_id,
        status,
        number: None,
    };
    let find = filter.find.as_deref().map(str::trim);
    if let Some(find) = find.filter(|find| !find.is_empty()) {
        match Sought::by(&app, find).await? {
            Sought::Customer(Some(user)) if wanted.owner.is_none_or(|owner| owner == user) => {
                wanted.owner = Some(user);
            }
            Sought::Customer(_) => return Ok(Json(shapes::Page::empty())),
            Sought::Order(number) => wanted.number = Some(number),
        }
    }
    let mut conn = app.pool.acquire().await?;
    let page = order::list(&mut conn, &wanted, cursor, limit).await?;
    Ok(Json(shapes::Page {
        next_cursor: page.next_cursor.map(|cursor| cursor.to_string()),
        items: with_customers(&mut conn, page.items).await?,
    }))
}

/// Read any order, with its customer and its saga. For admins and operators.
#[utoipa::path(
    get, path = "/api/admin/orders/{id}", operation_id = "find_any_order", security(("bearer" = [])),
    params(("id" = OrderId, Path, description = "The order")),
    responses(
        (status = 200, body = shapes::StaffOrder, description = "The order as it is now"),
        IdProblems, CallerProblems,
    )
)]
pub(super) async fn find_any(
    State(app): State<App>,
    _: Operator,
    Path(id): Path<OrderId>,
) -> Result<Json<shapes::StaffOrder>, Problem> {
    let mut conn = app.pool.acquire().await?;
    let found = order::find(&mut conn, id, None).await?;
    let mut orders = with_customers(&mut conn, found.into_iter().collect()).await?;
    let not_found = || Problem::new(kinds::NOT_FOUND).detail("Order not found.");
    orders.pop().map(Json).ok_or_else(not_found)
}

async fn with_customers(
    conn: &mut PgConnection,
    orders: Vec<order::Order>,
) -> Result<Vec<shapes::StaffOrder>, Problem> {
    let mut users: Vec<_> = orders.iter().map(|order| order.user_id).collect();
    users.sort_unstable();
    users.dedup();
    let contacts = auth::list_contacts(conn, &users).await?;
    let of = |user| contacts.iter().find(|contact| contact.user_id == user);
    Ok(orders
        .into_iter()
        .map(|order| {
            let customer = of(order.user_id);
            shapes::StaffOrder::new(order, customer)
        })
        .collect())
}
