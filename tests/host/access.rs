use personal_ai_assistant::api::access::{
    AccessTokens, Cors, Denied, Gate, Origins, brings_token, challenge, rate_limit_key,
};
use personal_ai_assistant::api::error::ApiError;
use personal_ai_assistant::api::host::Hosts;
use personal_ai_assistant::config::gate as gate_of;

use crate::support::load;

const TOKEN: &str = "0123456789abcdef";

fn name(list: &str, authorization: &str) -> Option<String> {
    let tokens = AccessTokens::parse(list).expect("valid tokens");
    let client = tokens.client_of(Some(authorization));
    client.map(|client| client.name.clone())
}

#[test]
fn a_token_is_known_by_its_name_or_its_place() {
    let list = format!("alice:{TOKEN}a, {TOKEN}b,bob: {TOKEN}:c ,");
    let table = [
        (format!("Bearer {TOKEN}a"), Some("alice")),
        (format!("Bearer {TOKEN}b"), Some("token-2")),
        (format!("Bearer {TOKEN}:c"), Some("bob")),
        (format!("bEARER  {TOKEN}a"), Some("alice")),
        (format!("Bearer {TOKEN}"), None),
        (format!("Bearer {TOKEN}aa"), None),
        (format!("Bearer {}", TOKEN.to_uppercase()), None),
        (format!("Bearer alice:{TOKEN}a"), None),
        (format!("Bearer {TOKEN}a, Bearer {TOKEN}a"), None),
        (format!("Bearer {TOKEN}a "), None),
        (format!("Basic {TOKEN}a"), None),
        (format!("{TOKEN}a"), None),
        ("Bearer".to_owned(), None),
        ("Bearer ".to_owned(), None),
        (String::new(), None),
        (format!("Bearer {}", "a".repeat(10_000)), None),
    ];
    for (authorization, expected) in table {
        assert_eq!(
            name(&list, &authorization).as_deref(),
            expected,
            "{authorization:.60}"
        );
    }
    assert_eq!(
        AccessTokens::parse(&list).expect("valid").client_of(None),
        None
    );
}

#[test]
fn only_a_token_that_came_is_told_to_be_wrong() {
    let wrong = "Bearer error=\"invalid_token\"";
    let longest = format!("Bearer {}", "a".repeat(10_000));
    for (authorization, told) in [
        (None, "Bearer"),
        (Some(""), "Bearer"),
        (Some("Bearer"), "Bearer"),
        (Some("Bearer   "), "Bearer"),
        (Some("Basic eDp5"), "Bearer"),
        (Some("Basic eDp5, Bearer x"), "Bearer"),
        (Some("Bearerx"), "Bearer"),
        (Some(TOKEN), "Bearer"),
        (Some("Bearer x"), wrong),
        (Some("bEARER  x"), wrong),
        (Some("Bearer\tx"), wrong),
        (Some("Bearer x, Bearer y"), wrong),
        (Some("Bearer \"quoted\""), wrong),
        (Some(&longest), wrong),
    ] {
        let header = challenge(brings_token(authorization));
        assert_eq!(header, told, "{authorization:.60?}");
    }
}

#[test]
fn a_list_with_a_bad_token_is_refused_as_a_whole() {
    let longest = "a".repeat(256);
    assert!(AccessTokens::parse(&longest).is_some());
    let too_long = "a".repeat(257);
    let spaced = format!("{TOKEN} x");
    let accented = format!("{TOKEN}\u{e9}");
    let bad_name = format!("a b:{TOKEN}");
    let no_name = format!(":{TOKEN}");
    let one_bad = format!("{TOKEN},short");
    for list in [
        "",
        ",",
        "0123456789abcde",
        "name:",
        &too_long,
        &spaced,
        &accented,
        &bad_name,
        &no_name,
        &one_bad,
    ] {
        assert!(AccessTokens::parse(list).is_none(), "{list:.60}");
    }
}

#[test]
fn tokens_print_as_their_names() {
    let tokens = AccessTokens::parse(&format!("alice:{TOKEN}")).expect("valid tokens");
    assert_eq!(format!("{tokens:?}"), "[\"alice\"]");
}

/// A gate that asks nobody for a token and answers by every name.
fn gate(origins: &str) -> Gate {
    Gate {
        hosts: Hosts::Any,
        origins: Origins::parse(origins).expect("valid origins"),
        is_anonymous: true,
    }
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "what a request is answered, as a table has it"
)]
fn readable_by(origin: &str) -> Result<Cors, Denied> {
    Ok(Cors {
        allow_origin: Some(origin.to_owned()),
        varies: true,
    })
}

