use chrono::DateTime;
use serde_json::json;

use super::*;
use crate::{
    journal::VerbKind,
    shape::{Kind, Reasons, Role, SignalShape, StepShape},
    signal::{CANCEL, Meaning, SignalKind},
};

fn checkout() -> Shape {
    let step = |name, kind, role| StepShape { name, kind, role };
    let signal = |name, kind| SignalShape {
        name,
        meaning: Meaning {
            kind,
            wait: Some(2),
            proves: Some(1),
        },
    };
    Shape {
        name: "checkout",
        version: 1,
        steps: vec![
            step("place_order", Kind::Local, Role::Compensable),
            step("init_payment", Kind::Remote, Role::Compensable),
            step("await_payment", Kind::Wait, Role::Pivot),
            step("complete_order", Kind::Local, Role::Retryable),
        ],
        signals: vec![
            signal("paid", SignalKind::Proceed),
            signal("refused", SignalKind::Abort),
        ],
        reasons: Reasons {
            budget_spent: "too slow",
            deadline_passed: "too late",
            aborted: "aborted",
            canceled: "canceled",
        },
    }
}

fn event(event: Event, fact: JournalFact) -> Input<usize> {
    Input::Event { event, fact }
}

fn begun() -> Input<usize> {
    event(Event::Begun, JournalFact::Begun)
}

fn done() -> Input<usize> {
    event(Event::Done, JournalFact::Done)
}

fn undone() -> Input<usize> {
    event(Event::Undone, JournalFact::Undone)
}

fn not_done(spent: bool) -> Input<usize> {
    let budget_spent = Some(spent);
    event(
        Event::NotDone {
            budget_spent: spent,
        },
        JournalFact::Unknown { budget_spent },
    )
}

fn not_undone() -> Input<usize> {
    event(
        Event::NotUndone,
        JournalFact::Transient { budget_spent: None },
    )
}

fn signal(id: usize, name: &str) -> Input<usize> {
    let name = name.to_owned();
    Input::Signal { id, name }
}

/// Records a saga's life as production does: each of its writes has one or more inputs.
fn record(shape: &Shape, writes: Vec<Vec<Input<usize>>>) -> (Vec<StoredRow>, Position) {
    let mut progress = Progress {
        state: State::Running { step: 0 },
        paused: false,
        pending: Vec::new(),
    };
    let (mut rows, mut revision) = (Vec::<StoredRow>::new(), 0);
    for inputs in writes {
        revision += 1;
        let first = rows.len();
        let mut ops = Vec::new();
        for input in inputs {
            let step = match progress.state {
                State::Running { step } | State::Waiting { step } => {
                    Some(shape.steps[step].name.to_owned())
                }
                State::Compensating { step, .. } => {
                    Some(format!("{}/undo", shape.steps[step].name))
                }
                State::Completed | State::Compensated { .. } => None,
            };
            let applied = progress.apply(shape, input);
            for fact in applied.facts {
                rows.push(StoredRow {
                    at: DateTime::UNIX_EPOCH,
                    revision,
                    fact: serde_json::to_value(fact).unwrap(),
                    step: step.clone(),
                    attempt: None,
                    state: String::new(),
                    detail: None,
                    actor: None,
                    ran: Vec::new(),
                });
            }
            ops.extend(applied.ops);
        }
        for row in &mut rows[first..] {
            progress.state.name().clone_into(&mut row.state);
        }
        rows.last_mut().unwrap().ran = ran(shape, &ops);
    }
    let (step, undo_from) = encode_state(shape, progress.state);
    let position = Position {
        revision,
        state: progress.state.name().to_owned(),
        step,
        undo_from,
        paused: progress.paused,
        pending: i32::try_from(progress.pending.len()).unwrap(),
    };
    (rows, position)
}

/// A life with a retry, a pause, a kept signal, and compensation.
fn canceled() -> Vec<Vec<Input<usize>>> {
    vec![
        vec![begun()],
        vec![not_done(false)],
        vec![Input::Operator(VerbKind::Pause)],
        vec![signal(1, CANCEL)],
        vec![Input::Operator(VerbKind::Resume)],
        vec![not_undone()],
        vec![undone()],
    ]
}

