//! Checks that need only the shop's database.

use kernel::{Currency, Money};
use saga::{Kind, Role, Shape};
use sqlx::{PgPool, postgres::PgConnection};

use crate::{Violation, journals};

/// A check as a statement that returns a row (subject, what) for each violation.
macro_rules! violations {
    ($conn:expr, $check:literal, $sql:literal $(, $argument:expr)*) => {{
        struct Found {
            subject: String,
            what: String,
        }
        let found = sqlx::query_as!(Found, $sql $(, $argument)*).fetch_all(&mut *$conn).await?;
        found.into_iter().map(|row| Violation { check: $check, subject: row.subject, what: row.what })
    }};
}

pub(crate) use violations;

pub(crate) async fn examine(
    shop: &PgPool,
    plans: &[Shape],
    journals: Option<i64>,
) -> sqlx::Result<Vec<Violation>> {
    // one snapshot for all checks, so that concurrent changes are seen in full or not at all
    let mut tx = db::begin(shop).await?;
    sqlx::query("set transaction isolation level repeatable read, read only")
        .execute(&mut *tx)
        .await?;
    let mut violations = whole(&mut tx).await?;
    violations.extend(arrows(&mut tx).await?);
    violations.extend(compensation(&mut tx, plans).await?);
    violations.extend(entries(&mut tx).await?);
    violations.extend(stock_and_prices(&mut tx).await?);
    violations.extend(messages(&mut tx).await?);
    violations.extend(journals::examine(&mut tx, plans, journals).await?);
    tx.rollback().await?; // at once: an idle session in a transaction blocks others
    Ok(violations)
}

/// I1
async fn whole(conn: &mut PgConnection) -> sqlx::Result<Vec<Violation>> {
    let orders = violations!(
        conn,
        "I1",
        r#"
        select 'order ' || o.order_id as "subject!", 'it has no saga, journal, lines or history' as "what!"
        from commerce."order" o
        where not exists (select from saga.saga s join saga.journal j using (saga_id)
                          where s.saga_id = o.saga_id and j.kind = 'begun'
                          union all
                          select from saga.archive a where a.saga_id = o.saga_id)
           or not exists (select from commerce.order_line l where l.order_id = o.order_id)
           or not exists (select from commerce.order_status h where h.order_id = o.order_id and h.seq = 1)
        limit 100
        "#
    );
    let sagas = violations!(
        conn,
        "I1",
        r#"
        select 'saga ' || s.saga_id as "subject!", 'it has no order' as "what!"
        from (select saga_id, plan, input from saga.saga
              union all
              select saga_id, plan, story->'input' from saga.archive) s
        where s.plan = 'checkout'
          and not exists (select from commerce."order" o
                          where o.order_id = (s.input->>'order_id')::uuid and o.saga_id = s.saga_id)
        limit 100
        "#
    );
    Ok(orders.chain(sagas).collect())
}

/// I4
async fn arrows(conn: &mut PgConnection) -> sqlx::Result<Vec<Violation>> {
    let history = violations!(
        conn,
        "I4",
        r#"
        with moves as (
            select order_id, seq, status,
                   lag(status) over (partition by order_id order by seq) as before,
                   lead(status) over (partition by order_id order by seq) as after
            from commerce.order_status
            where status <> 'canceling'
        )
        select 'order ' || m.order_id as "subject!",
               'it moved from ' || coalesce(m.before, 'nothing') || ' to ' || m.status as "what!"
        from moves m
        where (m.before is null and m.status <> 'pending')
           or (m.before = 'pending' and m.status not in ('awaiting_payment', 'canceled'))
           or (m.before = 'awaiting_payment' and m.status not in ('completed', 'canceled'))
           or m.before in ('completed', 'canceled')
        limit 100
        "#
    );
    let last = violations!(
        conn,
        "I4",
        r#"
        select 'order ' || o.order_id as "subject!",
               'it is ' || o.status || ', its history ends with ' || h.status as "what!"
        from commerce."order" o
        cross join lateral (
            select status from commerce.order_status h
            where h.order_id = o.order_id and h.status <> 'canceling'
            order by seq desc limit 1
        ) h
        where h.status <> o.status
        limit 100
        "#
    );
    let saga = violations!(
        conn,
        "I4",
        r#"
        select 'order ' || o.order_id as "subject!",
               'it is ' || o.status || case when o.canceling then ' (canceling)' else '' end
               || ', its saga is ' || s.state as "what!"
        from commerce."order" o
        join (select saga_id, state from saga.saga union all select saga_id, state from saga.archive) s using (saga_id)
        where (s.state = 'completed') <> (o.status = 'completed')
           or (s.state = 'compensated') <> (o.status = 'canceled')
           or (s.state = 'compensating') <> o.canceling
        limit 100
        "#
    );
    Ok(history.chain(last).chain(saga).collect())
}

/// The steps of every plan whose undo leaves a row in the journal: remote steps, since their undo
/// is an attempt of its own.
#[derive(Default)]
struct Undos {
    plans: Vec<String>,
    versions: Vec<i32>,
    hashes: Vec<String>,
    places: Vec<i32>,
    steps: Vec<String>,
}

impl Undos {
    fn of(plans: &[Shape]) -> Self {
        let mut undos = Self::default();
        for plan in plans {
            let hash = plan.hash();
            for (step, place) in plan.steps.iter().zip(0..) {
                if (step.kind, step.role) == (Kind::Remote, Role::Compensable) {
                    undos.plans.push(plan.name.to_owned());
                    undos.versions.push(plan.version);
                    undos.hashes.push(hash.clone());
                    undos.places.push(place);
                    undos.steps.push(step.name.to_owned());
                }
            }
        }
        undos
    }
}

