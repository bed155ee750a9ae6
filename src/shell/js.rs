//! Small bridges to what the runtime offers.

use js_sys::{Date, Function, Math, Object, Promise};
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

    /// A plain object with texts in it.
    #[wasm_bindgen(extends = Object)]
    type Record;

    #[wasm_bindgen(method, structural, indexing_setter)]
    fn set(this: &Record, name: &str, value: &str);
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

/// A number uniform in 0–1.
pub(super) fn random() -> f64 {
    Math::random()
}

/// The global scope.
pub(super) fn global() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Name and value pairs as the Fetch API takes headers. It reads an object in less time than a list.
pub(super) fn headers(pairs: &[(&str, &str)]) -> JsValue {
    let record: Record = Object::new().unchecked_into();
    for (name, value) in pairs {
        record.set(name, value);
    }
    record.into()
}

/// A promise, and the hand that settles it.
pub(super) fn promise() -> (Promise, Resolver) {
    let mut functions = None;
    let promise = Promise::new(&mut |resolve, reject| functions = Some((resolve, reject)));
    (promise, Resolver(functions))
}

/// What settles a promise. Only the first time counts. The functions are there: a promise gives them out
/// while it is made.
pub(super) struct Resolver(Option<(Function, Function)>);

impl Resolver {
    /// Fulfils the promise, or rejects it.
    pub(super) fn settle<T: AsRef<JsValue>>(&self, result: &Result<T, JsValue>) {
        let Some((resolve, reject)) = &self.0 else {
            return;
        };
        let called = match result {
            Ok(value) => resolve.call1(&JsValue::UNDEFINED, value.as_ref()),
            Err(error) => reject.call1(&JsValue::UNDEFINED, error),
        };
        // The runtime's own functions do not throw.
        drop(called);
    }
}

/// What a JavaScript error says, cut to a size fit for a log.
pub(super) fn error_text(error: &JsValue) -> String {
    let text = match error.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => error.as_string().unwrap_or_default(),
    };
    text.chars().take(200).collect()
}
