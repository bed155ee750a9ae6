/** Backups as docs/own-server.md tells to take them. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { makeTemporary } from "../../scripts/lib/temporary.mjs";
import { startKept } from "../support/kept.mjs";
import { INTERRUPTED, KeptClient, keptFrames, parseFrames } from "../support/kept-reader.mjs";
import { answer, delta, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const variables = { OPENAI_BASE_URL: upstream.url, ANONYMOUS_OWNER: "true" };

/** What the command `.backup` of sqlite3 does, for each database of a folder. */
async function backUp(folder) {
  const copy = makeTemporary("backup-");
  const names = readdirSync(folder, { recursive: true }).filter((name) => /\.sqlite$/.test(name));
  for (const name of names) {
    mkdirSync(join(copy, dirname(name)), { recursive: true });
    const database = new DatabaseSync(join(folder, name));
    await backup(database, join(copy, name));
    database.close();
  }
  return copy;
}

test("SQLite's backup of a server at work has all that was shown, and disturbs no answer", async () => {
  const server = await startKept(variables);
  const client = new KeptClient(server);
  const before = client.ask({ conversation: "before", message: "Hello", key: "before" });
  (await upstream.nextCall()).end(...answer("Hi"));
  await before.whole();
  const asker = crypto.randomUUID();
  const running = client.ask({ conversation: "running", message: "Go on", key: "running", asker });
  const call = await upstream.nextCall();
  call.write(delta("first"));
  await running.hasRead(1);

  const copy = await backUp(server.folder);

  call.end(...answer("second"));
  assert.equal(parseFrames(await running.whole()).at(-1).finish_reason, "stop");
  const restored = new KeptClient(await startKept(variables, { folder: copy }));
  assert.equal(await restored.read("before").whole(), before.text);
  const cut = await restored.read("running").whole();
  const { turn_id } = parseFrames(cut).at(-1);
  const ending = { ...INTERRUPTED, turn_id, history_turns: 0 };
  assert.equal(cut, keptFrames({ id: "running", asker }, ["first"], ending));
});
