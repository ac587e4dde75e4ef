//! Operators' actions on the real system: on one saga, on many sagas, and against the lease holder.
//! Each action appears in the audit, the journal and `show`.

mod batches;

use std::process::Output;

use lapin::{ConnectionProperties, options::QueuePurgeOptions};
use reqwest::StatusCode;
use serde_json::Value;
use testkit::{Buyer, Fault, Level1, System, SystemOptions, Upstream, eventually};
use uuid::Uuid;

use crate::{hurried, saga_of, text};

/// The output and the exit code of shopctl.
struct ShopctlOutput {
    code: i32,
    out: String,
    talk: String,
}

impl ShopctlOutput {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            talk: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The data, one value per line.
    fn lines(&self) -> Vec<Value> {
        let lines = self.out.lines();
        lines
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect()
    }

    #[track_caller]
    fn with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.out, self.talk);
        self
    }
}

fn shopctl(system: &System, arguments: &[&str]) -> ShopctlOutput {
    shopctl_on(system, true, arguments)
}

/// shopctl with payments' database, or with its API alone.
fn shopctl_on(system: &System, database: bool, arguments: &[&str]) -> ShopctlOutput {
    let mut command = system.command("shopctl");
    command.args(arguments).env("SHOPCTL_ACTOR", "olga");
    if !database {
        command.env_remove("PAYMENTS_DATABASE_URL");
    }
    ShopctlOutput::of(command.args(["-o", "json"]).output().unwrap())
}

fn resolve(system: &System, database: bool, saga: &str, to: &str) -> ShopctlOutput {
    let arguments = [
        "saga",
        "resolve",
        saga,
        "--step",
        "init_payment",
        "--as",
        to,
        "--evidence",
        "seen at payments",
        "--reason",
        "ticket 4711",
        "--yes",
    ];
    shopctl_on(system, database, &arguments)
}

fn run_action(system: &System, verb: &str, saga: &str) -> ShopctlOutput {
    shopctl(
        system,
        &["saga", verb, saga, "--reason", "ticket 4711", "--yes"],
    )
}

async fn state(system: &System, saga: &str) -> String {
    sqlx::query_scalar("select state from saga.saga where saga_id = $1")
        .bind(saga.parse::<Uuid>().unwrap())
        .fetch_one(&system.shop)
        .await
        .unwrap()
}

/// The action is in the audit, the journal and `show`, with actor, reason, before and after.
async fn assert_recorded(system: &System, saga: &str, verb: &str) {
    let (actor, reason, before, after): (String, String, Value, Value) = sqlx::query_as(
        "select actor, reason, before, after from saga.audit
         where subject_kind = 'saga' and subject_id = $1 and verb = $2
         order by at desc limit 1",
    )
    .bind(saga)
    .bind(format!("saga {verb}"))
    .fetch_one(&system.shop)
    .await
    .unwrap();
    assert_eq!((actor.as_str(), reason.as_str()), ("olga", "ticket 4711"));
    assert!(
        before["standing"].is_string() && after["standing"].is_string(),
        "{before} {after}"
    );

    let life = shopctl(system, &["saga", "show", saga])
        .with(0)
        .lines()
        .remove(0);
    let any_of =
        |of: &str, test: &dyn Fn(&Value) -> bool| life[of].as_array().unwrap().iter().any(test);
    assert!(
        any_of("acts", &|act| act["verb"] == format!("saga {verb}")
            && act["actor"] == "olga"),
        "{life}"
    );
    let noted = |moment: &Value| {
        let detail = moment["detail"].as_str().unwrap_or_default();
        moment["kind"] == "operator" && detail.starts_with(verb) && detail.ends_with("ticket 4711")
    };
    assert!(any_of("timeline", &noted), "{life}");
}

/// Automatic attempts are an hour apart.
fn stuck_for_long() -> SystemOptions {
    let mut options = hurried();
    for (name, value) in [
        ("SAGA_RETRY_BASE_MS", "3600000"),
        ("SAGA_RETRY_CAP_MS", "3600000"),
        ("SAGA_RETRY_BUDGET_MS", "36000000"),
    ] {
        options.env.insert(name, value.to_owned());
    }
    options
}

async fn with_proxies(mut options: SystemOptions) -> System {
    options.proxies = true;
    System::start(options).await
}

async fn awaiting(buyer: &Buyer<'_>) -> Value {
    let (_, order) = buyer.order().await;
    buyer.awaits(text(&order, "id"), "awaiting_payment").await
}

