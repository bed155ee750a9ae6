import assert from "node:assert/strict";
import test from "node:test";
import { DETAILS, errorBody } from "../support/errors.mjs";
import { assertStillServes, begin, exchange, read } from "../support/exchange.mjs";
import { frames } from "../support/frames.mjs";
import { API_KEY, startWorker } from "../support/harness.mjs";
import { answerWell, startUpstream, unreachableUrl } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

/** What upstream says when it fails: it quotes the key and the conversation. */
const CANARIES = ["canary-sentence", API_KEY, "canary-question"];
const failure = (code, type = "invalid_request_error") => ({
  error: { message: `canary-sentence: ${API_KEY} asked canary-question`, type, param: null, code },
});
const html = { "content-type": "text/html" };

const upstream = await startUpstream(answerWell);
const elsewhere = await startUpstream(answerWell);
const app = await startWorker({ OPENAI_BASE_URL: upstream.url, MAX_RETRIES: "0" });

const QUESTION = { message: "canary-question" };

/** Shows what the client and the log are told about a failure, and that neither is told what upstream said. */
async function assertFailure({ id, response, text }, status, code, endReason, detail) {
  assert.equal(text, errorBody(code, id, detail));
  assert.equal(response.status, status);
  assert.equal(response.headers.get("content-type"), "application/json");
  assert.equal(response.headers.get("x-correlation-id"), id);
  const complete = (await app.log("response_complete", id)).record;
  assert.partialDeepStrictEqual(complete, {
    http_status: status,
    end_reason: endReason ?? "upstream_error",
    retries: 0,
  });
  const error = await app.log("stream_error", id);
  assert.equal(error.method, "error");
  assert.equal(error.record.code, code);
  const told = text + app.logsOf(id).map((line) => line.text);
  for (const canary of CANARIES) {
    assert.ok(!told.includes(canary), `${canary} is told: ${told}`);
  }
}

test("an upstream failure is an HTTP error of its kind", async (t) => {
  const chosen = { ...QUESTION, model: "gpt-99" };
  for (const [what, status, code, respond, body, detail] of [
    [
      "400 context length",
      400,
      "context_length_exceeded",
      [400, failure("context_length_exceeded")],
    ],
    ["400 otherwise", 502, "upstream_rejected", [400, failure("unsupported_parameter")]],
    ["401", 502, "upstream_rejected", [401, failure("invalid_api_key")]],
    ["403", 502, "upstream_rejected", [403, failure("unsupported_country")]],
    [
      "413 of any kind",
      400,
      "context_length_exceeded",
      [413, "<html>canary-sentence</html>", html],
    ],
    [
      "400 in words",
      400,
      "context_length_exceeded",
      [400, { message: `canary-sentence: maximum context length ${API_KEY}`, code: 400 }],
    ],
    ["400 filter", 400, "content_filtered", [400, failure("content_filter")]],
    ["403 quota", 503, "upstream_quota", [403, failure("insufficient_user_quota")]],
    [
      "404 for our model",
      502,
      "model_not_found",
      [404, failure("model_not_found")],
      QUESTION,
      DETAILS.unknownDefaultModel,
    ],
    [
      "404 for the client's model",
      400,
      "model_not_found",
      [404, failure("model_not_found")],
      chosen,
    ],
    ["404 without a body", 502, "model_not_found", [404, ""], QUESTION, DETAILS.wrongAddress],
    ["400 model_not_found", 400, "model_not_found", [400, failure("model_not_found")], chosen],
    ["408", 502, "upstream_unavailable", [408, ""]],
    ["409", 502, "upstream_unavailable", [409, failure(null)]],
    ["429", 429, "upstream_rate_limited", [429, failure("rate_limit_exceeded", "requests")]],
    ["429 slow_down", 429, "upstream_rate_limited", [429, failure("slow_down")]],
    ["429 of nobody knows what", 429, "upstream_rate_limited", [429, "<h1>Slow</h1>", html]],
    [
      "429 quota",
      503,
      "upstream_quota",
      [429, failure("insufficient_quota", "insufficient_quota")],
    ],
    ["429 billing", 503, "upstream_quota", [429, failure("billing_hard_limit_reached")]],
    ["500", 502, "upstream_unavailable", [500, failure(null, "server_error")]],
    [
      "500 as a plain string",
      502,
      "upstream_unavailable",
      [500, { error: `canary-sentence ${API_KEY}` }],
    ],
    ["502 of a proxy", 502, "upstream_unavailable", [502, "<html>canary-sentence</html>", html]],
    ["503", 503, "upstream_unavailable", [503, failure(null, "overloaded")]],
    ["520 of a proxy", 502, "upstream_unavailable", [520, "<html>canary-sentence</html>", html]],
    ["broken JSON", 502, "upstream_unavailable", [500, '{"error":{"code":']],
    ["invalid UTF-8", 502, "upstream_unavailable", [500, Buffer.from([0xff, 0xfe])]],
    ["JSON of another shape", 502, "upstream_unavailable", [500, '[[{"error":[1]}]]']],
  ]) {
    await t.test(what, async () => {
      const scripts = [(call) => call.respond(...respond)];
      const exchanged = await exchange(app, upstream, { scripts, body: body ?? QUESTION });
      await assertFailure(exchanged, status, code, undefined, detail);
      assert.equal(exchanged.calls.length, 1);
      await assertStillServes(app, upstream);
    });
  }
});

