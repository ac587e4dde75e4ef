//! The callers allowed for each operation. The table is hand-written; the documents determine its
//! rows.

use Caller::{
    Admin, AdminOperator, Anonymous, Disabled, Foreign, Operator, Owner, Service, ServiceForNobody,
    ServiceForOther, Stranger, Unscoped,
};

/// The kinds of caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// No token.
    Anonymous,
    /// A user who owns the order, the transaction and the saga of the request.
    Owner,
    /// Another user.
    Stranger,
    /// A user with the role `admin`.
    Admin,
    /// A user with the role `operator`.
    Operator,
    /// A user with both roles.
    AdminOperator,
    /// A user whose account is disabled; the token was issued before that.
    Disabled,
    /// The shop's service on behalf of the owner, with its scope.
    Service,
    /// The shop's service without a user: it may read.
    ServiceForNobody,
    /// The shop's service on behalf of a user other than the owner.
    ServiceForOther,
    /// A service without a scope.
    Unscoped,
    /// A user of another system, whose key is not ours.
    Foreign,
}

impl Caller {
    pub(super) const ALL: [Self; 12] = [
        Anonymous,
        Owner,
        Stranger,
        Admin,
        Operator,
        AdminOperator,
        Disabled,
        Service,
        ServiceForNobody,
        ServiceForOther,
        Unscoped,
        Foreign,
    ];
}

/// The service that has the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    Shop,
    Payments,
}

/// The callers allowed for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum May {
    /// Any caller, with any token.
    Anybody,
    /// These callers; every other user or service is refused with this status.
    Only(&'static [Caller], u16),
}

/// One operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) at: At,
    /// Its `operationId`.
    pub(super) id: &'static str,
    pub(super) may: May,
    /// The status that an allowed caller gets for the request below.
    pub(super) ok: u16,
    /// Template of the path; `{order}`, `{saga}`, `{transaction}` and `{message}` stand for the
    /// owner's.
    pub(super) path: &'static str,
    pub(super) body: Option<&'static str>,
}

const PEOPLE: &[Caller] = &[Owner, Stranger, Admin, Operator, AdminOperator];
const STAFF: &[Caller] = &[Admin, Operator, AdminOperator];
const ADMINS: &[Caller] = &[Admin, AdminOperator];
const SERVICES: &[Caller] = &[Service];
const PAYERS: &[Caller] = &[Owner, Service];

const DRY: &str = r#"{"reason": "the matrix", "dry_run": true}"#;
const NOTHING: &str = "{}";

const fn shop(id: &'static str, may: May, ok: u16, path: &'static str) -> Row {
    Row {
        at: At::Shop,
        id,
        may,
        ok,
        path,
        body: None,
    }
}

const fn payments(id: &'static str, may: May, ok: u16, path: &'static str) -> Row {
    Row {
        at: At::Payments,
        ..shop(id, may, ok, path)
    }
}

const fn with(row: Row, body: &'static str) -> Row {
    Row {
        body: Some(body),
        ..row
    }
}

use May::{Anybody, Only};

