//! The scenarios, in the order of docs/operations.md.

use std::time::Instant;

use servers::{Process, Result, find_program, install};

use crate::{cargo, fail};

use super::{
    checkout::{Checkout, eventually},
    load::{Load, User},
};

const OPERATIONS: &str = "docs/operations.md";

/// Services that recover by themselves when their process is killed.
const SERVICES: [&str; 11] = [
    "postgres",
    "rabbitmq",
    "mailpit",
    "api",
    "payments",
    "worker-saga",
    "worker-payments",
    "worker-async",
    "worker-relay",
    "frontend",
    "edge",
];

pub(super) fn all(checkout: &Checkout<'_>, begun: Instant) -> Result<()> {
    let play = |what: &str| eprintln!("[{:>4} s] {what}", begun.elapsed().as_secs());
    let commands = |heading: &str| {
        play(heading.trim_start_matches('#').trim());
        checkout.run(&Checkout::documented(OPERATIONS, heading)?)
    };
    for (program, package) in [("curl", "curl"), ("jq", "jq")] {
        if find_program(program).is_none() {
            install(&[package])?;
        }
    }
    commands("### Start")?;
    let user = User::new(checkout)?;
    user.checkout()?;
    play("the walk of README.md");
    walk(checkout)?;
    play("mails");
    mails(checkout)?;
    for heading in [
        "### Operator",
        "### Account",
        "### Read logs",
        "### Scale services",
        "### Rotate secrets",
    ] {
        commands(heading)?;
        user.checkout()?;
    }
    play("killed processes");
    for service in SERVICES {
        kill(checkout, service)?;
        user.checkout()?;
    }
    play("containers made anew");
    for service in SERVICES {
        checkout.compose(&["up", "-d", "--wait", "--force-recreate", service])?;
        user.checkout()?;
    }
    play("everything stays when nothing has changed");
    let before = checkout.compose(&["ps", "--quiet"])?;
    checkout.compose(&["up", "-d", "--build", "--wait"])?;
    if checkout.compose(&["ps", "--quiet"])? != before {
        return fail("`docker compose up -d --build` replaced containers that had not changed");
    }
    for heading in ["### Upgrade to a version", "### Roll back"] {
        let load = Load::start(&user);
        let replaced = commands(heading);
        let measured = load.end(heading.trim_start_matches("### "));
        match (replaced, measured) {
            (Ok(said), Ok(())) => runs_one_version(checkout, &said)?,
            (Err(why), Ok(())) | (Ok(_), Err(why)) => return Err(why),
            (Err(why), Err(seen)) => return fail(format!("{}\n{}", why.0, seen.0)),
        }
    }
    commands("### Back up")?;
    commands("### Restore")?;
    user.checkout()?;
    commands("### Stop")?;
    play("started again");
    checkout.compose(&["up", "-d", "--wait"])?;
    user.checkout()?;
    play("doctor");
    eventually("every invariant to hold", || {
        checkout
            .compose(&["run", "--rm", "doctor", "--grace", "0"])
            .map(|_| true)
    })
}

/// The README's walk, through the published ports: the commands for containers, then the walk
/// without its first line.
fn walk(checkout: &Checkout<'_>) -> Result<()> {
    let settings = Checkout::documented("README.md", "## In containers")?;
    let (_, settings) = settings.split_once("--wait\n").unwrap_or_default();
    let walk = Checkout::documented("README.md", "## A walk through it")?;
    let walk = walk.replace(". .dev/env\n", "");
    let said = checkout.run(&format!("{settings}{walk}"))?;
    for promised in ["is completed", "is canceled"] {
        if !said.contains(promised) {
            return fail(format!(
                "the walk ends with no order that {promised}: {said}"
            ));
        }
    }
    Ok(())
}

/// Waits for the mails of the walk: a welcome, and the confirmation of the paid order.
fn mails(checkout: &Checkout<'_>) -> Result<()> {
    eventually("two mails to arrive", || {
        let url = format!("{}/api/v1/messages", checkout.mails());
        let said = checkout.run(&format!("curl -sSf {url} | jq .total"))?;
        Ok(said.trim().parse::<u32>().is_ok_and(|total| total >= 2))
    })
}

/// Kills a container's first process without the engine's knowledge, and waits until the engine has
/// restarted it.
fn kill(checkout: &Checkout<'_>, service: &str) -> Result<()> {
    let inspect = |format: &str| {
        let id = checkout.compose(&["ps", "--quiet", service])?;
        let id = id.lines().next().unwrap_or_default().to_owned();
        cargo::output(
            checkout
                .engine
                .docker(&["inspect", "--format", format, &id]),
            "docker inspect",
        )
    };
    if !checkout.engine.is_own() {
        // a foreign engine's processes may not be ours to kill
        return checkout.compose(&["restart", service]).map(drop);
    }
    let before = inspect("{{.State.Pid}}")?;
    let process = before.trim().parse().ok().and_then(Process::of);
    let Some(process) = process else {
        return fail(format!("{service} has no process"));
    };
    process.kill();
    eventually(&format!("{service} to be healed"), || {
        let now = inspect("{{.State.Pid}} {{.State.Health.Status}}")?;
        Ok(now.trim().ends_with(" healthy") && !now.starts_with(before.trim()))
    })
}

/// Checks that every container of ours runs the version that `.env` names.
fn runs_one_version(checkout: &Checkout<'_>, said: &str) -> Result<()> {
    let settings = checkout.file(".env")?;
    let version = settings
        .lines()
        .find_map(|line| line.strip_prefix("VERSION="));
    let Some(version) = version else {
        return fail(".env names no VERSION");
    };
    let images = checkout.compose(&["ps", "--format", "{{.Image}}"])?;
    let ours: Vec<_> = images
        .lines()
        .filter(|image| image.starts_with("shop-"))
        .collect();
    let other = ours
        .iter()
        .find(|image| !image.ends_with(&format!(":{version}")));
    match other {
        Some(other) => fail(format!("{other} runs, and .env says {version}: {said}")),
        None if ours.len() < 7 => fail(format!("only {ours:?} run: {said}")),
        None => Ok(()),
    }
}
