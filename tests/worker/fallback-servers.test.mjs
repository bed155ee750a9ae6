/** Fallbacks at another server: neither server gets the other's key, and nothing tells either. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { errorBody } from "../support/errors.mjs";
import { exchange, read } from "../support/exchange.mjs";
import { frames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { startKept } from "../support/kept.mjs";
import { INTERRUPTED } from "../support/kept-reader.mjs";
import { endingOf, Person } from "../support/person.mjs";
import { answerWell, delta, event, startUpstream, unreachableUrl } from "../support/upstream.mjs";

const KEY = "canary-first-key-0123456789";
const OTHER_KEY = "canary/second+key=0123456789";
const CANARY = /canary/i;
const ASKED = "first-model";

const upstream = await startUpstream();
const elsewhere = await startUpstream();
const COMMON = {
  OPENAI_BASE_URL: upstream.url,
  OPENAI_API_KEY: KEY,
  OPENAI_MODEL: ASKED,
  FALLBACK_MODELS: "second-model",
  MAX_RETRIES: "0",
  LOG_LEVEL: "DEBUG",
};
const OTHER = { FALLBACK_BASE_URL: elsewhere.url, FALLBACK_API_KEY: OTHER_KEY };
const start = (bindings) => startWorker({ ...COMMON, ...bindings });
const app = await start(OTHER);

/** One rests after it has failed like this, another one does not. */
const refuse = (status, error, headers) => (call) => call.respond(status, { error }, headers);
const rejected = refuse(401, { message: "", code: null });

beforeEach(() => {
  upstream.reset();
  elsewhere.reset();
});

/** Sends a chat whose first call is answered by `first`, and whose second one, at the other server, by `second`. */
async function fallBack(worker, first, second, body) {
  elsewhere.reset();
  if (second) elsewhere.script(second);
  return exchange(worker, upstream, { scripts: [first], body });
}

/** Everything that came back or was logged. */
async function told(worker, { id, response, text }) {
  await worker.log("response_complete", id);
  const headers = [...response.headers].map((pair) => pair.join(": "));
  return [...headers, text, ...worker.logs.map((line) => line.text)].join("\n");
}

test("each server gets its own key, and neither the other's, not by a redirect either", async (t) => {
  const location = (server) => ({ location: `${server.url}/chat/completions` });
  for (const [what, first, second] of [
    ["refused", rejected, answerWell],
    ["redirected there", (call) => call.respond(307, "", location(elsewhere)), answerWell],
    ["redirected back", rejected, (call) => call.respond(308, "", location(upstream))],
  ]) {
    await t.test(what, async () => {
      await fallBack(app, first, second);
      assert.deepEqual(
        upstream.calls.map(({ headers }) => headers.authorization),
        [`Bearer ${KEY}`],
      );
      assert.deepEqual(
        elsewhere.calls.map(({ headers }) => headers.authorization),
        [`Bearer ${OTHER_KEY}`],
      );
      assert.equal(elsewhere.calls[0].headers["x-client-request-id"].length, 36);
    });
  }
});

test("another key without another server is for the same server", async () => {
  const worker = await start({ FALLBACK_API_KEY: OTHER_KEY, FALLBACK_MODELS: ASKED });
  const scripts = [rejected, answerWell];
  const { id, text, calls } = await exchange(worker, upstream, { scripts });
  assert.equal(text, frames(id, ["Hi"], { finish_reason: "stop", model: ASKED }));
  const asked = calls.map(({ body, headers }) => [body.model, headers.authorization]);
  assert.deepEqual(asked, [
    [ASKED, `Bearer ${KEY}`],
    [ASKED, `Bearer ${OTHER_KEY}`],
  ]);
});

test("a server without its own key is a problem, and nothing is asked anywhere", async () => {
  const worker = await start({ ...OTHER, FALLBACK_API_KEY: undefined });
  const problem =
    "FALLBACK_API_KEY is required because FALLBACK_BASE_URL is set: OPENAI_API_KEY is sent to no other server.";
  const ready = await worker.get("/health/ready");
  assert.equal(await read(ready), JSON.stringify({ status: "not_ready", problems: [problem] }));
  const { id, text, calls } = await exchange(worker, upstream);
  assert.equal(text, errorBody("configuration_error", id, problem));
  assert.deepEqual([...calls, ...elsewhere.calls], []);
});

