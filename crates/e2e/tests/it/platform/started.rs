//! The real programs, run with exactly the settings of compose and Kubernetes.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use testkit::{System, SystemOptions, eventually, eventually_some};

use super::{PROCESSES, Process, composed, deployed, files, read};

pub(super) fn program(name: &str) -> PathBuf {
    let folder = std::env::var("TEST_BIN_DIR").expect("run the tests with `cargo xtask test`");
    Path::new(&folder).join(name)
}

/// A process; killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Secrets of the right form, for servers that do not exist.
fn secrets(folder: &Path) {
    let key = Command::new(program("shopctl"))
        .arg("keygen")
        .output()
        .unwrap();
    for name in [
        "token_signing_key.pem",
        "service_signing_key.pem",
        "event_signing_key.pem",
    ] {
        fs::write(folder.join(name), &key.stdout).unwrap();
    }
    for (name, url) in [
        (
            "shop_database_url",
            "postgres://nobody:hush@127.0.0.1:1/shop",
        ),
        (
            "payments_database_url",
            "postgres://nobody:hush@127.0.0.1:1/payments",
        ),
        ("amqp_url", "amqp://nobody:hush@127.0.0.1:1/%2f"),
        ("rabbitmq_management_url", "http://nobody:hush@127.0.0.1:1"),
        ("smtp_url", "smtp://127.0.0.1:1"),
    ] {
        fs::write(folder.join(name), url).unwrap();
    }
}

/// The variables that the image sets.
fn of_the_image() -> BTreeMap<String, String> {
    let text = read("Dockerfile");
    let set = regex::Regex::new(r"([A-Z_]+_LISTEN)=(\S+)").unwrap();
    set.captures_iter(&text)
        .map(|set| (set[1].to_owned(), set[2].to_owned()))
        .collect()
}

/// Starts the process, waits until it reports its missing dependency, and queries its probes.
async fn is_told_enough(process: &Process, folder: &Path) {
    let mut env = of_the_image();
    let admin = format!("{}_ADMIN_LISTEN", process.command[0].to_uppercase());
    let place = format!("127.0.0.1:{}", testkit::free_port());
    for address in env.values_mut() {
        "127.0.0.1:0".clone_into(address);
    }
    env.insert(admin, place.clone());
    for (name, value) in &process.env {
        let file = value.strip_prefix("/run/secrets/");
        let value = file.map_or_else(
            || value.clone(),
            // compose keeps one file per process, named after the process
            |file| {
                folder
                    .join(file.replace(&format!(".{}", process.name), ""))
                    .display()
                    .to_string()
            },
        );
        env.insert(name.clone(), value);
    }
    let log = folder.join(format!("{}.log", process.place.replace('/', " ")));
    let child = Command::new(program(&process.command[0]))
        .args(&process.command[1..])
        .env_clear()
        .envs(&env)
        .stdin(Stdio::null())
        .stdout(fs::File::create(&log).unwrap())
        .stderr(fs::File::options().append(true).open(&log).unwrap())
        .spawn();
    let mut running = Running(child.unwrap());
    let said = eventually_some(&process.place, || {
        let said = fs::read_to_string(&log).unwrap_or_default();
        let ended = running.0.try_wait().unwrap().is_some();
        async move { (ended || said.contains("Waiting for")).then_some(said) }
    })
    .await;
    assert!(said.contains("Waiting for"), "{}: {said}", process.place);
    assert!(!said.contains("hush"), "{}: {said}", process.place);
    let answer = |path| {
        let url = format!("http://{place}{path}");
        async move {
            reqwest::get(url)
                .await
                .ok()
                .map(|answer| answer.status().as_u16())
        }
    };
    eventually(&format!("{} to live", process.place), || async {
        answer("/livez").await == Some(200)
    })
    .await;
    assert_eq!(answer("/readyz").await, Some(503), "{}", process.place);
    // stopped while it still waits for its servers, it exits successfully
    kill(
        Pid::from_raw(running.0.id().try_into().unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    let ended = eventually_some(&format!("{} to end", process.place), || {
        let ended = running.0.try_wait().unwrap();
        async move { ended }
    })
    .await;
    assert!(ended.success(), "{}: {ended}", process.place);
}

#[tokio::test]
async fn a_process_gets_its_settings_and_answers_its_probes() {
    let folder = std::env::temp_dir().join(format!("told-{}", uuid::Uuid::new_v4()));
    fs::create_dir_all(&folder).unwrap();
    secrets(&folder);
    let long = |process: &&Process| PROCESSES.contains(&process.name.as_str());
    let all: Vec<_> = composed().into_iter().chain(deployed()).collect();
    assert_eq!(all.iter().filter(long).count(), 2 * PROCESSES.len());
    let told = all
        .iter()
        .filter(long)
        .map(|process| is_told_enough(process, &folder));
    futures::future::join_all(told).await;
    fs::remove_dir_all(&folder).unwrap();
}

/// An operator who reads the log of a migration must not learn to ignore errors.
#[tokio::test]
async fn a_migration_logs_no_error() {
    let system = System::prepare(SystemOptions::default()).await;
    for _ in 0..2 {
        let output = system.command("worker").arg("migrate").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let log = [output.stdout, output.stderr].concat();
        let log = String::from_utf8(log).unwrap();
        assert!(log.contains("topology is declared"), "{log}");
        for level in ["ERROR", "WARN"] {
            assert!(!log.contains(level), "{log}");
        }
    }
}

#[test]
fn probes_ask_the_admin_port_that_the_image_opens() {
    let ports = of_the_image();
    let admin = |process: &str| {
        let program = process.split('-').next().unwrap().to_uppercase();
        let listen = &ports[&format!("{program}_ADMIN_LISTEN")];
        listen.rsplit(':').next().unwrap().parse::<u64>().unwrap()
    };
    let compose = files::compose();
    for name in PROCESSES {
        let asked = compose["services"][name]["healthcheck"]["test"].clone();
        let url = format!("http://127.0.0.1:{}/readyz", admin(name));
        assert_eq!(
            asked,
            serde_json::json!(["CMD", "shopctl", "probe", url]),
            "{name}"
        );
    }
    let mut seen = 0;
    for object in super::manifests("base") {
        let name = object["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if object["kind"] != "Deployment" || !PROCESSES.contains(&name.as_str()) {
            continue;
        }
        let container = files::pod(&object).unwrap()["containers"][0].clone();
        for (probe, path) in [
            ("livenessProbe", "/livez"),
            ("readinessProbe", "/readyz"),
            ("startupProbe", "/readyz"),
        ] {
            let asked = &container[probe]["httpGet"];
            assert_eq!(
                (&asked["path"], &asked["port"]),
                (&path.into(), &"admin".into()),
                "{name}"
            );
        }
        let port = container["ports"].as_array().unwrap().iter();
        let port = port.clone().find(|port| port["name"] == "admin").unwrap();
        assert_eq!(port["containerPort"], admin(&name), "{name}");
        seen += 1;
    }
    assert_eq!(seen, PROCESSES.len());
}