test("the log names the variable that has to be changed when a model is not found", async () => {
  for (const [respond, variable] of [
    [[404, failure("model_not_found")], "OPENAI_MODEL"],
    [[404, "<html>canary-sentence</html>", html], "OPENAI_BASE_URL"],
  ]) {
    const scripts = [(call) => call.respond(...respond)];
    const { id } = await exchange(app, upstream, { scripts, body: QUESTION });
    const { record } = await app.log("stream_error", id);
    assert.match(record.cause, new RegExp(`; ${variable} `));
  }
});

test("a 429 tells when to try again as upstream told it", async (t) => {
  for (const [what, headers, expected] of [
    ["in seconds", { "retry-after": "7" }, "7"],
    ["in milliseconds", { "retry-after-ms": "1500" }, "2"],
    ["not at all", {}, null],
    ["nonsense", { "retry-after": "soon" }, null],
  ]) {
    await t.test(what, async () => {
      const scripts = [(call) => call.respond(429, failure("rate_limit_exceeded"), headers)];
      const { response } = await exchange(app, upstream, { scripts });
      assert.equal(response.headers.get("retry-after"), expected);
    });
  }
});

test("a success that is neither an event stream nor an answer is none", async (t) => {
  for (const [what, respond] of [
    ["JSON of another shape", [200, { message: { content: 7 } }]],
    ["half of an answer", [200, '{"choices":[{"message":{"content":"canary-sentence"}}']],
    ["HTML", [200, "<html>canary-sentence</html>", html]],
    ["a text", [200, "canary-sentence", { "content-type": "text/plain" }]],
    ["no content", [204, ""]],
  ]) {
    await t.test(what, async () => {
      const exchanged = await exchange(app, upstream, {
        scripts: [(call) => call.respond(...respond)],
      });
      await assertFailure(exchanged, 502, "upstream_protocol", "upstream_protocol");
      await assertStillServes(app, upstream);
    });
  }
});

test("an error with the status of a success is that error", async (t) => {
  for (const [what, status, code, body] of [
    ["an object", 503, "upstream_quota", failure("insufficient_quota")],
    ["in a list", 429, "upstream_rate_limited", [failure("rate_limit_exceeded")]],
    [
      "beside no choices",
      400,
      "context_length_exceeded",
      { choices: null, ...failure("context_length_exceeded") },
    ],
  ]) {
    await t.test(what, async () => {
      const scripts = [(call) => call.respond(200, body)];
      await assertFailure(await exchange(app, upstream, { scripts }), status, code);
    });
  }
});

