//! Output as other Unix tools have it: closed pipes, full disks, objects by the line, narrow
//! terminals.

use std::{
    fs::File,
    io::{Write as _, pipe},
    process::{Command, Stdio},
};

use crate::place::{Place, ran};

fn shopctl(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopctl"));
    command.env_clear().args(arguments);
    command
}

/// Commands that print and need no server.
const PRINT: [&[&str]; 6] = [
    &["--help"],
    &["saga", "plan"],
    &["saga", "plan", "-o", "json"],
    &["runbook", "job-lost"],
    &["completions", "bash"],
    &["man"],
];

#[test]
fn a_closed_pipe_ends_a_command_quietly() {
    for arguments in PRINT {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let child = shopctl(arguments)
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(err, "", "{arguments:?}");
        // as a shell reports a program that SIGPIPE ended
        assert_eq!(output.status.code(), Some(141), "{arguments:?}");
    }
}

#[test]
fn a_full_disk_is_exit_code_1_with_a_sentence() {
    for arguments in PRINT {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let child = shopctl(arguments)
            .stdout(full)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {err}");
        assert!(
            err.contains("cannot write the output"),
            "{arguments:?}: {err}"
        );
        assert!(
            err.contains("No space left on device"),
            "{arguments:?}: {err}"
        );
    }
}

#[test]
fn a_closed_stderr_does_not_change_the_exit_code() {
    for (arguments, code) in [
        (&["runbook", "bad-luck"][..], 2),
        (&["saga", "list"], 2),
        (&["saga", "list", "-o", "json"], 2),
    ] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut command = shopctl(arguments);
        let status = command
            .env("HOME", "/nonexistent")
            .stdout(Stdio::null())
            .stderr(writer)
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}

#[tokio::test]
async fn json_is_one_object_a_line_for_every_command() {
    let place = Place::open().await;
    let saga = place.stuck("participant-unreachable");
    let sources = "payments,rabbitmq,bindings";
    for arguments in [
        &["why", &saga][..],
        &["show", &saga],
        &["trace", &saga],
        &["watch", &saga, "--timeout", "0s"],
        &["runbook", "job-lost"],
        &["runbook", "job-lost", &saga],
        &["saga", "list"],
        &["saga", "list", "--stuck"],
        &["saga", "show", &saga],
        &["saga", "plan"],
        &["saga", "plan", "--mermaid"],
        &["saga", "stats"],
        &["saga", "stats", "--by", "cause"],
        &["saga", "check-compat"],
        &["saga", "export", &saga],
        &["saga", "pause", &saga, "--reason", "r", "--yes"],
        &["saga", "resume", &saga, "--reason", "r", "--yes"],
        &["retry", &saga, "--reason", "r", "--dry-run"],
        &["batch", "list"],
        &["batch", "show", "1"],
        &["outbox", "list"],
        &["audit", "list"],
        &["doctor", "--without", sources],
        &["seed"],
        &["keygen"],
        &["completions", "zsh"],
        &["man"],
    ] {
        let ran = place.run(&[arguments, &["-o", "json"]].concat());
        assert!(matches!(ran.code, Some(0 | 1)), "{arguments:?}: {ran:?}");
        let objects = ran.objects();
        assert!(!objects.is_empty(), "{arguments:?}: {ran:?}");
        assert!(
            objects.iter().all(serde_json::Value::is_object),
            "{arguments:?}"
        );
    }
    let create = [
        "user",
        "create",
        "--email",
        "olga@shop.example",
        "--name",
        "Olga",
        "--role",
        "operator",
        "--reason",
        "r",
        "--yes",
        "-o",
        "json",
    ];
    let mut command = place.command(&create);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"correct horse battery staple\n").unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let created: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(created["user_id"].is_string(), "{created}");
}

#[tokio::test]
async fn a_table_fits_the_terminal_and_wide_shows_all() {
    let place = Place::open().await;
    let saga = place.stuck("participant-unreachable");
    for columns in [40, 80, 120] {
        for arguments in [
            &["saga", "list"][..],
            &["saga", "list", "--stuck"],
            &["saga", "show", &saga],
            &["saga", "plan"],
            &["why", &saga],
            &["show", &saga],
            &["outbox", "list"],
            &["doctor", "--without", "payments,rabbitmq,bindings"],
        ] {
            let mut command = place.command(arguments);
            let ran = ran(command.env("COLUMNS", columns.to_string()));
            assert!(ran.out.lines().count() > 1, "{arguments:?}: {ran:?}");
            for line in ran.out.lines() {
                let length = line.chars().count();
                assert!(
                    length <= columns,
                    "{arguments:?}: {length} > {columns}: {line}"
                );
            }
        }
    }
    let error = "payments cannot be reached: connection refused";
    let narrow = ran(place.command(&["saga", "list"]).env("COLUMNS", "80"));
    assert!(!narrow.out.contains(error), "{narrow:?}");
    // the shortened id still leads to the saga
    let short = saga[saga.len() - 8..].to_uppercase();
    assert!(narrow.out.contains(&short), "{narrow:?}");
    assert_eq!(place.run(&["saga", "show", &short]).code, Some(0));
    for arguments in [&["saga", "list", "-o", "wide"][..], &["saga", "list"]] {
        let mut command = place.command(arguments);
        if arguments.contains(&"wide") {
            command.env("COLUMNS", "80");
        }
        let wide = ran(&mut command);
        assert!(
            wide.out.contains(error) && wide.out.contains(&saga),
            "{wide:?}"
        );
    }
}

#[test]
fn completions_know_causes_queues_and_sources() {
    for shell in ["bash", "zsh", "fish"] {
        let script = ran(&mut shopctl(&["completions", shell]));
        for word in [
            "participant-unreachable",
            "payments_events_queue",
            "bindings",
        ] {
            assert!(script.out.contains(word), "{shell}: {word}");
        }
    }
}
