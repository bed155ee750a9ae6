/**
 * What a good JavaScript engineer would deploy for the same API: validation, access tokens, redaction, log lines,
 * retries, deadlines, heartbeat, exactly one final frame.
 */
import { admit, authorize } from "./access.mjs";
import { loadConfig } from "./config.mjs";
import { ApiError, errorResponse } from "./errors.mjs";
import { Log } from "./log.mjs";
import { Relay } from "./relay.mjs";
import { readChatRequest } from "./request.mjs";
import { openUpstream } from "./upstream.mjs";

const BASE_HEADERS = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

const STREAM_HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
};

/** Variables never change within an isolate. */
let shared;

export default {
  async fetch(request, env, context) {
    shared ??= start(env);
    const exchange = begin(request, shared);
    try {
      return await route(exchange, request, context);
    } catch (error) {
      return fail(exchange, error);
    }
  },
};

function start(env) {
  const config = loadConfig(env);
  const log = new Log(config);
  log.info("application_started", undefined, {
    model: config.defaultModel,
    log_level: config.logLevel,
    api: "chat_completions",
  });
  if (config.accessTokens.length === 0) log.warn("anonymous_access");
  return { config, log };
}

function begin(request, { config, log }) {
  const sentId = request.headers.get("x-correlation-id") ?? "";
  return {
    config,
    log,
    id: /^[A-Za-z0-9._:-]{1,128}$/.test(sentId) ? sentId : crypto.randomUUID(),
    method: request.method,
    url: new URL(request.url),
    headers: { ...BASE_HEADERS },
    startedMs: Date.now(),
    retries: 0,
  };
}

async function route(exchange, request, context) {
  const { method, url, id } = exchange;
  Object.assign(exchange.headers, { "x-correlation-id": id }, admit(request, url, exchange.config));
  if (method === "OPTIONS") return new Response(null, { status: 204, headers: exchange.headers });
  if (url.pathname === "/health") {
    const timestamp = new Date().toISOString().replace("Z", "000+00:00");
    return Response.json({ status: "healthy", timestamp }, { headers: exchange.headers });
  }
  if (url.pathname !== "/chat") throw new ApiError("not_found");
  if (method !== "POST") throw new ApiError("method_not_allowed");
  return chat(exchange, request, context);
}

async function chat(exchange, request, context) {
  const { config, log, id, method, url } = exchange;
  if (config.problem) throw new ApiError("configuration_error", { detail: config.problem });
  const received = { method, path: url.pathname };
  let chatRequest;
  try {
    received.client = await authorize(request, config);
    chatRequest = await readChatRequest(request, config);
    received.message_length = chatRequest.messageLength;
  } finally {
    log.info("request_received", id, received);
  }
  await limitRate(config, received.client, request);

  const upstream = await openUpstream(chatRequest, exchange, request.signal);
  log.info("stream_started", id, {
    model: chatRequest.model,
    max_tokens: chatRequest.maxTokens,
    upstream_request_id: upstream.response.headers.get("x-request-id") ?? undefined,
    upstream_latency_ms: upstream.latencyMs,
  });

  const { readable, writable } = new TransformStream();
  const relay = new Relay(upstream, writable, exchange);
  context.waitUntil(run(relay, exchange));
  return new Response(readable, { headers: { ...exchange.headers, ...STREAM_HEADERS } });
}

async function run(relay, exchange) {
  complete(exchange, 200, await relay.run());
  await relay.drain();
}

async function limitRate({ rateLimiter }, client, request) {
  if (!rateLimiter) return;
  const key = client ?? request.headers.get("cf-connecting-ip") ?? "unknown";
  const { success } = await rateLimiter.limit({ key });
  if (!success) throw new ApiError("rate_limited", { headers: { "retry-after": "60" } });
}

/** Whatever ends a request before its stream begins. */
function fail(exchange, thrown) {
  const { log, id } = exchange;
  const error = ApiError.from(thrown);
  if (error.rule) log.warn("validation_error", id, { field: error.field, rule: error.rule });
  else if (error.status >= 500 || error.isUpstreams) {
    log.error("stream_error", id, {
      code: error.code,
      cause: error.cause,
      recovery_action: "error_response",
    });
  }
  complete(exchange, error.status, { endReason: error.endReason, chunkCount: 0 });
  return errorResponse(error, id, exchange.headers);
}

function complete({ log, id, startedMs, retries }, httpStatus, outcome) {
  const { endReason, error, firstTextMs, chunkCount, finishReason, usage } = outcome;
  if (error) {
    log.error("stream_error", id, {
      code: error.code,
      cause: error.cause,
      recovery_action: "error_frame",
    });
  }
  const statuses = { done: "success", client_gone: "cancelled" };
  log.info("response_complete", id, {
    status: statuses[endReason] ?? "error",
    http_status: httpStatus,
    end_reason: endReason,
    duration_ms: Date.now() - startedMs,
    ttft_ms: firstTextMs && firstTextMs - startedMs,
    chunk_count: chunkCount,
    finish_reason: finishReason,
    usage,
    retries,
  });
}
