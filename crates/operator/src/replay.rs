//! Replaying an exported saga: offline, input by input.

use saga::{
    Shape,
    replay::{self, ReplayedInput},
};

use crate::export::Export;

/// Why an exported saga does not replay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// It is of another plan, or of another version of it.
    #[error("the file is of {file}, and this binary knows {ours}")]
    Plan {
        /// The file's plan.
        file: String,
        /// Ours.
        ours: String,
    },
    /// Its journal and the machine disagree.
    #[error(transparent)]
    Journal(#[from] replay::ReplayError),
}

/// Replays an exported journal. Returns the inputs up to the first difference.
pub fn replay(shape: &Shape, export: &Export) -> (Vec<ReplayedInput>, Result<(), ReplayError>) {
    let file = format!(
        "{} v{} ({})",
        export.plan, export.plan_version, export.plan_hash
    );
    let ours = format!("{} v{} ({})", shape.name, shape.version, shape.hash());
    if file != ours {
        return (Vec::new(), Err(ReplayError::Plan { file, ours }));
    }
    let (inputs, result) = replay::replay(shape, &export.journal, &export.position);
    (inputs, result.map_err(ReplayError::Journal))
}
