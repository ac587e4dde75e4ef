use axum::{
    Router,
    http::{HeaderValue, header},
};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_swagger_ui::{Config, SwaggerUi};
use web::ProblemBody;

/// The documentation page loads its scripts from this service, and its scripts set inline styles.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                   font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Payments",
        description = "Decides whether an order is paid. Errors are problem documents (RFC 9457); each `type` \
                       has a page under `docs/problems`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(ProblemBody)),
    modifiers(&Bearer)
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "An access token of the shop with the audience `payments`, or a service token.",
            ))
            .build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The document without the operations.
pub(super) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// The OpenAPI document, pretty-printed.
pub fn openapi() -> String {
    web::schema::without_null_parameters(super::operations().into_openapi())
        .to_pretty_json()
        .unwrap_or_default()
}

/// Serves `/openapi.json`, and `/docs` to read it.
pub(super) fn router(openapi: utoipa::openapi::OpenApi) -> Router {
    let reader = SwaggerUi::new("/docs")
        .url("/openapi.json", openapi)
        // send nothing to the default third-party validator
        .config(Config::default().validator_url("none"));
    let csp = SetResponseHeaderLayer::overriding(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CSP),
    );
    Router::from(reader).layer(csp)
}
