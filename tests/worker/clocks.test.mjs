import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { errorBody, errorEnding } from "../support/errors.mjs";
import { begin, read } from "../support/exchange.mjs";
import { collect, finalFrame, frame, readFrames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { delta, done, finish, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const upstream = await startUpstream();
const OPENAI_BASE_URL = upstream.url;

beforeEach(() => upstream.reset());

const KEEP_ALIVE = ": keep-alive\n\n";

/** A worker that soon loses patience with upstream. */
const impatient = await startWorker({ OPENAI_BASE_URL, TIMEOUT_SECONDS: "0.3" });

/**
 * A worker whose heartbeats are the clock of a test: at each of them upstream may send something. There are several
 * to each time-out.
 */
const beating = { OPENAI_BASE_URL, HEARTBEAT_SECONDS: "0.2", TIMEOUT_SECONDS: "1.5" };

/** Answers each heartbeat that the client sees with what `say` gives. */
async function saySomethingAtEachHeartbeat({ call, response }, say) {
  call.open();
  const answering = Array.fromAsync(readFrames(await response), (block) => {
    if (block.raw === KEEP_ALIVE) {
      call.write(say());
    }
    return block;
  });
  return within(answering, "the end of the stream");
}

async function assertEndReason(app, id, endReason) {
  const { record } = await app.log("response_complete", id);
  assert.equal(record.end_reason, endReason);
}

test("headers that never come are a time-out, which is not retried", async () => {
  const { id, call, response } = await begin(impatient, upstream);
  const answered = await response;
  assert.equal(answered.status, 504);
  assert.equal(await read(answered), errorBody("upstream_timeout", id));
  assert.equal(await within(call.closed, "the end of the call"), "aborted");
  assert.equal(upstream.calls.length, 1);
  await assertEndReason(impatient, id, "upstream_timeout");
});

test("an error whose body never comes is told all the same", async () => {
  const { id, call, response } = await begin(impatient, upstream);
  call.open(401, { "content-type": "application/json" });
  const answered = await response;
  assert.equal(await read(answered), errorBody("upstream_rejected", id));
  assert.equal(answered.status, 502);
  assert.equal(await within(call.closed, "the end of the call"), "aborted");
});

test("headers and then silence is a time-out", async () => {
  const { id, call, response } = await begin(impatient, upstream);
  call.open();
  const { text } = await collect(await response);
  assert.equal(text, finalFrame(id, 0, errorEnding("upstream_timeout")));
  assert.equal(await within(call.closed, "the end of the call"), "aborted");
  await assertEndReason(impatient, id, "upstream_timeout");
});

test("some events and then silence is a time-out after their frames", async () => {
  const { id, call, response } = await begin(impatient, upstream);
  call.write(delta("a"), delta("b").slice(0, 20));
  const { text } = await collect(await response);
  assert.equal(text, frame(id, 0, "a") + finalFrame(id, 1, errorEnding("upstream_timeout")));
  assert.equal(await within(call.closed, "the end of the call"), "aborted");
});

test("silence after the terminal event is no time-out", async () => {
  const { id, call, response } = await begin(impatient, upstream);
  call.write(delta("a"), finish("stop"));
  const { text } = await collect(await response);
  assert.equal(text, frame(id, 0, "a") + finalFrame(id, 1, { finish_reason: "stop" }));
  assert.equal(await within(call.closed, "the end of the call"), "aborted");
  await assertEndReason(impatient, id, "done");
});

test("heartbeats tell the client that a silent stream lives", async () => {
  const app = await startWorker({ ...beating, TIMEOUT_SECONDS: "30" });
  const { id, call, response } = await begin(app, upstream);
  call.write(delta("a"));
  const stream = readFrames(await response);
  const next = async () => (await stream.next()).value.raw;
  assert.equal(await next(), frame(id, 0, "a"));
  assert.equal(await next(), KEEP_ALIVE);
  assert.equal(await next(), KEEP_ALIVE, "and again");
  call.end(delta("b"), finish("stop"), done);
  const rest = await Array.fromAsync(stream, (block) => block.raw);
  assert.equal(
    rest.filter((raw) => raw !== KEEP_ALIVE).join(""),
    frame(id, 1, "b") + finalFrame(id, 2, { finish_reason: "stop" }),
  );
});

test("a slow drip for longer than the time-out lives", async (t) => {
  const app = await startWorker(beating);
  for (const [what, drop] of [
    ["of events", delta(".")],
    ["of comments", ": still here\n\n"],
    ["of bytes", "\n"],
  ]) {
    await t.test(what, async () => {
      const chat = await begin(app, upstream);
      const end = performance.now() + 2200;
      const blocks = await saySomethingAtEachHeartbeat(chat, () =>
        performance.now() < end ? drop : finish("stop") + done,
      );
      assert.equal(blocks.at(-1).frame.finish_reason, "stop");
      const sequences = blocks.flatMap((block) => block.frame?.sequence ?? []);
      assert.deepEqual(sequences, [...sequences.keys()]);
    });
  }
});

test("our own heartbeats are not a sign of life from upstream", async () => {
  const app = await startWorker({ ...beating, TIMEOUT_SECONDS: "1.5" });
  const { id, call, response } = await begin(app, upstream);
  call.open();
  const { comments, final } = await collect(await response);
  assert.notEqual(comments.length, 0);
  assert.equal(final.code, "upstream_timeout");
  assert.equal(await within(call.closed, "the end of the call"), "aborted");
  await assertEndReason(app, id, "upstream_timeout");
});

test("an answer without an end is ended", async () => {
  const app = await startWorker({ ...beating, MAX_STREAM_SECONDS: "1.5" });
  const chat = await begin(app, upstream);
  const blocks = await saySomethingAtEachHeartbeat(chat, () => delta("."));
  const sent = blocks.filter((block) => block.frame !== undefined);
  assert.ok(sent.length > 1);
  assert.equal(sent.at(-1), blocks.at(-1));
  assert.equal(
    blocks.at(-1).raw,
    finalFrame(chat.id, sent.length - 1, errorEnding("stream_too_long")),
  );
  assert.equal(await within(chat.call.closed, "the end of the call"), "aborted");
  await assertEndReason(app, chat.id, "stream_too_long");
});
