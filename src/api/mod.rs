//! The client's vocabulary: routes, access, requests, frames, errors and endings.

pub mod accept;
pub mod access;
pub mod answer_id;
pub mod budget;
pub mod correlation;
pub mod day;
pub mod ending;
pub mod error;
pub mod frame;
pub mod host;
pub mod keeping;
pub mod listing;
pub mod money;
pub mod request;
pub mod route;
mod value;
