//! Bindings → [`Config`], or the variables that are wrong.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::api::access::{AccessTokens, Gate, Origins, tokens_in};
use crate::api::host::Hosts;
use crate::openai::Api;
use crate::openai::base_url::BaseUrl;
use crate::telemetry::record::Level;
use crate::telemetry::redact::{Scrubber, Secret};

/// Longest time that a variable may give, in seconds: a day.
const MAX_SECONDS: f64 = 86_400.0;

/// Everything that a deployment can set, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// `OPENAI_API_KEY`: sent upstream.
    pub api_key: Secret,
    /// `OPENAI_BASE_URL`: the upstream server.
    pub base_url: BaseUrl,
    /// `OPENAI_API`: the API that it is asked by.
    pub api: Api,
    /// `OPENAI_MODEL`: the model of a request that names none.
    pub default_model: String,
    /// `ALLOWED_MODELS`: what a request may name, the default model among it; empty for any.
    pub allowed_models: Vec<String>,
    /// `SYSTEM_PROMPT`: the first instruction of every conversation.
    pub system_prompt: Option<String>,
    /// `MAX_TOKENS`: output tokens of a request that does not say.
    pub max_tokens: u32,
    /// `MAX_TOKENS_LIMIT`: output tokens that a request may ask for; at least `max_tokens`.
    pub max_tokens_limit: u32,
    /// `TIMEOUT_SECONDS`: longest wait for upstream without progress.
    pub timeout: Duration,
    /// `MAX_STREAM_SECONDS`: longest whole answer.
    pub max_stream: Duration,
    /// `HEARTBEAT_SECONDS`: longest silence towards the client.
    pub heartbeat: Duration,
    /// `MAX_RETRIES`: further attempts before the first byte.
    pub max_retries: u32,
    /// `ACCESS_TOKENS`: what opens `/chat`; none for anyone. With `REQUIRE_AUTH` there are some.
    pub access_tokens: AccessTokens,
    /// `LOG_LEVEL`: lines below it are not written.
    pub log_level: Level,
}

impl Config {
    /// Reads every variable through `lookup`. A variable of only white space counts as unset.
    ///
    /// # Errors
    ///
    /// Every variable that is missing or breaks its rule, none of their values.
    pub fn load(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader {
            lookup: &|name| set(&lookup, name),
            problems: Vec::new(),
        };
        let config = reader.config();
        reader.check_gate();
        if reader.problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError {
                problems: reader.problems,
            })
        }
    }

    /// Whether a request may name this model.
    pub fn allows_model(&self, model: &str) -> bool {
        self.allowed_models.is_empty() || self.allowed_models.iter().any(|allowed| allowed == model)
    }
}

/// A scrubber that knows every secret, whether the configuration is valid or not. Where a secret breaks its
/// rule, its words may be what was meant: tokens with a space between them, a key behind `Bearer`.
pub fn scrubber(lookup: impl Fn(&str) -> Option<String>) -> Scrubber {
    let key = set(&lookup, "OPENAI_API_KEY").unwrap_or_default();
    let tokens = set(&lookup, "ACCESS_TOKENS").unwrap_or_default();
    let mut secrets = Vec::new();
    for secret in tokens_in(&tokens).chain([key.as_str()]) {
        secrets.push(Secret::new(secret.to_owned()));
        secrets.push(Secret::new(secret.trim_matches(['"', '\'']).to_owned()));
        for word in secret.split([' ', '\t', '\r', '\n', ';']) {
            let word = word.split_once(':').map_or(word, |(_, token)| token);
            if word.len() < secret.len() {
                secrets.push(Secret::new(word.to_owned()));
            }
        }
    }
    // In a list that cannot be read, a token may stand where a name belongs.
    if AccessTokens::parse(&tokens).is_none() {
        let pieces = tokens.split([',', ':', ';', '"', '\'', ' ']);
        secrets.extend(pieces.map(|piece| Secret::new(piece.to_owned())));
    }
    Scrubber::new(&secrets)
}

