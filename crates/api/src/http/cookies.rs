//! Cookies that a browser keeps for us; scripts cannot read them.

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};

/// One of our cookies.
///
/// With TLS its name begins with `__Host-`: the browser then accepts it from this host alone, and
/// no other host of the domain can replace it. Such a cookie is sent to every path.
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

/// Identifies a device on which an account has logged in.
pub(super) const DEVICE: Cookie = Cookie {
    name: "shop_device",
    secure_name: "__Host-shop_device",
    path: "/api",
};

impl Cookie {
    const fn name(self, secure: bool) -> &'static str {
        if secure { self.secure_name } else { self.name }
    }

    /// The cookie's value, if the request has one. The previous release used only the unprefixed
    /// name.
    pub(super) fn of(self, headers: &HeaderMap, secure: bool) -> Option<&str> {
        value(headers, self.name(secure)).or_else(|| value(headers, self.name))
    }

    /// Sets the cookie for `max_age` seconds; 0 deletes it.
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
            // a cookie of the previous release would be accepted when the prefixed one is missing
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
