/** Calls that bring no stream: the client's status and body, and what the log says. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { DETAILS, errorBody, errorEnding } from "../support/errors.mjs";
import { assertStillServes, begin, exchange, read } from "../support/exchange.mjs";
import { frames } from "../support/frames.mjs";
import { API_KEY, startWorker } from "../support/harness.mjs";
import { answerWell, event, startUpstream, unreachableUrl } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

/** What upstream says when it fails: it quotes the key and the conversation. */
const CANARIES = ["canary-sentence", API_KEY, "canary-question"];
const failure = (code, type = "invalid_request_error") => ({
  error: { message: `canary-sentence: ${API_KEY} asked canary-question`, type, param: null, code },
});
const JSON_TYPE = { "content-type": "application/json" };
const HTML = { "content-type": "text/html" };
const PAGE = "<html>canary-sentence</html>";

const upstream = await startUpstream(answerWell);
const elsewhere = await startUpstream(answerWell);
const app = await startWorker({ OPENAI_BASE_URL: upstream.url, MAX_RETRIES: "0" });

beforeEach(() => upstream.reset());

const QUESTION = { message: "canary-question" };

/** Asserts what the client and the log are told about a failure, and that neither repeats what upstream said. */
async function assertFailure(
  { id, response, text },
  { status, code, endReason = "upstream_error", cause, detail },
) {
  assert.equal(text, errorBody(code, id, detail));
  assert.equal(response.status, status);
  assert.equal(response.headers.get("content-type"), "application/json");
  assert.equal(response.headers.get("x-correlation-id"), id);
  const complete = (await app.log("response_complete", id)).record;
  assert.partialDeepStrictEqual(complete, {
    status: "error",
    http_status: status,
    end_reason: endReason,
    retries: 0,
  });
  const error = await app.log("stream_error", id);
  assert.equal(error.method, "error");
  assert.partialDeepStrictEqual(error.record, { code, recovery_action: "error_response" });
  if (cause !== undefined) assert.equal(error.record.cause, cause);
  const told = text + app.logsOf(id).map((line) => line.text);
  for (const canary of CANARIES) {
    assert.ok(!told.includes(canary), `${canary} is told: ${told}`);
  }
}

// The core's tests hold what each status and body means; here is one of each form that an answer may have.
test("an upstream failure is an HTTP error of its kind", async (t) => {
  for (const [what, respond, expected] of [
    [
      "with a code",
      [400, failure("context_length_exceeded")],
      {
        status: 400,
        code: "context_length_exceeded",
        cause: "upstream status 400, code context_length_exceeded, type invalid_request_error",
      },
    ],
    [
      "by its status, without a body",
      [408, ""],
      { status: 502, code: "upstream_unavailable", cause: "upstream status 408" },
    ],
    [
      "by its status, beside a page",
      [413, PAGE, HTML],
      { status: 400, code: "context_length_exceeded", cause: "upstream status 413" },
    ],
    [
      "in broken JSON",
      [500, '{"error":{"code":'],
      { status: 502, code: "upstream_unavailable", cause: "upstream status 500" },
    ],
    [
      "in invalid UTF-8",
      [500, Buffer.from([0xff, 0xfe])],
      { status: 502, code: "upstream_unavailable", cause: "upstream status 500" },
    ],
    [
      "in 10 MB",
      [500, "x".repeat(10_000_000)],
      { status: 502, code: "upstream_unavailable", cause: "upstream status 500" },
    ],
  ]) {
    await t.test(what, async () => {
      const scripts = [(call) => call.respond(...respond)];
      const exchanged = await exchange(app, upstream, { scripts, body: QUESTION });
      await assertFailure(exchanged, expected);
      assert.equal(exchanged.calls.length, 1);
      await assertStillServes(app, upstream);
    });
  }
});

test("a model that is not found is a 400 if the client chose it, else a 502 that tells the owner what to change", async (t) => {
  const unknown = [404, failure("model_not_found")];
  for (const [what, body, respond, status, detail, variable] of [
    ["the client's", { ...QUESTION, model: "gpt-99" }, unknown, 400],
    ["the owner's", QUESTION, unknown, 502, DETAILS.unknownDefaultModel, /; OPENAI_MODEL [^;]*$/],
    [
      "or its address is wrong",
      QUESTION,
      [404, PAGE, HTML],
      502,
      DETAILS.wrongAddress,
      /; OPENAI_BASE_URL [^;]*$/,
    ],
  ]) {
    await t.test(what, async () => {
      const scripts = [(call) => call.respond(...respond)];
      const exchanged = await exchange(app, upstream, { scripts, body });
      await assertFailure(exchanged, { status, code: "model_not_found", detail });
      const { record } = await app.log("stream_error", exchanged.id);
      if (variable !== undefined) assert.match(record.cause, variable);
    });
  }
});

test("the same holds for a model that is not found once the stream has begun", async (t) => {
  for (const [what, body, ending] of [
    ["the client's", { ...QUESTION, model: "gpt-99" }, errorEnding("model_not_found")],
    [
      "the owner's",
      QUESTION,
      { ...errorEnding("model_not_found"), detail: DETAILS.unknownDefaultModel },
    ],
  ]) {
    await t.test(what, async () => {
      const scripts = [(call) => call.end(event(failure("model_not_found")))];
      const { id, text } = await exchange(app, upstream, { scripts, body });
      assert.equal(text, frames(id, [], ending));
    });
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
      const exchanged = await exchange(app, upstream, { scripts, body: QUESTION });
      await assertFailure(exchanged, { status: 429, code: "upstream_rate_limited" });
      assert.equal(exchanged.response.headers.get("retry-after"), expected);
    });
  }
});

