//! Checkout: from a submitted basket to a paid order.
//!
//! Ends `completed` (transaction paid, stock sold) or `compensated` (order canceled, no stock
//! reserved, no payment due). Safe to run twice at any point.

use std::time::Duration;

use commerce::order::{self, Basket, CancelCause, NewOrder, PaymentTerms, PlaceError};
use contracts::{
    payment_event,
    payments::{InitTransaction, Status, Transaction},
    topology,
};
use crashpoint::crash_point;
use kernel::{Money, OrderId, SagaId, SignalId, TransactionId, UserId};
use saga::{
    Assertion, Compensation, Complete, Description, FirstStep, FirstStepError, Local, LocalStep,
    Milestone, Outcome, Plan, PlannedEffect, Reasons, Refusal, Remote, RemoteStep, RemoteUndo,
    Saga, Signal, StepCx, Undo, VerifyError, Wait, WaitStep, journal::CompensationCause,
    machine::StateKind,
};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::{
    payments::{Call, Cancellation, InitError, NoAnswer, PaymentsView},
    registry::Ports,
};

/// The checkout saga, with its settings.
#[derive(Debug, Clone, Copy)]
pub struct Checkout {
    /// How long an order waits for its payment.
    pub payment_deadline: Duration,
}

/// The values that are chosen before any call leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckoutInput {
    /// The order.
    pub order_id: OrderId,
    /// The saga's id, which the order stores as well.
    pub saga_id: SagaId,
    /// The user who ordered.
    pub user_id: UserId,
    /// The proposed id of the transaction through which the order will be paid. Payments may answer
    /// with another one, which the order then stores.
    pub transaction_id: TransactionId,
    /// The order's total.
    pub total: Money,
    /// The order's trace.
    pub trace_id: String,
}

impl Saga for Checkout {
    const NAME: &'static str = "checkout"; // stored: rename only with a migration
    const VERSION: i32 = 1;
    type Input = CheckoutInput;
    type Details = Basket; // stored as the order's lines
    type Ports = Ports;
    type View = dyn PaymentsView;
    const REASONS: Reasons = Reasons {
        budget_spent: "it could not be done in time",
        deadline_passed: "it was not paid in time",
        aborted: "the payment was canceled",
        canceled: "it was canceled",
    };

    fn attributes(input: &CheckoutInput) -> Vec<(&'static str, String)> {
        vec![
            ("order.id", input.order_id.to_string()),
            ("order.transaction_id", input.transaction_id.to_string()),
        ]
    }

    fn log(input: &CheckoutInput, milestone: &Milestone<'_>) {
        let state = match milestone.state {
            StateKind::Completed => "is completed",
            StateKind::Compensated => "is canceled",
            _ => "awaits its payment",
        };
        tracing::info!(
            order.id = %input.order_id,
            order.reason = milestone.reason,
            saga.id = %milestone.saga_id,
            trace_id = milestone.trace_id,
            elapsed_ms = milestone.elapsed.num_milliseconds(),
            "Order {state}"
        );
    }

    async fn describe(
        conn: &mut PgConnection,
        input: &CheckoutInput,
        effect: PlannedEffect,
    ) -> sqlx::Result<Description> {
        let (id, total) = (input.order_id, &input.total);
        let mut description = Description::default();
        match effect {
            PlannedEffect::Call(InitPayment::NAME) => {
                let call = format!("POST /transactions to payments: {total} for order {id}");
                description.sends.push(call);
            }
            PlannedEffect::CallUndo(InitPayment::NAME) => {
                let call = format!("POST /transactions/cancel-by-order to payments: order {id}");
                description.sends.push(call);
                let note = "should it be paid by then, the order is completed instead";
                description.notes.push(note.to_owned());
            }
            PlannedEffect::Record(InitPayment::NAME) => {
                description
                    .moves
                    .push(format!("order {id} becomes awaiting_payment"));
            }
            PlannedEffect::Run(CompleteOrder::NAME) => {
                description
                    .moves
                    .push(format!("order {id} becomes completed: {total} are paid"));
                description.moves.extend(lines(conn, input, "sold").await?);
                description
                    .sends
                    .push(format!("the confirmation mail of order {id}"));
            }
            PlannedEffect::Undo(PlaceOrder::NAME) => {
                description.moves.push(format!(
                    "order {id} becomes canceled: nothing is to be paid"
                ));
                description
                    .moves
                    .extend(lines(conn, input, "back in stock").await?);
            }
            PlannedEffect::BeginCompensation => {
                description
                    .moves
                    .push(format!("order {id} shows that it is canceling"));
            }
            effect => description = effect.describe(),
        }
        Ok(description)
    }

