//! A streaming chat API for one person's AI assistant or a small team's, on Cloudflare Workers or workerd.
//!
//! ```text
//! client ──POST /chat──► shell ──► api (route, access, request) ──► openai (request body) ──fetch──► upstream
//! client ◄──frames────── shell ◄── stream::relay ◄── openai (event → delta) ◄── stream::sse ◄─bytes── upstream
//!
//! A conversation that is kept, in an object of its owner:
//! readers ◄──frames───── shell ◄── memory (pieces ⇄ SQLite) ◄── stream::relay ◄── … ◄─bytes── upstream
//! ```
//!
//! Everything but `shell` is pure: bytes, time and configuration come in, bytes and facts go out. It reads no clock,
//! makes no random numbers and touches no network, so it is tested on the host. `shell` is the only code that touches
//! JavaScript. It does the I/O and decides its order: admission, retries, deadlines.
//!
//! Each layer imports only from the ones below it: `shell`, `config`, `memory`, `stream`, `openai`, `api`, `telemetry`,
//! `json` and `time`. `tests/host/layers.rs` keeps it so.
//!
//! Words used throughout: *upstream* is the server that speaks the `OpenAI` API, the *client* our caller. A *chunk* is
//! bytes as the network gave them, an *event* one decoded server-sent event, a *delta* the text that an event adds, a
//! *frame* what we send.

pub mod api;
pub mod config;
pub mod json;
pub mod memory;
pub mod openai;
pub mod stream;
pub mod telemetry;
pub mod time;

#[cfg(feature = "shell")]
mod shell;
