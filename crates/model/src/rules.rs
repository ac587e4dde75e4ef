//! What must hold: in every state, on every way from one to the next, and where nothing is left to
//! be done.

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
    /// Order and transaction move along their arrows only.
    I4,
    /// What payments decided is heard once, is not waited for after that, and has a verdict.
    I5,
    /// What was started is undone, once, in reverse; nothing after the pivot is.
    I6,
    /// A saga that is not at rest and not paused has one entry, for the work that its state asks for.
    I7,
    /// Stock is held, sold or free; a canceled order holds none.
    I8,
    /// Who has lost the claim writes nothing.
    Fence,
    /// A step whose time is used up is not asked again.
    Budget,
    /// A cancel before the pivot's decision is acted on.
    Cancel,
    /// Where nobody lies, no fact contradicts what was decided.
    Breach,
    /// Where nothing is left to be done, the saga is at rest.
    WayOut,
    /// No path goes in circles, unless a fault is repeated without end.
    Ends,
}

impl Rule {
    /// As shown.
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

/// A rule that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub rule: Rule,
    /// In what way.
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

/// What holds at every instant.
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

/// What holds between a state and the next one.
pub(crate) fn change(before: &World, after: &World) -> Checked {
    let order = matches!(
        (before.order.status, after.order.status),
        // with early news, both arrows are in one commit
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

/// What holds where nothing is left to be done by the system itself.
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
