//! Runs the examples of each `--help`.

use std::process::{Command, Output};

use testkit::{Collector, System, eventually};

use crate::{
    hurried,
    shopctl::{lines, shopctl},
    text,
};

/// The id used in the examples.
const SHOWN: &str = "01996e0e-0000-7000-8000-000000000001";

/// Examples that cannot run here: they change something, need a batch, query a container's own
/// port, or write into the user's home directory.
fn is_left_out(example: &str) -> bool {
    let words = [
        "--reason",
        "shopctl apply",
        "shopctl batch sh",
        "shopctl batch st",
        "shopctl probe",
        "> /etc",
        "~/",
    ];
    words.iter().any(|word| example.contains(word))
}

/// Collects every example line from the `--help` of every verb.
fn examples(system: &System, path: &[&str], found: &mut Vec<String>) {
    let (code, help, _) = shopctl(system, &[path, &["--help"]].concat());
    assert_eq!(code, 0, "{path:?}");
    if let Some((_, commands)) = help.split_once("\nCommands:\n") {
        let verbs = commands.lines().map_while(|line| line.strip_prefix("  "));
        let verbs = verbs.filter(|line| !line.starts_with(' '));
        for verb in verbs.filter_map(|line| line.split(' ').next()) {
            if verb != "help" {
                examples(system, &[path, &[verb]].concat(), found);
            }
        }
    }
    let help = help.replace("\\\n", " ");
    let shown = help
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("shopctl "));
    found.extend(shown.map(ToOwned::to_owned));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_each_help_run() {
    let collector = Collector::start().await;
    let mut options = hurried();
    let endpoint = collector.endpoint.clone();
    options.env.insert("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    let system = System::start(options).await;
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    buyer.pay(text(&order, "transaction_id")).await;
    let order = text(&order, "id");
    buyer.awaits(order, "completed").await;
    let ada = serde_json::json!({"email": "ada@shop.example", "password": "correct horse battery", "name": "Ada"});
    let register = format!("{}/api/register", system.api_url);
    let registered = system.http.post(register).json(&ada).send().await.unwrap();
    assert!(registered.status().is_success());
    system.settle().await;
    let saga = shopctl(&system, &["saga", "list", "--order", order, "-o", "json"]).1;
    let saga = text(&lines(&saga)[0], "saga_id").to_owned();
    // two undecodable messages: one with an id, one without
    let failed = || lines(&shopctl(&system, &["failed", "list", "-o", "json"]).1);
    for id in [Some(SHOWN), None] {
        crate::shopctl_verbs::undecodable(&system, id).await;
    }
    eventually("they are in failed", async || failed().len() == 2).await;
    let nameless = failed()
        .into_iter()
        .find(|message| message["message_id"].is_null());
    let nameless = text(&nameless.unwrap(), "id").to_owned();

    let mut all = Vec::new();
    examples(&system, &[], &mut all);
    all.sort();
    all.dedup();
    // replay reads what export wrote
    all.sort_by_key(|example| example.contains("replay"));
    let home = system.log("home");
    std::fs::create_dir(&home).unwrap();
    let program = system.command("shopctl");
    let bin = std::path::Path::new(program.get_program())
        .parent()
        .unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    // doctor ends with 0 only if it could check everything
    let management = std::env::var("TEST_RABBITMQ_MANAGEMENT_URL").unwrap();
    let mut ran = 0;
    for example in all.iter().filter(|example| !is_left_out(example)) {
        let by_any_id = ["why", "show", "trace", "watch", "runbook"]
            .iter()
            .any(|verb| example.starts_with(&format!("shopctl {verb} ")));
        let line = if by_any_id {
            example.replace(SHOWN, &saga).replace("1C1FB183", order)
        } else if example.contains("--order") || example.contains("shopctl order") {
            example.replace(SHOWN, order)
        } else if example.contains("shopctl saga") || example.contains("--saga") {
            example.replace(SHOWN, &saga)
        } else {
            example.replace("sha:0123456789abcdef", &nameless)
        };
        let mut shell = Command::new("sh");
        shell.envs(
            program
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        shell
            .args(["-c", &line])
            .current_dir(&home)
            .env("PATH", &path)
            .env("HOME", &home)
            .env("RABBITMQ_MANAGEMENT_URL", &management);
        let Output { status, stderr, .. } = shell.output().unwrap();
        let talk = String::from_utf8_lossy(&stderr);
        // two messages have failed, and the doctor reports them as a warning
        assert_eq!(status.code(), Some(0), "{line}: {talk}");
        ran += 1;
    }
    assert!(ran >= 25, "{ran} of {all:#?}");
    // examples that change something need a confirmation without a terminal, or find nothing to
    // change: it is enough that their arguments are accepted
    std::fs::write(home.join("password"), "correct horse battery\n").unwrap();
    std::fs::write(home.join("mended.json"), "{}").unwrap();
    let changing = ["--reason", "shopctl apply", "shopctl batch"];
    let changing = |example: &&String| changing.iter().any(|word| example.contains(word));
    for example in all.iter().filter(changing) {
        let line = example.replace(SHOWN, &saga);
        let mut shell = Command::new("sh");
        shell.envs(
            program
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        shell.args(["-c", &line]).current_dir(&home);
        shell.env("PATH", &path).env("HOME", &home);
        let Output { status, stderr, .. } = shell.output().unwrap();
        let talk = String::from_utf8_lossy(&stderr);
        let understood = matches!(status.code(), Some(0 | 1 | 3 | 4));
        assert!(understood, "{line}: {status} {talk}");
    }
}
