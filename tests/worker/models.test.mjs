/** `GET /models`: which models a client may choose from, whatever upstream says about them. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import test, { beforeEach } from "node:test";
import { CLOCK, pass } from "../support/clock.mjs";
import { errorBody } from "../support/errors.mjs";
import { exchange, read } from "../support/exchange.mjs";
import { frames } from "../support/frames.mjs";
import { API_KEY, startWorker } from "../support/harness.mjs";
import { startUpstream, unreachableUrl } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const DEFAULT = "m-default";
const TOKEN = "alice-token-0123456789";
const FRESH = 300;
const RETRY = 30;
const MOST_SECONDS = 5;
const MILLISECOND = 0.001;

const upstream = await startUpstream();
const OPENAI_BASE_URL = upstream.url;
const app = await startWorker({ OPENAI_BASE_URL, OPENAI_MODEL: DEFAULT }, { front: CLOCK });

/** What is known of the models is forgotten before each test. */
beforeEach(async () => {
  upstream.reset();
  await pass(app, FRESH, { waiting: 0 });
});

/** The body of an answer with these models. */
const body = (...ids) => JSON.stringify({ models: ids.map((id) => ({ id })), default: DEFAULT });

/** Upstream's list. */
const listed = (...ids) => ({
  object: "list",
  data: ids.map((id) => ({ id, object: "model", created: 1, owned_by: "somebody" })),
});

const listing =
  (...ids) =>
  (call) =>
    call.respond(200, listed(...ids));

/** Asks for the models. */
async function ask(worker = app, { path = "/models", headers, ...init } = {}) {
  const id = crypto.randomUUID();
  const response = await worker.fetch(path, {
    headers: { "x-correlation-id": id, ...headers },
    ...init,
  });
  return { id, status: response.status, headers: response.headers, text: await read(response) };
}

async function assertModels(expected, worker = app) {
  const answer = await ask(worker);
  assert.equal(answer.status, 200);
  assert.equal(answer.text, expected);
  return answer;
}

test("the models are those that upstream lists, by name, each once, and the default is among them", async () => {
  upstream.script(listing("zeta", "alpha/one:free", "zeta", "Beta.2_x"));
  const { id, headers } = await assertModels(body("Beta.2_x", "alpha/one:free", DEFAULT, "zeta"));
  assert.equal(headers.get("content-type"), "application/json");
  assert.equal(headers.get("cache-control"), "no-store");
  const [call] = upstream.calls;
  assert.deepEqual([call.method, call.path, call.body], ["GET", "/v1/models", undefined]);
  assert.equal(call.headers.authorization, `Bearer ${API_KEY}`);
  assert.equal(call.headers["x-client-request-id"], id);
  assert.equal(call.headers.accept, "application/json");
});

test("a list that is not within an object is one as well", async () => {
  upstream.script((call) => call.respond(200, listed("b", "a").data));
  await assertModels(body("a", "b", DEFAULT));
});

test("only ids that a chat can name are told", async () => {
  const others = ["", "a b", "a\nb", "<script>", "é", "a,b", "x".repeat(129)].map((id) => ({ id }));
  const odd = [...others, { id: 5 }, { id: null }, { name: "a" }, null, "text", ["id"], 7];
  const longest = "y".repeat(128);
  const data = [...odd, { id: longest }, ...odd, { id: "a-Z0/9:._" }];
  upstream.script((call) =>
    call.respond(200, JSON.stringify({ data }).replace(/\]\}$/, ',{"id":"\\ud800"}]}')),
  );
  await assertModels(body("a-Z0/9:._", DEFAULT, longest));
});

test("of very many models, the first 300 by name are told, and the default", async () => {
  const ids = Array.from({ length: 1000 }, (_, index) => `n${1999 - index}`);
  upstream.script(listing(...ids));
  await assertModels(body(DEFAULT, ...ids.sort().slice(0, 300)));
});

