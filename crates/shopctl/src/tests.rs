//! Tests the command line against its own help and the documents.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Command, FromArgMatches};

use crate::{Cli, command};

/// Words at which shell syntax begins.
const SHELL: [&str; 7] = ["|", ">", ">>", "<", "&&", ";", "#"];

/// Parses a line as typed into a shell.
fn parse(line: &str) -> Result<(), String> {
    let words = shlex::split(line).ok_or("its quotes do not fit")?;
    let words = words
        .into_iter()
        .take_while(|word| !SHELL.contains(&word.as_str()))
        .map(|word| match word.as_str() {
            "$PLAN" => "12".to_owned(),
            id if id.starts_with('$') => "01996e0e-0000-7000-8000-000000000001".to_owned(),
            _ => word,
        });
    let parsed = command().try_get_matches_from(words);
    let parsed = parsed.and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(_) => Ok(()),
        Err(error) if !error.use_stderr() => Ok(()), // --help
        Err(error) => Err(error.to_string()),
    }
}

/// Lines that begin with `shopctl`; a line that ends in a backslash is joined to the next one.
fn commands(text: &str) -> Vec<String> {
    text.replace("\\\n", " ")
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("shopctl "))
        .map(ToOwned::to_owned)
        .collect()
}

fn leaves(path: &str, command: &Command, found: &mut Vec<(String, String)>) {
    let path = format!("{path}{}", command.get_name());
    if command.has_subcommands() {
        for verb in command.get_subcommands() {
            leaves(&format!("{path} "), verb, found);
        }
        return;
    }
    let help = command.get_after_help().map(ToString::to_string);
    found.push((path, help.unwrap_or_default()));
}

#[test]
fn every_verb_has_examples_of_itself_that_parse() {
    let mut verbs = Vec::new();
    leaves("", &command(), &mut verbs);
    assert!(verbs.len() > 10, "{verbs:?}");
    for (verb, help) in verbs {
        let examples = help
            .strip_prefix("Examples:\n")
            .unwrap_or_else(|| panic!("`{verb} --help` begins with examples"));
        let examples = commands(examples);
        assert!(!examples.is_empty(), "{verb}");
        for example in examples {
            assert!(example.starts_with(&verb), "{example} is no {verb}");
            parse(&example).unwrap_or_else(|why| panic!("{example}: {why}"));
        }
    }
}

#[test]
fn help_shows_examples_before_options() {
    let mut command = command();
    let retry = command
        .find_subcommand_mut("saga")
        .and_then(|saga| saga.find_subcommand_mut("retry"));
    let help = retry.unwrap().render_long_help().to_string();
    let at = |what: &str| {
        help.find(what)
            .unwrap_or_else(|| panic!("{what} in {help}"))
    };
    assert!(at("Examples:") < at("Usage:"), "{help}");
    assert!(at("Usage:") < at("--reason <"), "{help}");
}

fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// The contents of all `sh` code blocks.
fn shell_blocks(text: &str) -> String {
    let mut inside = false;
    let mut blocks = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside && line.trim() == "```sh";
        } else if inside {
            blocks.push_str(line);
            blocks.push('\n');
        }
    }
    blocks
}

#[test]
fn every_command_in_the_documents_parses() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    let mut files = vec![root.join("README.md"), root.join("ARCHITECTURE.md")];
    documents(&root.join("docs"), &mut files);
    let mut seen = 0;
    for file in files {
        for line in commands(&shell_blocks(&fs::read_to_string(&file).unwrap())) {
            seen += 1;
            parse(&line).unwrap_or_else(|why| panic!("{}: {line}: {why}", file.display()));
        }
    }
    assert!(seen > 0, "no document shows a command");
}

#[test]
fn no_flag_takes_what_ps_should_not_show() {
    fn flags(command: &Command, found: &mut Vec<String>) {
        let longs = command.get_arguments().filter_map(clap::Arg::get_long);
        found.extend(longs.map(ToOwned::to_owned));
        for verb in command.get_subcommands() {
            flags(verb, found);
        }
    }
    let mut found = Vec::new();
    flags(&command(), &mut found);
    assert!(found.contains(&"reason".to_owned()), "{found:?}");
    for flag in found {
        let secret = ["url", "password", "token"]
            .iter()
            .any(|word| flag.contains(word));
        assert!(!secret, "--{flag}");
    }
}

#[test]
fn completions_and_manual_know_every_noun() {
    for shell in [
        clap_complete::Shell::Bash,
        clap_complete::Shell::Zsh,
        clap_complete::Shell::Fish,
    ] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command(), "shopctl", &mut script);
        let script = String::from_utf8(script).unwrap();
        for noun in command().get_subcommands() {
            assert!(
                script.contains(noun.get_name()),
                "{shell}: {}",
                noun.get_name()
            );
        }
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command()).render(&mut page).unwrap();
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains("Exit codes"), "{page}");
}
