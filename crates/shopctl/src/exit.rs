//! Exit codes, and errors with hints.

use std::{io::Write as _, process::ExitCode};

use serde::Serialize;

use crate::output::{self, Output, WriteError};

/// Exit codes are a contract: scripts branch on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Code {
    /// The action was not done, or a check is violated.
    NotDone = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The named object does not exist.
    NotFound = 3,
    /// The action conflicts with the current state.
    Conflict = 4,
    /// A required server does not answer.
    Unreachable = 6,
}

impl Code {
    /// The default hint, for failures without one.
    const fn hint(self) -> &'static str {
        match self {
            Self::NotDone => "`shopctl doctor` tells what else is wrong",
            Self::Usage => "`shopctl --help` and the `--help` of each verb have examples",
            Self::NotFound => "check the id; the list verbs show what is there",
            Self::Conflict => "look at it again: somebody else may have been faster",
            Self::Unreachable => {
                "is it running, and is its URL right? `. .dev/env` sets those of `cargo xtask up`"
            }
        }
    }
}

/// A failure with an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    code: Code,
    message: String,
    hint: Option<String>,
}

impl Failure {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn not_done(message: impl Into<String>) -> Self {
        Self::new(Code::NotDone, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }

    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self::new(Code::Unreachable, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(Code::Conflict, message)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// An error as printed with `-o json`: the last line of stderr.
#[derive(Serialize)]
struct ErrorLine<'a> {
    error: Code,
    exit_code: u8,
    message: &'a str,
    hint: &'a str,
}

/// The exit code of a program that SIGPIPE ended, as a shell reports it.
const SIGPIPE: u8 = 128 + 13;

/// Ends quietly if the reader of stdout is gone, as other tools do; else reports the error.
fn unwritten(error: &std::io::Error, output: Output) -> ExitCode {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        return ExitCode::from(SIGPIPE);
    }
    let message = format!("cannot write the output: {error}");
    let hint = "free space on the disk, or write elsewhere; what the command did is done";
    print_error(Code::NotDone, &message, hint, output)
}

/// Prints an error with a hint and returns its exit code.
pub(crate) fn report(error: &anyhow::Error, output: Output) -> ExitCode {
    if let Some(WriteError(error)) = error.downcast_ref() {
        return unwritten(error, output);
    }
    let failure = error.downcast_ref::<Failure>();
    let unreachable = unreachable(error);
    let code = match failure {
        Some(failure) => failure.code,
        None if unreachable.is_some() => Code::Unreachable,
        None => Code::NotDone,
    };
    let message = match unreachable {
        Some(what) if failure.is_none() => format!("{what} cannot be reached: {error:#}"),
        _ => format!("{error:#}"),
    };
    let hint = failure.and_then(|failure| failure.hint.as_deref());
    print_error(code, &message, hint.unwrap_or(code.hint()), output)
}

/// The server that did not answer, if that caused the error.
fn unreachable(error: &anyhow::Error) -> Option<&'static str> {
    error.chain().find_map(|cause| {
        if cause.downcast_ref::<messaging::LinkError>().is_some() {
            return Some("RabbitMQ (AMQP_URL)");
        }
        let database = cause.downcast_ref::<sqlx::Error>()?;
        db::is_unreachable(database).then_some("the shop's database (SHOP_DATABASE_URL)")
    })
}

/// Prints clap's error about an invalid command line, or the help or version that was asked for.
pub(crate) fn usage(error: &clap::Error, output: Output) -> ExitCode {
    if !error.use_stderr() {
        let printed = error.print().and_then(|()| std::io::stdout().flush());
        return match printed {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => unwritten(&error, output),
        };
    }
    let text = error.render().to_string();
    let text = text.trim_start_matches("error: ").trim_end();
    let (message, _) = text.split_once("\n\nUsage:").unwrap_or((text, ""));
    let message = message.trim_end_matches("\n\nFor more information, try '--help'.");
    print_error(Code::Usage, message, Code::Usage.hint(), output)
}

fn print_error(code: Code, message: &str, hint: &str, output: Output) -> ExitCode {
    let exit_code = code as u8;
    match output {
        Output::Json => {
            let error_line = ErrorLine {
                error: code,
                exit_code,
                message,
                hint,
            };
            let line = serde_json::to_string(&error_line).unwrap_or_else(|_| message.to_owned());
            output::talk(&line);
        }
        Output::Table | Output::Wide => output::error(message, hint),
    }
    ExitCode::from(exit_code)
}
