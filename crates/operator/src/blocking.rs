//! Sessions of the shop's database that hold locks which the work on sagas needs.
//!
//! A forgotten session delays more than the sagas whose rows it has locked, and neither RabbitMQ nor
//! a heartbeat shows it. PostgreSQL lists no row locks, but a locked row names its locker's
//! transaction (`xmax`), so that looking takes no lock.

use std::fmt;

use chrono::{DateTime, Utc};
use kernel::SagaId;
use serde::Serialize;
use serde_json::json;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::{
    Actor,
    audit::{self, Subject, Verb},
};

/// The tables that a saga's transitions write.
const NEEDED_TABLES: [&str; 6] = [
    "saga.saga",
    "saga.journal",
    "saga.signal",
    "messaging.outbox",
    "commerce.order",
    "commerce.stock",
];
/// SQLSTATEs of a database whose roles or migrations do not allow the call.
const NOT_ALLOWED: [&str; 2] = ["42501", "42883"];
/// SQLSTATE of `saga.end_session` for a session that blocks nothing.
const NOT_BLOCKING: &str = "55000";

/// A session that has held locks on tables or rows of sagas, orders, stock or messages for two
/// seconds or longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlockingSession {
    /// The process id of the session's server process.
    pub pid: i32,
    /// The name that the program gave itself.
    pub application: Option<String>,
    /// The role that it logged in with.
    pub user: Option<String>,
    /// The client's address.
    pub client: Option<String>,
    /// `active`, `idle in transaction` and so on; hidden without the right to read it.
    pub state: Option<String>,
    /// When its transaction began.
    pub since: Option<DateTime<Utc>>,
    /// The first words of its last statement.
    pub statement: Option<String>,
    /// The tables in which it has locked or changed rows.
    pub row_locks: Vec<String>,
    /// The tables that it has locked, each with the mode.
    pub table_locks: Vec<String>,
    /// The sessions that wait for it, directly or behind another one.
    pub waiting: Vec<i32>,
    /// Its transactions.
    #[serde(skip)]
    pub(crate) xids: Vec<String>,
    /// The transactions of the sessions that wait for it.
    #[serde(skip)]
    pub(crate) queued_xids: Vec<String>,
}

impl BlockingSession {
    /// The program, role and client, for people.
    pub fn program(&self) -> String {
        let named = [
            self.application.clone(),
            self.user.as_ref().map(|user| format!("user {user}")),
            self.client.as_ref().map(|client| format!("from {client}")),
        ];
        let named: Vec<_> = named.into_iter().flatten().collect();
        if named.is_empty() {
            "name hidden".to_owned()
        } else {
            named.join(", ")
        }
    }

    /// The locks, for people.
    pub fn locks(&self) -> String {
        let rows = self
            .row_locks
            .iter()
            .map(|table| format!("rows of {table}"));
        let all: Vec<_> = self.table_locks.iter().cloned().chain(rows).collect();
        all.join(", ")
    }

    /// Whether it has locked a table against readers.
    pub fn stops_readers(&self) -> bool {
        let mut locks = self.table_locks.iter();
        locks.any(|lock| lock.ends_with(" AccessExclusiveLock"))
    }

    /// Its lock on a whole table without which no saga moves.
    pub fn needed_table(&self) -> Option<&str> {
        let is_needed = |lock: &&String| {
            let table = lock.split(' ').next();
            table.is_some_and(|table| NEEDED_TABLES.contains(&table))
        };
        self.table_locks.iter().find(is_needed).map(String::as_str)
    }

    /// The command that ends it.
    pub fn end_command(&self) -> String {
        format!(
            "shopctl db end-session {} --reason 'it blocks sagas'",
            self.pid
        )
    }
}

impl fmt::Display for BlockingSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {} ({})", self.pid, self.program())?;
        if let Some(state) = &self.state {
            write!(f, ", {state}")?;
        }
        if let Some(since) = self.since {
            write!(f, ", in a transaction since {}", since.format("%F %T"))?;
        }
        write!(f, ", holds {}", self.locks())
    }
}

/// A row of a saga that a session has locked, or that a session in its queue has locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedRow {
    /// The saga.
    pub saga_id: SagaId,
    /// The session at the head of the queue.
    pub pid: i32,
    /// The row.
    pub row: Row,
    /// Whether the row's locker waits for that session itself.
    pub queued: bool,
}

/// A row that a saga's work needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// The saga's own row.
    Saga,
    /// Its entry in the outbox.
    Entry,
    /// Its order.
    Order,
    /// The stock of a product of its order.
    Stock(Uuid),
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Saga => f.write_str("the saga's row"),
            Self::Entry => f.write_str("the saga's entry in the outbox"),
            Self::Order => f.write_str("the order's row"),
            Self::Stock(product) => write!(f, "the stock of product {product}"),
        }
    }
}

/// Why a session was not ended.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// The session does not exist, or holds no lock that sagas need.
    #[error("session {0} blocks no work on sagas; it is left alone")]
    NotBlocking(i32),
    /// The role of this process may not end sessions here.
    #[error("this role may not end session {0} of the shop's database")]
    NotAllowed(i32),
    /// The session was told to end, and still exists three seconds later.
    #[error("session {0} was told to end and still exists")]
    StillThere(i32),
    /// The database failed.
    #[error("the shop's database failed")]
    Db(#[from] sqlx::Error),
}

