//! Rules that hold for any input, tried on inputs made up by chance. A failure shows the smallest input
//! that it found. `PROPTEST_CASES=100000` tries that many inputs for each rule instead of 256.

use std::fmt::Write;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use personal_ai_assistant::api::ending::EndReason;
use personal_ai_assistant::api::request::ModelSource;
use personal_ai_assistant::json::text_bytes;
use personal_ai_assistant::openai::{Api, EventParser};
use personal_ai_assistant::stream::relay::Input;
use personal_ai_assistant::stream::sse::MAX_EVENT_BYTES;

use self::oracle::{decode_whole, says_complete};
use self::streams::{
    Bytes, COMPLETED, alike, any_api, any_bytes, code_unit, content, cuts, damaged_upstream,
    event_stream, line_end, pieces, quoted, upstream,
};
use crate::support::{DONE, STOP, decode, relay_of, relayed_of};

mod clocks;
mod oracle;
mod reader;
mod streams;

/// Tries a rule, which panics where it does not hold.
pub fn for_any<S: Strategy>(inputs: S, rule: impl Fn(S::Value)) {
    for_any_of(Config::default().cases, inputs, rule);
}

/// [`for_any`] with this many inputs.
pub fn for_any_of<S: Strategy>(cases: u32, inputs: S, rule: impl Fn(S::Value)) {
    let config = Config {
        cases,
        // A test of its own is a better memory of a failure than a file of seeds.
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&inputs, |input| {
        rule(input);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

#[test]
fn any_stream_is_decoded_as_the_specification_says_wherever_it_is_cut() {
    for_any((event_stream(), cuts()), |(Bytes(stream), cuts)| {
        let expected = decode_whole(&stream);
        assert_eq!(decode([&*stream]), expected, "in one chunk");
        assert_eq!(decode(pieces(&stream, &cuts)), expected, "in pieces");
        assert_eq!(decode(stream.chunks(1)), expected, "byte by byte");
    });
}

#[test]
fn an_event_is_too_large_or_not_wherever_it_is_cut() {
    let lines = vec((select(vec!["data: ", "event: ", ":"]), line_end()), 1..4);
    let inputs = (lines, 0_usize..8, select(vec!["", "\n", "\n\n"]), cuts());
    let cases = Config::default().cases.div_ceil(8);
    for_any_of(cases, inputs, |(lines, missing_bytes, end, cuts)| {
        let line_bytes = MAX_EVENT_BYTES / lines.len() + 4 - missing_bytes;
        let mut stream = Vec::new();
        for (name, line_end) in lines {
            stream.extend_from_slice(line_end.as_bytes());
            stream.extend_from_slice(name.as_bytes());
            stream.resize(stream.len() + line_bytes - name.len(), b'a');
        }
        stream.extend_from_slice(end.as_bytes());
        let expected = decode_whole(&stream);
        // No assert_eq: it would print megabytes.
        assert!(decode([&*stream]) == expected, "in one chunk");
        assert!(decode(pieces(&stream, &cuts)) == expected, "in pieces");
    });
}

#[test]
fn output_and_outcome_do_not_depend_on_how_upstream_s_bytes_were_split() {
    let streams = prop_oneof![upstream(), damaged_upstream()];
    for_any(
        (any_api(), streams, cuts()),
        |(api, Bytes(stream), cuts)| {
            let (client, whole) = relayed_of(api, [&*stream]);
            for chunks in [pieces(&stream, &cuts), stream.chunks(1).collect()] {
                let (cut_client, cut) = relayed_of(api, chunks);
                assert_eq!(cut_client, client);
                assert_eq!(cut.outcome(), whole.outcome());
                assert_eq!(cut.finish_reason(), whole.finish_reason());
                assert_eq!(cut.usage(), whole.usage());
            }
        },
    );
}

#[test]
fn any_bytes_give_well_formed_frames_without_gaps_of_which_the_last_one_alone_is_final() {
    let streams = prop_oneof![any_bytes(), upstream(), damaged_upstream()];
    for_any(
        (any_api(), streams, cuts()),
        |(api, Bytes(stream), cuts)| {
            let (client, relay) = relayed_of(api, pieces(&stream, &cuts));
            reader::read(&client);
            assert!(relay.outcome().is_some(), "no outcome");
            let most_bytes = 1024 + 8 * stream.len();
            assert!(client.len() <= most_bytes, "out of proportion: {client}");
        },
    );
}

#[test]
fn the_client_reads_exactly_the_text_that_upstream_sent() {
    let texts = vec((any::<String>(), any::<u64>()), 0..8);
    let endings = select(vec![
        (Api::ChatCompletions, format!("{STOP}{DONE}"), "stop"),
        (Api::ChatCompletions, STOP.to_owned(), "stop"),
        (
            Api::ChatCompletions,
            format!("{}{DONE}", content(Api::ChatCompletions, "\"\"")),
            "stop",
        ),
        (Api::ChatCompletions, String::new(), "upstream_truncated"),
        (Api::Responses, COMPLETED.to_owned(), "stop"),
        (Api::Responses, DONE.to_owned(), "upstream_truncated"),
    ]);
    let inputs = (texts, endings, line_end(), any::<bool>(), cuts());
    for_any(inputs, |(texts, ending, line_end, has_long_lines, cuts)| {
        let (api, last_events, ending) = ending;
        let mut stream = String::new();
        for (text, bits) in &texts {
            let units: Vec<_> = text.encode_utf16().collect();
            stream += &content(api, &quoted(&units, *bits));
        }
        stream += &last_events;
        if !has_long_lines {
            stream = stream.replace("data: {", "data: {\n: a comment\ndata:");
        }
        let stream = stream.replace('\n', line_end);
        let (client, _) = relayed_of(api, pieces(stream.as_bytes(), &cuts));
        let answer = reader::read(&client);
        let text: String = texts.into_iter().map(|(text, _)| text).collect();
        assert_eq!((answer.text, &*answer.ending), (text, ending));
    });
}

#[test]
fn no_answer_is_reported_complete_unless_upstream_said_so() {
    let streams = prop_oneof![any_bytes(), upstream(), damaged_upstream()];
    let breaks = any::<bool>();
    for_any(
        (any_api(), streams, breaks),
        |(api, Bytes(stream), breaks)| {
            let mut relay = relay_of(api);
            relay.handle(Input::Chunk(&stream), 0);
            let end = if breaks { Input::Broken } else { Input::End };
            relay.handle(end, 0);
            let client = String::from_utf8(relay.output().to_vec()).expect("frames are UTF-8");
            let is_said = says_complete(api, &stream);
            assert!(is_said || !reader::read(&client).is_complete(), "{client}");
        },
    );
}

#[test]
fn the_bytes_of_a_text_are_counted_however_its_json_is_written() {
    for_any(any::<String>(), |text| {
        let json = serde_json::json!(text).to_string();
        let mut escaped = String::from("\"");
        for unit in text.encode_utf16() {
            write!(escaped, "\\u{unit:04x}").expect("room");
        }
        escaped.push('"');
        assert_eq!(text_bytes(&json), text.len());
        assert_eq!(text_bytes(&escaped), text.len());
    });
    for (json, bytes) in [(r#""\\u00e9""#, 6), (r#""\"\n\u00E9\\""#, 5), (r#""""#, 0)] {
        assert_eq!(text_bytes(json), bytes, "{json}");
    }
}

#[test]
fn a_complete_answer_stays_complete_whatever_follows() {
    let reasons = select(vec!["stop", "length", "content_filter", "Zeit-Geist"]);
    let follows = prop_oneof![
        any_bytes(),
        upstream(),
        damaged_upstream(),
        Just(Bytes(vec![b'a'; MAX_EVENT_BYTES + 1])),
    ];
    let inputs = (vec(any::<String>(), 0..4), reasons, follows, cuts());
    for_any(inputs, |(texts, reason, Bytes(follows), cuts)| {
        let texts: String = texts
            .iter()
            .map(|text| content(Api::ChatCompletions, &serde_json::json!(text).to_string()))
            .collect();
        let said = format!("{texts}{}", STOP.replace("stop", reason));
        let mut relay = relay_of(Api::ChatCompletions);
        relay.handle(Input::Chunk(said.as_bytes()), 0);
        for chunk in pieces(&follows, &cuts) {
            relay.handle(Input::Chunk(chunk), 0);
        }
        relay.handle(Input::Broken, 0);
        let outcome = relay.outcome().expect("an outcome");
        assert_eq!(outcome.end_reason, EndReason::Done);
    });
}

#[test]
fn what_an_event_means_does_not_depend_on_the_events_before() {
    let streams = any_api().prop_flat_map(|api| (Just(api), vec(alike(api), 1..8)));
    for_any(streams, |(api, events)| {
        let mut parser = EventParser::new(api, ModelSource::Client);
        for (kind, data) in events {
            let meaning = format!("{:?}", parser.parse(kind, &data));
            let alone = format!(
                "{:?}",
                EventParser::new(api, ModelSource::Client).parse(kind, &data)
            );
            assert_eq!(meaning, alone, "of {kind:?} {data}");
        }
    });
}

#[test]
fn characters_whose_halves_upstream_splits_between_deltas_arrive_whole() {
    let ends = select(vec![
        (Api::ChatCompletions, STOP),
        (Api::Responses, COMPLETED),
    ]);
    let inputs = (ends, vec(code_unit(), 0..24), cuts(), any::<u64>());
    for_any(inputs, |((api, end), units, cuts, bits)| {
        let deltas = pieces(&units, &cuts);
        let events = deltas
            .iter()
            .map(|units| content(api, &quoted(units, bits)));
        let stream: String = events.chain([end.to_owned()]).collect();
        let (client, _) = relayed_of(api, [stream.as_bytes()]);
        assert_eq!(reader::read(&client).text, String::from_utf16_lossy(&units));
    });
}
