use clap::{Arg, Command};

/// Formats the settings of `command` as a Markdown table: variable, default, description.
pub fn reference(command: &Command) -> String {
    let head = ["| variable | default | |\n|---|---|---|\n".to_owned()];
    let rows = command.get_arguments().filter_map(row);
    head.into_iter().chain(rows).collect()
}

/// One setting; `None` for an argument without a variable.
fn row(argument: &Arg) -> Option<String> {
    let name = argument.get_env()?.to_string_lossy();
    let file = if argument.is_hide_env_values_set() {
        format!(", or `{name}_FILE`")
    } else {
        String::new()
    };
    let defaults = argument.get_default_values().iter();
    let default: String = defaults
        .map(|value| value.to_string_lossy())
        .filter(|value| !value.is_empty())
        .map(|value| format!("`{value}` "))
        .collect();
    let help = argument.get_long_help().or(argument.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let help = help.trim_end_matches('.').replace('|', "\\|");
    Some(format!("| `{name}`{file} | {default}| {help} |\n"))
}
