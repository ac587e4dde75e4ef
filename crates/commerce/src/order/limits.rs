//! Limits on the orders of one account, so that no account can reserve the whole catalog without
//! paying.

use std::time::Duration;

use kernel::{OrderId, UserId};
use sqlx::PgConnection;
use uuid::Builder;

use super::Item;

/// The period whose orders count for [`OrderLimits::per_hour`].
const HOUR: Duration = Duration::from_hours(1);

/// The period whose unpaid orders count, including those with a long payment deadline or delayed by
/// an outage.
const DAY: Duration = Duration::from_hours(24);

/// The order limits of one account; 0 means unlimited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OrderLimits {
    /// Unpaid orders.
    pub open: u32,
    /// Pieces reserved by unpaid orders.
    pub pieces: u32,
    /// All orders within an hour, including canceled and completed ones.
    pub per_hour: u32,
}

/// The limit that an order exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// See [`OrderLimits::open`].
    Open,
    /// See [`OrderLimits::pieces`].
    Pieces,
    /// See [`OrderLimits::per_hour`].
    PerHour,
}

/// Why an order is refused by the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// A limit is exceeded.
    #[error("the limit of {allowed} ({limit:?}) is exceeded")]
    Exceeded {
        /// The exceeded limit.
        limit: Limit,
        /// The highest allowed value.
        allowed: u32,
        /// The longest time until an order of the same size can be placed, without any action of
        /// the user.
        retry_after: Duration,
    },
}

impl OrderLimits {
    /// Whether no limit is set.
    pub fn is_unlimited(self) -> bool {
        self == Self::default()
    }

    /// Checks an account's orders, with the new one among them.
    fn check(self, open: i64, pieces: i64, in_an_hour: i64) -> Result<(), LimitError> {
        let exceeded = |count: i64, allowed: u32| allowed > 0 && count > i64::from(allowed);
        let (limit, allowed) = if exceeded(open, self.open) {
            (Limit::Open, self.open)
        } else if exceeded(pieces, self.pieces) {
            (Limit::Pieces, self.pieces)
        } else if exceeded(in_an_hour, self.per_hour) {
            (Limit::PerHour, self.per_hour)
        } else {
            return Ok(());
        };
        Err(LimitError::Exceeded {
            limit,
            allowed,
            retry_after: HOUR,
        })
    }
}

/// A new order, for [`check_limits`].
#[derive(Debug, Clone, Copy)]
pub struct Ordered<'a> {
    /// Who orders.
    pub user_id: UserId,
    /// The order.
    pub order_id: OrderId,
    /// Its items.
    pub items: &'a [Item],
}

/// Checks new orders in their transaction, at most one of each account. The transaction holds the
/// accounts' locks ([`idempotency::claim`](crate::idempotency::claim)): concurrent orders of one
/// account are counted one after the other. The answers are in the order of the orders.
pub async fn check_limits(
    conn: &mut PgConnection,
    orders: &[Ordered<'_>],
    limits: OrderLimits,
) -> sqlx::Result<Vec<Result<(), LimitError>>> {
    if limits.is_unlimited() || orders.is_empty() {
        return Ok(orders.iter().map(|_| Ok(())).collect());
    }
    // ids begin with the time, so these are index range scans, however many older orders exist
    let before = |order: &Ordered<'_>, time| {
        let made = order.order_id.uuid().get_timestamp();
        let made = made.map_or((0, 0), |made| made.to_unix());
        let since = Duration::new(made.0, made.1).saturating_sub(time);
        let since = u64::try_from(since.as_millis()).unwrap_or_default();
        Builder::from_unix_timestamp_millis(since, &[0; 10]).into_uuid()
    };
    let recent = sqlx::query!(
        r#"
        select recent.orders as "orders!", recent.open as "open!", recent.pieces as "pieces!"
        from unnest($1::uuid[], $2::uuid[], $3::uuid[]) with ordinality as new(user_id, day, hour, n)
             cross join lateral (
                 select count(*) filter (where o.order_id >= new.hour) as orders, count(held.pieces) as open,
                        coalesce(sum(held.pieces), 0)::bigint as pieces
                 from commerce."order" o
                      left join lateral (
                          select sum(quantity) as pieces from commerce.order_line l where l.order_id = o.order_id
                      ) as held on o.status in ('pending', 'awaiting_payment')
                 where o.user_id = new.user_id and o.order_id >= new.day
             ) as recent
        order by new.n
        "#,
        &orders.iter().map(|order| order.user_id.uuid()).collect::<Vec<_>>(),
        &orders.iter().map(|order| before(order, DAY)).collect::<Vec<_>>(),
        &orders.iter().map(|order| before(order, HOUR)).collect::<Vec<_>>(),
    )
    .fetch_all(conn)
    .await?;
    let answers = orders.iter().zip(recent).map(|(order, recent)| {
        let quantities = order.items.iter().map(|item| i64::from(item.quantity));
        let pieces = recent.pieces + quantities.sum::<i64>();
        limits.check(recent.open + 1, pieces, recent.orders + 1)
    });
    Ok(answers.collect())
}
