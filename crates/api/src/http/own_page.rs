use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use web::{Problem, kinds};

use super::App;

/// A request that was not made by a page of another site: browsers attach the cookie by themselves,
/// so the cookie alone proves nothing.
///
/// Browsers state where a request comes from. A client that does not is no browser, and sends the
/// cookie only if it chose to store it.
pub(super) struct OwnPage;

impl FromRequestParts<App> for OwnPage {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        if is_own(&parts.headers, &app.own_origins) {
            Ok(Self)
        } else {
            Err(Problem::new(kinds::FORBIDDEN).detail("This call is for the shop's own pages."))
        }
    }
}

fn is_own(headers: &HeaderMap, own: &[String]) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match text("sec-fetch-site") {
        Some("same-origin" | "none") => return true,
        Some("cross-site") => return false,
        _ => {}
    }
    let Some(origin) = text(header::ORIGIN.as_str()) else {
        return true;
    };
    let host = text(header::HOST.as_str()).unwrap_or_default();
    own.iter().any(|own| own == origin)
        || origin
            .split_once("://")
            .is_some_and(|(_, authority)| authority == host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_and_other_hosts_are_refused() {
        let own = ["https://shop.example".to_owned()];
        for (site, origin, expected) in [
            (None, None, true),
            (Some("same-origin"), Some("https://shop.example"), true),
            (Some("none"), None, true),
            (None, Some("https://shop.example"), true),
            (None, Some("http://10.0.0.1:8080"), true),
            (Some("same-site"), Some("https://shop.example"), true),
            (
                Some("same-site"),
                Some("https://payments.shop.example"),
                false,
            ),
            (Some("cross-site"), Some("https://evil.example"), false),
            (Some("cross-site"), None, false),
            (None, Some("https://evil.example"), false),
            (None, Some("null"), false),
            (None, Some("https://shop.example.evil.example"), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("host", "10.0.0.1:8080".parse().unwrap());
            for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
                if let Some(value) = value {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            assert_eq!(is_own(&headers, &own), expected, "{site:?} {origin:?}");
        }
    }
}
