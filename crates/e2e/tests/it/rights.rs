//! Each process in its own role, with secrets from files as `docker/secrets.sh` makes them: it can do
//! its work, and nothing else.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use lapin::{
    BasicProperties, Channel,
    options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions},
    types::FieldTable,
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use testkit::{Buyer, System, SystemOptions, eventually, foreign_client};

use crate::{hurried, layout::root, platform::manifests, text};

/// Variables that hold secrets; `<NAME>_FILE` names the file.
const SECRETS: [&str; 3] = ["SHOP_DATABASE_URL", "PAYMENTS_DATABASE_URL", "AMQP_URL"];

/// A system whose processes run in roles of their own.
struct Rig {
    system: System,
    secrets: PathBuf,
}

impl Rig {
    async fn start() -> Self {
        let options = SystemOptions {
            own_servers: true,
            ..hurried()
        };
        let system = System::prepare(options).await;
        let secrets = system.log("secrets").with_extension("d");
        let rabbitmq = system.servers.as_ref().unwrap().rabbitmq.lock().unwrap();
        let management = rabbitmq.management_url();
        drop(rabbitmq);
        let made = Command::new(root().join("docker/secrets.sh"))
            .arg(&secrets)
            .env("POSTGRES", authority(system.setting("SHOP_DATABASE_URL")))
            .env("RABBITMQ", authority(&system.amqp_url))
            .env("RABBITMQ_MANAGEMENT", authority(&management))
            .status()
            .unwrap();
        assert!(made.success());
        let rig = Self { system, secrets };
        // twice: running it again changes nothing
        for _ in 0..2 {
            let mut migrate = rig.system.command("worker");
            migrate
                .arg("migrate")
                .env("ROLES_DIR", rig.secrets.join("roles"))
                .env("RABBITMQ_MANAGEMENT_URL", &management);
            done(&migrate.output().unwrap());
        }
        rig
    }

    /// What a process is told: its own secrets, by files, and nobody else's.
    fn env(&self, role: &str) -> Vec<(String, String)> {
        let mut env: Vec<_> = SECRETS
            .into_iter()
            .flat_map(|name| {
                let file = self.secrets.join(format!("{}.{role}", name.to_lowercase()));
                let named = file
                    .exists()
                    .then(|| (format!("{name}_FILE"), file.display().to_string()));
                [Some((name.to_owned(), String::new())), named]
            })
            .flatten()
            .collect();
        let key = self.secrets.join("token_signing_key.pem");
        let key = match role {
            "api" | "worker-saga" | "worker-payments" | "worker-async" => key.display().to_string(),
            // whoever needs none must not look for one
            _ => "/nowhere".to_owned(),
        };
        env.push(("TOKEN_SIGNING_KEY_FILE".to_owned(), key));
        env
    }

    /// Starts `api`, `payments`, `worker saga` … in the role of that name.
    async fn spawn(&self, process: &str) {
        let env = self.env(&process.replace(' ', "-"));
        let env: Vec<_> = env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        self.system.spawn_with(process, &env).await;
    }

    /// Runs a program of ours in a role.
    fn run(&self, role: &str, binary: &str, arguments: &[&str]) -> String {
        let mut command = self.system.command(binary);
        command.args(arguments).envs(self.env(role));
        done(&command.output().unwrap())
    }

    fn secret(&self, name: &str) -> String {
        std::fs::read_to_string(self.secrets.join(name))
            .unwrap()
            .trim()
            .to_owned()
    }

    /// What PostgreSQL says to a statement of this role: its code when it refuses.
    async fn sql(&self, role: &str, database: &str, statement: &str) -> Result<(), String> {
        let password = self.secret(&format!("roles/{role}"));
        let place = authority(self.system.setting("SHOP_DATABASE_URL"));
        let url = format!("postgres://{role}:{password}@{place}/{database}");
        let code = |error: sqlx::Error| {
            let code = error
                .as_database_error()
                .and_then(|error| error.code().map(String::from));
            code.unwrap_or_else(|| panic!("{role}: {statement}: {error}"))
        };
        let mut conn = PgConnection::connect(&url).await.map_err(code)?;
        let mut tx = conn.begin().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
            .execute(&mut *tx)
            .await
            .map(drop)
            .map_err(code)
    }

