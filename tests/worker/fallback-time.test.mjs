/** Fallbacks and time: one deadline for all models, the first byte, models that rest, clients that leave. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { CLOCK, pass } from "../support/clock.mjs";
import { DETAILS, errorBody, errorEnding } from "../support/errors.mjs";
import { begin, read } from "../support/exchange.mjs";
import { finalFrame, frame, frames, readFrames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { endingOf, Person } from "../support/person.mjs";
import {
  answerWell,
  delta,
  done,
  event,
  finish,
  responseEvent,
  startUpstream,
} from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const TIMEOUT = 30;
const REST = 60;
const HEARTBEAT = 3;
const MILLISECOND = 0.001;
const ASKED = "first-model";

const upstream = await startUpstream();
const COMMON = {
  OPENAI_BASE_URL: upstream.url,
  OPENAI_MODEL: ASKED,
  FALLBACK_MODELS: "second-model,third-model",
  ANONYMOUS_OWNER: "true",
  TIMEOUT_SECONDS: `${TIMEOUT}`,
};
const start = (bindings) => startWorker({ ...COMMON, ...bindings }, { front: CLOCK, owners: true });
const app = await start({ MAX_RETRIES: "0" });
const retrying = await start({ FALLBACK_MODELS: "second-model" });
const beating = await start({ HEARTBEAT_SECONDS: `${HEARTBEAT}`, MAX_RETRIES: "0" });
const responses = await start({ OPENAI_API: "responses", MAX_RETRIES: "0" });
const me = new Person(app);

beforeEach(async () => {
  upstream.reset();
  for (const each of [app, retrying, beating, responses]) await pass(each, REST, { waiting: 0 });
});

const fail =
  (status, code = null, headers = {}) =>
  (call) =>
    call.respond(status, { error: { message: "", code } }, headers);

const answeredBy = (model) => ({ finish_reason: "stop", model });

/** Asks, and gives the call that it leads to. */
const asks = {
  stateless: () => begin(app, upstream),
  kept: () => begin(app, upstream, keptBody()),
};
const keptBody = () => ({ body: { message: "Hello", conversation_id: crypto.randomUUID() } });

