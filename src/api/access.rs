//! Who may send requests: bearer tokens, hosts and origins.

use std::fmt;
use std::net::IpAddr;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::error::{ApiError, ErrorCode};
use super::host::{Address, Hosts};

/// Shortest token, in characters. A random one of this length cannot be guessed.
const MIN_TOKEN_LENGTH: usize = 16;
/// Longest token, in characters.
const MAX_TOKEN_LENGTH: usize = 256;
/// Longest name of a token, in characters.
const MAX_NAME_LENGTH: usize = 64;

/// The tokens that give access to all but the health checks. These are their digests; only the scrubber of the log keeps
/// the tokens themselves.
#[derive(Clone, Default)]
pub struct AccessTokens(Vec<AccessToken>);

#[derive(Clone)]
struct AccessToken {
    client: Client,
    digest: [u8; 32],
}

/// Who an access token belongs to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Client {
    /// The token's name, for the log and the rate limit.
    pub name: String,
    /// Whose conversations this client may see. Tokens of one name share an owner, so that a token can be replaced; a
    /// token without a name is an owner of its own, known by its digest.
    pub owner: String,
}

/// Whose tokens and money a client spends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Account<'c> {
    /// The owner whose object counts.
    pub owner: &'c str,
    /// The name that budgets know it by.
    pub name: &'c str,
}

/// The account of a client. All that have no name share one.
pub fn account_of(client: Option<&Client>) -> Account<'_> {
    match client {
        Some(client) if client.is_named() => Account {
            owner: &client.owner,
            name: &client.name,
        },
        _ => Account {
            owner: ANONYMOUS_OWNER,
            name: ANONYMOUS_OWNER,
        },
    }
}

impl Client {
    /// Whether its token has a name.
    fn is_named(&self) -> bool {
        self.owner.starts_with(NAMED)
    }
}

/// What owners with a name begin with.
const NAMED: &str = "name:";

/// The owner that all clients share where `ANONYMOUS_OWNER` allows it. No token has it: theirs have a prefix.
pub const ANONYMOUS_OWNER: &str = "anonymous";

impl fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|token| &token.client.name))
            .finish()
    }
}

impl AccessTokens {
    /// What [`AccessTokens::parse`] accepts.
    pub const RULE: &str = "must be name:token or token, separated by commas, each token 16 to 256 visible ASCII characters";

    /// Parses `name:token` or `token`, separated by commas. A token without a name gets one from its place: `token-1`.
    /// Several tokens may have the same name, so that one can replace the other.
    pub fn parse(list: &str) -> Option<Self> {
        let entries = list.split(',').map(str::trim).enumerate();
        let tokens: Option<Vec<_>> = entries
            .filter(|(_, entry)| !entry.is_empty())
            .map(|(index, entry)| AccessToken::parse(entry, index.saturating_add(1)))
            .collect();
        tokens.filter(|tokens| !tokens.is_empty()).map(Self)
    }

    /// Whether there are no tokens, so that anyone may chat.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether some client spends on the account of this name.
    pub fn has_account(&self, name: &str) -> bool {
        let mut clients = self.0.iter().map(|token| &token.client);
        clients.any(|client| account_of(Some(client)).name == name) || name == ANONYMOUS_OWNER
    }

    /// Who the token in an `Authorization` header belongs to. It is compared with every token, each time in constant time,
    /// so that the time taken does not tell how much of a guess is right. That one was right is no secret: the answer
    /// tells it.
    pub fn client_of(&self, authorization: Option<&str>) -> Option<&Client> {
        let digest = digest(bearer(authorization?)?);
        let mut found = None;
        for token in &self.0 {
            let is_equal: Choice = token.digest.ct_eq(&digest);
            if bool::from(is_equal) {
                found = Some(&token.client);
            }
        }
        found
    }
}

impl AccessToken {
    fn parse(entry: &str, place: usize) -> Option<Self> {
        let (name, token) = match entry.split_once(':') {
            Some((name, token)) => (name.trim().to_owned(), token.trim()),
            None => (format!("token-{place}"), entry),
        };
        let digest = digest(token);
        let owner = if entry.contains(':') {
            format!("{NAMED}{name}")
        } else {
            format!("token:{}", hex(&digest))
        };
        let name_fits = (1..=MAX_NAME_LENGTH).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte));
        (name_fits && is_token(token)).then_some(Self {
            client: Client { name, owner },
            digest,
        })
    }
}

/// The tokens of a list that may be invalid, for the log to redact.
pub fn tokens_in(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(|entry| {
        entry
            .split_once(':')
            .map_or(entry, |(_, token)| token)
            .trim()
    })
}

fn is_token(token: &str) -> bool {
    (MIN_TOKEN_LENGTH..=MAX_TOKEN_LENGTH).contains(&token.len())
        && token
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// The token of a `Bearer` header. The runtime joins several headers by commas, which no token contains.
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    let token = token.trim_start_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && is_token(token)).then_some(token)
}

/// Whether an `Authorization` header has the scheme `Bearer`, with a well-formed token or not.
pub fn brings_token(authorization: Option<&str>) -> bool {
    const SCHEME: &str = "bearer";
    let sent = authorization.unwrap_or_default().trim();
    let (scheme, rest) = sent.split_at_checked(SCHEME.len()).unwrap_or_default();
    scheme.eq_ignore_ascii_case(SCHEME) && rest.starts_with([' ', '\t', ','])
}

