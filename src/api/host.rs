//! Which host names the worker answers to, and which origin is its own.
//!
//! Any site can point its own name at this machine (DNS rebinding). The requests of its pages then carry that name in
//! `Host`, and stay within one origin for the browser. So over plain HTTP a name proves nothing unless it is known.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The scheme, host and port that a client sent its request to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Address<'a> {
    is_https: bool,
    host: &'a str,
    port: &'a str,
}

impl<'a> Address<'a> {
    /// Parses the origin of a request's URL: `http://` or `https://`, then `Host`. `forwarded_proto` is the header
    /// `X-Forwarded-Proto`; with several proxies, its first entry is the client's own scheme.
    ///
    /// `None` when `Host` is not a host with an optional port (RFC 9110, section 7.2).
    pub fn parse(url_origin: &'a str, forwarded_proto: Option<&str>) -> Option<Self> {
        let (scheme, authority) = url_origin.split_once("://")?;
        let forwarded = forwarded_proto.and_then(|list| list.split(',').next());
        let scheme = forwarded.map_or(scheme, str::trim);
        let (host, port) = split_port(authority);
        let port_fits = port.is_empty() || port.parse::<u16>().is_ok();
        (port_fits && is_host(host)).then_some(Self {
            is_https: scheme.eq_ignore_ascii_case("https"),
            host,
            port,
        })
    }

    /// The origin of this address's pages, as browsers write it.
    pub fn origin(&self) -> String {
        let (scheme, default_port) = if self.is_https {
            ("https", "443")
        } else {
            ("http", "80")
        };
        let host = self.host.to_ascii_lowercase();
        match self.port {
            "" => format!("{scheme}://{host}"),
            port if port == default_port => format!("{scheme}://{host}"),
            port => format!("{scheme}://{host}:{port}"),
        }
    }

    /// Whether this may be a stranger's name for this machine. Over HTTPS the certificate proves the name; an IP address
    /// and `localhost` cannot be pointed elsewhere.
    pub fn may_be_rebound(&self) -> bool {
        !self.is_https && ip(self.host).is_none() && !self.is_loopback()
    }

    fn is_loopback(&self) -> bool {
        let is_name = || {
            let name = without_root(self.host).to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        };
        ip(self.host).map_or_else(is_name, |address| address.to_canonical().is_loopback())
    }
}

/// The hosts that the worker answers to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Hosts {
    /// All of them.
    Any,
    /// Only these, and this machine's own: `localhost`, `*.localhost`, `127.0.0.0/8` and `[::1]`.
    Listed(Vec<String>),
}

impl Hosts {
    /// What [`Hosts::parse`] accepts.
    pub const RULE: &str =
        "must be * or hosts such as assistant.example.com, without ports, separated by commas";

    /// Parses `*` or hosts separated by commas.
    pub fn parse(list: &str) -> Option<Self> {
        let hosts: Vec<&str> = list
            .split(',')
            .map(str::trim)
            .filter(|host| !host.is_empty())
            .collect();
        if hosts.contains(&"*") {
            return Some(Self::Any);
        }
        let hosts: Option<Vec<String>> = hosts
            .into_iter()
            .map(|host| is_host(host).then(|| without_root(host).to_owned()))
            .collect();
        hosts.map(Self::Listed)
    }

    /// Whether the worker answers to this address, on any port.
    pub fn admit(&self, address: &Address<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(hosts) => {
                let host = without_root(address.host);
                address.is_loopback() || hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
            }
        }
    }
}

/// A port follows the last colon, unless that colon is part of an IPv6 address.
fn split_port(authority: &str) -> (&str, &str) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, ""),
    }
}

/// Whether the `Host` header ends where a host ends. The runtime pastes it into the request's URL unchecked, where
/// anything after a slash would become the path.
pub fn ends_as_host(header: &str) -> bool {
    !header
        .bytes()
        .any(|byte| b"/?#\\@".contains(&byte) || byte.is_ascii_whitespace())
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    let is_name = || {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    is_name() || ip(text).is_some()
}

fn ip(host: &str) -> Option<IpAddr> {
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

/// A name without the final dot of DNS's root.
fn without_root(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}
