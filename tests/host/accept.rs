use personal_ai_assistant::api::accept::prefers_markdown;

#[test]
fn markdown_goes_to_clients_that_name_it_and_do_not_like_json_as_much() {
    let table = [
        ("", false),
        ("*/*", false),
        ("text/*", false),
        ("text/html", false),
        ("application/json", false),
        ("text/markdown", true),
        ("Text/Markdown", true),
        ("text/markdown; charset=utf-8", true),
        ("text/markdown, */*", true),
        ("text/html, text/markdown;q=0.9", true),
        ("text/markdown;q=0.1", true),
        ("text/markdown;q=0", false),
        ("text/markdown;q=0.000", false),
        ("text/markdown, application/json", false),
        ("application/json, text/markdown", false),
        ("application/json, text/markdown;q=0.5", false),
        ("application/json;q=0.5, text/markdown", true),
        ("application/json;q=0.8;x=y, text/markdown ; Q=0.9", true),
        ("text/markdownish", false),
        ("x-text/markdown", false),
        ("text/markdown;q=", false),
        (",;,q=1,;q=1", false),
    ];
    for (accept, expected) in table {
        assert_eq!(prefers_markdown(accept), expected, "{accept:?}");
    }
}