for (const [how, asking] of Object.entries(asks)) {
  test(`${how}: each model has an equal share of the time that is left, and all together have no more`, async () => {
    const { id, call: first, response } = await asking();
    assert.equal(first.body.model, ASKED);
    await pass(app, TIMEOUT / 3 - MILLISECOND);
    assert.equal(upstream.calls.length, 1, "not before");
    await pass(app, MILLISECOND);
    const second = await upstream.nextCall();
    assert.equal(second.body.model, "second-model");
    await pass(app, 4);
    second.respond(500, "");
    // The third has all that the second left of its share.
    const third = await upstream.nextCall();
    assert.equal(third.body.model, "third-model");
    await pass(app, 16 - MILLISECOND);
    let isOver = false;
    response.then(() => {
      isOver = true;
    });
    await pass(app, 0, { waiting: 0 });
    assert.equal(isOver, false, "not before");
    await pass(app, MILLISECOND);
    const told = await response;
    assert.equal(await read(told), errorBody("upstream_timeout", id));
    assert.equal(told.status, 504);
  });

  test(`${how}: a call that is given up is closed at once, and the answer goes on`, async () => {
    const { call: first, response } = await asking();
    await pass(app, TIMEOUT / 3);
    const second = await upstream.nextCall();
    assert.equal(await within(first.closed, "the end of the call"), "aborted");
    second.write(delta("a"));
    const reply = await response;
    assert.equal(reply.headers.get("x-model"), "second-model");
    second.end(finish("stop"), done);
    assert.partialDeepStrictEqual(endingOf(await read(reply)), answeredBy("second-model"));
  });

  test(`${how}: an answer in one piece that is not whole by the end of its model's share leads to the next model`, async () => {
    const { call: first, response } = await asking();
    first.open(200, { "content-type": "application/json" }).write('{"error":');
    await pass(app, TIMEOUT / 3 - 1);
    first.write(" ");
    await pass(app, 1 - MILLISECOND);
    assert.equal(upstream.calls.length, 1, "not before");
    await pass(app, MILLISECOND);
    const second = await upstream.nextCall();
    assert.equal(second.body.model, "second-model");
    assert.equal(await within(first.closed, "the end of the call"), "aborted");
    // The last one has as long as without fallbacks: the answer may be coming.
    second.reset();
    const third = await upstream.nextCall();
    third.open(200, { "content-type": "application/json" }).write('{"choices":');
    await pass(app, TIMEOUT - 1);
    third.end('[{"message":{"content":"Hi"},"finish_reason":"stop"}]}');
    assert.partialDeepStrictEqual(endingOf(await read(await response)), answeredBy("third-model"));
  });

  test(`${how}: an error whose body does not end counts by its status at the end of its model's share`, async () => {
    const { call: first, response } = await asking();
    first.open(500, { "content-type": "application/json" }).write('{"error":');
    await pass(app, TIMEOUT / 3 - MILLISECOND);
    assert.equal(upstream.calls.length, 1, "not before");
    await pass(app, MILLISECOND);
    answerWell(await upstream.nextCall());
    assert.partialDeepStrictEqual(endingOf(await read(await response)), answeredBy("second-model"));
    assert.equal(await within(first.closed, "the end of the call"), "aborted");
  });

  test(`${how}: a client that leaves or stops while the second model is asked ends its call, and no other is asked`, async () => {
    const client = new AbortController();
    const answerId = crypto.randomUUID();
    const kept = how === "kept";
    const id = crypto.randomUUID();
    const body = { message: "Hello", ...(kept && { conversation_id: answerId }) };
    const headers = { "x-correlation-id": id, ...(kept && { "idempotency-key": answerId }) };
    upstream.script(fail(500));
    const asked = app.chat(body, { headers, signal: client.signal });
    asked.catch(() => {});
    const second = await upstream.nextCall();
    if (kept) {
      assert.equal((await me.stop(answerId)).status, 200);
      assert.deepEqual((await me.conversation(answerId)).turns[1].finish_reason, "stopped");
    } else {
      client.abort();
      second.write(delta("a"));
    }
    assert.equal(await within(second.closed, "the end of the call"), "aborted");
    await app.log("response_complete", id);
    assert.equal(upstream.calls.length, 2);
  });
}

test("once a model has begun, none follows it: its failure is the answer's", async () => {
  const { id, call, response } = await begin(app, upstream);
  call.write(delta("a"));
  const blocks = readFrames(await response);
  assert.equal((await blocks.next()).value.raw, frame(id, 0, "a"));
  call.cut();
  const ending = { ...errorEnding("upstream_truncated"), model: ASKED };
  assert.equal((await blocks.next()).value.raw, finalFrame(id, 1, ending));
  assert.equal(upstream.calls.length, 1);
});

test("silence after the headers leads to no other model", async () => {
  const { id, call, response } = await begin(app, upstream);
  call.open().write(": waiting\n\n");
  await pass(app, TIMEOUT / 3);
  const reply = await response;
  assert.equal(reply.status, 200, "the share is over, so the stream is taken as it is");
  await pass(app, TIMEOUT);
  const ending = { ...errorEnding("upstream_timeout"), model: ASKED };
  const text = (await read(reply)).replaceAll(": keep-alive\n\n", "");
  assert.equal(text, frames(id, [], ending));
  assert.equal(upstream.calls.length, 1);
});

test("while another model is left, a stream that says nothing owes its client a sign of life as any other", async () => {
  const { id, call, response } = await begin(beating, upstream);
  call.open().write(": waiting\n\n");
  let isBegun = false;
  response.then(() => {
    isBegun = true;
  });
  await pass(beating, HEARTBEAT - MILLISECOND);
  assert.equal(isBegun, false, "not before");
  await pass(beating, MILLISECOND);
  const reply = await within(response, "the beginning of the response");
  assert.equal(reply.headers.get("x-model"), ASKED);
  call.end(event({ error: { message: "", code: "server_error" } }));
  const ending = { ...errorEnding("upstream_unavailable"), model: ASKED };
  assert.equal(await read(reply), frames(id, [], ending), "it has begun, so no other is asked");
  assert.equal(upstream.calls.length, 1);
});

