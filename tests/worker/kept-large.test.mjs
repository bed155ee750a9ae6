/** Answers that are as long as the store can take, and longer: nothing is lost, and the ending says so. */
import assert from "node:assert/strict";
import test, { after, beforeEach } from "node:test";
import { startKept } from "../support/kept.mjs";
import { endingOf, keptFrames, Person } from "../support/person.mjs";
import { delta, done, finish, startUpstream, usage } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const upstream = await startUpstream();
const server = await startKept({ OPENAI_BASE_URL: upstream.url, ANONYMOUS_OWNER: "true" });
const me = new Person(server);

beforeEach(() => upstream.reset());
after(() => me.assertLogged());

const fresh = () => crypto.randomUUID();

/** The most bytes of an answer that are kept, and what a text takes beside its letters. */
const MOST = 1_900_000;
const takes = (text) => {
  const bytes = Buffer.byteLength(JSON.stringify(text));
  return bytes + (bytes < 128 ? 1 : bytes < 16_384 ? 2 : 3);
};

/** Asks, and has upstream write these texts; gives the answer as it was read. */
async function askFor(contents, end) {
  const key = fresh();
  const conversation_id = fresh();
  const asked = me.ask({ message: "All of it", conversation_id }, { "idempotency-key": key });
  const call = await upstream.nextCall();
  for (const content of contents) call.write(delta(content));
  end(call);
  const reply = await asked;
  return { key, conversation_id, call, asker: reply.id, text: await reply.text() };
}

/** Asserts that an answer has these texts and ended so, now, and after a restart. */
async function assertKept({ key, conversation_id, asker, text }, contents, ending) {
  const { turn_id, history_turns, ...told } = endingOf(text);
  assert.deepEqual(told, ending);
  const whole = keptFrames(key, asker, contents, { ...ending, turn_id, history_turns });
  assert.equal(text === whole, true, "the asker's bytes");
  await me.assertLogged();
  await server.kill();
  await server.start();
  assert.equal((await (await me.answer(key)).text()) === whole, true, "the bytes after a restart");
  const { turns } = await me.conversation(conversation_id);
  assert.equal(turns[1].content === contents.join(""), true, "the text");
  assert.equal(turns[1].finish_reason, ending.finish_reason);
  const next = await me.exchange(upstream, { message: "Go on", conversation_id });
  assert.equal(endingOf(next.text).finish_reason, "stop", "the conversation goes on");
}

const LETTERS = "é\u{1f600}x".repeat(1000);

test("an answer of a megabyte is kept to the byte", async () => {
  const contents = Array.from({ length: 140 }, (_, n) => `${n}${LETTERS}`);
  const end = (call) => call.end(finish("stop"), usage(1, 2), done);
  const answered = await askFor(contents, end);
  const tokens = { input_tokens: 1, output_tokens: 2, total_tokens: 3 };
  await assertKept(answered, contents, { finish_reason: "stop", usage: tokens });
});

test("an answer that fills the store's row exactly is complete, and one more byte is too long", async (t) => {
  const many = Array.from({ length: 94 }, () => "x".repeat(20_000));
  const left = MOST - many.reduce((sum, text) => sum + takes(text), 0);
  const last = "y".repeat(left - 5);
  assert.equal(takes(last), left);
  for (const [what, more, ending] of [
    ["fits", "", { finish_reason: "stop" }],
    ["does not", "y", { finish_reason: "length" }],
  ]) {
    await t.test(what, async () => {
      const sent = [...many, last + more];
      const answered = await askFor(sent, (call) => call.end(finish("stop"), done));
      await assertKept(answered, more === "" ? sent : many, ending);
    });
  }
});

test("an answer without end is stopped when the store is full, and upstream with it", async () => {
  const piece = "x".repeat(20_000);
  const answered = await askFor([], (call) => call.flood(delta(piece)));
  assert.equal(await within(answered.call.closed, "the end of upstream"), "aborted");
  const count = Math.floor(MOST / takes(piece));
  await assertKept(answered, Array(count).fill(piece), { finish_reason: "length" });
  const { record } = await server.log("answer_complete", answered.asker);
  assert.partialDeepStrictEqual(record, {
    chunk_count: count,
    end_reason: "done",
    finish_reason: "length",
    status: "success",
  });
});

test("a piece that alone is more than what is left goes, and what came before it stays", async () => {
  const before = Array.from({ length: 90 }, () => "x".repeat(20_000));
  const huge = "y".repeat(900_000);
  const answered = await askFor([...before, huge, "z"], () => {});
  assert.equal(await within(answered.call.closed, "the end of upstream"), "aborted");
  await assertKept(answered, before, { finish_reason: "length" });
});

test("an answer of very many very short pieces is kept to the byte", async () => {
  const contents = Array.from({ length: 50_000 }, (_, n) => (n % 7 === 0 ? "\n" : "a"));
  const answered = await askFor(contents, (call) => call.end(finish("length"), done));
  await assertKept(answered, contents, { finish_reason: "length" });
});
