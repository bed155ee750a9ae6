/** Answers that nobody reads: they live on, a dead process's get their ending, and what is too old is forgotten. */
import assert from "node:assert/strict";
import { cpSync, readFileSync } from "node:fs";
import test from "node:test";
import { makeTemporary } from "../../scripts/lib/temporary.mjs";
import { startKept } from "../support/kept.mjs";
import { alarmTimes, changeObjects, makeAlarmsDue } from "../support/kept-disk.mjs";
import { INTERRUPTED, KeptClient, keptFrames, parseFrames } from "../support/kept-reader.mjs";
import { answer, delta, startUpstream } from "../support/upstream.mjs";

/** The alarm that watches over running answers goes off after this time at the latest. */
const WATCH_MS = 20_000;

const DAY_MS = 86_400_000;

const upstream = await startUpstream();
const variables = { OPENAI_BASE_URL: upstream.url, ANONYMOUS_OWNER: "true", MAX_RETRIES: "0" };

/** Begins an answer, and resolves once its first frame was read. */
async function begin(client, conversation) {
  const asker = crypto.randomUUID();
  const id = `answer-${asker}`;
  const reader = client.ask({ conversation, message: "Hello", key: id, asker });
  const call = await upstream.nextCall();
  call.write(delta("first"));
  await reader.hasRead(1);
  return { id, asker, reader, call };
}

/** A whole answer. */
async function whole(client, conversation) {
  const reader = client.ask({ conversation, message: "Hello" });
  (await upstream.nextCall()).end(...answer("Hi"));
  return parseFrames(await reader.whole()).at(-1);
}

test("answers that begin at once are each asked for in their own name, and none gets another's text", async () => {
  const server = await startKept({ ...variables, MAX_ANSWERS_AT_ONCE: "100" });
  const client = new KeptClient(server);
  const askers = Array.from({ length: 20 }, (_, index) => `asker-${index}`);
  const readers = askers.map((asker) =>
    client.ask({ conversation: `of-${asker}`, message: `Message of ${asker}`, asker, key: asker }),
  );
  for (const _ of askers) {
    const call = await upstream.nextCall();
    const asker = call.headers["x-client-request-id"];
    assert.equal(call.body.messages.at(-1).content, `Message of ${asker}`);
    call.end(...answer(`Said to ${asker}.`));
  }
  for (const [index, asker] of askers.entries()) {
    const text = await readers[index].whole();
    assert.equal(parseFrames(text)[0].content, `Said to ${asker}.`);
    assert.equal(readers[index].headers.get("x-correlation-id"), asker);
    assert.equal(readers[index].headers.get("x-answer-id"), asker);
  }
});

test("the alarm ends what a dead process left unfinished, even if nobody ever asks for it", async () => {
  const server = await startKept(variables);
  const client = new KeptClient(server);
  const beganMs = Date.now();
  const { id, asker, reader } = await begin(client, "unread");
  await server.kill();
  const [atMs, ...others] = alarmTimes(server.folder);
  assert.deepEqual(others, []);
  assert.ok(atMs > beganMs && atMs <= Date.now() + WATCH_MS, "it goes off in time");
  makeAlarmsDue(server.folder);
  await server.start();
  // No request has been sent since.
  const { record } = await server.log("answer_complete", asker);
  assert.partialDeepStrictEqual(record, {
    answer_id: id,
    end_reason: "interrupted",
    chunk_count: 1,
  });
  const requests = server.logs.filter(({ record }) => record.event === "request_received");
  assert.equal(requests.length, 1);

  await server.kill();
  await server.start();
  const text = await client.read(id).whole();
  const { turn_id } = parseFrames(text).at(-1);
  const kept = { ...INTERRUPTED, turn_id, history_turns: 0 };
  assert.equal(text, keptFrames({ id, asker }, ["first"], kept));
  assert.ok(text.startsWith(reader.text));
  const endings = server.logs.filter(({ record }) => record.event === "answer_complete");
  assert.equal(endings.length, 1, "and once");
});

