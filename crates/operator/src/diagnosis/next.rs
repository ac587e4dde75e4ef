//! The next steps for each cause: safe, and ready to be pasted.

use contracts::{
    failure::FailureKind,
    payment_event::{Outcome, PaymentEvent},
    payments::Status,
};

use saga::machine::StateKind;

use super::{Facts, FailedMessage, NextStep, Payment, World, rules::Found};
use crate::cause::Code;

/// The best step first; the last step is always read-only.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(super) fn steps(found: &Found, facts: &Facts, world: &World) -> Vec<NextStep> {
    let saga = facts.saga_id;
    let step = |title: &str, command: String| NextStep {
        title: title.to_owned(),
        command,
    };
    let retry = |title, reason| {
        step(
            title,
            format!("shopctl saga retry {saga} --reason '{reason}'"),
        )
    };
    let doctor = |title| step(title, "shopctl doctor".to_owned());
    let watch = |title| step(title, format!("shopctl saga watch {saga}"));
    let show = step("see its whole life", format!("shopctl saga show {saga}"));
    let entry = facts.entry.as_ref();
    let is_left_over = entry.is_some_and(|entry| world.is_gone(entry));
    let mut steps = match found.code {
        Code::Healthy => left_behind(facts),
        Code::WaitingForSignal => facts.order_id.into_iter().map(order).collect(),
        Code::RetryBackoff => vec![retry("do not wait for the next attempt", "not waiting")],
        Code::LeaseHeld if is_left_over => {
            let title = "do not wait for the end of the lease: its process is gone";
            vec![
                retry(title, "its process is gone"),
                watch("watch it move on"),
            ]
        }
        Code::LeaseHeld => vec![watch("watch it move on")],
        Code::BlockedBySession => sessions(found, world),
        Code::LeaseExpired => vec![watch("watch another worker take it over")],
        Code::NoWorker => vec![watch(
            "start `worker saga`, of a release that knows its plan, and watch it move",
        )],
        Code::JobLost => vec![retry("reschedule it", "its entry was lost")],
        Code::OutboxUnpublished => {
            let healed = signal(facts, "payments cannot publish its decision");
            let doctor = doctor("see whether payments' relay and RabbitMQ are well");
            healed.into_iter().chain([doctor]).collect()
        }
        Code::Unroutable => {
            let healed = signal(facts, "the event has no route");
            let doctor =
                doctor("see which queue is missing; `worker migrate` declares and binds all");
            healed.into_iter().chain([doctor]).collect()
        }
        Code::QueueWithoutConsumer => {
            vec![watch("start `worker payments`, and watch it move")]
        }
        Code::QueueBacklog => vec![doctor("see what is late; start more workers")],
        Code::MessageFailed => failed(facts),
        Code::ParticipantUnreachable => {
            vec![retry(
                "once payments is back, do not wait for the next attempt",
                "payments is back",
            )]
        }
        Code::PaymentEventLost => signal(facts, "its event is lost").into_iter().collect(),
        Code::OutcomeUnknown => {
            vec![retry(
                "once payments answers again, ask it at once",
                "payments answers again",
            )]
        }
        Code::PausedBy if !world.plans.contains(&facts.plan) => vec![step(
            "start workers of the release that knows its plan; the shopctl of that release resumes it",
            "shopctl saga check-compat".to_owned(),
        )],
        Code::PausedBy => vec![step(
            "resume it",
            format!("shopctl saga resume {saga} --reason 'looked into it'"),
        )],
        Code::PaymentMismatch => {
            let cancel = is_unpaid(facts).then(|| {
                step(
                    "nothing is paid: cancel the order and its payment",
                    format!("shopctl saga cancel {saga} --reason 'its payment does not match'"),
                )
            });
            let failed = step(
                "see what could not be handled",
                "shopctl failed list --queue payments_events_queue".to_owned(),
            );
            let order = facts.order_id.into_iter().map(order);
            cancel.into_iter().chain(order).chain([failed]).collect()
        }
        Code::UnknownPlanVersion => vec![
            step(
                "park it, so that workers of other releases start: signals are kept, and its stock stays held until \
                 the shopctl of a release that knows its plan resumes it",
                format!("shopctl saga pause {saga} --reason 'no worker knows its plan'"),
            ),
            step(
                "or start workers of the release that knows its plan; see which plans live",
                "shopctl saga check-compat".to_owned(),
            ),
        ],
        Code::CompensationOverdue => {
            vec![retry(
                "once payments answers, ask it at once",
                "payments answers again",
            )]
        }
    };
    steps.push(show);
    steps
}

/// Whether the saga is live and payments says that its transaction is not paid.
fn is_unpaid(facts: &Facts) -> bool {
    let is_live = facts.state.known().is_some_and(|state| !state.is_at_rest());
    let payment = facts.payment.available().and_then(Option::as_ref);
    is_live && payment.is_some_and(|payment| payment.status.known() == Some(Status::Pending))
}

