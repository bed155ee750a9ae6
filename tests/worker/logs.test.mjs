import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { begin, exchange, read } from "../support/exchange.mjs";
import { startWorker } from "../support/harness.mjs";
import { delta, done, finish, refusal, startUpstream, usage } from "../support/upstream.mjs";

const upstream = await startUpstream();
const OPENAI_BASE_URL = upstream.url;
const app = await startWorker({ OPENAI_BASE_URL, LOG_LEVEL: "debug", MAX_RETRIES: "1" });

beforeEach(() => upstream.reset());

const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/;
const METHODS = { DEBUG: "debug", INFO: "log", WARNING: "warn", ERROR: "error" };
const EVERY_LINE = ["timestamp", "level", "event"];
const OF_A_REQUEST = [...EVERY_LINE, "correlation_id"];
const COMPLETE = ["status", "http_status", "end_reason", "duration_ms"];

const good = (call) => call.end(delta("Hé"), delta("🙂"), finish("stop"), usage(9, 2), done);
const count = (value) =>
  assert.ok(Number.isSafeInteger(value) && value >= 0, `${value} is a count`);

/** Shows a line's form: its level on that level's console method, and exactly these fields after the common ones. */
function assertLine({ method, text, record }, level, fields, common = OF_A_REQUEST) {
  assert.equal(record.level, level);
  assert.equal(method, METHODS[level]);
  assert.match(record.timestamp, TIMESTAMP);
  assert.deepEqual(Object.keys(record), [...common, ...fields]);
  assert.doesNotMatch(text, /[\r\n]/, "one line");
}

/** Every line of a request that is over, by event. */
async function linesOf(id, worker = app) {
  await worker.log("response_complete", id);
  await worker.logsArrived();
  return Object.groupBy(worker.logsOf(id), (line) => line.record.event);
}

test("a start is logged once", async () => {
  await exchange(app, upstream, { scripts: [good] });
  const line = await app.log("application_started");
  assertLine(line, "INFO", ["model", "log_level", "api"], EVERY_LINE);
  assert.partialDeepStrictEqual(line.record, {
    model: "gpt-4",
    log_level: "DEBUG",
    api: "chat_completions",
  });
  await exchange(app, upstream, { scripts: [good] });
  await app.logsArrived();
  assert.equal(app.logs.filter(({ record }) => record.event === "application_started").length, 1);
});

test("an answer is logged from its request to its end", async () => {
  const body = { message: " héllo ", model: "gpt-5", max_tokens: 12 };
  const { id } = await exchange(app, upstream, { scripts: [good], body });
  const lines = await linesOf(id);
  assert.deepEqual(Object.keys(lines).sort(), [
    "chunk_sent",
    "request_received",
    "response_complete",
    "stream_started",
  ]);

  const [received] = lines.request_received;
  assertLine(received, "INFO", ["method", "path", "message_length"]);
  assert.partialDeepStrictEqual(received.record, {
    method: "POST",
    path: "/chat",
    message_length: 7,
  });

  const [started] = lines.stream_started;
  assertLine(started, "INFO", [
    "model",
    "max_tokens",
    "upstream_request_id",
    "upstream_latency_ms",
  ]);
  const expected = { model: "gpt-5", max_tokens: 12, upstream_request_id: "req_upstream" };
  assert.partialDeepStrictEqual(started.record, expected);
  count(started.record.upstream_latency_ms);

  for (const line of lines.chunk_sent) {
    assertLine(line, "DEBUG", ["sequence", "content_length", "elapsed_ms"]);
    count(line.record.elapsed_ms);
  }
  const chunks = lines.chunk_sent.map(({ record }) => [record.sequence, record.content_length]);
  assert.deepEqual(chunks, [
    [0, 2],
    [1, 1],
  ]);

  const [complete, ...more] = lines.response_complete;
  assert.deepEqual(more, [], "exactly one");
  assertLine(complete, "INFO", [
    ...COMPLETE,
    "ttft_ms",
    "chunk_count",
    "finish_reason",
    "usage",
    "retries",
  ]);
  assert.partialDeepStrictEqual(complete.record, {
    status: "success",
    http_status: 200,
    end_reason: "done",
    chunk_count: 2,
    finish_reason: "stop",
    usage: { input_tokens: 9, output_tokens: 2, total_tokens: 11 },
    retries: 0,
  });
  count(complete.record.duration_ms);
  count(complete.record.ttft_ms);
});

test("a broken request is logged without what it said", async () => {
  const headers = { "x-correlation-id": "broken" };
  await read(await app.chat({ message: "Hi", model: "canary model" }, { headers }));
  const lines = await linesOf("broken");
  const [invalid] = lines.validation_error;
  assertLine(invalid, "WARNING", ["field", "rule"]);
  assert.equal(invalid.record.field, "body.model");
  assert.equal(invalid.record.rule, "String should match pattern '^[A-Za-z0-9._:/-]+$'");
  const [complete, ...more] = lines.response_complete;
  assert.deepEqual(more, [], "exactly one");
  assertLine(complete, "INFO", [...COMPLETE, "chunk_count", "retries"]);
  assert.partialDeepStrictEqual(complete.record, {
    status: "error",
    http_status: 400,
    end_reason: "rejected",
  });
});

test("a refused model is logged without its name", async () => {
  const strict = await startWorker({ OPENAI_BASE_URL, ALLOWED_MODELS: "gpt-4" });
  const headers = { "x-correlation-id": "model" };
  await read(await strict.chat({ message: "Hi", model: "canary" }, { headers }));
  await strict.logsArrived();
  assert.doesNotMatch(strict.logs.map((line) => line.text).join(), /canary/);
});

