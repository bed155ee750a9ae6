//! The names and sentences by which known servers report errors, in lower case.
//!
//! Names are machine-readable, listed here with a space between them. They count before sentences, in
//! which the words of two kinds may occur.

use super::report::Report;

/// What an error means for us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// The conversation does not fit the model.
    Context,
    /// A content filter refuses the conversation.
    Filter,
    /// There is no such model.
    Model,
    /// The account is used up; its owner has to act.
    Quota,
    /// Too many requests or tokens at once; a retry may succeed.
    Rate,
    /// A limit that resets by itself, but too late for a retry.
    Limit,
    /// The server is too busy, or still starting.
    Overloaded,
    /// The server has a fault of its own.
    Fault,
    /// Anything else about the request or the key.
    Rejected,
}

// Zhipu's number is 1301, MiniMax's are 1026 and 1027.
const FILTER_NAMES: &str = "
    content_filter content_filtered responsibleaipolicyviolation content_policy_violation
    contentpolicyviolationerror data_inspection_failed datainspectionfailed moderation_blocked
    prompt_blocked content_blocked sensitive_words_detected inputtextsensitivecontentdetected
    sensitivecontentdetected 1301 1026 1027";

const FILTER_SENTENCES: &[&str] = &[
    "responsibleaipolicyviolation",
    "content_policy_violation",
    "contentpolicyviolation",
    "content management policy",
    "datainspectionfailed",
    "inappropriate content",
    "content exists risk",
    "considered high risk",
    "requires moderation",
    "input was flagged",
    "prompt was flagged",
    "flagged as potentially violating",
    "flagged for possible",
    "violates our usage policies",
    "violates usage guidelines",
    "our safety system",
    "敏感内容",
];

// Zhipu's number is 1261, Mistral's is 3051.
const CONTEXT_NAMES: &str = "
    context_length_exceeded context_window_exceeded contextwindowexceedederror context_exceeded
    exceed_context_size_error model_context_window_exceeded tokens_limit_reached
    model_max_prompt_tokens_exceeded max_prompt_tokens_exceeded prompt_too_long input_too_long
    string_above_max_length request_too_large invalid_request_prompt 1261 3051";

const CONTEXT_SENTENCES: &[&str] = &[
    "context_length_exceeded",
    "contextwindowexceedederror",
    "context length",
    "context window",
    "context size",
    "context the overflows",
    "maximum context",
    "max_model_len",
    "max_seq_len",
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "input too long",
    "input length",
    "maximum prompt length",
    "prompt token count",
    "input token count",
    "maximum number of tokens",
    "model token limit",
    "too many tokens",
    "reduce the length of the messages",
    "max_tokens must be at least 1, got -",
    "`max_new_tokens` must be <=",
    "`inputs` must have less than",
    "上下文过长",
    "超过最大长度",
    "超出最大上下文",
    "超长",
];

/// One request is larger than the account may send at once. Waiting does not help.
const TOO_LARGE_SENTENCES: &[&str] = &["request too large for", "request body too large for"];

// The numbers are Zhipu's.
const MODEL_NAMES: &str = "
    model_not_found modelnotfound model_not_available model_not_supported model_not_exist
    model_decommissioned invalid_model unknown_model deploymentnotfound resource_does_not_exist
    1211 1311";

const MODEL_SENTENCES: &[&str] = &[
    "model_not_found",
    "model not found",
    "model not exist",
    "model does not exist",
    "no such model",
    "not a valid model",
    "invalid model",
    "unknown model",
    "unsupported model",
    "failed to load model",
    "does not have access to model",
    "not authorized to access model",
    "try pulling it first",
    "has been decommissioned",
    "not supported by any provider",
    "no available channel for model",
    "not found for account",
    "无可用渠道",
    "模型不存在",
];

// Zhipu's numbers are 1113 and 1309, MiniMax's is 1008, Workers AI's is 4006.
const QUOTA_NAMES: &str = "access_terminated arrearage 1113 1309 1008 4006";

/// Parts of names, of which every server has its own.
const QUOTA_NAME_PARTS: &str = "
    insufficient_quota insufficient_user_quota insufficient_balance insufficient_credits
    insufficient_funds quota_exceeded exceeded_current_quota pre_consume_token_quota
    quota_exhausted credit_balance billing budget_exceeded spending-limit overdue perday";

