/**
 * An exception that leaves WebAssembly ends its instance. So each call of JavaScript's that can throw is met where it
 * is made; and when an instance is lost all the same, whatever was open on it ends at once instead of hanging.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import test, { beforeEach } from "node:test";
import { errorBody } from "../support/errors.mjs";
import { assertStillServes, begin, read } from "../support/exchange.mjs";
import { readFrames } from "../support/frames.mjs";
import { HARMING, harmImports, harmInstance, importsOf } from "../support/harm.mjs";
import { API_KEY, startWorker } from "../support/harness.mjs";
import { limiterStub } from "../support/limiter.mjs";
import { Neighbours } from "../support/neighbours.mjs";
import { answer, answerWell, delta, done, finish, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const SHELL = new URL("../../src/shell/", import.meta.url);

const upstream = await startUpstream();
const bindings = { OPENAI_BASE_URL: upstream.url, HEARTBEAT_SECONDS: "600", LOG_LEVEL: "DEBUG" };
/** Addresses of clients, and what the rate limiter does about them. */
const LIMITED = "192.0.2.1";
const FAILING = "192.0.2.2";
const limiter = limiterStub(`
  if (key.includes("${FAILING}")) throw new Error("out of order");
  return { success: !key.includes("${LIMITED}") };`);
const app = await startWorker(bindings, { front: HARMING, isHarmed: true, ...limiter });

beforeEach(() => upstream.reset());

/** Lines of an event that came after the first `seen` ones. */
function linesSince(seen, event) {
  return app.logs.slice(seen).filter((line) => line.record.event === event);
}