async fn whole(system: &System) {
    system.settle().await;
    system.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_saga_keeps_signals_and_resuming_applies_them() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    let order = awaiting(&buyer).await;
    let saga = saga_of(&system, &order).await;
    run_action(&system, "pause", &saga).with(0);
    assert_recorded(&system, &saga, "pause").await;
    let again = run_action(&system, "pause", &saga).with(4);
    assert!(again.talk.contains("is paused already"), "{}", again.talk);
    let retried = run_action(&system, "retry", &saga).with(4);
    assert!(retried.talk.contains("resume"), "{}", retried.talk);

    buyer.pay(text(&order, "transaction_id")).await;
    eventually("the signal to be kept", || async {
        let kept = "select kept from saga.saga where saga_id = $1";
        let kept: i32 = sqlx::query_scalar(kept)
            .bind(saga.parse::<Uuid>().unwrap())
            .fetch_one(&system.shop)
            .await
            .unwrap();
        kept == 1
    })
    .await;
    assert_eq!(state(&system, &saga).await, "waiting");
    let resumed = run_action(&system, "resume", &saga)
        .with(0)
        .lines()
        .remove(0);
    assert_eq!(text(&resumed, "to"), "completed", "{resumed}");
    assert_recorded(&system, &saga, "resume").await;
    buyer.awaits(text(&order, "id"), "completed").await;
    let over = run_action(&system, "cancel", &saga).with(4);
    assert!(over.talk.contains("at rest"), "{}", over.talk);
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn canceling_says_beforehand_what_moves_and_then_moves_just_that() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    let free = system.available("enamel-mug").await;
    let order = awaiting(&buyer).await;
    let saga = saga_of(&system, &order).await;
    let dry = ["saga", "cancel", &saga, "--reason", "looking", "--dry-run"];
    let shown = shopctl(&system, &dry).with(0).lines().remove(0);
    let preview = &shown["preview"];
    assert_eq!(text(preview, "from"), "waiting await_payment");
    assert_eq!(text(preview, "to"), "compensating init_payment");
    assert_eq!(text(preview, "then"), "compensated");
    let listed = |of: &str| preview[of].to_string();
    assert!(listed("sends").contains("cancel-by-order"), "{preview}");
    assert!(
        listed("moves").contains("back in stock: 1 × Enamel Mug"),
        "{preview}"
    );
    assert!(listed("notes").contains("completed instead"), "{preview}");
    assert_eq!(
        state(&system, &saga).await,
        "waiting",
        "a dry run changes nothing"
    );
    assert_eq!(system.available("enamel-mug").await, free - 1);

    run_action(&system, "cancel", &saga).with(0);
    buyer.awaits(text(&order, "id"), "canceled").await;
    assert_recorded(&system, &saga, "cancel").await;
    assert_eq!(system.available("enamel-mug").await, free);
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_signal_must_agree_with_payments() {
    let mut options = hurried();
    options.env.insert("EAGER_ATTEMPTS", "1".to_owned());
    let system = System::prepare(options).await;
    for role in ["payments", "api", "worker saga async relay"] {
        system.spawn(role).await;
    }
    let buyer = system.buyer().await;
    let order = awaiting(&buyer).await;
    let saga = saga_of(&system, &order).await;
    let signal = [
        "saga",
        "signal",
        &saga,
        "transaction_completed",
        "--reason",
        "ticket 4711",
        "--yes",
    ];
    let lie = shopctl(&system, &signal).with(4);
    assert!(
        lie.talk.contains("is pending"),
        "payments bears nothing out: {}",
        lie.talk
    );

    buyer.pay(text(&order, "transaction_id")).await;
    let broker = lapin::Connection::connect(&system.amqp_url, ConnectionProperties::default());
    let channel = broker.await.unwrap().create_channel().await.unwrap();
    eventually("the event to come, and to go unheard", || async {
        let purged =
            channel.queue_purge("payments_events_queue".into(), QueuePurgeOptions::default());
        purged.await.unwrap() == 1
    })
    .await;
    system.spawn("worker payments").await;
    let wrong = [
        "saga",
        "signal",
        &saga,
        "transaction_canceled",
        "--reason",
        "r",
        "--yes",
    ];
    shopctl(&system, &wrong).with(4);
    let mut blind = system.command("shopctl");
    blind
        .args(signal)
        .env("SHOPCTL_ACTOR", "olga")
        .env_remove("PAYMENTS_URL")
        .env_remove("PAYMENTS_DATABASE_URL");
    let blind = ShopctlOutput::of(blind.output().unwrap()).with(6);
    assert!(
        blind.talk.contains("payments cannot be seen"),
        "{}",
        blind.talk
    );

    shopctl(&system, &signal).with(0);
    assert_recorded(&system, &saga, "signal").await;
    buyer.awaits(text(&order, "id"), "completed").await;
    shopctl(&system, &signal).with(4);
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_resolution_must_agree_with_payments() {
    resolved_as_payments_bears_it_out(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_api_alone_bears_out_what_an_operator_resolves() {
    resolved_as_payments_bears_it_out(false).await;
}

/// Waits until the undo of a saga's step has had no answer.
async fn undo_failed(system: &System, saga: &str) {
    eventually("its undo to fail", || async {
        let failed = "select last_error is not null from messaging.outbox where saga_id = $1";
        let failed: Option<bool> = sqlx::query_scalar(failed)
            .bind(saga.parse::<Uuid>().unwrap())
            .fetch_optional(&system.shop)
            .await
            .unwrap();
        failed == Some(true)
    })
    .await;
}

async fn resolved_as_payments_bears_it_out(database: bool) {
    let system = with_proxies(stuck_for_long()).await;
    let buyer = system.buyer().await;
    let resolve = |saga: &str, to: &str| resolve(&system, database, saga, to);
    // the call took effect, and its answer is lost
    system.fault(Upstream::Payments, Fault::CutAnswers);
    let (status, order) = buyer.order().await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let saga = saga_of(&system, &order).await;
    let undone = resolve(&saga, "undone").with(4);
    assert!(undone.talk.contains("cancel it"), "{}", undone.talk);
    resolve(&saga, "done").with(0);
    assert_recorded(&system, &saga, "resolve").await;
    let order = buyer.awaits(text(&order, "id"), "awaiting_payment").await;
    buyer.pay(text(&order, "transaction_id")).await;
    buyer.awaits(text(&order, "id"), "completed").await;

    // the call never arrived, so no operator may assert that it did
    system.fault(Upstream::Payments, Fault::Reset);
    let (_, order) = buyer.order().await;
    let saga = saga_of(&system, &order).await;
    let lie = resolve(&saga, "done").with(4);
    assert!(lie.talk.contains("has no transaction"), "{}", lie.talk);
    run_action(&system, "cancel", &saga).with(0);
    undo_failed(&system, &saga).await;
    // without its tombstone the order could still be paid later
    let early = resolve(&saga, "undone").with(4);
    assert!(early.talk.contains("has no transaction"), "{}", early.talk);
    system.fault(Upstream::Payments, Fault::CutAnswers);
    run_action(&system, "retry", &saga).with(0); // creates the tombstone; its answer is lost
    eventually("the tombstone", || async {
        let tombstones = "select count(*) from payments.transaction where tombstone";
        let tombstones: i64 = sqlx::query_scalar(tombstones)
            .fetch_one(&system.payments)
            .await
            .unwrap();
        tombstones == 1
    })
    .await;
    eventually("the word on it to be taken", || async {
        resolve(&saga, "undone").code == 0
    })
    .await;
    buyer.awaits(text(&order, "id"), "canceled").await;
    whole(&system).await;
}

/// A payments service of level 1 shows no transaction: nothing that an operator asserts is verified,
/// nothing is changed, and what is not an assertion still works.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_level_1_bears_out_no_assertion() {
    const UNREACHABLE: i32 = 6;
    let mut options = stuck_for_long();
    options.level1 = true;
    let system = System::prepare(options).await;
    let payments = Level1::start(&system).await;
    for role in ["api", "worker"] {
        system.spawn(role).await;
    }
    let buyer = system.buyer().await;
    let unverified = |output: ShopctlOutput| {
        let output = output.with(UNREACHABLE);
        let reason = "payments does not offer this";
        assert!(output.talk.contains(reason), "{}", output.talk);
    };

    payments.lose_answers(true);
    let (_, lost) = buyer.order().await;
    let saga = saga_of(&system, &lost).await;
    let before = shopctl(&system, &["saga", "show", &saga]).with(0).out;
    unverified(resolve(&system, false, &saga, "done"));
    // what we said to be payments' database is not verified
    unverified(resolve(&system, true, &saga, "done"));
    let after = shopctl(&system, &["saga", "show", &saga]).with(0).out;
    assert_eq!(before, after);
    payments.lose_answers(false);
    run_action(&system, "retry", &saga).with(0);
    let paid = buyer.awaits(text(&lost, "id"), "awaiting_payment").await;
    let signal = [
        "saga",
        "signal",
        &saga,
        "transaction_completed",
        "--reason",
        "ticket 4711",
        "--yes",
    ];
    unverified(shopctl_on(&system, false, &signal));
    assert_eq!(state(&system, &saga).await, "waiting");
    assert!(payments.pay(text(&paid, "transaction_id")).await);
    buyer.awaits(text(&lost, "id"), "completed").await;

    // an undo that has no answer is not resolved by hand: it is repeated
    payments.lose_answers(true);
    let (_, canceled) = buyer.order().await;
    let saga = saga_of(&system, &canceled).await;
    run_action(&system, "cancel", &saga).with(0);
    undo_failed(&system, &saga).await;
    unverified(resolve(&system, false, &saga, "undone"));
    payments.lose_answers(false);
    run_action(&system, "retry", &saga).with(0);
    buyer.awaits(text(&canceled, "id"), "canceled").await;
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_the_lease_cannot_finish_against_an_operator() {
    for verb in ["retry", "cancel", "resolve"] {
        let mut options = hurried();
        options.env.insert("EAGER_ATTEMPTS", "0".to_owned());
        options.env.insert("SAGA_LEASE_MS", "30000".to_owned());
        options
            .env
            .insert("SAGA_CALL_TIMEOUT_MS", "25000".to_owned());
        let system = with_proxies(options).await;
        let buyer = system.buyer().await;
        system
            .link("worker", Upstream::Payments)
            .will(Fault::StallAnswers);
        let (_, order) = buyer.order().await;
        let saga = saga_of(&system, &order).await;
        eventually("the worker to have asked payments", || async {
            let created = "select count(*) from payments.transaction";
            let created: i64 = sqlx::query_scalar(created)
                .fetch_one(&system.payments)
                .await
                .unwrap();
            created == 1
        })
        .await;
        let acted = if verb == "resolve" {
            resolve(&system, true, &saga, "done")
        } else {
            run_action(&system, verb, &saga)
        };
        acted.with(0);
        system.link("worker", Upstream::Payments).will(Fault::None);
        eventually("the holder's outcome to hit the fence", || async {
            system.metric("worker", "saga_fenced_total").await > 0.0
        })
        .await;
        if verb == "cancel" {
            buyer.awaits(text(&order, "id"), "canceled").await;
        } else {
            let order = buyer.awaits(text(&order, "id"), "awaiting_payment").await;
            buyer.pay(text(&order, "transaction_id")).await;
            buyer.awaits(text(&order, "id"), "completed").await;
        }
        whole(&system).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_command_from_two_shells_takes_effect_once() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    let order = awaiting(&buyer).await;
    let saga = saga_of(&system, &order).await;
    let shells: Vec<_> = (0..6)
        .map(|_| {
            let mut command = system.command("shopctl");
            command
                .args(["saga", "cancel", &saga, "--reason", "ticket 4711", "--yes"])
                .env("SHOPCTL_ACTOR", "olga")
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    let codes: Vec<_> = shells
        .into_iter()
        .map(|shell| ShopctlOutput::of(shell.wait_with_output().unwrap()).code)
        .collect();
    assert_eq!(
        codes.iter().filter(|code| **code == 0).count(),
        1,
        "{codes:?}"
    );
    assert!(codes.iter().all(|code| matches!(code, 0 | 4)), "{codes:?}");
    buyer.awaits(text(&order, "id"), "canceled").await;
    let acts: i64 = sqlx::query_scalar("select count(*) from saga.audit")
        .fetch_one(&system.shop)
        .await
        .unwrap();
    assert_eq!(acts, 1);
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_restores_a_lost_entry() {
    let system = System::start(stuck_for_long()).await;
    let buyer = system.buyer().await;
    let order = awaiting(&buyer).await;
    let saga = saga_of(&system, &order).await;
    sqlx::query("delete from messaging.outbox where saga_id = $1")
        .bind(saga.parse::<Uuid>().unwrap())
        .execute(&system.shop)
        .await
        .unwrap();
    run_action(&system, "retry", &saga).with(0);
    buyer.pay(text(&order, "transaction_id")).await;
    buyer.awaits(text(&order, "id"), "completed").await;
    whole(&system).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_cannot_be_changed() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    let saga = saga_of(&system, &awaiting(&buyer).await).await;
    run_action(&system, "cancel", &saga).with(0);
    for change in [
        "update saga.audit set reason = 'another'",
        "delete from saga.audit",
        "truncate saga.audit",
    ] {
        let refused = sqlx::query(change).execute(&system.shop).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
    assert_recorded(&system, &saga, "cancel").await;
    let nobody = Uuid::now_v7().to_string();
    run_action(&system, "retry", &nobody).with(3);
    let blank = ["saga", "retry", &saga, "--reason", "  ", "--yes"];
    shopctl(&system, &blank).with(2);
    shopctl(&system, &["saga", "retry", "--reason", "r"]).with(2);
    let unseen = ["saga", "retry", "--state", "running", "--reason", "r"];
    shopctl(&system, &unseen).with(2);
    // a prompt without a terminal to answer it is no agreement
    let mut asked = system.command("shopctl");
    asked.args(["saga", "cancel", &saga, "--reason", "r"]);
    asked.env("SHOPCTL_ACTOR", "olga");
    assert!(matches!(
        ShopctlOutput::of(asked.output().unwrap()).code,
        1 | 4
    ));
}
