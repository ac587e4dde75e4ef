//! Serves the storefront: a folder of built files, read once at start and kept in memory.
//!
//! A page is answered with `index.html`; the storefront routes it. An unknown address gets the same
//! document with status 404, and the storefront shows that the page does not exist. Files under
//! `assets/` carry a digest in their name, so clients may cache them for ever.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header},
    response::IntoResponse,
};
use sha2::{Digest, Sha256};
use web::{OwnBody, Problem, kinds};

/// Paths under these prefixes are never pages.
const NOT_PAGES: [&str; 4] = ["/api/", "/docs/", "/assets/", "/.well-known/"];

/// The storefront's pages. `routes.test.ts` compares them with its routes, `tests/it/nginx.rs` with
/// the web server's.
pub const PAGES: [&str; 26] = [
    "/",
    "/products/:slug",
    "/cart",
    "/login",
    "/register",
    "/forgot-password",
    "/reset-password",
    "/verify-email",
    "/account",
    "/checkout",
    "/orders",
    "/orders/:id",
    "/admin/products",
    "/admin/products/new",
    "/admin/products/:slug",
    "/admin/orders",
    "/admin/orders/:id",
    "/ops",
    "/ops/sagas",
    "/ops/sagas/:id",
    "/ops/orders/:id",
    "/ops/failed",
    "/ops/failed/:id",
    "/ops/doctor",
    "/problems/:slug",
    "/index.html",
];

fn is_page(path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    PAGES.iter().any(|page| {
        let page = page.strip_suffix('/').unwrap_or(page);
        page.split('/').count() == path.split('/').count()
            && page.split('/').zip(path.split('/')).all(|(page, segment)| {
                page == segment || (page.starts_with(':') && !segment.is_empty())
            })
    })
}

/// The files, by their path.
#[derive(Debug)]
pub struct Storefront {
    files: HashMap<String, File>,
    csp: HeaderValue,
}

#[derive(Debug)]
struct File {
    content_type: &'static str,
    /// Weak, because all encodings share it.
    etag: HeaderValue,
    plain: Bytes,
    /// Precompressed bodies, by the name of the encoding, the best first.
    encoded: Vec<(&'static str, Bytes)>,
}

impl Storefront {
    /// Reads a folder. Its pages may call `origins` besides our own.
    ///
    /// # Errors
    /// When the folder cannot be read or has no `index.html`, or when an origin is invalid.
    pub fn load(folder: &Path, origins: &[String]) -> io::Result<Self> {
        let mut files = HashMap::new();
        read(folder, "", &mut files)?;
        if !files.contains_key("/index.html") {
            let sentence = format!("{} has no index.html", folder.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, sentence));
        }
        let csp = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             font-src 'self'; manifest-src 'self'; connect-src 'self' {}; form-action 'self'; \
             base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
            origins.join(" ")
        );
        let csp = HeaderValue::from_str(&csp).map_err(io::Error::other)?;
        Ok(Self { files, csp })
    }

    /// Answers with the file of this path, a page, or a problem.
    pub(crate) fn answer(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Response<Body> {
        let found = self.find(path);
        let Some((file_path, file)) =
            found.filter(|_| method == Method::GET || method == Method::HEAD)
        else {
            return Problem::new(kinds::NOT_FOUND).into_response();
        };
        let mut response = if file_path == "/index.html" && !is_page(path) {
            let mut whole = headers.clone();
            whole.remove(header::IF_NONE_MATCH);
            let mut response = file.answer(&whole);
            *response.status_mut() = StatusCode::NOT_FOUND;
            response.extensions_mut().insert(OwnBody);
            response
        } else {
            file.answer(headers)
        };
        let path = file_path;
        let headers = response.headers_mut();
        let keep = if path.starts_with("/assets/") {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        };
        let mut set = |name: HeaderName, value| headers.insert(name, value);
        set(header::CACHE_CONTROL, HeaderValue::from_static(keep));
        set(header::VARY, HeaderValue::from_static("accept-encoding"));
        set(header::CONTENT_SECURITY_POLICY, self.csp.clone());
        set(
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        );
        response
    }

    fn find<'a>(&'a self, path: &'a str) -> Option<(&'a str, &'a File)> {
        if let Some(file) = self.files.get(path) {
            return Some((path, file));
        }
        let name = path.rsplit('/').next().unwrap_or_default();
        let page = !name.contains('.') && !NOT_PAGES.iter().any(|start| path.starts_with(start));
        let index = "/index.html";
        page.then(|| self.files.get(index).map(|file| (index, file)))?
    }
}

impl File {
    fn answer(&self, request: &HeaderMap) -> Response<Body> {
        let text = |name| {
            let value = request
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok());
            value.unwrap_or_default()
        };
        let tag = self.etag.to_str().unwrap_or_default();
        let mut seen = text(header::IF_NONE_MATCH).split(',').map(str::trim);
        if seen.any(|seen| seen == tag) {
            return (
                StatusCode::NOT_MODIFIED,
                [(header::ETAG, self.etag.clone())],
            )
                .into_response();
        }
        let accepted: Vec<_> = text(header::ACCEPT_ENCODING)
            .split(',')
            .filter_map(|coding| {
                let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
                let refused = weight.replace(' ', "").trim_end_matches(['0', '.']) == "q=";
                (!refused).then(|| name.trim())
            })
            .collect();
        let best = self
            .encoded
            .iter()
            .find(|(coding, _)| accepted.contains(coding));
        let bytes = best.map_or(&self.plain, |(_, bytes)| bytes).clone();
        let mut response = (
            [
                (
                    header::CONTENT_TYPE,
                    HeaderValue::from_static(self.content_type),
                ),
                (header::ETAG, self.etag.clone()),
            ],
            bytes,
        )
            .into_response();
        if let Some((coding, _)) = best {
            response
                .headers_mut()
                .insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        response
    }
}

fn read(folder: &Path, below: &str, files: &mut HashMap<String, File>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let place = format!("{below}/{name}");
        if path.is_dir() {
            read(&path, &place, files)?;
        } else if let Some(content_type) = content_type(&path) {
            files.insert(place, file(&path, content_type)?);
        }
    }
    Ok(())
}

fn file(path: &Path, content_type: &'static str) -> io::Result<File> {
    let plain = Bytes::from(fs::read(path)?);
    let digest: String = Sha256::digest(&plain)[..12]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let encoded = [("br", ".br"), ("gzip", ".gz")]
        .into_iter()
        .filter_map(|(coding, suffix)| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            let bytes = fs::read(PathBuf::from(name)).ok()?;
            Some((coding, Bytes::from(bytes)))
        });
    Ok(File {
        content_type,
        etag: HeaderValue::from_str(&format!("W/\"{digest}\"")).map_err(io::Error::other)?,
        encoded: encoded.collect(),
        plain,
    })
}

/// The content type of files that are served; files of other types are not served.
fn content_type(path: &Path) -> Option<&'static str> {
    Some(match path.extension()?.to_str()? {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    })
}