    async fn channel(&self, role: &str) -> Channel {
        let url = self.secret(&format!("amqp_url.{role}"));
        foreign_client(&url).await.1
    }

    /// Whether this role may publish there.
    async fn may_publish(&self, role: &str, exchange: &str, key: &str) -> bool {
        let channel = self.channel(role).await;
        let sent = channel
            .basic_publish(
                exchange.into(),
                key.into(),
                BasicPublishOptions::default(),
                b"{\"not\": \"an event\"}",
                BasicProperties::default(),
            )
            .await;
        match sent {
            Ok(confirm) => judged(confirm.await.map(drop)),
            Err(error) => judged(Err(error)),
        }
    }

    /// Whether this role may take from a queue.
    async fn may_consume(&self, role: &str, queue: &str) -> bool {
        let channel = self.channel(role).await;
        let consumer = channel.basic_consume(
            queue.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        judged(consumer.await.map(drop))
    }

    /// Whether this role may make a queue.
    async fn may_declare(&self, role: &str) -> bool {
        let channel = self.channel(role).await;
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let mut quorum = FieldTable::default();
        quorum.insert(
            "x-queue-type".into(),
            lapin::types::AMQPValue::LongString("quorum".into()),
        );
        judged(
            channel
                .queue_declare("mine".into(), options, quorum)
                .await
                .map(drop),
        )
    }
}

/// Whether RabbitMQ let it happen; any other trouble is none of the answers.
fn judged(answer: lapin::Result<()>) -> bool {
    match answer {
        Ok(()) => true,
        Err(error) => {
            let said = error.to_string();
            assert!(
                said.contains("ACCESS_REFUSED") || said.contains("403"),
                "{said}"
            );
            false
        }
    }
}

fn done(output: &Output) -> String {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}{err}");
    out.into_owned()
}

/// `host:port` of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['/', '?']).next().unwrap_or(rest);
    rest.rsplit('@').next().unwrap_or(rest)
}

const PROCESSES: [&str; 6] = [
    "payments",
    "api",
    "worker saga",
    "worker payments",
    "worker async",
    "worker relay",
];

#[tokio::test(flavor = "multi_thread")]
async fn each_process_does_its_work_in_a_role_of_its_own() {
    let rig = Rig::start().await;
    let system = &rig.system;
    for process in PROCESSES {
        rig.spawn(process).await;
    }
    let buyer = system.buyer().await;

    // one is paid, one is canceled
    let (_, paid) = buyer.order().await;
    buyer.pay(text(&paid, "transaction_id")).await;
    buyer.awaits(text(&paid, "id"), "completed").await;
    let (_, canceled) = buyer.order().await;
    buyer
        .decide("cancel", text(&canceled, "transaction_id"))
        .await
        .unwrap();
    buyer.awaits(text(&canceled, "id"), "canceled").await;

    // payments is down for a while: the saga worker asks again
    system.kill("payments");
    let (_, late) = buyer.order().await;
    rig.spawn("payments").await;
    let late = buyer.awaits(text(&late, "id"), "awaiting_payment").await;
    assert!(buyer.cancel(text(&late, "id")).await.status().is_success());
    buyer.awaits(text(&late, "id"), "canceled").await;

    // a worker is killed while an event is on its way
    let (_, order) = buyer.order().await;
    system.kill("worker payments");
    buyer.pay(text(&order, "transaction_id")).await;
    rig.spawn("worker payments").await;
    buyer.awaits(text(&order, "id"), "completed").await;

    an_operator_works(&rig, &buyer, text(&order, "id")).await;

    eventually("the mails", || async {
        let mails: i64 =
            sqlx::query_scalar("select count(*) from messaging.inbox where consumer = 'messages'")
                .fetch_one(&system.shop)
                .await
                .unwrap();
        mails == 3
    })
    .await;
    system.assert_whole().await;
    assert!(
        rig.run("doctor", "shopctl", &["doctor", "--grace", "0"])
            .contains("holds")
    );
    for process in PROCESSES {
        assert!(system.runs(process), "{process}");
        let log = std::fs::read_to_string(system.log(process)).unwrap();
        for refused in ["permission denied", "ACCESS_REFUSED", "access_refused"] {
            assert!(!log.contains(refused), "{process}: {refused}");
        }
        for secret in [
            "roles/api",
            "roles/payments",
            "roles/worker-async",
            "rabbitmq_password",
        ] {
            assert!(
                !log.contains(&rig.secret(secret)),
                "{process} logs {secret}"
            );
        }
    }
}

