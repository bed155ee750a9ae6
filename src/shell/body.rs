//! Bodies, read with a bound.

use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStream, ReadableStreamDefaultReader};

use super::js::ReadResult;

/// What came of reading a body.
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    /// Whether there was more than the bound allows; the rest was refused.
    pub(super) is_cut: bool,
}

/// Reads a body up to `max_bytes`. Only the bound and one chunk are ever held.
pub(super) async fn read(
    stream: Option<ReadableStream>,
    max_bytes: usize,
) -> Result<Body, JsValue> {
    let mut body = Body {
        bytes: Vec::new(),
        is_cut: false,
    };
    let Some(stream) = stream else {
        return Ok(body);
    };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    loop {
        let result: ReadResult = JsFuture::from(reader.read()).await?.unchecked_into();
        if result.done() {
            return Ok(body);
        }
        let chunk: Uint8Array = result.value().unchecked_into();
        let room = max_bytes.saturating_sub(body.bytes.len());
        let chunk_bytes = usize::try_from(chunk.length()).unwrap_or(usize::MAX);
        if chunk_bytes > room {
            body.is_cut = true;
            // What is taken of the last chunk lets an error body be read as far as the bound goes.
            let fitting = chunk.subarray(0, u32::try_from(room).unwrap_or(u32::MAX));
            body.bytes.extend(fitting.to_vec());
            // The sender is told to stop; whether it listens changes nothing here.
            drop(reader.cancel());
            return Ok(body);
        }
        body.bytes.extend(chunk.to_vec());
    }
}
