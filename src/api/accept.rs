//! The form in which a client wants a conversation: its header `Accept`.

/// Whether a client wants Markdown rather than JSON: it names `text/markdown`, and does not like `application/json` as
/// much. Wildcards mean JSON.
pub fn prefers_markdown(accept: &str) -> bool {
    let markdown = quality("text/markdown", accept).unwrap_or("0");
    let json = quality("application/json", accept).unwrap_or("0");
    // Qualities have one digit before the point, so they compare as texts.
    markdown.bytes().any(|digit| matches!(digit, b'1'..=b'9')) && markdown > json
}

/// How much a client likes a media type that it names.
fn quality<'a>(media_type: &str, accept: &'a str) -> Option<&'a str> {
    accept.split(',').find_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_named = parts.next()?.eq_ignore_ascii_case(media_type);
        let weight = parts.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.eq_ignore_ascii_case("q").then_some(value)
        });
        is_named.then_some(weight.unwrap_or("1"))
    })
}
