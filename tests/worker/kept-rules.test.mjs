/** The rules of every field, parameter and header about what is kept: what is refused, in which words, and never repeated. */
import assert from "node:assert/strict";
import test, { after, before, beforeEach } from "node:test";
import { errorBody } from "../support/errors.mjs";
import { startKept } from "../support/kept.mjs";
import { keepSecret } from "../support/leaks.mjs";
import { Person } from "../support/person.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream(answerWell);
const server = await startKept({
  OPENAI_BASE_URL: upstream.url,
  ANONYMOUS_OWNER: "true",
  LOG_LEVEL: "DEBUG",
});
const me = new Person(server);

/** No answer and no log line may hold it. */
const CANARY = "canaryZXY";
keepSecret(CANARY);

before(async () => (await me.ask({ message: "Hello over there", conversation_id: "c" })).text());
beforeEach(() => upstream.reset());
after(() => me.assertLogged());

async function assertInvalid(asked, field, rule) {
  const reply = await asked;
  const text = await reply.text();
  assert.equal(text, errorBody("validation_error", reply.id, `Field '${field}': ${rule}`));
  assert.equal(reply.status, 400);
  assert.ok(!text.includes(CANARY));
  assert.equal(upstream.calls.length, 0);
  const { record } = await server.log("validation_error", reply.id);
  assert.deepEqual([record.field, record.rule], [field, rule]);
}

const string = "Input should be a valid string";
const blank = "String should have at least 1 character";
const most = (count) => `String should have at most ${count} characters`;
const pattern = "String should match pattern '^[A-Za-z0-9_-]+$'";

test("conversation_id and after are refused in pydantic's words", async (t) => {
  const c = "c";
  for (const [field, fields, rule] of [
    ["conversation_id", { conversation_id: 7 }, string],
    ["conversation_id", { conversation_id: true }, string],
    ["conversation_id", { conversation_id: [CANARY] }, string],
    ["conversation_id", { conversation_id: { id: CANARY } }, string],
    ["conversation_id", { conversation_id: "" }, blank],
    ["conversation_id", { conversation_id: "x".repeat(65) }, most(64)],
    ["conversation_id", { conversation_id: `${CANARY} ` }, pattern],
    ["conversation_id", { conversation_id: `${CANARY}/..` }, pattern],
    ["conversation_id", { conversation_id: `${CANARY}\n` }, pattern],
    ["conversation_id", { conversation_id: `${CANARY}é` }, pattern],
    ["conversation_id", { conversation_id: ".." }, pattern],
    ["conversation_id", { conversation_id: "\u0000" }, pattern],
    ["after", { conversation_id: c, after: 7 }, string],
    ["after", { conversation_id: c, after: [CANARY] }, string],
    ["after", { conversation_id: c, after: false }, string],
    ["after", { conversation_id: c, after: "" }, blank],
    ["after", { conversation_id: c, after: CANARY.repeat(8) }, most(64)],
    [
      "after",
      { conversation_id: c, after: CANARY },
      "Value error, the conversation has no turn of this id",
    ],
    [
      "after",
      { conversation_id: "unknown", after: CANARY },
      "Value error, the conversation has no turn of this id",
    ],
  ]) {
    await t.test(JSON.stringify(fields).slice(0, 60), () =>
      assertInvalid(me.ask({ message: "Hello", ...fields }), `body.${field}`, rule),
    );
  }
  assert.equal((await me.send("/conversations/unknown")).status, 404, "nothing was created");
});

test("a conversation's id may have 1 to 64 letters, digits, _ and -", async (t) => {
  for (const id of [
    "a",
    "-",
    "_",
    "A-b_9",
    "x".repeat(64),
    "constructor",
    "018f3f6a-7a3b-7cc1-98ef-123456789abc",
  ]) {
    await t.test(id, async () => {
      await (await me.ask({ message: "Hello", conversation_id: id })).text();
      assert.equal((await me.conversation(id)).id, id);
    });
  }
});

const title = (body, headers) => me.send("/conversations/c", { method: "PATCH", body, headers });

test("a title is refused in pydantic's words", async (t) => {
  for (const [field, body, rule] of [
    ["body.title", {}, "Field required"],
    ["body.title", { title: null }, string],
    ["body.title", { title: 7 }, string],
    ["body.title", { title: [CANARY] }, string],
    ["body.title", { title: "" }, blank],
    ["body.title", { title: CANARY.repeat(30) }, most(200)],
    ["body.title", { title: " \n\u3000" }, "Value error, title must not be blank"],
    ["body", "[]", "Input should be a valid object"],
    ["body", "", "JSON decode error: EOF while parsing a value at line 1 column 0"],
    [
      "body",
      `{"title":"${CANARY}`,
      `JSON decode error: EOF while parsing a string at line 1 column ${10 + CANARY.length}`,
    ],
  ]) {
    await t.test(JSON.stringify(body).slice(0, 60), () => assertInvalid(title(body), field, rule));
  }
  assert.equal((await me.conversation("c")).title, "Hello over there");
});

