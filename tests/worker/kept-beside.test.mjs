/** What has no conversation, or no owner: stateless chats are as they were, and everything kept says what is missing. */
import assert from "node:assert/strict";
import test, { after, beforeEach } from "node:test";
import { DETAILS, errorBody } from "../support/errors.mjs";
import { frames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { startKept } from "../support/kept.mjs";
import { Person } from "../support/person.mjs";
import { answer, answerWell, delta, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const upstream = await startUpstream(answerWell);
const OPENAI_BASE_URL = upstream.url;
const keeping = await startKept({ OPENAI_BASE_URL, ANONYMOUS_OWNER: "true" });
const ownerless = await startKept({ OPENAI_BASE_URL });
const unbound = await startWorker({ OPENAI_BASE_URL, ANONYMOUS_OWNER: "true" });
const [me, guest, stranger] = [keeping, ownerless, unbound].map((server) => new Person(server));

beforeEach(() => upstream.reset());
after(async () => {
  for (const person of [me, guest, stranger]) await person.assertLogged();
});

/** Headers that have no meaning without a conversation, right and wrong. */
const IGNORED = [
  {},
  { "idempotency-key": "one-and-the-same" },
  { "idempotency-key": "not a key" },
  { "last-event-id": "one-and-the-same.0" },
  { "last-event-id": "nonsense", "idempotency-key": "." },
];

/** Bodies that name no conversation. */
const STATELESS = [
  { message: "Hello over there" },
  { message: "Hello over there", conversation_id: null },
  { message: "Hello over there", conversation_id: null, after: null },
  { message: "Hello over there", after: "not a turn at all" },
  { message: "Hello over there", history: [{ role: "user", content: "Before that" }] },
];

test("a chat without a conversation is answered byte for byte as without the binding, and nothing is kept", async () => {
  for (const body of STATELESS) {
    for (const headers of IGNORED) {
      const [kept, plain] = [await me.ask(body, headers), await stranger.ask(body, headers)];
      const expected = frames(kept.id, ["Hi"], { finish_reason: "stop" });
      assert.equal(await kept.text(), expected);
      assert.equal(await plain.text(), expected.replaceAll(kept.id, plain.id));
      const headersOf = ({ headers, id }) =>
        [...headers]
          .filter(([name]) => name !== "date")
          .map(([name, value]) => [name, value.replace(id, "ID")]);
      assert.deepEqual(headersOf(kept), headersOf(plain));
      assert.equal(kept.answerId, null);
    }
  }
  const calls = 2 * STATELESS.length * IGNORED.length;
  assert.equal(upstream.calls.length, calls, "no header keeps an answer from being bought again");
  const list = await me.send("/conversations");
  assert.equal(await list.text(), '{"conversations":[],"next":null}');
});

test("a chat without a conversation still ends with its client", async () => {
  const { promise, resolve } = Promise.withResolvers();
  upstream.script(resolve);
  const asked = me.ask(STATELESS[0], { "idempotency-key": "left" });
  const call = await promise;
  call.write(delta("Hi"));
  const reply = await asked;
  await reply.next();
  reply.leave();
  call.write(delta(" there"));
  assert.equal(await within(call.closed, "the end of upstream"), "aborted");
});

/** Every request that is about something kept. */
const KEPT = [
  ["/chat", { method: "POST", body: { message: "Hello", conversation_id: "c" } }],
  [
    "/chat",
    {
      method: "POST",
      body: { message: "Hello", conversation_id: "c" },
      headers: { "last-event-id": "a.0" },
    },
  ],
  ["/conversations", {}],
  ["/conversations?q=word", {}],
  ["/conversations", { method: "DELETE", headers: { "x-confirm": "delete-everything" } }],
  ["/conversations/c", {}],
  ["/conversations/c", { method: "PATCH", body: { title: "A title" } }],
  ["/conversations/c", { method: "DELETE" }],
  ["/answers/a", {}],
  ["/answers/a/stop", { method: "POST" }],
  ["/export", {}],
];

test("without an owner, or without the binding, nothing is kept, and the error says what to set", async (t) => {
  for (const [path, init] of KEPT) {
    await t.test(`${init.method ?? "GET"} ${path}`, async () => {
      for (const [person, detail] of [[guest, DETAILS.noOwner], [stranger]]) {
        const reply = await person.send(path, init);
        assert.equal(await reply.text(), errorBody("conversations_unavailable", reply.id, detail));
        assert.equal(reply.status, 409);
      }
      assert.equal(upstream.calls.length, 0);
    });
  }
});

test("a service that is not set up right keeps nothing, and serves nobody", async (t) => {
  const shut = await startWorker(
    { OPENAI_BASE_URL, ANONYMOUS_OWNER: "true", REQUIRE_AUTH: "true" },
    { owners: true },
  );
  const wrong = await startWorker({ OPENAI_BASE_URL, ANONYMOUS_OWNER: "maybe" }, { owners: true });
  for (const [server, variable] of [
    [shut, "ACCESS_TOKENS"],
    [wrong, "ANONYMOUS_OWNER"],
  ]) {
    const person = new Person(server);
    for (const [path, init] of KEPT) {
      await t.test(`${variable}: ${init.method ?? "GET"} ${path}`, async () => {
        const reply = await person.send(path, init);
        assert.equal(reply.status, 500);
        const { code, detail } = await reply.error();
        assert.equal(code, "configuration_error");
        assert.match(detail, new RegExp(`^${variable} `));
        assert.equal(upstream.calls.length, 0);
      });
    }
    await person.assertLogged();
  }
});

test("a wrong body is told first, with an owner or without one", async () => {
  for (const person of [me, guest, stranger]) {
    const reply = await person.ask({ message: " ", conversation_id: "c" });
    const detail = "Field 'body.message': Value error, message must not be blank";
    assert.equal(await reply.text(), errorBody("validation_error", reply.id, detail));
  }
});

test("a page of an allowed origin may use everything that is kept, and read the answer's id", async (t) => {
  const origin = "https://page.example";
  const asked = await me.ask(
    { message: "Hello", conversation_id: "page" },
    { origin, "idempotency-key": "page" },
  );
  await asked.text();
  const exposed = (reply) => reply.headers.get("access-control-expose-headers");
  assert.equal(
    exposed(asked),
    "X-Answer-Id, X-Budget-Remaining, X-Correlation-Id, X-Model, Retry-After",
  );
  assert.equal(asked.answerId, "page");
  for (const [path, allow] of [
    ["/chat", "POST, OPTIONS"],
    ["/conversations", "GET, DELETE, OPTIONS"],
    ["/conversations/page", "GET, PATCH, DELETE, OPTIONS"],
    ["/answers/page", "GET, OPTIONS"],
    ["/answers/page/stop", "POST, OPTIONS"],
    ["/export", "GET, OPTIONS"],
  ]) {
    await t.test(path, async () => {
      const preflight = await fetch(keeping.url + path, {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "POST" },
      });
      assert.equal(preflight.status, 204);
      assert.equal(preflight.headers.get("allow"), allow);
      const allowed = ["methods", "headers"].map((what) =>
        preflight.headers.get(`access-control-allow-${what}`),
      );
      assert.deepEqual(allowed, [
        "GET, HEAD, POST, PATCH, DELETE, OPTIONS",
        "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-Confirm, X-Correlation-Id",
      ]);
      const wrong = await me.send(path, { method: "PUT", headers: { origin } });
      assert.deepEqual(
        [wrong.status, wrong.headers.get("allow"), exposed(wrong)],
        [405, allow, exposed(asked)],
      );
      assert.equal((await wrong.error()).code, "method_not_allowed");
    });
  }
  for (const path of [
    "/conversations",
    "/conversations/page",
    "/conversations/nobodys",
    "/answers/page",
    "/answers/page?after=1",
    "/answers/nobodys",
    "/export",
  ]) {
    await t.test(`GET ${path}`, async () => {
      const reply = await me.send(path, { headers: { origin } });
      await reply.text();
      assert.deepEqual(
        [reply.headers.get("access-control-allow-origin"), exposed(reply)],
        ["*", exposed(asked)],
      );
      for (const name of ["x-content-type-options", "referrer-policy"])
        assert.ok(reply.headers.has(name), name);
    });
  }
});

test("a page of an unknown origin reaches nothing that is kept", async (t) => {
  const listed = await startWorker(
    { OPENAI_BASE_URL, ANONYMOUS_OWNER: "true", ALLOWED_ORIGINS: "https://page.example" },
    { owners: true },
  );
  const person = new Person(listed);
  for (const [path, { headers, ...init }] of KEPT) {
    await t.test(`${init.method ?? "GET"} ${path}`, async () => {
      const origin = "https://evil.example";
      const reply = await person.send(path, { ...init, headers: { ...headers, origin } });
      assert.equal(reply.status, 403);
      assert.equal(await reply.text(), errorBody("origin_not_allowed", reply.id));
      assert.equal(reply.headers.get("access-control-allow-origin"), null);
    });
  }
});

test("history beside a conversation is refused, for its earlier turns are kept", async (t) => {
  for (const history of [[], [{ role: "user", content: "Before" }]]) {
    await t.test(JSON.stringify(history), async () => {
      const reply = await me.ask({ message: "Hello", conversation_id: "c", history });
      const detail =
        "Field 'body.history': Value error, history cannot be sent with a conversation_id, whose earlier turns are kept";
      assert.equal(await reply.text(), errorBody("validation_error", reply.id, detail));
    });
  }
  upstream.script((call) => call.end(...answer("Hi")));
  assert.equal(
    (await me.ask({ message: "Hello", conversation_id: "c", history: null })).status,
    200,
  );
});
