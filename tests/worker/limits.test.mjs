import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { errorBody } from "../support/errors.mjs";
import { exchange, read } from "../support/exchange.mjs";
import { startWorker } from "../support/harness.mjs";
import { limitedTo, limiterStub } from "../support/limiter.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const ALICE = "alice-token-0123456789";
const BOB = "bob-token-0123456789";
const LIMIT = 2;

const upstream = await startUpstream(answerWell);
const OPENAI_BASE_URL = upstream.url;
const ACCESS_TOKENS = `alice:${ALICE},bob:${BOB}`;
const real = await startWorker({ OPENAI_BASE_URL }, limitedTo(LIMIT));
const stub = (answer, bindings) =>
  startWorker({ OPENAI_BASE_URL, ...bindings }, limiterStub(answer));
const admitting = await stub("return { success: true };");
const named = await stub("return { success: true };", { ACCESS_TOKENS });
const refusing = await stub("return { success: false };");
const throwing = await stub('throw new Error("canary: Bearer abc and sk-0123456789");');
const silly = await stub("return undefined;");

beforeEach(() => upstream.reset());

const HELLO = { message: "Hello" };

async function keyOf(app, headers) {
  const seen = app.logs.length;
  const { response } = await exchange(app, upstream, { headers });
  assert.equal(response.status, 200);
  const isNew = (record) => app.logs.findIndex((line) => line.record === record) >= seen;
  return (await app.log("limit_asked", isNew)).record.key;
}

/** Shows that a request was one too many, and that upstream never heard of it. */
async function assertLimited(response, id) {
  assert.equal(response.status, 429);
  assert.equal(response.headers.get("retry-after"), "60");
  assert.equal(response.headers.get("cache-control"), "no-store");
  assert.equal(await read(response), errorBody("rate_limited", id));
  assert.deepEqual(upstream.calls, [], "nothing goes upstream");
}

test("a client that asks too often is told to wait", async () => {
  const statuses = [];
  // The minute may turn in between, once.
  for (let asked = 0; asked <= 2 * LIMIT && statuses.at(-1) !== 429; asked++) {
    upstream.reset();
    const response = await real.chat(HELLO, { headers: { "x-correlation-id": "often" } });
    statuses.push(response.status);
    if (response.status === 429) {
      await assertLimited(response, "often");
    } else {
      await read(response);
    }
  }
  assert.equal(statuses.at(-1), 429, statuses.join());
  assert.deepEqual(statuses.slice(0, LIMIT), [200, 200]);
  const isRefusal = (record) => record.event === "response_complete" && record.http_status === 429;
  const { record } = await real.log("response_complete", isRefusal);
  assert.partialDeepStrictEqual(record, { status: "error", end_reason: "rejected", retries: 0 });
});

test("the limit of one client is not another's", async () => {
  // At most one of the two minutes that this may touch has room left for the first one.
  for (let asked = 0; asked <= 2 * LIMIT; asked++) {
    const headers = { "cf-connecting-ip": "198.51.100.1" };
    await read(await real.chat(HELLO, { headers }));
  }
  const { response } = await exchange(real, upstream, {
    headers: { "cf-connecting-ip": "198.51.100.2" },
  });
  assert.equal(response.status, 200);
});

test("only chats are counted, and health is never limited", async () => {
  const before = refusing.logs.filter(({ record }) => record.event === "limit_asked").length;
  for (const path of ["/health", "/health/ready"]) {
    assert.equal((await refusing.get(path)).status, 200);
  }
  assert.equal((await refusing.fetch("/chat", { method: "OPTIONS" })).status, 204);
  assert.equal((await refusing.get("/nothing")).status, 404);
  await refusing.logsArrived();
  const asked = refusing.logs.filter(({ record }) => record.event === "limit_asked").length;
  assert.equal(asked, before);
  const response = await refusing.chat(HELLO, { headers: { "x-correlation-id": "refused" } });
  await assertLimited(response, "refused");
});

test("a client without a token is known by the address that Cloudflare saw", async () => {
  const address = { "cf-connecting-ip": "203.0.113.7", authorization: `Bearer ${ALICE}` };
  assert.equal(await keyOf(admitting, address), "address:203.0.113.7");
  // Clients write these themselves.
  const forged = { "x-forwarded-for": "198.51.100.9", "x-real-ip": "198.51.100.9" };
  assert.equal(await keyOf(admitting, forged), "address:unknown");
});

test("a client with a token is known by its token's name, wherever it is", async () => {
  for (const address of ["203.0.113.7", "2001:db8::1", undefined]) {
    const from = { "cf-connecting-ip": address };
    assert.equal(await keyOf(named, { ...from, authorization: `Bearer ${ALICE}` }), "token:alice");
    assert.equal(await keyOf(named, { ...from, authorization: `Bearer ${BOB}` }), "token:bob");
  }
});

test("a stranger counts against nobody", async () => {
  const asked = () => named.logs.filter(({ record }) => record.event === "limit_asked").length;
  const before = asked();
  const { id, response } = await exchange(named, upstream);
  assert.equal(response.status, 401);
  await named.log("response_complete", id);
  // A request that is counted comes behind it, and so would the line of a count before it.
  await keyOf(named, { authorization: `Bearer ${ALICE}` });
  assert.equal(asked(), before + 1);
});

test("a limiter that fails is logged, and lets the request through", async () => {
  const { id, response, calls } = await exchange(throwing, upstream);
  assert.equal(response.status, 200);
  assert.equal(calls.length, 1);
  const { method, record } = await throwing.log("rate_limiter_failed", id);
  assert.equal(method, "warn");
  assert.equal(record.level, "WARNING");
  assert.deepEqual(Object.keys(record).slice(3), ["correlation_id", "cause"]);
  assert.equal(record.cause, "canary: Bearer REDACTED and REDACTED");
});

test("a limiter that answers nonsense lets the request through, too", async () => {
  assert.equal((await exchange(silly, upstream)).response.status, 200);
});
