/** An alarm that the runtime refuses is tried again, whoever asks meanwhile. */
import assert from "node:assert/strict";
import test from "node:test";
import { alarms } from "../support/alarms.mjs";
import { CLOCK, pass, START } from "../support/clock.mjs";
import { startWorker } from "../support/harness.mjs";
import { KeptClient } from "../support/kept-reader.mjs";
import { answer, delta, startUpstream } from "../support/upstream.mjs";

/** While an answer runs, the alarm goes off after this time. */
const WATCH_MS = 20_000;

const DAY_MS = 86_400_000;

const startMs = Date.parse(START);
const upstream = await startUpstream();

const start = (refusals, variables) =>
  startWorker(
    { OPENAI_BASE_URL: upstream.url, ANONYMOUS_OWNER: "true", ...variables },
    { front: CLOCK + alarms(refusals), owners: true },
  );

const alarmsOf = (app) =>
  app.logs
    .filter(({ record }) => record.event === "alarm")
    .map(({ record }) => [record.at_ms - startMs, record.is_refused ? "refused" : "set"]);

const troublesOf = (app) =>
  app.logs
    .filter(({ record }) => record.event === "stream_error")
    .map(({ record }) => [record.code, record.cause, record.recovery_action]);

test("an answer whose alarm is refused gets one later, without another request", async () => {
  const app = await start(2);
  const reader = new KeptClient(app).ask({ conversation: "c", message: "Hello" });
  const call = await upstream.nextCall();
  call.write(delta("first"));
  await reader.hasRead(1);
  // With the answer, and after the second in which the store is put in order.
  await pass(app, 1);
  assert.deepEqual(alarmsOf(app), [
    [WATCH_MS, "refused"],
    [WATCH_MS + 1_000, "refused"],
  ]);
  await pass(app, 9.5);
  assert.equal(alarmsOf(app).length, 2);
  await pass(app, 1.5);
  const [, , third] = alarmsOf(app);
  assert.deepEqual(third, [WATCH_MS + 11_000, "set"]);
  assert.deepEqual(troublesOf(app), [
    ["store_unavailable", "refused on purpose", "try_again_later"],
  ]);
  call.end(...answer(" and last"));
  await reader.whole();
});

test("conversations whose alarm does not go off are forgotten when anything is asked for", async () => {
  const app = await start(0, { CONVERSATION_DAYS: "1" });
  const client = new KeptClient(app);
  const reader = client.ask({ conversation: "c", message: "Hello" });
  (await upstream.nextCall()).end(...answer("Hi"));
  await reader.whole();
  await pass(app, 1, { waiting: 0 });
  assert.deepEqual(alarmsOf(app).at(-1), [DAY_MS, "set"]);
  await pass(app, DAY_MS / 1000, { waiting: 0 });
  assert.deepEqual((await client.send("GET", "/conversations")).json.conversations, []);
});
