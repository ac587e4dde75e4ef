//! The HTTP API: one file an operation.

mod cancel_by_order;
mod decide;
mod init;
mod problems;
mod read;

use axum::{
    Router,
    extract::FromRef,
    http::{HeaderValue, header},
};
use messaging::Wakeup;
use sqlx::PgPool;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;
use web::Gate;

pub use problems::KINDS;

/// What the handlers share.
#[derive(Clone)]
pub struct App {
    pool: PgPool,
    gate: Gate,
    /// Whether people may pay and cancel here.
    simulator: bool,
    wakeup: Wakeup,
}

impl FromRef<App> for Gate {
    fn from_ref(app: &App) -> Self {
        app.gate.clone()
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Payments",
        description = "Decides whether an order is paid. Errors are problem documents (RFC 9457).",
        license(name = "MIT OR Apache-2.0")
    ),
    modifiers(&Bearer)
)]
struct Doc;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

impl App {
    /// The service's state.
    pub fn new(pool: PgPool, gate: Gate, simulator: bool, wakeup: Wakeup) -> Self {
        Self { pool, gate, simulator, wakeup }
    }

    /// All routes.
    pub fn router(self) -> Router {
        let (router, openapi) = operations().with_state(self).split_for_parts();
        let csp = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";
        let docs = Router::new()
            .merge(SwaggerUi::new("/docs").url("/openapi.json", openapi))
            .layer(SetResponseHeaderLayer::overriding(
                header::CONTENT_SECURITY_POLICY,
                HeaderValue::from_static(csp),
            ));
        router.merge(docs)
    }
}

fn operations() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Doc::openapi())
        .routes(routes!(init::init, read::find_by_order))
        .routes(routes!(decide::complete))
        .routes(routes!(decide::cancel))
        .routes(routes!(cancel_by_order::cancel_by_order))
        .routes(routes!(read::find))
}

/// The OpenAPI document, pretty-printed.
pub fn openapi() -> String {
    operations().into_openapi().to_pretty_json().unwrap_or_default()
}
