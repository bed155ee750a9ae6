/** Every clock of a stream, by a clock that only the test moves: to the millisecond, and without waiting. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { CLOCK, pass, setClock } from "../support/clock.mjs";
import { errorBody, errorEnding } from "../support/errors.mjs";
import { begin, read } from "../support/exchange.mjs";
import { finalFrame, frame, readFrames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { delta, done, event, finish, startUpstream, usage } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const TIMEOUT = 7;
const HEARTBEAT = 3;
const MAX_STREAM = 20;
const MILLISECOND = 0.001;
const KEEP_ALIVE = ": keep-alive\n\n";

const upstream = await startUpstream();
const app = await startWorker(
  {
    OPENAI_BASE_URL: upstream.url,
    TIMEOUT_SECONDS: `${TIMEOUT}`,
    HEARTBEAT_SECONDS: `${HEARTBEAT}`,
    MAX_STREAM_SECONDS: `${MAX_STREAM}`,
  },
  { front: CLOCK },
);

beforeEach(() => upstream.reset());

/** Begins a stream, and gives what reads its next block, which is undefined at the end. */
async function open(body) {
  const chat = await begin(app, upstream, { body });
  chat.call.open();
  const blocks = readFrames(await chat.response);
  const next = async () => (await blocks.next()).value?.raw;
  return { ...chat, next };
}

/** Shows that a stream is over: for the client, for upstream and in the log. */
async function assertOver({ id, call, next }, endReason, closed = "aborted") {
  assert.equal(await next(), undefined);
  assert.equal(await within(call.closed, "the end of the call"), closed);
  assert.equal((await app.log("response_complete", id)).record.end_reason, endReason);
}

test("headers that do not come within the time-out are a 504, which is not retried", async () => {
  const { id, call, response } = await begin(app, upstream);
  let answered = false;
  response.then(() => {
    answered = true;
  });
  await pass(app, TIMEOUT - MILLISECOND);
  assert.equal(answered, false);
  await pass(app, MILLISECOND);
  assert.equal((await response).status, 504);
  assert.equal(await read(await response), errorBody("upstream_timeout", id));
  assert.equal(await within(call.closed, "the end of the call"), "aborted");
  assert.equal(upstream.calls.length, 1);
  const { record } = await app.log("response_complete", id);
  assert.partialDeepStrictEqual(record, {
    end_reason: "upstream_timeout",
    duration_ms: TIMEOUT * 1000,
  });
});

test("an error whose body does not come within the time-out is told by its status", async () => {
  const { id, call, response } = await begin(app, upstream);
  call.open(401, { "content-type": "application/json" });
  // The error's body is waited for no longer than its headers.
  await pass(app, TIMEOUT);
  assert.equal((await response).status, 502);
  assert.equal(await read(await response), errorBody("upstream_rejected", id));
  assert.equal(await within(call.closed, "the end of the call"), "aborted");
});

test("silence gets heartbeats, and is ended by the time-out all the same", async () => {
  const chat = await open();
  chat.call.write(delta("a"), delta("b").slice(0, 20));
  assert.equal(await chat.next(), frame(chat.id, 0, "a"));
  await pass(app, HEARTBEAT);
  assert.equal(await chat.next(), KEEP_ALIVE);
  await pass(app, HEARTBEAT);
  assert.equal(await chat.next(), KEEP_ALIVE, "and again");
  await pass(app, TIMEOUT - 2 * HEARTBEAT);
  assert.equal(await chat.next(), finalFrame(chat.id, 1, errorEnding("upstream_timeout")));
  await assertOver(chat, "upstream_timeout");
});

test("a clock that is set back holds up neither heartbeats nor deadlines", async () => {
  const headers = await begin(app, upstream);
  await pass(app, 1);
  await setClock(app, -3600);
  await pass(app, TIMEOUT - 1);
  assert.equal((await headers.response).status, 504);
  const chat = await open();
  chat.call.write(delta("a"));
  assert.equal(await chat.next(), frame(chat.id, 0, "a"));
  await pass(app, 1);
  await setClock(app, -3600);
  await pass(app, HEARTBEAT - 1);
  assert.equal(await chat.next(), KEEP_ALIVE);
  await pass(app, TIMEOUT - HEARTBEAT);
  assert.equal(await chat.next(), KEEP_ALIVE);
  assert.equal(await chat.next(), finalFrame(chat.id, 1, errorEnding("upstream_timeout")));
  await assertOver(chat, "upstream_timeout");
  const { record } = await app.log("response_complete", chat.id);
  assert.equal(record.duration_ms, TIMEOUT * 1000);
});

test("an answer that drips for longer than the time-out arrives whole", async () => {
  const chat = await open();
  let sequence = 0;
  for (; sequence * HEARTBEAT <= 2 * TIMEOUT; sequence++) {
    chat.call.write(delta("."));
    assert.equal(await chat.next(), frame(chat.id, sequence, "."));
    await pass(app, HEARTBEAT);
    assert.equal(await chat.next(), KEEP_ALIVE);
  }
  chat.call.end(finish("stop"), done);
  assert.equal(await chat.next(), finalFrame(chat.id, sequence, { finish_reason: "stop" }));
  await assertOver(chat, "done", "finished");
});

test("an answer without an end is ended after MAX_STREAM_SECONDS", async () => {
  const chat = await open();
  let sequence = 0;
  for (; sequence < MAX_STREAM; sequence++) {
    chat.call.write(delta("."));
    assert.equal(await chat.next(), frame(chat.id, sequence, "."));
    await pass(app, 1);
  }
  assert.equal(await chat.next(), finalFrame(chat.id, sequence, errorEnding("stream_too_long")));
  await assertOver(chat, "stream_too_long");
});

test("the final frame comes 2 s after the reason, though upstream neither says [DONE] nor ends", async () => {
  const chat = await open();
  chat.call.write(delta("a"), finish("stop"), usage(1, 2));
  assert.equal(await chat.next(), frame(chat.id, 0, "a"));
  await pass(app, 2);
  const counted = { input_tokens: 1, output_tokens: 2, total_tokens: 3 };
  const ending = { finish_reason: "stop", usage: counted };
  assert.equal(await chat.next(), finalFrame(chat.id, 1, ending));
  // The connection is kept for another 10 s, in case the end still comes.
  await pass(app, 10);
  await assertOver(chat, "done");
});

test("a model that thinks at length keeps the connection open, by frames if the client reads along", async () => {
  const thought = event({ choices: [{ index: 0, delta: { reasoning: "Hm" } }] });
  const silent = await open();
  const reading = await open({ message: "Hello", include_reasoning: true });
  const SECOND = HEARTBEAT / 3;
  for (let sequence = 0; sequence < 6; sequence += 1) {
    await pass(app, SECOND);
    for (const { call } of [silent, reading]) call.write(thought);
    assert.equal(await reading.next(), frame(reading.id, sequence, { reasoning: "Hm" }));
    if (sequence % 2 === 1) {
      await pass(app, SECOND);
      assert.equal(await silent.next(), KEEP_ALIVE, "every HEARTBEAT_SECONDS without a frame");
    }
  }
  await pass(app, 2 * SECOND);
  assert.equal(await reading.next(), KEEP_ALIVE, "HEARTBEAT_SECONDS after the last frame");
  for (const { call } of [silent, reading]) call.end(finish("stop"), done);
  assert.equal(await reading.next(), finalFrame(reading.id, 6, { finish_reason: "stop" }));
});
