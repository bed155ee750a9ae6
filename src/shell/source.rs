//! A body that is read: upstream's, or a request's.

use std::rc::Rc;

use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use web_sys::ReadableStream;

use super::inbox::{Inbox, Read};
use super::task;

type OnRead = Closure<dyn Fn(u32, Option<u32>)>;

#[wasm_bindgen(module = "/src/shell/streams.js")]
extern "C" {
    type Inlet;

    #[wasm_bindgen(constructor)]
    fn new(body: &ReadableStream, on_read: &OnRead, task: u32) -> Inlet;

    #[wasm_bindgen(method)]
    fn read(this: &Inlet);

    #[wasm_bindgen(method)]
    fn take(this: &Inlet, space: &mut [u8]);

    #[wasm_bindgen(method)]
    fn close(this: &Inlet);
}

thread_local! {
    /// Tells a task what its read brought.
    static ON_READ: OnRead = Closure::new(|number, bytes| {
        task::tell(number, |inbox| {
            inbox.read.set(Some(match bytes {
                Some(0) => Read::End,
                Some(bytes) => Read::Chunk(bytes),
                None => Read::Broken,
            }));
        });
    });
}

/// A body that is read, with one read under way at most; a task reads one body at a time. Dropping it has the
/// sender stop, unless all was read.
pub(super) struct Source {
    inlet: Inlet,
    is_reading: bool,
    inbox: Rc<Inbox>,
}

impl Source {
    pub(super) fn of(body: &ReadableStream, inbox: Rc<Inbox>) -> Self {
        Self {
            inlet: ON_READ.with(|on_read| Inlet::new(body, on_read, inbox.task)),
            is_reading: false,
            inbox,
        }
    }

    /// What the read brought; it is begun unless one is under way. A read that nobody waited out goes on.
    pub(super) fn read(&mut self) -> Option<Read> {
        if !self.is_reading {
            self.is_reading = true;
            self.inlet.read();
        }
        let read = self.inbox.read.take();
        self.is_reading = read.is_none();
        read
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
        // The next body's reads are its own.
        self.inbox.read.take();
    }
}
