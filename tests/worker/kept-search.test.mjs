/** How long a search takes in the runtime's own database, which gets every number as a double. */
import assert from "node:assert/strict";
import test from "node:test";
import { startKept } from "../support/kept.mjs";
import { changeObjects } from "../support/kept-disk.mjs";
import { KeptClient } from "../support/kept-reader.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const CONVERSATIONS = 20_000;
const TIMES = 5;
/** A page of a search counts matches and cuts snippets, which takes about five times as long as a page of the list. */
const MOST_TIMES_THE_LIST = 30;

const NUMBERS = `WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${CONVERSATIONS})`;

/** Each has one message with the same word. */
const FILL = [
  `INSERT INTO conversations (number, id, title, created_ms, updated_ms)
    ${NUMBERS} SELECT 2 * n, 'c' || n, 'A title', n, n FROM numbers`,
  `INSERT INTO exchanges (number, conversation, id, state, question_turn, answer_turn, request, correlation_id, model,
    history_turns, created_ms, ended_ms, ending, message, pieces)
    ${NUMBERS} SELECT 2 * n + 1, 2 * n, 'a' || n, 'complete', 'q' || n, 't' || n, '', 'id', 'gpt-4', 0, n, n,
      '"finish_reason":"stop"', 'a common word', x'' FROM numbers`,
  `INSERT INTO search (rowid, text) ${NUMBERS} SELECT 2 * n + 1, 'a common word' FROM numbers`,
];

test("a page of a search for a word that is everywhere goes straight to each of its texts", async () => {
  const upstream = await startUpstream();
  const server = await startKept({ OPENAI_BASE_URL: upstream.url, ANONYMOUS_OWNER: "true" });
  const client = new KeptClient(server);
  const asked = client.ask({ conversation: "first", message: "Hello" });
  answerWell(await upstream.nextCall());
  await asked.whole();
  await server.kill();
  for (const sql of FILL) changeObjects(server.folder, sql);
  await server.start();
  const list = await medianMs(client, "/conversations?limit=30");
  const search = await medianMs(client, "/conversations?q=common&limit=30");
  assert.ok(search < MOST_TIMES_THE_LIST * list, `${search} ms, and the list ${list} ms`);
});

async function medianMs(client, path) {
  const times = [];
  for (let time = 0; time < TIMES; time++) {
    const begunMs = performance.now();
    const { json } = await client.send("GET", path);
    times.push(performance.now() - begunMs);
    assert.equal(json.conversations.length, 30);
  }
  return times.sort((a, b) => a - b)[Math.floor(TIMES / 2)];
}
