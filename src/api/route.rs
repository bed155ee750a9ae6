//! (method, path) → what to do.

/// Where a request goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Route {
    /// `GET /health`, or the same without a body.
    Health,
    /// `GET /health/ready`, or the same without a body.
    Ready,
    /// `POST /chat`.
    Chat,
    /// `OPTIONS` of any path: a browser asks which requests a page may send.
    Preflight {
        /// The methods that the path supports, as the `Allow` header lists them.
        allow: &'static str,
    },
    /// A known path, but a method that it does not support.
    MethodNotAllowed {
        /// The methods that the path supports, as the `Allow` header lists them.
        allow: &'static str,
    },
    /// No such path.
    NotFound,
}

/// Chooses the route of a request. `method` is upper case, `path` starts with `/` and has no query;
/// both are compared byte for byte.
pub fn route(method: &str, path: &str) -> Route {
    match (path, method) {
        (_, "OPTIONS") => Route::Preflight {
            allow: methods_of(path).unwrap_or("OPTIONS"),
        },
        ("/health", "GET" | "HEAD") => Route::Health,
        ("/health/ready", "GET" | "HEAD") => Route::Ready,
        ("/chat", "POST") => Route::Chat,
        // Assets are served before the worker is asked, so this one is missing.
        ("/" | "/docs" | "/openapi.json", "GET" | "HEAD") => Route::NotFound,
        _ => methods_of(path).map_or(Route::NotFound, |allow| Route::MethodNotAllowed { allow }),
    }
}

/// The methods that a path supports; `None` when there is no such path.
fn methods_of(path: &str) -> Option<&'static str> {
    match path {
        "/chat" => Some("POST, OPTIONS"),
        "/health" | "/health/ready" | "/" | "/docs" | "/openapi.json" => Some("GET, HEAD, OPTIONS"),
        _ => None,
    }
}
