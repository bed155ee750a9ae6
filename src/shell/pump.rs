//! Upstream's reader → relay → the client's outlet.
//!
//! A chunk is read, and what the relay makes of it is written with one write. Backpressure: at most 4 KiB, one
//! write and one chunk are buffered for a client before upstream is no longer read. Every wait has a deadline, the
//! last one included: a client that stops reading holds nothing for ever.

use std::future::poll_fn;
use std::task::{Poll, ready};

use super::inbox::Read;
use super::js;
use super::outlet::Outlet;
use super::source::Source;
use super::timer;
use super::wait::{Interrupted, Waiting};
use crate::api::ending::EndReason;
use crate::stream::relay::{Input, Relay};

/// How long an upstream that has said everything may take to end its answer, in milliseconds. It is no
/// shorter than what the timer is armed for already.
const DRAIN_MS: u64 = timer::MAX_DELAY_MS;
/// How much it may still send, in bytes.
const DRAIN_BYTES: u32 = 65_536;
/// How long the client may take for the last frames once the whole answer has to be over, in milliseconds.
const CLOSING_MS: u64 = 2_000;

/// One stream in motion.
pub(super) struct Pump {
    source: Source,
    pub(super) relay: Relay,
    outlet: Outlet,
    waiting: Waiting,
    stage: Stage,
}

/// What became of what was written.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Delivery {
    /// The runtime has taken all of it, or the client has left.
    Over,
    /// The client is there, and did not read it in time.
    Stalled,
}

#[derive(Clone, Copy)]
enum Stage {
    /// Upstream is read.
    Reading,
    /// What the relay made of it waits for room.
    Writing,
    /// All is written, and waits for the client to take it.
    Closing,
    Closed(Delivery),
}

impl Pump {
    /// The relay may have taken in the beginning of the answer already.
    pub(super) fn new(source: Source, relay: Relay, outlet: Outlet, waiting: Waiting) -> Self {
        let mut pump = Self {
            source,
            relay,
            outlet,
            waiting,
            stage: Stage::Reading,
        };
        pump.stop_paying();
        pump.stage = pump.after_input();
        pump
    }

    /// Runs the stream to its outcome. `after_write` sees the relay after each write.
    ///
    /// The stages are spelt out, for nested futures take their time to begin anew with every token.
    pub(super) async fn run(&mut self, mut after_write: impl FnMut(&mut Relay)) -> Delivery {
        poll_fn(|_| {
            loop {
                self.stage = match self.stage {
                    Stage::Reading => ready!(self.poll_read()),
                    Stage::Writing => {
                        let next = ready!(self.poll_write());
                        after_write(&mut self.relay);
                        next
                    }
                    Stage::Closing => ready!(self.poll_close()),
                    Stage::Closed(delivery) => return Poll::Ready(delivery),
                };
            }
        })
        .await
    }

    /// Reads what upstream may still send after its last event, which is the end of its answer. Then the
    /// connection can serve the next request; it is closed when the end does not come. Nothing is read of an
    /// upstream that has ended already.
    pub(super) async fn drain(mut self) {
        let deadline_ms = js::now_ms().saturating_add(DRAIN_MS);
        let mut bytes = 0_u32;
        while self.is_done() && bytes <= DRAIN_BYTES {
            let read = self.waiting.until(|| self.source.read(), deadline_ms);
            match read.await {
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

    fn poll_read(&mut self) -> Poll<Stage> {
        let deadline_ms = self.relay.deadline_ms();
        match ready!(self.waiting.poll(|| self.source.read(), deadline_ms)) {
            Ok(read) => self.take_in(read),
            Err(interrupted) => self.interrupt(&interrupted),
        }
        Poll::Ready(self.after_input())
    }

    /// Writes the output, once there is room for it. A client that takes too long is still sent the final frame,
    /// but upstream is not kept waiting for it.
    fn poll_write(&mut self) -> Poll<Stage> {
        let deadline_ms = self.relay.last_deadline_ms();
        let is_open = match ready!(self.poll_room(deadline_ms)) {
            Ok(()) => true,
            Err(Interrupted::TimeIsUp) => {
                self.interrupt(&Interrupted::TimeIsUp);
                true
            }
            Err(_) => false,
        };
        if !is_open || self.outlet.write(self.relay.output()).is_err() {
            self.interrupt(&Interrupted::ClientGone);
        } else if self.relay.outcome().is_none() {
            // The final frame counts as unread until all was taken.
            self.relay.output_written(js::now_ms());
        }
        Poll::Ready(self.after_output())
    }

    /// Closes the answer once all that was written is taken, the final frame included.
    fn poll_close(&mut self) -> Poll<Stage> {
        let deadline_ms = self.relay.last_deadline_ms().saturating_add(CLOSING_MS);
        let taken = ready!(self.poll_room(deadline_ms));
        let delivery = match taken {
            Ok(()) if self.outlet.close().is_ok() => {
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
        };
        Poll::Ready(Stage::Closed(delivery))
    }

    /// Waits until there is room for a write.
    fn poll_room(&mut self, deadline_ms: u64) -> Poll<Result<(), Interrupted>> {
        let room = || self.outlet.has_room().then_some(());
        self.waiting.poll(room, deadline_ms)
    }

    /// What follows once the relay has taken something in.
    fn after_input(&mut self) -> Stage {
        if self.relay.output().is_empty() {
            self.after_output()
        } else {
            Stage::Writing
        }
    }

    /// What follows when nothing is left to be written.
    fn after_output(&mut self) -> Stage {
        if self.relay.outcome().is_none() {
            return Stage::Reading;
        }
        self.outlet.ask_anew();
        Stage::Closing
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
}