/// I5 and I6, as far as the journal shows them. Undos of a saga with an unknown plan are not
/// counted: another check reports such sagas.
async fn compensation(conn: &mut PgConnection, plans: &[Shape]) -> sqlx::Result<Vec<Violation>> {
    let undos = Undos::of(plans);
    let undone = violations!(
        conn,
        "I6",
        r#"
        select 'saga ' || s.saga_id as "subject!",
               'it is ' || s.state || ' and ' || u.step || ' was undone ' || count(j.*) || ' times' as "what!"
        from unnest($1::text[], $2::integer[], $3::text[], $4::integer[], $5::text[])
             as u(plan, version, hash, place, step)
        join saga.saga s on s.plan = u.plan and s.plan_version = u.version and s.plan_hash = u.hash
        left join saga.journal j on j.saga_id = s.saga_id and j.kind = 'undone' and j.step = u.step || '/undo'
        where s.state in ('completed', 'compensated')
        group by s.saga_id, s.state, s.undo_from, u.place, u.step
        having count(j.*) <> case when s.state = 'compensated' and u.place <= s.undo_from then 1 else 0 end
        limit 100
        "#,
        &undos.plans,
        &undos.versions,
        &undos.hashes,
        &undos.places,
        &undos.steps
    );
    let breaches = violations!(
        conn,
        "I6",
        r#"
        select 'saga ' || j.saga_id as "subject!", coalesce(j.detail, 'a breach') as "what!"
        from saga.journal j
        where j.kind = 'breach'
        limit 100
        "#
    );
    let twice = violations!(
        conn,
        "I5",
        r#"
        select 'saga ' || g.saga_id as "subject!", g.name || ' took effect ' || count(*) || ' times' as "what!"
        from saga.signal g
        where g.verdict = 'applied'
        group by g.saga_id, g.name
        having count(*) > 1
        limit 100
        "#
    );
    let undecided = violations!(
        conn,
        "I5",
        r#"
        select 'saga ' || g.saga_id as "subject!", g.name || ' was never taken up' as "what!"
        from saga.signal g join saga.saga s using (saga_id)
        where (g.verdict is null or g.verdict = 'early')
          and s.state in ('completed', 'compensated')
        limit 100
        "#
    );
    Ok(undone
        .chain(breaches)
        .chain(twice)
        .chain(undecided)
        .collect())
}

/// I7
async fn entries(conn: &mut PgConnection) -> sqlx::Result<Vec<Violation>> {
    let found = violations!(
        conn,
        "I7",
        r#"
        select 'saga ' || s.saga_id as "subject!",
               'it is ' || s.state || case when s.paused then ' (paused)' else '' end
               || ' and owns ' || count(o.*) || ' entries' as "what!"
        from saga.saga s left join messaging.outbox o on o.saga_id = s.saga_id and o.kind in ('step', 'timer')
        where s.ended_at is null or o.entry_id is not null
        group by s.saga_id, s.state, s.paused
        having count(o.*) <> case when s.paused or s.state in ('completed', 'compensated') then 0 else 1 end
        limit 100
        "#
    );
    Ok(found.collect())
}

/// I8 and I9
async fn stock_and_prices(conn: &mut PgConnection) -> sqlx::Result<Vec<Violation>> {
    let stock = violations!(
        conn,
        "I8",
        r#"
        with held as (
            select l.product_id,
                   coalesce(sum(l.quantity) filter (where o.status in ('pending', 'awaiting_payment')), 0) as reserved,
                   coalesce(sum(l.quantity) filter (where o.status = 'completed'), 0) as sold
            from commerce.order_line l join commerce."order" o using (order_id)
            group by l.product_id
        )
        select 'product ' || s.product_id as "subject!",
               'reserved ' || s.reserved || ', orders hold ' || coalesce(h.reserved, 0)
               || '; sold ' || s.sold || ', orders took ' || coalesce(h.sold, 0) as "what!"
        from commerce.stock s left join held h using (product_id)
        where s.reserved <> coalesce(h.reserved, 0)
           or s.sold <> coalesce(h.sold, 0)
           or s.reserved < 0 or s.reserved > s.on_hand or s.on_hand <> s.received - s.sold
        limit 100
        "#
    );
    let prices = sqlx::query!(
        r#"
        select o.order_id, o.currency as "currency: Currency", o.total_amount,
               coalesce(sum(l.quantity * l.unit_amount), 0)::bigint as "lines!"
        from commerce."order" o left join commerce.order_line l using (order_id)
        group by o.order_id, o.currency, o.total_amount
        having o.total_amount <> coalesce(sum(l.quantity * l.unit_amount), 0)
        limit 100
        "#
    )
    .fetch_all(&mut *conn)
    .await?;
    let prices = prices.into_iter().map(|row| Violation {
        check: "I9",
        subject: format!("order {}", row.order_id),
        what: format!(
            "it costs {}, its lines {}",
            Money::new(row.total_amount, row.currency.clone()),
            Money::new(row.lines, row.currency)
        ),
    });
    Ok(stock.chain(prices).collect())
}

/// I10
async fn messages(conn: &mut PgConnection) -> sqlx::Result<Vec<Violation>> {
    let found = violations!(
        conn,
        "I10",
        r#"
        select 'message ' || entry_id as "subject!", 'it is parked without a reason' as "what!"
        from messaging.outbox
        where parked_at is not null
          and coalesce(last_error, '') = ''
        limit 100
        "#
    );
    Ok(found.collect())
}
