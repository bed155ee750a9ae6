//! Any bytes from upstream, in any pieces, become the frames of the contract, in bounded memory.

#![no_main]

use libfuzzer_sys::fuzz_target;

use personal_ai_assistant::openai::Api;
use personal_ai_assistant::stream::relay::Outcome;
use personal_ai_assistant::stream::relay::Input;

mod memory;
#[path = "../host/properties/oracle.rs"]
mod oracle;
#[path = "../host/properties/reader.rs"]
mod reader;
#[path = "../host/support.rs"]
#[allow(dead_code, reason = "the host's tests need more of it")]
mod support;

/// So many of an input's first bytes are no stream. One chooses the API, and whether the stream is sent
/// many times over; the others are the chunks' lengths, in turn. `scripts/fuzz.mjs` knows it too.
const PLAN_BYTES: usize = 8;

/// What a stream may keep between two chunks, and need for a moment, for each byte of its largest event
/// and chunk; however long it is. JSON that is read takes many times its bytes.
const KEPT_BYTES: usize = 8;
const NEEDED_BYTES: usize = 128;

/// What comes on top, whatever upstream sends.
const BASE_BYTES: usize = 4096;

fuzz_target!(|input: &[u8]| {
    let Some(([choice, lengths @ ..], stream)) = input.split_first_chunk::<PLAN_BYTES>() else {
        return;
    };
    let api = [Api::ChatCompletions, Api::Responses][usize::from(choice % 2)];
    let times = if *choice >= 0xF0 { 16 } else { 1 };
    let stream = &*stream.repeat(times);
    let chunks = cut(stream, lengths);
    let events = oracle::decode_whole(stream);
    assert_eq!(support::decode([stream]), events, "decoded in one chunk");
    assert_eq!(support::decode(chunks.clone()), events, "decoded in pieces");

    let largest_bytes = largest_event_bytes(stream);
    let whole = relayed(api, &[stream], largest_bytes);
    let in_pieces = relayed(api, &chunks, largest_bytes);
    assert_eq!(in_pieces, whole, "the cuts show");
    let (client, _) = whole;
    let answer = reader::read(&client);
    let is_said = oracle::says_complete(api, stream);
    assert!(is_said || !answer.is_complete(), "upstream did not say so: {client}");
    assert!(client.len() <= BASE_BYTES + 8 * stream.len(), "{client}");
});

/// The stream in chunks of these lengths. Some may be empty, but not all of them.
fn cut<'a>(stream: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
    if lengths.iter().all(|length| *length == 0) {
        return vec![stream];
    }
    let mut chunks = Vec::new();
    let mut rest = stream;
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, after) = rest.split_at(rest.len().min(usize::from(*length)));
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

/// What the client reads, and the outcome.
fn relayed(api: Api, chunks: &[&[u8]], largest_bytes: usize) -> (String, Option<Outcome>) {
    let longest = chunks.iter().map(|chunk| chunk.len()).max();
    let unit_bytes = largest_bytes + longest.unwrap_or(0);
    let before_bytes = memory::live_bytes();
    let mut relay = support::relay_of(api);
    let mut client = Vec::new();
    let inputs = chunks.iter().map(|chunk| Input::Chunk(chunk));
    for input in inputs.chain([Input::End]) {
        let others_bytes = before_bytes + client.capacity();
        memory::take_peak_bytes();
        relay.handle(input, 0);
        let needed_bytes = memory::take_peak_bytes() - others_bytes;
        assert!(
            needed_bytes <= BASE_BYTES + NEEDED_BYTES * unit_bytes,
            "{needed_bytes} bytes needed"
        );
        let kept_bytes = memory::live_bytes() - others_bytes;
        assert!(
            kept_bytes <= BASE_BYTES + KEPT_BYTES * unit_bytes,
            "{kept_bytes} bytes kept"
        );
        client.extend_from_slice(relay.output());
        relay.output_written(0);
    }
    let client = String::from_utf8(client).expect("frames are UTF-8");
    (client, relay.outcome().cloned())
}

/// The most bytes between two blank lines.
fn largest_event_bytes(stream: &[u8]) -> usize {
    let (lines, rest) = oracle::lines(stream);
    let size = |lines: &[&[u8]]| lines.iter().map(|line| line.len() + 2).sum();
    let events = lines.split(|line| line.is_empty()).map(size);
    events.max().unwrap_or(0) + rest.len()
}
