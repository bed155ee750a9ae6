//! What is kept of conversations.

pub mod pieces;
