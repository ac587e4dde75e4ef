//! Metrics, dashboard queries and alerts are consistent with one another.

mod live;
mod payments_outage;
mod prometheus;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
};

use regex::Regex;
use serde_json::Value;
use testkit::{System, eventually};

use crate::{hurried, layout::root, text};

fn file(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The metrics that docs/metrics.md names, each with its type and its description.
fn documented() -> BTreeMap<String, (String, String)> {
    let row = Regex::new(r"(?m)^\| `([a-z_]+)` \| ([a-z]+)[^|]*\|[^|]*\| (.+) \|$").unwrap();
    let page = file("docs/metrics.md");
    let rows = row.captures_iter(&page);
    rows.map(|row| (row[1].to_owned(), (row[2].to_owned(), row[3].to_owned())))
        .collect()
}

/// The names of all alerts.
fn alerts() -> BTreeSet<String> {
    let name = Regex::new(r"(?m)^ +- alert: (\w+)$").unwrap();
    let rules = file("observability/alerts.yml");
    let names = name.captures_iter(&rules);
    names.map(|found| found[1].to_owned()).collect()
}

/// The queries of all dashboards, each with its panel.
fn queries() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join("observability/dashboards")).unwrap() {
        let path = entry.unwrap().path();
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = format!("{}: {}", text(&dashboard, "title"), text(panel, "title"));
            for target in panel["targets"].as_array().unwrap() {
                found.push((title.clone(), text(target, "expr").to_owned()));
            }
        }
    }
    found
}

fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool")
        .args(arguments)
        .output()
        .expect("`cargo xtask test` installs Prometheus");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "promtool {arguments:?}: {said}{talk}"
    );
}

fn at(name: &str) -> String {
    root().join(name).display().to_string()
}

#[test]
fn each_alert_fires_and_below_its_threshold_does_not() {
    promtool(&["check", "rules", &at("observability/alerts.yml")]);
    promtool(&["test", "rules", &at("observability/alerts.test.yml")]);
    let tests = file("observability/alerts.test.yml");
    for alert in alerts() {
        let of = format!("alertname: {alert}\n        exp_alerts:");
        let fires = tests.contains(&format!("{of}\n"));
        let rests = tests.contains(&format!("{of} []"));
        assert!(fires && rests, "{alert} is shown to fire and not to fire");
    }
}

#[test]
fn each_alert_leads_to_a_page() {
    let url = Regex::new("runbook_url: (.+)").unwrap();
    let rules = file("observability/alerts.yml");
    assert_eq!(url.captures_iter(&rules).count(), alerts().len());
    for found in url.captures_iter(&rules) {
        let pages = if found[1].contains("{{") {
            let causes = operator::cause::Code::ALL.into_iter();
            let stuck = causes.filter(|code| code.is_stuck());
            stuck
                .map(|code| found[1].replace("{{ $labels.cause }}", code.as_str()))
                .collect()
        } else {
            vec![found[1].to_owned()]
        };
        for page in pages {
            let page = file(&page);
            for part in [
                "What it means",
                "How to confirm",
                "What to do",
                "How to know that it is over",
            ] {
                assert!(
                    page.contains(&format!("## {part}\n")),
                    "{} has {part}",
                    &found[1]
                );
            }
        }
    }
}

