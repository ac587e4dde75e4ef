//! `cargo xtask model`: explores every scenario and prints the results as Markdown. With
//! `--stories` it also prints the path to each violation that was planted.

use std::process::ExitCode;

#[expect(clippy::print_stdout, reason = "the report is what it is for")]
fn main() -> ExitCode {
    let summary = model::summarize();
    print!("{}", summary.tables);
    for path in summary.violations.iter().chain(&summary.missed) {
        eprintln!("\n{path}");
    }
    if std::env::args().any(|argument| argument == "--stories") {
        for (mutation, path) in &summary.counterexamples {
            println!("\n{}:\n\n{path}", mutation.title());
        }
    }
    if summary.violations.is_empty() && summary.missed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