/// What goes through the broker into an operator's hands, and what the async role does for them.
async fn an_operator_works(rig: &Rig, buyer: &Buyer<'_>, order: &str) {
    let system = &rig.system;
    // what cannot be handled fails, and an operator sends it again
    assert!(
        rig.may_publish("payments", "payments_events", "transaction_completed")
            .await
    );
    eventually("the message to fail", || async {
        rig.run("operator", "shopctl", &["failed", "list"])
            .contains("payments_events_queue")
    })
    .await;
    let retry = ["failed", "retry", "--all", "--reason", "a test", "--yes"];
    rig.run("operator", "shopctl", &retry);
    let drop = [
        "failed",
        "drop",
        "--queue",
        "payments_events_queue",
        "--reason",
        "a test",
        "--yes",
    ];
    eventually("it to fail again", || async {
        rig.run("operator", "shopctl", &["failed", "list"])
            .contains("payments_events_queue")
    })
    .await;
    rig.run("operator", "shopctl", &drop);

    // an operator's batch is run by the async role, whose retention archives
    let (_, unpaid) = buyer.order().await;
    let cancel = [
        "saga",
        "cancel",
        "--state",
        "waiting",
        "--dry-run",
        "--reason",
        "a test",
    ];
    rig.run("operator", "shopctl", &cancel);
    rig.run("operator", "shopctl", &["apply", "1", "--yes"]);
    buyer.awaits(text(&unpaid, "id"), "canceled").await;
    system.settle().await;
    rig.run("worker-async", "worker", &["retention"]);
    rig.run("operator", "shopctl", &["saga", "stats"]);
    rig.run("operator", "shopctl", &["order", "show", order]);
    rig.run("operator", "shopctl", &["audit", "list"]);
}

/// What PostgreSQL says when a right is missing.
const DENIED: &str = "42501";
/// … when a transaction may only read.
const READ_ONLY: &str = "25006";

