import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { errorEnding } from "../support/errors.mjs";
import { assertStillServes, begin, read } from "../support/exchange.mjs";
import { finalFrame, frame, frames, readFrames } from "../support/frames.mjs";
import { API_KEY, startWorker } from "../support/harness.mjs";
import { delta, done, event, finish, startUpstream, usage } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const upstream = await startUpstream();
const app = await startWorker({ OPENAI_BASE_URL: upstream.url });

beforeEach(() => upstream.reset());

const MEBIBYTE = 1_048_576;
const STOP = { finish_reason: "stop" };
const OTHER = { finish_reason: "other" };

/** The first bytes of a text, up to and including the first byte of `last`. */
function upTo(text, last) {
  const bytes = Buffer.from(text);
  return bytes.subarray(0, bytes.indexOf(last) + 1);
}

/**
 * Shows that a stream ended as it should: for its client, in the log and at upstream's socket.
 *
 * @param {'finished' | 'aborted'} closed `aborted` where the worker has to close a connection that upstream keeps open.
 */
async function assertEnding({ id, call, text }, { contents = [], ending, endReason, closed }) {
  assert.equal(text, frames(id, contents, ending));
  const { record } = await app.log("response_complete", id);
  assert.equal(record.end_reason, endReason);
  assert.equal(record.http_status, 200);
  assert.equal(record.finish_reason, ending.finish_reason);
  const errors = app.logsOf(id).filter((line) => line.record.event === "stream_error");
  assert.deepEqual(
    errors.map((line) => [line.method, line.record.code]),
    ending.code === undefined ? [] : [["error", ending.code]],
  );
  assert.equal(await within(call.closed, "the end of upstream's connection"), closed);
}

/** Has upstream act, and shows how that ends, and that the worker is unharmed. */
async function assertActEnds(act, expected) {
  const { id, call, response } = await begin(app, upstream);
  act(call);
  await assertEnding({ id, call, text: await read(await response) }, expected);
  await assertStillServes(app, upstream);
}

test("an answer with a terminal event is complete", async (t) => {
  const counted = { input_tokens: 1, output_tokens: 2, total_tokens: 3 };
  for (const [what, act, ending, closed = "finished"] of [
    ["[DONE] without finish_reason", (call) => call.end(delta("a"), done), STOP],
    [
      "finish_reason without [DONE]",
      (call) => call.end(delta("a"), finish("length")),
      { finish_reason: "length" },
    ],
    ["bytes after [DONE]", (call) => call.end(delta("a"), done, delta("b"), "data: {"), STOP],
    ["an error after [DONE]", (call) => call.end(delta("a"), done, event({ error: {} })), STOP],
    ["two [DONE]", (call) => call.end(delta("a"), finish("stop"), done, done), STOP],
    [
      "usage after finish_reason",
      (call) => call.end(delta("a"), finish("stop"), usage(1, 2)),
      { ...STOP, usage: counted },
    ],
    [
      "an answer before the blank line of [DONE]",
      (call) => call.end(delta("a"), "data: [DONE]\n"),
      STOP,
    ],
    [
      "finish_reason before its blank line",
      (call) => call.end(delta("a"), finish("length").slice(0, -2)),
      { finish_reason: "length" },
    ],
    [
      "a word for the end that is unknown",
      (call) => call.end(delta("a"), finish("zeitgeist"), done),
      OTHER,
    ],
    [
      "finish_reason, and what cannot be read",
      (call) => call.end(delta("a"), finish("stop"), "data: {\n\n"),
      STOP,
    ],
    [
      "finish_reason, and an error",
      (call) => call.end(delta("a"), finish("stop"), event({ error: { message: "x" } })),
      STOP,
    ],
    [
      "[DONE], and the connection stays open",
      (call) => call.write(delta("a"), finish("stop"), done),
      STOP,
      "aborted",
    ],
    [
      "[DONE], and bytes without end",
      (call) => {
        call.write(delta("a"), finish("stop"), done);
        call.flood(": more\n".repeat(1_000));
      },
      STOP,
      "aborted",
    ],
  ]) {
    await t.test(what, () =>
      assertActEnds(act, { contents: ["a"], ending, endReason: "done", closed }),
    );
  }
});

test("an end without a terminal event is truncation", async (t) => {
  const open = 'data: {"choices":[{"index":0,"delta":{"content":"b';
  for (const [what, act, contents] of [
    ["no byte", (call) => call.end(), []],
    ["no event", (call) => call.end(": hello\n\n"), []],
    ["closed in good form", (call) => call.end(delta("a")), ["a"]],
    ["inside an event", (call) => call.end(delta("a"), open), ["a"]],
    ["before the blank line", (call) => call.end(delta("a"), delta("b").slice(0, -1)), ["a", "b"]],
    ["inside [DONE]", (call) => call.end(delta("a"), "data: [DONE"), ["a"]],
    ["[DONE] alone", (call) => call.end(done), []],
    ["an empty finish_reason", (call) => call.end(delta("a"), finish("")), ["a"]],
    ["inside a UTF-8 character", (call) => call.end(delta("a"), upTo(delta("🙂"), "🙂")), ["a"]],
    ["inside a JSON escape", (call) => call.end(delta("a"), `${open}\\ud83`), ["a"]],
  ]) {
    const ending = errorEnding("upstream_truncated");
    await t.test(what, () =>
      assertActEnds(act, { contents, ending, endReason: "upstream_truncated", closed: "finished" }),
    );
  }
});

/**
 * Breaks the connection once the client has the frames of `contents`: what is broken may overtake what was written.
 *
 * @param {'cut' | 'reset'} how
 */
