/** An answer is bought once: the same Idempotency-Key never asks the model again, whatever happens in between. */
import assert from "node:assert/strict";
import test, { after, beforeEach } from "node:test";
import { errorBody } from "../support/errors.mjs";
import { startKept } from "../support/kept.mjs";
import { endingOf, keptFrame, keptFrames, Person } from "../support/person.mjs";
import { delta, done, finish, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const TIMES = 20;

const upstream = await startUpstream();
const server = await startKept({
  OPENAI_BASE_URL: upstream.url,
  ACCESS_TOKENS: "me:my-token-0123456789,you:your-token-0123456789",
  MAX_ANSWERS_AT_ONCE: "100",
  MAX_RETRIES: "0",
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
const keyed = (key) => ({ "idempotency-key": key });

/** A message for a conversation of its own. */
const hello = (fields) => ({ message: "Hello over there", conversation_id: fresh(), ...fields });

/** Sends the same request `TIMES` times at once. */
function askAtOnce(body, key) {
  return Array.from({ length: TIMES }, () => me.ask(body, keyed(key)));
}

async function restart(person) {
  const known = new Set(
    server.logs
      .filter(({ record }) => record.event === "response_complete")
      .map(({ record }) => record.correlation_id),
  );
  lost.push(...person.ids.filter((id) => !known.has(id)));
  await server.kill();
  await server.start();
}

test("one key twenty times at once buys one answer, which all twenty read byte for byte", async () => {
  const key = fresh();
  const asked = askAtOnce(hello(), key);
  const call = await upstream.nextCall();
  call.write(delta("The first"));
  const replies = await Promise.all(asked);
  const ids = replies.map((reply) => reply.id);
  call.end(delta(" and \u{1f600}"), finish("stop"), done);
  const texts = await Promise.all(replies.map((reply) => reply.text()));
  const asker = ids.find((id) => texts[0].includes(id));
  const ending = endingOf(texts[0]);
  assert.deepEqual(Object.keys(ending), ["finish_reason", "turn_id", "history_turns"]);
  const expected = keptFrames(key, asker, ["The first", " and \u{1f600}"], ending);
  for (const [index, text] of texts.entries()) {
    assert.equal(text, expected);
    assert.deepEqual([replies[index].status, replies[index].answerId], [200, key]);
  }
  assert.equal(upstream.calls.length, 1);
  await server.log("answer_complete", (record) => record.answer_id === key);
  await me.assertLogged(lost);
  const complete = server.logs.filter(({ record }) => record.answer_id === key);
  assert.deepEqual(
    complete.map(({ record }) => record.event),
    ["answer_complete"],
  );
});

test("a key that comes again after the end replays the answer from its start", async () => {
  const body = hello();
  const { reply, text } = await me.exchange(upstream, body, keyed(fresh()), ["One", " two"]);
  const again = await me.ask(body, keyed(reply.answerId));
  assert.deepEqual([again.status, again.answerId], [200, reply.answerId]);
  assert.equal(await again.text(), text, "with the asker's correlation id");
  assert.equal(upstream.calls.length, 1);
});

test("a key that comes again after a crash in mid-answer buys nothing: the text so far has one honest end", async () => {
  const key = fresh();
  const body = hello();
  const asked = me.ask(body, keyed(key));
  const call = await upstream.nextCall();
  call.write(delta("Half a"));
  const reply = await asked;
  assert.equal(await reply.next(), keptFrame(key, reply.id, 0, "Half a"));
  await restart(me);
  const replies = await Promise.all(askAtOnce(body, key));
  const texts = await Promise.all(replies.map((each) => each.text()));
  const ending = endingOf(texts[0]);
  assert.partialDeepStrictEqual(ending, { code: "interrupted", history_turns: 0 });
  for (const text of texts) {
    assert.equal(text, keptFrames(key, reply.id, ["Half a"], ending));
  }
  assert.equal(upstream.calls.length, 1);
});

test("a key that comes again after a crash before upstream's headers buys nothing either", async () => {
  const key = fresh();
  const body = hello();
  const asked = me.ask(body, keyed(key), { id: "asker-before-the-crash" });
  asked.catch(() => {});
  await upstream.nextCall();
  await restart(me);
  await assert.rejects(asked);
  const again = await me.ask(body, keyed(key));
  const text = await again.text();
  const ending = endingOf(text);
  assert.equal(ending.code, "interrupted");
  assert.equal(text, keptFrames(key, "asker-before-the-crash", [], ending));
  assert.equal(upstream.calls.length, 1);
});

test("a key that comes again after a stop replays the stopped answer", async () => {
  const key = fresh();
  const body = hello();
  const asked = me.ask(body, keyed(key));
  const call = await upstream.nextCall();
  call.write(delta("Enough"));
  const reply = await asked;
  await reply.next();
  await (await me.stop(key)).text();
  const again = await me.ask(body, keyed(key));
  const text = await again.text();
  assert.equal(endingOf(text).finish_reason, "stopped");
  assert.equal(text, keptFrames(key, reply.id, ["Enough"], endingOf(text)));
  assert.equal(await reply.text(), keptFrames(key, reply.id, ["Enough"], endingOf(text), 1));
  assert.equal(upstream.calls.length, 1);
});

test("another owner's same key is another answer", async () => {
  const key = fresh();
  const body = hello();
  const mine = await me.exchange(upstream, body, keyed(key), ["Mine"]);
  const yours = await you.exchange(upstream, body, keyed(key), ["Yours"]);
  assert.deepEqual([mine.answerId, yours.answerId], [key, key]);
  assert.equal(upstream.calls.length, 2);
  assert.equal(await (await me.answer(key)).text(), mine.text);
  assert.equal(await (await you.answer(key)).text(), yours.text);
});

test("without a key each request buys an answer of its own, and its id is a UUID", async () => {
  const body = hello();
  const first = await me.exchange(upstream, body);
  const second = await me.exchange(upstream, body);
  assert.notEqual(first.answerId, second.answerId);
  for (const { answerId } of [first, second]) {
    assert.match(answerId, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  }
  assert.equal(endingOf(second.text).history_turns, 2);
});

test("a key is free again when upstream fails before its success status, and all who wait get the same error", async () => {
  const key = fresh();
  const body = hello();
  const known = me.ids.length;
  const asked = askAtOnce(body, key);
  const call = await upstream.nextCall();
  await attached(me.ids.slice(known));
  call.respond(
    429,
    { error: { message: "Slow down", code: "rate_limit_exceeded" } },
    { "retry-after": "7" },
  );
  for (const reply of await Promise.all(asked)) {
    assert.deepEqual([reply.status, reply.headers.get("retry-after")], [429, "7"]);
    assert.equal(await reply.text(), errorBody("upstream_rate_limited", reply.id));
  }
  assert.equal(upstream.calls.length, 1);
  assert.equal(
    (await me.send(`/conversations/${body.conversation_id}`)).status,
    404,
    "nothing is kept",
  );
  assert.equal((await me.answer(key)).status, 404);
  const other = { ...body, message: "Something else" };
  const { reply } = await me.exchange(upstream, other, keyed(key));
  assert.deepEqual([reply.status, upstream.calls.length], [200, 2]);
});

/** Resolves once all of these requests wait for their answer. */
async function attached(ids) {
  await Promise.all(ids.map((id) => server.log("request_received", id)));
  // Each was forwarded in the same turn. The object takes its requests in order.
  for (let time = 0; time < 2; time++) await (await me.send("/conversations")).text();
}

test("a failed call takes back its exchange alone: the conversation stays as it was", async () => {
  const body = hello();
  await me.exchange(upstream, body);
  const before = await me.conversation(body.conversation_id);
  const asked = me.ask({ ...body, message: "And then?" }, keyed(fresh()));
  (await upstream.nextCall()).respond(500, "{}");
  assert.equal((await asked).status, 502);
  assert.deepEqual(await me.conversation(body.conversation_id), before);
});

test("a failure after upstream's success status is kept, and its key buys nothing more", async () => {
  const key = fresh();
  const body = hello();
  const asked = me.ask(body, keyed(key));
  const call = await upstream.nextCall();
  call.write(delta("Cut "));
  const reply = await asked;
  await reply.next();
  call.cut();
  const text = await reply.text();
  assert.equal(endingOf(text).code, "upstream_truncated");
  assert.equal(
    await (await me.ask(body, keyed(key))).text(),
    keptFrame(key, reply.id, 0, "Cut ") + text,
  );
  assert.equal(upstream.calls.length, 1);
  await within(call.closed, "the end of the call");
});
