/** Trouble with the disk that keeps conversations: it is full, it cannot be written, or a newer program wrote it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { startKept } from "../support/kept.mjs";
import { changeObjects, dumpObjects } from "../support/kept-disk.mjs";
import {
  INTERRUPTED,
  KeptClient,
  keptFrames,
  parseFrames,
  STORE_UNAVAILABLE,
} from "../support/kept-reader.mjs";
import { smallDisk } from "../support/small-disk.mjs";
import { answer, delta, done, finish, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const BYTES = 4_000_000;

const upstream = await startUpstream();
const variables = { OPENAI_BASE_URL: upstream.url, ANONYMOUS_OWNER: "true", MAX_RETRIES: "0" };

/** Shows that what is kept cannot be reached just now, and that this is said clearly. */
async function assertUnavailable(client, ...requests) {
  for (const [method, path, init] of requests) {
    const { status, json } = await client.send(method, path, init);
    const { correlation_id, ...told } = json;
    assert.deepEqual([status, told], [503, STORE_UNAVAILABLE], `${method} ${path}`);
    assert.ok(correlation_id);
  }
}

/** Shows that a message is not sent to a model whose answer could not be kept. */
async function assertTakesNoMessage(client) {
  const calls = upstream.calls.length;
  const refused = client.ask({ conversation: "other", message: "Will this be kept?" });
  assert.equal(JSON.parse(await refused.whole()).code, "store_unavailable");
  assert.equal(refused.status, 503);
  assert.equal(upstream.calls.length, calls, "upstream is not asked");
}

/** Shows that everything that is kept can be read. @param {Record<string, string>} answers their frames, by their ids */
async function assertReadable(client, answers) {
  for (const [id, frames] of Object.entries(answers)) {
    assert.equal(await client.read(id).whole(), frames, id);
    assert.equal((await client.conversation(id)).turns[1].answer_id, id);
  }
  const { text } = await client.send("GET", "/export");
  for (const query of ["", "?q=hello"]) {
    const { status, json } = await client.send("GET", `/conversations${query}`);
    assert.equal(status, 200, query);
    const ids = json.conversations.map(({ id }) => id);
    assert.ok(ids.includes("before"), query);
    for (const id of ids) assert.ok(text.includes(`{"id":"${id}"`), "the export");
  }
}

/** An answer that is whole. */
async function whole(client, conversation, id) {
  const asker = crypto.randomUUID();
  const reader = client.ask({ conversation, message: "Hello", key: id, asker });
  (await upstream.nextCall()).end(...answer("Hi"));
  const text = await reader.whole();
  assert.equal(parseFrames(text).at(-1).finish_reason, "stop");
  return text;
}

const linesOf = (server, event) => server.logs.filter(({ record }) => record.event === event);

test("a disk that is full cuts the answer off, nothing that was shown is lost, and all goes on once there is room", async (t) => {
  const folder = smallDisk(BYTES);
  if (folder === undefined) return t.skip("no disk can be mounted here");
  const server = await startKept(variables, { folder });
  const client = new KeptClient(server);
  const before = await whole(client, "before", "before");

  const asker = crypto.randomUUID();
  const reader = client.ask({ conversation: "cut", message: "Go on", key: "cut", asker });
  const call = await upstream.nextCall();
  call.write(delta("first"));
  await reader.hasRead(1);
  const ballast = join(folder, "ballast");
  assert.throws(() => writeFileSync(ballast, Buffer.alloc(2 * BYTES)), { code: "ENOSPC" });
  const said = ["first"];
  // The log of the database has some room left in its file.
  while (reader.error === undefined && said.length < 200) {
    said.push("x".repeat(10_000));
    call.write(delta(said.at(-1)));
    await Promise.race([reader.hasRead(said.length), reader.ended]);
  }
  await reader.ended;
  assert.ok(reader.error, "the reader sees its connection break");
  assert.equal(await within(call.closed, "the end of upstream's call"), "aborted");
  assert.ok(parseFrames(reader.text).every(({ is_final }) => !is_final));

  const cut = await client.read("cut").whole();
  assert.equal(cut.slice(0, reader.text.length), reader.text, "what was shown is kept");
  const final = parseFrames(cut).at(-1);
  const ending = { ...INTERRUPTED, turn_id: final.turn_id, history_turns: 0 };
  assert.equal(cut, keptFrames({ id: "cut", asker }, said.slice(0, final.sequence), ending));
  await assertReadable(client, { before, cut });
  const again = client.ask({ conversation: "cut", message: "Go on", key: "cut" });
  assert.equal(await again.whole(), cut, "the same question again is answered");
  await assertTakesNoMessage(client);
  await assertUnavailable(client, [
    "PATCH",
    "/conversations/before",
    { headers: { "content-type": "application/json" }, body: '{"title":"Another"}' },
  ]);
  await server.kill();
  await server.start();
  // Nobody has tried to write to it since.
  await assertReadable(client, { before, cut });
  await assertTakesNoMessage(client);
  await assertReadable(client, { before, cut });
  upstream.script((call) => call.end(...answer("Hi")));
  const { status } = await server.chat({ message: "Not to be kept" });
  assert.equal(status, 200, "a chat that is not kept needs no disk");
  assert.deepEqual(
    linesOf(server, "answer_complete").length,
    1,
    "no ending is logged that is not safe",
  );
  const causes = linesOf(server, "stream_error").map(({ record }) => record.cause);
  assert.ok(
    causes.some((cause) => /SQLITE_FULL/.test(cause)),
    `${causes}`,
  );

  rmSync(ballast);
  await whole(client, "cut", "after");
  assert.equal(await client.read("cut").whole(), cut, "as it was told before it was stored");
  await assertReadable(client, { before, cut });
  await server.log("answer_complete", ({ answer_id }) => answer_id === "after");
  for (const id of ["before", "cut", "after"]) {
    const lines = linesOf(server, "answer_complete").filter(
      ({ record }) => record.answer_id === id,
    );
    assert.equal(lines.length, 1, id);
  }
});

