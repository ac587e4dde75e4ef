//! Descriptions of metrics, taken from docs/metrics.md, so that `# HELP` and the page agree.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

const PAGE: &str = include_str!("../../../docs/metrics.md");

/// Registers the page's descriptions with the recorder; call it once the recorder is installed.
pub(crate) fn describe() {
    for (name, kind, what) in rows() {
        let unit = unit(name);
        match kind {
            "counter" => describe_counter!(name, unit, what),
            "gauge" => describe_gauge!(name, unit, what),
            _ => describe_histogram!(name, unit, what),
        }
    }
}

/// Name, type and meaning, from the rows of the page's table.
fn rows() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    PAGE.lines().filter_map(|line| {
        let row = line.strip_prefix("| `")?.strip_suffix(" |")?;
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [name, kind, _labels, what] = cells[..] else {
            return None;
        };
        let kind = kind.split(',').next()?; // drops the process that publishes the metric
        Some((name.trim_end_matches('`'), kind, what))
    })
}

/// A metric's name ends with its unit; a name without one is a count.
fn unit(name: &str) -> Unit {
    let name = name.trim_end_matches("_total");
    if name.ends_with("_seconds") {
        Unit::Seconds
    } else if name.ends_with("_bytes") {
        Unit::Bytes
    } else {
        Unit::Count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_of_the_page_is_understood() {
        let lines = PAGE.lines().filter(|line| line.starts_with("| `"));
        assert_eq!(rows().count(), lines.count());
        for (name, kind, what) in rows() {
            assert!(
                ["counter", "gauge", "histogram"].contains(&kind),
                "{name}: {kind}"
            );
            assert!(!what.is_empty(), "{name}");
            let counts = name.ends_with("_total");
            assert_eq!(counts, kind == "counter", "{name} is a {kind}");
        }
    }
}