/// The command that ends the session which blocks the saga, and the one that lists all such sessions.
fn sessions(found: &Found, world: &World) -> Vec<NextStep> {
    let sessions = world.blocking.available().into_iter().flatten();
    let mut steps: Vec<_> = sessions
        .filter(|session| Some(session.pid) == found.session)
        .map(|session| NextStep {
            title: "end the session".to_owned(),
            command: session.end_command(),
        })
        .collect();
    steps.push(NextStep {
        title: "see all sessions that block sagas".to_owned(),
        command: "shopctl db sessions".to_owned(),
    });
    steps
}

fn order(order: kernel::OrderId) -> NextStep {
    NextStep {
        title: "see its order".to_owned(),
        command: format!("shopctl order show {order}"),
    }
}

/// The command that sends payments' decision by hand; none unless the decision was read.
fn signal(facts: &Facts, reason: &str) -> Option<NextStep> {
    let name = outcome(facts.payment.available()?.as_ref()?)?.routing_key();
    let saga = facts.saga_id;
    Some(NextStep {
        title: "send the payment result manually (safe to repeat)".to_owned(),
        command: format!("shopctl saga signal {saga} {name} --reason '{reason}'"),
    })
}

/// The steps for a message in `failed`. A body that its consumer could not read fails again
/// unless it is edited.
fn failed(facts: &Facts) -> Vec<NextStep> {
    let signal = signal(facts, "its event cannot be handled");
    let Some((id, message)) = named(facts) else {
        let list = NextStep {
            title: "see the messages and why they are there".to_owned(),
            command: "shopctl failed list --queue payments_events_queue".to_owned(),
        };
        return signal.into_iter().chain([list]).collect();
    };
    let show = NextStep {
        title: "see the message and why it is there".to_owned(),
        command: format!("shopctl failed show {id}"),
    };
    let is_body = [FailureKind::Undecodable, FailureKind::Contradictory]
        .iter()
        .any(|kind| message.kind == Some((*kind).into()));
    if is_body {
        let edit = edit(facts, id, message);
        return edit.into_iter().chain(signal).chain([show]).collect();
    }
    let retry = NextStep {
        title: "after fixing the cause, send it again".to_owned(),
        command: format!("shopctl failed retry {id} --reason 'the cause is fixed'"),
    };
    signal.into_iter().chain([show, retry]).collect()
}

/// The steps that close the messages which an order at rest no longer needs.
fn left_behind(facts: &Facts) -> Vec<NextStep> {
    if !facts.state.known().is_some_and(StateKind::is_at_rest) {
        return Vec::new();
    }
    let failed = named(facts).map(|(id, _)| NextStep {
        title: "remove the message that is left in `failed`: the order is at rest without it"
            .to_owned(),
        command: format!("shopctl failed drop {id} --settle --reason 'its order is at rest'"),
    });
    let parked = facts.parked().map(|message| NextStep {
        title: "publish the event that is left in payments' outbox: it takes no second effect"
            .to_owned(),
        command: format!(
            "shopctl outbox retry {} --reason 'its order is at rest'",
            message.message_id
        ),
    });
    failed.into_iter().chain(parked).collect()
}

/// The first message in `failed` whose id is safe in a shell: other producers' ids may contain
/// anything.
fn named(facts: &Facts) -> Option<(&str, &FailedMessage)> {
    let plain = |id: &&str| {
        id.starts_with(|first: char| first.is_ascii_alphanumeric())
            && id
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.:/".contains(c))
    };
    let mut messages = facts.failed.available().into_iter().flatten();
    messages.find_map(|message| {
        let id = message.message_id.as_deref().filter(plain)?;
        Some((id, message))
    })
}

/// Sends the message with the body that payments' decision calls for or, while that is not known,
/// with a body that the operator writes. None for an event of another decision than payments'.
fn edit(facts: &Facts, id: &str, message: &FailedMessage) -> Option<NextStep> {
    let Some(payment) = facts.payment.available() else {
        return Some(NextStep {
            title: "write its mended body to mended.json and send it; a body that its consumer cannot read is refused"
                .to_owned(),
            command: format!("shopctl failed edit {id} --body mended.json --reason 'its body is mended'"),
        });
    };
    let payment = payment.as_ref()?;
    let event = PaymentEvent {
        transaction_id: payment.transaction_id,
        outcome: outcome(payment)?,
        at: payment.decided_at?,
        event_id: None,
        order_id: facts.order_id,
        amount: payment.amount.clone(),
    };
    if event.outcome.routing_key() != message.routing_key {
        return None;
    }
    let body = serde_json::to_string(&event).ok()?;
    Some(NextStep {
        title: "send it with a body that says what payments decided (safe to repeat)".to_owned(),
        command: format!("shopctl failed edit {id} --body '{body}' --reason 'its body is mended'"),
    })
}

/// Payments' decision, if there is one.
fn outcome(payment: &Payment) -> Option<Outcome> {
    match payment.status.known()? {
        Status::Paid => Some(Outcome::Completed),
        Status::Canceled => Some(Outcome::Canceled),
        Status::Pending => None,
    }
}
