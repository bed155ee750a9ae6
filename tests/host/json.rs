//! JSON is read as `serde_json` reads it, and refused in its words: clients have come to know them.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use serde_json::value::RawValue;

use personal_ai_assistant::json::{self, Fields};

use crate::properties::for_any;

/// Pieces of which documents are made, and by which they are damaged.
const PIECES: [&str; 32] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\"a\"",
    "\"\\n\"",
    "\"\\u00e9\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\\ude00\"",
    "\\u12",
    "\\x",
    "0",
    "01",
    "-",
    "12.5",
    "1e",
    "1E+7",
    ".",
    "true",
    "fals",
    "null",
    " ",
    "\n",
    "\t\r",
    "\u{1}",
    "é",
    "\"😀\"",
];

/// A valid document.
fn valid() -> impl Strategy<Value = String> {
    let space = select(vec!["", " ", "\n\t"]);
    let leaf = select(vec![
        "null",
        "true",
        "false",
        "0",
        "-0",
        "17",
        "-1.5",
        "1e5",
        "2.5E-3",
        "\"\"",
        "\"a b\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u0041\\uD83D\\uDE00\"",
        "\"\\udead\"",
        "\"é😀\"",
        "[]",
        "{ }",
    ]);
    let leaf = leaf.prop_map(str::to_owned);
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let key = select(vec!["\"a\"", "\"b\"", "\"\\u0061\"", "\"\""]);
        let member = (key, space.clone(), inner.clone())
            .prop_map(|(key, space, value)| format!("{space}{key}{space}:{value}{space}"));
        prop_oneof![
            vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(","))),
            vec(inner, 0..5).prop_map(|items| format!("[{}]", items.join(" , "))),
        ]
    })
}

/// Documents, damaged ones, and whatever else is made of the pieces.
fn documents() -> impl Strategy<Value = Vec<u8>> {
    let piece = || {
        prop_oneof![
            9 => select(PIECES.to_vec()).prop_map(|piece| piece.as_bytes().to_vec()),
            1 => select(vec![b"\xff".to_vec(), b"\xe2\x82".to_vec()]),
        ]
    };
    let pieces = vec(piece(), 0..8).prop_map(|pieces| pieces.concat());
    let damaged =
        (valid(), any::<Index>(), 0_usize..3, piece()).prop_map(|(json, at, cut, piece)| {
            let mut json = json.into_bytes();
            let start = at.index(json.len() + 1);
            let end = (start + cut).min(json.len());
            json.splice(start..end, piece);
            json
        });
    prop_oneof![valid().prop_map(String::into_bytes), damaged, pieces]
}

#[test]
fn a_document_is_read_or_refused_as_serde_json_does() {
    for_any(documents(), |document| {
        let expected = serde_json::from_slice::<&RawValue>(&document);
        let expected = expected
            .map(RawValue::get)
            .map_err(|error| error.to_string());
        let shown = String::from_utf8_lossy(&document);
        assert_eq!(json::document(&document), expected, "{shown}");
    });
}

#[test]
fn fields_elements_and_texts_are_those_of_serde_json() {
    let utf8 = documents().prop_filter_map("not UTF-8", |json| String::from_utf8(json).ok());
    for_any(utf8, |json| {
        let fields = serde_json::from_str::<BTreeMap<String, &RawValue>>(&json).ok();
        let read = Fields::parse(&json);
        assert_eq!(read.is_some(), fields.is_some(), "{json}");
        for (name, value) in fields.into_iter().flatten() {
            let read = read.as_ref().and_then(|fields| fields.get(&name));
            assert_eq!(read, Some(value.get()), "{name} in {json}");
        }
        let items = serde_json::from_str::<Vec<&RawValue>>(&json).ok();
        let items: Option<Vec<&str>> =
            items.map(|items| items.into_iter().map(RawValue::get).collect());
        assert_eq!(json::list(&json), items, "{json}");
        assert_eq!(
            json::text(&json),
            serde_json::from_str(&json).ok(),
            "{json}"
        );
    });
}

#[test]
fn a_number_is_that_of_serde_json() {
    let digits = || {
        select(vec![
            "",
            "0",
            "1",
            "5",
            "12",
            "999",
            "000",
            "9007199254740993",
            "18446744073709551616",
        ])
    };
    let exponent = select(vec![
        "",
        "e0",
        "E+2",
        "e-3",
        "e22",
        "e-22",
        "e300",
        "e-330",
        "e400",
        "e99999999999",
    ]);
    let space = prop_oneof![8 => Just(""), 1 => Just(" ")];
    let parts = (
        select(vec!["", "-", "+"]),
        digits(),
        select(vec!["", "."]),
        digits(),
        exponent,
        space,
    );
    for_any(parts, |(sign, whole, point, fraction, exponent, space)| {
        let text = format!("{space}{sign}{whole}{point}{fraction}{exponent}{space}");
        let expected = serde_json::from_str::<f64>(&text).ok();
        let number = json::number(&text);
        let is_near = match (number, expected) {
            // The last digits of a large power of ten may differ, and what is left of a tiny number.
            (Some(number), Some(expected)) => {
                (number - expected).abs() <= expected.abs() * 4e-15 + 1e-307
            }
            (number, expected) => number == expected,
        };
        assert!(is_near, "{text}: {number:?}, not {expected:?}");
        if exponent.len() < 4 && whole.len() + fraction.len() < 15 {
            assert_eq!(number, expected, "{text}");
        }
    });
}
