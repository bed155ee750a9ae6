//! The deadlines of one stream: upstream's silence, the client's silence, and the whole answer.

use std::time::Duration;

/// How long upstream may still send its usage and the end mark after the finish reason. The final frame is written
/// then; `DRAIN_MS` of `shell/pump.rs` is how long upstream is read beyond it.
const GRACE_MS: u64 = 2_000;

/// How long a chat may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `TIMEOUT_SECONDS`: longest wait for the request's body, for upstream's headers, then between its bytes.
    pub idle: Duration,
    /// `MAX_STREAM_SECONDS`: longest whole answer.
    pub total: Duration,
    /// `HEARTBEAT_SECONDS`: longest silence towards the client.
    pub heartbeat: Duration,
}

impl Limits {
    /// `idle` in milliseconds.
    pub fn idle_ms(&self) -> u64 {
        millis(self.idle)
    }

    /// `total` in milliseconds.
    pub fn total_ms(&self) -> u64 {
        millis(self.total)
    }

    /// How long upstream may take to begin an answer, in milliseconds: headers have to come within `idle`, and an answer
    /// that comes whole within `total`.
    pub fn opening_ms(&self) -> u64 {
        self.idle_ms().max(self.total_ms())
    }

    /// `heartbeat` in milliseconds.
    pub fn heartbeat_ms(&self) -> u64 {
        millis(self.heartbeat)
    }
}

/// What a tick is due for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    /// The whole answer took too long.
    Total,
    /// Upstream was silent for too long, or the grace after its finish reason is over, which ends the answer in order.
    Silence,
    /// The client needs a sign of life.
    Heartbeat,
}

/// When things last happened. Times are milliseconds of a clock that only the caller reads.
#[derive(Debug)]
pub(super) struct Clocks {
    idle_ms: u64,
    heartbeat_ms: u64,
    total_deadline_ms: u64,
    /// When upstream last sent bytes, plus the time that the client has since taken to read.
    progress_ms: u64,
    /// When something last happened, which is when the write that follows begins.
    handled_ms: u64,
    sent_ms: u64,
    /// When upstream first gave a finish reason, moved like `progress_ms`, and how many text frames there were.
    finished: Option<(u64, u64)>,
}

impl Clocks {
    pub(super) fn new(limits: Limits, now_ms: u64) -> Self {
        Self {
            idle_ms: limits.idle_ms(),
            heartbeat_ms: limits.heartbeat_ms(),
            total_deadline_ms: now_ms.saturating_add(limits.total_ms()),
            progress_ms: now_ms,
            handled_ms: now_ms,
            sent_ms: now_ms,
            finished: None,
        }
    }

    /// Something happened.
    pub(super) fn handled(&mut self, now_ms: u64) {
        self.handled_ms = now_ms;
    }

    /// Upstream sent bytes.
    pub(super) fn received(&mut self, now_ms: u64) {
        self.handled_ms = now_ms;
        self.progress_ms = now_ms;
    }

    /// There is something to send to the client.
    pub(super) fn sent(&mut self, now_ms: u64) {
        self.sent_ms = now_ms;
    }

    /// Upstream has given a finish reason. Only the first call counts.
    pub(super) fn finished(&mut self, now_ms: u64, text_frames: u64) {
        self.finished.get_or_insert((now_ms, text_frames));
    }

    /// A write is over. Upstream was not read meanwhile, so that time does not count as its silence.
    pub(super) fn written(&mut self, now_ms: u64) {
        let writing_ms = now_ms.saturating_sub(self.handled_ms);
        self.progress_ms = self.progress_ms.saturating_add(writing_ms);
        if let Some((finished_ms, _)) = &mut self.finished {
            *finished_ms = finished_ms.saturating_add(writing_ms);
        }
        self.handled_ms = now_ms;
    }

    /// When the next tick is due. `text_frames` is the number of frames with text so far.
    pub(super) fn deadline_ms(&self, text_frames: u64) -> u64 {
        self.silence_deadline_ms(text_frames)
            .min(self.heartbeat_deadline_ms())
            .min(self.total_deadline_ms)
    }

    /// When the whole answer has to be over.
    pub(super) fn total_deadline_ms(&self) -> u64 {
        self.total_deadline_ms
    }

    /// What a tick at this time is due for, if anything.
    pub(super) fn due(&self, now_ms: u64, text_frames: u64) -> Option<Due> {
        let deadlines = [
            (self.total_deadline_ms, Due::Total),
            (self.silence_deadline_ms(text_frames), Due::Silence),
            (self.heartbeat_deadline_ms(), Due::Heartbeat),
        ];
        let mut due = deadlines.into_iter().filter(|(at_ms, _)| now_ms >= *at_ms);
        due.next().map(|(_, due)| due)
    }

    /// When to stop waiting for upstream. After a finish reason that is soon, unless more text followed: some servers
    /// give a reason with every event.
    fn silence_deadline_ms(&self, text_frames: u64) -> u64 {
        let idle_ms = self.progress_ms.saturating_add(self.idle_ms);
        match self.finished {
            Some((finished_ms, frames)) if frames == text_frames => {
                idle_ms.min(finished_ms.saturating_add(GRACE_MS))
            }
            _ => idle_ms,
        }
    }

    fn heartbeat_deadline_ms(&self) -> u64 {
        self.sent_ms.saturating_add(self.heartbeat_ms)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
