//! Upstream's body → relay → the client's body.
//!
//! Each chunk is read, and what the relay makes of it is written with one write. Backpressure: at most, the runtime has
//! one write in hand, a second one waits in the body for the runtime to ask for it, and the frames of one more chunk wait
//! here for room. Until there is room, upstream is not read. A chunk has at most 64 KiB, an event that it completes 1 MiB,
//! and each frame adds up to about 200 bytes to its text.
//!
//! Every wait has a deadline, the last one included: a client that stops reading holds nothing for ever.

use super::runtime::js;
use super::runtime::streams::{Outlet, Source};
use super::runtime::task::Read;
use super::runtime::wait::{Interrupted, MAX_DELAY_MS, Waiting};
use crate::api::ending::EndReason;
use crate::stream::relay::{Input, Relay};

/// How long an upstream that has said everything may take to end its body, in milliseconds. A timer that is armed already
/// goes off by then, so none has to be started.
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
    pub(super) waiting: Waiting,
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
            self.close_unwanted_upstream();
            if !self.relay.output().is_empty() {
                let is_written = self.write().await;
                after_write(&mut self.relay);
                if !is_written {
                    return Delivery::Over;
                }
            }
            if self.relay.outcome().is_some() {
                return self.finish_body().await;
            }
            self.read().await;
        }
    }

    /// Reads the end of upstream's body; see [`drain`].
    pub(super) async fn drain(mut self) {
        if self.end_reason() == Some(EndReason::Done) {
            drain(&mut self.source, &mut self.waiting).await;
        }
    }

    /// How the stream ended, once it has.
    fn end_reason(&self) -> Option<EndReason> {
        self.relay.outcome().map(|outcome| outcome.end_reason)
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
                relay.handle(Input::Chunk(&source.chunk(bytes)), js::steady_ms());
            }
            Ok(Read::End) => relay.handle(Input::End, js::steady_ms()),
            Ok(Read::Broken) => relay.handle(Input::Broken, js::steady_ms()),
            Err(interrupted) => self.interrupt(&interrupted),
        }
    }

    /// Writes the relay's output, once there is room for it; false when the client has left. At the deadline, the
    /// final frame is written all the same and upstream is closed.
    async fn write(&mut self) -> bool {
        let deadline_ms = self.relay.total_deadline_ms();
        let room = self
            .outlet
            .wait_for_room(&mut self.waiting, deadline_ms)
            .await;
        if let Err(Interrupted::TimeIsUp) = room {
            self.interrupt(&Interrupted::TimeIsUp);
        }
        let output = self.relay.output();
        let is_last = self.relay.outcome().is_some();
        let is_written = match room {
            Err(Interrupted::ClientGone | Interrupted::Failed(_)) => false,
            _ if is_last => self.outlet.write_last(output).is_ok(),
            _ => self.outlet.write(output).is_ok(),
        };
        if !is_written {
            self.interrupt(&Interrupted::ClientGone);
        } else if !is_last {
            // The final frame stays in the output until it was taken: a client that leaves before is logged as gone.
            self.relay.output_written(js::steady_ms());
        }
        is_written
    }

    /// Ends the body once the runtime has taken everything, the final frame included.
    async fn finish_body(&mut self) -> Delivery {
        let deadline_ms = self.relay.total_deadline_ms().saturating_add(CLOSING_MS);
        let finished = self.outlet.finish(&mut self.waiting, deadline_ms).await;
        match finished {
            Ok(()) => self.relay.output_written(js::steady_ms()),
            Err(Interrupted::TimeIsUp) => return Delivery::Stalled,
            Err(_) => self.interrupt(&Interrupted::ClientGone),
        }
        Delivery::Over
    }

    fn interrupt(&mut self, interrupted: &Interrupted) {
        let input = match interrupted {
            Interrupted::Failed(_) => Input::Broken,
            Interrupted::TimeIsUp => Input::Tick,
            Interrupted::ClientGone => Input::ClientGone,
        };
        self.relay.handle(input, js::steady_ms());
        self.close_unwanted_upstream();
    }

    /// Closes the connection to upstream when nothing more is wanted from it: after a failure, and when the client has left.
    fn close_unwanted_upstream(&mut self) {
        match self.end_reason() {
            // The answer goes on, or its connection is drained.
            None | Some(EndReason::Done) => {}
            Some(_) => self.source.cancel(),
        }
    }
}

/// Reads the end of upstream's body once it has said everything, so that the connection can serve the next request. If
/// the end does not come, the connection is closed.
pub(super) async fn drain(source: &mut Source, waiting: &mut Waiting) {
    let deadline_ms = js::steady_ms().saturating_add(DRAIN_MS);
    let drained = source.discard(DRAIN_BYTES, waiting, deadline_ms);
    drained.await.unwrap_or_default();
}
