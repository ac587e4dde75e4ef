//! Roles in PostgreSQL.

use anyhow::Context;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use super::Passwords;

/// A database, with its roles and their privileges.
pub(crate) struct Database {
    /// Roles that may connect to it.
    roles: &'static [&'static str],
    /// SQL that grants their privileges.
    grants: &'static str,
}

/// The shop's database.
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

/// Payments' database.
pub(crate) const PAYMENTS: Database = Database {
    roles: &["payments", "operator", "doctor"],
    grants: include_str!("payments.sql"),
};

/// Serializes concurrent migrate steps.
const LOCK: &str = "select pg_advisory_xact_lock(7230455)";

/// Ends a transaction that is left idle, even that of a person at a prompt: it may hold locks on
/// orders.
const IDLE: &str = "alter role %I set idle_in_transaction_session_timeout = '60s'";

/// Revokes access to the database from `public`, and all earlier grants from our roles.
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
            execute format('revoke all on all functions in schema %I from %I', own, name);
        end loop;
    end loop;
    for name in select rolname from pg_roles where rolname = any (current_setting('shop.roles')::text[]) loop
        execute format('grant connect on database %I to %I', current_database(), name);
    end loop;
end
$$;
";

impl Database {
    /// Creates missing roles, sets all passwords, and grants exactly the privileges in the file of
    /// grants. All of it is one transaction, so that a running process never lacks its privileges.
    pub(crate) async fn grant(&self, pool: &PgPool, passwords: &Passwords) -> anyhow::Result<()> {
        let mut tx = db::begin(pool).await?;
        run(&mut tx, LOCK).await?;
        for role in self.roles {
            let made: bool =
                sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
                    .bind(role)
                    .fetch_one(&mut *tx)
                    .await?;
            let verb = if made { "alter" } else { "create" };
            // statements about roles take no parameters: PostgreSQL itself quotes name and password
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

/// Runs statements of our own; PostgreSQL has quoted every value in them that comes from outside.
async fn run(conn: &mut PgConnection, statements: &str) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))
        .execute(conn)
        .await
        .map(drop)
}