const BY_NO_PAGE: Result<Cors, Denied> = Ok(Cors {
    allow_origin: None,
    varies: true,
});

#[test]
fn an_origin_is_allowed_byte_for_byte() {
    let own = "https://worker.example";
    let listed = gate("https://good.example, HTTPS://Port.Example:8443,");
    let denied = Err(Denied::Origin);
    let table = [
        (None, BY_NO_PAGE),
        (
            Some("https://good.example"),
            readable_by("https://good.example"),
        ),
        (
            Some("https://port.example:8443"),
            readable_by("https://port.example:8443"),
        ),
        (Some(own), readable_by(own)),
        (Some("https://GOOD.example"), denied.clone()),
        (Some("https://good.example:443"), denied.clone()),
        (Some("http://good.example"), denied.clone()),
        (Some("https://good.example.evil.example"), denied.clone()),
        (Some("https://evil-good.example"), denied.clone()),
        (Some("https://good.example/"), denied.clone()),
        (Some("https://port.example"), denied.clone()),
        (Some("http://worker.example"), denied.clone()),
        (Some("https://worker.example:8443"), denied.clone()),
        (Some("null"), denied.clone()),
        (Some(""), denied),
    ];
    for (origin, expected) in table {
        assert_eq!(listed.admit(own, None, origin), expected, "{origin:?}");
    }
}

#[test]
fn a_star_allows_every_origin() {
    let any = gate("https://good.example,*");
    for origin in [None, Some("null"), Some("https://evil.example")] {
        let cors = Cors {
            allow_origin: Some("*".to_owned()),
            varies: false,
        };
        assert_eq!(any.admit("https://worker.example", None, origin), Ok(cors));
    }
}

#[test]
fn a_name_that_may_be_rebound_is_nobody_s_own_without_a_token() {
    // Scheme and host of the request, and whether a page from there may ask an anonymous worker.
    let table = [
        ("http://rebound.test:8787", false),
        ("http://localhost.evil.example", false),
        ("http://notlocalhost", false),
        ("http://127.0.0.1.evil.example", false),
        ("http://assistant.example.com", false),
        ("https://assistant.example.com", true),
        ("http://localhost:8787", true),
        ("http://LOCALHOST", true),
        ("http://app.localhost:8787", true),
        ("http://127.0.0.1:8787", true),
        ("http://[::1]:8787", true),
        ("http://192.168.1.5:8787", true),
        ("http://[fd00::5]:8787", true),
    ];
    let anonymous = gate("https://good.example");
    let closed = Gate {
        is_anonymous: false,
        ..anonymous.clone()
    };
    for (url_origin, is_own) in table {
        let page = url_origin.to_ascii_lowercase();
        let own = readable_by(&page);
        let expected = if is_own {
            own.clone()
        } else {
            Err(Denied::Origin)
        };
        assert_eq!(
            anonymous.admit(url_origin, None, Some(&page)),
            expected,
            "{url_origin}"
        );
        assert_eq!(
            closed.admit(url_origin, None, Some(&page)),
            own,
            "{url_origin}"
        );
        assert_eq!(anonymous.admit(url_origin, None, None), BY_NO_PAGE);
    }
}