test("a model that shows that it is at work has begun, also where its reasoning is not shown", async (t) => {
  const reasoning = (fields) => event({ choices: [{ index: 0, delta: fields }] });
  for (const [what, worker, sign] of [
    ["reasoning_content", app, reasoning({ reasoning_content: "Hm" })],
    ["reasoning", app, reasoning({ reasoning: "Hm" })],
    [
      "encrypted reasoning",
      app,
      reasoning({ content: "", reasoning_details: [{ type: "reasoning.encrypted", data: "x" }] }),
    ],
    [
      "an item of reasoning",
      responses,
      responseEvent("response.output_item.added", { output_index: 0, item: { type: "reasoning" } }),
    ],
    [
      "a summary",
      responses,
      responseEvent("response.reasoning_summary_text.delta", { delta: "Hm" }),
    ],
    [
      "reasoning as text",
      responses,
      responseEvent("response.reasoning_text.delta", { delta: "Hm" }),
    ],
  ]) {
    await t.test(what, async () => {
      upstream.reset();
      const { id, call, response } = await begin(worker, upstream);
      call.write(responseEvent("response.created", { response: {} }), sign);
      const reply = await within(response, "the beginning of the response");
      assert.equal(reply.headers.get("x-model"), ASKED);
      call.cut();
      const ending = { ...errorEnding("upstream_truncated"), model: ASKED };
      assert.equal(await read(reply), frames(id, [], ending));
      assert.equal(upstream.calls.length, 1);
    });
  }
});

test("a stream that fails before its answer begins leads to the next model, as if its status had said so", async (t) => {
  const error = event({ error: { message: "", code: "server_error" } });
  const role = event({ choices: [{ index: 0, delta: { role: "assistant", content: "" } }] });
  // As OpenRouter tells it.
  const failing = event({
    error: { code: "server_error", message: "" },
    choices: [{ index: 0, delta: { content: "" }, finish_reason: "error" }],
  });
  const failed = responseEvent("response.failed", {
    response: { status: "failed", error: { code: "server_error", message: "" } },
  });
  const announced = responseEvent("response.output_item.added", { item: { type: "message" } });
  const completed = (call) =>
    call.end(
      responseEvent("response.output_text.delta", { delta: "Hi" }),
      responseEvent("response.completed", { response: { status: "completed" } }),
    );
  for (const [what, worker, script, next] of [
    ["an error", app, (call) => call.end(error), answerWell],
    ["an error behind signs of life", app, (call) => call.end(": a\n\n", error), answerWell],
    ["nothing at all", app, (call) => call.end(""), answerWell],
    ["the end mark alone", app, (call) => call.end(done), answerWell],
    ["a reset", app, (call) => call.open().cut(), answerWell],
    ["an error beside a choice that says nothing", app, (call) => call.end(failing), answerWell],
    ["an error behind a role", app, (call) => call.end(role, error), answerWell],
    ["an end that names a failure", app, (call) => call.end(finish("error")), answerWell],
    [
      "a response that has failed",
      responses,
      (call) => call.end(responseEvent("response.created"), failed),
      completed,
    ],
    [
      "a message that was only announced",
      responses,
      (call) => call.end(announced, failed),
      completed,
    ],
  ]) {
    await t.test(what, async () => {
      await pass(worker, REST, { waiting: 0 });
      upstream.reset();
      upstream.script(script, next);
      const id = crypto.randomUUID();
      const response = await worker.chat(
        { message: "Hello" },
        { headers: { "x-correlation-id": id } },
      );
      assert.equal(await read(response), frames(id, ["Hi"], answeredBy("second-model")));
    });
  }
});

test("the last model's first event is the answer's, whatever it is", async () => {
  upstream.script(fail(500), fail(500), (call) =>
    call.end(event({ error: { message: "", code: "server_error" } })),
  );
  const id = crypto.randomUUID();
  const response = await app.chat({ message: "Hello" }, { headers: { "x-correlation-id": id } });
  const ending = { ...errorEnding("upstream_unavailable"), model: "third-model" };
  assert.equal(await read(response), frames(id, [], ending));
});

