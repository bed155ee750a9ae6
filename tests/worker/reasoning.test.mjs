/** What a model thinks: how much it is asked to, and what a client reads of it that asked for that. */
import assert from "node:assert/strict";
import test from "node:test";
import { errorBody } from "../support/errors.mjs";
import { begin, exchange } from "../support/exchange.mjs";
import { finalFrame, frame, frames, readFrames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import {
  answerWell,
  delta,
  done,
  event,
  finish,
  responseEvent,
  startUpstream,
} from "../support/upstream.mjs";

const upstream = await startUpstream();
const start = (bindings) => startWorker({ OPENAI_BASE_URL: upstream.url, ...bindings });
const chat = await start();
const responses = await start({ OPENAI_API: "responses" });

const STOP = { finish_reason: "stop" };
const asked = { message: "Hello", include_reasoning: true };

/** An event with which the model thinks. */
const thought = (fields) => event({ choices: [{ index: 0, delta: fields }] });

test("what a model thinks comes in frames of its own, to those who ask for it", async () => {
  const scripts = [
    (call) =>
      call.end(
        thought({ role: "assistant", content: "" }),
        thought({ content: null, reasoning_content: "Hm,\n" }),
        thought({ reasoning: "a\u00e9😀", reasoning_content: "a\u00e9😀" }),
        delta("Hi"),
        finish("stop"),
        done,
      ),
  ];
  const { id, text } = await exchange(chat, upstream, { body: asked, scripts });
  const contents = [{ reasoning: "Hm,\n" }, { reasoning: "aé😀" }, "Hi"];
  assert.equal(text, frames(id, contents, STOP));
  const { record } = await chat.log("response_complete", id);
  assert.equal(record.chunk_count, 1, "reasoning is no text");
  const plain = await exchange(chat, upstream, { scripts });
  assert.equal(plain.text, frames(plain.id, ["Hi"], STOP));
});

test("a frame of reasoning goes out while the model is still thinking", async () => {
  const { id, call, response } = await begin(chat, upstream, { body: asked });
  call.write(thought({ reasoning: "First" }));
  const blocks = readFrames(await response);
  const first = { reasoning: "First" };
  assert.equal((await blocks.next()).value.raw, frame(id, 0, first));
  call.end(finish("length"), done);
  const ending = { finish_reason: "length" };
  assert.equal((await blocks.next()).value.raw, finalFrame(id, 1, ending));
  const { record } = await chat.log("response_complete", id);
  assert.match(record.hint, /token limit/, "there was no text");
});

test("Responses is asked for a summary, which comes by paragraphs", async () => {
  const paragraph = (index, text) => [
    responseEvent("response.reasoning_summary_part.added", { summary_index: index }),
    responseEvent("response.reasoning_summary_text.delta", { summary_index: index, delta: text }),
  ];
  const scripts = [
    (call) =>
      call.end(
        ...paragraph(0, "**One**"),
        ...paragraph(1, "**Two**"),
        responseEvent("response.output_text.delta", { delta: "Hi" }),
        responseEvent("response.completed", {
          response: {
            status: "completed",
            usage: {
              input_tokens: 9,
              input_tokens_details: { cached_tokens: 4 },
              output_tokens: 7,
              output_tokens_details: { reasoning_tokens: 5 },
              total_tokens: 16,
            },
          },
        }),
      ),
  ];
  const { id, text, calls } = await exchange(responses, upstream, {
    body: { ...asked, reasoning_effort: "low" },
    scripts,
  });
  const usage = {
    input_tokens: 9,
    output_tokens: 7,
    total_tokens: 16,
    reasoning_tokens: 5,
    cached_tokens: 4,
  };
  const contents = [
    { reasoning: "**One**" },
    { reasoning: "\n\n" },
    { reasoning: "**Two**" },
    "Hi",
  ];
  assert.equal(text, frames(id, contents, { ...STOP, usage }));
  assert.deepEqual(calls[0].body.reasoning, { effort: "low", summary: "auto" });
  assert.deepEqual((await responses.log("response_complete", id)).record.usage, usage);
});

test("a whole answer has its reasoning in one frame before its text", async () => {
  const message = { reasoning_content: "Hm", content: "Hi" };
  const scripts = [(call) => call.respond(200, { choices: [{ message, finish_reason: "stop" }] })];
  const { id, text } = await exchange(chat, upstream, { body: asked, scripts });
  assert.equal(text, frames(id, [{ reasoning: "Hm" }, "Hi"], STOP));
});

/** Refuses the parameter if it is sent. */
const refuse = (isSent, error) => (call) =>
  isSent(call.body) ? call.respond(400, { error }) : answerWell(call);

const UNKNOWN = {
  message: "Unrecognized request argument supplied: reasoning_effort",
  type: "invalid_request_error",
  param: null,
  code: null,
};

test("a model that takes no effort answers without, and the isolate remembers", async () => {
  const app = await start({ REASONING_EFFORT: "low", MAX_RETRIES: "0" });
  const refusal = refuse((body) => body.reasoning_effort !== undefined, UNKNOWN);
  const efforts = ({ calls }) => calls.map(({ body }) => body.reasoning_effort);
  const first = await exchange(app, upstream, { scripts: [refusal, refusal] });
  assert.equal(first.text, frames(first.id, ["Hi"], STOP));
  assert.deepEqual(efforts(first), ["low", undefined]);
  const retry = (await app.log("upstream_retry", first.id)).record;
  assert.deepEqual([retry.upstream_status, retry.delay_ms], [400, 0]);
  const body = { message: "Hello", reasoning_effort: "high" };
  assert.deepEqual(efforts(await exchange(app, upstream, { body })), [undefined]);
});

test("a model that does not have one effort is still asked for another", async () => {
  const app = await start({ MAX_RETRIES: "0" });
  const refusal = refuse((body) => body.reasoning_effort === "minimal", {
    message: "Unsupported value: 'reasoning_effort' does not support 'minimal' with this model.",
    param: "reasoning_effort",
    code: "unsupported_value",
  });
  const efforts = async (reasoning_effort) => {
    const body = { message: "Hello", reasoning_effort };
    const { calls, text, id } = await exchange(app, upstream, {
      body,
      scripts: [refusal, refusal],
    });
    assert.equal(text, frames(id, ["Hi"], STOP));
    return calls.map(({ body }) => body.reasoning_effort);
  };
  assert.deepEqual(await efforts("minimal"), ["minimal", undefined]);
  assert.deepEqual(await efforts("low"), ["low"]);
  assert.deepEqual(await efforts("minimal"), [undefined]);
});

test("Responses goes on without the summary or the effort that it refuses", async () => {
  const app = await start({ OPENAI_API: "responses", MAX_RETRIES: "0" });
  const completed = responseEvent("response.completed", { response: { status: "completed" } });
  const refusals = [
    {
      message: "Your organization must be verified to generate reasoning summaries.",
      param: "reasoning.summary",
      code: "unsupported_value",
    },
    {
      message: "Unsupported parameter: 'reasoning.effort' is not supported with this model.",
      param: "reasoning.effort",
      code: "unsupported_parameter",
    },
  ];
  const scripts = [
    ...refusals.map((error) => (call) => call.respond(400, { error })),
    (call) => call.end(completed),
  ];
  const body = { ...asked, reasoning_effort: "high" };
  const { id, text, calls } = await exchange(app, upstream, { body, scripts });
  assert.equal(text, frames(id, [], STOP));
  assert.deepEqual(
    calls.map((call) => call.body.reasoning),
    [{ effort: "high", summary: "auto" }, { effort: "high" }, undefined],
  );
  const later = await exchange(app, upstream, { body, scripts: scripts.slice(-1) });
  assert.deepEqual(
    later.calls.map((call) => call.body.reasoning),
    [undefined],
  );
});

test("an error that is not about reasoning stays one, however reasoning was asked for", async () => {
  const error = { message: "Invalid value", param: "messages", code: "invalid_value" };
  const scripts = [(call) => call.respond(400, { error })];
  const body = { ...asked, reasoning_effort: "high" };
  const { id, text, calls } = await exchange(chat, upstream, { body, scripts });
  assert.equal(text, errorBody("upstream_rejected", id));
  assert.equal(calls.length, 1);
});
