//! Checks on things that are not wrong yet: late, waiting for an operator, or about to block
//! others.

use saga::{Shape, heartbeat};
use sqlx::{PgPool, postgres::PgConnection};

use crate::{Limits, Violation, shop::violations};

pub(crate) async fn shop(
    shop: &PgPool,
    plans: &[Shape],
    limits: &Limits,
) -> sqlx::Result<Vec<Violation>> {
    let mut conn = shop.acquire().await?;
    let mut found = outbox(&mut conn, "the shop", limits).await?;
    found.extend(sleepers(&mut conn, limits).await?);
    found.extend(sagas(&mut conn, plans, limits).await?);
    found.extend(retention(&mut conn, limits).await?);
    found.extend(jobs(&mut conn).await?);
    found.extend(unproven_events(&mut conn).await?);
    found.extend(sessions(&mut conn, limits).await?);
    found.extend(blocking(&mut conn).await?);
    Ok(found)
}

/// Live workers that accept payment events without a proof.
async fn unproven_events(conn: &mut PgConnection) -> sqlx::Result<Vec<Violation>> {
    let found = violations!(
        conn,
        "trusted-events",
        r#"
        select 'process ' || process as "subject!", 'it runs with PAYMENTS_EVENTS=trusted' as "what!"
        from saga.heartbeat
        where notes->>'PAYMENTS_EVENTS' = 'trusted'
          and stopped_at is null
          and seen_at > clock_timestamp() - make_interval(secs => $1)
        order by started_at
        limit 100
        "#,
        heartbeat::SILENCE.as_secs_f64()
    );
    Ok(found.collect())
}

pub(crate) async fn payments(payments: &PgPool, limits: &Limits) -> sqlx::Result<Vec<Violation>> {
    let mut conn = payments.acquire().await?;
    let mut found = outbox(&mut conn, "payments", limits).await?;
    found.extend(sessions(&mut conn, limits).await?);
    Ok(found)
}

/// Messages, in either database: the same statement serves both, so it is not checked at build
/// time.
async fn outbox(
    conn: &mut PgConnection,
    of: &str,
    limits: &Limits,
) -> sqlx::Result<Vec<Violation>> {
    let rows: Vec<(uuid::Uuid, String, bool, Option<String>)> = sqlx::query_as(
        "select entry_id, message_type, parked_at is not null, last_error
         from messaging.outbox
         where kind = 'message'
           and (parked_at is not null or since < clock_timestamp() - make_interval(secs => $1))
         order by since
         limit 100",
    )
    .bind(limits.late.as_secs_f64())
    .fetch_all(conn)
    .await?;
    let violation = |(id, message_type, parked, error): (_, String, bool, Option<String>)| {
        let error = error.map_or_else(String::new, |error| format!(": {error}"));
        let (check, what) = if parked {
            ("parked-messages", "is parked")
        } else {
            ("late-messages", "is not published")
        };
        Violation {
            check,
            subject: format!("message {id}"),
            what: format!("{message_type} of {of} {what}{error}"),
        }
    };
    Ok(rows.into_iter().map(violation).collect())
}

/// Entries that no worker takes, entries that are due too late to be of use, and signals that no
/// transition takes up.
async fn sleepers(conn: &mut PgConnection, limits: &Limits) -> sqlx::Result<Vec<Violation>> {
    let late = violations!(
        conn,
        "late-work",
        r#"
        select 'saga ' || o.saga_id as "subject!", o.step || ' is due since ' || o.due_at as "what!"
        from messaging.outbox o
        where o.kind in ('step', 'timer')
          and o.due_at < clock_timestamp() - make_interval(secs => $1)
        order by o.due_at
        limit 100
        "#,
        limits.late.as_secs_f64()
    );
    let asleep = violations!(
        conn,
        "nothing-wakes",
        r#"
        select 'saga ' || o.saga_id as "subject!", o.step || ' is due only at ' || o.due_at as "what!"
        from messaging.outbox o join saga.saga s using (saga_id)
        where (o.kind = 'step' and o.due_at > clock_timestamp() + make_interval(secs => $1))
           or (o.kind = 'timer' and o.due_at > s.deadline + make_interval(secs => $1))
        order by o.due_at
        limit 100
        "#,
        limits.nap.as_secs_f64()
    );
    let unheard = violations!(
        conn,
        "late-work",
        r#"
        select 'saga ' || g.saga_id as "subject!",
               'its signal ' || g.name || ' waits since ' || g.received_at as "what!"
        from saga.signal g join saga.saga s using (saga_id)
        where (g.verdict is null or (g.verdict = 'early' and s.state <> 'waiting'))
          and s.ended_at is null
          and not s.paused
          and g.received_at < clock_timestamp() - make_interval(secs => $1)
        order by g.received_at
        limit 100
        "#,
        limits.grace.as_secs_f64()
    );
    Ok(late.chain(asleep).chain(unheard).collect())
}

