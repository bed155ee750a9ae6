//! An owner's object, as what runs in it sees it: its store, its log, its life.

use std::cell::RefCell;
use std::rc::Rc;

use uuid::Uuid;
use wasm_bindgen::JsValue;
use worker::worker_sys::Context;

use super::storage::Storage;
use crate::api::error::ErrorCode;
use crate::memory::schema::OpenError;
use crate::memory::store::Store;
use crate::openai::failure::Failure;
use crate::shell::early_end::EarlyEnd;
use crate::shell::isolate::Isolate;
use crate::shell::runtime::js;
use crate::telemetry::record::Level;

/// One owner's object.
pub(super) struct Object {
    pub(super) context: Context,
    pub(super) isolate: Rc<Isolate>,
    pub(super) storage: Storage,
    /// Opened by the first request of this instance.
    store: RefCell<Option<Rc<Store<Storage>>>>,
}

impl Object {
    pub(super) fn new(context: Context, isolate: Rc<Isolate>) -> Self {
        Self {
            storage: Storage::of(&context),
            context,
            isolate,
            store: RefCell::new(None),
        }
    }

    /// The store. Opening it ends every answer that an instance before this one left unfinished.
    pub(super) fn store(&self) -> Result<Rc<Store<Storage>>, EarlyEnd> {
        if let Some(store) = &*self.store.borrow() {
            return Ok(Rc::clone(store));
        }
        let opened = Store::open(self.storage.clone(), js::now_ms());
        let (store, interrupted) = opened.map_err(|error| match error {
            OpenError::Database(error) => store_failed(&error),
            OpenError::Newer { found, known } => {
                let cause = format!("the schema is {found}, this program knows up to {known}");
                EarlyEnd::Failed(Failure::new(ErrorCode::StoreUnavailable, cause))
            }
        })?;
        for ended in interrupted {
            self.isolate.log.write(
                Level::Warning,
                "answer_complete",
                Some(&ended.correlation_id),
                |record| {
                    record
                        .text("answer_id", &ended.answer_id)
                        .word("status", "error")
                        .word("end_reason", "interrupted")
                        .number("chunk_count", ended.piece_count);
                },
            );
        }
        let store = Rc::new(store);
        *self.store.borrow_mut() = Some(Rc::clone(&store));
        Ok(store)
    }
}

/// A failure of the store.
pub(super) fn store_failed(error: &JsValue) -> EarlyEnd {
    EarlyEnd::Failed(Failure::new(
        ErrorCode::StoreUnavailable,
        js::error_text(error),
    ))
}

/// A fresh id.
pub(super) fn fresh_id() -> String {
    Uuid::new_v4().to_string()
}
