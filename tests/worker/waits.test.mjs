/** Every wait has a deadline: for the body, for the limiter, for a client that does not read what it was sent. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import test, { beforeEach } from "node:test";
import { errorBody } from "../support/errors.mjs";
import { begin, exchange, read } from "../support/exchange.mjs";
import { readFrames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { limiterStub } from "../support/limiter.mjs";
import { answerWell, delta, done, finish, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const upstream = await startUpstream();
const OPENAI_BASE_URL = upstream.url;
const impatient = await startWorker({ OPENAI_BASE_URL, TIMEOUT_SECONDS: "0.3" });
const patient = await startWorker({ OPENAI_BASE_URL });
const brief = await startWorker({ OPENAI_BASE_URL, MAX_STREAM_SECONDS: "0.5" });
const silent = await startWorker(
  { OPENAI_BASE_URL },
  limiterStub("return new Promise((resolve) => setTimeout(resolve, 30_000));"),
);

beforeEach(() => upstream.reset());

/**
 * Sends the head of a chat and the beginning of its body, and reads all that comes back.
 *
 * @param {(socket: import('node:net').Socket) => void} [go] What the client does then.
 */
async function sendRaw(app, head, rest, go = () => {}) {
  const id = crypto.randomUUID();
  const { host, port } = new URL(app.url);
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  const lines = ["POST /chat HTTP/1.1", `Host: ${host}`, `X-Correlation-Id: ${id}`];
  const type = "Content-Type: application/json";
  socket.write(`${[...lines, type, ...head].join("\r\n")}\r\n\r\n${rest}`);
  go(socket);
  const chunks = await within(Array.fromAsync(socket), "the end of the connection");
  return { id, text: Buffer.concat(chunks).toString() };
}

function assertAnswered({ id, text }, status, code, detail) {
  assert.ok(text.startsWith(`HTTP/1.1 ${status} `), text);
  assert.ok(text.includes(errorBody(code, id, detail)), text);
}

/** Shows that the log has one last line of a request, and which. */
async function assertComplete(app, id, expected) {
  assert.partialDeepStrictEqual((await app.log("response_complete", id)).record, expected);
  await app.logsArrived();
  const events = app.logsOf(id).map((line) => line.record.event);
  assert.equal(events.filter((event) => event === "response_complete").length, 1, `${events}`);
  return events;
}

test("a body that does not come in time is a time-out", async (t) => {
  for (const [what, head, rest, go] of [
    ["with a length", ["Content-Length: 100"], '{"message":'],
    ["in chunks", ["Transfer-Encoding: chunked"], "2\r\n{ \r\n"],
    ["of which nothing comes", ["Content-Length: 100"], ""],
    [
      "that comes byte by byte without end",
      ["Transfer-Encoding: chunked"],
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
      const answered = await sendRaw(impatient, head, rest, go);
      assertAnswered(answered, 408, "request_timeout");
      await assertComplete(impatient, answered.id, { http_status: 408, end_reason: "rejected" });
    });
  }
  assert.deepEqual(upstream.calls, []);
});

test("a body that ends too soon is a broken request of a client that is there", async (t) => {
  const detail = "Field 'body': JSON decode error: the body ended too soon";
  for (const [what, head, rest] of [
    ["before its length", ["Content-Length: 100"], '{"message":"Hi"}'],
    ["inside a chunk", ["Transfer-Encoding: chunked"], "20\r\n{\r\n"],
    ["before its last chunk", ["Transfer-Encoding: chunked"], '10\r\n{"message":"Hi"}\r\n'],
    ["in a chunk without a length", ["Transfer-Encoding: chunked"], "zz\r\nhello\r\n"],
  ]) {
    await t.test(what, async () => {
      const answered = await sendRaw(patient, head, rest, (socket) => socket.end());
      assertAnswered(answered, 400, "validation_error", detail);
      const events = await assertComplete(patient, answered.id, {
        http_status: 400,
        end_reason: "rejected",
      });
      assert.deepEqual(events.toSorted(), [
        "request_received",
        "response_complete",
        "validation_error",
      ]);
    });
  }
});

