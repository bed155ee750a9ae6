//! Which server is upstream, and how a deployment wants it to be asked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::dialect::{Asked, Dialect};
use super::request;
use crate::api::request::ChatRequest;
use crate::telemetry::redact::Secret;

/// The two APIs that upstream may speak.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Api {
    /// Chat Completions, which every compatible server speaks.
    ChatCompletions,
    /// Responses.
    Responses,
}

impl Api {
    /// Parses the API's name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::ChatCompletions, Self::Responses]
            .into_iter()
            .find(|api| api.name() == name)
    }

    /// The API's name in the configuration and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Responses => "responses",
        }
    }

    /// Path below the base URL.
    const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Responses => "/responses",
        }
    }
}

/// A deployment's settings for upstream.
#[derive(Clone, Debug)]
pub struct Target {
    /// `OPENAI_BASE_URL`: the server.
    pub base_url: BaseUrl,
    /// `OPENAI_API_KEY`: sent with every request.
    pub api_key: Secret,
    /// `OPENAI_API`: the API that the server speaks.
    pub api: Api,
    /// `SYSTEM_PROMPT`: the first instruction of every conversation.
    pub system_prompt: Option<String>,
    /// `SHOW_SYSTEM_PROMPT`: whether those who may chat are told the system prompt.
    pub shows_system_prompt: bool,
    /// `MAX_RETRIES`: further attempts before the first byte.
    pub max_retries: u32,
}

impl Target {
    /// The address that requests are sent to.
    pub fn url(&self) -> String {
        self.base_url.join(self.api.path())
    }

    /// The address that lists the server's models.
    pub fn models_url(&self) -> String {
        self.base_url.join("/models")
    }

    /// Bytes of the system prompt.
    pub fn instruction_bytes(&self) -> usize {
        self.system_prompt.as_ref().map_or(0, String::len)
    }

    /// The system prompt, where those who may chat are told it.
    pub fn shown_system_prompt(&self) -> Option<&str> {
        let prompt = self.system_prompt.as_deref();
        prompt.filter(|_| self.shows_system_prompt)
    }

    /// The JSON body that asks for an answer.
    pub fn body(&self, request: &ChatRequest, dialect: Dialect) -> String {
        let prompt = self.system_prompt.as_deref();
        let asked = self.asked(request);
        match self.api {
            Api::ChatCompletions => request::chat_completions(request, prompt, asked, dialect),
            Api::Responses => request::responses(request, prompt, asked, dialect),
        }
    }

    /// What of a request depends on the dialect.
    pub fn asked(&self, request: &ChatRequest) -> Asked {
        Asked {
            is_chat: self.api == Api::ChatCompletions,
            effort: request.reasoning_effort,
            include_reasoning: request.include_reasoning,
        }
    }
}

/// The address that the API's paths are appended to. It has no slash at its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BaseUrl(String);

impl Default for BaseUrl {
    /// `OpenAI`'s own.
    fn default() -> Self {
        Self("https://api.openai.com/v1".to_owned())
    }
}

impl BaseUrl {
    /// What [`BaseUrl::parse`] accepts, for a configuration that breaks it.
    pub const RULE: &str = "must be an https URL without user name, query or fragment, such as https://api.openai.com/v1; \
        http is allowed for localhost, 127.0.0.1 and [::1], and elsewhere only with ALLOW_HTTP_UPSTREAM = true";

    /// Parses a URL by [`BaseUrl::RULE`]. `allows_http` accepts `http` for any host, which sends the key and the
    /// conversation unencrypted.
    pub fn parse(url: &str, allows_http: bool) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_graphic() && !b"?#@\\\"<>^`{|}".contains(&byte);
        let (scheme, rest) = url.split_once("://").filter(|_| url.bytes().all(fits))?;
        let host = host_of(rest.split('/').next().unwrap_or_default())?;
        let allowed = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => allows_http || is_loopback(host),
            _ => false,
        };
        allowed.then(|| Self(url.trim_end_matches('/').to_owned()))
    }

    /// The host, without a port.
    pub fn host(&self) -> &str {
        let authority = self.0.split('/').nth(2).unwrap_or_default();
        host_of(authority).unwrap_or_default()
    }

    /// The address of a path, which starts with a slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// The host of `host[:port]`, if both are well-formed.
///
/// This refuses whatever the runtime's URL parser refuses, and more: unusual forms of an address (`127.1`,
/// `0x7f000001`) and names that DNS cannot have. Only the runtime can check Punycode (`xn--…`), which needs Unicode's
/// tables.
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = match authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((inner, port)) => (authority.get(..inner.len().saturating_add(2))?, port),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port_fits = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    let host_fits = match host.strip_prefix('[') {
        Some(inner) => inner.trim_end_matches(']').parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok() || is_name(host),
    };
    (port_fits && host_fits).then_some(host)
}

fn is_port(digits: &str) -> bool {
    // The standard library's parser accepts a sign, which no URL has.
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number && digits.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Whether a host is a valid DNS name. A number as its last label would make it a malformed address.
fn is_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let mut last = "";
    for label in host.split('.') {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if !(1..=63).contains(&label.len()) || !label.bytes().all(fits) {
            return false;
        }
        last = label;
    }
    host.len() <= 253 && !is_number(last)
}

/// Whether a URL parser takes a label for a number: decimal, octal or hexadecimal.
fn is_number(label: &str) -> bool {
    let hexadecimal = label
        .strip_prefix("0x")
        .or_else(|| label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}
