//! What all requests of an isolate share: the configuration, the log, and what is known of upstream.
//!
//! What a deployment sets never changes within an isolate, so it is read once.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::panic::PanicHookInfo;
use std::rc::Rc;

use js_sys::{JSON, Reflect};
use wasm_bindgen::JsValue;
use web_sys::console;
use worker::Env;

use super::endpoint::Endpoint;
use super::runtime::js::{self, Owners, RateLimiter};
use crate::api::access::Gate;
use crate::config::{self, Config, ConfigError, NOT_TEXT};
use crate::openai::dialect::{Dialect, Dialects};
use crate::openai::failure::Failure;
use crate::openai::fallback::{Rests, Site};
use crate::telemetry::record::{Level, Record, panic_cause};
use crate::telemetry::redact::Scrubber;
use crate::time::timestamp;

/// Longest cause of a failure that a log line repeats, in characters.
pub(super) const MAX_LOGGED_CAUSE: usize = 512;

thread_local! {
    static ISOLATE: OnceCell<Rc<Isolate>> = const { OnceCell::new() };
}

/// The deployment's configuration, and the log that follows it.
pub(super) struct Isolate {
    pub(super) config: Result<Config, ConfigError>,
    pub(super) log: Log,
    pub(super) gate: Gate,
    pub(super) rate_limiter: Option<RateLimiter>,
    pub(super) owners: Option<Owners>,
    main: ServerState,
    fallback: ServerState,
    /// The models that are asked last for a while.
    pub(super) rests: RefCell<Rests>,
}

/// What is known of a server.
struct ServerState {
    dialects: RefCell<Dialects>,
    /// The first call makes it.
    endpoint: OnceCell<Endpoint>,
}

impl Isolate {
    /// The isolate's state; the first request makes it.
    pub(super) fn of(env: &Env) -> Rc<Self> {
        ISOLATE.with(|cell| Rc::clone(cell.get_or_init(|| Rc::new(Self::start(env)))))
    }

    /// Where a server is called. It fails when the key cannot be sent.
    pub(super) fn endpoint(&self, config: &Config, site: Site) -> Result<&Endpoint, JsValue> {
        let known = self.known(site);
        if let Some(endpoint) = known.endpoint.get() {
            return Ok(endpoint);
        }
        let endpoint = Endpoint::of(&config.target, site)?;
        Ok(known.endpoint.get_or_init(|| endpoint))
    }

    /// How a server wants a request to a model, as far as it has told.
    pub(super) fn dialect_of(&self, site: Site, model: &str) -> Dialect {
        self.known(site).dialects.borrow().of(model)
    }

    /// Remembers how a model was asked with success.
    pub(super) fn learn_dialect(&self, site: Site, model: &str, dialect: Dialect) {
        let mut dialects = self.known(site).dialects.borrow_mut();
        dialects.learn(model, dialect);
    }

    /// Whether answers tell which model has given them.
    pub(super) fn has_fallbacks(&self) -> bool {
        let config = self.config.as_ref();
        config.is_ok_and(|config| !config.target.fallbacks.is_empty())
    }

    fn known(&self, site: Site) -> &ServerState {
        match site {
            Site::Main => &self.main,
            Site::Fallback => &self.fallback,
        }
    }

    fn start(env: &Env) -> Self {
        let lookup = |name: &str| variable(env, name);
        let owners = Owners::bound_to(env);
        let config = Config::load(lookup, owners.is_some());
        let known = |site| {
            let target = config.as_ref().map(|config| &config.target);
            let host = target.map_or("", |target| target.server(site).base_url.host());
            ServerState {
                dialects: RefCell::new(Dialects::new(Dialect::of(host))),
                endpoint: OnceCell::new(),
            }
        };
        let isolate = Self {
            main: known(Site::Main),
            fallback: known(Site::Fallback),
            rests: RefCell::default(),
            config,
            log: Log::new(config::log_level(lookup), config::scrubber(lookup)),
            gate: config::gate(lookup),
            rate_limiter: RateLimiter::bound_to(env),
            owners,
        };
        if let Ok(config) = &isolate.config {
            isolate
                .log
                .write(Level::Info, "application_started", None, |record| {
                    record
                        .text("model", &config.rules.default_model)
                        .text("log_level", config.log_level.name())
                        .text("api", config.target.api.name());
                });
            if config.access_tokens.is_empty() {
                isolate
                    .log
                    .write(Level::Warning, "anonymous_access", None, |_| {});
            }
        }
        isolate
    }
}

/// Writes a panic as a log line like any other, redacted. The isolate's state is gone afterwards.
pub(super) fn log_panic(info: &PanicHookInfo<'_>) {
    let cause = panic_cause(info.payload(), info.location());
    ISOLATE.with(|cell| {
        // Before the first request there is no secret to leave out but those that show by their shape.
        let starting = Log::new(Level::Error, Scrubber::default());
        let log = cell.get().map_or(&starting, |isolate| &isolate.log);
        log.write(Level::Error, "panic", None, |record| {
            record.text("cause", &cause);
        });
    });
    #[cfg(debug_assertions)]
    console_error_panic_hook::hook(info);
}

/// A variable's value as text. `wrangler.toml` may give a number or a boolean where a text is usual. A list or a table is
/// an error, and not unset: it may have been meant to shut somebody out.
fn variable(env: &Env, name: &str) -> Option<String> {
    let value = Reflect::get(env, &JsValue::from_str(name)).ok()?;
    if value.is_object() {
        return Some(NOT_TEXT.to_owned());
    }
    let is_plain = value.as_f64().is_some() || value.as_bool().is_some();
    let json = || JSON::stringify(&value).ok().map(String::from);
    value.as_string().or_else(|| is_plain.then(json).flatten())
}

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

    /// Writes a line about what went wrong, and what is done about it.
    pub(super) fn write_failure(
        &self,
        correlation_id: Option<&str>,
        failure: &Failure,
        recovery_action: &str,
    ) {
        self.write(Level::Error, "stream_error", correlation_id, |record| {
            record
                .text("code", failure.error.code.name())
                .outside("cause", &failure.cause, MAX_LOGGED_CAUSE)
                .text("recovery_action", recovery_action);
        });
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
