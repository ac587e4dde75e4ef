#![expect(
    clippy::needless_pass_by_value,
    reason = "an event made in place reads best"
)]

use std::collections::{HashSet, VecDeque};

use super::*;
use crate::{
    shape::{Reasons, SignalShape, StepShape},
    signal::CANCEL,
};

/// Checkout's shape.
fn checkout() -> Shape {
    let steps = [
        ("place_order", Kind::Local, Role::Compensable),
        ("init_payment", Kind::Remote, Role::Compensable),
        ("await_payment", Kind::Wait, Role::Pivot),
        ("complete_order", Kind::Local, Role::Retryable),
    ];
    shape(&steps, 1)
}

/// A longer plan: two remote steps before the pivot, and a remote step after it.
fn voyage() -> Shape {
    let steps = [
        ("book", Kind::Local, Role::Compensable),
        ("hotel", Kind::Remote, Role::Compensable),
        ("flight", Kind::Remote, Role::Compensable),
        ("pay", Kind::Wait, Role::Pivot),
        ("ticket", Kind::Remote, Role::Retryable),
        ("thank", Kind::Local, Role::Retryable),
    ];
    shape(&steps, 2)
}

/// A step at payments, then a second remote step, then the wait for payments.
fn shipped() -> Shape {
    let steps = [
        ("place_order", Kind::Local, Role::Compensable),
        ("init_payment", Kind::Remote, Role::Compensable),
        ("reserve_shipment", Kind::Remote, Role::Compensable),
        ("await_payment", Kind::Wait, Role::Pivot),
        ("complete_order", Kind::Local, Role::Retryable),
    ];
    shape(&steps, 1)
}

