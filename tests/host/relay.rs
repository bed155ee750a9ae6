//! The relay's invariants, each by its name in the module's documentation. The fourth, that output does not depend on
//! how upstream's bytes were split, is a property: see `properties.rs`.

use personal_ai_assistant::api::correlation::CorrelationId;
use personal_ai_assistant::api::ending::EndReason;
use personal_ai_assistant::api::frame::FrameEncoder;
use personal_ai_assistant::api::request::ModelSource;
use personal_ai_assistant::openai::{Api, EventParser};
use personal_ai_assistant::stream::relay::{Form, Input, Relay, SentFrame};

use crate::support::{DONE, LIMITS, STOP, delta, relay, relay_of, relayed};

fn end_reason(relay: &Relay) -> Option<EndReason> {
    relay.outcome().map(|outcome| outcome.end_reason)
}

fn output(relay: &mut Relay, now_ms: u64) -> String {
    let output = String::from_utf8(relay.output().to_vec()).expect("frames are UTF-8");
    relay.output_written(now_ms);
    output
}

const TIMEOUT_FRAME: &str = "data: {\"content\":\"\",\"sequence\":0,\"is_final\":true,\"correlation_id\":\"abc-123\",\
    \"error\":\"The model's server went silent\",\"detail\":\"The model's server sent nothing for too long. Try again in a moment. If you run this service and its model is slow, raise TIMEOUT_SECONDS.\",\
    \"code\":\"upstream_timeout\"}\n\n";

#[test]
fn exactly_one_final_frame_per_stream_unless_the_client_is_gone_and_nothing_after_it() {
    let endings = [
        (
            format!("{}{DONE}{DONE}{}", delta("a"), delta("b")),
            EndReason::Done,
        ),
        (format!("{}{STOP}", delta("a")), EndReason::Done),
        (delta("a"), EndReason::UpstreamTruncated),
        (
            format!("{}data: x\n\n{DONE}", delta("a")),
            EndReason::UpstreamProtocol,
        ),
        (
            format!("{}data: {{\"error\":{{}}}}\n\n{DONE}", delta("a")),
            EndReason::UpstreamError,
        ),
    ];
    for (stream, reason) in endings {
        let (client, mut relay) = relayed([stream.as_bytes()]);
        assert_eq!(end_reason(&relay), Some(reason), "{stream}");
        assert_eq!(client.matches("\"is_final\":true").count(), 1, "{client}");
        assert!(
            client.ends_with("}\n\n")
                && client.rfind("\"is_final\":true") > client.rfind("\"is_final\":false")
        );
        for input in [
            Input::Chunk(delta("c").as_bytes()),
            Input::Tick,
            Input::End,
            Input::Broken,
            Input::ClientGone,
        ] {
            relay.handle(input, 1_000_000);
            assert_eq!(relay.output(), b"", "after {input:?}");
            assert_eq!(end_reason(&relay), Some(reason), "after {input:?}");
        }
    }
    let mut gone = relay();
    gone.handle(Input::Chunk(delta("a").as_bytes()), 0);
    gone.handle(Input::ClientGone, 0);
    assert_eq!(
        (gone.output(), end_reason(&gone)),
        (&b""[..], Some(EndReason::ClientGone))
    );
}

#[test]
fn a_client_that_leaves_before_it_took_the_final_frame_is_gone() {
    let mut relay = relay();
    relay.handle(Input::Chunk(format!("{STOP}{DONE}").as_bytes()), 0);
    assert_eq!(end_reason(&relay), Some(EndReason::Done));
    relay.handle(Input::ClientGone, 0);
    assert_eq!(end_reason(&relay), Some(EndReason::ClientGone));
}