/// One row for each operation of both documents.
pub(super) const TABLE: &[Row] = &[
    // accounts: 422 comes from the handler, which any caller reaches
    with(shop("register", Anybody, 422, "/api/register"), NOTHING),
    with(shop("login", Anybody, 422, "/api/login"), NOTHING),
    shop("refresh", Anybody, 401, "/api/refresh"),
    shop("logout", Anybody, 204, "/api/logout"),
    shop("me", Only(PEOPLE, 403), 200, "/api/me"),
    with(
        shop("change_password", Only(PEOPLE, 403), 422, "/api/password"),
        r#"{"current_password": "not this one", "new_password": "a better horse"}"#,
    ),
    with(
        shop(
            "request_password_reset",
            Anybody,
            422,
            "/api/password-reset",
        ),
        NOTHING,
    ),
    with(
        shop(
            "reset_password",
            Anybody,
            422,
            "/api/password-reset/confirm",
        ),
        NOTHING,
    ),
    with(
        shop("verify_email", Anybody, 422, "/api/verify-email"),
        NOTHING,
    ),
    shop(
        "send_verification",
        Only(PEOPLE, 403),
        202,
        "/api/verify-email/send",
    ),
    shop("check_session", Only(PEOPLE, 403), 204, "/api/session"),
    shop("list_sessions", Only(PEOPLE, 403), 200, "/api/sessions"),
    shop(
        "end_other_sessions",
        Only(PEOPLE, 403),
        204,
        "/api/sessions",
    ),
    // no account has this session: 404, as for another account's session
    shop(
        "end_session",
        Only(PEOPLE, 403),
        404,
        "/api/sessions/00000000-0000-0000-0000-000000000000",
    ),
    // the catalog; 412 comes after the check of the role
    shop("search_products", Anybody, 200, "/api/products"),
    shop("find_product", Anybody, 200, "/api/products/enamel-mug"),
    with(
        shop("create_product", Only(ADMINS, 403), 201, "/api/products"),
        r#"{"name": "Matrix", "description": "", "price": {"amount": 1, "currency": "EUR"}, "stock": 0}"#,
    ),
    with(
        shop(
            "update_product",
            Only(ADMINS, 403),
            412,
            "/api/products/{product}",
        ),
        r#"{"name": "Matrix", "description": "", "price": {"amount": 1, "currency": "EUR"}}"#,
    ),
    shop(
        "delete_product",
        Only(ADMINS, 403),
        412,
        "/api/products/{product}",
    ),
    shop(
        "find_stocked_product",
        Only(ADMINS, 403),
        200,
        "/api/admin/products/enamel-mug",
    ),
    // orders: another user's orders answer 404
    with(
        shop("create_order", Only(PEOPLE, 403), 201, "/api/orders"),
        r#"{"items": [{"product_id": "{product}", "quantity": 1}]}"#,
    ),
    shop("list_orders", Only(PEOPLE, 403), 200, "/api/orders"),
    shop(
        "find_order",
        Only(&[Owner, Admin, Operator, AdminOperator], 404),
        200,
        "/api/orders/{order}",
    ),
    shop(
        "watch_order",
        Only(&[Owner, Admin, Operator, AdminOperator], 404),
        200,
        "/api/orders/{canceled}/events",
    ),
    with(
        shop(
            "cancel_order",
            Only(&[Owner, Admin, AdminOperator], 404),
            202,
            "/api/orders/{canceled}/cancel",
        ),
        r#"{"reason": "the matrix"}"#,
    ),
    shop(
        "list_all_orders",
        Only(STAFF, 403),
        200,
        "/api/admin/orders",
    ),
    shop(
        "find_any_order",
        Only(STAFF, 403),
        200,
        "/api/admin/orders/{order}",
    ),
    // operating: 409 means that the action was understood and is not possible
    shop("list_sagas", Only(STAFF, 403), 200, "/api/sagas"),
    shop("find_saga", Only(STAFF, 403), 200, "/api/sagas/{saga}"),
    shop("why_saga", Only(STAFF, 403), 200, "/api/sagas/{saga}/why"),
    shop(
        "send_trace",
        Only(STAFF, 403),
        503,
        "/api/sagas/{saga}/trace",
    ),
    with(
        shop(
            "retry_saga",
            Only(STAFF, 403),
            200,
            "/api/sagas/{saga}/retry",
        ),
        DRY,
    ),
    with(
        shop(
            "pause_saga",
            Only(STAFF, 403),
            200,
            "/api/sagas/{saga}/pause",
        ),
        DRY,
    ),
    with(
        shop(
            "resume_saga",
            Only(STAFF, 403),
            409,
            "/api/sagas/{saga}/resume",
        ),
        DRY,
    ),
    with(
        shop(
            "cancel_saga",
            Only(STAFF, 403),
            200,
            "/api/sagas/{saga}/cancel",
        ),
        DRY,
    ),
    with(
        shop(
            "signal_saga",
            Only(STAFF, 403),
            409,
            "/api/sagas/{saga}/signal",
        ),
        r#"{"name": "transaction_completed", "reason": "the matrix", "dry_run": true}"#,
    ),
    with(
        shop(
            "resolve_saga",
            Only(ADMINS, 403),
            409,
            "/api/sagas/{saga}/resolve",
        ),
        r#"{"step": "await_payment", "as": "done", "evidence": "none", "reason": "the matrix", "dry_run": true}"#,
    ),
    shop("list_failed", Only(STAFF, 403), 200, "/api/failed"),
    shop(
        "find_failed",
        Only(STAFF, 403),
        200,
        "/api/failed/{message}",
    ),
    with(
        shop(
            "retry_failed",
            Only(STAFF, 403),
            409,
            "/api/failed/{message}/retry",
        ),
        r#"{"reason": "the matrix", "alike": 7}"#,
    ),
    with(
        shop(
            "drop_failed",
            Only(STAFF, 403),
            409,
            "/api/failed/{message}/drop",
        ),
        r#"{"reason": "the matrix", "alike": 7}"#,
    ),
    shop("doctor", Only(STAFF, 403), 200, "/api/doctor"),
    // pages and settings
    shop("settings", Anybody, 200, "/api/settings"),
    shop("find_runbook", Anybody, 200, "/api/runbooks/no-worker"),
    shop("find_problem", Anybody, 200, "/api/problems/forbidden"),
    // payments: the payer's own transaction, and the shop's own calls
    payments("keys", Anybody, 200, "/.well-known/jwks.json"),
    with(
        payments("init", Only(SERVICES, 403), 200, "/transactions"),
        r#"{"order_id": "{order}", "user_id": "{owner}", "amount": {amount}, "transaction_id": "{transaction}"}"#,
    ),
    payments(
        "find",
        Only(PAYERS, 404),
        200,
        "/transactions/{transaction}",
    ),
    payments(
        "find_by_order",
        Only(PAYERS, 404),
        200,
        "/transactions?order_id={order}",
    ),
    with(
        payments("complete", Only(PAYERS, 404), 200, "/transactions/complete"),
        r#"{"transaction_id": "{paid}"}"#,
    ),
    with(
        payments("cancel", Only(PAYERS, 404), 200, "/transactions/cancel"),
        r#"{"transaction_id": "{withdrawn}"}"#,
    ),
    with(
        payments(
            "cancel_by_order",
            Only(SERVICES, 403),
            200,
            "/transactions/cancel-by-order",
        ),
        r#"{"order_id": "{canceled}"}"#,
    ),
    with(
        payments("lookup", Only(SERVICES, 403), 200, "/transactions/lookup"),
        r#"{"transaction_ids": ["{transaction}"]}"#,
    ),
];

