use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use commerce::order;
use futures::{StreamExt, stream};
use kernel::OrderId;
use web::{Caller, CallerProblems, IdProblems, Path, Problem, ProblemBody, kinds};

use super::{App, read_orders::reader, rules, shapes};
use crate::{
    sessions::OpenStream,
    watch::{Changes, TooMany},
};

/// Interval of heartbeats on a stream without events.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a client waits before it reconnects.
const RETRY: Duration = Duration::from_secs(1);

/// Watch an order: one server-sent event per change of its status.
///
/// An event is called `status`; its `id` is the change's number, its data the entry of the order's
/// `history`. The stream begins with the first change, or after `Last-Event-ID`. It ends after the
/// last change, and when the session is over; 204 says that the client has already seen the last
/// change.
#[utoipa::path(
    get, path = "/api/orders/{id}/events", operation_id = "watch_order", security(("bearer" = [])),
    params(
        ("id" = OrderId, Path, description = "The order"),
        ("Last-Event-ID" = inline(Option<rules::EventId>), Header, description = "The `id` of the event that was seen last"),
    ),
    responses(
        (status = 200, body = shapes::StatusChange, content_type = "text/event-stream", description = "The changes, as they come"),
        (status = 204, description = "The last change was seen already: do not come again"),
        IdProblems,
        (status = 429, body = ProblemBody, content_type = "application/problem+json",
         description = "`too-many-requests`: you watch many orders at once"),
        CallerProblems,
    )
)]
pub(super) async fn watch_order(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<OrderId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let seen = last_event_id(&headers)?;
    let found = order::find(&mut *app.pool.acquire().await?, id, reader(&caller)?).await?;
    let order = found.ok_or_else(|| Problem::new(kinds::NOT_FOUND).detail("Order not found."))?;
    let last = order.history.last();
    if last.is_some_and(|last| last.is_final() && last.seq <= seen) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let changes = app
        .watch
        .changes(caller.user()?, id, seen)
        .map_err(|TooMany| {
            Problem::new(kinds::TOO_MANY)
                .detail("You watch many orders at once: close some of them.")
                .retry_after(5)
        })?;
    let retry = stream::once(async { Ok::<_, Infallible>(Event::default().retry(RETRY)) });
    let session = app.sessions.opened(&caller.0);
    let events = stream::unfold((changes, session), next);
    let mut response = Sse::new(retry.chain(events))
        .keep_alive(KeepAlive::new().interval(HEARTBEAT))
        .into_response();
    let headers = response.headers_mut();
    // a proxy must not buffer events
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    // private data must not be cached
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

type Watched = (Changes, OpenStream);

async fn next((mut changes, session): Watched) -> Option<(Result<Event, Infallible>, Watched)> {
    let change = tokio::select! {
        change = changes.next() => change?,
        () = session.ended() => return None,
    };
    let event = Event::default()
        .event("status")
        .id(change.seq.to_string())
        .json_data(shapes::StatusChange::from(change));
    match event {
        Ok(event) => Some((Ok(event), (changes, session))),
        Err(error) => {
            tracing::error!(%error, "A change cannot be written as an event");
            None
        }
    }
}

fn last_event_id(headers: &HeaderMap) -> Result<i16, Problem> {
    let Some(value) = headers.get("last-event-id") else {
        return Ok(0);
    };
    let number = value
        .to_str()
        .ok()
        .and_then(|text| rules::event_id(text.trim()));
    number.ok_or_else(|| {
        Problem::new(kinds::MALFORMED).field(
            "Last-Event-ID",
            "malformed",
            "is the `id` of an event of ours, such as 2",
        )
    })
}
