//! Clients: commerce's own record of a user.

use contracts::domain_event::UserRegistered;
use db::Listener;
use futures::future::BoxFuture;
use kernel::{ClientId, UserId};
use sqlx::PgConnection;

/// Creates a client for every user that registers, in the same transaction.
#[derive(Debug, Clone, Copy)]
pub struct CreateClientOnRegistration;

impl Listener<UserRegistered> for CreateClientOnRegistration {
    fn on<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        event: &'a UserRegistered,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async {
            sqlx::query!(
                "insert into commerce.client (client_id, user_id, name) values ($1, $2, $3)",
                ClientId::new().uuid(),
                event.user_id.uuid(),
                event.name,
            )
            .execute(conn)
            .await
            .map(drop)
        })
    }
}

/// Finds the client of a user.
pub async fn find_by_user(
    conn: &mut PgConnection,
    user_id: UserId,
) -> sqlx::Result<Option<ClientId>> {
    sqlx::query_scalar!(
        r#"select client_id as "client_id: ClientId" from commerce.client where user_id = $1"#,
        user_id.uuid()
    )
    .fetch_optional(conn)
    .await
}
