//! Records → the console, each on the method of its level.

use std::borrow::Cow;

use wasm_bindgen::JsValue;
use web_sys::console;

use super::js;
use crate::telemetry::record::{Level, Record, timestamp};
use crate::telemetry::redact::Scrubber;

/// The log of an isolate.
pub(super) struct Log {
    lowest: Level,
    scrubber: Scrubber,
}

impl Log {
    pub(super) fn new(lowest: Level, scrubber: Scrubber) -> Self {
        Self { lowest, scrubber }
    }

    /// A text without its secrets.
    pub(super) fn scrubbed<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.scrubber.scrub(text)
    }

    /// Whether lines of this level are written.
    pub(super) fn wants(&self, level: Level) -> bool {
        level >= self.lowest
    }

    /// Writes a line whose fields `fill` adds; below the configured level nothing is built.
    pub(super) fn write(
        &self,
        level: Level,
        event: &str,
        correlation_id: Option<&str>,
        fill: impl FnOnce(&mut Record<'_>),
    ) {
        if !self.wants(level) {
            return;
        }
        let mut record = Record::new(
            &self.scrubber,
            &timestamp(js::now_ms()),
            level,
            event,
            correlation_id,
        );
        fill(&mut record);
        let line = JsValue::from_str(&record.finish());
        match level {
            Level::Debug => console::debug_1(&line),
            Level::Info => console::log_1(&line),
            Level::Warning => console::warn_1(&line),
            Level::Error => console::error_1(&line),
        }
    }
}
