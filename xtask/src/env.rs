//! `.dev/env`: the settings that a shell needs to use the running system.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, OpenOptions, Permissions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use servers::Result;

use crate::{Doing, cargo::dev_dir};

/// Prefix of the line that lists the settings taken from the environment.
const GIVEN: &str = "# given:";

#[derive(Debug, Default, Clone)]
pub(crate) struct Env {
    values: BTreeMap<String, String>,
    given: BTreeSet<String>,
}

impl Env {
    /// The settings of the running system.
    pub(crate) fn read() -> Self {
        Self::read_from(&dev_dir())
    }

    /// The settings in another system's folder.
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

    /// Takes a setting from the environment; returns whether it is set there.
    ///
    /// A shell that has read `.dev/env` exports the values that an earlier `up` chose by itself.
    /// Those do not count as set.
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
        write_private(&dev_dir().join("env"), &text).doing("write .dev/env")
    }
}

/// Writes a file that only its owner may read, since it holds passwords.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    // opening an existing file does not change its mode
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())
}

/// Creates `.dev` and its private folders: keys, logs and mails are readable only by their owner.
/// `.dev` itself may be traversed, by the users that the servers run as, but not listed.
pub(crate) fn make_folders(dev: &Path) -> Result<()> {
    for (folder, mode) in [
        (dev.to_owned(), 0o711),
        (dev.join("keys"), 0o700),
        (dev.join("log"), 0o700),
        (dev.join("mail"), 0o700),
    ] {
        let doing = format!("make {}", folder.display());
        fs::create_dir_all(&folder).doing(&doing)?;
        fs::set_permissions(&folder, Permissions::from_mode(mode)).doing(&doing)?;
    }
    Ok(())
}

fn export(name: &str, value: &str) -> String {
    format!("export {name}='{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_keys_logs_and_mails_are_their_owners_alone() {
        let dev = std::env::temp_dir().join(format!("dev-{}", std::process::id()));
        fs::create_dir_all(&dev).unwrap();
        // an earlier release wrote the file with this mode
        fs::write(dev.join("env"), "export A='b'").unwrap();
        fs::set_permissions(dev.join("env"), Permissions::from_mode(0o644)).unwrap();
        make_folders(&dev).unwrap();
        write_private(&dev.join("env"), "export A='c'").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dev), 0o711);
        for folder in ["keys", "log", "mail"] {
            assert_eq!(mode(&dev.join(folder)), 0o700, "{folder}");
        }
        assert_eq!(mode(&dev.join("env")), 0o600);
        fs::remove_dir_all(&dev).unwrap();
    }
}