test("upstream is asked again after five minutes", async () => {
  upstream.script(listing("a"), listing("b"));
  await assertModels(body("a", DEFAULT));
  await pass(app, FRESH - MILLISECOND, { waiting: 0 });
  await assertModels(body("a", DEFAULT));
  assert.equal(upstream.calls.length, 1);
  await pass(app, MILLISECOND, { waiting: 0 });
  await assertModels(body("b", DEFAULT));
  assert.equal(upstream.calls.length, 2);
});

test("for all who ask at the same time, upstream is asked once", async () => {
  const asked = Array.from({ length: 20 }, () => ask());
  const call = await upstream.nextCall();
  await pass(app, 1, { waiting: 21 });
  listing("a")(call);
  for (const { status, text } of await Promise.all(asked)) {
    assert.deepEqual([status, text], [200, body("a", DEFAULT)]);
  }
  assert.equal(upstream.calls.length, 1);
});

test("whoever leaves, the others get the list", async () => {
  const id = crypto.randomUUID();
  const { host, port } = new URL(app.url);
  const leaver = connect(port, "127.0.0.1");
  leaver.write(`GET /models HTTP/1.1\r\nHost: ${host}\r\nX-Correlation-Id: ${id}\r\n\r\n`);
  const call = await upstream.nextCall();
  const stays = ask();
  await pass(app, 1, { waiting: 3 });
  leaver.resetAndDestroy();
  const { record } = await app.log("response_complete", id);
  assert.equal(record.end_reason, "client_gone");
  listing("a")(call);
  assert.equal((await stays).text, body("a", DEFAULT));
  await assertModels(body("a", DEFAULT));
  assert.equal(upstream.calls.length, 1);
  await app.logsArrived();
  const ends = app.logsOf(id).filter((line) => line.record.event === "response_complete");
  assert.equal(ends.length, 1);
});

/** Ways in which upstream gives no list, and the cause that the log tells. */
const FAILURES = {
  "has no such route": [(call) => call.respond(404, "not found"), "upstream status 404"],
  "refuses the key": [
    (call) => call.respond(401, { error: { message: `Incorrect API key: ${API_KEY}` } }),
    "upstream status 401",
  ],
  "is at fault": [
    (call) => call.respond(500, "<html>", { "content-type": "text/html" }),
    "upstream status 500",
  ],
  redirects: [(call) => call.respond(302, "", { location: "/elsewhere" }), "upstream status 302"],
  "says nothing": [(call) => call.respond(200, ""), "no list of models"],
  "sends a page": [(call) => call.respond(200, "<html>"), "no list of models"],
  "sends no list": [(call) => call.respond(200, { data: "m" }), "no list of models"],
  "sends what is no UTF-8": [
    (call) => call.respond(200, Buffer.from('[{"id":"\xff"}]', "latin1")),
    "no list of models",
  ],
  "sends a list that is cut off": [
    (call) => call.respond(200, JSON.stringify(listed("a")).slice(0, -1)),
    "no list of models",
  ],
  "sends too much": [
    (call) => {
      call.open(200);
      call.flood(" ".repeat(65_536));
    },
    "more than 2 MiB",
  ],
};

test("a server that gives no list leaves the default model, and the log says why", async (t) => {
  for (const [what, [script, cause]] of Object.entries(FAILURES)) {
    await t.test(`it ${what}`, async () => {
      await pass(app, RETRY, { waiting: 0 });
      upstream.script(script);
      const { id } = await assertModels(body(DEFAULT));
      await app.log("response_complete", id);
      const { method, record } = await app.log("models_unavailable", id);
      assert.deepEqual([method, record.level, record.cause], ["warn", "WARNING", cause]);
    });
  }
});

