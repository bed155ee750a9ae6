//! Variables and secrets → the settings of each layer, or what is wrong with them.
//!
//! The defaults here are those of a deployment that sets nothing. The one that is shipped sets some other values, such as
//! its model: `wrangler.toml` says which, and why.

use std::fmt;

use self::variables::Variables;
use crate::api::access::{AccessTokens, Gate, Origins, tokens_in};
use crate::api::budget::Spending;
use crate::api::host::Hosts;
use crate::api::keeping::Keeping;
use crate::api::request::{Effort, Rules};
use crate::json;
use crate::openai::{Api, Server, Target};
use crate::stream::relay::Limits;
use crate::telemetry::record::Level;
use crate::telemetry::redact::{Scrubber, Secret};

mod fallback;
mod spending;
mod variables;

/// What a lookup gives for a variable that is no text but, say, a list. No rule takes it.
pub const NOT_TEXT: &str = "\0";

/// Everything that a deployment can set, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// What a chat request may ask for.
    pub rules: Rules,
    /// `ACCESS_TOKENS`: who may chat; empty for anyone.
    pub access_tokens: AccessTokens,
    /// Which server is upstream, and how it is asked.
    pub target: Target,
    /// How long a chat may take.
    pub limits: Limits,
    /// What is kept of conversations, and for whom.
    pub kept: Keeping,
    /// What clients may spend, and what that costs.
    pub spending: Spending,
    /// `LOG_LEVEL`: the lowest level that is logged.
    pub log_level: Level,
}

impl Config {
    /// Reads every variable through `lookup`. A variable of only white space counts as unset. Without the binding `OWNERS`,
    /// nothing is counted.
    ///
    /// # Errors
    ///
    /// Every variable that is missing or breaks its rule, but none of their values.
    pub fn load(
        lookup: impl Fn(&str) -> Option<String>,
        has_owners: bool,
    ) -> Result<Self, ConfigError> {
        let mut variables = Variables::of(&lookup);
        // Problems are reported in this order.
        let api_key = api_key(&mut variables);
        let rules = rules(&mut variables);
        let limits = limits(&mut variables);
        let target = target(&mut variables, api_key);
        let config = Self {
            spending: spending::spending(&mut variables, &rules, &target.fallbacks.models, limits),
            rules,
            limits,
            target,
            access_tokens: access_tokens(&mut variables),
            kept: keeping(&mut variables),
            log_level: log_level_of(&mut variables),
        };
        spending::check_names(&mut variables, &config.spending, &config.access_tokens);
        if !has_owners {
            spending::refuse_budgets(&mut variables, &config.spending);
        }
        gate_of(&mut variables);
        match variables.problems {
            problems if problems.is_empty() => Ok(config),
            problems => Err(ConfigError { problems }),
        }
    }
}

/// `ALLOWED_HOSTS` and `ALLOWED_ORIGINS`, even if the configuration is invalid: a page must be able to read what is
/// wrong with it.
pub fn gate(lookup: impl Fn(&str) -> Option<String>) -> Gate {
    gate_of(&mut Variables::of(&lookup))
}

/// `LOG_LEVEL`, even if the configuration is invalid: what is wrong with it must be logged.
pub fn log_level(lookup: impl Fn(&str) -> Option<String>) -> Level {
    log_level_of(&mut Variables::of(&lookup))
}

/// A scrubber that knows every secret, even if the configuration is invalid. The words of an invalid secret are redacted
/// as well: tokens with a space between them, a key behind `Bearer`.
pub fn scrubber(lookup: impl Fn(&str) -> Option<String>) -> Scrubber {
    let variables = Variables::of(&lookup);
    let key = |name| variables.value(name).unwrap_or_default();
    let keys = ["OPENAI_API_KEY", "FALLBACK_API_KEY"].map(key);
    let tokens = variables.value("ACCESS_TOKENS").unwrap_or_default();
    let mut secrets = Vec::new();
    for secret in tokens_in(&tokens).chain(keys.iter().map(String::as_str)) {
        secrets.push(Secret::new(secret.to_owned()));
        let words = secret.split([' ', '\t', '\r', '\n', ';']);
        let words = words.map(|word| word.split_once(':').map_or(word, |(_, token)| token));
        for part in words.chain([secret.trim_matches(['"', '\''])]) {
            if part.len() < secret.len() {
                secrets.push(Secret::new(part.to_owned()));
            }
        }
    }
    // In an invalid list, a token may stand where a name belongs.
    if AccessTokens::parse(&tokens).is_none() {
        let pieces = tokens.split([',', ':', ';', '"', '\'', ' ']);
        secrets.extend(pieces.map(|piece| Secret::new(piece.to_owned())));
    }
    Scrubber::new(&secrets)
}

/// What is wrong with a configuration, in words for the person who deploys it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    problems: Vec<String>,
}

impl ConfigError {
    /// A sentence or two for each variable that is wrong; at least one.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The body of `GET /health/ready`.
    pub fn not_ready(&self) -> String {
        let problems = json::to_json(&self.problems);
        format!("{{\"status\":\"not_ready\",\"problems\":{problems}}}")
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join(" "))
    }
}

impl std::error::Error for ConfigError {}

