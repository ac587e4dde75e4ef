//! The cookies that a browser keeps for us, out of the reach of scripts.

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};

/// A cookie of ours.
///
/// With TLS its name begins with `__Host-`: the browser then takes it from this host alone, and no other host of the domain
/// can put one in its place. Such a cookie is sent to every path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cookie {
    name: &'static str,
    secure_name: &'static str,
    path: &'static str,
}

/// The refresh token.
pub(super) const REFRESH: Cookie = Cookie {
    name: "shop_refresh",
    secure_name: "__Host-shop_refresh",
    path: "/api",
};

/// The device that an account was logged in on.
pub(super) const DEVICE: Cookie = Cookie {
    name: "shop_device",
    secure_name: "__Host-shop_device",
    path: "/api",
};

impl Cookie {
    const fn name(self, secure: bool) -> &'static str {
        if secure { self.secure_name } else { self.name }
    }

    /// Its value, if the request has one. The release before knew only the name without a prefix.
    pub(super) fn of(self, headers: &HeaderMap, secure: bool) -> Option<&str> {
        value(headers, self.name(secure)).or_else(|| value(headers, self.name))
    }

    /// Sets it for so many seconds, or deletes it with none.
    pub(super) fn set(self, response: &mut Response, secure: bool, token: &str, max_age: u64) {
        let (path, attribute) = if secure {
            ("/", "; Secure")
        } else {
            (self.path, "")
        };
        append(
            response,
            &format!(
                "{}={token}; Path={path}; HttpOnly; SameSite=Strict; Max-Age={max_age}{attribute}",
                self.name(secure)
            ),
        );
        if secure {
            // the one of the release before would be taken where this one is missing
            append(
                response,
                &format!(
                    "{}=; Path={}; HttpOnly; SameSite=Strict; Max-Age=0; Secure",
                    self.name, self.path
                ),
            );
        }
    }
}

fn append(response: &mut Response, cookie: &str) {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
        .filter(|token| !token.is_empty())
}