#[test]
fn each_dashboard_query_parses_and_asks_for_published_metrics() {
    let queries = queries();
    assert!(queries.len() > 30, "{}", queries.len());
    let rules = queries.iter().enumerate().map(|(n, (title, query))| {
        let query = serde_json::to_string(query).unwrap();
        format!("      # {title}\n      - record: query:{n}\n        expr: {query}\n")
    });
    let rules: String = rules.collect();
    let dir = PathBuf::from(std::env::var("TEST_DEV_DIR").unwrap()).join("run");
    let path = dir.join(format!("queries-{}.yml", uuid::Uuid::new_v4().simple()));
    fs::write(
        &path,
        format!("groups:\n  - name: queries\n    rules:\n{rules}"),
    )
    .unwrap();
    promtool(&["check", "rules", path.to_str().unwrap()]);

    let documented = documented();
    let metric = Regex::new(
        r"\b(?:http|saga|outbox|inbox|queue|shop|payments|db|telemetry|process)_[a-z_]+",
    )
    .unwrap();
    let series = Regex::new("_(bucket|count|sum)$").unwrap();
    let alerts = ("alerts".to_owned(), file("observability/alerts.yml"));
    let labels = ["payments_events_queue"];
    for (title, query) in queries.iter().chain([&alerts]) {
        for found in metric.find_iter(query) {
            let name = series.replace(found.as_str(), "");
            let known = documented.contains_key(&*name) || labels.contains(&&*name);
            assert!(
                known,
                "{title} asks for {name}, which docs/metrics.md does not name"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn published_metrics_are_documented_and_documented_ones_published() {
    let mut options = hurried();
    options.env.insert("CENSUS_INTERVAL_MS", "200".to_owned());
    let system = System::start(options).await;
    let buyer = system.buyer().await;
    for paid in [true, false] {
        let (_, order) = buyer.order().await;
        let order = buyer.awaits(text(&order, "id"), "awaiting_payment").await;
        if paid {
            buyer.pay(text(&order, "transaction_id")).await;
            buyer.awaits(text(&order, "id"), "completed").await;
        } else {
            buyer.cancel(text(&order, "id")).await;
            buyer.awaits(text(&order, "id"), "canceled").await;
        }
    }
    system.settle().await;
    eventually("the gauges of all sagas", || async {
        let page = system.admin("worker", "/metrics").await.unwrap_or_default();
        page.contains("queue_consumers{")
    })
    .await;
    let documented = documented();
    let kind = Regex::new("(?m)^# TYPE ([a-z_]+) ([a-z]+)$").unwrap();
    let label = Regex::new(r#"([a-z_]+)="([^"]*)""#).unwrap();
    let mut published = BTreeSet::new();
    for role in ["api", "payments", "worker"] {
        let page = system.admin(role, "/metrics").await.unwrap();
        for found in kind.captures_iter(&page) {
            let name = &found[1];
            let Some((kind, what)) = documented.get(name) else {
                panic!("{role} publishes {name}, which docs/metrics.md does not name");
            };
            assert_eq!(kind, &found[2], "the type of {name}");
            let help = format!("# HELP {name} {what}\n");
            assert!(
                page.contains(&help),
                "{role} says of {name} what the page does"
            );
            published.insert(name.to_owned());
        }
        for found in label.captures_iter(&page) {
            assert!(
                found[2].len() < 60,
                "a label from a closed list: {}",
                &found[0]
            );
            assert!(
                uuid::Uuid::try_parse(&found[2]).is_err(),
                "no id is a label: {}",
                &found[0]
            );
        }
    }
    // their first event must be seen as an increase
    for name in [
        "saga_breaches_total",
        "saga_fenced_total",
        "outbox_fenced_total",
        "mails_refused_total",
    ] {
        assert!(published.contains(name), "{name} is there before it counts");
    }
    // the other metrics count failures: the sources name them
    let mut files = Vec::new();
    for krate in ["messaging", "saga", "worker", "telemetry"] {
        let src = root().join("crates").join(krate).join("src");
        crate::layout::sources(&src, &mut files);
    }
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    let sources: String = texts.collect();
    for name in documented.keys().filter(|name| !published.contains(*name)) {
        assert!(
            sources.contains(&format!("\"{name}\"")),
            "nobody can publish {name}"
        );
    }
    assert!(published.len() > 25, "{published:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_worker_collects_statistics_when_the_first_is_killed() {
    let mut options = hurried();
    options.env.insert("CENSUS_INTERVAL_MS", "200".to_owned());
    let system = System::prepare(options).await;
    let counts = |role: &'static str| {
        let system = &system;
        async move {
            let page = system.admin(role, "/metrics").await.unwrap_or_default();
            page.contains("saga_live{")
        }
    };
    system.spawn("worker async").await;
    eventually("the first to count", || counts("worker async")).await;
    system.spawn("worker async#2").await;
    for _ in 0..5 {
        assert!(!counts("worker async#2").await, "one at a time");
    }
    system.kill("worker async");
    eventually("the second to count", || counts("worker async#2")).await;
}
