use personal_ai_assistant::api::request::{ChatRequest, Effort};
use personal_ai_assistant::openai::BaseUrl;
use personal_ai_assistant::openai::dialect::Efforts;
use personal_ai_assistant::openai::dialect::{Asked, Dialect, TokenLimit};

use crate::support::config;

fn sent(variables: &[(&str, &str)], request: &str) -> String {
    let config = config(variables);
    let request = ChatRequest::parse(request.as_bytes(), &config.rules).expect("a valid request");
    let target = config.target;
    target.body(&request, Dialect::of(target.server.base_url.host()))
}

const CONVERSATION: &str = r#"{"message":" and \"now\"?\n","model":"gpt-4o","max_tokens":17,
    "history":[{"role":"user","content":"hi"},{"role":"assistant","content":"hello"}]}"#;

const LOCAL: Dialect = Dialect {
    token_limit: TokenLimit::MaxTokens,
    stream_options: true,
    stream: true,
    unpadded: false,
    efforts: Efforts::ALL,
    summaries: true,
};

/// A request that says nothing of reasoning.
const PLAIN: Asked = Asked {
    is_chat: true,
    effort: None,
    include_reasoning: false,
};

#[test]
fn a_conversation_goes_to_chat_completions_in_order_and_asks_for_a_stream_with_usage() {
    assert_eq!(
        sent(&[("SYSTEM_PROMPT", "Be brief.")], CONVERSATION),
        "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},\
         {\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":\"hello\"},\
         {\"role\":\"user\",\"content\":\"and \\\"now\\\"?\"}],\"max_completion_tokens\":17,\"stream\":true,\
         \"stream_options\":{\"include_usage\":true,\"include_obfuscation\":false}}"
    );
}

#[test]
fn a_conversation_goes_to_responses_in_order_and_is_not_kept_there() {
    assert_eq!(
        sent(
            &[("OPENAI_API", "responses"), ("SYSTEM_PROMPT", "Be brief.")],
            CONVERSATION
        ),
        "{\"model\":\"gpt-4o\",\"instructions\":\"Be brief.\",\"input\":[{\"type\":\"message\",\"role\":\"user\",\"content\":\"hi\"},\
         {\"type\":\"message\",\"role\":\"assistant\",\"content\":\"hello\"},{\"type\":\"message\",\"role\":\"user\",\"content\":\"and \\\"now\\\"?\"}],\
         \"max_output_tokens\":17,\"stream\":true,\"store\":false,\"stream_options\":{\"include_obfuscation\":false}}"
    );
    assert_eq!(
        sent(
            &[("OPENAI_API", "responses"), ("SYSTEM_PROMPT", "none")],
            r#"{"message":"hi"}"#
        ),
        "{\"model\":\"gpt-4\",\"input\":[{\"type\":\"message\",\"role\":\"user\",\"content\":\"hi\"}],\"max_output_tokens\":2000,\
         \"stream\":true,\"store\":false,\"stream_options\":{\"include_obfuscation\":false}}"
    );
}

