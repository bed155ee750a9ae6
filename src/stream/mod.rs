//! Bytes in, frames out.

mod clocks;
mod parts;
pub mod pieces;
pub mod relay;
pub mod seen;
pub mod sse;
mod surrogates;
mod thoughts;
mod writer;
