//! The rules that every payments service must keep.

use contracts::{
    payments::Status,
    topology::{TRANSACTION_CANCELED, TRANSACTION_COMPLETED},
};
use futures::future::join_all;
use kernel::TransactionId;

use crate::{
    events::Events,
    report::{Report, RuleResult, broken},
    service::{Purchase, Service, is_refused, succeeds},
};

/// Calls of a race.
const RACERS: usize = 8;

pub(crate) async fn check(service: &Service, events: Option<&Events>, report: &mut Report) {
    report
        .rule(
            service,
            None,
            "1.1 a creation answers with its transaction",
            creation(service),
        )
        .await;
    report
        .rule(
            service,
            None,
            "1.2 a repeated creation answers with the same transaction",
            repetition(service),
        )
        .await;
    report
        .rule(
            service,
            None,
            "1.3 creations at the same moment make one transaction",
            creations_at_once(service),
        )
        .await;
    report
        .rule(
            service,
            None,
            "1.4 a paid transaction stays paid, and its creation shows it",
            paid(service, events),
        )
        .await;
    report
        .rule(
            service,
            None,
            "1.5 a canceled transaction stays canceled, and its creation shows it",
            canceled(service, events),
        )
        .await;
    report
        .rule(
            service,
            None,
            "1.6 of payments and cancellations at the same moment, one kind wins",
            decisions_at_once(service, events),
        )
        .await;
    report
        .rule(
            service,
            None,
            "1.7 an unknown transaction is neither paid nor canceled",
            unknown(service),
        )
        .await;
}

async fn creation(service: &Service) -> RuleResult {
    service.create(&Purchase::new()).await.map(drop)
}

async fn repetition(service: &Service) -> RuleResult {
    let purchase = Purchase::new();
    let id = service.create(&purchase).await?;
    for key in [
        format!("{}/init_payment", purchase.proposed),
        "another key".to_owned(),
    ] {
        let again = service.init_under(&purchase, &key).await?;
        let shown = again.id();
        let shows = again.is_success() || again.status == 409;
        if !shows || shown != Some(id) {
            return broken(format!(
                "the first answer names {id}; the repetition under the key `{key}` is answered {} and names {shown:?}",
                again.status
            ));
        }
    }
    Ok(())
}

async fn creations_at_once(service: &Service) -> RuleResult {
    let purchase = Purchase::new();
    let calls = (0..RACERS).map(|_| service.init(&purchase));
    let mut ids = Vec::new();
    for answer in join_all(calls).await {
        let answer = answer?;
        if !answer.is_success() && answer.status != 409 {
            return broken(format!("one of {RACERS} is answered {}", answer.status));
        }
        ids.extend(answer.id());
    }
    ids.sort_unstable();
    ids.dedup();
    if ids.len() == 1 {
        Ok(())
    } else {
        broken(format!("the answers name {} transactions", ids.len()))
    }
}

async fn paid(service: &Service, events: Option<&Events>) -> RuleResult {
    let purchase = Purchase::new();
    let id = service.create(&purchase).await?;
    succeeds("the payment", &service.complete(id).await?)?;
    succeeds("a repeated payment", &service.complete(id).await?)?;
    is_refused("the cancellation of a paid one", &service.cancel(id).await?)?;
    shows(service, &purchase, Status::Paid).await?;
    announced(service, events, id, TRANSACTION_COMPLETED).await
}

async fn canceled(service: &Service, events: Option<&Events>) -> RuleResult {
    let purchase = Purchase::new();
    let id = service.create(&purchase).await?;
    succeeds("the cancellation", &service.cancel(id).await?)?;
    succeeds("a repeated cancellation", &service.cancel(id).await?)?;
    is_refused(
        "the payment of a canceled one",
        &service.complete(id).await?,
    )?;
    shows(service, &purchase, Status::Canceled).await?;
    announced(service, events, id, TRANSACTION_CANCELED).await
}

/// The shop learns the state of a transaction by repeating its creation. A creation for a canceled
/// order may be refused instead.
async fn shows(service: &Service, purchase: &Purchase, state: Status) -> RuleResult {
    let again = service.init(purchase).await?;
    let refused = state == Status::Canceled && again.is_definite_refusal();
    let shown = (again.is_success() || again.status == 409) && again.state() == Some(state);
    if refused || shown {
        Ok(())
    } else {
        broken(format!(
            "the repeated creation is answered {} and does not show that it is {state}",
            again.status
        ))
    }
}

async fn announced(
    service: &Service,
    events: Option<&Events>,
    id: TransactionId,
    key: &str,
) -> RuleResult {
    match events {
        Some(events) => events.only(service, id, key).await.map(drop),
        None => Ok(()),
    }
}

async fn decisions_at_once(service: &Service, events: Option<&Events>) -> RuleResult {
    let id = service.create(&Purchase::new()).await?;
    let pay = join_all((0..RACERS / 2).map(|_| service.complete(id)));
    let cancel = join_all((0..RACERS / 2).map(|_| service.cancel(id)));
    let (paid, canceled) = tokio::join!(pay, cancel);
    let mut won = [false, false];
    for (kind, answers) in [paid, canceled].into_iter().enumerate() {
        for answer in answers {
            won[kind] |= answer?.is_success();
        }
    }
    match won {
        [true, false] => announced(service, events, id, TRANSACTION_COMPLETED).await,
        [false, true] => announced(service, events, id, TRANSACTION_CANCELED).await,
        [true, true] => broken("a payment and a cancellation succeeded"),
        [false, false] => broken("none succeeded"),
    }
}

async fn unknown(service: &Service) -> RuleResult {
    let id = TransactionId::new();
    for answer in [service.complete(id).await?, service.cancel(id).await?] {
        if !(400..500).contains(&answer.status) {
            return broken(format!("status {}, and a 4xx was expected", answer.status));
        }
    }
    Ok(())
}