#[test]
fn an_answer_is_reported_complete_only_if_upstream_said_so() {
    let silent = STOP.replace("\"stop\"", "\"\"");
    for (stream, expected) in [
        (STOP.to_owned(), EndReason::Done),
        (format!("{}{DONE}", delta("a")), EndReason::Done),
        (format!("{silent}{DONE}"), EndReason::Done),
        (DONE.to_owned(), EndReason::UpstreamTruncated),
        (format!(": hello\n\n{DONE}"), EndReason::UpstreamTruncated),
        (
            format!("data: {{\"choices\":[]}}\n\n{DONE}"),
            EndReason::UpstreamTruncated,
        ),
        (silent.repeat(3), EndReason::UpstreamTruncated),
        (String::new(), EndReason::UpstreamTruncated),
        (STOP.replace("stop", "error"), EndReason::UpstreamError),
    ] {
        for input in [Input::End, Input::Broken] {
            let mut relay = relay();
            relay.handle(Input::Chunk(stream.as_bytes()), 0);
            relay.handle(input, 0);
            assert_eq!(end_reason(&relay), Some(expected), "{stream}");
        }
    }
    for input in [Input::End, Input::Broken] {
        for count in [0, 1, 50] {
            let mut relay = relay();
            relay.handle(Input::Chunk(delta("a").repeat(count).as_bytes()), 0);
            relay.handle(input, 0);
            assert_eq!(end_reason(&relay), Some(EndReason::UpstreamTruncated));
            let last = format!("data: {{\"content\":\"\",\"sequence\":{count},\"is_final\":true");
            assert!(output(&mut relay, 0).contains(&last));
        }
    }
}

#[test]
fn after_upstream_has_said_so_nothing_that_follows_turns_the_answer_into_a_failure() {
    let usage =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\n";
    for bad in [
        "data: hello\n\n".as_bytes(),
        b"data: {\n\n",
        b"data: \xff\n\n",
        b"data: {\"error\":{\"message\":\"x\"}}\n\n",
        b"event: error\ndata: x\n\n",
        b"error: x\n\n",
        b"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"error\"}]}\n\n",
        b"data: {\"choices\":[{\"delta\":{\"content\":{\"a\":1}}}]}\n\n",
        b"data: {\"choices\":7}\n\n",
        b"data: DONE\n\n",
    ] {
        let mut relay = relay();
        relay.handle(Input::Chunk(STOP.as_bytes()), 0);
        relay.handle(Input::Chunk(bad), 0);
        assert_eq!(end_reason(&relay), None, "{}", bad.escape_ascii());
        relay.handle(Input::Chunk(usage.as_bytes()), 0);
        relay.handle(Input::Broken, 0);
        assert_eq!(
            end_reason(&relay),
            Some(EndReason::Done),
            "{}",
            bad.escape_ascii()
        );
        let counts = relay.usage().map(|usage| usage.total_tokens);
        assert_eq!(
            counts,
            Some(9),
            "what follows is still read: {}",
            bad.escape_ascii()
        );
    }
    let mut flooded = relay();
    flooded.handle(Input::Chunk(STOP.as_bytes()), 0);
    flooded.handle(Input::Chunk(&vec![b'a'; (1 << 20) + 1]), 0);
    assert_eq!(
        end_reason(&flooded),
        Some(EndReason::Done),
        "nothing more can be read"
    );
}

#[test]
fn the_final_frame_comes_two_seconds_after_the_reason_at_the_latest() {
    let mut relay = relay();
    relay.handle(Input::Chunk(delta("a").as_bytes()), 1_000);
    assert_eq!(relay.deadline_ms(), 16_000, "a heartbeat");
    output(&mut relay, 1_000);
    relay.handle(Input::Chunk(STOP.as_bytes()), 5_000);
    assert_eq!(relay.deadline_ms(), 7_000);
    for now_ms in [5_500, 6_000, 6_500] {
        relay.handle(Input::Chunk(b": still here\n\n"), now_ms);
    }
    relay.handle(Input::Tick, 6_999);
    assert_eq!(
        (end_reason(&relay), relay.deadline_ms()),
        (None, 7_000),
        "a comment is no reason to wait"
    );
    let usage =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\n";
    relay.handle(Input::Chunk(usage.as_bytes()), 6_999);
    relay.handle(Input::Tick, 7_000);
    assert_eq!(end_reason(&relay), Some(EndReason::Done));
    assert!(output(&mut relay, 7_000).contains("\"total_tokens\":9"));
}

