//! Plans of every kind, for rules that hold for any plan. Their participants record effects in
//! tables.

use std::time::Duration;

use kernel::SagaId;
use saga::{
    Assertion, Complete, Local, LocalStep, LocalUndo, Outcome, Plan, Reasons, Remote, RemoteStep,
    RemoteUndo, Saga, Signal, StepCx, Undo, VerifyError, Wait, WaitStep,
};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// The kind of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum How {
    /// No fault.
    Well,
    /// The effect happens, and the answer is lost.
    Lost,
    /// The request never leaves.
    NeverLeft,
    /// The effect does not happen, and no answer comes.
    NoAnswer,
    /// The code panics.
    Panic,
    /// A business refusal.
    Refused,
    /// A local step is rolled back after it ran.
    Conflict,
}

/// A fault of one step, or of its undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) step: usize,
    pub(crate) undo: bool,
    pub(crate) how: How,
    pub(crate) tries: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Input {
    pub(crate) saga_id: SagaId,
    pub(crate) fault: Fault,
}

/// The books: the effects and the undos, in order. A repeated local effect violates a key; a
/// participant recognizes its keys and does nothing the second time.
pub(crate) const BOOKS: &str = "
    create schema four;
    create table four.call (saga_id uuid, step int, undo bool, n bigserial);
    create table four.effect (saga_id uuid, step int, n bigserial, primary key (saga_id, step));
    create table four.undone (saga_id uuid, step int, n bigserial, primary key (saga_id, step));
    -- a sequence is not rolled back: it counts the tries of what is
    create sequence four.tries;
";

pub(crate) trait Subject:
    Saga<Input = Input, Details = (), Ports = PgPool, View = ()>
{
    fn new() -> Self;
}

const NAMES: [&str; 8] = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"];

pub(crate) struct L<const N: usize>;
pub(crate) struct R<const N: usize>;
pub(crate) struct W<const N: usize>;

/// Counts a try of a local step, and rolls it back as a database would while its tries are to fail.
async fn local(
    conn: &mut PgConnection,
    input: &Input,
    step: usize,
    undo: bool,
) -> sqlx::Result<()> {
    let table = if undo { "undone" } else { "effect" };
    let sql = format!("insert into four.{table} (saga_id, step) values ($1, $2)");
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(input.saga_id.uuid())
        .bind(i32::try_from(step).unwrap())
        .execute(&mut *conn)
        .await?;
    let fault = input.fault;
    if (fault.step, fault.undo, fault.how) == (step, undo, How::Conflict) {
        let tried: i64 = sqlx::query_scalar("select nextval('four.tries')")
            .fetch_one(&mut *conn)
            .await?;
        if tried <= fault.tries {
            sqlx::query("do $$ begin raise exception using errcode = '40001'; end $$")
                .execute(conn)
                .await?;
        }
    }
    Ok(())
}

