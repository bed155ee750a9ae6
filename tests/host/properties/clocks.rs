//! The relay under any sequence of events and times. Times are in milliseconds.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::sample::select;

use personal_ai_assistant::api::ending::EndReason;
use personal_ai_assistant::api::frame::KEEP_ALIVE;
use personal_ai_assistant::stream::relay::{Input, Relay};

use super::{for_any, reader};
use crate::support::{DONE, LIMITS, STOP, relay};

/// Something that happens to a relay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Act {
    Chunk(&'static str),
    Tick,
    Written,
    End,
    Broken,
    ClientGone,
}

const TEXT: Act = Act::Chunk("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n");
const COMMENT: Act = Act::Chunk(": waiting\n\n");

impl Act {
    fn happen(self, relay: &mut Relay, now: u64) {
        match self {
            Self::Chunk(text) => relay.handle(Input::Chunk(text.as_bytes()), now),
            Self::Tick => relay.handle(Input::Tick, now),
            Self::Written => relay.output_written(now),
            Self::End => relay.handle(Input::End, now),
            Self::Broken => relay.handle(Input::Broken, now),
            Self::ClientGone => relay.handle(Input::ClientGone, now),
        }
    }
}

fn any_act() -> impl Strategy<Value = Act> {
    let often = [Act::Tick, Act::Written, COMMENT, TEXT];
    let rarely = [
        Act::Chunk(STOP),
        Act::Chunk(DONE),
        Act::Chunk("data: no JSON\n\n"),
        Act::End,
        Act::Broken,
        Act::ClientGone,
    ];
    select([often.repeat(6).as_slice(), &rarely].concat())
}

fn end_reason(relay: &Relay) -> Option<EndReason> {
    relay.outcome().map(|outcome| outcome.end_reason)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("a short time")
}

#[test]
fn nothing_follows_the_final_frame_whatever_happens_and_whatever_the_clock_says() {
    for_any(vec((any::<u64>(), any_act()), 0..48), |acts| {
        let mut relay = relay();
        let mut client = Vec::new();
        for (now, act) in acts.into_iter().chain([(0, Act::End), (0, Act::Written)]) {
            let before = (relay.output().to_vec(), relay.outcome().cloned());
            if act == Act::Written {
                client.extend_from_slice(relay.output());
            }
            act.happen(&mut relay, now);
            let after = (relay.output().to_vec(), relay.outcome().cloned());
            let may_change = before.1.is_none() || matches!(act, Act::Written | Act::ClientGone);
            assert!(may_change || after == before, "{act:?}: {after:?}");
        }
        let client = String::from_utf8(client).expect("frames are UTF-8");
        if end_reason(&relay) == Some(EndReason::ClientGone) {
            assert!(!client.contains("\"is_final\":true"), "{client}");
        } else {
            reader::read(&client);
        }
    });
}

#[test]
fn a_tick_acts_when_its_deadline_has_come_and_not_before_and_leaves_the_next_one_ahead() {
    for_any(vec((0_u64..20_000, any_act()), 0..48), |acts| {
        let mut relay = relay();
        let mut now = 0;
        for (wait, act) in acts {
            now += wait;
            let due = relay.deadline_ms();
            let output_bytes = relay.output().len();
            assert!(due <= relay.total_deadline_ms(), "no tick for the total");
            act.happen(&mut relay, now);
            let has_ended = relay.outcome().is_some();
            if act == Act::Tick {
                let has_acted = has_ended || relay.output().len() > output_bytes;
                assert_eq!(has_acted, now >= due, "a tick at {now}, due at {due}");
                assert!(has_ended || relay.deadline_ms() > now, "due at once again");
            }
            if has_ended {
                break;
            }
        }
    });
}

#[test]
fn only_upstream_s_silence_while_somebody_listens_runs_the_idle_clock_down() {
    let acts = select(vec![Act::Tick, Act::Tick, COMMENT, Act::Chunk(":"), TEXT]);
    let steps = vec((0_u64..20_000, acts, 0_u64..40_000), 0..48);
    for_any(steps, |steps| {
        let mut relay = relay();
        let (mut now, mut silence, mut sent) = (0, 0, 0);
        for (wait, act, write) in steps {
            now += wait;
            silence = if act == Act::Tick { silence + wait } else { 0 };
            act.happen(&mut relay, now);
            let expected = if act != Act::Tick {
                None
            } else if now >= millis(LIMITS.total) {
                Some(EndReason::StreamTooLong)
            } else if silence >= millis(LIMITS.idle) {
                Some(EndReason::UpstreamTimeout)
            } else {
                let is_due = now - sent >= millis(LIMITS.heartbeat);
                assert_eq!(relay.output(), if is_due { KEEP_ALIVE } else { b"" });
                None
            };
            assert_eq!(end_reason(&relay), expected, "at {now}");
            if expected.is_some() {
                break;
            }
            // As it is driven: what it produced is written before anything else happens.
            if !relay.output().is_empty() {
                sent = now;
                now += write;
                relay.output_written(now);
            }
        }
    });
}
