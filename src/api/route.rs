//! (method, path) → what to do.

/// Where a request goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Route<'p> {
    /// `GET /health`, or the same without a body.
    Health,
    /// `GET /health/ready`, or the same without a body.
    Ready,
    /// `POST /chat`.
    Chat,
    /// `GET /models`, or the same without a body.
    Models,
    /// What is kept for an owner.
    Kept(KeptRoute<'p>),
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

/// What a client does with what is kept for it. Ids are as the path has them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeptRoute<'p> {
    /// `GET /conversations`.
    List,
    /// `DELETE /conversations`.
    DeleteAll,
    /// `GET /conversations/{id}`.
    Conversation(&'p str),
    /// `PATCH /conversations/{id}`.
    Rename(&'p str),
    /// `DELETE /conversations/{id}`.
    Delete(&'p str),
    /// `GET /answers/{id}`.
    Answer(&'p str),
    /// `POST /answers/{id}/stop`.
    Stop(&'p str),
    /// `GET /export`.
    Export,
    /// `GET /usage`.
    Usage,
}

/// Chooses the route of a request. `method` is upper case, `path` starts with `/` and has no query;
/// both are compared byte for byte.
pub fn route<'p>(method: &str, path: &'p str) -> Route<'p> {
    if method == "OPTIONS" {
        return Route::Preflight {
            allow: methods_of(path).unwrap_or("OPTIONS"),
        };
    }
    match (path, method) {
        ("/health", "GET" | "HEAD") => Route::Health,
        ("/health/ready", "GET" | "HEAD") => Route::Ready,
        ("/chat", "POST") => Route::Chat,
        ("/models", "GET" | "HEAD") => Route::Models,
        // Assets are served before the worker is asked, so this one is missing.
        ("/" | "/docs" | "/openapi.json", "GET" | "HEAD") => Route::NotFound,
        _ => match (kept_route(method, path), methods_of(path)) {
            (Some(route), _) => Route::Kept(route),
            (None, Some(allow)) => Route::MethodNotAllowed { allow },
            (None, None) => Route::NotFound,
        },
    }
}

fn kept_route<'p>(method: &str, path: &'p str) -> Option<KeptRoute<'p>> {
    if let Some(id) = conversation_in(path) {
        return match method {
            "GET" => Some(KeptRoute::Conversation(id)),
            "PATCH" => Some(KeptRoute::Rename(id)),
            "DELETE" => Some(KeptRoute::Delete(id)),
            _ => None,
        };
    }
    match (path, method) {
        ("/conversations", "GET") => Some(KeptRoute::List),
        ("/conversations", "DELETE") => Some(KeptRoute::DeleteAll),
        ("/export", "GET") => Some(KeptRoute::Export),
        ("/usage", "GET") => Some(KeptRoute::Usage),
        (_, "GET") => answer_in(path).map(KeptRoute::Answer),
        (_, "POST") => answer_to_stop(path).map(KeptRoute::Stop),
        _ => None,
    }
}

fn conversation_in(path: &str) -> Option<&str> {
    one_segment(path.strip_prefix("/conversations/")?)
}

fn answer_in(path: &str) -> Option<&str> {
    one_segment(path.strip_prefix("/answers/")?)
}

fn answer_to_stop(path: &str) -> Option<&str> {
    one_segment(path.strip_prefix("/answers/")?.strip_suffix("/stop")?)
}

fn one_segment(id: &str) -> Option<&str> {
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

/// The methods that a path supports; `None` when there is no such path.
fn methods_of(path: &str) -> Option<&'static str> {
    match path {
        "/chat" => Some("POST, OPTIONS"),
        "/health" | "/health/ready" | "/models" | "/" | "/docs" | "/openapi.json" => {
            Some("GET, HEAD, OPTIONS")
        }
        "/conversations" => Some("GET, DELETE, OPTIONS"),
        "/export" | "/usage" => Some("GET, OPTIONS"),
        _ if conversation_in(path).is_some() => Some("GET, PATCH, DELETE, OPTIONS"),
        _ if answer_in(path).is_some() => Some("GET, OPTIONS"),
        _ if answer_to_stop(path).is_some() => Some("POST, OPTIONS"),
        _ => None,
    }
}
