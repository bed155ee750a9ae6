//! Small bridges to what the runtime offers: the clock, headers, the rate limiter.

use std::cell::Cell;

use js_sys::{Date, Math, Object, Promise, Reflect};
use serde::{Serialize, Serializer};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Headers;
use worker::Env;

thread_local! {
    /// The time of this turn, once it was read.
    static NOW_MS: Cell<Option<u64>> = const { Cell::new(None) };
    /// The last time that was read, and by how much the clock was set back until then.
    static STEADY: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// Says that JavaScript called, so that time may have passed.
pub(in crate::shell) fn begin_turn() {
    NOW_MS.set(None);
}

/// Milliseconds since the epoch. The clock stands still while this program runs, as it does on Cloudflare, where it moves
/// only with I/O; so it is read once a turn.
pub(in crate::shell) fn now_ms() -> u64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive whole number below 2^53"
    )]
    let now_ms = NOW_MS.get().unwrap_or_else(|| Date::now() as u64);
    NOW_MS.set(Some(now_ms));
    now_ms
}

/// Milliseconds of a clock that is never set back, for deadlines and durations within this instance. When the clock of the
/// machine is, this one goes on from the time that was read last.
pub(in crate::shell) fn steady_ms() -> u64 {
    steady_from(0)
}

/// The same, at least `due_ms`: a timer has gone off that was armed for then.
pub(in crate::shell) fn steady_from(due_ms: u64) -> u64 {
    let now_ms = now_ms();
    let (last_ms, set_back_ms) = STEADY.get();
    let set_back_ms = set_back_ms
        .saturating_add(last_ms.saturating_sub(now_ms))
        .max(due_ms.saturating_sub(now_ms));
    STEADY.set((now_ms, set_back_ms));
    now_ms.saturating_add(set_back_ms)
}

/// A number uniform in 0–1.
pub(in crate::shell) fn random() -> f64 {
    Math::random()
}

/// A header's value.
pub(in crate::shell) fn header(headers: &Headers, name: &str) -> Option<String> {
    headers.get(name).ok().flatten()
}

/// Names and values of headers, as a JSON object.
pub(in crate::shell) struct HeaderMap<'a>(pub(in crate::shell) &'a [(&'a str, &'a str)]);

impl Serialize for HeaderMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

/// What a JavaScript error says, of any length and with whatever it quotes: a line takes it by
/// [`Record::outside`](crate::telemetry::record::Record::outside).
pub(in crate::shell) fn error_text(error: &JsValue) -> String {
    // Anything may be thrown, with a message that throws in turn.
    let message = Reflect::get(error, &JsValue::from_str("message")).unwrap_or_default();
    let text = message.as_string().or_else(|| error.as_string());
    text.unwrap_or_default()
}

/// The name of the Durable Objects' binding in `wrangler.toml`.
const OWNERS: &str = "OWNERS";

#[wasm_bindgen(module = "/src/shell/runtime/owners.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    fn ask(
        owners: &JsValue,
        owner: &str,
        target: &str,
        options: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Promise, JsValue>;
}

/// The Durable Objects, one for each owner.
pub(in crate::shell) struct Owners(JsValue);

impl Owners {
    /// The binding, where the deployment has one.
    pub(in crate::shell) fn bound_to(env: &Env) -> Option<Self> {
        let binding = Reflect::get(env, &JsValue::from_str(OWNERS)).ok()?;
        binding.is_object().then_some(Self(binding))
    }

    /// Has an owner's object answer a request. `options` is what `fetch` takes, as JSON.
    pub(in crate::shell) fn ask(
        &self,
        owner: &str,
        target: &str,
        options: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Promise, JsValue> {
        ask(&self.0, owner, target, options, body)
    }
}

/// The name of the rate-limit binding in `wrangler.toml`.
const RATE_LIMITER: &str = "CHAT_RATE_LIMITER";

#[wasm_bindgen]
extern "C" {
    /// The binding; see <https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/>.
    #[wasm_bindgen(extends = Object)]
    pub(in crate::shell) type RateLimiter;

    #[wasm_bindgen(method, catch)]
    fn limit(this: &RateLimiter, options: &JsValue) -> Result<JsValue, JsValue>;
}

impl RateLimiter {
    /// The binding, where the deployment has one.
    pub(in crate::shell) fn bound_to(env: &Env) -> Option<Self> {
        let binding = Reflect::get(env, &JsValue::from_str(RATE_LIMITER)).ok()?;
        binding.is_object().then(|| binding.unchecked_into())
    }

    /// Counts a request; false when there were too many.
    pub(in crate::shell) async fn admits(&self, key: &str) -> Result<bool, JsValue> {
        let options = Object::new();
        Reflect::set(&options, &JsValue::from_str("key"), &JsValue::from_str(key))?;
        // Whatever a binding gives, a promise is waited for.
        let asked = Promise::resolve(&self.limit(&options)?);
        let outcome = JsFuture::from(asked).await?;
        let success = Reflect::get(&outcome, &JsValue::from_str("success"))?;
        Ok(success.as_bool() != Some(false))
    }
}
