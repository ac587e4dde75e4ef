//! Checks on RabbitMQ: queues, their consumers, and failed messages.

use contracts::topology::{BINDINGS, FAILED, MESSAGES, PAYMENTS_EVENTS_QUEUE};
use messaging::{
    BrokerError,
    bindings::{Bindings, LookError},
    topology,
};

use crate::Violation;

/// Queues that must have a consumer.
const WORKED: [&str; 2] = [PAYMENTS_EVENTS_QUEUE, MESSAGES];

pub(crate) async fn examine(amqp_url: &str) -> Result<Vec<Violation>, BrokerError> {
    let delays = WORKED.iter().flat_map(|queue| {
        topology::RETRY_DELAYS
            .iter()
            .map(|delay| topology::delay_queue(queue, *delay))
    });
    let delays: Vec<_> = delays.collect();
    let mut queues = WORKED.to_vec();
    queues.push(FAILED);
    queues.extend(delays.iter().map(String::as_str));
    let mut violations = Vec::new();
    for (queue, state) in topology::inspect(amqp_url, &queues).await? {
        let mut say = |check, what: String| {
            violations.push(Violation {
                check,
                subject: format!("queue {queue}"),
                what,
            });
        };
        let Some(state) = state else {
            say("missing-queue", "it does not exist".to_owned());
            continue;
        };
        if WORKED.contains(&queue) && state.consumers == 0 {
            say(
                "no-consumer",
                format!("nobody takes from it; {} messages wait", state.messages),
            );
        }
        if queue == FAILED && state.messages > 0 {
            say(
                "failed-messages",
                format!("{} messages wait", state.messages),
            );
        }
    }
    Ok(violations)
}

/// Reports missing bindings of our queues.
pub(crate) async fn bindings(
    management_url: &str,
    amqp_url: &str,
) -> Result<Vec<Violation>, LookError> {
    let missing = Bindings::new(management_url, amqp_url)?
        .missing(&BINDINGS)
        .await?;
    let violations = missing.into_iter().map(|(exchange, queue, key)| Violation {
        check: "unbound-queue",
        subject: format!("queue {queue}"),
        what: format!("it is not bound to exchange {exchange} for {key}"),
    });
    Ok(violations.collect())
}
