use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use web::{Json, PublicProblems};

use super::App;

/// Where a storefront finds what is not under its own address.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Settings {
    /// Where browsers reach payments.
    #[schema(example = "http://localhost:8081")]
    pub payments_url: String,
    /// Page of a trace, `{trace_id}` standing for its id, if there is a place for traces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_url: Option<String>,
    /// Where faults can be made, in development.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub demo_url: Option<String>,
}

/// What a storefront has to know before it starts.
#[utoipa::path(
    get, path = "/api/settings",
    responses((status = 200, body = Settings, description = "The settings"), PublicProblems)
)]
pub(super) async fn settings(State(app): State<App>) -> Json<Settings> {
    Json((*app.settings).clone())
}
