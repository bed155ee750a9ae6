//! What the operator sees: log lines of one JSON object each, without secrets.

mod escape;
pub mod record;
pub mod redact;
