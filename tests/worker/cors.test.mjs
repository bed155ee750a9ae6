import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { errorBody } from "../support/errors.mjs";
import { exchange, read } from "../support/exchange.mjs";
import { startWorker } from "../support/harness.mjs";
import { answerWell, delta, startUpstream } from "../support/upstream.mjs";

const GOOD = "https://good.example";
const PORT = "https://port.example:8443";

const upstream = await startUpstream(answerWell);
const OPENAI_BASE_URL = upstream.url;
const listed = await startWorker({
  OPENAI_BASE_URL,
  // Browsers write origins in lower case.
  ALLOWED_ORIGINS: `${GOOD}, ${PORT},HTTPS://Upper.Example`,
});
const any = await startWorker({ OPENAI_BASE_URL });
const star = await startWorker({ OPENAI_BASE_URL, ALLOWED_ORIGINS: `${GOOD}, *` });
const invalid = await startWorker({ OPENAI_BASE_URL, ALLOWED_ORIGINS: "canary.example/" });

beforeEach(() => upstream.reset());

const OWN = listed.url;
const EXPOSED = "X-Answer-Id, X-Budget-Remaining, X-Correlation-Id, X-Model, Retry-After";
const PREFLIGHT = {
  "access-control-allow-methods": "GET, HEAD, POST, PATCH, DELETE, OPTIONS",
  "access-control-allow-headers":
    "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-Confirm, X-Correlation-Id",
  "access-control-max-age": "7200",
};
const ALLOWED = [GOOD, PORT, "https://upper.example", OWN];
/** The core's tests hold which origins are allowed; here is one of each form that the runtime may pass on. */
const DENIED = {
  null: "null",
  "an unknown one": "https://evil.example",
  "another case": "https://GOOD.example",
  "the list's own case": "HTTPS://Upper.Example",
  "two of them": `${GOOD}, ${GOOD}`,
  "the worker's name with another port": OWN.replace(/\d+$/, "1"),
  "a star": "*",
};

const namesOf = (headers, start) => [...headers.keys()].filter((name) => name.startsWith(start));

/** Asserts what a page of this origin may read, and that credentials are never allowed. */
function assertCors({ headers }, allowOrigin, more = []) {
  assert.equal(headers.get("access-control-allow-origin"), allowOrigin);
  assert.equal(headers.get("vary"), allowOrigin === "*" ? null : "Origin");
  assert.equal(headers.get("cross-origin-resource-policy"), "cross-origin");
  assert.equal(headers.get("access-control-expose-headers"), EXPOSED);
  const expected = ["access-control-allow-origin", "access-control-expose-headers", ...more];
  assert.deepEqual(namesOf(headers, "access-control-"), expected.sort());
}

/** Asserts that a page of this origin may read nothing. */
async function assertDenied(response, id) {
  assert.equal(response.status, 403);
  assert.deepEqual(namesOf(response.headers, "access-control-"), []);
  assert.equal(response.headers.get("vary"), "Origin");
  assert.equal(response.headers.get("cross-origin-resource-policy"), "same-origin");
  assert.equal(await read(response), errorBody("origin_not_allowed", id));
  assert.deepEqual(upstream.calls, [], "nothing goes upstream");
}

/** A preflight, as a browser sends it. */
function preflight(app, origin, { path = "/chat", method = "POST", ...headers } = {}) {
  const asked = { origin, "access-control-request-method": method, ...headers };
  return app.fetch(path, { method: "OPTIONS", headers: asked });
}

async function assertPreflight(response, allowOrigin) {
  assert.equal(response.status, 204);
  assert.equal(await read(response), "");
  for (const [name, value] of Object.entries(PREFLIGHT)) {
    assert.equal(response.headers.get(name), value);
  }
  assert.match(response.headers.get("x-correlation-id"), /^[0-9a-f-]{36}$/);
  assertCors(response, allowOrigin, Object.keys(PREFLIGHT));
}

test("a preflight of an allowed origin says what a page may do", async (t) => {
  for (const origin of ALLOWED) {
    await t.test(origin, async () => assertPreflight(await preflight(listed, origin), origin));
  }
  await t.test("any", async () => assertPreflight(await preflight(any, "null"), "*"));
  await t.test("a star in the list", async () => {
    await assertPreflight(await preflight(star, "https://evil.example"), "*");
  });
});

