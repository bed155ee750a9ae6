//! Upstream's body → relay → the client's body.
//!
//! Each chunk is read, and what the relay makes of it is written with one write. Backpressure: two writes and one chunk
//! are buffered for a client at most, then upstream is no longer read. Every wait has a deadline, the last one included: a
//! client that stops reading holds nothing for ever.

use super::runtime::js;
use super::runtime::streams::{Outlet, Source};
use super::runtime::task::Read;
use super::runtime::wait::{Interrupted, MAX_DELAY_MS, Waiting};
use crate::api::ending::EndReason;
use crate::stream::relay::{Input, Relay};

/// How long an upstream that has said everything may take to end its body, in milliseconds. The timer is armed for that
/// long already.
const DRAIN_MS: u64 = MAX_DELAY_MS;

/// How much it may still send, in bytes.
const DRAIN_BYTES: usize = 65_536;

/// How long the client may take for the last frames once the whole answer has to be over, in milliseconds.
const CLOSING_MS: u64 = 2_000;

/// One stream in motion.
pub(super) struct Pump {
    source: Source,
    pub(super) relay: Relay,
    outlet: Outlet,
    waiting: Waiting,
}

/// What became of what was written.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Delivery {
    /// The runtime has taken all of it, or the client has left.
    Over,
    /// The client is there and did not read it in time.
    Stalled,
}

impl Pump {
    /// The relay may already have taken in the beginning of the answer.
    pub(super) fn new(source: Source, relay: Relay, outlet: Outlet, waiting: Waiting) -> Self {
        Self {
            source,
            relay,
            outlet,
            waiting,
        }
    }

    /// Runs the stream to its outcome. `after_write` sees the relay after each write.
    pub(super) async fn run(&mut self, mut after_write: impl FnMut(&mut Relay)) -> Delivery {
        loop {
            self.stop_paying();
            if !self.relay.output().is_empty() {
                let is_open = self.write().await;
                after_write(&mut self.relay);
                if !is_open {
                    return Delivery::Over;
                }
            }
            if self.relay.outcome().is_some() {
                return self.close().await;
            }
            self.read().await;
        }
    }

    /// Reads the end of upstream's body, so that the connection can serve the next request. If the end does not come,
    /// the connection is closed. Upstream is not read after a failure.
    pub(super) async fn drain(mut self) {
        if self.is_done() {
            let deadline_ms = js::now_ms().saturating_add(DRAIN_MS);
            let drained = self
                .source
                .discard(DRAIN_BYTES, &mut self.waiting, deadline_ms);
            drained.await.unwrap_or_default();
        }
    }

    /// Whether upstream said everything.
    fn is_done(&self) -> bool {
        let outcome = self.relay.outcome();
        outcome.is_some_and(|outcome| outcome.end_reason == EndReason::Done)
    }

    /// Takes in the next chunk, or what comes instead of it.
    async fn read(&mut self) {
        let Self {
            source,
            relay,
            waiting,
            ..
        } = self;
        let read = waiting.until(|| source.read(), relay.deadline_ms());
        match read.await {
            Ok(Read::Chunk(bytes)) => {
                relay.handle(Input::Chunk(&source.chunk(bytes)), js::now_ms());
            }
            Ok(Read::End) => relay.handle(Input::End, js::now_ms()),
            Ok(Read::Broken) => relay.handle(Input::Broken, js::now_ms()),
            Err(interrupted) => self.interrupt(&interrupted),
        }
    }

    /// Writes the relay's output, once there is room for it; false when nobody can read it any more. A client that takes
    /// too long is still sent the final frame, but upstream is not kept waiting for it.
    async fn write(&mut self) -> bool {
        let mut is_open = match self.room(self.relay.last_deadline_ms()).await {
            Ok(()) => true,
            Err(Interrupted::TimeIsUp) => {
                self.interrupt(&Interrupted::TimeIsUp);
                true
            }
            Err(_) => false,
        };
        let output = self.relay.output();
        if self.relay.outcome().is_some() {
            // The final frame counts as unread until all was taken.
            is_open = is_open && self.outlet.write_last(output).is_ok();
        } else if is_open && self.outlet.write(output).is_ok() {
            self.relay.output_written(js::now_ms());
        } else {
            is_open = false;
        }
        if !is_open {
            self.interrupt(&Interrupted::ClientGone);
        }
        is_open
    }

    /// Ends the body once the runtime has taken everything, the final frame included.
    async fn close(&mut self) -> Delivery {
        let deadline_ms = self.relay.last_deadline_ms().saturating_add(CLOSING_MS);
        match self.room(deadline_ms).await {
            Ok(()) if !self.waiting.is_client_gone() => {
                self.outlet.end();
                self.relay.output_written(js::now_ms());
                Delivery::Over
            }
            Err(Interrupted::TimeIsUp) => {
                self.outlet.break_off();
                Delivery::Stalled
            }
            _ => {
                self.interrupt(&Interrupted::ClientGone);
                Delivery::Over
            }
        }
    }

    /// Waits until there is room for a write.
    async fn room(&mut self, deadline_ms: u64) -> Result<(), Interrupted> {
        let has_room = || self.outlet.has_room().then_some(());
        self.waiting.until(has_room, deadline_ms).await
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
    fn stop_paying(&mut self) {
        if self.relay.outcome().is_some() && !self.is_done() {
            self.source.close();
        }
    }
}
