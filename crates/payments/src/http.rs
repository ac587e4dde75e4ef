//! The HTTP API: one file an operation.

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
use contracts::payments::{SCOPE_SERVICE, Transaction};
use kernel::UserId;
use messaging::Wakeup;
use sqlx::PgPool;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Caller, Gate, Json, Problem, kinds};

use crate::transaction::Moved;

pub use docs::openapi;
pub use problems::KINDS;

/// What the handlers share.
#[derive(Clone)]
pub struct App {
    pool: PgPool,
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
    /// The service's state. Only with `simulator` may people pay and cancel here; `wakeup` rings
    /// the relay.
    pub fn new(pool: PgPool, gate: Gate, simulator: bool, wakeup: Wakeup) -> Self {
        Self {
            pool,
            gate,
            simulator,
            wakeup,
            event_keys: Arc::new(serde_json::json!({ "keys": [] })),
        }
    }

    /// Publishes this key set: events are signed with one of its keys.
    #[must_use]
    pub fn publishing(mut self, event_keys: serde_json::Value) -> Self {
        self.event_keys = Arc::new(event_keys);
        self
    }

    /// All routes, without what goes round them: see [`crate::app`].
    pub(crate) fn router(self) -> Router {
        let (router, openapi) = operations().with_state(self).split_for_parts();
        router.merge(docs::router(openapi))
    }

    /// The payer for whom a simulated payment is decided; none for a service.
    fn simulated_payer(&self, caller: &Caller) -> Result<Option<UserId>, Problem> {
        let payer = payer_or_service(caller)?;
        if payer.is_some() && !self.simulator {
            return Err(Problem::new(kinds::NOT_FOUND).detail(
                "People cannot pay or cancel here: this is no simulator (PAYMENTS_SIMULATOR is not 1).",
            ));
        }
        Ok(payer)
    }

    fn answer(&self, moved: Moved) -> Result<Json<Transaction>, Problem> {
        match moved {
            Moved::Now(transaction) => {
                self.wakeup.notify();
                tracing::info!(
                    order.id = %transaction.order_id,
                    "Transaction {} is {}", transaction.transaction_id, transaction.status.as_str(),
                );
                Ok(Json(transaction))
            }
            Moved::Before(transaction) => Ok(Json(transaction)),
            Moved::Lost(transaction) => Err(problems::decided(transaction)),
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

/// The user who calls, who sees their own only; none for a service of the shop, which sees all.
fn payer_or_service(caller: &Caller) -> Result<Option<UserId>, Problem> {
    match caller.0.user_id {
        Some(user_id) => Ok(Some(user_id)),
        None => caller.require_scope(SCOPE_SERVICE).map(|()| None),
    }
}

fn not_found() -> Problem {
    Problem::new(kinds::NOT_FOUND).detail("There is no such transaction of yours.")
}
