//! A body that is read: upstream's, or a request's.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use web_sys::ReadableStream;

#[wasm_bindgen(module = "/src/shell/streams.js")]
extern "C" {
    type Inlet;

    #[wasm_bindgen(constructor)]
    fn new(body: &ReadableStream, on_read: &Closure<dyn FnMut(Option<u32>)>) -> Inlet;

    #[wasm_bindgen(method)]
    fn read(this: &Inlet);

    #[wasm_bindgen(method)]
    fn take(this: &Inlet, space: &mut [u8]);

    #[wasm_bindgen(method)]
    fn close(this: &Inlet);
}

/// What a read brought.
#[derive(Clone, Copy)]
pub(super) enum Read {
    /// So many bytes, which [`Source::take`] gives out.
    Chunk(u32),
    /// The end.
    End,
    /// The connection broke.
    Broken,
}

/// A body that is read, with one read under way at most. Dropping it has the sender stop, unless all was read.
pub(super) struct Source {
    inlet: Inlet,
    is_reading: bool,
    arrival: Rc<Arrival>,
    _on_read: Closure<dyn FnMut(Option<u32>)>,
}

#[derive(Default)]
struct Arrival {
    read: Cell<Option<Read>>,
    waker: AtomicWaker,
}

impl Source {
    pub(super) fn of(body: &ReadableStream) -> Self {
        let arrival = Rc::new(Arrival::default());
        let on_read = Closure::new({
            let arrival = Rc::clone(&arrival);
            move |bytes| {
                arrival.read.set(Some(match bytes {
                    Some(0) => Read::End,
                    Some(bytes) => Read::Chunk(bytes),
                    None => Read::Broken,
                }));
                arrival.waker.wake();
            }
        });
        Self {
            inlet: Inlet::new(body, &on_read),
            is_reading: false,
            arrival,
            _on_read: on_read,
        }
    }

    /// Reads. A read that nobody waited out goes on.
    pub(super) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Read> {
        if !self.is_reading {
            self.is_reading = true;
            self.inlet.read();
        }
        if let Some(read) = self.arrival.read.take() {
            self.is_reading = false;
            return Poll::Ready(read);
        }
        self.arrival.waker.register(context.waker());
        Poll::Pending
    }

    /// Has the sender stop, unless all was read. There is nothing more to read then.
    pub(super) fn close(&self) {
        self.inlet.close();
    }

    /// The last chunk. `space` is as long.
    pub(super) fn take(&self, space: &mut [u8]) {
        self.inlet.take(space);
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.close();
    }
}
