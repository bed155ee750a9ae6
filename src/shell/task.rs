//! Work that goes on by itself, a task for each chat.
//!
//! A task is polled at once when it is told something, within the call that tells it, and so as a part of its own
//! request. The executor that comes with the bindings queues a microtask instead, and runs every request's work in
//! whichever request comes first; the microtask alone costs more than most of what a wake-up then does.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures::future::LocalBoxFuture;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::send::SendWrapper;

use super::inbox::Inbox;
use super::js;

#[wasm_bindgen(module = "/src/shell/instance.js")]
extern "C" {
    /// Cannot throw: it queues a microtask.
    #[wasm_bindgen(js_name = wakeLater)]
    fn wake_later(task: u32);
}

thread_local! {
    /// Those that are not done, in the order of their numbers.
    static TASKS: RefCell<Vec<Arc<Task>>> = const { RefCell::new(Vec::new()) };
    static LAST_NUMBER: Cell<u32> = const { Cell::new(0) };
}

struct Task {
    inbox: SendWrapper<Rc<Inbox>>,
    /// Nothing once it is done, and while it is polled.
    work: SendWrapper<RefCell<Option<LocalBoxFuture<'static, ()>>>>,
    /// Whether it was woken while it was polled.
    is_woken: SendWrapper<Cell<bool>>,
}

/// Runs what `begin` gives to its end, as far as it gets at once.
pub(super) fn spawn<F>(begin: impl FnOnce(Rc<Inbox>) -> F)
where
    F: Future<Output = ()> + 'static,
{
    // Long before a number comes again, its task is done.
    let number = LAST_NUMBER.get().wrapping_add(1);
    LAST_NUMBER.set(number);
    let inbox = Rc::new(Inbox {
        task: number,
        ..Inbox::default()
    });
    let work = Box::pin(begin(Rc::clone(&inbox)));
    let task = Arc::new(Task {
        inbox: SendWrapper::new(inbox),
        work: SendWrapper::new(RefCell::new(Some(work))),
        is_woken: SendWrapper::new(Cell::new(false)),
    });
    TASKS.with_borrow_mut(|tasks| match place_of(number, tasks) {
        Ok(place) | Err(place) => tasks.insert(place, Arc::clone(&task)),
    });
    task.run();
}

/// Puts something into a task's inbox, unless the task is done.
pub(super) fn tell(number: u32, put: impl FnOnce(&Inbox)) {
    let found = TASKS.with_borrow(|tasks| {
        let place = place_of(number, tasks).ok()?;
        tasks.get(place).cloned()
    });
    let Some(task) = found else {
        return;
    };
    put(&task.inbox);
    task.run();
}

/// Where a task is, or would be.
fn place_of(number: u32, tasks: &[Arc<Task>]) -> Result<usize, usize> {
    tasks.binary_search_by_key(&number, |task| task.inbox.task)
}

/// Only futures of the bindings wake a task by its waker. Their callbacks are not guarded, so the task is polled after
/// them.
impl Wake for Task {
    fn wake(self: Arc<Self>) {
        wake_later(self.inbox.task);
    }
}

impl Task {
    /// Polls the work until it waits, or notes that there is news for it while it is polled.
    fn run(self: &Arc<Self>) {
        self.is_woken.set(true);
        let Some(mut work) = self.work.take() else {
            return;
        };
        js::begin_turn();
        let waker = Waker::from(Arc::clone(self));
        let mut context = Context::from_waker(&waker);
        while self.is_woken.replace(false) {
            if let Poll::Ready(()) = work.as_mut().poll(&mut context) {
                TASKS.with_borrow_mut(|tasks| {
                    if let Ok(place) = place_of(self.inbox.task, tasks) {
                        tasks.remove(place);
                    }
                });
                return;
            }
        }
        self.work.replace(Some(work));
    }
}
