//! Problems that are specific to the shop.

use web::Kind;

pub(super) const KEY_MISSING: Kind = Kind::new(
    400,
    "idempotency-key-missing",
    "The request has no Idempotency-Key",
);
pub(super) const KEY_IN_FLIGHT: Kind = Kind::new(
    409,
    "idempotency-key-in-flight",
    "The same request is under way",
);
pub(super) const KEY_REUSED: Kind = Kind::new(
    422,
    "idempotency-key-reused",
    "The key stands for another request",
);
pub(super) const ORDER_LIMIT: Kind = Kind::new(429, "order-limit", "Order limit reached");
pub(super) const OUT_OF_STOCK: Kind = Kind::new(409, "out-of-stock", "Not enough in stock");
pub(super) const PRICE_CHANGED: Kind = Kind::new(409, "price-changed", "The price has changed");
pub(super) const TOO_LATE: Kind = Kind::new(409, "too-late", "The order is completed");
pub(super) const CREDENTIALS: Kind =
    Kind::new(401, "wrong-credentials", "Wrong e-mail address or password");
pub(super) const STALE: Kind = Kind::new(412, "stale", "Changed by someone else");
pub(super) const IF_MATCH_MISSING: Kind =
    Kind::new(428, "if-match-missing", "The request has no If-Match");
pub(super) const STOCK_HELD: Kind =
    Kind::new(409, "stock-held", "Orders hold more than this stock");
pub(super) const ACT_REFUSED: Kind =
    Kind::new(409, "act-refused", "This action is not possible now");
pub(super) const FAILED_CHANGED: Kind = Kind::new(
    409,
    "failed-changed",
    "What failed is not what was looked at",
);

web::problem_groups! {
    /// Responses of calls that are counted per network.
    pub(super) RateProblems: ["429", "`too-many-requests`"];

    /// Responses of changes that name the version they are based on.
    pub(super) VersionProblems: ["412", "`stale`"] ["428", "`if-match-missing`"];

    /// Responses of an operator's changes of a saga.
    pub(super) ActProblems: ["404", "`not-found`"] ["409", "`act-refused`"];

    /// Responses of an operator's changes of a message in `failed`.
    pub(super) MessageProblems: ["404", "`not-found`"] ["409", "`failed-changed`"];
}

/// All problems that are specific to the shop.
pub const KINDS: &[Kind] = &[
    KEY_MISSING,
    KEY_IN_FLIGHT,
    KEY_REUSED,
    ORDER_LIMIT,
    OUT_OF_STOCK,
    PRICE_CHANGED,
    TOO_LATE,
    CREDENTIALS,
    STALE,
    IF_MATCH_MISSING,
    STOCK_HELD,
    ACT_REFUSED,
    FAILED_CHANGED,
];
