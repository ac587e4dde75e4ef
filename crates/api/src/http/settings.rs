use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use web::{Json, PublicProblems};

use super::App;

/// Addresses that the storefront needs and that are not under its own origin.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Settings {
    /// URL at which browsers reach payments.
    #[schema(example = "http://localhost:8081")]
    pub payments_url: String,
    /// URL template of a trace's page, with `{trace_id}` for the id, if a trace viewer is
    /// configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_url: Option<String>,
    /// URL at which faults can be injected, in development.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub demo_url: Option<String>,
}

/// Settings that the storefront needs before it starts.
#[utoipa::path(
    get, path = "/api/settings",
    responses((status = 200, body = Settings, description = "The settings"), PublicProblems)
)]
pub(super) async fn settings(State(app): State<App>) -> Json<Settings> {
    Json((*app.settings).clone())
}
