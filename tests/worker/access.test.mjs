import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { errorBody } from "../support/errors.mjs";
import { exchange, read } from "../support/exchange.mjs";
import { frames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const ALICE = "alice-token-0123456789-AbC";
const BOB = "bob:token/0123456789+=";
const UNNAMED = "unnamed-token-0123456789";

const upstream = await startUpstream(answerWell);
const OPENAI_BASE_URL = upstream.url;
const app = await startWorker({
  OPENAI_BASE_URL,
  // One token is a prefix of another, and one name has two tokens.
  ACCESS_TOKENS: `alice:${ALICE}, bob:${BOB},${UNNAMED},longer:${ALICE}-and-more,bob:second-token-of-bob`,
  LOG_LEVEL: "DEBUG",
});
const open = await startWorker({ OPENAI_BASE_URL });
const quiet = await startWorker({ OPENAI_BASE_URL, ACCESS_TOKENS: `ops:${ALICE}` });
const broken = await startWorker({ OPENAI_BASE_URL, ACCESS_TOKENS: "ops:short-canary" });

beforeEach(() => upstream.reset());

const HELLO = { message: "Hello" };

/** Asserts that a request was refused with no word on why, and that upstream was not called. */
function assertUnauthorized({ status, headers, text }, id, challenge = "Bearer") {
  assert.equal(status, 401);
  assert.equal(text, errorBody("unauthorized", id));
  assert.equal(headers.get("www-authenticate"), challenge);
  assert.deepEqual(upstream.calls, [], "nothing goes upstream");
}

async function ask(init, body = HELLO, worker = app) {
  const response = await worker.chat(body, init);
  return { status: response.status, headers: response.headers, text: await read(response) };
}

test("a request with a token is answered, and the log has the token's name", async (t) => {
  for (const [name, authorization] of [
    ["alice", `Bearer ${ALICE}`],
    ["alice", `BEARER   ${ALICE} `],
    ["bob", `Bearer ${BOB}`],
    ["bob", "Bearer second-token-of-bob"],
    ["token-3", `Bearer ${UNNAMED}`],
    ["longer", `Bearer ${ALICE}-and-more`],
  ]) {
    await t.test(`${name}: ${JSON.stringify(authorization)}`, async () => {
      const { id, response, text } = await exchange(app, upstream, { headers: { authorization } });
      assert.equal(response.status, 200);
      assert.equal(text, frames(id, ["Hi"], { finish_reason: "stop" }));
      const { record } = await app.log("request_received", id);
      assert.deepEqual(Object.keys(record).slice(4), [
        "method",
        "path",
        "message_length",
        "client",
      ]);
      assert.equal(record.client, name);
    });
  }
});

// The core's tests hold which headers carry a token; here is one of each form that the runtime may pass on.
const WITHOUT = {
  "no header": undefined,
  "an empty header": "",
  "no scheme": ALICE,
  "another scheme": `Basic ${btoa(`alice:${ALICE}`)}`,
};

const WRONG = {
  "a wrong token": "Bearer wrong-token-0123456789",
  "the token with its name": `Bearer alice:${ALICE}`,
  "a token that begins another one and is none": "Bearer alice-token-0123",
  "the rest of a longer token": "Bearer -and-more",
  "a tab for the space": `Bearer\t${ALICE}`,
  "two tokens of a list": `Bearer ${ALICE},${BOB}`,
  "10 kB": `Bearer ${ALICE.padEnd(10_000, "x")}`,
  "the token percent-encoded": `Bearer ${encodeURIComponent(BOB)}`,
  "the upstream key": "Bearer sk-test-0123456789abcdefghij",
};

/** RFC 6750: only who sent a token is told that it is wrong. */
const INVALID = 'Bearer error="invalid_token"';

for (const [rule, requests, challenge] of [
  ["without a token, the challenge is the scheme alone", WITHOUT, "Bearer"],
  ["every wrong token gets the same answer", WRONG, INVALID],
]) {
  test(rule, async (t) => {
    const answers = new Set();
    for (const [what, authorization] of Object.entries(requests)) {
      await t.test(what, async () => {
        const id = crypto.randomUUID();
        const answer = await ask({ headers: { authorization, "x-correlation-id": id } });
        assertUnauthorized(answer, id, challenge);
        const headers = [...answer.headers].filter(([name]) => !/^date$/.test(name));
        answers.add(JSON.stringify([headers, answer.text]).replaceAll(id, "id"));
        const { record } = await app.log("response_complete", id);
        assert.partialDeepStrictEqual(record, { http_status: 401, end_reason: "rejected" });
        assert.equal((await app.log("request_received", id)).record.client, undefined);
      });
    }
    assert.equal(answers.size, 1, [...answers].join("\n"));
  });
}

test("two Authorization headers are refused", async (t) => {
  const right = `Bearer ${ALICE}`;
  for (const [what, [challenge, ...pair]] of Object.entries({
    "the same twice": [INVALID, right, right],
    "right, wrong": [INVALID, right, "Bearer wrong-token-0123456789"],
    "wrong, right": ["Bearer", "Basic eDp5", right],
    "right, empty": [INVALID, right, ""],
  })) {
    await t.test(what, async () => {
      const headers = pair.flatMap((value) => ["authorization", value]);
      headers.push("content-type", "application/json", "x-correlation-id", "two");
      const body = JSON.stringify(HELLO);
      const answer = await app.raw("/chat", { method: "POST", headers, body });
      const { status, text } = answer;
      assertUnauthorized({ status, text, headers: new Headers(answer.headers) }, "two", challenge);
    });
  }
});

test("without a token, nothing is told about the body", async (t) => {
  for (const [what, body, headers] of [
    ["not JSON", "{"],
    ["an empty body", ""],
    ["no body", undefined],
    ["no message", {}],
    ["a wrong model", { message: "Hi", model: "no such model" }],
    ["another type", "{}", { "content-type": "text/plain" }],
    ["too large by its length", " ".repeat(1_000_000)],
    ["a declared encoding", "{}", { "content-encoding": "gzip" }],
  ]) {
    await t.test(what, async () => {
      const id = crypto.randomUUID();
      assertUnauthorized(await ask({ headers: { "x-correlation-id": id, ...headers } }, body), id);
    });
  }
});

test("without a token, the body is not waited for", async () => {
  const sending = app.send({ "x-correlation-id": "slow", "transfer-encoding": "chunked" });
  const response = new Promise((resolve) => sending.once("response", resolve));
  sending.write('{"message":"');
  assert.equal((await within(response, "the answer before the body's end")).statusCode, 401);
  sending.destroy();
});

test("health needs no token", async () => {
  assert.equal((await app.get("/health")).status, 200);
  assert.equal(await read(await app.get("/health/ready")), '{"status":"ready"}');
});

test("a worker that anyone may use logs anonymous_access once", async () => {
  await exchange(open, upstream);
  await exchange(open, upstream, { headers: { authorization: "Basic eDp5" } });
  await open.logsArrived();
  const lines = open.logs.filter(({ record }) => record.event === "anonymous_access");
  assert.equal(lines.length, 1);
  assert.equal(lines[0].method, "warn");
  assert.deepEqual(Object.keys(lines[0].record), ["timestamp", "level", "event"]);
  assert.equal(lines[0].record.level, "WARNING");
  assert.equal((await open.log("request_received")).record.client, undefined);
});

test("a worker that wants tokens does not log anonymous_access", async () => {
  const headers = { authorization: `Bearer ${ALICE}` };
  const { id } = await exchange(quiet, upstream, { headers });
  await quiet.log("response_complete", id);
  assert.ok(quiet.logs.every(({ record }) => record.event !== "anonymous_access"));
});

test("invalid ACCESS_TOKENS let nobody in", async () => {
  for (const authorization of [undefined, "Bearer short-canary", "Bearer "]) {
    const { status, text } = await ask(
      { headers: { authorization, "x-correlation-id": "broken" } },
      HELLO,
      broken,
    );
    assert.equal(status, 500);
    const detail =
      "ACCESS_TOKENS must be name:token or token, separated by commas, each token 16 to 256 visible ASCII characters.";
    assert.equal(text, errorBody("configuration_error", "broken", detail));
  }
  assert.deepEqual(upstream.calls, []);
});
