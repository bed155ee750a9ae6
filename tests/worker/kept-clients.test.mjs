/** Clients from npm that send a request again by themselves read one answer whole through a line that is cut. */
import assert from "node:assert/strict";
import test, { after, beforeEach } from "node:test";
import { createEventSource } from "eventsource-client";
import { startKept } from "../support/kept.mjs";
import { endingOf, keptFrames, Person } from "../support/person.mjs";
import { startProxy } from "../support/proxy.mjs";
import { delta, done, finish, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

// It is made for browsers. Its pauses are left out.
globalThis.window = { fetch, setTimeout: (callback) => setImmediate(callback), clearTimeout() {} };
globalThis.document = { removeEventListener() {} };
const { fetchEventSource } = await import("@microsoft/fetch-event-source");

const upstream = await startUpstream();
const server = await startKept({ OPENAI_BASE_URL: upstream.url, ANONYMOUS_OWNER: "true" });
const proxy = await startProxy(server.url);
const me = new Person(server);

beforeEach(() => upstream.reset());
after(() => me.assertLogged());

const CUTS = 3;
const CONTENTS = ["Once ", "\u{1f409} upon\n", ' "a" ', "time", "."];

/** What was read so far, and a way to wait for it. */
class Messages {
  all = [];
  #onMessage = () => {};

  add({ id, data }) {
    this.all.push({ id, data });
    this.#onMessage();
  }

  /** Resolves once there are so many. */
  async count(count) {
    const { promise, resolve } = Promise.withResolvers();
    this.#onMessage = () => this.all.length >= count && resolve();
    this.#onMessage();
    await within(promise, () => `${count} messages; read: ${JSON.stringify(this.all)}`);
  }
}

const { setTimeout } = globalThis;

/** Lets the timer go off at once that is set next, which is that of the pause before a new attempt. */
function leaveOutPause() {
  globalThis.setTimeout = (callback) => {
    globalThis.setTimeout = setTimeout;
    return setTimeout(callback, 0);
  };
}

/** How each client asks and reads; it gives a promise of its end. */
const CLIENTS = {
  // It takes a 204 for a failure and tries again for ever, so it is stopped at the final frame.
  "@microsoft/fetch-event-source": (url, { headers, body }, messages) => {
    const end = new AbortController();
    const onmessage = (message) => {
      messages.add(message);
      if (JSON.parse(message.data).is_final) end.abort();
    };
    const { signal } = end;
    const init = { method: "POST", headers: { ...headers }, body, openWhenHidden: true };
    return fetchEventSource(url, { ...init, signal, onmessage });
  },
  "eventsource-client": async (url, { headers, body }, messages) => {
    const onScheduleReconnect = leaveOutPause;
    const client = createEventSource({ url, method: "POST", headers, body, onScheduleReconnect });
    for await (const message of client) messages.add(message);
  },
};

for (const [name, read] of Object.entries(CLIENTS)) {
  /** Begins to read, and writes the answer once the line has been cut `cutsBefore` times while upstream was silent. */
  async function readThroughCuts({ key, cutsBefore }) {
    const messages = new Messages();
    const body = JSON.stringify({ message: "Tell me", conversation_id: crypto.randomUUID() });
    const headers = { "content-type": "application/json", "accept-encoding": "identity" };
    if (key !== undefined) headers["idempotency-key"] = key;
    const reading = read(`${proxy.url}/chat`, { headers, body }, messages);
    const call = await upstream.nextCall();
    for (let cut = 0; cut < cutsBefore; cut++) {
      const received = server.logs.filter(({ record }) => record.event === "request_received");
      const known = received.map(({ record }) => record.correlation_id);
      proxy.cut();
      await server.log("request_received", (record) => !known.includes(record.correlation_id));
    }
    for (const [sequence, content] of CONTENTS.entries()) {
      call.write(delta(content));
      await messages.count(sequence + 1);
      if (sequence < CUTS) proxy.cut();
    }
    call.end(finish("stop"), done);
    await messages.count(CONTENTS.length + 1);
    proxy.cut();
    await within(reading, "the end of the client");
    assert.equal(upstream.calls.length, 1, "the model was asked once");
    const text = messages.all.map(({ id, data }) => `id: ${id}\ndata: ${data}\n\n`).join("");
    const [, answerId, asker] = text.match(/^id: (.+)\.0\n.*"correlation_id":"([^"]+)"/);
    assert.equal(text, keptFrames(answerId, asker, CONTENTS, endingOf(text)));
    assert.equal(await (await me.answer(answerId)).text(), text);
    return answerId;
  }

  test(`${name} reads an answer whole through ${CUTS} cuts, and buys it once`, async () => {
    await readThroughCuts({ key: undefined, cutsBefore: 0 });
  });

  test(`${name} with an Idempotency-Key survives cuts before the first frame, too`, async () => {
    const key = crypto.randomUUID();
    assert.equal(await readThroughCuts({ key, cutsBefore: CUTS }), key);
  });
}
