//! Deliberate defects, one at a time, to prove that a check can fail. Some break a statement of the
//! store or a rule of payments (in [`crate::step`]), the others wrap the pure decision (here).

use saga::{
    SignalKind, Verdict,
    machine::{Op, State},
};

use crate::{
    decide::{Answer, Change, Production, Question, Trigger},
    rules::Rule,
    world::{AttemptResult, EntryWork, PendingSignal, Row, Signals},
};

macro_rules! mutations {
    ($($name:ident: $title:literal => $($rule:ident)|+,)+) => {
        /// A deliberate defect.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Mutation {
            $(#[doc = $title] $name,)+
        }

        impl Mutation {
            /// All mutations.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// A description of the defect.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            /// The rules, one of which must detect the defect.
            pub const fn found_by(self) -> &'static [Rule] {
                match self { $(Self::$name => &[$(Rule::$rule,)+],)+ }
            }
        }
    };
}

mutations! {
    EpochUnchecked: "a worker's write does not name its epoch" => Fence,
    EntryIdUnchecked: "a worker's write names its epoch, but not its entry" => Fence,
    ClaimKeepsEpoch: "a claim does not raise the epoch" => Fence,
    PausedIsWritten: "who holds a saga that was paused may still write" => Fence,
    RevisionUnchecked: "no row lock, and the revision is not compared" => I3 | I5 | I6 | Fence,
    EntryNotRewritten: "a transition leaves the entry as it was" => I7,
    RetryDropsEntry: "a retry deletes the entry" => I7,
    EntryNotRemoved: "pausing and coming to rest leave the entry" => I7,
    EntryNotInserted: "resuming writes no entry" => I7,
    LeaseNeverEnds: "an entry whose holder died is never due again" => WayOut,
    KnownSignalTaken: "a signal that is known is taken again" => I5,
    AckBeforeCommit: "a message is acknowledged before it is handled" => I5,
    EventNotWritten: "payments decides without writing its event" => I5,
    NoTombstone: "canceling what is not there leaves no tombstone" => I3,
    CanceledIsCreatedAgain: "a canceled transaction is created again" => I3 | I4,
    CreationOverwrites: "a repeated creation begins again" => I3 | I4,
    CanceledCanBePaid: "a canceled transaction can be paid" => I3 | I4,
    CancelOverPaid: "a paid transaction can be canceled" => I3 | I4,
    AmountUnchecked: "the amount of a payment is not compared" => I3,
    UnknownIsDone: "a creation without an answer counts as done" => I2,
    UnknownIsUndone: "a cancellation without an answer counts as undone" => I3,
    UnknownIsRefused: "a creation without an answer counts as never begun: nothing is undone" => I3 | I6,
    PaidIsUndone: "`paid` in answer to a cancellation counts as undone" => I3,
    OvertakenIsRetried: "`paid` in answer to a cancellation does not turn the saga" => Ends,
    TurnForgetsRecord: "a saga that turns forward does not record what is proven" => I4,
    EarlyIsLate: "a signal that comes early is not kept" => I5,
    PendingNotConsumed: "pending signals are not consumed" => I5,
    VerdictNotStored: "a verdict on a pending signal is not stored" => I5,
    CancelIgnored: "a cancel before the pivot does nothing" => Cancel,
    CancelAfterPivot: "a cancel after the pivot compensates" => I4 | I6,
    ForwardOrder: "compensation begins with the first step" => I6,
    UndoSkipped: "compensation leaves out the remote step" => I6,
    BudgetIgnored: "a step whose time is used up is asked again" => Budget,
    DeadlineIgnored: "the deadline does nothing" => Ends,
    ResolvedUnseen: "an operator's claim about a step is accepted without verification by payments" => I2 | I3,
}

