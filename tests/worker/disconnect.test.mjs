import assert from "node:assert/strict";
import { once } from "node:events";
import test, { beforeEach } from "node:test";
import { begin, exchange } from "../support/exchange.mjs";
import { readFrames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { delta, done, finish, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const upstream = await startUpstream();
const app = await startWorker({ OPENAI_BASE_URL: upstream.url, HEARTBEAT_SECONDS: "0.3" });
/** A worker that soon loses patience with upstream. */
const impatient = await startWorker({ OPENAI_BASE_URL: upstream.url, TIMEOUT_SECONDS: "0.3" });
/** A worker whose answers may not take long. */
const brief = await startWorker({ OPENAI_BASE_URL: upstream.url, MAX_STREAM_SECONDS: "1.5" });

beforeEach(() => upstream.reset());

/** Shows that upstream is let go of, and that the log has it once. */
async function assertGone({ id, call }) {
  assert.equal(await within(call.closed, "the end of upstream's connection"), "aborted");
  const { record } = await app.log("response_complete", id);
  assert.equal(record.end_reason, "client_gone");
  await app.logsArrived();
  const events = app.logsOf(id).map((line) => line.record.event);
  assert.equal(events.filter((event) => event === "response_complete").length, 1);
  assert.ok(!events.includes("stream_error"), "nothing failed");
}

/** Reads so many frames. */
async function readSome(stream, count) {
  for (let sequence = 0; sequence < count; sequence++) {
    assert.equal((await stream.next()).value.frame.sequence, sequence);
  }
}

test("a client whose connection is reset before the headers", async () => {
  const id = crypto.randomUUID();
  const client = app.send({ "x-correlation-id": id });
  client.end('{"message":"Hello"}');
  const call = await upstream.nextCall();
  client.socket.resetAndDestroy();
  await assertGone({ id, call });
});

test("a client that leaves before the headers is missed once there is something to tell it", async () => {
  // The runtime takes a connection that its client has closed in good form for one that is still read from.
  const client = new AbortController();
  const chat = await begin(app, upstream, { signal: client.signal });
  client.abort();
  await assert.rejects(chat.response, { name: "AbortError" });
  chat.call.write(delta("a"));
  await assertGone(chat);
});

test("a client that leaves before the first frame", async () => {
  const chat = await begin(app, upstream);
  chat.call.open();
  await (await chat.response).body.cancel();
  await assertGone(chat);
});

test("a client that leaves after the first frame, into silence", async () => {
  const chat = await begin(app, upstream);
  chat.call.write(delta("a"));
  const stream = readFrames(await chat.response);
  await readSome(stream, 1);
  await stream.return();
  await assertGone(chat);
});

test("a client that leaves in the middle, while tokens flow", async () => {
  const chat = await begin(app, upstream);
  chat.call.flood(delta("token "));
  const stream = readFrames(await chat.response);
  await readSome(stream, 100);
  await stream.return();
  await assertGone(chat);
});

test("a client that leaves during heartbeats", async () => {
  const chat = await begin(app, upstream);
  chat.call.open();
  const stream = readFrames(await chat.response);
  assert.equal((await stream.next()).value.comment, "keep-alive");
  await stream.return();
  await assertGone(chat);
});

test("clients that leave do not disturb those that stay", async () => {
  const stays = await begin(app, upstream);
  stays.call.write(delta("a"));
  for (let leaving = 0; leaving < 5; leaving++) {
    const chat = await begin(app, upstream);
    chat.call.write(delta("x"));
    const stream = readFrames(await chat.response);
    await readSome(stream, 1);
    await stream.return();
    await assertGone(chat);
  }
  stays.call.end(delta("b"), finish("stop"), done);
  const blocks = await Array.fromAsync(readFrames(await stays.response));
  const sent = blocks.flatMap((block) => block.frame ?? []);
  assert.deepEqual(
    sent.map((frame) => frame.content),
    ["a", "b", ""],
  );
  assert.equal(sent.at(-1).finish_reason, "stop");
});

const MEGABYTE = 1_000_000;
const LARGE_CONTENT = "x".repeat(20_000);

async function answerOthers() {
  for (let other = 0; other < 20; other++) {
    await exchange(app, upstream);
  }
}

/** Floods until nothing more is taken. Others, one after the other, are the time that passes until it stands still. */
async function floodUntilHeldBack(call, events) {
  let written = 0;
  const flooded = call.flood(delta(LARGE_CONTENT), events, (count) => {
    written = count;
  });
  for (let mark = -1; mark !== written; ) {
    mark = written;
    await answerOthers();
  }
  return { written, flooded };
}

test("a client whose connection is reset while upstream is held back for it", async () => {
  const id = crypto.randomUUID();
  const client = app.send({ "x-correlation-id": id });
  client.end('{"message":"Hello"}');
  const call = await upstream.nextCall();
  call.open();
  const [response] = await within(once(client, "response"), "the answer's headers");
  response.on("error", () => {});
  // Nobody reads this answer.
  await floodUntilHeldBack(call);
  client.socket.resetAndDestroy();
  await assertGone({ id, call });
});

test("a slow reader holds upstream back, and the worker stays small", async () => {
  const events = (200 * MEGABYTE) / LARGE_CONTENT.length;
  await answerOthers();
  const before = app.memoryBytes();

  const { call, response } = await begin(app, upstream);
  call.open();
  const stream = readFrames(await response);
  // Nobody reads this answer.
  const { written, flooded } = await floodUntilHeldBack(call, events);
  assert.ok(
    written * LARGE_CONTENT.length < 32 * MEGABYTE,
    `upstream is held back after ${written} of ${events} events`,
  );
  const grown = app.memoryBytes() - before;
  assert.ok(grown < 64 * MEGABYTE, `the worker has grown by ${grown} bytes`);

  const ended = flooded.then(() => call.end(finish("stop"), done));
  let sequence = 0;
  let last;
  for await (const { frame } of stream) {
    if (frame !== undefined) {
      assert.equal(frame.sequence, sequence);
      sequence += 1;
      last = frame;
    }
  }
  await ended;
  assert.equal(sequence, events + 1, "what was held back comes when it is read");
  assert.equal(last.finish_reason, "stop");
});

test("the time that a client takes to read is no silence of upstream's", async () => {
  const { call, response } = await begin(impatient, upstream);
  call.open();
  const stream = readFrames(await response);
  // Nobody reads this answer.
  const events = (40 * MEGABYTE) / LARGE_CONTENT.length;
  const { flooded } = await floodUntilHeldBack(call, events);
  // Two upstreams that never answer are the clock.
  for (let turn = 0; turn < 2; turn++) {
    const other = await begin(impatient, upstream);
    assert.equal((await other.response).status, 504);
  }
  const ended = flooded.then(() => call.end(finish("stop"), done));
  const blocks = await within(Array.fromAsync(stream), "the end of the stream");
  await ended;
  const { sequence, finish_reason } = blocks.at(-1).frame;
  assert.deepEqual({ sequence, finish_reason }, { sequence: events, finish_reason: "stop" });
});

test("an answer that takes too long is paid for no longer, even while nobody reads it", async () => {
  const { call, response } = await begin(brief, upstream);
  call.open();
  const stream = readFrames(await response);
  await floodUntilHeldBack(call);
  assert.equal(await within(call.closed, "the end of the call"), "aborted");
  const blocks = await within(Array.fromAsync(stream), "the end of the stream");
  assert.equal(blocks.at(-1).frame.code, "stream_too_long");
});
