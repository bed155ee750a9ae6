//! The pieces of an answer and their encoding.

use personal_ai_assistant::stream::pieces::{Piece, Pieces};

fn of(json: &[&str]) -> Pieces {
    let mut pieces = Pieces::default();
    for json in json {
        pieces.push(Piece::Text(json));
    }
    pieces
}

#[test]
fn pieces_come_back_as_upstream_wrote_them() {
    let long = format!("\"{}\"", "x".repeat(20_000));
    let json = [
        "\"a\"",
        r#""\u0041\/\ud83d\ude00""#,
        "\"\"",
        "\"😀\"",
        &long,
    ];
    let pieces = Pieces::from_bytes(of(&json).as_bytes().to_owned());
    assert_eq!(pieces.iter().collect::<Vec<_>>(), json.map(Piece::Text));
    assert_eq!(pieces.count(), 5);
    assert_eq!(pieces, of(&json));
}

#[test]
fn what_follows_the_last_whole_piece_is_dropped() {
    let whole = of(&["\"a\"", "\"bcd\""]);
    let first = of(&["\"a\""]);
    for cut in first.as_bytes().len()..whole.as_bytes().len() {
        let cut_off = Pieces::from_bytes(whole.as_bytes()[..cut].to_owned());
        assert_eq!(cut_off, first, "cut at {cut}");
    }
    for tail in [
        &b"\x03\"\xFF\""[..],
        b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80",
        b"\xFF\xFF\xFF\xFF\x7F\"\"",
    ] {
        let bytes = [first.as_bytes(), tail].concat();
        assert_eq!(Pieces::from_bytes(bytes), first, "{tail:?}");
    }
}

#[test]
fn the_text_is_what_the_pieces_say() {
    for (json, text) in [
        (&["\"Hel\"", "\"lo\""][..], "Hello"),
        (&[r#""\"\\\/\b\f\n\r\t\u0000""#], "\"\\/\u{8}\u{C}\n\r\t\0"),
        (&[r#""\u00e9\u4E2D\ud83d\uDE00é😀""#], "é中😀é😀"),
        (&[], ""),
    ] {
        assert_eq!(of(json).text(), text, "{json:?}");
    }
}
