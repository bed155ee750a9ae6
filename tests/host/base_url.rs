//! A base URL that passes the rule is one that the runtime can call.

use personal_ai_assistant::openai::BaseUrl;
use proptest::prelude::*;
use url::Url;

/// What `new URL()` of the runtime's own parser (ada) refuses.
const REFUSED_BY_NEW_URL: [&str; 78] = [
    "//a",
    "/v1",
    "1https://a",
    "a",
    "ht tps://a",
    "http//a",
    "https ://a",
    "https:",
    "https:/",
    "https://",
    "https:///",
    "https://1.2.3.08/v1",
    "https://1.2.3.09/v1",
    "https://1.2.3.256/v1",
    "https://1.2.3.4.5/v1",
    "https://1.2.3.4:+80",
    "https://1.2.3.4:-1",
    "https://1.2.3.4:0x50",
    "https://1.2.3.4:65536",
    "https://1.2.3.4:8 0",
    "https://1.2.3.4:8.0",
    "https://1.2.3.4:80:80",
    "https://1.2.3.4:80a",
    "https://1.2.3.4:99999",
    "https://1.2.3.4:a",
    "https://256.1.1.1/v1",
    "https://4294967296/v1",
    "https://999999999999/v1",
    "https://::1/v1",
    "https://[/v1",
    "https://[1.2.3.4]/v1",
    "https://[1:2:3:4:5:6:7:8:9]/v1",
    "https://[1:2:3:4:5:6:7]/v1",
    "https://[::1.2.3.04]/v1",
    "https://[::1.2.3]/v1",
    "https://[::1/v1",
    "https://[::12345]/v1",
    "https://[::1]:+80/v1",
    "https://[::1]:-1/v1",
    "https://[::1]:0x50/v1",
    "https://[::1]:65536/v1",
    "https://[::1]:8 0/v1",
    "https://[::1]:8.0/v1",
    "https://[::1]:80:80/v1",
    "https://[::1]:80a/v1",
    "https://[::1]:99999/v1",
    "https://[::1]:a/v1",
    "https://[::1]]/v1",
    "https://[::g]/v1",
    "https://[[::1]]/v1",
    "https://[]/v1",
    "https://[fe80::1%25eth0]/v1",
    "https://[fe80::1%eth0]/v1",
    "https://a%/v1",
    "https://a%zz/v1",
    "https://a.09/v1",
    "https://a.0x/v1",
    "https://a.0x1/v1",
    "https://a.1./v1",
    "https://a.1/v1",
    "https://a.123/v1",
    "https://a<b/v1",
    "https://a>b/v1",
    "https://a^b/v1",
    "https://a|b/v1",
    "https://exa mple/v1",
    "https://exa%20mple/v1",
    "https://example.com:+80/v1",
    "https://example.com:-1/v1",
    "https://example.com:0x50/v1",
    "https://example.com:65536/v1",
    "https://example.com:8 0/v1",
    "https://example.com:8.0/v1",
    "https://example.com:80:80/v1",
    "https://example.com:80a/v1",
    "https://example.com:99999/v1",
    "https://example.com:a/v1",
    "https::/a",
];

#[test]
fn what_new_url_refuses_is_no_base_url() {
    for url in REFUSED_BY_NEW_URL {
        let insecure = url.replacen("https", "http", 1);
        for url in [url, &insecure] {
            assert_eq!(BaseUrl::parse(url, true), None, "{url}");
        }
    }
}

#[test]
fn forms_that_only_a_url_parser_reads_are_no_base_url_either() {
    let long_label = format!("https://{}.example", "a".repeat(64));
    let long_name = format!("https://{}example", "a.".repeat(130));
    for url in [
        // Addresses that are written in a way that hides where they lead.
        "https://127.1",
        "https://2130706433",
        "https://0x7f000001",
        "https://0x",
        "https://0177.0.0.1",
        "https://1.2.3.4.",
        // Names that DNS cannot have.
        "https://a..b",
        "https://.a",
        "https://a..",
        "https://.",
        &long_label,
        &long_name,
        // What is put right on the way.
        "https:/a",
        "https:a",
        "https:///a",
        "https:\\\\a",
        "https://a\\v1",
        "https://exa\tmple",
        "https://a%2eb",
        "https://ex\u{e4}mple.de",
        "https://a:",
        "https://a:0",
    ] {
        assert_eq!(BaseUrl::parse(url, true), None, "{url}");
    }
}

