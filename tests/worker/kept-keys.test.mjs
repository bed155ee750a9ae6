/** What counts as the same request under an Idempotency-Key, and what a key may be. */
import assert from "node:assert/strict";
import test, { after, beforeEach } from "node:test";
import { errorBody } from "../support/errors.mjs";
import { startWorker } from "../support/harness.mjs";
import { startKept } from "../support/kept.mjs";
import { limitedTo } from "../support/limiter.mjs";
import { Person } from "../support/person.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream(answerWell);
const variables = { OPENAI_BASE_URL: upstream.url, ANONYMOUS_OWNER: "true" };
const server = await startKept(variables);
const me = new Person(server);

beforeEach(() => upstream.reset());
after(() => me.assertLogged());

const fresh = () => crypto.randomUUID();
const keyed = (key) => ({ "idempotency-key": key });

/** The request that the others are compared with. Its conversation has a turn already. */
async function known() {
  const conversation_id = fresh();
  const first = await me.ask({ message: "Before", conversation_id });
  await first.text();
  const { turns } = await me.conversation(conversation_id);
  const body = {
    message: "The very same",
    conversation_id,
    after: turns[1].id,
    model: "gpt-4",
    max_tokens: 100,
  };
  const key = fresh();
  const text = await (await me.ask(body, keyed(key))).text();
  upstream.reset();
  return { key, body, text, questionTurn: turns[0].id };
}

test("a request that says the same is the same, however it is written", async (t) => {
  const { key, body, text } = await known();
  const reversed = Object.fromEntries(Object.entries(body).reverse());
  for (const [what, same] of [
    ["spacing", JSON.stringify(body, null, 3)],
    ["order", JSON.stringify(reversed)],
    ["white space around the message", { ...body, message: " \n The very same\t" }],
    ["fields that nobody knows", { ...body, temperature: 2, stream: true }],
    ["an empty history, as null", { ...body, history: null }],
    ["escapes", JSON.stringify(body).replace("same", "\\u0073ame")],
  ]) {
    await t.test(what, async () => {
      const reply = await me.ask(same, keyed(key));
      assert.equal(reply.status, 200);
      assert.equal(await reply.text(), text);
      assert.equal(upstream.calls.length, 0);
    });
  }
});

test("a request that says something else under a known key is refused, and changes nothing", async (t) => {
  const { key, body, text, questionTurn } = await known();
  const before = await me.conversation(body.conversation_id);
  const without = (name) => ({ ...body, [name]: undefined });
  for (const [what, other] of [
    ["another message", { ...body, message: "The very other" }],
    ["white space within the message", { ...body, message: "The  very same" }],
    ["another case", { ...body, message: "the very same" }],
    ["another conversation", { ...body, conversation_id: fresh() }],
    ["another model", { ...body, model: "gpt-4o" }],
    ["no model", without("model")],
    ["another limit", { ...body, max_tokens: 101 }],
    ["no limit", without("max_tokens")],
    ["another turn before it", { ...body, after: questionTurn }],
    ["the beginning", { ...body, after: null }],
    ["the newest turn, unnamed", without("after")],
  ]) {
    await t.test(what, async () => {
      const reply = await me.ask(other, keyed(key));
      assert.equal(reply.status, 409);
      assert.equal(await reply.text(), errorBody("idempotency_conflict", reply.id));
      assert.equal(upstream.calls.length, 0);
    });
  }
  assert.deepEqual(await me.conversation(body.conversation_id), before);
  assert.equal(await (await me.ask(body, keyed(key))).text(), text);
});

test("defaults that the operator changes do not make another request of it", async () => {
  const key = fresh();
  const body = { message: "By default", conversation_id: fresh() };
  const text = await (await me.ask(body, keyed(key))).text();
  await me.assertLogged();
  await server.kill();
  const changed = {
    OPENAI_MODEL: "gpt-5",
    MAX_TOKENS: "77",
    SYSTEM_PROMPT: "Say as little as you can.",
  };
  const next = await startKept({ ...variables, ...changed }, { folder: server.folder });
  const again = await new Person(next).ask(body, keyed(key));
  assert.deepEqual([again.status, await again.text()], [200, text]);
  assert.equal(upstream.calls.length, 1);
  await next.kill();
  await server.start();
});