#[test]
fn the_wait_for_what_follows_the_reason_is_not_run_down_by_a_client_that_reads_slowly() {
    let mut relay = relay();
    let last = STOP.replace("{}", "{\"content\":\"a\"}");
    relay.handle(Input::Chunk(last.as_bytes()), 1_000);
    output(&mut relay, 9_000);
    assert_eq!(relay.deadline_ms(), 11_000);
}

#[test]
fn the_wait_for_what_follows_the_reason_never_outlasts_the_whole_answer() {
    let mut relay = relay();
    for now_ms in (0..=299_000).step_by(1_000) {
        relay.handle(Input::Chunk(delta("a").as_bytes()), now_ms);
        output(&mut relay, now_ms);
    }
    relay.handle(Input::Chunk(STOP.as_bytes()), 299_000);
    assert_eq!(relay.deadline_ms(), 300_000);
    relay.handle(Input::Tick, 300_000);
    assert_eq!(end_reason(&relay), Some(EndReason::Done));
}

#[test]
fn text_after_the_reason_is_a_part_of_the_answer_and_shows_that_the_reason_was_not_the_end() {
    let stop_with = |text: &str| STOP.replace("{}", &format!("{{\"content\":\"{text}\"}}"));
    let mut relay = relay();
    relay.handle(Input::Chunk(stop_with("a").as_bytes()), 0);
    output(&mut relay, 0);
    assert_eq!(relay.deadline_ms(), 2_000);
    relay.handle(Input::Chunk(stop_with("b").as_bytes()), 1_000);
    assert!(output(&mut relay, 1_000).contains("\"content\":\"b\""));
    assert_eq!(relay.deadline_ms(), 16_000, "a heartbeat, and no end");
    relay.handle(Input::Chunk(stop_with("c").as_bytes()), 14_000);
    assert!(output(&mut relay, 14_000).contains("\"content\":\"c\""));
    relay.handle(Input::Tick, 29_000);
    assert_eq!(output(&mut relay, 29_000), ": keep-alive\n\n");
    relay.handle(Input::Tick, 44_000);
    assert_eq!(
        end_reason(&relay),
        Some(EndReason::Done),
        "silence ends it, in order"
    );
}

#[test]
fn no_upstream_text_reaches_a_frame_or_a_log_unless_it_is_part_of_the_answer_or_a_name() {
    for stream in [
        "data: {\"error\":{\"message\":\"CANARY said\",\"code\":\"CANARY code\"}}\n\n",
        "event: error\ndata: CANARY said\n\n",
        "error: CANARY said\n\n",
        "data: CANARY said\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"CANARY said\"}]}\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"error: CANARY said\"}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"reasoning\":\"CANARY said\"},\"finish_reason\":\"stop\"}]}\n\n",
        "upstream error: CANARY said\n\n",
    ] {
        let (client, relay) = relayed([stream.as_bytes()]);
        let told = format!(
            "{client}{:?}{:?}",
            relay.outcome(),
            relay.unknown_finish_reason()
        );
        assert!(!told.contains("CANARY"), "{stream}: {told}");
    }
}

#[test]
fn time_is_an_input_and_may_be_any() {
    for (first, then) in [(0, u64::MAX), (u64::MAX, 0), (u64::MAX, u64::MAX)] {
        let mut relay = relay();
        relay.handle(
            Input::Chunk(format!("{}{STOP}", delta("a")).as_bytes()),
            first,
        );
        output(&mut relay, then);
        relay.handle(Input::Tick, then);
        relay.handle(Input::End, then);
        assert_eq!(end_reason(&relay), Some(EndReason::Done));
    }
}

