//! Replays an exported saga offline, input by input.

use saga::{
    Shape,
    replay::{self, ReplayedInput},
};

use crate::export::Export;

/// Why an exported saga does not replay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The saga belongs to another plan, or to another version of the plan.
    #[error("the file is of {file}, and this binary knows {ours}")]
    Plan {
        /// The plan of the file.
        file: String,
        /// The plans of this binary.
        ours: String,
    },
    /// The journal and the state machine disagree.
    #[error(transparent)]
    Journal(#[from] replay::ReplayError),
}

/// Replays an exported journal by its plan, which is looked up in `plans`. Returns the inputs up to
/// the first difference.
pub fn replay(plans: &[Shape], export: &Export) -> (Vec<ReplayedInput>, Result<(), ReplayError>) {
    let named = |plan: &str, version: i32, hash: &str| format!("{plan} v{version} ({hash})");
    let file = named(&export.plan, export.plan_version, &export.plan_hash);
    let ours: Vec<_> = plans
        .iter()
        .map(|shape| named(shape.name, shape.version, &shape.hash()))
        .collect();
    let Some(at) = ours.iter().position(|ours| *ours == file) else {
        let ours = ours.join(", ");
        return (Vec::new(), Err(ReplayError::Plan { file, ours }));
    };
    let (inputs, result) = replay::replay(&plans[at], &export.journal, &export.position);
    (inputs, result.map_err(ReplayError::Journal))
}
