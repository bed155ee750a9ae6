//! A body that is read: upstream's, or a request's.

use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::ReadableStream;

use super::inbox::{Inbox, Read};

#[wasm_bindgen(module = "/src/shell/streams.js")]
extern "C" {
    type Inlet;

    #[wasm_bindgen(constructor, catch)]
    fn new(body: &ReadableStream, task: u32) -> Result<Inlet, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn read(this: &Inlet) -> Result<(), JsValue>;

    /// Cannot throw: the space is as long as the chunk, and the chunk is there until the next read.
    #[wasm_bindgen(method)]
    fn take(this: &Inlet, space: &mut [u8]);

    /// Cannot throw: a failure to tell the sender is ignored.
    #[wasm_bindgen(method)]
    fn close(this: &Inlet);
}

/// A body that is read, with one read under way at most; a task reads one body at a time. Dropping it has the
/// sender stop, unless all was read.
pub(super) struct Source {
    /// Nothing when the body cannot be read at all.
    inlet: Option<Inlet>,
    state: State,
    inbox: Rc<Inbox>,
}

#[derive(Clone, Copy)]
enum State {
    Idle,
    Reading,
    /// The body came to its end or broke off. There is nothing more to ask for.
    Ended(Read),
}

impl Source {
    pub(super) fn of(body: &ReadableStream, inbox: Rc<Inbox>) -> Self {
        let inlet = Inlet::new(body, inbox.task).ok();
        let state = match inlet {
            Some(_) => State::Idle,
            None => State::Ended(Read::Broken),
        };
        Self {
            inlet,
            state,
            inbox,
        }
    }

    /// What the read brought; it is begun unless one is under way. A read that nobody waited out goes on. After
    /// the end it brings the end again.
    pub(super) fn read(&mut self) -> Option<Read> {
        match self.state {
            State::Ended(read) => return Some(read),
            State::Idle => self.begin_read(),
            State::Reading => {}
        }
        let read = self.inbox.read.take()?;
        self.state = match read {
            Read::Chunk(_) => State::Idle,
            Read::End | Read::Broken => State::Ended(read),
        };
        Some(read)
    }

    fn begin_read(&mut self) {
        self.state = State::Reading;
        let begun = self.inlet.as_ref().map(Inlet::read);
        if !matches!(begun, Some(Ok(()))) {
            self.inbox.read.set(Some(Read::Broken));
        }
    }

    /// Has the sender stop, unless all was read. There is nothing more to read then.
    pub(super) fn close(&mut self) {
        if !matches!(self.state, State::Ended(_)) {
            self.state = State::Ended(Read::Broken);
        }
        if let Some(inlet) = &self.inlet {
            inlet.close();
        }
    }

    /// The last chunk. `space` is as long.
    pub(super) fn take(&self, space: &mut [u8]) {
        if let Some(inlet) = &self.inlet {
            inlet.take(space);
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.close();
        // The next body's reads are its own.
        self.inbox.read.take();
    }
}
