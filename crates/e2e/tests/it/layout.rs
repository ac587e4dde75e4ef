//! The allowed dependencies between crates, and the files that may name a vendor.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use regex::Regex;
use serde_json::Value;

/// The crates of ours that each crate may use in its shipped code. Any other dependency fails the
/// test.
const ARROWS: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("crashpoint", &[]),
    ("contracts", &["kernel"]),
    ("db", &["kernel"]),
    ("settings", &[]),
    ("telemetry", &["kernel"]),
    ("tokens", &["kernel", "contracts"]),
    ("web", &["kernel", "db", "telemetry", "tokens"]),
    ("messaging", &["crashpoint", "kernel", "db", "telemetry"]),
    (
        "saga",
        &["crashpoint", "kernel", "db", "telemetry", "messaging"],
    ),
    (
        "auth",
        &[
            "crashpoint",
            "kernel",
            "contracts",
            "db",
            "messaging",
            "tokens",
        ],
    ),
    ("commerce", &["kernel", "contracts", "db", "messaging"]),
    (
        "workflows",
        &[
            "crashpoint",
            "kernel",
            "contracts",
            "saga",
            "commerce",
            "db",
        ],
    ),
    (
        "payments-client",
        &["kernel", "contracts", "telemetry", "tokens", "workflows"],
    ),
    (
        "doctor",
        &[
            "kernel",
            "contracts",
            "db",
            "messaging",
            "saga",
            "workflows",
        ],
    ),
    (
        "operator",
        &[
            "kernel",
            "contracts",
            "db",
            "messaging",
            "telemetry",
            "saga",
            "commerce",
            "workflows",
        ],
    ),
    (
        "payments",
        &[
            "crashpoint",
            "kernel",
            "contracts",
            "db",
            "messaging",
            "telemetry",
            "settings",
            "tokens",
            "web",
        ],
    ),
    ("api", PROCESS),
    ("worker", PROCESS),
    ("shopctl", PROCESS),
    ("servers", &[]),
    ("xtask", &["servers"]),
    (
        "testkit",
        &[
            "kernel",
            "contracts",
            "db",
            "doctor",
            "saga",
            "servers",
            "tokens",
            "workflows",
        ],
    ),
    (
        "bench",
        &[
            "kernel",
            "contracts",
            "db",
            "doctor",
            "servers",
            "testkit",
            "tokens",
            "workflows",
        ],
    ),
    (
        "drill",
        &[
            "kernel",
            "contracts",
            "db",
            "messaging",
            "tokens",
            "saga",
            "auth",
            "commerce",
            "workflows",
            "operator",
        ],
    ),
    ("nemesis", &["kernel", "testkit"]),
    ("payments-check", &["kernel", "contracts", "tokens"]),
    (
        "model",
        &[
            "kernel",
            "contracts",
            "messaging",
            "saga",
            "commerce",
            "workflows",
        ],
    ),
    ("e2e", &["saga", "workflows", "api", "worker", "shopctl"]),
];

/// The crates that the shop's processes may use: all but payments, one another and test tools.
const PROCESS: &[&str] = &[
    "crashpoint",
    "kernel",
    "contracts",
    "db",
    "settings",
    "telemetry",
    "tokens",
    "web",
    "messaging",
    "saga",
    "auth",
    "commerce",
    "workflows",
    "payments-client",
    "doctor",
    "operator",
];

pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap().to_path_buf()
}

/// The shipped dependencies of each crate: normal and build dependencies.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let shipped = |package: &Value| {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let shipped = dependencies.filter(|dependency| dependency["kind"] != "dev");
        shipped.map(name).collect()
    };
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| (name(package), shipped(package)))
        .collect()
}

#[test]
fn the_arrows_between_crates_are_those_of_the_map() {
    let all = dependencies();
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let ours: BTreeSet<_> = all.keys().map(String::as_str).collect();
    assert_eq!(
        ours,
        allowed.keys().copied().collect(),
        "every crate is on the map"
    );
    for (name, uses) in &all {
        for used in uses.iter().filter(|used| ours.contains(used.as_str())) {
            assert!(
                allowed[name.as_str()].contains(&used.as_str()),
                "{name} must not use {used}"
            );
        }
    }
}

