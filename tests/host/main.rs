//! The core's tests, in one binary. They run on the host: the core does no I/O.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "a panic is how a test fails, and a table of cases is one thing"
)]

mod accept;
mod access;
mod base_url;
mod canary;
mod config;
mod days;
mod errors;
mod events;
mod failure;
mod fallback;
mod finish;
mod fixtures;
mod layers;
mod memory;
mod properties;
mod pydantic;
mod reasoning;
mod redact;
mod refusals;
mod relay;
mod request;
mod route;
mod scrub;
mod spending;
mod sse;
mod support;
mod upstream_request;
mod whole;