test("a client that has closed its half gets its whole answer", async () => {
  upstream.script(answerWell);
  const body = '{"message":"Hi"}';
  const { id, text } = await sendRaw(patient, [`Content-Length: ${body.length}`], body, (socket) =>
    socket.end(),
  );
  assert.match(text, /"finish_reason":"stop"/);
  await assertComplete(patient, id, { http_status: 200, end_reason: "done" });
});

test("a body that is far too large is read on, so that its sender reads the refusal", async (t) => {
  for (const [what, body] of [
    ["with a length", Buffer.alloc(10_000_000, "x")],
    ["in chunks", new Blob([Buffer.alloc(10_000_000, "x")]).stream()],
  ]) {
    await t.test(what, async () => {
      const id = crypto.randomUUID();
      const response = await fetch(`${patient.url}/chat`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-correlation-id": id },
        body,
        duplex: "half",
      });
      assert.equal(response.status, 413);
      assert.equal(await response.text(), errorBody("body_too_large", id));
      await assertComplete(patient, id, { http_status: 413, end_reason: "rejected" });
    });
  }
});

test("a limiter that does not answer lets the request through", async () => {
  const { id, response } = await exchange(silent, upstream);
  assert.equal(response.status, 200);
  const { record } = await silent.log("rate_limiter_failed", id);
  assert.equal(record.cause, "no answer within 2 s");
});

const LARGE = "x".repeat(1_000_000);

/** Begins an answer that nobody reads: more than the connection holds is written. */
async function stall(app, ...end) {
  const id = crypto.randomUUID();
  const client = app.send({ "x-correlation-id": id });
  client.end('{"message":"Hello"}');
  const call = await upstream.nextCall();
  call.open();
  const [response] = await within(once(client, "response"), "the answer's headers");
  response.on("error", () => {});
  response.pause();
  for (let piece = 0; piece < 32; piece++) call.write(delta(LARGE));
  call.write(...end);
  return { id, call, response };
}

test("a client that stops reading holds nothing beyond the longest answer", async (t) => {
  for (const [what, end] of [
    ["in the middle", []],
    ["before the last frame", [finish("stop"), done]],
  ]) {
    await t.test(what, async () => {
      const { id, call } = await stall(brief, delta(""), ...end);
      assert.equal(await within(call.closed, "the end of the call"), "aborted");
      const events = await assertComplete(brief, id, {
        status: "error",
        http_status: 200,
        end_reason: "stream_too_long",
      });
      assert.equal(events.filter((event) => event === "stream_error").length, 1);
      const { record } = await brief.log("stream_error", id);
      assert.equal(record.code, "stream_too_long");
    });
  }
});

test("a slow client whose answer is over in time gets all of it", async () => {
  const { id, call, response } = await begin(patient, upstream);
  call.open();
  const stream = readFrames(await response);
  for (let piece = 0; piece < 8; piece++) call.write(delta(LARGE));
  call.end(finish("stop"), done);
  const blocks = await Array.fromAsync(stream);
  assert.equal(blocks.at(-1).frame.finish_reason, "stop");
  await assertComplete(patient, id, { end_reason: "done", chunk_count: 8 });
});

test("upstream's word about retries is obeyed", async (t) => {
  const app = await startWorker({ OPENAI_BASE_URL, MAX_RETRIES: "1" });
  const refuse = (headers) => (call) => call.respond(503, "", headers);
  for (const [what, headers, calls] of [
    ["not to ask again", { "x-should-retry": "false", "retry-after-ms": "1" }, 1],
    ["to ask again", { "x-should-retry": "true", "retry-after-ms": "1" }, 2],
    ["a time that is none, before one", { "retry-after-ms": "-1", "retry-after": "0" }, 2],
    ["a time beyond the deadline", { "retry-after": "1e300" }, 1],
  ]) {
    await t.test(what, async () => {
      const scripts = [refuse(headers), answerWell];
      const answered = await exchange(app, upstream, { scripts });
      assert.equal(answered.response.status, calls === 1 ? 503 : 200);
      assert.equal(answered.calls.length, calls);
    });
  }
});

