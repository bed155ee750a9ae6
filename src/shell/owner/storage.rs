//! The store's database: the SQLite of a Durable Object.

use js_sys::{Array, ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::worker_sys::Context;

use crate::memory::sql::{Database, Statement, Value};

#[wasm_bindgen(module = "/src/shell/owner/storage.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    fn query(context: &JsValue, sql: &str, values: &Array) -> Result<Array, JsValue>;

    #[wasm_bindgen(catch)]
    fn write(context: &JsValue, statements: &Array) -> Result<(), JsValue>;

    #[wasm_bindgen(catch, js_name = setAlarm)]
    fn set_alarm(context: &JsValue, at_ms: f64) -> Result<(), JsValue>;
}

/// The storage of one object.
#[derive(Clone)]
pub(super) struct Storage(JsValue);

impl Storage {
    pub(super) fn of(context: &Context) -> Self {
        let context: &JsValue = context.as_ref();
        Self(context.clone())
    }

    /// Wakes the object at that time, in milliseconds since the epoch, even after a crash. If it cannot be set, the next
    /// request does what the alarm would have done.
    pub(super) fn set_alarm(&self, at_ms: u64) {
        set_alarm(&self.0, float(at_ms)).unwrap_or_default();
    }
}

impl Database for Storage {
    type Error = JsValue;

    fn query(&self, sql: &str, values: &[Value]) -> Result<Vec<Vec<Value>>, JsValue> {
        let values: Array = values.iter().map(to_js).collect();
        let rows = query(&self.0, sql, &values)?;
        let row = |row: JsValue| row.unchecked_into::<Array>().iter().map(from_js).collect();
        Ok(rows.iter().map(row).collect())
    }

    fn write(&self, statements: &[Statement]) -> Result<(), JsValue> {
        let all: Array = statements
            .iter()
            .map(|statement| {
                let sql = JsValue::from_str(statement.sql);
                let values = statement.values.iter().map(to_js);
                std::iter::once(sql).chain(values).collect::<Array>()
            })
            .collect();
        write(&self.0, &all)
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

fn from_js(value: JsValue) -> Value {
    if let Some(text) = value.as_string() {
        Value::Text(text)
    } else if let Some(number) = value.as_f64() {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the store writes whole numbers only"
        )]
        Value::Integer(number as i64)
    } else if value.is_instance_of::<ArrayBuffer>() {
        Value::Blob(Uint8Array::new(&value).to_vec())
    } else {
        Value::Null
    }
}

#[allow(clippy::cast_precision_loss, reason = "times are below 2^53")]
fn float(ms: u64) -> f64 {
    ms as f64
}
