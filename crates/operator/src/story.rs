//! A saga's trace, told again from its journal: the same spans, to the byte.

use kernel::{SagaId, TraceRef};
use saga::{
    Saga as _,
    store::{JournalRow, known_kind},
    story::{self, Chapter, Subject},
};
use sqlx::PgConnection;
use telemetry::Told;
use workflows::checkout::Checkout;

/// Where a saga's trace is, and all that its journal tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// Its trace.
    pub trace_id: String,
    /// Its spans, in the order in which things happened.
    pub spans: Vec<Told>,
}

/// A saga's story; none when there is no such saga, not even in the archive. Rows of a kind that
/// this binary does not know are left out.
pub async fn of(conn: &mut PgConnection, saga_id: SagaId) -> sqlx::Result<Option<Story>> {
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
    let subject = Subject {
        saga_id,
        plan: saga.plan,
        trace,
        attributes: Checkout::attributes(&saga.input),
    };
    let spans = chapters(conn, saga_id).await?;
    let spans = spans
        .iter()
        .flat_map(|chapter| story::spans(&subject, chapter));
    Ok(Some(Story {
        trace_id: saga.trace_id,
        spans: spans.collect(),
    }))
}

async fn chapters(conn: &mut PgConnection, saga_id: SagaId) -> sqlx::Result<Vec<Chapter>> {
    let rows = sqlx::query!(
        r#"
        select revision as "revision!", n as "n!", at as "at!", kind as "kind!", step, attempt, detail,
               state as "state!", actor, began_at, span_id, process, ran
        from saga.journal
        where saga_id = $1
        union all
        select r.revision, r.n, r.at, r.kind, r.step, r.attempt, r.detail, r.state, r.actor, r.began_at, r.span_id,
               r.process, r.ran
        from saga.archive a,
             jsonb_to_recordset(a.story->'journal') as r(
                 revision bigint, n smallint, at timestamptz, kind text, step text, attempt integer, detail text,
                 state text, actor text, began_at timestamptz, span_id text, process text, ran text[])
        where a.saga_id = $1
        order by 1, 2
        "#,
        saga_id.uuid(),
    )
    .fetch_all(conn)
    .await?;
    let mut chapters = Vec::<Chapter>::new();
    for row in rows {
        let Some(kind) = known_kind(&row.kind) else {
            continue;
        };
        if chapters
            .last()
            .is_none_or(|last| last.revision != row.revision)
        {
            chapters.push(Chapter {
                revision: row.revision,
                at: row.at,
                before: chapters.last().map(|last| last.after.clone()),
                after: row.state,
                rows: Vec::new(),
            });
        }
        if let Some(chapter) = chapters.last_mut() {
            chapter.rows.push(JournalRow {
                kind,
                step: row.step,
                attempt: row.attempt,
                detail: row.detail,
                actor: row.actor,
                began_at: row.began_at,
                span_id: row.span_id,
                process: row.process,
                ran: row.ran,
            });
        }
    }
    Ok(chapters)
}
