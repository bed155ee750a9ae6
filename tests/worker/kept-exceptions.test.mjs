/**
 * Exceptions while kept answers are being written: one of the store's, one of JavaScript's, and the loss of the whole
 * WebAssembly instance. Whatever happens, a reader's frames are those that the store has, and each answer has one ending.
 */
import assert from "node:assert/strict";
import test, { after } from "node:test";
import {
  HARMING,
  harmImportLater,
  harmImports,
  harmInstance,
  harmNothing,
  importsOf,
} from "../support/harm.mjs";
import { startWorker } from "../support/harness.mjs";
import { INTERRUPTED, KeptClient, keptFrames, parseFrames } from "../support/kept-reader.mjs";
import { answerWell, delta, done, finish, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const TOKENS = ["exception-token-of-one", "exception-token-of-two"];

/** Who answers a call of upstream's, by the correlation id of the request; by default it is answered well. */
const answering = new Map();
const upstream = await startUpstream((call) => {
  (answering.get(call.headers["x-client-request-id"]) ?? answerWell)(call);
});
const app = await startWorker(
  {
    OPENAI_BASE_URL: upstream.url,
    ACCESS_TOKENS: TOKENS.map((token, index) => `owner${index}:${token}`).join(","),
    MAX_ANSWERS_AT_ONCE: "100",
    MAX_RETRIES: "0",
    TIMEOUT_SECONDS: "5",
  },
  { front: HARMING, owners: true, isHarmed: true },
);
const clients = TOKENS.map((token) => new KeptClient(app, token));
after(() => process.exitCode && console.error(app.logs.slice(-30).map(({ text }) => text)));

/** An answer whose upstream the test holds in its hand. */
class Asked {
  asker = crypto.randomUUID();
  id = `answer-${this.asker}`;
  conversation = `conversation-${this.asker}`;
  message = `Question ${this.asker}`;
  /** Whether its conversation was deleted. */
  isForgotten = false;
  /** @type {Promise<import("../support/upstream.mjs").Call>} */
  call;

  constructor(client) {
    const { promise, resolve } = Promise.withResolvers();
    this.call = promise;
    this.client = client;
    answering.set(this.asker, resolve);
    const { id: key, asker, conversation, message } = this;
    this.reader = client.ask({ conversation, message, key, asker });
  }

  /** Begins an answer, and resolves once its first frame was read. */
  static async begin(client) {
    const asked = new Asked(client);
    (await within(asked.call, "the call of upstream")).write(delta("first"));
    await asked.reader.hasRead(1);
    assert.equal(asked.reader.frameCount, 1);
    return asked;
  }

  /** Shows that the store has all that the reader had, with one ending behind it. @returns its final frame */
  async assertIsKept() {
    const again = this.client.read(this.id);
    const text = await again.whole();
    if (again.status !== 200) {
      assert.equal(again.status, 404, text);
      if (!this.isForgotten)
        assert.doesNotMatch(this.reader.text, /^id: /, "what was shown is kept");
      return undefined;
    }
    const had = this.reader.status === 200 ? this.reader.text : "";
    assert.equal(text.slice(0, had.length), had, "what was shown is kept");
    const all = parseFrames(text);
    assert.deepEqual(
      all.map(({ sequence, is_final }) => [sequence, is_final]),
      all.map((_, sequence) => [sequence, sequence === all.length - 1]),
    );
    return all.at(-1);
  }

  /** Shows that the answer was cut off behind its first frame, and that the next message is taken. */
  async assertWasCutOff() {
    const { turn_id } = await this.assertIsKept();
    assert.equal(await within(this.call, "the call").then(({ closed }) => closed), "aborted");
    const whole = keptFrames(this, ["first"], { ...INTERRUPTED, turn_id, history_turns: 0 });
    assert.equal(await this.client.read(this.id).whole(), whole);
    const next = this.client.ask({ conversation: this.conversation, message: "And now?" });
    assert.equal(parseFrames(await next.whole()).at(-1).finish_reason, "stop");
  }

  /** Shows that the answer goes on to its end as if nothing had happened. */
  async assertEndsWell() {
    (await this.call).end(delta("last"), finish("stop"), done);
    const text = await this.reader.whole();
    const { turn_id } = parseFrames(text).at(-1);
    const ending = { finish_reason: "stop", turn_id, history_turns: 0 };
    assert.equal(text, keptFrames(this, ["first", "last"], ending));
    assert.equal(await this.client.read(this.id).whole(), text);
  }
}

/** Running answers of both owners. */
function neighbours() {
  return Promise.all(clients.map((client) => Asked.begin(client)));
}

test("answers whose instance is lost are cut off at once, and are kept with an honest ending", async () => {
  const before = app.logs.length;
  const running = await neighbours();
  await harmInstance(app);
  // Whichever request comes next loses the instance.
  await clients[0].send("GET", "/conversations");
  for (const { reader } of running) await reader.whole();
  for (const each of running) await each.assertWasCutOff();
  const events = app.logs.slice(before).map(({ record }) => record.event);
  assert.equal(events.filter((event) => event === "instance_lost").length, 1);
});

test("an object is made anew from its store, again and again", async () => {
  const [client] = clients;
  for (let loss = 0; loss < 5; loss++) {
    const asked = await Asked.begin(client);
    await harmInstance(app);
    (await asked.call).write(delta("second"));
    await asked.reader.whole();
    await asked.assertWasCutOff();
  }
});

test("an answer that loses its instance while nobody reads it is kept", async () => {
  const asked = await Asked.begin(clients[1]);
  await asked.reader.leave();
  await harmInstance(app);
  (await asked.call).write(delta("second"));
  await within((await asked.call).closed, "the end of the call");
  await asked.assertWasCutOff();
});

test("a call of upstream that has no headers yet is closed when its instance is lost, and is not paid for in vain", async () => {
  const [client] = clients;
  const asked = new Asked(client);
  const { closed } = await within(asked.call, "the call of upstream");
  await harmInstance(app);
  await clients[1].send("GET", "/conversations");
  assert.equal(await within(closed, "the end of the call"), "aborted");
  await asked.reader.whole();
  assert.equal((await asked.assertIsKept()).code, "interrupted");
  const next = client.ask({ conversation: asked.conversation, message: "And now?" });
  assert.equal(parseFrames(await next.whole()).at(-1).finish_reason, "stop");
});

const [client] = clients;

/** Waits for whatever comes of something, which may be harmed. */
const over = (promise) => promise.catch(() => {});

/** An answer from its question to its end, with two journal writes. */
async function answerOf(serve) {
  const asked = new Asked(client);
  answering.set(asked.asker, serve);
  await asked.reader.whole();
  return asked;
}

/** What a client does with what is kept. Each step is over once nothing more comes of it, whatever is harmed. */
const STEPS = {
  "a whole answer": () => answerOf(answerWell),
  "an answer in two writes": async () => {
    const asked = new Asked(client);
    answering.set(asked.asker, async (call) => {
      call.write(delta("a"));
      await asked.reader.hasRead(1);
      call.write(delta("b"));
      await asked.reader.hasRead(2);
      call.end(finish("stop"), done);
    });
    await asked.reader.whole();
    return asked;
  },
  "an answer that upstream refuses": () => answerOf((call) => call.respond(401, {})),
  "an answer that breaks off": () => answerOf((call) => call.end(delta("a"))),
  "a long answer": () =>
    answerOf((call) => call.end(delta("x".repeat(90_000)), finish("stop"), done)),
  "an answer that is stopped": async () => {
    const asked = new Asked(client);
    const stop = () => client.send("POST", `/answers/${asked.id}/stop`);
    answering.set(asked.asker, (call) => call.write(delta("a")));
    await asked.reader.hasRead(1);
    await over(stop());
    // The first one may have been harmed.
    await over(stop());
    await asked.reader.whole();
    return asked;
  },
  "a reader that leaves": async () => {
    const asked = new Asked(client);
    answering.set(asked.asker, (call) => call.write(delta("a")));
    await asked.reader.hasRead(1);
    await asked.reader.leave();
    await over(client.send("POST", `/answers/${asked.id}/stop`));
    await over(client.send("POST", `/answers/${asked.id}/stop`));
    return asked;
  },
  "what is kept, in all ways": async () => {
    const asked = await answerOf(answerWell);
    const path = `/conversations/${asked.conversation}`;
    const json = { "content-type": "application/json" };
    for (const [method, route, init] of [
      ["GET", "/conversations?q=question&limit=2"],
      ["GET", path],
      ["GET", path, { headers: { accept: "text/markdown" } }],
      ["GET", "/export"],
      ["PATCH", path, { body: '{"title":"Another"}', headers: json }],
      ["GET", `/answers/${asked.id}?after=0`],
      ["GET", `/answers/${asked.id}?after=1`],
      ["GET", "/answers/none"],
      ["DELETE", path],
    ]) {
      const answered = await over(client.send(method, route, init));
      asked.isForgotten = method === "DELETE" && answered?.status === 204;
    }
    return asked;
  },
};

/** The first step that calls an import, by the import's name. @returns {Promise<Map<string, string>>} */
async function stepsByImport() {
  const byImport = new Map();
  for (const [name, step] of Object.entries(STEPS)) {
    await importsOf(app);
    await step();
    const { calls } = await importsOf(app);
    for (const each of calls.filter((each) => !byImport.has(each))) byImport.set(each, name);
  }
  return byImport;
}

test("whatever an import throws, what was shown is kept, and no answer hangs", async (t) => {
  const figures = { survived: 0, lost: 0 };
  for (const [name, step] of await stepsByImport()) {
    const running = await neighbours();
    const seen = app.logs.length;
    await harmImports(app, name);
    const asked = await within(STEPS[step](), `the end of '${step}' without ${name}`);
    const isLost = () =>
      app.logs.slice(seen).some(({ record }) => record.event === "instance_lost");
    const final = await asked.assertIsKept();
    assert.ok(final === undefined || final.finish_reason || final.code, `${name}: an ending`);
    if (isLost()) {
      for (const { reader } of running) await reader.whole();
      for (const each of running) await each.assertWasCutOff();
    } else {
      for (const each of running) await each.assertEndsWell();
    }
    figures[isLost() ? "lost" : "survived"] += 1;
    const next = await answerOf(answerWell);
    assert.equal(parseFrames(next.reader.text).at(-1).finish_reason, "stop", `after ${name}`);
  }
  t.diagnostic(JSON.stringify(figures));
});

/** The imports by which the store reads and writes. */
const isOfStore = (name) => /^(query|write|setAlarm)(\$|$)/.test(name);

test("whichever call of the store fails, the answer ends as it is kept, and others go on", async (t) => {
  const endings = {};
  for (const name of [...(await stepsByImport()).keys()].filter(isOfStore)) {
    for (let spared = 0, isHarmed = true; isHarmed; spared++) {
      const running = await neighbours();
      await harmImportLater(app, name, spared);
      const asked = await STEPS["an answer in two writes"]();
      isHarmed = (await importsOf(app)).harmful.length === 0;
      await harmNothing(app);
      const final = await asked.assertIsKept();
      const { status, text } = asked.reader;
      if (final === undefined)
        assert.deepEqual([status, parseBody(text)], [503, "store_unavailable"]);
      else if (!isCut(asked.reader)) assert.deepEqual(parseFrames(text).at(-1), final);
      const { conversation } = asked;
      const next = client.ask({ conversation, message: "And now?" });
      assert.equal(parseFrames(await next.whole()).at(-1).finish_reason, "stop");
      for (const each of running) await each.assertEndsWell();
      const ending = final?.code ?? final?.finish_reason ?? "refused";
      endings[ending] = (endings[ending] ?? 0) + 1;
    }
  }
  t.diagnostic(JSON.stringify(endings));
});

const parseBody = (text) => JSON.parse(text).code;

/** Whether a reader was told that its answer broke off. */
const isCut = (reader) => reader.error !== undefined;
