//! The audit: records every write of an operator, in the transaction that made it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Actor;

/// The object of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A saga, by its id.
    Saga(&'a str),
    /// A message in `failed`, by its message id.
    Message(&'a str),
    /// An entry of the outbox, by its id.
    Outbox(&'a str),
    /// An account, by its user id, never by its email address.
    User(&'a str),
    /// A batch, by its number.
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

/// One action of an operator.
#[derive(Debug, Clone)]
pub struct Act<'a> {
    /// The actor, with the reason.
    pub actor: &'a Actor,
    /// The command as typed, with its noun: `saga retry`.
    pub verb: &'a str,
    /// The object acted on.
    pub subject: Subject<'a>,
    /// The relevant state before the action.
    pub before: Value,
    /// The same state after the action.
    pub after: Value,
    /// The batch that the action is a part of.
    pub batch_id: Option<i64>,
    /// The trace that the action belongs to.
    pub trace_id: Option<&'a str>,
}

/// Writes the action to the audit, in the caller's transaction.
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
    /// The row's id.
    pub audit_id: Uuid,
    /// When the action was taken.
    pub at: DateTime<Utc>,
    /// The actor: a user id or a login name.
    pub actor: String,
    /// The reason given.
    pub reason: String,
    /// The action, with its noun: `saga retry`.
    pub verb: String,
    /// `saga`, `message`, `outbox`, `user`, `batch`, `order`, `product`.
    pub subject_kind: String,
    /// Id of the subject.
    pub subject_id: String,
    /// State before the action.
    pub before: Option<Value>,
    /// State after the action.
    pub after: Option<Value>,
    /// The batch that the action was a part of.
    pub batch_id: Option<i64>,
}

/// Lists actions, newest first: those on one subject, or all.
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
