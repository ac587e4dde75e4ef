//! SQL of accounts and refresh tokens.

use std::{collections::HashMap, time::Duration};

use kernel::{Email, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

pub(crate) struct UserRow {
    pub(crate) user_id: UserId,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) password_hash: String,
    pub(crate) roles: Vec<String>,
    pub(crate) disabled: bool,
    pub(crate) email_verified: bool,
}

/// Inserts an account. Returns false if the address already has one, possibly from a transaction
/// that was still open when this one began.
pub(crate) async fn insert_user(
    conn: &mut PgConnection,
    id: UserId,
    email: &str,
    name: &str,
    password_hash: &str,
    roles: &[String],
) -> sqlx::Result<bool> {
    let inserted = sqlx::query!(
        r#"
        insert into auth."user" (user_id, email, name, password_hash, roles)
        values ($1, $2, $3, $4, $5)
        on conflict (email) do nothing
        "#,
        id.uuid(),
        email,
        name,
        password_hash,
        roles,
    )
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

pub(crate) async fn find_by_email(
    conn: &mut PgConnection,
    email: &str,
) -> sqlx::Result<Option<UserRow>> {
    sqlx::query_as!(
        UserRow,
        r#"
        select user_id as "user_id: UserId", email, name, password_hash, roles, disabled_at is not null as "disabled!",
               email_verified_at is not null as "email_verified!"
        from auth."user"
        where email = $1
        "#,
        email,
    )
    .fetch_optional(conn)
    .await
}

pub(crate) async fn find_by_id(
    conn: &mut PgConnection,
    id: UserId,
) -> sqlx::Result<Option<UserRow>> {
    sqlx::query_as!(
        UserRow,
        r#"
        select user_id as "user_id: UserId", email, name, password_hash, roles, disabled_at is not null as "disabled!",
               email_verified_at is not null as "email_verified!"
        from auth."user"
        where user_id = $1
        "#,
        id.uuid(),
    )
    .fetch_optional(conn)
    .await
}

/// Locks an account's row.
pub(crate) async fn lock_by_email(
    conn: &mut PgConnection,
    email: &str,
) -> sqlx::Result<Option<UserRow>> {
    sqlx::query_as!(
        UserRow,
        r#"
        select user_id as "user_id: UserId", email, name, password_hash, roles, disabled_at is not null as "disabled!",
               email_verified_at is not null as "email_verified!"
        from auth."user"
        where email = $1
        for update
        "#,
        email,
    )
    .fetch_optional(conn)
    .await
}

pub(crate) async fn grant(conn: &mut PgConnection, id: UserId, role: &str) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update auth."user"
        set roles = (select array_agg(distinct r) from unnest(roles || $2::text) as r)
        where user_id = $1
        "#,
        id.uuid(),
        role,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(crate) async fn take_role(conn: &mut PgConnection, id: UserId, role: &str) -> sqlx::Result<()> {
    sqlx::query!(
        r#"update auth."user" set roles = array_remove(roles, $2) where user_id = $1"#,
        id.uuid(),
        role,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(crate) async fn disable(conn: &mut PgConnection, id: UserId) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update auth."user"
        set disabled_at = coalesce(disabled_at, clock_timestamp())
        where user_id = $1
        "#,
        id.uuid(),
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Locks an account's row until the transaction ends. Returns its password hash.
pub(crate) async fn lock_password(
    conn: &mut PgConnection,
    id: UserId,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        r#"select password_hash from auth."user" where user_id = $1 for no key update"#,
        id.uuid(),
    )
    .fetch_optional(conn)
    .await
}

/// Prevents changes to an account's password until the transaction ends. Returns its hash.
pub(crate) async fn share_password(
    conn: &mut PgConnection,
    id: UserId,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        r#"select password_hash from auth."user" where user_id = $1 for share"#,
        id.uuid(),
    )
    .fetch_optional(conn)
    .await
}

pub(crate) async fn set_password(
    conn: &mut PgConnection,
    id: UserId,
    password_hash: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"update auth."user" set password_hash = $2 where user_id = $1"#,
        id.uuid(),
        password_hash,
    )
    .execute(conn)
    .await
    .map(drop)
}

pub(crate) async fn mark_verified(conn: &mut PgConnection, id: UserId) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update auth."user"
        set email_verified_at = coalesce(email_verified_at, clock_timestamp())
        where user_id = $1
        "#,
        id.uuid(),
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Finds the e-mail addresses of accounts; unknown accounts are missing. An address is read when a
/// mail is sent, never stored in a message.
pub async fn find_addresses(
    conn: &mut PgConnection,
    ids: &[UserId],
) -> sqlx::Result<HashMap<UserId, String>> {
    let rows = sqlx::query!(
        r#"select user_id as "user_id: UserId", email from auth."user" where user_id = any($1)"#,
        &ids.iter().map(|id| id.uuid()).collect::<Vec<_>>(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.user_id, row.email))
        .collect())
}

