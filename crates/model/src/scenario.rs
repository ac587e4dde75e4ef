//! The explored scenarios, and the scenario in which each mutation must be found.

use crate::{mutation::Mutation, step::Scenario, world::Budget};

/// A scenario with its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Shown in reports.
    pub name: &'static str,
    /// The scenario.
    pub scenario: Scenario,
}

/// One of everything: two workers, two signals (the payment's event and a cancel), a crash, an
/// operator's act, a lease that expires under its holder, a network fault, a duplicate, a lost
/// answer of COMMIT, a refusal.
pub const CHECKOUT: Budget = Budget {
    crashes: 1,
    network: 1,
    steals: 1,
    duplicates: 1,
    commits: 1,
    refusals: 1,
    cancels: 1,
    acts: 1,
    lies: 0,
};

const NOTHING: Budget = Budget {
    crashes: 0,
    network: 0,
    steals: 0,
    duplicates: 0,
    commits: 0,
    refusals: 0,
    cancels: 0,
    acts: 0,
    lies: 0,
};

/// All scenarios that are explored to the end and must be free of violations.
pub const ALL: &[Named] = &[
    named("checkout", CHECKOUT, true),
    named(
        "a network that fails three times",
        Budget {
            network: 3,
            duplicates: 2,
            cancels: 1,
            ..NOTHING
        },
        true,
    ),
    named(
        "two operators' acts, two leases lost",
        Budget {
            acts: 2,
            steals: 2,
            network: 1,
            cancels: 1,
            ..NOTHING
        },
        true,
    ),
    named(
        "another amount is paid",
        Budget {
            lies: 1,
            crashes: 1,
            cancels: 1,
            acts: 1,
            ..NOTHING
        },
        true,
    ),
    named(
        "the revision alone, without the row lock",
        Budget {
            steals: 1,
            network: 1,
            cancels: 1,
            acts: 1,
            ..NOTHING
        },
        false,
    ),
];

const fn named(name: &'static str, budget: Budget, locked: bool) -> Named {
    let scenario = Scenario {
        budget,
        locked,
        mutation: None,
    };
    Named { name, scenario }
}

/// The scenario in which `mutation` must be found.
pub fn of(mutation: Mutation) -> Scenario {
    let at = match mutation {
        Mutation::EntryIdUnchecked => 2,
        Mutation::AmountUnchecked => 3,
        Mutation::RevisionUnchecked => 4,
        _ => 0,
    };
    Scenario {
        mutation: Some(mutation),
        ..ALL[at].scenario
    }
}
