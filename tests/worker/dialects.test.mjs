/** Both APIs, and servers that disagree about one of them: the client's frames are the same. */
import assert from "node:assert/strict";
import test from "node:test";
import { DIALECTS, responseEvent } from "../support/dialects.mjs";
import { errorBody, errorEnding } from "../support/errors.mjs";
import { assertStillServes, begin, exchange, read } from "../support/exchange.mjs";
import { frame, frames, readFrames } from "../support/frames.mjs";
import { API_KEY, startWorker } from "../support/harness.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const start = (bindings) => startWorker({ OPENAI_BASE_URL: upstream.url, ...bindings });
const apps = {
  chat_completions: await start({ OPENAI_API: "chat_completions" }),
  responses: await start({ OPENAI_API: "responses" }),
};
const USAGE = { input_tokens: 9, output_tokens: 2, total_tokens: 11 };

/** The answers that every API can give: what upstream says, and what the client reads. */
const ANSWERS = [
  ["a text", (say) => say.text("Hi") + say.text(" 🎉\n") + say.stop(9, 2), ["Hi", " 🎉\n"], "stop"],
  ["no text", (say) => say.stop(9, 2), [], "stop"],
  ["a refusal", (say) => say.refuse("I can't") + say.stop(9, 2), ["I can't"], "refusal"],
  ["the token limit", (say) => say.text("cu") + say.length(9, 2), ["cu"], "length"],
  ["the content filter", (say) => say.text("x") + say.filtered(9, 2), ["x"], "content_filter"],
];

for (const [api, say] of Object.entries(DIALECTS)) {
  const app = apps[api];

  test(`${api}: an answer is its frames, byte for byte`, async (t) => {
    for (const [what, stream, contents, finish_reason] of ANSWERS) {
      await t.test(what, async () => {
        const scripts = [(call) => call.end(stream(say))];
        const { id, text } = await exchange(app, upstream, { scripts });
        assert.equal(text, frames(id, contents, { finish_reason, usage: USAGE }));
      });
    }
  });

  test(`${api}: a failure in the stream is its final frame`, async (t) => {
    for (const [code, told] of [
      ["rate_limit_exceeded", "upstream_rate_limited"],
      ["server_error", "upstream_unavailable"],
    ]) {
      await t.test(code, async () => {
        const scripts = [(call) => call.end(say.text("a") + say.fail(code))];
        const { id, text } = await exchange(app, upstream, { scripts });
        assert.equal(text, frames(id, ["a"], errorEnding(told)));
      });
    }
  });

  test(`${api}: an end without a terminal event is truncation`, async () => {
    const scripts = [(call) => call.end(say.text("a"))];
    const { id, text } = await exchange(app, upstream, { scripts });
    assert.equal(text, frames(id, ["a"], errorEnding("upstream_truncated")));
  });

  test(`${api}: a frame goes out while upstream is still writing`, async () => {
    const { id, call, response } = await begin(app, upstream);
    call.write(say.text("first"));
    const blocks = readFrames(await response);
    assert.equal((await blocks.next()).value.raw, frame(id, 0, "first"));
    call.end(say.stop(9, 2));
    assert.equal((await blocks.next()).value.frame.is_final, true);
    assert.equal((await blocks.next()).done, true);
  });

  test(`${api}: a budget spent before any text is a hint in the log`, async () => {
    const scripts = [(call) => call.end(say.length(9, 2))];
    const { id, text } = await exchange(app, upstream, { scripts });
    assert.equal(text, frames(id, [], { finish_reason: "length", usage: USAGE }));
    const { record } = await app.log("response_complete", id);
    assert.equal(
      record.hint,
      "the token limit was reached before any text; raise max_tokens of the request or MAX_TOKENS",
    );
  });

  test(`${api}: the log names the API`, async () => {
    assert.equal((await app.log("application_started")).record.api, api);
  });
}