#[test]
fn names_addresses_and_ports_as_people_write_them_are_taken() {
    let longest_label = format!("https://{}.example/v1", "a".repeat(63));
    for url in [
        "https://api.openai.com/v1",
        "https://API.Example.com/v1",
        "HTTPS://a/v1",
        "https://a.b./v1",
        "https://a_b.example/v1",
        "https://4chan.example/v1",
        "https://1.example/v1",
        "https://1.2.3.4a/v1",
        "https://0xg/v1",
        "https://a.1b/v1",
        "https://xn--exmple-cua.de/v1",
        "https://10.0.0.1:65535/v1",
        "https://a:0080/v1",
        "https://[::ffff:10.0.0.1]:1/v1",
        "https://[2001:db8::1]/v1",
        "https://a/%zz/[v1]/../v1",
        &longest_label,
    ] {
        assert!(BaseUrl::parse(url, false).is_some(), "{url}");
        assert!(Url::parse(url).is_ok(), "{url}");
    }
}

proptest! {
    /// Names in Punycode are left out: whether one is valid is a question for Unicode's tables.
    #[test]
    fn whatever_is_taken_is_a_url(
        scheme in "https?|HTTPS|[a-z]{1,3}",
        authority in "[0-9a-fA-F.:x\\[\\]%+_ -]{0,24}|([0-9]{1,4}\\.){1,5}[0-9]{0,4}|[a-c]{1,3}(\\.[a-c0-9]{0,3}){0,3}(:[0-9+-]{0,6})?|\\[[0-9a-f:.]{2,20}\\](:[0-9]{0,6})?",
        path in "(/[ -~]{0,8}){0,3}",
    ) {
        let url = format!("{scheme}://{authority}{path}");
        if let Some(base) = BaseUrl::parse(&url, true) {
            let parsed = Url::parse(&base.join("/chat/completions"));
            prop_assert!(url.contains("xn--") || parsed.is_ok(), "{url}: {parsed:?}");
            // What the key goes to is what the rule looked at.
            let host = parsed.ok().and_then(|parsed| parsed.host_str().map(str::to_owned));
            prop_assert!(host.is_some_and(|host| url.contains('[') || host.eq_ignore_ascii_case(base.host())), "{url}");
        }
    }
}

#[test]
fn a_base_url_is_https_or_on_this_machine() {
    for url in [
        "https://api.openai.com/v1",
        "https://gateway.ai.cloudflare.com/v1/account/gateway/openai",
        "https://name.openai.azure.com:443/openai/v1",
        "http://localhost:8080/v1",
        "http://127.0.0.1:1/v1",
        "http://[::1]:11434/v1",
    ] {
        let joined = BaseUrl::parse(url, false).map(|base| base.join("/chat/completions"));
        assert_eq!(joined, Some(format!("{url}/chat/completions")));
        assert_eq!(
            BaseUrl::parse(&format!("{url}/"), false),
            BaseUrl::parse(url, false),
            "a slash at the end"
        );
    }
    for url in [
        "",
        "api.openai.com/v1",
        "ftp://api.openai.com",
        "http://api.openai.com/v1",
        "http://localhost.evil.example/v1",
        "http://127.0.0.1.evil.example/v1",
        "http://127.0.0.1@evil.example/v1",
        "https://user:password@api.openai.com/v1",
        "https://host/v1?key=x",
        "https://host/v1#x",
    ] {
        assert_eq!(BaseUrl::parse(url, false), None, "{url}");
    }
}

#[test]
fn a_base_url_knows_its_host() {
    assert_eq!(
        BaseUrl::parse("https://api.openai.com:443/v1", false)
            .expect("valid")
            .host(),
        "api.openai.com"
    );
    assert_eq!(
        BaseUrl::parse("http://[::1]:1/v1", false)
            .expect("valid")
            .host(),
        "[::1]"
    );
}
