/** Clocks of kept answers: heartbeats for every reader, and the answer's own deadlines, in a time that belongs to the test. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import test, { beforeEach } from "node:test";
import { CLOCK, pass, setClock } from "../support/clock.mjs";
import { errorBody, errorEnding } from "../support/errors.mjs";
import { startWorker } from "../support/harness.mjs";
import { endingOf, keptFrame, keptFrames, Person } from "../support/person.mjs";
import { delta, done, finish, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const HEARTBEAT = 15;
const TIMEOUT = 40;
const LONGEST = 100;
const BEAT = ": keep-alive\n\n";

/** The line about a reader that is there and does not read. */
const STALLED = {
  code: "stream_too_long",
  cause: "the client did not read the whole answer within MAX_STREAM_SECONDS",
  recovery_action: "connection_broken_off",
};

const upstream = await startUpstream();
const app = await startWorker(
  {
    OPENAI_BASE_URL: upstream.url,
    ANONYMOUS_OWNER: "true",
    HEARTBEAT_SECONDS: `${HEARTBEAT}`,
    TIMEOUT_SECONDS: `${TIMEOUT}`,
    MAX_STREAM_SECONDS: `${LONGEST}`,
    MAX_RETRIES: "0",
  },
  { front: CLOCK, owners: true },
);
const me = new Person(app);

beforeEach(() => upstream.reset());

const fresh = () => crypto.randomUUID();

async function ask() {
  const [key, id] = [fresh(), fresh()];
  const body = { message: "Hello over there", conversation_id: fresh() };
  const asked = me.ask(body, { "idempotency-key": key }, { id });
  return { key, asker: id, asked, call: await upstream.nextCall() };
}

async function begin(content) {
  const begun = await ask();
  begun.call.write(delta(content));
  const reply = await begun.asked;
  assert.equal(await reply.next(), keptFrame(begun.key, begun.asker, 0, content));
  return { ...begun, reply };
}

test("a clock that is set back holds up no words", async () => {
  const { key, asker, call, reply } = await begin("a");
  await setClock(app, -10);
  let frame;
  reply.next().then((next) => {
    frame = next;
  });
  call.write(delta("b"));
  for (let turn = 0; turn < 50 && frame === undefined; turn += 1) await pass(app, 0.1);
  assert.equal(frame, keptFrame(key, asker, 1, "b"));
  call.end(finish("stop"), done);
  await reply.text();
});

test("a clock that is set back holds up neither heartbeats nor the time-out", async () => {
  const { reply } = await begin("a");
  await pass(app, HEARTBEAT - 1);
  await setClock(app, -3600);
  await pass(app, 1);
  assert.equal(await reply.next(), BEAT);
  await pass(app, TIMEOUT - HEARTBEAT);
  assert.equal(await reply.next(), BEAT);
  assert.partialDeepStrictEqual(endingOf(await reply.next()), errorEnding("upstream_timeout"));
});

test("every reader has heartbeats of its own while the answer is silent", async () => {
  const { key, asker, call, reply } = await begin("a");
  await pass(app, 5);
  const later = await me.answer(key);
  assert.equal(await later.next(), keptFrame(key, asker, 0, "a"));
  await pass(app, 5);
  // It has nothing to read yet.
  const ahead = await me.answer(key, 0);
  await pass(app, 5);
  assert.equal(await reply.next(), BEAT);
  await pass(app, 5);
  assert.equal(await later.next(), BEAT);
  await pass(app, 5);
  assert.equal(await ahead.next(), BEAT);
  call.write(delta("b"));
  for (const reader of [reply, later, ahead]) {
    assert.equal(await reader.next(), keptFrame(key, asker, 1, "b"));
  }
  await pass(app, HEARTBEAT - 1);
  await pass(app, 1);
  call.end(finish("stop"), done);
  const texts = await Promise.all([reply, later, ahead].map((reader) => reader.text()));
  const ending = keptFrames(key, asker, ["a", "b"], endingOf(texts[0]), 2);
  assert.deepEqual(texts, Array(3).fill(BEAT + ending), "after the frame, all beat together");
});

