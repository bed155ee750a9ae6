//! Where upstream is.

use std::net::{IpAddr, Ipv6Addr};

/// An upstream server's address, without a slash at its end: `https`, or `http` on a loopback host.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// The rule, for a configuration that breaks it.
    pub const RULE: &str = "must be an https URL without user name, query or fragment, such as https://api.openai.com/v1; \
        http is for localhost, 127.0.0.1 and [::1], and elsewhere with ALLOW_HTTP_UPSTREAM = true only";

    /// Accepts an address that follows the rule. `allows_http` accepts `http` for any host: the key
    /// and the conversation then travel in the clear.
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

    /// The address of a path below it; `path` starts with a slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// The host of `host[:port]`, when both are well-formed.
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = match authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((inner, port)) => (authority.get(..inner.len().saturating_add(2))?, port),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port_ok = match port.strip_prefix(':') {
        Some(digits) => digits.parse::<u16>().is_ok_and(|port| port > 0),
        None => port.is_empty(),
    };
    let host_ok = match host.strip_prefix('[') {
        Some(inner) => inner.trim_end_matches(']').parse::<Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        }
    };
    (port_ok && host_ok).then_some(host)
}
