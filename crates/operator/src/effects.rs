//! What an act means in the world: what is sent, what money and stock move.

use commerce::order::Order;
use saga::{
    Preview, Shape, Verdict,
    machine::{Ahead, Op},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use workflows::checkout::CheckoutInput;

/// What an act does, or would do, to one saga and its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Effects {
    /// The saga.
    pub saga_id: kernel::SagaId,
    /// Its order.
    pub order_id: kernel::OrderId,
    /// The revision that this was worked out on.
    pub revision: i64,
    /// Where the saga stands.
    pub from: String,
    /// Where it stands right after the act.
    pub to: String,
    /// Where it comes to rest, or waits, if every answer is a good one.
    pub then: String,
    /// What is sent to others until then.
    pub sends: Vec<String>,
    /// What of the order, its stock and its money moves until then.
    pub moves: Vec<String>,
    /// What else one should know.
    pub notes: Vec<String>,
}

pub(crate) fn effects(
    shape: &Shape,
    preview: &Preview,
    input: &CheckoutInput,
    order: Option<&Order>,
) -> Effects {
    let mut effects = Effects {
        saga_id: preview.saga_id,
        order_id: input.order_id,
        revision: preview.revision,
        from: preview.before.to_string(),
        to: preview.after.to_string(),
        then: preview.ends.to_string(),
        sends: Vec::new(),
        moves: Vec::new(),
        notes: Vec::new(),
    };
    for op in &preview.at_once {
        effects.local(shape, *op, input, order);
    }
    for ahead in &preview.ahead {
        match *ahead {
            Ahead::Local(op) => effects.local(shape, op, input, order),
            Ahead::Call(step) => effects.call(shape.steps[step].name, false, input),
            Ahead::CallUndo(step) => effects.call(shape.steps[step].name, true, input),
        }
    }
    match preview.verdict {
        Some(Verdict::Early) => {
            effects.note("it cannot act yet: it is kept for the next transition");
        }
        None if preview.after.paused && !preview.before.paused => {
            effects.note("nothing runs until it is resumed; what comes in is kept");
        }
        None if preview.after.paused => {
            effects.note("it is paused: this is kept for `saga resume`");
        }
        _ => {}
    }
    effects
}

impl Effects {
    fn note(&mut self, what: &str) {
        self.notes.push(what.to_owned());
    }

    fn call(&mut self, step: &str, undo: bool, input: &CheckoutInput) {
        let (order, total) = (input.order_id, &input.total);
        let sent = match (step, undo) {
            ("init_payment", false) => {
                format!("POST /transactions to payments: {total} for order {order}")
            }
            ("init_payment", true) => {
                self.note("should it be paid by then, the order is completed instead");
                format!("POST /transactions/cancel-by-order to payments: order {order}")
            }
            (step, false) => format!("a call of step {step}"),
            (step, true) => format!("a call of the undo of {step}"),
        };
        self.sends.push(sent);
    }

    fn local(&mut self, shape: &Shape, op: Op, input: &CheckoutInput, order: Option<&Order>) {
        let id = input.order_id;
        let lines = order.map_or(&[][..], |order| &order.lines);
        let name = |step: usize| shape.steps[step].name;
        match op {
            Op::BeginCompensation => self
                .moves
                .push(format!("order {id} shows that it is canceling")),
            Op::Record(step) if name(step) == "init_payment" => {
                self.moves
                    .push(format!("order {id} becomes awaiting_payment"));
            }
            Op::Run(step) if name(step) == "complete_order" => {
                self.moves.push(format!(
                    "order {id} becomes completed: {} are paid",
                    input.total
                ));
                for line in lines {
                    self.moves
                        .push(format!("sold: {} × {}", line.quantity, line.name));
                }
                self.sends
                    .push(format!("the confirmation mail of order {id}"));
            }
            Op::Undo(step) if name(step) == "place_order" => {
                self.moves.push(format!(
                    "order {id} becomes canceled: nothing is to be paid"
                ));
                for line in lines {
                    let back = format!("back in stock: {} × {}", line.quantity, line.name);
                    self.moves.push(back);
                }
            }
            Op::Record(step) | Op::Run(step) => {
                self.moves.push(format!("step {} is done", name(step)));
            }
            Op::Undo(step) => self.moves.push(format!("step {} is undone", name(step))),
        }
    }
}
