use personal_ai_assistant::api::correlation::CorrelationId;
use personal_ai_assistant::api::route::{Route, route};

#[test]
fn a_path_is_known_byte_for_byte_and_answers_its_own_methods() {
    let health = Route::MethodNotAllowed {
        allow: "GET, HEAD, OPTIONS",
    };
    let chat = Route::MethodNotAllowed {
        allow: "POST, OPTIONS",
    };
    let asks = |allow| Route::Preflight { allow };
    let table = [
        ("GET", "/health", Route::Health),
        ("HEAD", "/health", Route::Health),
        ("POST", "/health", health),
        ("DELETE", "/health", health),
        ("GET", "/health/ready", Route::Ready),
        ("HEAD", "/health/ready", Route::Ready),
        ("POST", "/health/ready", health),
        ("OPTIONS", "/chat", asks("POST, OPTIONS")),
        ("OPTIONS", "/health", asks("GET, HEAD, OPTIONS")),
        ("OPTIONS", "/health/ready", asks("GET, HEAD, OPTIONS")),
        ("OPTIONS", "/docs", asks("GET, HEAD, OPTIONS")),
        ("OPTIONS", "/anything", asks("OPTIONS")),
        ("POST", "/chat", Route::Chat),
        ("GET", "/chat", chat),
        ("HEAD", "/chat", chat),
        ("post", "/chat", chat),
        ("GET", "/models", Route::Models),
        ("HEAD", "/models", Route::Models),
        ("POST", "/models", health),
        ("OPTIONS", "/models", asks("GET, HEAD, OPTIONS")),
        ("GET", "/models/", Route::NotFound),
        ("GET", "/", Route::NotFound),
        ("POST", "/", health),
        ("PUT", "/docs", health),
        ("DELETE", "/openapi.json", health),
        ("GET", "/docs", Route::NotFound),
        ("GET", "", Route::NotFound),
        ("POST", "/chat/", Route::NotFound),
        ("POST", "/Chat", Route::NotFound),
        ("GET", "//health", Route::NotFound),
        ("GET", "/health%2f", Route::NotFound),
    ];
    for (method, path, expected) in table {
        assert_eq!(route(method, path), expected, "{method} {path}");
    }
}

#[test]
fn a_correlation_id_is_kept_when_it_is_safe_to_print() {
    let longest = "a".repeat(128);
    for id in ["a", "abc-123", "A.b_C:d-9", &longest] {
        let kept = CorrelationId::parse(id).map(|id| id.to_string());
        assert_eq!(kept.as_deref(), Some(id));
    }
    let too_long = "a".repeat(129);
    for id in [
        "",
        " ",
        "a b",
        "a\r\nx: y",
        "a\0",
        "é",
        "🎉",
        "a/b",
        "a\"b",
        &too_long,
    ] {
        assert_eq!(CorrelationId::parse(id), None, "{id:?}");
    }
}
