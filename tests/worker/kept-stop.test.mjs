/** Stopping an answer: it is stored first, the text so far stays, and upstream is closed within a second. */
import assert from "node:assert/strict";
import test, { after, beforeEach } from "node:test";
import { DETAILS, errorBody } from "../support/errors.mjs";
import { startKept } from "../support/kept.mjs";
import { endingOf, keptFrame, keptFrames, Person } from "../support/person.mjs";
import { delta, done, finish, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const upstream = await startUpstream();
const server = await startKept({
  OPENAI_BASE_URL: upstream.url,
  ACCESS_TOKENS: "me:my-token-0123456789,you:your-token-0123456789",
});
const me = new Person(server, "my-token-0123456789");
const you = new Person(server, "your-token-0123456789");
/** The correlation ids of requests whose process was killed before they had their last line. */
const lost = [];

beforeEach(() => upstream.reset());
after(async () => {
  await me.assertLogged(lost);
  await you.assertLogged();
});

const fresh = () => crypto.randomUUID();

/** Asks; upstream has been called and has said nothing. */
async function ask() {
  const [key, id, conversation_id] = [fresh(), fresh(), fresh()];
  const headers = { "idempotency-key": key };
  const asked = me.ask({ message: "Hello over there", conversation_id }, headers, { id });
  asked.catch(() => {});
  return { key, asker: id, conversation_id, asked, call: await upstream.nextCall() };
}

/** Asks, and reads the first frame. */
async function begin(content) {
  const begun = await ask();
  begun.call.write(delta(content));
  const reply = await begun.asked;
  assert.equal(await reply.next(), keptFrame(begun.key, begun.asker, 0, content));
  return { ...begun, reply };
}

/** Asserts that an answer can be stopped, and that upstream is closed at once. */
async function stop({ key, call }) {
  const stopping = me.stop(key);
  assert.equal(await within(call.closed, "the end of upstream's connection", 1000), "aborted");
  const reply = await stopping;
  assert.deepEqual([reply.status, await reply.text()], [200, '{"state":"stopped"}']);
}

/** Asserts that an answer is kept as stopped, with this text. `rest`: what a reader got that was there. */
async function assertStopped({ key, asker, conversation_id }, contents, rest, first = 0) {
  const ending = endingOf(rest);
  assert.deepEqual(Object.keys(ending), ["finish_reason", "turn_id", "history_turns"]);
  assert.equal(ending.finish_reason, "stopped");
  assert.equal(rest, keptFrames(key, asker, contents, ending, first));
  assert.equal(await (await me.answer(key)).text(), keptFrames(key, asker, contents, ending));
  const { turns } = await me.conversation(conversation_id);
  assert.partialDeepStrictEqual(turns[1], {
    id: ending.turn_id,
    content: contents.join(""),
    state: "stopped",
    finish_reason: "stopped",
  });
  const { record } = await server.log("answer_complete", asker);
  assert.partialDeepStrictEqual(record, {
    answer_id: key,
    status: "cancelled",
    end_reason: "stopped",
    chunk_count: contents.length,
    finish_reason: "stopped",
  });
}

test("an answer is stopped before upstream has said anything", async () => {
  const begun = await ask();
  await stop(begun);
  await assertStopped(begun, [], await (await begun.asked).text());
});

test("an answer is stopped in the pause before another call of upstream, which never comes", async () => {
  const begun = await ask();
  begun.call.respond(500, "{}");
  await server.log("upstream_retry", begun.asker);
  const reply = await me.stop(begun.key);
  assert.equal(await reply.text(), '{"state":"stopped"}');
  await assertStopped(begun, [], await (await begun.asked).text());
  assert.equal(upstream.calls.length, 1);
});

test("an answer is stopped while upstream sends it whole", async () => {
  const begun = await ask();
  begun.call.open(200, { "content-type": "application/json" }).write('{"choices":[');
  await stop(begun);
  await assertStopped(begun, [], await (await begun.asked).text());
});

test("an answer is stopped in the middle, for all of its readers", async () => {
  const begun = await begin("Half");
  const other = await me.answer(begun.key);
  assert.equal(await other.next(), keptFrame(begun.key, begun.asker, 0, "Half"));
  await stop(begun);
  const rest = await begun.reply.text();
  assert.equal(await other.text(), rest);
  await assertStopped(begun, ["Half"], rest, 1);
});

test("an answer that waits for room in a slow reader's connection is stopped as quickly", async () => {
  const begun = await begin("Half");
  await me.answer(begun.key);
  const piece = "x".repeat(20_000);
  begun.call.flood(delta(piece), 60);
  await begun.reply.next();
  await stop(begun);
});

test("stopping twice, at once or later, says the same and changes nothing", async () => {
  const begun = await begin("Half");
  const all = await Promise.all([1, 2, 3].map(() => me.stop(begun.key)));
  all.push(await me.stop(begun.key));
  for (const reply of all) {
    assert.deepEqual([reply.status, await reply.text()], [200, '{"state":"stopped"}']);
  }
  await assertStopped(begun, ["Half"], await begun.reply.text(), 1);
  const lines = server.logs.filter(({ record }) => record.answer_id === begun.key);
  assert.deepEqual(
    lines.map(({ record }) => record.event),
    ["answer_complete"],
  );
});

test("an answer that has ended stays as it is, and stopping it says how", async (t) => {
  for (const [state, end] of [
    ["complete", ({ call }) => call.end(finish("stop"), done)],
    ["failed", ({ call }) => call.cut()],
  ]) {
    await t.test(state, async () => {
      const begun = await begin("All");
      end(begun);
      const rest = await begun.reply.text();
      const reply = await me.stop(begun.key);
      assert.deepEqual([reply.status, await reply.text()], [200, `{"state":"${state}"}`]);
      assert.equal(await (await me.answer(begun.key, 0)).text(), rest);
    });
  }
});

async function restart() {
  const complete = server.logs.filter(({ record }) => record.event === "response_complete");
  const known = new Set(complete.map(({ record }) => record.correlation_id));
  lost.push(...me.ids.filter((id) => !known.has(id)));
  await server.kill();
  await server.start();
}

test("a stop holds through a crash", async () => {
  const begun = await begin("Half");
  await (await me.stop(begun.key)).text();
  const rest = await begun.reply.text();
  await server.log("answer_complete", begun.asker);
  await restart();
  await assertStopped(begun, ["Half"], rest, 1);
});

test("an answer that a crash has interrupted stays interrupted", async () => {
  const begun = await begin("Half");
  await restart();
  const reply = await me.stop(begun.key);
  assert.deepEqual([reply.status, await reply.text()], [200, '{"state":"interrupted"}']);
  const text = await (await me.answer(begun.key)).text();
  assert.equal(endingOf(text).code, "interrupted");
  assert.equal(text, keptFrames(begun.key, begun.asker, ["Half"], endingOf(text)));
});

test("nobody stops another owner's answer, or one that there is not", async (t) => {
  const begun = await begin("Mine");
  for (const [what, stopping] of [
    ["another owner's", () => you.stop(begun.key)],
    ["unknown", () => me.stop("nobody")],
    ["a malformed id", () => me.stop("a%20b")],
  ]) {
    await t.test(what, async () => {
      const reply = await stopping();
      assert.equal(reply.status, 404);
      const detail = DETAILS.noAnswer;
      assert.equal(await reply.text(), errorBody("not_found", reply.id, detail));
    });
  }
  begun.call.end(finish("stop"), done);
  assert.equal(endingOf(await begun.reply.text()).finish_reason, "stop");
});
