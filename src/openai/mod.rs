//! What upstream speaks. Nothing else knows a field of the `OpenAI` API.

pub use self::delta::{
    Delta, Ended, Extent, Malformed, Meaning, Part, PartText, Reasoning, ReasoningSource,
};
pub use self::event::is_whole;
pub use self::parser::EventParser;
pub use self::reasoning::PARAGRAPH;
pub use self::server::{BaseUrl, Server};
pub use self::target::{Api, Target};
pub use self::whole::{MAX_WHOLE_BYTES, Sniffed, WholeAnswer, is_document, sniff};

mod chat_completions;
mod classify;
mod delta;
pub mod dialect;
mod event;
pub mod failure;
pub mod fallback;
mod finish;
pub mod models;
mod parser;
mod reasoning;
mod report;
mod request;
mod responses;
pub mod retry;
mod server;
mod target;
mod text;
mod whole;
