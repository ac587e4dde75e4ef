//! The rules: of every state, of every transition, and of states in which nothing is due.

use saga::machine::State;

use crate::{
    step::Model,
    world::{Order, Status, Tx, World},
};

/// A rule. I1–I8 are those of ARCHITECTURE.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// An order that awaits its payment has a transaction; at rest it has one or is canceled.
    I2,
    /// Completed means paid, by the right amount; canceled means that it cannot be paid.
    I3,
    /// Order and transaction only move along their allowed transitions.
    I4,
    /// A decision of payments takes effect once, is not awaited afterwards, and gets a verdict.
    I5,
    /// A started step is undone once, in reverse order; after the pivot nothing is undone.
    I6,
    /// A saga that is neither at rest nor paused has one entry, for the work that its state
    /// requires.
    I7,
    /// Stock is held, sold or free; a canceled order holds none.
    I8,
    /// A worker that has lost its claim writes nothing.
    Fence,
    /// A step whose retry budget is used up is not called again.
    Budget,
    /// A cancel before the pivot's decision takes effect.
    Cancel,
    /// While every amount is right, no fact contradicts a decision.
    Breach,
    /// When nothing is due, the saga is at rest.
    WayOut,
    /// No path is a cycle, unless a fault repeats without end.
    Ends,
}

impl Rule {
    /// The name shown in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::I2 => "I2",
            Self::I3 => "I3",
            Self::I4 => "I4",
            Self::I5 => "I5",
            Self::I6 => "I6",
            Self::I7 => "I7",
            Self::I8 => "I8",
            Self::Fence => "fence",
            Self::Budget => "budget",
            Self::Cancel => "cancel",
            Self::Breach => "no breach",
            Self::WayOut => "way out",
            Self::Ends => "every path ends",
        }
    }
}

/// A broken rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    /// The rule.
    pub rule: Rule,
    /// How it is broken.
    pub what: &'static str,
}

pub(crate) type Checked<T = ()> = Result<T, Broken>;

pub(crate) fn hold(holds: bool, rule: Rule, what: &'static str) -> Checked {
    if holds {
        Ok(())
    } else {
        Err(Broken { rule, what })
    }
}

/// Checks the rules of a single state.
pub(crate) fn state(model: &Model, world: &World) -> Checked {
    let World { row, order, tx, .. } = world;
    let expected = if row.paused {
        None
    } else {
        model.production.work_of(row.state)
    };
    hold(
        world.entry.map(|entry| entry.work) == expected,
        Rule::I7,
        "the saga's entry is not the one that its state asks for",
    )?;
    hold(
        stock_adds_up(*order),
        Rule::I8,
        "the order's stock is not what its status says",
    )?;
    hold(
        order.status != Status::Awaiting || *tx != Tx::None,
        Rule::I2,
        "the order awaits the payment of a transaction that does not exist",
    )?;
    hold(
        order.status != Status::Completed || *tx == Tx::Paid { right: true },
        Rule::I3,
        "the order is completed, and its transaction is not paid by the right amount",
    )?;
    hold(
        order.status != Status::Canceled || !matches!(tx, Tx::Pending | Tx::Paid { .. }),
        Rule::I3,
        "the order is canceled, and its transaction can be paid, or is",
    )?;
    hold(
        world.news.heard <= 1,
        Rule::I5,
        "an event took effect twice",
    )?;
    hold(
        usize::from(row.kept) == world.signals.len(),
        Rule::I5,
        "a kept signal is forgotten: the saga's row does not count it",
    )?;
    let waits = matches!(row.state, State::Waiting { .. }) && !row.paused;
    hold(
        !waits || world.news.heard == 0,
        Rule::I5,
        "the saga waits for what it has heard already",
    )?;
    match row.state {
        State::Completed => hold(
            order.status == Status::Completed,
            Rule::I6,
            "the saga is completed, its order is not",
        ),
        State::Compensated { .. } => hold(
            order.status == Status::Canceled && world.payment_undone,
            Rule::I6,
            "the saga is compensated, and a step that was started is not undone",
        ),
        _ => Ok(()),
    }
}

fn stock_adds_up(order: Order) -> bool {
    let expected = match order.status {
        Status::Pending | Status::Awaiting => (1, 0),
        Status::Completed => (0, 1),
        Status::Canceled => (0, 0),
    };
    (order.reserved, order.sold) == expected
}

/// Checks the rules of a transition.
pub(crate) fn change(before: &World, after: &World) -> Checked {
    let order = matches!(
        (before.order.status, after.order.status),
        // an early event takes both transitions in one commit
        (
            Status::Pending,
            Status::Awaiting | Status::Canceled | Status::Completed
        ) | (Status::Awaiting, Status::Completed | Status::Canceled)
    );
    hold(
        order || before.order.status == after.order.status,
        Rule::I4,
        "the order moved against its arrows",
    )?;
    let tx = matches!(
        (before.tx, after.tx),
        (Tx::None, Tx::Pending | Tx::Tombstone) | (Tx::Pending, Tx::Paid { .. } | Tx::Canceled)
    );
    hold(
        tx || before.tx == after.tx,
        Rule::I4,
        "the transaction moved against its arrows",
    )?;
    hold(
        !before.row.state.is_at_rest() || before.row.state == after.row.state,
        Rule::I6,
        "a saga at rest moved",
    )
}

/// Checks the rules of a state in which nothing is due for the system itself.
pub(crate) fn settled(world: &World) -> Checked {
    hold(
        world.row.state.is_at_rest(),
        Rule::WayOut,
        "nothing is left to be done, and the saga is not at rest",
    )?;
    hold(
        world.signals.is_empty(),
        Rule::I5,
        "the saga is at rest, and a signal has no verdict",
    )?;
    let decided = matches!(world.tx, Tx::Paid { .. } | Tx::Canceled);
    hold(
        !decided || world.news.heard + world.news.failed > 0,
        Rule::I5,
        "payments decided, and the shop never heard of it",
    )?;
    hold(
        (world.order.status == Status::Completed) == (world.tx == Tx::Paid { right: true }),
        Rule::I3,
        "the transaction is paid and the order is not completed",
    )
}
