//! Whether the client still listens.

use std::pin::Pin;
use std::task::{Context, Poll};

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Request};

/// Ready once the client has left.
pub(super) struct ClientGone {
    signal: AbortSignal,
    aborted: JsFuture,
}

impl ClientGone {
    /// Watches a request's client. It needs the flag `enable_request_signal`.
    pub(super) fn watch(request: &Request) -> Self {
        let signal = request.signal();
        let aborted = Promise::new(&mut |resolve, _reject| signal.set_onabort(Some(&resolve)));
        Self {
            aborted: aborted.into(),
            signal,
        }
    }
}

impl Future for ClientGone {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let settled: Poll<Result<JsValue, JsValue>> = Pin::new(&mut self.aborted).poll(context);
        if settled.is_ready() || self.signal.aborted() {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
