//! A model check of checkout: every interleaving, to the end.
//!
//! What decides is production itself: [`saga::transition::Rules`] with the plan of
//! [`workflows::checkout`], over rows and signals as they are stored ([`decide`]). What is modelled,
//! in as few words as will do, is what surrounds it:
//!
//! - [`world`]: the saga's row, its open signals, its entry with lease and epoch, the order with its
//!   stock; payments' transaction and the event of its decision; two workers; what is on the wire.
//! - [`step`]: what can happen: claims, leases lost, calls that are answered, lost, late, repeated,
//!   refused, or never leave; commits, commits whose answer is lost; crashes; events published and
//!   delivered once or twice; the user paying, canceling at payments, canceling the order; the
//!   deadline; an operator's retry, pause, resume, cancel. `store.rs` has the shop's transactions,
//!   `payments.rs` payments and its events.
//! - [`rules`]: what must hold in each state, on each way, and where nothing is left to be done.
//! - [`search`]: breadth first with links back, so that a violation is a shortest one, told as a
//!   [`story()`]. Faults and wishes are budgets that only shrink, so a circle in the graph is a saga
//!   that never ends by itself: there must be none.
//! - [`mutation`]: what is broken on purpose. A check that finds none of that would prove nothing.
//!
//! # What is left out, and why that is sound
//!
//! - **Time.** A deadline, a backoff or a lease may pass at any moment: every order of events that
//!   clocks allow is among those explored. That a holder stops before its lease ends is not used:
//!   leases are lost under living holders.
//! - **Claim, load and send are one action.** A worker that claims and then sends late is one whose
//!   request is long on the way; one that finds the saga moved on does nothing, like one that died.
//! - **A transaction is one action.** It locks the saga's row before it reads and holds the lock to
//!   its end, so two of them are one after the other. The last scenario drops the lock and shows
//!   that the compared revision alone suffices.
//! - **Numbers.** Epochs and entry ids are compared for equality with the entry's, and an epoch only
//!   grows: states that differ only in numbers which will never be equal again are one state.
//! - **One saga.** Sagas share no rows but stock, whose statements are sums under its lock; batches
//!   fall back to one by one. Tests on real PostgreSQL hold those.
//! - **A retry's wait, a journal row, a reason** decide nothing.
//! - **I1** is the first action: one transaction, which happens or does not. **I9** (prices) and
//!   **I10** (`failed`, but for payments of another amount) are not part of a saga's life.
//! - **Other plan versions** are left alone by claim and transition; the model has one.
//! - Payments' own workings are its rules by row (created once by order, decided once, tombstone,
//!   event with the decision): its tests hold it to them.

pub mod decide;
pub mod mutation;
mod payments;
mod report;
pub mod rules;
pub mod scenario;
pub mod search;
pub mod step;
mod store;
mod story;
pub mod world;

pub use mutation::Mutation;
pub use report::{Summary, summarize};
pub use search::{Report, Violation, explore};
pub use story::story;
