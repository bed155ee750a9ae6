//! What our client sees: routes, requests, frames and errors.

pub mod correlation;
pub mod error;
pub mod frame;
pub mod request;
pub mod route;
