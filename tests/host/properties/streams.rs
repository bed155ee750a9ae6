//! Streams made up by chance, and how they are cut.

use std::char::DecodeUtf16Error;
use std::fmt;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};

use personal_ai_assistant::openai::Api;

use crate::support::{DONE, STOP};

/// Bytes that a failure's report shows as a byte string of Rust's.
#[derive(Clone, Eq, PartialEq)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// Where to cut, whatever the length.
pub fn cuts() -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), 0..8)
}

/// The pieces between the cuts, some of them empty.
pub fn pieces<'a, T>(whole: &'a [T], cuts: &[Index]) -> Vec<&'a [T]> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(whole.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(whole.len());
    let starts = [0].into_iter().chain(ends.clone());
    let ranges = starts.zip(ends.iter().copied());
    ranges.map(|(start, end)| &whole[start..end]).collect()
}

/// Any bytes at all.
pub fn any_bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..256).prop_map(Bytes)
}

/// An event stream with everything that the format knows, and some that it does not.
pub fn event_stream() -> impl Strategy<Value = Bytes> {
    let lines = vec((line(), line_end()), 0..24);
    (any::<bool>(), lines, line()).prop_map(|(has_bom, lines, unfinished)| {
        let mut stream = Vec::new();
        if has_bom {
            stream.extend_from_slice("\u{feff}".as_bytes());
        }
        for (line, end) in lines {
            stream.extend_from_slice(&line);
            stream.extend_from_slice(end.as_bytes());
        }
        stream.extend_from_slice(&unfinished);
        Bytes(stream)
    })
}

const FIELDS: &[&str] = &[
    "data:",
    "data:  ",
    "event:",
    "event: ",
    "id: ",
    "retry: ",
    "error: ",
    "{",
    "{\"",
    ":",
    ": ",
    "Data: ",
    " data: ",
    "\u{feff}data: ",
    "other: ",
];

fn line() -> impl Strategy<Value = Vec<u8>> {
    let field = (select(FIELDS), value());
    let field = field.prop_map(|(name, value)| [name.as_bytes(), value.as_slice()].concat());
    prop_oneof![
        4 => Just(Vec::new()),
        5 => value().prop_map(|value| [b"data: ", value.as_slice()].concat()),
        5 => field,
        2 => select(vec!["data", "event", "id", "retry", "error", "{}", "x"]).prop_map(Vec::from),
        1 => value(),
    ]
}

/// Mostly text, sometimes with a line end or a colon in it, sometimes of bytes that are no text.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => "[a-c :]{0,6}".prop_map(String::into_bytes),
        4 => any::<String>().prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..6),
    ]
}

pub fn line_end() -> impl Strategy<Value = &'static str> {
    select(vec!["\n", "\r", "\r\n"])
}

pub fn any_api() -> impl Strategy<Value = Api> {
    select(vec![Api::ChatCompletions, Api::Responses])
}

/// The event that adds a text, given as a JSON string.
pub fn content(api: Api, json: &str) -> String {
    match api {
        Api::ChatCompletions => {
            format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{json}}}}}]}}\n\n")
        }
        Api::Responses => format!(
            "event: response.output_text.delta\n\
             data: {{\"type\":\"response.output_text.delta\",\"delta\":{json}}}\n\n"
        ),
    }
}

/// The terminal event of Responses.
pub const COMPLETED: &str = "event: response.completed\n\
    data: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":1}}}\n\n";

/// What a server may send, by either API or both, with faults.
pub fn upstream() -> impl Strategy<Value = Bytes> {
    let text = any::<String>().prop_map(|text| text.encode_utf16().collect());
    let halves = vec(code_unit(), 0..4);
    let units = prop_oneof![2 => text, 1 => halves];
    let texts = (any_api(), units, any::<u64>());
    let texts = texts.prop_map(|(api, units, bits)| content(api, &quoted(&units, bits)));
    let event = prop_oneof![
        12 => texts,
        6 => select(OTHER_EVENTS).prop_map(str::to_owned),
        1 => "[ -~]{0,24}".prop_map(|data| format!("data: {data}\n\n")),
    ];
    let events = vec((event, line_end()), 0..16);
    (events, event_stream()).prop_map(|(events, rest)| {
        let events = events.iter().map(|(event, end)| event.replace('\n', end));
        Bytes([events.collect::<String>().into_bytes(), rest.0].concat())
    })
}

