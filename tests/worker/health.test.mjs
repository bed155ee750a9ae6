import assert from "node:assert/strict";
import test from "node:test";
import { CLOCK, START } from "../support/clock.mjs";
import { errorBody } from "../support/errors.mjs";
import { read } from "../support/exchange.mjs";
import { startWorker } from "../support/harness.mjs";

const app = await startWorker({ OPENAI_API_KEY: undefined }, { front: CLOCK });

test("health is answered without any configuration, and tells the time in UTC", async () => {
  const response = await app.get("/health");
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "application/json");
  assert.equal(await read(response), `{"status":"healthy","timestamp":"${START}"}`);
});

test("HEAD of health is its answer without the body", async () => {
  const response = await app.fetch("/health", { method: "HEAD" });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "application/json");
  assert.equal(await read(response), "");
});

test("a query does not change the route", async () => {
  assert.equal((await app.get("/health?verbose=1")).status, 200);
});

// The core's tests hold which paths and methods exist; here is how the runtime may write them.
test("an unknown path is not found", async (t) => {
  for (const path of ["/nothing", "/%63hat%00", "//chat", "/chat/"]) {
    await t.test(path, async () => {
      const response = await app.fetch(path, { headers: { "x-correlation-id": "lost" } });
      assert.equal(response.status, 404);
      assert.equal(response.headers.get("content-type"), "application/json");
      assert.equal(await read(response), errorBody("not_found", "lost"));
    });
  }
});

test("a known path with a wrong method names the right ones", async () => {
  const headers = { "x-correlation-id": "wrong" };
  const response = await app.fetch("/chat", { method: "PUT", headers });
  assert.equal(response.status, 405);
  assert.equal(response.headers.get("allow"), "POST, OPTIONS");
  assert.equal(await read(response), errorBody("method_not_allowed", "wrong"));
});
