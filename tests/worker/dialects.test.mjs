/** Both APIs, and servers that refuse a parameter of one: what upstream is sent, and what the client reads. */
import assert from "node:assert/strict";
import test from "node:test";
import { errorBody } from "../support/errors.mjs";
import { assertStillServes, begin, exchange } from "../support/exchange.mjs";
import { finalFrame, frame, frames, readFrames } from "../support/frames.mjs";
import { API_KEY, startWorker } from "../support/harness.mjs";
import { answerWell, finish, responseEvent, startUpstream, usage } from "../support/upstream.mjs";

const upstream = await startUpstream();
const start = (bindings) => startWorker({ OPENAI_BASE_URL: upstream.url, ...bindings });
const responses = await start({ OPENAI_API: "responses" });
const chatCompletions = await start();

const COMPLETED = responseEvent("response.completed", {
  response: { status: "completed", usage: { input_tokens: 9, output_tokens: 2 } },
});
const ENDING = {
  finish_reason: "stop",
  usage: { input_tokens: 9, output_tokens: 2, total_tokens: 11 },
};

test("Responses is asked for a stream that it does not keep", async () => {
  const history = [
    { role: "user", content: "hi" },
    { role: "assistant", content: "hello" },
  ];
  const { id, calls, text } = await exchange(responses, upstream, {
    body: { message: " and now? ", model: "gpt-x", max_tokens: 17, history },
    scripts: [(call) => call.end(COMPLETED)],
  });
  assert.equal(text, frames(id, [], ENDING));
  assert.equal(calls[0].path, "/v1/responses");
  assert.equal(calls[0].headers.authorization, `Bearer ${API_KEY}`);
  assert.deepEqual(calls[0].body, {
    model: "gpt-x",
    instructions: "You are a helpful assistant.",
    input: [...history, { role: "user", content: "and now?" }].map((message) => ({
      type: "message",
      ...message,
    })),
    max_output_tokens: 17,
    stream: true,
    store: false,
  });
});

test("a frame of Responses goes out while upstream is still writing", async () => {
  const { id, call, response } = await begin(responses, upstream);
  call.write(responseEvent("response.output_text.delta", { delta: "first" }));
  const blocks = readFrames(await response);
  assert.equal((await blocks.next()).value.raw, frame(id, 0, "first"));
  call.end(COMPLETED);
  assert.equal((await blocks.next()).value.raw, finalFrame(id, 1, ENDING));
  assert.equal((await blocks.next()).done, true);
});

test("the log names the API", async () => {
  const apiOf = async (app) => (await app.log("application_started")).record.api;
  await exchange(chatCompletions, upstream);
  assert.equal(await apiOf(chatCompletions), "chat_completions");
  assert.equal(await apiOf(responses), "responses");
});

test("the log has a hint when the token limit was reached before any text", async () => {
  const scripts = [(call) => call.end(finish("length"), usage(9, 2))];
  const { id } = await exchange(chatCompletions, upstream, { scripts });
  assert.equal(
    (await chatCompletions.log("response_complete", id)).record.hint,
    "the token limit was reached before any text; raise max_tokens of the request or MAX_TOKENS",
  );
});

/** Refuses a parameter, so that the worker calls again at once without it. */
const refuse = (param, code, status) => (call) =>
  call.respond(status, { error: { message: `no '${param}'`, param, code } });

const named = ({ body }) => ({
  old: body.max_tokens,
  new: body.max_completion_tokens,
  options: body.stream_options,
});
const OPTIONS = { include_usage: true };
const FIRST = { old: 2000, new: undefined, options: OPTIONS };
const RENAMED = { old: undefined, new: 2000, options: OPTIONS };

test("a parameter that upstream refuses is sent by its other name, and the isolate remembers", async () => {
  const app = await start({ MAX_RETRIES: "0" });
  const scripts = [refuse("max_tokens", "unsupported_parameter", 400), answerWell];
  const { id, text, calls } = await exchange(app, upstream, { scripts });
  assert.equal(text, frames(id, ["Hi"], { finish_reason: "stop" }));
  assert.deepEqual(calls.map(named), [FIRST, RENAMED]);
  const retry = (await app.log("upstream_retry", id)).record;
  assert.deepEqual([retry.attempt, retry.upstream_status, retry.delay_ms], [1, 400, 0]);
  assert.equal((await app.log("response_complete", id)).record.retries, 1);

  const later = await exchange(app, upstream);
  assert.deepEqual(later.calls.map(named), [RENAMED], "the isolate remembers");
});

test("so is one that upstream refuses with the status of a success", async () => {
  const app = await start({ MAX_RETRIES: "0" });
  const scripts = [refuse("max_tokens", "unsupported_parameter", 200), answerWell];
  const { id, text, calls } = await exchange(app, upstream, { scripts });
  assert.equal(text, frames(id, ["Hi"], { finish_reason: "stop" }));
  assert.deepEqual(calls.map(named), [FIRST, RENAMED]);
});

test("Responses has no other names, so a parameter that it refuses is an error", async () => {
  const scripts = [refuse("max_tokens", "unsupported_parameter", 400)];
  const { id, text, calls } = await exchange(responses, upstream, { scripts });
  assert.equal(text, errorBody("upstream_rejected", id));
  assert.equal(calls.length, 1);
});

test("two parameters that upstream refuses are replaced one after the other", async () => {
  const app = await start({ MAX_RETRIES: "0" });
  const scripts = [
    refuse("max_tokens", "unsupported_parameter", 400),
    refuse("stream_options", "unknown_parameter", 422),
    answerWell,
  ];
  const { calls } = await exchange(app, upstream, { scripts });
  assert.deepEqual(calls.map(named), [FIRST, RENAMED, { ...RENAMED, options: undefined }]);
});

test("a server that refuses both names is an error, and nothing is remembered", async () => {
  const app = await start();
  const scripts = [
    refuse("max_tokens", "unsupported_parameter", 400),
    refuse("max_completion_tokens", "unsupported_parameter", 400),
  ];
  const { id, response, text, calls } = await exchange(app, upstream, { scripts });
  assert.equal(response.status, 502);
  assert.equal(text, errorBody("upstream_rejected", id));
  assert.deepEqual(calls.map(named), [FIRST, RENAMED]);
  await assertStillServes(app, upstream);
  assert.deepEqual(upstream.calls.map(named), [FIRST]);
});

test("what upstream refuses for one model is still sent for another", async () => {
  const app = await start();
  const refuses = (name) => (call) =>
    call.body[name] === undefined
      ? answerWell(call)
      : call.respond(400, { error: { code: "unsupported_parameter", param: name } });
  const refusal = { new: refuses("max_tokens"), old: refuses("max_completion_tokens") };
  const ask = async (model, isKnown) => {
    const scripts = [refusal[model], refusal[model]];
    const { calls } = await exchange(app, upstream, { body: { message: "Hi", model }, scripts });
    assert.equal(calls.length, isKnown ? 1 : 2, model);
  };
  await ask("new", false);
  await ask("new", true);
  // Calls of this address begin with the old name, which this model takes.
  await ask("old", true);
  await ask("new", true);
});
