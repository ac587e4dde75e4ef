//! The transitions of orders, each applied to a whole batch or to none of it.
//!
//! Lock order: orders by id (their sagas are locked by the caller), then stock by product id.

use std::collections::BTreeMap;

use contracts::{command::Command, topology};
use kernel::{OrderId, TransactionId, UserId};
use messaging::{Message, outbox};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{CancelCause, NewOrder, PlaceError};

/// Inserts orders with their lines and reserves their stock. The answers are in the order of the
/// orders, which is also the order in which they get what is left.
pub async fn place(
    conn: &mut PgConnection,
    orders: &[NewOrder<'_>],
) -> sqlx::Result<Vec<Result<(), PlaceError>>> {
    let answers = reserve(conn, orders).await?;
    let placed: Vec<_> = orders
        .iter()
        .zip(&answers)
        .filter_map(|(order, answer)| answer.is_ok().then_some(order))
        .collect();
    if !placed.is_empty() {
        insert(conn, &placed).await?;
    }
    Ok(answers)
}

/// Pieces by product, ordered like the locks.
type Pieces = BTreeMap<Uuid, i64>;

async fn reserve(
    conn: &mut PgConnection,
    orders: &[NewOrder<'_>],
) -> sqlx::Result<Vec<Result<(), PlaceError>>> {
    let mut wanted = Pieces::new();
    for line in orders.iter().flat_map(|order| &order.basket.lines) {
        *wanted.entry(line.product_id.uuid()).or_default() += i64::from(line.quantity);
    }
    // usually there is enough of everything for all
    let enough = reserve_pieces(conn, &wanted).await?;
    if enough.len() == wanted.len() {
        return Ok(orders.iter().map(|_| Ok(())).collect());
    }
    let scarce = wanted
        .into_keys()
        .filter(|product| !enough.contains(product));
    let mut left = available(conn, &scarce.collect::<Vec<_>>()).await?;
    let mut correction = Pieces::new();
    let answers = orders.iter().map(|order| {
        let lines = &order.basket.lines;
        let short = lines.iter().find_map(|line| {
            let left = *left.get(&line.product_id.uuid())?;
            (left < i64::from(line.quantity)).then_some((line, left))
        });
        for line in lines {
            let (product, pieces) = (line.product_id.uuid(), i64::from(line.quantity));
            match (short, left.get_mut(&product)) {
                (None, Some(left)) => {
                    *left -= pieces;
                    *correction.entry(product).or_default() += pieces;
                }
                (Some(_), None) => *correction.entry(product).or_default() -= pieces,
                (None, None) | (Some(_), Some(_)) => {}
            }
        }
        short.map_or(Ok(()), |(line, left)| {
            Err(PlaceError::OutOfStock {
                product_id: line.product_id,
                name: line.name.clone(),
                wanted: i64::from(line.quantity),
                left,
            })
        })
    });
    let answers = answers.collect();
    reserve_pieces(conn, &correction).await?;
    Ok(answers)
}

/// Locks products and reserves pieces of those of which there are enough; returns these.
async fn reserve_pieces(conn: &mut PgConnection, pieces: &Pieces) -> sqlx::Result<Vec<Uuid>> {
    if pieces.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar!(
        r#"
        with locked as (
            select s.product_id, w.quantity
            from commerce.stock s
                 join unnest($1::uuid[], $2::bigint[]) as w(product_id, quantity) using (product_id)
            order by s.product_id
            for update of s
        )
        update commerce.stock s
        set reserved = s.reserved + l.quantity
        from locked l
        where s.product_id = l.product_id
          and s.received - s.sold - s.reserved >= l.quantity
        returning s.product_id
        "#,
        &pieces.keys().copied().collect::<Vec<_>>(),
        &pieces.values().copied().collect::<Vec<_>>(),
    )
    .fetch_all(conn)
    .await
}

/// Pieces that no order holds; none of a product without stock.
async fn available(conn: &mut PgConnection, products: &[Uuid]) -> sqlx::Result<Pieces> {
    let rows = sqlx::query!(
        r#"
        select p.product_id as "product_id!", coalesce(s.received - s.sold - s.reserved, 0) as "left!"
        from unnest($1::uuid[]) as p(product_id) left join commerce.stock s using (product_id)
        "#,
        products,
    )
    .fetch_all(conn)
    .await?;
    let left = rows.into_iter().map(|row| (row.product_id, row.left));
    Ok(left.collect())
}

async fn insert(conn: &mut PgConnection, orders: &[&NewOrder<'_>]) -> sqlx::Result<()> {
    let lines: Vec<_> = orders
        .iter()
        .flat_map(|order| {
            order
                .basket
                .lines
                .iter()
                .zip(1i16..)
                .map(|(line, number)| (order.id, number, line))
        })
        .collect();
    let text = |pick: fn(&&NewOrder<'_>) -> String| orders.iter().map(pick).collect::<Vec<_>>();
    let ids = |pick: fn(&&NewOrder<'_>) -> Uuid| orders.iter().map(pick).collect::<Vec<_>>();
    sqlx::query!(
        r#"
        with placed as (
            insert into commerce."order" (order_id, user_id, saga_id, transaction_id, status, total_amount, currency,
                                          trace_id)
            select o.order_id, o.user_id, o.saga_id, o.transaction_id, 'pending', o.total, o.currency, o.trace_id
            from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::text[], $7::text[])
                 as o(order_id, user_id, saga_id, transaction_id, total, currency, trace_id)
        )
        insert into commerce.order_line (order_id, line_no, product_id, name, quantity, unit_amount)
        select *
        from unnest($8::uuid[], $9::smallint[], $10::uuid[], $11::text[], $12::integer[], $13::bigint[])
        "#,
        &ids(|order| order.id.uuid()),
        &ids(|order| order.user_id.uuid()),
        &ids(|order| order.saga_id.uuid()),
        &ids(|order| order.transaction_id.uuid()),
        &orders.iter().map(|order| order.basket.total.amount).collect::<Vec<_>>(),
        &text(|order| order.basket.total.currency.to_string()),
        &text(|order| order.trace_id.to_owned()),
        &lines.iter().map(|(id, ..)| id.uuid()).collect::<Vec<_>>(),
        &lines.iter().map(|(_, number, _)| *number).collect::<Vec<_>>(),
        &lines.iter().map(|(.., line)| line.product_id.uuid()).collect::<Vec<_>>(),
        &lines.iter().map(|(.., line)| line.name.clone()).collect::<Vec<_>>(),
        &lines.iter().map(|(.., line)| i32::try_from(line.quantity).unwrap_or(i32::MAX)).collect::<Vec<_>>(),
        &lines.iter().map(|(.., line)| line.unit_price.amount).collect::<Vec<_>>(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores the transaction that payments answered with, in place of the proposed one.
pub async fn adopt_transaction(
    conn: &mut PgConnection,
    order_id: OrderId,
    transaction_id: TransactionId,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update commerce."order"
        set transaction_id = $2, updated_at = clock_timestamp()
        where order_id = $1
          and transaction_id <> $2
        "#,
        order_id.uuid(),
        transaction_id.uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Moves orders whose payment transactions exist: `pending` → `awaiting_payment`.
pub async fn await_payment(conn: &mut PgConnection, orders: &[OrderId]) -> sqlx::Result<()> {
    let ids: Vec<_> = orders.iter().map(|id| id.uuid()).collect();
    let moved = sqlx::query!(
        r#"
        update commerce."order"
        set status = 'awaiting_payment', updated_at = clock_timestamp()
        where order_id = any($1)
          and status = 'pending'
        "#,
        &ids,
    )
    .execute(conn)
    .await?;
    all_moved(moved.rows_affected(), &ids, "await payment")
}

/// Marks orders as being compensated, each with its cause and its reason; their status stays.
pub async fn begin_canceling(
    conn: &mut PgConnection,
    orders: &[(OrderId, CancelCause, &str)],
) -> sqlx::Result<()> {
    let causes: Vec<_> = orders
        .iter()
        .map(|(_, cause, _)| cause.as_str().to_owned())
        .collect();
    let orders = orders.iter().map(|(id, _, reason)| (*id, *reason));
    let (ids, reasons) = split(&orders.collect::<Vec<_>>());
    let moved = sqlx::query!(
        r#"
        update commerce."order" o
        set canceling = true, canceling_at = clock_timestamp(), canceling_reason = r.reason,
            canceling_cause = r.cause, updated_at = clock_timestamp()
        from unnest($1::uuid[], $2::text[], $3::text[]) as r(order_id, reason, cause)
        where o.order_id = r.order_id
          and o.status in ('pending', 'awaiting_payment')
        "#,
        &ids,
        &reasons,
        &causes,
    )
    .execute(conn)
    .await?;
    all_moved(moved.rows_affected(), &ids, "begin canceling")
}

/// Moves paid orders: `awaiting_payment` → `completed`. Sells their stock and queues confirmation
/// mails.
pub async fn complete(conn: &mut PgConnection, orders: &[OrderId]) -> sqlx::Result<()> {
    let ids: Vec<_> = orders.iter().map(|id| id.uuid()).collect();
    let moved = sqlx::query!(
        r#"
        with moved as (
            update commerce."order"
            set status = 'completed', canceling = false, updated_at = clock_timestamp()
            where order_id = any($1)
              and status = 'awaiting_payment'
            returning order_id, user_id, trace_id
        ), held as (
            select l.product_id, sum(l.quantity)::bigint as quantity
            from moved m join commerce.order_line l using (order_id)
            group by l.product_id
        ), locked as (
            select s.product_id, h.quantity
            from commerce.stock s join held h using (product_id)
            order by s.product_id
            for update of s
        ), sold as (
            update commerce.stock s
            set reserved = s.reserved - l.quantity, sold = s.sold + l.quantity
            from locked l
            where s.product_id = l.product_id
        )
        select order_id, user_id, trace_id from moved
        "#,
        &ids,
    )
    .fetch_all(&mut *conn)
    .await?;
    all_moved(moved.len() as u64, &ids, "complete")?;
    let mails: Result<Vec<_>, _> = moved
        .into_iter()
        .map(|order| {
            confirmation(
                OrderId::from(order.order_id),
                UserId::from(order.user_id),
                &order.trace_id,
            )
        })
        .collect();
    let mails = mails.map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    outbox::enqueue(conn, &mails).await
}

fn confirmation(order_id: OrderId, user_id: UserId, trace_id: &str) -> serde_json::Result<Message> {
    let command = Command::SendOrderConfirmation { user_id, order_id };
    let trace = super::place_in_trace(order_id, trace_id);
    Message::new(
        topology::MESSAGES,
        command.name(),
        command.name(),
        &command,
        trace,
    )
}

/// Moves orders that will not be paid: `pending` or `awaiting_payment` → `canceled`. Releases their
/// stock.
pub async fn cancel(conn: &mut PgConnection, orders: &[(OrderId, &str)]) -> sqlx::Result<()> {
    let (ids, reasons) = split(orders);
    let moved = sqlx::query!(
        r#"
        with moved as (
            update commerce."order" o
            set status = 'canceled', canceling = false, ended_reason = r.reason, updated_at = clock_timestamp()
            from unnest($1::uuid[], $2::text[]) as r(order_id, reason)
            where o.order_id = r.order_id
              and o.status in ('pending', 'awaiting_payment')
            returning o.order_id
        ), held as (
            select l.product_id, sum(l.quantity)::bigint as quantity
            from moved m join commerce.order_line l using (order_id)
            group by l.product_id
        ), locked as (
            select s.product_id, h.quantity
            from commerce.stock s join held h using (product_id)
            order by s.product_id
            for update of s
        ), released as (
            update commerce.stock s
            set reserved = s.reserved - l.quantity
            from locked l
            where s.product_id = l.product_id
        )
        select order_id from moved
        "#,
        &ids,
        &reasons,
    )
    .fetch_all(conn)
    .await?;
    all_moved(moved.len() as u64, &ids, "cancel")
}

fn split(orders: &[(OrderId, &str)]) -> (Vec<Uuid>, Vec<String>) {
    orders
        .iter()
        .map(|(id, reason)| (id.uuid(), (*reason).to_owned()))
        .unzip()
}

/// Fails if fewer rows changed than requested: an order was not in the state that its saga
/// expected.
fn all_moved(moved: u64, ids: &[Uuid], doing: &str) -> sqlx::Result<()> {
    if moved == ids.len() as u64 {
        Ok(())
    } else {
        // not `Protocol`, which would mean that the connection broke and that a retry may help
        Err(sqlx::Error::InvalidArgument(format!(
            "only {moved} of the orders {ids:?} could {doing}"
        )))
    }
}
