use chrono::TimeDelta;
use kernel::SagaId;

use crate::machine::StateKind;

/// A point of a saga's life that is worth a log line: it waits, or has come to rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Milestone<'a> {
    /// The saga.
    pub saga_id: SagaId,
    /// Its trace.
    pub trace_id: &'a str,
    /// Its new state: waiting, completed or compensated.
    pub state: StateKind,
    /// Why it is compensated.
    pub reason: Option<&'a str>,
    /// Since it was created.
    pub elapsed: TimeDelta,
}

impl Milestone<'_> {
    /// Writes the log line of a workflow that has none of its own.
    pub fn log(&self, workflow: &'static str) {
        tracing::info!(
            saga.id = %self.saga_id,
            saga.name = workflow,
            saga.reason = self.reason,
            trace_id = self.trace_id,
            elapsed_ms = self.elapsed.num_milliseconds(),
            "Saga is {}",
            self.state.as_str(),
        );
    }
}