#[test]
fn whatever_happens_to_one_stream_its_neighbours_do_not_notice() {
    let good = format!("{}{}{STOP}{DONE}", delta("a"), delta("b"));
    let alone = relayed([good.as_bytes()]).0;
    let mut neighbour = relay();
    let mut client = String::new();
    for byte in good.as_bytes().chunks(1) {
        for bad in [
            b"data: \xff\n\n".as_slice(),
            b"data: {\"error\":7}\n\n",
            &[b'a'; 4_096],
        ] {
            let mut other = relay();
            other.handle(Input::Chunk(bad), 0);
            other.handle(Input::Broken, 0);
        }
        neighbour.handle(Input::Chunk(byte), 0);
        client += &output(&mut neighbour, 0);
    }
    assert_eq!(client, alone);
}

#[test]
fn memory_per_stream_is_bounded_whatever_upstream_sends() {
    const MIB: u64 = 1 << 20;
    let escape = "data: {\"choices\":[{\"delta\":{\"content\":\"\\ud83c\"}}]}\n\n";
    let part = "data: {\"type\":\"response.output_text.delta\",\"output_index\":N,\"content_index\":N,\"delta\":\"a\"}\n\n";
    for (api, event, what) in [
        (Api::ChatCompletions, "a", "a line without an end"),
        (Api::ChatCompletions, "data: a\n", "an event without an end"),
        (Api::ChatCompletions, ": a\n", "comments"),
        (Api::ChatCompletions, &*delta("a"), "text"),
        (Api::ChatCompletions, escape, "halves of characters"),
        (Api::Responses, part, "parts"),
    ] {
        let mut relay = relay_of(api);
        let peak = allocation_counter::measure(|| {
            let mut sent_bytes = 0;
            for n in 0_u64.. {
                let chunk = event
                    .replace('N', &n.to_string())
                    .repeat(65_536 / event.len());
                sent_bytes += chunk.len() as u64;
                relay.handle(Input::Chunk(chunk.as_bytes()), 0);
                relay.output_written(0);
                if relay.outcome().is_some() || sent_bytes > 16 * MIB {
                    break;
                }
            }
        });
        // An event may have 1 MiB. Its buffer doubles, and is copied when it grows.
        assert!(peak.bytes_max < 4 * MIB, "{what}: {}", peak.bytes_max);
    }
}

#[test]
fn silence_for_the_idle_time_is_a_timeout_and_our_own_heartbeats_are_no_life() {
    let mut relay = relay();
    assert_eq!(relay.deadline_ms(), 15_000);
    relay.handle(Input::Tick, 14_999);
    assert_eq!(output(&mut relay, 14_999), "");
    relay.handle(Input::Tick, 15_000);
    assert_eq!(output(&mut relay, 15_000), ": keep-alive\n\n");
    assert_eq!(relay.deadline_ms(), 30_000);
    relay.handle(Input::Tick, 30_000);
    assert_eq!(output(&mut relay, 30_000), TIMEOUT_FRAME);
    assert_eq!(end_reason(&relay), Some(EndReason::UpstreamTimeout));
}

#[test]
fn the_time_that_the_client_takes_to_read_is_no_silence_of_upstream_s() {
    let mut relay = relay();
    relay.handle(Input::Chunk(delta("a").as_bytes()), 10_000);
    output(&mut relay, 100_000);
    relay.handle(Input::Tick, 129_999);
    assert_eq!(end_reason(&relay), None);
    output(&mut relay, 129_999);
    relay.handle(Input::Tick, 130_000);
    assert_eq!(end_reason(&relay), Some(EndReason::UpstreamTimeout));
}

#[test]
fn a_heartbeat_comes_every_interval_of_silence_towards_the_client() {
    let mut relay = relay();
    relay.handle(Input::Chunk(delta("a").as_bytes()), 10_000);
    output(&mut relay, 10_000);
    relay.handle(Input::Tick, 24_999);
    assert_eq!(output(&mut relay, 24_999), "");
    relay.handle(Input::Tick, 25_000);
    assert_eq!(output(&mut relay, 25_000), ": keep-alive\n\n");
}

