import assert from "node:assert/strict";
import test from "node:test";
import { exchange } from "../support/exchange.mjs";
import { frames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream(answerWell);
const app = await startWorker({ OPENAI_BASE_URL: upstream.url, MAX_RETRIES: "0" });

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Shows that a request goes by an id wherever it is named. */
async function assertGoesBy(id, { response, text, calls }) {
  assert.equal(response.status, 200, "a bad id is never an error");
  assert.equal(response.headers.get("x-correlation-id"), id);
  assert.equal(calls[0].headers["x-client-request-id"], id);
  assert.equal(text, frames(id, ["Hi"], { finish_reason: "stop" }));
  assert.equal((await app.log("response_complete", id)).record.http_status, 200);
}

test("a client's id is kept when it follows the rule", async (t) => {
  for (const id of ["a", "A.Z_0:9-", "x".repeat(128)]) {
    await t.test(id, async () => {
      const headers = { "x-correlation-id": id };
      await assertGoesBy(id, await exchange(app, upstream, { headers }));
    });
  }
});

test("any other id is replaced by a fresh UUID", async (t) => {
  const seen = new Set();
  const emoji = Buffer.from("🙂").toString("latin1");
  for (const sent of [
    undefined,
    "",
    "x".repeat(129),
    "x".repeat(10_000),
    "a b",
    '","a":"b',
    emoji,
  ]) {
    await t.test(JSON.stringify(sent)?.slice(0, 40) ?? "none", async () => {
      const headers = { "x-correlation-id": sent };
      const exchanged = await exchange(app, upstream, { headers });
      const fresh = exchanged.response.headers.get("x-correlation-id");
      assert.match(fresh, UUID_V4);
      assert.ok(!seen.has(fresh), "each id is used once");
      seen.add(fresh);
      await assertGoesBy(fresh, exchanged);
    });
  }
});
