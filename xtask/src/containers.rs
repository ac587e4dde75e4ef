//! `cargo xtask test containers`: the compose file as it stands, on a real engine, by the commands of the
//! documents. Where no engine answers, one of our own is started (Debian's, as root); its base images are
//! stand-ins of `images/bases.rs`, since no registry is asked.

mod checkout;
mod engine;
mod load;
mod plays;

use std::time::Instant;

use servers::Result;

use checkout::Checkout;
use engine::Engine;

/// Builds and starts the composed system, and plays what the documents say of it.
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