const USAGE = { prompt_tokens: 9, completion_tokens: 2 };
const CHOICE = {
  index: 0,
  message: { role: "assistant", content: "Hi 🎉\n" },
  finish_reason: "length",
};
const WHOLE = JSON.stringify({ object: "chat.completion", choices: [CHOICE], usage: USAGE });
const WHOLE_ENDING = {
  finish_reason: "length",
  usage: { input_tokens: 9, output_tokens: 2, total_tokens: 11 },
};

test("a success that is neither an event stream nor an answer is a 502", async (t) => {
  for (const [what, respond, cause] of [
    ["a page", [200, PAGE, HTML], "a success is neither an event stream nor JSON"],
    ["nothing", [200, "", HTML], "a success is neither an event stream nor JSON"],
    ["no content", [204, ""], "upstream status 204 without a body"],
    ["half of an answer", [200, WHOLE.slice(0, -2)]],
  ]) {
    await t.test(what, async () => {
      const exchanged = await exchange(app, upstream, {
        scripts: [(call) => call.respond(...respond)],
      });
      const code = "upstream_protocol";
      await assertFailure(exchanged, { status: 502, code, endReason: code, cause });
      await assertStillServes(app, upstream);
    });
  }
});

test("an error with the status of a success is that error", async () => {
  const scripts = [(call) => call.respond(200, failure("insufficient_quota"))];
  const exchanged = await exchange(app, upstream, { scripts });
  await assertFailure(exchanged, { status: 503, code: "upstream_quota" });
});

test("an answer that comes whole becomes one frame and the final frame", async (t) => {
  const inPieces = (call) => {
    call.open(200, JSON_TYPE);
    for (const character of WHOLE) call.write(character);
    call.end();
  };
  const thenBroken = (call) => {
    call.open(200, JSON_TYPE);
    call.write(WHOLE);
    // The bytes travel before the end of the connection does.
    setImmediate(() => call.cut());
  };
  for (const [what, answer] of [
    ["as JSON", (call) => call.respond(200, WHOLE)],
    [
      "by no name, behind line ends",
      (call) => call.respond(200, `\n\n${WHOLE}`, { "content-type": "" }),
    ],
    ["in pieces", inPieces],
    ["and its connection breaks", thenBroken],
  ]) {
    await t.test(what, async () => {
      const { id, response, text } = await exchange(app, upstream, { scripts: [answer] });
      assert.equal(response.status, 200);
      assert.equal(text, frames(id, ["Hi 🎉\n"], WHOLE_ENDING));
      await assertStillServes(app, upstream);
    });
  }
});

test("a whole answer that breaks off is truncated", async () => {
  const { id, call, response } = await begin(app, upstream);
  call.open(200, JSON_TYPE);
  call.write(WHOLE.slice(0, 20));
  call.reset();
  const answered = await response;
  await assertFailure(
    { id, response: answered, text: await read(answered) },
    {
      status: 502,
      code: "upstream_truncated",
      endReason: "upstream_truncated",
      cause: "the connection broke in the middle of an answer",
    },
  );
});

test("an event stream is recognised whatever its content type", async (t) => {
  for (const type of ["Text/Event-Stream; charset=utf-8", "text/plain", ""]) {
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

test("a redirect is not followed with our key", async (t) => {
  for (const status of [301, 302, 303, 307, 308]) {
    await t.test(String(status), async () => {
      const location = `${elsewhere.url}/chat/completions`;
      const scripts = [(call) => call.respond(status, "", { location })];
      const exchanged = await exchange(app, upstream, { scripts });
      await assertFailure(exchanged, {
        status: 502,
        code: "upstream_protocol",
        endReason: "upstream_protocol",
        cause: `upstream status ${status} is a redirect, which is not followed`,
      });
      assert.deepEqual(elsewhere.calls, []);
    });
  }
});

test("a body without an end is not read to its end", async (t) => {
  for (const [what, status, type, expected] of [
    ["of an error", 500, "text/plain", { code: "upstream_unavailable" }],
    [
      "of a whole answer",
      200,
      "application/json",
      {
        code: "upstream_protocol",
        endReason: "upstream_protocol",
        cause: "a whole answer is larger than 1 MiB",
      },
    ],
  ]) {
    await t.test(what, async () => {
      const { id, call, response } = await begin(app, upstream, { body: QUESTION });
      call.open(status, { "content-type": type });
      call.write('{"x":"');
      call.flood("x".repeat(65_536));
      const answered = await response;
      const text = await read(answered);
      await assertFailure({ id, response: answered, text }, { status: 502, ...expected });
      assert.equal(await within(call.closed, "the end of the call"), "aborted");
    });
  }
});

test("a connection that breaks before the headers is told as unreachable", async (t) => {
  for (const how of ["reset", "cut"]) {
    await t.test(how, async () => {
      const exchanged = await exchange(app, upstream, { scripts: [(call) => call[how]()] });
      await assertFailure(exchanged, { status: 502, code: "upstream_unreachable" });
      await assertStillServes(app, upstream);
    });
  }
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
