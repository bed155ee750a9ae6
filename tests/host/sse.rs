use personal_ai_assistant::stream::sse::{DecodeError, Decoder, MAX_EVENT_BYTES};

use crate::support::decode;

fn data_of(bytes: &[u8]) -> Vec<String> {
    decode([bytes])
        .0
        .into_iter()
        .map(|(_, data)| data)
        .collect()
}

#[test]
fn data_lines_are_joined_and_dispatched_by_a_blank_line() {
    let table: [(&str, &[&str]); 14] = [
        ("data: a\n\n", &["a"]),
        ("data:a\n\n", &["a"]),
        ("data:  a\n\n", &[" a"]),
        ("data: a\ndata: b\n\n", &["a\nb"]),
        ("data\n\n", &[""]),
        ("data\ndata\n\n", &["\n"]),
        ("data:\n\n", &[""]),
        ("\n\n\n", &[]),
        (": comment\n\n", &[]),
        ("event: x\n\ndata: a\n\n", &["a"]),
        ("data: a\n", &[]),
        ("data: a", &[]),
        ("dat: a\n\nDATA: b\n\n data: c\n\n", &[]),
        ("data: a: b\n\n", &["a: b"]),
    ];
    for (stream, data) in table {
        assert_eq!(data_of(stream.as_bytes()), data, "{stream:?}");
    }
}

#[test]
fn lines_end_in_lf_cr_or_crlf() {
    for stream in [
        "data: a\n\ndata: b\n\n",
        "data: a\r\rdata: b\r\r",
        "data: a\r\n\r\ndata: b\r\n\r\n",
        "data: a\r\n\rdata: b\n\r\n",
    ] {
        assert_eq!(data_of(stream.as_bytes()), ["a", "b"], "{stream:?}");
    }
    assert_eq!(
        data_of(b"data: a\n\r"),
        ["a"],
        "CR alone dispatches without waiting for a LF"
    );
}

#[test]
fn a_byte_order_mark_counts_only_at_the_start() {
    assert_eq!(data_of(b"\xef\xbb\xbfdata: a\n\n"), ["a"]);
    assert_eq!(data_of(b"data: a\n\n\xef\xbb\xbfdata: b\n\n"), ["a"]);
    let chunks: [&[u8]; 3] = [b"\xef", b"\xbb", b"\xbfdata: a\n\n"];
    assert_eq!(decode(chunks).0, [(String::new(), "a".to_owned())]);
}

#[test]
fn the_type_belongs_to_its_own_event() {
    let (events, _) =
        decode([b"event: error\ndata: a\n\ndata: b\n\nevent: x\nevent: y\ndata: c\n\n".as_slice()]);
    let kinds: Vec<_> = events
        .iter()
        .map(|(kind, data)| (kind.as_str(), data.as_str()))
        .collect();
    assert_eq!(kinds, [("error", "a"), ("", "b"), ("y", "c")]);
}

#[test]
fn a_field_error_makes_its_event_an_error_and_nothing_else_in_it_counts() {
    for stream in [
        "error: a\n\n",
        "error:a\n\n",
        "data: x\nevent: y\nerror: a\n\n",
        "error: a\ndata: x\nevent: y\nid: 1\nerror: z\n{}\n\n",
    ] {
        let (events, _) = decode([format!("{stream}data: b\n\n").as_bytes()]);
        let expected =
            [("error", "a"), ("", "b")].map(|(kind, data)| (kind.to_owned(), data.to_owned()));
        assert_eq!(events, expected, "{stream:?}");
    }
}

#[test]
fn a_line_that_begins_as_an_object_is_data_without_its_name() {
    let table: [(&str, &[&str]); 6] = [
        ("{\"a\":1}\n", &["{\"a\":1}"]),
        (
            "{\"a\":1}\r\n{\"b\":2}\r\n\r\ndata: c\n\n",
            &["{\"a\":1}", "{\"b\":2}", "c"],
        ),
        ("data: a\n{\"b\":2}\n\n", &["a\n{\"b\":2}"]),
        (" {\"a\":1}\n", &[]),
        ("{\n}\n\n", &["{"]),
        ("{", &[]),
    ];
    for (stream, data) in table {
        assert_eq!(data_of(stream.as_bytes()), data, "{stream:?}");
    }
}

