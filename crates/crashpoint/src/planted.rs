use std::sync::LazyLock;

static PLANTED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("PLANTED").ok());

/// Whether `PLANTED` names this regression; called through [`crate::planted!`].
pub fn is_planted(name: &str) -> bool {
    PLANTED.as_deref() == Some(name)
}