for (const [how, body] of [
  ["a chat", () => ({ message: "Hello" })],
  ["a kept answer", () => keptBody().body],
]) {
  test(`${how}: a fallback whose stream says that it does not exist is not taken for the default model`, async () => {
    const error = event({ error: { message: "", code: "model_not_found" } });
    upstream.script(fail(500), fail(500), (call) => call.end(error));
    const text = await read(await app.chat(body()));
    assert.match(text, /"code":"model_not_found"/);
    assert.ok(text.includes(JSON.stringify(DETAILS.unknownFallback)), text);
  });
}

test("a model's retries are its own, and end with its share of the time", async () => {
  const id = crypto.randomUUID();
  const soon = fail(503, null, { "retry-after-ms": "0" });
  const late = fail(503, null, { "retry-after": `${TIMEOUT / 2}` });
  upstream.script(soon, late, soon, soon, answerWell);
  const response = await retrying.chat(
    { message: "Hello" },
    { headers: { "x-correlation-id": id } },
  );
  assert.equal(await read(response), frames(id, ["Hi"], answeredBy("second-model")));
  assert.deepEqual(
    upstream.calls.map(({ body }) => body.model),
    [ASKED, ASKED, "second-model", "second-model", "second-model"],
  );
  assert.equal((await retrying.log("response_complete", id)).record.retries, 4);
});

test("a model whose failure is likely to last is asked last for a minute", async () => {
  const asked = async () => {
    upstream.reset();
    upstream.script(answerWell);
    await read(await app.chat({ message: "Hello" }));
    return upstream.calls[0].body.model;
  };
  const { call, response } = await begin(app, upstream);
  await pass(app, TIMEOUT / 3);
  (await upstream.nextCall()).end(delta("Hi"), finish("stop"), done);
  await read(await response);
  call.reset();
  await pass(app, REST - MILLISECOND, { waiting: 0 });
  assert.equal(await asked(), "second-model");
  upstream.reset();
  upstream.script(fail(404, "model_not_found"), fail(404, "model_not_found"), answerWell);
  assert.equal((await app.chat({ message: "Hello" })).headers.get("x-model"), ASKED, "but asked");
  await pass(app, MILLISECOND, { waiting: 0 });
  assert.equal(await asked(), ASKED);
});

test("if all fail while the wanted one rests, the client is told how that one did", async () => {
  upstream.script(fail(503), answerWell);
  await read(await app.chat({ message: "Hello" }));
  const id = crypto.randomUUID();
  upstream.script(fail(402), fail(402), fail(503));
  const response = await app.chat({ message: "Hello" }, { headers: { "x-correlation-id": id } });
  assert.equal(await read(response), errorBody("upstream_unavailable", id));
});

test("while the wanted model rests, a fallback that refuses the request leaves it to that one", async () => {
  upstream.script(fail(503), answerWell);
  await read(await app.chat({ message: "Hello" }));
  const refusals = [fail(400, "context_length_exceeded"), fail(400, "content_filter")];
  upstream.script(...refusals, answerWell);
  const response = await app.chat({ message: "Hello" });
  assert.equal(response.headers.get("x-model"), ASKED);
  await read(response);
  const id = crypto.randomUUID();
  upstream.script(...refusals, fail(400, "context_length_exceeded"));
  const refused = await app.chat({ message: "Hello" }, { headers: { "x-correlation-id": id } });
  assert.equal(await read(refused), errorBody("context_length_exceeded", id));
});

test("a model rests no longer than its server has asked for", async () => {
  upstream.script(fail(429, null, { "retry-after": "7" }), answerWell);
  await read(await app.chat({ message: "Hello" }));
  await pass(app, 7, { waiting: 0 });
  upstream.reset();
  upstream.script(answerWell);
  await read(await app.chat({ message: "Hello" }));
  assert.equal(upstream.calls[0].body.model, ASKED);
});
