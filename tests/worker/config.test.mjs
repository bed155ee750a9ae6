/** Variables as a deployment sets them. The core's tests hold what each may be. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { VARIABLES } from "../../scripts/lib/variables.mjs";
import { errorBody } from "../support/errors.mjs";
import { exchange, read } from "../support/exchange.mjs";
import { startWorker } from "../support/harness.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream(answerWell);

beforeEach(() => upstream.reset());

test("a variable that is missing or invalid is named with its rule, and its value is not told", async (t) => {
  for (const [what, bindings, detail] of [
    [
      "missing",
      { OPENAI_API_KEY: undefined },
      "OPENAI_API_KEY is required. Set it as a secret: see docs/configuration.md.",
    ],
    [
      "of the wrong type",
      { MAX_TOKENS: 313.37 },
      "MAX_TOKENS must be a whole number from 1 to 10000000.",
    ],
    [
      "no address",
      { OPENAI_BASE_URL: "https://1.2.3.4.5/canary" },
      "OPENAI_BASE_URL must be an https URL without user name, query or fragment, such as https://api.openai.com/v1; http is allowed for localhost, 127.0.0.1 and [::1], and elsewhere only with ALLOW_HTTP_UPSTREAM = true.",
    ],
    [
      "the first of several",
      { OPENAI_MODEL: "canary model", MAX_RETRIES: "31337", LOG_LEVEL: "CANARY" },
      "OPENAI_MODEL must be 1 to 128 visible ASCII characters without commas.",
    ],
  ]) {
    await t.test(what, async () => {
      const app = await startWorker({ OPENAI_BASE_URL: upstream.url, ...bindings });
      const headers = { "x-correlation-id": "config" };
      const response = await app.chat({ message: "Hi" }, { headers });
      assert.equal(response.status, 500);
      assert.equal(await read(response), errorBody("configuration_error", "config", detail));
      assert.deepEqual(upstream.calls, [], "nothing goes upstream");
      const { record } = await app.log("stream_error", "config");
      assert.equal(record.code, "configuration_error");
      assert.ok(record.cause.includes(detail), record.cause);
      const complete = (await app.log("response_complete", "config")).record;
      assert.partialDeepStrictEqual(complete, { http_status: 500, end_reason: "rejected" });
      assert.doesNotMatch(app.logs.map((line) => line.text).join("\n"), /canary|31337|313\.37/i);
    });
  }
});

test("a list or a table is no value of any variable, and never unset", async () => {
  for (const value of [["true"], [1], ["gpt-4"], { "gpt-4": { input: 1, output: 1 } }, {}]) {
    const app = await startWorker(Object.fromEntries(VARIABLES.map((name) => [name, value])));
    const response = await app.fetch("/health/ready");
    assert.equal(response.status, 503);
    const { problems } = await response.json();
    const named = new Set(problems.map((problem) => problem.split(" ")[0]));
    assert.deepEqual([...named].toSorted(), VARIABLES.toSorted(), JSON.stringify(value));
  }
  const app = await startWorker({
    OPENAI_BASE_URL: upstream.url,
    ALLOWED_MODELS: ["gpt-4"],
    ALLOWED_ORIGINS: ["https://example.com"],
    ACCESS_TOKENS: ["me:a-token-of-somebody"],
  });
  const headers = { origin: "https://evil.example", "x-correlation-id": "list" };
  const refused = await app.chat({ message: "Hi", model: "dear" }, { headers });
  assert.equal(refused.status, 403);
  assert.equal(await read(refused), errorBody("origin_not_allowed", "list"));
  const own = await app.chat({ message: "Hi" });
  assert.equal((await own.json()).code, "configuration_error");
  assert.deepEqual(upstream.calls, []);
});

test("variables of only white space have their defaults", async () => {
  const names = [
    "OPENAI_MODEL",
    "MAX_TOKENS",
    "MAX_TOKENS_LIMIT",
    "TIMEOUT_SECONDS",
    "LOG_LEVEL",
    "SYSTEM_PROMPT",
  ];
  const blank = Object.fromEntries(names.map((name) => [name, " \n"]));
  const app = await startWorker({ OPENAI_BASE_URL: upstream.url, ...blank });
  const { calls } = await exchange(app, upstream, { body: { message: "Hi" } });
  assert.deepEqual(calls[0].body, {
    model: "gpt-4",
    messages: [
      { role: "system", content: "You are a helpful assistant." },
      { role: "user", content: "Hi" },
    ],
    max_tokens: 2000,
    stream: true,
    stream_options: { include_usage: true },
  });
});

test("variables reach upstream, whether they are texts, numbers or booleans", async () => {
  const app = await startWorker({
    OPENAI_BASE_URL: `${upstream.url}/any/path/`,
    OPENAI_API_KEY: "sk-of-the-owner-0123456789",
    OPENAI_MODEL: "my/model:7b",
    MAX_TOKENS: 77,
    SYSTEM_PROMPT: "none",
    REQUIRE_AUTH: false,
  });
  const { calls } = await exchange(app, upstream, { body: { message: "Hi" } });
  assert.equal(calls[0].path, "/v1/any/path/chat/completions");
  assert.equal(calls[0].headers.authorization, "Bearer sk-of-the-owner-0123456789");
  assert.deepEqual(calls[0].body, {
    model: "my/model:7b",
    messages: [{ role: "user", content: "Hi" }],
    max_tokens: 77,
    stream: true,
    stream_options: { include_usage: true },
  });
});