#[test]
fn comments_from_upstream_are_life() {
    let mut relay = relay();
    for now_ms in (0..290_000).step_by(10_000) {
        relay.handle(Input::Tick, now_ms);
        output(&mut relay, now_ms);
        relay.handle(Input::Chunk(b": OPENROUTER PROCESSING\n\n"), now_ms);
    }
    assert_eq!(end_reason(&relay), None);
}

#[test]
fn a_whole_answer_may_take_the_total_time_and_no_longer() {
    let mut relay = relay();
    for now_ms in (0..300_000).step_by(1000) {
        relay.handle(Input::Chunk(delta("a").as_bytes()), now_ms);
        relay.handle(Input::Tick, now_ms);
        output(&mut relay, now_ms);
    }
    assert_eq!((end_reason(&relay), relay.deadline_ms()), (None, 300_000));
    relay.handle(Input::Tick, 300_000);
    assert_eq!(end_reason(&relay), Some(EndReason::StreamTooLong));
    let expected = "data: {\"content\":\"\",\"sequence\":300,\"is_final\":true,\"correlation_id\":\"abc-123\",\
        \"error\":\"The answer took too long\",\"detail\":\"The answer took longer than this service allows. \
        Ask for a shorter one.\",\"code\":\"stream_too_long\"}\n\n";
    assert_eq!(output(&mut relay, 300_000), expected);
}

#[test]
fn an_answer_that_is_complete_does_not_fail_for_want_of_the_end_mark() {
    for now_ms in [2_000, 30_000, 300_000] {
        let mut relay = relay();
        relay.handle(Input::Chunk(STOP.as_bytes()), 0);
        relay.handle(Input::Tick, now_ms);
        assert_eq!(end_reason(&relay), Some(EndReason::Done));
    }
}

#[test]
fn the_time_of_the_first_text_is_kept() {
    let mut relay = relay();
    relay.handle(Input::Chunk(b": hello\n\n"), 1);
    assert_eq!(relay.first_text_ms(), None);
    relay.handle(Input::Chunk(delta("a").as_bytes()), 2);
    relay.handle(Input::Chunk(delta("b").as_bytes()), 3);
    assert_eq!(relay.first_text_ms(), Some(2));
}

#[test]
fn frames_are_traced_by_number_and_length_when_somebody_wants_to_know() {
    let id = CorrelationId::parse("abc-123").expect("a valid id");
    let mut relay = Relay::new(
        EventParser::new(Api::ChatCompletions, ModelSource::Client),
        Form::Frames(FrameEncoder::new(id)),
        LIMITS,
        0,
        true,
    );
    relay.handle(
        Input::Chunk(format!("{}{}", delta("\u{1f389}\n"), delta("abc")).as_bytes()),
        0,
    );
    let sent = [(0, 2), (1, 3)].map(|(sequence, content_length)| SentFrame {
        sequence,
        content_length,
    });
    assert_eq!(relay.take_sent(), sent);
    assert_eq!(relay.take_sent(), []);
}

#[test]
fn a_token_like_the_one_before_allocates_nothing() {
    let tokens = [
        (
            Api::ChatCompletions,
            r#"data: {"id":"1","choices":[{"index":0,"delta":{"content":"TEXT"}}],"obfuscation":"TEXT"}"#,
        ),
        (
            Api::Responses,
            r#"data: {"type":"response.output_text.delta","sequence_number":4,"delta":"TEXT"}"#,
        ),
    ];
    for (api, token) in tokens {
        let mut relay = relay_of(api);
        let mut read = |text: &str| {
            let event = format!("{}\n\n", token.replace("TEXT", text));
            let read =
                allocation_counter::measure(|| relay.handle(Input::Chunk(event.as_bytes()), 0));
            assert!(!relay.output().is_empty(), "{event}");
            relay.output_written(0);
            read.count_total
        };
        read("what makes room for all that follows");
        for text in ["a", " longer", "漢字", r#" \"quoted\""#, r"\n\n"] {
            assert_eq!(read(text), 0, "{api:?} {text}");
        }
    }
}
