/** The log, line by line and byte for byte: its clock is the test's. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { CLOCK, pass, START } from "../support/clock.mjs";
import { begin, exchange, read } from "../support/exchange.mjs";
import { frame, readFrames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { answer, delta, done, finish, startUpstream, usage } from "../support/upstream.mjs";

const upstream = await startUpstream();
const OPENAI_BASE_URL = upstream.url;
const app = await startWorker(
  { OPENAI_BASE_URL, LOG_LEVEL: "debug", MAX_RETRIES: "1" },
  { front: CLOCK },
);

beforeEach(() => upstream.reset());

const METHODS = { DEBUG: "debug", INFO: "log", WARNING: "warn", ERROR: "error" };
const POST = { method: "POST", path: "/chat" };

/** How many milliseconds have passed so far. */
let nowMs = 0;

async function wait(ms) {
  await pass(app, ms / 1000);
  nowMs += ms;
}

/** A line as it has to be. */
function line(level, event, fields, atMs = nowMs) {
  const time = new Date(Date.parse(START) + atMs);
  const timestamp = time.toISOString().replace("Z", "000+00:00");
  return { method: METHODS[level], text: JSON.stringify({ timestamp, level, event, ...fields }) };
}

/** Shows that these are all the lines of a request that is over, whichever way each took. */
async function assertLines(id, expected) {
  await app.log("response_complete", id);
  await app.logsArrived();
  const lines = app.logsOf(id).map(({ method, text }) => ({ method, text }));
  const inOrder = (one, other) => (one.text < other.text ? -1 : 1);
  assert.deepEqual(lines.sort(inOrder), expected.sort(inOrder));
}

test("a start is logged once", async () => {
  for (let time = 0; time < 2; time++) {
    await exchange(app, upstream, { scripts: [(call) => call.end(...answer("Hi"))] });
  }
  await app.logsArrived();
  const starts = app.logs.filter(({ record }) => record.event === "application_started");
  const expected = line("INFO", "application_started", {
    model: "gpt-4",
    log_level: "DEBUG",
    api: "chat_completions",
  });
  assert.deepEqual(
    starts.map(({ method, text }) => ({ method, text })),
    [expected],
  );
});

test("an answer is logged from its request to its end, with how long each step took", async () => {
  const startMs = nowMs;
  const { id, call, response } = await begin(app, upstream, {
    body: { message: " héllo ", model: "gpt-5", max_tokens: 12 },
  });
  await wait(1500);
  call.open();
  const blocks = readFrames(await response);
  await wait(200);
  call.write(delta("Hé"));
  assert.equal((await blocks.next()).value.raw, frame(id, 0, "Hé"));
  await wait(30);
  call.end(delta("🙂"), finish("stop"), usage(9, 2), done);
  for await (const _ of blocks);
  const correlation_id = id;
  await assertLines(id, [
    line("INFO", "request_received", { correlation_id, ...POST, message_length: 7 }, startMs),
    line(
      "INFO",
      "stream_started",
      {
        correlation_id,
        model: "gpt-5",
        max_tokens: 12,
        upstream_request_id: "req_upstream",
        upstream_latency_ms: 1500,
      },
      startMs + 1500,
    ),
    line(
      "DEBUG",
      "chunk_sent",
      { correlation_id, sequence: 0, content_length: 2, elapsed_ms: 1700 },
      startMs + 1700,
    ),
    line("DEBUG", "chunk_sent", {
      correlation_id,
      sequence: 1,
      content_length: 1,
      elapsed_ms: 1730,
    }),
    line("INFO", "response_complete", {
      correlation_id,
      status: "success",
      http_status: 200,
      end_reason: "done",
      duration_ms: 1730,
      ttft_ms: 1700,
      chunk_count: 2,
      finish_reason: "stop",
      usage: { input_tokens: 9, output_tokens: 2, total_tokens: 11 },
      retries: 0,
    }),
  ]);
});

/** The fields of a request's last line that has failed before its stream began. */
const failed = (http_status, end_reason, retries = 0) => ({
  status: "error",
  http_status,
  end_reason,
  duration_ms: 0,
  chunk_count: 0,
  retries,
});

test("a broken request is logged without what it said", async () => {
  const correlation_id = "broken";
  const headers = { "x-correlation-id": correlation_id };
  await read(await app.chat({ message: "Hi", model: "canary model" }, { headers }));
  await assertLines(correlation_id, [
    line("INFO", "request_received", { correlation_id, ...POST }),
    line("WARNING", "validation_error", {
      correlation_id,
      field: "body.model",
      rule: "String should match pattern '^[A-Za-z0-9._:/-]+$'",
    }),
    line("INFO", "response_complete", { correlation_id, ...failed(400, "rejected") }),
  ]);
});

