//! A saga's trace, exported from its journal.
//!
//! Each journal row becomes one span or two: an attempt, from its claim to its end, named after its
//! step; a wait, from its beginning to the event that ended it; every other row, a moment. Ids,
//! times and attributes come from the row alone. So every export of a row yields the same bytes,
//! whether the process that wrote the row exports it right after its commit, or `shopctl saga trace
//! --reemit` a year later.
//!
//! The attempt of a process that died is a row, too (`lost`). The process that takes over writes
//! this row under the span id that the dead process' calls already name as their parent.

use chrono::{DateTime, Utc};
use kernel::{SagaId, TraceRef};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};
use telemetry::{
    WarnOnFail as _,
    span_export::{self, SpanRecord},
};

use crate::journal::{JournalFact, JournalRow};

/// The values that all spans of one saga share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaTrace {
    /// The saga.
    pub saga_id: SagaId,
    /// Its plan's name.
    pub plan: String,
    /// The saga's trace, with the root's span id.
    pub trace: TraceRef,
    /// Attributes from the saga's input, such as `order.id`.
    pub attributes: Vec<(&'static str, String)>,
}

/// The rows that one write added to the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalBatch {
    /// The revision that it made.
    pub revision: i64,
    /// When the write was made, by the database's clock.
    pub at: DateTime<Utc>,
    /// The state before the write; absent for the first write.
    pub before: Option<String>,
    /// The state after the write.
    pub after: String,
    /// The rows, in journal order.
    pub rows: Vec<JournalRow>,
}

/// The spans of one write, in the order of the events. The first write's spans begin with the root,
/// which has no length and exists from the beginning.
pub fn spans(saga_trace: &SagaTrace, batch: &JournalBatch) -> Vec<SpanRecord> {
    let builder = SpanBuilder { saga_trace, batch };
    let root = batch.before.is_none().then(|| builder.root());
    let rows = batch.rows.iter().enumerate();
    root.into_iter()
        .chain(rows.flat_map(|(n, row)| builder.row(n, row)))
        .chain(builder.arrival())
        .collect()
}

/// Exports a write right after its commit. An unsampled saga is exported as well, from its
/// beginning, once it compensates or a fact contradicts an earlier decision.
pub(crate) fn export(saga_trace: SagaTrace, batch: &JournalBatch, pool: Option<&PgPool>) {
    let went_wrong = |row: &JournalRow| {
        matches!(
            row.fact,
            JournalFact::CompensationBegun { .. } | JournalFact::Breach
        )
    };
    let sampled = telemetry::samples(&saga_trace.trace);
    if sampled || batch.before.as_deref() == Some("compensating") {
        spans(&saga_trace, batch)
            .into_iter()
            .for_each(span_export::export);
    } else if let (true, Some(pool)) = (batch.rows.iter().any(went_wrong), pool) {
        tokio::spawn(export_journal(saga_trace, pool.clone()));
    }
}

async fn export_journal(saga_trace: SagaTrace, pool: PgPool) {
    let read = async {
        let mut conn = pool.acquire().await?;
        journal_batches(&mut conn, saga_trace.saga_id).await
    };
    let batches = read
        .await
        .warn_on_fail("exporting a saga's trace from its journal");
    for batch in batches.iter().flatten() {
        spans(&saga_trace, batch)
            .into_iter()
            .for_each(span_export::export);
    }
}

struct SpanBuilder<'a> {
    saga_trace: &'a SagaTrace,
    batch: &'a JournalBatch,
}

