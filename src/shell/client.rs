//! Whether the client still listens.

use std::rc::Rc;

use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use web_sys::Request;

use super::inbox::Inbox;
use super::task;

type OnGone = Closure<dyn Fn(u32)>;

#[wasm_bindgen(module = "/src/shell/request.js")]
extern "C" {
    #[wasm_bindgen(js_name = watchClient)]
    fn watch(request: &Request, on_gone: &OnGone, task: u32);
}

thread_local! {
    /// Tells a task that its client has left.
    pub(super) static ON_GONE: OnGone = Closure::new(|number| {
        task::tell(number, |inbox| inbox.is_client_gone.set(true));
    });
}

/// A client that is watched. It needs the flag `enable_request_signal`.
pub(super) struct Client(Rc<Inbox>);

impl Client {
    pub(super) fn of(request: &Request, inbox: Rc<Inbox>) -> Self {
        ON_GONE.with(|on_gone| watch(request, on_gone, inbox.task));
        Self(inbox)
    }

    pub(super) fn is_gone(&self) -> bool {
        self.0.is_client_gone.get()
    }
}
