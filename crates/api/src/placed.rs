//! Reads the orders that have just been placed: those that arrived together are read together.

use std::sync::Arc;

use commerce::order::{self, Order};
use db::{Batch, Batcher, Lane};
use kernel::OrderId;
use web::{Problem, kinds};

/// Reads placed orders.
#[derive(Clone)]
pub struct Placed(Arc<Batcher<Reads>>);

impl Placed {
    /// Reads with connections of `lane`.
    pub fn new(lane: Lane) -> Self {
        Self(Arc::new(Batcher::new(Reads(lane))))
    }

    /// Finds an order.
    pub(crate) async fn find(&self, id: OrderId) -> Result<Option<Order>, Problem> {
        let found = self.0.run(id).await.map_err(|error| {
            Problem::new(kinds::UNAVAILABLE)
                .detail(format!(
                    "Order {id} is placed, but could not be read: {error}. Look at it in a moment."
                ))
                .retry_after(1)
        })?;
        Ok(found?)
    }
}

struct Reads(Lane);

impl Batch for Reads {
    type Item = OrderId;
    type Answer = sqlx::Result<Option<Order>>;

    async fn together(&self, ids: &[OrderId]) -> Vec<Option<Self::Answer>> {
        let Ok(orders) = self.find(ids).await else {
            return ids.iter().map(|_| None).collect();
        };
        let find = |id: &OrderId| orders.iter().find(|order| order.id == *id).cloned();
        ids.iter().map(|id| Some(Ok(find(id)))).collect()
    }

    async fn alone(&self, id: OrderId) -> Self::Answer {
        Ok(self.find(&[id]).await?.pop())
    }
}

impl Reads {
    async fn find(&self, ids: &[OrderId]) -> sqlx::Result<Vec<Order>> {
        let ids: Vec<_> = ids.iter().map(|id| id.uuid()).collect();
        let mut conn = self.0.acquire().await?;
        let found = order::find_all(&mut conn, &ids).await?;
        conn.release();
        Ok(found)
    }
}
