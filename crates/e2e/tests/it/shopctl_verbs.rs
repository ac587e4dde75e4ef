//! A contract: the output of each verb of the operator's command line, and its exit code.

use std::{collections::HashMap, sync::LazyLock};

use lapin::{BasicProperties, Channel};
use regex::{Captures, Regex};
use testkit::{System, SystemOptions, foreign_client, publish};

use crate::{
    hurried,
    shopctl::{lines, shopctl},
    text,
};

/// Masks values that differ from run to run, keeping their width where a table needs it.
pub(crate) fn masked(text: &str, ids: &mut HashMap<String, usize>) -> String {
    static ID: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap()
    });
    static REST: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
        [
            (r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z", "<time>"),
            (
                r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}",
                "yyyy-mm-dd hh:mm:ss",
            ),
            (r"ss\.[0-9]{3}", "ss.fff"),
            (r"\b[0-9a-f]{32}\b", "<trace>"),
            (r"id:[0-9a-f]{12}", "<hashed>"),
            (r#""oldest_seconds":[0-9.]+"#, r#""oldest_seconds":<n>"#),
            (r"\b[0-9]+ s\b", "n s"),
            (r"\(/[^)]*/", "(<folder>/"),
        ]
        .map(|(pattern, shown)| (Regex::new(pattern).unwrap(), shown))
        .into()
    });
    let text = ID.replace_all(text, |found: &Captures| {
        let next = ids.len() + 1;
        let n = *ids.entry(found[0].to_owned()).or_insert(next);
        format!("00000000-0000-0000-0000-{n:012}")
    });
    REST.iter()
        .fold(text.into_owned(), |text, (pattern, shown)| {
            pattern.replace_all(&text, *shown).into_owned()
        })
}

/// Runs command lines one after the other, and records their output.
struct Transcript<'a> {
    system: &'a System,
    ids: HashMap<String, usize>,
    seen: String,
}

impl<'a> Transcript<'a> {
    fn of(system: &'a System) -> Self {
        Self {
            system,
            ids: HashMap::new(),
            seen: String::new(),
        }
    }

    fn run(&mut self, arguments: &[&str]) -> String {
        let (code, out, talk) = shopctl(self.system, arguments);
        let trimmed: Vec<_> = out.lines().map(str::trim_end).collect();
        let seen = format!(
            "$ shopctl {}\n{}\n--- stderr\n{talk}--- exit code {code}\n\n",
            arguments.join(" "),
            trimmed.join("\n"),
        );
        self.seen.push_str(&masked(&seen, &mut self.ids));
        out
    }
}