#[test]
fn with_hosts_listed_the_worker_answers_by_no_other_name() {
    let listed = Gate {
        hosts: Hosts::parse("assistant.example.com, LAN.box,[FD00::5]").expect("valid hosts"),
        ..gate(",")
    };
    let table = [
        ("http://assistant.example.com", true),
        ("http://Assistant.Example.com:8787", true),
        ("http://assistant.example.com.", true),
        ("https://assistant.example.com", true),
        ("http://lan.box:1", true),
        ("http://[fd00::5]:8787", true),
        // This machine's own always count.
        ("http://localhost", true),
        ("http://localhost.", true),
        ("http://a.b.localhost:65535", true),
        ("http://127.0.0.1:8787", true),
        ("http://127.255.255.254", true),
        ("http://[::1]:8787", true),
        ("http://[0:0:0:0:0:0:0:1]", true),
        ("http://[::ffff:127.0.0.1]", true),
        ("http://rebound.test:8787", false),
        ("https://rebound.test", false),
        ("http://xassistant.example.com", false),
        ("http://x.assistant.example.com", false),
        ("http://assistant.example.com.evil.example", false),
        ("http://localhost.evil.example", false),
        ("http://localhostx", false),
        ("http://127.0.0.1.evil.example", false),
        ("http://128.0.0.1", false),
        ("http://0.0.0.0", false),
        ("http://192.168.1.5", false),
        ("http://[::2]", false),
        ("http://2130706433", false),
        ("http://127.1", false),
    ];
    for (url_origin, answers) in table {
        let expected = if answers {
            BY_NO_PAGE
        } else {
            Err(Denied::UnknownHost)
        };
        assert_eq!(
            listed.admit(url_origin, None, None),
            expected,
            "{url_origin}"
        );
    }
    let own = "http://assistant.example.com";
    assert_eq!(listed.admit(own, None, Some(own)), readable_by(own));
    for origin in ["http://rebound.test", "null", "http://localhost"] {
        assert_eq!(
            listed.admit(own, None, Some(origin)),
            Err(Denied::Origin),
            "{origin}"
        );
    }
}

#[test]
fn what_is_no_host_is_refused_as_such() {
    for authority in [
        "",
        " ",
        "a b",
        ":",
        ":8787",
        "[::",
        "[::1",
        "::1",
        "[::1]x",
        "[::1]:x",
        "[localhost]",
        "localhost:x",
        "localhost:65536",
        "localhost:-1",
        "localhost:1:2",
        "a/b",
        "a,b",
        "localhost@evil.example",
        "evil.example@localhost",
        "a\\b",
        "\u{e9}.example",
        "a%00",
        "localhost, localhost",
        "*",
        "a?b",
        "a#b",
    ] {
        let url_origin = format!("http://{authority}");
        for gate in [gate("*"), gate("https://good.example")] {
            assert_eq!(
                gate.admit(&url_origin, None, None),
                Err(Denied::MalformedHost),
                "{authority:?}"
            );
        }
    }
    assert_eq!(gate("*").admit("", None, None), Err(Denied::MalformedHost));
}

#[test]
fn the_scheme_is_the_one_that_the_client_used() {
    let listed = gate("https://good.example");
    let table = [
        (None, "http://127.0.0.1", true),
        (None, "https://127.0.0.1", false),
        (Some("https"), "https://127.0.0.1", true),
        (Some("https"), "http://127.0.0.1", false),
        (Some("HTTPS"), "https://127.0.0.1", true),
        // With several proxies, the first one speaks to the client.
        (Some("https,http"), "https://127.0.0.1", true),
        (Some("https, http"), "https://127.0.0.1", true),
        (Some("http,https"), "https://127.0.0.1", false),
        (Some(""), "http://127.0.0.1", true),
        (Some("http://localhost/?"), "http://127.0.0.1", true),
        (Some("http://evil.example/?"), "http://evil.example", false),
    ];
    for (proto, origin, is_own) in table {
        let answer = listed.admit("http://127.0.0.1", proto, Some(origin));
        assert_eq!(answer.is_ok(), is_own, "{proto:?}, {origin}");
    }
    // A rebound page may send the header itself, but its origin stays what it is.
    let rebound = "http://rebound.test";
    assert_eq!(
        listed.admit(rebound, Some("https"), Some(rebound)),
        Err(Denied::Origin)
    );
}

