//! Checks whether the system is at rest.

use std::time::{Duration, Instant};

use sqlx::Row;
use testkit::System;
use uuid::Uuid;

/// The first object that the system itself still has to move: everything except sagas that wait for
/// an undecided payment before its deadline.
///
/// # Errors
/// When a database cannot be read.
pub(crate) async fn due(system: &System) -> sqlx::Result<Option<String>> {
    let shop = sqlx::query_scalar(
        "select 'saga ' || saga_id || ' is ' || state from saga.saga
         where state in ('running', 'compensating')
            or (state = 'waiting' and deadline <= clock_timestamp())
         union all
         select 'message ' || entry_id || ' of the shop is not published' from messaging.outbox
         where kind = 'message'
         limit 1",
    )
    .fetch_optional(&system.shop)
    .await?;
    let unpublished = system.unpublished_events().await?;
    let payments = (unpublished > 0).then(|| format!("{unpublished} events are not published"));
    let waiting: Vec<Uuid> = sqlx::query_scalar(
        r#"select o.transaction_id from commerce."order" o join saga.saga s using (saga_id)
           where s.state = 'waiting'"#,
    )
    .fetch_all(&system.shop)
    .await?;
    let mut transactions = system.transactions().await?.into_iter();
    let decided = transactions
        .find(|found| found.status != "pending" && waiting.contains(&found.transaction_id))
        .map(|found| format!("{found:?}: its order still waits"));
    let (expected, handled) = mails(system).await?;
    let unsent = (handled < expected).then(|| format!("{handled} of {expected} mails are sent"));
    Ok(shop.or(payments).or(decided).or(unsent))
}

/// The number of mails that must be sent, and of those recorded as sent.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn mails(system: &System) -> sqlx::Result<(i64, i64)> {
    let row = sqlx::query(
        // a registration is repeated when its answer was lost, and then the owner of the address
        // gets a mail
        r#"select (select count(*) from auth."user")
                  + (select count(*) from auth.mail_request where purpose = 'registration')
                  + (select count(*) from commerce."order" where status = 'completed') as expected,
                  (select count(*) from messaging.inbox where consumer = 'messages') as handled"#,
    )
    .fetch_one(&system.shop)
    .await?;
    Ok((row.get("expected"), row.get("handled")))
}

/// The first saga that is not at rest.
///
/// # Errors
/// When the database cannot be read.
pub(crate) async fn live(system: &System) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar(
        "select 'saga ' || saga_id || ' is ' || state from saga.saga
         where state not in ('completed', 'compensated') limit 1",
    )
    .fetch_optional(&system.shop)
    .await
}

/// Waits until `remains` finds nothing; returns its last finding.
///
/// # Errors
/// The finding that still remains after `limit`.
pub(crate) async fn until_nothing<F: Future<Output = sqlx::Result<Option<String>>>>(
    limit: Duration,
    mut remains: impl FnMut() -> F,
) -> Result<String, String> {
    let until = Instant::now() + limit;
    let mut last = "nothing".to_owned();
    loop {
        last = match remains().await {
            Ok(None) => return Ok(last),
            Ok(Some(found)) => found,
            Err(error) => error.to_string(),
        };
        if Instant::now() > until {
            return Err(format!("after {limit:?} not at rest: {last}"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
