//! How much one account may order, so that no account can hold the whole catalog for nothing.

use std::time::Duration;

use kernel::{OrderId, UserId};
use sqlx::PgConnection;
use uuid::Builder;

use super::Item;

/// Orders of this time count for [`OrderLimits::per_hour`].
const HOUR: Duration = Duration::from_hours(1);

/// Unpaid orders of this time are counted: also those whose payment deadline is long, or that an outage holds up.
const DAY: Duration = Duration::from_hours(24);

/// How much one account may order; 0 stands for any number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OrderLimits {
    /// Orders that are not paid.
    pub open: u32,
    /// Pieces that such orders hold.
    pub pieces: u32,
    /// All orders of an hour, canceled and completed ones too.
    pub per_hour: u32,
}

/// Which limit an order exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// See [`OrderLimits::open`].
    Open,
    /// See [`OrderLimits::pieces`].
    Pieces,
    /// See [`OrderLimits::per_hour`].
    PerHour,
}

/// The account has ordered as much as it may.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// A limit is exceeded.
    #[error("the limit of {allowed} ({limit:?}) is exceeded")]
    Exceeded {
        /// Which one.
        limit: Limit,
        /// How much it allows.
        allowed: u32,
        /// When an order of the same size can be placed at the latest, if nothing else is done.
        retry_after: Duration,
    },
    /// The database failed.
    #[error("could not count the account's orders")]
    Db(#[from] sqlx::Error),
}

impl OrderLimits {
    /// Whether there are none.
    pub fn is_unlimited(self) -> bool {
        self == Self::default()
    }
}

/// Checks an order that is about to be placed, in its transaction, which holds the account's lock
/// ([`idempotency::claim`](crate::idempotency::claim)): orders of one account at once are counted one after the other.
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
    // ids begin with the time: an index range, however many orders are older
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
