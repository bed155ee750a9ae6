/** Where a reader begins: `Last-Event-ID` and `?after`, right and wrong, while an answer runs and once it has ended. */
import assert from "node:assert/strict";
import test, { after, before, beforeEach } from "node:test";
import { DETAILS, errorBody } from "../support/errors.mjs";
import { startKept } from "../support/kept.mjs";
import { endingOf, keptFrame, keptFrames, Person } from "../support/person.mjs";
import { delta, done, finish, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const server = await startKept({
  OPENAI_BASE_URL: upstream.url,
  ACCESS_TOKENS: "me:my-token-0123456789,you:your-token-0123456789",
});
const me = new Person(server, "my-token-0123456789");
const you = new Person(server, "your-token-0123456789");

const CONTENTS = ["zero ", "one ", "two"];
const BODY = { message: "Hello over there", conversation_id: "positions" };

/** A complete answer of three frames with text. */
const KEY = "an.answer:1";
/** Its stream, and who asked for it. */
let whole;
let asker;

before(async () => {
  const { text, reply } = await me.exchange(upstream, BODY, { "idempotency-key": KEY }, CONTENTS);
  asker = reply.id;
  whole = (first) => keptFrames(KEY, asker, CONTENTS, endingOf(text), first);
  const other = { message: "Another one", conversation_id: "others" };
  await me.exchange(upstream, other, { "idempotency-key": "other" });
  await you.exchange(upstream, other, { "idempotency-key": "yours" });
});
beforeEach(() => upstream.reset());
after(async () => {
  assert.equal(upstream.calls.length, 0, "the last test asks nothing");
  await me.assertLogged();
  await you.assertLogged();
});

const last = (id) => ({ "last-event-id": id });

/** What a client hears that says where it stands: the text, or the status where there is none. */
async function heard(asked) {
  const reply = await asked;
  const text = await reply.text();
  if (reply.status === 204) {
    const { headers } = reply;
    const told = [text, headers.get("content-type"), headers.get("x-answer-id")];
    assert.deepEqual(told, ["", null, KEY], "no body, and whose end it is");
  }
  if (reply.status < 400) return text || reply.status;
  return [reply.status, text.replace(reply.id, "ID")];
}

const refused = (code, detail) => [code === "not_found" ? 404 : 400, errorBody(code, "ID", detail)];
const unknown = refused("not_found", DETAILS.noAnswer);
const invalid = (field, rule) => refused("validation_error", `Field '${field}': ${rule}`);
const malformed = invalid(
  "header.last-event-id",
  "Value error, it should be the id of a frame: an answer's id, a dot and a sequence",
);
const foreign = invalid("header.last-event-id", "Value error, the id belongs to another answer");
const notOfKey = invalid(
  "header.last-event-id",
  "Value error, the id belongs to another answer than Idempotency-Key",
);
const noSequence = invalid("query.after", "Input should be a frame's sequence");

test("a complete answer is read strictly after the frame that a reader names", async (t) => {
  const huge = `${Number.MAX_SAFE_INTEGER}`;
  for (const [sequence, expected] of [
    ["0", whole(1)],
    ["1", whole(2)],
    ["2", whole(3)],
    ["3", 204],
    ["4", 204],
    [huge, 204],
    ["18446744073709551615", 204],
  ]) {
    await t.test(sequence, async () => {
      const id = `${KEY}.${sequence}`;
      assert.deepEqual(await heard(me.answer(KEY, sequence)), expected, "?after");
      assert.deepEqual(
        await heard(me.answer(KEY, undefined, { headers: last(id) })),
        expected,
        "GET",
      );
      assert.deepEqual(await heard(me.ask(BODY, last(id))), expected, "POST");
      const keyed = { ...last(id), "idempotency-key": KEY };
      assert.deepEqual(await heard(me.ask(BODY, keyed)), expected, "POST with its key");
    });
  }
});

test("an empty Last-Event-ID is that of a reader that has nothing yet", async () => {
  assert.equal(await heard(me.answer(KEY, undefined, { headers: last("") })), whole(0));
  assert.equal(await heard(me.ask(BODY, { ...last(""), "idempotency-key": KEY })), whole(0));
});

test("a Last-Event-ID of another form is refused, and is not repeated", async (t) => {
  const long = `${"k".repeat(129)}.0`;
  const numbers = ["", "-1", "+1", "01", "1.0 ", "1e2", " 1", "0x1", "١", "18446744073709551616"];
  const ids = [
    ...numbers.map((number) => `${KEY}.${number}`),
    KEY.replace(".", ""),
    ".1",
    "..1",
    "1",
    "a b.1",
    "a/b.1",
    long,
    `${KEY}.1, ${KEY}.2`,
  ];
  for (const id of ids.filter((id) => id === id.trim())) {
    await t.test(JSON.stringify(id.slice(0, 30)), async () => {
      const headers = last(Buffer.from(id).toString("latin1"));
      assert.deepEqual(await heard(me.answer(KEY, undefined, { headers })), malformed, "GET");
      assert.deepEqual(await heard(me.ask(BODY, headers)), malformed, "POST");
    });
  }
  assert.equal(upstream.calls.length, 0);
});

test("a Last-Event-ID of another answer, or of none, says so", async (t) => {
  const key = { "idempotency-key": KEY };
  for (const [what, asked, expected] of [
    [
      "GET, another one of mine",
      () => me.answer(KEY, undefined, { headers: last("other.0") }),
      foreign,
    ],
    ["GET, unknown", () => me.answer(KEY, undefined, { headers: last("nobody.0") }), foreign],
    [
      "GET of an unknown answer",
      () => me.answer("nobody", undefined, { headers: last("nobody.0") }),
      unknown,
    ],
    [
      "GET of another owner's",
      () => me.answer("yours", undefined, { headers: last("yours.0") }),
      unknown,
    ],
    ["POST, unknown", () => me.ask(BODY, last("nobody.0")), unknown],
    ["POST, another owner's", () => me.ask(BODY, last("yours.0")), unknown],
    ["POST, not the key's", () => me.ask(BODY, { ...key, ...last("other.0") }), notOfKey],
    [
      "POST, not the key's and unknown",
      () => me.ask(BODY, { ...key, ...last("nobody.0") }),
      notOfKey,
    ],
    [
      "POST, the key's and unknown",
      () => me.ask(BODY, { "idempotency-key": "nobody", ...last("nobody.0") }),
      unknown,
    ],
  ]) {
    await t.test(what, async () => {
      assert.deepEqual(await heard(asked()), expected);
      assert.equal(upstream.calls.length, 0, "nothing is bought");
    });
  }
});

test("?after is a sequence, and the header beats it", async (t) => {
  const headers = last(`${KEY}.1`);
  for (const [query, expected] of [
    ["?after=0", whole(1)],
    ["?x=1&after=2&after=0", whole(3)],
    ["?after=%31", whole(2)],
    ["?AFTER=1", whole(0)],
    ["", whole(0)],
    ["?", whole(0)],
    ["?after", noSequence],
    ["?after=", noSequence],
    ["?after=-1", noSequence],
    ["?after=+1", noSequence],
    ["?after=01", noSequence],
    ["?after=1.0", noSequence],
    ["?after=one", noSequence],
    [`?after=${KEY}.1`, noSequence],
  ]) {
    await t.test(query, async () => {
      assert.deepEqual(await heard(me.send(`/answers/${KEY}${query}`)), expected);
      assert.equal(
        await heard(me.send(`/answers/${KEY}${query}`, { headers })),
        whole(2),
        "with the header",
      );
    });
  }
});

test("a reader of a running answer that is ahead of it gets what follows, or nothing", async () => {
  const key = "running";
  const asked = me.ask({ ...BODY, conversation_id: "running" }, { "idempotency-key": key });
  const call = await upstream.nextCall();
  call.write(delta("zero "));
  const reply = await asked;
  await reply.next();
  const ahead = await me.answer(key, 1);
  const beyond = await me.answer(key, 7);
  assert.deepEqual([ahead.status, ahead.answerId, beyond.status], [200, key, 200]);
  call.write(delta("one "), delta("two "));
  assert.equal(await ahead.next(), keptFrame(key, reply.id, 2, "two "));
  call.end(finish("stop"), done);
  const rest = await ahead.text();
  assert.equal(rest, keptFrames(key, reply.id, ["zero ", "one ", "two "], endingOf(rest), 3));
  assert.equal(await beyond.text(), "", "it has the end already, or made its place up");
  assert.equal((await me.answer(key, 7)).status, 204);
  upstream.reset();
});

test("an answer is not found under any other path", async (t) => {
  for (const path of [
    "/answers/nobody",
    "/answers/a%20b",
    "/answers/%",
    "/answers/%FF",
    "/answers/an%2Fanswer",
    `/answers/${"k".repeat(129)}`,
  ]) {
    await t.test(path.slice(0, 30), async () => {
      assert.deepEqual(await heard(me.send(path)), unknown);
    });
  }
  for (const path of ["/answers", "/answers/", `/answers/${KEY}/`, `/answers/${KEY}/frames`]) {
    await t.test(path, async () => {
      assert.deepEqual(await heard(me.send(path)), refused("not_found"));
    });
  }
});
