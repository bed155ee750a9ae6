//! What the operator sees: one JSON object a line, and never a secret.

mod escape;
pub mod record;
pub mod redact;