#[test]
fn recorded_lives_replay() {
    let name = "paid".to_owned();
    let overtaken = event(Event::Overtaken, JournalFact::Overtaken);
    let late = event(Event::DeadlinePassed, JournalFact::DeadlinePassed);
    let resolved = vec![Input::Operator(VerbKind::Resolve), done()];
    let lives = [
        vec![vec![begun()], vec![done()], vec![signal(1, "paid")]],
        vec![vec![begun()], vec![not_done(true)], vec![undone()]],
        vec![vec![begun()], vec![signal(1, "paid")], vec![done()]],
        vec![vec![begun()], vec![done()], vec![late], vec![overtaken]],
        vec![
            vec![begun()],
            resolved,
            vec![signal(1, "refused"), signal(2, "paid")],
        ],
        vec![
            vec![begun()],
            vec![Input::UndecidedSignal { id: 1, name }],
            vec![done()],
        ],
        vec![
            vec![begun()],
            vec![done()],
            vec![signal(1, "refused")],
            vec![undone()],
            vec![signal(2, "paid")],
        ],
        canceled(),
    ];
    let shape = checkout();
    for life in lives {
        let (rows, position) = record(&shape, life);
        let (inputs, result) = replay(&shape, &rows, &position);
        assert_eq!(result, Ok(()), "{inputs:#?}");
        assert!(!inputs.is_empty());
    }
}

type Corruption = (&'static str, fn(&mut Vec<StoredRow>));

/// Rows of [`canceled`]: 0 begun, 1 unknown, 2 pause, 3 signal, 4 resume, 5 signal decided,
/// 6 compensation, 7 transient, 8 undone.
const CORRUPTIONS: [Corruption; 15] = [
    ("a row is missing", |rows| drop(rows.remove(1))),
    ("the last row is missing", |rows| drop(rows.pop())),
    ("a row stands twice", |rows| rows.insert(2, rows[1].clone())),
    ("a write stands twice", |rows| {
        let mut again = rows[8].clone();
        again.revision += 1;
        rows.push(again);
    }),
    ("two writes are exchanged", |rows| {
        let (one, other) = (rows[1].fact.clone(), rows[2].fact.clone());
        (rows[1].fact, rows[2].fact) = (other, one);
    }),
    ("another result", |rows| {
        rows[1].fact = json!({ "kind": "done" });
    }),
    ("a second beginning", |rows| {
        rows[1].fact = json!({ "kind": "begun" });
    }),
    ("a result that decides nothing", |rows| {
        rows[7].fact = json!({ "kind": "done" });
    }),
    ("another step", |rows| {
        rows[7].step = Some("place_order/undo".to_owned());
    }),
    ("another state", |rows| {
        "running".clone_into(&mut rows[7].state);
    }),
    ("a spent budget", |rows| {
        rows[1].fact["budget_spent"] = json!(true);
    }),
    ("another verdict", |rows| {
        rows[5].fact["verdict"] = json!("late");
    }),
    ("another signal", |rows| {
        rows[3].fact["signal"] = json!("paid");
    }),
    ("another cause", |rows| {
        rows[6].fact["cause"] = json!("aborted");
    }),
    ("a local step that ran", |rows| rows[8].ran.clear()),
];

#[test]
fn each_corruption_is_found() {
    let shape = checkout();
    let (whole, position) = record(&shape, canceled());
    assert_eq!(replay(&shape, &whole, &position).1, Ok(()));
    for (name, corrupt) in CORRUPTIONS {
        let mut rows = whole.clone();
        corrupt(&mut rows);
        assert!(replay(&shape, &rows, &position).1.is_err(), "{name}");
    }
    let moved = Position {
        state: "completed".to_owned(),
        ..position.clone()
    };
    assert!(replay(&shape, &whole, &moved).1.is_err());
    let written = Position {
        revision: position.revision + 1,
        ..position
    };
    assert!(replay(&shape, &whole, &written).1.is_err());
}

#[test]
fn a_former_releases_row_reveals_whether_the_budget_was_spent() {
    let shape = checkout();
    for spent in [false, true] {
        let (mut rows, position) = record(&shape, vec![vec![begun()], vec![not_done(spent)]]);
        rows[1].fact = json!({ "kind": "unknown" });
        assert_eq!(replay(&shape, &rows, &position).1, Ok(()));
    }
}

#[test]
fn a_fact_of_a_newer_release_is_named() {
    let shape = checkout();
    let (mut rows, position) = record(&shape, vec![vec![begun()]]);
    rows[0].fact = json!({ "kind": "dreamt" });
    let error = replay(&shape, &rows, &position).1.unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"revision 1: {"kind":"dreamt"} is not known to this binary"#
    );
}