async function assertBreakEnds(how, contents, last, expected) {
  const { id, call, response } = await begin(app, upstream);
  call.open();
  const stream = readFrames(await response);
  const blocks = [];
  // In one piece, so that whoever has its first event has all of it.
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
  const ending = errorEnding("upstream_truncated");
  for (const how of ["cut", "reset"]) {
    for (const n of [0, 1, 50]) {
      const contents = Array.from({ length: n }, (_, index) => `${index}`);
      const expected = { ending, endReason: "upstream_truncated" };
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

test("what is no event of the API ends the answer at once", async (t) => {
  const ending = errorEnding("upstream_protocol");
  const content = (bytes) =>
    Buffer.concat([upTo(delta("~"), "~").subarray(0, -1), bytes, Buffer.from(' "}}]}\n\n')]);
  for (const [what, bad] of [
    ["invalid JSON among good events", 'data: {"choices":[}\n\n'],
    ["a text", "data: hello\n\n"],
    ["a JSON string", 'data: "hello"\n\n'],
    ["content that is no text", 'data: {"choices":[{"index":0,"delta":{"content":{"a":1}}}]}\n\n'],
    ["nesting without end", `data: {"choices":${"[".repeat(100_000)}\n\n`],
    ["a byte that is never UTF-8", content(Buffer.from([0xff]))],
    ["an overlong form", content(Buffer.from([0xc0, 0xaf]))],
    ["half a surrogate pair in UTF-8", content(Buffer.from([0xed, 0xa0, 0x80]))],
    ["an event of 1 MiB + 1", `data: ${" ".repeat(MEBIBYTE + 1)}\n\n`],
    ["an event of 1 MiB + 1 in many lines", `${`data: ${" ".repeat(1023)}\n`.repeat(1025)}\n`],
    ["a line without an end", `data: ${" ".repeat(2 * MEBIBYTE)}`],
  ]) {
    const act = (call) => call.write(delta("a"), bad, delta("b"), done);
    const expected = { contents: ["a"], ending, endReason: "upstream_protocol", closed: "aborted" };
    await t.test(what, () => assertActEnds(act, expected));
  }
});

test("the final frame comes soon after the reason, though upstream neither says [DONE] nor ends", async () => {
  const { id, call, response } = await begin(app, upstream);
  call.write(delta("a"), finish("stop"), usage(1, 2));
  const startedMs = performance.now();
  const text = await read(await response);
  const waitedMs = performance.now() - startedMs;
  const counted = { input_tokens: 1, output_tokens: 2, total_tokens: 3 };
  const expected = { contents: ["a"], ending: { ...STOP, usage: counted }, endReason: "done" };
  await assertEnding({ id, call, text }, { ...expected, closed: "aborted" });
  assert.ok(waitedMs < 4_000, `after ${waitedMs} ms`);
});

test("an error event ends the answer as the same error before it", async (t) => {
  const said = `canary-sentence ${API_KEY}`;
  for (const [what, sent, code] of [
    [
      "an object",
      event({ error: { message: said, type: "server_error", code: null } }),
      "upstream_unavailable",
    ],
    ["a plain string", event({ error: said }), "upstream_unavailable"],
    ["an event of type error", `event: error\n${event({ message: said })}`, "upstream_unavailable"],
    [
      "an event of type error with a plain string",
      `event: error\ndata: ${said}\n\n`,
      "upstream_unavailable",
    ],
    [
      "rate limit",
      event({ error: { message: said, code: "rate_limit_exceeded" } }),
      "upstream_rate_limited",
    ],
    ["quota", event({ error: { message: said, code: "insufficient_quota" } }), "upstream_quota"],
    [
      "a field of that name",
      `error: ${JSON.stringify({ message: said })}\n\n`,
      "upstream_unavailable",
    ],
    ["a line without a field", `${JSON.stringify({ error: said })}\n\n`, "upstream_unavailable"],
    ["beside no choices", event({ choices: null, error_message: said }), "upstream_unavailable"],
    ["a filter", event({ error: { message: said, code: "content_filter" } }), "content_filtered"],
    ["a reason that is none", finish("error"), "upstream_unavailable"],
    [
      "context",
      event({ error: { message: said, code: "context_length_exceeded" } }),
      "context_length_exceeded",
    ],
  ]) {
    await t.test(what, async () => {
      const { id, call, response } = await begin(app, upstream);
      call.write(delta("a"), sent);
      const text = await read(await response);
      const expected = {
        contents: ["a"],
        ending: errorEnding(code),
        endReason: "upstream_error",
        closed: "aborted",
      };
      await assertEnding({ id, call, text }, expected);
      const told = text + app.logsOf(id).map((line) => line.text);
      assert.doesNotMatch(told, new RegExp(`canary|${API_KEY}`));
    });
  }
});

test("every form of an event stream is read", async () => {
  const { id, call, response } = await begin(app, upstream);
  const json = (content) => delta(content).slice("data: ".length, -2);
  call.end(
    "\ufeff: a comment\n\n",
    `event: message\nid: 1\nretry: 5\ndata: ${json("no frame without")}\n\n`,
    `data:${json(" a space")}\r\n\r\n`,
    `data: ${json(", or by CR")}\r\r`,
    "unknown: field\nfieldwithoutcolon\n\n",
    `${json(", or in two lines").replace(",", ",\n").replaceAll(/^/gm, "data: ")}\n\n`,
    finish("stop"),
    done,
  );
  const contents = ["no frame without", " a space", ", or by CR", ", or in two lines"];
  assert.equal(await read(await response), frames(id, contents, STOP));
});

test("an event of almost 1 MiB is an event", async () => {
  const content = "x".repeat(MEBIBYTE - 200);
  const { id, call, response } = await begin(app, upstream);
  call.end(delta(content), done);
  assert.equal(await read(await response), frame(id, 0, content) + finalFrame(id, 1, STOP));
});
