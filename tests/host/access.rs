use personal_ai_assistant::api::access::{
    AccessTokens, Cors, OriginDenied, Origins, challenge, rate_limit_key,
};

const TOKEN: &str = "0123456789abcdef";

fn name(list: &str, authorization: &str) -> Option<String> {
    let tokens = AccessTokens::parse(list).expect("valid tokens");
    tokens.name_of(Some(authorization)).map(str::to_owned)
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
        AccessTokens::parse(&list).expect("valid").name_of(None),
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
        assert_eq!(challenge(authorization), told, "{authorization:.60?}");
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

#[test]
fn an_origin_is_allowed_byte_for_byte() {
    let own = "https://worker.example";
    let listed =
        Origins::parse("https://good.example, HTTPS://Port.Example:8443,").expect("valid origins");
    let readable = |origin: &str| {
        Ok(Cors {
            allow_origin: Some(origin.to_owned()),
            varies: true,
        })
    };
    let table = [
        (
            None,
            Ok(Cors {
                allow_origin: None,
                varies: true,
            }),
        ),
        (
            Some("https://good.example"),
            readable("https://good.example"),
        ),
        (
            Some("https://port.example:8443"),
            readable("https://port.example:8443"),
        ),
        (Some(own), readable(own)),
        (Some("https://GOOD.example"), Err(OriginDenied)),
        (Some("https://good.example:443"), Err(OriginDenied)),
        (Some("http://good.example"), Err(OriginDenied)),
        (Some("https://good.example.evil.example"), Err(OriginDenied)),
        (Some("https://evil-good.example"), Err(OriginDenied)),
        (Some("https://good.example/"), Err(OriginDenied)),
        (Some("https://port.example"), Err(OriginDenied)),
        (Some("null"), Err(OriginDenied)),
        (Some(""), Err(OriginDenied)),
    ];
    for (origin, expected) in table {
        assert_eq!(listed.admit(origin, own), expected, "{origin:?}");
    }
}

#[test]
fn a_star_allows_every_origin() {
    let any = Origins::parse("https://good.example,*").expect("valid origins");
    for origin in [None, Some("null"), Some("https://evil.example")] {
        let cors = Cors {
            allow_origin: Some("*".to_owned()),
            varies: false,
        };
        assert_eq!(any.admit(origin, "https://worker.example"), Ok(cors));
    }
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
