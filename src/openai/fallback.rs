//! The models that may answer a request, one after the other: the one that it wants, then the deployment's
//! `FALLBACK_MODELS`.
//!
//! The next one is asked only while nothing of an answer has gone to the client, and only after a failure that it may not
//! share. All of them have to answer within one deadline.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::failure::Failure;
use super::server::Server;
use crate::api::error::ErrorCode;
use crate::api::request::{ChatRequest, ModelSource};

/// What a deployment falls back to.
#[derive(Clone, Debug, Default)]
pub struct Fallbacks {
    /// `FALLBACK_MODELS`, in the order in which they are asked.
    pub models: Vec<String>,
    /// `FALLBACK_BASE_URL` and `FALLBACK_API_KEY`: who has them, unless it is the usual server under the usual key.
    pub server: Option<Server>,
}

impl Fallbacks {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// Where the fallbacks are.
    fn site(&self) -> Site {
        match self.server {
            Some(_) => Site::Fallback,
            None => Site::Main,
        }
    }
}

/// One of a deployment's servers under its key. Two sites may be one server under two keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Site {
    /// That of `OPENAI_BASE_URL` and `OPENAI_API_KEY`.
    Main,
    /// That of `FALLBACK_BASE_URL` and `FALLBACK_API_KEY`.
    Fallback,
}

/// A model that may answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Candidate {
    /// Its name.
    pub model: String,
    /// Who has it.
    pub site: Site,
    /// Whether the request wants this one.
    is_asked_for: bool,
}

impl Candidate {
    /// Whether the request wants this one.
    pub fn is_asked_for(&self) -> bool {
        self.is_asked_for
    }

    fn is_same(&self, other: &Self) -> bool {
        self.model == other.model && self.site == other.site
    }

    /// The request as it is sent to this model.
    pub fn request<'r>(&self, request: &'r ChatRequest) -> Cow<'r, ChatRequest> {
        if self.is_asked_for {
            return Cow::Borrowed(request);
        }
        Cow::Owned(ChatRequest {
            model: self.model.clone(),
            model_source: match self.site {
                Site::Main => ModelSource::Fallback,
                Site::Fallback => ModelSource::FallbackElsewhere,
            },
            ..request.clone()
        })
    }
}

/// The candidates of one request.
#[derive(Debug)]
pub struct Candidates {
    /// The one to ask now.
    current: Candidate,
    /// Those to ask after it.
    left: VecDeque<Candidate>,
    /// Who has named the model that is wanted.
    source: ModelSource,
    /// What the client is told if all of them fail.
    reported: Option<Failure>,
}

impl Candidates {
    /// All candidates of a request. A fallback that is what the request wants anyway is not asked twice. Those that rest are
    /// asked last.
    pub fn of(fallbacks: &Fallbacks, request: &ChatRequest, rests: &Rests, now_ms: u64) -> Self {
        let mut current = Candidate {
            model: request.model.clone(),
            site: Site::Main,
            is_asked_for: true,
        };
        let site = fallbacks.site();
        let mut left = VecDeque::new();
        let mut resting = VecDeque::new();
        for model in &fallbacks.models {
            let candidate = Candidate {
                model: model.clone(),
                site,
                is_asked_for: false,
            };
            let is_same = |known: &Candidate| known.is_same(&candidate);
            if is_same(&current) || left.iter().chain(&resting).any(is_same) {
                continue;
            }
            if rests.has(&candidate, now_ms) {
                resting.push_back(candidate);
            } else {
                left.push_back(candidate);
            }
        }
        if rests.has(&current, now_ms)
            && let Some(first) = left.pop_front()
        {
            left.push_back(std::mem::replace(&mut current, first));
        }
        left.append(&mut resting);
        Self {
            current,
            left,
            source: request.model_source,
            reported: None,
        }
    }

    /// The one to ask now.
    pub fn current(&self) -> &Candidate {
        &self.current
    }

    /// Whether another one may be asked after it.
    pub fn are_left(&self) -> bool {
        !self.left.is_empty()
    }

    /// The current model's share of the time ends here, so that each of the others has as much of what is left until
    /// `last_ms`: its headers must have come, and its first event is waited for no longer.
    pub fn deadline_ms(&self, now_ms: u64, last_ms: u64) -> u64 {
        let count = u64::try_from(self.left.len()).unwrap_or(u64::MAX);
        let left_ms = last_ms.saturating_sub(now_ms);
        let share_ms = left_ms.checked_div(count.saturating_add(1));
        now_ms.saturating_add(share_ms.unwrap_or_default())
    }

