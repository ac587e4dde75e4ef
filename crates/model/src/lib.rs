//! A model check of checkout: every interleaving, to the end.
//!
//! Production itself decides: [`saga::transition::TransitionContext`] with the plan of
//! [`workflows::checkout`], over rows and signals as they are stored ([`decide`]). Only the
//! surroundings are modelled, as briefly as possible:
//!
//! - [`world`]: the saga's row, its open signals, its entry with lease and epoch, the order with
//!   its stock; payments' transaction and the event of its decision; two workers; requests in
//!   flight.
//! - [`step`]: the possible events: claims, lost leases, calls that are answered, lost, late,
//!   repeated, refused, or never sent; commits, commits whose answer is lost; crashes; events
//!   published and delivered once or twice; the user paying, canceling at payments, canceling the
//!   order; the deadline; an operator's retry, pause, resume, cancel. `store.rs` has the shop's
//!   transactions, `payments.rs` payments and its events.
//! - [`rules`]: the invariants of states, of transitions, and of states in which nothing is due.
//! - [`search`]: breadth first with back links, so that a violation has a shortest path, rendered
//!   as a [`counterexample()`]. Budgets of faults and user acts only shrink, so a cycle in the graph
//!   is a saga that never ends by itself; the graph must have none.
//! - [`mutation`]: deliberate defects. A check that finds none of them would prove nothing.
//!
//! # What is left out, and why that is sound
//!
//! - **Time.** A deadline, a backoff or a lease may pass at any moment, so every order of events
//!   that clocks allow is explored. The model does not rely on holders stopping before their lease
//!   ends: leases are lost under living holders.
//! - **Claim, load and send are one action.** A worker that sends late after its claim equals one
//!   whose request spends long in flight; a worker that finds the saga moved on does nothing, like
//!   one that died.
//! - **A transaction is one action.** It locks the saga's row before it reads and holds the lock to
//!   its end, so two transactions run one after the other. The last scenario drops the lock and
//!   shows that comparing the revision suffices on its own.
//! - **Numbers.** Epochs and entry ids are only compared for equality with the entry's, and an
//!   epoch only grows: states that differ only in numbers which can never be equal again are one
//!   state.
//! - **One saga.** Sagas share no rows except stock, whose statements are sums under its lock;
//!   batches fall back to single items. Tests on a real PostgreSQL verify both.
//! - **A retry's delay, a journal row, a reason** influence no decision.
//! - **I1** is the first action: one transaction, which commits or does not. **I9** (prices) and
//!   **I10** (`failed`, except for payments of another amount) are not part of a saga's life.
//! - **Other plan versions** are ignored by claim and transition; the model has one version.
//! - Payments' internals are its rules by row (created once per order, decided once, tombstone,
//!   event with the decision): its own tests verify them.

mod counterexample;
pub mod decide;
pub mod mutation;
mod payments;
pub mod plan;
mod report;
pub mod rules;
pub mod scenario;
pub mod search;
pub mod step;
mod store;
pub mod world;

pub use counterexample::counterexample;
pub use mutation::Mutation;
pub use report::{Summary, summarize};
pub use search::{Report, Violation, explore};