test("a server that gave no list is asked again after half a minute", async () => {
  upstream.script((call) => call.respond(404, ""), listing("a"));
  await assertModels(body(DEFAULT));
  await pass(app, RETRY - MILLISECOND, { waiting: 0 });
  await assertModels(body(DEFAULT));
  assert.equal(upstream.calls.length, 1);
  await pass(app, MILLISECOND, { waiting: 0 });
  await assertModels(body("a", DEFAULT));
});

test("a connection that breaks, or that nobody takes, leaves the default model", async () => {
  upstream.script((call) => {
    call.write('{"data":[');
    call.cut();
  });
  const { id } = await assertModels(body(DEFAULT));
  const { record } = await app.log("models_unavailable", id);
  assert.match(record.cause, /^unreachable: /);
  const alone = await startWorker({
    OPENAI_BASE_URL: await unreachableUrl(),
    OPENAI_MODEL: DEFAULT,
  });
  await assertModels(body(DEFAULT), alone);
});

test("upstream is waited for five seconds, for its headers and its list together", async () => {
  const silent = ask();
  const call = await upstream.nextCall();
  await pass(app, MOST_SECONDS, { waiting: 2 });
  const { id, text } = await silent;
  assert.equal(text, body(DEFAULT));
  assert.equal(await within(call.closed, "the end of the call"), "aborted");
  const { record } = await app.log("models_unavailable", id);
  assert.equal(record.cause, "no answer in time");

  await pass(app, RETRY, { waiting: 0 });
  const half = ask();
  const other = await upstream.nextCall();
  await pass(app, MOST_SECONDS - MILLISECOND, { waiting: 2 });
  other.write('{"data":[{"id":"a"},');
  await pass(app, MILLISECOND, { waiting: 2 });
  assert.equal((await half).text, body(DEFAULT));
  assert.equal(await within(other.closed, "the end of the call"), "aborted");
});

test("a shorter TIMEOUT_SECONDS counts here, too", async () => {
  const bindings = { OPENAI_BASE_URL, OPENAI_MODEL: DEFAULT, TIMEOUT_SECONDS: "2" };
  const hasty = await startWorker(bindings, { front: CLOCK });
  const asked = ask(hasty);
  await upstream.nextCall();
  await pass(hasty, 2, { waiting: 2 });
  assert.equal((await asked).text, body(DEFAULT));
});

test("a chat does not wait for the list", async () => {
  const asked = ask();
  const call = await upstream.nextCall();
  const { id, text } = await exchange(app, upstream);
  assert.equal(text, frames(id, ["Hi"], { finish_reason: "stop" }));
  listing("a")(call);
  assert.equal((await asked).text, body("a", DEFAULT));
});

test("where ALLOWED_MODELS is set, it is the list, and nobody is asked", async () => {
  const bindings = { OPENAI_BASE_URL, OPENAI_MODEL: DEFAULT };
  const without = await startWorker({ ...bindings, ALLOWED_MODELS: "zeta, alpha" });
  await assertModels(body(DEFAULT, "zeta", "alpha"), without);
  const within = await startWorker({
    ...bindings,
    ALLOWED_MODELS: `zeta,${DEFAULT},odd name?,zeta`,
  });
  assert.equal((await ask(within)).status, 500, "a name with a space breaks the variable's rule");
  const odd = await startWorker({ ...bindings, ALLOWED_MODELS: `zeta,${DEFAULT},a+b,zeta` });
  await assertModels(body("zeta", DEFAULT), odd);
  assert.deepEqual(upstream.calls, []);
});

test("the system prompt is told where the deployment shows it, and has one", async () => {
  const bindings = { OPENAI_BASE_URL, OPENAI_MODEL: DEFAULT, ALLOWED_MODELS: DEFAULT };
  const SYSTEM_PROMPT = 'Be brief.\nSay "ja" <b>twice</b>. 🚢';
  const told = body(DEFAULT).replace(/}$/, `,"system_prompt":${JSON.stringify(SYSTEM_PROMPT)}}`);
  const shown = await startWorker({ ...bindings, SYSTEM_PROMPT, SHOW_SYSTEM_PROMPT: "true" });
  await assertModels(told, shown);
  const hidden = await startWorker({ ...bindings, SYSTEM_PROMPT });
  await assertModels(body(DEFAULT), hidden);
  const none = { SYSTEM_PROMPT: "none", SHOW_SYSTEM_PROMPT: "true" };
  await assertModels(body(DEFAULT), await startWorker({ ...bindings, ...none }));
});

