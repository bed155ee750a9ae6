import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { begin, exchange, read } from "../support/exchange.mjs";
import { collect, finalFrame, frame, frames, readFrames } from "../support/frames.mjs";
import { API_KEY, startWorker } from "../support/harness.mjs";
import {
  answer,
  delta,
  done,
  finish,
  refusal,
  startUpstream,
  usage,
} from "../support/upstream.mjs";

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

test("the headers say that this is a stream which nobody may hold back", async () => {
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

test("nothing of the client but its chat goes upstream", async () => {
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

test("events that are cut anywhere make the same frames", async () => {
  const { id, call, response } = await begin(app, upstream);
  call.write(delta("first"));
  const stream = readFrames(await response);
  assert.equal((await stream.next()).value.raw, frame(id, 0, "first"));
  // What has arrived by now is known, so each of these pieces reaches the worker with the cut in it.
  const event = Buffer.from(delta("né 你 🙂"));
  const cuts = ["{", "né", "你", "🙂", "}\n\n"].map((text) => event.indexOf(text) + 2);
  for (const [index, cut] of cuts.entries()) {
    const marker = `after ${index}`;
    const after = frame(id, 2 * index + 2, marker);
    call.write(event.subarray(0, cut));
    // Another request's answer shows that the worker has had the chance to take the first piece.
    await (await app.get("/health")).text();
    call.write(event.subarray(cut), delta(marker));
    assert.equal(
      (await stream.next()).value.raw,
      frame(id, 2 * index + 1, "né 你 🙂"),
      `cut at byte ${cut}`,
    );
    assert.equal((await stream.next()).value.raw, after);
  }
  call.end(finish("stop"), done);
  assert.equal((await stream.next()).value.frame.finish_reason, "stop");
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

test("text passes through exactly", async (t) => {
  for (const [what, content] of [
    ["emoji", "🙂👩‍👩‍👧‍👦🇩🇪"],
    ["Chinese, Japanese, Korean", "你好，こんにちは、안녕하세요"],
    ["right to left, combining marks", "שלום مرحبا e\u0301"],
    ["quotes and backslashes", "\"quoted\" \\n \\\\ 'single' `tick`"],
    ["line ends", "a\nb\r\nc\rd\n\ne\u2028f\u2029g\u0085h"],
    ["controls", "\u0000\u0001\b\f\t\u001f\u007f\u0080"],
    [
      "what looks like our own protocol",
      'data: [DONE]\n\ndata: {"is_final":true}\n\n: keep-alive\n\n',
    ],
    ["byte order mark", "\ufeffa\ufeff"],
    ["one megabyte", "x".repeat(1_000_000)],
  ]) {
    await t.test(what, async () => {
      const { id, text } = await exchange(app, upstream, {
        scripts: [(call) => call.end(...answer(content, " ", content))],
      });
      assert.equal(text, frames(id, [content, " ", content], { finish_reason: "stop" }));
    });
  }
});

test("escapes of upstream keep their meaning", async () => {
  const ascii =
    'data: {"choices":[{"index":0,"delta":{"content":"\\u4f60\\ud83d\\ude42\\/\\u0022\\u000a"}}]}\n\n';
  const { call, response } = await begin(app, upstream);
  call.end(ascii, finish("stop"), done);
  assert.equal((await collect(await response)).content, '你🙂/"\n');
});

test("the final frame tells why the answer ended", async (t) => {
  for (const reason of ["stop", "length", "content_filter", "tool_calls"]) {
    await t.test(reason, async () => {
      const script = (call) => call.end(delta("a"), finish(reason), usage(5, 1), done);
      const { id, text } = await exchange(app, upstream, { scripts: [script] });
      const counted = { input_tokens: 5, output_tokens: 1, total_tokens: 6 };
      assert.equal(text, frames(id, ["a"], { finish_reason: reason, usage: counted }));
    });
  }
});

test("a refusal is content, and the reason why the answer ended", async () => {
  const script = (call) => call.end(refusal("I can't"), refusal(" help"), finish("stop"), done);
  const { id, text } = await exchange(app, upstream, { scripts: [script] });
  assert.equal(text, frames(id, ["I can't", " help"], { finish_reason: "refusal" }));
});

test("deltas without content send no frame", async () => {
  const script = (call) =>
    call.end(delta(""), delta(null), delta("a"), delta(""), finish("stop"), done);
  const { id, text } = await exchange(app, upstream, { scripts: [script] });
  assert.equal(text, frames(id, ["a"], { finish_reason: "stop" }));
});

test("an answer without content is its final frame", async () => {
  const { id, text } = await exchange(app, upstream, {
    scripts: [(call) => call.end(finish("length"), done)],
  });
  assert.equal(text, frames(id, [], { finish_reason: "length" }));
});

test("answers one after the other do not each need a connection to upstream", async () => {
  const answers = 10;
  for (let count = 0; count < answers; count += 1) {
    upstream.script((call) => call.end(...answer("Hi")));
    await read(await app.chat({ message: "Hi" }));
  }
  const connections = new Set(upstream.calls.map((call) => call.connection));
  assert.ok(connections.size < answers / 2, `there were ${connections.size}`);
});

test("an answer in large pieces, faster than it is read, arrives whole", async () => {
  const piece = "large ".repeat(10_000);
  const pieces = Array.from({ length: 50 }, () => piece);
  upstream.script((call) => call.end(...answer(...pieces)));
  const { content, final } = await collect(await app.chat({ message: "Hi" }));
  assert.equal(content, pieces.join(""));
  assert.equal(final.finish_reason, "stop");
});
