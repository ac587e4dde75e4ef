//! Notices completed orders: one query for all awaited orders, every few milliseconds.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection};
use tokio::{sync::oneshot, task::JoinHandle};
use uuid::Uuid;

/// Poll interval: the maximum delay until a completion is noticed.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

type Waiting = HashMap<Uuid, oneshot::Sender<Instant>>;

#[derive(Clone, Default)]
pub(crate) struct Watch(Arc<Mutex<Waiting>>);

impl Watch {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Receives the time at which the order was seen completed.
    pub(crate) fn completed(&self, order: Uuid) -> oneshot::Receiver<Instant> {
        let (sender, receiver) = oneshot::channel();
        self.waiting().insert(order, sender);
        receiver
    }

    /// Polls until aborted; returns the process id of its database session, whose work is excluded
    /// from the system's cost.
    pub(crate) async fn start(
        &self,
        options: &sqlx::postgres::PgConnectOptions,
    ) -> anyhow::Result<(u32, JoinHandle<sqlx::Result<()>>)> {
        let mut conn = PgConnection::connect_with(options).await?;
        let pid: i32 = sqlx::query_scalar("select pg_backend_pid()")
            .fetch_one(&mut conn)
            .await?;
        let watch = self.clone();
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(POLL_INTERVAL).await;
                let orders: Vec<Uuid> = watch.waiting().keys().copied().collect();
                if orders.is_empty() {
                    continue;
                }
                let completed: Vec<Uuid> = sqlx::query_scalar(
                    r#"select order_id from commerce."order" where order_id = any($1) and status = 'completed'"#,
                )
                .bind(&orders)
                .fetch_all(&mut conn)
                .await?;
                let now = Instant::now();
                let mut waiting = watch.waiting();
                for order in completed {
                    if let Some(sender) = waiting.remove(&order) {
                        // the receiver may have been dropped
                        sender.send(now).ok();
                    }
                }
            }
        });
        Ok((pid.unsigned_abs(), task))
    }
}
