//! Kept conversations, on a real `SQLite`.

mod acts;
mod answers;
mod database;
mod forgetting;
mod histories;
mod lists;
mod migrations;
mod pieces;
mod properties;
mod readings;
mod searches;
mod speed;
mod titles;