    /// Verifies with payments, which always decides, in operators' actions too.
    async fn verify(
        payments: &Self::View,
        input: &CheckoutInput,
        assertion: Assertion<'_>,
    ) -> Result<(), VerifyError> {
        let id = input.order_id;
        let expected: &[Status] = match assertion {
            Assertion::Signal(topology::TRANSACTION_COMPLETED) => &[Status::Paid],
            Assertion::Signal(topology::TRANSACTION_CANCELED) | Assertion::Undone(_) => {
                &[Status::Canceled]
            }
            Assertion::Done(_) => &[Status::Paid, Status::Pending],
            Assertion::Signal(_) => return Ok(()), // not a signal of this plan: it moves no saga
        };
        let found = payments.transaction(id, input.transaction_id).await;
        let found = found.map_err(VerifyError::Unavailable)?.ok_or_else(|| {
            VerifyError::Contradicted(format!("payments has no transaction of order {id}"))
        })?;
        if !expected.contains(&found.status) {
            return Err(VerifyError::Contradicted(format!(
                "payments says that transaction {} of order {id} is {}",
                found.transaction_id,
                found.status.as_str()
            )));
        }
        match found.status {
            Status::Canceled => Ok(()), // a tombstone has no amount
            Status::Paid | Status::Pending => {
                input.verify(&found).map_err(VerifyError::Contradicted)
            }
        }
    }

    fn signal_id(input: &CheckoutInput, name: &str) -> SignalId {
        payment_event::signal_id(input.transaction_id, name)
    }

    fn plan() -> Plan<Self, Complete> {
        Plan::first(PlaceOrder) // undo: cancel the order, release the stock
            .compensable(Remote(InitPayment)) // undo: cancel by order, which leaves a tombstone
            .pivot(Wait(AwaitPayment)) // paid, canceled or too late; from here on, only forward
            .retryable(Local(CompleteOrder))
    }

    async fn begin_compensation(
        conn: &mut PgConnection,
        input: &CheckoutInput,
        why: Compensation<'_>,
    ) -> sqlx::Result<()> {
        Self::begin_compensation_all(conn, &[(input, why)]).await
    }

