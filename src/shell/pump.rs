//! Upstream's reader → relay → the client's outlet.
//!
//! A chunk makes two hops: it is read, and what the relay makes of it is written with one write. Nothing more
//! is read before that write has room, and there is none while more than a little waits for the client. That is
//! the backpressure: this little, one write and one chunk are all that is held. The pump owns source, relay and
//! outlet.

use super::inbox::Read;
use super::js;
use super::outlet::Outlet;
use super::source::Source;
use super::timer::{self, NEVER_MS};
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
}

impl Pump {
    pub(super) fn new(source: Source, relay: Relay, outlet: Outlet, waiting: Waiting) -> Self {
        Self {
            source,
            relay,
            outlet,
            waiting,
        }
    }

    /// Runs the stream to its outcome. `after_write` sees the relay after each write.
    pub(super) async fn run(&mut self, mut after_write: impl FnMut(&mut Relay)) {
        while self.relay.outcome().is_none() {
            match self.read(self.relay.deadline_ms()).await {
                Ok(read) => self.take_in(read),
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
        while self.is_done() && bytes <= DRAIN_BYTES {
            match self.read(deadline_ms).await {
                Ok(Read::Chunk(chunk_bytes)) => bytes = bytes.saturating_add(chunk_bytes),
                Ok(Read::End | Read::Broken) | Err(_) => return,
            }
        }
    }

    /// Whether upstream said everything.
    fn is_done(&self) -> bool {
        let outcome = self.relay.outcome();
        outcome.is_some_and(|outcome| outcome.end_reason == EndReason::Done)
    }

    async fn read(&mut self, deadline_ms: u64) -> Result<Read, Interrupted> {
        let Self {
            source, waiting, ..
        } = self;
        waiting.until(|| source.read(), deadline_ms).await
    }

    /// Waits until there is room for a write.
    async fn room(&mut self, deadline_ms: u64) -> Result<(), Interrupted> {
        let Self {
            outlet, waiting, ..
        } = self;
        waiting
            .until(|| outlet.has_room().then_some(()), deadline_ms)
            .await
    }

    fn interrupt(&mut self, interrupted: &Interrupted) {
        let input = match interrupted {
            Interrupted::Failed(_) => Input::Broken,
            Interrupted::TimeIsUp => Input::Tick,
            Interrupted::ClientGone => Input::ClientGone,
        };
        self.relay.handle(input, js::now_ms());
        self.stop_paying();
    }

    /// Closes the connection to upstream when nothing more is wanted from it.
    fn stop_paying(&self) {
        if self.relay.outcome().is_some() && !self.is_done() {
            self.source.close();
        }
    }

    fn take_in(&mut self, read: Read) {
        let Self { source, relay, .. } = self;
        match read {
            Read::Chunk(bytes) => {
                let len = usize::try_from(bytes).unwrap_or_default();
                relay.receive(len, |space| source.take(space), js::now_ms());
            }
            Read::End => relay.handle(Input::End, js::now_ms()),
            Read::Broken => relay.handle(Input::Broken, js::now_ms()),
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
            self.relay.output_written(js::now_ms());
        }
    }
}
