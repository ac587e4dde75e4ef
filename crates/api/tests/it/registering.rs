//! Accounts and commerce share one transaction.

use auth::{Auth, AuthConfig, AuthError, Hasher, Registered};
use commerce::client::{self, CreateClientOnRegistration};
use db::Bus;
use kernel::Clock;
use sqlx::PgPool;
use tokens::Signer;

fn accounts(pool: &PgPool) -> Auth {
    let signer = Signer::from_pem(&tokens::generate_key_pem(), Clock::System).unwrap();
    let bus = Bus::default().with(CreateClientOnRegistration);
    Auth::new(
        pool.clone(),
        bus,
        signer,
        Hasher::new(1).unwrap(),
        AuthConfig::default(),
    )
}

async fn count(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn registration_creates_the_commerce_client_in_its_transaction() {
    let pool = testkit::shop_db().await;
    let ada = accounts(&pool)
        .register("ada@shop.example", "Ada", "correct horse", None)
        .await;
    let ada = ada.unwrap();
    let Registered::New(ada) = ada else {
        panic!("{ada:?}")
    };
    let found = client::find_by_user(&mut pool.acquire().await.unwrap(), ada.id).await;
    assert!(found.unwrap().is_some());
    let shared = r#"
        select count(*)
        from auth."user" u join commerce.client c using (user_id)
        where u.xmin::text = c.xmin::text and c.name = 'Ada'
    "#;
    assert_eq!(count(&pool, shared).await, 1);
}

#[tokio::test]
async fn without_a_client_there_is_no_user_either() {
    let pool = testkit::shop_db().await;
    // commerce refuses for any reason; here, a constraint that no row satisfies
    sqlx::query("alter table commerce.client add constraint nobody check (false)")
        .execute(&pool)
        .await
        .unwrap();
    let refused = accounts(&pool)
        .register("ada@shop.example", "Ada", "correct horse", None)
        .await
        .err();
    let Some(AuthError::Db(error)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(db::constraint(&error), Some("nobody"));
    for sql in [
        r#"select count(*) from auth."user""#,
        "select count(*) from auth.refresh_token",
        "select count(*) from messaging.outbox",
    ] {
        assert_eq!(count(&pool, sql).await, 0, "{sql}");
    }
}
