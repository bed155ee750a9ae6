/** Log lines for people: what they say about each event, and what they keep away from a terminal. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readable } from "../../scripts/lib/log-lines.mjs";

// Lines tell the time of day where they are read.
process.env.TZ = "UTC";

const UUID = "c4101074-21f4-4727-8c06-9fda3c41d1f6";
const TIME = "2026-11-22T21:47:38.768123+00:00";

/** A line as the worker writes it. */
const line = (level, event, fields) =>
  JSON.stringify({ timestamp: TIME, level, event, correlation_id: "abc-123", ...fields });

const DONE = {
  status: "success",
  http_status: 200,
  end_reason: "done",
  duration_ms: 1234,
  ttft_ms: 312,
  chunk_count: 58,
  finish_reason: "stop",
  usage: { input_tokens: 9, output_tokens: 57, total_tokens: 66 },
  retries: 0,
};

/** @type {[rule: string, line: string, expected: string][]} */
const LINES = [
  [
    "a whole answer is told in the order in which one asks",
    line("INFO", "response_complete", DONE),
    "21:47:38.768  INFO   abc-123   response_complete      200 success done, 1234 ms, first text 312 ms, 58 chunks, stop, 9+57 tokens",
  ],
  [
    "a client that left before the status has no status, and one chunk is one chunk",
    line("INFO", "response_complete", {
      status: "cancelled",
      end_reason: "client_gone",
      duration_ms: 40,
      chunk_count: 1,
      retries: 2,
    }),
    "21:47:38.768  INFO   abc-123   response_complete      cancelled client_gone, 40 ms, 1 chunk, retries=2",
  ],
  [
    "a sum that is none of the two counts is told, and so are counts of other kinds",
    line("INFO", "response_complete", {
      usage: { input_tokens: 9, output_tokens: 57, total_tokens: 70, cached_tokens: 4 },
    }),
    "21:47:38.768  INFO   abc-123   response_complete      9+57 tokens, usage.total_tokens=70 usage.cached_tokens=4",
  ],
  [
    "a request says who asked",
    line("INFO", "request_received", {
      correlation_id: UUID,
      method: "POST",
      path: "/chat",
      message_length: 5,
      client: "me",
    }),
    "21:47:38.768  INFO   c4101074  request_received       POST /chat, 5 characters, client=me",
  ],
  [
    "a stream says whom upstream knows it as",
    line("INFO", "stream_started", {
      model: "gpt-4",
      max_tokens: 2000,
      upstream_request_id: "req_1",
      upstream_latency_ms: 90,
    }),
    "21:47:38.768  INFO   abc-123   stream_started         gpt-4, at most 2000 tokens, upstream answered after 90 ms, upstream_request_id=req_1",
  ],
  [
    "a broken request",
    line("WARNING", "validation_error", { field: "body.message", rule: "Field required" }),
    "21:47:38.768  WARN   abc-123   validation_error       body.message, Field required",
  ],
  [
    "a retry",
    line("WARNING", "upstream_retry", {
      attempt: 1,
      code: "upstream_unavailable",
      upstream_status: 503,
      delay_ms: 466,
    }),
    "21:47:38.768  WARN   abc-123   upstream_retry         attempt 1 in 466 ms, upstream_unavailable, upstream answered 503",
  ],
  [
    "a failure",
    line("ERROR", "stream_error", {
      code: "upstream_unreachable",
      cause: "Network connection lost.",
      recovery_action: "error_response",
    }),
    "21:47:38.768  ERROR  abc-123   stream_error           upstream_unreachable, Network connection lost., error_response",
  ],
  [
    "a line of no request",
    line("INFO", "application_started", {
      correlation_id: undefined,
      model: "gpt-4",
      log_level: "INFO",
      api: "responses",
    }),
    "21:47:38.768  INFO   -         application_started    gpt-4, responses, log level INFO",
  ],
  [
    "no access tokens: that anyone may chat is said in words",
    line("WARNING", "anonymous_access", { correlation_id: undefined }),
    "21:47:38.768  WARN   -         anonymous_access       anyone who reaches the worker may chat",
  ],
  [
    "a limiter that fails, and what that means",
    line("WARNING", "rate_limiter_failed", { cause: "no answer within 2 s" }),
    "21:47:38.768  WARN   abc-123   rate_limiter_failed    the request was let through, no answer within 2 s",
  ],
  [
    "a finish reason that nobody knows",
    line("WARNING", "unknown_finish_reason", { reason: "bored" }),
    "21:47:38.768  WARN   abc-123   unknown_finish_reason  bored was reported as other",
  ],
  [
    "a lost instance, and all that it broke off",
    line("ERROR", "instance_lost", {
      correlation_id: undefined,
      cause: "RuntimeError",
      correlation_ids: ["abc-123", UUID],
    }),
    `21:47:38.768  ERROR  -         instance_lost          RuntimeError, broken off: ["abc-123","${UUID}"]`,
  ],
  [
    "a runtime that ended and is restarted",
    line("ERROR", "runtime_ended", {
      correlation_id: undefined,
      cause: "SIGSEGV",
      cut_requests: 2,
      restart_in_ms: 500,
    }),
    "21:47:38.768  ERROR  -         runtime_ended          SIGSEGV, 2 requests cut off, restarts in 500 ms",
  ],
  [
    "one that does not start again",
    line("ERROR", "runtime_ended", {
      correlation_id: undefined,
      cause: "exit code 1",
      cut_requests: 0,
    }),
    "21:47:38.768  ERROR  -         runtime_ended          exit code 1, 0 requests cut off",
  ],
  [
    "a server that was stopped, and one request is one request",
    line("WARNING", "server_stopped", { correlation_id: undefined, cut_requests: 1 }),
    "21:47:38.768  WARN   -         server_stopped         1 request cut off",
  ],
  [
    "an event and a level of the future are told field by field",
    line("NOTICE", "new_event", {
      a: 1,
      text: "two words",
      empty: "",
      list: [1, "b"],
      deep: { er: null },
    }),
    '21:47:38.768  NOTICE  abc-123   new_event              a=1 text="two words" empty="" list=[1,"b"] deep.er=null',
  ],
  [
    "names that every object has are events and levels like others",
    line("constructor", "toString", { __proto: 1 }),
    "21:47:38.768  constructor  abc-123   toString               __proto=1",
  ],
  [
    "an invalid time is printed as it is",
    line("INFO", "new_event", { timestamp: "yesterday" }),
    "yesterday  INFO   abc-123   new_event",
  ],
];

