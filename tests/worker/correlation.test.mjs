import assert from "node:assert/strict";
import test from "node:test";
import { exchange, read } from "../support/exchange.mjs";
import { collect } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream(answerWell);
const app = await startWorker({ OPENAI_BASE_URL: upstream.url, MAX_RETRIES: "0" });

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("a client's id is kept when it follows the rule", async (t) => {
  for (const id of ["a", "abc-123", "A.Z_0:9-", "-", "x".repeat(128)]) {
    await t.test(id, async () => {
      const headers = { "x-correlation-id": id };
      const { response, calls } = await exchange(app, upstream, { headers });
      assert.equal(response.headers.get("x-correlation-id"), id);
      assert.equal(calls[0].headers["x-client-request-id"], id);
    });
  }
});

test("any other id is replaced by a fresh UUID", async (t) => {
  const seen = new Set();
  const emoji = Buffer.from("🙂").toString("latin1");
  for (const id of [
    undefined,
    "",
    "x".repeat(129),
    "a b",
    "a,b",
    'a"b',
    "{}",
    "a/b",
    emoji,
    "a\tb",
    "caf\u00e9",
  ]) {
    await t.test(JSON.stringify(id) ?? "none", async () => {
      const { response, calls } = await exchange(app, upstream, {
        headers: { "x-correlation-id": id },
      });
      assert.equal(response.status, 200, "a bad id is never an error");
      const fresh = response.headers.get("x-correlation-id");
      assert.match(fresh, UUID_V4);
      assert.ok(!seen.has(fresh), "each id is used once");
      seen.add(fresh);
      assert.equal(calls[0].headers["x-client-request-id"], fresh);
    });
  }
});

test("every frame carries the id", async (t) => {
  for (const given of ["mine", undefined]) {
    await t.test(given ?? "a fresh one", async () => {
      const response = await app.chat(
        { message: "Hi" },
        { headers: { "x-correlation-id": given } },
      );
      const id = response.headers.get("x-correlation-id");
      const { frames } = await collect(response);
      assert.deepEqual(
        frames.map((frame) => frame.correlation_id),
        [id, id],
      );
    });
  }
});

test("every response carries the id, in its header and in the body of an error", async (t) => {
  const unkeyed = await startWorker({ OPENAI_API_KEY: undefined });
  const upstreamFails = () => {
    upstream.script((call) => call.respond(500, {}));
    return app.chat({ message: "Hi" });
  };
  for (const [what, send, status] of [
    ["health", () => app.get("/health"), 200],
    ["not found", () => app.get("/nothing"), 404],
    ["method not allowed", () => app.get("/chat"), 405],
    ["broken request", () => app.chat({}), 400],
    ["wrong type", () => app.chat("{}", { headers: { "content-type": "text/plain" } }), 415],
    ["too large", () => app.chat(" ".repeat(65_537)), 413],
    ["upstream failure", upstreamFails, 502],
    ["configuration", () => unkeyed.chat({ message: "Hi" }), 500],
  ]) {
    await t.test(what, async () => {
      const response = await send();
      assert.equal(response.status, status);
      const id = response.headers.get("x-correlation-id");
      assert.match(id, UUID_V4);
      const body = JSON.parse(await read(response));
      if (status !== 200) {
        assert.deepEqual(Object.keys(body), ["error", "detail", "correlation_id", "code"]);
        assert.equal(body.correlation_id, id);
        assert.notEqual(body.detail, "");
      }
    });
  }
});
