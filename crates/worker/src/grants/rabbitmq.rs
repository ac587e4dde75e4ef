//! Users in RabbitMQ, created through its management API: AMQP itself cannot create users.

use std::time::Duration;

use anyhow::Context;
use contracts::topology::{FAILED, MESSAGES, PAYMENTS_EVENTS, PAYMENTS_EVENTS_QUEUE};
use messaging::topology::{REDRIVE, delay_exchange};
use serde_json::json;

use super::Passwords;

/// Timeout of one call.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The permissions of one role. No role may declare anything: the migrate step has declared the
/// topology.
struct Permission {
    role: &'static str,
    /// Exchanges that it may publish to.
    write: Vec<String>,
    /// Queues that it may consume from.
    read: Vec<String>,
    /// User tags, which grant access to the management API.
    tags: &'static str,
}

/// Only payments may publish payment events. No role may publish to the default exchange, which
/// routes into any queue. Operators redrive messages, by `shopctl` or through the api, via an
/// exchange that routes into the consumers' queues; these consumers trust no message because of its
/// origin. Only operators read `failed`.
fn permissions() -> [Permission; 7] {
    let may = |role, write: &[&str], read: &[&str]| Permission {
        role,
        write: write.iter().copied().map(str::to_owned).collect(),
        read: read.iter().copied().map(str::to_owned).collect(),
        tags: "",
    };
    let consumer = |role, queue: &str| may(role, &[&delay_exchange(queue), FAILED], &[queue]);
    [
        may("payments", &[PAYMENTS_EVENTS], &[]),
        // it may bind its own queue to the exchange of payment events when that binding was lost,
        // and check through the management API whether it was lost
        Permission {
            tags: "management",
            ..may(
                "worker-payments",
                &[
                    &delay_exchange(PAYMENTS_EVENTS_QUEUE),
                    FAILED,
                    PAYMENTS_EVENTS_QUEUE,
                ],
                &[PAYMENTS_EVENTS_QUEUE, PAYMENTS_EVENTS],
            )
        },
        consumer("worker-async", MESSAGES),
        may("worker-relay", &[MESSAGES], &[]),
        may("operator", &[REDRIVE], &[FAILED]),
        may("api", &[REDRIVE], &[FAILED]),
        Permission {
            tags: "monitoring",
            ..may("doctor", &[], &[])
        },
    ]
}

/// A pattern that matches exactly these names.
fn pattern(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| name.replace('.', r"\.")).collect();
    format!("^({})$", names.join("|"))
}

/// The broker's management API.
pub(crate) struct Broker {
    http: reqwest::Client,
    url: String,
    /// The vhost, as encoded in a URL.
    vhost: String,
}

impl Broker {
    /// The API at `management_url` (with user and password), for the vhost of `amqp_url`.
    pub(crate) fn new(management_url: &str, amqp_url: &str) -> anyhow::Result<Self> {
        anyhow::ensure!(
            management_url.starts_with("http://") || management_url.starts_with("https://"),
            "RABBITMQ_MANAGEMENT_URL must be an http(s) URL with user and password"
        );
        let path = amqp_url.splitn(4, '/').nth(3).unwrap_or_default();
        let vhost = path.split('?').next().filter(|vhost| !vhost.is_empty());
        Ok(Self {
            http: reqwest::Client::builder().timeout(TIMEOUT).build()?,
            url: management_url.trim_end_matches('/').to_owned(),
            vhost: vhost.unwrap_or("%2F").to_owned(),
        })
    }

    /// Creates missing users and sets all passwords and permissions.
    pub(crate) async fn grant(&self, passwords: &Passwords) -> anyhow::Result<()> {
        for permission in permissions() {
            let role = permission.role;
            let user = json!({"password": passwords.of(role), "tags": permission.tags});
            self.put(&format!("users/{role}"), &user).await?;
            let allowed = json!({
                "configure": "^$",
                "write": pattern(&permission.write),
                "read": pattern(&permission.read),
            });
            self.put(&format!("permissions/{}/{role}", self.vhost), &allowed)
                .await?;
        }
        Ok(())
    }

    async fn put(&self, path: &str, body: &serde_json::Value) -> anyhow::Result<()> {
        let sent = self.http.put(format!("{}/api/{path}", self.url)).json(body);
        let answer = sent
            .send()
            .await
            .and_then(reqwest::Response::error_for_status);
        // the error's own text would repeat the URL, which holds a password
        answer
            .map_err(reqwest::Error::without_url)
            .map(drop)
            .with_context(|| format!("RabbitMQ's management refused {path}"))
    }
}

#[cfg(test)]
mod tests {
    use contracts::topology::CONSUMERS;

    use super::*;

    #[test]
    fn only_payments_may_publish_payment_events_and_nobody_may_declare() {
        let writers: Vec<_> = permissions()
            .into_iter()
            .filter(|permission| permission.write.iter().any(|to| to == PAYMENTS_EVENTS))
            .map(|permission| permission.role)
            .collect();
        assert_eq!(writers, ["payments"]);
    }

    #[test]
    fn no_role_may_publish_to_the_default_exchange() {
        for permission in permissions() {
            let writes = permission.write.iter().any(|to| to == "amq.default");
            assert!(!writes, "{}", permission.role);
        }
    }

    #[test]
    fn consumers_of_the_topology_match_the_roles() {
        for (queue, consumer) in CONSUMERS {
            let readers = permissions().into_iter();
            let readers = readers.filter(|role| role.read.iter().any(|read| read == queue));
            let readers: Vec<_> = readers.map(|role| role.role).collect();
            assert_eq!(readers, [consumer], "{queue}");
        }
    }

    #[test]
    fn a_pattern_matches_its_names_alone() {
        let names = |names: &[&str]| names.iter().copied().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(pattern(&[]), "^()$");
        assert_eq!(pattern(&names(&["a.retry", "b"])), r"^(a\.retry|b)$");
    }

    #[test]
    fn the_vhost_is_that_of_the_amqp_url() {
        let vhost = |url| Broker::new("http://a:b@mq:15672", url).unwrap().vhost;
        assert_eq!(vhost("amqp://a:b@mq:5672"), "%2F");
        assert_eq!(vhost("amqp://a:b@mq:5672/%2f?heartbeat=5"), "%2f");
        assert_eq!(vhost("amqp://a:b@mq:5672/shop"), "shop");
    }
}