for (const [rule, given, expected] of LINES) {
  test(rule, () => assert.equal(readable(given), expected));
}

test("a line that the worker did not write stays as it is", () => {
  for (const text of [
    "",
    "Uncaught Error: x",
    "null",
    "[1]",
    '{"level":"INFO"}',
    '{"event":1,"level":"INFO"}',
  ]) {
    assert.equal(readable(text), text);
  }
});

test("neither a field nor a foreign line can affect the terminal", () => {
  const hostile = "\x1b[2J\x07\r\n\t\x7f\x9b\u2028\u202e\u2066";
  const shown = "\\u001b[2J\\u0007\\u000d\\u000a\\u0009\\u007f\\u009b\\u2028\\u202e\\u2066";
  assert.equal(readable(hostile), shown);
  const told = readable(
    line(hostile, hostile, {
      timestamp: hostile,
      correlation_id: hostile,
      [hostile]: hostile,
      o: { [hostile]: { [hostile]: hostile } },
    }),
  );
  assert.match(told, /^[\x20-\x7e]+$/);
  assert.match(readable(line("ERROR", "stream_error", { cause: hostile })), /^[\x20-\x7e]+$/);
});

test("text in any language is printed as it is", () => {
  const told = readable(line("ERROR", "stream_error", { cause: "naïve 日本 👋 عربي" }));
  assert.match(told, /naïve 日本 👋 عربي$/);
});

test("colour marks the level and dims the id, but only when asked for", () => {
  assert.equal(
    readable(line("WARNING", "anonymous_access"), { color: true }),
    "21:47:38.768  \x1b[33mWARN \x1b[0m  \x1b[2mabc-123 \x1b[0m  anonymous_access       anyone who reaches the worker may chat",
  );
});
