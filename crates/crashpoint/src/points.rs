/// All crash points: name and place. A test compares this list with the code; the crash matrix
/// reaches each of them.
pub const POINTS: &[(&str, &str)] = &[
    // api
    (
        "auth.register.before_commit",
        "user, client and welcome mail are written",
    ),
    (
        "auth.register.after_commit",
        "the account is committed, nobody has been told",
    ),
    ("auth.login.before_commit", "the session is written"),
    (
        "auth.login.after_commit",
        "the session is committed, nobody has been told",
    ),
    (
        "api.register.before_answer",
        "the answer to a registration is made, not sent",
    ),
    (
        "submit.before_commit",
        "key, order, stock, saga, journal and entry are written",
    ),
    (
        "submit.after_commit",
        "the order is committed, its first attempt has not begun",
    ),
    (
        "api.order.before_answer",
        "the answer to an order is made, not sent",
    ),
    ("cancel.before_commit", "the signal `cancel` is written"),
    (
        "cancel.after_commit",
        "the signal `cancel` is committed, nobody has been told",
    ),
    (
        "api.cancel.before_answer",
        "the answer to a cancellation is made, not sent",
    ),
    // the engine, in api and worker
    (
        "saga.step.before_call",
        "a remote step is about to be asked for",
    ),
    (
        "saga.step.after_call",
        "its answer is there, its outcome not stored",
    ),
    ("saga.undo.before_call", "an undo is about to be asked for"),
    (
        "saga.undo.after_call",
        "its answer is there, its outcome not stored",
    ),
    ("saga.outcome.before_commit", "a transition is written"),
    (
        "saga.outcome.after_commit",
        "a transition is committed, nobody has been rung",
    ),
    (
        "saga.timer.before_commit",
        "deadlines were due, nothing is stored yet",
    ),
    (
        "saga.timer.after_commit",
        "deadlines were due and are stored",
    ),
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
        "messages are published, no confirm has been awaited",
    ),
    (
        "relay.publish.after_confirm",
        "the broker has confirmed, the rows are there",
    ),
    (
        "relay.delete.after_commit",
        "the published rows are deleted",
    ),
    // the consumers, in worker
    (
        "consumer.receive.before_handle",
        "a batch has arrived, nothing of it is handled",
    ),
    (
        "consumer.handle.before_ack",
        "a batch is handled, nothing of it is acked",
    ),
    ("consumer.ack.after_send", "one message of a batch is acked"),
    (
        "ladder.publish.before_send",
        "a message is to be put on a rung of the ladder",
    ),
    (
        "ladder.publish.after_confirm",
        "it is on the rung, and still in its queue",
    ),
    ("ladder.ack.after_send", "it is on the rung, and acked"),
    (
        "failed.publish.before_send",
        "a message is to be put into `failed`",
    ),
    (
        "failed.publish.after_confirm",
        "it is in `failed`, and still in its queue",
    ),
    ("failed.ack.after_send", "it is in `failed`, and acked"),
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
        "inbox, signals, sagas and orders of a batch are written",
    ),
    (
        "events.after_commit",
        "they are committed, no message is acked",
    ),
    ("mail.send.before_send", "a mail is about to be sent"),
    (
        "mail.send.after_send",
        "a mail is sent, that is not recorded",
    ),
    (
        "mail.record.after_commit",
        "the mails sent are recorded, no message is acked",
    ),
    // payments
    (
        "payments.init.before_insert",
        "a creation has arrived, nothing is written",
    ),
    (
        "payments.init.after_insert",
        "the transaction is committed, nobody has been told",
    ),
    (
        "payments.decide.before_commit",
        "the move and its event are written",
    ),
    (
        "payments.decide.after_commit",
        "the move and its event are committed, nobody has been told",
    ),
    (
        "payments.entomb.before_insert",
        "an order without transaction is canceled, nothing is written",
    ),
    (
        "payments.entomb.after_insert",
        "the tombstone is committed, nobody has been told",
    ),
];
