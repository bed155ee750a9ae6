import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { errorBody } from "../support/errors.mjs";
import { exchange } from "../support/exchange.mjs";
import { frames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { answerWell, delta, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream(answerWell);
const app = await startWorker({ OPENAI_BASE_URL: upstream.url, TIMEOUT_SECONDS: "10" });

beforeEach(() => upstream.reset());

/** Fails, and asks for no more patience than a test has. */
const fail =
  (status, code = null, headers = { "retry-after-ms": "1" }) =>
  (call) =>
    call.respond(status, { error: { message: "", code } }, headers);

/** The log's view of the retries of a request. */
async function retries(id) {
  const complete = await app.log("response_complete", id);
  const lines = app.logsOf(id).filter((line) => line.record.event === "upstream_retry");
  assert.equal(complete.record.retries, lines.length);
  assert.ok(lines.every((line) => line.method === "warn"));
  return lines.map(({ record: { attempt, code, upstream_status } }) => [
    attempt,
    code,
    upstream_status,
  ]);
}

test("a failure that may pass is retried, and the answer is whole", async (t) => {
  for (const [what, script, logged] of [
    [
      "429 with Retry-After",
      fail(429, null, { "retry-after": "0" }),
      ["upstream_rate_limited", 429],
    ],
    ["429 with retry-after-ms", fail(429, "rate_limit_exceeded"), ["upstream_rate_limited", 429]],
    ["429 without either", fail(429, null, {}), ["upstream_rate_limited", 429]],
    ["429 slow_down", fail(429, "slow_down"), ["upstream_rate_limited", 429]],
    ["408", fail(408), ["upstream_unavailable", 408]],
    ["409", fail(409), ["upstream_unavailable", 409]],
    ["500", fail(500), ["upstream_unavailable", 500]],
    ["503", fail(503), ["upstream_unavailable", 503]],
    ["529", fail(529), ["upstream_unavailable", 529]],
    ["a reset connection", (call) => call.reset(), ["upstream_unreachable", undefined]],
  ]) {
    await t.test(what, async () => {
      const { id, text, calls } = await exchange(app, upstream, { scripts: [script, answerWell] });
      assert.equal(text, frames(id, ["Hi"], { finish_reason: "stop" }));
      assert.equal(calls.length, 2);
      assert.deepEqual(calls[0].body, calls[1].body, "the same is asked again");
      assert.deepEqual(await retries(id), [[1, ...logged]]);
    });
  }
});

test("a failure that no waiting mends is not retried", async (t) => {
  for (const [status, code] of [
    [400, "context_length_exceeded"],
    [400, null],
    [401, "invalid_api_key"],
    [403, null],
    [404, "model_not_found"],
    [429, "insufficient_quota"],
    [429, "billing_hard_limit_reached"],
  ]) {
    await t.test(`${status} ${code}`, async () => {
      const { id, calls } = await exchange(app, upstream, { scripts: [fail(status, code)] });
      assert.equal(calls.length, 1);
      assert.deepEqual(await retries(id), []);
    });
  }
});

test("after two retries the failure is told", async () => {
  const { id, response, text, calls } = await exchange(app, upstream, {
    scripts: [fail(500), fail(500), fail(500)],
  });
  assert.equal(response.status, 502);
  assert.equal(text, errorBody("upstream_unavailable", id));
  assert.equal(calls.length, 3);
  assert.deepEqual(await retries(id), [
    [1, "upstream_unavailable", 500],
    [2, "upstream_unavailable", 500],
  ]);
});

test("the last failure is the one told", async () => {
  const { response, text, id } = await exchange(app, upstream, { scripts: [fail(500), fail(401)] });
  assert.equal(response.status, 502);
  assert.equal(text, errorBody("upstream_rejected", id));
});

test("MAX_RETRIES says how often", async () => {
  const stubborn = await startWorker({ OPENAI_BASE_URL: upstream.url, MAX_RETRIES: "4" });
  const scripts = Array.from({ length: 4 }, () => fail(503));
  const { response, calls } = await exchange(stubborn, upstream, {
    scripts: [...scripts, answerWell],
  });
  assert.equal(response.status, 200);
  assert.equal(calls.length, 5);
});

test("a Retry-After beyond the deadline is told instead of waited for", async () => {
  const scripts = [fail(429, "rate_limit_exceeded", { "retry-after": "3600" })];
  const { id, response, calls } = await exchange(app, upstream, { scripts });
  assert.equal(response.status, 429);
  assert.equal(response.headers.get("retry-after"), "3600");
  assert.equal(calls.length, 1);
  assert.deepEqual(await retries(id), []);
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
