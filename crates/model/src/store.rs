//! The shop's transactions: the effects of `store::save` and of the consumer on rows, with their
//! guards.

use saga::{
    SignalKind,
    machine::{NextEntry, Op, State},
};

use crate::{
    decide::{Answer, Change, OperatorVerb, Question, Trigger},
    mutation::{self, Mutation},
    rules::{Broken, Checked, Rule, hold},
    step::Model,
    world::{
        AttemptResult, Claim, Entry, EntryWork, Order, Row, Signals, Snapshot, Status, Worker,
        World,
    },
};

impl Model {
    /// Stores an attempt's result; `None` when the worker is fenced out.
    pub(crate) fn store_attempt(
        &self,
        world: &World,
        claim: Claim,
        result: AttemptResult,
        spent: bool,
        snapshot: Snapshot,
    ) -> Checked<Option<World>> {
        if !snapshot.current && !self.cut(Mutation::RevisionUnchecked) {
            return Ok(None);
        }
        let trigger = Trigger::Attempt {
            work: claim.work,
            result,
            spent,
        };
        let Some(answer) = self.decide(world, snapshot.row, snapshot.signals, trigger) else {
            return Ok(None);
        };
        let fits = world.entry.is_some_and(|entry| {
            (entry.id == claim.id || self.cut(Mutation::EntryIdUnchecked))
                && entry.epoch == claim.epoch
        });
        if answer.change != Change::Unchanged && !fits && !self.cut(Mutation::EpochUnchecked) {
            return Ok(None);
        }
        hold(
            claim.valid,
            Rule::Fence,
            "a worker that has lost its claim wrote",
        )?;
        let first = matches!(answer.row.state, State::Running { step } if EntryWork::of(NextEntry::Step(step)) == Some(claim.work));
        hold(
            !(spent && first),
            Rule::Budget,
            "the time for the step is used up, and it is to be asked again",
        )?;
        self.store(world, &answer).map(Some)
    }

    pub(crate) fn signal(&self, world: &World, kind: SignalKind) -> Checked<World> {
        self.store_unclaimed(world, Trigger::Signal(kind))
    }

    pub(crate) fn operates(&self, world: &World, verb: OperatorVerb) -> Checked<World> {
        self.store_unclaimed(world, Trigger::Operator(verb))
    }

    /// Stores a signal or an operator's act. It needs no claim: the row lock suffices.
    fn store_unclaimed(&self, world: &World, trigger: Trigger) -> Checked<World> {
        let answer = self
            .decide(world, world.row, world.signals, trigger)
            .expect("who needs no claim cannot have lost it");
        let before_pivot = matches!(
            world.row.state,
            State::Running { .. } | State::Waiting { .. }
        );
        hold(
            trigger.signal_kind() != Some(SignalKind::Cancel)
                || world.row.paused
                || !before_pivot
                || answer.row.state != world.row.state,
            Rule::Cancel,
            "a cancel before the pivot's decision changed nothing",
        )?;
        self.store(world, &answer)
    }

    fn decide(
        &self,
        world: &World,
        row: Row,
        signals: Signals,
        trigger: Trigger,
    ) -> Option<Answer> {
        let question = Question {
            row,
            signals,
            deadline_passed: world.deadline_passed,
            trigger,
        };
        mutation::decide(&self.production, self.scenario.mutation, question)
    }

    /// The one transaction that advances a saga: `store::save`, and the local steps.
    fn store(&self, world: &World, answer: &Answer) -> Checked<World> {
        if answer.breach && self.scenario.budget.lies == 0 {
            return Err(Broken {
                rule: Rule::Breach,
                what: "a fact contradicts what was decided, though nobody lied",
            });
        }
        let mut after = *world;
        for worker in &mut after.workers {
            if let Worker::Decides(_, _, snapshot) = worker {
                snapshot.current = false;
            }
        }
        let undone = matches!(world.row.state, State::Compensating { step: 1, .. })
            && matches!(answer.row.state, State::Compensated { .. });
        after.payment_undone |= undone;
        after.row = answer.row;
        after.signals = answer.signals;
        self.change_entry(&mut after, answer.change);
        for op in &answer.ops {
            run(&mut after, *op)?;
        }
        Ok(after)
    }

    fn change_entry(&self, after: &mut World, change: Change) {
        match (change, after.entry) {
            (Change::Retry, Some(entry)) => {
                after.entry = Some(Entry {
                    leased: false,
                    ..entry
                });
                if self.cut(Mutation::RetryDropsEntry) {
                    after.entry = None;
                }
            }
            (Change::Replace { work } | Change::Ensure { work }, Some(entry)) => {
                nobody_holds(after);
                let epoch = entry.epoch + 1;
                after.entry = Some(Entry {
                    epoch,
                    work,
                    leased: false,
                    ..entry
                });
                if self.cut(Mutation::EntryNotRewritten) {
                    after.entry = Some(Entry {
                        leased: false,
                        ..entry
                    });
                }
            }
            (Change::Remove { .. }, Some(_)) => {
                nobody_holds(after);
                if !self.cut(Mutation::EntryNotRemoved) {
                    after.entry = None;
                }
            }
            (Change::Ensure { work }, None) if !self.cut(Mutation::EntryNotInserted) => {
                after.entry = Some(Entry {
                    id: Self::free_id(after),
                    epoch: 0,
                    work,
                    leased: false,
                });
            }
            _ => {}
        }
    }

    /// An id that no worker remembers.
    fn free_id(world: &World) -> u8 {
        let taken = |id| {
            world
                .workers
                .iter()
                .any(|worker| worker.claim().is_some_and(|claim| claim.id == id))
        };
        (0..=u8::MAX).find(|id| !taken(*id)).unwrap_or_default()
    }
}

/// Runs a local operation, as `commerce::order` does: it fails if the order is not in the required
/// state.
fn run(after: &mut World, op: Op) -> Checked {
    let order = &mut after.order;
    let open = matches!(order.status, Status::Pending | Status::Awaiting);
    match op {
        Op::Record(1) => {
            hold(
                order.status == Status::Pending,
                Rule::I4,
                "payment-init is recorded twice",
            )?;
            order.status = Status::Awaiting;
        }
        Op::Run(3) => {
            hold(
                order.status == Status::Awaiting,
                Rule::I4,
                "an order is to be completed that does not await its payment",
            )?;
            *order = Order {
                status: Status::Completed,
                canceling: false,
                reserved: order.reserved - 1,
                sold: order.sold + 1,
            };
        }
        Op::BeginCompensation => {
            hold(open, Rule::I4, "an order at rest is to be undone")?;
            order.canceling = true;
        }
        Op::Undo(0) => {
            hold(
                open,
                Rule::I6,
                "an order is canceled twice, or after the pivot",
            )?;
            hold(
                after.payment_undone,
                Rule::I6,
                "the order is undone before its transaction, which was started after it",
            )?;
            *order = Order {
                status: Status::Canceled,
                canceling: false,
                reserved: order.reserved - 1,
                ..*order
            };
        }
        _ => {
            return Err(Broken {
                rule: Rule::I6,
                what: "a step is run that must not be run here, or undone that must not be undone",
            });
        }
    }
    Ok(())
}

pub(crate) fn nobody_holds(world: &mut World) {
    for worker in &mut world.workers {
        if let Some(claim) = worker.claim() {
            *worker = worker.with(Claim {
                valid: false,
                ..claim
            });
        }
    }
}
