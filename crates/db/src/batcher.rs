//! Callers that wait at the same moment share a transaction, or a read.
//!
//! The idea is that of a database's group commit (DeWitt et al., "Implementation techniques for main
//! memory database systems", 1984), one layer higher: not only the flush of the log is shared, but
//! every statement.

use std::{
    future::Future,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// The most items of a batch: the locks of a batch are held until its last item is done.
const MAX_BATCH_SIZE: usize = 128;
/// The most callers that wait: at thousands of items a second, they wait for less than a second.
const WAITING: usize = 2048;
/// How long the next batch waits for the one before. A batch that waits for another session's lock
/// delays no one else for longer.
const NEXT_BATCH_DELAY: Duration = Duration::from_millis(100);
/// The most batches that run at the same time.
const MAX_CONCURRENT_BATCHES: usize = 8;

/// The work that a [`Batcher`] does for its callers.
pub trait Batch: Send + Sync + 'static {
    /// The work of one caller.
    type Item: Send + Sync + 'static;
    /// The answer to one caller.
    type Answer: Send + 'static;

    /// Does the work of all items in one transaction. The answers are in the order of the items.
    ///
    /// `None` says that nothing was done for this item, for no reason of its own: because the
    /// transaction was rolled back, or because another session works on the same rows. It is then
    /// done alone.
    fn together(
        &self,
        items: &[Self::Item],
    ) -> impl Future<Output = Vec<Option<Self::Answer>>> + Send;

    /// Does the work of one item in a transaction of its own.
    fn alone(&self, item: Self::Item) -> impl Future<Output = Self::Answer> + Send;
}

/// Why an item has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// As many callers wait as may: nothing was done.
    #[error("too many callers wait for a transaction")]
    Full,
    /// The work on it panicked, or the runtime stops: whether it was done is unknown.
    #[error("the transaction broke off")]
    Broke,
}

/// Does the work of many callers together. All items that wait when it is free become one batch; it
/// never waits for more, so a lone caller is served at once.
pub struct Batcher<B: Batch> {
    work: Arc<B>,
    capacity: usize,
    queue: OnceLock<mpsc::Sender<Job<B>>>,
}

/// An item, and the caller that waits for its answer.
type Job<B> = (<B as Batch>::Item, oneshot::Sender<<B as Batch>::Answer>);

impl<B: Batch> Batcher<B> {
    /// A batcher for this work.
    pub fn new(work: B) -> Self {
        Self::with_capacity(work, WAITING)
    }

    fn with_capacity(work: B, capacity: usize) -> Self {
        Self {
            work: Arc::new(work),
            capacity,
            queue: OnceLock::new(),
        }
    }

    /// Does the work of an item. A caller that stops waiting cancels nothing.
    ///
    /// # Errors
    /// [`BatchError`]
    pub async fn run(&self, item: B::Item) -> Result<B::Answer, BatchError> {
        let (answer, answered) = oneshot::channel();
        // begun with the first item: a batcher can be made outside of a runtime
        let queue = self.queue.get_or_init(|| {
            let (queue, jobs) = mpsc::channel(self.capacity);
            tokio::spawn(serve(Arc::clone(&self.work), jobs));
            queue
        });
        queue
            .try_send((item, answer))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => BatchError::Full,
                mpsc::error::TrySendError::Closed(_) => BatchError::Broke,
            })?;
        answered.await.map_err(|_| BatchError::Broke)
    }
}

async fn serve<B: Batch>(work: Arc<B>, mut jobs: mpsc::Receiver<Job<B>>) {
    let running = Arc::new(Semaphore::new(MAX_CONCURRENT_BATCHES));
    let mut batch = Vec::new();
    while let Ok(slot) = Arc::clone(&running).acquire_owned().await {
        if jobs.recv_many(&mut batch, MAX_BATCH_SIZE).await == 0 {
            return; // the batcher is dropped
        }
        let jobs = std::mem::take(&mut batch);
        let done = tokio::spawn(run(Arc::clone(&work), jobs, slot));
        // a batch that takes longer goes on by itself
        let _ = tokio::time::timeout(NEXT_BATCH_DELAY, done).await;
    }
}

