/** Every wait has a deadline, here by a clock that only the test moves: for a body, the limiter, a client that reads nothing. */
import assert from "node:assert/strict";
import { once } from "node:events";
import test, { beforeEach } from "node:test";
import { CLOCK, pass } from "../support/clock.mjs";
import { errorBody, errorEnding } from "../support/errors.mjs";
import { begin, exchange, PIECE, read, stall } from "../support/exchange.mjs";
import { finalFrame, frames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { limiterStub } from "../support/limiter.mjs";
import { delta, done, finish, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const TIMEOUT = 7;
const MAX_STREAM = 20;
const MILLISECOND = 0.001;
/** How long a client may take for the last frames once the longest answer is over. */
const CLOSING = 2;
/** How long upstream may take to end an answer that is complete. */
const DRAIN = 10;

const upstream = await startUpstream();
const bindings = {
  OPENAI_BASE_URL: upstream.url,
  TIMEOUT_SECONDS: `${TIMEOUT}`,
  MAX_STREAM_SECONDS: `${MAX_STREAM}`,
  HEARTBEAT_SECONDS: "600",
};
const app = await startWorker(bindings, { front: CLOCK });

beforeEach(() => upstream.reset());

/** Asserts that a request has exactly one last line, and what it says. */
async function assertComplete(id, expected) {
  assert.partialDeepStrictEqual((await app.log("response_complete", id)).record, expected);
  await app.logsArrived();
  const events = app.logsOf(id).map((line) => line.record.event);
  assert.equal(events.filter((event) => event === "response_complete").length, 1, `${events}`);
  return events;
}

test("a body that does not come within the time-out is a 408", async (t) => {
  const chunked = { "Transfer-Encoding": "chunked" };
  for (const [what, headers, body, act] of [
    ["with a length", { "Content-Length": "100" }, '{"message":'],
    ["in chunks", chunked, "2\r\n{ \r\n"],
    ["of which nothing comes", { "Content-Length": "100" }, ""],
    [
      "that comes byte by byte without end",
      chunked,
      "2\r\n{ \r\n",
      async (socket) => {
        // The worker's answer ends the connection, and so this.
        for (; socket.writable; await new Promise((resolve) => setImmediate(resolve))) {
          socket.write("1\r\n \r\n");
          await once(socket, "drain").catch(() => {});
        }
      },
    ],
  ]) {
    await t.test(what, async () => {
      const id = crypto.randomUUID();
      const answer = app.wire({ "X-Correlation-Id": id, ...headers }, body, act);
      await pass(app, TIMEOUT);
      const { status, text } = await answer;
      assert.equal(status, 408);
      assert.equal(text, errorBody("request_timeout", id));
      await assertComplete(id, {
        http_status: 408,
        end_reason: "rejected",
        duration_ms: TIMEOUT * 1000,
      });
    });
  }
  assert.deepEqual(upstream.calls, []);
});

test("the rest of a refused body is waited for no longer than 2 s", async () => {
  const id = crypto.randomUUID();
  const headers = { "X-Correlation-Id": id, "Content-Length": "70000" };
  const answer = app.wire(headers, "the beginning");
  await pass(app, 2);
  const { status, text } = await answer;
  assert.equal(status, 413);
  assert.equal(text, errorBody("body_too_large", id));
  await assertComplete(id, { http_status: 413, end_reason: "rejected", duration_ms: 2000 });
});

test("a client that leaves while the rest of its refused body is waited for is gone, not refused", async () => {
  const id = crypto.randomUUID();
  const headers = { "X-Correlation-Id": id, "Content-Length": "70000" };
  let leave;
  app.wire(headers, "the beginning", (socket) => {
    leave = () => socket.resetAndDestroy();
  });
  // Lets no time pass, but comes back only once the worker waits.
  await pass(app, 0);
  leave();
  await assertComplete(id, { status: "cancelled", end_reason: "client_gone" });
});

test("a limiter that does not answer within 2 s lets the request through", async () => {
  const silent = await startWorker(bindings, {
    front: CLOCK,
    ...limiterStub("return new Promise((resolve) => setTimeout(resolve, 30_000));"),
  });
  const exchanged = exchange(silent, upstream);
  await pass(silent, 2);
  const { id, text } = await exchanged;
  assert.equal(text, frames(id, ["Hi"], { finish_reason: "stop" }));
  const { record } = await silent.log("rate_limiter_failed", id);
  assert.equal(record.cause, "no answer within 2 s");
});

/** More than a connection holds. */
const PIECES = 2_000;

test("a client that stops reading is cut off 2 s after the longest answer", async (t) => {
  for (const [what, event, isComplete] of [
    ["in the middle", delta(PIECE), false],
    ["when upstream has given a reason", finish("stop", PIECE), true],
  ]) {
    await t.test(what, async () => {
      const { id, call, response } = await stall(app, upstream, { event });
      await pass(app, MAX_STREAM);
      const closed = within(call.closed, "the end of the call");
      // An upstream whose answer has failed is not kept for the client.
      if (!isComplete) assert.equal(await closed, "aborted");
      await pass(app, CLOSING);
      assert.equal(await closed, "aborted");
      const events = await assertComplete(id, {
        status: "error",
        http_status: 200,
        end_reason: "stream_too_long",
        duration_ms: (MAX_STREAM + CLOSING) * 1000,
      });
      assert.equal(events.filter((event) => event === "stream_error").length, 1);
      const { record } = await app.log("stream_error", id);
      assert.partialDeepStrictEqual(record, {
        code: "stream_too_long",
        cause: "the client did not read the whole answer within MAX_STREAM_SECONDS",
        recovery_action: "connection_broken_off",
      });
      // What the connection held is read after all, and its end is missing.
      await assert.rejects(within(Array.fromAsync(response), "the break"), { code: "ECONNRESET" });
    });
  }
});

test("a client that leaves before it has read the end of a complete answer is gone", async () => {
  const { id, client } = await stall(app, upstream, { event: finish("stop", PIECE) });
  await pass(app, MAX_STREAM);
  client.socket.resetAndDestroy();
  await assertComplete(id, { status: "cancelled", end_reason: "client_gone" });
});

test("a client that reads on after its answer took too long gets the final frame", async () => {
  const { id, call, read } = await stall(app, upstream);
  await pass(app, MAX_STREAM);
  assert.equal(await within(call.closed, "the end of the call"), "aborted");
  const blocks = (await read()).split(/(?<=\n\n)/);
  const ending = errorEnding("stream_too_long");
  assert.equal(blocks.at(-1), finalFrame(id, blocks.length - 1, ending));
  await assertComplete(id, { end_reason: "stream_too_long" });
});

test("the time that a client takes to read is no silence of upstream's", async () => {
  const { id, read } = await stall(app, upstream, { times: PIECES, end: [finish("stop"), done] });
  await pass(app, 2 * TIMEOUT);
  const contents = Array.from({ length: PIECES }, () => PIECE);
  const whole = frames(id, contents, { finish_reason: "stop" });
  assert.ok((await read()) === whole, "the answer is whole");
  await assertComplete(id, { end_reason: "done", chunk_count: PIECES });
});

test("a whole answer has the deadlines of a stream", async (t) => {
  const whole = JSON.stringify({
    object: "chat.completion",
    choices: [{ index: 0, message: { role: "assistant", content: "Hi" }, finish_reason: "stop" }],
  });
  const open = async () => {
    const chat = await begin(app, upstream);
    chat.call.open(200, { "content-type": "application/json" });
    return chat;
  };

  await t.test("upstream falls silent", async () => {
    const { id, call, response } = await open();
    call.write(whole.slice(0, 20));
    await pass(app, TIMEOUT);
    assert.equal(await read(await response), errorBody("upstream_timeout", id));
    assert.equal(await within(call.closed, "the end of the call"), "aborted");
  });

  await t.test("it takes longer than any answer may", async () => {
    const { id, call, response } = await open();
    for (const byte of whole.slice(0, 3)) {
      call.write(byte);
      await pass(app, TIMEOUT - MILLISECOND);
    }
    assert.equal(await read(await response), errorBody("stream_too_long", id));
    assert.equal((await response).status, 504);
    assert.equal(await within(call.closed, "the end of the call"), "aborted");
  });

  await t.test("what is whole is told, though its connection stays open", async () => {
    const { id, call, response } = await open();
    call.write(whole);
    await pass(app, TIMEOUT);
    assert.equal(await read(await response), frames(id, ["Hi"], { finish_reason: "stop" }));
    await pass(app, DRAIN);
    assert.equal(await within(call.closed, "the end of the call"), "aborted");
  });
});
