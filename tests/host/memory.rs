//! Kept conversations, on a real `SQLite`.

mod abandoned;
mod acts;
mod answers;
mod database;
mod entries;
mod forgetting;
mod histories;
mod lists;
mod migrations;
mod pieces;
mod properties;
mod scans;
mod searches;
mod speed;
mod titles;
mod transcripts;
mod usages;
