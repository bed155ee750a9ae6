//! What the operator sees: one JSON object a line, and never a secret.

pub mod record;
pub mod redact;