    async fn begin_compensation_all(
        conn: &mut PgConnection,
        sagas: &[(&CheckoutInput, Compensation<'_>)],
    ) -> sqlx::Result<()> {
        let orders = sagas
            .iter()
            .map(|(input, why)| (input.order_id, cancel_cause(*why), why.reason));
        order::begin_canceling(conn, &orders.collect::<Vec<_>>()).await
    }
}

/// Writes the order at catalog prices and reserves its stock.
pub struct PlaceOrder;

impl FirstStep<Checkout> for PlaceOrder {
    const NAME: &'static str = "place_order";

    async fn run(
        &self,
        conn: &mut PgConnection,
        input: &CheckoutInput,
        basket: &Basket,
    ) -> Result<(), FirstStepError> {
        let mut placed = self.run_all(conn, &[(input, basket)]).await?;
        let placed = placed.pop().expect("one answer an order");
        placed.map_err(FirstStepError::Refused)
    }

    async fn run_all(
        &self,
        conn: &mut PgConnection,
        sagas: &[(&CheckoutInput, &Basket)],
    ) -> sqlx::Result<Vec<Result<(), Refusal>>> {
        let orders = sagas.iter().map(|(input, basket)| NewOrder {
            id: input.order_id,
            user_id: input.user_id,
            saga_id: input.saga_id,
            transaction_id: input.transaction_id,
            basket,
            trace_id: &input.trace_id,
        });
        let placed = order::place(conn, &orders.collect::<Vec<_>>()).await?;
        let refusal = |refused: PlaceError| Refusal {
            reason: refused.to_string(),
            cause: Box::new(refused),
        };
        let placed = placed.into_iter().map(|placed| placed.map_err(refusal));
        Ok(placed.collect())
    }

    async fn undo(
        &self,
        conn: &mut PgConnection,
        input: &CheckoutInput,
        reason: &str,
    ) -> sqlx::Result<()> {
        order::cancel(conn, &[(input.order_id, reason)]).await
    }

    async fn undo_all(
        &self,
        conn: &mut PgConnection,
        sagas: &[(&CheckoutInput, &str)],
    ) -> sqlx::Result<()> {
        order::cancel(conn, &orders_with_reason(sagas)).await
    }
}

/// Asks payments to create the transaction through which this order is paid.
pub struct InitPayment;

impl RemoteStep<Checkout> for InitPayment {
    const NAME: &'static str = "init_payment";

    async fn run(&self, cx: &StepCx<'_, Checkout>) -> Outcome {
        match init(cx).await {
            // the id is stored in each case: an event names it
            Ok(answer) => match adopt(cx, answer.transaction_id).await {
                Ok(()) if answer.status == Status::Canceled => {
                    Outcome::Refused(format!("transaction {} is canceled", answer.transaction_id))
                }
                Ok(()) => Outcome::Done,
                Err(why) => Outcome::Unknown(why), // the same answer comes again
            },
            Err(InitError::Refused(why)) => Outcome::Refused(why), // a business refusal: compensate
            Err(InitError::NoAnswer(why @ NoAnswer::Unreachable(_))) => {
                Outcome::Transient(why.to_string()) // the request never left: try again
            }
            Err(InitError::NoAnswer(why)) => {
                Outcome::Unknown(why.to_string()) // it may have taken effect: ask again
            }
        }
    }

    async fn record(&self, conn: &mut PgConnection, input: &CheckoutInput) -> sqlx::Result<()> {
        order::await_payment(conn, &[input.order_id]).await
    }

    async fn record_all(
        &self,
        conn: &mut PgConnection,
        inputs: &[&CheckoutInput],
    ) -> sqlx::Result<()> {
        order::await_payment(conn, &orders(inputs)).await
    }
}

impl RemoteUndo<Checkout> for InitPayment {
    /// Keyed by the order, which is known before the call, so the undo works whether or not an
    /// answer came.
    async fn undo(&self, cx: &StepCx<'_, Checkout>) -> Undo {
        let (input, payments) = (cx.input(), &cx.ports().payments);
        let canceled = payments
            .cancel_by_order(
                call(cx, cx.undo_key()),
                input.order_id,
                input.transaction_id,
            )
            .await;
        let canceled = match canceled {
            Err(NoAnswer::Unsupported(_)) => cancel_answered(cx).await,
            canceled => canceled.map_err(|why| unanswered(&why)),
        };
        match canceled {
            Ok(Cancellation::Canceled(None)) => Undo::Done,
            Ok(Cancellation::Canceled(Some(id))) => match adopt(cx, id).await {
                Ok(()) => Undo::Done,
                Err(why) => Undo::Unknown(why),
            },
            Ok(Cancellation::AlreadyPaid(paid)) => match input.verify(&paid) {
                Ok(()) => match adopt(cx, paid.transaction_id).await {
                    Ok(()) => Undo::Overtaken, // the user paid first: turn forward
                    Err(why) => Undo::Unknown(why),
                },
                Err(mismatch) => Undo::Contradicted(mismatch),
            },
            Err(failed) => failed,
        }
    }
}

/// The result of an undo whose call got no answer.
fn unanswered(why: &NoAnswer) -> Undo {
    match why {
        NoAnswer::Unreachable(_) => Undo::Transient(why.to_string()),
        _ => Undo::Unknown(why.to_string()),
    }
}

/// Asks payments to create the transaction, under the step's own key.
async fn init(cx: &StepCx<'_, Checkout>) -> Result<Transaction, InitError> {
    let input = cx.input();
    let request = InitTransaction {
        order_id: input.order_id,
        user_id: input.user_id,
        amount: input.total.clone(),
        transaction_id: Some(input.transaction_id),
    };
    let payments = &cx.ports().payments;
    payments.init(call(cx, cx.effect_key()), request).await
}

fn call<'a>(cx: &'a StepCx<'_, Checkout>, effect_key: String) -> Call<'a> {
    Call {
        effect_key,
        user_id: cx.input().user_id,
        trace: cx.trace(),
    }
}

/// Undoes an init of unknown outcome where payments keeps no tombstones. A creation is idempotent by
/// order: its repetition shows whether there is a transaction, and from then on no late request can
/// create another one. That transaction is canceled.
async fn cancel_answered(cx: &StepCx<'_, Checkout>) -> Result<Cancellation, Undo> {
    let answer = match init(cx).await {
        Ok(answer) => answer,
        // a refused order has no transaction that could be paid
        Err(InitError::Refused(_)) => return Ok(Cancellation::Canceled(None)),
        Err(InitError::NoAnswer(why)) => return Err(unanswered(&why)),
    };
    // before the cancellation, whose event names the transaction
    let adopted = adopt(cx, answer.transaction_id).await;
    adopted.map_err(Undo::Unknown)?;
    match answer.status {
        Status::Canceled => Ok(Cancellation::Canceled(None)),
        Status::Paid => Ok(Cancellation::AlreadyPaid(Box::new(answer))),
        Status::Pending => {
            let (order_id, payments) = (cx.input().order_id, &cx.ports().payments);
            let canceled = payments
                .cancel(call(cx, cx.undo_key()), order_id, answer.transaction_id)
                .await;
            canceled.map_err(|why| unanswered(&why))
        }
    }
}

/// Stores the transaction's id with the order if payments chose another one than the proposed. This
/// commits before the step's result: a result is never stored without the id. An attempt that dies in
/// between is repeated, and stores the same id.
async fn adopt(cx: &StepCx<'_, Checkout>, id: TransactionId) -> Result<(), String> {
    let input = cx.input();
    crash_point!("checkout.adopt.before_store");
    if id != input.transaction_id {
        let stored = async {
            let mut conn = cx.ports().shop.acquire().await?;
            order::adopt_transaction(&mut conn, input.order_id, id).await
        };
        stored.await.map_err(|error| {
            format!(
                "transaction {id}, which payments answered with, could not be stored with order {}: {error}",
                input.order_id
            )
        })?;
    }
    crash_point!("checkout.adopt.after_store");
    Ok(())
}

/// Waits for payments' event about the transaction; payments decides, not the shop.
pub struct AwaitPayment;

impl WaitStep<Checkout> for AwaitPayment {
    const NAME: &'static str = "await_payment";
    // a transaction that is paid or canceled must have been created
    const SIGNALS: &'static [Signal] = &[
        Signal::proceed(topology::TRANSACTION_COMPLETED).proving::<Checkout, InitPayment>(),
        Signal::abort(topology::TRANSACTION_CANCELED).proving::<Checkout, InitPayment>(),
    ];

    fn deadline(saga: &Checkout) -> Duration {
        saga.payment_deadline
    }
}

/// Sells the stock and queues the confirmation mail.
pub struct CompleteOrder;

impl LocalStep<Checkout> for CompleteOrder {
    const NAME: &'static str = "complete_order";

