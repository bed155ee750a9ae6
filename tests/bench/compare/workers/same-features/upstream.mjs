/** One call of upstream: its headers under one deadline, with retries. */
import { ApiError, classify } from "./errors.mjs";

const MAX_ERROR_BYTES = 65_536;
const RETRIED = ["upstream_rate_limited", "upstream_unavailable", "upstream_unreachable"];

export async function openUpstream(chatRequest, exchange, clientSignal) {
  const { config, log, id } = exchange;
  const deadlineMs = Date.now() + config.timeoutMs;
  for (;;) {
    const startedMs = Date.now();
    const abort = new AbortController();
    const timer = setTimeout(
      () => abort.abort(new ApiError("upstream_timeout", { cause: "no headers in time" })),
      deadlineMs - startedMs,
    );
    clientSignal.addEventListener("abort", () => abort.abort(new ApiError("client_gone")));
    try {
      const response = await call(chatRequest, exchange, abort.signal);
      return { response, abort, latencyMs: Date.now() - startedMs };
    } catch (error) {
      const delayMs = Math.max(
        error.retryAfterMs ?? 0,
        500 * 2 ** exchange.retries * (0.5 + Math.random() / 2),
      );
      const isRetried = RETRIED.includes(error.code) && exchange.retries < config.maxRetries;
      if (!isRetried || Date.now() + delayMs >= deadlineMs) throw error;
      exchange.retries += 1;
      log.warn("upstream_retry", id, {
        attempt: exchange.retries,
        code: error.code,
        upstream_status: error.upstreamStatus,
        delay_ms: Math.round(delayMs),
      });
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    } finally {
      clearTimeout(timer);
    }
  }
}

async function call(chatRequest, { config, id }, signal) {
  const { model, message, history, maxTokens } = chatRequest;
  let response;
  try {
    response = await fetch(`${config.baseUrl}/chat/completions`, {
      method: "POST",
      redirect: "manual",
      signal,
      headers: {
        authorization: `Bearer ${config.apiKey}`,
        "content-type": "application/json",
        accept: "text/event-stream",
        "x-client-request-id": id,
      },
      body: JSON.stringify({
        model,
        messages: [
          { role: "system", content: config.systemPrompt },
          ...history,
          { role: "user", content: message },
        ],
        max_tokens: maxTokens,
        stream: true,
        stream_options: { include_usage: true },
      }),
    });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw new ApiError("upstream_unreachable", { cause: error.message });
  }
  if (!response.ok) throw await refusal(response, chatRequest.namesModel);
  const type = response.headers.get("content-type") ?? "";
  if (!type.startsWith("text/event-stream")) {
    await response.body?.cancel();
    throw new ApiError("upstream_protocol", { cause: "a success is not an event stream" });
  }
  return response;
}

async function refusal(response, namesModel) {
  const { status, headers } = response;
  let body;
  try {
    const text = await response.text();
    body = JSON.parse(text.slice(0, MAX_ERROR_BYTES));
  } catch {
    // Its status says enough.
  }
  const error = classify(status, body, namesModel);
  const retryAfter = Number(headers.get("retry-after"));
  error.upstreamStatus = status;
  if (retryAfter > 0) {
    error.retryAfterMs = retryAfter * 1000;
    if (error.status === 429) error.headers = { "retry-after": `${Math.ceil(retryAfter)}` };
  }
  return error;
}
