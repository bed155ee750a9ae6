import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { CLOCK, pass } from "../support/clock.mjs";
import { errorBody } from "../support/errors.mjs";
import { begin, exchange, read } from "../support/exchange.mjs";
import { frames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { answerWell, delta, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const upstream = await startUpstream(answerWell);
const OPENAI_BASE_URL = upstream.url;
/** Its clock stands still, so a pause lasts until the test lets it pass. */
const app = await startWorker({ OPENAI_BASE_URL }, { front: CLOCK });

beforeEach(() => upstream.reset());

const MILLISECOND = 0.001;
const GOOD = { finish_reason: "stop" };

/** Answers with a failure, and unless told otherwise asks to be called again at once. */
const fail =
  (status, code = null, headers = { "retry-after-ms": "0" }) =>
  (call) =>
    call.respond(status, { error: { message: "", code } }, headers);

/** The log's view of the retries of a request. */
async function retries(id) {
  const complete = await app.log("response_complete", id);
  const lines = app.logsOf(id).filter((line) => line.record.event === "upstream_retry");
  assert.equal(complete.record.retries, lines.length);
  assert.ok(lines.every((line) => line.method === "warn"));
  return lines.map(({ record: { attempt, code, upstream_status, delay_ms } }) => [
    attempt,
    code,
    upstream_status,
    delay_ms,
  ]);
}

// The core's tests hold which failures are transient; here are the ways in which upstream says when to call again.
test("a transient failure is retried when upstream says, and the answer is whole", async (t) => {
  const limited = "upstream_rate_limited";
  for (const [what, script, logged] of [
    ["in seconds", fail(429, null, { "retry-after": "0" }), [limited, 429, 0]],
    ["in milliseconds", fail(429, null, { "retry-after-ms": "0" }), [limited, 429, 0]],
    [
      "at a date",
      fail(503, null, { "retry-after": "Wed, 28 Jan 2026 12:00:00 GMT" }),
      ["upstream_unavailable", 503, 0],
    ],
    [
      "in a time that is none, then in one",
      fail(503, null, { "retry-after-ms": "-1", "retry-after": "0" }),
      ["upstream_unavailable", 503, 0],
    ],
    [
      "and says that it may",
      fail(503, null, { "retry-after-ms": "0", "x-should-retry": "true" }),
      ["upstream_unavailable", 503, 0],
    ],
  ]) {
    await t.test(what, async () => {
      const { id, text, calls } = await exchange(app, upstream, { scripts: [script, answerWell] });
      assert.equal(text, frames(id, ["Hi"], GOOD));
      assert.equal(calls.length, 2);
      assert.deepEqual(calls[0].body, calls[1].body, "the same is asked again");
      assert.deepEqual(await retries(id), [[1, ...logged]]);
    });
  }
});

test("if upstream does not say when, retries wait half a second, then a second", async () => {
  const id = crypto.randomUUID();
  upstream.script((call) => call.reset(), fail(503, null, {}), answerWell);
  const response = app.chat({ message: "Hi" }, { headers: { "x-correlation-id": id } });
  for (const [index, seconds] of [0.5, 1].entries()) {
    await app.log("upstream_retry", (record) => record.attempt === index + 1);
    await pass(app, seconds - MILLISECOND);
    assert.equal(upstream.calls.length, index + 1, "not before");
    await pass(app, MILLISECOND);
  }
  assert.equal(await read(await response), frames(id, ["Hi"], GOOD));
  assert.deepEqual(await retries(id), [
    [1, "upstream_unreachable", undefined, 500],
    [2, "upstream_unavailable", 503, 1000],
  ]);
});

test("a failed call is closed while the next one goes on", async () => {
  upstream.script((call) => {
    call.open(503, { "retry-after-ms": "0" });
    call.flood("x".repeat(65_536));
  });
  const { id, call, response } = await begin(app, upstream);
  const [failed] = upstream.calls;
  assert.equal(await within(failed.closed, "the end of the failed call"), "aborted");
  answerWell(call);
  assert.equal(await read(await response), frames(id, ["Hi"], GOOD));
});

test("upstream is not called again for a client that has left during a pause", async () => {
  const id = crypto.randomUUID();
  upstream.script(fail(503, null, {}), answerWell);
  const client = app.send({ "x-correlation-id": id });
  client.end('{"message":"Hello"}');
  await app.log("upstream_retry", id);
  client.socket.resetAndDestroy();
  const { record } = await app.log("response_complete", id);
  assert.partialDeepStrictEqual(record, { status: "cancelled", end_reason: "client_gone" });
  assert.equal((await retries(id)).length, 1);
  assert.equal(upstream.calls.length, 1);
});

test("a failure that waiting does not mend is not retried", async (t) => {
  for (const [what, script] of [
    ["by its status", fail(401, "invalid_api_key")],
    ["by its code", fail(429, "insufficient_quota")],
    ["by upstream's word", fail(503, null, { "retry-after-ms": "0", "x-should-retry": "False" })],
    ["for its time is beyond the deadline", fail(503, null, { "retry-after": "30" })],
  ]) {
    await t.test(what, async () => {
      const { id, calls } = await exchange(app, upstream, { scripts: [script] });
      assert.equal(calls.length, 1);
      assert.deepEqual(await retries(id), []);
    });
  }
});

test("a Retry-After beyond the deadline goes to the client instead of being waited for", async () => {
  const scripts = [fail(429, "rate_limit_exceeded", { "retry-after": "3600" })];
  const { id, response, text } = await exchange(app, upstream, { scripts });
  assert.equal(response.status, 429);
  assert.equal(text, errorBody("upstream_rate_limited", id));
  assert.equal(response.headers.get("retry-after"), "3600");
  assert.deepEqual(await retries(id), []);
});

test("after MAX_RETRIES the failure is told", async (t) => {
  for (const MAX_RETRIES of [undefined, "0", "4"]) {
    await t.test(MAX_RETRIES ?? "2 unless set", async () => {
      const worker = await startWorker({ OPENAI_BASE_URL, MAX_RETRIES });
      const allowed = Number(MAX_RETRIES ?? 2);
      const scripts = Array.from({ length: allowed + 1 }, () => fail(500));
      const { id, response, text, calls } = await exchange(worker, upstream, { scripts });
      assert.equal(response.status, 502);
      assert.equal(text, errorBody("upstream_unavailable", id));
      assert.equal(calls.length, allowed + 1);
      assert.equal((await worker.log("response_complete", id)).record.retries, allowed);
    });
  }
});

test("the client is told the last failure", async () => {
  const { response, text, id } = await exchange(app, upstream, { scripts: [fail(500), fail(401)] });
  assert.equal(response.status, 502);
  assert.equal(text, errorBody("upstream_rejected", id));
});

test("nothing is retried once the status is committed", async (t) => {
  for (const [what, script] of [
    ["before the first event", (call) => call.open().end()],
    ["after the first event", (call) => call.end(delta("a"))],
    ["by an error event", (call) => call.end('data: {"error":{"code":"rate_limit_exceeded"}}\n\n')],
  ]) {
    await t.test(what, async () => {
      const { id, response, calls } = await exchange(app, upstream, { scripts: [script] });
      assert.equal(response.status, 200);
      assert.deepEqual(await retries(id), []);
      assert.equal(calls.length, 1);
    });
  }
});