/// `ALLOWED_HOSTS` and `ALLOWED_ORIGINS`, whether the rest of the configuration is valid or not: a page
/// has to be able to read what is wrong. Where one of them is invalid itself, it allows only this
/// machine's hosts, or only the worker's own pages.
///
/// Someone who names hosts wants no strangers' pages: origins that are not set are then only the
/// worker's own.
pub fn gate(lookup: impl Fn(&str) -> Option<String>) -> Gate {
    let hosts = set(&lookup, "ALLOWED_HOSTS");
    let hosts = hosts
        .map_or(Some(Hosts::Any), |list| Hosts::parse(&list))
        .unwrap_or(Hosts::Listed(Vec::new()));
    let origins = match set(&lookup, "ALLOWED_ORIGINS") {
        Some(list) => Origins::parse(&list),
        None => (hosts == Hosts::Any).then_some(Origins::Any),
    };
    let tokens = set(&lookup, "ACCESS_TOKENS").and_then(|list| AccessTokens::parse(&list));
    Gate {
        hosts,
        origins: origins.unwrap_or(Origins::Listed(Vec::new())),
        is_anonymous: tokens.is_none(),
    }
}

/// `LOG_LEVEL`, or its default where it is unset or invalid: what is wrong still has to be logged.
pub fn log_level(lookup: impl Fn(&str) -> Option<String>) -> Level {
    set(&lookup, "LOG_LEVEL")
        .and_then(|name| Level::parse(&name))
        .unwrap_or(Level::Info)
}

/// A variable's value, unless it is missing or blank.
fn set(lookup: &impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    let value = lookup(name)?.trim().to_owned();
    (!value.is_empty()).then_some(value)
}

/// What is wrong with a configuration, in words for the person who deploys it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    problems: Vec<String>,
}

impl ConfigError {
    /// What is wrong when the runtime's own URL parser refuses a base URL that follows the rule: a name in
    /// Punycode that means nothing.
    pub fn base_url() -> Self {
        Self {
            problems: vec![format!("OPENAI_BASE_URL {}.", BaseUrl::RULE)],
        }
    }

    /// One sentence or two for each variable that is wrong; at least one.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The body of `GET /health/ready`.
    pub fn not_ready(&self) -> String {
        // A list of texts always serialises.
        let problems = serde_json::to_string(&self.problems).unwrap_or_default();
        format!("{{\"status\":\"not_ready\",\"problems\":{problems}}}")
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join(" "))
    }
}

impl std::error::Error for ConfigError {}

