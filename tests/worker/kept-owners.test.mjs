/** Owners: what belongs to one of them does not exist for any other. */
import assert from "node:assert/strict";
import test, { after, before, beforeEach } from "node:test";
import { errorBody } from "../support/errors.mjs";
import { startKept } from "../support/kept.mjs";
import { keepSecret } from "../support/leaks.mjs";
import { endingOf, Person } from "../support/person.mjs";
import { answer, delta, done, finish, startUpstream } from "../support/upstream.mjs";

const MINE = "my-first-token-0123456789";
const MINE_TOO = "my-second-token-0123456789";
const YOURS = "your-token-0123456789";
const UNNAMED = "unnamed-token-0123456789";
const UNNAMED_TOO = "unnamed-token-too-0123456789";
const NAMED_ANONYMOUS = "token-of-anonymous-0123456789";

const upstream = await startUpstream();
const variables = { OPENAI_BASE_URL: upstream.url, MAX_ANSWERS_AT_ONCE: "1" };
const server = await startKept({
  ...variables,
  ACCESS_TOKENS: `me:${MINE},me:${MINE_TOO},you:${YOURS},${UNNAMED},${UNNAMED_TOO},anonymous:${NAMED_ANONYMOUS}`,
  ANONYMOUS_OWNER: "true",
});
const [me, meToo, you, unnamed, unnamedToo, anonymous] = [
  MINE,
  MINE_TOO,
  YOURS,
  UNNAMED,
  UNNAMED_TOO,
  NAMED_ANONYMOUS,
].map((token) => new Person(server, token));
const all = [me, meToo, you, unnamed, unnamedToo, anonymous];

/** A conversation of mine, and its answer. */
const MY_CONVERSATION = "mine";
const MY_ANSWER = "my-answer";
const SECRET = "Zanzibar";

before(async () => {
  const body = { message: `What about ${SECRET}?`, conversation_id: MY_CONVERSATION };
  await me.exchange(upstream, body, { "idempotency-key": MY_ANSWER }, [`${SECRET} it is`]);
});
beforeEach(() => upstream.reset());
after(async () => {
  for (const person of all) await person.assertLogged();
});

async function idsOf(person) {
  const { conversations } = JSON.parse(await (await person.send("/conversations")).text());
  return conversations.map(({ id }) => id);
}

/** Status and body of a reply, without its id. */
async function seen(asked) {
  const reply = await asked;
  return [reply.status, (await reply.text()).replaceAll(reply.id, "ID")];
}

test("two tokens of one name share what is kept", async () => {
  assert.deepEqual(await idsOf(meToo), [MY_CONVERSATION]);
  assert.deepEqual(
    await meToo.conversation(MY_CONVERSATION),
    await me.conversation(MY_CONVERSATION),
  );
  const key = crypto.randomUUID();
  const asked = me.ask(
    { message: "And more?", conversation_id: MY_CONVERSATION },
    { "idempotency-key": key },
  );
  const call = await upstream.nextCall();
  call.write(delta("So"));
  const reply = await asked;
  const first = await reply.next();
  const other = await meToo.answer(key);
  assert.equal(await other.next(), first);
  assert.equal((await meToo.ask({ message: "One more", conversation_id: "more" })).status, 429);
  assert.equal(await (await meToo.stop(key)).text(), '{"state":"stopped"}');
  assert.equal(await other.text(), await reply.text());
});

/** Every way to reach for something by its id. */
const REACHES = [
  ["open", (person, id) => person.send(`/conversations/${id.conversation}`)],
  [
    "export as Markdown",
    (person, id) =>
      person.send(`/conversations/${id.conversation}`, { headers: { accept: "text/markdown" } }),
  ],
  [
    "rename",
    (person, id) =>
      person.send(`/conversations/${id.conversation}`, {
        method: "PATCH",
        body: { title: "Taken over" },
      }),
  ],
  [
    "delete",
    (person, id) => person.send(`/conversations/${id.conversation}`, { method: "DELETE" }),
  ],
  ["read", (person, id) => person.answer(id.answer)],
  ["read on", (person, id) => person.answer(id.answer, 0)],
  [
    "resume",
    (person, id) =>
      person.ask(
        { message: "Hi there", conversation_id: "own" },
        { "last-event-id": `${id.answer}.0` },
      ),
  ],
  ["stop", (person, id) => person.stop(id.answer)],
];

test("what belongs to somebody else cannot be told from what does not exist", async (t) => {
  const theirs = { conversation: MY_CONVERSATION, answer: MY_ANSWER };
  const nobodys = { conversation: "nobodys", answer: "nobodys" };
  const before = await me.conversation(MY_CONVERSATION);
  for (const [what, reach] of REACHES) {
    await t.test(what, async () => {
      for (const person of [you, unnamed, unnamedToo, anonymous]) {
        const [status, text] = await seen(reach(person, theirs));
        assert.deepEqual([status, JSON.parse(text).code], [404, "not_found"]);
        assert.deepEqual([status, text], await seen(reach(person, nobodys)));
      }
    });
  }
  assert.deepEqual(await me.conversation(MY_CONVERSATION), before);
});

