//! The Durable Object that keeps what belongs to one owner: conversations, and answers that are being written.
//!
//! ```text
//! worker ──forwards──► object: requests ─► kept: list, open, rename, delete, search, export, stop
//!                                        └► ask ─► writing: upstream → relay → journal
//!                                                  reader: journal → frames → the client, one for each
//! ```
//!
//! An answer does not depend on its readers: it is written to the journal first, and each reader takes it from there.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::Request;
use worker::Env;
use worker::worker_sys::Context;

use self::keeper::Keeper;
use self::object::Object;
use super::isolate::Isolate;
use super::runtime::{instance, js};

mod answer;
mod ask;
mod download;
mod keeper;
mod kept;
mod ledger;
mod nameless;
mod object;
mod reader;
mod requests;
mod storage;
mod text;
mod writing;

thread_local! {
    /// The objects that live in this instance, by number.
    static OBJECTS: RefCell<Vec<(u32, Rc<Keeper>)>> = const { RefCell::new(Vec::new()) };
    static LAST_NUMBER: Cell<u32> = const { Cell::new(0) };
}

/// The class of the objects, as the runtime knows it. JavaScript calls back, so that it can catch any exception.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Owner(u32);

#[wasm_bindgen]
#[allow(
    missing_docs,
    clippy::needless_pass_by_value,
    clippy::new_without_default,
    reason = "the bindings ask for public functions that take values, and copy no comment"
)]
impl Owner {
    #[wasm_bindgen(constructor)]
    pub fn new(context: Context, env: Env) -> Self {
        let number = LAST_NUMBER.get().wrapping_add(1);
        LAST_NUMBER.set(number);
        let keeper = Keeper::of(Object::new(context, Isolate::of(&env)));
        OBJECTS.with_borrow_mut(|objects| objects.push((number, Rc::new(keeper))));
        Self(number)
    }

    pub fn fetch(&self, request: Request) -> JsValue {
        instance::handle_owned(self.0, &request)
    }

    pub fn alarm(&self) -> JsValue {
        instance::handle_alarm(self.0)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        OBJECTS.with_borrow_mut(|objects| objects.retain(|(number, _)| *number != self.0));
    }
}

/// Answers a request to an object: a response, or the promise of one.
pub(super) fn respond(number: u32, request: Request) -> JsValue {
    js::begin_turn();
    match keeper(number) {
        Some(keeper) => {
            keeper.attend();
            requests::respond(keeper, request)
        }
        None => JsValue::UNDEFINED,
    }
}

/// Does what is due in an object.
pub(super) fn wake(number: u32) {
    js::begin_turn();
    if let Some(keeper) = keeper(number) {
        keeper.wake();
    }
}

fn keeper(number: u32) -> Option<Rc<Keeper>> {
    OBJECTS.with_borrow(|objects| {
        let mut objects = objects.iter();
        let found = objects.find(|(other, _)| *other == number);
        found.map(|(_, keeper)| Rc::clone(keeper))
    })
}
