//! What our client sees: routes, access, requests, frames and errors.

pub mod access;
pub mod correlation;
pub mod ending;
pub mod error;
pub mod frame;
pub mod host;
pub mod request;
pub mod route;
mod value;
