/** The contract's errors: what a client is told for each code, word for word. */
const ERRORS = {
  validation_error: ["Validation error"],
  unauthorized: [
    "Unauthorized",
    "Send a valid access token in the header 'Authorization: Bearer <token>'.",
  ],
  origin_not_allowed: [
    "Origin not allowed",
    "Pages from this origin may not use this service. If you run it, add the origin to ALLOWED_ORIGINS.",
  ],
  rate_limited: [
    "Too many requests",
    "You have sent more requests than this service allows. Wait a moment and try again.",
  ],
  not_found: ["Not found", "There is nothing at this path. To chat, send a POST request to /chat."],
  method_not_allowed: [
    "Method not allowed",
    "This path does not support this method. The Allow header lists the methods it supports.",
  ],
  body_too_large: [
    "Request body too large",
    "The request body is larger than 65536 bytes. Shorten the message or the history.",
  ],
  request_timeout: [
    "Request timed out",
    "The request body did not arrive in time. Send the request again.",
  ],
  unsupported_media_type: [
    "Unsupported media type",
    "Send the body as JSON with the header 'Content-Type: application/json'.",
  ],
  configuration_error: ["Configuration error"],
  internal_error: [
    "Internal error",
    "This service failed while handling the request. Try again in a moment.",
  ],
  context_length_exceeded: [
    "Conversation too long",
    "The conversation is too long for this model. Shorten the message or the history, or lower max_tokens.",
  ],
  content_filtered: [
    "Blocked by the content filter",
    "The content filter of the model's server blocked this conversation. Rephrase the message or the history.",
  ],
  model_not_found: [
    "Model not found",
    "The model's server does not have this model, or does not let this service use it. Choose another model.",
  ],
  upstream_rejected: [
    "Refused by the model's server",
    "The model's server refused this service's key or request. If you run this service, check its log for the reason.",
  ],
  upstream_rate_limited: [
    "Rate limit reached",
    "This service has reached the rate limit of the model's server. Wait a moment and try again.",
  ],
  upstream_quota: [
    "Quota used up",
    "This service has no quota or credit left at the model's server. If you run this service, add more there.",
  ],
  upstream_unavailable: [
    "The model's server is unavailable",
    "The model's server failed or is overloaded. Try again in a moment.",
  ],
  upstream_unreachable: [
    "The model's server cannot be reached",
    "This service could not connect to the model's server. Try again in a moment. If you run this service, check that the model's server is running and that OPENAI_BASE_URL is right.",
  ],
  upstream_timeout: [
    "The model's server went silent",
    "The model's server sent nothing for too long. Try again in a moment. If you run this service and its model is slow, raise TIMEOUT_SECONDS.",
  ],
  upstream_protocol: [
    "Unreadable answer from the model's server",
    "This service could not read what the model's server sent. Try again in a moment. If you run this service, check its log.",
  ],
  upstream_truncated: [
    "The answer was cut off",
    "The model's server ended its answer before it was complete. Try again in a moment.",
  ],
  stream_too_long: [
    "The answer took too long",
    "The answer took longer than this service allows. Ask for a shorter one.",
  ],
  conversations_unavailable: [
    "Conversations are not kept",
    "This service keeps no conversations. Leave out conversation_id. If you run this service, bind OWNERS or set DATA_DIR: see docs/conversations.md.",
  ],
  answer_running: [
    "An answer is still running",
    "The answer that this message would follow is still being written. Wait for its end, stop it, or choose another turn with after.",
  ],
  idempotency_conflict: [
    "Idempotency-Key already used",
    "This Idempotency-Key belongs to another request. Use a fresh key for each new request.",
  ],
  too_many_answers: [
    "Too many answers at once",
    "You already have as many answers running as this service allows. Wait for one to end, or stop one.",
  ],
  interrupted: [
    "The answer was interrupted",
    "This service stopped while the answer was being written. The text so far is kept. Ask again for a new answer.",
  ],
  store_unavailable: [
    "Stored data cannot be reached",
    "This service could not read or write its conversations or its usage counts. Try again in a moment. If you run this service, check its log.",
  ],
  budget_exhausted: [
    "Budget used up",
    "You have used up your budget. A new one begins at midnight UTC.",
  ],
  usage_unavailable: [
    "Usage is not counted",
    "This service counts no usage. If you run this service, bind OWNERS or set DATA_DIR: see docs/conversations.md.",
  ],
};

/** What a client is told in place of a code's own words, where the cause calls for others. */
export const DETAILS = {
  unknownDefaultModel:
    "The model's server does not have this service's default model, or does not let this service use it. " +
    "If you run this service, change OPENAI_MODEL.",
  unknownFallback:
    "The model's server does not have this service's fallback model, or does not let this service use it. " +
    "If you run this service, change FALLBACK_MODELS.",
  wrongAddress:
    "The model's server does not have the model, or was called at a wrong address. " +
    "If you run this service, check OPENAI_BASE_URL first, then the model.",
  noOwner:
    "This service keeps no conversations without access tokens. Leave out conversation_id. " +
    "If you run this service, set ACCESS_TOKENS, or ANONYMOUS_OWNER to true.",
  monthlyBudget:
    "You have used up your budget for this month. A new one begins on the first of the next month, at midnight UTC.",
  reservedBudget:
    "What is left of your budget is set aside for your answers that are still running. " +
    "Wait for one to end, or stop one.",
  noBudget: "Your budget is 0, so nothing can be asked.",
  noConversation: "You have no conversation with this id.",
  noAnswer: "You have no answer with this id.",
};

/** The exact body of an error response; `detail` for a code that has no words of its own. */
export function errorBody(code, correlationId, detail = ERRORS[code][1]) {
  return JSON.stringify({ error: ERRORS[code][0], detail, correlation_id: correlationId, code });
}

/** What an error adds to a final frame. */
export function errorEnding(code) {
  const [error, detail] = ERRORS[code];
  return { error, detail, code };
}
