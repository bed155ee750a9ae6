//! What JavaScript does for us: it runs tasks, keeps time, moves bytes and calls this program.
//!
//! Each chat is a task, and JavaScript knows a task by its number. Whatever happens to a chat is put into the inbox of
//! its task, and the task is polled within that same call, so always as a part of its own request.
//!
//! This takes an executor of our own. That of the bindings (`wasm-bindgen`) runs the work of all requests from one queue,
//! in the context of whichever request comes first, where the runtime forbids to touch another one's streams. It also
//! queues a microtask for every wake-up, which costs more than most of what the wake-up then does.
//!
//! Each import from JavaScript either has `catch`, or its comment says why it cannot throw. One exception that crosses
//! uncaught ends the whole instance with every open stream. `instance.js` cannot undo that; it sees to it that those
//! streams break off at once, instead of hanging for ever.

pub(super) mod instance;
pub(super) mod js;
pub(super) mod streams;
pub(super) mod task;
pub(super) mod wait;