async fn run<B: Batch>(work: Arc<B>, jobs: Vec<Job<B>>, slot: OwnedSemaphorePermit) {
    let (items, callers): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
    let answers = work.together(&items).await;
    debug_assert_eq!(answers.len(), items.len());
    drop(slot);
    let jobs = items.into_iter().zip(callers).zip(answers);
    for ((item, caller), answer) in jobs {
        if let Some(answer) = answer {
            let _ = caller.send(answer); // a caller that is gone needs no answer
        } else {
            let work = Arc::clone(&work);
            tokio::spawn(async move {
                let _ = caller.send(work.alone(item).await);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    /// Answers with the item; refuses odd ones as a batch, and holds each batch until it is let go.
    struct Held {
        batches: Mutex<Vec<Vec<u32>>>,
        go: Notify,
    }

    impl Batch for Arc<Held> {
        type Item = u32;
        type Answer = (u32, bool);

        async fn together(&self, items: &[u32]) -> Vec<Option<(u32, bool)>> {
            self.batches.lock().unwrap().push(items.to_vec());
            self.go.notified().await;
            let even = |item: &u32| item.is_multiple_of(2).then_some((*item, true));
            items.iter().map(even).collect()
        }

        async fn alone(&self, item: u32) -> (u32, bool) {
            assert_ne!(item, 13, "an item that breaks its transaction");
            (item, false)
        }
    }

    fn held() -> Arc<Held> {
        Arc::new(Held {
            batches: Mutex::default(),
            go: Notify::new(),
        })
    }

    impl Held {
        async fn has_begun(&self, batches: usize) {
            let begun = || async { self.batches.lock().unwrap().len() == batches };
            testkit::eventually("the batches to begin", begun).await;
        }
    }

    #[tokio::test]
    async fn waiting_callers_form_the_next_batch_with_individual_answers() {
        let held = held();
        let batcher = Batcher::new(Arc::clone(&held));
        let mut first = Box::pin(batcher.run(8));
        assert!(futures::poll!(&mut first).is_pending());
        held.has_begun(1).await;
        let waiting = join_all((0..5).map(|item| batcher.run(item)));
        let let_go = async {
            held.go.notify_one();
            held.has_begun(2).await;
            held.go.notify_one();
        };
        let (first, answers, ()) = tokio::join!(first, waiting, let_go);
        assert_eq!(first, Ok((8, true)));
        let expected: Vec<_> = (0..5u32)
            .map(|item| Ok((item, item.is_multiple_of(2))))
            .collect();
        assert_eq!(answers, expected);
        let batches = held.batches.lock().unwrap().clone();
        assert_eq!(batches, [vec![8], vec![0, 1, 2, 3, 4]]);
    }

    #[tokio::test]
    async fn a_batch_that_hangs_does_not_stop_the_next_one() {
        let held = held();
        let batcher = Batcher::new(Arc::clone(&held));
        let mut hanging = Box::pin(batcher.run(2));
        assert!(futures::poll!(&mut hanging).is_pending());
        held.has_begun(1).await;
        let mut next = Box::pin(batcher.run(4));
        assert!(futures::poll!(&mut next).is_pending());
        held.has_begun(2).await;
        held.go.notify_waiters();
        assert_eq!(hanging.await, Ok((2, true)));
        assert_eq!(next.await, Ok((4, true)));
    }

    #[tokio::test]
    async fn a_full_queue_and_a_broken_transaction_are_told_apart() {
        let held = held();
        let batcher = Batcher::with_capacity(Arc::clone(&held), 1);
        let mut broken = Box::pin(batcher.run(13));
        assert!(futures::poll!(&mut broken).is_pending());
        held.has_begun(1).await;
        let mut waiting = Box::pin(batcher.run(2));
        assert!(futures::poll!(&mut waiting).is_pending());
        assert_eq!(batcher.run(4).await, Err(BatchError::Full));
        held.go.notify_one();
        assert_eq!(broken.await, Err(BatchError::Broke));
        held.has_begun(2).await;
        held.go.notify_waiters();
        assert_eq!(waiting.await, Ok((2, true)));
    }
}
