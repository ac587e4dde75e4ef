//! Problems that only payments has.

use contracts::payments::{PROBLEM_CANCELED, PROBLEM_DIFFERS, PROBLEM_PAID};
use web::Kind;

pub(super) const DIFFERS: Kind = Kind::new(409, PROBLEM_DIFFERS, "Another transaction stands here");
pub(super) const CANCELED: Kind = Kind::new(409, PROBLEM_CANCELED, "The transaction is canceled");
pub(super) const PAID: Kind = Kind::new(409, PROBLEM_PAID, "The transaction is paid");

/// All of them.
pub const KINDS: &[Kind] = &[DIFFERS, CANCELED, PAID];