#[test]
fn servers_other_than_openai_s_get_the_name_of_the_token_limit_that_they_know() {
    let variables = [
        ("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1"),
        ("SYSTEM_PROMPT", "none"),
    ];
    assert_eq!(
        sent(&variables, r#"{"message":"hi"}"#),
        "{\"model\":\"gpt-4\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_tokens\":2000,\
         \"stream\":true,\"stream_options\":{\"include_usage\":true}}"
    );
    let openai = BaseUrl::parse("https://API.openai.com/v1/", false).expect("valid");
    assert_eq!(
        Dialect::of(openai.host()).token_limit,
        TokenLimit::MaxCompletionTokens
    );
    let look_alike = BaseUrl::parse("https://api.openai.com.example/v1", false).expect("valid");
    assert_eq!(Dialect::of(look_alike.host()), LOCAL);
}

#[test]
fn a_refused_parameter_is_left_out_or_called_by_its_other_name() {
    let new_name = Dialect {
        token_limit: TokenLimit::MaxCompletionTokens,
        ..LOCAL
    };
    let no_options = Dialect {
        stream_options: false,
        ..LOCAL
    };
    let table = [
        (
            400,
            r#"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}"#,
            Some(new_name),
        ),
        (
            400,
            r#"{"error":{"code":"unknown_parameter","param":"stream_options.include_usage"}}"#,
            Some(no_options),
        ),
        (
            422,
            r#"{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}"#,
            Some(no_options),
        ),
        (
            422,
            r#"{"detail":[{"type":"extra_forbidden","loc":["body","max_tokens"]}]}"#,
            Some(new_name),
        ),
        (
            400,
            r#"{"error":{"code":"unsupported_parameter","param":"temperature"}}"#,
            None,
        ),
        (
            400,
            r#"{"error":{"code":"invalid_value","param":"max_tokens","message":"max_tokens is too large"}}"#,
            None,
        ),
        (
            500,
            r#"{"error":{"code":"unsupported_parameter","param":"max_tokens"}}"#,
            None,
        ),
        (
            400,
            "Unsupported parameter: max_tokens, in plain text",
            Some(new_name),
        ),
        (400, "<html>unsupported_parameter max_tokens</html>", None),
        (401, "Unsupported parameter: max_tokens", None),
        (429, "Unsupported parameter: max_tokens", None),
        (
            400,
            "max_tokens is not supported above a value of 4096",
            None,
        ),
        (400, "", None),
    ];
    for (status, body, adapted) in table {
        assert_eq!(
            LOCAL.adapted(PLAIN, status, body.as_bytes()),
            adapted,
            "{status} {body}"
        );
    }
    let back = new_name.adapted(
        PLAIN,
        400,
        br#"{"error":{"code":"unknown_parameter","param":"max_completion_tokens"}}"#,
    );
    assert_eq!(back, Some(LOCAL));
    assert_eq!(
        no_options.adapted(
            PLAIN,
            400,
            br#"{"error":{"code":"unknown_parameter","param":"stream_options"}}"#
        ),
        None
    );
}

/// What is sent of reasoning where these variables are set.
fn reasoning_sent(variables: &[(&str, &str)], fields: &str) -> String {
    let plain = sent(variables, r#"{"message":"hi"}"#);
    let asked = sent(variables, &format!(r#"{{"message":"hi"{fields}}}"#));
    let common = plain.strip_suffix('}').expect("an object");
    let more = asked.strip_prefix(common).expect("nothing else changes");
    more.strip_suffix('}').expect("an object").to_owned()
}

#[test]
fn each_api_is_told_the_effort_in_its_own_words_and_nothing_where_nobody_names_one() {
    let responses = ("OPENAI_API", "responses");
    for effort in ["none", "minimal", "low", "medium", "high", "xhigh", "max"] {
        let field = format!(",\"reasoning_effort\":\"{effort}\"");
        assert_eq!(reasoning_sent(&[], &field), field);
        assert_eq!(
            reasoning_sent(&[responses], &field),
            format!(",\"reasoning\":{{\"effort\":\"{effort}\"}}")
        );
    }
    for nothing in [
        ",\"reasoning_effort\":null",
        ",\"include_reasoning\":false",
        ",\"include_reasoning\":null",
    ] {
        assert_eq!(reasoning_sent(&[], nothing), "");
        assert_eq!(reasoning_sent(&[responses], nothing), "");
    }
}

#[test]
fn a_request_s_own_effort_comes_before_the_configured_one() {
    let variables = [("REASONING_EFFORT", "low")];
    let effort = |request| {
        let body = sent(&variables, request);
        let (_, effort) = body.split_once("\"reasoning_effort\":").expect("an effort");
        effort.to_owned()
    };
    assert_eq!(effort(r#"{"message":"hi"}"#), "\"low\"}");
    assert_eq!(
        effort(r#"{"message":"hi","reasoning_effort":"max"}"#),
        "\"max\"}"
    );
}

#[test]
fn only_responses_has_to_be_asked_for_reasoning_to_read() {
    let include = ",\"include_reasoning\":true";
    let responses = [("OPENAI_API", "responses")];
    assert_eq!(reasoning_sent(&[], include), "");
    assert_eq!(
        reasoning_sent(&responses, include),
        ",\"reasoning\":{\"summary\":\"auto\"}"
    );
    assert_eq!(
        reasoning_sent(
            &responses,
            ",\"include_reasoning\":true,\"reasoning_effort\":\"high\""
        ),
        ",\"reasoning\":{\"effort\":\"high\",\"summary\":\"auto\"}"
    );
}

#[test]
fn a_refused_effort_is_left_out_and_another_one_is_still_sent() {
    let [minimal, low] = ["minimal", "low"].map(Effort::parse);
    let asked = |effort| Asked { effort, ..PLAIN };
    let refusal = br#"{"error":{"message":"Unsupported value: 'reasoning_effort' does not support 'minimal' with this model.","param":"reasoning_effort","code":"unsupported_value"}}"#;
    let adapted = LOCAL.adapted(asked(minimal), 400, refusal).expect("a way");
    assert_eq!(adapted.effort(asked(minimal)), None);
    assert_eq!(adapted.effort(asked(low)), low);
    assert_eq!(adapted.adapted(asked(minimal), 400, refusal), None, "once");
    assert_eq!(LOCAL.adapted(PLAIN, 400, refusal), None, "none was sent");
}
