use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use commerce::{
    idempotency::ClaimError,
    order::{Item, Limit, LimitError, PlaceError, PriceError, Status},
};
use crashpoint::crash_point;
use kernel::{Money, OrderId, ProductId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use telemetry::http::RequestTrace;
use tokio::task::JoinHandle;
use utoipa::ToSchema;
use web::{BodyProblems, Caller, CallerProblems, Json, Problem, ProblemBody, kinds};
use workflows::submit::{Submit, SubmitError, Submitted};

use super::{App, problems, rules, shapes};

/// The items of an order.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateOrder {
    #[schema(min_items = 1, max_items = 100)]
    items: Vec<CreateLine>,
    /// The total that the customer agreed to. If the catalog's current prices give another total,
    /// the order is refused; without this field the catalog's total is accepted.
    // absent and not null: the fingerprint of a request without a total stays the same
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected_total: Option<Money>,
}

/// A product and its quantity. The price is the catalog's.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateLine {
    product_id: ProductId,
    #[schema(value_type = rules::Quantity)]
    quantity: u32,
}

/// Place an order.
///
/// Requests with the same `Idempotency-Key` make one order: a repeat is answered with the current
/// state of that order. `Prefer: respond-async` asks for 202 at once.
#[utoipa::path(
    post, path = "/api/orders", security(("bearer" = [])), request_body = CreateOrder,
    params(
        ("Idempotency-Key" = inline(rules::IdempotencyKey), Header, description = "The caller's name for this intent, up to 255 characters"),
        ("Prefer" = Option<String>, Header, description = "`respond-async`"),
    ),
    responses(
        (status = 201, body = shapes::Order, description = "Its payment is initialised"),
        (status = 202, body = shapes::Order, description = "It is accepted; look at `Location` later"),
        CallerProblems, BodyProblems,
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
         description = "`idempotency-key-missing`, `malformed`"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
         description = "`out-of-stock`, `price-changed`, `idempotency-key-in-flight`"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json",
         description = "`invalid`, `idempotency-key-reused`"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json",
         description = "`order-limit`"),
    )
)]
pub(super) async fn create_order(
    State(app): State<App>,
    caller: Caller,
    Extension(trace): Extension<RequestTrace>,
    headers: HeaderMap,
    Json(request): Json<CreateOrder>,
) -> Result<Response, Problem> {
    let user_id = caller.user()?;
    let key = idempotency_key(&headers)?;
    let items = request
        .items
        .iter()
        .map(|line| Item {
            product_id: line.product_id,
            quantity: line.quantity,
        })
        .collect();
    let canonical = serde_json::to_vec(&request)
        .map_err(|error| Problem::internal("read the request", &error))?;
    let hash: [u8; 32] = Sha256::digest(canonical).into();
    // at capacity, or async preferred: a worker makes the first attempt
    let permit = if prefers_async(&headers) {
        None
    } else {
        app.eager.try_acquire().ok()
    };
    let request = Submit {
        user_id,
        idempotency_key: key,
        request_hash: hash,
        items,
        expected_total: request.expected_total,
        exported: telemetry::exports(&trace.0),
        trace: trace.0,
        eager: permit.is_some(),
    };
    let submitted = app.submitter.submit(request).await.map_err(problem)?;
    match submitted {
        Submitted::New { order_id, attempt } => {
            tracing::info!(order.id = %order_id, "Accepted order");
            if let Some(attempt) = attempt {
                wait_for(attempt, &app, order_id).await;
            }
            answer(&app, order_id, false).await
        }
        Submitted::Repeat { order_id } => answer(&app, order_id, true).await,
    }
}

/// Waits for the attempt, but no longer than `order_wait`; the attempt itself continues.
async fn wait_for(attempt: JoinHandle<()>, app: &App, order_id: OrderId) {
    match tokio::time::timeout(app.order_wait, attempt).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::error!(order.id = %order_id, %error, "The first attempt broke: a worker goes on");
        }
        Err(_) => {
            tracing::warn!(order.id = %order_id, "The first attempt takes long: answering without it");
        }
    }
}

