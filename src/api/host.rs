//! By which names the worker answers, and which origin is its own.
//!
//! A page of any site can point a name of its own at this machine (DNS rebinding). Its requests then
//! carry that name in `Host`, and for the browser they stay within one origin. So a name proves
//! nothing by itself: over plain HTTP it counts only when it is known.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where a request was sent to, as far as its client says: scheme, host and port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Address<'a> {
    is_https: bool,
    host: &'a str,
    port: &'a str,
}

impl<'a> Address<'a> {
    /// Reads the origin of a request's URL: `http://` or `https://`, then what `Host` says.
    /// `forwarded_proto` is `X-Forwarded-Proto`; with several proxies its first entry is the client's
    /// own scheme.
    ///
    /// Nothing when `Host` is no host with an optional port (RFC 9110, 7.2).
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

    /// The origin of a page from this address, as browsers write it.
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

    /// Whether a stranger could have brought this name. Over HTTPS the server's certificate vouches for
    /// it, a number leads to no other machine, and `localhost` belongs to this one.
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

/// The hosts by which the worker may be called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Hosts {
    /// Every one.
    Any,
    /// These, and this machine's own: `localhost`, `*.localhost`, `127.0.0.0/8` and `[::1]`.
    Listed(Vec<String>),
}

impl Hosts {
    /// What [`Hosts::parse`] takes.
    pub const RULE: &str =
        "must be * or hosts such as assistant.example.com, without ports, separated by commas";

    /// Reads `*` or hosts separated by commas.
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

    /// Whether the worker answers by this address, on whichever port.
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

/// A port is behind the last colon, unless that one is a part of an IPv6 address.
fn split_port(authority: &str) -> (&str, &str) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, ""),
    }
}

/// Whether the `Host` header ends where a host ends. The runtime pastes it into the request's URL as it is, so what
/// follows a slash would be taken for the path.
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

/// A name may end with the dot of DNS's root.
fn without_root(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}
