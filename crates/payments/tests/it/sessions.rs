//! A user whose session the shop has ended can neither pay nor cancel.

use std::{future::pending, sync::Arc};

use axum::{
    Router,
    http::{HeaderMap, StatusCode},
    routing::get,
};
use payments::sessions::ShopSessions;
use serde_json::json;
use tokens::Verifier;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::{Payments, router_with};

/// The shop's answer; `None` means that it does not answer.
type Answer = Option<StatusCode>;

/// A payments service whose shop gives this answer for the payer's token.
async fn beside(answer: Answer) -> Payments {
    let mut payments = Payments::start().await;
    let shop = Router::new().route(
        "/api/session",
        get(move |headers: HeaderMap| async move {
            let token = headers.get("authorization").unwrap().to_str().unwrap();
            assert!(token.starts_with("Bearer ey"), "{token}");
            match answer {
                Some(status) => status,
                None => pending().await,
            }
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/.well-known/jwks.json",
        listener.local_addr().unwrap()
    );
    tokio::spawn(async move { axum::serve(listener, shop).await });
    payments.router = at(&payments, &url);
    payments
}

fn at(payments: &Payments, url: &str) -> Router {
    let sessions = ShopSessions::beside(url).unwrap();
    let verifier = Verifier::with_key(&payments.signer);
    router_with(&payments.pool, verifier, true, Arc::new(sessions))
}

#[tokio::test]
async fn a_payer_whose_session_is_over_decides_nothing() {
    let payments = beside(Some(StatusCode::UNAUTHORIZED)).await;
    let purchase = payments.pending().await;
    for verb in ["complete", "cancel"] {
        let answer = payments.decide(verb, purchase).await;
        answer.problem(401, "session-over");
    }
    let status = payments.stored_status(purchase.order).await;
    assert_eq!(status.as_deref(), Some("pending"));
    let read = format!("/transactions/{}", purchase.transaction);
    let read = payments.get(&read, &payments.user(purchase.user)).await;
    assert_eq!(read.status, 200, "reads live on: {}", read.text);

    let body = json!({"transaction_id": purchase.transaction});
    let service = payments.service();
    let paid = payments
        .post("/transactions/complete", &service, &body)
        .await;
    assert_eq!(paid.status, 200, "a service has no session: {}", paid.text);
}

#[tokio::test]
async fn a_payer_whose_session_is_live_decides() {
    // an api of the previous release answers 404
    for answer in [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND] {
        let payments = beside(Some(answer)).await;
        let purchase = payments.pending().await;
        let paid = payments.decide("complete", purchase).await;
        assert_eq!(paid.status, 200, "{answer}: {}", paid.text);
    }
}

/// Reads a request, and answers or closes the connection.
async fn answer_one(listener: &TcpListener, answer: &[u8]) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut read = 0;
    while read == 0 {
        read = stream.read(&mut [0; 4096]).await.unwrap();
    }
    stream.write_all(answer).await.unwrap();
}

#[tokio::test]
async fn a_payer_decides_while_the_shop_restarts() {
    let mut payments = Payments::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    payments.router = at(
        &payments,
        &format!("http://{address}/.well-known/jwks.json"),
    );
    tokio::spawn(async move {
        answer_one(&listener, b"").await;
        let no_server =
            b"HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        answer_one(&listener, no_server).await;
        answer_one(&listener, b"HTTP/1.1 204 No Content\r\n\r\n").await;
    });
    let purchase = payments.pending().await;
    let paid = payments.decide("complete", purchase).await;
    assert_eq!(paid.status, 200, "{}", paid.text);
}

#[tokio::test]
async fn a_payer_is_told_to_retry_during_a_shop_outage() {
    let mut silent = beside(None).await;
    let failing = beside(Some(StatusCode::INTERNAL_SERVER_ERROR)).await;
    let mut nowhere = silent.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    nowhere.router = at(&silent, &format!("http://{address}/.well-known/jwks.json"));
    for payments in [&mut silent, &mut nowhere, &mut failing.clone()] {
        let purchase = payments.pending().await;
        let answer = payments.decide("complete", purchase).await;
        answer.problem(503, "unavailable");
        assert!(answer.headers.contains_key("retry-after"));
        let status = payments.stored_status(purchase.order).await;
        assert_eq!(status.as_deref(), Some("pending"));
    }
}
