//! Bytes in, frames out.

pub mod relay;
pub mod sse;
mod surrogates;
