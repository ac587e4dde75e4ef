//! The HTTP API: one file per operation.

mod cancel;
mod cancel_by_order;
mod complete;
mod docs;
mod find;
mod find_by_order;
mod init;
mod keys;
mod lookup;
mod problems;

use std::sync::Arc;

use axum::{Router, extract::FromRef};
use contracts::payments::{INSTANCE, SCOPE_SERVICE, Transaction};
use db::Lane;
use kernel::UserId;
use messaging::Wakeup;
use sqlx::PgPool;
use tokens::Signs;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;
use web::{Caller, Gate, Json, Problem, kinds};

use crate::transaction::Moved;

pub use docs::openapi;
pub use problems::KINDS;

/// State shared by the handlers.
#[derive(Clone)]
pub struct App {
    lane: Lane,
    gate: Gate,
    simulator: bool,
    wakeup: Wakeup,
    event_keys: Arc<serde_json::Value>,
}

impl FromRef<App> for Gate {
    fn from_ref(app: &App) -> Self {
        app.gate.clone()
    }
}

impl App {
    /// Creates the service's state. Users may pay and cancel only with `simulator`; `wakeup` wakes
    /// the relay.
    pub fn new(pool: PgPool, gate: Gate, simulator: bool, wakeup: Wakeup) -> Self {
        Self {
            lane: Lane::new(pool),
            gate,
            simulator,
            wakeup,
            event_keys: Arc::new(serde_json::json!({ "keys": [] })),
        }
    }

    /// Publishes this key set, whose keys verify signed events.
    #[must_use]
    pub fn publishing(mut self, event_keys: serde_json::Value) -> Self {
        self.event_keys = Arc::new(event_keys);
        self
    }

    /// Publishes the name of the service's database beside the keys.
    #[must_use]
    pub fn named(mut self, instance: Uuid) -> Self {
        Arc::make_mut(&mut self.event_keys)[INSTANCE] = instance.to_string().into();
        self
    }

    /// All routes, without the surrounding layers: see [`crate::app`].
    pub(crate) fn router(self) -> Router {
        let (router, openapi) = operations().with_state(self).split_for_parts();
        let openapi = web::schema::without_null_parameters(openapi);
        router.merge(docs::router(openapi))
    }

    /// The payer for whom a payment is decided: a user of the simulator, or the user that a service
    /// acts for.
    fn deciding_payer(&self, caller: &Caller) -> Result<Option<UserId>, Problem> {
        match caller.0.user_id {
            Some(_) if !self.simulator => Err(Problem::new(kinds::NOT_FOUND).detail(
                "People cannot pay or cancel here: this is no simulator (PAYMENTS_SIMULATOR is not 1).",
            )),
            Some(user_id) => Ok(Some(user_id)),
            None => spoken_for(caller),
        }
    }

    fn answer(&self, moved: Moved) -> Result<Json<Transaction>, Problem> {
        match moved {
            Moved::Applied(transaction) => {
                self.wakeup.notify();
                tracing::info!(
                    order.id = transaction.order_id.map(tracing::field::display),
                    "Transaction {} is {}",
                    transaction.transaction_id,
                    transaction.status.as_str(),
                );
                Ok(Json(transaction))
            }
            Moved::AlreadyApplied(transaction) => Ok(Json(transaction)),
            Moved::Conflict(transaction) => Err(problems::decided(transaction)),
            Moved::NotFound => Err(not_found()),
        }
    }
}

fn operations() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(docs::document())
        .routes(routes!(init::init, find_by_order::find_by_order))
        .routes(routes!(find::find))
        .routes(routes!(complete::complete))
        .routes(routes!(cancel::cancel))
        .routes(routes!(cancel_by_order::cancel_by_order))
        .routes(routes!(lookup::lookup))
        .routes(routes!(keys::keys))
}

/// The user whose transactions a caller may read: a user reads their own, and a service those of
/// the user that it acts for. `None` means all: the caller is a service that acts for no user (the
/// worker that verifies events, or an operator's read).
fn reader(caller: &Caller) -> Result<Option<UserId>, Problem> {
    if let Some(user_id) = caller.0.user_id {
        return Ok(Some(user_id));
    }
    caller.require_scope(SCOPE_SERVICE)?;
    Ok(caller.0.on_behalf_of)
}

/// The user for whom a service makes a change. Services of the previous release name no user: their
/// calls are accepted as long as their key may sign both kinds of tokens ([`Signs::Both`]).
fn spoken_for(caller: &Caller) -> Result<Option<UserId>, Problem> {
    caller.require_scope(SCOPE_SERVICE)?;
    match (caller.0.on_behalf_of, caller.0.signed_by) {
        (Some(user_id), _) => Ok(Some(user_id)),
        (None, Signs::Both) => Ok(None),
        (None, Signs::Services | Signs::Users) => Err(Problem::new(kinds::FORBIDDEN)
            .detail("The token must name the user whose transaction it is: `on_behalf_of`.")),
    }
}

fn not_found() -> Problem {
    Problem::new(kinds::NOT_FOUND).detail("There is no such transaction of yours.")
}
