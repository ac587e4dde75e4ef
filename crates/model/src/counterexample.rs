//! Renders the path to a violation for people.

use std::fmt::Write;

use saga::{SignalKind, machine::State};

use crate::{
    decide::OperatorVerb,
    search::Violation,
    step::{Model, Scenario},
    world::{Action, AttemptResult, EntryWork, Status, Tx, Worker, World},
};

/// The path to `violation`, as numbered sentences.
pub fn counterexample(scenario: Scenario, violation: &Violation) -> String {
    let mut model = Model::new(scenario);
    model.exact = true;
    let mut world = model.begin()[usize::from(!violation.eager)];
    let begun = if violation.eager {
        "worker A holds its entry (epoch 1) and asks payments for a transaction"
    } else {
        "its entry is due"
    };
    let mut text = format!("1. the order and its saga are created; {begun}\n");
    for (at, action) in violation.path.iter().enumerate() {
        if violation.repeats_from == Some(at) {
            let _ = writeln!(text, "   from here on, again and again:");
        }
        let _ = write!(text, "{}. {}", at + 2, sentence(&world, *action));
        let ways = model.next(&world);
        let after = ways
            .into_iter()
            .find(|(taken, _)| taken == action)
            .map(|(_, after)| after);
        if let Some(Ok(after)) = after {
            text.push_str(&changes(&world, &after, *action));
            world = after;
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "⇒ {}: {}",
        violation.broken.rule.name(),
        violation.broken.what
    );
    text
}

fn name(worker: usize) -> &'static str {
    ["A", "B"][worker]
}

fn sentence(world: &World, action: Action) -> String {
    let work = |worker: usize| {
        world.workers[worker]
            .claim()
            .map_or("its work", |claim| request(claim.work))
    };
    let late = |cancel: bool| if cancel { "cancellation" } else { "creation" };
    match action {
        Action::Claim { worker, stolen } => {
            let epoch = world.entry.map_or(0, |entry| entry.epoch + 1);
            let why = if stolen {
                ", whose lease ran out under its holder"
            } else {
                ""
            };
            format!(
                "worker {} claims the entry{why} (epoch {epoch})",
                name(worker)
            )
        }
        Action::Answered(worker) => {
            format!(
                "payments handles worker {}'s {} and answers",
                name(worker),
                work(worker)
            )
        }
        Action::AnswerLost(worker) => {
            format!(
                "payments handles worker {}'s {}, the answer is lost",
                name(worker),
                work(worker)
            )
        }
        Action::Refused(worker) => format!(
            "payments refuses worker {}'s {}",
            name(worker),
            work(worker)
        ),
        Action::TimedOut(worker) => {
            format!(
                "worker {} gives up waiting; its {} is still on the way",
                name(worker),
                work(worker)
            )
        }
        Action::Unreachable(worker) => {
            format!(
                "worker {} cannot reach payments: its {} never left",
                name(worker),
                work(worker)
            )
        }
        Action::Repeated(worker) => format!(
            "the network repeats worker {}'s {}",
            name(worker),
            work(worker)
        ),
        Action::LateArrives { cancel } => format!("the late {} arrives at payments", late(cancel)),
        Action::LateLost { cancel } => format!("the late {} is lost", late(cancel)),
        Action::Reads(worker) => format!("worker {} reads the saga, without a lock", name(worker)),
        Action::Stores {
            worker,
            spent,
            unheard,
        } => stores(world, worker, spent, unheard),
        Action::Crashes(worker) => format!("worker {} is killed", name(worker)),
        Action::Pays { right: true } => "the user pays".to_owned(),
        Action::Pays { right: false } => "the user pays another amount".to_owned(),
        Action::CancelsPayment => "the user cancels the payment, at payments".to_owned(),
        Action::Publishes { again: false } => "payments publishes the event".to_owned(),
        Action::Publishes { again: true } => {
            "payments publishes the event and dies before it deletes the row".to_owned()
        }
        Action::Delivered { again: false } => "the consumer handles the event".to_owned(),
        Action::Delivered { again: true } => {
            "the consumer handles the event and dies before the ack: it stays in the queue"
                .to_owned()
        }
        Action::DeadlinePasses => "the deadline passes".to_owned(),
        Action::UserCancels => "the user cancels the order".to_owned(),
        Action::Operates(verb) => {
            let verb = match verb {
                OperatorVerb::Retry => "has its work run anew",
                OperatorVerb::Pause => "pauses the saga",
                OperatorVerb::Resume => "resumes the saga",
                OperatorVerb::Cancel => "cancels the order",
                OperatorVerb::Signal(SignalKind::Proceed) => "tells the saga that it is paid",
                OperatorVerb::Signal(_) => "tells the saga that its payment is canceled",
                OperatorVerb::Done => "says that the payment is initialised",
                OperatorVerb::Undone => "says that the payment is undone",
            };
            format!("an operator {verb}")
        }
    }
}

fn stores(world: &World, worker: usize, spent: bool, unheard: bool) -> String {
    let result = match world.workers[worker] {
        Worker::Holds(_, result) | Worker::Decides(_, result, _) => outcome(result),
        Worker::Idle | Worker::Calls(_) => "nothing",
    };
    let spent = if spent { ", its time used up" } else { "" };
    let unheard = if unheard {
        "; the answer of its COMMIT is lost"
    } else {
        ""
    };
    format!("worker {} stores `{result}`{spent}{unheard}", name(worker))
}

fn request(work: EntryWork) -> &'static str {
    match work {
        EntryWork::Step(_) => "creation",
        EntryWork::Undo(_) => "cancellation",
        EntryWork::Timer(_) => "timer",
    }
}

fn outcome(result: AttemptResult) -> &'static str {
    match result {
        AttemptResult::Done => "done",
        AttemptResult::Refused => "refused",
        AttemptResult::NotDone => "not done, or unknown",
        AttemptResult::Undone => "undone",
        AttemptResult::Overtaken => "overtaken: it is paid",
        AttemptResult::NotUndone => "not undone, or unknown",
        AttemptResult::Timer => "the timer was due",
    }
}

fn changes(before: &World, after: &World, action: Action) -> String {
    let mut changes = Vec::new();
    if before.row.state != after.row.state {
        changes.push(format!("the saga is {}", state(after.row.state)));
    }
    if before.order.status != after.order.status {
        changes.push(format!("the order is {}", status(after.order.status)));
    }
    if before.tx != after.tx {
        changes.push(format!("the transaction is {}", transaction(after.tx)));
    }
    if after.signals.len() > before.signals.len() {
        changes.push("the signal is kept".to_owned());
    }
    let stored = matches!(action, Action::Stores { .. });
    if stored && (before.row, before.entry, before.order) == (after.row, after.entry, after.order) {
        changes.push("nothing is written".to_owned());
    }
    if changes.is_empty() {
        String::new()
    } else {
        format!(" → {}", changes.join(", "))
    }
}

fn state(state: State) -> String {
    match state {
        State::Running { step } | State::Waiting { step } | State::Compensating { step, .. } => {
            format!("{} at step {step}", state.name())
        }
        State::Completed | State::Compensated { .. } => state.name().to_owned(),
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Pending => "pending",
        Status::Awaiting => "awaiting payment",
        Status::Completed => "completed",
        Status::Canceled => "canceled",
    }
}

fn transaction(tx: Tx) -> &'static str {
    match tx {
        Tx::None => "gone",
        Tx::Pending => "pending",
        Tx::Paid { right: true } => "paid",
        Tx::Paid { right: false } => "paid by another amount",
        Tx::Canceled => "canceled",
        Tx::Tombstone => "a tombstone",
    }
}
