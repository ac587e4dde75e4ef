//! `.dev/env`: what a shell needs to talk to the running system.

use std::{collections::BTreeMap, fs};

use servers::Result;

use crate::{Doing, cargo::dev_dir};

#[derive(Debug, Default, Clone)]
pub(crate) struct Env(BTreeMap<String, String>);

impl Env {
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter()
    }

    pub(crate) fn write(&self) -> Result<()> {
        let quoted = |value: &str| format!("'{}'", value.replace('\'', r"'\''"));
        let text: String = self
            .0
            .iter()
            .map(|(name, value)| format!("export {name}={}\n", quoted(value)))
            .collect();
        fs::write(dev_dir().join("env"), text).doing("write .dev/env")
    }
}