test("nobody finds, lists, exports or deletes what belongs to somebody else", async () => {
  keepSecret(SECRET);
  const before = await seen(me.send("/export"));
  for (const person of [you, unnamed, unnamedToo, anonymous]) {
    const nothing = '{"conversations":[],"next":null}';
    assert.deepEqual(await seen(person.send("/conversations")), [200, nothing]);
    assert.deepEqual(await seen(person.send(`/conversations?q=${SECRET}`)), [200, nothing]);
    assert.deepEqual(await seen(person.send("/export")), [200, ""]);
    const headers = { "x-confirm": "delete-everything" };
    assert.deepEqual(await seen(person.send("/conversations", { method: "DELETE", headers })), [
      204,
      "",
    ]);
  }
  assert.deepEqual(await seen(me.send("/export")), before);
  const [, found] = await seen(meToo.send(`/conversations?q=${SECRET}`));
  assert.equal(JSON.parse(found).conversations.length, 1);
});

test("two owners may use the same id for two conversations, and each counts its own answers", async () => {
  const running = [];
  for (const person of [me, you, unnamed, unnamedToo, anonymous]) {
    const headers = { "idempotency-key": "the-same-key" };
    const asked = person.ask({ message: "Hello over there", conversation_id: "same" }, headers);
    const call = await upstream.nextCall();
    call.write(delta(`Answer ${running.length} of five`));
    const reply = await asked;
    await reply.next();
    running.push({ person, call, reply });
  }
  const { person, reply } = running[0];
  assert.equal(await (await person.stop("the-same-key")).text(), '{"state":"stopped"}');
  assert.equal(endingOf(await reply.text()).finish_reason, "stopped");
  for (const { call, reply } of running.slice(1)) {
    call.end(finish("stop"), done);
    assert.equal(endingOf(await reply.text()).finish_reason, "stop");
  }
  for (const [index, { person }] of running.entries()) {
    const { turns } = await person.conversation("same");
    assert.deepEqual(
      turns.map(({ content }) => content),
      ["Hello over there", `Answer ${index} of five`],
    );
  }
  assert.equal(upstream.calls.length, 5);
});

test("without a valid token there is nothing at all, and no id is looked up", async (t) => {
  const strangers = [new Person(server), new Person(server, "a-wrong-token-0123456789")];
  const list = ["list", (person) => person.send("/conversations")];
  const others = [
    list,
    ["export", (person) => person.send("/export")],
    [
      "delete all",
      (person) =>
        person.send("/conversations", {
          method: "DELETE",
          headers: { "x-confirm": "delete-everything" },
        }),
    ],
    ["ask", (person) => person.ask({ message: "Hello", conversation_id: MY_CONVERSATION })],
  ];
  for (const [what, reach] of [...REACHES, ...others]) {
    await t.test(what, async () => {
      for (const stranger of strangers) {
        const reply = await reach(stranger, { conversation: MY_CONVERSATION, answer: MY_ANSWER });
        assert.equal(reply.status, 401);
        assert.match(reply.headers.get("www-authenticate"), /^Bearer/);
        assert.equal(await reply.text(), errorBody("unauthorized", reply.id));
      }
    });
  }
  assert.equal(upstream.calls.length, 0);
  for (const stranger of strangers) await stranger.assertLogged();
});

/** The same folder under other variables, for one test. */
async function under(tokens, run) {
  for (const person of all) await person.assertLogged();
  await server.kill();
  const next = await startKept({ ...variables, ...tokens }, { folder: server.folder });
  await run(next);
  await next.kill();
  await server.start();
}

test("a token that takes another's place under its name keeps everything, and one without a name is known by itself", async () => {
  const kept = await idsOf(me);
  const texts = await Promise.all(
    [unnamed, unnamedToo].map((person) => seen(person.send("/export"))),
  );
  const ROTATED = "my-rotated-token-0123456789";
  const ACCESS_TOKENS = `${UNNAMED_TOO}, ${UNNAMED}, me:${ROTATED}, token-1:${YOURS}`;
  await under({ ACCESS_TOKENS }, async (next) => {
    const [rotated, first, second, renamed] = [ROTATED, UNNAMED, UNNAMED_TOO, YOURS].map(
      (token) => new Person(next, token),
    );
    assert.deepEqual(await idsOf(rotated), kept);
    const places = await Promise.all([first, second].map((person) => seen(person.send("/export"))));
    assert.deepEqual(places, texts, "whatever their places in the list");
    assert.deepEqual(await idsOf(renamed), [], "another name is another owner");
    assert.equal((await new Person(next, MINE).send("/conversations")).status, 401);
  });
});

test("anonymous clients share an owner of their own, which no token's name is", async () => {
  await under({ ACCESS_TOKENS: undefined, ANONYMOUS_OWNER: "true" }, async (next) => {
    const [guest, other] = [new Person(next), new Person(next, "whatever-token-0123456789")];
    assert.deepEqual(await idsOf(guest), []);
    upstream.script((call) => call.end(...answer("Welcome")));
    await (await guest.ask({ message: "Hello", conversation_id: "shared" })).text();
    assert.deepEqual([await idsOf(guest), await idsOf(other)], [["shared"], ["shared"]]);
  });
  assert.ok(!(await idsOf(anonymous)).includes("shared"));
});
