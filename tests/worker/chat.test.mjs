import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { begin, exchange, read } from "../support/exchange.mjs";
import { finalFrame, frame, frames, readFrames } from "../support/frames.mjs";
import { API_KEY, startWorker } from "../support/harness.mjs";
import { answer, delta, done, finish, startUpstream, usage } from "../support/upstream.mjs";

const upstream = await startUpstream();
const app = await startWorker({ OPENAI_BASE_URL: upstream.url });

beforeEach(() => upstream.reset());

test("an answer is its frames, byte for byte, and nothing else", async () => {
  upstream.script((call) =>
    call.end(delta("The"), delta(" end"), finish("stop"), usage(9, 2), done),
  );
  const response = await app.chat(
    { message: "Hi" },
    { headers: { "X-Correlation-Id": "abc-123" } },
  );
  assert.equal(
    await read(response),
    'data: {"content":"The","sequence":0,"is_final":false,"correlation_id":"abc-123"}\n\n' +
      'data: {"content":" end","sequence":1,"is_final":false,"correlation_id":"abc-123"}\n\n' +
      'data: {"content":"","sequence":2,"is_final":true,"correlation_id":"abc-123","finish_reason":"stop",' +
      '"usage":{"input_tokens":9,"output_tokens":2,"total_tokens":11}}\n\n',
  );
});

test("the headers of a stream keep proxies from buffering it", async () => {
  const { response, id } = await exchange(app, upstream);
  assert.equal(response.status, 200);
  const headers = Object.fromEntries(response.headers);
  assert.partialDeepStrictEqual(headers, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
    "x-correlation-id": id,
  });
  assert.equal(headers["content-encoding"], undefined);
});

test("upstream is asked for a stream with usage, with our key and the correlation id", async () => {
  const body = { message: "Hi", model: "gpt-4o-mini", max_tokens: 123 };
  const { calls, id } = await exchange(app, upstream, { body });
  const [call] = calls;
  assert.equal(calls.length, 1);
  assert.equal(`${call.method} ${call.path}`, "POST /v1/chat/completions");
  assert.equal(call.headers.authorization, `Bearer ${API_KEY}`);
  assert.equal(call.headers["content-type"], "application/json");
  assert.equal(call.headers["x-client-request-id"], id);
  // The API has two names for this limit, and servers that speak it know one or the other.
  const { max_tokens, max_completion_tokens, ...rest } = call.body;
  assert.deepEqual([max_tokens, max_completion_tokens].filter(Boolean), [123]);
  assert.deepEqual(rest, {
    model: "gpt-4o-mini",
    messages: [
      { role: "system", content: "You are a helpful assistant." },
      { role: "user", content: "Hi" },
    ],
    stream: true,
    stream_options: { include_usage: true },
  });
});

test("the conversation goes upstream oldest first, the message trimmed", async () => {
  const history = [
    { role: "user", content: " one " },
    { role: "assistant", content: "" },
    { role: "assistant", content: "two\n" },
  ];
  const body = { message: "\n  three\t", history };
  const { calls } = await exchange(app, upstream, { body });
  assert.deepEqual(calls[0].body.messages.slice(1), [
    ...history,
    { role: "user", content: "three" },
  ]);
});

test("nothing but the chat goes from the client to upstream", async () => {
  const headers = {
    cookie: "a=b",
    "x-secret": "c",
    authorization: "Bearer of-the-client",
    referer: "http://d/",
  };
  const { calls } = await exchange(app, upstream, { headers });
  const sent = calls[0].headers;
  assert.deepEqual(
    [sent.cookie, sent["x-secret"], sent.referer],
    [undefined, undefined, undefined],
  );
  assert.equal(sent.authorization, `Bearer ${API_KEY}`);
});

test("each frame goes out as its event comes in, while upstream is still writing", async () => {
  const { id, call, response } = await begin(app, upstream);
  call.open();
  const stream = readFrames(await response);
  for (const [sequence, text] of ["Once", " upon", " a", " time"].entries()) {
    call.write(delta(text));
    assert.equal((await stream.next()).value.raw, frame(id, sequence, text));
  }
  call.end(finish("stop"), done);
  assert.equal((await stream.next()).value.raw, finalFrame(id, 4, { finish_reason: "stop" }));
  assert.equal((await stream.next()).done, true);
  assert.equal(await call.closed, "finished");
});

test("the status is committed by upstream headers, before the first event", async () => {
  const { id, call, response } = await begin(app, upstream);
  call.open();
  assert.equal((await response).status, 200);
  call.end(...answer("late"));
  assert.equal(await read(await response), frames(id, ["late"], { finish_reason: "stop" }));
});

test("an answer of 100 000 one-byte writes arrives whole", async () => {
  const contents = Array.from({ length: 640 }, (_, index) => `${index} é 🙂 `);
  const bytes = Buffer.from(answer(...contents).join(""));
  assert.ok(bytes.length > 100_000, `${bytes.length} bytes`);
  const script = (call) => {
    for (let at = 0; at < bytes.length; at++) {
      call.write(bytes.subarray(at, at + 1));
    }
    call.end();
  };
  const { id, text } = await exchange(app, upstream, { scripts: [script] });
  assert.equal(text, frames(id, contents, { finish_reason: "stop" }));
});

test("an answer of 10 000 events arrives whole", async () => {
  const contents = Array.from({ length: 10_000 }, (_, index) => `word${index} `);
  const { id, text } = await exchange(app, upstream, {
    scripts: [(call) => call.end(...answer(...contents))],
  });
  assert.equal(text, frames(id, contents, { finish_reason: "stop" }));
});

test("text passes through exactly", async () => {
  const contents = [
    "🙂👩‍👩‍👧‍👦🇩🇪",
    "你好，こんにちは、안녕하세요",
    "שלום مرحبا e\u0301",
    "\"quoted\" \\n \\\\ 'single' `tick`",
    "a\nb\r\nc\rd\n\ne\u2028f\u2029g\u0085h",
    "\u0000\u0001\b\f\t\u001f\u007f\u0080",
    // What looks like our own protocol.
    'data: [DONE]\n\ndata: {"is_final":true}\n\n: keep-alive\n\n',
    "\ufeffa\ufeff",
    "x".repeat(1_000_000),
  ];
  const scripts = [(call) => call.end(...answer(...contents))];
  const { id, text } = await exchange(app, upstream, { scripts });
  assert.equal(text, frames(id, contents, { finish_reason: "stop" }));
});

test("connections to upstream are reused", async () => {
  const answers = 10;
  for (let count = 0; count < answers; count += 1) {
    const { call, response } = await begin(app, upstream);
    call.write(...answer("Hi"));
    await read(await response);
    // The end of upstream's body often comes behind its last event, in a packet of its own.
    call.end();
    assert.equal(await call.closed, "finished");
  }
  const connections = new Set(upstream.calls.map((call) => call.connection));
  assert.ok(connections.size < answers / 2, `there were ${connections.size}`);
});

test("an answer in large pieces, faster than it is read, arrives whole", async () => {
  const piece = "large ".repeat(10_000);
  const pieces = Array.from({ length: 50 }, () => piece);
  const { id, text } = await exchange(app, upstream, {
    scripts: [(call) => call.end(...answer(...pieces))],
  });
  assert.ok(text === frames(id, pieces, { finish_reason: "stop" }));
});
