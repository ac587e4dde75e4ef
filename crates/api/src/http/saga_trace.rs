use axum::extract::State;
use kernel::SagaId;
use operator::trace_export;
use serde::Serialize;
use utoipa::ToSchema;
use web::{CallerProblems, IdProblems, Json, Operator, Path, Problem, kinds};

use super::{App, sagas::not_found};

/// The result of sending a trace again.
#[derive(Serialize, ToSchema)]
pub(super) struct TraceSent {
    trace_id: String,
    /// Number of the saga's spans. Spans of the requests and calls around it are not kept.
    spans: usize,
}

/// Send a saga's trace again, from its journal, so that a viewer that lost it shows it again.
///
/// The spans keep their original ids.
#[utoipa::path(
    post, path = "/api/sagas/{id}/trace", operation_id = "send_trace", security(("bearer" = [])),
    params(("id" = SagaId, Path, description = "The saga")),
    responses(
        (status = 200, body = TraceSent, description = "It is sent"),
        IdProblems, CallerProblems,
    )
)]
pub(super) async fn send(
    State(app): State<App>,
    _: Operator,
    Path(id): Path<SagaId>,
) -> Result<Json<TraceSent>, Problem> {
    let trace = trace_export::rebuild(&app.engine, &mut *app.pool.acquire().await?, id).await?;
    let trace = trace.ok_or_else(|| not_found(id))?;
    let unavailable = |why: &str| Problem::new(kinds::UNAVAILABLE).detail(why.to_owned());
    if !telemetry::span_export::is_enabled() {
        return Err(unavailable(
            "Traces are not exported here: OTEL_EXPORTER_OTLP_ENDPOINT is not set.",
        ));
    }
    let (spans, records) = (trace.spans.len(), trace.spans);
    // the exporter waits for its answer on a blocking thread
    let sent =
        tokio::task::spawn_blocking(move || telemetry::span_export::export_all(records)).await;
    match sent {
        Ok(Ok(())) => Ok(Json(TraceSent {
            trace_id: trace.trace_id,
            spans,
        })),
        Ok(Err(error)) => {
            tracing::warn!(saga.id = %id, %error, "Could not send the trace of saga {id} again");
            Err(unavailable(
                "The trace could not be sent: the collector does not answer.",
            ))
        }
        Err(broke) => Err(Problem::internal("send a trace again", &broke)),
    }
}
