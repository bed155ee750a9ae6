//! Upstream's bytes, read into a buffer that goes back and forth.

use js_sys::{ArrayBuffer, Promise, Uint8Array};
use wasm_bindgen::JsCast;
use web_sys::{
    ReadableStream, ReadableStreamByobReader, ReadableStreamGetReaderOptions,
    ReadableStreamReaderMode,
};

use super::js::ReadResult;

/// The buffer at first, in bytes. Nearly all events that come alone fit, and an open stream holds little.
const FIRST_BYTES: u32 = 1_024;
/// How many times larger the buffer is after a read that filled it, for then more has come than fits.
const GROWTH: u32 = 8;
/// The largest buffer.
const MAX_BYTES: u32 = 65_536;

/// A body, and the buffer that is lent for each read.
pub(super) struct Source {
    reader: ReadableStreamByobReader,
    buffer: ArrayBuffer,
    buffer_bytes: u32,
}

impl Source {
    pub(super) fn of(body: &ReadableStream) -> Self {
        let options = ReadableStreamGetReaderOptions::new();
        options.set_mode(ReadableStreamReaderMode::Byob);
        Self {
            reader: body.get_reader_with_options(&options).unchecked_into(),
            buffer: ArrayBuffer::new(FIRST_BYTES),
            buffer_bytes: FIRST_BYTES,
        }
    }

    /// Begins a read; it has the buffer until [`Source::chunk`] gives it back.
    pub(super) fn read(&self) -> Promise {
        let view = Uint8Array::new(&self.buffer);
        self.reader.read_with_array_buffer_view(&view)
    }

    /// What a read brought, if it was not the end, and its length. It has to be used before the next read.
    pub(super) fn chunk(&mut self, result: &ReadResult) -> (Uint8Array, u32) {
        let chunk: Uint8Array = result.value().unchecked_into();
        let chunk_bytes = chunk.length();
        if chunk_bytes == self.buffer_bytes && chunk_bytes < MAX_BYTES {
            self.buffer_bytes = chunk_bytes.saturating_mul(GROWTH).min(MAX_BYTES);
            self.buffer = ArrayBuffer::new(self.buffer_bytes);
        } else {
            self.buffer = chunk.buffer();
        }
        (chunk, chunk_bytes)
    }
}
