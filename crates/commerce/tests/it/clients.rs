//! Clients.

use commerce::client::{self, CreateClientOnRegistration};
use contracts::domain_event::UserRegistered;
use db::Bus;
use kernel::UserId;

use crate::shop::Shop;

#[tokio::test]
async fn a_registered_user_becomes_a_client_once() {
    let shop = Shop::open().await;
    let bus = Bus::default().with(CreateClientOnRegistration);
    let registered = UserRegistered {
        user_id: UserId::new(),
        name: "Ada".to_owned(),
    };
    let mut conn = shop.pool.acquire().await.unwrap();
    let find =
        async |conn: &mut sqlx::PgConnection, id| client::find_by_user(conn, id).await.unwrap();
    assert_eq!(find(&mut conn, registered.user_id).await, None);
    bus.publish(&mut conn, &registered).await.unwrap();
    assert!(find(&mut conn, registered.user_id).await.is_some());
    assert_eq!(find(&mut conn, UserId::new()).await, None);
    let again = bus.publish(&mut conn, &registered).await.unwrap_err();
    assert_eq!(db::constraint(&again), Some("client_user_unique"));
    assert_eq!(shop.count("commerce.client").await, 1);
}

#[tokio::test]
async fn a_client_is_created_in_the_users_transaction() {
    let shop = Shop::open().await;
    let bus = Bus::default().with(CreateClientOnRegistration);
    let registered = UserRegistered {
        user_id: UserId::new(),
        name: "Ada".to_owned(),
    };
    let mut tx = shop.pool.begin().await.unwrap();
    bus.publish(&mut tx, &registered).await.unwrap();
    let found = client::find_by_user(&mut tx, registered.user_id).await;
    assert!(found.unwrap().is_some());
    tx.rollback().await.unwrap();
    assert_eq!(shop.count("commerce.client").await, 0);
}
