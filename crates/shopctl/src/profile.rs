//! Settings: from the environment or from a profile file, never from flags, which `ps` shows.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use crate::exit::Failure;

/// The settings that a profile may contain.
const NAMES: [&str; 9] = [
    "SHOP_DATABASE_URL",
    "PAYMENTS_URL",
    "SERVICE_SIGNING_KEY_FILE",
    "PAYMENTS_DATABASE_URL",
    "AMQP_URL",
    "RABBITMQ_MANAGEMENT_URL",
    "SHOPCTL_ACTOR",
    "TRACE_URL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

/// The profile's settings; read on first use.
#[derive(Debug, Clone, Default)]
pub(crate) struct Profile(OnceLock<Vec<(String, String)>>);

impl Profile {
    /// A setting's value: from the environment, or from the file that the environment names, or
    /// else from the profile.
    ///
    /// # Errors
    /// When the named file or the profile cannot be used.
    pub(crate) fn find(&self, name: &str) -> Result<Option<String>, Failure> {
        let told = settings::secret(name, |name| env::var_os(name));
        let told = told.map_err(|error| Failure::usage(format!("{error:#}")))?;
        if told.is_some() {
            return Ok(told);
        }
        let settings = match (self.0.get(), path()?) {
            (Some(settings), _) => settings,
            (None, None) => return Ok(None),
            (None, Some(path)) => {
                let read = read(&path)?;
                self.0.get_or_init(|| read)
            }
        };
        let named = settings.iter().rfind(|(known, _)| known == name);
        Ok(named.map(|(_, value)| value.clone()))
    }

    /// Like [`Profile::find`], but an unset setting is an error that says where to set it.
    pub(crate) fn get(&self, name: &str) -> Result<String, Failure> {
        self.find(name)?.ok_or_else(|| {
            let file = usual().map(|path| path.display().to_string());
            let file = file.unwrap_or_else(|| "a file that SHOPCTL_PROFILE names".to_owned());
            Failure::usage(format!("{name} is not set")).hint(format!(
                "export it, or write it into {file} (mode 0600); `. .dev/env` sets those of `cargo xtask up`"
            ))
        })
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The path of the default profile.
fn usual() -> Option<PathBuf> {
    let config = variable("XDG_CONFIG_HOME").map(PathBuf::from);
    let config = config.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".config")))?;
    Some(config.join("shopctl").join("profile.env"))
}

/// The path of the profile to read: the one that SHOPCTL_PROFILE names, or the default one if it
/// exists.
fn path() -> Result<Option<PathBuf>, Failure> {
    match variable("SHOPCTL_PROFILE").map(PathBuf::from) {
        Some(named) if named.exists() => Ok(Some(named)),
        Some(named) => Err(
            Failure::usage(format!("there is no profile {}", named.display()))
                .hint("unset SHOPCTL_PROFILE, or name a file with lines such as AMQP_URL=amqp://…"),
        ),
        None => Ok(usual().filter(|path| path.exists())),
    }
}

fn read(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| {
        Failure::usage(format!("the profile {shown} cannot be read: {error}"))
            .hint("it must be a file of yours")
    };
    let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Failure::usage(format!(
            "the profile {shown} holds passwords, and others may read it (mode {mode:04o})"
        ))
        .hint(format!("chmod 600 {shown}")));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    parse(&text).map_err(|why| {
        Failure::usage(format!("the profile {shown}: {why}")).hint(format!(
            "each line is NAME=value or # a comment; the names are {}",
            NAMES.join(", ")
        ))
    })
}

/// Parses `NAME=value` lines as a shell would source them; `export` and quotes are allowed.
fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut settings = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line
            .split_once('=')
            .ok_or_else(|| format!("line {} is not NAME=value", at + 1))?;
        if !NAMES.contains(&name) {
            return Err(format!(
                "line {} sets `{name}`, which is no setting",
                at + 1
            ));
        }
        let quoted = ['"', '\''].iter().find_map(|quote| {
            value
                .strip_prefix(*quote)
                .and_then(|rest| rest.strip_suffix(*quote))
        });
        settings.push((name.to_owned(), quoted.unwrap_or(value).to_owned()));
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_lines_that_a_shell_could_source() {
        let read = parse("# mine\n\nexport AMQP_URL='amqp://a'\nSHOPCTL_ACTOR=ada\n").unwrap();
        let expected = [("AMQP_URL", "amqp://a"), ("SHOPCTL_ACTOR", "ada")];
        assert_eq!(
            read,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn an_unknown_profile_line_is_refused_without_its_value() {
        for wrong in ["AMQP_URI=amqp://app:hush@mq", "amqp://app:hush@mq"] {
            let why = parse(wrong).unwrap_err();
            assert!(why.contains("line 1") && !why.contains("hush"), "{why}");
        }
    }
}
