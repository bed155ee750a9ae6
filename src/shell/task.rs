//! Work that goes on by itself.
//!
//! A task is polled at once when something that it waits for happens, within the callback that tells so.
//! The executor that comes with the bindings queues a microtask instead, which in this runtime costs
//! more than most of what a wake-up then does.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use worker::send::SendWrapper;

use super::js;

type Work = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    /// Nothing once it is done, and while it is polled.
    work: SendWrapper<RefCell<Option<Work>>>,
    /// Whether it was woken while it was polled.
    is_woken: SendWrapper<Cell<bool>>,
}

/// Runs a future to its end, as far as it gets at once.
pub(super) fn spawn(future: impl Future<Output = ()> + 'static) {
    let work: Work = Box::pin(future);
    let task = Task {
        work: SendWrapper::new(RefCell::new(Some(work))),
        is_woken: SendWrapper::new(Cell::new(false)),
    };
    Arc::new(task).wake();
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.is_woken.set(true);
        let Some(mut work) = self.work.take() else {
            return;
        };
        js::begin_turn();
        let waker = Waker::from(Arc::clone(&self));
        let mut context = Context::from_waker(&waker);
        while self.is_woken.replace(false) {
            if let Poll::Ready(()) = work.as_mut().poll(&mut context) {
                return;
            }
        }
        self.work.replace(Some(work));
    }
}