test("a title's body is one of JSON, as a chat's is", async (t) => {
  for (const [what, body, headers, status, code] of [
    [
      "text",
      '{"title":"A title"}',
      { "content-type": "text/plain" },
      415,
      "unsupported_media_type",
    ],
    [
      "compressed",
      '{"title":"A title"}',
      { "content-encoding": "gzip" },
      415,
      "unsupported_media_type",
    ],
    ["too large", { title: "x".repeat(65_536) }, {}, 413, "body_too_large"],
  ]) {
    await t.test(what, async () => {
      const reply = await title(body, headers);
      assert.deepEqual([reply.status, (await reply.error()).code], [status, code]);
    });
  }
  keepSecret(`${CANARY} is a title`);
  const reply = await title({ title: `  ${CANARY} is a title "' ; -- \u{1f600} `, color: 7 });
  const named = `${CANARY} is a title "' ; -- \u{1f600}`;
  assert.equal(await reply.text(), JSON.stringify({ id: "c", title: named }));
  assert.equal((await me.conversation("c")).title, named);
});

test("the parameters of the list are refused in pydantic's words", async (t) => {
  const limit = "Input should be a whole number from 1 to 100";
  const before = "Value error, no page ended there";
  for (const [field, query, rule] of [
    ["query.limit", "limit=0", limit],
    ["query.limit", "limit=101", limit],
    ["query.limit", "limit=", limit],
    ["query.limit", "limit=-1", limit],
    // Written so, a plus is a space; escaped, it is a sign.
    ["query.limit", "limit=+5", limit],
    ["query.limit", "limit=%2B5", limit],
    ["query.limit", `limit=${CANARY}`, limit],
    ["query.limit", "limit=1.5", limit],
    ["query.limit", "limit=99999999999999999999", limit],
    ["query.before", `before=${CANARY}`, before],
    ["query.before", `before=${CANARY.repeat(20)}`, before],
    ["query.before", "before=-", before],
    ["query.before", "before=%FF", before],
    ["query.before", "before=1-2-3", before],
    ["query.q", `q=${"x".repeat(1001)}`, most(1000)],
  ]) {
    await t.test(query.slice(0, 60), () =>
      assertInvalid(me.send(`/conversations?${query}`), field, rule),
    );
  }
});

test("any search is harmless, and none is logged", async (t) => {
  for (const q of [
    CANARY,
    `"${CANARY}`,
    `${CANARY}" OR "1`,
    `${CANARY}*`,
    `text:${CANARY} NEAR(a b, 3) ^x`,
    `' OR 1=1; DROP TABLE conversations; -- ${CANARY}`,
    "AND",
    "NOT",
    "(",
    ")",
    '"',
    '""',
    "*",
    "-",
    "^",
    ":",
    "{}",
    "\\",
    "%",
    "_",
    "?1",
    " ",
    "",
    "«Hello»",
    "„Hello“",
    "『Hello』",
    "\u0000",
    "\u{1f600}",
    "\uFFFD",
    "x ".repeat(400),
  ]) {
    await t.test(JSON.stringify(q).slice(0, 50), async () => {
      const reply = await me.send(`/conversations?q=${encodeURIComponent(q)}`);
      assert.equal(reply.status, 200);
      const { conversations, next } = JSON.parse(await reply.text());
      assert.ok(Array.isArray(conversations));
      assert.equal(next, null);
    });
  }
  const broken = await me.send("/conversations?q=%FF%&q=second");
  assert.equal(broken.status, 200);
  await broken.text();
  const [{ snippet }] = JSON.parse(
    await (await me.send("/conversations?q=%22hello")).text(),
  ).conversations;
  assert.match(snippet, /Hello/);
});

test("everything is deleted only with the header that says so", async (t) => {
  const rule = "Value error, send 'X-Confirm: delete-everything' to forget all conversations";
  for (const headers of [
    {},
    { "x-confirm": "" },
    { "x-confirm": "yes" },
    { "x-confirm": "Delete-Everything" },
    { "x-confirm": `delete-everything, ${CANARY}` },
  ]) {
    await t.test(JSON.stringify(headers), () =>
      assertInvalid(
        me.send("/conversations", { method: "DELETE", headers }),
        "header.x-confirm",
        rule,
      ),
    );
  }
  assert.equal((await me.send("/conversations/c")).status, 200);
});

test("the first rule that is broken is the one that is told", async (t) => {
  const headers = { "idempotency-key": CANARY.repeat(20), "last-event-id": CANARY };
  const body = {
    message: "",
    model: "a b",
    max_tokens: 0,
    history: 7,
    conversation_id: 7,
    after: 7,
  };
  const valid = {
    message: "Hello",
    model: "gpt-4",
    max_tokens: 1,
    history: [],
    conversation_id: "c",
    after: null,
  };
  for (const [field, rule] of [
    ["message", blank],
    ["model", "String should match pattern '^[A-Za-z0-9._:/-]+$'"],
    ["max_tokens", "Input should be greater than or equal to 1"],
    ["history", "Input should be a valid list"],
    ["conversation_id", string],
  ]) {
    await t.test(field, () => assertInvalid(me.ask(body, headers), `body.${field}`, rule));
    body[field] = valid[field];
  }
  delete body.history;
  await assertInvalid(me.ask(body, headers), "body.after", string);
  body.after = null;
  const key = "String should have 1 to 128 characters of [A-Za-z0-9._:-], not dots alone";
  await assertInvalid(me.ask(body, headers), "header.idempotency-key", key);
});
