//! Data goes to stdout, messages go to stderr.

use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::{exit::Failure, table};

/// Output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// A table, for people, as wide as the terminal (or COLUMNS) at most.
    Table,
    /// A table with everything in it, however wide.
    Wide,
    /// One JSON object per line.
    Json,
}

/// stdout did not take the data.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the output")]
pub(crate) struct WriteError(#[from] pub(crate) std::io::Error);

/// Writes a line of data.
pub(crate) fn data(line: &str) -> anyhow::Result<()> {
    let written = writeln!(std::io::stdout(), "{line}");
    written.map_err(|error| WriteError(error).into())
}

/// Writes a line for people. A closed stderr is ignored: the exit code has the result.
pub(crate) fn talk(line: &str) {
    writeln!(std::io::stderr(), "{line}").ok();
}

/// Prints one JSON object on a line with `-o json`, else this text.
pub(crate) fn either(output: Output, object: &impl Serialize, text: &str) -> anyhow::Result<()> {
    match output {
        Output::Json => self::object(object),
        Output::Table | Output::Wide => data(text),
    }
}

/// `1 message`, `2 messages`.
pub(crate) fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

const RED: &str = "\u{1b}[1;31m";
const CYAN: &str = "\u{1b}[36m";
const PLAIN: &str = "\u{1b}[0m";

/// Prints an error and a hint; in colour on a terminal, unless `NO_COLOR` is set.
pub(crate) fn error(message: &str, hint: &str) {
    writeln!(
        anstream::stderr(),
        "{RED}error:{PLAIN} {message}\n{CYAN}hint:{PLAIN} {hint}"
    )
    .ok();
}

/// Progress bar of a long operation; shown on a terminal only.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar of `total` parts; `what` names them.
    pub(crate) fn new(total: u64, what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {eta}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self(bar)
    }

    /// Sets the number of finished parts.
    pub(crate) fn set(&self, done: u64) {
        self.0.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// The width of the terminal: COLUMNS, else what the terminal says; none if stdout is no terminal.
fn width() -> Option<usize> {
    let columns = std::env::var("COLUMNS").ok();
    let columns = columns.and_then(|columns| columns.parse().ok());
    columns
        .filter(|columns| *columns > 0)
        .or_else(|| comfy_table::Table::new().width().map(usize::from))
}

/// Prints rows as a table with this header, or as one JSON object per line.
pub(crate) fn rows<T: Serialize>(
    output: Output,
    header: &[&str],
    rows: &[T],
    cells: impl Fn(&T) -> Vec<String>,
) -> anyhow::Result<()> {
    match output {
        Output::Json => {
            for row in rows {
                data(&serde_json::to_string(row)?)?;
            }
        }
        Output::Table | Output::Wide => {
            let width = (output == Output::Table).then(width).flatten();
            let rows = rows.iter().map(cells).collect();
            data(&table::render(header, rows, width))?;
        }
    }
    Ok(())
}

/// Prints one JSON object on a line.
pub(crate) fn object<T: Serialize>(object: &T) -> anyhow::Result<()> {
    data(&serde_json::to_string(object)?)
}

/// Asks for confirmation, unless `yes` is set; without a terminal, the answer is no.
pub(crate) fn confirm(yes: bool, question: &str) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    let question = question.trim_end();
    if !std::io::stdin().is_terminal() {
        return Err(Failure::not_done(format!(
            "nothing was done: it changes something, and there is no terminal to ask on. {question}"
        ))
        .hint("say --yes")
        .into());
    }
    write!(std::io::stderr(), "{question} Continue? [y/N] ").ok();
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::not_done("nothing was done, as you said")
            .hint("--yes answers beforehand")
            .into())
    }
}
