//! Upstream's reader → relay → the client's writer.
//!
//! A chunk makes two hops: it is read, and what the relay makes of it is written with one write. The next
//! chunk may come in while the client takes that, but is written only when it has. That is the backpressure:
//! one write under way and one chunk read are all that is held. The pump owns reader, relay and writer.

use js_sys::{ArrayBuffer, Promise, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    ReadableStream, ReadableStreamByobReader, ReadableStreamDefaultReader,
    ReadableStreamGetReaderOptions, ReadableStreamReaderMode, WritableStreamDefaultWriter,
};

use super::js::{self, ReadResult};
use super::promise::Listener;
use super::timer::{self, NEVER_MS};
use super::upstream::{Connection, Upstream};
use super::wait::{Interrupted, Waiting};
use crate::stream::outcome::EndReason;
use crate::stream::relay::{Input, Relay};

/// How long an upstream that has said everything may take to end its answer, in milliseconds. It is no
/// shorter than what the timer is armed for already.
const DRAIN_MS: u64 = timer::MAX_DELAY_MS;
/// How much it may still send, in bytes.
const DRAIN_BYTES: u32 = 65_536;

/// One stream in motion.
pub(super) struct Pump {
    source: Source,
    /// Listens to the source, whose reading goes on while something else is written.
    reading: Listener,
    pub(super) relay: Relay,
    writer: WritableStreamDefaultWriter,
    waiting: Waiting,
    /// When something last happened.
    now_ms: u64,
    /// Dropped, and so closed, as soon as there is an outcome other than success.
    connection: Option<Connection>,
}

impl Pump {
    pub(super) fn new(
        upstream: Upstream,
        relay: Relay,
        writer: WritableStreamDefaultWriter,
        waiting: Waiting,
    ) -> Self {
        Self {
            source: Source::of(upstream.body),
            reading: Listener::new(),
            relay,
            writer,
            waiting,
            now_ms: 0,
            connection: Some(upstream.connection),
        }
    }

    /// Runs the stream to its outcome. `after_write` sees the relay after each write.
    pub(super) async fn run(&mut self, mut after_write: impl FnMut(&mut Relay)) {
        while self.relay.outcome().is_none() {
            self.keep_reading();
            let deadline_ms = self.relay.deadline_ms();
            match self.waiting.hear(&mut self.reading, deadline_ms).await {
                Ok(result) => self.take_in(result),
                Err(interrupted) => self.interrupt(&interrupted),
            }
            if !self.relay.output().is_empty() {
                self.write_out().await;
                after_write(&mut self.relay);
            }
        }
        // All that was written has to be taken, the final frame included.
        let closed = self.waiting.settle(self.writer.close(), NEVER_MS).await;
        match closed {
            Ok(_) => self.relay.output_written(js::now_ms()),
            Err(_) => self.interrupt(&Interrupted::ClientGone),
        }
    }

    /// Reads what upstream may still send after its last event, which is the end of its answer. Then the
    /// connection can serve the next request; it is closed when the end does not come.
    pub(super) async fn drain(mut self) {
        let deadline_ms = js::now_ms().saturating_add(DRAIN_MS);
        let mut bytes = 0_u32;
        while self.connection.is_some() && bytes <= DRAIN_BYTES {
            self.keep_reading();
            match self.waiting.hear(&mut self.reading, deadline_ms).await {
                Ok(result) if result.unchecked_ref::<ReadResult>().done() => {
                    if let Some(connection) = self.connection.take() {
                        connection.give_back();
                    }
                }
                Ok(result) => {
                    let result: ReadResult = result.unchecked_into();
                    let chunk: Uint8Array = result.value().unchecked_into();
                    bytes = bytes.saturating_add(chunk.length());
                    self.source.after(&chunk, 0);
                }
                Err(_) => self.connection = None,
            }
        }
    }

    fn keep_reading(&mut self) {
        if !self.reading.is_pending() {
            self.reading.listen(self.source.read());
        }
    }

    fn interrupt(&mut self, interrupted: &Interrupted) {
        let input = match interrupted {
            Interrupted::Failed(_) => Input::Broken,
            Interrupted::TimeIsUp => Input::Tick,
            Interrupted::ClientGone => Input::ClientGone,
        };
        self.now_ms = js::now_ms();
        self.relay.handle(input, self.now_ms);
        self.stop_paying();
    }

    /// Closes the connection to upstream when nothing more is wanted from it.
    fn stop_paying(&mut self) {
        if self
            .relay
            .outcome()
            .is_some_and(|outcome| outcome.end_reason != EndReason::Done)
        {
            self.connection = None;
        }
    }

    fn take_in(&mut self, result: JsValue) {
        let result: ReadResult = result.unchecked_into();
        self.now_ms = js::now_ms();
        if result.done() {
            self.relay.handle(Input::End, self.now_ms);
        } else {
            let chunk: Uint8Array = result.value().unchecked_into();
            let len = usize::try_from(chunk.length()).unwrap_or_default();
            self.relay
                .receive(len, |space| chunk.copy_to(space), self.now_ms);
            self.source.after(&chunk, len);
        }
        self.stop_paying();
    }

    /// Begins to write the output, once the client has taken what was written before. A client that takes
    /// too long is still sent the final frame, but upstream is not kept waiting for it.
    async fn write_out(&mut self) {
        if self.waiting.is_pending() {
            match self.waiting.go_on(self.relay.last_deadline_ms()).await {
                Ok(_) => self.now_ms = js::now_ms(),
                Err(Interrupted::TimeIsUp) => self.interrupt(&Interrupted::TimeIsUp),
                Err(_) => return self.interrupt(&Interrupted::ClientGone),
            }
        }
        let chunk = Uint8Array::from(self.relay.output());
        self.waiting.begin(self.writer.write_with_chunk(&chunk));
        // The final frame counts as unread until all was taken.
        if self.relay.outcome().is_none() {
            self.relay.output_written(self.now_ms);
        }
    }
}

/// Upstream's bytes: as they come while they come slowly, in a large buffer that goes back and forth once
/// they come faster than they are read.
enum Source {
    Slow {
        body: ReadableStream,
        reader: ReadableStreamDefaultReader,
    },
    Fast {
        reader: ReadableStreamByobReader,
        buffer: ArrayBuffer,
    },
}

impl Source {
    /// What the runtime reads at most at once, unless it is lent a buffer.
    const SLOW_BYTES: usize = 4_096;
    /// The buffer that it is lent.
    const FAST_BYTES: u32 = 65_536;

    fn of(body: ReadableStream) -> Self {
        Self::Slow {
            reader: body.get_reader().unchecked_into(),
            body,
        }
    }

    fn read(&self) -> Promise {
        match self {
            Self::Slow { reader, .. } => reader.read(),
            Self::Fast { reader, buffer } => {
                reader.read_with_array_buffer_view(&Uint8Array::new(buffer))
            }
        }
    }

    /// Takes note of a chunk of `len` bytes, which is read by now.
    fn after(&mut self, chunk: &Uint8Array, len: usize) {
        match self {
            Self::Slow { .. } if len < Self::SLOW_BYTES => {}
            Self::Slow { body, reader } => {
                reader.release_lock();
                let options = ReadableStreamGetReaderOptions::new();
                options.set_mode(ReadableStreamReaderMode::Byob);
                *self = Self::Fast {
                    reader: body.get_reader_with_options(&options).unchecked_into(),
                    buffer: ArrayBuffer::new(Self::FAST_BYTES),
                };
            }
            Self::Fast { buffer, .. } => *buffer = chunk.buffer(),
        }
    }
}