impl SpanBuilder<'_> {
    /// The root's parent is the span of the request that began the saga, if that span is exported,
    /// so that a trace has one root.
    fn root(&self) -> SpanRecord {
        let mut root = self.moment("saga", &[]);
        root.name = format!("saga {}", self.saga_trace.plan).into();
        root.at = self.saga_trace.trace.clone();
        let begun = self
            .batch
            .rows
            .first()
            .filter(|row| row.fact == JournalFact::Begun);
        root.parent = begun.and_then(|row| row.span_id.clone());
        root
    }

    fn row(&self, n: usize, row: &JournalRow) -> Vec<SpanRecord> {
        let mut spans = Vec::new();
        match row.fact {
            JournalFact::Begun => {}
            JournalFact::Signal { .. } | JournalFact::SignalDecided { .. } => {
                spans.push(self.moment("saga.signal", &[n.to_string()]));
            }
            JournalFact::Operator { .. } => {
                spans.push(self.moment("saga.operate", &[n.to_string()]));
            }
            JournalFact::CompensationBegun { .. } => {
                spans.push(self.moment("saga.compensation", &[n.to_string()]));
            }
            JournalFact::Breach => spans.push(self.moment("saga.breach", &[n.to_string()])),
            JournalFact::DeadlinePassed => {}
            JournalFact::Woken => spans.push(self.moment("saga.woken", &[n.to_string()])),
            JournalFact::Done
            | JournalFact::Refused
            | JournalFact::Transient { .. }
            | JournalFact::Unknown { .. }
            | JournalFact::Contradicted { .. }
            | JournalFact::Undone
            | JournalFact::Overtaken
            | JournalFact::Lost => {
                let mut attempt = self.moment("saga.step", &[n.to_string()]);
                if let Some(step) = &row.step {
                    attempt.name = step_name(step).into();
                }
                attempt.began = row.began_at.unwrap_or(self.batch.at).into();
                if let Some(span_id) = &row.span_id {
                    attempt.at = self.within(span_id);
                }
                spans.push(attempt);
            }
        }
        if let Some(first) = spans.first_mut() {
            add_facts(first, row);
        }
        let waited = matches!(
            row.fact,
            JournalFact::Signal { .. }
                | JournalFact::SignalDecided { .. }
                | JournalFact::DeadlinePassed
        ) || (row.span_id.is_none() && row.fact != JournalFact::Lost);
        if let (true, Some(began)) = (waited, row.began_at) {
            let mut wait = self.moment("saga.wait", &[n.to_string(), "wait".to_owned()]);
            wait.began = began.into();
            wait.attributes
                .push(("saga.ended_by", row.fact.kind().to_string()));
            spans.push(wait);
        }
        for step in row.ran.iter().flatten() {
            let mut local = self.moment("saga.step", &[n.to_string(), step.clone()]);
            local.name = step_name(step).into();
            local.attributes.push(("saga.step", step.clone()));
            local.attributes.push(("saga.outcome", "done".to_owned()));
            spans.push(local);
        }
        spans
    }

    /// The state that the write led to, if the state changed; visible from that moment on. At rest,
    /// the span is as long as the saga's whole life.
    fn arrival(&self) -> Option<SpanRecord> {
        if self.batch.before.as_ref() == Some(&self.batch.after) {
            return None;
        }
        let name = match self.batch.after.as_str() {
            "waiting" => "saga.waiting",
            "completed" => "saga.completed",
            "compensated" => "saga.compensated",
            _ => return None,
        };
        let mut arrival = self.moment(name, &["arrival".to_owned()]);
        if name != "saga.waiting"
            && let Some(began) = created_at(self.saga_trace.saga_id)
        {
            arrival.began = began.min(self.batch.at).into();
        }
        Some(arrival)
    }

    fn moment(&self, name: &'static str, what: &[String]) -> SpanRecord {
        let saga_trace = self.saga_trace;
        let mut attributes = vec![
            ("saga.id", saga_trace.saga_id.to_string()),
            ("saga.name", saga_trace.plan.clone()),
            ("saga.state", self.batch.after.clone()),
            ("saga.revision", self.batch.revision.to_string()),
        ];
        attributes.extend(saga_trace.attributes.iter().cloned());
        SpanRecord {
            at: self.within(&self.span_id(what)),
            parent: Some(saga_trace.trace.span_id().to_owned()),
            name: name.into(),
            began: self.batch.at.into(),
            ended: self.batch.at.into(),
            attributes,
            error: None,
        }
    }

    fn within(&self, span_id: &str) -> TraceRef {
        let trace = &self.saga_trace.trace;
        TraceRef::new(trace.trace_id(), span_id).unwrap_or_else(|_| trace.clone())
    }

    /// The id of a span that has none of its own, derived from its place in the journal.
    fn span_id(&self, what: &[String]) -> String {
        let mut hash = Sha256::new();
        hash.update(self.saga_trace.saga_id.uuid().as_bytes());
        hash.update(self.batch.revision.to_be_bytes());
        for what in what {
            hash.update(what.as_bytes());
            hash.update([0]);
        }
        let hash = hash.finalize();
        hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A step's span is named after its action: `init_payment`, `undo init_payment`.
fn step_name(step: &str) -> String {
    match step.strip_suffix("/undo") {
        Some(step) => format!("undo {step}"),
        None => step.to_owned(),
    }
}

/// Adds a row's facts to its span.
fn add_facts(span: &mut SpanRecord, row: &JournalRow) {
    let attributes = &mut span.attributes;
    let texts = [
        ("saga.step", &row.step),
        ("saga.actor", &row.actor),
        ("saga.process", &row.process),
    ];
    attributes.extend(
        texts
            .into_iter()
            .filter_map(|(name, text)| Some((name, text.clone()?))),
    );
    if let Some(attempt) = row.attempt {
        attributes.push(("saga.attempt", attempt.to_string()));
    }
    attributes.push(("saga.outcome", row.fact.kind().to_string()));
    let bad = matches!(
        row.fact,
        JournalFact::Refused
            | JournalFact::Transient { .. }
            | JournalFact::Unknown { .. }
            | JournalFact::Contradicted { .. }
            | JournalFact::Lost
            | JournalFact::Breach
            | JournalFact::CompensationBegun { .. }
    );
    let detail = row.detail.clone().unwrap_or_default();
    if matches!(row.fact, JournalFact::CompensationBegun { .. }) {
        attributes.push(("saga.reason", detail.clone()));
    }
    if bad {
        attributes.push(("error.type", row.fact.kind().to_string()));
        span.error = Some(detail);
    } else if !detail.is_empty() {
        attributes.push(("saga.detail", detail));
    }
}

/// The whole journal of a saga, including an archived one. Rows of a kind that this binary does not
/// know are left out.
pub async fn journal_batches(
    conn: &mut PgConnection,
    saga_id: SagaId,
) -> sqlx::Result<Vec<JournalBatch>> {
    let rows = sqlx::query!(
        r#"
        select j.revision as "revision!", j.n as "n!", j.at as "at!", saga.journal_fact(j) as "fact!", j.step,
               j.attempt, j.detail, j.state as "state!", j.actor, j.began_at, j.span_id, j.process, j.ran
        from saga.journal j
        where j.saga_id = $1
        union all
        select r.revision, r.n, r.at, saga.journal_fact(r), r.step, r.attempt, r.detail, r.state, r.actor, r.began_at,
               r.span_id, r.process, r.ran
        from saga.archive a, jsonb_populate_recordset(null::saga.journal, a.story->'journal') as r
        where a.saga_id = $1
        order by 1, 2
        "#,
        saga_id.uuid(),
    )
    .fetch_all(conn)
    .await?;
    let mut batches = Vec::<JournalBatch>::new();
    for row in rows {
        let Ok(fact) = serde_json::from_value(row.fact) else {
            continue;
        };
        if batches
            .last()
            .is_none_or(|last| last.revision != row.revision)
        {
            batches.push(JournalBatch {
                revision: row.revision,
                at: row.at,
                before: batches.last().map(|last| last.after.clone()),
                after: row.state,
                rows: Vec::new(),
            });
        }
        if let Some(batch) = batches.last_mut() {
            batch.rows.push(JournalRow {
                fact,
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
    Ok(batches)
}

/// When a saga was created: its id, a UUIDv7, contains the time.
pub(crate) fn created_at(saga: SagaId) -> Option<DateTime<Utc>> {
    let (seconds, nanos) = saga.uuid().get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}