/// A plan whose signals prove the step `proves`.
fn shape(steps: &[(&'static str, Kind, Role)], proves: usize) -> Shape {
    let steps: Vec<_> = steps
        .iter()
        .map(|&(name, kind, role)| StepShape { name, kind, role })
        .collect();
    let pivot = steps.iter().position(|step| step.role == Role::Pivot);
    let signal = |name, kind| SignalShape {
        name,
        meaning: Meaning {
            kind,
            wait: pivot,
            proves: Some(proves),
        },
    };
    Shape {
        name: "test",
        version: 1,
        steps,
        signals: vec![
            signal("yes", SignalKind::Proceed),
            signal("no", SignalKind::Abort),
        ],
        reasons: Reasons {
            budget_spent: "too slow",
            deadline_passed: "too late",
            aborted: "aborted",
            canceled: "canceled",
        },
    }
}

/// The meaning of the plan's signal of this kind.
fn meaning(shape: &Shape, kind: SignalKind) -> Meaning {
    let name = match kind {
        SignalKind::Proceed => "yes",
        SignalKind::Abort => "no",
        SignalKind::Cancel => CANCEL,
    };
    shape.meaning(name).unwrap()
}

fn advance_one(shape: &Shape, state: State, event: Event) -> Decision<u8> {
    advance(shape, state, &event, &[])
}

fn after_signal(shape: &Shape, state: State, kind: SignalKind) -> Decision<u8> {
    advance_one(shape, state, Event::Signal(meaning(shape, kind)))
}

fn with_pending(shape: &Shape, state: State, event: Event, kinds: &[SignalKind]) -> Decision<u8> {
    let pending: Vec<_> = kinds
        .iter()
        .zip(0u8..)
        .map(|(&kind, id)| InterpretedSignal {
            id,
            meaning: meaning(shape, kind),
        })
        .collect();
    advance(shape, state, &event, &pending)
}

const INIT: State = State::Running { step: 1 };
const WAITING: State = State::Waiting { step: 2 };
const UNDOING: State = State::Compensating { step: 1, from: 1 };
const COMPENSATED: State = State::Compensated { from: 1 };

#[test]
fn creation_runs_local_steps_up_to_the_first_remote_one() {
    let decision = advance_one(&checkout(), State::Running { step: 0 }, Event::Begun);
    assert_eq!(
        (decision.state, decision.next_entry),
        (INIT, NextEntry::Step(1))
    );
    assert_eq!(decision.ops, [Op::Run(0)]);
}

#[test]
fn a_done_step_is_recorded_and_the_saga_waits() {
    let decision = advance_one(&checkout(), INIT, Event::Done);
    assert_eq!(
        (decision.state, decision.next_entry),
        (WAITING, NextEntry::Deadline(2))
    );
    assert_eq!(decision.ops, [Op::Record(1)]);
}

#[test]
fn consecutive_steps_without_a_wait_share_one_commit() {
    let decision = after_signal(&checkout(), WAITING, SignalKind::Proceed);
    assert_eq!(
        (decision.state, decision.next_entry),
        (State::Completed, NextEntry::Nothing)
    );
    assert_eq!(decision.ops, [Op::Run(3)]);
    assert_eq!(decision.verdict, Some(Verdict::Applied));
}

#[test]
fn an_early_signal_is_consumed_by_the_next_transition() {
    let early = after_signal(&checkout(), INIT, SignalKind::Proceed);
    assert_eq!(
        (early.state, early.next_entry, early.verdict),
        (INIT, NextEntry::Unchanged, Some(Verdict::Early))
    );

    let decision = with_pending(&checkout(), INIT, Event::Done, &[SignalKind::Proceed]);
    assert_eq!(
        (decision.state, decision.next_entry),
        (State::Completed, NextEntry::Nothing)
    );
    assert_eq!(decision.ops, [Op::Record(1), Op::Run(3)]);
    assert_eq!(decision.decided, [(0, Verdict::Applied)]);
}

#[test]
fn a_kept_fact_proves_a_step_whose_answer_never_came() {
    for budget_spent in [false, true] {
        let decision = with_pending(
            &checkout(),
            INIT,
            Event::NotDone { budget_spent },
            &[SignalKind::Proceed],
        );
        assert_eq!(decision.state, State::Completed);
    }
    // only the step right before the pivot is proven
    let decision = with_pending(
        &voyage(),
        INIT,
        Event::NotDone {
            budget_spent: false,
        },
        &[SignalKind::Proceed],
    );
    assert_eq!(
        (decision.state, decision.next_entry),
        (INIT, NextEntry::Retry)
    );
}

#[test]
fn unknown_and_transient_are_retried_until_the_budget_is_spent() {
    let retried = advance_one(
        &checkout(),
        INIT,
        Event::NotDone {
            budget_spent: false,
        },
    );
    assert_eq!(
        (retried.state, retried.next_entry),
        (INIT, NextEntry::Retry)
    );
    let spent = advance_one(&checkout(), INIT, Event::NotDone { budget_spent: true });
    assert_eq!(
        (spent.state, spent.next_entry),
        (UNDOING, NextEntry::Undo(1))
    );
    assert_eq!(spent.ops, [Op::BeginCompensation]);
}

#[test]
fn a_refusal_compensates_the_refused_step_too() {
    let decision = advance_one(&checkout(), INIT, Event::Refused("no".into()));
    assert_eq!(
        (decision.state, decision.next_entry),
        (UNDOING, NextEntry::Undo(1))
    );
    let reason = (CompensationCause::Refused, "no".to_owned());
    assert_eq!(decision.reason, Some(reason));
}

#[test]
fn every_started_step_is_undone_in_reverse() {
    let shape = voyage();
    let begun = advance_one(&shape, State::Waiting { step: 3 }, Event::DeadlinePassed);
    assert_eq!(
        (begun.state, begun.next_entry),
        (State::Compensating { step: 2, from: 3 }, NextEntry::Undo(2))
    );
    let next = advance_one(&shape, begun.state, Event::Undone);
    assert_eq!(
        (next.state, next.next_entry),
        (State::Compensating { step: 1, from: 3 }, NextEntry::Undo(1))
    );
    let last = advance_one(&shape, next.state, Event::Undone);
    assert_eq!(
        (last.state, last.next_entry),
        (State::Compensated { from: 3 }, NextEntry::Nothing)
    );
    assert_eq!(last.ops, [Op::Undo(0)]);
}

#[test]
fn an_undo_is_never_given_up() {
    let decision = advance_one(&checkout(), UNDOING, Event::NotUndone);
    assert_eq!(
        (decision.state, decision.next_entry),
        (UNDOING, NextEntry::Retry)
    );
}

#[test]
fn a_step_after_the_pivot_is_never_given_up() {
    let ticket = State::Running { step: 4 };
    for event in [
        Event::NotDone { budget_spent: true },
        Event::Refused("no".into()),
    ] {
        let decision = advance_one(&voyage(), ticket, event);
        assert_eq!(
            (decision.state, decision.next_entry),
            (ticket, NextEntry::Retry)
        );
    }
}

#[test]
fn cancel_acts_in_any_state_before_the_pivots_decision() {
    for state in [INIT, WAITING] {
        let decision = after_signal(&checkout(), state, SignalKind::Cancel);
        assert_eq!(decision.verdict, Some(Verdict::Applied));
        assert_eq!(decision.next_entry, NextEntry::Undo(1));
    }
    let late = after_signal(&checkout(), State::Completed, SignalKind::Cancel);
    assert_eq!(
        (late.state, late.verdict),
        (State::Completed, Some(Verdict::Late))
    );
}

#[test]
fn an_overtaken_undo_turns_forward_before_anything_is_undone() {
    let from_wait = advance_one(
        &checkout(),
        State::Compensating { step: 1, from: 2 },
        Event::Overtaken,
    );
    assert_eq!(
        (from_wait.state, from_wait.ops),
        (State::Completed, vec![Op::Run(3)])
    );
    // init's answer never came; the payment proves that init took effect, so it is recorded as well
    let from_init = advance_one(&checkout(), UNDOING, Event::Overtaken);
    assert_eq!(
        (from_init.state, from_init.ops),
        (State::Completed, vec![Op::Record(1), Op::Run(3)])
    );
}

#[test]
fn a_paid_signal_while_compensating_turns_the_saga_forward() {
    let decision = after_signal(&checkout(), UNDOING, SignalKind::Proceed);
    assert_eq!(
        (decision.state, decision.next_entry),
        (State::Completed, NextEntry::Nothing)
    );
    assert_eq!(decision.verdict, Some(Verdict::Applied));
}

#[test]
fn a_paid_signal_after_an_undo_is_a_breach() {
    for state in [COMPENSATED, State::Compensating { step: 1, from: 3 }] {
        let shape = if state == COMPENSATED {
            checkout()
        } else {
            voyage()
        };
        let decision = after_signal(&shape, state, SignalKind::Proceed);
        assert_eq!(
            (decision.state, decision.verdict, decision.breach),
            (state, Some(Verdict::Late), true)
        );
        assert!(decision.ops.is_empty());
    }
}

#[test]
fn a_signal_that_says_what_is_so_is_a_duplicate() {
    for (state, kind) in [
        (State::Completed, SignalKind::Proceed),
        (COMPENSATED, SignalKind::Abort),
        (COMPENSATED, SignalKind::Cancel),
        (UNDOING, SignalKind::Abort),
        (UNDOING, SignalKind::Cancel),
    ] {
        let decision = after_signal(&checkout(), state, kind);
        assert_eq!(
            (decision.state, decision.verdict),
            (state, Some(Verdict::Duplicate)),
            "{state:?} {kind:?}"
        );
        assert!(!decision.breach);
    }
}

#[test]
fn a_stale_event_changes_nothing() {
    for (state, event) in [
        (State::Completed, Event::DeadlinePassed),
        (COMPENSATED, Event::Undone),
        (WAITING, Event::Done),
        (INIT, Event::DeadlinePassed),
        (State::Completed, Event::NotUndone),
    ] {
        let decision = advance_one(&checkout(), state, event);
        assert_eq!(decision, unchanged(state));
    }
}

#[test]
fn a_woken_wait_writes_its_deadline_again() {
    let decision = advance_one(&checkout(), WAITING, Event::Woken);
    assert_eq!(
        (decision.state, decision.next_entry),
        (WAITING, NextEntry::Deadline(2))
    );
}

/// Every state that any sequence of events can reach, with any signals pending.
fn explore(
    shape: &Shape,
    mut visit: impl FnMut(State, &Event, &[SignalKind], &Decision<u8>),
) -> HashSet<State> {
    let events = [
        Event::Done,
        Event::Refused("no".into()),
        Event::NotDone {
            budget_spent: false,
        },
        Event::NotDone { budget_spent: true },
        Event::Undone,
        Event::Overtaken,
        Event::NotUndone,
        Event::DeadlinePassed,
        Event::Woken,
        Event::Signal(meaning(shape, SignalKind::Proceed)),
        Event::Signal(meaning(shape, SignalKind::Abort)),
        Event::Signal(meaning(shape, SignalKind::Cancel)),
    ];
    let pending: [&[SignalKind]; 5] = [
        &[],
        &[SignalKind::Proceed],
        &[SignalKind::Abort],
        &[SignalKind::Cancel],
        &[SignalKind::Abort, SignalKind::Proceed],
    ];
    let first = advance_one(shape, State::Running { step: 0 }, Event::Begun).state;
    let (mut seen, mut open) = (HashSet::from([first]), VecDeque::from([first]));
    while let Some(state) = open.pop_front() {
        for event in &events {
            for pending in pending {
                let decision = with_pending(shape, state, event.clone(), pending);
                visit(state, event, pending, &decision);
                if seen.insert(decision.state) {
                    open.push_back(decision.state);
                }
            }
        }
    }
    seen
}

#[test]
fn every_reachable_state_has_an_exit_and_an_entry() {
    for shape in [checkout(), voyage(), shipped()] {
        let mut exits: HashSet<State> = HashSet::new();
        let states = explore(&shape, |state, event, pending, decision| {
            if decision.state != state {
                exits.insert(state);
                let expected = next_entry_of(&shape, decision.state);
                assert_eq!(
                    decision.next_entry, expected,
                    "{state:?} + {event:?} + {pending:?}: I7"
                );
            }
            assert!(
                matches!(decision.next_entry, NextEntry::Unchanged | NextEntry::Retry)
                    || decision.next_entry == next_entry_of(&shape, decision.state),
                "{state:?} + {event:?}"
            );
        });
        for state in states {
            assert_eq!(state.is_at_rest(), !exits.contains(&state), "{state:?}");
        }
    }
}

#[test]
fn no_path_undoes_past_the_pivot_or_repeats_before_it() {
    for shape in [checkout(), voyage(), shipped()] {
        let pivot = shape.pivot();
        explore(&shape, |state, event, pending, decision| {
            let context = || format!("{state:?} + {event:?} + {pending:?} → {decision:?}");
            for op in &decision.ops {
                match op {
                    Op::Undo(step) => assert!(*step < pivot, "{}", context()),
                    Op::Run(step) => assert!(*step > pivot, "{}", context()),
                    Op::Record(step) => assert_ne!(*step, pivot, "{}", context()),
                    Op::BeginCompensation => assert!(
                        !matches!(decision.state, State::Waiting { .. }),
                        "{}",
                        context()
                    ),
                }
            }
            if matches!(state, State::Completed | State::Compensated { .. }) {
                assert_eq!(decision.state, state, "rest is final: {}", context());
                assert!(decision.ops.is_empty(), "{}", context());
            }
        });
    }
}

#[test]
fn a_signal_proves_only_its_declared_step() {
    let reserving = State::Running { step: 2 };
    for event in [
        Event::Refused("no truck".into()),
        Event::NotDone { budget_spent: true },
        Event::NotDone {
            budget_spent: false,
        },
    ] {
        let decision = with_pending(&shipped(), reserving, event, &[SignalKind::Proceed]);
        assert!(!decision.ops.contains(&Op::Record(2)), "{decision:?}");
        assert_ne!(decision.state, State::Completed);
        // the order is paid and cannot be shipped: an operator must investigate
        let undoing = matches!(decision.state, State::Compensating { .. });
        assert_eq!(decision.breach, undoing, "{decision:?}");
    }
    let undoing = State::Compensating { step: 2, from: 2 };
    for decision in [
        after_signal(&shipped(), undoing, SignalKind::Proceed),
        advance_one(&shipped(), undoing, Event::Overtaken),
    ] {
        assert_eq!((decision.state, decision.breach), (undoing, true));
    }
}

#[test]
fn an_overtaken_proven_step_continues_with_the_next_steps() {
    let reserving = State::Running { step: 2 };
    // init's answer never came, and the order is paid
    let not_done = Event::NotDone {
        budget_spent: false,
    };
    let proven = with_pending(&shipped(), INIT, not_done, &[SignalKind::Proceed]);
    assert_eq!(
        (proven.state, proven.next_entry, proven.decided),
        (reserving, NextEntry::Step(2), vec![(0, Verdict::Early)])
    );
    assert_eq!(proven.ops, [Op::Record(1)]);
    // compensation began, and the saga turns forward
    for decision in [
        after_signal(&shipped(), UNDOING, SignalKind::Proceed),
        advance_one(&shipped(), UNDOING, Event::Overtaken),
    ] {
        assert_eq!(
            (decision.state, decision.next_entry, decision.ops),
            (reserving, NextEntry::Step(2), vec![Op::Record(1)])
        );
        assert!(!decision.breach && decision.verdict.is_none_or(|it| it == Verdict::Early));
    }
    // once the saga has reached the wait, every step before it is done
    let waited = State::Compensating { step: 2, from: 3 };
    let decision = after_signal(&shipped(), waited, SignalKind::Proceed);
    assert_eq!(
        (decision.state, decision.ops),
        (State::Completed, vec![Op::Run(4)])
    );
}

/// A plan with a wait in each zone, sleeps, and a remote pivot.
fn parcel() -> Shape {
    let steps = [
        ("pack", Kind::Local, Role::Compensable),
        ("approve", Kind::Wait, Role::Compensable),
        ("cool_off", Kind::Sleep, Role::Compensable),
        ("book", Kind::Remote, Role::Compensable),
        ("buy", Kind::Remote, Role::Pivot),
        ("deliver", Kind::Wait, Role::Retryable),
        ("hold", Kind::Sleep, Role::Retryable),
        ("thank", Kind::Local, Role::Retryable),
    ];
    let signal = |name, kind, wait| SignalShape {
        name,
        meaning: Meaning {
            kind,
            wait: Some(wait),
            proves: None,
        },
    };
    Shape {
        signals: vec![
            signal("yes", SignalKind::Proceed, 1),
            signal("no", SignalKind::Abort, 1),
            signal("delivered", SignalKind::Proceed, 5),
        ],
        ..shape(&steps, 0)
    }
}

const APPROVING: State = State::Waiting { step: 1 };
const COOLING_OFF: State = State::Waiting { step: 2 };
const BUYING: State = State::Running { step: 4 };
const DELIVERING: State = State::Waiting { step: 5 };
const HOLDING: State = State::Waiting { step: 6 };

fn parcel_hears(state: State, signal: &str) -> Decision<u8> {
    let meaning = parcel().meaning(signal).unwrap();
    advance_one(&parcel(), state, Event::Signal(meaning))
}

#[test]
fn a_wait_before_the_pivot_goes_on_or_is_compensated() {
    let decision = parcel_hears(APPROVING, "yes");
    assert_eq!(
        (decision.state, decision.next_entry),
        (COOLING_OFF, NextEntry::Deadline(2))
    );
    for decision in [
        parcel_hears(APPROVING, "no"),
        parcel_hears(APPROVING, CANCEL),
        advance_one(&parcel(), APPROVING, Event::DeadlinePassed),
    ] {
        assert_eq!(decision.state, State::Compensated { from: 1 });
        assert_eq!(decision.ops, [Op::BeginCompensation, Op::Undo(0)]);
    }
}

#[test]
fn a_signal_ends_only_the_wait_that_lists_it() {
    for state in [APPROVING, COOLING_OFF, BUYING] {
        let decision = parcel_hears(state, "delivered");
        assert_eq!(
            (decision.state, decision.verdict),
            (state, Some(Verdict::Early))
        );
    }
    for state in [COOLING_OFF, BUYING, DELIVERING, HOLDING] {
        let decision = parcel_hears(state, "yes");
        assert_eq!(
            (decision.state, decision.verdict),
            (state, Some(Verdict::Duplicate))
        );
        assert!(parcel_hears(state, "no").breach, "it was approved before");
    }
    // another participant decides the pivot: a late approval does not turn the saga forward
    let undoing = State::Compensating { step: 3, from: 3 };
    assert_eq!(
        parcel_hears(undoing, "yes").verdict,
        Some(Verdict::Duplicate)
    );
    let never_approved = parcel_hears(State::Compensated { from: 1 }, "yes");
    assert_eq!(
        (never_approved.verdict, never_approved.breach),
        (Some(Verdict::Late), false)
    );
}

#[test]
fn a_sleep_ends_on_time_or_by_a_cancel() {
    let decision = advance_one(&parcel(), COOLING_OFF, Event::DeadlinePassed);
    assert_eq!(
        (decision.state, decision.next_entry),
        (State::Running { step: 3 }, NextEntry::Step(3))
    );
    let canceled = parcel_hears(COOLING_OFF, CANCEL);
    assert_eq!(canceled.state, State::Compensated { from: 2 });
    let held = parcel_hears(HOLDING, CANCEL);
    assert_eq!((held.state, held.verdict), (HOLDING, Some(Verdict::Late)));
    let done = advance_one(&parcel(), HOLDING, Event::DeadlinePassed);
    assert_eq!((done.state, done.ops), (State::Completed, vec![Op::Run(7)]));
}

#[test]
fn a_remote_pivot_is_asked_until_it_answers() {
    for budget_spent in [false, true] {
        let decision = advance_one(&parcel(), BUYING, Event::NotDone { budget_spent });
        assert_eq!(
            (decision.state, decision.next_entry),
            (BUYING, NextEntry::Retry)
        );
    }
    let canceled = parcel_hears(BUYING, CANCEL);
    assert_eq!(
        (canceled.state, canceled.verdict),
        (BUYING, Some(Verdict::Early))
    );
    let bought = with_pending(&parcel(), BUYING, Event::Done, &[SignalKind::Cancel]);
    assert_eq!(bought.state, DELIVERING);
    assert_eq!(bought.ops, [Op::Record(4)]);
    assert_eq!(bought.decided, [(0, Verdict::Late)]);
}

#[test]
fn a_refused_remote_pivot_needs_no_undo() {
    let refused = advance_one(&parcel(), BUYING, Event::Refused("sold out".into()));
    let undoing = State::Compensating { step: 3, from: 4 };
    assert_eq!(
        (refused.state, refused.next_entry),
        (undoing, NextEntry::Undo(3))
    );
    let undone = advance_one(&parcel(), undoing, Event::Undone);
    assert_eq!(undone.state, State::Compensated { from: 4 });
    assert_eq!(undone.ops, [Op::Undo(0)]);
}

#[test]
fn a_wait_after_the_pivot_is_never_given_up() {
    let decision = advance_one(&parcel(), DELIVERING, Event::DeadlinePassed);
    assert_eq!(
        (decision.state, decision.next_entry),
        (DELIVERING, NextEntry::Deadline(5))
    );
    assert_eq!(
        parcel_hears(DELIVERING, CANCEL).verdict,
        Some(Verdict::Late)
    );
    assert_eq!(parcel_hears(DELIVERING, "delivered").state, HOLDING);
}

/// A change to a plan.
type Change = fn(&mut Shape);

#[test]
fn a_wrong_plan_is_refused_with_its_step() {
    assert_eq!(parcel().check(), Ok(()));
    let wrong: [(Change, &str); 6] = [
        (
            |it| it.steps[3].name = "pack",
            "two steps are called `pack`",
        ),
        (|it| it.signals[2].name = "yes", "`yes` is listed twice"),
        (
            |it| it.signals[2].name = CANCEL,
            "`deliver` waits for `cancel`",
        ),
        (
            |it| it.signals[2].meaning.kind = SignalKind::Abort,
            "aborts at `deliver`",
        ),
        (
            |it| it.signals[0].meaning.proves = Some(3),
            "stand before its wait `approve`",
        ),
        (|it| it.signals.truncate(2), "`deliver` waits for no signal"),
    ];
    for (change, says) in wrong {
        let mut shape = parcel();
        change(&mut shape);
        let why = shape.check().unwrap_err();
        assert!(why.contains(says), "{says} in {why}");
    }
}

/// Checkout with a sleep between its payment and the payment's wait.
fn slow_checkout() -> Shape {
    let steps = [
        ("place_order", Kind::Local, Role::Compensable),
        ("init_payment", Kind::Remote, Role::Compensable),
        ("cool_off", Kind::Sleep, Role::Compensable),
        ("await_payment", Kind::Wait, Role::Pivot),
        ("complete_order", Kind::Local, Role::Retryable),
    ];
    shape(&steps, 1)
}

#[test]
fn a_sleeping_canceled_saga_turns_forward_when_paid() {
    let asleep = State::Waiting { step: 2 };
    let canceled = with_pending(
        &slow_checkout(),
        asleep,
        Event::Signal(meaning(&slow_checkout(), SignalKind::Cancel)),
        &[SignalKind::Proceed],
    );
    assert_eq!(
        (canceled.state, canceled.next_entry, canceled.breach),
        (asleep, NextEntry::Deadline(2), false)
    );
    let undoing = State::Compensating { step: 1, from: 2 };
    let overtaken = advance_one(&slow_checkout(), undoing, Event::Overtaken);
    assert_eq!(
        (overtaken.state, overtaken.next_entry, overtaken.breach),
        (asleep, NextEntry::Deadline(2), false)
    );
}

#[test]
fn a_pending_signal_beats_its_deadline() {
    let approved = parcel().meaning("yes").unwrap();
    let pending = [InterpretedSignal {
        id: 0u8,
        meaning: approved,
    }];
    let decision = advance(&parcel(), APPROVING, &Event::DeadlinePassed, &pending);
    assert_eq!(decision.state, COOLING_OFF);
    assert_eq!(decision.decided, [(0, Verdict::Applied)]);
}