/// External crates that only these crates may use; `bench` and `testkit` act as foreign payments
/// services, `testkit` and `payments-check` as foreign clients of the broker.
#[test]
fn rules_are_kept_from_http_and_brokers() {
    let all = dependencies();
    let only = [
        (
            "axum",
            &[
                "api",
                "payments",
                "web",
                "telemetry",
                "worker",
                "bench",
                "testkit",
            ][..],
        ),
        (
            "lapin",
            &["messaging", "bench", "testkit", "payments-check"],
        ),
        ("apalis", &["worker"]),
        ("apalis-postgres", &["worker"]),
        ("opentelemetry", &["telemetry"]),
        ("jsonwebtoken", &["tokens"]),
        ("backoff", &["kernel"]),
    ];
    for (library, users) in only {
        let found: Vec<_> = all
            .iter()
            .filter(|(_, uses)| uses.contains(library))
            .map(|(name, _)| name.as_str())
            .collect();
        assert!(!found.is_empty(), "nobody uses {library}");
        for user in found {
            assert!(users.contains(&user), "{user} must not use {library}");
        }
    }
}

pub(crate) fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The functions under a test attribute.
pub(crate) fn tests(text: &str) -> impl Iterator<Item = &str> {
    let attribute = |line: &str| {
        line.trim_start().starts_with("#[test]") || line.trim_start().starts_with("#[tokio::test")
    };
    let lines: Vec<_> = text.lines().collect();
    let found: Vec<_> = (0..lines.len())
        .filter(|n| attribute(lines[*n]))
        .filter_map(|n| {
            let signature = lines[n + 1..].iter().find(|line| line.contains("fn "))?;
            let name = signature.split("fn ").nth(1)?;
            name.split(['(', '<']).next()
        })
        .collect();
    found.into_iter()
}

/// A test's name is a rule; the number of its fault, `_f61`, comes on top.
#[test]
fn a_test_name_has_at_most_ten_words() {
    let mut files = Vec::new();
    for folder in ["crates", "workflows", "xtask"] {
        sources(&root().join(folder), &mut files);
    }
    let fault = Regex::new(r"_f\d+$").unwrap();
    let mut long = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let names = tests(&text).map(|name| fault.replace(name, "").into_owned());
        long.extend(names.filter(|name| name.split('_').count() > 10));
    }
    assert!(long.is_empty(), "{long:#?}");
}

/// A second workflow is a file and a line in the registry: no program names a workflow's type.
#[test]
fn no_crate_names_a_workflow() {
    let workflow = Regex::new(r"\bCheckout(Input)?\b").unwrap();
    let mut files = Vec::new();
    let crates = fs::read_dir(root().join("crates")).unwrap();
    let crates = crates.map(|entry| entry.unwrap().path());
    let ours = crates.filter(|path| !path.ends_with("e2e")); // its next release has one of its own
    for folder in ours
        .map(|path| path.join("src"))
        .filter(|path| path.is_dir())
    {
        sources(&folder, &mut files);
    }
    assert!(files.len() > 100, "they are elsewhere now");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            assert!(!workflow.is_match(line), "{}: {line}", file.display());
        }
    }
}

