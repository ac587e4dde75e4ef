use std::{collections::HashSet, time::Duration};

use kernel::EntryId;
use messaging::outbox::{self, Message, MessageClaim, Refusal};
use sqlx::PgPool;
use testkit::shop_db;

use crate::broker::{EXCHANGE, KEY};

const LEASE: Duration = Duration::from_secs(30);

pub(crate) fn message(n: usize) -> Message {
    let body = serde_json::json!({ "n": n });
    Message::new(EXCHANGE, KEY, "note", &body, None).unwrap()
}

pub(crate) async fn enqueue(pool: &PgPool, messages: &[Message]) {
    outbox::enqueue(&mut pool.acquire().await.unwrap(), messages)
        .await
        .unwrap();
}

async fn claim(pool: &PgPool, limit: i64) -> Vec<MessageClaim> {
    outbox::claim_messages(&mut pool.acquire().await.unwrap(), LEASE, limit)
        .await
        .unwrap()
}

fn ids(claims: &[MessageClaim]) -> Vec<EntryId> {
    claims.iter().map(|claim| claim.message.id).collect()
}

#[tokio::test]
async fn entries_are_claimed_by_state_and_never_by_id_order() {
    let pool = shop_db().await;
    let (early, late) = (message(1), message(2));
    assert!(early.id < late.id, "ids rise with time");
    let mut slow = pool.begin().await.unwrap();
    outbox::enqueue(&mut slow, std::slice::from_ref(&early))
        .await
        .unwrap();
    enqueue(&pool, std::slice::from_ref(&late)).await;
    assert_eq!(ids(&claim(&pool, 10).await), [late.id]);
    // the lower id commits after a higher one was claimed: a claimer that remembers the highest id
    // would miss it
    slow.commit().await.unwrap();
    assert_eq!(ids(&claim(&pool, 10).await), [early.id]);
}

#[tokio::test]
async fn two_claimers_never_share_an_entry() {
    let pool = shop_db().await;
    let messages: Vec<_> = (0..400).map(message).collect();
    enqueue(&pool, &messages).await;
    let claimers = (0..4).map(|_| async {
        let mut mine = Vec::new();
        loop {
            let claims = claim(&pool, 7).await;
            if claims.is_empty() {
                return mine;
            }
            mine.extend(ids(&claims));
        }
    });
    let claimed: Vec<EntryId> = futures::future::join_all(claimers).await.concat();
    let distinct: HashSet<_> = claimed.iter().copied().collect();
    assert_eq!(claimed.len(), 400, "each once");
    assert_eq!(
        distinct,
        messages.iter().map(|message| message.id).collect()
    );
}

#[tokio::test]
async fn what_another_is_claiming_right_now_is_left_to_it() {
    let pool = shop_db().await;
    let (first, second) = (message(1), message(2));
    enqueue(&pool, std::slice::from_ref(&first)).await;
    enqueue(&pool, std::slice::from_ref(&second)).await;
    let mut other = pool.begin().await.unwrap();
    let theirs = outbox::claim_messages(&mut other, LEASE, 1).await.unwrap();
    assert_eq!(ids(&theirs), [first.id], "oldest due first");
    assert_eq!(ids(&claim(&pool, 10).await), [second.id]);
    other.rollback().await.unwrap();
    assert_eq!(ids(&claim(&pool, 10).await), [first.id]);
}

