//! stdout is data, stderr is talk.

use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use comfy_table::{Table, TableStyle};
use serde::Serialize;

use crate::exit::Failure;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// One object a line.
    Json,
}

#[expect(clippy::print_stdout, reason = "stdout is where data goes")]
pub(crate) fn data(line: &str) {
    println!("{line}");
}

pub(crate) fn talk(line: &str) {
    eprintln!("{line}");
}

/// Prints rows as a table with this header, or as one object a line.
pub(crate) fn rows<T: Serialize>(
    output: Output,
    header: &[&str],
    rows: &[T],
    cells: impl Fn(&T) -> Vec<String>,
) -> anyhow::Result<()> {
    match output {
        Output::Json => {
            for row in rows {
                data(&serde_json::to_string(row)?);
            }
        }
        Output::Table => {
            let mut table = Table::new();
            table.load_style(TableStyle::new());
            table.set_header(header.to_vec());
            for row in rows {
                table.add_row(cells(row));
            }
            data(&table.to_string());
        }
    }
    Ok(())
}

/// Asks, unless told not to; without a terminal the answer is no.
pub(crate) fn confirm(yes: bool, question: &str) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(
            Failure::not_done("this changes something, and nobody can be asked")
                .hint("say --yes")
                .into(),
        );
    }
    eprint!("{question} Continue? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::not_done("nothing was done").into())
    }
}