const OTHER_EVENTS: &[&str] = &[
    STOP,
    DONE,
    COMPLETED,
    ": waiting\n\n",
    "event: message\nid: 1\nretry: 10\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\n",
    "data: {\"choices\":[{\"delta\":{\"refusal\":\"No.\"}}]}\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":7}}]}\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"part\"},{\"type\":\"thinking\"}]}}]}\n\n",
    "data: {\"choices\":[{\"index\":3,\"message\":{\"content\":\"whole\"}}]}\n\n",
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"\"}]}\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"error\"}]}\n\n",
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"aborted\"}]}\n\n",
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"Zeit-Geist\"}]}\n\n",
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":0}]}\n\n",
    "data: {\"choices\":null,\"error_type\":\"CANARY\",\"error_message\":\"CANARY\"}\n\n",
    "data: {\"choices\":[{\"delta\":{}}],\"error\":\"\"}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1.5,\"completion_tokens\":null}}\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\ndata: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\n",
    "{\"choices\":[{\"delta\":{\"content\":\"bare\"}}]}\n",
    "error: {\"message\":\"CANARY\"}\n\n",
    "data: null\n\n",
    "data: : waiting\n\n",
    "event: ping\ndata: 7\n\n",
    "data: {\"type\":\"response.output_text.done\",\"text\":\"done\"}\n\n",
    "data: {\"type\":\"response.output_item.done\",\"item\":{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"item\"}]}}\n\n",
    "data: {\"type\":\"response.completed\",\"response\":{\"status\":\"failed\",\"error\":{\"message\":\"CANARY\"}}}\n\n",
    "data: {\"type\":\"response.completed\",\"response\":{\"status\":\"in_progress\"}}\n\n",
    "data: {\"type\":\"response.completed\",\"response\":{\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"max_output_tokens\"}}}\n\n",
    "data: {\"type\":\"response.done\",\"response\":{\"status\":\"completed\",\"output\":[{\"content\":[{\"type\":\"output_text\",\"text\":\"done\"}]}]}}\n\n",
    "data: {\"type\":\"response.done\",\"response\":{}}\n\n",
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\n",
    "data: {\"type\":\"response.refusal.delta\",\"delta\":\"No.\"}\n\n",
    "data: {\"type\":\"response.incomplete\",\"response\":{\"incomplete_details\":{\"reason\":\"content_filter\"}}}\n\n",
    "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"server_error\",\"message\":\"CANARY\"}}}\n\n",
    "data: {\"error\":{\"code\":429,\"message\":\"CANARY\"}}\n\n",
    "event: error\ndata: CANARY\n\n",
];

