/** The rate limit: who is counted, and what becomes of a request whatever the limiter says. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { errorBody } from "../support/errors.mjs";
import { exchange } from "../support/exchange.mjs";
import { frames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { limitedTo, limiterStub } from "../support/limiter.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const ALICE = "alice-token-0123456789";
const LIMIT = 2;

/** Addresses of clients, and what the stub does about them; all others may ask. */
const REFUSED = "192.0.2.1";
const FAILING = "192.0.2.2";
const SILLY = "192.0.2.3";
const stub = limiterStub(`
  if (key.includes("${FAILING}")) throw new Error("canary: Bearer abc and sk-0123456789");
  if (key.includes("${SILLY}")) return { success: "perhaps" };
  return { success: !key.includes("${REFUSED}") };`);

const upstream = await startUpstream(answerWell);
const OPENAI_BASE_URL = upstream.url;
const real = await startWorker({ OPENAI_BASE_URL }, limitedTo(LIMIT));
const open = await startWorker({ OPENAI_BASE_URL }, stub);
const named = await startWorker({ OPENAI_BASE_URL, ACCESS_TOKENS: `alice:${ALICE}` }, stub);

beforeEach(() => upstream.reset());

const counts = (app) => app.logs.filter(({ record }) => record.event === "limit_asked");

/** The key by which a request is counted; it is answered. */
async function keyOf(app, headers) {
  const seen = counts(app).map(({ record }) => record);
  const { id, text } = await exchange(app, upstream, { headers });
  assert.equal(text, frames(id, ["Hi"], { finish_reason: "stop" }));
  return (await app.log("limit_asked", (record) => !seen.includes(record))).record.key;
}

/** Asserts that a request was one too many, and that upstream was not called. */
async function assertLimited({ id, response, text, calls }) {
  assert.equal(response.status, 429);
  assert.equal(text, errorBody("rate_limited", id));
  assert.equal(response.headers.get("retry-after"), "60");
  assert.deepEqual(calls, [], "nothing goes upstream");
}

test("a client that asks too often is told to wait, and no other", async () => {
  const from = (address) => exchange(real, upstream, { headers: { "cf-connecting-ip": address } });
  const answers = [await from("198.51.100.1")];
  // The minute may turn in between, once.
  while (answers.length <= 2 * LIMIT && answers.at(-1).response.status !== 429) {
    answers.push(await from("198.51.100.1"));
  }
  assert.ok(answers.length > LIMIT, "not before");
  await assertLimited(answers.at(-1));
  const { record } = await real.log("response_complete", answers.at(-1).id);
  const expected = { status: "error", http_status: 429, end_reason: "rejected", retries: 0 };
  assert.partialDeepStrictEqual(record, expected);
  assert.equal((await from("198.51.100.2")).response.status, 200);
});

test("only chats are counted", async () => {
  const headers = { "cf-connecting-ip": REFUSED };
  for (const [path, init, status] of [
    ["/health", { headers }, 200],
    ["/health/ready", { headers }, 200],
    ["/chat", { headers, method: "OPTIONS" }, 204],
    ["/nothing", { headers }, 404],
    ["/chat", { headers, method: "PUT" }, 405],
  ]) {
    assert.equal((await open.fetch(path, init)).status, status);
  }
  await open.logsArrived();
  assert.deepEqual(counts(open), []);
  await assertLimited(await exchange(open, upstream, { headers }));
});

// The core's tests hold how an address is written.
test("a client without a token is counted by the address that Cloudflare saw", async () => {
  const address = { "cf-connecting-ip": "2001:db8:1:2::3", authorization: `Bearer ${ALICE}` };
  assert.equal(await keyOf(open, address), "address:2001:db8:1:2::/64");
  // Clients write these themselves.
  const forged = { "x-forwarded-for": "198.51.100.9", "x-real-ip": "198.51.100.9" };
  assert.equal(await keyOf(open, forged), "address:unknown");
});

test("a client with a token is counted by the token's name, wherever it is", async () => {
  for (const address of ["203.0.113.7", undefined]) {
    const headers = { "cf-connecting-ip": address, authorization: `Bearer ${ALICE}` };
    assert.equal(await keyOf(named, headers), "token:alice");
  }
});

test("a request without a token is not counted", async () => {
  const before = counts(named).length;
  const { id, response } = await exchange(named, upstream);
  assert.equal(response.status, 401);
  await named.log("response_complete", id);
  // The count of a later request is logged after any count of this one.
  await keyOf(named, { authorization: `Bearer ${ALICE}` });
  assert.equal(counts(named).length, before + 1);
});

test("a limiter that fails is logged, and lets the request through", async () => {
  const headers = { "cf-connecting-ip": FAILING };
  const { id, text } = await exchange(open, upstream, { headers });
  assert.equal(text, frames(id, ["Hi"], { finish_reason: "stop" }));
  const { method, record } = await open.log("rate_limiter_failed", id);
  assert.equal(method, "warn");
  assert.deepEqual(Object.entries(record).slice(1), [
    ["level", "WARNING"],
    ["event", "rate_limiter_failed"],
    ["correlation_id", id],
    ["cause", "canary: Bearer REDACTED and REDACTED"],
  ]);
});

test("a limiter that answers nonsense lets the request through, too", async () => {
  const { id, text } = await exchange(open, upstream, { headers: { "cf-connecting-ip": SILLY } });
  assert.equal(text, frames(id, ["Hi"], { finish_reason: "stop" }));
});
