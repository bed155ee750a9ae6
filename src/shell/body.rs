//! Bodies, read with a bound and a deadline.

use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Request;

use super::inbox::Read;
use super::js;
use super::source::Source;
use super::wait::{Interrupted, Waiting};

/// Most bytes of a refused body that are read on before the refusal is sent.
const MAX_DISCARDED_BYTES: u32 = 16 << 20;
/// How long it may take until they have come, in milliseconds.
const DISCARD_MS: u64 = 2_000;

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
    deadline_ms: u64,
) -> Result<Body, Interrupted> {
    let whole = request.array_buffer().map_err(Interrupted::Failed)?;
    let buffer: ArrayBuffer = waiting.settle(&whole, deadline_ms).await?.unchecked_into();
    Ok(Body {
        bytes: Uint8Array::new(&buffer).to_vec(),
        is_cut: false,
    })
}

/// Lets the rest of a refused body come in and forgets it. A client that is still sending does not read, so a response
/// that comes too soon looks to it like a broken connection.
pub(super) async fn discard(source: &mut Source, waiting: &mut Waiting) -> Result<(), Interrupted> {
    let deadline_ms = js::now_ms().saturating_add(DISCARD_MS);
    let mut bytes = 0_u32;
    while bytes <= MAX_DISCARDED_BYTES {
        match waiting.until(|| source.read(), deadline_ms).await? {
            Read::Chunk(chunk_bytes) => bytes = bytes.saturating_add(chunk_bytes),
            Read::End | Read::Broken => break,
        }
    }
    Ok(())
}

/// Reads a body up to `max_bytes`. Only the bound and one chunk are ever held.
pub(super) async fn read(
    source: &mut Source,
    max_bytes: usize,
    waiting: &mut Waiting,
    deadline_ms: u64,
) -> Result<Body, Interrupted> {
    let mut bytes = Vec::new();
    while bytes.len() <= max_bytes && read_chunk(source, &mut bytes, waiting, deadline_ms).await? {}
    let is_cut = bytes.len() > max_bytes;
    // What fits of the last chunk lets an error body be read as far as the bound goes.
    bytes.truncate(max_bytes);
    Ok(Body { bytes, is_cut })
}

/// Adds the next chunk of a body to `bytes`; false at its end.
pub(super) async fn read_chunk(
    source: &mut Source,
    bytes: &mut Vec<u8>,
    waiting: &mut Waiting,
    deadline_ms: u64,
) -> Result<bool, Interrupted> {
    match waiting.until(|| source.read(), deadline_ms).await? {
        Read::Chunk(chunk_bytes) => {
            let len = bytes.len();
            let chunk_bytes = usize::try_from(chunk_bytes).unwrap_or_default();
            bytes.resize(len.saturating_add(chunk_bytes), 0);
            source.take(bytes.get_mut(len..).unwrap_or_default());
            Ok(true)
        }
        Read::End => Ok(false),
        Read::Broken => Err(Interrupted::Failed(JsValue::UNDEFINED)),
    }
}