test("a retry and a failure are logged", async () => {
  const fail = (call) =>
    call.respond(500, { error: { message: "canary" } }, { "retry-after-ms": "1" });
  const { id } = await exchange(app, upstream, { scripts: [fail, fail] });
  const lines = await linesOf(id);
  const [retry] = lines.upstream_retry;
  assertLine(retry, "WARNING", ["attempt", "code", "upstream_status", "delay_ms"]);
  assert.partialDeepStrictEqual(retry.record, {
    attempt: 1,
    code: "upstream_unavailable",
    upstream_status: 500,
  });
  count(retry.record.delay_ms);
  const [error, ...more] = lines.stream_error;
  assert.deepEqual(more, []);
  assertLine(error, "ERROR", ["code", "cause", "recovery_action"]);
  assert.equal(error.record.code, "upstream_unavailable");
  const [complete] = lines.response_complete;
  assertLine(complete, "INFO", [...COMPLETE, "chunk_count", "retries"]);
  const expected = {
    status: "error",
    http_status: 502,
    end_reason: "upstream_error",
    chunk_count: 0,
    retries: 1,
  };
  assert.partialDeepStrictEqual(complete.record, expected);
});

test("a failure after the first frame is logged", async () => {
  const { id } = await exchange(app, upstream, { scripts: [(call) => call.end(delta("a"))] });
  const lines = await linesOf(id);
  assertLine(lines.stream_error[0], "ERROR", ["code", "cause", "recovery_action"]);
  const [complete] = lines.response_complete;
  assertLine(complete, "INFO", [...COMPLETE, "ttft_ms", "chunk_count", "retries"]);
  const expected = {
    status: "error",
    http_status: 200,
    end_reason: "upstream_truncated",
    chunk_count: 1,
  };
  assert.partialDeepStrictEqual(complete.record, expected);
});

test("health is logged for debugging only", async () => {
  await read(await app.get("/health", { headers: { "x-correlation-id": "health" } }));
  await app.logsArrived();
  assert.ok(app.logsOf("health").every((line) => line.method === "debug"));
});

test("lines below LOG_LEVEL are not written", async (t) => {
  const kept = { DEBUG: 4, info: 3, Warning: 2, ERROR: 1 };
  for (const [level, levels] of Object.entries(kept)) {
    await t.test(level, async () => {
      const worker = await startWorker({ OPENAI_BASE_URL, LOG_LEVEL: level, MAX_RETRIES: "1" });
      const fail = (call) => call.respond(500, "", { "retry-after-ms": "1" });
      await exchange(worker, upstream, { scripts: [fail, good] });
      await exchange(worker, upstream, { scripts: [fail, fail] });
      // The failure's own line is on every level, and comes last of all but one.
      await worker.log("stream_error");
      await read(await worker.chat(""));
      const expected = Object.values(METHODS).slice(-levels).sort();
      assert.deepEqual(
        [
          ...new Set(worker.logs.filter(({ record }) => record.event).map((line) => line.method)),
        ].sort(),
        expected,
      );
    });
  }
});

test("no prompt, answer or key is ever logged", async () => {
  const OPENAI_API_KEY = "sk-canary-key-0123456789abcdef";
  const worker = await startWorker({
    OPENAI_BASE_URL,
    OPENAI_API_KEY,
    LOG_LEVEL: "DEBUG",
    MAX_RETRIES: "0",
    SYSTEM_PROMPT: "canary-system-prompt",
  });
  const body = {
    message: "canary-message",
    history: [{ role: "user", content: "canary-history" }],
  };
  const quote = `canary-sentence: ${OPENAI_API_KEY} canary-message`;
  const answers = [
    (call) => call.end(delta("canary-answer"), refusal("canary-refusal"), finish("stop"), done),
    (call) =>
      call.respond(
        401,
        { error: { message: quote, code: quote, type: quote } },
        { "x-request-id": quote },
      ),
    (call) => call.respond(500, quote, { "content-type": quote }),
    (call) => call.respond(200, quote, { "content-type": "text/canary" }),
    (call) => call.end(delta("canary-answer"), `data: ${quote}\n\n`),
    (call) =>
      call.end(
        delta("canary-answer"),
        `data: {"error":{"message":"${quote}","code":"${quote}"}}\n\n`,
      ),
    (call) => call.end(delta("canary-answer"), `event: ${quote}\ndata: "canary-answer"\n\n`),
    (call) => call.end(delta("canary-answer"), 'data: {"choices":[{"delta":{"content":"canary-ans'),
  ];
  for (const script of answers) {
    const { id, text } = await exchange(worker, upstream, { body, scripts: [script] });
    await worker.log("response_complete", id);
    assert.doesNotMatch(text.replaceAll(/"content":"canary-(answer|refusal)"/g, ""), /canary/);
  }
  await read(await worker.chat({ ...body, max_tokens: "canary-field" }));
  await read(await worker.chat('{"message":"canary-message"'));
  await read(await worker.get("/canary-path?canary-query"));
  await worker.logsArrived();
  for (const { text } of worker.logs) {
    assert.doesNotMatch(text, /canary-(?!path)/, text);
  }
});

test("a key in a place where a client may write is redacted", async () => {
  const id = "sk-0123456789abcdefghijklmnop";
  const { call, response } = await begin(app, upstream, { headers: { "x-correlation-id": id } });
  good(call);
  await read(await response);
  await app.logsArrived();
  assert.ok(app.logs.every((line) => !line.text.includes(id)));
});

test("the console gets nothing but these lines", () => {
  const strange = app.logs.filter(
    ({ record, text }) => !record.event && !text.startsWith("service core:"),
  );
  assert.deepEqual(strange, []);
});
