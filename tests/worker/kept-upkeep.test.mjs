/**
 * A store that cannot be put in order, for a reason that is not a full disk: what is kept is read all the same, the log
 * tells the cause once, and it is tried again by the alarm.
 */
import assert from "node:assert/strict";
import test from "node:test";
import { startKept } from "../support/kept.mjs";
import { alarmTimes, changeObjects, makeAlarmsDue } from "../support/kept-disk.mjs";
import {
  INTERRUPTED,
  KeptClient,
  keptFrames,
  parseFrames,
  STORE_UNAVAILABLE,
} from "../support/kept-reader.mjs";
import { answer, delta, startUpstream } from "../support/upstream.mjs";

/** After this time the alarm tries it again. */
const RETRY_MS = 600_000;

/** How long after the first request the store is put in order. */
const LATER_MS = 1_000;

const KEY = "sk-test-of-the-store-0123456789";

const upstream = await startUpstream();
const variables = {
  OPENAI_API_KEY: KEY,
  OPENAI_BASE_URL: upstream.url,
  ANONYMOUS_OWNER: "true",
  MAX_RETRIES: "0",
};

/** Has the database refuse every ending of an answer, in words that hold a secret. */
const BREAK = `CREATE TRIGGER broken BEFORE UPDATE ON exchanges
  BEGIN SELECT RAISE(ABORT, 'broken on purpose by ${KEY}'); END`;
const MEND = "DROP TRIGGER broken";

const CAUSE =
  "broken on purpose by REDACTED: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_TRIGGER)";

/** A server with an answer that a crash has cut off behind its first frame, in a store that takes no ending. */
async function startBroken() {
  const server = await startKept(variables);
  const client = new KeptClient(server);
  const asker = crypto.randomUUID();
  const reader = client.ask({ conversation: "cut", message: "Go on", key: "cut", asker });
  (await upstream.nextCall()).write(delta("first"));
  await reader.hasRead(1);
  await server.kill();
  changeObjects(server.folder, BREAK);
  await server.start();
  return { server, client, asker };
}

const troubles = ({ logs }) => logs.filter(({ record }) => record.event === "stream_error");

test("a store that cannot be put in order is read all the same, and says why in the log, once", async () => {
  const { server, client, asker } = await startBroken();
  const text = await client.read("cut").whole();
  const { turn_id } = parseFrames(text).at(-1);
  const whole = keptFrames({ id: "cut", asker }, ["first"], {
    ...INTERRUPTED,
    turn_id,
    history_turns: 0,
  });
  assert.equal(text, whole);
  assert.equal(
    await client.read("cut", 0).whole(),
    keptFrames({ id: "cut", asker }, ["first"], parse(whole), 1),
  );
  assert.equal((await client.conversation("cut")).turns[1].state, "interrupted");
  const { conversations } = (await client.send("GET", "/conversations")).json;
  assert.deepEqual(
    conversations.map(({ id, state }) => [id, state]),
    [["cut", "interrupted"]],
  );
  assert.match((await client.send("GET", "/export")).text, /"state":"interrupted"/);
  assert.deepEqual((await client.send("POST", "/answers/cut/stop")).json, { state: "interrupted" });

  const { record } = await server.log("stream_error");
  assert.deepEqual(
    [record.level, record.code, record.cause, record.recovery_action, record.correlation_id],
    ["ERROR", "store_unavailable", CAUSE, "try_again_later", undefined],
  );
  for (let time = 0; time < 5; time += 1) await client.send("GET", "/conversations");
  assert.equal(troubles(server).length, 1, "no flood");
  assert.equal(
    server.logs.some(({ record }) => record.event === "answer_complete"),
    false,
    "no ending is logged that is not stored",
  );

  // What must write says that it cannot, and the log why.
  const refused = client.ask({ conversation: "other", message: "Will this be kept?" });
  const { correlation_id, ...told } = JSON.parse(await refused.whole());
  assert.deepEqual([refused.status, told], [503, STORE_UNAVAILABLE]);
  const { record: why } = await server.log("stream_error", correlation_id);
  assert.equal(why.cause, CAUSE);

  // Forgetting needs no ending, and takes the trouble away with the answer.
  assert.equal((await client.send("DELETE", "/conversations/cut")).status, 204);
  const next = client.ask({ conversation: "other", message: "And now?" });
  (await upstream.nextCall()).write(delta("Hi"));
  await next.hasRead(1);
  assert.equal(next.status, 200);
  await server.kill();
});

const parse = (text) => {
  const { content, sequence, is_final, correlation_id, ...ending } = parseFrames(text).at(-1);
  return ending;
};

test("what could not be stored is tried again by the alarm, ten minutes later", async () => {
  const { server, client, asker } = await startBroken();
  const startedMs = Date.now();
  await client.send("GET", "/conversations");
  await server.log("stream_error");
  const triedMs = Date.now();
  // The alarm is safe once anything is that was written behind it.
  await client.send("PATCH", "/conversations/cut", {
    headers: { "content-type": "application/json" },
    body: '{"title":"Another"}',
  });
  await server.kill();
  const [atMs, ...others] = alarmTimes(server.folder);
  assert.deepEqual(others, []);
  assert.ok(atMs >= startedMs + LATER_MS + RETRY_MS && atMs <= triedMs + RETRY_MS, `${atMs}`);
  changeObjects(server.folder, MEND);
  makeAlarmsDue(server.folder);
  await server.start();
  // No request is sent.
  const { record } = await server.log("answer_complete", asker);
  assert.equal(record.end_reason, "interrupted");
  const next = client.ask({ conversation: "cut", message: "And now?" });
  (await upstream.nextCall()).end(...answer("Hi"));
  assert.equal(parseFrames(await next.whole()).at(-1).history_turns, 2);
});
