//! Bodies: those that are read, a request's or upstream's, and the one that is written.

use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::ReadableStream;

use super::task::{Inbox, Read};
use super::wait::{Interrupted, Waiting};

#[wasm_bindgen(module = "/src/shell/runtime/streams.js")]
extern "C" {
    #[wasm_bindgen(js_name = Source)]
    type JsSource;

    #[wasm_bindgen(constructor, catch, js_class = "Source")]
    fn new(body: &ReadableStream, task: u32) -> Result<JsSource, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn read(this: &JsSource) -> Result<(), JsValue>;

    /// Cannot throw: the space is as long as the chunk, and the chunk is there until the next read.
    #[wasm_bindgen(method)]
    fn take(this: &JsSource, space: &mut [u8]);

    /// Cannot throw: a failure to tell the sender is ignored.
    #[wasm_bindgen(method)]
    fn cancel(this: &JsSource);

    #[wasm_bindgen(js_name = Outlet)]
    type JsOutlet;

    /// Cannot throw: a stream is made of functions that are there.
    #[wasm_bindgen(constructor, js_class = "Outlet")]
    fn new(task: u32) -> JsOutlet;

    /// Cannot throw: it is a field.
    #[wasm_bindgen(method, getter)]
    fn body(this: &JsOutlet) -> ReadableStream;

    #[wasm_bindgen(method, catch)]
    fn write(this: &JsOutlet, bytes: &[u8]) -> Result<bool, JsValue>;

    #[wasm_bindgen(method, catch, js_name = writeLast)]
    fn write_last(this: &JsOutlet, bytes: &[u8]) -> Result<(), JsValue>;

    /// Cannot throw: a body that has ended stays as it is.
    #[wasm_bindgen(method, js_name = breakOff)]
    fn break_off(this: &JsOutlet);
}

/// A body that is read, one chunk after the other; a task reads one body at a time. When it is dropped before its end,
/// the sender is told to stop.
pub(in crate::shell) struct Source {
    /// Nothing when the body cannot be read at all.
    js: Option<JsSource>,
    state: State,
    inbox: Rc<Inbox>,
}

#[derive(Clone, Copy)]
enum State {
    Idle,
    Reading,
    /// The body came to its end or broke off.
    Ended(Read),
}

impl Source {
    pub(in crate::shell) fn of(body: &ReadableStream, waiting: &Waiting) -> Self {
        let inbox = Rc::clone(&waiting.inbox);
        let js = JsSource::new(body, inbox.task).ok();
        let state = match js {
            Some(_) => State::Idle,
            None => State::Ended(Read::Broken),
        };
        Self { js, state, inbox }
    }

    /// What the read under way brought, if it has come; a read is begun unless one is under way. An abandoned read goes
    /// on, and the next caller gets what it brings. After the end it brings the end again.
    pub(in crate::shell) fn read(&mut self) -> Option<Read> {
        match self.state {
            State::Ended(read) => return Some(read),
            State::Idle => {
                self.state = State::Reading;
                let begun = self.js.as_ref().map(JsSource::read);
                if !matches!(begun, Some(Ok(()))) {
                    self.inbox.read.set(Some(Read::Broken));
                }
            }
            State::Reading => {}
        }
        let read = self.inbox.read.take()?;
        self.state = match read {
            Read::Chunk(_) => State::Idle,
            Read::End | Read::Broken => State::Ended(read),
        };
        Some(read)
    }

    /// The last chunk, of so many bytes.
    pub(in crate::shell) fn chunk(&self, bytes: usize) -> Vec<u8> {
        let mut chunk = vec![0; bytes];
        if let Some(js) = &self.js {
            js.take(&mut chunk);
        }
        chunk
    }

    /// Tells the sender to stop, unless all was read. Nothing more is read.
    pub(in crate::shell) fn cancel(&mut self) {
        if !matches!(self.state, State::Ended(_)) {
            self.state = State::Ended(Read::Broken);
        }
        if let Some(js) = &self.js {
            js.cancel();
        }
    }

