//! shopctl killed in the middle of deciding on failed messages.

use std::{
    collections::BTreeSet,
    process::{Child, Stdio},
};

use lapin::{Channel, options::BasicGetOptions};
use testkit::{System, SystemOptions, eventually, foreign_client};

use crate::{
    shopctl::{lines, shopctl},
    shopctl_verbs::fail,
    text,
};

const MESSAGES: usize = 3000;

/// A system with many failed messages and no consumer.
async fn with_many(channel: &Channel) -> BTreeSet<String> {
    let ids: BTreeSet<_> = (0..MESSAGES).map(|n| format!("m-{n:04}")).collect();
    for some in ids.iter().collect::<Vec<_>>().chunks(100) {
        let sent = some
            .iter()
            .map(|id| fail(channel, Some(id), b"{\"a\": 1}", "down"));
        futures::future::join_all(sent).await;
    }
    ids
}

/// Starts `failed VERB` for all of them, and kills it when it has decided on some but not all.
async fn killed(system: &System, verb: &str) {
    let mut command = system.command("shopctl");
    command.args([
        "failed",
        verb,
        "--queue",
        "messages",
        "--reason",
        "down no more",
        "--yes",
    ]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child: Child = child.unwrap();
    eventually("it has begun", async || {
        audited(system, verb).await.len() >= 200
    })
    .await;
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), None, "it was killed before it had ended");
}

async fn audited(system: &System, verb: &str) -> BTreeSet<String> {
    let ids = sqlx::query_scalar("select subject_id from saga.audit where verb = $1");
    let ids = ids
        .bind(format!("failed {verb}"))
        .fetch_all(&system.shop)
        .await;
    ids.unwrap().into_iter().collect()
}

/// The ids in `failed`, once the messages held by the killed process are back.
async fn failed(system: &System) -> BTreeSet<String> {
    eventually("nobody holds any", async || {
        let (_, out, _) = shopctl(system, &["failed", "list", "-o", "json"]);
        let (_, again, _) = shopctl(system, &["failed", "list", "-o", "json"]);
        !out.is_empty() && lines(&out).len() == lines(&again).len()
    })
    .await;
    let (code, out, talk) = shopctl(system, &["failed", "list", "-o", "json"]);
    assert_eq!(code, 0, "{talk}");
    lines(&out)
        .iter()
        .map(|message| text(message, "id").to_owned())
        .collect()
}

/// Removes all messages from `messages` and returns their ids.
async fn arrived(channel: &Channel) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let options = BasicGetOptions { no_ack: true };
    while let Some(message) = channel.basic_get("messages".into(), options).await.unwrap() {
        let id = message.delivery.properties.message_id().as_ref();
        ids.insert(id.unwrap().to_string());
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_retry_loses_no_message_and_can_be_repeated() {
    let system = System::prepare(SystemOptions::default()).await;
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    let all = with_many(&channel).await;
    killed(&system, "retry").await;
    let stay = failed(&system).await;
    let sent = arrived(&channel).await;
    assert!(!stay.is_empty() && !sent.is_empty());
    assert_eq!(stay.union(&sent).cloned().collect::<BTreeSet<_>>(), all);
    assert!(
        sent.is_subset(&audited(&system, "retry").await),
        "none went unseen"
    );
    let again = ["failed", "retry", "--all", "--reason", "again", "--yes"];
    assert_eq!(shopctl(&system, &again).0, 0);
    assert_eq!(arrived(&channel).await, stay);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_drop_has_audited_every_dropped_body() {
    let system = System::prepare(SystemOptions::default()).await;
    let (_connection, channel) = foreign_client(&system.amqp_url).await;
    let all = with_many(&channel).await;
    killed(&system, "drop").await;
    let stay = failed(&system).await;
    let gone: BTreeSet<_> = all.difference(&stay).cloned().collect();
    assert!(!stay.is_empty() && !gone.is_empty());
    assert!(gone.is_subset(&audited(&system, "drop").await));
    let whole: i64 = sqlx::query_scalar(
        "select count(*) from saga.audit where verb = 'failed drop' and before->>'body' = '{\"a\": 1}'",
    )
    .fetch_one(&system.shop)
    .await
    .unwrap();
    assert_eq!(
        usize::try_from(whole).unwrap(),
        audited(&system, "drop").await.len()
    );
}