/// The `WWW-Authenticate` of a 401 (RFC 6750, section 3.1). A client that sent a token is told that it is invalid, and
/// any other which scheme to use. All invalid tokens get the same answer.
pub const fn challenge(brings_token: bool) -> &'static str {
    if brings_token {
        "Bearer error=\"invalid_token\""
    } else {
        "Bearer"
    }
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        text.extend(
            [byte >> 4, byte & 0xF]
                .map(|half| char::from_digit(half.into(), 16).unwrap_or_default()),
        );
        text
    })
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The origins whose pages may send requests, apart from the worker's own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origins {
    /// All of them.
    Any,
    /// Only these, compared byte for byte.
    Listed(Vec<String>),
}

/// Whose pages may read a response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cors {
    /// The value of `Access-Control-Allow-Origin`, if it is sent.
    pub allow_origin: Option<String>,
    /// Whether the response depends on `Origin`.
    pub varies: bool,
}

/// Why a request is refused for its `Host` or its `Origin`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Denied {
    /// `Host` is not a host.
    MalformedHost,
    /// The worker does not answer to this host name.
    UnknownHost,
    /// Pages of this origin may not send requests.
    Origin,
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::MalformedHost => Self::new(
                ErrorCode::ValidationError,
                "Field 'header.host': Input should be a host, with or without a port",
            ),
            Denied::UnknownHost => Self::new(
                ErrorCode::OriginNotAllowed,
                "This service does not answer to this host name. If you run it, add the name to ALLOWED_HOSTS.",
            ),
            Denied::Origin => ErrorCode::OriginNotAllowed.into(),
        }
    }
}

/// Which `Host` and `Origin` a request may have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Gate {
    /// The hosts that the worker answers to.
    pub hosts: Hosts,
    /// The origins whose pages may send requests, apart from the worker's own.
    pub origins: Origins,
    /// Whether requests need no access token.
    pub is_anonymous: bool,
}

impl Gate {
    /// Checks a request to `url_origin`, the origin of its URL. `forwarded_proto` is the header `X-Forwarded-Proto`.
    /// `origin` is the header `Origin`, which only requests from a page have.
    ///
    /// When requests need no token, a host name that may be rebound is the worker's own origin only if it is listed:
    /// nothing but `Host` vouches for such a page.
    ///
    /// # Errors
    ///
    /// [`Denied`] when the host is malformed or not listed, or when the origin is neither allowed nor the
    /// worker's own.
    pub fn admit(
        &self,
        url_origin: &str,
        forwarded_proto: Option<&str>,
        origin: Option<&str>,
    ) -> Result<Cors, Denied> {
        let address = Address::parse(url_origin, forwarded_proto).ok_or(Denied::MalformedHost)?;
        if !self.hosts.admit(&address) {
            return Err(Denied::UnknownHost);
        }
        let is_known = self.hosts != Hosts::Any || !address.may_be_rebound();
        let is_own = |origin: &str| (is_known || !self.is_anonymous) && origin == address.origin();
        self.origins.admit(origin, is_own)
    }
}

impl Origins {
    /// What [`Origins::parse`] accepts.
    pub const RULE: &str = "must be * or origins such as https://example.com, separated by commas";

    /// Parses `*` or origins separated by commas.
    pub fn parse(list: &str) -> Option<Self> {
        let origins: Vec<&str> = list
            .split(',')
            .map(str::trim)
            .filter(|origin| !origin.is_empty())
            .collect();
        if origins.contains(&"*") {
            return Some(Self::Any);
        }
        let origins: Option<Vec<String>> = origins.into_iter().map(origin).collect();
        origins.map(Self::Listed)
    }

    /// Checks a request's `Origin`. A request without one does not come from a page.
    ///
    /// # Errors
    ///
    /// [`Denied::Origin`] when the origin is neither allowed nor the worker's own.
    fn admit(
        &self,
        origin: Option<&str>,
        is_own: impl FnOnce(&str) -> bool,
    ) -> Result<Cors, Denied> {
        let cors = |allow_origin: Option<&str>, varies| Cors {
            allow_origin: allow_origin.map(str::to_owned),
            varies,
        };
        match (self, origin) {
            (Self::Any, _) => Ok(cors(Some("*"), false)),
            (Self::Listed(_), None) => Ok(cors(None, true)),
            (Self::Listed(listed), Some(origin)) => {
                let is_allowed = listed.iter().any(|allowed| allowed == origin) || is_own(origin);
                is_allowed
                    .then(|| cors(Some(origin), true))
                    .ok_or(Denied::Origin)
            }
        }
    }
}

/// `scheme://host[:port]` as browsers write it: in lower case, with nothing after it.
fn origin(text: &str) -> Option<String> {
    let (scheme, host) = text.split_once("://")?;
    let scheme_fits = !scheme.is_empty()
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let host_fits = !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
    (scheme_fits && host_fits).then(|| text.to_ascii_lowercase())
}

/// What a rate limit counts by: the token's name, or else the client's address. An IPv6 client has a whole /64 to
/// itself, so its key is that network.
pub fn rate_limit_key(token_name: Option<&str>, address: Option<&str>) -> String {
    if let Some(name) = token_name {
        return format!("token:{name}");
    }
    let address = address.and_then(|address| address.parse::<IpAddr>().ok());
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(v4)) => format!("address:{v4}"),
        Some(IpAddr::V6(v6)) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("address:{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        None => "address:unknown".to_owned(),
    }
}
