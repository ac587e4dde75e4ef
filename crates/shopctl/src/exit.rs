//! Exit codes, and errors that teach.

use std::process::ExitCode;

/// A failure with an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    code: u8,
    message: String,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn not_done(message: impl Into<String>) -> Self {
        Self {
            code: 1,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            code: 2,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self {
            code: 6,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self {
            code: 3,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self {
            code: 4,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Says what went wrong and what to do, and gives the exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    crate::output::talk(&format!("error: {error:#}"));
    let unreachable = error.chain().any(|cause| {
        cause
            .downcast_ref::<sqlx::Error>()
            .is_some_and(db::is_unreachable)
            || cause.downcast_ref::<messaging::LinkError>().is_some()
    });
    match error.downcast_ref::<Failure>() {
        Some(failure) => {
            if let Some(hint) = &failure.hint {
                crate::output::talk(&format!("hint: {hint}"));
            }
            ExitCode::from(failure.code)
        }
        None if unreachable => {
            crate::output::talk(
                "hint: is it running, and is its URL right? `. .dev/env` sets those of `cargo xtask up`",
            );
            ExitCode::from(6)
        }
        None => ExitCode::from(1),
    }
}
