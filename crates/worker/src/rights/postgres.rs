//! Roles in PostgreSQL.

use anyhow::Context;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

use super::Passwords;

/// A database, and who may do what in it.
pub(crate) struct Database {
    /// Who may connect to it.
    roles: &'static [&'static str],
    /// What they may do.
    grants: &'static str,
}

/// The shop's.
pub(crate) const SHOP: Database = Database {
    roles: &[
        "api",
        "worker-saga",
        "worker-payments",
        "worker-async",
        "worker-relay",
        "operator",
        "doctor",
    ],
    grants: include_str!("shop.sql"),
};

/// Payments'.
pub(crate) const PAYMENTS: Database = Database {
    roles: &["payments", "operator", "doctor"],
    grants: include_str!("payments.sql"),
};

/// Whoever migrates may do so one at a time.
const LOCK: &str = "select pg_advisory_xact_lock(7230455)";

/// Ends a transaction that lies idle, of a person at a prompt as well: it may hold the locks of orders.
const IDLE: &str = "alter role %I set idle_in_transaction_session_timeout = '60s'";

/// Takes the database from everybody, and from our roles what they were granted before.
const REVOKE: &str = r"
do $$
declare
    name text;
    own text;
begin
    execute format('revoke connect, temporary on database %I from public', current_database());
    for own in select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' loop
        for name in select rolname from pg_roles where rolname = any (current_setting('shop.roles')::text[]) loop
            execute format('revoke all on schema %I from %I', own, name);
            execute format('revoke all on all tables in schema %I from %I', own, name);
        end loop;
    end loop;
    for name in select rolname from pg_roles where rolname = any (current_setting('shop.roles')::text[]) loop
        execute format('grant connect on database %I to %I', current_database(), name);
    end loop;
end
$$;
";

impl Database {
    /// Makes the roles that are missing, sets all their passwords, and lets them do what the file of
    /// grants says and nothing else; in one transaction, so that nobody at work is ever without.
    pub(crate) async fn grant(&self, pool: &PgPool, passwords: &Passwords) -> anyhow::Result<()> {
        let mut conn = pool.acquire().await?;
        let mut tx = conn.begin().await?;
        run(&mut tx, LOCK).await?;
        for role in self.roles {
            let made: bool =
                sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
                    .bind(role)
                    .fetch_one(&mut *tx)
                    .await?;
            let verb = if made { "alter" } else { "create" };
            // roles take no parameters: PostgreSQL itself quotes name and password
            let statement: String =
                sqlx::query_scalar("select format($1 || ' role %I login password %L', $2, $3)")
                    .bind(verb)
                    .bind(role)
                    .bind(passwords.of(role))
                    .fetch_one(&mut *tx)
                    .await?;
            run(&mut tx, &statement)
                .await
                .with_context(|| format!("could not {verb} role {role}"))?;
            let statement: String = sqlx::query_scalar("select format($1, $2)")
                .bind(IDLE)
                .bind(role)
                .fetch_one(&mut *tx)
                .await?;
            run(&mut tx, &statement).await?;
        }
        sqlx::query("select set_config('shop.roles', $1::text[]::text, true)")
            .bind(self.roles)
            .execute(&mut *tx)
            .await?;
        run(&mut tx, REVOKE).await?;
        run(&mut tx, self.grants).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Statements of ours, none of which holds a word from outside that PostgreSQL has not quoted.
async fn run(conn: &mut PgConnection, statements: &str) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))
        .execute(conn)
        .await
        .map(drop)
}
