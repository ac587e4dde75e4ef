//! Keeps a container open, in which `kubectl exec` runs commands: the image has no shell and no `sleep`.

use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::output;

#[derive(clap::Args)]
pub(crate) struct Hold {
    /// Maximum time, seconds.
    #[arg(long, default_value_t = 3600)]
    seconds: u64,
}

impl Hold {
    /// Returns at SIGTERM or SIGINT, or when the time is up. The kernel ignores both signals for
    /// the first process of a container unless that process has handlers.
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be awaited")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be awaited")?;
        // a signal before the handlers exist ends nothing, so a sender waits for this line
        output::talk(&format!(
            "Holding for {} s; SIGTERM and Ctrl-C end it.",
            self.seconds
        ));
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = tokio::time::sleep(Duration::from_secs(self.seconds)) => {}
        }
        Ok(())
    }
}