test("what a server teaches about one model is not held against another", async () => {
  const app = await startWorker({ OPENAI_BASE_URL });
  const refuses = (name) => (call) =>
    call.body[name] === undefined
      ? answerWell(call)
      : call.respond(400, { error: { code: "unsupported_parameter", param: name } });
  const ask = async (model, taught) => {
    const refusal = { new: refuses("max_tokens"), old: refuses("max_completion_tokens") }[model];
    const body = { message: "Hi", model };
    const { calls } = await exchange(app, upstream, { body, scripts: [refusal, refusal] });
    assert.equal(calls.length, taught ? 1 : 2, `${model}`);
  };
  await ask("new", false);
  await ask("new", true);
  // The server's address speaks for the old name, so this one has nothing to teach.
  await ask("old", true);
  await ask("new", true);
  await ask("old", true);
});

test("a success that is no declared event stream is looked at", async (t) => {
  const whole = JSON.stringify({
    object: "chat.completion",
    choices: [{ index: 0, message: { role: "assistant", content: "Hi" }, finish_reason: "stop" }],
    usage: { prompt_tokens: 7, completion_tokens: 2 },
  });
  const stream = [delta("Hi"), finish("stop"), done].join("");
  const json = { "content-type": "application/json" };
  const plain = { "content-type": "text/plain; charset=utf-8" };
  for (const [what, body, headers, status, expected] of [
    ["a whole answer", whole, json, 200, /"content":"Hi","sequence":0.*"total_tokens":9/s],
    ["a whole answer by another name", whole, plain, 200, /"finish_reason":"stop"/],
    ["an event stream by another name", stream, plain, 200, /"content":"Hi".*"stop"/s],
    ["a page", "<html>", { "content-type": "text/html" }, 502, /"upstream_protocol"/],
    ["nothing", "", plain, 502, /"upstream_protocol"/],
    ["half an answer", whole.slice(0, -2), json, 502, /"upstream_protocol"/],
    ["an error", '{"error":{"code":"insufficient_quota"}}', json, 503, /"upstream_quota"/],
    ["2 MiB", `{"x":"${"x".repeat(2 << 20)}"}`, json, 502, /"upstream_protocol"/],
  ]) {
    await t.test(what, async () => {
      const scripts = [(call) => call.respond(200, body, headers)];
      const answered = await exchange(patient, upstream, { scripts });
      assert.equal(answered.response.status, status);
      assert.match(answered.text, expected);
    });
  }
  await t.test("in pieces", async () => {
    const { call, response } = await begin(patient, upstream);
    call.open(200, json);
    for (const byte of whole) call.write(byte);
    call.end("");
    assert.match(await read(await response), /"content":"Hi","sequence":0.*"stop"/s);
  });
  await t.test("that is whole when its connection breaks", async () => {
    const { call, response } = await begin(patient, upstream);
    call.open(200, json);
    call.write(whole.slice(0, -1));
    // The last byte travels before the reset does.
    call.write(whole.slice(-1));
    setImmediate(() => call.cut());
    assert.match(await read(await response), /"content":"Hi","sequence":0.*"stop"/s);
  });
  await t.test("that is whole, and its connection stays open", async () => {
    const { call, response } = await begin(impatient, upstream);
    call.open(200, json);
    call.write(whole);
    assert.match(await read(await response), /"content":"Hi","sequence":0.*"stop"/s);
    assert.equal(await within(call.closed, "the end of the call"), "aborted");
  });
  await t.test("that breaks off", async () => {
    const { id, call, response } = await begin(patient, upstream);
    call.open(200, json);
    call.write(whole.slice(0, 20));
    call.reset();
    assert.equal(await read(await response), errorBody("upstream_truncated", id));
  });
  await t.test("that takes longer than any answer may", async () => {
    const { id, call, response } = await begin(brief, upstream);
    call.open(200, json);
    call.write(whole.slice(0, 20));
    assert.equal(await read(await response), errorBody("stream_too_long", id));
    assert.equal((await response).status, 504);
    assert.equal(await within(call.closed, "the end of the call"), "aborted");
  });
  await t.test("that does not go on", async () => {
    const { id, call, response } = await begin(impatient, upstream);
    call.open(200, json);
    call.write(whole.slice(0, 20));
    assert.equal(await read(await response), errorBody("upstream_timeout", id));
    assert.equal(await within(call.closed, "the end of the call"), "aborted");
  });
});
