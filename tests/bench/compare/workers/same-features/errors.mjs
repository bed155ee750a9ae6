/** Everything that can go wrong, as a client sees it. */

/** Status, what happened, why, and how the log says that the request ended. */
const ERRORS = {
  validation_error: [400, "Validation error", "The request body breaks a rule."],
  unauthorized: [401, "Unauthorized", "Send a valid access token."],
  origin_not_allowed: [403, "Origin not allowed", "Pages of this origin may not use this service."],
  not_found: [404, "Not found", "There is nothing at this path."],
  method_not_allowed: [405, "Method not allowed", "This path does not answer that method."],
  request_timeout: [408, "Request timed out", "The request body did not arrive in time."],
  body_too_large: [413, "Request body too large", "The body may have at most 65536 bytes."],
  unsupported_media_type: [415, "Unsupported media type", "Send the body as JSON, uncompressed."],
  rate_limited: [429, "Too many requests", "Wait as long as Retry-After says."],
  internal_error: [500, "Internal error", "This service failed. Try again in a moment."],
  configuration_error: [500, "Configuration error", "A variable is missing or invalid."],
  context_length_exceeded: [400, "Conversation too long", "Shorten it.", "upstream_error"],
  content_filtered: [400, "Blocked by the content filter", "Rephrase it.", "upstream_error"],
  model_not_found: [502, "Model not found", "Choose another model.", "upstream_error"],
  upstream_rejected: [502, "Refused by the model's server", "See the log.", "upstream_error"],
  upstream_rate_limited: [429, "Rate limit reached", "Wait a moment.", "upstream_error"],
  upstream_quota: [503, "Quota used up", "Its owner has to raise it.", "upstream_error"],
  upstream_unavailable: [
    502,
    "The model's server is unavailable",
    "Try again in a moment.",
    "upstream_error",
  ],
  upstream_unreachable: [
    502,
    "The model's server cannot be reached",
    "Try again in a moment.",
    "upstream_error",
  ],
  upstream_timeout: [
    504,
    "The model's server went silent",
    "Try again in a moment.",
    "upstream_timeout",
  ],
  upstream_protocol: [
    502,
    "Unreadable answer from the model's server",
    "Try again.",
    "upstream_protocol",
  ],
  upstream_truncated: [502, "The answer was cut off", "Try again.", "upstream_truncated"],
  stream_too_long: [504, "The answer took too long", "Ask for less.", "stream_too_long"],
  client_gone: [499, "Client gone", "Nobody is there to answer.", "client_gone"],
};

export class ApiError extends Error {
  constructor(code, { detail, cause, field, rule, headers, status } = {}) {
    const [ownStatus, title, ownDetail, endReason = "rejected"] = ERRORS[code];
    super(title, { cause });
    this.code = code;
    this.status = status ?? ownStatus;
    this.detail = detail ?? ownDetail;
    this.endReason = endReason;
    this.field = field;
    this.rule = rule;
    this.headers = headers;
  }

  get isUpstreams() {
    return this.endReason !== "rejected";
  }

  /** The body's fields that say what went wrong. */
  get words() {
    return { error: this.message, detail: this.detail, code: this.code };
  }

  static invalid(field, rule) {
    return new ApiError("validation_error", { field, rule, detail: `Field '${field}': ${rule}` });
  }

  static from(thrown) {
    if (thrown instanceof ApiError) return thrown;
    return new ApiError("internal_error", { cause: thrown?.message });
  }
}

export function errorResponse(error, correlationId, headers) {
  const { error: title, detail, code } = error.words;
  const body = { error: title, detail, correlation_id: correlationId, code };
  return Response.json(body, {
    status: error.status,
    headers: {
      "x-correlation-id": correlationId,
      "cache-control": "no-store",
      ...headers,
      ...error.headers,
    },
  });
}

/** Upstream's error, from its status and what its body says. */
export function classify(status, body, namesModel) {
  const { error } = body ?? {};
  const name = error?.code ?? error?.type ?? "";
  const words = `${name} ${typeof error === "string" ? error : (error?.message ?? "")}`;
  const cause = `upstream says ${[status, /^[\w.-]+$/.test(name) && name].filter(Boolean).join(", ")}`;
  const failure = (code, options) => new ApiError(code, { cause, ...options });
  if (status === 413 || /context_length|context_size|maximum context/.test(words)) {
    return failure("context_length_exceeded");
  }
  if (/content_filter|ResponsibleAI|content_policy/.test(words)) return failure("content_filtered");
  if (status === 402 || /quota|billing|balance/.test(words)) return failure("upstream_quota");
  if (status === 404 || /model_not_found/.test(words)) {
    return failure("model_not_found", { status: namesModel ? 400 : 502 });
  }
  if (status === 429 || /rate_limit|slow_down/.test(words)) return failure("upstream_rate_limited");
  if (status === 408 || status === 409 || status >= 500) {
    return failure("upstream_unavailable", { status: status === 503 ? 503 : 502 });
  }
  return failure(status ? "upstream_rejected" : "upstream_unavailable");
}