/// Reads variables one by one and gathers what is wrong with them.
struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn config(&mut self) -> Config {
        let api_key = self.api_key();
        let default_model = self.text("OPENAI_MODEL", "gpt-4", is_model_name, MODEL_RULE);
        let max_tokens = self.integer("MAX_TOKENS", 2000, 1..=10_000_000);
        Config {
            api_key,
            base_url: self.base_url(),
            api: self.api(),
            allowed_models: self.allowed_models(&default_model),
            default_model,
            system_prompt: self.system_prompt(),
            max_tokens,
            max_tokens_limit: self.max_tokens_limit(max_tokens),
            timeout: self.seconds("TIMEOUT_SECONDS", 30),
            max_stream: self.seconds("MAX_STREAM_SECONDS", 300),
            heartbeat: self.seconds("HEARTBEAT_SECONDS", 15),
            max_retries: self.integer("MAX_RETRIES", 2, 0..=10),
            access_tokens: self.access_tokens(),
            log_level: self.log_level(),
        }
    }

    fn api_key(&mut self) -> Secret {
        let key = (self.lookup)("OPENAI_API_KEY");
        match &key {
            None => self.problems.push(
                "OPENAI_API_KEY is required. Set it as a secret: see docs/configuration.md."
                    .to_owned(),
            ),
            Some(key) if !key.bytes().all(|byte| byte.is_ascii_graphic()) => {
                self.problem(
                    "OPENAI_API_KEY",
                    "must be visible ASCII characters without spaces",
                );
            }
            Some(_) => {}
        }
        Secret::new(key.unwrap_or_default())
    }

    fn base_url(&mut self) -> BaseUrl {
        let allows_http = self.boolean("ALLOW_HTTP_UPSTREAM");
        let url = (self.lookup)("OPENAI_BASE_URL");
        let url = url.as_deref().unwrap_or("https://api.openai.com/v1");
        BaseUrl::parse(url, allows_http).unwrap_or_else(|| {
            self.problem("OPENAI_BASE_URL", BaseUrl::RULE);
            BaseUrl::default()
        })
    }

    fn api(&mut self) -> Api {
        let name = (self.lookup)("OPENAI_API");
        let api = name.map_or(Some(Api::ChatCompletions), |name| Api::parse(&name));
        api.unwrap_or_else(|| {
            self.problem("OPENAI_API", "must be chat_completions or responses");
            Api::ChatCompletions
        })
    }

    fn boolean(&mut self, name: &str) -> bool {
        let value = (self.lookup)(name).unwrap_or_default().to_ascii_lowercase();
        if !["", "true", "false"].contains(&value.as_str()) {
            self.problem(name, "must be true or false");
        }
        value == "true"
    }

    fn allowed_models(&mut self, default_model: &str) -> Vec<String> {
        let list = (self.lookup)("ALLOWED_MODELS").unwrap_or_default();
        let mut models: Vec<String> = list
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        if !models.iter().all(|name| is_model_name(name)) {
            self.problem(
                "ALLOWED_MODELS",
                "must be model names separated by commas, each 1 to 128 visible ASCII characters",
            );
        }
        if !models.is_empty() && !models.iter().any(|name| name == default_model) {
            models.insert(0, default_model.to_owned());
        }
        models
    }

    fn system_prompt(&self) -> Option<String> {
        let prompt = (self.lookup)("SYSTEM_PROMPT");
        let prompt = prompt.unwrap_or_else(|| "You are a helpful assistant.".to_owned());
        (prompt != "none").then_some(prompt)
    }

    fn max_tokens_limit(&mut self, max_tokens: u32) -> u32 {
        // Someone who raises only the default means requests to have that many.
        let limit = self.integer("MAX_TOKENS_LIMIT", max_tokens.max(4000), 1..=10_000_000);
        if limit < max_tokens {
            self.problem("MAX_TOKENS_LIMIT", "must be at least MAX_TOKENS");
        }
        limit
    }

    fn access_tokens(&mut self) -> AccessTokens {
        let requires_auth = self.boolean("REQUIRE_AUTH");
        let Some(list) = (self.lookup)("ACCESS_TOKENS") else {
            if requires_auth {
                self.problems.push(
                    "ACCESS_TOKENS is required because REQUIRE_AUTH is true. Set it as a secret (see docs/configuration.md), or set REQUIRE_AUTH to false to let anyone chat.".to_owned(),
                );
            }
            return AccessTokens::default();
        };
        AccessTokens::parse(&list).unwrap_or_else(|| {
            self.problem("ACCESS_TOKENS", "must be name:token or token, separated by commas, each token 16 to 256 visible ASCII characters");
            AccessTokens::default()
        })
    }

    fn check_gate(&mut self) {
        if (self.lookup)("ALLOWED_HOSTS").is_some_and(|list| Hosts::parse(&list).is_none()) {
            self.problem("ALLOWED_HOSTS", Hosts::RULE);
        }
        if (self.lookup)("ALLOWED_ORIGINS").is_some_and(|list| Origins::parse(&list).is_none()) {
            self.problem(
                "ALLOWED_ORIGINS",
                "must be * or origins such as https://example.com, separated by commas",
            );
        }
    }

    fn log_level(&mut self) -> Level {
        let Some(name) = (self.lookup)("LOG_LEVEL") else {
            return Level::Info;
        };
        Level::parse(&name).unwrap_or_else(|| {
            self.problem("LOG_LEVEL", "must be DEBUG, INFO, WARNING or ERROR");
            Level::Info
        })
    }

    fn text(&mut self, name: &str, default: &str, accepts: fn(&str) -> bool, rule: &str) -> String {
        let value = (self.lookup)(name).unwrap_or_else(|| default.to_owned());
        if !accepts(&value) {
            self.problem(name, rule);
        }
        value
    }

    fn integer(&mut self, name: &str, default: u32, range: RangeInclusive<u32>) -> u32 {
        let Some(value) = (self.lookup)(name) else {
            return default;
        };
        match value.parse() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let rule = format!(
                    "must be a whole number from {} to {}",
                    range.start(),
                    range.end()
                );
                self.problem(name, &rule);
                default
            }
        }
    }

    fn seconds(&mut self, name: &str, default: u64) -> Duration {
        let Some(value) = (self.lookup)(name) else {
            return Duration::from_secs(default);
        };
        // The standard library's parser brings tables of ten kilobytes; the one for JSON is there anyway.
        match serde_json::from_str(&value) {
            // Clocks tick in milliseconds: anything shorter would be no time at all.
            Ok(seconds) if (0.001..=MAX_SECONDS).contains(&seconds) => {
                Duration::from_secs_f64(seconds)
            }
            _ => {
                self.problem(
                    name,
                    "must be a number of seconds greater than 0, at most 86400",
                );
                Duration::from_secs(default)
            }
        }
    }

    fn problem(&mut self, name: &str, rule: &str) {
        self.problems.push(format!("{name} {rule}."));
    }
}

const MODEL_RULE: &str = "must be 1 to 128 visible ASCII characters without comma";

fn is_model_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b',')
}
