//! The model check itself: it finds no violation in production, and every planted mutation.

use std::{fs, path::Path};

use model::{Mutation, summarize};
use saga::{Kind, Meaning, Role, Shape, SignalKind, SignalShape, StepShape};

#[test]
fn nothing_is_found_and_whatever_is_broken_on_purpose_is() {
    let summary = summarize();
    eprintln!("{}", summary.tables);
    assert!(
        summary.violations.is_empty(),
        "{}",
        summary.violations.join("\n")
    );
    assert!(summary.missed.is_empty(), "{}", summary.missed.join("\n"));
    assert_eq!(summary.counterexamples.len(), Mutation::ALL.len());

    let (_, path) = summary
        .counterexamples
        .iter()
        .find(|(of, _)| *of == Mutation::EntryIdUnchecked)
        .unwrap();
    assert_eq!(path, COUNTEREXAMPLE);

    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reliability/model.md");
    let docs = fs::read_to_string(docs).unwrap();
    assert!(
        docs.contains(&summary.tables),
        "docs/reliability/model.md quotes other figures than these: put in what `cargo xtask model` prints"
    );
}

/// This defect once existed.
const COUNTEREXAMPLE: &str = "\
1. the order and its saga are created; worker A holds its entry (epoch 1) and asks payments for a transaction
2. payments handles worker A's creation and answers → the transaction is pending
3. an operator pauses the saga
4. an operator resumes the saga
5. worker B claims the entry (epoch 1)
6. worker A stores `done`
⇒ fence: a worker that has lost its claim wrote
";

#[test]
fn every_plan_of_the_shop_comes_to_rest_whole() {
    for shape in workflows::plans() {
        let explored = model::plan::check(&shape).unwrap_or_else(|why| panic!("{why}"));
        eprintln!("{} v{}: {explored:?}", shape.name, shape.version);
        assert!(explored.completed > 0 && explored.compensated > 0);
    }
}

/// A plan with a wait in each zone, sleeps and a remote pivot.
fn zones() -> Shape {
    let step = |name, kind, role| StepShape { name, kind, role };
    let signal = |name, kind, wait| SignalShape {
        name,
        meaning: Meaning {
            kind,
            wait: Some(wait),
            proves: None,
        },
    };
    let plans = workflows::plans();
    Shape {
        name: "zones",
        steps: vec![
            step("pack", Kind::Local, Role::Compensable),
            step("approve", Kind::Wait, Role::Compensable),
            step("cool_off", Kind::Sleep, Role::Compensable),
            step("book", Kind::Remote, Role::Compensable),
            step("label", Kind::Remote, Role::Compensable),
            step("buy", Kind::Remote, Role::Pivot),
            step("deliver", Kind::Wait, Role::Retryable),
            step("hold", Kind::Sleep, Role::Retryable),
            step("invoice", Kind::Remote, Role::Retryable),
            step("thank", Kind::Local, Role::Retryable),
        ],
        signals: vec![
            signal("approved", SignalKind::Proceed, 1),
            signal("declined", SignalKind::Abort, 1),
            signal("delivered", SignalKind::Proceed, 6),
        ],
        ..plans[0].clone()
    }
}

#[test]
fn a_plan_with_every_kind_of_step_comes_to_rest() {
    let explored = model::plan::check(&zones()).unwrap_or_else(|why| panic!("{why}"));
    eprintln!("{explored:?}");
    assert!(explored.completed > 0 && explored.compensated > 0);
}

/// Checkout with a second remote step between payment and its wait.
fn shipped() -> Shape {
    let mut shape = workflows::plans().swap_remove(0);
    let reserve = StepShape {
        name: "reserve_shipment",
        kind: Kind::Remote,
        role: Role::Compensable,
    };
    shape.steps.insert(2, reserve);
    for signal in &mut shape.signals {
        signal.meaning.wait = Some(3);
    }
    shape
}

#[test]
fn a_pause_before_the_pivot_leaves_no_paid_saga_behind() {
    for kind in [Kind::Sleep, Kind::Wait] {
        let mut shape = shipped();
        shape.steps[2].kind = kind;
        if kind == Kind::Wait {
            shape.signals.push(SignalShape {
                name: "approved",
                meaning: Meaning {
                    kind: SignalKind::Proceed,
                    wait: Some(2),
                    proves: None,
                },
            });
        }
        model::plan::check(&shape).unwrap_or_else(|why| panic!("{why}"));
    }
}

/// Changes a plan.
type Change = fn(&mut Shape);

#[test]
fn a_plan_with_a_false_declaration_is_found() {
    let wrong: [(Shape, Change, &str); 3] = [
        (
            shipped(),
            |it| it.signals[0].meaning.proves = Some(2),
            "reserve_shipment is recorded, and is not done",
        ),
        (
            zones(),
            |it| it.steps[8].role = Role::Compensable,
            "is undone before a step above it",
        ),
        (
            zones(),
            |it| it.signals[2].meaning.wait = Some(1),
            "it cannot come to rest",
        ),
    ];
    for (truth, change, says) in wrong {
        model::plan::check(&truth).unwrap_or_else(|why| panic!("{why}"));
        let mut shape = truth.clone();
        change(&mut shape);
        let why = model::plan::check_among(&shape, &truth).unwrap_err();
        assert!(why.contains(says), "{says} in {why}");
    }
}
