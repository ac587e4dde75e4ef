//! `cargo xtask …`: run the whole system, prove it, keep its generated files fresh.

mod bench;
mod cargo;
mod containers;
mod debian;
mod demo;
mod docker;
mod down;
mod env;
mod faults;
mod images;
mod jaeger;
mod lint;
mod lock;
mod metadata;
mod model;
mod nemesis;
mod payments;
mod platform;
mod processes;
mod prose;
mod python;
mod roles;
mod shipped;
mod storefront;
mod test;
mod up;

use std::process::ExitCode;

use servers::{Error, Result};

const USAGE: &str = "\
cargo xtask up [--fresh] [--release] [--without payments,api,worker] [-d]
    Run the whole system on this machine; Ctrl-C stops it.
    --fresh     begin with empty databases
    --release   build optimised
    --without   leave parts out, to run them by hand or to replace them
    -d          return when all is ready; `cargo xtask down` stops it
cargo xtask up --docker
    Build the images and run the whole system in containers, as docker-compose.yml has it.
cargo xtask down
    Stop what `up -d` or `up --docker` started; data stays.
cargo xtask test [--wide] [cargo test arguments]
    Run all tests, against a private PostgreSQL and RabbitMQ; with arguments, those of the crates.
    --wide      also what takes long: every crash point at its second hit and while compensating, …
cargo xtask test schemathesis [--wide]
    Send generated requests to both services, as every kind of caller: 2,000 a service, with --wide 10,000.
cargo xtask test storefront [playwright arguments]
    Run the storefront's tests only.
cargo xtask test rabbitmq-4
    Run what talks to the broker only, with RabbitMQ 4; part of --wide, needs root.
cargo xtask test shipped
    Run each process under exactly what compose and Kubernetes give to it, and play the demo; part of every
    whole test, needs root.
cargo xtask test images
    Build the images, by buildah and without an engine, and run what is in them; part of --wide, needs root.
cargo xtask test containers
    Run the compose file on a Docker engine, its own if none answers, by the commands of docs/operations.md;
    part of --wide, needs root.
cargo xtask demo [--payments level1]
    Play what the system promises, against what runs or a system of its own.
    --payments level1   a system of its own, with a payments service of another team; part of test --wide
cargo xtask drill --cause CODE [--email ADDRESS] [--hold SECONDS]
    Place an order on the running system and make its saga stuck, to practise. It says first what it will do.
cargo xtask drill --undo [--cause CODE]
    Undo drills: remove what they planted, and bring their orders to rest; Ctrl-C does so while a drill runs.
cargo xtask payments-check URL [--amqp URL] [--key-file FILE] [--level 2]
    Hold a running payments service to docs/payments-contract.md: its level, and each rule with request and
    answer.
cargo xtask bench [--concurrency N] [--seconds N] [--finished N] [--json]
    Measure whole checkouts on durable servers, beside their limit.
cargo xtask nemesis [--seconds N] [--seed S] [--mode safety|liveness|scaling|rolling] [--attacked]
                    [--payments level1] [--json]
    Break a system of its own at random, under load, and hold it to what it answered; with an attacker beside
    its clients, or with a payments service of another team, too.
cargo xtask model [--stories]
    Explore every interleaving of a checkout, and find what is broken on purpose.
cargo xtask lint
    Formatting, plain English, clippy, licences, fresh generated files, containers and manifests, the storefront's
    types and rules.
cargo xtask generate
    Write the generated files: query metadata (.sqlx), OpenAPI documents, the storefront's types.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if std::env::var_os(metadata::OUT).is_some() {
        return metadata::rustc(&arguments);
    }
    let rest = arguments.get(1..).unwrap_or_default();
    let result = match arguments.first().map(String::as_str) {
        Some("up") if rest == ["--docker"] => docker::up(),
        Some("up") => match up::Options::parse(rest) {
            Ok(options) => up::run(&options),
            Err(what) => return usage(&what),
        },
        Some("down") if rest.is_empty() => {
            down::run();
            docker::down()
        }
        Some(shipped::INSIDE) if rest.len() == 1 => shipped::play(rest[0].as_ref()),
        Some("test") => test::run(rest),
        Some("demo") if rest.is_empty() => demo::run(false),
        Some("demo") if rest == ["--payments", "level1"] => demo::beside_level_1(),
        Some(demo::INSIDE) if rest.is_empty() => demo::run(true),
        Some("drill") => roles::drill(rest),
        Some("payments-check") => payments::check(rest),
        Some("bench") => bench::run(rest),
        Some("nemesis") => nemesis::run(rest),
        Some("model") => model::run(rest),
        Some("lint") if rest.is_empty() => lint::run(),
        Some("generate") if rest.is_empty() => metadata::generate(),
        Some("help" | "--help" | "-h") => {
            eprint!("{USAGE}");
            Ok(())
        }
        _ => return usage("this is not a command of ours"),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error(sentence)) => {
            eprintln!("error: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn usage(what: &str) -> ExitCode {
    eprint!("error: {what}\n\n{USAGE}");
    ExitCode::from(2)
}

/// Returns an error with this message.
fn fail<T>(sentence: impl Into<String>) -> Result<T> {
    Err(Error(sentence.into()))
}

/// Adds the failed operation to an error.
trait Doing<T> {
    fn doing(self, what: &str) -> Result<T>;
}

impl<T, E: std::fmt::Display> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: &str) -> Result<T> {
        self.map_err(|error| Error(format!("could not {what}: {error}")))
    }
}
