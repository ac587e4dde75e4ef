//! `cargo xtask drill` creates each situation on a running system; `why` names it, and its advice
//! makes the saga continue.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use operator::cause::Code;
use serde_json::Value;
use testkit::{System, ended, eventually};

use super::{assert_cause, why_with, with};
use crate::{shopctl::shopctl, text};

/// Causes that exist only while no process has the role.
const NOBODY: [Code; 2] = [Code::NoWorker, Code::QueueWithoutConsumer];

/// Makes a saga stick; if the drill keeps workers from the saga, it runs until it is ended.
fn drill(system: &System, code: Code) -> (String, Child) {
    let mut child = system
        .command("drill")
        .args(["--cause", code.as_str()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut saga = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut saga).unwrap();
    let saga = saga.trim().to_owned();
    if saga.is_empty() {
        let said = child.wait_with_output().unwrap();
        unreachable!("{code}: {said:?}");
    }
    (saga, child)
}

fn end(mut drill: Child) {
    let pid = i32::try_from(drill.id()).unwrap();
    // it may have exited by itself
    let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
    assert!(ended(&mut drill).success());
}

/// Its first next step, if that acts. No later one acts on the saga otherwise.
fn advice(why: &Value) -> Option<Vec<String>> {
    const ACTS: [&str; 7] = [
        "retry",
        "pause",
        "resume",
        "signal",
        "cancel",
        "edit",
        "end-session",
    ];
    let next = why["next"].as_array().unwrap().iter();
    let words = next.map(|next| shlex::split(text(next, "command")).unwrap());
    let acts = |words: &Vec<String>| ACTS.contains(&words.get(2).map_or("", String::as_str));
    let words: Vec<_> = words.collect();
    let first = words.iter().position(acts)?;
    assert_eq!(first, 0, "an act comes first: {words:?}");
    words.into_iter().next()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_advice_of_each_drilled_cause_heals_its_saga() {
    let system = System::start(with(&[("SHOP_DEV", "1")], false)).await;
    let mut advised = 0;
    for code in Code::ALL {
        if NOBODY.contains(&code) {
            let refused = system
                .command("drill")
                .args(["--cause", code.as_str()])
                .output()
                .unwrap();
            let said = String::from_utf8(refused.stderr).unwrap();
            assert_eq!(refused.status.code(), Some(4), "{code}: {said}");
            assert!(said.contains("pid "), "names who is there: {said}");
            continue;
        }
        let (saga, drill) = drill(&system, code);
        let why = assert_cause(&system, &saga, code.as_str(), &[]).await;
        let of_cause = ["saga", "list", "--cause", code.as_str(), "-o", "json"];
        if code != Code::Healthy {
            let listed = system.run("shopctl", &of_cause);
            assert!(listed.contains(&saga), "{code}: {listed}");
        }
        let words = advice(&why).unwrap_or_default();
        let words: Vec<_> = words.iter().skip(1).map(String::as_str).collect();
        let follow = || system.run("shopctl", &[&words[..], &["--yes"]].concat());
        if code == Code::BlockedBySession {
            follow();
            end(drill);
        } else {
            end(drill);
            if words.is_empty() {
                continue;
            }
            follow();
        }
        advised += 1;
        eventually(&format!("{code} to be over by {words:?}"), || async {
            let why = why_with(&system, &saga, &[]).1;
            let is_over = ["waiting", "completed", "compensated"].contains(&text(&why, "state"))
                || why["code"] == "paused-by";
            is_over && why["code"] != code.as_str()
        })
        .await;
    }
    assert_eq!(advised, 14, "causes with an act to advise");
}

/// Whether doctor finds nothing at all.
fn is_well(system: &System) -> bool {
    let doctor = [
        "doctor",
        "--grace",
        "0",
        "--without",
        "bindings",
        "-o",
        "json",
    ];
    let (code, out, _) = shopctl(system, &doctor);
    let found = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        !line["found"].as_array().unwrap().is_empty()
    };
    code == 0 && !out.lines().any(found)
}

async fn assert_undone(system: &System, code: Code, saga: &str) {
    eventually(&format!("nothing of the drill {code} to stay"), || async {
        let state = why_with(system, saga, &[]).1;
        ["completed", "compensated"].contains(&text(&state, "state")) && is_well(system)
    })
    .await;
    system.settle().await;
    system.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_drill_says_what_it_does_and_is_undone() {
    let system = System::start(with(&[("SHOP_DEV", "1")], false)).await;
    for code in Code::ALL {
        if NOBODY.contains(&code) {
            continue;
        }
        let (saga, drill) = drill(&system, code);
        // those that still run undo themselves
        kill(
            Pid::from_raw(drill.id().try_into().unwrap()),
            Signal::SIGINT,
        )
        .ok();
        let said = drill.wait_with_output().unwrap();
        assert!(said.status.success(), "{code}: {said:?}");
        let said = String::from_utf8(said.stderr).unwrap();
        assert!(said.starts_with("An order is placed, which "), "{said}");
        assert!(said.contains("`cargo xtask drill --undo`"), "{said}");
        system.run("drill", &["--undo", "--cause", code.as_str()]);
        assert_undone(&system, code, &saga).await;
    }
    let none = system.command("drill").arg("--undo").output().unwrap();
    let none = String::from_utf8(none.stderr).unwrap();
    assert_eq!(none, "Drills undone: 0.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_saga_of_an_unknown_plan_blocks_no_worker() {
    let system = System::start(with(&[("SHOP_DEV", "1")], false)).await;
    let (saga, drill) = drill(&system, Code::UnknownPlanVersion);
    end(drill);
    system.stop("worker");
    let refused = system
        .command("worker")
        .args(["saga", "payments", "async", "relay"])
        .env("WORKER_ADMIN_LISTEN", system.free_address())
        .output()
        .unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success(), "{said}");
    assert!(said.contains("`shopctl saga pause ID"), "{said}");

    let why = why_with(&system, &saga, &[]).1;
    let pause = advice(&why).unwrap();
    let pause: Vec<_> = pause.iter().skip(1).map(String::as_str).collect();
    assert_eq!(pause[..2], ["saga", "pause"]);
    system.run("shopctl", &[&pause[..], &["--yes"]].concat());
    system.spawn("worker").await;
    let why = why_with(&system, &saga, &[]).1;
    assert_eq!(text(&why, "code"), "paused-by", "{why}");
    assert_eq!(
        text(&why["next"][0], "command"),
        "shopctl saga check-compat"
    );
    let resume = ["saga", "resume", &saga, "--reason", "r", "--yes"];
    let (code, _, said) = shopctl(&system, &resume);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("is not known to this binary"), "{said}");

    system.run("drill", &["--undo"]);
    assert_undone(&system, Code::UnknownPlanVersion, &saga).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn causes_of_absence_are_drilled_while_nobody_is_there() {
    let system = System::prepare(with(&[("SHOP_DEV", "1")], false)).await;
    for role in ["payments", "api", "worker saga relay"] {
        system.spawn(role).await;
    }
    let (saga, ends) = drill(&system, Code::QueueWithoutConsumer);
    assert_cause(&system, &saga, "queue-without-consumer", &[]).await;
    end(ends);
    system.stop("worker saga relay");
    let (late, ends) = drill(&system, Code::NoWorker);
    assert_cause(&system, &late, "no-worker", &[]).await;
    end(ends);
    system.spawn("worker").await;
    eventually("both to go on", || async {
        let state = |saga| text(&why_with(&system, saga, &[]).1, "state").to_owned();
        state(&saga) == "completed" && state(&late) == "waiting"
    })
    .await;
    system.stop("worker");
    let (again, ends) = drill(&system, Code::NoWorker);
    end(ends);
    let undone = system.command("drill").arg("--undo").output().unwrap();
    let said = String::from_utf8(undone.stderr).unwrap();
    assert!(undone.status.success(), "{said}");
    assert!(said.contains("as soon as a `worker saga` runs"), "{said}");
    system.spawn("worker").await;
    for (code, saga) in [
        (Code::QueueWithoutConsumer, &saga),
        (Code::NoWorker, &late),
        (Code::NoWorker, &again),
    ] {
        assert_undone(&system, code, saga).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_drilled_where_people_really_buy() {
    let system = System::prepare(with(&[], false)).await;
    let refused = system
        .command("drill")
        .args(["--cause", "job-lost"])
        .env_remove("SHOP_DEV")
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let orders: i64 = sqlx::query_scalar(r#"select count(*) from commerce."order""#)
        .fetch_one(&system.shop)
        .await
        .unwrap();
    assert_eq!(orders, 0);
}
