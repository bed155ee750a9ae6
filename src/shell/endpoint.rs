//! The prepared call: the address of upstream, and the headers of every request to it.

use js_sys::Promise;
use serde::Serialize;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::AbortSignal;

use super::runtime::js::HeaderMap;
use crate::json;
use crate::openai::Target;

#[wasm_bindgen(module = "/src/shell/runtime/prepared.js")]
extern "C" {
    /// Calls with the same address and headers.
    pub(super) type Endpoint;

    #[wasm_bindgen(constructor, catch)]
    fn new(url: &str, options: &str) -> Result<Endpoint, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) fn call(
        this: &Endpoint,
        body: Option<&str>,
        correlation_id: &str,
        signal: Option<&AbortSignal>,
    ) -> Result<Promise, JsValue>;
}

impl Endpoint {
    /// Chats. Fails when the key cannot be sent.
    pub(super) fn of(target: &Target) -> Result<Self, JsValue> {
        let headers = [
            ("content-type", "application/json"),
            ("accept", "text/event-stream"),
        ];
        Self::with_key(target, &target.url(), "POST", &headers)
    }

    /// The list of models. Fails when the key cannot be sent.
    pub(super) fn models(target: &Target) -> Result<Self, JsValue> {
        let headers = [("accept", "application/json")];
        Self::with_key(target, &target.models_url(), "GET", &headers)
    }

    fn with_key(
        target: &Target,
        url: &str,
        method: &'static str,
        headers: &[(&str, &str)],
    ) -> Result<Self, JsValue> {
        let authorization = format!("Bearer {}", target.api_key.expose());
        let mut all = vec![("authorization", authorization.as_str())];
        all.extend_from_slice(headers);
        let options = Options {
            method,
            // A redirect would carry the key to wherever it points.
            redirect: "manual",
            headers: HeaderMap(&all),
        };
        Self::new(url, &json::to_json(&options))
    }
}

/// What `fetch` takes.
#[derive(Serialize)]
struct Options<'a> {
    method: &'static str,
    redirect: &'static str,
    headers: HeaderMap<'a>,
}
