//! Requests that schemathesis generates from the documents, as every kind of caller, against
//! running processes: every answer must be one that the documents describe.

use std::{process::Command, time::Instant};

use serde_json::Value;
use testkit::{Collector, System, SystemOptions};

use crate::{
    authorization::{lasting_account, lasting_service_token},
    layout::root,
};

/// Seed that reproduces the requests.
const SEED: &str = "20261129";

/// The amount of generated requests.
struct Amount {
    /// Most generated requests per operation and phase: of the api and of payments.
    examples: [u32; 2],
    /// Fewest requests that each service must get.
    at_least: u64,
    /// Whether every caller tests all constraints of the api's document; otherwise only the admin
    /// does, who may call everything.
    all_callers: bool,
}

const USUAL: Amount = Amount {
    examples: [2, 14],
    at_least: 2_000,
    all_callers: false,
};
const WIDE: Amount = Amount {
    examples: [40, 150],
    at_least: 10_000,
    all_callers: true,
};

/// One caller at one service.
struct Run<'a> {
    service: &'static str,
    url: &'a str,
    caller: &'static str,
    token: Option<String>,
}

/// The result of schemathesis.
struct SchemathesisResult {
    good: bool,
    cases: u64,
    text: String,
}

impl Run<'_> {
    fn play(&self, system: &System, examples: u32, all_constraints: bool) -> SchemathesisResult {
        let document = root().join(format!("docs/openapi/{}.json", self.service));
        let program = std::env::var("TEST_SCHEMATHESIS");
        let program = program.expect("`cargo xtask test` installs schemathesis");
        let name = format!("schemathesis-{}-{}", self.service, self.caller);
        let report = system.log(&name).with_extension("json");
        let mut command = Command::new(program);
        command
            .arg("--config-file")
            .arg(root().join("crates/e2e/schemathesis.toml"))
            .arg("run")
            .arg(document)
            .args(["--url", self.url, "--seed", SEED])
            .args(["--max-examples", &examples.to_string()])
            .args(["--no-shrink", "--continue-on-failure", "--warnings", "off"])
            .args(["--suppress-health-check", "all", "--request-timeout", "30"])
            .args(["--report", "json", "--report-json-path"])
            .arg(&report)
            .env("NO_COLOR", "1")
            .current_dir(report.parent().unwrap());
        if !all_constraints {
            command.args(["--phases", "examples,fuzzing,stateful"]);
        }
        if let Some(token) = &self.token {
            command.args(["--header", &format!("Authorization: Bearer {token}")]);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        std::fs::write(system.log(&name), &text).unwrap();
        let report = std::fs::read_to_string(report).unwrap_or_default();
        let report: Value = serde_json::from_str(&report).unwrap_or_default();
        SchemathesisResult {
            good: output.status.success(),
            cases: report["test_cases"]["generated"].as_u64().unwrap_or(0),
            text,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_requests_find_nothing_that_the_documents_do_not_say() {
    let asked = |name| std::env::var_os(name).is_some();
    let amount = match (asked("TEST_WIDE"), asked("TEST_GENERATED")) {
        (true, _) => &WIDE,
        (false, true) => &USUAL,
        (false, false) => {
            eprintln!("left to `cargo xtask test schemathesis` and `--wide`");
            return;
        }
    };
    let begun = Instant::now();
    let collector = Collector::start().await;
    let mut options = SystemOptions::default();
    options
        .env
        .insert("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.clone());
    let system = System::start(options).await;
    let (mut found, mut report, mut cases) = (Vec::new(), Vec::new(), [0, 0]);
    for caller in ["anonymous", "user", "operator", "admin", "service"] {
        // tokens that outlive the requests: on a slow machine one caller takes more than ten
        // minutes
        let token = match caller {
            "anonymous" => None,
            "user" => Some(lasting_account(&system, &[]).await),
            "service" => Some(lasting_service_token(&system)),
            role => Some(lasting_account(&system, &[role]).await),
        };
        let of = |service, url| Run {
            service,
            url,
            caller,
            token: token.clone(),
        };
        let runs = [
            of("api", &system.api_url),
            of("payments", &system.payments_url),
        ];
        let played = tokio::task::block_in_place(|| {
            std::thread::scope(|scope| {
                let started = [0, 1].map(|n| {
                    let (run, system) = (&runs[n], &system);
                    let all = amount.all_callers || caller == "admin" || run.service == "payments";
                    scope.spawn(move || run.play(system, amount.examples[n], all))
                });
                started.map(|run| run.join().unwrap())
            })
        });
        for (n, result) in played.into_iter().enumerate() {
            let name = format!("{} as {caller}", runs[n].service);
            report.push(format!("{name}: {} requests", result.cases));
            cases[n] += result.cases;
            if !result.good {
                found.push(format!("{name}:\n{}", result.text));
            }
        }
    }
    eprintln!("{} in {:?}", report.join(", "), begun.elapsed());
    assert!(
        cases.iter().all(|cases| *cases >= amount.at_least),
        "{cases:?}"
    );
    assert!(found.is_empty(), "seed {SEED}\n{}", found.join("\n"));
    assert!(system.fallen().is_none(), "no process ended");
}