test("an answer whose upstream is silent for too long ends in failure, whoever reads it", async () => {
  const { key, asker, call, reply } = await begin("a");
  reply.leave();
  await pass(app, TIMEOUT);
  assert.equal(await within(call.closed, "the end of upstream"), "aborted");
  const text = await (await me.answer(key)).text();
  const { turn_id, history_turns, ...ending } = endingOf(text);
  assert.deepEqual(ending, errorEnding("upstream_timeout"));
  assert.equal(text, keptFrames(key, asker, ["a"], { ...ending, turn_id, history_turns }));
  const { record } = await app.log("answer_complete", asker);
  assert.partialDeepStrictEqual(record, {
    status: "error",
    end_reason: "upstream_timeout",
    chunk_count: 1,
  });
  const { record: failure } = await app.log("stream_error", asker);
  assert.partialDeepStrictEqual(failure, {
    code: "upstream_timeout",
    recovery_action: "error_frame",
  });
});

test("an answer that takes too long ends in failure, although it has text all the time", async () => {
  const { key, asker, call, reply } = await begin("0");
  const contents = ["0"];
  for (let seconds = 20; seconds < LONGEST; seconds += 20) {
    await pass(app, 20);
    contents.push(`${seconds}`);
    call.write(delta(`${seconds}`));
    let block = await reply.next();
    while (block === BEAT) block = await reply.next();
    assert.equal(block, keptFrame(key, asker, contents.length - 1, `${seconds}`));
  }
  await pass(app, 20);
  const text = await reply.text();
  assert.partialDeepStrictEqual(endingOf(text), errorEnding("stream_too_long"));
  assert.equal(await within(call.closed, "the end of upstream"), "aborted");
  const whole = await (await me.answer(key)).text();
  assert.equal(whole, keptFrames(key, asker, contents, endingOf(text)));
});

test("upstream's headers that do not come in time fail all who wait, and nothing is kept", async () => {
  const { key, asked, call } = await ask();
  const other = me.answer(key);
  await pass(app, TIMEOUT, { waiting: 2 });
  assert.equal(await within(call.closed, "the end of upstream"), "aborted");
  for (const reply of await Promise.all([asked, other])) {
    assert.equal(reply.status, 504);
    assert.equal(await reply.text(), errorBody("upstream_timeout", reply.id));
  }
  assert.equal((await me.answer(key)).status, 404);
});

test("text is written at once, and what follows within 100 ms is written together", async () => {
  const { key, asker, call, reply } = await begin("a");
  call.write(delta("b"));
  await pass(app, 0.09);
  call.write(delta("c"));
  await pass(app, 0.02);
  assert.equal(await reply.next(), keptFrame(key, asker, 1, "b"));
  assert.equal(await reply.next(), keptFrame(key, asker, 2, "c"));
  call.end(finish("stop"), done);
  await reply.text();
});

test("a reader that takes nothing for MAX_STREAM_SECONDS is broken off, and can come back", async () => {
  // As frames, these are more than the system holds for a connection.
  const contents = Array(60_000).fill("x");
  const { key, asked, call } = await ask();
  for (const content of contents) call.write(delta(content));
  call.end(finish("stop"), done);
  const whole = await (await asked).text();
  const id = fresh();
  const headers = { "accept-encoding": "identity", "x-correlation-id": id };
  const reading = request(`${app.url}/answers/${key}`, { headers }).end();
  const [response] = await within(once(reading, "response"), "the headers");
  response.pause();
  await pass(app, LONGEST);
  const { record } = await app.log("response_complete", id);
  assert.partialDeepStrictEqual(record, { status: "error", end_reason: "stream_too_long" });
  const { record: failure } = await app.log("stream_error", id);
  assert.partialDeepStrictEqual(failure, STALLED);
  const chunks = [];
  const broken = within(
    (async () => {
      for await (const chunk of response) chunks.push(chunk);
    })(),
    "the end",
  );
  await assert.rejects(broken, { code: "ECONNRESET" });
  const read = Buffer.concat(chunks).toString();
  assert.equal(whole.startsWith(read), true);
  const last = read
    .match(/^id: .*\.(\d+)$/gm)
    .at(-2)
    .split(".")
    .at(-1);
  const rest = await (await me.answer(key, last)).text();
  assert.equal(whole.endsWith(rest), true);
  assert.ok(rest.length > whole.length - read.length);
});
