/** How many answers of one owner run at once, which turn a message may follow, and what deleting does to those that run. */
import assert from "node:assert/strict";
import test, { after, beforeEach } from "node:test";
import { errorBody } from "../support/errors.mjs";
import { startKept } from "../support/kept.mjs";
import { endingOf, keptFrames, Person } from "../support/person.mjs";
import { delta, done, finish, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const MOST = 3;

const upstream = await startUpstream();
const server = await startKept({
  OPENAI_BASE_URL: upstream.url,
  ACCESS_TOKENS: "me:my-token-0123456789,you:your-token-0123456789",
  MAX_ANSWERS_AT_ONCE: `${MOST}`,
});
const me = new Person(server, "my-token-0123456789");
const you = new Person(server, "your-token-0123456789");

beforeEach(() => upstream.reset());
after(async () => {
  await me.assertLogged();
  await you.assertLogged();
});

const fresh = () => crypto.randomUUID();

/** Asks, and reads the first frame. */
async function begin(person, fields) {
  const key = fresh();
  const body = { message: "Hello over there", conversation_id: fresh(), ...fields };
  const asked = person.ask(body, { "idempotency-key": key });
  const call = await upstream.nextCall();
  call.write(delta("Some text"));
  const reply = await asked;
  await reply.next();
  return { key, body, call, reply };
}

async function end({ call, reply }) {
  call.end(finish("stop"), done);
  return endingOf(await reply.text());
}

async function assertRefused(asked, status, code) {
  const reply = await asked;
  assert.equal(await reply.text(), errorBody(code, reply.id));
  assert.equal(reply.status, status);
  return reply;
}

test("an owner has so many answers running at once, and no more", async () => {
  const mine = [];
  for (let count = 0; count < MOST; count++) mine.push(await begin(me));
  const body = { message: "One more", conversation_id: fresh() };
  const refused = await assertRefused(me.ask(body), 429, "too_many_answers");
  assert.equal(refused.headers.get("retry-after"), "10");
  assert.equal(
    (await me.send(`/conversations/${body.conversation_id}`)).status,
    404,
    "nothing is kept",
  );
  const attached = await me.ask(mine[0].body, { "idempotency-key": mine[0].key });
  assert.equal(attached.status, 200, "to read one of them is no more");
  const stateless = me.ask({ message: "Without a conversation" });
  (await upstream.nextCall()).end(delta("Hi"), finish("stop"), done);
  assert.equal((await stateless).status, 200, "a stateless answer is none of them");
  const yours = await begin(you);
  await (await me.stop(mine[0].key)).text();
  mine.push(await begin(me, body));
  await assertRefused(me.ask({ ...body, conversation_id: fresh() }), 429, "too_many_answers");
  await mine[0].reply.text();
  await Promise.all([...mine.slice(1), yours].map(end));
  await end(await begin(me));
});

test("an answer that waits for upstream's headers counts, and one that failed does not", async () => {
  const calls = [];
  const asked = [];
  for (let count = 0; count < MOST; count++) {
    asked.push(me.ask({ message: "Hello over there", conversation_id: fresh() }));
    calls.push(await upstream.nextCall());
  }
  await assertRefused(
    me.ask({ message: "One more", conversation_id: fresh() }),
    429,
    "too_many_answers",
  );
  calls[0].respond(401, "{}");
  assert.equal((await asked[0]).status, 502);
  await end(await begin(me));
  for (const call of calls.slice(1)) call.end(delta("Hi"), finish("stop"), done);
  for (const reply of await Promise.all(asked.slice(1))) await reply.text();
});

test("a message waits for the answer that it would follow, and for no other", async () => {
  const first = await begin(me);
  const { turn_id: answered } = await end(first);
  const { conversation_id } = first.body;
  const running = await begin(me, { conversation_id });
  const { turns } = await me.conversation(conversation_id);
  assert.deepEqual(
    turns.map(({ role, state }) => state ?? role),
    ["user", "complete", "user", "streaming"],
  );
  assert.equal(turns[3].content, "Some text", "what was shown so far");
  const body = { message: "And then?", conversation_id };
  await assertRefused(me.ask(body), 409, "answer_running");
  await assertRefused(me.ask({ ...body, after: turns[3].id }), 409, "answer_running");
  await assertRefused(me.ask({ ...body, after: turns[2].id }), 409, "answer_running");
  const branch = await begin(me, { ...body, after: answered });
  const anew = await begin(me, { ...body, after: null });
  assert.deepEqual(
    [running, branch, anew].map(({ call }) => call.body.messages.length),
    [4, 4, 2],
    "with the system prompt",
  );
  for (const begun of [running, branch, anew]) await end(begun);
  assert.equal(
    (await end(await begin(me, body))).history_turns,
    2,
    "the newest is the one that began last",
  );
});

test("a turn that the conversation does not have is followed by nothing", async (t) => {
  const known = await begin(me);
  const { turn_id } = await end(known);
  const yours = await begin(you);
  const { turn_id: foreign } = await end(yours);
  const { conversation_id } = known.body;
  for (const [what, fields] of [
    ["unknown", { conversation_id, after: fresh() }],
    ["another conversation's", { conversation_id: fresh(), after: turn_id }],
    ["another owner's", { conversation_id: yours.body.conversation_id, after: foreign }],
    ["the answer's id", { conversation_id, after: known.key }],
    ["a wildcard", { conversation_id, after: "%" }],
  ]) {
    await t.test(what, async () => {
      const reply = await me.ask({ message: "Hello", ...fields });
      const detail = "Field 'body.after': Value error, the conversation has no turn of this id";
      assert.equal(await reply.text(), errorBody("validation_error", reply.id, detail));
      assert.equal(reply.status, 400);
    });
  }
});

const everything = { method: "DELETE", headers: { "x-confirm": "delete-everything" } };

test("deleting a conversation stops the answers that run in it, and forgets them", async (t) => {
  for (const [what, path, init] of [
    ["one", (id) => `/conversations/${id}`, { method: "DELETE" }],
    ["all", () => "/conversations", everything],
  ]) {
    await t.test(what, async () => {
      const begun = await begin(me);
      const other = await me.answer(begun.key);
      await other.next();
      const yours = await begin(you);
      const deleting = me.send(path(begun.body.conversation_id), init);
      assert.equal(await within(begun.call.closed, "the end of upstream", 1000), "aborted");
      assert.deepEqual([(await deleting).status, await (await deleting).text()], [204, ""]);
      const rest = await begun.reply.text();
      const ending = endingOf(rest);
      assert.equal(ending.finish_reason, "stopped");
      assert.equal(rest, keptFrames(begun.key, begun.reply.id, ["Some text"], ending, 1));
      assert.equal(await other.text(), rest);
      for (const gone of [`/answers/${begun.key}`, path(begun.body.conversation_id)]) {
        if (gone !== "/conversations") assert.equal((await me.send(gone)).status, 404);
      }
      const { record } = await server.log("answer_complete", begun.reply.id);
      assert.partialDeepStrictEqual(record, { end_reason: "stopped", answer_id: begun.key });
      await end(yours);
      const again = await me.exchange(upstream, begun.body, { "idempotency-key": begun.key });
      assert.equal(endingOf(again.text).history_turns, 0, "the key is free again");
    });
  }
});

test("deleting a conversation before upstream's headers closes the call, and its reader gets one final frame", async () => {
  const key = fresh();
  const body = { message: "Hello over there", conversation_id: fresh() };
  const asked = me.ask(body, { "idempotency-key": key });
  const call = await upstream.nextCall();
  const deleted = await me.send(`/conversations/${body.conversation_id}`, { method: "DELETE" });
  assert.equal(deleted.status, 204);
  assert.equal(await within(call.closed, "the end of upstream", 1000), "aborted");
  const reply = await asked;
  const text = await reply.text();
  assert.equal(endingOf(text).finish_reason, "stopped");
  assert.equal(text, keptFrames(key, reply.id, [], endingOf(text)));
});