/// Production's decision, distorted by `mutation` if one is given.
pub(crate) fn decide(
    production: &Production,
    mutation: Option<Mutation>,
    asked: Question,
) -> Option<Answer> {
    let Some(mutation) = mutation else {
        return production.decide(asked);
    };
    let mut question = asked;
    let (result, spent) = match asked.trigger {
        Trigger::Attempt { result, spent, .. } => (Some(result), spent),
        _ => (None, false),
    };
    let row = asked.row;
    // mutations of the question
    match mutation {
        Mutation::BudgetIgnored if spent => {
            question.trigger = attempt(asked, AttemptResult::NotDone);
        }
        Mutation::OvertakenIsRetried if result == Some(AttemptResult::Overtaken) => {
            question.trigger = attempt(asked, AttemptResult::NotUndone);
        }
        Mutation::DeadlineIgnored => question.deadline_passed = false,
        Mutation::PendingNotConsumed if !matches!(asked.trigger, Trigger::Signal(_)) => {
            let answer = production.decide(Question {
                row: Row { kept: 0, ..row },
                signals: Signals::default(),
                ..asked
            })?;
            let row = Row {
                kept: row.kept,
                ..answer.row
            };
            return Some(Answer {
                row,
                signals: asked.signals,
                ..answer
            });
        }
        Mutation::CancelIgnored if asked.trigger == Trigger::Signal(SignalKind::Cancel) => {
            return Some(nothing(asked));
        }
        Mutation::CancelAfterPivot
            if row.state == State::Completed
                && asked.trigger == Trigger::Signal(SignalKind::Cancel) =>
        {
            question.row.state = State::Waiting {
                step: production.shape.pivot(),
            };
        }
        Mutation::PausedIsWritten if row.paused && result.is_some() => {
            question.row.paused = false;
            let answer = production.decide(question)?;
            let row = Row {
                paused: true,
                ..answer.row
            };
            return Some(Answer {
                row,
                change: Change::Unchanged,
                ..answer
            });
        }
        _ => {}
    }
    let answer = production.decide(question)?;
    Some(altered(mutation, asked, answer))
}

fn altered(mutation: Mutation, asked: Question, mut answer: Answer) -> Answer {
    let begins = answer.ops.contains(&Op::BeginCompensation);
    let fenced = matches!(asked.trigger, Trigger::Attempt { .. });
    let result = match asked.trigger {
        Trigger::Attempt { result, .. } => Some(result),
        _ => None,
    };
    let compensated = |from, mut answer: Answer| {
        answer.row.state = State::Compensated { from };
        answer.change = Change::Remove { fenced };
        answer.ops.push(Op::Undo(0));
        answer
    };
    match (mutation, answer.row.state) {
        (Mutation::UnknownIsRefused, State::Compensating { from, .. })
            if begins && result == Some(AttemptResult::NotDone) =>
        {
            compensated(from, answer)
        }
        (Mutation::UndoSkipped, State::Compensating { from, .. }) if begins => {
            compensated(from, answer)
        }
        (Mutation::ForwardOrder, State::Compensating { .. }) if begins => {
            answer.ops.push(Op::Undo(0));
            answer
        }
        (Mutation::TurnForgetsRecord, State::Completed) => {
            if matches!(asked.row.state, State::Compensating { .. }) {
                answer.ops.retain(|op| !matches!(op, Op::Record(_)));
            }
            answer
        }
        (Mutation::EarlyIsLate, _) if answer.verdict == Some(Verdict::Early) => Answer {
            row: Row {
                kept: asked.row.kept,
                ..answer.row
            },
            signals: asked.signals,
            verdict: Some(Verdict::Late),
            ..answer
        },
        (Mutation::VerdictNotStored, _) if answer.signals.len() < asked.signals.len() => {
            let signals: Signals = asked
                .signals
                .iter()
                .map(|signal| PendingSignal {
                    early: true,
                    ..signal
                })
                .collect();
            let kept = u8::try_from(signals.len()).unwrap_or(u8::MAX);
            Answer {
                row: Row { kept, ..answer.row },
                signals,
                ..answer
            }
        }
        _ => answer,
    }
}

fn attempt(asked: Question, result: AttemptResult) -> Trigger {
    let work = match asked.trigger {
        Trigger::Attempt { work, .. } => work,
        _ => EntryWork::Timer(0),
    };
    Trigger::Attempt {
        work,
        result,
        spent: false,
    }
}

fn nothing(asked: Question) -> Answer {
    Answer {
        row: asked.row,
        signals: asked.signals,
        change: Change::Unchanged,
        ops: Vec::new(),
        verdict: Some(Verdict::Late),
        breach: false,
    }
}
