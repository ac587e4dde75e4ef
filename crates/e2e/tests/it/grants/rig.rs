//! A system whose processes run in roles of their own, identified by their passwords.

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
use testkit::{System, SystemOptions, foreign_client};

use crate::{hurried, layout::root};

/// Variables that hold secrets; `<NAME>_FILE` names the file.
const SECRETS: [&str; 4] = [
    "SHOP_DATABASE_URL",
    "PAYMENTS_DATABASE_URL",
    "AMQP_URL",
    "RABBITMQ_MANAGEMENT_URL",
];

/// A system whose processes run in roles of their own.
pub(super) struct Rig {
    pub(super) system: System,
    secrets: PathBuf,
}

impl Rig {
    pub(super) async fn start() -> Self {
        let options = SystemOptions {
            own_servers: true,
            ..hurried()
        };
        let system = System::prepare(options).await;
        let secrets = system.log("secrets").with_extension("d");
        let servers = system.servers.as_ref().unwrap();
        servers.postgres.lock().unwrap().demand_passwords().unwrap();
        let management = servers.rabbitmq.lock().unwrap().management_url();
        let made = Command::new(root().join("docker/secrets.sh"))
            .arg(&secrets)
            .env("POSTGRES", authority(system.setting("SHOP_DATABASE_URL")))
            .env("RABBITMQ", authority(&system.amqp_url))
            .env("RABBITMQ_MANAGEMENT", authority(&management))
            .status()
            .unwrap();
        assert!(made.success());
        let rig = Self { system, secrets };
        // twice: a second run changes nothing
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

    /// The settings of a process: only its own secrets, by files.
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
        for (variable, file, signers) in [
            (
                "TOKEN_SIGNING_KEY_FILE",
                "token_signing_key.pem",
                &["api"][..],
            ),
            (
                "SERVICE_SIGNING_KEY_FILE",
                "service_signing_key.pem",
                &[
                    "api",
                    "worker-saga",
                    "worker-payments",
                    "worker-async",
                    "operator",
                ],
            ),
            (
                "EVENT_SIGNING_KEY_FILE",
                "event_signing_key.pem",
                &["payments"],
            ),
        ] {
            // a process that needs no key must not look for one
            let key = if signers.contains(&role) {
                self.secrets.join(file).display().to_string()
            } else {
                "/nowhere".to_owned()
            };
            env.push((variable.to_owned(), key));
        }
        env
    }

    /// Starts `api`, `payments`, `worker saga` … in the role of the same name.
    pub(super) async fn spawn(&self, process: &str) {
        let env = self.env(&process.replace(' ', "-"));
        let env: Vec<_> = env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        self.system.spawn_with(process, &env).await;
    }

    /// Runs one of our programs in a role.
    pub(super) fn run(&self, role: &str, binary: &str, arguments: &[&str]) -> String {
        let mut command = self.system.command(binary);
        command.args(arguments).envs(self.env(role));
        done(&command.output().unwrap())
    }

    /// As [`Rig::run`], but the program may fail.
    pub(super) fn attempt(&self, role: &str, binary: &str, arguments: &[&str]) {
        let mut command = self.system.command(binary);
        command.args(arguments).envs(self.env(role));
        command.output().unwrap();
    }

    pub(super) fn secret(&self, name: &str) -> String {
        std::fs::read_to_string(self.secrets.join(name))
            .unwrap()
            .trim()
            .to_owned()
    }

    /// PostgreSQL's error code for a statement of this role, if it refuses the statement.
    pub(super) async fn sql(
        &self,
        role: &str,
        database: &str,
        statement: &str,
    ) -> Result<(), String> {
        let password = self.secret(&format!("roles/{role}"));
        self.sql_with(role, &password, database, statement).await
    }

    pub(super) async fn sql_with(
        &self,
        role: &str,
        password: &str,
        database: &str,
        statement: &str,
    ) -> Result<(), String> {
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

    /// A channel with the rights of this role.
    pub(super) async fn channel(&self, role: &str) -> Channel {
        let url = self.secret(&format!("amqp_url.{role}"));
        foreign_client(&url).await.1
    }

    /// Whether this role may publish to the exchange.
    pub(super) async fn may_publish(&self, role: &str, exchange: &str, key: &str) -> bool {
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
            Ok(confirm) => is_allowed(confirm.await.map(drop)),
            Err(error) => is_allowed(Err(error)),
        }
    }

    /// Whether this role may consume from a queue.
    pub(super) async fn may_consume(&self, role: &str, queue: &str) -> bool {
        let channel = self.channel(role).await;
        let consumer = channel.basic_consume(
            queue.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        is_allowed(consumer.await.map(drop))
    }

    /// Whether this role may declare a queue.
    pub(super) async fn may_declare(&self, role: &str) -> bool {
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
        is_allowed(
            channel
                .queue_declare("mine".into(), options, quorum)
                .await
                .map(drop),
        )
    }
}

/// Whether RabbitMQ allowed the operation; panics on any other error.
fn is_allowed(answer: lapin::Result<()>) -> bool {
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
