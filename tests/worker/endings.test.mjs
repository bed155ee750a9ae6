/**
 * How answers end: by upstream's word, by its connection, or by something that cannot be read. The core's tests hold what
 * each event means; here they come over a connection, which has an end of its own.
 */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { CLOCK, pass } from "../support/clock.mjs";
import { errorEnding } from "../support/errors.mjs";
import { assertStillServes, begin, read } from "../support/exchange.mjs";
import { frames, readFrames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { delta, done, event, finish, startUpstream, usage } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const upstream = await startUpstream();
const app = await startWorker({ OPENAI_BASE_URL: upstream.url }, { front: CLOCK });

beforeEach(() => upstream.reset());

const MEBIBYTE = 1_048_576;
const EMOJI = Buffer.from(delta("🙂"));
const STOP = { finish_reason: "stop" };

/** How long upstream may take to end an answer that is complete, in seconds. */
const DRAIN = 10;

/**
 * Asserts how a stream ended: for its client, in the log and at upstream's socket.
 *
 * @param {'finished' | 'aborted'} closed `aborted` where the worker has to close a connection that upstream keeps open.
 */
async function assertEnding(
  { id, call, text },
  { contents = ["a"], ending, endReason, closed, cause },
) {
  assert.equal(text, frames(id, contents, ending));
  const { record } = await app.log("response_complete", id);
  assert.partialDeepStrictEqual(record, {
    end_reason: endReason,
    http_status: 200,
    chunk_count: contents.length,
    ...(ending.finish_reason && ending),
  });
  await app.logsArrived();
  const errors = app.logsOf(id).filter((line) => line.record.event === "stream_error");
  assert.deepEqual(
    errors.map(({ method, record }) => [method, record.code, record.recovery_action]),
    ending.code === undefined ? [] : [["error", ending.code, "error_frame"]],
  );
  if (cause !== undefined) assert.equal(errors[0].record.cause, cause);
  assert.equal(await within(call.closed, "the end of upstream's connection"), closed);
}

/** Has upstream act, and asserts how that ends and that the worker still works. */
async function assertActEnds(act, expected) {
  const { id, call, response } = await begin(app, upstream);
  act(call);
  await assertEnding({ id, call, text: await read(await response) }, expected);
  await assertStillServes(app, upstream);
}

test("an answer is complete once upstream says so, whatever follows", async (t) => {
  const counted = { input_tokens: 1, output_tokens: 2, total_tokens: 3 };
  for (const [what, act, ending, closed = "finished"] of [
    ["[DONE]", (call) => call.end(delta("a"), done), STOP],
    ["a reason", (call) => call.end(delta("a"), finish("length")), { finish_reason: "length" }],
    [
      "a reason, then what it cost",
      (call) => call.end(delta("a"), finish("stop"), usage(1, 2)),
      { ...STOP, usage: counted },
    ],
    [
      "a reason, then what cannot be read",
      (call) => call.end(delta("a"), finish("stop"), "data: {\n\n"),
      STOP,
    ],
    ["[DONE], then more", (call) => call.end(delta("a"), done, delta("b"), "data: {"), STOP],
    [
      "[DONE], then bytes without end",
      (call) => {
        call.write(delta("a"), done);
        call.flood(": more\n".repeat(1_000));
      },
      STOP,
      "aborted",
    ],
  ]) {
    await t.test(what, () => assertActEnds(act, { ending, endReason: "done", closed }));
  }
});

test("a connection that stays open after [DONE] is closed 10 s later", async () => {
  const { id, call, response } = await begin(app, upstream);
  call.write(delta("a"), done);
  const text = await read(await response);
  await pass(app, DRAIN);
  await assertEnding({ id, call, text }, { ending: STOP, endReason: "done", closed: "aborted" });
});

const TRUNCATED = {
  ending: errorEnding("upstream_truncated"),
  endReason: "upstream_truncated",
};

test("an end without a terminal event is truncation", async (t) => {
  const cause = "the bytes ended before the answer was complete";
  for (const [what, act, contents] of [
    ["no byte", (call) => call.end(), []],
    ["after an event", (call) => call.end(delta("a")), ["a"]],
    ["inside an event", (call) => call.end(delta("a"), delta("b").slice(0, 20)), ["a"]],
    [
      "inside a UTF-8 character",
      (call) => call.end(delta("a"), EMOJI.subarray(0, EMOJI.indexOf("🙂") + 2)),
      ["a"],
    ],
  ]) {
    await t.test(what, () =>
      assertActEnds(act, { ...TRUNCATED, contents, cause, closed: "finished" }),
    );
  }
});

/**
 * Breaks the connection once the client has the frames of `contents`, since a reset may overtake what was written.
 *
 * @param {'cut' | 'reset'} how
 */
async function assertBreakEnds(how, contents, last, expected) {
  const { id, call, response } = await begin(app, upstream);
  call.open();
  const stream = readFrames(await response);
  const blocks = [];
  // In one write, so that the first event's frame shows that all of it has arrived.
  call.write(contents.map(delta).join("") + last);
  while (blocks.length < contents.length) {
    blocks.push((await stream.next()).value.raw);
  }
  call[how]();
  blocks.push(...(await Array.fromAsync(stream, (block) => block.raw)));
  await assertEnding(
    { id, call, text: blocks.join("") },
    { contents, ...expected, closed: "aborted" },
  );
}

test("a connection that breaks after n events is truncation after n frames", async (t) => {
  const expected = { ...TRUNCATED, cause: "the connection broke before the answer was complete" };
  for (const how of ["cut", "reset"]) {
    for (const n of [0, 1, 50]) {
      const contents = Array.from({ length: n }, (_, index) => `${index}`);
      await t.test(`${how}, n = ${n}`, () => assertBreakEnds(how, contents, "", expected));
    }
  }
});

test("a connection that breaks after the terminal event breaks nothing", async (t) => {
  for (const how of ["cut", "reset"]) {
    await t.test(how, () =>
      assertBreakEnds(how, ["a"], finish("stop"), { ending: STOP, endReason: "done" }),
    );
  }
});

test("what is no event of the API ends the answer and the call at once", async (t) => {
  const ending = errorEnding("upstream_protocol");
  for (const [what, bad] of [
    ["invalid JSON", 'data: {"choices":[}\n\n'],
    ["nesting without end", `data: {"choices":${"[".repeat(100_000)}\n\n`],
    ["a byte that is never UTF-8", Buffer.from('data: "\xff"\n\n', "latin1")],
    ["1 MiB + 1 in many lines", `${`data: ${" ".repeat(1023)}\n`.repeat(1025)}\n`],
    ["a line without an end", `data: ${" ".repeat(2 * MEBIBYTE)}`],
  ]) {
    const act = (call) => call.write(delta("a"), bad, delta("b"), done);
    const expected = { ending, endReason: "upstream_protocol", closed: "aborted" };
    await t.test(what, () => assertActEnds(act, expected));
  }
});

test("an event of almost 1 MiB is an event", async () => {
  const content = "x".repeat(MEBIBYTE - 200);
  const { id, call, response } = await begin(app, upstream);
  call.end(delta(content), done);
  assert.equal(await read(await response), frames(id, [content], STOP));
});

test("an error that upstream reports ends the answer and the call at once", async () => {
  const quota = event({ error: { message: "canary", code: "insufficient_quota" } });
  await assertActEnds((call) => call.write(delta("a"), quota), {
    ending: errorEnding("upstream_quota"),
    endReason: "upstream_error",
    closed: "aborted",
  });
});