    /// Moves on to the next one, for the current one has failed.
    ///
    /// # Errors
    ///
    /// What the client is told, when no other one would help: how the model has failed that it wants, or, if that one could
    /// not be asked, how the first of the others has.
    pub fn move_on(&mut self, failure: Failure, is_time_left: bool) -> Result<(), Failure> {
        let code = failure.error.code;
        let Candidate {
            site, is_asked_for, ..
        } = self.current;
        match scope(code) {
            Scope::Everything => return Err(failure),
            // Only the model that it wants can tell a client that its request is at fault.
            Scope::Request if is_asked_for => return Err(failure),
            // A client that names a model wants to know that it does not exist.
            Scope::Model
                if code == ErrorCode::ModelNotFound
                    && is_asked_for
                    && self.source == ModelSource::Client =>
            {
                return Err(failure);
            }
            Scope::Request | Scope::Model => {}
            // The wanted one is asked all the same, for the client is told how that one has failed.
            Scope::Site => {
                self.left
                    .retain(|left| left.site != site || left.is_asked_for);
            }
        }
        let reported = self.reported.take().filter(|_| !is_asked_for);
        let reported = reported.unwrap_or_else(|| match scope(code) {
            Scope::Request => refused_by_fallback(&failure),
            _ => failure,
        });
        match self.left.pop_front().filter(|_| is_time_left) {
            Some(next) => {
                self.reported = Some(reported);
                self.current = next;
                Ok(())
            }
            None => Err(reported),
        }
    }
}

/// What a client is told of a fallback's refusal when the model that it wants could not be asked: that one might take the
/// request later.
fn refused_by_fallback(failure: &Failure) -> Failure {
    let cause = format!("a fallback has refused the request: {}", failure.cause);
    Failure::new(ErrorCode::UpstreamUnavailable, cause)
}

/// Who shares a failure.
enum Scope {
    /// Every model: the time is over, for example.
    Everything,
    /// Every model with the same limits: it is the request that one has refused.
    Request,
    /// Every model of the same server under the same key.
    Site,
    /// Perhaps only this model.
    Model,
}

fn scope(code: ErrorCode) -> Scope {
    match code {
        ErrorCode::UpstreamRejected => Scope::Site,
        ErrorCode::ContextLengthExceeded | ErrorCode::ContentFiltered => Scope::Request,
        ErrorCode::ModelNotFound
        | ErrorCode::UpstreamRateLimited
        | ErrorCode::UpstreamQuota
        | ErrorCode::UpstreamUnavailable
        | ErrorCode::UpstreamUnreachable
        | ErrorCode::UpstreamTimeout
        | ErrorCode::UpstreamProtocol
        | ErrorCode::UpstreamTruncated => Scope::Model,
        _ => Scope::Everything,
    }
}

/// How long a candidate rests whose failure is likely to last, in milliseconds, unless its server has asked for less.
const REST_MS: u64 = 60_000;

/// Most candidates that rest at a time. Clients may name any model.
const MAX_RESTS: usize = 16;

/// The candidates that are asked last for a while: a server that is down would otherwise take its share of every request's
/// time.
#[derive(Debug, Default)]
pub struct Rests(VecDeque<Rest>);

#[derive(Debug)]
struct Rest {
    candidate: Candidate,
    until_ms: u64,
}

impl Rests {
    /// Has a candidate rest, if its failure is likely to last.
    pub fn add(&mut self, candidate: &Candidate, failure: &Failure, now_ms: u64) {
        if !matches!(
            failure.error.code,
            ErrorCode::UpstreamRateLimited
                | ErrorCode::UpstreamUnavailable
                | ErrorCode::UpstreamUnreachable
                | ErrorCode::UpstreamTimeout
        ) {
            return;
        }
        let rest_ms = failure.retry_after_ms.unwrap_or(REST_MS).min(REST_MS);
        self.0.retain(|rest| !rest.candidate.is_same(candidate));
        if self.0.len() >= MAX_RESTS {
            self.0.pop_front();
        }
        self.0.push_back(Rest {
            candidate: candidate.clone(),
            until_ms: now_ms.saturating_add(rest_ms),
        });
    }

    fn has(&self, candidate: &Candidate, now_ms: u64) -> bool {
        let mut rests = self.0.iter();
        rests.any(|rest| now_ms < rest.until_ms && rest.candidate.is_same(candidate))
    }
}