#[test]
fn a_default_port_is_no_part_of_an_origin() {
    let listed = gate("https://good.example");
    for (url_origin, own) in [
        ("https://worker.example:443", "https://worker.example"),
        ("https://worker.example:80", "https://worker.example:80"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://127.0.0.1:443", "http://127.0.0.1:443"),
        ("http://127.0.0.1:", "http://127.0.0.1"),
    ] {
        assert_eq!(
            listed.admit(url_origin, None, Some(own)),
            readable_by(own),
            "{url_origin}"
        );
    }
}

#[test]
fn what_is_no_host_cannot_be_listed() {
    for list in [
        "http://assistant.example.com",
        "assistant.example.com:8787",
        "assistant example",
        "*.example.com",
        "a/b",
        "[::1",
        "::1",
    ] {
        assert_eq!(Hosts::parse(list), None, "{list}");
    }
    assert_eq!(Hosts::parse("a.example,*"), Some(Hosts::Any));
}

#[test]
fn what_is_no_origin_cannot_be_listed() {
    for list in [
        "good.example",
        "https://",
        "https://good.example/path",
        "https://good example",
        "null",
        "https://a,b",
    ] {
        assert_eq!(Origins::parse(list), None, "{list}");
    }
}

#[test]
fn a_rate_limit_counts_a_token_s_name_or_else_a_client_s_address() {
    let table = [
        (Some("alice"), Some("192.0.2.1"), "token:alice"),
        (None, Some("192.0.2.1"), "address:192.0.2.1"),
        (
            None,
            Some("2001:db8:1:2:3:4:5:6"),
            "address:2001:db8:1:2::/64",
        ),
        (
            None,
            Some("2001:db8:1:2:ffff::"),
            "address:2001:db8:1:2::/64",
        ),
        (None, Some("::ffff:192.0.2.1"), "address:192.0.2.1"),
        (None, Some("no address"), "address:unknown"),
        (None, None, "address:unknown"),
    ];
    for (token_name, address, key) in table {
        assert_eq!(rate_limit_key(token_name, address), key);
    }
}

#[test]
fn whoever_names_hosts_means_only_the_worker_s_own_pages_unless_origins_are_named_too() {
    let read = |variables: &[(&str, &str)]| {
        gate_of(|name| {
            let given = variables.iter().find(|(key, _)| *key == name);
            given.map(|(_, value)| (*value).to_owned())
        })
    };
    let own_only = Origins::Listed(Vec::new());
    let local = Hosts::Listed(vec!["localhost".to_owned()]);
    let page = Origins::Listed(vec!["https://good.example".to_owned()]);
    let tokens = ("ACCESS_TOKENS", "me:0123456789abcdef");
    let table = [
        (vec![], Hosts::Any, Origins::Any, true),
        (vec![tokens], Hosts::Any, Origins::Any, false),
        (
            vec![("ACCESS_TOKENS", "short")],
            Hosts::Any,
            Origins::Any,
            true,
        ),
        (vec![("ALLOWED_HOSTS", " ")], Hosts::Any, Origins::Any, true),
        (vec![("ALLOWED_HOSTS", "*")], Hosts::Any, Origins::Any, true),
        (
            vec![("ALLOWED_HOSTS", "localhost")],
            local.clone(),
            own_only.clone(),
            true,
        ),
        (
            vec![("ALLOWED_HOSTS", "localhost"), tokens],
            local.clone(),
            own_only.clone(),
            false,
        ),
        (
            vec![("ALLOWED_HOSTS", "localhost"), ("ALLOWED_ORIGINS", "*")],
            local.clone(),
            Origins::Any,
            true,
        ),
        (
            vec![
                ("ALLOWED_HOSTS", "localhost"),
                ("ALLOWED_ORIGINS", "https://good.example"),
            ],
            local,
            page.clone(),
            true,
        ),
        (
            vec![("ALLOWED_ORIGINS", "https://good.example")],
            Hosts::Any,
            page,
            true,
        ),
        // What is invalid opens nothing.
        (
            vec![("ALLOWED_HOSTS", "http://localhost")],
            Hosts::Listed(Vec::new()),
            own_only.clone(),
            true,
        ),
        (
            vec![("ALLOWED_ORIGINS", "localhost")],
            Hosts::Any,
            own_only,
            true,
        ),
    ];
    for (variables, hosts, origins, is_anonymous) in table {
        let expected = Gate {
            hosts,
            origins,
            is_anonymous,
        };
        assert_eq!(read(&variables), expected, "{variables:?}");
    }
}

#[test]
fn hosts_that_are_none_are_a_problem_of_the_configuration() {
    let error = load(&[("ALLOWED_HOSTS", "http://CANARY")]).expect_err("no host");
    let problem = "ALLOWED_HOSTS must be * or hosts such as assistant.example.com, without ports, \
        separated by commas.";
    assert_eq!(error.problems(), [problem]);
}

#[test]
fn a_refused_host_is_told_by_what_its_owner_can_do() {
    let error = ApiError::from(Denied::UnknownHost);
    assert_eq!(
        (error.status, error.code.name()),
        (403, "origin_not_allowed")
    );
    assert!(error.detail.ends_with("add the name to ALLOWED_HOSTS."));
    let error = ApiError::from(Denied::MalformedHost);
    assert_eq!((error.status, error.code.name()), (400, "validation_error"));
}
