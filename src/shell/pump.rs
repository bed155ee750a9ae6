//! Upstream's reader → relay → the client's writer.
//!
//! A chunk makes two hops: it is read, and what the relay makes of it is written with one write, whose
//! promise is awaited before the next read. That is the backpressure. The pump owns reader, relay and
//! writer. One timer at most is armed, for the next deadline; one that comes too early because
//! something happened in the meantime is armed again, so that a token costs no timer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStreamDefaultReader, WritableStreamDefaultWriter};
use worker::Delay;

use super::client::ClientGone;
use super::js::{self, ReadResult};
use super::upstream::Connection;
use crate::stream::relay::{Input, Relay};

/// Longest delay that a timer takes, in milliseconds.
const MAX_TIMER_MS: u64 = i32::MAX as u64;

/// One stream in motion.
pub(super) struct Pump {
    pub(super) reader: ReadableStreamDefaultReader,
    pub(super) relay: Relay,
    pub(super) writer: WritableStreamDefaultWriter,
    pub(super) gone: ClientGone,
    /// Dropped, and so closed, as soon as there is an outcome.
    pub(super) connection: Option<Connection>,
    pub(super) timer: Timer,
}

/// What ends a wait.
enum Woken {
    Settled(Result<JsValue, JsValue>),
    TimeIsUp,
    ClientGone,
}

impl Pump {
    /// Runs the stream to its outcome. `after_write` sees the relay after each write.
    pub(super) async fn run(&mut self, mut after_write: impl FnMut(&mut Relay)) {
        let mut reading = None;
        while self.relay.outcome().is_none() {
            let read = reading.get_or_insert_with(|| JsFuture::from(self.reader.read()));
            let deadline_ms = self.relay.deadline_ms();
            match wait(read, &mut self.gone, &mut self.timer, deadline_ms).await {
                Woken::Settled(result) => {
                    reading = None;
                    self.take_in(result);
                }
                Woken::TimeIsUp => self.relay.handle(Input::Tick, js::now_ms()),
                Woken::ClientGone => self.relay.handle(Input::ClientGone, js::now_ms()),
            }
            if self.relay.outcome().is_some() {
                self.connection = None;
            }
            if !self.relay.output().is_empty() {
                self.write_out().await;
                after_write(&mut self.relay);
            }
        }
        if let Some(reading) = reading {
            // The connection is closed by now, so this ends; a promise that nobody waits for until the
            // request is over is never settled, and keeps its callbacks for ever.
            drop(reading.await);
        }
        self.close().await;
    }

    fn take_in(&mut self, result: Result<JsValue, JsValue>) {
        let now_ms = js::now_ms();
        let Ok(result) = result.map(JsCast::unchecked_into::<ReadResult>) else {
            return self.relay.handle(Input::Broken, now_ms);
        };
        if result.done() {
            return self.relay.handle(Input::End, now_ms);
        }
        let chunk: Uint8Array = result.value().unchecked_into();
        let len = usize::try_from(chunk.length()).unwrap_or_default();
        self.relay
            .receive(len, |space| chunk.copy_to(space), now_ms);
    }

    /// Writes the output and waits until the client has taken it. A client that takes too long is
    /// still sent the final frame, but upstream is not kept waiting for it.
    async fn write_out(&mut self) {
        let mut writing = self.start_write();
        loop {
            let is_over = self.relay.outcome().is_some();
            let deadline_ms = if is_over {
                u64::MAX
            } else {
                self.relay.last_deadline_ms()
            };
            match wait(&mut writing, &mut self.gone, &mut self.timer, deadline_ms).await {
                Woken::Settled(Ok(_)) => return self.relay.output_written(js::now_ms()),
                Woken::Settled(Err(_)) | Woken::ClientGone => {
                    self.connection = None;
                    return self.relay.handle(Input::ClientGone, js::now_ms());
                }
                Woken::TimeIsUp => {
                    self.relay.output_written(js::now_ms());
                    self.relay.handle(Input::Tick, js::now_ms());
                    if self.relay.outcome().is_some() {
                        self.connection = None;
                        writing = self.start_write();
                    }
                }
            }
        }
    }

    fn start_write(&self) -> JsFuture {
        let chunk = Uint8Array::from(self.relay.output());
        JsFuture::from(self.writer.write_with_chunk(&chunk))
    }

    /// Ends the client's side. It fails when the client is gone, which is known by then.
    async fn close(&mut self) {
        self.connection = None;
        let mut closing = JsFuture::from(self.writer.close());
        let closed = wait(&mut closing, &mut self.gone, &mut self.timer, u64::MAX).await;
        drop(closed);
    }
}

/// Waits for a promise, the client's leaving or a deadline, whichever comes first.
async fn wait(
    promise: &mut JsFuture,
    gone: &mut ClientGone,
    timer: &mut Timer,
    deadline_ms: u64,
) -> Woken {
    std::future::poll_fn(|context| {
        if let Poll::Ready(result) = Pin::new(&mut *promise).poll(context) {
            return Poll::Ready(Woken::Settled(result));
        }
        if Pin::new(&mut *gone).poll(context).is_ready() {
            return Poll::Ready(Woken::ClientGone);
        }
        timer.poll(deadline_ms, context).map(|()| Woken::TimeIsUp)
    })
    .await
}

/// A timer that is armed again only when it has gone off, or has to go off sooner.
#[derive(Default)]
pub(super) struct Timer {
    armed: Option<(u64, Delay)>,
}

impl Timer {
    /// Ready once `deadline_ms` has come.
    fn poll(&mut self, deadline_ms: u64, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some((due_ms, delay)) = &mut self.armed
                && *due_ms <= deadline_ms
            {
                if Pin::new(delay).poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.armed = None;
            }
            if deadline_ms == u64::MAX {
                return Poll::Pending;
            }
            let now_ms = js::now_ms();
            if now_ms >= deadline_ms {
                return Poll::Ready(());
            }
            let delay_ms = deadline_ms.saturating_sub(now_ms).min(MAX_TIMER_MS);
            let due_ms = now_ms.saturating_add(delay_ms);
            self.armed = Some((due_ms, Delay::from(Duration::from_millis(delay_ms))));
        }
    }
}
