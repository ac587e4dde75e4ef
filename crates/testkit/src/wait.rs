use std::{
    future::{Future, poll_fn},
    pin::pin,
    process::{Child, ExitStatus},
    task::Poll,
    thread,
    time::{Duration, Instant},
};

/// Generous: a slow machine must not fail a test.
const DEADLINE: Duration = Duration::from_mins(1);

/// Waits until a condition holds.
///
/// # Panics
/// When the condition does not hold within the deadline.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    eventually_some(what, || {
        let holds = holds();
        async move { holds.await.then_some(()) }
    })
    .await;
}

/// Waits for a value.
///
/// # Panics
/// When no value arrives within the deadline.
pub async fn eventually_some<T, F: Future<Output = Option<T>>>(
    what: &str,
    get: impl FnMut() -> F,
) -> T {
    within(DEADLINE, what, get).await
}

/// Waits for a value with a given deadline: for conditions that follow a long outage.
///
/// # Panics
/// When no value arrives within the deadline.
pub async fn within<T, F: Future<Output = Option<T>>>(
    deadline: Duration,
    what: &str,
    mut get: impl FnMut() -> F,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = get().await {
            return value;
        }
        assert!(
            begun.elapsed() < deadline,
            "after {deadline:?} still waiting for: {what}"
        );
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// Waits for a process that was asked to exit: one that does not must fail its test, not block the
/// whole run.
///
/// # Panics
/// When the process is still running at the deadline; it is killed first.
pub fn ended(child: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            return status;
        }
        if begun.elapsed() > DEADLINE {
            let killed = child.kill().and_then(|()| child.wait());
            panic!(
                "process {} did not end in {DEADLINE:?}: {killed:?}",
                child.id()
            );
        }
        thread::sleep(Duration::from_millis(25));
    }
}

/// Polls `work` and drops it at the pending poll number `pause`, as a server drops a request whose
/// client disconnects. Returns the result if `work` completes earlier.
pub async fn hangs_up_in_pause<T>(pause: u32, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut pauses = 0;
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(came) => Poll::Ready(Some(came)),
        Poll::Pending if pauses == pause => Poll::Ready(None),
        Poll::Pending => {
            pauses += 1;
            Poll::Pending
        }
    })
    .await
}