/// The status that a caller gets for a row.
pub(super) fn expected(row: &Row, caller: Caller, is_read: bool) -> u16 {
    let Only(may, refusal) = row.may else {
        return row.ok;
    };
    match (caller, row.at) {
        (Anonymous | Foreign, _) => 401,
        // an ended session changes nothing; it can still read until its token expires
        (Disabled, _) if !is_read || ["me", "check_session"].contains(&row.id) => 401,
        (Disabled, _) if may.contains(&Stranger) => row.ok,
        (Disabled, _) => refusal,
        (caller, _) if may.contains(&caller) => row.ok,
        // tokens of services name another audience
        (Service | ServiceForNobody | ServiceForOther | Unscoped, At::Shop) => 401,
        // a service without a scope may do nothing
        (Unscoped, At::Payments) => 403,
        // without a user a service may read, also many transactions at once
        (ServiceForNobody, At::Payments) if is_read || row.id == "lookup" => row.ok,
        (ServiceForNobody, At::Payments) => 403,
        // on another user's behalf the owner's transaction is not found
        (ServiceForOther, At::Payments) if row.id == "init" => 403,
        (ServiceForOther, At::Payments) if row.id == "lookup" => row.ok,
        (ServiceForOther, At::Payments) => 404,
        _ => refusal,
    }
}
