//! The audit: records every write of an operator, in the transaction that made it.

use std::fmt;

use chrono::{DateTime, Utc};
use kernel::Stored;
use saga::journal::VerbKind;
use serde::{Deserialize, Serialize};
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
    /// A session of the shop's database, by the process id of its server process.
    DatabaseSession(&'a str),
}

impl<'a> Subject<'a> {
    const fn parts(self) -> (SubjectKind, &'a str) {
        match self {
            Self::Saga(id) => (SubjectKind::Saga, id),
            Self::Message(id) => (SubjectKind::Message, id),
            Self::Outbox(id) => (SubjectKind::Outbox, id),
            Self::User(id) => (SubjectKind::User, id),
            Self::Batch(id) => (SubjectKind::Batch, id),
            Self::Order(id) => (SubjectKind::Order, id),
            Self::Product(id) => (SubjectKind::Product, id),
            Self::DatabaseSession(id) => (SubjectKind::DatabaseSession, id),
        }
    }
}

/// The kind of object that an action was taken on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AuditSubject)]
pub enum SubjectKind {
    /// See [`Subject::Saga`].
    Saga,
    /// See [`Subject::Message`].
    Message,
    /// See [`Subject::Outbox`].
    Outbox,
    /// See [`Subject::User`].
    User,
    /// See [`Subject::Batch`].
    Batch,
    /// See [`Subject::Order`].
    Order,
    /// See [`Subject::Product`].
    Product,
    /// See [`Subject::DatabaseSession`].
    DatabaseSession,
}

impl SubjectKind {
    /// The kind as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Saga => "saga",
            Self::Message => "message",
            Self::Outbox => "outbox",
            Self::User => "user",
            Self::Batch => "batch",
            Self::Order => "order",
            Self::Product => "product",
            Self::DatabaseSession => "database_session",
        }
    }
}

impl fmt::Display for SubjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An action as the audit records it: the command with its noun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditVerb)]
pub enum Verb {
    /// See [`VerbKind::Retry`].
    #[serde(rename = "saga retry")]
    SagaRetry,
    /// See [`VerbKind::Pause`].
    #[serde(rename = "saga pause")]
    SagaPause,
    /// See [`VerbKind::Resume`].
    #[serde(rename = "saga resume")]
    SagaResume,
    /// See [`VerbKind::Cancel`].
    #[serde(rename = "saga cancel")]
    SagaCancel,
    /// See [`VerbKind::Signal`].
    #[serde(rename = "saga signal")]
    SagaSignal,
    /// See [`VerbKind::Resolve`].
    #[serde(rename = "saga resolve")]
    SagaResolve,
    /// A message in `failed` was sent again.
    #[serde(rename = "failed retry")]
    FailedRetry,
    /// A message in `failed` was sent again with another body.
    #[serde(rename = "failed edit")]
    FailedEdit,
    /// A message in `failed` was removed for good.
    #[serde(rename = "failed drop")]
    FailedDrop,
    /// A message of the outbox was made due.
    #[serde(rename = "outbox retry")]
    OutboxRetry,
    /// A message of the outbox was parked.
    #[serde(rename = "outbox park")]
    OutboxPark,
    /// A batch was stopped.
    #[serde(rename = "batch stop")]
    BatchStop,
    /// An account was created with roles.
    #[serde(rename = "user create")]
    UserCreate,
    /// An account got a role.
    #[serde(rename = "user grant")]
    UserGrant,
    /// An account lost a role.
    #[serde(rename = "user revoke")]
    UserRevoke,
    /// Sessions of an account were ended.
    #[serde(rename = "user end-sessions")]
    UserEndSessions,
    /// An account was disabled.
    #[serde(rename = "user disable")]
    UserDisable,
    /// A member of the staff logged in.
    #[serde(rename = "user login")]
    UserLogin,
    /// A product was created.
    #[serde(rename = "product create")]
    ProductCreate,
    /// A product was changed.
    #[serde(rename = "product update")]
    ProductUpdate,
    /// A product was deleted.
    #[serde(rename = "product delete")]
    ProductDelete,
    /// A member of the staff canceled an order.
    #[serde(rename = "order cancel")]
    OrderCancel,
    /// A database session that blocked sagas was ended.
    #[serde(rename = "db end-session")]
    DbEndSession,
}