/// Types and data of events that differ from one another only here and there, if at all.
pub fn alike(api: Api) -> impl Strategy<Value = (&'static str, String)> {
    let mostly = |usual: Vec<&'static str>, others: Vec<&'static str>| prop_oneof![4 => select(usual), 1 => select(others)];
    let kinds = mostly(vec![""], vec!["error", "response.output_text.delta", "x"]);
    let texts = mostly(
        vec![r#""a""#, r#""longer""#, r#""\n""#, r#""é🚀""#],
        vec![
            r#""""#,
            r#""\ud83d""#,
            r#""\x""#,
            r#""a"#,
            r#"  "a" "#,
            r#""a","delta":"b""#,
            r#""a"}],"choices":[{"delta":{"content":"b""#,
            r#"["a"]"#,
            r#"[{"type":"text","text":"a"}]"#,
            r#"{"type":"text","text":"a"}"#,
            "null",
            "12",
            "true",
            "",
        ],
    );
    let noise = mostly(
        vec![r#""x""#, r#""xyz""#, "7", "70"],
        vec![
            r#""""#,
            "null",
            "7.",
            r#"{"a":[]}"#,
            r#""x","usage":{}"#,
            " 7 ",
            "",
        ],
    );
    let rest = mostly(
        vec![""],
        vec![
            r#","usage":{"total_tokens":1}"#,
            r#","usage":{"prompt_tokens":1,"completion_tokens":1}"#,
            r#","error":{}"#,
            r#","error":"x""#,
            r#","choices":[{"delta":{},"finish_reason":"stop"}]"#,
            "}",
        ],
    );
    let is_other = prop_oneof![4 => Just(false), 1 => Just(true)];
    let values = (kinds, is_other, texts, noise.clone(), noise, rest);
    values.prop_map(move |(kind, is_other, text, first, second, rest)| {
        // Of the same length, so that only a comparison tells them apart.
        let (index, name) = if is_other { (1, "tool") } else { (0, "text") };
        let data = match api {
            Api::ChatCompletions => format!(
                r#"{{"obfuscation":{first},"choices":[{{"index":{index},"delta":{{"content":{text}}}}}]{rest}}}"#
            ),
            Api::Responses => format!(
                r#"{{"type":"response.output_{name}.delta","sequence_number":{first},"delta":{text},"obfuscation":{second}{rest}}}"#
            ),
        };
        (kind, data)
    })
}

/// [`upstream`] with some bytes replaced, and the rest left out behind a place.
pub fn damaged_upstream() -> impl Strategy<Value = Bytes> {
    let damages = vec((any::<Index>(), any::<u8>()), 0..4);
    (upstream(), damages, any::<Index>()).prop_map(|(Bytes(mut bytes), damages, end)| {
        if !bytes.is_empty() {
            for (at, byte) in damages {
                *at.get_mut(&mut bytes) = byte;
            }
            bytes.truncate(end.index(bytes.len()) + 1);
        }
        Bytes(bytes)
    })
}

/// A UTF-16 code unit, with a love for halves of characters.
pub fn code_unit() -> impl Strategy<Value = u16> {
    prop_oneof![
        select(vec![0xD83D, 0xDE00, 0xD800, 0xDBFF, 0xDC00, 0xDFFF]),
        select(vec![0x20, 0x22, 0x5C, 0x61, 0x75, 0xE9, 0xFFFD]),
        any::<u16>(),
    ]
}

/// A JSON string of these code units. The bits of `escaped` tell, in turn, which characters are written
/// as escapes although they need not be, and how the digits of a half, which always is one.
pub fn quoted(units: &[u16], escaped: u64) -> String {
    let bits = (0..64).cycle().map(|bit| escaped >> bit & 1 == 1);
    let characters = char::decode_utf16(units.iter().copied()).zip(bits);
    let inner: String = characters
        .map(|(character, bit)| json_of(character, bit))
        .collect();
    format!("\"{inner}\"")
}

fn json_of(character: Result<char, DecodeUtf16Error>, bit: bool) -> String {
    match character {
        Ok(character) if bit => {
            let mut units = [0; 2];
            let units = character.encode_utf16(&mut units).iter();
            let escapes: Vec<_> = units.map(|unit| format!("\\u{unit:04x}")).collect();
            escapes.concat()
        }
        Ok(character) => {
            let json = serde_json::to_string(&character).expect("a text");
            let inner = json
                .strip_prefix('"')
                .and_then(|json| json.strip_suffix('"'));
            inner.expect("a JSON string").to_owned()
        }
        Err(half) if bit => format!("\\u{:04X}", half.unpaired_surrogate()),
        Err(half) => format!("\\u{:04x}", half.unpaired_surrogate()),
    }
}