/// Live sagas that are too old, have an unknown plan, or have been compensating or paused for too
/// long.
async fn sagas(
    conn: &mut PgConnection,
    plans: &[Shape],
    limits: &Limits,
) -> sqlx::Result<Vec<Violation>> {
    let (mut names, mut versions, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
    for plan in plans {
        names.push(plan.name.to_owned());
        versions.push(plan.version);
        hashes.push(plan.hash());
    }
    let unknown = violations!(
        conn,
        "unknown-plan",
        r#"
        select 'saga ' || s.saga_id as "subject!",
               'it is of plan ' || s.plan || ' v' || s.plan_version || ' (' || s.plan_hash || ')' as "what!"
        from saga.saga s
        where s.ended_at is null
          and (s.plan, s.plan_version, s.plan_hash) not in (select * from unnest($1::text[], $2::integer[], $3::text[]))
        order by s.created_at
        limit 100
        "#,
        &names,
        &versions,
        &hashes
    );
    let overdue = violations!(
        conn,
        "overdue-compensation",
        r#"
        select 'saga ' || s.saga_id as "subject!",
               'it is being undone since ' || b.at || coalesce(': ' || o.last_error, '') as "what!"
        from saga.saga s
        join messaging.outbox o on o.saga_id = s.saga_id and o.kind in ('step', 'timer')
        cross join lateral (select max(j.at) as at from saga.journal j
                            where j.saga_id = s.saga_id and j.kind = 'compensation_begun') b
        where s.state = 'compensating'
          and b.at < clock_timestamp() - make_interval(secs => $1)
        order by b.at
        limit 100
        "#,
        limits.compensation.as_secs_f64()
    );
    let paused = violations!(
        conn,
        "long-pause",
        r#"
        select 'saga ' || s.saga_id as "subject!", 'it is paused since ' || s.updated_at || ' or longer' as "what!"
        from saga.saga s
        where s.ended_at is null
          and s.paused
          and s.updated_at < clock_timestamp() - make_interval(secs => $1)
        order by s.updated_at
        limit 100
        "#,
        limits.pause.as_secs_f64()
    );
    let ancient = violations!(
        conn,
        "retention-too-short",
        r#"
        select 'saga ' || s.saga_id as "subject!", 'it is ' || s.state || ' since ' || s.created_at as "what!"
        from saga.saga s
        where s.ended_at is null
          and s.created_at < clock_timestamp() - make_interval(secs => $1)
        order by s.created_at
        limit 100
        "#,
        limits.inbox.as_secs_f64()
    );
    Ok(unknown
        .chain(overdue)
        .chain(paused)
        .chain(ancient)
        .collect())
}

/// Rows that retention should have archived or deleted two days ago.
async fn retention(conn: &mut PgConnection, limits: &Limits) -> sqlx::Result<Vec<Violation>> {
    let found = violations!(
        conn,
        "retention-behind",
        r#"
        (select 'saga ' || saga_id as "subject!", 'it came to rest at ' || updated_at || ' and is not archived' as "what!"
         from saga.saga
         where created_at < clock_timestamp() - make_interval(secs => $1, days => 2)
           and updated_at < clock_timestamp() - make_interval(secs => $1, days => 2)
           and state in ('completed', 'compensated')
         order by created_at
         limit 10)
        union all
        (select 'inbox row ' || message_id, 'it is of ' || handled_at
         from messaging.inbox
         where handled_at < clock_timestamp() - make_interval(secs => $2, days => 2)
         order by handled_at
         limit 10)
        "#,
        limits.sagas.as_secs_f64(),
        limits.inbox.as_secs_f64()
    );
    Ok(found.collect())
}

/// Jobs. The tables are apalis' own: a database without background jobs has none.
async fn jobs(conn: &mut PgConnection) -> sqlx::Result<Vec<Violation>> {
    let there: bool = sqlx::query_scalar("select to_regclass('apalis.jobs') is not null")
        .fetch_one(&mut *conn)
        .await?;
    if !there {
        return Ok(Vec::new());
    }
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "select id, job_type, status
         from apalis.jobs
         where status in ('Failed', 'Killed')
            or (status = 'Running' and lock_at < now() - interval '1 hour')
         order by run_at
         limit 100",
    )
    .fetch_all(conn)
    .await?;
    let violation = |(id, kind, status): (String, String, String)| Violation {
        check: "stuck-jobs",
        subject: format!("job {id}"),
        what: format!("{kind} is {status}"),
    };
    Ok(rows.into_iter().map(violation).collect())
}

