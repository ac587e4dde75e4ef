use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

/// Wakes the workers of this process after a commit that left work for them.
///
/// Other processes find the work by polling; a lost notification only delays it.
#[derive(Debug, Clone, Default)]
pub struct Wakeup(Arc<Notify>);

impl Wakeup {
    /// Wakes the workers.
    pub fn notify(&self) {
        self.0.notify_waiters();
        self.0.notify_one();
    }

    /// Waits for a notification, or for the poll interval: `base` plus up to as much again, at
    /// random, so that replicas do not poll in step.
    pub async fn wait(&self, base: Duration) {
        let interval = base.mul_f64(1.0 + rand::random::<f64>());
        if tokio::time::timeout(interval, self.0.notified())
            .await
            .is_err()
        {
            tracing::trace!("polling");
        }
    }
}
