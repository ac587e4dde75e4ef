//! The HTTP API: one file per operation, or per few operations that share their shapes.

mod account;
mod audited;
mod cancel_order;
mod cookies;
mod create_order;
mod doctor;
mod failed;
mod limiter;
mod order_events;
mod own_page;
mod own_sessions;
mod password;
mod problem_pages;
mod problems;
mod products;
mod read_orders;
mod rules;
mod runbooks;
mod saga_acts;
mod saga_trace;
mod sagas;
mod session;
mod settings;
mod shapes;
mod verification;

use std::{sync::Arc, time::Duration};

use auth::Auth;
use axum::{
    Json, Router,
    extract::{FromRef, State},
    http::{HeaderMap, HeaderValue, Method, Uri, header},
    routing::get,
};
use operator::Operator;
use saga::Engine;
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;
use web::Gate;
use workflows::submit::Submitter;

use crate::{placed::Placed, sessions::Sessions, storefront::Storefront, watch::Watch};

pub use limiter::Limiter;
pub use problem_pages::PAGES;
pub use problems::KINDS;
pub use settings::Settings;

/// State that the handlers share.
#[derive(Clone)]
pub struct App {
    /// The shop's database.
    pub pool: PgPool,
    /// The engine that decides on sagas.
    pub engine: Engine,
    /// Places orders.
    pub submitter: Arc<Submitter>,
    /// Reads the orders that were placed.
    pub placed: Placed,
    /// Serves what operators see and do.
    pub operator: Operator,
    /// Accounts.
    pub auth: Auth,
    /// Verifies callers' tokens.
    pub gate: Gate,
    /// Checks whether a session is live.
    pub sessions: Sessions,
    /// The public keys, as published.
    pub jwks: Arc<serde_json::Value>,
    /// How long `POST /api/orders` waits for the first attempt.
    pub order_wait: Duration,
    /// How many first attempts this process may still start.
    pub eager: Arc<Semaphore>,
    /// Whether cookies are sent over TLS only.
    pub secure_cookie: bool,
    /// Origins of the shop's own pages.
    pub own_origins: Arc<[String]>,
    /// Limits logins and registrations.
    pub logins: Arc<Limiter>,
    /// Limits refreshes.
    pub refreshes: Arc<Limiter>,
    /// Limits searches of the catalog.
    pub searches: Arc<Limiter>,
    /// Watchers of orders.
    pub watch: Watch,
    /// Settings that the storefront needs.
    pub settings: Arc<Settings>,
    /// The storefront's files, if the API serves them.
    pub storefront: Option<Arc<Storefront>>,
}

impl FromRef<App> for Gate {
    fn from_ref(app: &App) -> Self {
        app.gate.clone()
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Shop",
        description = "Accounts, catalog, orders. Errors are problem documents (RFC 9457).",
        license(name = "MIT OR Apache-2.0")
    ),
    modifiers(&Bearer)
)]
struct Doc;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

impl App {
    /// All routes.
    pub fn router(self) -> Router {
        let (router, openapi) = operations().with_state(self.clone()).split_for_parts();
        let openapi = web::schema::without_null_parameters(openapi);
        let csp = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";
        let docs = Router::new()
            .merge(SwaggerUi::new("/docs").url("/openapi.json", openapi))
            .layer(SetResponseHeaderLayer::overriding(
                header::CONTENT_SECURITY_POLICY,
                HeaderValue::from_static(csp),
            ));
        let storefront = self.storefront.clone();
        let keys = Router::new()
            .route("/.well-known/jwks.json", get(jwks))
            .with_state(self);
        let router = router.merge(docs).merge(keys);
        let Some(storefront) = storefront else {
            // without a storefront to render it, a problem's `type` is served as plain text
            return router.route("/problems/{slug}", get(problem_pages::find));
        };
        router.fallback(
            move |method: Method, uri: Uri, headers: HeaderMap| async move {
                storefront.answer(&method, uri.path(), &headers)
            },
        )
    }
}

fn operations() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Doc::openapi())
        .routes(routes!(account::register))
        .routes(routes!(account::login))
        .routes(routes!(account::refresh))
        .routes(routes!(account::logout))
        .routes(routes!(account::me))
        .routes(routes!(session::check_session))
        .routes(routes!(own_sessions::list, own_sessions::end_others))
        .routes(routes!(own_sessions::end))
        .routes(routes!(password::change_password))
        .routes(routes!(password::request_password_reset))
        .routes(routes!(password::reset_password))
        .routes(routes!(verification::verify_email))
        .routes(routes!(verification::send_verification))
        .routes(routes!(products::search, products::create))
        .routes(routes!(products::find, products::update, products::delete))
        .routes(routes!(products::find_stocked))
        .routes(routes!(create_order::create_order, read_orders::list))
        .routes(routes!(read_orders::find))
        .routes(routes!(order_events::watch_order))
        .routes(routes!(cancel_order::cancel_order))
        .routes(routes!(read_orders::list_all))
        .routes(routes!(read_orders::find_any))
        .routes(routes!(settings::settings))
        .routes(routes!(sagas::list))
        .routes(routes!(sagas::find))
        .routes(routes!(sagas::why))
        .routes(routes!(saga_trace::send))
        .routes(routes!(saga_acts::retry))
        .routes(routes!(saga_acts::pause))
        .routes(routes!(saga_acts::resume))
        .routes(routes!(saga_acts::cancel))
        .routes(routes!(saga_acts::signal))
        .routes(routes!(saga_acts::resolve))
        .routes(routes!(failed::list))
        .routes(routes!(failed::find))
        .routes(routes!(failed::retry))
        .routes(routes!(failed::discard))
        .routes(routes!(doctor::doctor))
        .routes(routes!(runbooks::find))
        .routes(routes!(problem_pages::find))
}

/// The OpenAPI document, pretty-printed.
pub fn openapi() -> String {
    web::schema::without_null_parameters(operations().into_openapi())
        .to_pretty_json()
        .unwrap_or_default()
}

/// The keys that verify our tokens. (RFC 7517)
async fn jwks(
    State(app): State<App>,
) -> (
    [(header::HeaderName, &'static str); 1],
    Json<serde_json::Value>,
) {
    (
        [(header::CACHE_CONTROL, "public, max-age=300")],
        Json((*app.jwks).clone()),
    )
}