fn target(variables: &mut Variables<'_>, api_key: Secret) -> Target {
    let allows_http = variables.boolean("ALLOW_HTTP_UPSTREAM");
    let server = Server {
        base_url: variables
            .base_url("OPENAI_BASE_URL", allows_http)
            .unwrap_or_default(),
        api_key,
    };
    Target {
        fallbacks: fallback::fallbacks(variables, &server, allows_http),
        server,
        api: variables
            .parsed(
                "OPENAI_API",
                "must be chat_completions or responses",
                Api::parse,
            )
            .unwrap_or(Api::ChatCompletions),
        system_prompt: system_prompt(variables),
        shows_system_prompt: variables.boolean("SHOW_SYSTEM_PROMPT"),
        max_retries: variables.integer("MAX_RETRIES", 2, 0..=10),
    }
}

fn api_key(variables: &mut Variables<'_>) -> Secret {
    if variables.value("OPENAI_API_KEY").is_none() {
        variables.problems.push(
            "OPENAI_API_KEY is required. Set it as a secret: see docs/configuration.md.".to_owned(),
        );
    }
    let key = variables.key("OPENAI_API_KEY");
    key.unwrap_or_else(|| Secret::new(String::new()))
}

fn system_prompt(variables: &mut Variables<'_>) -> Option<String> {
    let prompt = variables.parsed("SYSTEM_PROMPT", "must be a text", |prompt| {
        (prompt != NOT_TEXT).then(|| prompt.to_owned())
    });
    let prompt = prompt.unwrap_or_else(|| "You are a helpful assistant.".to_owned());
    (prompt != "none").then_some(prompt)
}

fn rules(variables: &mut Variables<'_>) -> Rules {
    let default_model = variables
        .model("OPENAI_MODEL")
        .unwrap_or_else(|| "gpt-4".to_owned());
    let max_tokens = variables.integer("MAX_TOKENS", 2000, 1..=10_000_000);
    Rules {
        allowed_models: allowed_models(variables, &default_model),
        default_model,
        max_tokens,
        max_tokens_limit: max_tokens_limit(variables, max_tokens),
        reasoning_effort: variables.parsed("REASONING_EFFORT", Effort::RULE, Effort::parse),
    }
}

fn allowed_models(variables: &mut Variables<'_>, default_model: &str) -> Vec<String> {
    let mut models = variables.models("ALLOWED_MODELS");
    if !models.is_empty() && !models.iter().any(|name| name == default_model) {
        models.insert(0, default_model.to_owned());
    }
    models
}

fn max_tokens_limit(variables: &mut Variables<'_>, max_tokens: u32) -> u32 {
    // A raised default raises the limit as well, unless that is set.
    let limit = variables.integer("MAX_TOKENS_LIMIT", max_tokens.max(4000), 1..=10_000_000);
    if limit < max_tokens {
        variables.problem("MAX_TOKENS_LIMIT", "must be at least MAX_TOKENS");
    }
    limit
}

fn limits(variables: &mut Variables<'_>) -> Limits {
    Limits {
        idle: variables.seconds("TIMEOUT_SECONDS", 30),
        total: variables.seconds("MAX_STREAM_SECONDS", 300),
        heartbeat: variables.seconds("HEARTBEAT_SECONDS", 15),
    }
}

fn access_tokens(variables: &mut Variables<'_>) -> AccessTokens {
    let requires_auth = variables.boolean("REQUIRE_AUTH");
    if requires_auth && variables.value("ACCESS_TOKENS").is_none() {
        variables.problems.push(
            "ACCESS_TOKENS is required because REQUIRE_AUTH is true. Set it as a secret (see docs/configuration.md), or set REQUIRE_AUTH to false to let anyone chat.".to_owned(),
        );
    }
    variables
        .parsed("ACCESS_TOKENS", AccessTokens::RULE, AccessTokens::parse)
        .unwrap_or_default()
}

fn keeping(variables: &mut Variables<'_>) -> Keeping {
    let days = variables.value("CONVERSATION_DAYS");
    Keeping {
        has_anonymous_owner: variables.boolean("ANONYMOUS_OWNER"),
        max_answers_at_once: variables.integer("MAX_ANSWERS_AT_ONCE", 4, 1..=100),
        days: days.map(|_| variables.integer("CONVERSATION_DAYS", 0, 1..=36_500)),
    }
}

fn log_level_of(variables: &mut Variables<'_>) -> Level {
    variables
        .parsed(
            "LOG_LEVEL",
            "must be DEBUG, INFO, WARNING or ERROR",
            Level::parse,
        )
        .unwrap_or(Level::Info)
}

/// An invalid list allows only this machine's hosts, or only the worker's own pages. Whoever lists hosts does not
/// want strangers' pages: then unset origins are only the worker's own.
fn gate_of(variables: &mut Variables<'_>) -> Gate {
    let hosts = match variables.value("ALLOWED_HOSTS") {
        None => Hosts::Any,
        Some(_) => variables
            .parsed("ALLOWED_HOSTS", Hosts::RULE, Hosts::parse)
            .unwrap_or(Hosts::Listed(Vec::new())),
    };
    let origins = match variables.value("ALLOWED_ORIGINS") {
        None if hosts == Hosts::Any => Origins::Any,
        _ => variables
            .parsed("ALLOWED_ORIGINS", Origins::RULE, Origins::parse)
            .unwrap_or(Origins::Listed(Vec::new())),
    };
    let tokens = variables.value("ACCESS_TOKENS");
    Gate {
        hosts,
        origins,
        is_anonymous: tokens.is_none_or(|list| AccessTokens::parse(&list).is_none()),
    }
}
