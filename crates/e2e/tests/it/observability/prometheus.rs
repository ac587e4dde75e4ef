//! A Prometheus that watches a system with the alerts' own rules.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Mutex,
};

use regex::{Captures, Regex};
use serde_json::Value;
use testkit::{System, eventually, eventually_some};

use super::file;

/// Killed when dropped.
pub(super) struct Prometheus<'a> {
    system: &'a System,
    child: Child,
    address: String,
    raised: Mutex<BTreeSet<String>>,
}

impl Drop for Prometheus<'_> {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Shortens the rules' times: each `for` becomes a second, and each window a tenth as long. The
/// conditions stay the alerts' own.
fn hurried_rules() -> String {
    let wait = Regex::new("(?m)^( +for: ).+$").unwrap();
    let window = Regex::new(r"\[(\d+)([mh])\]").unwrap();
    let rules = file("observability/alerts.yml");
    let rules = wait.replace_all(&rules, "${1}1s");
    let shorter = |found: &Captures<'_>| {
        let minutes = found[1].parse::<u32>().unwrap() * if &found[2] == "h" { 60 } else { 1 };
        format!("[{}s]", minutes * 60 / 10)
    };
    window.replace_all(&rules, shorter).into_owned()
}

impl<'a> Prometheus<'a> {
    /// Scrapes these processes and evaluates the rules every second.
    pub(super) fn start(system: &'a System, processes: &[&str]) -> Self {
        let dir = PathBuf::from(std::env::var("TEST_DEV_DIR").unwrap())
            .join("run")
            .join(format!("prometheus-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("alerts.yml"), hurried_rules()).unwrap();
        let targets: Vec<_> = processes
            .iter()
            .map(|process| format!("{:?}", system.admin_address(process).unwrap()))
            .collect();
        let config = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [alerts.yml]\nscrape_configs:\n  - job_name: shop\n    static_configs: [{{ targets: [{}] }}]\n",
            targets.join(", ")
        );
        fs::write(dir.join("prometheus.yml"), config).unwrap();
        let address = system.free_address();
        let child = Command::new("prometheus")
            .arg(format!(
                "--config.file={}",
                dir.join("prometheus.yml").display()
            ))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.join("log")).unwrap())
            .spawn()
            .expect("`cargo xtask test` installs Prometheus");
        Self {
            system,
            child,
            address,
            raised: Mutex::default(),
        }
    }

    async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let url = format!("http://{}/api/v1/{path}", self.address);
        let answer = self.system.http.get(url).query(query).send().await.ok()?;
        let mut answer: Value = answer.json().await.ok()?;
        Some(answer["data"].take())
    }

    /// Whether a query returns anything.
    async fn finds(&self, query: &str) -> bool {
        let found = self.ask("query", &[("query", query)]).await;
        found.is_some_and(|found| {
            found["result"]
                .as_array()
                .is_some_and(|all| !all.is_empty())
        })
    }

    /// All alerts that are pending or firing.
    async fn alerts(&self) -> Option<Vec<Value>> {
        let found = self.ask("alerts", &[]).await?;
        found["alerts"].as_array().cloned()
    }

    /// Waits until all of these queries return something, and none of these alerts is even pending.
    pub(super) async fn rests<Q: AsRef<str>>(&self, queries: &[Q], alerts: &[&str]) {
        for query in queries {
            let query = query.as_ref();
            eventually(&format!("Prometheus to find {query}"), || self.finds(query)).await;
        }
        eventually(&format!("none of {alerts:?} to be there"), || async {
            self.alerts().await.is_some_and(|found| {
                let name = |alert: &Value| alert["labels"]["alertname"].clone();
                !found
                    .iter()
                    .map(name)
                    .any(|name| alerts.contains(&name.as_str().unwrap()))
            })
        })
        .await;
    }

    /// Waits until an alert fires with these labels, and checks that its page exists.
    pub(super) async fn raises(&self, name: &str, labels: &[(&str, &str)]) -> Value {
        let alert = eventually_some(&format!("{name} {labels:?} to fire"), || async {
            self.alerts().await?.into_iter().find(|alert| {
                let is = |(label, value): &(&str, &str)| alert["labels"][*label] == *value;
                alert["state"] == "firing" && is(&("alertname", name)) && labels.iter().all(is)
            })
        })
        .await;
        let page = file(alert["annotations"]["runbook_url"].as_str().unwrap());
        assert!(page.contains("## What to do\n"), "{alert}");
        self.raised.lock().unwrap().insert(name.to_owned());
        alert
    }

    /// All alerts raised so far.
    pub(super) fn raised(&self) -> BTreeSet<String> {
        self.raised.lock().unwrap().clone()
    }
}
