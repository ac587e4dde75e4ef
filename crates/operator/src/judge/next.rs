//! The next steps for each cause: safe, and ready to be pasted.

use contracts::payments::Status;

use super::{Facts, NextStep, World, rules::Found};
use crate::cause::Code;

/// The best step first; the last step is always read-only.
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
        Code::Healthy => vec![],
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
        Code::MessageFailed => {
            let healed = signal(facts, "its event cannot be handled");
            healed.into_iter().chain(failed(facts)).collect()
        }
        Code::ParticipantUnreachable => {
            vec![retry(
                "once payments is back, do not wait for the next attempt",
                "payments is back",
            )]
        }
        Code::ParticipantHasAnswerWeMissed => {
            signal(facts, "its event is lost").into_iter().collect()
        }
        Code::OutcomeUnknown => {
            vec![retry(
                "once payments answers again, ask it at once",
                "payments answers again",
            )]
        }
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
        Code::UnknownPlanVersion => vec![step(
            "start workers of the release that knows its plan, and see which plans live; workers of \
             another release start with UNKNOWN_PLANS=leave",
            "shopctl saga check-compat".to_owned(),
        )],
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
    let payment = facts.payment.seen().and_then(Option::as_ref);
    is_live && payment.is_some_and(|payment| payment.status.known() == Some(Status::Pending))
}

/// The command that ends the session which blocks the saga, and the one that lists all such sessions.
fn sessions(found: &Found, world: &World) -> Vec<NextStep> {
    let sessions = world.blocking.seen().into_iter().flatten();
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
    let payment = facts.payment.seen()?.as_ref()?;
    let name = match payment.status.known()? {
        Status::Paid => contracts::topology::TRANSACTION_COMPLETED,
        Status::Canceled => contracts::topology::TRANSACTION_CANCELED,
        Status::Pending => return None,
    };
    let saga = facts.saga_id;
    Some(NextStep {
        title: "send the payment result manually (safe to repeat)".to_owned(),
        command: format!("shopctl saga signal {saga} {name} --reason '{reason}'"),
    })
}

fn failed(facts: &Facts) -> Vec<NextStep> {
    let messages = facts.failed.seen().into_iter().flatten();
    // other producers' ids may contain anything: only a plain id is safe in a shell
    let plain = |id: &&String| {
        id.starts_with(|first: char| first.is_ascii_alphanumeric())
            && id
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.:/".contains(c))
    };
    let mut ids = messages.filter_map(|message| message.message_id.as_ref());
    match ids.find(plain) {
        Some(id) => vec![
            NextStep {
                title: "see the message and why it is there".to_owned(),
                command: format!("shopctl failed show {id}"),
            },
            NextStep {
                title: "after fixing the cause, send it again".to_owned(),
                command: format!("shopctl failed retry {id} --reason 'the cause is fixed'"),
            },
        ],
        None => vec![NextStep {
            title: "see the messages and why they are there".to_owned(),
            command: "shopctl failed list --queue payments_events_queue".to_owned(),
        }],
    }
}