impl Verb {
    /// The verb as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SagaRetry => "saga retry",
            Self::SagaPause => "saga pause",
            Self::SagaResume => "saga resume",
            Self::SagaCancel => "saga cancel",
            Self::SagaSignal => "saga signal",
            Self::SagaResolve => "saga resolve",
            Self::FailedRetry => "failed retry",
            Self::FailedEdit => "failed edit",
            Self::FailedDrop => "failed drop",
            Self::OutboxRetry => "outbox retry",
            Self::OutboxPark => "outbox park",
            Self::BatchStop => "batch stop",
            Self::UserCreate => "user create",
            Self::UserGrant => "user grant",
            Self::UserRevoke => "user revoke",
            Self::UserEndSessions => "user end-sessions",
            Self::UserDisable => "user disable",
            Self::UserLogin => "user login",
            Self::ProductCreate => "product create",
            Self::ProductUpdate => "product update",
            Self::ProductDelete => "product delete",
            Self::OrderCancel => "order cancel",
            Self::DbEndSession => "db end-session",
        }
    }
}

impl From<VerbKind> for Verb {
    fn from(verb: VerbKind) -> Self {
        match verb {
            VerbKind::Retry => Self::SagaRetry,
            VerbKind::Pause => Self::SagaPause,
            VerbKind::Resume => Self::SagaResume,
            VerbKind::Cancel => Self::SagaCancel,
            VerbKind::Signal => Self::SagaSignal,
            VerbKind::Resolve => Self::SagaResolve,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One action of an operator.
#[derive(Debug, Clone)]
pub struct Act<'a> {
    /// The actor, with the reason.
    pub actor: &'a Actor,
    /// The action.
    pub verb: Verb,
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
        act.verb.as_str(),
        subject_kind.as_str(),
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
    /// The action.
    #[schema(value_type = Verb)]
    pub verb: Stored<Verb>,
    /// Kind of the subject.
    #[schema(value_type = SubjectKind)]
    pub subject_kind: Stored<SubjectKind>,
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
        select audit_id, at, actor, reason, verb as "verb: Stored<Verb>", subject_kind as "subject_kind: Stored<SubjectKind>",
               subject_id, before, after, batch_id
        from saga.audit
        where ($1::text is null or (subject_kind = $1 and subject_id = $2))
        order by at desc, audit_id desc
        limit $3
        "#,
        kind.map(SubjectKind::as_str),
        id,
        limit,
    )
    .fetch_all(conn)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERBS: [Verb; 23] = [
        Verb::SagaRetry,
        Verb::SagaPause,
        Verb::SagaResume,
        Verb::SagaCancel,
        Verb::SagaSignal,
        Verb::SagaResolve,
        Verb::FailedRetry,
        Verb::FailedEdit,
        Verb::FailedDrop,
        Verb::OutboxRetry,
        Verb::OutboxPark,
        Verb::BatchStop,
        Verb::UserCreate,
        Verb::UserGrant,
        Verb::UserRevoke,
        Verb::UserEndSessions,
        Verb::UserDisable,
        Verb::UserLogin,
        Verb::ProductCreate,
        Verb::ProductUpdate,
        Verb::ProductDelete,
        Verb::OrderCancel,
        Verb::DbEndSession,
    ];

    #[test]
    fn a_verb_and_a_subject_have_one_spelling() {
        for verb in VERBS {
            assert_eq!(serde_json::to_value(verb).unwrap(), verb.as_str());
        }
        let id = "1";
        for subject in [
            Subject::Saga(id),
            Subject::Message(id),
            Subject::Outbox(id),
            Subject::User(id),
            Subject::Batch(id),
            Subject::Order(id),
            Subject::Product(id),
            Subject::DatabaseSession(id),
        ] {
            let (kind, _) = subject.parts();
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        let verb = Stored::<Verb>::read("saga dream".to_owned());
        assert_eq!(verb, Stored::Unknown("saga dream".to_owned()));
    }
}
