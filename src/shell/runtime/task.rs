//! Tasks: futures that JavaScript polls by telling them what happened.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use futures::future::LocalBoxFuture;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::js;

#[wasm_bindgen(module = "/src/shell/runtime/instance.js")]
extern "C" {
    /// Cannot throw: it queues a microtask.
    #[wasm_bindgen(js_name = wakeLater)]
    fn wake_later(task: u32);
}

/// What a task was told and has not looked at yet.
#[derive(Default)]
pub(in crate::shell) struct Inbox {
    /// The number by which JavaScript knows the task.
    pub(in crate::shell) task: u32,
    pub(super) is_client_gone: Cell<bool>,
    /// Whether the timer has gone off.
    pub(super) is_time: Cell<bool>,
    /// What the read under way brought.
    pub(super) read: Cell<Option<Read>>,
    /// Whether more of the answer may be written.
    pub(super) has_room: Cell<bool>,
    /// How many promises the task has waited for.
    pub(super) promises: Cell<u32>,
    /// The result of the last one.
    pub(super) settled: Cell<Option<Result<JsValue, JsValue>>>,
}

/// What a read brought.
#[derive(Clone, Copy)]
pub(in crate::shell) enum Read {
    /// So many bytes.
    Chunk(usize),
    End,
    /// The connection broke.
    Broken,
}

struct Task {
    inbox: Rc<Inbox>,
    waker: Waker,
    /// Nothing while the task is polled, and once it is done.
    work: Cell<Option<LocalBoxFuture<'static, ()>>>,
    has_news: Cell<bool>,
}

thread_local! {
    /// The tasks that are not done, by number.
    static TASKS: RefCell<Vec<Rc<Task>>> = const { RefCell::new(Vec::new()) };
    static LAST_NUMBER: Cell<u32> = const { Cell::new(0) };
}

/// Starts a task: polls the future that `begin` makes, and again whenever the task is told something.
pub(in crate::shell) fn spawn<F>(begin: impl FnOnce(Rc<Inbox>) -> F)
where
    F: Future<Output = ()> + 'static,
{
    // When numbers start over, the first tasks are long done.
    let number = LAST_NUMBER.get().wrapping_add(1);
    LAST_NUMBER.set(number);
    let inbox = Rc::new(Inbox {
        task: number,
        ..Inbox::default()
    });
    let task = Rc::new(Task {
        work: Cell::new(Some(Box::pin(begin(Rc::clone(&inbox))))),
        inbox,
        waker: Waker::from(Arc::new(Wakeup { task: number })),
        has_news: Cell::new(false),
    });
    TASKS.with_borrow_mut(|tasks| match place_of(number, tasks) {
        Ok(place) | Err(place) => tasks.insert(place, Rc::clone(&task)),
    });
    task.run();
}

/// Puts something into a task's inbox and polls the task. A task that is done is told nothing.
pub(super) fn tell(number: u32, put: impl FnOnce(&Inbox)) {
    let found = TASKS.with_borrow(|tasks| {
        let place = place_of(number, tasks).ok()?;
        tasks.get(place).cloned()
    });
    if let Some(task) = found {
        put(&task.inbox);
        task.run();
    }
}

/// Has a task look again at what it waits for.
pub(in crate::shell) fn wake(number: u32) {
    tell(number, |_| {});
}

/// Ends every wait of a task as if its client had left.
pub(in crate::shell) fn interrupt(number: u32) {
    tell(number, |inbox| inbox.is_client_gone.set(true));
}

/// Where a task is in the list, or would be.
fn place_of(number: u32, tasks: &[Rc<Task>]) -> Result<usize, usize> {
    tasks.binary_search_by_key(&number, |task| task.inbox.task)
}

impl Task {
    /// Polls the work until there is no more news. News that comes while it is polled has it polled once more.
    fn run(&self) {
        self.has_news.set(true);
        let Some(mut work) = self.work.take() else {
            return;
        };
        js::begin_turn();
        let mut context = Context::from_waker(&self.waker);
        while self.has_news.replace(false) {
            if work.as_mut().poll(&mut context).is_ready() {
                TASKS.with_borrow_mut(|tasks| {
                    if let Ok(place) = place_of(self.inbox.task, tasks) {
                        tasks.remove(place);
                    }
                });
                return;
            }
        }
        self.work.set(Some(work));
    }
}

/// Wakes a task for a future of the bindings. Their callbacks do not pass through the guard of the instance, so the task
/// is polled after them, in a call that does.
struct Wakeup {
    task: u32,
}

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        wake_later(self.task);
    }
}
