//! `cargo xtask test containers`: runs the unmodified compose file on a real engine, with the
//! commands of the documents. If no engine answers, it starts an engine of its own (Debian's, as
//! root), whose base images are stand-ins from `images/bases.rs`, since no registry is used.

mod checkout;
mod engine;
mod load;
mod plays;

use std::time::Instant;

use servers::Result;

use checkout::Checkout;
use engine::Engine;

/// Builds and starts the composed system, and plays the scenarios of the documents.
pub(crate) fn test() -> Result<()> {
    let begun = Instant::now();
    let engine = match Engine::find() {
        Ok(engine) => engine,
        Err(why) => {
            eprintln!(
                "no Docker engine can be had here, so nothing is run in containers: {}",
                why.0
            );
            return Ok(());
        }
    };
    engine.bases()?;
    let checkout = Checkout::new(&engine)?;
    let played = plays::all(&checkout, begun);
    if played.is_err() {
        checkout.keep_logs();
    }
    let cleared = checkout.clear();
    played.and(cleared)
}