test("neither key is told, whoever repeats it", async (t) => {
  for (const quote of [
    `${KEY} ${OTHER_KEY}`,
    encodeURIComponent(`${KEY} ${OTHER_KEY}`),
    JSON.stringify(JSON.stringify({ KEY, OTHER_KEY })),
    OTHER_KEY.slice(0, 20),
  ]) {
    const quoting = { message: quote, code: quote, type: quote, param: quote };
    const headers = { "x-request-id": encodeURIComponent(quote) };
    for (const [what, first, second] of [
      ["both refuse", refuse(401, quoting, headers), refuse(401, quoting, headers)],
      ["a page", refuse(402, quoting), (call) => call.respond(200, quote, headers)],
      [
        "an answer",
        refuse(402, quoting),
        (call) => call.end(delta("Hi"), event({ error: quoting })),
      ],
      ["a redirect", refuse(402, quoting), (call) => call.respond(307, quote, { location: quote })],
    ]) {
      await t.test(`${what}: ${quote.length}`, async () => {
        const all = await told(app, await fallBack(app, first, second));
        assert.doesNotMatch(all, CANARY);
      });
    }
  }
});

test("a server that cannot be reached leads to one that can", async () => {
  const worker = await start({ ...OTHER, OPENAI_BASE_URL: await unreachableUrl() });
  elsewhere.script(answerWell);
  const { id, text } = await exchange(worker, upstream);
  assert.equal(text, frames(id, ["Hi"], { finish_reason: "stop", model: "second-model" }));
  const { record } = await worker.log("upstream_fallback", id);
  assert.deepEqual(
    [record.from, record.to, record.code],
    [ASKED, "second-model", "upstream_unreachable"],
  );
});

test("how a server wants its requests is remembered for that server alone", async () => {
  const worker = await start(OTHER);
  const named = ({ body }) => [body.model, body.max_tokens, body.max_completion_tokens];
  const unknown = refuse(400, {
    message: "no 'max_tokens'",
    param: "max_tokens",
    code: "unsupported_parameter",
  });
  const body = { message: "Hi", model: "second-model" };
  elsewhere.script(unknown, answerWell);
  await exchange(worker, upstream, { scripts: [rejected], body });
  assert.deepEqual(elsewhere.calls.map(named), [
    ["second-model", 2000, undefined],
    ["second-model", undefined, 2000],
  ]);
  await fallBack(worker, rejected, answerWell, body);
  assert.deepEqual(elsewhere.calls.map(named), [["second-model", undefined, 2000]]);
  assert.deepEqual(upstream.calls.map(named), [["second-model", 2000, undefined]]);
});

test("a fallback is no model that a client may ask for", async () => {
  const worker = await start({ ...OTHER, ALLOWED_MODELS: "chosen-model" });
  const { models } = await (await worker.get("/models")).json();
  assert.deepEqual(
    models.map(({ id }) => id),
    [ASKED, "chosen-model"],
  );
  const body = { message: "Hi", model: "second-model" };
  assert.equal((await exchange(worker, upstream, { body })).response.status, 400);
  const { response } = await fallBack(worker, rejected, answerWell);
  assert.equal(response.headers.get("x-model"), "second-model");
});

test("a kept answer knows its model after a crash, and for ever", async () => {
  const server = await startKept({ ...COMMON, ...OTHER, ANONYMOUS_OWNER: "true" });
  const me = new Person(server);
  const ask = (id) =>
    me.ask({ message: "Hello", conversation_id: id }, { "idempotency-key": `key-${id}` });
  const modelOf = async (id) => (await me.conversation(id)).turns[1].model;

  upstream.script(rejected);
  elsewhere.script(answerWell);
  const whole = await (await ask("c1")).text();
  assert.equal(endingOf(whole).model, "second-model");

  upstream.script(rejected);
  const asked = ask("c2");
  (await elsewhere.nextCall()).write(delta("Hello"));
  const reply = await asked;
  await reply.next();
  assert.equal(await modelOf("c2"), "second-model", "while it runs");
  await server.kill();
  await server.start();

  const again = await me.answer("key-c1");
  assert.equal(await again.text(), whole);
  assert.equal(again.headers.get("x-model"), "second-model");
  const cut = await me.answer("key-c2");
  assert.equal(cut.headers.get("x-model"), "second-model");
  const { turn_id, ...ending } = endingOf(await cut.text());
  assert.deepEqual(ending, { ...INTERRUPTED, model: "second-model", history_turns: 0 });
  assert.equal(await modelOf("c1"), "second-model");
  assert.equal(await modelOf("c2"), "second-model");
});

test("what is said of a model that is not there names the variables of its own server", async () => {
  const unknown = (call) => call.respond(404, "<html>", { "content-type": "text/html" });
  const { id } = await fallBack(app, rejected, unknown);
  const lines = app.logsOf(id).filter(({ record }) => record.event === "upstream_fallback");
  assert.deepEqual(
    lines.map(({ record: { from, to, code, upstream_status, cause } }) => [
      [from, to, code, upstream_status],
      cause,
    ]),
    [
      [[ASKED, "second-model", "upstream_rejected", 401], "upstream status 401"],
      [
        ["second-model", undefined, "model_not_found", 404],
        "upstream status 404; FALLBACK_BASE_URL may be wrong",
      ],
    ],
  );
});
