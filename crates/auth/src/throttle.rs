//! Wrong passwords cost a growing delay; a stranger's wrong passwords do not delay the owner.
//!
//! Attempts are counted per address, whether it has an account or not. A browser that the owner has
//! logged in on before has its own counter. Both counters are stored in the database, so they hold
//! across all api processes.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use kernel::{Email, UserId};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

/// Attempts allowed before the first delay.
pub(crate) const FREE_ATTEMPTS: i32 = 5;
/// The first delay; each further attempt doubles it.
const FIRST_DELAY: Duration = Duration::from_secs(30);
const MAX_DELAY: Duration = Duration::from_mins(15);
/// Counting starts over after this time without an attempt.
const MEMORY: Duration = Duration::from_hours(1);
/// Devices remembered per account.
const MAX_DEVICES: i64 = 20;
/// Length of a device's cookie: 32 random bytes in base64.
const DEVICE_LENGTH: usize = 43;

/// The address or device whose attempts are counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counter {
    key: Vec<u8>,
    is_device: bool,
}

/// The counter of an attempt to log in to `email` on this device.
pub(crate) async fn counter(
    conn: &mut PgConnection,
    email: &str,
    device: Option<&str>,
) -> sqlx::Result<Counter> {
    let email = Sha256::digest(Email::normalize(email)).to_vec();
    if let Some(device) = device {
        let device = Sha256::digest(device).to_vec();
        let is_known = sqlx::query_scalar!(
            r#"
            select exists (
                select
                from auth.known_device d
                     join auth."user" u using (user_id)
                where d.device_hash = $2
                  and sha256(convert_to(u.email, 'UTF8')) = $1) as "known!"
            "#,
            email,
            device,
        )
        .fetch_one(conn)
        .await?;
        if is_known {
            return Ok(Counter {
                key: Sha256::digest([email, device].concat()).to_vec(),
                is_device: true,
            });
        }
    }
    Ok(Counter {
        key: email,
        is_device: false,
    })
}

/// Counts an attempt before its password is checked, so that concurrent attempts cannot bypass the
/// delay. Returns the time to wait if the attempt is refused.
pub(crate) async fn admit(
    conn: &mut PgConnection,
    counter: &Counter,
) -> sqlx::Result<Result<(), Duration>> {
    let admitted = sqlx::query_scalar!(
        r#"
        insert into auth.login_throttle as t (throttle_key, failures)
        values ($1, 1)
        on conflict (throttle_key) do update
            set last_at = clock_timestamp(),
                failures = case
                    when t.last_at > clock_timestamp() - make_interval(secs => $2) then t.failures + 1
                    else 1
                end,
                blocked_until = case
                    when t.last_at > clock_timestamp() - make_interval(secs => $2) and t.failures + 1 >= $3
                    then clock_timestamp() + make_interval(secs => least($4 * 2 ^ least(t.failures + 1 - $3, 20), $5))
                end
            where t.blocked_until is null
               or t.blocked_until <= clock_timestamp()
        returning failures
        "#,
        counter.key,
        MEMORY.as_secs_f64(),
        FREE_ATTEMPTS,
        FIRST_DELAY.as_secs_f64(),
        MAX_DELAY.as_secs_f64(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    if admitted.is_some() {
        return Ok(Ok(()));
    }
    let seconds = sqlx::query_scalar!(
        r#"
        select extract(epoch from blocked_until - clock_timestamp())::double precision as "seconds"
        from auth.login_throttle
        where throttle_key = $1
        "#,
        counter.key,
    )
    .fetch_optional(conn)
    .await?;
    let seconds = seconds.flatten().unwrap_or_default().max(0.0);
    Ok(Err(Duration::from_secs_f64(seconds)))
}

/// Forgets the devices of an account: a stranger may have logged in on them.
pub(crate) async fn forget_devices(conn: &mut PgConnection, user_id: UserId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from auth.known_device where user_id = $1",
        user_id.uuid(),
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Uncounts an attempt that ended in a login; other people's attempts on the address stay counted.
pub(crate) async fn forgive(conn: &mut PgConnection, counter: &Counter) -> sqlx::Result<()> {
    sqlx::query!(
        "update auth.login_throttle
         set failures = case when $2 then 0 else greatest(failures - 1, 0) end,
             blocked_until = null
         where throttle_key = $1",
        counter.key,
        counter.is_device,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Remembers the device that an account was logged in on. Returns its cookie: the existing one or a
/// new one.
pub(crate) async fn remember_device(
    conn: &mut PgConnection,
    user_id: UserId,
    device: Option<&str>,
) -> sqlx::Result<String> {
    let device = device
        .filter(|device| device.len() == DEVICE_LENGTH)
        .map_or_else(
            || BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()),
            str::to_owned,
        );
    let hash = Sha256::digest(&device).to_vec();
    sqlx::query!(
        "insert into auth.known_device (user_id, device_hash) values ($1, $2)
         on conflict (device_hash, user_id) do update set seen_at = clock_timestamp()",
        user_id.uuid(),
        hash,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "delete from auth.known_device
         where user_id = $1
           and device_hash in (select device_hash from auth.known_device where user_id = $1 order by seen_at desc offset $2)",
        user_id.uuid(),
        MAX_DEVICES,
    )
    .execute(conn)
    .await?;
    Ok(device)
}

/// Deletes counters without an attempt for a day, and devices without a login for half a year: at
/// most a thousand of each. Returns the number of deleted rows.
pub async fn purge_login_throttle(conn: &mut PgConnection) -> sqlx::Result<u64> {
    let counters = sqlx::query!(
        "delete from auth.login_throttle
         where throttle_key in (select throttle_key from auth.login_throttle
                                where last_at < clock_timestamp() - interval '1 day'
                                order by last_at
                                limit 1000
                                for update skip locked)",
    )
    .execute(&mut *conn)
    .await?;
    let devices = sqlx::query!(
        "delete from auth.known_device
         where (device_hash, user_id) in (select device_hash, user_id from auth.known_device
                                          where seen_at < clock_timestamp() - interval '180 days'
                                          limit 1000
                                          for update skip locked)",
    )
    .execute(conn)
    .await?;
    Ok(counters.rows_affected() + devices.rows_affected())
}