    async fn run(&self, conn: &mut PgConnection, input: &CheckoutInput) -> sqlx::Result<()> {
        order::complete(conn, &[input.order_id]).await
    }

    async fn run_all(
        &self,
        conn: &mut PgConnection,
        inputs: &[&CheckoutInput],
    ) -> sqlx::Result<()> {
        order::complete(conn, &orders(inputs)).await
    }
}

impl CheckoutInput {
    /// Checks what payments answered about this order's transaction, regardless of its source. A
    /// missing order or amount is no mismatch, a different one is.
    ///
    /// # Errors
    /// The mismatch, beginning with `payment-mismatch`.
    pub fn verify(&self, paid: &Transaction) -> Result<(), String> {
        let id = paid.transaction_id;
        if let Some(other) = paid.order_id.filter(|order| *order != self.order_id) {
            let order = self.order_id;
            return Err(format!(
                "payment-mismatch: transaction {id} pays order {other}, not {order}"
            ));
        }
        let terms = PaymentTerms {
            order_id: self.order_id,
            saga_id: self.saga_id,
            transaction_id: id,
            total: self.total.clone(),
        };
        order::verify_payment(&terms, id, paid.amount.as_ref())
            .map_err(|error| format!("payment-mismatch: {error}"))
    }
}

/// The stock change of each line, for people.
async fn lines(
    conn: &mut PgConnection,
    input: &CheckoutInput,
    what: &str,
) -> sqlx::Result<Vec<String>> {
    let order = order::find(conn, input.order_id, None).await?;
    let lines = order.iter().flat_map(|order| &order.lines);
    Ok(lines
        .map(|line| format!("{what}: {} × {}", line.quantity, line.name))
        .collect())
}

fn orders(inputs: &[&CheckoutInput]) -> Vec<OrderId> {
    inputs.iter().map(|input| input.order_id).collect()
}

fn cancel_cause(why: Compensation<'_>) -> CancelCause {
    match why.cause {
        CompensationCause::Canceled if why.by_operator => CancelCause::Operator,
        CompensationCause::Canceled => CancelCause::Requested,
        CompensationCause::Aborted => CancelCause::PaymentCanceled,
        CompensationCause::DeadlinePassed => CancelCause::DeadlinePassed,
        CompensationCause::Refused => CancelCause::Refused,
        CompensationCause::BudgetSpent => CancelCause::BudgetSpent,
    }
}

fn orders_with_reason<'a>(sagas: &[(&CheckoutInput, &'a str)]) -> Vec<(OrderId, &'a str)> {
    sagas
        .iter()
        .map(|(input, reason)| (input.order_id, *reason))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_is_this_table() {
        let shape = Checkout::plan().shape();
        assert_eq!(
            shape.to_string(),
            "checkout v1\n\
             place_order      local   compensable\n\
             init_payment     remote  compensable\n\
             await_payment    wait    pivot\n\
             complete_order   local   retryable\n\
             transaction_completed: proceed, proves init_payment\n\
             transaction_canceled: abort, proves init_payment\n"
        );
        // stored with every saga: a binary whose plan has another hash does not claim these sagas
        assert_eq!(shape.hash(), "a3de0481ed7ce1d7");
    }
}
