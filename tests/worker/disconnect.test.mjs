/** Clients that leave: the call of upstream is closed, and the log says so once. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { CLOCK, pass } from "../support/clock.mjs";
import { begin, exchange, stall } from "../support/exchange.mjs";
import { readFrames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { delta, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const HEARTBEAT = 15;

const upstream = await startUpstream();
const app = await startWorker(
  { OPENAI_BASE_URL: upstream.url, HEARTBEAT_SECONDS: `${HEARTBEAT}` },
  { front: CLOCK },
);

beforeEach(() => upstream.reset());

/** Asserts that the call of upstream is closed, and that the log says once that the client left. */
async function assertGone({ id, call }) {
  assert.equal(await within(call.closed, "the end of upstream's connection"), "aborted");
  const { record } = await app.log("response_complete", id);
  assert.partialDeepStrictEqual(record, { status: "cancelled", end_reason: "client_gone" });
  await app.logsArrived();
  const events = app.logsOf(id).map((line) => line.record.event);
  assert.equal(events.filter((event) => event === "response_complete").length, 1);
  assert.ok(!events.includes("stream_error"), "nothing failed");
}

/** Reads `count` frames. */
async function readSome(stream, count) {
  for (let sequence = 0; sequence < count; sequence++) {
    assert.equal((await stream.next()).value.frame.sequence, sequence);
  }
}

test("a client whose connection is reset before the headers is noticed at once", async () => {
  const id = crypto.randomUUID();
  const client = app.send({ "x-correlation-id": id });
  client.end('{"message":"Hello"}');
  const call = await upstream.nextCall();
  client.socket.resetAndDestroy();
  await assertGone({ id, call });
  const { record } = await app.log("response_complete", id);
  assert.deepEqual([record.http_status, record.retries], [undefined, 0]);
});

test("a client that leaves before the headers is noticed at the first write", async () => {
  // To the runtime, a connection that was closed in order looks like one whose client still reads.
  const client = new AbortController();
  const chat = await begin(app, upstream, { signal: client.signal });
  client.abort();
  await assert.rejects(chat.response, { name: "AbortError" });
  chat.call.write(delta("a"));
  await assertGone(chat);
});

/** A client that leaves a silent stream is noticed within two heartbeats: nothing else is written to it. */
async function twoHeartbeats() {
  await pass(app, HEARTBEAT, { waiting: 0 });
  await pass(app, HEARTBEAT, { waiting: 0 });
}

test("a client that leaves a silent stream before its first frame is noticed at a heartbeat", async () => {
  const chat = await begin(app, upstream);
  chat.call.open();
  await (await chat.response).body.cancel();
  await twoHeartbeats();
  await assertGone(chat);
});

test("a client that leaves a silent stream after a frame is noticed at a heartbeat", async () => {
  const chat = await begin(app, upstream);
  chat.call.write(delta("a"));
  const stream = readFrames(await chat.response);
  await readSome(stream, 1);
  await stream.return();
  await twoHeartbeats();
  await assertGone(chat);
});

test("a client that leaves while tokens flow is noticed at the next write", async () => {
  const chat = await begin(app, upstream);
  chat.call.flood(delta("token "));
  const stream = readFrames(await chat.response);
  await readSome(stream, 100);
  await stream.return();
  await assertGone(chat);
});

test("while a client reads nothing, upstream is held back and memory stays bounded", async () => {
  await exchange(app, upstream);
  const before = app.memoryBytes();
  const { id, call, client, written } = await stall(app, upstream);
  assert.ok(written < 32_000_000, `upstream is held back after ${written} characters`);
  const grown = app.memoryBytes() - before;
  assert.ok(grown < 64_000_000, `the worker has grown by ${grown} bytes`);
  client.socket.resetAndDestroy();
  await assertGone({ id, call });
});
