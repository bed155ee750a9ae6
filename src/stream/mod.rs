//! Bytes in, frames out.

pub mod outcome;
pub mod relay;
pub mod sse;
mod surrogates;
mod told;
mod writer;
