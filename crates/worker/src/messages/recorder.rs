//! Records which mails were sent: each before it is acked, those that end at the same time in one commit.

use std::sync::{Mutex, MutexGuard, PoisonError};

use contracts::topology;
use crashpoint::crash_point;
use messaging::{consumer::Verdict, inbox};
use sqlx::PgPool;

use super::verdict;

pub(super) struct Recorder {
    pool: PgPool,
    /// Ids of mails that were sent and are not recorded.
    pending: Mutex<Vec<String>>,
    /// Held by who records: all who wait for it find their ids recorded, or record the next ones.
    recording: tokio::sync::Mutex<()>,
}

impl Recorder {
    pub(super) fn new(pool: PgPool) -> Self {
        Self {
            pool,
            pending: Mutex::default(),
            recording: tokio::sync::Mutex::default(),
        }
    }

    /// Whether this mail was sent and is not recorded.
    pub(super) fn is_pending(&self, id: &str) -> bool {
        self.pending().iter().any(|pending| pending == id)
    }

    /// Records that a mail was sent, with all others that are pending.
    pub(super) async fn record(&self, id: &str) -> Verdict {
        if !self.is_pending(id) {
            self.pending().push(id.to_owned());
        }
        let _recording = self.recording.lock().await;
        let pending = self.pending().clone();
        if !pending.iter().any(|pending| pending == id) {
            return Verdict::Done; // with those before
        }
        let recorded = async {
            let mut conn = self.pool.acquire().await?;
            inbox::record(&mut conn, topology::MESSAGES, &pending).await
        };
        match recorded.await {
            Ok(_) => {
                crash_point!("mail.record.after_commit");
                self.pending().retain(|id| !pending.contains(id));
                Verdict::Done
            }
            // whatever hinders it, the mail must not be sent again: it is held until this is recorded
            Err(error) => match verdict(&error) {
                Verdict::Retry(why) => Verdict::Unreachable(why),
                verdict => verdict,
            },
        }
    }

    fn pending(&self) -> MutexGuard<'_, Vec<String>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
