//! Service tokens that act for a user (`on_behalf_of`), and the keys that sign them.

use kernel::{Clock, TransactionId, UserId};
use serde_json::{Value, json};
use tokens::{Signer, Verifier};

use crate::support::{Answer, Payments, Purchase, router};

/// A payments service whose users and services have separate keys.
struct Split {
    payments: Payments,
    services: Signer,
}

impl Split {
    async fn start() -> Self {
        let signer = || Signer::from_pem(&tokens::generate_key_pem(), Clock::System).unwrap();
        let (users, services) = (signer(), signer());
        let mut payments = Payments::start().await;
        let verifier = Verifier::with_keys(&tokens::published(&users, &services));
        payments.router = router(&payments.pool, verifier, true);
        payments.signer = users;
        Self { payments, services }
    }

    fn service(&self, for_user: Option<UserId>) -> String {
        self.services.service_token("transactions", for_user)
    }

    async fn pending(&self) -> Purchase {
        let purchase = Purchase::new();
        let token = self.service(Some(purchase.user));
        let answer = self
            .payments
            .post("/transactions", &token, &purchase.init())
            .await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        purchase
    }

    /// Makes each kind of call about this purchase, with this token.
    async fn all_calls(&self, token: &str, purchase: Purchase) -> Vec<(&'static str, Answer)> {
        let transaction = json!({"transaction_id": purchase.transaction});
        let by_order = json!({"order_id": purchase.order, "transaction_id": purchase.transaction});
        let ids = json!({"transaction_ids": [purchase.transaction]});
        let by_id = format!("/transactions/{}", purchase.transaction);
        let order = format!("/transactions?order_id={}", purchase.order);
        let payments = &self.payments;
        vec![
            ("get", payments.get(&by_id, token).await),
            ("get by order", payments.get(&order, token).await),
            (
                "lookup",
                payments.post("/transactions/lookup", token, &ids).await,
            ),
            (
                "complete",
                payments
                    .post("/transactions/complete", token, &transaction)
                    .await,
            ),
            (
                "cancel",
                payments
                    .post("/transactions/cancel", token, &transaction)
                    .await,
            ),
            (
                "cancel by order",
                payments
                    .post("/transactions/cancel-by-order", token, &by_order)
                    .await,
            ),
        ]
    }
}

/// An answer without the members that differ from call to call.
fn comparable(answer: &Answer) -> (u16, Value) {
    let mut body = answer.json();
    if let Some(body) = body.as_object_mut() {
        body.remove("trace_id");
        body.remove("instance");
    }
    (answer.status, body)
}

#[tokio::test]
async fn a_service_that_speaks_for_another_user_finds_nothing() {
    let split = Split::start().await;
    let of_a = split.pending().await;
    let for_b = split.service(Some(UserId::new()));
    let found = split.all_calls(&for_b, of_a).await;
    let absent = Purchase {
        transaction: TransactionId::new(),
        ..Purchase::new()
    };
    let unknown = split.all_calls(&for_b, absent).await;
    for ((call, answer), (_, unknown)) in found.iter().zip(&unknown) {
        match *call {
            "lookup" => assert_eq!(answer.json(), json!({"transactions": []})),
            // the call leaves a tombstone for an unknown order
            "cancel by order" => {
                answer.problem(404, "not-found");
                continue;
            }
            call => {
                answer.problem(404, "not-found");
                assert_eq!(comparable(answer), comparable(unknown), "{call}");
            }
        }
        assert_eq!(comparable(answer), comparable(unknown), "{call}");
    }
    let stored = split.payments.stored_status(of_a.order).await;
    assert_eq!(stored.as_deref(), Some("pending"));
    assert_eq!(split.payments.events().await, 0);
}

#[tokio::test]
async fn a_creation_shows_no_other_users_transaction() {
    let split = Split::start().await;
    let of_a = split.pending().await;
    let of_b = Purchase {
        user: UserId::new(),
        ..of_a
    };
    let for_b = split.service(Some(of_b.user));
    for canceled in [false, true] {
        if canceled {
            let body = json!({"transaction_id": of_a.transaction});
            let for_a = split.service(Some(of_a.user));
            let answer = split
                .payments
                .post("/transactions/cancel", &for_a, &body)
                .await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        let answer = split
            .payments
            .post("/transactions", &for_b, &of_b.init())
            .await;
        let problem = answer.problem(409, "transaction-differs");
        assert_eq!(problem.get("transaction"), None, "{problem}");
        let for_another = split.service(Some(of_a.user));
        let answer = split
            .payments
            .post("/transactions", &for_another, &of_b.init())
            .await;
        answer.problem(403, "forbidden");
    }
}

#[tokio::test]
async fn a_service_that_speaks_for_the_payer_may_do_all() {
    let split = Split::start().await;
    let purchase = split.pending().await;
    let token = split.service(Some(purchase.user));
    let answers = split.all_calls(&token, purchase).await;
    let statuses: Vec<_> = answers.iter().map(|(_, answer)| answer.status).collect();
    // already paid: canceling is refused
    assert_eq!(statuses, [200, 200, 200, 200, 409, 409]);
    let unknown = Purchase::new();
    let body = json!({"order_id": unknown.order, "transaction_id": unknown.transaction});
    let token = split.service(Some(unknown.user));
    for _ in 0..2 {
        let path = "/transactions/cancel-by-order";
        let tombstone = split.payments.post(path, &token, &body).await;
        assert_eq!(tombstone.status, 200, "{}", tombstone.text);
    }
    let late = split
        .payments
        .post("/transactions", &token, &unknown.init())
        .await;
    late.problem(409, "transaction-canceled");
}

#[tokio::test]
async fn a_service_without_a_user_reads_and_changes_nothing() {
    let split = Split::start().await;
    let purchase = split.pending().await;
    let token = split.service(None);
    for (call, answer) in split.all_calls(&token, purchase).await {
        if ["get", "get by order", "lookup"].contains(&call) {
            assert_eq!(answer.status, 200, "{call}: {}", answer.text);
        } else {
            answer.problem(403, "forbidden");
        }
    }
    let other = Purchase::new();
    let answer = split
        .payments
        .post("/transactions", &token, &other.init())
        .await;
    answer.problem(403, "forbidden");
    let stored = split.payments.stored_status(purchase.order).await;
    assert_eq!(stored.as_deref(), Some("pending"));
}

#[tokio::test]
async fn service_and_user_keys_are_not_interchangeable() {
    let split = Split::start().await;
    let purchase = split.pending().await;
    let minute = std::time::Duration::from_mins(1);
    let path = format!("/transactions/{}", purchase.transaction);
    for token in [
        split
            .services
            .access_token(purchase.user, &["admin".to_owned()], minute),
        split.payments.signer.service_token("transactions", None),
        split
            .payments
            .signer
            .service_token("transactions", Some(purchase.user)),
    ] {
        let answer = split.payments.get(&path, &token).await;
        answer.problem(401, "unauthenticated");
    }
    let user = split.payments.user(purchase.user);
    assert_eq!(split.payments.get(&path, &user).await.status, 200);
}
