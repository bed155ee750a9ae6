//! A reader of a kept answer: its own position, its own pace, its own heartbeat.

use std::rc::Rc;

use super::answer::{Answer, Progress};
use crate::api::ending::{Completion, EndReason};
use crate::api::error::{ApiError, ErrorCode};
use crate::api::frame::KEEP_ALIVE;
use crate::memory::replay::Replay;
use crate::shell::early_end::EarlyEnd;
use crate::shell::exchange::Exchange;
use crate::shell::response::{self, AnswerHeaders};
use crate::shell::runtime::instance::OpenWork;
use crate::shell::runtime::js;
use crate::shell::runtime::streams::Outlet;
use crate::shell::runtime::wait::{Interrupted, Waiting};
use crate::stream::relay::Limits;
use crate::telemetry::record::Level;

/// Most bytes of frames that are made at a time, but for the last frame of them.
const MAX_WRITE_BYTES: usize = 16_384;

/// How long a reader waits for upstream's headers beyond the time that the answer itself waits, in milliseconds.
const SLACK_MS: u64 = 5_000;

/// How long a reader may take for the last frames once it has to be done, in milliseconds.
const CLOSING_MS: u64 = 2_000;

/// One who reads an answer.
pub(super) struct Reader<'a> {
    pub(super) exchange: &'a Exchange,
    pub(super) answer: Rc<Answer>,
    pub(super) limits: Limits,
}

/// How a reader's stream came to its end.
enum Delivery {
    /// Everything was taken.
    Whole,
    /// The reader left.
    Gone,
    /// The reader is there and does not read.
    Stalled,
}

impl Reader<'_> {
    /// Sends the frames strictly after `after`, or all of them, and writes the request's last line. When the reader has
    /// them all, there is nothing to send: then false comes back, and nothing was done.
    pub(super) async fn run(
        self,
        open: &OpenWork,
        after: Option<u64>,
        waiting: &mut Waiting,
    ) -> Result<bool, EarlyEnd> {
        let task = waiting.inbox.task;
        self.answer.add_reader(task);
        let read = self.read(open, after, waiting).await;
        self.answer.remove_reader(task);
        read
    }

    async fn read(
        &self,
        open: &OpenWork,
        after: Option<u64>,
        waiting: &mut Waiting,
    ) -> Result<bool, EarlyEnd> {
        self.wait_for_answer(waiting).await?;
        if waiting.is_client_gone() {
            return Err(EarlyEnd::ClientGone);
        }
        if self.has_all(after) {
            return Ok(false);
        }
        let answer = &self.answer;
        let mut replay = Replay::new(answer.asker.clone(), answer.id.clone(), after);
        let (mut outlet, body) = Outlet::open(waiting);
        let context = self.exchange.response_context();
        let told = AnswerHeaders {
            model: answer.model(),
            left: answer.left,
        };
        open.respond(response::kept_stream(&body, &answer.id, told, &context));
        let mut first_ms = None;
        let delivery = self
            .stream(&mut replay, &mut outlet, waiting, &mut first_ms)
            .await;
        let end_reason = match (delivery, self.answer.progress()) {
            (Delivery::Gone, _) => EndReason::ClientGone,
            (Delivery::Stalled, _) => {
                self.exchange.log_stalled();
                EndReason::StreamTooLong
            }
            (Delivery::Whole, Progress::Ended { end_reason, .. }) => end_reason,
            (Delivery::Whole, _) => EndReason::Done,
        };
        let completion = Completion {
            ttft_ms: first_ms,
            chunk_count: replay.frame_count(),
            ..self.exchange.completion(Some(200), end_reason)
        };
        self.exchange.log_complete(Level::Info, &completion);
        Ok(true)
    }

    /// Waits until upstream has answered with a success status.
    async fn wait_for_answer(&self, waiting: &mut Waiting) -> Result<(), EarlyEnd> {
        let begun = || match self.answer.progress() {
            Progress::Opening => None,
            Progress::NeverBegan(error) => Some(Err(EarlyEnd::Rejected(error))),
            Progress::Streaming | Progress::Ended { .. } => Some(Ok(())),
        };
        let deadline_ms = js::steady_ms()
            .saturating_add(self.limits.opening_ms())
            .saturating_add(SLACK_MS);
        match waiting.until(begun, deadline_ms).await {
            Ok(begun) => begun,
            Err(Interrupted::ClientGone) => Err(EarlyEnd::ClientGone),
            Err(_) => Err(EarlyEnd::Rejected(ApiError::from(
                ErrorCode::UpstreamTimeout,
            ))),
        }
    }

    fn has_all(&self, after: Option<u64>) -> bool {
        let is_over = self.answer.state().is_some();
        is_over && after.is_some_and(|after| after >= self.answer.pieces().count())
    }

    async fn stream(
        &self,
        replay: &mut Replay,
        outlet: &mut Outlet,
        waiting: &mut Waiting,
        first_ms: &mut Option<u64>,
    ) -> Delivery {
        // The end of an answer that took as long as it may still reaches its readers.
        let closing_ms = if self.answer.is_running() {
            CLOSING_MS
        } else {
            0
        };
        let last_ms = js::steady_ms()
            .saturating_add(self.limits.total_ms())
            .saturating_add(closing_ms);
        let mut sent_ms = js::steady_ms();
        loop {
            let mut output = Vec::new();
            let is_last = self.fill(replay, &mut output);
            if output.is_empty() && !is_last {
                let due_ms = sent_ms.saturating_add(self.limits.heartbeat_ms());
                match waiting.until(|| self.has_news(replay), due_ms).await {
                    Ok(()) => continue,
                    Err(Interrupted::TimeIsUp) => output.extend_from_slice(KEEP_ALIVE),
                    Err(_) => return Delivery::Gone,
                }
            }
            let is_written = match outlet.wait_for_room(waiting, last_ms).await {
                Ok(()) if is_last => outlet.write_last(&output).is_ok(),
                Ok(()) => outlet.write(&output).is_ok(),
                Err(Interrupted::TimeIsUp) => {
                    outlet.break_off();
                    return Delivery::Stalled;
                }
                Err(_) => false,
            };
            if !is_written {
                return Delivery::Gone;
            }
            sent_ms = js::steady_ms();
            if replay.frame_count() > 0 {
                first_ms.get_or_insert(self.exchange.elapsed_ms());
            }
            if is_last {
                let last_ms = last_ms.saturating_add(CLOSING_MS);
                return match outlet.finish(waiting, last_ms).await {
                    Ok(()) => Delivery::Whole,
                    Err(Interrupted::TimeIsUp) => Delivery::Stalled,
                    Err(_) => Delivery::Gone,
                };
            }
        }
    }

    /// Makes the frames that come next; true when the last one is among them, or there is none.
    fn fill(&self, replay: &mut Replay, output: &mut Vec<u8>) -> bool {
        let pieces = self.answer.pieces();
        replay.read(&pieces, MAX_WRITE_BYTES, output);
        if replay.has_more(&pieces) {
            return false;
        }
        match self.answer.progress() {
            Progress::Ended { fields, .. } => {
                if replay.lacks_ending() {
                    replay.finish(&fields, output);
                }
                true
            }
            _ => false,
        }
    }

    fn has_news(&self, replay: &Replay) -> Option<()> {
        let is_over = self.answer.state().is_some();
        (is_over || replay.has_more(&self.answer.pieces())).then_some(())
    }
}
