//! A saga's trace, rebuilt from its journal: byte for byte the same spans.

use kernel::{SagaId, TraceRef};
use saga::{
    Engine,
    trace_export::{self, SagaTrace},
};
use sqlx::PgConnection;
use telemetry::span_export::SpanRecord;

/// A saga's trace, as rebuilt from its journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuiltTrace {
    /// The trace's id.
    pub trace_id: String,
    /// The trace's spans, in the order of events.
    pub spans: Vec<SpanRecord>,
}

/// Rebuilds a saga's trace; `None` when the saga is neither stored nor archived. Journal rows of a
/// kind that this binary does not know are skipped.
pub async fn rebuild(
    engine: &Engine,
    conn: &mut PgConnection,
    saga_id: SagaId,
) -> sqlx::Result<Option<RebuiltTrace>> {
    let saga = sqlx::query!(
        r#"
        select plan as "plan!", trace_id as "trace_id!", root_span_id as "root_span_id!", input as "input!"
        from saga.saga
        where saga_id = $1
        union all
        select plan, trace_id, root_span_id, story->'input'
        from saga.archive
        where saga_id = $1
        "#,
        saga_id.uuid(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(saga) = saga else { return Ok(None) };
    let trace = TraceRef::new(&saga.trace_id, &saga.root_span_id)
        .map_err(|error| sqlx::Error::Decode(error.into()))?;
    let saga_trace = SagaTrace {
        saga_id,
        attributes: engine.attributes(&saga.plan, &saga.input),
        plan: saga.plan,
        trace,
    };
    let batches = trace_export::journal_batches(conn, saga_id).await?;
    let spans = batches
        .iter()
        .flat_map(|batch| trace_export::spans(&saga_trace, batch));
    Ok(Some(RebuiltTrace {
        trace_id: saga.trace_id,
        spans: spans.collect(),
    }))
}
