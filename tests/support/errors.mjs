/** The contract's errors: what a client is told for each code, word for word. */
const ERRORS = {
  validation_error: ["Validation error"],
  unauthorized: [
    "Unauthorized",
    "Send a valid access token in the header 'Authorization: Bearer <token>'.",
  ],
  origin_not_allowed: [
    "Origin not allowed",
    "Pages from this origin may not use this service. Its owner can add the origin to ALLOWED_ORIGINS.",
  ],
  rate_limited: [
    "Too many requests",
    "This client sends more requests than this service allows. Wait as long as Retry-After says and try again.",
  ],
  not_found: ["Not found", "There is nothing at this path. Send chat messages to POST /chat."],
  method_not_allowed: [
    "Method not allowed",
    "This path does not support this method. The Allow header lists the methods that it supports.",
  ],
  body_too_large: [
    "Request body too large",
    "The request body may have at most 65536 bytes. Shorten the message or the history.",
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
    "This service failed in the middle of the request. Try again in a moment.",
  ],
  context_length_exceeded: [
    "Conversation too long",
    "The conversation does not fit the model. Shorten the message or the history, or ask for fewer tokens.",
  ],
  content_filtered: [
    "Blocked by the content filter",
    "The model's server refuses this conversation because of its content filter. Rephrase the message or the history.",
  ],
  model_not_found: [
    "Model not found",
    "The model's server does not know this model, or this service may not use it. Choose another model.",
  ],
  upstream_rejected: [
    "The model's server refused the request",
    "The model's server refused this service's API key or request. The owner of this service can find the cause in its log.",
  ],
  upstream_rate_limited: [
    "Rate limit of the model's server reached",
    "The model's server limits how many requests this service may send. Wait a moment and try again.",
  ],
  upstream_quota: [
    "Quota used up",
    "This service has used up its quota at the model's server. Its owner has to raise it.",
  ],
  upstream_unavailable: [
    "The model's server is unavailable",
    "The model's server has a fault of its own. Try again in a moment.",
  ],
  upstream_unreachable: [
    "The model's server is unreachable",
    "This service could not connect to the model's server. Try again in a moment.",
  ],
  upstream_timeout: [
    "The model's server timed out",
    "The model's server sent nothing for too long. Try again in a moment.",
  ],
  upstream_protocol: [
    "The model's server sent an invalid answer",
    "The model's server sent something that does not follow its API. Try again in a moment.",
  ],
  upstream_truncated: [
    "The answer was cut off",
    "The model's server ended its answer before it was complete. Try again in a moment.",
  ],
  stream_too_long: [
    "The answer took too long",
    "The answer took longer than this service allows. Ask for a shorter one.",
  ],
};

/** What a client is told in place of a code's own words, where a model is not found and it could not choose another. */
export const DETAILS = {
  unknownDefaultModel:
    "The model's server does not know this service's default model, or this service may not use it. " +
    "The owner of this service has to change OPENAI_MODEL.",
  wrongAddress:
    "The model's server does not know the model, or its address is wrong. " +
    "The owner of this service has to check OPENAI_BASE_URL, then the model.",
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
