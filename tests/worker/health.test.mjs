import assert from "node:assert/strict";
import test from "node:test";
import { errorBody } from "../support/errors.mjs";
import { read } from "../support/exchange.mjs";
import { startWorker } from "../support/harness.mjs";

const app = await startWorker({ OPENAI_API_KEY: undefined });

const HEALTHY =
  /^\{"status":"healthy","timestamp":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00)"\}$/;

test("health is answered without any configuration", async () => {
  const response = await app.get("/health");
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "application/json");
  assert.match(await read(response), HEALTHY);
});

test("the timestamp of health is now, in UTC", async () => {
  const before = Date.now();
  const [, timestamp] = (await read(await app.get("/health"))).match(HEALTHY);
  const time = Date.parse(timestamp);
  assert.ok(
    before <= time + 1 && time <= Date.now(),
    `${timestamp} is between the request and its answer`,
  );
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

test("an unknown path is not found", async (t) => {
  for (const path of [
    "/nothing",
    "/chat/",
    "/health/",
    "/Health",
    "/chat/1",
    "/%63hat%00",
    "//chat",
  ]) {
    await t.test(path, async () => {
      const response = await app.fetch(path, { headers: { "x-correlation-id": "lost" } });
      assert.equal(response.status, 404);
      assert.equal(response.headers.get("content-type"), "application/json");
      assert.equal(await read(response), errorBody("not_found", "lost"));
    });
  }
});

test("a known path with a wrong method names the right ones", async (t) => {
  for (const [method, path, allow] of [
    ["GET", "/chat", "POST, OPTIONS"],
    ["PUT", "/chat", "POST, OPTIONS"],
    ["DELETE", "/chat", "POST, OPTIONS"],
    ["POST", "/health", "GET, HEAD, OPTIONS"],
    ["PATCH", "/health", "GET, HEAD, OPTIONS"],
  ]) {
    await t.test(`${method} ${path}`, async () => {
      const response = await app.fetch(path, { method, headers: { "x-correlation-id": "wrong" } });
      assert.equal(response.status, 405);
      assert.equal(response.headers.get("allow"), allow);
      assert.equal(await read(response), errorBody("method_not_allowed", "wrong"));
    });
  }
});