test("on a disk that is full, each answer and each request has one last line, and it says what is kept", async (t) => {
  const folder = smallDisk(BYTES);
  if (folder === undefined) return t.skip("no disk can be mounted here");
  const server = await startKept({ ...variables, MAX_ANSWERS_AT_ONCE: "100" }, { folder });
  const client = new KeptClient(server);
  await whole(client, "named", "named");
  const running = [];
  for (let index = 0; index < 10; index++) {
    const id = `running-${index}`;
    const reader = client.ask({ conversation: id, message: "Go on", key: id });
    const call = await upstream.nextCall();
    call.write(delta("first"));
    await reader.hasRead(1);
    running.push({ id, reader, call });
  }
  const ballast = join(folder, "ballast");
  assert.throws(() => writeFileSync(ballast, Buffer.alloc(2 * BYTES)), { code: "ENOSPC" });

  const lastStatus = async (id) => {
    const { record } = await server.log("response_complete", id);
    return record.http_status;
  };
  const statuses = [];
  const rename = async () => {
    const id = crypto.randomUUID();
    const headers = { "content-type": "application/json", "x-correlation-id": id };
    const body = JSON.stringify({ title: `${id} ${"x".repeat(150)}` });
    const { status } = await client.send("PATCH", "/conversations/named", { headers, body });
    statuses.push(status);
    assert.equal(await lastStatus(id), status);
  };
  for (const { call, reader } of running) {
    call.end(delta("x".repeat(10_000)), finish("stop"), done);
    await reader.ended;
    await rename();
  }
  assert.ok(statuses.includes(503), `${statuses}`);

  rmSync(ballast);
  const endings = [];
  for (const { id, reader } of running) {
    const text = await client.read(id).whole();
    assert.equal(text.slice(0, reader.text.length), reader.text, "what was shown is kept");
    const { code = "done" } = parseFrames(text).at(-1);
    endings.push(code);
    const isOurs = ({ answer_id }) => answer_id === id;
    assert.equal((await server.log("answer_complete", isOurs)).record.end_reason, code);
  }
  t.diagnostic(`${endings}; ${statuses}`);
  for (const event of ["answer_complete", "response_complete"]) {
    const ids = linesOf(server, event).map(
      ({ record }) => record.answer_id ?? record.correlation_id,
    );
    assert.deepEqual(ids, [...new Set(ids)], `one ${event} each`);
  }
});

test("a folder that cannot be written refuses clearly, and is as it was once it can", async (t) => {
  const folder = smallDisk(BYTES);
  if (folder === undefined) return t.skip("no disk can be mounted here");
  const server = await startKept(variables, { folder });
  const client = new KeptClient(server);
  const before = await whole(client, "before", "before");
  const cut = client.ask({ conversation: "cut", message: "Go on", key: "cut" });
  (await upstream.nextCall()).write(delta("first"));
  await cut.hasRead(1);
  await server.kill();
  execFileSync("mount", ["-o", "remount,ro", folder]);
  await server.start();
  await assertUnavailable(client, ["DELETE", "/conversations/before"]);
  await assertTakesNoMessage(client);
  await server.kill();
  execFileSync("mount", ["-o", "remount,rw", folder]);
  await server.start();
  assert.equal(await client.read("before").whole(), before);
  assert.equal(parseFrames(await client.read("cut").whole()).at(-1).code, "interrupted");
});

test("what a newer program wrote is refused, says so in the log, and stays as it is", async () => {
  const server = await startKept(variables);
  const client = new KeptClient(server);
  const before = await whole(client, "before", "before");
  const cut = client.ask({ conversation: "cut", message: "Go on", key: "cut" });
  (await upstream.nextCall()).write(delta("first"));
  await cut.hasRead(1);
  await server.kill();
  const version = "UPDATE meta SET value = ? WHERE key = 'schema'";
  changeObjects(server.folder, version, 99);
  const dump = dumpObjects(server.folder);
  await server.start();
  await assertUnavailable(
    client,
    ["GET", "/conversations"],
    ["GET", "/conversations/before"],
    ["GET", "/answers/before"],
    ["GET", "/export"],
    ["POST", "/answers/cut/stop"],
    ["DELETE", "/conversations/before"],
    ["DELETE", "/conversations", { headers: { "x-confirm": "delete-everything" } }],
  );
  await assertTakesNoMessage(client);
  const causes = linesOf(server, "stream_error").map(({ record }) => record.cause);
  assert.ok(
    causes.every((cause) => /newer version/.test(cause)),
    `${causes}`,
  );
  await server.kill();
  assert.equal(dumpObjects(server.folder), dump);
  changeObjects(server.folder, version, 3);
  await server.start();
  assert.equal(await client.read("before").whole(), before);
  assert.equal(parseFrames(await client.read("cut").whole()).at(-1).code, "interrupted");
});