test("the system prompt comes with the models that upstream lists, too", async () => {
  const bindings = { OPENAI_BASE_URL, OPENAI_MODEL: DEFAULT, SHOW_SYSTEM_PROMPT: "true" };
  upstream.script(listing("a"));
  const told = body("a", DEFAULT).replace(/}$/, ',"system_prompt":"You are a helpful assistant."}');
  await assertModels(told, await startWorker(bindings));
});

test("only who may chat is told", async () => {
  const bindings = { OPENAI_BASE_URL, OPENAI_MODEL: DEFAULT, ACCESS_TOKENS: `alice:${TOKEN}` };
  const closed = await startWorker({ ...bindings, ALLOWED_ORIGINS: "https://good.example" });
  const stranger = await ask(closed);
  assert.equal(stranger.status, 401);
  assert.equal(stranger.headers.get("www-authenticate"), "Bearer");
  assert.equal(stranger.text, errorBody("unauthorized", stranger.id));
  const authorization = `Bearer ${TOKEN}`;
  const evil = await ask(closed, { headers: { authorization, origin: "https://evil.example" } });
  assert.deepEqual([evil.status, evil.text], [403, errorBody("origin_not_allowed", evil.id)]);
  assert.deepEqual(upstream.calls, []);

  upstream.script(listing("a"));
  const headers = { authorization, origin: "https://good.example" };
  const friend = await ask(closed, { headers });
  assert.deepEqual([friend.status, friend.text], [200, body("a", DEFAULT)]);
  assert.equal(friend.headers.get("access-control-allow-origin"), "https://good.example");
  const { record } = await closed.log("request_received", friend.id);
  assert.equal(record.client, "alice");
});

test("a configuration error is told as for a chat", async () => {
  const broken = await startWorker({ OPENAI_API_KEY: undefined });
  const { id, status, text } = await ask(broken);
  assert.equal(status, 500);
  const detail = "OPENAI_API_KEY is required. Set it as a secret: see docs/configuration.md.";
  assert.equal(text, errorBody("configuration_error", id, detail));
});

test("HEAD is the answer without its body, and other methods are refused", async () => {
  upstream.script(listing("a"));
  const head = await ask(app, { method: "HEAD" });
  assert.deepEqual([head.status, head.text], [200, ""]);
  assert.equal(head.headers.get("content-type"), "application/json");
  const post = await ask(app, { method: "POST" });
  assert.deepEqual([post.status, post.text], [405, errorBody("method_not_allowed", post.id)]);
  assert.equal(post.headers.get("allow"), "GET, HEAD, OPTIONS");
  const options = await ask(app, { method: "OPTIONS" });
  assert.deepEqual([options.status, options.headers.get("allow")], [204, "GET, HEAD, OPTIONS"]);
});

test("a request for the models has two lines in the log", async () => {
  upstream.script(listing("a"));
  const { id } = await ask(app, { path: "/models?x=1" });
  await app.log("response_complete", id);
  await app.logsArrived();
  const [received, complete, ...more] = app.logsOf(id).map(({ record }) => record);
  assert.deepEqual(more, []);
  assert.partialDeepStrictEqual(received, {
    level: "INFO",
    event: "request_received",
    method: "GET",
    path: "/models",
  });
  assert.partialDeepStrictEqual(complete, {
    level: "INFO",
    event: "response_complete",
    http_status: 200,
    end_reason: "done",
    duration_ms: 0,
  });
});