const QUOTA_SENTENCES: &[&str] = &[
    "insufficient_quota",
    "insufficient balance",
    "insufficient account balance",
    "balance is insufficient",
    "insufficient credits",
    "insufficient quota",
    "exceeded current quota",
    "exceeded your current quota",
    "exceeded_current_quota",
    "credit balance is too low",
    "out of credits",
    "more credits",
    "included credits",
    "monthly limit",
    "daily free allocation",
    "daily request limit",
    "budget has been exceeded",
    "hard billing limit",
    "billing hard limit",
    "billing details",
    "overdue account",
    "overdue-payment",
    "in good standing",
    "余额不足",
    "请充值",
    "欠费",
];

// The numbers are Zhipu's.
const LIMIT_NAMES: &str = "usage_limit_reached 1304 1308 1310";

const LIMIT_SENTENCES: &[&str] = &["usage limit", "per day (", "per-day"];

const RATE_NAMES: &str = "
    slow_down throttling throttlingexception too_many_requests request_limit_exceeded
    resource_exhausted engine_overloaded_error";

const RATE_NAME_PARTS: &str = "rate_limit ratelimit";

const RATE_SENTENCES: &[&str] = &[
    "rate limit",
    "too many requests",
    "request limit reached",
    "resourceexhausted",
];

/// Bedrock's sentence for a rate limit sounds like a conversation that is too long.
const TOKEN_RATE_SENTENCES: &[&str] = &["too many tokens, please wait"];

const OVERLOADED_NAMES: &str = "
    overloaded overloaded_error server_overloaded service_unavailable service_unavailable_error
    unavailable unavailable_error capacity_exceeded";

const REJECTED_NAMES: &str = "
    invalid_request_error badrequesterror invalid_argument invalid_prompt invalid_api_key
    authentication_error authenticationerror unauthenticated unauthorized permission_error
    permission_denied permissiondeniederror forbidden";

/// The kind of an error by its names and sentences, if they are known. `status` is its HTTP status, if it has one.
/// `says_when` tells whether upstream has said how long to wait. Then it is a rate limit: waiting fills up no account.
pub(super) fn by_words(status: Option<u16>, says_when: bool, report: &Report) -> Option<Kind> {
    let named = |names| report.is_named(names);
    let says = |words| report.says(words);
    let is_one_of = |statuses: &[u16]| status.is_some_and(|status| statuses.contains(&status));
    if status == Some(413) || says(TOO_LARGE_SENTENCES) || named(CONTEXT_NAMES) {
        return Some(Kind::Context);
    }
    if named(FILTER_NAMES) || !is_one_of(&[401, 429]) && says(FILTER_SENTENCES) {
        return Some(Kind::Filter);
    }
    if named(MODEL_NAMES) {
        return Some(Kind::Model);
    }
    if named(QUOTA_NAMES) || report.has_name_part(QUOTA_NAME_PARTS) {
        return Some(Kind::Quota);
    }
    if named(LIMIT_NAMES) || is_one_of(&[429]) && says(LIMIT_SENTENCES) {
        return Some(Kind::Limit);
    }
    if named(RATE_NAMES) || report.has_name_part(RATE_NAME_PARTS) || says(TOKEN_RATE_SENTENCES) {
        return Some(Kind::Rate);
    }
    let is_rate = is_one_of(&[429]) && says_when;
    let may_be_quota = status.is_none() || is_one_of(&[400, 402, 403, 429, 500]);
    if may_be_quota && !is_rate && says(QUOTA_SENTENCES) {
        return Some(Kind::Quota);
    }
    if !is_one_of(&[401, 402, 403, 429]) && says(CONTEXT_SENTENCES) {
        return Some(Kind::Context);
    }
    if !is_one_of(&[401, 429]) && (says(MODEL_SENTENCES) || says_model_is_missing(status, report)) {
        return Some(Kind::Model);
    }
    if named(OVERLOADED_NAMES) {
        return Some(Kind::Overloaded);
    }
    if status.is_none() && says(RATE_SENTENCES) {
        return Some(Kind::Rate);
    }
    (status.is_none() && named(REJECTED_NAMES)).then_some(Kind::Rejected)
}

/// Whether an error says that a model is not there: ``The model `m` does not exist``.
fn says_model_is_missing(status: Option<u16>, report: &Report) -> bool {
    matches!(status, None | Some(400 | 403 | 404 | 422))
        && report.says(&["does not exist", "not found", "not exist"])
        && report.has_word(&["model"])
}

/// The kind of an error by its status, for unknown names and sentences.
pub(super) fn by_status(status: Option<u16>) -> Kind {
    match status {
        Some(402) => Kind::Quota,
        Some(404) => Kind::Model,
        Some(413) => Kind::Context,
        Some(429) => Kind::Rate,
        // 529 is some servers' own status for overload.
        Some(503 | 529) => Kind::Overloaded,
        None | Some(408 | 409 | 500..) => Kind::Fault,
        Some(_) => Kind::Rejected,
    }
}