test("a preflight is answered alike for odd methods, odd headers and unknown paths", async (t) => {
  for (const asked of [
    { method: "x y\u00e9" },
    { method: "" },
    { "access-control-request-headers": "x-canary, authorization" },
    { path: "/health" },
    { path: "/chat/?x=%0d%0aset-cookie:%20a" },
  ]) {
    await t.test(JSON.stringify(asked), async () => {
      await assertPreflight(await preflight(listed, GOOD, asked), GOOD);
    });
  }
});

test("OPTIONS without an Origin gets Allow, and no origin is allowed", async () => {
  const response = await preflight(listed, undefined);
  assert.equal(response.status, 204);
  assert.equal(response.headers.get("access-control-allow-origin"), null);
  assert.equal(response.headers.get("vary"), "Origin");
  assert.equal(response.headers.get("allow"), "POST, OPTIONS");
});

test("other origins are refused, asked beforehand or not", async (t) => {
  for (const [what, origin] of Object.entries(DENIED)) {
    await t.test(what, async () => {
      const headers = { origin, "x-correlation-id": "denied" };
      await assertDenied(await preflight(listed, origin, headers), "denied");
      await assertDenied(await listed.chat({ message: "Hello" }, { headers }), "denied");
      await assertDenied(await listed.chat("{", { headers }), "denied");
      await assertDenied(await listed.get("/nothing", { headers }), "denied");
      await assertDenied(await listed.get("/health/ready", { headers }), "denied");
    });
  }
  await listed.logsArrived();
  const logged = listed.logsOf("denied").map(({ record }) => record);
  assert.ok(
    logged.every(({ event }) => event !== "validation_error"),
    "no body is parsed",
  );
  const last = logged.findLast(({ event }) => event === "response_complete");
  assert.partialDeepStrictEqual(last, {
    http_status: 403,
    end_reason: "rejected",
    status: "error",
  });
});

test("two Origin headers are no origin", async () => {
  const headers = ["origin", GOOD, "origin", GOOD, "x-correlation-id", "twice"];
  const { status, text } = await listed.raw("/chat", { method: "POST", headers });
  assert.equal(status, 403);
  assert.equal(text, errorBody("origin_not_allowed", "twice"));
});

test("health is answered for every origin, and the allowed ones may read it", async () => {
  const denied = await listed.get("/health", { headers: { origin: "https://evil.example" } });
  assert.equal(denied.status, 200);
  assert.deepEqual(namesOf(denied.headers, "access-control-"), []);
  assertCors(await listed.get("/health", { headers: { origin: GOOD } }), GOOD);
});

test("every answer to an allowed origin can be read by its pages", async (t) => {
  const chat = (scripts, body) => (app, headers) =>
    exchange(app, upstream, { headers, scripts, body }).then(({ response }) => response);
  for (const [what, send, status] of [
    ["a stream", chat([answerWell]), 200],
    ["a stream that fails", chat([(call) => call.end(delta("a"))]), 200],
    ["an upstream error", chat([(call) => call.respond(401, {})]), 502],
    ["a broken request", chat([], {}), 400],
    ["too large", chat([], " ".repeat(65_537)), 413],
    ["not found", (app, headers) => app.get("/nothing", { headers }), 404],
    ["method not allowed", (app, headers) => app.get("/chat", { headers }), 405],
    ["ready", (app, headers) => app.get("/health/ready", { headers }), 200],
  ]) {
    await t.test(what, async () => {
      for (const origin of [GOOD, OWN]) {
        const response = await send(listed, { origin });
        assert.equal(response.status, status);
        assertCors(response, origin);
      }
      for (const app of [any, star]) {
        assertCors(await send(app, { origin: "https://evil.example" }), "*");
        assertCors(await send(app, {}), "*");
      }
    });
  }
});

test("a request without an Origin is answered, and no page may read the answer", async () => {
  const { response } = await exchange(listed, upstream);
  assert.equal(response.status, 200);
  assert.deepEqual(namesOf(response.headers, "access-control-allow"), []);
  assert.equal(response.headers.get("vary"), "Origin");
  assert.equal(response.headers.get("cross-origin-resource-policy"), "same-origin");
});

test("invalid ALLOWED_ORIGINS allow the worker's own pages only, which see what is wrong", async () => {
  const own = { origin: invalid.url, "x-correlation-id": "own" };
  const response = await invalid.chat({ message: "Hello" }, { headers: own });
  assertCors(response, invalid.url);
  const detail =
    "ALLOWED_ORIGINS must be * or origins such as https://example.com, separated by commas.";
  assert.equal(await read(response), errorBody("configuration_error", "own", detail));
  const other = { origin: "https://canary.example", "x-correlation-id": "other" };
  await assertDenied(await invalid.chat({ message: "Hello" }, { headers: other }), "other");
});
