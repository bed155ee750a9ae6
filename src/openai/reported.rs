//! An error as upstream reports it: names for the log, and words to know it by.
//!
//! Sentences are compared with what known servers say. They are never logged or shown, for they may quote the key
//! or the conversation.

use crate::json::{self, Fields, text};

/// How deep an error may be wrapped: gateways put the error of the server behind them into theirs, sometimes as
/// a text.
const MAX_DEPTH: u8 = 12;

/// Most bytes of an error's texts that are read. What servers say of themselves comes first, and is short.
const MAX_WORDS_BYTES: usize = 16_384;

/// Longest name that is compared.
const MAX_NAME_BYTES: usize = 128;

/// Most names that are kept.
const MAX_NAMES: usize = 64;

/// Fields whose values are no part of the error: they repeat the request, or hold the answer so far.
const ECHOES: [&str; 10] = [
    "choices",
    "output",
    "instructions",
    "input",
    "flagged_input",
    "messages",
    "prompt",
    "body",
    "request",
    "user_id",
];

/// Fields that hold an error's machine-readable name.
const NAMES: [&str; 10] = [
    "code",
    "type",
    "reason",
    "status",
    "status_code",
    "error_code",
    "errorCode",
    "error_type",
    "quotaId",
    "quota_id",
];

/// Fields that may hold an HTTP status.
const STATUSES: [&str; 6] = [
    "code",
    "status",
    "status_code",
    "statusCode",
    "http_code",
    "http_status_code",
];

/// An error that upstream reports.
#[derive(Debug, Default)]
pub(super) struct Reported {
    /// The error's own names, for the log; empty where upstream gives none.
    code: String,
    kind: String,
    param: String,
    /// The HTTP status that the error itself speaks of.
    pub(super) status: Option<u16>,
    /// Every name at any depth, in lower case.
    names: Vec<String>,
    /// Every text at any depth, in lower case, a line each.
    words: String,
}