    /// Waits for the next chunk and adds it to `bytes`; false at the end.
    pub(in crate::shell) async fn read_chunk(
        &mut self,
        bytes: &mut Vec<u8>,
        waiting: &mut Waiting,
        deadline_ms: u64,
    ) -> Result<bool, Interrupted> {
        match waiting.until(|| self.read(), deadline_ms).await? {
            Read::Chunk(chunk_bytes) => {
                bytes.extend_from_slice(&self.chunk(chunk_bytes));
                Ok(true)
            }
            Read::End => Ok(false),
            Read::Broken => Err(Interrupted::Failed(JsValue::UNDEFINED)),
        }
    }

    /// Waits for the whole body, and stops once it is longer than `max_bytes`. No more than that and one chunk is held.
    pub(in crate::shell) async fn read_until_over(
        &mut self,
        max_bytes: usize,
        waiting: &mut Waiting,
        deadline_ms: u64,
    ) -> Result<Vec<u8>, Interrupted> {
        let mut bytes = Vec::new();
        while bytes.len() <= max_bytes && self.read_chunk(&mut bytes, waiting, deadline_ms).await? {
        }
        Ok(bytes)
    }

    /// Waits for the end of the body and forgets what comes, up to `max_bytes`.
    pub(in crate::shell) async fn discard(
        &mut self,
        max_bytes: usize,
        waiting: &mut Waiting,
        deadline_ms: u64,
    ) -> Result<(), Interrupted> {
        let mut bytes = 0_usize;
        while bytes <= max_bytes {
            match waiting.until(|| self.read(), deadline_ms).await? {
                Read::Chunk(chunk_bytes) => bytes = bytes.saturating_add(chunk_bytes),
                Read::End | Read::Broken => break,
            }
        }
        Ok(())
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.cancel();
        // The next body's reads are its own.
        self.inbox.read.take();
    }
}

/// What writes a response's body. When it is dropped before the end, the body breaks off.
///
/// *Taken* means by the runtime, which asks for the next write when it has passed the one before it on: what the
/// connection holds is not known here.
pub(in crate::shell) struct Outlet {
    js: JsOutlet,
    inbox: Rc<Inbox>,
    has_ended: bool,
}

impl Outlet {
    /// The writer of a body, and the body.
    pub(in crate::shell) fn open(waiting: &Waiting) -> (Self, ReadableStream) {
        let inbox = Rc::clone(&waiting.inbox);
        inbox.has_room.set(true);
        let js = JsOutlet::new(inbox.task);
        let body = js.body();
        let outlet = Self {
            js,
            inbox,
            has_ended: false,
        };
        (outlet, body)
    }

    /// Whether everything that was written has been taken; the task is woken when it has.
    fn has_room(&self) -> bool {
        self.inbox.has_room.get()
    }

    /// Waits until there is room for a write.
    pub(in crate::shell) async fn wait_for_room(
        &self,
        waiting: &mut Waiting,
        deadline_ms: u64,
    ) -> Result<(), Interrupted> {
        let has_room = || self.has_room().then_some(());
        waiting.until(has_room, deadline_ms).await
    }

    /// Ends the body once the runtime has taken everything that was written.
    pub(in crate::shell) async fn finish(
        &mut self,
        waiting: &mut Waiting,
        deadline_ms: u64,
    ) -> Result<(), Interrupted> {
        let taken = self.wait_for_room(waiting, deadline_ms).await;
        match taken {
            Ok(()) if waiting.is_client_gone() => Err(Interrupted::ClientGone),
            Ok(()) => {
                self.has_ended = true;
                Ok(())
            }
            Err(interrupted) => {
                if let Interrupted::TimeIsUp = interrupted {
                    self.break_off();
                }
                Err(interrupted)
            }
        }
    }

    /// Writes frames. It fails when the client has left.
    pub(in crate::shell) fn write(&self, frames: &[u8]) -> Result<(), JsValue> {
        // The task may be told of room before the call returns.
        self.inbox.has_room.set(false);
        if self.js.write(frames)? {
            self.inbox.has_room.set(true);
        }
        Ok(())
    }

    /// Writes the last frames, after which the body ends by itself. It fails when the client has left.
    pub(in crate::shell) fn write_last(&self, frames: &[u8]) -> Result<(), JsValue> {
        self.inbox.has_room.set(false);
        self.js.write_last(frames)
    }

    /// Breaks the body off, so that a client that still reads does not take it for complete.
    pub(in crate::shell) fn break_off(&mut self) {
        if !self.has_ended {
            self.has_ended = true;
            self.js.break_off();
        }
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.break_off();
    }
}
