//! Reads a process' settings: from the environment, and secrets optionally from files. Errors name
//! the variable that is wrong. Each process documents its own settings.
//!
//! - [`parse`] reads the settings of a program.
//! - [`secret`] reads a secret that may be stored in a file.
//! - [`reference()`] lists a program's settings, for `docs/configuration.md`.
//!
//! A setting is a secret if clap hides its value (`hide_env_values`). Each secret `NAME` can
//! instead be stored in a file that `NAME_FILE` names: environments are inherited, shown by `docker
//! inspect` and dumped with crashes, while files are not.

mod reference;

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::Path,
};

use anyhow::Context;
use clap::{
    Command, Parser,
    error::{ContextKind, ContextValue},
};

pub use reference::reference;

/// Reads the settings of this program from its arguments and its environment. Exits when asked for
/// help, or when the arguments are unknown.
///
/// # Errors
/// A sentence that begins with the variable that is invalid.
pub fn parse<P: Parser>() -> anyhow::Result<P> {
    let mut words = std::env::args_os();
    let program = words.next();
    let secrets = secrets(&P::command(), |name| std::env::var_os(name))?;
    let words = program.into_iter().chain(secrets).chain(words);
    P::try_parse_from(words).or_else(|error| match misread(&error, P::command()) {
        Some(sentence) => Err(sentence),
        None => error.exit(),
    })
}

/// Returns the secret `name`, or the content of the file that `<name>_FILE` names, without a
/// trailing line break.
///
/// # Errors
/// When both are set, or the file cannot be read or is empty. No error repeats the secret.
pub fn secret(
    name: &str,
    variable: impl Fn(&str) -> Option<OsString>,
) -> anyhow::Result<Option<String>> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let file = format!("{name}_FILE");
    let (given, path) = (set(name), set(&file));
    anyhow::ensure!(
        given.is_none() || path.is_none(),
        "{name} and {file} are both set: set one of them"
    );
    if let Some(path) = path {
        return read(&file, Path::new(&path)).map(Some);
    }
    let text = |value: OsString| value.into_string().ok();
    given
        .map(|value| text(value).with_context(|| format!("{name} is not text")))
        .transpose()
}

fn read(variable: &str, path: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("{variable}: {} cannot be read", path.display()))?;
    let text = text.trim_end_matches(['\r', '\n']);
    anyhow::ensure!(!text.is_empty(), "{variable}: {} is empty", path.display());
    Ok(text.to_owned())
}

/// The secrets of `command` that are stored in files, as arguments.
fn secrets(
    command: &Command,
    variable: impl Fn(&str) -> Option<OsString>,
) -> anyhow::Result<Vec<OsString>> {
    let mut words = Vec::new();
    let hidden = command
        .get_arguments()
        .filter(|argument| argument.is_hide_env_values_set());
    for argument in hidden {
        let (Some(name), Some(flag)) = (
            argument.get_env().and_then(OsStr::to_str),
            argument.get_long(),
        ) else {
            continue;
        };
        let from_file = |name: &str| variable(&format!("{name}_FILE")).is_some();
        if from_file(name)
            && let Some(text) = secret(name, &variable)?
        {
            words.push(format!("--{flag}={text}").into());
        }
    }
    Ok(words)
}

/// Prefixes clap's error about a setting with the name of its variable: operators set variables,
/// while clap's text names flags. `None` when the error is about something else.
fn misread(error: &clap::Error, mut command: Command) -> Option<anyhow::Error> {
    command.build(); // required before arguments can be printed
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let argument = command
        .get_arguments()
        .find(|argument| argument.to_string() == *flag)?;
    let variable = argument.get_env()?.to_string_lossy();
    let said = error.to_string();
    let said = said.split("\n\n").next().unwrap_or_default();
    let said = said.trim_start_matches("error: ");
    Some(anyhow::anyhow!("{variable}: {said}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::CommandFactory;

    use super::*;

    /// A program for tests.
    #[derive(Parser, Debug)]
    struct Cli {
        /// Where the broker is.
        #[arg(long, env = "TEST_ONLY_BROKER_URL", hide_env_values = true)]
        broker_url: Option<String>,
        /// How many.
        #[arg(long, env = "TEST_ONLY_MANY", default_value_t = 3)]
        many: u32,
    }

    fn words(set: &[(&str, &str)]) -> anyhow::Result<Vec<OsString>> {
        let set: BTreeMap<_, _> = set.iter().copied().collect();
        secrets(&Cli::command(), |name| set.get(name).map(OsString::from))
    }

    fn file(name: &str, text: &str) -> String {
        let path = std::env::temp_dir().join(format!("settings-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    #[test]
    fn a_secret_is_read_from_its_variables_file() {
        let path = file("url", "amqp://app:hush@mq\n");
        let words = words(&[("TEST_ONLY_BROKER_URL_FILE", &path)]).unwrap();
        let cli = Cli::try_parse_from(["program".into()].into_iter().chain(words)).unwrap();
        assert_eq!(cli.broker_url.as_deref(), Some("amqp://app:hush@mq"));
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_is_no_secret_has_no_file() {
        let path = file("many", "4");
        assert!(words(&[("TEST_ONLY_MANY_FILE", &path)]).unwrap().is_empty());
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_bad_secret_file_is_refused_and_never_printed() {
        let empty = file("empty", "\n");
        let full = file("full", "hush");
        for set in [
            vec![("TEST_ONLY_BROKER_URL_FILE", empty.as_str())],
            vec![("TEST_ONLY_BROKER_URL_FILE", "/nowhere/at/all")],
            vec![
                ("TEST_ONLY_BROKER_URL_FILE", full.as_str()),
                ("TEST_ONLY_BROKER_URL", "hush"),
            ],
        ] {
            let error = words(&set).unwrap_err().to_string();
            assert!(error.starts_with("TEST_ONLY_BROKER_URL"), "{error}");
            assert!(!error.contains("hush"), "{error}");
        }
        // an empty variable counts as unset
        let set = [
            ("TEST_ONLY_BROKER_URL_FILE", full.as_str()),
            ("TEST_ONLY_BROKER_URL", ""),
        ];
        assert_eq!(words(&set).unwrap(), ["--broker-url=hush"]);
        for path in [empty, full] {
            fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn an_unreadable_setting_is_named_by_its_variable() {
        let error = Cli::try_parse_from(["program", "--many", "lots"]).unwrap_err();
        let sentence = misread(&error, Cli::command()).unwrap().to_string();
        assert!(sentence.starts_with("TEST_ONLY_MANY: "), "{sentence}");
    }

    #[test]
    fn the_reference_names_each_setting_its_file_and_its_default() {
        assert_eq!(
            reference(&Cli::command()),
            "| variable | default | |\n|---|---|---|\n\
             | `TEST_ONLY_BROKER_URL`, or `TEST_ONLY_BROKER_URL_FILE` | | Where the broker is |\n\
             | `TEST_ONLY_MANY` | `3` | How many |\n"
        );
    }
}
