//! The operator's command line, against a running system.

use std::{fs::Permissions, os::unix::fs::PermissionsExt, process::Output};

use reqwest::StatusCode;
use serde_json::Value;
use testkit::{System, SystemOptions, eventually};

use crate::{hurried, text};

pub(crate) fn shopctl(system: &System, arguments: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = system.command("shopctl").args(arguments).output().unwrap();
    (
        status.code().unwrap(),
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    )
}

pub(crate) fn lines(out: &str) -> Vec<Value> {
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_finds_and_heals_a_saga_waiting_for_payments() {
    let mut options = hurried();
    // the next automatic attempt is an hour away
    options
        .env
        .insert("SAGA_RETRY_BASE_MS", "3600000".to_owned());
    options
        .env
        .insert("SAGA_RETRY_CAP_MS", "3600000".to_owned());
    options
        .env
        .insert("SAGA_RETRY_BUDGET_MS", "36000000".to_owned());
    let system = System::prepare(options).await;
    system.spawn("payments").await;
    system.spawn("api").await;
    system.spawn("worker").await;
    system.stop("payments");
    let buyer = system.buyer().await;
    let (status, order) = buyer.order().await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let order = text(&order, "id");

    let list = ["saga", "list", "--order", order, "-o", "json"];
    let (code, out, _) = shopctl(&system, &list);
    assert_eq!(code, 0);
    let row = lines(&out).remove(0);
    assert_eq!(text(&row, "state"), "running");
    assert_eq!(text(&row, "step"), "init_payment");
    assert!(
        text(&row, "last_error").contains("cannot be reached"),
        "{row}"
    );
    let saga = text(&row, "saga_id");

    let (code, table, talk) = shopctl(&system, &["saga", "show", saga]);
    assert_eq!(code, 0);
    assert!(table.contains("init_payment"), "{table}");
    assert!(talk.contains("last error"), "{talk}");

    let retry = ["saga", "retry", saga, "--reason", "payments is back"];
    let (code, _, talk) = shopctl(&system, &retry);
    assert_eq!(code, 1, "nobody can be asked: {talk}");
    assert!(talk.contains("--yes"), "{talk}");
    system.spawn("payments").await;
    let (code, _, talk) = shopctl(&system, &[&retry[..], &["--yes"]].concat());
    assert_eq!(code, 0, "{talk}");
    let awaiting = buyer.awaits(order, "awaiting_payment").await;
    buyer.pay(text(&awaiting, "transaction_id")).await;
    buyer.awaits(order, "completed").await;
    let (_, out, _) = shopctl(&system, &["saga", "show", saga, "-o", "json"]);
    let life = lines(&out).remove(0);
    let mut timeline = life["timeline"].as_array().unwrap().iter();
    let asked = timeline.find(|event| event["detail"] == "retry: payments is back");
    assert!(
        asked.is_some_and(|event| !event["actor"].is_null()),
        "{out}"
    );
    system.settle().await;
    system.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_and_hints_tell_what_is_wrong() {
    let system = System::prepare(SystemOptions::default()).await;
    let nobody = uuid::Uuid::now_v7().to_string();
    for (arguments, expected) in [
        (vec!["doctor"], 6),
        // nothing proves the database of payments, whose process does not run
        (vec!["doctor", "--without", "bindings"], 6),
        (vec!["doctor", "--without", "payments,bindings"], 0),
        (vec!["saga", "list"], 0),
        (vec!["saga", "show", "not-an-id"], 2),
        (vec!["saga", "show", &nobody], 3),
        (vec!["saga", "retry", &nobody, "--reason", "r", "--yes"], 3),
        (vec!["failed", "show", &nobody], 3),
        (
            vec!["failed", "retry", &nobody, "--reason", "r", "--yes"],
            3,
        ),
        (
            vec![
                "user",
                "grant",
                "--email",
                "no@body.example",
                "--role",
                "admin",
                "--reason",
                "r",
                "--yes",
            ],
            3,
        ),
        (vec!["no-such-noun"], 2),
    ] {
        let (code, _, talk) = shopctl(&system, &arguments);
        assert_eq!(code, expected, "{arguments:?}: {talk}");
        assert!(
            code == 0
                || talk.lines().any(|line| line.starts_with("error: "))
                    && talk.contains("\nhint: "),
            "{arguments:?}: {talk}"
        );
    }
}

/// Runs shopctl with other settings than the system's.
pub(crate) fn shopctl_with(
    system: &System,
    settings: &[(&str, &str)],
    arguments: &[&str],
) -> (i32, String) {
    let mut command = system.command("shopctl");
    command.envs(settings.iter().copied());
    let output = command.args(arguments).output().unwrap();
    let talk = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), talk)
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_services_are_named_and_errors_can_be_json() {
    let system = System::prepare(SystemOptions::default()).await;
    let nowhere = "postgres://app:hush@127.0.0.1:1/x";
    for (setting, url, arguments, named) in [
        (
            "SHOP_DATABASE_URL",
            nowhere,
            &["doctor"][..],
            "the shop's database",
        ),
        (
            "SHOP_DATABASE_URL",
            nowhere,
            &["saga", "list"],
            "the shop's database",
        ),
        (
            "AMQP_URL",
            "amqp://app:hush@127.0.0.1:1",
            &["failed", "list"],
            "RabbitMQ",
        ),
    ] {
        let (code, talk) = shopctl_with(&system, &[(setting, url)], arguments);
        assert_eq!(code, 6, "{talk}");
        assert!(talk.contains(named) && talk.contains("hint: "), "{talk}");
        assert!(!talk.contains("hush"), "{talk}");
        let (code, talk) = shopctl_with(
            &system,
            &[(setting, url)],
            &[arguments, &["-o", "json"]].concat(),
        );
        let error = lines(talk.lines().last().unwrap()).remove(0);
        assert_eq!(code, 6);
        assert_eq!(text(&error, "error"), "unreachable");
        assert_eq!(error["exit_code"], 6);
        assert!(text(&error, "message").contains(named), "{error}");
        assert!(!text(&error, "hint").is_empty());
    }
    let (code, talk) = shopctl_with(&system, &[], &["saga", "show", "x", "-o", "json"]);
    assert_eq!(
        (code, text(&lines(&talk).remove(0), "error")),
        (2, "usage"),
        "{talk}"
    );
    let (code, talk) = shopctl_with(&system, &[("SHOP_DATABASE_URL", "")], &["saga", "list"]);
    assert_eq!(code, 2);
    assert!(
        talk.contains("SHOP_DATABASE_URL is not set") && talk.contains("profile"),
        "{talk}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_readable_by_others_is_refused() {
    let system = System::prepare(SystemOptions::default()).await;
    let url = system.setting("SHOP_DATABASE_URL");
    let path = system.log("profile");
    std::fs::write(&path, format!("SHOP_DATABASE_URL='{url}'\n")).unwrap();
    let profile = path.display().to_string();
    let settings = [
        ("SHOP_DATABASE_URL", ""),
        ("SHOPCTL_PROFILE", profile.as_str()),
    ];
    let mode = |mode| std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    let (code, talk) = shopctl_with(&system, &settings, &["saga", "list"]);
    assert_eq!(code, 2);
    assert!(
        talk.contains("0644") && talk.contains("chmod 600"),
        "{talk}"
    );
    assert!(!talk.contains("postgres://"), "{talk}");
    mode(0o600);
    let (code, talk) = shopctl_with(&system, &settings, &["saga", "list"]);
    assert_eq!(code, 0, "{talk}");
    let (code, talk) = shopctl_with(
        &system,
        &[("SHOPCTL_PROFILE", "/nowhere")],
        &["saga", "list"],
    );
    // the environment has all required settings
    assert_eq!(code, 0, "{talk}");
    let named = [("SHOP_DATABASE_URL", ""), ("SHOPCTL_PROFILE", "/nowhere")];
    let (code, talk) = shopctl_with(&system, &named, &["saga", "list"]);
    assert_eq!(code, 2);
    assert!(talk.contains("there is no profile /nowhere"), "{talk}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_must_be_known_who_acts() {
    let system = System::prepare(SystemOptions::default()).await;
    let nobody = uuid::Uuid::now_v7().to_string();
    let retry = ["saga", "retry", &nobody, "--reason", "r", "--yes"];
    let (code, talk) = shopctl_with(&system, &[("USER", ""), ("SHOPCTL_ACTOR", "")], &retry);
    assert_eq!(code, 2);
    assert!(
        talk.contains("who acts") && talk.contains("SHOPCTL_ACTOR"),
        "{talk}"
    );
    let (code, talk) = shopctl_with(
        &system,
        &[("SHOPCTL_ACTOR", "ada")],
        &["saga", "retry", &nobody, "--reason", " ", "--yes"],
    );
    assert_eq!(code, 2, "{talk}");
}

/// Runs a command line on a terminal, with `answer` typed into it.
fn on_a_terminal(system: &System, settings: &[(&str, &str)], line: &str, answer: &str) -> String {
    let mut child = terminal(system, settings, line);
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), answer.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn terminal(system: &System, settings: &[(&str, &str)], line: &str) -> std::process::Child {
    // util-linux's `script` gives it a terminal of its own
    let mut script = system.command("shopctl");
    let program = script.get_program().to_str().unwrap().to_owned();
    let variables: Vec<_> = script
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    script = std::process::Command::new("script");
    script
        .envs(variables)
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .envs(settings.iter().copied())
        .args([
            "--quiet",
            "--return",
            "--command",
            &format!("{program} {line}"),
            "/dev/null",
        ])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    script.spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_holds_no_failed_message_from_others() {
    let system = System::prepare(SystemOptions::default()).await;
    let (_connection, channel) = testkit::foreign_client(&system.amqp_url).await;
    for id in ["one", "two"] {
        let properties = lapin::BasicProperties::default().with_message_id(id.into());
        testkit::publish(&channel, "", "failed", properties, b"{}").await;
    }
    let line = "failed retry --all --to messages --reason test";
    let mut asked = terminal(&system, &[], line);
    let mut said = Vec::new();
    let out = asked.stdout.as_mut().unwrap();
    while !said.ends_with(b"[y/N] ") {
        let mut byte = [0];
        std::io::Read::read_exact(out, &mut byte).unwrap();
        said.extend(byte);
    }
    let list = || system.run("shopctl", &["failed", "list", "-o", "json"]);
    testkit::eventually("both to be seen by another reader", || async {
        list().lines().count() == 2
    })
    .await;
    let drop = ["failed", "drop", "one", "--reason", "test", "--yes"];
    system.run("shopctl", &drop);
    std::io::Write::write_all(asked.stdin.as_mut().unwrap(), b"y\n").unwrap();
    let output = asked.wait_with_output().unwrap();
    let rest = String::from_utf8(output.stdout).unwrap();
    assert!(
        rest.contains("Message one is not there any more."),
        "{rest}"
    );
    assert!(rest.contains("1 done, 0 stay."), "{rest}");
    assert_eq!(list(), "");
    let got = channel.basic_get(
        "messages".into(),
        lapin::options::BasicGetOptions { no_ack: true },
    );
    let got = got.await.unwrap().unwrap();
    let id = got.delivery.properties.message_id().clone().unwrap();
    assert_eq!(id.as_str(), "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_prompt_obeys_yes_and_no() {
    let system = System::prepare(SystemOptions::default()).await;
    let id = uuid::Uuid::now_v7();
    sqlx::query(
        "insert into messaging.outbox (entry_id, kind, exchange, routing_key, message_type, body)
         values ($1, 'message', 'messages', 'k', 'note', '{}')",
    )
    .bind(id)
    .execute(&system.shop)
    .await
    .unwrap();
    let parked = async || {
        let parked: bool = sqlx::query_scalar(
            "select parked_at is not null from messaging.outbox where entry_id = $1",
        )
        .bind(id)
        .fetch_one(&system.shop)
        .await
        .unwrap();
        parked
    };
    let park = format!("outbox park {id} --reason r");
    let seen = on_a_terminal(&system, &[], &park, "n\n");
    assert!(
        seen.contains("is not published any more") && seen.contains("[y/N]"),
        "{seen}"
    );
    assert!(!parked().await, "{seen}");
    let seen = on_a_terminal(&system, &[], &park, "y\n");
    assert!(parked().await, "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn colour_is_for_terminals_and_for_those_who_want_it() {
    let system = System::prepare(SystemOptions::default()).await;
    let wrong = "saga show 01996e0e-0000-7000-8000-000000000001";
    let coloured = on_a_terminal(&system, &[], wrong, "");
    assert!(coloured.contains("\u{1b}["), "{coloured:?}");
    let plain = on_a_terminal(&system, &[("NO_COLOR", "1")], wrong, "");
    assert!(
        plain.contains("error: ") && !plain.contains("\u{1b}["),
        "{plain:?}"
    );
    let (_, piped) = shopctl_with(
        &system,
        &[],
        &["saga", "show", "01996e0e-0000-7000-8000-000000000001"],
    );
    assert!(
        piped.starts_with("error: ") && !piped.contains("\u{1b}["),
        "{piped:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_names_the_invariant_that_is_broken_and_the_order() {
    let system = System::start(SystemOptions::default()).await;
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    let id = text(&order, "id");
    buyer.pay(text(&order, "transaction_id")).await;
    buyer.awaits(id, "completed").await;
    system.settle().await;
    let well = ["doctor", "--grace", "0", "--without", "bindings"];
    assert_eq!(shopctl(&system, &well).0, 0);
    sqlx::query("update payments.transaction set amount = amount + 1 where order_id = $1::uuid")
        .bind(id)
        .execute(&system.payments)
        .await
        .unwrap();
    let (code, out, talk) = shopctl(&system, &["doctor", "--grace", "0", "-o", "json"]);
    assert_eq!(code, 1);
    assert!(talk.contains(id), "{talk}");
    let broken: Vec<_> = lines(&out)
        .into_iter()
        .filter(|line| !line["found"].as_array().unwrap().is_empty())
        .map(|line| text(&line, "id").to_owned())
        .collect();
    assert_eq!(broken, ["I3"], "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redriven_command_takes_effect_once_its_cause_is_gone() {
    let system = System::start(SystemOptions::default()).await;
    let buyer = system.buyer().await;
    eventually("the welcome mail is sent", async || {
        sqlx::query_scalar::<_, i64>(
            "select count(*) from messaging.inbox where consumer = 'messages'",
        )
        .fetch_one(&system.shop)
        .await
        .unwrap()
            == 1
    })
    .await;
    drop(buyer);
    // the account does not exist, so its mail cannot be sent
    let id = uuid::Uuid::now_v7();
    let body = serde_json::json!({"command": "send_welcome_email", "user_id": id});
    sqlx::query(
        "insert into messaging.outbox (entry_id, kind, exchange, routing_key, message_type, body)
         values (gen_random_uuid(), 'message', 'messages', 'send_welcome_email', 'send_welcome_email', $1)",
    )
    .bind(body)
    .execute(&system.shop)
    .await
    .unwrap();
    eventually("it is in failed", async || {
        lines(&shopctl(&system, &["failed", "list", "-o", "json"]).1).len() == 1
    })
    .await;
    let failed = lines(&shopctl(&system, &["failed", "list", "-o", "json"]).1).remove(0);
    let message = text(&failed, "message_id");
    let (code, whole, _) = shopctl(&system, &["failed", "show", message]);
    assert_eq!(code, 0);
    assert!(whole.contains(&id.to_string()), "{whole}");
    sqlx::query(
        r#"insert into auth."user" (user_id, email, name, password_hash) values ($1, 'late@shop.example', 'Late', 'x')"#,
    )
    .bind(id)
    .execute(&system.shop)
    .await
    .unwrap();
    let (code, _, talk) = shopctl(
        &system,
        &[
            "failed",
            "retry",
            message,
            "--reason",
            "the account is there",
            "--yes",
        ],
    );
    assert_eq!(code, 0, "{talk}");
    eventually("it has taken effect", async || {
        sqlx::query_scalar::<_, i64>(
            "select count(*) from messaging.inbox where consumer = 'messages'",
        )
        .fetch_one(&system.shop)
        .await
        .unwrap()
            == 2
    })
    .await;
    assert!(lines(&shopctl(&system, &["failed", "list", "-o", "json"]).1).is_empty());
}
