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
    /// `OPTIONS`, whatever the path: a browser asks what a page may do.
    Preflight,
    /// A known path with a method that it does not answer.
    MethodNotAllowed {
        /// The methods that it does answer, as the `Allow` header wants them.
        allow: &'static str,
    },
    /// No such path.
    NotFound,
}

/// Chooses the route of a request. `method` is upper case, `path` starts with `/` and has no query;
/// both are compared byte for byte.
pub fn route(method: &str, path: &str) -> Route {
    match (path, method) {
        (_, "OPTIONS") => Route::Preflight,
        ("/health", "GET" | "HEAD") => Route::Health,
        ("/health/ready", "GET" | "HEAD") => Route::Ready,
        ("/health" | "/health/ready", _) => Route::MethodNotAllowed {
            allow: "GET, HEAD, OPTIONS",
        },
        ("/chat", "POST") => Route::Chat,
        ("/chat", _) => Route::MethodNotAllowed {
            allow: "POST, OPTIONS",
        },
        // Whoever gets here has not been given the page: it is missing, or was asked for by another method.
        ("/" | "/docs" | "/openapi.json", method) if !matches!(method, "GET" | "HEAD") => {
            Route::MethodNotAllowed {
                allow: "GET, HEAD, OPTIONS",
            }
        }
        _ => Route::NotFound,
    }
}
