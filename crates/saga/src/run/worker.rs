//! The saga role: claims due entries and passes each to the engine.

use std::{sync::Arc, time::Duration};

use crashpoint::crash_point;
use messaging::Wakeup;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    runner::Runner,
    store::claim::{EntryKind, SagaClaim, claim_sagas},
};

/// Interval between polls; a random jitter of up to the same length is added.
const POLL: Duration = Duration::from_millis(100);

/// Processes due entries, as many at a time as it has slots.
pub struct Worker<P> {
    runner: Runner<P>,
    wakeup: Wakeup,
    slots: Arc<Semaphore>,
}

impl<P: Send + Sync + 'static> Worker<P> {
    /// A worker with this many slots; `wakeup` signals entries that this process has written.
    pub fn new(runner: Runner<P>, wakeup: Wakeup, concurrency: u32) -> Self {
        Self {
            runner,
            wakeup,
            slots: Arc::new(Semaphore::new(concurrency as usize)),
        }
    }

    /// Claims entries and runs their attempts until `shutdown`, then waits for the running
    /// attempts.
    pub async fn run(self, shutdown: CancellationToken) {
        let attempts = TaskTracker::new();
        while !shutdown.is_cancelled() {
            // claim no more entries than there are free slots
            let free = self.slots.available_permits();
            let claims = if free == 0 {
                Vec::new()
            } else {
                self.claim(free).await
            };
            if !claims.is_empty() {
                crash_point!("saga.claim.after_commit");
            }
            let idle = claims.len() < free || free == 0;
            self.hand_out(claims, &attempts);
            if idle {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = self.wakeup.wait(POLL) => {}
                }
            }
        }
        attempts.close();
        attempts.wait().await;
        self.runner.engine().drain().await;
    }

    async fn claim(&self, limit: usize) -> Vec<SagaClaim> {
        let engine = self.runner.engine();
        let plans = engine.plan_keys();
        let lease = engine.config().lease;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let claimed = async {
            let mut conn = engine.lane().acquire().await?;
            let claims = claim_sagas(&mut conn, engine.holder(), &plans, lease, limit).await?;
            conn.release();
            Ok::<_, sqlx::Error>(claims)
        };
        // after the lease, any worker may claim these entries, so a later result is useless
        match tokio::time::timeout(lease, claimed).await {
            Ok(Ok(claims)) => claims,
            Ok(Err(error)) => {
                tracing::warn!(%error, "Could not look for due sagas: trying again");
                Vec::new()
            }
            Err(_) => {
                tracing::warn!("The database gave no answer within {lease:?}: trying again");
                Vec::new()
            }
        }
    }

    /// Runs each step in its own task; timers call no participant and are stored together.
    fn hand_out(&self, claims: Vec<SagaClaim>, attempts: &TaskTracker) {
        let (timers, steps): (Vec<_>, Vec<_>) = claims
            .into_iter()
            .partition(|claim| claim.kind == EntryKind::Timer);
        for claim in steps {
            if let Some(lost) = &claim.lost {
                metrics::counter!("saga_recoveries_total").increment(1);
                let since = (claim.began_at - lost.began_at).to_std();
                metrics::histogram!("saga_recovery_seconds")
                    .record(since.unwrap_or_default().as_secs_f64());
            }
            let (runner, slots, wakeup) = (
                self.runner.clone(),
                Arc::clone(&self.slots),
                self.wakeup.clone(),
            );
            attempts.spawn(async move {
                let Ok(_slot) = slots.acquire().await else {
                    return;
                };
                runner.attempt(&claim).await;
                wakeup.notify();
            });
        }
        if !timers.is_empty() {
            let engine = self.runner.engine().clone();
            attempts.spawn(async move { engine.timers(&timers).await });
        }
    }
}
