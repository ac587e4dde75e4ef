//! The rules of a service that offers more: each makes the shop faster or safer.

use contracts::{
    payments::{
        CANCEL_BY_ORDER, JWKS, LOOKUP, PROBLEM_CANCELED, PROBLEM_DIFFERS, PROBLEM_PAID, Status,
        TRANSACTIONS,
    },
    topology::TRANSACTION_COMPLETED,
};
use kernel::{Money, TransactionId};
use serde_json::json;
use tokens::DetachedKeys;

use crate::{
    events::Events,
    report::{Fault, Report, RuleResult, broken},
    service::{Answer, Purchase, Service, is_refused, succeeds},
};

/// The parts of level 2.
const TOMBSTONE: &str = "the tombstone";
const READ: &str = "the read";
const BULK_READ: &str = "the bulk read";
const PROBLEMS: &str = "the problem types";
const SIGNATURE: &str = "the signatures";

pub(crate) async fn check(service: &Service, events: Option<&Events>, report: &mut Report) {
    report
        .rule(
            service,
            Some(TOMBSTONE),
            "2.1 an order without a transaction can be canceled, and is never created then",
            tombstone(service),
        )
        .await;
    report
        .rule(
            service,
            Some(TOMBSTONE),
            "2.2 a cancellation by order cancels what is pending and shows what is paid",
            by_order(service),
        )
        .await;
    report
        .rule(
            service,
            Some(TOMBSTONE),
            "2.3 of a creation and a cancellation by order at the same moment, nothing stays payable",
            race(service),
        )
        .await;
    report
        .rule(
            service,
            Some(READ),
            "2.4 a transaction can be read, and an unknown one is `not-found`",
            read(service),
        )
        .await;
    report
        .rule(
            service,
            Some(BULK_READ),
            "2.5 many transactions can be read, and unknown ones are left out",
            bulk_read(service),
        )
        .await;
    report
        .rule(
            service,
            Some(PROBLEMS),
            "2.6 a refusal is a problem document with its type",
            problems(service),
        )
        .await;
    report
        .rule(
            service,
            Some(SIGNATURE),
            "2.7 events are signed with a published key",
            signed(service, events),
        )
        .await;
}

async fn cancel_by_order(service: &Service, purchase: &Purchase) -> Result<Answer, Fault> {
    let body = json!({ "order_id": purchase.order, "transaction_id": purchase.proposed });
    let key = format!("{}/init_payment/undo", purchase.proposed);
    service
        .post(CANCEL_BY_ORDER, &key, &body)
        .await?
        .of_level_2()
}

fn says_canceled(answer: &Answer) -> RuleResult {
    succeeds("the cancellation by order", answer)?;
    if answer.state() == Some(Status::Canceled) {
        Ok(())
    } else {
        broken("the answer does not say `canceled`")
    }
}

async fn tombstone(service: &Service) -> RuleResult {
    let purchase = Purchase::new();
    for _ in 0..2 {
        says_canceled(&cancel_by_order(service, &purchase).await?)?;
    }
    is_refused("the late creation", &service.init(&purchase).await?)
}

async fn by_order(service: &Service) -> RuleResult {
    let pending = Purchase::new();
    let id = service.create(&pending).await?;
    says_canceled(&cancel_by_order(service, &pending).await?)?;
    is_refused(
        "the payment of a canceled one",
        &service.complete(id).await?,
    )?;
    let paid = Purchase::new();
    let id = service.create(&paid).await?;
    succeeds("the payment", &service.complete(id).await?)?;
    let answer = cancel_by_order(service, &paid).await?;
    if answer.status == 409 && answer.state() == Some(Status::Paid) && answer.id() == Some(id) {
        Ok(())
    } else {
        broken("a paid order must be answered 409 with its `transaction`")
    }
}

async fn race(service: &Service) -> RuleResult {
    let purchase = Purchase::new();
    let calls = (service.init(&purchase), cancel_by_order(service, &purchase));
    let (created, canceled) = tokio::join!(calls.0, calls.1);
    says_canceled(&canceled?)?;
    let id = created?.id().unwrap_or(purchase.proposed);
    let paid = service.complete(id).await?;
    if paid.is_success() {
        broken("the canceled order could be paid")
    } else {
        Ok(())
    }
}

async fn read(service: &Service) -> RuleResult {
    let id = service.create(&Purchase::new()).await?;
    let found = service.get(&format!("{TRANSACTIONS}/{id}")).await?;
    let found = found.of_level_2()?;
    if found.status != 200 || found.id() != Some(id) || found.state() != Some(Status::Pending) {
        return broken("the answer does not show the pending transaction");
    }
    let unknown = TransactionId::new();
    let missing = service.get(&format!("{TRANSACTIONS}/{unknown}")).await?;
    if missing.status == 404 && missing.is_problem("not-found") {
        Ok(())
    } else {
        broken("an unknown one must be answered 404 with the problem type `not-found`")
    }
}

async fn bulk_read(service: &Service) -> RuleResult {
    let id = service.create(&Purchase::new()).await?;
    let body = json!({ "transaction_ids": [id, TransactionId::new()] });
    let found = service.query(LOOKUP, &body).await?.of_level_2()?;
    let shown = found.body["transactions"].as_array();
    let shown = shown.map(|all| {
        all.iter()
            .map(|one| &one["transaction_id"])
            .collect::<Vec<_>>()
    });
    if shown.is_some_and(|shown| shown == [&json!(id)]) {
        Ok(())
    } else {
        broken("`transactions` must hold the known one alone")
    }
}

async fn problems(service: &Service) -> RuleResult {
    let purchase = Purchase::new();
    let id = service.create(&purchase).await?;
    let dearer = Purchase {
        amount: Money::new(purchase.amount.amount + 1, purchase.amount.currency.clone()),
        ..purchase
    };
    has_type(&service.init(&dearer).await?, PROBLEM_DIFFERS)?;
    succeeds("the payment", &service.complete(id).await?)?;
    has_type(&service.cancel(id).await?, PROBLEM_PAID)?;
    let id = service.create(&Purchase::new()).await?;
    succeeds("the cancellation", &service.cancel(id).await?)?;
    has_type(&service.complete(id).await?, PROBLEM_CANCELED)
}

fn has_type(answer: &Answer, kind: &str) -> RuleResult {
    if answer.status == 409 && answer.is_problem(kind) {
        return Ok(());
    }
    let why = format!("{} without the type `{kind}`", answer.status);
    if answer.body["type"].is_string() {
        broken(why)
    } else {
        Err(Fault::Missing(why))
    }
}

async fn signed(service: &Service, events: Option<&Events>) -> RuleResult {
    let published = service.get(JWKS).await?.of_level_2()?;
    let has_keys = published.body["keys"].as_array();
    if has_keys.is_none_or(Vec::is_empty) {
        return Err(Fault::Missing("no key is published".to_owned()));
    }
    let keys = DetachedKeys::from_jwks(&published.body.to_string()).unwrap_or_default();
    let Some(events) = events else {
        return Ok(());
    };
    let id = service.create(&Purchase::new()).await?;
    succeeds("the payment", &service.complete(id).await?)?;
    let event = events.only(service, id, TRANSACTION_COMPLETED).await?;
    let Some(signature) = event.signature else {
        return broken("a key is published, and the event has no header `x-signature`");
    };
    let verified = keys.verify(&signature, &event.body);
    verified.or_else(|error| broken(format!("the signature does not verify: {error}")))
}
