//! `cargo xtask test`: all tests, against private servers whose data need not survive.

use std::{fs, process::Command, time::Instant};

use servers::{Postgres, PostgresOptions, RabbitMq, Result, find_program, install};

use crate::{
    Doing,
    cargo::{self, bin_dir, cargo, dev_dir},
    containers, debian, demo, fail, images, lock, platform, python, shipped, storefront,
};

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let begun = Instant::now();
    let wide = arguments == ["--wide"];
    let generated: Vec<String>;
    let (crates, rabbitmq_4, storefront) = match arguments {
        [only] if only == "images" => return images::test(),
        [only] if only == "shipped" => {
            let build = cargo(&["build", "--workspace", "--bins"]);
            cargo::run(build, "the build")?;
            return shipped::test_build();
        }
        [only] if only == "containers" => return containers::test(),
        [] => (Some(arguments), false, Some(arguments)),
        [only, rest @ ..] if only == "schemathesis" => {
            let chosen = GENERATED.map(str::to_owned);
            generated = rest.iter().cloned().chain(chosen).collect();
            (Some(&generated[..]), false, None)
        }
        _ if wide => (Some(arguments), true, Some(&[][..])),
        [only] if only == "rabbitmq-4" => (None, true, None),
        [first, rest @ ..] if first == "storefront" => (None, false, Some(rest)),
        _ => (Some(arguments), false, None),
    };
    if crates.is_some() || rabbitmq_4 {
        eprintln!("building");
        let build = cargo(&["build", "--workspace", "--bins", "--tests"]);
        cargo::run(build, "the build")?;
    }
    let _alone = lock::take("test")?;
    eprintln!("starting PostgreSQL and RabbitMQ for the tests");
    let (postgres, rabbitmq) = servers()?;
    let tested = crates.map_or(Ok(()), |arguments| {
        test_crates(&postgres, &rabbitmq, arguments)
    });
    let again = if rabbitmq_4 {
        with_rabbitmq_4(&postgres)
    } else {
        Ok(())
    };
    let shown = storefront.map_or(Ok(()), |arguments| {
        storefront::test(&postgres, &rabbitmq, arguments)
    });
    drop((postgres, rabbitmq));
    let run = match (wide, arguments) {
        (true, _) => demo::beside_level_1()
            .and(images::test())
            .and(containers::test()),
        (false, []) => shipped::test_build(),
        _ => Ok(()),
    };
    eprintln!("{} s", begun.elapsed().as_secs());
    tested.and(again).and(shown).and(run)
}

/// Generates requests from an OpenAPI document.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// The tests that `cargo xtask test schemathesis` selects.
const GENERATED: [&str; 6] = ["-p", "e2e", "--test", "it", "--", "generated::"];

/// Test modules that use the shared broker: all of messaging's, and whole scenarios.
const OF_THE_BROKER: [&str; 11] = [
    "broker::",
    "consumer::",
    "failed::",
    "inbox::",
    "outbox::",
    "poison::",
    "relay::",
    "orders::",
    "events::",
    "grants::",
    "trust::",
];

/// Installs Prometheus: its server and `promtool`, for the alerts and dashboards.
fn prometheus() -> Result<()> {
    let programs = ["prometheus", "promtool"];
    if programs.iter().all(|name| find_program(name).is_some()) {
        return Ok(());
    }
    install(&["prometheus"])
}

fn test_crates(postgres: &Postgres, rabbitmq: &RabbitMq, arguments: &[String]) -> Result<()> {
    prometheus()?;
    if find_program("nginx").is_none() {
        install(&["nginx-light"])?;
    }
    let mut test = cargo(&["test", "--no-fail-fast"]);
    let (wide, arguments): (Vec<_>, Vec<_>) =
        arguments.iter().partition(|argument| *argument == "--wide");
    if !wide.is_empty() {
        test.env("TEST_WIDE", "1");
    }
    let generated = arguments.last().map(|last| last.as_str()) == GENERATED.last().copied();
    if generated {
        test.env("TEST_GENERATED", "1"); // these tests take minutes
    }
    if generated || !wide.is_empty() {
        let programs = python::environment("schemathesis", &[SCHEMATHESIS])?;
        test.env("TEST_SCHEMATHESIS", programs.join("schemathesis"));
    }
    if !arguments.iter().any(|argument| argument.starts_with("-p")) {
        test.arg("--workspace");
    }
    test.args(arguments);
    surroundings(&mut test, postgres, rabbitmq);
    test.env("TEST_RENDERED_DIR", platform::rendered()?)
        .env("TEST_KUBECTL", platform::kubectl()?);
    cargo::run(test, "the test run")
}

/// Runs the broker tests once more, with the broker's next release.
fn with_rabbitmq_4(postgres: &Postgres) -> Result<()> {
    let system = debian::system("trixie", &["rabbitmq-server"])?;
    let rabbitmq = RabbitMq::start_in(&system, &dev_dir().join("test/rabbitmq-4"))?;
    let overview = rabbitmq.management("GET", "/api/overview", "")?;
    if !overview.contains(r#""rabbitmq_version":"4."#) {
        return fail("Debian 13's RabbitMQ is no RabbitMQ 4");
    }
    eprintln!("again, with RabbitMQ 4");
    let mut test = cargo(&[
        "test",
        "--no-fail-fast",
        "--workspace",
        "--test",
        "it",
        "--",
    ]);
    test.args(OF_THE_BROKER);
    surroundings(&mut test, postgres, &rabbitmq);
    cargo::run(test, "the test run with RabbitMQ 4")
}

/// Sets the variables that lead the tests to their servers and programs.
fn surroundings(test: &mut Command, postgres: &Postgres, rabbitmq: &RabbitMq) {
    test.env("TEST_POSTGRES_URL", postgres.url("postgres"))
        .env("TEST_AMQP_URL", rabbitmq.amqp_url(""))
        .env("TEST_RABBITMQ_MANAGEMENT_URL", rabbitmq.management_url())
        .env("TEST_BIN_DIR", bin_dir(false))
        .env("TEST_DEV_DIR", dev_dir().join("test"));
}

/// Starts fresh servers, without data of earlier runs.
fn servers() -> Result<(Postgres, RabbitMq)> {
    let dir = dev_dir().join("test");
    for part in ["postgres", "rabbitmq", "rabbitmq-4", "run"] {
        let path = dir.join(part);
        let path = fs::read_link(&path).unwrap_or(path);
        if path.exists() {
            fs::remove_dir_all(&path).doing(&format!("wipe {}", path.display()))?;
        }
    }
    fs::create_dir_all(dir.join("run")).doing("make .dev/test")?;
    let postgres = Postgres::start(
        &dir.join("postgres"),
        PostgresOptions {
            durable: false,
            max_connections: 500,
            statements: true,
        },
    )?;
    let rabbitmq = RabbitMq::start(&dir.join("rabbitmq"))?;
    Ok((postgres, rabbitmq))
}
