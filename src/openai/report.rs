//! An error as upstream reports it: the names and sentences to recognise it by.
//!
//! Only machine-readable names are logged. Sentences are compared with those of known servers, and never logged or
//! shown: they may quote the key or the conversation.

use crate::json::{self, Fields};

/// How deep an error may be nested: gateways wrap the errors of the servers behind them, sometimes as a string.
const MAX_DEPTH: u8 = 12;

/// Most bytes of an error's texts that are compared. What matters comes first, and is short.
const MAX_TEXT_BYTES: usize = 16_384;

/// Longest name that is compared.
const MAX_NAME_BYTES: usize = 128;

/// Most names that are kept.
const MAX_NAMES: usize = 64;

/// Fields that repeat the request, or hold the answer so far.
const ECHOES: &str = "
    choices output instructions input flagged_input messages prompt body request user_id";

/// Fields that hold a machine-readable name of the error.
const NAME_FIELDS: &str = "
    code type reason status status_code error_code errorCode error_type quotaId quota_id";

/// Fields that may hold an HTTP status.
const STATUS_FIELDS: &str = "code status status_code statusCode http_code http_status_code";

/// An error that upstream reports.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// The error's own names, for the log; empty when upstream gives none.
    code: String,
    kind: String,
    param: String,
    /// The HTTP status that the error itself names.
    pub(super) status: Option<u16>,
    /// Every name at any depth, in lower case.
    names: Vec<String>,
    /// Every text at any depth, in lower case, a line each.
    texts: String,
}

impl Report {
    /// Parses `{"error":{"code":…,"type":…}}`, the same without the outer object, and what else servers send.
    pub(super) fn parse(body: &str) -> Self {
        let mut report = Self::default();
        let body = body.trim();
        if Fields::parse(body).is_none() && json::list(body).is_none() {
            // An HTML page says nothing that its status does not.
            if !body.starts_with('<') {
                report.add_text(body);
            }
            return report;
        }
        report.walk(body, MAX_DEPTH);
        let inner = innermost(body, MAX_DEPTH).unwrap_or_default();
        let outer = Fields::parse(body).unwrap_or_default();
        let name = |names: &[&str]| {
            let given = |fields: &Fields<'_>| names.iter().find_map(|name| fields.text(name));
            let text = given(&inner).or_else(|| given(&outer));
            text.and_then(|text| machine_name(&text))
                .unwrap_or_default()
        };
        report.code = name(&["code", "error_code"]);
        report.kind = name(&["type", "error_type"]);
        report.param = name(&["param"]);
        let status = |fields: &Fields<'_>| {
            let mut names = STATUS_FIELDS.split_ascii_whitespace();
            names.find_map(|name| http_status(fields.get(name)?))
        };
        report.status = status(&inner).or_else(|| status(&outer));
        report
    }

    fn walk(&mut self, json: &str, depth: u8) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        if let Some(fields) = Fields::parse(json) {
            for (name, value) in fields.iter() {
                if is_in(NAME_FIELDS, name) && self.names.len() < MAX_NAMES {
                    self.names.extend(name_of(value));
                }
                if !is_in(ECHOES, name) {
                    self.walk(value, depth);
                }
            }
        } else if let Some(elements) = json::list(json) {
            for element in elements {
                self.walk(element, depth);
            }
        } else if let Some(text) = json::text(json) {
            if text.trim_start().starts_with(['{', '[']) {
                self.walk(text.trim(), depth);
            }
            self.add_text(&text);
        }
    }

    fn add_text(&mut self, text: &str) {
        let room = MAX_TEXT_BYTES.saturating_sub(self.texts.len());
        let text = text
            .chars()
            .take(room)
            .map(|letter| letter.to_ascii_lowercase());
        self.texts.extend(text);
        self.texts.push('\n');
    }

    /// Whether one of the error's names is in this list.
    pub(super) fn is_named(&self, names: &str) -> bool {
        self.names.iter().any(|name| is_in(names, name))
    }

    /// Whether one of the error's names contains one of this list.
    pub(super) fn has_name_part(&self, parts: &str) -> bool {
        let mut parts = parts.split_ascii_whitespace();
        parts.any(|part| self.names.iter().any(|name| name.contains(part)))
    }

    /// Whether the error's texts contain one of these.
    pub(super) fn says(&self, sentences: &[&str]) -> bool {
        sentences
            .iter()
            .any(|sentence| self.texts.contains(sentence))
    }

    /// Whether the error is about a parameter of this name.
    pub(super) fn is_about(&self, param: &str) -> bool {
        self.param == param
    }

    /// Whether the error names this parameter, a part of it, or none.
    pub(super) fn may_be_about(&self, param: &str) -> bool {
        let mut parts = self.param.split(['.', '[', ']']);
        self.param.is_empty() || parts.any(|part| part == param)
    }

    /// Where the error first mentions a parameter.
    pub(super) fn first_mention(&self, param: &str) -> Option<usize> {
        // The names of some models have `-reasoning`, `-thinking` or `:thinking` in them.
        let goes_on = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
        let mut mentions = self.texts.match_indices(param);
        let mention = mentions.find(|(at, _)| {
            let before = self.texts.get(..*at).unwrap_or_default();
            let after = self
                .texts
                .get(at.saturating_add(param.len())..)
                .unwrap_or_default();
            !before.ends_with(goes_on) && !before.ends_with(':') && !after.starts_with(goes_on)
        });
        mention.map(|(at, _)| at)
    }

    /// Whether one of these is a word of the error's texts. Punctuation is left off; a path is not a word.
    pub(super) fn has_word(&self, words: &[&str]) -> bool {
        let is_mark = |letter: char| !letter.is_ascii_alphanumeric();
        self.texts
            .split_whitespace()
            .filter(|word| !word.contains('/'))
            .any(|word| words.contains(&word.trim_matches(is_mark)))
    }

    /// The error's own names for the log, each after a comma.
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

/// Whether a list of words, separated by white space, has this one.
fn is_in(words: &str, word: &str) -> bool {
    words.split_ascii_whitespace().any(|other| other == word)
}

/// The error itself, inside its wrappers.
fn innermost(json: &str, depth: u8) -> Option<Fields<'_>> {
    let depth = depth.checked_sub(1)?;
    let Some(fields) = Fields::parse(json) else {
        return innermost(json::list(json)?.first()?, depth);
    };
    let wrapped = ["error", "errors", "response", "detail"]
        .iter()
        .find_map(|name| innermost(fields.get(name)?, depth));
    Some(wrapped.unwrap_or(fields))
}

/// A name in lower case. Some servers use numbers.
fn name_of(json: &str) -> Option<String> {
    let number = || json.parse::<u64>().ok().map(|_| json.to_owned());
    let text = json::text(json).filter(|text| text.len() <= MAX_NAME_BYTES);
    text.map(|text| text.to_ascii_lowercase()).or_else(number)
}

/// The HTTP status of an error, as a number or a string.
fn http_status(json: &str) -> Option<u16> {
    let digits = json.trim_matches('"');
    let status = digits.parse().ok();
    status.filter(|status| (400..600).contains(status))
}

/// A text, if it is a machine-readable name: short, and of identifier characters. Anything else may be a sentence.
pub(super) fn machine_name(text: &str) -> Option<String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-[]".contains(&byte);
    let is_name = (1..=64).contains(&text.len()) && text.bytes().all(fits);
    is_name.then(|| text.to_owned())
}
