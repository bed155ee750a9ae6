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
        body: &str,
        correlation_id: &str,
        signal: Option<&AbortSignal>,
    ) -> Result<Promise, JsValue>;
}

impl Endpoint {
    /// Fails when the key cannot be sent.
    pub(super) fn of(target: &Target) -> Result<Self, JsValue> {
        let authorization = format!("Bearer {}", target.api_key.expose());
        let options = Options {
            method: "POST",
            // A redirect would carry the key to wherever it points.
            redirect: "manual",
            headers: HeaderMap(&[
                ("authorization", &authorization),
                ("content-type", "application/json"),
                ("accept", "text/event-stream"),
            ]),
        };
        Self::new(&target.url(), &json::to_json(&options))
    }
}

/// What `fetch` takes.
#[derive(Serialize)]
struct Options<'a> {
    method: &'static str,
    redirect: &'static str,
    headers: HeaderMap<'a>,
}
