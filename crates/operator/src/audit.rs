//! The audit: every write of an operator, kept in the transaction that made it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Actor;

/// What an act is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A saga, by its id.
    Saga(&'a str),
    /// A message in `failed`, by its message id.
    Message(&'a str),
    /// An entry of the outbox, by its id.
    Outbox(&'a str),
    /// An account, by its user id, never by its address.
    User(&'a str),
    /// A plan, by its number.
    Batch(&'a str),
    /// An order, by its id.
    Order(&'a str),
    /// A product, by its id.
    Product(&'a str),
}

impl<'a> Subject<'a> {
    const fn parts(self) -> (&'static str, &'a str) {
        match self {
            Self::Saga(id) => ("saga", id),
            Self::Message(id) => ("message", id),
            Self::Outbox(id) => ("outbox", id),
            Self::User(id) => ("user", id),
            Self::Batch(id) => ("batch", id),
            Self::Order(id) => ("order", id),
            Self::Product(id) => ("product", id),
        }
    }
}

/// One act.
#[derive(Debug, Clone)]
pub struct Act<'a> {
    /// Who and why.
    pub actor: &'a Actor,
    /// As typed, with its noun: `saga retry`.
    pub verb: &'a str,
    /// On what.
    pub subject: Subject<'a>,
    /// What mattered of it before.
    pub before: Value,
    /// The same after it.
    pub after: Value,
    /// The batch that it is a part of.
    pub batch_id: Option<i64>,
    /// The trace that it belongs to.
    pub trace_id: Option<&'a str>,
}

/// Writes it down, in the caller's transaction.
pub async fn record(conn: &mut PgConnection, act: &Act<'_>) -> sqlx::Result<Uuid> {
    let (subject_kind, subject_id) = act.subject.parts();
    sqlx::query_scalar!(
        r#"
        insert into saga.audit (audit_id, actor, reason, verb, subject_kind, subject_id, before, after, batch_id,
                                trace_id)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        returning audit_id
        "#,
        Uuid::now_v7(),
        act.actor.name(),
        act.actor.reason(),
        act.verb,
        subject_kind,
        subject_id,
        act.before,
        act.after,
        act.batch_id,
        act.trace_id,
    )
    .fetch_one(conn)
    .await
}

/// A row of the audit.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = AuditRow)]
pub struct Row {
    /// Its id.
    pub audit_id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What was done.
    pub verb: String,
    /// `saga`, `message`, `outbox`, `user`, `batch`, `order`, `product`.
    pub subject_kind: String,
    /// Id of it.
    pub subject_id: String,
    /// Before.
    pub before: Option<Value>,
    /// After.
    pub after: Option<Value>,
    /// Part of this batch.
    pub batch_id: Option<i64>,
}

/// Acts, newest first: of one subject or of all.
pub async fn list(
    conn: &mut PgConnection,
    subject: Option<Subject<'_>>,
    limit: i64,
) -> sqlx::Result<Vec<Row>> {
    let (kind, id) = subject.map(Subject::parts).unzip();
    sqlx::query_as!(
        Row,
        r#"
        select audit_id, at, actor, reason, verb, subject_kind, subject_id, before, after, batch_id
        from saga.audit
        where ($1::text is null or (subject_kind = $1 and subject_id = $2))
        order by at desc, audit_id desc
        limit $3
        "#,
        kind,
        id,
        limit,
    )
    .fetch_all(conn)
    .await
}
