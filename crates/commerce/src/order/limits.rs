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
#[derive(Debug, thiserror::Error)]
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
    /// The database failed.
    #[error("could not count the account's orders")]
    Db(#[from] sqlx::Error),
}

impl OrderLimits {
    /// Whether no limit is set.
    pub fn is_unlimited(self) -> bool {
        self == Self::default()
    }
}

/// Checks a new order in its transaction, which holds the account's lock
/// ([`idempotency::claim`](crate::idempotency::claim)): concurrent orders of one account are
/// counted one after the other.
///
/// # Errors
/// [`LimitError`]
pub async fn check_limits(
    conn: &mut PgConnection,
    user_id: UserId,
    order_id: OrderId,
    items: &[Item],
    limits: OrderLimits,
) -> Result<(), LimitError> {
    if limits.is_unlimited() {
        return Ok(());
    }
    // ids begin with the time, so this is an index range scan, however many older orders exist
    let made = order_id
        .uuid()
        .get_timestamp()
        .map_or((0, 0), |made| made.to_unix());
    let before = |time| {
        let since = Duration::new(made.0, made.1).saturating_sub(time);
        let since = u64::try_from(since.as_millis()).unwrap_or_default();
        Builder::from_unix_timestamp_millis(since, &[0; 10]).into_uuid()
    };
    let recent = sqlx::query!(
        r#"
        select count(*) filter (where o.order_id >= $3) as "orders!",
               count(held.pieces) as "open!",
               coalesce(sum(held.pieces), 0)::bigint as "pieces!"
        from commerce."order" o
             left join lateral (
                 select sum(quantity) as pieces from commerce.order_line l where l.order_id = o.order_id
             ) as held on o.status in ('pending', 'awaiting_payment')
        where o.user_id = $1 and o.order_id >= $2
        "#,
        user_id.uuid(),
        before(DAY),
        before(HOUR),
    )
    .fetch_one(conn)
    .await?;
    let pieces = items
        .iter()
        .map(|item| i64::from(item.quantity))
        .sum::<i64>();
    let exceeded = |count: i64, allowed: u32| allowed > 0 && count > i64::from(allowed);
    let limit = if exceeded(recent.open + 1, limits.open) {
        (Limit::Open, limits.open)
    } else if exceeded(recent.pieces + pieces, limits.pieces) {
        (Limit::Pieces, limits.pieces)
    } else if exceeded(recent.orders + 1, limits.per_hour) {
        (Limit::PerHour, limits.per_hour)
    } else {
        return Ok(());
    };
    Err(LimitError::Exceeded {
        limit: limit.0,
        allowed: limit.1,
        retry_after: HOUR,
    })
}
