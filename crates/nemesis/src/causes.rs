//! Continuously asks for the causes of all live sagas: a saga without progress for longer than a
//! lease must have another cause than being healthy.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use serde_json::Value;
use testkit::System;
use tokio::task::block_in_place;

use crate::client::lock;

/// The position of a saga diagnosed as healthy, and when that position was first seen.
struct Standing {
    revision: Value,
    attempt: Value,
    due_at: Value,
    since: Instant,
}

/// The findings so far.
#[derive(Default)]
pub(crate) struct Causes(Mutex<Found>);

#[derive(Default)]
struct Found {
    looks: u64,
    idlers: Vec<String>,
}

impl Causes {
    /// Number of polls.
    pub(crate) fn looks(&self) -> u64 {
        lock(&self.0).looks
    }

    /// Sagas that were diagnosed as healthy although they made no progress.
    pub(crate) fn idlers(&self) -> Vec<String> {
        lock(&self.0).idlers.clone()
    }

    /// Polls until stopped.
    pub(crate) async fn watch(&self, system: &System, lease: Duration) {
        let mut healthy = HashMap::new();
        loop {
            let begun = Instant::now();
            // while the database is down there is nothing to read
            if let Some(found) = block_in_place(|| list_healthy(system)) {
                let mut of = lock(&self.0);
                of.looks += 1;
                of.idlers.extend(compare(&mut healthy, found, begun, lease));
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// The live sagas that `shopctl` diagnoses as healthy.
fn list_healthy(system: &System) -> Option<Vec<Value>> {
    let arguments = [
        "saga", "list", "--cause", "healthy", "--limit", "10000", "-o", "json",
    ];
    let output = system.command("shopctl").args(arguments).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines()
        .map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// The sagas that were healthy before and have not moved since, for longer than a lease.
fn compare(
    before: &mut HashMap<String, Standing>,
    found: Vec<Value>,
    begun: Instant,
    lease: Duration,
) -> Vec<String> {
    let mut idlers = Vec::new();
    let mut now = HashMap::new();
    for saga in found {
        let id = saga["saga_id"].as_str().unwrap_or_default().to_owned();
        let mut standing = Standing {
            revision: saga["revision"].clone(),
            attempt: saga["attempt"].clone(),
            due_at: saga["due_at"].clone(),
            since: Instant::now(),
        };
        if let Some(known) = before.remove(&id) {
            let same = known.revision == standing.revision
                && known.attempt == standing.attempt
                && known.due_at == standing.due_at;
            if same {
                standing.since = known.since;
            }
            if same && begun.saturating_duration_since(known.since) > lease {
                idlers.push(format!("called healthy for longer than a lease: {saga}"));
            }
        }
        now.insert(id, standing);
    }
    *before = now;
    idlers
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_standstill_beyond_the_lease_counts_as_idle() {
        let lease = Duration::from_secs(1);
        let saga = |revision| vec![json!({"saga_id": "a", "revision": revision, "attempt": 0})];
        let mut seen = HashMap::new();
        let begun = Instant::now();
        assert!(compare(&mut seen, saga(1), begun, lease).is_empty());
        let within = begun + lease / 2;
        assert!(compare(&mut seen, saga(1), within, lease).is_empty());
        let later = Instant::now() + lease * 2;
        assert!(
            compare(&mut seen, saga(2), later, lease).is_empty(),
            "it moved"
        );
        assert_eq!(compare(&mut seen, saga(2), later, lease).len(), 1);
        assert!(compare(&mut seen, Vec::new(), later, lease).is_empty());
        assert!(
            compare(&mut seen, saga(2), begun, lease).is_empty(),
            "gone in between"
        );
    }
}
