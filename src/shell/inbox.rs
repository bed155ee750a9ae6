//! What JavaScript tells a task.

use std::cell::Cell;

use wasm_bindgen::JsValue;

/// What a read brought.
#[derive(Clone, Copy)]
pub(super) enum Read {
    /// So many bytes.
    Chunk(u32),
    /// The end.
    End,
    /// The connection broke.
    Broken,
}

/// What a task was told, until it looks. Whatever is put in wakes it, so that nothing needs a waker of its own.
#[derive(Default)]
pub(super) struct Inbox {
    /// The number by which JavaScript knows the task.
    pub(super) task: u32,
    pub(super) is_client_gone: Cell<bool>,
    /// Whether the timer has gone off.
    pub(super) is_time: Cell<bool>,
    /// What the read under way brought.
    pub(super) read: Cell<Option<Read>>,
    /// Whether the runtime has asked for more of the answer and waits for it.
    pub(super) is_asked: Cell<bool>,
    /// How many promises were waited for.
    pub(super) promises: Cell<u32>,
    /// What became of the last one.
    pub(super) settled: Cell<Option<Result<JsValue, JsValue>>>,
}