test("a retry and a failure are logged, each with its cause", async () => {
  const fail = (call) =>
    call.respond(500, { error: { message: "canary", code: "oops" } }, { "retry-after-ms": "0" });
  const { id } = await exchange(app, upstream, { scripts: [fail, fail] });
  const correlation_id = id;
  const code = "upstream_unavailable";
  await assertLines(id, [
    line("INFO", "request_received", { correlation_id, ...POST, message_length: 5 }),
    line("WARNING", "upstream_retry", {
      correlation_id,
      attempt: 1,
      code,
      upstream_status: 500,
      delay_ms: 0,
    }),
    line("ERROR", "stream_error", {
      correlation_id,
      code,
      cause: "upstream status 500, code oops",
      recovery_action: "error_response",
    }),
    line("INFO", "response_complete", { correlation_id, ...failed(502, "upstream_error", 1) }),
  ]);
});

test("a failure after the first frame is logged, and so is an unknown finish reason", async () => {
  const started = {
    model: "gpt-4",
    max_tokens: 2000,
    upstream_request_id: "req_upstream",
    upstream_latency_ms: 0,
  };
  const sent = { sequence: 0, content_length: 1, elapsed_ms: 0 };
  const ended = (status, end_reason, more) => ({
    status,
    http_status: 200,
    end_reason,
    duration_ms: 0,
    ttft_ms: 0,
    chunk_count: 1,
    ...more,
    retries: 0,
  });
  const error = {
    code: "upstream_truncated",
    cause: "the bytes ended before the answer was complete",
    recovery_action: "error_frame",
  };
  for (const [answer, lines] of [
    [
      [delta("a")],
      [
        ["ERROR", "stream_error", error],
        ["INFO", "response_complete", ended("error", "upstream_truncated")],
      ],
    ],
    [
      [delta("a"), finish("zeitgeist")],
      [
        ["WARNING", "unknown_finish_reason", { reason: "zeitgeist" }],
        ["INFO", "response_complete", ended("success", "done", { finish_reason: "other" })],
      ],
    ],
  ]) {
    const scripts = [(call) => call.end(...answer)];
    const { id } = await exchange(app, upstream, { scripts });
    const all = [
      ["INFO", "request_received", { ...POST, message_length: 5 }],
      ["INFO", "stream_started", started],
      ["DEBUG", "chunk_sent", sent],
      ...lines,
    ];
    await assertLines(
      id,
      all.map(([level, event, fields]) => line(level, event, { correlation_id: id, ...fields })),
    );
  }
});

test("health and preflights are logged for debugging only", async () => {
  for (const [method, path, http_status] of [
    ["GET", "/health", 200],
    ["GET", "/health/ready", 200],
    ["OPTIONS", "/chat", 204],
  ]) {
    const correlation_id = crypto.randomUUID();
    await app.fetch(path, { method, headers: { "x-correlation-id": correlation_id } });
    await assertLines(correlation_id, [
      line("DEBUG", "request_received", { correlation_id, method, path }),
      line("DEBUG", "response_complete", {
        correlation_id,
        status: "success",
        http_status,
        end_reason: "done",
        duration_ms: 0,
        chunk_count: 0,
        retries: 0,
      }),
    ]);
  }
});

test("lines below LOG_LEVEL are not written", async () => {
  const worker = await startWorker({ OPENAI_BASE_URL, LOG_LEVEL: "Warning", MAX_RETRIES: "1" });
  const fail = (call) => call.respond(500, "", { "retry-after-ms": "0" });
  await exchange(worker, upstream, { scripts: [fail, fail] });
  await worker.log("stream_error");
  await worker.log("upstream_retry");
  const levels = new Set(worker.logs.map(({ record }) => record.level));
  assert.deepEqual([...levels].sort(), ["ERROR", "WARNING"]);
});

test("a key that a client sends as its correlation id is redacted in the log", async () => {
  const id = "sk-0123456789abcdefghijklmnop";
  const { call, response } = await begin(app, upstream, { headers: { "x-correlation-id": id } });
  call.end(...answer("Hi"));
  await read(await response);
  await app.logsArrived();
  assert.ok(app.logs.some(({ record }) => record.correlation_id === "REDACTED"));
  assert.ok(app.logs.every((line) => !line.text.includes(id)));
});
