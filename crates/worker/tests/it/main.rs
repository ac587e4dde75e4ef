//! Tests the worker's configuration through the process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::{path::PathBuf, sync::LazyLock};

/// A valid key, written once: another test's worker may be reading it.
static KEY: LazyLock<PathBuf> = LazyLock::new(|| {
    let key = std::env::temp_dir().join(format!("worker-key-{}.pem", std::process::id()));
    std::fs::write(&key, tokens::generate_key_pem()).unwrap();
    key
});

/// Starts a worker with valid settings, overridden by these variables. It must refuse to start.
/// Returns its error output.
fn refused(roles: &[&str], variables: &[(&str, &str)]) -> String {
    let sensible = [
        ("SHOP_DATABASE_URL", "postgres://127.0.0.1:1/shop"),
        ("AMQP_URL", "amqp://127.0.0.1:1"),
        ("SERVICE_SIGNING_KEY_FILE", KEY.to_str().unwrap()),
        ("WORKER_ADMIN_LISTEN", "127.0.0.1:0"),
    ];
    testkit::refused(
        env!("CARGO_BIN_EXE_worker"),
        roles,
        &[&sensible, variables].concat(),
    )
}

#[test]
fn an_invalid_setting_is_refused_by_its_name() {
    for (variable, nonsense) in [
        ("SHOP_DATABASE_URL", "mysql://nowhere"),
        ("SHOP_DATABASE_MAX_CONNECTIONS", "1"),
        ("AMQP_URL", "http://nowhere"),
        ("PAYMENTS_URL", "nowhere"),
        ("SERVICE_SIGNING_KEY_FILE", "/nowhere/key.pem"),
        ("SERVICE_SIGNING_KEY_FILE", "/dev/null"),
        ("SAGA_CONCURRENCY", "0"),
        ("SAGA_CONCURRENCY", "many"),
        ("SAGA_LEASE_MS", "3000"),
        ("SAGA_CALL_TIMEOUT_MS", "0"),
        ("SAGA_RETRY_BASE_MS", "60000"),
        ("PAYMENT_DEADLINE_MS", "-1"),
        ("SMTP_URL", "nowhere"),
        ("MAIL_FROM", "not an address"),
        ("PUBLIC_URL", "shop.example"),
        ("WORKER_ADMIN_LISTEN", "everywhere"),
        ("LOG_FORMAT", "xml"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "not a url"),
    ] {
        let said = refused(
            &["saga", "async"],
            &[("MAIL_DIR", "mail"), (variable, nonsense)],
        );
        let flag = variable.to_lowercase().replace('_', "-");
        assert!(
            said.contains(variable) || said.contains(&flag),
            "{variable}={nonsense}: {said}"
        );
        assert!(!said.contains("panicked"), "{variable}={nonsense}: {said}");
    }
}

#[test]
fn migrate_runs_alone_and_a_role_is_required() {
    assert!(refused(&["migrate", "saga"], &[]).contains("migrate"));
    assert!(refused(&[], &[]).contains("required"));
    assert!(refused(&["cook"], &[]).contains("cook"));
}

#[test]
fn a_mail_worker_has_no_default_transport() {
    let said = refused(&["async"], &[]);
    assert!(said.contains("SMTP_URL is not set"), "{said}");
    assert!(said.contains("MAIL_DIR"), "{said}");
}

#[test]
fn a_role_does_not_read_the_settings_of_others() {
    // each of these alone makes a process refuse to start if its role reads the setting
    let of_checkout = [
        ("PAYMENTS_URL", "nowhere"),
        ("SERVICE_SIGNING_KEY_FILE", "/nowhere/key.pem"),
        ("PAYMENT_DEADLINE_MS", "0"),
    ];
    let of_async = [
        ("MAIL_FROM", "not an address"),
        ("MAIL_DIR", "/proc/nowhere"),
        ("CENSUS_INTERVAL_MS", "1"),
        ("RETENTION_INBOX_DAYS", "0"),
    ];
    let of_the_broker = [("AMQP_URL", "http://nowhere")];
    let of_sagas = [("SAGA_CONCURRENCY", "0")];
    let of_the_relay = [("RELAY_LEASE_MS", "1")];
    for (role, others) in [
        (
            "saga",
            [&of_async[..], &of_the_broker, &of_the_relay].concat(),
        ),
        (
            "payments",
            [&of_async[..], &of_sagas, &of_the_relay].concat(),
        ),
        ("async", [&of_sagas[..], &of_the_relay].concat()),
        ("relay", [&of_checkout[..], &of_async, &of_sagas].concat()),
    ] {
        let mut variables = others;
        if role == "async" {
            variables.push(("MAIL_DIR", "/tmp"));
        }
        // with otherwise valid settings, binding the admin port is the first step to fail
        variables.push(("WORKER_ADMIN_LISTEN", "192.0.2.1:9"));
        let said = refused(&[role], &variables);
        assert!(said.contains("WORKER_ADMIN_LISTEN"), "{role}: {said}");
    }
}
