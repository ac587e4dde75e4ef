use axum::{extract::State, http::header, response::IntoResponse};

use super::App;

/// How long a key set may be kept by a cache: shorter than the steps of a rotation are apart.
const CACHE: &str = "public, max-age=60";

/// The keys that events are signed with.
///
/// An event of ours carries the header `x-signature`: a detached JWS (RFC 7515 appendix F, RFC 7797
/// `b64: false`, EdDSA) over the bytes of its body. Empty when events are not signed.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "shop",
    responses((status = 200, body = Object, description = "A JSON Web Key Set (RFC 7517)"))
)]
pub(super) async fn keys(State(app): State<App>) -> impl IntoResponse {
    let headers = [(header::CACHE_CONTROL, CACHE)];
    (headers, axum::Json(app.event_keys.as_ref().clone()))
}
