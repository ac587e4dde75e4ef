//! The clocks of two machines differ.

use chrono::TimeDelta;
use contracts::payments::SCOPE_SERVICE;
use kernel::{Clock, OrderId, TransactionId, UserId};
use serde_json::json;
use testkit::{System, SystemOptions};
use tokens::Signer;

#[tokio::test(flavor = "multi_thread")]
async fn services_work_with_clocks_fifty_seconds_apart() {
    let system = System::prepare(SystemOptions::default()).await;
    for role in ["payments", "api"] {
        system.spawn(role).await;
    }
    for seconds in [-50, 50] {
        let clock = Clock::Shifted(TimeDelta::seconds(seconds));
        let services = Signer::from_pem(&system.service_signing_key(), clock).unwrap();
        let users = Signer::from_pem(&system.signing_key(), clock).unwrap();
        let user = UserId::new();
        let transaction = TransactionId::new();
        let creation = json!({
            "order_id": OrderId::new(), "user_id": user, "transaction_id": transaction,
            "amount": {"amount": 1999, "currency": "EUR"},
        });
        let created = system
            .http
            .post(format!("{}/transactions", system.payments_url))
            .bearer_auth(services.service_token(SCOPE_SERVICE, Some(user)))
            .json(&creation)
            .send()
            .await
            .unwrap();
        assert_eq!(created.status(), 201, "{seconds} s");
        let token = users.access_token(user, &[], std::time::Duration::from_mins(10));
        for url in [
            format!("{}/transactions/{transaction}", system.payments_url),
            format!("{}/api/orders", system.api_url),
        ] {
            let answer = system.http.get(&url).bearer_auth(&token);
            let status = answer.send().await.unwrap().status();
            assert_eq!(status, 200, "{url}, {seconds} s");
        }
    }
}
