//! The first event of an answer: some servers accept a request, and only there say that they are overloaded. A choice that
//! says nothing yet may come before.
//!
//! It is waited for while another model may still be asked. Meanwhile the client gets nothing, so the wait is short.

use super::runtime::js;
use super::runtime::streams::Source;
use super::runtime::wait::{Interrupted, Waiting};
use crate::openai::failure::Failure;
use crate::openai::{EventParser, MAX_WHOLE_BYTES};
use crate::stream::relay::{Form, Input, Limits, Relay};
use crate::stream::seen::Seen;

/// A wait for the first event of an answer.
pub(super) struct FirstEvent {
    pub(super) events: EventParser,
    pub(super) limits: Limits,
    /// When the stream is taken as it is, if not sooner.
    pub(super) deadline_ms: u64,
}

impl FirstEvent {
    /// Reads on from `bytes`, which it adds to, until the answer begins or has failed, or the client has left. Gives the
    /// failure, if that came first, and what upstream has told by then.
    pub(super) async fn wait(
        self,
        bytes: &mut Vec<u8>,
        source: &mut Source,
        waiting: &mut Waiting,
    ) -> Option<(Failure, Seen)> {
        let now_ms = js::steady_ms();
        // A stream that is silent for so long owes its client a sign of life.
        let heartbeat_ms = now_ms.saturating_add(self.limits.heartbeat_ms());
        let deadline_ms = self.deadline_ms.min(heartbeat_ms);
        let mut relay = Relay::new(self.events, Form::Pieces, self.limits, now_ms, false);
        let mut fed = 0;
        loop {
            let chunk = bytes.get(fed..).unwrap_or_default();
            relay.handle(Input::Chunk(chunk), js::steady_ms());
            fed = bytes.len();
            if relay.is_at_work() || fed > MAX_WHOLE_BYTES {
                return None;
            }
            if let Some(outcome) = relay.outcome() {
                let failure = outcome.failure.clone();
                return failure.map(|failure| (failure, relay.seen()));
            }
            match source.read_chunk(bytes, waiting, deadline_ms).await {
                Ok(true) => {}
                Ok(false) => relay.handle(Input::End, js::steady_ms()),
                Err(Interrupted::Failed(_)) => relay.handle(Input::Broken, js::steady_ms()),
                Err(Interrupted::TimeIsUp | Interrupted::ClientGone) => return None,
            }
        }
    }
}
