//! Sessions that block sagas: as the cause, and beside other causes.

use super::{Case, Found};
use crate::{
    blocking::BlockingSession,
    cause::Code,
    diagnosis::{Confidence, Evidence, Observed, at},
};

impl Case<'_> {
    /// A session has locked a row of the saga, or a whole table that it needs.
    pub(super) fn blocked(&self) -> Option<Found> {
        let sessions = self.world.blocking.available()?;
        let of_table = |session: &BlockingSession| {
            let table = session.needed_table()?;
            Some(format!("the table {table}"))
        };
        if let Some(row) = self.facts.locked.first() {
            let session = sessions.iter().find(|session| session.pid == row.pid)?;
            let locked = if row.queued {
                format!("{}, by a session that waits for it", row.row)
            } else {
                row.row.to_string()
            };
            return Some(self.blocked_by(session, locked));
        }
        let mut tables = sessions.iter();
        tables.find_map(|session| Some(self.blocked_by(session, of_table(session)?)))
    }

    fn blocked_by(&self, session: &BlockingSession, locked: String) -> Found {
        let since = session.since.unwrap_or(self.world.now).min(self.world.now);
        let hidden = || "hidden".to_owned();
        let own = [
            (
                "session",
                format!("{} ({})", session.pid, session.program()),
            ),
            ("locked", locked),
            ("doing", session.state.clone().unwrap_or_else(hidden)),
            (
                "in_transaction_since",
                session.since.map_or_else(hidden, at),
            ),
            (
                "statement",
                session.statement.clone().unwrap_or_else(hidden),
            ),
            ("holds", session.locks()),
            ("sessions_waiting", session.waiting.len().to_string()),
        ];
        Found {
            session: Some(session.pid),
            ..self.found(Code::BlockedBySession, since, own)
        }
    }

    /// Corrects a diagnosis that was made beside a session which blocks other sagas: consumers and
    /// workers that wait for its lock handle nothing else meanwhile.
    pub(super) fn beside_locks(&self, found: Found) -> Found {
        // these are read from rows, not concluded from work that is not done
        if matches!(
            found.code,
            Code::PausedBy | Code::PaymentMismatch | Code::UnknownPlanVersion | Code::JobLost
        ) {
            return found;
        }
        let session = match &self.world.blocking {
            Observed::Unavailable if self.is_idleness(&found) => {
                return found.with_confidence(Confidence::Likely);
            }
            Observed::Unavailable => return found,
            Observed::Available(sessions) => match sessions.first() {
                None => return found,
                Some(session) => session,
            },
        };
        if !self.is_idleness(&found) {
            let mut found = found.with_confidence(Confidence::Likely);
            found.evidence.push(Evidence {
                name: "blocks_others",
                value: session.to_string(),
            });
            return found;
        }
        let locked = "other rows; its work may wait behind them".to_owned();
        let mut blocked = self
            .blocked_by(session, locked)
            .with_confidence(Confidence::Likely);
        blocked.evidence.push(Evidence {
            name: "otherwise",
            value: format!("{} ({})", found.code, found.code.about().title),
        });
        blocked
    }

    /// Whether the diagnosis concludes from work that is due and not done.
    fn is_idleness(&self, found: &Found) -> bool {
        match found.code {
            Code::LeaseExpired | Code::QueueBacklog | Code::PaymentEventLost => true,
            // its consumers pause while they wait for a lock
            Code::QueueWithoutConsumer => self
                .world
                .processes
                .iter()
                .any(|process| process.is_alive(self.world.now) && process.has_role("payments")),
            _ => false,
        }
    }
}
