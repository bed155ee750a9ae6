//! How a request ends that gets no stream: refused, failed, or left by its client.

use wasm_bindgen::JsValue;
use web_sys::Response;

use super::exchange::Exchange;
use super::response;
use super::runtime::instance::OpenWork;
use crate::api::ending::{Completion, EndReason};
use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::Invalid;
use crate::config::ConfigError;
use crate::openai::failure::Failure;
use crate::telemetry::record::Level;

/// Why a request ends before its stream begins.
pub(super) enum EarlyEnd {
    /// The body, a header or the query breaks a rule.
    Invalid(Invalid),
    /// The request is at fault in another way.
    Rejected(ApiError),
    /// Upstream or this deployment is at fault; the log says how.
    Failed(Failure),
    ClientGone,
}

impl From<ErrorCode> for EarlyEnd {
    fn from(code: ErrorCode) -> Self {
        Self::Rejected(code.into())
    }
}

/// A deployment whose variables are missing or invalid.
impl From<&ConfigError> for EarlyEnd {
    fn from(error: &ConfigError) -> Self {
        let problem = error.problems().first().cloned().unwrap_or_default();
        Self::Failed(Failure {
            error: ApiError::new(ErrorCode::ConfigurationError, problem),
            ..Failure::new(ErrorCode::ConfigurationError, error.to_string())
        })
    }
}

impl EarlyEnd {
    /// Writes the last lines of the request, and responds.
    pub(super) fn respond(self, exchange: &Exchange, open: &OpenWork) {
        let (response, completion) = self.resolve(exchange);
        exchange.log_complete(Level::Info, &completion);
        open.respond(response);
    }

    /// Writes all lines of the request but the last one. Gives the response, and the facts of the last line.
    pub(super) fn resolve(self, exchange: &Exchange) -> (Result<Response, JsValue>, Completion) {
        let (error, end_reason) = match self {
            Self::Invalid(invalid) => {
                exchange.log(Level::Warning, "validation_error", |record| {
                    record
                        .text("field", &invalid.field)
                        .text("rule", invalid.logged_rule());
                });
                (Some(ApiError::from(&invalid)), EndReason::Rejected)
            }
            Self::Rejected(error) => {
                let end_reason = EndReason::from(error.code);
                (Some(error), end_reason)
            }
            Self::Failed(failure) => {
                exchange.log_failure(&failure, "error_response");
                let end_reason = EndReason::from(failure.error.code);
                (Some(failure.error), end_reason)
            }
            Self::ClientGone => (None, EndReason::ClientGone),
        };
        let status = error.as_ref().map(|error| error.status);
        let context = exchange.response_context();
        let response = match error {
            Some(error) => response::error(&error, &context),
            None => response::for_nobody(&context),
        };
        (response, exchange.completion(status, end_reason))
    }
}
