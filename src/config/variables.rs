//! How a variable is read: its value, or what is wrong with it.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::openai::BaseUrl;
use crate::telemetry::redact::Secret;

/// Longest time that a variable may give, in seconds: a day.
const MAX_SECONDS: f64 = 86_400.0;

/// Reads variables one by one, and collects what is wrong with them.
pub(super) struct Variables<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    pub(super) problems: Vec<String>,
}

impl<'a> Variables<'a> {
    pub(super) fn of(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            lookup,
            problems: Vec::new(),
        }
    }

    pub(super) fn boolean(&mut self, name: &str) -> bool {
        let parse = |value: &str| match value.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        };
        self.parsed(name, "must be true or false", parse)
            .unwrap_or(false)
    }

    pub(super) fn integer(&mut self, name: &str, default: u32, range: RangeInclusive<u32>) -> u32 {
        let rule = format!(
            "must be a whole number from {} to {}",
            range.start(),
            range.end()
        );
        let parse = |value: &str| value.parse().ok().filter(|number| range.contains(number));
        self.parsed(name, &rule, parse).unwrap_or(default)
    }

    pub(super) fn seconds(&mut self, name: &str, default: u64) -> Duration {
        let rule = "must be a number of seconds from 0.001 to 86400";
        let parse = |value: &str| {
            // The standard library's parser would add tables of ten kilobytes; the one for JSON is there anyway.
            let seconds = serde_json::from_str(value).ok();
            // Clocks tick in milliseconds, so anything shorter would be no time at all.
            seconds.filter(|seconds| (0.001..=MAX_SECONDS).contains(seconds))
        };
        self.parsed(name, rule, parse)
            .map_or(Duration::from_secs(default), Duration::from_secs_f64)
    }

    pub(super) fn base_url(&mut self, name: &str, allows_http: bool) -> Option<BaseUrl> {
        self.parsed(name, BaseUrl::RULE, |url| BaseUrl::parse(url, allows_http))
    }

    /// A key for a server.
    pub(super) fn key(&mut self, name: &str) -> Option<Secret> {
        let rule = "must be visible ASCII characters without spaces";
        self.parsed(name, rule, |key| {
            let is_visible = key.bytes().all(|byte| byte.is_ascii_graphic());
            is_visible.then(|| Secret::new(key.to_owned()))
        })
    }

    pub(super) fn model(&mut self, name: &str) -> Option<String> {
        let rule = "must be 1 to 128 visible ASCII characters without commas";
        self.parsed(name, rule, |model| {
            is_model_name(model).then(|| model.to_owned())
        })
    }

    /// A list of models; empty when it is unset, or breaks its rule.
    pub(super) fn models(&mut self, name: &str) -> Vec<String> {
        let rule =
            "must be model names separated by commas, each 1 to 128 visible ASCII characters";
        let models = self.parsed(name, rule, |list| {
            let names = list
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty());
            let models: Vec<String> = names.map(str::to_owned).collect();
            let are_valid = !models.is_empty() && models.iter().all(|name| is_model_name(name));
            are_valid.then_some(models)
        });
        models.unwrap_or_default()
    }

    /// A variable's value, parsed; `None` when it is unset, or breaks its rule, which is a problem.
    pub(super) fn parsed<T>(
        &mut self,
        name: &str,
        rule: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let parsed = parse(&self.value(name)?);
        if parsed.is_none() {
            self.problem(name, rule);
        }
        parsed
    }

    /// A variable's value, unless it is missing or blank.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        let value = (self.lookup)(name)?.trim().to_owned();
        (!value.is_empty()).then_some(value)
    }

    pub(super) fn problem(&mut self, name: &str, rule: &str) {
        self.problems.push(format!("{name} {rule}."));
    }
}

fn is_model_name(name: &str) -> bool {
    let is_visible = |byte: u8| byte.is_ascii_graphic() && byte != b',';
    (1..=128).contains(&name.len()) && name.bytes().all(is_visible)
}