/// Puts a message into `failed` as if its consumer of `messages` could not handle it.
pub(crate) async fn fail(channel: &Channel, id: Option<&str>, body: &[u8], reason: &str) {
    testkit::publish_failed(channel, None, id, "messages", body, reason).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_messages_are_listed_shown_redriven_edited_and_dropped() {
    let system = System::prepare(SystemOptions::default()).await;
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    fail(&channel, Some("m-1"), b"{\"user\": 1}", "no account 4711").await;
    fail(&channel, Some("m-2"), b"{\"user\": 2}", "no account 4712").await;
    fail(&channel, None, b"{nonsense\xff", "undecodable").await;
    let mut seen = Transcript::of(&system);
    seen.run(&["failed", "list"]);
    seen.run(&["failed", "list", "--each"]);
    seen.run(&["failed", "list", "--text", "no account", "-o", "json"]);
    let nameless = lines(&seen.run(&["failed", "list", "--text", "undecodable", "-o", "json"]));
    let nameless = text(&nameless[0], "id").to_owned();
    assert!(nameless.starts_with("sha:"), "{nameless}");
    seen.run(&["failed", "show", "m-1"]);
    seen.run(&["failed", "show", "m-9"]);
    seen.run(&["failed", "retry", "m-1", "--reason", "r"]);
    seen.run(&["failed", "retry", "m-1", "m-9", "--reason", "r", "--yes"]);
    seen.run(&["failed", "retry", "m-1", "--yes"]);
    seen.run(&[
        "failed",
        "retry",
        "m-1",
        "--reason",
        "the account is there",
        "--yes",
    ]);
    let file = system.log("mended.json");
    let mended =
        r#"{"command": "send_welcome_email", "user_id": "01996e0e-0000-7000-8000-000000000001"}"#;
    std::fs::write(&file, mended).unwrap();
    let edit = |body: &str| {
        let edit = [
            "failed", "edit", "m-2", "--body", body, "--reason", "mended", "--yes",
        ];
        let (code, _, talk) = shopctl(&system, &edit);
        (code, talk)
    };
    for (body, why) in [
        ("{nonsense", "key must be a string at line 1 column 2"),
        (
            r#"{"command": "send_welcome_email", "user_id": 3}"#,
            "messages cannot read the new body: undecodable: user_id: ",
        ),
        (
            r#"{"command": "send_a_parcel"}"#,
            "unknown variant `send_a_parcel`",
        ),
        ("no-such-file.json", "the body cannot be read from"),
    ] {
        let (code, talk) = edit(body);
        assert_eq!(code, 2, "{talk}");
        assert!(talk.contains(why), "{why} in {talk}");
    }
    let (code, talk) = edit(file.to_str().unwrap());
    assert_eq!(code, 0, "{talk}");
    seen.run(&["failed", "drop", &nameless, "--reason", "not ours", "--yes"]);
    seen.run(&["failed", "drop", &nameless, "--reason", "not ours", "--yes"]);
    seen.run(&["failed", "retry", "--all", "--reason", "r", "--yes"]);
    seen.run(&["audit", "list"]);
    insta::assert_snapshot!("failed", seen.seen);
    // both are in their queue under their ids, one unchanged and one edited
    let mut arrived = Vec::new();
    for _ in 0..2 {
        let get = channel.basic_get(
            "messages".into(),
            lapin::options::BasicGetOptions { no_ack: true },
        );
        let message = get.await.unwrap().unwrap();
        let id = message
            .delivery
            .properties
            .message_id()
            .as_ref()
            .unwrap()
            .to_string();
        arrived.push((id, String::from_utf8(message.delivery.data).unwrap()));
    }
    let expected = [("m-1", "{\"user\": 1}"), ("m-2", mended)];
    assert_eq!(
        arrived,
        expected.map(|(id, body)| (id.to_owned(), body.to_owned()))
    );
    // the audit keeps the dropped message in full, though jsonb could not store its bytes as text
    let kept: String = sqlx::query_scalar(
        "select convert_from(decode(before->>'body_base64', 'base64'), 'LATIN1') from saga.audit where verb = 'failed drop'",
    )
    .fetch_one(&system.shop)
    .await
    .unwrap();
    assert_eq!(kept, "{nonsense\u{ff}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_failed_messages_are_looked_at_and_sent_again() {
    let system = System::prepare(SystemOptions::default()).await;
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    for hundred in 0..100 {
        let some = (0..100).map(|n| {
            let (channel, id) = (channel.clone(), format!("m-{hundred}-{n}"));
            async move { fail(&channel, Some(&id), b"{}", &format!("no account {n}")).await }
        });
        futures::future::join_all(some).await;
    }
    let (code, _, talk) = shopctl(&system, &["failed", "list"]);
    assert_eq!(code, 0, "{talk}");
    assert!(talk.contains("10000 messages in 1 group"), "{talk}");
    let retry = [
        "failed",
        "retry",
        "--queue",
        "messages",
        "--reason",
        "all of them",
        "--yes",
        "-o",
        "json",
    ];
    let (code, out, talk) = shopctl(&system, &retry);
    assert_eq!(code, 0, "{talk}");
    assert_eq!(lines(&out).len(), 10_000);
    let audited: i64 = sqlx::query_scalar(
        "select count(distinct subject_id) from saga.audit where verb = 'failed retry'",
    )
    .fetch_one(&system.shop)
    .await
    .unwrap();
    assert_eq!(audited, 10_000);
    let states = messaging::topology::inspect(&system.amqp_url, &["failed", "messages"])
        .await
        .unwrap();
    let counts: Vec<_> = states
        .iter()
        .map(|(_, state)| state.unwrap().messages)
        .collect();
    assert_eq!(counts, [0, 10_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn outbox_messages_are_listed_parked_and_retried() {
    let system = System::prepare(hurried()).await;
    system.spawn("payments").await;
    system.spawn("api").await;
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    buyer.awaits(text(&order, "id"), "awaiting_payment").await;
    // no relay runs: removes the queued mails, then adds a message that was never published
    sqlx::query("delete from messaging.outbox where kind = 'message'")
        .execute(&system.shop)
        .await
        .unwrap();
    sqlx::query(
        "insert into messaging.outbox (entry_id, kind, exchange, routing_key, message_type, body, parked_at, last_error, attempt)
         values (gen_random_uuid(), 'message', 'nowhere', 'k', 'note', '{}', now(), 'unroutable: NO_ROUTE (312)', 5)",
    )
    .execute(&system.shop)
    .await
    .unwrap();
    // an undelivered payment outcome, in payments' outbox
    sqlx::query(
        "insert into messaging.outbox (entry_id, kind, exchange, routing_key, message_type, body, parked_at, last_error)
         values (gen_random_uuid(), 'message', 'nowhere', 'k', 'outcome', '{}', now(), 'unroutable')",
    )
    .execute(&system.payments)
    .await
    .unwrap();
    // a worker has noted payments' database
    let instance: String = sqlx::query_scalar("select instance_id::text from payments.instance")
        .fetch_one(&system.payments)
        .await
        .unwrap();
    sqlx::query(
        "insert into saga.heartbeat (process, roles, plans, host, pid, version, lease_ms, retry_budget_ms, notes)
         values ('worker', '{payments}', '{}', 'h', 1, '0', 0, 0, jsonb_build_object('payments_instance', $1))",
    )
    .bind(instance)
    .execute(&system.shop)
    .await
    .unwrap();
    system.stop("payments"); // its relay would restore it at once
    let entry = |kind: &str| {
        let listed = shopctl(&system, &["outbox", "list", "--kind", kind, "-o", "json"]).1;
        text(&lines(&listed)[0], "entry_id").to_owned()
    };
    let (timer, message) = (entry("timer"), entry("message"));
    let mut seen = Transcript::of(&system);
    seen.run(&["outbox", "list"]);
    seen.run(&["outbox", "list", "--parked", "-o", "json"]);
    seen.run(&["outbox", "park", &timer, "--reason", "r", "--yes"]);
    seen.run(&["outbox", "retry", &timer, "--reason", "r", "--yes"]);
    seen.run(&["outbox", "park", &message, "--reason", "r", "--yes"]);
    seen.run(&[
        "outbox",
        "retry",
        "--parked",
        "--reason",
        "the exchange is back",
        "--yes",
    ]);
    seen.run(&["outbox", "list", "--parked"]);
    seen.run(&["outbox", "park", &message, "--reason", "it is not", "--yes"]);
    seen.run(&["outbox", "list", "--parked"]);
    seen.run(&[
        "outbox",
        "retry",
        "01996e0e-0000-7000-8000-000000000001",
        "--reason",
        "r",
        "--yes",
    ]);
    seen.run(&["outbox", "park", &message, "--reason", "r"]);
    seen.run(&["audit", "list"]);
    insta::assert_snapshot!("outbox", seen.seen);
    let epoch: i64 =
        sqlx::query_scalar("select epoch from messaging.outbox where entry_id = $1::uuid")
            .bind(&message)
            .fetch_one(&system.shop)
            .await
            .unwrap();
    assert_eq!(epoch, 2, "whoever held it is fenced out, each time");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_accounts_and_plans_are_shown_and_accounts_end() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    let (_, paid) = buyer.order().await;
    buyer.pay(text(&paid, "transaction_id")).await;
    buyer.awaits(text(&paid, "id"), "completed").await;
    let (_, waiting) = buyer.order().await;
    let (paid, waiting) = (text(&paid, "id"), text(&waiting, "id"));
    let mut seen = Transcript::of(&system);
    seen.run(&["order", "show", paid]);
    seen.run(&["order", "show", waiting]);
    seen.run(&["order", "show", "01996e0e-0000-7000-8000-000000000001"]);
    seen.run(&["saga", "plan"]);
    seen.run(&["saga", "plan", "checkout", "-o", "json"]);
    seen.run(&["saga", "plan", "return"]);
    seen.run(&["saga", "stats"]);
    seen.run(&["saga", "check-compat"]);
    let saga = |order: &str| {
        let listed = shopctl(&system, &["saga", "list", "--order", order, "-o", "json"]).1;
        text(&lines(&listed)[0], "saga_id").to_owned()
    };
    let (paid_saga, waiting_saga) = (saga(paid), saga(waiting));
    seen.run(&["saga", "watch", &paid_saga]);
    seen.run(&["saga", "watch", &waiting_saga, "--timeout", "1s"]);
    seen.run(&["saga", "watch", "01996e0e-0000-7000-8000-000000000001"]);
    seen.run(&[
        "user",
        "grant",
        "--email",
        "no@body.example",
        "--role",
        "admin",
        "--reason",
        "r",
        "--yes",
    ]);
    seen.run(&[
        "user",
        "disable",
        "--email",
        "no@body.example",
        "--reason",
        "r",
        "--yes",
    ]);
    insta::assert_snapshot!("orders_and_plans", seen.seen);

    sqlx::query("update saga.saga set plan_version = 99 where saga_id = $1::uuid")
        .bind(&waiting_saga)
        .execute(&system.shop)
        .await
        .unwrap();
    let (code, out, talk) = shopctl(&system, &["saga", "check-compat", "-o", "json"]);
    assert_eq!(code, 1, "{talk}");
    assert!(talk.contains("1 live sagas would be left alone"), "{talk}");
    assert_eq!(lines(&out)[0]["known"], false);

    let email: String = sqlx::query_scalar(r#"select email from auth."user""#)
        .fetch_one(&system.shop)
        .await
        .unwrap();
    let disable = [
        "user",
        "disable",
        "--email",
        &email,
        "--reason",
        "she has left",
        "--yes",
    ];
    let grant = [
        "user", "grant", "--email", &email, "--role", "operator", "--reason", "r", "--yes",
    ];
    assert_eq!(shopctl(&system, &grant).0, 0);
    assert_eq!(shopctl(&system, &disable).0, 0);
    assert_eq!(shopctl(&system, &disable).0, 4, "it is disabled already");
    let acts = shopctl(&system, &["audit", "list", "-o", "json"]).1;
    let acts: Vec<_> = lines(&acts)
        .iter()
        .map(|act| text(act, "verb").to_owned())
        .collect();
    assert_eq!(acts, ["user disable", "user grant"]);
    assert!(
        !shopctl(&system, &["audit", "list", "-o", "json"])
            .1
            .contains(&email),
        "no address in the audit"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sagas_are_listed_explained_shown_and_acted_on() {
    let system = System::start(hurried()).await;
    let buyer = system.buyer().await;
    let (_, order) = buyer.order().await;
    let order = text(
        &buyer.awaits(text(&order, "id"), "awaiting_payment").await,
        "id",
    )
    .to_owned();
    let listed = shopctl(&system, &["saga", "list", "--order", &order, "-o", "json"]).1;
    let saga = text(&lines(&listed)[0], "saga_id").to_owned();
    let nobody = "01996e0e-0000-7000-8000-000000000001";
    let mut seen = Transcript::of(&system);
    seen.run(&["saga", "list"]);
    seen.run(&["saga", "why", &saga]);
    seen.run(&[
        "saga",
        "pause",
        &saga,
        "--dry-run",
        "--reason",
        "ticket 4711",
    ]);
    seen.run(&["saga", "pause", &saga, "--reason", "ticket 4711"]);
    seen.run(&["saga", "pause", &saga, "--reason", "ticket 4711", "--yes"]);
    seen.run(&["saga", "pause", &saga, "--reason", "ticket 4711", "--yes"]);
    seen.run(&["saga", "why", &saga]);
    seen.run(&["saga", "why", &saga, "-o", "json"]);
    seen.run(&["saga", "list", "--stuck"]);
    seen.run(&["saga", "list", "--stuck", "-o", "json"]);
    seen.run(&["saga", "stats", "--by", "cause"]);
    seen.run(&["saga", "stats", "--by", "cause", "-o", "json"]);
    seen.run(&["saga", "show", &saga]);
    seen.run(&["saga", "trace", &saga]);
    seen.run(&["batch", "list"]);
    seen.run(&["audit", "list"]);
    seen.run(&["saga", "why", nobody]);
    seen.run(&[
        "saga", "resume", nobody, "--reason", "r", "--yes", "-o", "json",
    ]);
    seen.run(&[
        "saga",
        "signal",
        &saga,
        "transaction_completed",
        "--reason",
        "r",
        "--yes",
    ]);
    seen.run(&["saga", "list", "--cause", "bad-luck"]);
    seen.run(&["saga", "retry", "--reason", "r"]);
    insta::assert_snapshot!("sagas", seen.seen);
}

/// Sends the async worker an undecodable message.
pub(crate) async fn undecodable(system: &System, id: Option<&str>) {
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    let properties = BasicProperties::default().with_delivery_mode(2);
    let properties = match id {
        Some(id) => properties.with_message_id(id.into()),
        None => properties,
    };
    publish(
        &channel,
        "messages",
        "send_welcome_email",
        properties,
        b"{nonsense",
    )
    .await;
}