async fn answer(app: &App, order_id: OrderId, repeated: bool) -> Result<Response, Problem> {
    let order = app.placed.find(order_id).await?.ok_or_else(|| {
        Problem::new(kinds::NOT_FOUND).detail(format!("There is no order {order_id}."))
    })?;
    let status = if order.status == Status::Pending {
        StatusCode::ACCEPTED
    } else {
        StatusCode::CREATED
    };
    crash_point!("api.order.before_answer");
    let mut response = (status, Json(shapes::Order::from(order))).into_response();
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(&format!("/api/orders/{order_id}")) {
        headers.insert(header::LOCATION, location);
    }
    if repeated {
        headers.insert(
            HeaderName::from_static("idempotent-replayed"),
            HeaderValue::from_static("true"),
        );
    }
    Ok(response)
}

fn prefers_async(headers: &HeaderMap) -> bool {
    let prefer = headers
        .get("prefer")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    prefer
        .split(',')
        .any(|preference| preference.trim().eq_ignore_ascii_case("respond-async"))
}

/// Accepts the key bare or quoted, as a structured header would be.
fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let missing = || {
        Problem::new(problems::KEY_MISSING)
            .detail("Send the header `Idempotency-Key` with a value of your own, 1 to 255 characters, new for each order.")
            .field("Idempotency-Key", "missing", "is required")
    };
    let value = headers
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok())
        .ok_or_else(missing)?
        .trim();
    rules::idempotency_key(value)
        .map(str::to_owned)
        .ok_or_else(missing)
}

fn problem(error: SubmitError) -> Problem {
    match error {
        SubmitError::Key(ClaimError::InFlight) => Problem::new(problems::KEY_IN_FLIGHT)
            .detail("The first request under this key is still under way. Try again in a moment.")
            .retry_after(1),
        SubmitError::Key(ClaimError::DifferentRequest) => Problem::new(problems::KEY_REUSED)
            .detail("This key was used for another basket. Use a new key for a new order."),
        SubmitError::Busy => Problem::new(kinds::UNAVAILABLE)
            .detail(
                "More orders are being placed than the shop can take. Send it again in a moment.",
            )
            .retry_after(1),
        SubmitError::Db(error) | SubmitError::Saga(saga::StartError::Db(error)) => error.into(),
        SubmitError::Limit(LimitError::Exceeded {
            limit,
            allowed,
            retry_after,
        }) => over_limit(limit, allowed, retry_after.as_secs()),
        SubmitError::Price(error) => unpriceable(&error),
        SubmitError::PriceChanged { expected, total } => Problem::new(problems::PRICE_CHANGED)
            .detail(format!("The total is {total} now, not {expected}."))
            .with("expected_total", expected)
            .with("total", total),
        SubmitError::Place(PlaceError::OutOfStock {
            product_id,
            name,
            left,
            ..
        }) => Problem::new(problems::OUT_OF_STOCK)
            .detail(format!("Only {left} left in stock: {name}."))
            .with("product_id", product_id)
            .with("left", left),
        SubmitError::Saga(error) => Problem::internal("place an order", &error),
    }
}

fn over_limit(limit: Limit, allowed: u32, retry_after: u64) -> Problem {
    let (name, detail) = match limit {
        Limit::Open => (
            "open",
            format!(
                "You have {allowed} orders that are not paid. Pay or cancel one before you place another."
            ),
        ),
        Limit::Pieces => (
            "pieces",
            format!(
                "Unpaid orders may hold at most {allowed} pieces in all. Pay or cancel one, or order fewer pieces."
            ),
        ),
        Limit::PerHour => (
            "per_hour",
            format!("At most {allowed} orders can be placed within an hour. Try again later."),
        ),
    };
    Problem::new(problems::ORDER_LIMIT)
        .detail(detail)
        .with("limit", name)
        .with("allowed", allowed)
        .retry_after(retry_after)
}

fn unpriceable(error: &PriceError) -> Problem {
    let message = error.to_string();
    match error {
        PriceError::Empty | PriceError::TooManyLines => {
            Problem::invalid("items", "length", message)
        }
        PriceError::Quantity { index } => {
            Problem::invalid(format!("items[{index}].quantity"), "range", message)
        }
        PriceError::Duplicate { index } => {
            Problem::invalid(format!("items[{index}].product_id"), "duplicate", message)
        }
        PriceError::UnknownProduct { index, .. } => {
            Problem::invalid(format!("items[{index}].product_id"), "unknown", message)
        }
        PriceError::MixedCurrencies | PriceError::TooMuch => {
            Problem::invalid("items", "total", message)
        }
    }
}
