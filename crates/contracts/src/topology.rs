//! Names in RabbitMQ. They are a contract: other systems publish and bind to them.

use crate::command::Command;

/// Topic exchange that payments publishes its events to.
pub const PAYMENTS_EVENTS: &str = "payments_events";
/// The shop's queue of payment events.
pub const PAYMENTS_EVENTS_QUEUE: &str = "payments_events_queue";
/// Routing key of [`crate::payment_event::Outcome::Completed`].
pub const TRANSACTION_COMPLETED: &str = "transaction_completed";
/// Routing key of [`crate::payment_event::Outcome::Canceled`].
pub const TRANSACTION_CANCELED: &str = "transaction_canceled";
/// Exchange and queue of async commands.
pub const MESSAGES: &str = "messages";
/// Exchange and queue of messages that could not be handled: the dead-letter queue.
pub const FAILED: &str = "failed";

/// The bindings of the shop's consumers' queues: exchange, queue, routing key.
pub const BINDINGS: [(&str, &str, &str); 8] = [
    (
        PAYMENTS_EVENTS,
        PAYMENTS_EVENTS_QUEUE,
        TRANSACTION_COMPLETED,
    ),
    (PAYMENTS_EVENTS, PAYMENTS_EVENTS_QUEUE, TRANSACTION_CANCELED),
    (MESSAGES, MESSAGES, Command::SEND_WELCOME_EMAIL),
    (MESSAGES, MESSAGES, Command::SEND_ORDER_CONFIRMATION),
    (MESSAGES, MESSAGES, Command::SEND_PASSWORD_RESET),
    (MESSAGES, MESSAGES, Command::SEND_PASSWORD_CHANGED),
    (MESSAGES, MESSAGES, Command::SEND_VERIFICATION_EMAIL),
    (MESSAGES, MESSAGES, Command::SEND_REGISTRATION_ATTEMPT),
];

/// The queues of the shop's consumers, and the process that consumes each queue. The record that
/// this process writes on a failed message names the queue to redrive it to.
pub const CONSUMERS: [(&str, &str); 2] = [
    (PAYMENTS_EVENTS_QUEUE, "worker-payments"),
    (MESSAGES, "worker-async"),
];