test("conversations are forgotten when they were not touched for CONVERSATION_DAYS, and no sooner", async () => {
  const server = await startKept({ ...variables, CONVERSATION_DAYS: "30" });
  const client = new KeptClient(server);
  for (const conversation of ["old", "young"]) await whole(client, conversation);
  const { id } = await begin(client, "running");
  const json = { "content-type": "application/json" };
  const body = JSON.stringify({ title: "An old title" });
  await client.send("PATCH", "/conversations/old", { headers: json, body });
  await server.kill();
  const age = "UPDATE conversations SET updated_ms = updated_ms - ? WHERE id = ?";
  changeObjects(server.folder, age, 30 * DAY_MS + 60_000, "old");
  changeObjects(server.folder, age, 30 * DAY_MS - 60_000, "young");
  changeObjects(server.folder, age, 40 * DAY_MS, "running");
  makeAlarmsDue(server.folder);
  const startedMs = Date.now();
  await server.start();
  await server.log("answer_complete", ({ answer_id }) => answer_id === id);
  const listed = async (query = "") => {
    const { conversations } = (await client.send("GET", `/conversations${query}`)).json;
    return conversations.map((each) => each.id);
  };
  assert.deepEqual(await listed(), ["young"]);
  assert.deepEqual(await listed("?q=hello"), ["young"]);
  assert.deepEqual(await listed("?q=title"), [], "the search index forgets as well");
  assert.equal((await client.read(id).whole()).includes("not_found"), true);
  await server.kill();
  const [atMs] = alarmTimes(server.folder);
  // The young one is due in a minute.
  assert.ok(atMs >= startedMs + 50_000 && atMs <= Date.now() + 60_000, "the next alarm is set");
  // Without the variable nothing is forgotten, however old.
  changeObjects(server.folder, age, 1_000 * DAY_MS, "young");
  makeAlarmsDue(server.folder);
  const keeping = await startKept(variables, { folder: server.folder });
  await whole(new KeptClient(keeping), "new");
  const { conversations } = (await new KeptClient(keeping).send("GET", "/conversations")).json;
  assert.deepEqual(
    conversations.map((each) => each.id),
    ["new", "young"],
  );
});

test("another CONVERSATION_DAYS counts from the owner's next request on, whatever it asks for", async (t) => {
  const age = "UPDATE conversations SET updated_ms = updated_ms - ? WHERE id = ?";
  const server = await startKept(variables);
  const client = new KeptClient(server);
  for (const conversation of ["old", "young"]) await whole(client, conversation);
  const { answer_id } = (await client.conversation("old")).turns[1];
  await server.kill();
  changeObjects(server.folder, age, 40 * DAY_MS, "old");
  changeObjects(server.folder, age, 20 * DAY_MS, "young");
  for (const [method, path, status] of [
    ["GET", "/conversations", 200],
    ["GET", "/conversations/old", 404],
    ["GET", `/answers/${answer_id}`, 404],
    ["PATCH", "/conversations/old", 404],
    ["DELETE", "/conversations/old", 404],
    ["GET", "/export", 200],
  ]) {
    await t.test(`lowered: ${method} ${path}`, async () => {
      const folder = makeTemporary("kept-");
      cpSync(server.folder, folder, { recursive: true });
      const lowered = await startKept({ ...variables, CONVERSATION_DAYS: "30" }, { folder });
      const asker = new KeptClient(lowered);
      const headers = { "content-type": "application/json" };
      const init = method === "PATCH" ? { headers, body: '{"title":"Another"}' } : {};
      const asked = await asker.send(method, path, init);
      assert.equal(asked.status, status, asked.text);
      assert.doesNotMatch(asked.text, /"old"/);
      const { conversations } = (await asker.send("GET", "/conversations")).json;
      assert.deepEqual(
        conversations.map(({ id }) => id),
        ["young"],
      );
    });
  }
  await t.test("raised, and unset", async () => {
    for (const days of ["60", undefined]) {
      const folder = makeTemporary("kept-");
      cpSync(server.folder, folder, { recursive: true });
      // The alarm that was set for fewer days goes off as well.
      makeAlarmsDue(folder);
      const raised = await startKept({ ...variables, CONVERSATION_DAYS: days }, { folder });
      const { conversations } = (await new KeptClient(raised).send("GET", "/conversations")).json;
      assert.equal(conversations.length, 2);
    }
  });
});

test("the bare runtime is told not to end an object whose clients have left", () => {
  // Left to itself it ends it after two minutes, in the middle of an answer.
  const path = new URL("../../scripts/lib/workerd.mjs", import.meta.url);
  assert.match(readFileSync(path, "utf8"), /enableSql = true, preventEviction = true\)/);
});