/// Role, database, statement, and what it is refused with.
const REFUSED: &[(&str, &str, &str, &str)] = &[
    ("payments", "shop", "select 1", DENIED),
    ("api", "payments", "select 1", DENIED),
    ("worker-saga", "payments", "select 1", DENIED),
    ("worker-payments", "payments", "select 1", DENIED),
    ("worker-async", "payments", "select 1", DENIED),
    ("worker-relay", "payments", "select 1", DENIED),
    (
        "api",
        "shop",
        "alter table commerce.\"order\" add column extra text",
        DENIED,
    ),
    ("api", "shop", "drop table saga.journal", DENIED),
    ("api", "shop", "create table commerce.mine (id int)", DENIED),
    ("api", "shop", "create schema mine", DENIED),
    ("api", "shop", "update saga.journal set at = at", DENIED),
    ("api", "shop", "delete from saga.audit", DENIED),
    ("api", "shop", "delete from commerce.\"order\"", DENIED),
    (
        "payments",
        "payments",
        "alter table payments.transaction add column extra text",
        DENIED,
    ),
    (
        "payments",
        "payments",
        "delete from payments.transaction",
        DENIED,
    ),
    (
        "worker-saga",
        "shop",
        "select email from auth.\"user\"",
        DENIED,
    ),
    (
        "worker-saga",
        "shop",
        "insert into commerce.product default values",
        DENIED,
    ),
    (
        "worker-payments",
        "shop",
        "select email from auth.\"user\"",
        DENIED,
    ),
    (
        "worker-payments",
        "shop",
        "update commerce.product set slug = slug",
        DENIED,
    ),
    (
        "worker-async",
        "shop",
        "update auth.\"user\" set email = email",
        DENIED,
    ),
    (
        "worker-relay",
        "shop",
        "select * from commerce.\"order\"",
        DENIED,
    ),
    (
        "worker-relay",
        "shop",
        "select * from auth.\"user\"",
        DENIED,
    ),
    (
        "worker-relay",
        "shop",
        "update saga.saga set revision = revision",
        DENIED,
    ),
    ("operator", "shop", "delete from saga.audit", DENIED),
    (
        "operator",
        "payments",
        "update payments.transaction set status = status",
        DENIED,
    ),
    ("doctor", "shop", "select * from auth.\"user\"", DENIED),
    (
        "doctor",
        "shop",
        "update saga.saga set revision = revision",
        READ_ONLY,
    ),
    (
        "doctor",
        "payments",
        "delete from payments.transaction",
        READ_ONLY,
    ),
    (
        "doctor",
        "shop",
        "set transaction read write; delete from saga.saga",
        DENIED,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn no_process_can_do_what_is_not_its_own() {
    let rig = Rig::start().await;
    for (role, database, statement, code) in REFUSED {
        let said = rig.sql(role, database, statement).await;
        assert_eq!(said, Err((*code).to_owned()), "{role}: {statement}");
    }
    // and the same question finds what a role may do
    for (role, database, statement) in [
        ("payments", "payments", "select * from payments.transaction"),
        ("doctor", "shop", "select * from commerce.\"order\""),
        ("doctor", "payments", "select * from payments.transaction"),
        (
            "worker-relay",
            "shop",
            "update messaging.outbox set due_at = due_at",
        ),
    ] {
        assert_eq!(
            rig.sql(role, database, statement).await,
            Ok(()),
            "{role}: {statement}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_payments_may_publish_payment_events_and_nobody_may_declare() {
    let rig = Rig::start().await;
    let users = [
        "api",
        "payments",
        "worker-payments",
        "worker-async",
        "worker-relay",
        "operator",
        "doctor",
    ];
    for (exchange, key, may) in [
        (
            "payments_events",
            "transaction_completed",
            &["payments"][..],
        ),
        ("messages", "send_welcome_email", &["worker-relay"]),
        (
            "payments_events_queue.retry",
            "payments_events_queue.retry.4s",
            &["worker-payments"],
        ),
        ("messages.retry", "messages.retry.4s", &["worker-async"]),
        ("failed", "", &["worker-payments", "worker-async"]),
        ("", "payments_events_queue", &["operator", "api"]),
    ] {
        for user in users {
            let allowed = rig.may_publish(user, exchange, key).await;
            assert_eq!(allowed, may.contains(&user), "{user} to `{exchange}`");
        }
    }
    for (queue, may) in [
        ("payments_events_queue", &["worker-payments"][..]),
        ("messages", &["worker-async"]),
        ("failed", &["operator", "api", "worker-async"]),
    ] {
        for user in users {
            let allowed = rig.may_consume(user, queue).await;
            assert_eq!(allowed, may.contains(&user), "{user} from {queue}");
        }
    }
    for user in users {
        assert!(!rig.may_declare(user).await, "{user}");
    }
}

/// Autoscaling looks at the shop's database in the doctor's role.
#[tokio::test(flavor = "multi_thread")]
async fn the_queries_that_scale_workers_run_in_the_role_that_asks_them() {
    let rig = Rig::start().await;
    let objects = manifests("components/keda");
    let triggers = objects
        .iter()
        .filter_map(|object| object["spec"]["triggers"].as_array());
    let queries: Vec<_> = triggers
        .flatten()
        .filter_map(|trigger| trigger["metadata"]["query"].as_str())
        .collect();
    assert_eq!(queries.len(), 3);
    for query in queries {
        assert_eq!(rig.sql("doctor", "shop", query).await, Ok(()), "{query}");
    }
}