#[tokio::test]
async fn a_claim_raises_epoch_attempt_and_due_time() {
    let pool = shop_db().await;
    enqueue(&pool, &[message(1)]).await;
    let first = claim(&pool, 1).await.remove(0);
    assert_eq!((first.epoch, first.attempt), (1, 1));
    let leased: bool = sqlx::query_scalar(
        "select due_at between clock_timestamp() + interval '1 second' and clock_timestamp() + interval '30 seconds'
         from messaging.outbox",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert!(leased);
    assert!(claim(&pool, 1).await.is_empty(), "while the lease lasts");
    sqlx::query("update messaging.outbox set due_at = clock_timestamp()")
        .execute(&pool)
        .await
        .unwrap();
    let second = claim(&pool, 1).await.remove(0);
    assert_eq!((second.epoch, second.attempt), (2, 2));
}

#[tokio::test]
async fn who_lost_the_lease_can_no_longer_write() {
    let pool = shop_db().await;
    enqueue(&pool, &[message(1)]).await;
    let old = claim(&pool, 1).await.remove(0);
    sqlx::query("update messaging.outbox set due_at = clock_timestamp()")
        .execute(&pool)
        .await
        .unwrap();
    let new = claim(&pool, 1).await.remove(0);
    let mut conn = pool.acquire().await.unwrap();
    let id = old.message.id;
    let (theirs, ours) = ([(id, old.epoch)], [(id, new.epoch)]);
    let deleted = outbox::delete_published(&mut conn, &theirs);
    assert_eq!(deleted.await.unwrap(), 0);
    let postponed = outbox::postpone(
        &mut conn,
        id,
        old.epoch,
        LEASE,
        Some(Refusal::Unroutable),
        "late",
    );
    assert_eq!(postponed.await.unwrap(), 0);
    let parked = outbox::park(&mut conn, id, old.epoch, Refusal::Refused, "late");
    assert_eq!(parked.await.unwrap(), 0);
    let deleted = outbox::delete_published(&mut conn, &ours);
    assert_eq!(deleted.await.unwrap(), 1);
}

#[tokio::test]
async fn a_message_and_its_change_are_written_together() {
    let pool = shop_db().await;
    let mut tx = pool.begin().await.unwrap();
    outbox::enqueue(&mut tx, &[message(1)]).await.unwrap();
    tx.rollback().await.unwrap();
    assert!(claim(&pool, 10).await.is_empty());
}

async fn insert(pool: &PgPool, sql: &'static str) -> Option<String> {
    let error = sqlx::query(sql).execute(pool).await.unwrap_err();
    let constraint = error.as_database_error()?.constraint()?;
    Some(constraint.to_owned())
}

#[tokio::test]
async fn only_messages_are_parked_and_sagas_own_one_entry() {
    let pool = shop_db().await;
    let parked = "insert into messaging.outbox (entry_id, kind, saga_id, plan, plan_version, plan_hash, step, parked_at)
         values (gen_random_uuid(), 'step', gen_random_uuid(), 'p', 1, 'h', 's', now())";
    assert_eq!(
        insert(&pool, parked).await.as_deref(),
        Some("outbox_only_messages_park")
    );
    let twice = "insert into messaging.outbox (entry_id, kind, saga_id, plan, plan_version, plan_hash, step)
         select gen_random_uuid(), kind, '00000000-0000-7000-8000-000000000001', 'p', 1, 'h', 's'
         from (values ('step'), ('timer')) as k(kind)";
    assert_eq!(
        insert(&pool, twice).await.as_deref(),
        Some("outbox_one_entry_a_saga")
    );
}

#[tokio::test]
async fn the_lag_counts_what_waits_and_what_is_parked() {
    let pool = shop_db().await;
    enqueue(&pool, &[message(1), message(2), message(3)]).await;
    let claims = claim(&pool, 1).await;
    let mut conn = pool.acquire().await.unwrap();
    outbox::park(
        &mut conn,
        claims[0].message.id,
        claims[0].epoch,
        Refusal::Refused,
        "no",
    )
    .await
    .unwrap();
    let lags = outbox::lag(&mut conn).await.unwrap();
    let lag = lags.iter().find(|lag| lag.kind == "message").unwrap();
    assert_eq!((lag.due, lag.parked), (2, 1));
    assert!(lag.seconds > 0.0);
    let rest = lags.iter().filter(|lag| lag.kind != "message");
    assert!(rest.into_iter().all(|lag| (lag.due, lag.parked) == (0, 0)));
}

/// A relay that cannot publish postpones its claims repeatedly, so that none of them is overdue for
/// long.
#[tokio::test]
async fn the_lag_of_a_postponed_message_begins_at_enqueueing() {
    let pool = shop_db().await;
    enqueue(&pool, &[message(1)]).await;
    let mut conn = pool.acquire().await.unwrap();
    sqlx::query("update messaging.outbox set since = since - interval '3 minutes'")
        .execute(&mut *conn)
        .await
        .unwrap();
    let claims = claim(&pool, 1).await;
    let (id, epoch) = (claims[0].message.id, claims[0].epoch);
    let delay = Duration::from_mins(1);
    outbox::postpone(&mut conn, id, epoch, delay, None, "RabbitMQ is away")
        .await
        .unwrap();
    let lags = outbox::lag(&mut conn).await.unwrap();
    let lag = lags.iter().find(|lag| lag.kind == "message").unwrap();
    assert!(lag.seconds > 150.0, "{lag:?}");
    assert_eq!(lag.due, 0);
}

#[tokio::test]
async fn a_postponed_message_outlives_the_relays_delete() {
    let pool = shop_db().await;
    let message = message(1);
    enqueue(&pool, std::slice::from_ref(&message)).await;
    let claims = claim(&pool, 1).await;
    let mut conn = pool.acquire().await.unwrap();
    // the message was published, and its consumer postpones it before the relay receives the
    // confirm
    for _ in 0..2 {
        outbox::enqueue_later(
            &mut conn,
            &message,
            Duration::ZERO,
            "the mail server is away",
        )
        .await
        .unwrap();
    }
    let published: Vec<_> = claims
        .iter()
        .map(|claim| (claim.message.id, claim.epoch))
        .collect();
    assert_eq!(
        outbox::delete_published(&mut conn, &published)
            .await
            .unwrap(),
        0
    );
    let again = claim(&pool, 1).await;
    assert_eq!(again[0].message, message);
    assert_eq!(again[0].attempt, 1);
}

#[tokio::test]
async fn a_claim_is_renewed_only_by_its_holder() {
    let pool = shop_db().await;
    enqueue(&pool, &[message(1), message(2)]).await;
    let mut conn = pool.acquire().await.unwrap();
    let claims = outbox::claim_messages(&mut conn, Duration::ZERO, 2)
        .await
        .unwrap();
    let held: Vec<_> = claims
        .iter()
        .map(|claim| (claim.message.id, claim.epoch))
        .collect();
    let renew = outbox::renew_messages(&mut conn, &held[..1], LEASE, "blocked");
    assert_eq!(renew.await.unwrap(), 1);
    assert_eq!(
        ids(&claim(&pool, 2).await),
        [held[1].0],
        "the other lease has ended"
    );
    let renew = outbox::renew_messages(&mut conn, &held, LEASE, "blocked");
    assert_eq!(renew.await.unwrap(), 1, "the other claim is lost");
}
