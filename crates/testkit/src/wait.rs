use std::{
    future::Future,
    time::{Duration, Instant},
};

/// Generous: a slow machine must not fail a test.
const DEADLINE: Duration = Duration::from_mins(1);

/// Awaits a condition.
///
/// # Panics
/// When it does not come to hold within the deadline.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    eventually_some(what, || {
        let holds = holds();
        async move { holds.await.then_some(()) }
    })
    .await;
}

/// Awaits a value.
///
/// # Panics
/// When there is none within the deadline.
pub async fn eventually_some<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut get: impl FnMut() -> F,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = get().await {
            return value;
        }
        assert!(
            begun.elapsed() < DEADLINE,
            "after {DEADLINE:?} still waiting for: {what}"
        );
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
