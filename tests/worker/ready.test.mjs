import assert from "node:assert/strict";
import test from "node:test";
import { errorBody } from "../support/errors.mjs";
import { exchange, read } from "../support/exchange.mjs";
import { startWorker } from "../support/harness.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream(answerWell);
const OPENAI_BASE_URL = upstream.url;
const ready = await startWorker({ OPENAI_BASE_URL, LOG_LEVEL: "DEBUG" });
const unkeyed = await startWorker({ OPENAI_BASE_URL, OPENAI_API_KEY: undefined });
const closed = await startWorker({ OPENAI_BASE_URL, REQUIRE_AUTH: "true" });
const broken = await startWorker({
  OPENAI_BASE_URL: "ftp://canary.example",
  OPENAI_API_KEY: "sk-canary with a space",
  OPENAI_API: "canary",
  MAX_TOKENS: "canary",
  ACCESS_TOKENS: "canary:short",
  ALLOWED_ORIGINS: "canary",
  REQUIRE_AUTH: "canary",
  LOG_LEVEL: "CANARY",
});

const KEY_MISSING = "OPENAI_API_KEY is required. Set it as a secret: see docs/configuration.md.";
const TOKENS_MISSING =
  "ACCESS_TOKENS is required because REQUIRE_AUTH is true. Set it as a secret (see docs/configuration.md), or set REQUIRE_AUTH to false to let anyone chat.";

async function assertReady(app, status, body) {
  const response = await app.get("/health/ready");
  assert.equal(response.status, status);
  assert.equal(response.headers.get("content-type"), "application/json");
  assert.equal(response.headers.get("cache-control"), "no-store");
  assert.equal(await read(response), JSON.stringify(body));
  const head = await app.fetch("/health/ready", { method: "HEAD" });
  assert.equal(head.status, status);
  assert.equal(head.headers.get("content-type"), "application/json");
  assert.equal(await read(head), "");
  assert.deepEqual(upstream.calls, [], "upstream is not called");
}

test("a worker that can chat is ready", () => assertReady(ready, 200, { status: "ready" }));

test("a worker that cannot says what is missing", async () => {
  await assertReady(unkeyed, 503, { status: "not_ready", problems: [KEY_MISSING] });
  await assertReady(closed, 503, { status: "not_ready", problems: [TOKENS_MISSING] });
});

test("every variable that is wrong is named, none of their values", async () => {
  const { problems } = JSON.parse(await read(await broken.get("/health/ready")));
  const names = problems.map((problem) => problem.match(/^([A-Z_]+) must be .*\.$/)?.[1]);
  assert.deepEqual(names.toSorted(), [
    "ACCESS_TOKENS",
    "ALLOWED_ORIGINS",
    "LOG_LEVEL",
    "MAX_TOKENS",
    "OPENAI_API",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "REQUIRE_AUTH",
  ]);
  await assertReady(broken, 503, { status: "not_ready", problems });
  assert.doesNotMatch(problems.join() + broken.logs.map((line) => line.text), /canary/i);
});

test("ready answers GET, HEAD and OPTIONS alone", async () => {
  const response = await ready.fetch("/health/ready", { method: "POST" });
  assert.equal(response.status, 405);
  assert.equal(response.headers.get("allow"), "GET, HEAD, OPTIONS");
});

test("every answer has nosniff, no-referrer and no-store", async (t) => {
  const chat = (script, body) => async () =>
    (await exchange(ready, upstream, { scripts: [script], body })).response;
  const unready = () =>
    unkeyed.chat({ message: "Hi" }, { headers: { "x-correlation-id": "unready" } });
  for (const [what, send, status, cache = "no-store"] of [
    ["health", () => ready.get("/health"), 200],
    ["ready", () => ready.get("/health/ready"), 200],
    ["not ready", () => unkeyed.get("/health/ready"), 503],
    ["a stream", chat(answerWell), 200, "no-cache, no-transform"],
    ["an upstream error", chat((call) => call.respond(400, {})), 502],
    ["a broken request", chat(undefined, {}), 400],
    ["a configuration error", unready, 500],
    ["not found", () => ready.get("/nothing"), 404],
    ["method not allowed", () => ready.get("/chat"), 405],
    ["a preflight", () => ready.fetch("/chat", { method: "OPTIONS" }), 204],
    ["HEAD", () => ready.fetch("/health", { method: "HEAD" }), 200],
  ]) {
    await t.test(what, async () => {
      const { status: given, headers } = await send();
      assert.equal(given, status);
      assert.equal(headers.get("x-content-type-options"), "nosniff");
      assert.equal(headers.get("referrer-policy"), "no-referrer");
      assert.equal(headers.get("cross-origin-resource-policy"), "cross-origin");
      assert.equal(headers.get("cache-control"), cache);
      for (const name of ["set-cookie", "server", "x-powered-by"]) {
        assert.equal(headers.get(name), null);
      }
    });
  }
  assert.equal(
    await read(await unready()),
    errorBody("configuration_error", "unready", KEY_MISSING),
  );
});
