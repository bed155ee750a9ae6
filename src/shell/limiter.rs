//! The Workers rate-limit binding.

use js_sys::{Object, Promise, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use worker::Env;

/// Its name in `wrangler.toml`.
const BINDING: &str = "CHAT_RATE_LIMITER";

#[wasm_bindgen]
extern "C" {
    /// The binding; see <https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/>.
    #[wasm_bindgen(extends = Object)]
    pub(super) type RateLimiter;

    #[wasm_bindgen(method, catch)]
    fn limit(this: &RateLimiter, options: &JsValue) -> Result<JsValue, JsValue>;
}

impl RateLimiter {
    /// The binding, where the deployment has one.
    pub(super) fn bound_to(env: &Env) -> Option<Self> {
        let binding = Reflect::get(env, &JsValue::from_str(BINDING)).ok()?;
        binding.is_object().then(|| binding.unchecked_into())
    }

    /// Counts a request; false when there were too many.
    pub(super) async fn admits(&self, key: &str) -> Result<bool, JsValue> {
        let options = Object::new();
        Reflect::set(&options, &JsValue::from_str("key"), &JsValue::from_str(key))?;
        // Whatever a binding gives, a promise is waited for.
        let asked = Promise::resolve(&self.limit(&options)?);
        let outcome = JsFuture::from(asked).await?;
        let success = Reflect::get(&outcome, &JsValue::from_str("success"))?;
        Ok(success.as_bool() != Some(false))
    }
}
