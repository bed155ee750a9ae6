//! Bodies, read with a bound.

use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::JsCast;
use web_sys::{ReadableStream, ReadableStreamDefaultReader, Request};

use super::js::ReadResult;
use super::timer::NEVER_MS;
use super::wait::{Interrupted, Waiting};

/// What came of reading a body.
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    /// Whether there was more than the bound allows; the rest was refused.
    pub(super) is_cut: bool,
}

/// Reads a request's body, whose sender declared its length, at once. It is not longer than declared.
pub(super) async fn read_declared(
    request: &Request,
    waiting: &mut Waiting,
) -> Result<Body, Interrupted> {
    let whole = request.array_buffer().map_err(Interrupted::Failed)?;
    let buffer: ArrayBuffer = waiting.settle(whole, NEVER_MS).await?.unchecked_into();
    Ok(Body {
        bytes: Uint8Array::new(&buffer).to_vec(),
        is_cut: false,
    })
}

/// Reads a body up to `max_bytes`. Only the bound and one chunk are ever held.
pub(super) async fn read(
    stream: Option<ReadableStream>,
    max_bytes: usize,
    waiting: &mut Waiting,
    deadline_ms: u64,
) -> Result<Body, Interrupted> {
    let mut body = Body {
        bytes: Vec::new(),
        is_cut: false,
    };
    let Some(stream) = stream else {
        return Ok(body);
    };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    loop {
        let result: ReadResult = waiting
            .settle(reader.read(), deadline_ms)
            .await?
            .unchecked_into();
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
