//! The whole system as real processes, on real PostgreSQL and RabbitMQ.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests hold transactions open, and no client cancels them"
)]

mod accounts;
mod authorization;
mod canary;
mod causes;
mod crash_points;
mod crashes;
mod doctor;
mod earlier;
mod events;
mod faults;
mod fence;
mod generated;
mod grants;
mod heartbeats;
mod idle;
mod layout;
mod level1;
mod logs;
mod matrix;
mod observability;
mod operating;
mod orders;
mod outages;
mod parcel;
mod payments_access;
mod platform;
mod restore;
mod retention;
mod revoking;
mod security;
mod shopctl;
mod shopctl_examples;
mod shopctl_killed;
mod shopctl_replay;
mod shopctl_verbs;
mod traces;
mod trust;
mod unknown;
mod upgrade;

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::LazyLock,
    time::Duration,
};

use serde_json::Value;
use testkit::{Release, System, SystemOptions};
use uuid::Uuid;

/// A text field.
fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} in {value}"))
}

/// The id of an order's saga.
async fn saga_of(system: &System, order: &Value) -> String {
    let order: Uuid = text(order, "id").parse().unwrap();
    let saga: Uuid =
        sqlx::query_scalar(r#"select saga_id from commerce."order" where order_id = $1"#)
            .bind(order)
            .fetch_one(&system.shop)
            .await
            .unwrap();
    saga.to_string()
}

/// Short leases and delays, so that a crash test takes a second or two.
fn hurried() -> SystemOptions {
    let settings = [
        ("SAGA_LEASE_MS", "1500"),
        ("SAGA_CALL_TIMEOUT_MS", "800"),
        ("SAGA_LEASE_MARGIN_MS", "500"),
        ("SAGA_RETRY_BASE_MS", "200"),
        ("SAGA_RETRY_CAP_MS", "500"),
        ("ORDER_WAIT_MS", "1000"),
    ];
    let env = settings
        .into_iter()
        .map(|(name, value)| (name, value.to_owned()))
        .collect();
    SystemOptions {
        env,
        ..SystemOptions::default()
    }
}

/// Length of a long outage: ten minutes in the wide run, or `OUTAGE_SECONDS`; none when the run has
/// no time for outages.
fn outage_length() -> Option<Duration> {
    let set = std::env::var("OUTAGE_SECONDS").ok();
    if let Some(seconds) = set.and_then(|seconds| seconds.parse().ok()) {
        return Some(Duration::from_secs(seconds));
    }
    if std::env::var_os("TEST_WIDE").is_some() {
        return Some(Duration::from_mins(10));
    }
    eprintln!("left to `--wide`: it takes minutes");
    None
}

/// As [`hurried`], and a step is given up after a second.
fn impatient() -> SystemOptions {
    let mut options = hurried();
    options
        .env
        .insert("SAGA_RETRY_BUDGET_MS", "1000".to_owned());
    options
}

/// The release that follows this one: all its programs are one file, by different names.
fn next_release() -> Release {
    static PROGRAMS: LazyLock<PathBuf> = LazyLock::new(|| {
        let dev = std::env::var_os("TEST_DEV_DIR").expect("run the tests with `cargo xtask test`");
        let name = format!("next-{}", Uuid::new_v4().simple());
        let dir = Path::new(&dev).join("run").join(name);
        fs::create_dir_all(&dir).unwrap();
        for program in ["api", "worker", "shopctl"] {
            symlink(env!("CARGO_BIN_EXE_next"), dir.join(program)).unwrap();
        }
        dir
    });
    Release {
        programs: PROGRAMS.clone(),
        plans: e2e::registry(&workflows::Settings::default()).shapes(),
    }
}
