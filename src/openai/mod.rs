//! What upstream speaks. Nothing outside this room knows a field of the `OpenAI` API.

pub use self::event::is_whole;
pub use self::meaning::{Delta, Ended, Malformed, Meaning, Origin, Part, PartText};
pub use self::reader::EventReader;
pub use self::target::{Api, Target};
pub use self::whole::{MAX_WHOLE_BYTES, Sniffed, Whole, sniff};

pub mod base_url;
mod chat_completions;
pub mod dialect;
pub mod dialects;
mod event;
pub mod failure;
mod finish;
mod meaning;
mod reader;
mod reported;
mod request;
mod responses;
pub mod retry;
mod target;
mod template;
mod text;
mod usage;
mod whole;
mod words;