test("Responses is asked for a stream that it does not keep", async () => {
  const app = apps.responses;
  const history = [
    { role: "user", content: "hi" },
    { role: "assistant", content: "hello" },
  ];
  const { calls } = await exchange(app, upstream, {
    body: { message: " and now? ", model: "gpt-x", max_tokens: 17, history },
    scripts: [(call) => call.end(DIALECTS.responses.stop(1, 1))],
  });
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

test("unknown events of Responses are passed over", async () => {
  const app = apps.responses;
  const { text, stop } = DIALECTS.responses;
  const scripts = [
    (call) => {
      call.write(responseEvent("response.created", { response: { status: "in_progress" } }));
      call.write(responseEvent("keepalive"), responseEvent("response.later", { delta: { a: 1 } }));
      call.end(text("42"), responseEvent("response.output_text.done", { text: "42" }), stop(9, 2));
    },
  ];
  const { id, text: client } = await exchange(app, upstream, { scripts });
  assert.equal(client, frames(id, ["42"], { finish_reason: "stop", usage: USAGE }));
});

test("a parameter that upstream refuses is worded anew, once, and for the isolate's life", async (t) => {
  const refuse = (param, code, status) => (call) =>
    call.respond(status, { error: { message: `no '${param}'`, param, code } });
  const say = (message, status) => (call) =>
    call.respond(status, { error: { message, code: null } });
  const named = ({ body }) => ({
    old: body.max_tokens,
    new: body.max_completion_tokens,
    options: body.stream_options,
  });
  const options = { include_usage: true };
  for (const [param, code, before, after] of [
    [
      "max_tokens",
      "unsupported_parameter",
      { old: 2000, new: undefined, options },
      { old: undefined, new: 2000, options },
    ],
    [
      "stream_options",
      "unknown_parameter",
      { old: 2000, new: undefined, options },
      { old: 2000, new: undefined, options: undefined },
    ],
  ]) {
    await t.test(param, async () => {
      const app = await start({ MAX_RETRIES: "0" });
      const scripts = [refuse(param, code, 400), answerWell];
      const { id, text, calls } = await exchange(app, upstream, { scripts });
      assert.equal(text, frames(id, ["Hi"], { finish_reason: "stop" }));
      assert.deepEqual(calls.map(named), [before, after]);
      const retry = (await app.log("upstream_retry", id)).record;
      assert.deepEqual([retry.attempt, retry.upstream_status, retry.delay_ms], [1, 400, 0]);
      assert.equal((await app.log("response_complete", id)).record.retries, 1);

      const later = await exchange(app, upstream);
      assert.deepEqual(later.calls.map(named), [after], "the isolate remembers");
    });
  }

  for (const [what, message, status, after] of [
    [
      "in words",
      "Unrecognized request argument supplied: stream_options",
      400,
      { old: 2000, new: undefined, options: undefined },
    ],
    [
      "in a gateway's words",
      "p error: Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
      422,
      { old: undefined, new: 2000, options },
    ],
  ]) {
    await t.test(what, async () => {
      const app = await start({ MAX_RETRIES: "0" });
      const scripts = [say(message, status), answerWell];
      const { id, text, calls } = await exchange(app, upstream, { scripts });
      assert.equal(text, frames(id, ["Hi"], { finish_reason: "stop" }));
      assert.deepEqual(named(calls.at(-1)), after);
    });
  }

  await t.test("a number that is too large is not worded anew", async () => {
    const app = await start({ MAX_RETRIES: "0" });
    const scripts = [say("max_tokens is too large: 2000. This model supports at most 100.", 400)];
    const { id, text, calls } = await exchange(app, upstream, { scripts });
    assert.equal(text, errorBody("upstream_rejected", id));
    assert.equal(calls.length, 1);
  });

  await t.test("both, one after the other", async () => {
    const app = await start({ MAX_RETRIES: "0" });
    const scripts = [
      refuse("max_tokens", "unsupported_parameter", 400),
      refuse("stream_options", "unknown_parameter", 422),
      answerWell,
    ];
    const { calls } = await exchange(app, upstream, { scripts });
    assert.deepEqual(named(calls.at(-1)), { old: undefined, new: 2000, options: undefined });
  });

  await t.test(
    "a server that refuses both names is an error, and nothing is remembered",
    async () => {
      const app = await start();
      const scripts = [
        refuse("max_tokens", "unsupported_parameter", 400),
        refuse("max_completion_tokens", "unsupported_parameter", 400),
        refuse("max_tokens", "unsupported_parameter", 400),
      ];
      const { id, response, text, calls } = await exchange(app, upstream, { scripts });
      assert.equal(response.status, 502);
      assert.equal(text, errorBody("upstream_rejected", id));
      assert.equal(calls.length, 2);
      await assertStillServes(app, upstream);
      assert.equal(upstream.calls.at(-1).body.max_tokens, 2000);
    },
  );
});

test("the address of upstream may have a slash at its end, and any path", async (t) => {
  const { origin } = new URL(upstream.url);
  for (const path of ["/v1/", "/v1/account/gateway/openai", "", "/openai/v1//"]) {
    await t.test(path || "no path", async () => {
      const app = await start({ OPENAI_BASE_URL: origin + path });
      const { id, call, response } = await begin(app, upstream);
      answerWell(call);
      assert.equal(await read(await response), frames(id, ["Hi"], { finish_reason: "stop" }));
      assert.equal(call.path, `${path.replace(/\/+$/, "")}/chat/completions`);
    });
  }
});