/// Lists blocking sessions, the oldest transaction first.
///
/// # Errors
/// When the database cannot be read; see [`is_not_allowed`].
pub async fn list(conn: &mut PgConnection) -> sqlx::Result<Vec<BlockingSession>> {
    sqlx::query_as!(
        BlockingSession,
        r#"
        select pid as "pid!", application, user_name as "user", client, state, since, statement,
               row_locks as "row_locks!", table_locks as "table_locks!", waiting as "waiting!",
               xids as "xids!", queued_xids as "queued_xids!"
        from saga.blocking_sessions()
        "#,
    )
    .fetch_all(conn)
    .await
}

/// Whether this role may not list or end sessions, or the database lacks the migration for it.
pub fn is_not_allowed(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| NOT_ALLOWED.contains(&code.as_str()))
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// The rows of these sagas that the sessions have locked, in the order in which work locks them.
///
/// # Errors
/// When the database cannot be read.
pub async fn locked_rows(
    conn: &mut PgConnection,
    sagas: &[Uuid],
    sessions: &[BlockingSession],
) -> sqlx::Result<Vec<LockedRow>> {
    let (mut pids, mut xids, mut queued) = (Vec::new(), Vec::new(), Vec::new());
    for session in sessions {
        let own = session.xids.iter().map(|xid| (xid, false));
        let behind = session.queued_xids.iter().map(|xid| (xid, true));
        for (xid, is_behind) in own.chain(behind) {
            pids.push(session.pid);
            xids.push(xid.clone());
            queued.push(is_behind);
        }
    }
    if xids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"
        with needed as (
            select s.saga_id, 1 as place, null::uuid as product_id, s.xmax as xmax
            from saga.saga s
            where s.saga_id = any($1)
            union all
            select o.saga_id, 2, null, o.xmax
            from messaging.outbox o
            where o.saga_id = any($1)
              and o.kind in ('step', 'timer')
            union all
            select s.saga_id, 3, null, o.xmax
            from saga.saga s
                 join commerce."order" o on o.order_id = (s.input->>'order_id')::uuid
            where s.saga_id = any($1)
            union all
            select s.saga_id, 4, k.product_id, k.xmax
            from saga.saga s
                 join commerce.order_line l on l.order_id = (s.input->>'order_id')::uuid
                 join commerce.stock k on k.product_id = l.product_id
            where s.saga_id = any($1)
        )
        select distinct n.saga_id as "saga_id!: SagaId", n.place as "place!", n.product_id, h.pid as "pid!",
               h.queued as "queued!"
        from needed n
             cross join lateral unnest(saga.row_lockers(n.xmax)) as l(xid)
             join unnest($2::integer[], $3::text[], $4::boolean[]) as h(pid, xid, queued) on h.xid = l.xid
        order by 1, 2, 3, 5
        "#,
        sagas,
        &pids,
        &xids,
        &queued,
    )
    .fetch_all(conn)
    .await?;
    let rows = rows.into_iter().map(|row| LockedRow {
        saga_id: row.saga_id,
        pid: row.pid,
        row: match (row.place, row.product_id) {
            (1, _) => Row::Saga,
            (2, _) => Row::Entry,
            (_, Some(product)) => Row::Stock(product),
            (_, None) => Row::Order,
        },
        queued: row.queued,
    });
    Ok(rows.collect())
}

/// The sessions to name after a statement about this saga waited for a lock in vain: those that hold
/// the saga's rows, else all blocking ones.
///
/// # Errors
/// When the database cannot be read.
pub async fn of_saga(pool: &PgPool, saga_id: SagaId) -> sqlx::Result<Vec<BlockingSession>> {
    let mut conn = pool.acquire().await?;
    let sessions = list(&mut conn).await?;
    let locked = locked_rows(&mut conn, &[saga_id.uuid()], &sessions).await?;
    let holds = |session: &&BlockingSession| {
        !session.table_locks.is_empty() || locked.iter().any(|row| row.pid == session.pid)
    };
    let holders: Vec<_> = sessions.iter().filter(holds).cloned().collect();
    Ok(if holders.is_empty() {
        sessions
    } else {
        holders
    })
}

/// Ends a session that blocks the work on sagas, in one commit with its row in the audit.
///
/// # Errors
/// See [`EndError`]; the audit has no row then.
pub async fn end(pool: &PgPool, pid: i32, actor: &Actor) -> Result<BlockingSession, EndError> {
    let mut tx = db::begin(pool).await?;
    let sessions = list(&mut tx).await.map_err(|error| refused(pid, error))?;
    let session = sessions.into_iter().find(|session| session.pid == pid);
    let session = session.ok_or(EndError::NotBlocking(pid))?;
    let act = audit::Act {
        actor,
        verb: Verb::DbEndSession,
        subject: Subject::DatabaseSession(&pid.to_string()),
        before: json!(session),
        after: json!({ "ended": true }),
        batch_id: None,
        trace_id: None,
    };
    audit::record(&mut tx, &act).await?;
    let ended = sqlx::query_scalar!(r#"select saga.end_session($1) as "ended!""#, pid)
        .fetch_one(&mut *tx)
        .await
        .map_err(|error| refused(pid, error))?;
    if !ended {
        return Err(EndError::StillThere(pid));
    }
    tx.commit().await?;
    Ok(session)
}

fn refused(pid: i32, error: sqlx::Error) -> EndError {
    if is_not_allowed(&error) {
        EndError::NotAllowed(pid)
    } else if code(&error).as_deref() == Some(NOT_BLOCKING) {
        EndError::NotBlocking(pid)
    } else {
        EndError::Db(error)
    }
}
