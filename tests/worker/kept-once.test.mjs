/** Each request about what is kept has exactly one last line in the log, whoever of worker and object writes it. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { CLOCK, pass } from "../support/clock.mjs";
import { errorBody } from "../support/errors.mjs";
import { startWorker } from "../support/harness.mjs";
import { endingOf, keptFrames, Person } from "../support/person.mjs";
import { answer, answerWell, startUpstream } from "../support/upstream.mjs";

const TIMEOUT = 40;
const LONGEST = 100;
/** How much longer than upstream an object may take to answer. */
const SLACK = 10;
/** How long a request lives on when its client has left. */
const ARRIVAL = 1;

/**
 * A module in front of the worker's own whose objects take their time: a request whose correlation id begins with `late`
 * waits until the next one comes whose id begins with `on`.
 */
const LATE = `${CLOCK}
const { Owner: Prompt } = await import("./index.js");
const late = new Map();

export class Owner {
  #owner;

  constructor(context, env) {
    this.#owner = new Prompt(context, env);
  }

  async fetch(request) {
    const id = request.headers.get("x-correlation-id");
    if (id.startsWith("on")) for (const begin of late.values()) begin();
    if (id.startsWith("late")) {
      await patiently(new Promise((resolve) => late.set(id, resolve)));
    }
    return this.#owner.fetch(request);
  }

  alarm() {
    return this.#owner.alarm();
  }
}
`;

const upstream = await startUpstream();
const app = await startWorker(
  {
    OPENAI_BASE_URL: upstream.url,
    ANONYMOUS_OWNER: "true",
    TIMEOUT_SECONDS: `${TIMEOUT}`,
    MAX_STREAM_SECONDS: `${LONGEST}`,
    MAX_RETRIES: "0",
  },
  { front: LATE, owners: true },
);
const me = new Person(app);

beforeEach(() => upstream.reset());

const fresh = () => crypto.randomUUID();

/** Asserts that a request has exactly one last line, and what it says. */
async function assertComplete(id, expected) {
  assert.partialDeepStrictEqual((await app.log("response_complete", id)).record, expected);
  await app.logsArrived();
  const events = app.logsOf(id).map((line) => line.record.event);
  assert.equal(events.filter((event) => event === "response_complete").length, 1, `${events}`);
}

/** Sends a chat whose client the test holds in its hand. */
function send(id, key = fresh()) {
  const client = app.send({ "x-correlation-id": id, "idempotency-key": key });
  client.end(JSON.stringify({ message: "Hello over there", conversation_id: fresh() }));
  return client;
}

/** Lets objects begin with what waits for them. */
const release = () => me.send("/conversations", { id: `on-${fresh()}` });

test("a client that leaves before its object has begun has one last line", async () => {
  const id = `late-${fresh()}`;
  const client = send(id);
  // The worker waits for the object, which waits.
  await pass(app, 0);
  client.socket.resetAndDestroy();
  await pass(app, ARRIVAL);
  await assertComplete(id, { status: "cancelled", end_reason: "client_gone" });
  await (await release()).text();
  await assertComplete(id, {});
});

test("a client that leaves and whose object begins in time has one last line, and its answer goes on", async () => {
  const id = `late-${fresh()}`;
  const key = fresh();
  const client = send(id, key);
  await pass(app, 0);
  client.socket.resetAndDestroy();
  await (await release()).text();
  const call = await upstream.nextCall();
  await pass(app, ARRIVAL);
  await assertComplete(id, { status: "cancelled", end_reason: "client_gone" });
  call.end(...answer("Nobody"));
  await app.log("answer_complete", id);
  const text = await (await me.answer(key)).text();
  assert.equal(text, keptFrames(key, id, ["Nobody"], endingOf(text)));
  await assertComplete(id, { status: "cancelled" });
});

test("a client whose object does not answer in time is told so, and has one last line", async () => {
  const id = `late-${fresh()}`;
  const asked = me.ask({ message: "Hello over there", conversation_id: fresh() }, {}, { id });
  await pass(app, LONGEST + SLACK);
  const reply = await asked;
  assert.equal(await reply.text(), errorBody("store_unavailable", id));
  assert.equal(reply.status, 503);
  upstream.script(answerWell);
  await (await release()).text();
  await assertComplete(id, { status: "error", http_status: 503, end_reason: "rejected" });
});
