//! The prepared call: the address of upstream, and the headers of every request to it.

use js_sys::Promise;
use serde::Serialize;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::{AbortController, AbortSignal};

use super::runtime::js::HeaderMap;
use crate::json;
use crate::openai::fallback::Site;
use crate::openai::{Server, Target};

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

    /// Closes a call that nobody waits for any more: at once, if it has an `aborter`.
    #[wasm_bindgen(catch)]
    pub(super) fn abandon(call: &Promise, aborter: Option<&AbortController>)
    -> Result<(), JsValue>;
}

impl Endpoint {
    /// Chats at a server. Fails when the key cannot be sent.
    pub(super) fn of(target: &Target, site: Site) -> Result<Self, JsValue> {
        let headers = [
            ("content-type", "application/json"),
            ("accept", "text/event-stream"),
        ];
        Self::with_key(target.server(site), &target.url(site), "POST", &headers)
    }

    /// The list of the usual server's models. Fails when the key cannot be sent.
    pub(super) fn models(target: &Target) -> Result<Self, JsValue> {
        let headers = [("accept", "application/json")];
        Self::with_key(&target.server, &target.models_url(), "GET", &headers)
    }

    fn with_key(
        server: &Server,
        url: &str,
        method: &'static str,
        headers: &[(&str, &str)],
    ) -> Result<Self, JsValue> {
        let authorization = format!("Bearer {}", server.api_key.expose());
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
