/// All crash points: name and place. A test compares this list with the code; the crash matrix
/// reaches each of them.
pub const POINTS: &[(&str, &str)] = &[
    // api
    (
        "auth.register.before_commit",
        "user, client and welcome mail are written, not committed",
    ),
    (
        "auth.register.after_commit",
        "the account is committed, no answer is sent",
    ),
    (
        "auth.login.before_commit",
        "the session is written, not committed",
    ),
    (
        "auth.login.after_commit",
        "the session is committed, no answer is sent",
    ),
    (
        "api.register.before_answer",
        "the answer to a registration is built, not sent",
    ),
    (
        "submit.before_commit",
        "key, order, stock, saga, journal and entry are written, not committed",
    ),
    (
        "submit.after_commit",
        "the order is committed, its first attempt has not begun",
    ),
    (
        "api.order.before_answer",
        "the answer to an order is built, not sent",
    ),
    (
        "cancel.before_commit",
        "the signal `cancel` is written, not committed",
    ),
    (
        "cancel.after_commit",
        "the signal `cancel` is committed, no answer is sent",
    ),
    (
        "api.cancel.before_answer",
        "the answer to a cancellation is built, not sent",
    ),
    // the engine, in api and worker
    (
        "saga.step.before_call",
        "a remote step is about to be called",
    ),
    (
        "saga.step.after_call",
        "the participant has answered, the outcome is not stored",
    ),
    (
        "checkout.adopt.before_store",
        "payments has answered with a transaction, its id is not stored with the order",
    ),
    (
        "checkout.adopt.after_store",
        "the order has the transaction's id, the outcome is not stored",
    ),
    ("saga.undo.before_call", "an undo is about to be called"),
    (
        "saga.undo.after_call",
        "the participant has answered, the outcome is not stored",
    ),
    (
        "saga.outcome.before_commit",
        "a transition is written, not committed",
    ),
    (
        "saga.outcome.after_commit",
        "a transition is committed, no worker is woken",
    ),
    (
        "saga.timer.before_commit",
        "deadlines have passed, nothing is stored yet",
    ),
    ("saga.timer.after_commit", "passed deadlines are committed"),
    (
        "saga.claim.after_commit",
        "due entries are claimed, no work on them has begun",
    ),
    // the relay, in worker and payments
    (
        "relay.claim.after_commit",
        "messages are claimed, none is published",
    ),
    (
        "relay.publish.before_confirm",
        "messages are published, no confirm is awaited yet",
    ),
    (
        "relay.publish.after_confirm",
        "the broker has confirmed, the rows are not deleted",
    ),
    (
        "relay.delete.after_commit",
        "the published rows are deleted",
    ),
    // the consumers, in worker
    (
        "consumer.receive.before_handle",
        "a batch has arrived, none of its messages is handled",
    ),
    (
        "consumer.handle.before_ack",
        "a batch is handled, none of its messages is acked",
    ),
    ("consumer.ack.after_send", "one message of a batch is acked"),
    (
        "ladder.publish.before_send",
        "a message is about to be published to a retry queue",
    ),
    (
        "ladder.publish.after_confirm",
        "the message is in a retry queue, and still in its own queue",
    ),
    (
        "ladder.ack.after_send",
        "the message is in a retry queue, and acked",
    ),
    (
        "failed.publish.before_send",
        "a message is about to be published to `failed`",
    ),
    (
        "failed.publish.after_confirm",
        "the message is in `failed`, and still in its queue",
    ),
    (
        "failed.ack.after_send",
        "the message is in `failed`, and acked",
    ),
    (
        "events.verify.before_call",
        "payments is about to be asked about a minimal event",
    ),
    (
        "events.verify.after_call",
        "payments has answered, nothing is stored",
    ),
    (
        "events.before_commit",
        "signals, sagas and orders of a batch are written, not committed",
    ),
    (
        "events.after_commit",
        "the batch's changes are committed, no message is acked",
    ),
    ("mail.send.before_send", "a mail is about to be sent"),
    (
        "mail.send.after_send",
        "a mail is sent, the sending is not recorded",
    ),
    (
        "mail.record.after_commit",
        "the sent mails are recorded, no message is acked",
    ),
    // payments
    (
        "payments.init.before_insert",
        "a request to create a transaction has arrived, nothing is written",
    ),
    (
        "payments.init.after_insert",
        "the transaction is committed, no answer is sent",
    ),
    (
        "payments.decide.before_commit",
        "the new status and its event are written, not committed",
    ),
    (
        "payments.decide.after_commit",
        "the new status and its event are committed, no answer is sent",
    ),
    (
        "payments.entomb.before_insert",
        "an order without a transaction is to be canceled, nothing is written",
    ),
    (
        "payments.entomb.after_insert",
        "the tombstone is committed, no answer is sent",
    ),
];