impl Reported {
    /// Reads `{"error":{"code":…,"type":…}}`, the same without the outer object, and what else servers send.
    pub(super) fn read(report: &str) -> Self {
        let mut reported = Self::default();
        let report = report.trim();
        if Fields::read(report).is_none() && json::list(report).is_none() {
            // A page is about nothing but its status.
            if !report.starts_with('<') {
                reported.say(report);
            }
            return reported;
        }
        reported.walk(report, MAX_DEPTH);
        let inner = innermost(report, MAX_DEPTH).unwrap_or_default();
        let outer = Fields::read(report).unwrap_or_default();
        let name = |names: &[&str]| {
            let given = |fields: &Fields<'_>| names.iter().find_map(|name| fields.text(name));
            let text = given(&inner).or_else(|| given(&outer));
            text.and_then(|text| machine_name(&text))
                .unwrap_or_default()
        };
        reported.code = name(&["code", "error_code"]);
        reported.kind = name(&["type", "error_type"]);
        reported.param = name(&["param"]);
        let status = |fields: &Fields<'_>| {
            STATUSES
                .iter()
                .find_map(|name| http_status(fields.get(name)?))
        };
        reported.status = status(&inner).or_else(|| status(&outer));
        reported
    }

    fn walk(&mut self, json: &str, depth: u8) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        if let Some(fields) = Fields::read(json) {
            for (name, value) in fields.iter() {
                if NAMES.contains(&name) && self.names.len() < MAX_NAMES {
                    self.names.extend(name_of(value));
                }
                if !ECHOES.contains(&name) {
                    self.walk(value, depth);
                }
            }
        } else if let Some(elements) = json::list(json) {
            for element in elements {
                self.walk(element, depth);
            }
        } else if let Some(text) = text(json) {
            if text.trim_start().starts_with(['{', '[']) {
                self.walk(text.trim(), depth);
            }
            self.say(&text);
        }
    }

    fn say(&mut self, text: &str) {
        let room = MAX_WORDS_BYTES.saturating_sub(self.words.len());
        let words = text
            .chars()
            .take(room)
            .map(|letter| letter.to_ascii_lowercase());
        self.words.extend(words);
        self.words.push('\n');
    }

    /// Whether one of the error's names is one of these.
    pub(super) fn is_named(&self, names: &[&str]) -> bool {
        self.names.iter().any(|name| names.contains(&name.as_str()))
    }

    /// Whether one of the error's names has one of these in it.
    pub(super) fn has_name_with(&self, stems: &[&str]) -> bool {
        let has_stem = |name: &String| stems.iter().any(|stem| name.contains(stem));
        self.names.iter().any(has_stem)
    }

    /// Whether one of these is in what the error says.
    pub(super) fn says(&self, words: &[&str]) -> bool {
        words.iter().any(|words| self.words.contains(words))
    }

    /// Whether the error is about a parameter of this name.
    pub(super) fn is_about(&self, param: &str) -> bool {
        self.param == param
    }

    /// Whether the parameter that the error names is this one, or part of it; also where it names none.
    pub(super) fn may_be_about(&self, param: &str) -> bool {
        let mut parts = self.param.split(['.', '[', ']']);
        self.param.is_empty() || parts.any(|part| part == param)
    }

    /// Where the error first mentions a parameter.
    pub(super) fn first_mention(&self, param: &str) -> Option<usize> {
        let goes_on = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let mut mentions = self.words.match_indices(param);
        let mention = mentions.find(|(at, _)| {
            let before = self.words.get(..*at).unwrap_or_default();
            let after = self
                .words
                .get(at.saturating_add(param.len())..)
                .unwrap_or_default();
            !before.ends_with(goes_on) && !after.starts_with(goes_on)
        });
        mention.map(|(at, _)| at)
    }

    /// Whether one of the error's words is one of these, apart from punctuation. A path is no word.
    pub(super) fn has_word(&self, words: &[&str]) -> bool {
        let is_mark = |letter: char| !letter.is_ascii_alphanumeric();
        self.words
            .split_whitespace()
            .filter(|word| !word.contains('/'))
            .any(|word| words.contains(&word.trim_matches(is_mark)))
    }

    /// The names, each behind a comma.
    pub(super) fn names(&self) -> String {
        let names = [
            (", code ", &self.code),
            (", type ", &self.kind),
            (", param ", &self.param),
        ];
        let given = names.into_iter().filter(|(_, value)| !value.is_empty());
        given
            .flat_map(|(label, value)| [label, value.as_str()])
            .collect()
    }
}

/// The error itself, inside of what wraps it.
fn innermost(json: &str, depth: u8) -> Option<Fields<'_>> {
    let depth = depth.checked_sub(1)?;
    let Some(fields) = Fields::read(json) else {
        return innermost(json::list(json)?.first()?, depth);
    };
    let wrapped = ["error", "errors", "response", "detail"]
        .iter()
        .find_map(|name| innermost(fields.get(name)?, depth));
    Some(wrapped.unwrap_or(fields))
}

/// A name in lower case, or a number that is one.
fn name_of(json: &str) -> Option<String> {
    let number = || json.parse::<u64>().ok().map(|_| json.to_owned());
    let text = text(json).filter(|text| text.len() <= MAX_NAME_BYTES);
    text.map(|text| text.to_ascii_lowercase()).or_else(number)
}

/// An HTTP status of an error, as a number or a text.
fn http_status(json: &str) -> Option<u16> {
    let digits = json.trim_matches('"');
    let status = digits.parse().ok();
    status.filter(|status| (400..600).contains(status))
}

/// A text that is a machine-readable name: short, and made of identifier characters. Anything else could be
/// somebody's sentence.
pub(super) fn machine_name(text: &str) -> Option<String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-[]".contains(&byte);
    let is_name = (1..=64).contains(&text.len()) && text.bytes().all(fits);
    is_name.then(|| text.to_owned())
}
