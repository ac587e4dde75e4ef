//! Measures the work of ten workers in an undisturbed window, before and after they are killed and
//! started.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::Serialize;
use testkit::{System, eventually};

/// Length of a measurement.
const WINDOW: Duration = Duration::from_secs(8);

/// Throughput done in a window.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Throughput {
    /// Orders completed in the window.
    completed: i64,
    /// By worker: the attempts at steps, undos and timers that it ended, by the journal.
    attempts: BTreeMap<String, i64>,
}

impl Throughput {
    /// Measures the work done from now on, for one window.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) async fn watch(system: &System) -> sqlx::Result<Self> {
        let since: String = sqlx::query_scalar("select clock_timestamp()::text")
            .fetch_one(&system.shop)
            .await?;
        tokio::time::sleep(WINDOW).await;
        let completed = sqlx::query_scalar(
            "select count(*) from commerce.order_status
             where status = 'completed' and at > $1::timestamptz",
        )
        .bind(&since)
        .fetch_one(&system.shop)
        .await?;
        // entries of kind `lost` are written by another process on behalf of a dead worker
        let attempts: Vec<(String, i64)> = sqlx::query_as(
            "select process, count(*) from saga.journal
             where process like 'worker-%' and kind <> 'lost' and at > $1::timestamptz
             group by process",
        )
        .bind(&since)
        .fetch_all(&system.shop)
        .await?;
        Ok(Self {
            completed,
            attempts: attempts.into_iter().collect(),
        })
    }
}

/// Waits until the first orders are completed.
pub(crate) async fn under_way(system: &System) {
    eventually("the first orders to be completed", || async {
        let completed = sqlx::query_scalar(
            "select count(*) from commerce.order_status where status = 'completed'",
        );
        let completed: sqlx::Result<i64> = completed.fetch_one(&system.shop).await;
        completed.is_ok_and(|completed| completed >= 20)
    })
    .await;
}

/// The workers' throughput before the first kill and after the last start.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Recovery {
    /// Orders completed per second before the first kill.
    pub before: f64,
    /// Orders completed per second after the last start.
    pub after: f64,
    /// Workers that advanced sagas after the last start.
    pub workers: usize,
    /// The fewest attempts of one such worker.
    pub least: i64,
    /// The most attempts of one such worker.
    pub most: i64,
}

impl Recovery {
    /// Compares two windows.
    pub(crate) fn of(before: &Throughput, after: &Throughput) -> Self {
        let rate = |window: &Throughput| {
            let completed = i32::try_from(window.completed).unwrap_or(i32::MAX);
            f64::from(completed) / WINDOW.as_secs_f64()
        };
        Self {
            before: rate(before),
            after: rate(after),
            workers: after.attempts.len(),
            least: after.attempts.values().copied().min().unwrap_or_default(),
            most: after.attempts.values().copied().max().unwrap_or_default(),
        }
    }

    /// Checks the recovery: at least half of the throughput is back, and each of `workers` does its
    /// share. Returns one sentence per violation.
    pub(crate) fn verify(&self, workers: usize) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.before == 0.0 || self.after < self.before / 2.0 {
            wrong.push(format!(
                "throughput has not recovered: {:.1} orders a second before, {:.1} after",
                self.before, self.after
            ));
        }
        if self.workers != workers {
            wrong.push(format!(
                "of {workers} workers {} advanced sagas: the rest starved",
                self.workers
            ));
        }
        wrong
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} · {:.1}; {} to {}",
            self.before, self.after, self.least, self.most
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throughput(completed: i64, workers: usize) -> Throughput {
        let attempts = (0..workers).map(|number| (format!("worker-{number}"), 5));
        Throughput {
            completed,
            attempts: attempts.collect(),
        }
    }

    #[test]
    fn half_the_throughput_and_an_idle_worker_are_found() {
        let violations = |before, after| Recovery::of(&before, &after).verify(10);
        assert!(violations(throughput(100, 10), throughput(50, 10)).is_empty());
        assert!(violations(throughput(100, 10), throughput(49, 10))[0].contains("throughput"));
        assert!(violations(throughput(0, 10), throughput(0, 10))[0].contains("throughput"));
        assert!(violations(throughput(100, 10), throughput(100, 9))[0].contains("starved"));
    }
}