/// Sessions of this database that are idle in a transaction.
async fn sessions(conn: &mut PgConnection, limits: &Limits) -> sqlx::Result<Vec<Violation>> {
    let rows: Vec<(i32, String, String)> = sqlx::query_as(
        "select pid, application_name, (clock_timestamp() - state_change)::text
         from pg_stat_activity
         where datname = current_database()
           and state like 'idle in transaction%'
           and state_change < clock_timestamp() - make_interval(secs => $1)
         order by state_change
         limit 100",
    )
    .bind(limits.idle.as_secs_f64())
    .fetch_all(conn)
    .await?;
    let violation = |(pid, application, age): (i32, String, String)| Violation {
        check: "idle-in-transaction",
        subject: format!("session {pid}"),
        what: format!(
            "{application:?} idles in a transaction for {age}; `select pg_terminate_backend({pid})` ends it"
        ),
    };
    Ok(rows.into_iter().map(violation).collect())
}

/// SQLSTATEs of a database that does not let this role list blocking sessions.
const NOT_ALLOWED: [&str; 2] = ["42501", "42883"];

/// Sessions whose locks block sagas.
async fn blocking(conn: &mut PgConnection) -> sqlx::Result<Vec<Violation>> {
    let found = sqlx::query!(
        r#"
        select pid as "pid!", coalesce(application, 'name hidden') as "application!",
               array_to_string(table_locks || row_locks, ', ') as "locks!", cardinality(waiting) as "waiting!",
               since::text as since
        from saga.blocking_sessions()
        limit 100
        "#,
    )
    .fetch_all(conn)
    .await;
    let refused = |error: &sqlx::Error| {
        let database = error.as_database_error();
        let is_refusal = |code: &str| NOT_ALLOWED.contains(&code);
        database.is_some_and(|database| database.code().as_deref().is_some_and(is_refusal))
    };
    let rows = match found {
        Err(error) if refused(&error) => {
            return Ok(vec![Violation {
                check: "blocking-session",
                subject: "locks".to_owned(),
                what: format!("they cannot be read: {error}"),
            }]);
        }
        found => found?,
    };
    let rows = rows.into_iter().map(|row| {
        let since = row.since.unwrap_or_else(|| "an unknown time".to_owned());
        Violation {
            check: "blocking-session",
            subject: format!("session {}", row.pid),
            what: format!(
                "{:?} holds locks in {} since {since}, {} sessions wait; \
                 `shopctl db end-session {} --reason 'it blocks sagas'` ends it",
                row.application, row.locks, row.waiting, row.pid
            ),
        }
    });
    Ok(rows.collect())
}
