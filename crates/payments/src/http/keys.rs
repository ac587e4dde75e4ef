use axum::{extract::State, http::header, response::IntoResponse};

use super::App;

/// How long a cache may keep the key set: shorter than the time between the steps of a key
/// rotation.
const CACHE: &str = "public, max-age=60";

/// Get the keys that verify events.
///
/// A signed event carries the header `x-signature`: a detached JWS (RFC 7515 appendix F, RFC 7797
/// `b64: false`, EdDSA) over the bytes of its body. The set is empty when events are not signed.
/// Beside `keys`, the member `instance_id` names the service's database.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "shop",
    responses((status = 200, body = Object, description = "A JSON Web Key Set (RFC 7517)"))
)]
pub(super) async fn keys(State(app): State<App>) -> impl IntoResponse {
    let headers = [(header::CACHE_CONTROL, CACHE)];
    (headers, axum::Json(app.event_keys.as_ref().clone()))
}