test("a key of any allowed form is the answer's id, in the header and in every frame", async (t) => {
  for (const key of [
    "a",
    "A.b_c:d-0",
    ".a",
    "a.",
    "1.2.3",
    "...0",
    "k".repeat(128),
    "constructor",
  ]) {
    await t.test(key.slice(0, 20), async () => {
      const reply = await me.ask({ message: "Hello", conversation_id: fresh() }, keyed(key));
      const text = await reply.text();
      assert.deepEqual([reply.status, reply.answerId], [200, key]);
      assert.deepEqual(text.match(/^id: .*$/gm), [`id: ${key}.0`, `id: ${key}.1`]);
      assert.equal(await (await me.answer(key)).text(), text);
      assert.equal(
        await (await me.answer(encodeURIComponent(key))).text(),
        text,
        "percent-encoded",
      );
      const last = { "last-event-id": `${key}.0` };
      const rest = await me.ask({ message: "Hello", conversation_id: fresh() }, last);
      assert.equal(await rest.text(), text.slice(text.indexOf("id: ", 4)));
    });
  }
});

const RULE =
  "Field 'header.idempotency-key': String should have 1 to 128 characters of [A-Za-z0-9._:-], not dots alone";

/** Asks with headers as no client's library would send them. */
async function refused(lines) {
  const id = fresh();
  const body = JSON.stringify({ message: "Hello", conversation_id: fresh() });
  const framing = { "Content-Length": `${body.length}`, Connection: "close" };
  const sent = { ...framing, "X-Correlation-Id": id, ...lines };
  return { id, ...(await server.wire(sent, body)) };
}

test("a key of another form is refused, and is not repeated", async (t) => {
  const long = ["k".repeat(129), ".".repeat(128)];
  const strange = ["a b", "a,b", "a/b", "a%20b", "ключ", "\u{1f511}", '"quoted"', "a\tb"];
  for (const key of ["", ".", "..", ...long, ...strange]) {
    await t.test(JSON.stringify(key.slice(0, 20)), async () => {
      const { id, status, text } = await refused({ "Idempotency-Key": key });
      assert.equal(text, errorBody("validation_error", id, RULE));
      assert.equal(status, 400);
      assert.equal(upstream.calls.length, 0);
      const { record } = await server.log("validation_error", id);
      assert.equal(record.field, "header.idempotency-key");
    });
  }
});

test("two keys at once are none", async () => {
  const { id, text } = await refused({ "Idempotency-Key": "one\r\nidempotency-key: two" });
  assert.equal(text, errorBody("validation_error", id, RULE));
});

test("a request that resumes is not counted, and one that asks is, whatever its headers", async () => {
  const app = await startWorker(variables, { owners: true, ...limitedTo(2) });
  const guest = new Person(app);
  const body = { message: "Hello", conversation_id: fresh() };
  const first = await guest.ask(body, keyed("first"));
  await first.text();
  for (let time = 0; time < 5; time++) {
    assert.equal((await guest.ask(body, { "last-event-id": "first.0" })).status, 200);
  }
  const statuses = [];
  for (let time = 0; time < 3; time++) {
    const reply = await guest.ask({ ...body, conversation_id: fresh() }, { "last-event-id": "" });
    statuses.push(reply.status);
    await reply.text();
  }
  assert.deepEqual(statuses, [200, 429, 429], "an empty header resumes nothing");
  await guest.assertLogged();
});

test("a header's bytes that are no text are refused like any that break the rule, and in Accept they name nothing", async () => {
  const conversation_id = fresh();
  await (await me.ask({ message: "Hello", conversation_id })).text();
  upstream.reset();
  // A byte for each character.
  for (const value of ["\xff", "\xc3(", "a\xa0b", "\xf0\x9f\x94\x91"]) {
    const post = { method: "POST", body: JSON.stringify({ message: "Hello", conversation_id }) };
    const json = ["content-type", "application/json"];
    const keyed = await server.raw("/chat", {
      ...post,
      headers: [...json, "idempotency-key", value],
    });
    assert.deepEqual([keyed.status, JSON.parse(keyed.text).detail], [400, RULE]);
    const resumed = await server.raw("/chat", {
      ...post,
      headers: [...json, "last-event-id", value],
    });
    assert.deepEqual([resumed.status, JSON.parse(resumed.text).code], [400, "validation_error"]);
    const path = `/conversations/${conversation_id}`;
    const read = await server.raw(path, { headers: ["accept", `text/markdown;q=0.1, ${value}`] });
    assert.deepEqual(
      [read.status, read.headers["content-type"]],
      [200, "text/markdown; charset=utf-8"],
    );
  }
  assert.equal(upstream.calls.length, 0);
});