test("an import that is not caught says why it cannot throw", () => {
  for (const file of readdirSync(SHELL, { recursive: true }).filter((name) =>
    name.endsWith(".rs"),
  )) {
    const source = readFileSync(new URL(file, SHELL), "utf8");
    for (const [block] of source.matchAll(/^extern "C" \{.*?^\}/gms)) {
      for (const [item] of block.matchAll(
        /(?:^ {4}(?:\/\/\/|#\[).*\n)* {4}(?:pub\([a-z: ]+\) )?fn .*/gm,
      )) {
        assert.ok(/\bcatch\b/.test(item) || item.includes("Cannot throw"), `${file}:\n${item}`);
      }
    }
  }
});

/**
 * Imports which the runtime never throws from, so that nobody meets what they would throw. Those of one name are
 * several: each is harmed, and named as often.
 */
const CANNOT_THROW = [
  // The language: dates, numbers, promises, and what the bindings make of values.
  "__wbindgen_boolean_get",
  "__wbindgen_generic",
  "__wbindgen_generic",
  "__wbindgen_string_get",
  "_wbg_cb_unref",
  "getRandomValues",
  "length",
  "new", // Object
  "new", // Uint8Array
  "now",
  "parse",
  "prototypesetcall",
  "random",
  "then",
  // Fields of requests, responses and headers, which are there.
  "body", // Request
  "body", // Response
  "headers", // Request
  "headers", // Response
  "method",
  "ok",
  "status",
  "url",
  // The console.
  "debug",
  "error",
  "log",
  "warn",
  // Our own, each with its reason where it is declared.
  "body", // Outlet
  "breakOff",
  "cancel", // Source
  "end",
  "respond",
  "handle",
  "new", // OpenWork
  "new", // Outlet
  "response",
  "resolve",
  "take",
  "wakeLater",
];

/** A chat that comes from an address. */
function chatFrom(address) {
  return app.chat({ message: "Hello" }, { headers: { "cf-connecting-ip": address } });
}

/** Those that are caught. */
const CAUGHT = [
  "arrayBuffer",
  "call",
  "fail",
  "get", // Headers
  "get", // Reflect
  "limit",
  "listen",
  "new", // Endpoint
  "new", // Source
  "new", // ResponseTemplate
  "read",
  "set",
  "startTimer",
  "stopTimer",
  "watchClient",
  "with", // ResponseTemplate
  "with", // ResponseTemplate, of a stream
  "write",
  "writeLast",
];

/** Waits for the end of an answer, whatever that is. */
function over(response) {
  return within(
    response.then(read).catch(() => {}),
    "the end of an answer",
  );
}

/** A chat whose calls of upstream these scripts answer, if it comes so far. */
function answered(...scripts) {
  upstream.script(...scripts);
  return over(app.chat({ message: "Hello" }));
}

/** A chat that does not tell how long its body is. */
function sent(body) {
  upstream.script(answerWell);
  const sending = app.send({});
  sending.write(body);
  sending.end();
  const response = once(sending, "response").then(([incoming]) => Array.fromAsync(incoming));
  return within(
    response.catch(() => {}),
    "the end of an answer",
  );
}

/** A chat whose client leaves after its first frame. */
async function left() {
  const calls = [];
  upstream.script((call) => {
    call.write(delta("a"));
    calls.push(call);
  });
  const frames = readFrames(await within(app.chat({ message: "Hello" }), "an answer"));
  await frames.next().catch(() => {});
  await frames.return();
  for (const call of calls) {
    // The client is missed at the next write at the latest.
    call.write(delta("b"));
    await within(call.closed, "the end of the call");
  }
}

/** Has the instance be lost, and another one start. */
async function startAnew() {
  await harmInstance(app);
  await over(app.chat(""));
  await over(app.get("/health"));
}

/** The step in which an instance is lost, and the next one starts. */
const FIRST = "the first chat of an instance";

/** The import that builds an answer, once it is known. @type {string} */
let building;

/**
 * What has the worker call its imports. Each ends once its client and its upstream have seen the end, whichever import
 * throws meanwhile. What is called only while an instance starts is not among it: the next request would meet that.
 *
 * @type {Record<string, () => Promise<unknown>>}
 */
const STEPS = {
  "a refused request": () => over(app.chat("")),
  "a whole answer": () => answered(answerWell),
  "an answer that waits for its client": () =>
    answered((call) => call.end(...answer("x".repeat(9_000), "y".repeat(9_000)))),
  "an answer that breaks off": () =>
    answered((call) => {
      call.write(delta("a"));
      call.cut();
    }),
  "an answer that is no stream": () =>
    answered((call) => call.respond(200, { choices: [{ message: { content: "Hi" } }] })),
  "an error": () => answered((call) => call.respond(401, { error: { message: "No" } })),
  "a retry": () => answered((call) => call.respond(503, {}), answerWell),
  "a retry at a date": () => {
    const now = new Date().toUTCString();
    return answered((call) => call.respond(503, {}, { "retry-after": now }), answerWell);
  },
  "a body of unknown length": () => sent(JSON.stringify({ message: "Hello" })),
  "one that is too large": () => sent("x".repeat(70_000)),
  "a client that leaves": left,
  "a client that is limited": () => over(chatFrom(LIMITED)),
  "a limiter that fails": () => {
    upstream.script(answerWell);
    return over(chatFrom(FAILING));
  },
  "a health check": () => over(app.get("/health")),
  "a preflight": () => over(app.fetch("/chat", { method: "OPTIONS" })),
  "a path that is none": () => over(app.get("/nowhere")),
  "an answer that cannot be built": async () => {
    await harmImports(app, building);
    await over(app.chat(""));
  },
  [FIRST]: async () => {
    await startAnew();
    await answered(answerWell);
  },
};

/** Of several imports with one name, all but the first have a number behind it. */
const bare = (name) => name.replace(/\$\d+$/, "");

/** The first step that calls an import, by the import's name. @returns {Promise<Map<string, string>>} */
async function stepsByImport() {
  const byImport = new Map();
  await startAnew();
  const { calls: starting } = await importsOf(app);
  await answered(answerWell);
  await app.logsArrived();
  for (const [name, step] of Object.entries(STEPS)) {
    upstream.reset();
    await importsOf(app);
    await step();
    await app.logsArrived();
    const { calls } = await importsOf(app);
    building ??= calls.find((each) => bare(each) === "with");
    const isKnown = (each) => byImport.has(each) || (name === FIRST && starting.includes(each));
    for (const each of calls.filter((each) => !isKnown(each))) byImport.set(each, name);
  }
  return byImport;
}

test("whatever an import throws, no stream hangs, and only what cannot throw costs the instance", async () => {
  const lost = [];
  const survived = [];
  for (const [name, step] of await stepsByImport()) {
    upstream.reset();
    const neighbours = await Neighbours.open(app, upstream, 2);
    const seen = app.logs.length;
    await harmImports(app, name);
    // Whether it is answered is not the question here.
    await STEPS[step]();
    await app.logsArrived();
    const { harmful } = await importsOf(app);
    assert.deepEqual(harmful, [], `${step} calls it`);
    const losses = linesSince(seen, "instance_lost").length;
    (losses > (step === FIRST ? 1 : 0) ? lost : survived).push(bare(name));
    if (losses > 0) await neighbours.assertAreBrokenOff();
    else await neighbours.assertEndWell();
    await assertStillServes(app, upstream);
  }
  assert.deepEqual(lost.sort(), CANNOT_THROW.toSorted());
  assert.deepEqual(survived.sort(), CAUGHT.toSorted());
});

test("what is open on an instance that is lost is broken off at once, and one line says so", async () => {
  const neighbours = await Neighbours.open(app, upstream);
  const waiting = await begin(app, upstream);
  // A client may choose a secret for an id.
  const telling = await begin(app, upstream, { headers: { "x-correlation-id": API_KEY } });
  telling.response.catch(() => {});
  const seen = app.logs.length;
  const victim = await begin(app, upstream);
  await harmInstance(app);
  victim.call.write(delta("a"));

  for (const { id, response, call } of [waiting, victim]) {
    const answered = await within(response, "an answer");
    assert.equal(answered.status, 500);
    assert.equal(answered.headers.get("x-correlation-id"), id);
    assert.equal(await read(answered), errorBody("internal_error", id));
    assert.equal(await within(call.closed, "the end of the call"), "aborted");
  }
  await neighbours.assertAreBrokenOff();

  const { method, record } = await app.log("instance_lost", (line) =>
    line.correlation_ids.includes(victim.id),
  );
  assert.equal(method, "error");
  assert.deepEqual(Object.keys(record), [
    "timestamp",
    "level",
    "event",
    "cause",
    "correlation_ids",
  ]);
  assert.match(record.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/);
  assert.equal(record.cause, "RuntimeError");
  assert.deepEqual(record.correlation_ids, [...neighbours.ids, waiting.id, "REDACTED", victim.id]);

  await assertStillServes(app, upstream);
  await app.logsArrived();
  assert.equal(linesSince(seen, "instance_lost").length, 1);
  assert.equal(linesSince(seen, "application_started").length, 1, "one new instance");
});

test("a request that loses the instance as it comes in is told so", async () => {
  await harmInstance(app);
  const response = await app.chat(
    { message: "Hello" },
    { headers: { "x-correlation-id": "early" } },
  );
  assert.equal(response.status, 500);
  assert.equal(await read(response), errorBody("internal_error", "early"));
  await assertStillServes(app, upstream);
});

test("streams of a new instance are not those of the old one", async () => {
  const old = await begin(app, upstream);
  old.call.write(delta("a"));
  await old.response;
  await harmInstance(app);
  old.call.write(delta("b"));
  await app.log("instance_lost", (line) => line.correlation_ids.includes(old.id));
  const fresh = await Neighbours.open(app, upstream);
  old.call.end(delta("c"), finish("stop"), done);
  await assert.rejects((await old.response).text(), TypeError);
  await fresh.assertEndWell();
});
