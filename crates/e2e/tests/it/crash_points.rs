//! Crash points: the list matches the code, and no shipped program contains one.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crashpoint::POINTS;

use crate::layout::{root, sources};

/// The programs whose points the list names.
const PROCESSES: [&str; 3] = ["api", "worker", "payments"];

#[test]
fn crash_points_in_code_and_list_are_the_same() {
    let mut files = Vec::new();
    for folder in ["crates", "workflows"] {
        sources(&root().join(folder), &mut files);
    }
    let call = ["crash_point!", "(\""].concat(); // not written here, or this file would be found
    let mut found = Vec::new();
    for file in files
        .iter()
        .filter(|file| !file.starts_with(root().join("crates/crashpoint")))
    {
        let text = fs::read_to_string(file).unwrap();
        let names = text
            .split(&call)
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().to_owned());
        found.extend(names);
    }
    let once: BTreeSet<_> = found.iter().map(String::as_str).collect();
    assert_eq!(once.len(), found.len(), "a name stands for one place");
    let listed: BTreeSet<_> = POINTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(listed.len(), POINTS.len());
    assert_eq!(once, listed);
}

/// Cargo's target directory.
fn target() -> PathBuf {
    let debug = std::env::var("TEST_BIN_DIR").expect("run the tests with `cargo xtask test`");
    Path::new(&debug).parent().unwrap().to_path_buf()
}

fn build(arguments: &[&str]) {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--offline"])
        .args(arguments)
        .current_dir(root())
        .status()
        .unwrap();
    assert!(status.success(), "cargo build {arguments:?}");
}

/// Finds these names in a program's bytes, with grep: our debug build would search for minutes.
fn names_in(program: &Path, names: &[&'static str]) -> BTreeSet<&'static str> {
    assert!(program.exists(), "{} is not built", program.display());
    let output = Command::new("grep")
        .args(["--text", "--only-matching", "--fixed-strings"])
        .args(names.iter().flat_map(|name| ["-e", name]))
        .arg(program)
        .output()
        .unwrap();
    let found = String::from_utf8_lossy(&output.stdout);
    let found: BTreeSet<_> = found.lines().collect();
    let names = names.iter().copied();
    names.filter(|name| found.contains(name)).collect()
}

/// The same macro in a minimal program: takes seconds, and uses our release profile.
#[test]
fn release_builds_contain_no_crash_point() {
    let names = ["example.of_a_crash_point", "CRASH_DIR"];
    let example = ["-p", "crashpoint", "--example", "passes"];
    build(&example);
    let debug = names_in(&target().join("debug/examples/passes"), &names);
    assert_eq!(debug.len(), 2, "the look finds what is there");
    build(&[&example[..], &["--release"]].concat());
    let release = names_in(&target().join("release/examples/passes"), &names);
    assert_eq!(release, BTreeSet::new());
}

/// Each name is in the debug builds of the shipped programs, and none in their release builds,
/// which take minutes: `--wide`.
#[test]
fn no_release_binary_holds_the_name_of_a_crash_point() {
    let mut names: Vec<_> = POINTS.iter().map(|(name, _)| *name).collect();
    names.extend(["CRASH_DIR", "an-outage-is-an-attempt"]);
    let in_all = |profile: &str| -> BTreeSet<_> {
        PROCESSES
            .iter()
            .flat_map(|process| names_in(&target().join(profile).join(process), &names))
            .collect()
    };
    assert_eq!(
        in_all("debug").len(),
        names.len(),
        "the look finds what is there"
    );
    if std::env::var_os("TEST_WIDE").is_some() {
        build(&["--release", "-p", "api", "-p", "worker", "-p", "payments"]);
        assert_eq!(in_all("release"), BTreeSet::new());
    }
}
