/** What a model thought, in answers that are kept: the same frames for all readers, and no part of the answer. */
import assert from "node:assert/strict";
import test from "node:test";
import { startKept } from "../support/kept.mjs";
import { INTERRUPTED, KeptClient, keptFrames, parseFrames } from "../support/kept-reader.mjs";
import { answer, delta, done, event, finish, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const server = await startKept({ OPENAI_BASE_URL: upstream.url, ANONYMOUS_OWNER: "true" });
const client = new KeptClient(server);

const thought = (reasoning) => event({ choices: [{ index: 0, delta: { reasoning } }] });
const THINKING = [thought("Zebra"), thought(" é\n"), delta("Hi"), thought("more"), delta("!")];
const CONTENTS = [{ reasoning: "Zebra" }, { reasoning: " é\n" }, "Hi", { reasoning: "more" }, "!"];
const REASONING = "Zebra é\nmore";

/** Asks, and has upstream answer with these chunks. */
async function exchangeOf({ conversation = "c", message = "Hello", ...fields }, ...chunks) {
  const asker = crypto.randomUUID();
  const key = `answer-${asker}`;
  const reader = client.ask({ conversation, message, ...fields, asker, key });
  const call = await upstream.nextCall();
  call.end(...chunks);
  const text = await reader.whole();
  return { id: key, asker, call, text, final: parseFrames(text).at(-1) };
}

const endingOf = ({ final }, turns) => ({
  finish_reason: "stop",
  turn_id: final.turn_id,
  history_turns: turns,
});

test("reasoning is kept in its frames, and every reader gets the same ones from anywhere", async () => {
  const fields = { conversation: "frames", include_reasoning: true };
  const asked = await exchangeOf(fields, ...THINKING, finish("stop"), done);
  const ending = endingOf(asked, 0);
  assert.equal(asked.text, keptFrames(asked, CONTENTS, ending));
  const readFromAnywhere = async () => {
    for (let after = -1; after < CONTENTS.length; after += 1) {
      const reader = client.read(asked.id, after < 0 ? undefined : after);
      assert.equal(await reader.whole(), keptFrames(asked, CONTENTS, ending, after + 1));
      // One who does not ask for reasoning again resumes where it was all the same.
      const headers = { "last-event-id": `${asked.id}.${after}` };
      const question = { conversation: "frames", message: "Hello" };
      if (after < 0) continue;
      const resumed = client.ask(question, headers);
      assert.equal(await resumed.whole(), keptFrames(asked, CONTENTS, ending, after + 1));
    }
    assert.equal((await client.send("GET", `/answers/${asked.id}?after=5`)).status, 204);
  };
  await readFromAnywhere();
  await server.kill();
  await server.start();
  await readFromAnywhere();
  const again = client.ask({ ...fields, message: "Hello", key: asked.id });
  assert.equal(await again.whole(), asked.text);
  const { include_reasoning: _, ...without } = fields;
  const other = client.ask({ ...without, message: "Hello", key: asked.id });
  await other.whole();
  assert.equal(other.status, 409, "it asks for something else");
});

test("an answer that was asked for without reasoning has none for anybody", async () => {
  const asked = await exchangeOf({ conversation: "plain" }, ...THINKING, finish("stop"), done);
  const expected = keptFrames(asked, ["Hi", "!"], endingOf(asked, 0));
  assert.equal(asked.text, expected);
  const resumed = client.ask(
    { conversation: "plain", message: "Hello", include_reasoning: true },
    { "last-event-id": `${asked.id}.0` },
  );
  assert.equal(await resumed.whole(), keptFrames(asked, ["Hi", "!"], endingOf(asked, 0), 1));
  const { turns } = await client.conversation("plain");
  assert.equal(Object.hasOwn(turns[1], "reasoning"), false);
});

test("reasoning stands beside the content, and is no part of it for the model, a search or Markdown", async () => {
  const conversation = "beside";
  const fields = { conversation, include_reasoning: true };
  await exchangeOf(fields, ...THINKING, finish("stop"), done);
  const { turns } = await client.conversation(conversation);
  assert.deepEqual(Object.keys(turns[1]).slice(0, 6), [
    "id",
    "parent_id",
    "role",
    "content",
    "reasoning",
    "created_at",
  ]);
  assert.deepEqual([turns[1].content, turns[1].reasoning], ["Hi!", REASONING]);
  const exported = (await client.send("GET", "/export")).text.split("\n").filter(Boolean);
  const line = exported.map(JSON.parse).find(({ id }) => id === conversation);
  assert.equal(line.turns[1].reasoning, REASONING);

  const next = await exchangeOf(fields, ...answer("Bye"));
  assert.deepEqual(next.call.body.messages.slice(1), [
    { role: "user", content: "Hello" },
    { role: "assistant", content: "Hi!" },
    { role: "user", content: "Hello" },
  ]);
  const found = await client.send("GET", "/conversations?q=zebra");
  assert.deepEqual(found.json.conversations, []);
  const headers = { accept: "text/markdown" };
  const markdown = await client.send("GET", `/conversations/${conversation}`, { headers });
  assert.equal(
    markdown.text,
    "# Hello\n\n## User\n\nHello\n\n## Assistant\n\nHi!\n\n## User\n\nHello\n\n## Assistant\n\nBye\n",
  );
});

test("an answer of nothing but reasoning is none to the model", async () => {
  const fields = { conversation: "silent", include_reasoning: true };
  const asked = await exchangeOf(fields, thought("Hm"), finish("length"), done);
  const ending = { ...endingOf(asked, 0), finish_reason: "length" };
  assert.equal(asked.text, keptFrames(asked, [{ reasoning: "Hm" }], ending));
  const next = await exchangeOf(fields, ...answer("Hi"));
  assert.deepEqual(next.call.body.messages.slice(1), [{ role: "user", content: "Hello" }]);
  assert.equal(next.final.history_turns, 0);
});

test("a process that dies while the model thinks leaves what it thought, and one final frame", async () => {
  const asker = crypto.randomUUID();
  const question = { conversation: "dies", message: "Hello", include_reasoning: true };
  const reader = client.ask({ ...question, key: "dies", asker });
  const call = await upstream.nextCall();
  call.write(thought("Zebra"));
  await reader.hasRead(1);
  await server.kill();
  await server.start();
  const text = await client.read("dies").whole();
  const kept = { turn_id: parseFrames(text).at(-1).turn_id, history_turns: 0 };
  const contents = [{ reasoning: "Zebra" }];
  assert.equal(text, keptFrames({ id: "dies", asker }, contents, { ...INTERRUPTED, ...kept }));
  const { turns } = await client.conversation("dies");
  assert.deepEqual([turns[1].content, turns[1].reasoning], ["", "Zebra"]);
});