/// The client library's conversion into a short string panics above 255 bytes: names go through
/// `record::short`.
#[test]
fn no_name_becomes_a_short_string_unbounded() {
    let mut files = Vec::new();
    sources(&root().join("crates/messaging/src"), &mut files);
    // our own constants, and values that do not become names
    let bounded = [
        "header.into()",
        "(*key).into()",
        "value.into()",
        "error.into()",
    ];
    let converts = regex::Regex::new(r"(\b[a-z_][a-z0-9_]*|\))\.into\(\)").unwrap();
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        if !code.contains("lapin") {
            continue;
        }
        let lines = code.lines().filter(|line| converts.is_match(line));
        let unbounded = lines.filter(|line| !bounded.iter().any(|form| line.contains(form)));
        found.extend(unbounded.map(|line| format!("{}: {}", file.display(), line.trim())));
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// `web::serve` has the timeouts and the limit of connections; axum's own server has neither.
#[test]
fn services_are_served_with_limits() {
    let mut files = Vec::new();
    sources(&root().join("crates"), &mut files);
    let unlimited: BTreeSet<_> = files
        .iter()
        .filter(|file| {
            let text = fs::read_to_string(file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            code.contains("axum::serve(")
        })
        .map(|file| file.strip_prefix(root()).unwrap().display().to_string())
        .filter(|file| !file.contains("/tests"))
        .collect();
    let others = [
        "crates/bench/src/stub.rs",
        "crates/telemetry/src/admin.rs",
        "crates/testkit/src/level1.rs",
    ];
    assert_eq!(unlimited, others.map(str::to_owned).into());
    for service in ["api", "payments"] {
        let main = root().join(format!("crates/{service}/src/lib.rs"));
        assert!(
            fs::read_to_string(main).unwrap().contains("web::serve("),
            "{service}"
        );
    }
}

/// To replace a vendor, rewrite the module that names it.
#[test]
fn one_vendor_one_module() {
    for (krate, vendor, module) in [
        ("messaging", "lapin::", "rabbit"),
        ("worker", "apalis", "jobs"),
        ("kernel", "backoff::", "retry"),
    ] {
        let src = root().join("crates").join(krate).join("src");
        let mut files = Vec::new();
        sources(&src, &mut files);
        let names = |path: &&PathBuf| {
            let text = fs::read_to_string(path).unwrap();
            let code = |line: &str| !line.trim_start().starts_with("//") && line.contains(vendor);
            text.lines().any(code)
        };
        let module_of = |path: &PathBuf| {
            let first = path.strip_prefix(&src).unwrap().iter().next().unwrap();
            first.to_str().unwrap().trim_end_matches(".rs").to_owned()
        };
        let found: BTreeSet<_> = files.iter().filter(names).map(module_of).collect();
        assert_eq!(
            found,
            BTreeSet::from([module.to_owned()]),
            "{vendor} in {krate}"
        );
    }
}

/// Lines of a source file that format an amount of minor units as text.
fn printed_amounts(source: &str) -> Vec<&str> {
    let interpolated = Regex::new(r"\{[a-z_.]*amount(:[^}]*)?\}").unwrap();
    let concatenated =
        Regex::new(r"'\s*\|\|\s*[a-z_.]*amount\b|\b[a-z_.]*amount\s*\|\|\s*'").unwrap();
    let argument =
        Regex::new(r"^\s*[a-z_&][a-z_.&]*\.(total_|unit_|price_)?amount,?$|, [a-z_.&]*\.(total_|unit_|price_)?amount[,)]")
            .unwrap();
    let text = Regex::new(r"amount\.to_string\(\)").unwrap();
    let macros = Regex::new(
        r"\b(format|write|writeln|print|println|eprintln|bail|anyhow|info|warn|error|debug)!\($",
    )
    .unwrap();
    let one_line = Regex::new(r"\b(format|write|writeln|print|println|eprintln|bail|anyhow|info|warn|error|debug)!\(.*\.(total_|unit_|price_)?amount\s*[,)]")
        .unwrap();
    let mut inside: Option<usize> = None;
    let mut found = Vec::new();
    for line in source.lines() {
        let indent = line.len() - line.trim_start().len();
        // a macro that spans lines ends at a line of its own indent, as rustfmt formats it
        if inside.is_some_and(|begun| indent <= begun && !line.trim().is_empty()) {
            inside = None;
        }
        let as_argument = inside.is_some() && argument.is_match(line);
        let says = |regex: &Regex| regex.is_match(line) && !line.trim_start().starts_with("//");
        if as_argument
            || says(&interpolated)
            || says(&concatenated)
            || says(&one_line)
            || says(&text)
        {
            found.push(line);
        }
        if macros.is_match(line) {
            inside = Some(indent);
        }
    }
    found
}

#[test]
fn no_amount_becomes_text_but_by_money() {
    for wrong in [
        "    let text = format!(\"{amount} {currency}\");",
        "    let text = format!(\"it costs {total_amount}\");",
        "    let text = format!(\"it costs {}\", order.total_amount);",
        "    let text = format!(\n        \"it costs {}\",\n        order.total_amount,\n    );",
        "    let text = money.amount.to_string();",
        "        select 'it costs ' || o.total_amount || ', its lines'",
    ] {
        assert!(!printed_amounts(wrong).is_empty(), "{wrong}");
    }
    for right in [
        "    let text = format!(\"it costs {total}\");",
        "    let total = Money::new(row.total_amount, row.currency);",
        "        draft.price.amount,",
    ] {
        assert!(printed_amounts(right).is_empty(), "{right}");
    }
    let mut files = Vec::new();
    sources(&root().join("workflows/src"), &mut files);
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        sources(&entry.unwrap().path().join("src"), &mut files);
    }
    assert!(files.len() > 100, "{}", files.len());
    for path in files {
        let source = fs::read_to_string(&path).unwrap();
        let found = printed_amounts(&source);
        let path = path.display();
        assert!(
            found.is_empty(),
            "{path}: write an amount with `Money`: {found:#?}"
        );
    }
}
