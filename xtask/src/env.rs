//! `.dev/env`: what a shell needs to talk to the running system.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use servers::Result;

use crate::{Doing, cargo::dev_dir};

/// Begins the line that names what came from outside.
const GIVEN: &str = "# given:";

#[derive(Debug, Default, Clone)]
pub(crate) struct Env {
    values: BTreeMap<String, String>,
    given: BTreeSet<String>,
}

impl Env {
    /// What the running system was started with.
    pub(crate) fn read() -> Self {
        Self::read_from(&dev_dir())
    }

    /// What another system's folder holds.
    pub(crate) fn read_from(dir: &Path) -> Self {
        let text = fs::read_to_string(dir.join("env")).unwrap_or_default();
        let value = |line: &str| {
            let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
            let value = value.strip_prefix('\'')?.strip_suffix('\'')?;
            Some((name.to_owned(), value.replace(r"'\''", "'")))
        };
        Self {
            values: text.lines().filter_map(value).collect(),
            given: BTreeSet::new(),
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.values.insert(name.to_owned(), value.into());
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.values.iter()
    }

    /// Takes a setting over from the environment, if it is there, and returns whether it is.
    ///
    /// A shell that has read `.dev/env` holds what an earlier `up` chose for itself: that is not
    /// somebody's wish.
    pub(crate) fn take(&mut self, name: &str) -> bool {
        let Some(value) = std::env::var(name).ok().filter(|value| !value.is_empty()) else {
            return false;
        };
        let before = fs::read_to_string(dev_dir().join("env")).unwrap_or_default();
        let was_given = before
            .lines()
            .filter_map(|line| line.strip_prefix(GIVEN))
            .any(|names| names.split_whitespace().any(|given| given == name));
        if before.lines().any(|line| line == export(name, &value)) && !was_given {
            return false;
        }
        self.given.insert(name.to_owned());
        self.set(name, value);
        true
    }

    pub(crate) fn write(&self) -> Result<()> {
        let given: Vec<_> = self.given.iter().map(String::as_str).collect();
        let mut text = format!("{GIVEN} {}\n", given.join(" "));
        for (name, value) in &self.values {
            text = text + &export(name, value) + "\n";
        }
        fs::write(dev_dir().join("env"), text).doing("write .dev/env")
    }
}

fn export(name: &str, value: &str) -> String {
    format!("export {name}='{}'", value.replace('\'', r"'\''"))
}
