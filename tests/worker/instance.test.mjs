/**
 * An exception that leaves WebAssembly ends its instance. So each call of JavaScript's that can throw is met where it
 * is made; and when an instance is lost all the same, whatever was open on it ends at once instead of hanging.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test, { beforeEach } from "node:test";
import { errorBody } from "../support/errors.mjs";
import { assertStillServes, begin, read } from "../support/exchange.mjs";
import { HARMING, harmImport, harmInstance, importsOf } from "../support/harm.mjs";
import { startWorker } from "../support/harness.mjs";
import { Neighbours } from "../support/neighbours.mjs";
import { answerWell, delta, done, finish, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const SHELL = new URL("../../src/shell/", import.meta.url);

const upstream = await startUpstream();
const bindings = { OPENAI_BASE_URL: upstream.url, HEARTBEAT_SECONDS: "600" };
const app = await startWorker(bindings, { front: HARMING, isHarmed: true });

beforeEach(() => upstream.reset());

/** Lines of an event that came after the first `seen` ones. */
function linesSince(seen, event) {
  return app.logs.slice(seen).filter((line) => line.record.event === event);
}

test("an import that is not caught says why it cannot throw", () => {
  for (const file of readdirSync(SHELL).filter((name) => name.endsWith(".rs"))) {
    const source = readFileSync(new URL(file, SHELL), "utf8");
    for (const [block] of source.matchAll(/^extern "C" \{.*?^\}/gms)) {
      for (const [item] of block.matchAll(
        /(?:^ {4}(?:\/\/\/|#\[).*\n)* {4}(?:pub\(super\) )?fn .*/gm,
      )) {
        assert.ok(/\bcatch\b/.test(item) || item.includes("Cannot throw"), `${file}:\n${item}`);
      }
    }
  }
});

/** Imports which the runtime never throws from, so that nobody meets what they would throw. */
const CANNOT_THROW = [
  // The language: dates, numbers, and what the bindings make of values.
  "__wbindgen_boolean_get",
  "__wbindgen_is_object",
  "__wbindgen_number_get",
  "__wbindgen_string_get",
  "getRandomValues",
  "length",
  "now",
  "prototypesetcall",
  // Fields of requests, responses and headers, which are there.
  "body",
  "get",
  "headers",
  "method",
  "ok",
  "promise",
  "status",
  "url",
  // The console.
  "log",
  "warn",
  // Our own, each with its reason where it is declared.
  "askAnew",
  "close",
  "end",
  "give",
  "new",
  "take",
];

/** Names end in a hash that changes with every version of the bindings. */
const bare = (name) => name.replace(/^__wbg_(?=[a-zA-Z_])|_+h?[0-9a-f]{16}$/g, "");

test("whatever an import throws, no stream hangs, and only what cannot throw costs the instance", async () => {
  upstream.script(answerWell);
  await read(await app.chat({ message: "Hello" }));
  await app.logsArrived();
  const lost = new Set();
  const survived = new Set();
  for (const name of await importsOf(app)) {
    upstream.reset();
    const neighbours = await Neighbours.open(app, upstream, 2);
    const seen = app.logs.length;
    await harmImport(app, name);
    upstream.script(answerWell);
    // Whether it is answered is not the question here.
    const chat = app.chat({ message: "Hello" }).then(read);
    await within(
      chat.catch(() => {}),
      `the end of a chat in which ${name} throws`,
    );
    if (linesSince(seen, "instance_lost").length > 0) {
      lost.add(bare(name));
      await neighbours.assertAreBrokenOff();
    } else {
      survived.add(bare(name));
      await neighbours.assertEndWell();
    }
    await assertStillServes(app, upstream);
  }
  assert.deepEqual([...lost].sort(), CANNOT_THROW.toSorted());
  for (const name of ["arrayBuffer", "call", "listen", "read", "startTimer", "with", "write"]) {
    assert.ok(survived.has(name), `${name} is caught`);
  }
});

test("what is open on an instance that is lost is broken off at once, and one line says so", async () => {
  const neighbours = await Neighbours.open(app, upstream);
  const waiting = await begin(app, upstream);
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
  assert.deepEqual(record.correlation_ids, [...neighbours.ids, waiting.id, victim.id]);

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
