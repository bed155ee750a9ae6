//! What is kept of conversations, and how it survives: one owner's turns in one `SQLite` database.
//!
//! Pure: the database is a trait, and time and fresh ids come in. An *exchange* is a message and its answer, which are
//! two *turns*. The text of a growing answer stands in the *journal*, that of a finished one in its exchange.

pub mod answer;
pub mod begin;
pub mod entry;
pub mod forget;
mod history;
mod interrupted;
pub mod journal;
pub mod ledger;
pub mod list;
mod markdown;
pub mod recovery;
pub mod replay;
pub mod schema;
mod search;
pub mod spent;
pub mod sql;
pub mod store;
mod title;
pub mod transcript;
mod turns;
pub mod usage;
mod usage_report;
mod views;
