//! Keeps a container open, in which `kubectl exec` runs commands: the image has no shell and no `sleep`.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

/// Returns at SIGTERM or SIGINT; the first process of a container must ask for them, or they are ignored.
pub(crate) async fn hold() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be awaited")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be awaited")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
