//! Where upstream is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An upstream server's address, without a slash at its end: `https`, or `http` on a loopback host.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// The rule, for a configuration that breaks it.
    pub const RULE: &str = "must be an https URL without user name, query or fragment, such as https://api.openai.com/v1; \
        http is allowed for localhost, 127.0.0.1 and [::1], and elsewhere only with ALLOW_HTTP_UPSTREAM = true";

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

/// The host of `host[:port]`, when both are well-formed. Whatever a URL parser of the WHATWG's rules refuses
/// is refused here as well, and some that it takes: addresses in other forms than the usual one (`127.1`,
/// `0x7f000001`), names that DNS cannot have. Names in Punycode (`xn--…`) are for the runtime to check, since
/// that takes Unicode's tables.
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
    // The standard library takes a sign before a number, which no URL has.
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number && digits.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Whether a host is a name in DNS. One whose last label is a number would be an address, and no valid one.
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

/// Whether a URL parser would read a label as a number: decimal, octal or hexadecimal.
fn is_number(label: &str) -> bool {
    let hexadecimal = label
        .strip_prefix("0x")
        .or_else(|| label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}
