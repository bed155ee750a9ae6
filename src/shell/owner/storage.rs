//! The store's database: the `SQLite` of a Durable Object.

use js_sys::{ArrayBuffer, Promise, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::worker_sys::Context;

use crate::memory::sql::{Database, Statement, Value};
use crate::shell::runtime::js;
use crate::shell::runtime::wait::{Interrupted, Waiting};

#[wasm_bindgen(module = "/src/shell/owner/storage.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    fn query(context: &JsValue, sql: &str, values: Vec<JsValue>) -> Result<Vec<JsValue>, JsValue>;

    #[wasm_bindgen(catch)]
    fn write(context: &JsValue, statements: Vec<JsValue>) -> Result<(), JsValue>;

    #[wasm_bindgen(catch)]
    fn confirm(context: &JsValue) -> Result<Promise, JsValue>;

    /// Cannot throw: it looks at a text.
    #[wasm_bindgen(js_name = wordsOf)]
    pub(super) fn words_of(text: &str) -> Vec<String>;

    #[wasm_bindgen(catch, js_name = triedMs)]
    fn tried_ms(context: &JsValue) -> Result<f64, JsValue>;

    #[wasm_bindgen(catch, js_name = noteTry)]
    fn note_try(context: &JsValue, at_ms: f64) -> Result<(), JsValue>;

    #[wasm_bindgen(catch, js_name = forgetTry)]
    fn forget_try(context: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(catch, js_name = setAlarm)]
    fn set_alarm(context: &JsValue, at_ms: f64) -> Result<Promise, JsValue>;
}

/// How long the disk may take, in milliseconds; a healthy one takes less than 1 ms.
const CONFIRM_MS: u64 = 600_000;

/// The storage of one object.
#[derive(Clone)]
pub(super) struct Storage(JsValue);

impl Storage {
    pub(super) fn of(context: &Context) -> Self {
        let context: &JsValue = context.as_ref();
        Self(context.clone())
    }

    /// Waits until everything that was written is safe; false when that is not known. If it cannot be made safe, the
    /// runtime ends the object: what is logged here afterwards would be taken back by the next instance.
    pub(super) async fn confirmed(&self, waiting: &mut Waiting) -> bool {
        settled(confirm(&self.0), waiting).await.is_ok()
    }

    /// When this object, or the one that it replaced, last began a write of its own that is not known to be safe yet; 0 if
    /// there is none.
    pub(super) fn tried_ms(&self) -> u64 {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a time that was given to `note_try`"
        )]
        let tried_ms = tried_ms(&self.0).unwrap_or_default() as u64;
        tried_ms
    }

    /// Notes that the object begins to write of its own accord.
    pub(super) fn note_try(&self, at_ms: u64) {
        note_try(&self.0, float(at_ms)).unwrap_or_default();
    }

    /// Waits until what was written since is safe.
    pub(super) async fn confirm_try(&self, waiting: &mut Waiting) {
        if self.confirmed(waiting).await {
            forget_try(&self.0).unwrap_or_default();
        }
    }

    /// Wakes the object at that time, in milliseconds since the epoch, even after a crash. An object has one alarm: an
    /// earlier one is forgotten.
    pub(super) async fn set_alarm(&self, at_ms: u64, waiting: &mut Waiting) -> Result<(), JsValue> {
        settled(set_alarm(&self.0, float(at_ms)), waiting).await
    }
}

impl Database for Storage {
    type Error = JsValue;

    fn query(&self, sql: &str, values: &[Value]) -> Result<Vec<Vec<Value>>, JsValue> {
        let cells = query(&self.0, sql, values.iter().map(to_js).collect())?;
        let mut cells = cells.iter();
        let columns = cells.next().and_then(JsValue::as_f64).unwrap_or(1.0);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the number of a statement's columns"
        )]
        let columns = columns as usize;
        let mut rows = Vec::new();
        let mut row = Vec::new();
        for cell in cells {
            row.push(from_js(cell));
            if row.len() == columns {
                rows.push(std::mem::take(&mut row));
            }
        }
        Ok(rows)
    }

    fn write(&self, statements: &[Statement]) -> Result<(), JsValue> {
        let mut all = Vec::new();
        for Statement { sql, values } in statements {
            all.push(JsValue::from_str(sql));
            all.push(JsValue::from(values.len()));
            for value in values {
                all.push(to_js(value));
            }
        }
        write(&self.0, all)
    }
}

/// Waits for what the storage has begun to do.
async fn settled(begun: Result<Promise, JsValue>, waiting: &mut Waiting) -> Result<(), JsValue> {
    let deadline_ms = js::steady_ms().saturating_add(CONFIRM_MS);
    match waiting.settle(&begun?, deadline_ms).await {
        Ok(_) => Ok(()),
        Err(Interrupted::Failed(error)) => Err(error),
        Err(_) => Err(JsValue::from_str("the storage takes too long")),
    }
}

fn to_js(value: &Value) -> JsValue {
    match value {
        Value::Null => JsValue::NULL,
        #[allow(clippy::cast_precision_loss, reason = "numbers here are below 2^53")]
        Value::Integer(number) => JsValue::from_f64(*number as f64),
        Value::Text(text) => JsValue::from_str(text),
        Value::Blob(bytes) => Uint8Array::from(bytes.as_slice()).into(),
    }
}

fn from_js(value: &JsValue) -> Value {
    if let Some(text) = value.as_string() {
        Value::Text(text)
    } else if let Some(number) = value.as_f64() {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the store writes whole numbers only"
        )]
        Value::Integer(number as i64)
    } else if value.is_instance_of::<ArrayBuffer>() {
        Value::Blob(Uint8Array::new(value).to_vec())
    } else {
        Value::Null
    }
}

#[allow(clippy::cast_precision_loss, reason = "times are below 2^53")]
fn float(ms: u64) -> f64 {
    ms as f64
}