test("an answer that comes whole is its text and its ending", async (t) => {
  const usage = { prompt_tokens: 9, completion_tokens: 2 };
  const choice = {
    index: 0,
    message: { role: "assistant", content: "Hi 🎉\n" },
    finish_reason: "length",
  };
  const whole = { object: "chat.completion", choices: [choice], usage };
  const counted = { input_tokens: 9, output_tokens: 2, total_tokens: 11 };
  for (const [what, body, headers] of [
    ["as JSON", JSON.stringify(whole)],
    ["as JSON that is set out", JSON.stringify(whole, null, 2)],
    ["behind line ends", `\n\n\n${JSON.stringify(whole)}`],
    ["by no name", JSON.stringify(whole), { "content-type": "" }],
  ]) {
    await t.test(what, async () => {
      const scripts = [(call) => call.respond(200, body, headers)];
      const { id, response, text } = await exchange(app, upstream, { scripts });
      assert.equal(response.status, 200);
      assert.equal(text, frames(id, ["Hi 🎉\n"], { finish_reason: "length", usage: counted }));
      await assertStillServes(app, upstream);
    });
  }
});

test("an event stream by another name is one", async (t) => {
  for (const type of [
    "text/plain; charset=utf-8",
    "application/octet-stream",
    "application/json",
    "",
    "text/event-stream, text/event-stream",
  ]) {
    await t.test(type || "none", async () => {
      const scripts = [
        (call) => {
          call.open(200, { "content-type": type });
          answerWell(call);
        },
      ];
      const { id, text } = await exchange(app, upstream, { scripts });
      assert.equal(text, frames(id, ["Hi"], { finish_reason: "stop" }));
    });
  }
});

test("an event stream is one whatever the case and the parameters of its type", async () => {
  const scripts = [
    (call) => {
      call.open(200, { "content-type": "Text/Event-Stream; charset=utf-8" });
      answerWell(call);
    },
  ];
  assert.equal((await exchange(app, upstream, { scripts })).response.status, 200);
});

test("a redirect is not followed with our key", async (t) => {
  for (const status of [301, 302, 303, 307, 308]) {
    await t.test(String(status), async () => {
      const location = `${elsewhere.url}/chat/completions`;
      const scripts = [(call) => call.respond(status, "", { location })];
      const exchanged = await exchange(app, upstream, { scripts });
      await assertFailure(exchanged, 502, "upstream_protocol", "upstream_protocol");
      assert.deepEqual(elsewhere.calls, []);
    });
  }
});

test("an error body of 10 MB is an error like any other", async () => {
  const scripts = [(call) => call.respond(500, "x".repeat(10_000_000))];
  await assertFailure(await exchange(app, upstream, { scripts }), 502, "upstream_unavailable");
  await assertStillServes(app, upstream);
});

test("an error body without an end is let go of", async () => {
  const { id, call, response } = await begin(app, upstream, { body: QUESTION });
  call.open(500, { "content-type": "text/plain" });
  call.flood("x".repeat(65_536));
  const answered = await response;
  await assertFailure(
    { id, response: answered, text: await read(answered) },
    502,
    "upstream_unavailable",
  );
  assert.equal(await within(call.closed, "the end of the call"), "aborted");
});

test("a connection that is reset before the headers is no connection", async () => {
  const exchanged = await exchange(app, upstream, { scripts: [(call) => call.reset()] });
  await assertFailure(exchanged, 502, "upstream_unreachable");
  await assertStillServes(app, upstream);
});

test("a connection that is closed before the headers is no connection", async () => {
  const exchanged = await exchange(app, upstream, { scripts: [(call) => call.cut()] });
  await assertFailure(exchanged, 502, "upstream_unreachable");
  await assertStillServes(app, upstream);
});

test("a refused connection is an error that names no address", async () => {
  const url = await unreachableUrl();
  const alone = await startWorker({ OPENAI_BASE_URL: url, MAX_RETRIES: "0" });
  const response = await alone.chat(QUESTION, { headers: { "x-correlation-id": "refused" } });
  assert.equal(response.status, 502);
  assert.equal(await read(response), errorBody("upstream_unreachable", "refused"));
  const { record } = await alone.log("response_complete", "refused");
  assert.equal(record.end_reason, "upstream_error");
});