#[test]
fn at_the_end_of_the_bytes_the_last_event_needs_no_blank_line() {
    for stream in [
        "data: a",
        "data: a\n",
        "data: a\r",
        "data: a\r\n",
        "data: a\n\n",
        "{a",
        "error: a",
    ] {
        let mut decoder = Decoder::default();
        decoder.feed(stream.as_bytes());
        let mut last = None;
        while let Ok(Some(event)) = decoder.next_event() {
            last = Some(event.data.to_owned());
        }
        let finished = decoder
            .finish()
            .expect("text")
            .map(|event| event.data.to_owned());
        let data = finished.or(last).expect("an event");
        assert_eq!(data.trim_start_matches('{'), "a", "{stream:?}");
        assert_eq!(decoder.finish(), Ok(None), "once");
    }
    for nothing in ["", "\n", ": a", "event: a", "\u{feff}"] {
        let mut decoder = Decoder::default();
        decoder.feed(nothing.as_bytes());
        assert_eq!(decoder.next_event(), Ok(None), "{nothing:?}");
        assert_eq!(decoder.finish(), Ok(None), "{nothing:?}");
    }
    let mut cut = Decoder::default();
    cut.feed(b"data: \xe4\xb8");
    assert_eq!(cut.next_event(), Ok(None));
    assert_eq!(cut.finish(), Err(DecodeError::InvalidUtf8));
}

#[test]
fn an_event_of_one_mebibyte_passes_and_one_byte_more_does_not() {
    // "data:" and the two line ends belong to the event.
    let longest = "a".repeat(MAX_EVENT_BYTES - 7);
    let passes = format!("data:{longest}\n\n");
    assert_eq!(data_of(passes.as_bytes()), [longest.as_str()]);
    let too_large = format!("data:{longest}a\n\n");
    for chunk_bytes in [too_large.len(), 65_536, 1000] {
        let (events, error) = decode(too_large.as_bytes().chunks(chunk_bytes));
        assert_eq!(
            (events.len(), error),
            (0, Some(DecodeError::EventTooLarge)),
            "chunks of {chunk_bytes}"
        );
    }
    let many_lines = "data: a\n".repeat(MAX_EVENT_BYTES / 8 + 1);
    assert_eq!(
        decode([many_lines.as_bytes()]).1,
        Some(DecodeError::EventTooLarge)
    );
    let endless_comment = format!(":{}", "a".repeat(MAX_EVENT_BYTES));
    assert_eq!(
        decode([endless_comment.as_bytes()]).1,
        Some(DecodeError::EventTooLarge)
    );
}

#[test]
fn comments_do_not_add_up() {
    let comments = ": still here\n".repeat(200_000);
    let stream = format!("data: a\n{comments}data: b\n\n");
    assert_eq!(data_of(stream.as_bytes()), ["a\nb"]);
}

#[test]
fn invalid_utf8_ends_the_stream_after_the_events_before_it() {
    let (events, error) = decode([b"data: a\n\ndata: \xff\n\ndata: b\n\n".as_slice()]);
    assert_eq!((events.len(), error), (1, Some(DecodeError::InvalidUtf8)));
    assert_eq!(
        decode([b": \xff\nid: \xff\ndata: a\n\n".as_slice()]).1,
        None,
        "what is passed over is not read"
    );
}

#[test]
fn one_byte_chunks_take_time_in_proportion_to_their_number() {
    let stream = format!("data: {}\n\n", "a".repeat(1_000_000));
    let began = std::time::Instant::now();
    assert_eq!(decode(stream.as_bytes().chunks(1)).0[0].1.len(), 1_000_000);
    // In steps that grow with the square it would take minutes.
    let took = began.elapsed();
    assert!(took.as_secs() < 10, "{took:?}");
}