/// Calls the participant; the fault decides whether the call takes effect. Returns how the call
/// went.
async fn call(pool: &PgPool, input: &Input, step: usize, undo: bool) -> How {
    let bind = i32::try_from(step).unwrap();
    let tried: i64 = sqlx::query_scalar(
        "with c as (insert into four.call (saga_id, step, undo) values ($1, $2, $3))
         select count(*) + 1 from four.call where saga_id = $1 and step = $2 and undo = $3",
    )
    .bind(input.saga_id.uuid())
    .bind(bind)
    .bind(undo)
    .fetch_one(pool)
    .await
    .unwrap();
    let fault = input.fault;
    let ours = (fault.step, fault.undo) == (step, undo) && tried <= fault.tries;
    let how = if ours { fault.how } else { How::Well };
    if matches!(how, How::Well | How::Lost) {
        let table = if undo { "undone" } else { "effect" };
        let sql = format!(
            "insert into four.{table} (saga_id, step) values ($1, $2) on conflict do nothing"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(input.saga_id.uuid())
            .bind(bind)
            .execute(pool)
            .await
            .unwrap();
    }
    assert!(
        how != How::Panic,
        "the participant's client was told to panic"
    );
    how
}

impl<S: Subject, const N: usize> LocalStep<S> for L<N> {
    const NAME: &'static str = NAMES[N];

    async fn run(&self, conn: &mut PgConnection, input: &Input) -> sqlx::Result<()> {
        local(conn, input, N, false).await
    }
}

impl<S: Subject, const N: usize> LocalUndo<S> for L<N> {
    async fn undo(&self, conn: &mut PgConnection, input: &Input, _: &str) -> sqlx::Result<()> {
        local(conn, input, N, true).await
    }
}

impl<S: Subject, const N: usize> RemoteStep<S> for R<N> {
    const NAME: &'static str = NAMES[N];

    async fn run(&self, cx: &StepCx<'_, S>) -> Outcome {
        match call(cx.ports(), cx.input(), N, false).await {
            How::Well => Outcome::Done,
            How::NeverLeft => Outcome::Transient("it never left".to_owned()),
            How::Refused => Outcome::Refused("no".to_owned()),
            _ => Outcome::Unknown("no answer".to_owned()),
        }
    }
}

impl<S: Subject, const N: usize> RemoteUndo<S> for R<N> {
    async fn undo(&self, cx: &StepCx<'_, S>) -> Undo {
        match call(cx.ports(), cx.input(), N, true).await {
            How::Well => Undo::Done,
            How::NeverLeft => Undo::Transient("it never left".to_owned()),
            _ => Undo::Unknown("no answer".to_owned()),
        }
    }
}

impl<S: Subject, const N: usize> WaitStep<S> for W<N> {
    const NAME: &'static str = NAMES[N];

    const SIGNALS: &'static [Signal] = &[Signal::proceed("yes"), Signal::abort("no")];

    fn deadline(_: &S) -> Duration {
        Duration::from_hours(1)
    }
}

macro_rules! subject {
    ($name:ident, $stored:literal, $plan:expr) => {
        pub(crate) struct $name;

        impl Subject for $name {
            fn new() -> Self {
                Self
            }
        }

        impl Saga for $name {
            const NAME: &'static str = $stored;
            const VERSION: i32 = 1;
            type Input = Input;
            type Details = ();
            type Ports = PgPool;
            type View = ();
            const REASONS: Reasons = Reasons {
                budget_spent: "too slow",
                deadline_passed: "too late",
                aborted: "no",
                canceled: "canceled",
            };

            fn plan() -> Plan<Self, Complete> {
                $plan
            }

            async fn verify((): &(), _: &Input, _: Assertion<'_>) -> Result<(), VerifyError> {
                Ok(())
            }
        }
    };
}

subject!(
    Remotes,
    "remotes",
    Plan::start()
        .compensable(Remote(R::<0>))
        .compensable(Remote(R::<1>))
        .pivot(Wait(W::<2>))
        .retryable(Remote(R::<3>))
);
subject!(
    Mixed,
    "mixed",
    Plan::start()
        .compensable(Local(L::<0>))
        .compensable(Remote(R::<1>))
        .compensable(Local(L::<2>))
        .compensable(Remote(R::<3>))
        .pivot(Wait(W::<4>))
        .retryable(Remote(R::<5>))
        .retryable(Local(L::<6>))
);
subject!(
    OnlyWait,
    "only_wait",
    Plan::start().pivot(Wait(W::<0>)).retryable(Remote(R::<1>))
);
subject!(
    Locals,
    "locals",
    Plan::start()
        .compensable(Local(L::<0>))
        .compensable(Local(L::<1>))
        .pivot(Wait(W::<2>))
        .retryable(Local(L::<3>))
);

subject!(Zones, "zones", crate::zones::plan());

/// The record of a saga in the books.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Books {
    /// Steps that took effect, in order.
    pub(crate) effects: Vec<i32>,
    /// Steps that were undone, in order.
    pub(crate) undone: Vec<i32>,
}

impl Books {
    pub(crate) async fn of(pool: &PgPool, saga: Uuid) -> Self {
        let read = async |table: &str| {
            let sql = format!("select step from four.{table} where saga_id = $1 order by n");
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .bind(saga)
                .fetch_all(pool)
                .await
                .unwrap()
        };
        Self {
            effects: read("effect").await,
            undone: read("undone").await,
        }
    }
}
