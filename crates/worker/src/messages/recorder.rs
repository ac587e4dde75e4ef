//! Records which mails were sent. Each mail is recorded before its command is acked; mails that are
//! sent at the same time are recorded in one commit.

use std::sync::{Mutex, MutexGuard, PoisonError};

use contracts::topology;
use crashpoint::crash_point;
use db::Lane;
use messaging::{consumer::Verdict, inbox};

use super::verdict;

pub(super) struct Recorder {
    lane: Lane,
    /// Ids of mails that were sent but are not yet recorded.
    pending: Mutex<Vec<String>>,
    /// Held by the task that records. Each waiting task then finds its id recorded, or records the
    /// next ids.
    recording: tokio::sync::Mutex<()>,
}

impl Recorder {
    pub(super) fn new(lane: Lane) -> Self {
        Self {
            lane,
            pending: Mutex::default(),
            recording: tokio::sync::Mutex::default(),
        }
    }

    /// Whether this mail was sent but is not yet recorded.
    pub(super) fn is_pending(&self, id: &str) -> bool {
        self.pending().iter().any(|pending| pending == id)
    }

    /// Records that a mail was sent, together with all other pending mails.
    pub(super) async fn record(&self, id: &str) -> Verdict {
        if !self.is_pending(id) {
            self.pending().push(id.to_owned());
        }
        let _recording = self.recording.lock().await;
        let pending = self.pending().clone();
        if !pending.iter().any(|pending| pending == id) {
            return Verdict::Done; // recorded by the task before
        }
        let recorded = async {
            let mut conn = self.lane.acquire().await?;
            inbox::record(&mut conn, topology::MESSAGES, &pending).await?;
            conn.release();
            Ok(())
        };
        match recorded.await {
            Ok(()) => {
                crash_point!("mail.record.after_commit");
                self.pending().retain(|id| !pending.contains(id));
                Verdict::Done
            }
            // after any error, the mail must not be sent again: the command is held until it is
            // recorded
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