/// Finds the account with this address, disabled or not.
pub async fn find_user(conn: &mut PgConnection, email: &str) -> sqlx::Result<Option<UserId>> {
    sqlx::query_scalar!(
        r#"select user_id as "user_id: UserId" from auth."user" where email = $1"#,
        Email::normalize(email),
    )
    .fetch_optional(conn)
    .await
}

/// An account as support staff see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The account.
    pub user_id: UserId,
    /// The name by which the user wants to be addressed.
    pub name: String,
    /// The address that mails are sent to.
    pub email: String,
}

/// Lists names and addresses of these accounts; unknown accounts are missing.
pub async fn list_contacts(conn: &mut PgConnection, ids: &[UserId]) -> sqlx::Result<Vec<Contact>> {
    let ids: Vec<_> = ids.iter().map(|id| id.uuid()).collect();
    sqlx::query_as!(
        Contact,
        r#"select user_id as "user_id: UserId", name, email from auth."user" where user_id = any($1)"#,
        &ids,
    )
    .fetch_all(conn)
    .await
}

pub(crate) struct RefreshRow {
    pub(crate) family_id: Uuid,
    pub(crate) user_id: UserId,
    pub(crate) used: bool,
    /// Used, but still within the grace period.
    pub(crate) fresh: bool,
    /// Neither revoked nor expired.
    pub(crate) good: bool,
}

/// Locks a refresh token's row, so that two concurrent uses run one after the other.
pub(crate) async fn lock_refresh(
    conn: &mut PgConnection,
    hash: &[u8],
    grace: Duration,
) -> sqlx::Result<Option<RefreshRow>> {
    sqlx::query_as!(
        RefreshRow,
        r#"
        select family_id, user_id as "user_id: UserId", used_at is not null as "used!",
               coalesce(used_at > clock_timestamp() - make_interval(secs => $2), false) as "fresh!",
               (revoked_at is null and expires_at > clock_timestamp()) as "good!"
        from auth.refresh_token
        where token_hash = $1
        for update
        "#,
        hash,
        grace.as_secs_f64(),
    )
    .fetch_optional(conn)
    .await
}

/// Revokes the unused successors of a used token. Returns whether no successor has been received: a
/// successor that is used, or is being exchanged right now, was received.
pub(crate) async fn take_back(conn: &mut PgConnection, hash: &[u8]) -> sqlx::Result<bool> {
    sqlx::query!(
        r#"
        update auth.refresh_token
        set revoked_at = clock_timestamp()
        where token_hash in (
            select s.token_hash
            from auth.refresh_token t
                 join auth.refresh_token s on s.family_id = t.family_id and s.issued_at >= t.used_at
            where t.token_hash = $1
              and s.used_at is null
              and s.revoked_at is null
            -- who holds one is exchanging it, and waits for nobody here
            for update of s skip locked)
        "#,
        hash,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query_scalar!(
        r#"
        select not exists (
            select
            from auth.refresh_token t
                 join auth.refresh_token s on s.family_id = t.family_id and s.issued_at >= t.used_at
            where t.token_hash = $1
              and (s.used_at is not null or s.revoked_at is null)) as "lost!"
        "#,
        hash,
    )
    .fetch_one(conn)
    .await
}

pub(crate) async fn mark_used(conn: &mut PgConnection, hash: &[u8]) -> sqlx::Result<()> {
    sqlx::query!(
        "update auth.refresh_token set used_at = clock_timestamp() where token_hash = $1",
        hash
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Revokes the remaining tokens of a family. Returns how many were revoked.
pub(crate) async fn revoke_family(conn: &mut PgConnection, family: Uuid) -> sqlx::Result<u64> {
    let result = sqlx::query!(
        "update auth.refresh_token set revoked_at = clock_timestamp() where family_id = $1 and revoked_at is null",
        family,
    )
    .execute(conn)
    .await?;
    Ok(result.rows_affected())
}

/// Rows deleted by one statement, so that no statement holds its locks for long.
const PURGE_BATCH: i64 = 1_000;

/// Deletes refresh tokens that expired longer ago than `age`: the oldest first, at most a thousand
/// per call. Returns how many were deleted.
pub async fn purge_refresh_tokens(conn: &mut PgConnection, age: Duration) -> sqlx::Result<u64> {
    let result = sqlx::query!(
        "delete from auth.refresh_token
         where token_hash in (select token_hash from auth.refresh_token
                         where expires_at < clock_timestamp() - make_interval(secs => $1)
                         order by expires_at
                         limit $2
                         for update skip locked)",
        age.as_secs_f64(),
        PURGE_BATCH,
    )
    .execute(conn)
    .await?;
    Ok(result.rows_affected())
}
