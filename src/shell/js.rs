//! Small bridges to what the runtime offers.

use js_sys::{Array, Date, Math, Object};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::WorkerGlobalScope;

#[wasm_bindgen]
extern "C" {
    /// What reading a stream gives.
    #[wasm_bindgen(extends = Object)]
    pub(super) type ReadResult;

    /// Whether the stream has ended.
    #[wasm_bindgen(method, getter)]
    pub(super) fn done(this: &ReadResult) -> bool;

    /// The chunk read, unless the stream has ended.
    #[wasm_bindgen(method, getter)]
    pub(super) fn value(this: &ReadResult) -> JsValue;
}

/// Milliseconds since the epoch. Deployed, the clock moves only with I/O.
pub(super) fn now_ms() -> u64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive whole number below 2^53"
    )]
    let now_ms = Date::now() as u64;
    now_ms
}

/// The current time as RFC 3339 in UTC, with microsecond digits.
pub(super) fn timestamp() -> String {
    let iso = String::from(Date::new_0().to_iso_string());
    // The runtime's clock has milliseconds.
    format!("{}000+00:00", iso.trim_end_matches('Z'))
}

/// A number uniform in 0–1.
pub(super) fn random() -> f64 {
    Math::random()
}

/// The global scope.
pub(super) fn global() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Name and value pairs as the Fetch API takes headers.
pub(super) fn header_list(pairs: &[(&str, &str)]) -> JsValue {
    let list = Array::new();
    for (name, value) in pairs {
        list.push(&Array::of2(
            &JsValue::from_str(name),
            &JsValue::from_str(value),
        ));
    }
    list.into()
}

/// What a JavaScript error says, cut to a size fit for a log.
pub(super) fn error_text(error: &JsValue) -> String {
    let text = match error.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => error.as_string().unwrap_or_default(),
    };
    text.chars().take(200).collect()
}
