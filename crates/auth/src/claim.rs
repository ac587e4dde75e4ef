//! Checks a token's claims against the database: the session is live, and the account still has the
//! roles.
//!
//! A session is a login and all tokens exchanged from it: one family of refresh tokens. It is live
//! while the family has a token that can still be exchanged.

use kernel::UserId;
use sqlx::PgConnection;
use uuid::Uuid;

/// The claims of a token, to be checked against the current state of the database.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The account that the token was issued to.
    pub user_id: UserId,
    /// The session that the token was issued in; tokens of the previous release name none.
    pub session_id: Option<Uuid>,
    /// The roles that the token grants.
    pub roles: Vec<String>,
}

/// Checks which claims hold: the session is live, the account is not disabled and still has the
/// roles. Returns the results in the order of the claims, from one statement.
pub async fn hold(conn: &mut PgConnection, claims: &[Claim]) -> sqlx::Result<Vec<bool>> {
    let users: Vec<_> = claims.iter().map(|claim| claim.user_id.uuid()).collect();
    let sessions: Vec<_> = claims.iter().map(|claim| claim.session_id).collect();
    let roles: Vec<_> = claims.iter().map(|claim| claim.roles.join(" ")).collect();
    sqlx::query_scalar!(
        r#"
        select coalesce(u.disabled_at is null and u.roles @> string_to_array(c.roles, ' ')
                        and (c.session_id is null
                             or exists (
                                 select
                                 from auth.refresh_token t
                                 where t.family_id = c.session_id
                                   and t.user_id = c.user_id
                                   and t.used_at is null
                                   and t.revoked_at is null
                                   and t.expires_at > clock_timestamp())), false) as "holds!"
        from unnest($1::uuid[], $2::uuid[], $3::text[]) with ordinality as c(user_id, session_id, roles, n)
             left join auth."user" u using (user_id)
        order by c.n
        "#,
        &users,
        &sessions as &[Option<Uuid>],
        &roles,
    )
    .fetch_all(conn)
    .await
}
