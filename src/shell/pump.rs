//! Upstream's reader → relay → the client's outlet.
//!
//! A chunk makes two hops: it is read, and what the relay makes of it is written with one write. Nothing more
//! is read before that write has room, and there is room once the client has taken what was written before.
//! That is the backpressure: one write that the client takes and one that waits for it are all that is held.
//! The pump owns source, relay and outlet.

use wasm_bindgen::JsCast;

use super::js::{self, ReadResult};
use super::outlet::Outlet;
use super::source::Source;
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
    pub(super) relay: Relay,
    outlet: Outlet,
    waiting: Waiting,
    /// When something last happened.
    now_ms: u64,
    /// Dropped, and so closed, as soon as there is an outcome other than success.
    connection: Option<Connection>,
}

impl Pump {
    pub(super) fn new(upstream: Upstream, relay: Relay, outlet: Outlet, waiting: Waiting) -> Self {
        Self {
            source: Source::of(&upstream.body),
            relay,
            outlet,
            waiting,
            now_ms: 0,
            connection: Some(upstream.connection),
        }
    }

    /// Runs the stream to its outcome. `after_write` sees the relay after each write.
    pub(super) async fn run(&mut self, mut after_write: impl FnMut(&mut Relay)) {
        while self.relay.outcome().is_none() {
            match self.read(self.relay.deadline_ms()).await {
                Ok(result) => self.take_in(&result),
                Err(interrupted) => self.interrupt(&interrupted),
            }
            if !self.relay.output().is_empty() {
                self.write_out().await;
                after_write(&mut self.relay);
            }
        }
        // All that was written has to be taken, the final frame included.
        self.outlet.ask_anew();
        let taken = self.room(NEVER_MS).await;
        if taken.is_ok() && self.outlet.close().is_ok() {
            self.relay.output_written(js::now_ms());
        } else {
            self.interrupt(&Interrupted::ClientGone);
        }
    }

    /// Reads what upstream may still send after its last event, which is the end of its answer. Then the
    /// connection can serve the next request; it is closed when the end does not come.
    pub(super) async fn drain(mut self) {
        let deadline_ms = js::now_ms().saturating_add(DRAIN_MS);
        let mut bytes = 0_u32;
        while self.connection.is_some() && bytes <= DRAIN_BYTES {
            match self.read(deadline_ms).await {
                Ok(result) if result.done() => {
                    if let Some(connection) = self.connection.take() {
                        connection.give_back();
                    }
                }
                Ok(result) => {
                    let (_, chunk_bytes) = self.source.chunk(&result);
                    bytes = bytes.saturating_add(chunk_bytes);
                }
                Err(_) => self.connection = None,
            }
        }
    }

    /// The next chunk, or the end. A read that was interrupted goes on.
    async fn read(&mut self, deadline_ms: u64) -> Result<ReadResult, Interrupted> {
        if !self.waiting.is_pending() {
            self.waiting.begin(self.source.read());
        }
        let result = self.waiting.go_on(deadline_ms).await?;
        Ok(result.unchecked_into())
    }

    /// Waits until the client has taken what was written.
    async fn room(&mut self, deadline_ms: u64) -> Result<(), Interrupted> {
        let Self {
            outlet, waiting, ..
        } = self;
        waiting
            .until(|context| outlet.poll_room(context), deadline_ms)
            .await
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

    fn take_in(&mut self, result: &ReadResult) {
        self.now_ms = js::now_ms();
        if result.done() {
            self.relay.handle(Input::End, self.now_ms);
        } else {
            let (chunk, chunk_bytes) = self.source.chunk(result);
            let len = usize::try_from(chunk_bytes).unwrap_or_default();
            self.relay
                .receive(len, |space| chunk.copy_to(space), self.now_ms);
        }
        self.stop_paying();
    }

    /// Writes the output, once there is room for it. A client that takes too long is still sent the final frame,
    /// but upstream is not kept waiting for it.
    async fn write_out(&mut self) {
        match self.room(self.relay.last_deadline_ms()).await {
            Ok(()) => {}
            Err(Interrupted::TimeIsUp) => self.interrupt(&Interrupted::TimeIsUp),
            Err(_) => return self.interrupt(&Interrupted::ClientGone),
        }
        if self.outlet.write(self.relay.output()).is_err() {
            return self.interrupt(&Interrupted::ClientGone);
        }
        // The final frame counts as unread until all was taken.
        if self.relay.outcome().is_none() {
            self.relay.output_written(self.now_ms);
        }
    }
}
