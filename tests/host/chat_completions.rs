use personal_ai_assistant::api::request::ChatRequest;
use personal_ai_assistant::openai::chat_completions::body;

use crate::support::config;

fn sent(variables: &[(&str, &str)], request: &str) -> String {
    let config = config(variables);
    let request = ChatRequest::parse(request.as_bytes(), &config).expect("a valid request");
    body(&request, &config)
}

#[test]
fn a_conversation_goes_upstream_in_order_and_asks_for_a_stream_with_usage() {
    let request = r#"{"message":" and \"now\"?\n","model":"gpt-4o","max_tokens":17,
        "history":[{"role":"user","content":"hi"},{"role":"assistant","content":"hello"}]}"#;
    assert_eq!(
        sent(&[("SYSTEM_PROMPT", "Be brief.")], request),
        "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},\
         {\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":\"hello\"},\
         {\"role\":\"user\",\"content\":\"and \\\"now\\\"?\"}],\"max_completion_tokens\":17,\"stream\":true,\
         \"stream_options\":{\"include_usage\":true}}"
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
}
