import assert from "node:assert/strict";
import test from "node:test";
import { errorBody } from "../support/errors.mjs";
import { exchange, read } from "../support/exchange.mjs";
import { startWorker } from "../support/harness.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream(answerWell);

const chat = (app) => app.chat({ message: "Hi" }, { headers: { "x-correlation-id": "config" } });

/** What went upstream from a worker with these bindings. */
async function upstreamBody(bindings, body = { message: "Hi" }) {
  const app = await startWorker({ OPENAI_BASE_URL: upstream.url, ...bindings });
  const { calls } = await exchange(app, upstream, { body });
  const { max_tokens, max_completion_tokens = max_tokens, ...rest } = calls[0].body;
  return { ...rest, max_tokens: max_completion_tokens };
}

test("a missing key is named, with what to do", async (t) => {
  for (const [what, key] of [
    ["missing", undefined],
    ["empty", ""],
    ["white space", " \t "],
  ]) {
    await t.test(what, async () => {
      const app = await startWorker({ OPENAI_API_KEY: key, OPENAI_BASE_URL: upstream.url });
      const response = await chat(app);
      assert.equal(response.status, 500);
      const text = await read(response);
      const { detail } = JSON.parse(text);
      assert.match(detail, /^OPENAI_API_KEY is required\. \S/);
      assert.equal(text, errorBody("configuration_error", "config", detail));
      assert.deepEqual(upstream.calls, [], "nothing goes upstream");
    });
  }
});

test("an invalid variable is named with its rule, its value is not told", async (t) => {
  for (const [name, value] of [
    ["OPENAI_API_KEY", "sk-canary-with a-space"],
    ["OPENAI_BASE_URL", "ftp://canary.example"],
    ["OPENAI_BASE_URL", "canary"],
    ["OPENAI_BASE_URL", "https://canary.example:99999/v1"],
    ["OPENAI_BASE_URL", "https://[canary]/v1"],
    ["OPENAI_BASE_URL", "https://canary..example/v1"],
    ["OPENAI_BASE_URL", "https://canary.1/v1"],
    ["OPENAI_BASE_URL", "https://1.2.3.4.5/canary"],
    ["OPENAI_MODEL", "canary model"],
    ["ALLOWED_MODELS", "gpt-4, canary model"],
    ["MAX_TOKENS", "canary"],
    ["MAX_TOKENS", "-31337"],
    ["MAX_TOKENS", 313.37],
    ["MAX_TOKENS_LIMIT", "0"],
    ["MAX_TOKENS_LIMIT", "1999"],
    ["TIMEOUT_SECONDS", "canary"],
    ["TIMEOUT_SECONDS", "0"],
    ["MAX_STREAM_SECONDS", "-31337"],
    ["HEARTBEAT_SECONDS", "NaN"],
    ["MAX_RETRIES", "31337"],
    ["LOG_LEVEL", "CANARY"],
  ]) {
    await t.test(`${name}=${value}`, async () => {
      const app = await startWorker({ OPENAI_BASE_URL: upstream.url, [name]: value });
      const response = await chat(app);
      assert.equal(response.status, 500);
      const text = await read(response);
      const { detail } = JSON.parse(text);
      assert.equal(text, errorBody("configuration_error", "config", detail));
      assert.match(detail, new RegExp(`^${name} must be `));
      const logged = app.logs.map((line) => line.text).join("\n");
      assert.doesNotMatch(detail + logged, /canary|31337|313\.37/i);
    });
  }
});

test("a configuration error does not keep health from being answered", async () => {
  const app = await startWorker({ MAX_TOKENS: "many" });
  assert.equal((await app.get("/health")).status, 200);
});

test("unset variables have their defaults, and so have those of only white space", async (t) => {
  const expected = {
    model: "gpt-4",
    max_tokens: 2000,
    messages: [
      { role: "system", content: "You are a helpful assistant." },
      { role: "user", content: "Hi" },
    ],
    stream: true,
    stream_options: { include_usage: true },
  };
  await t.test("unset", async () => assert.deepEqual(await upstreamBody({}), expected));
  const names = [
    "OPENAI_MODEL",
    "MAX_TOKENS",
    "MAX_TOKENS_LIMIT",
    "TIMEOUT_SECONDS",
    "LOG_LEVEL",
    "SYSTEM_PROMPT",
  ];
  const blank = Object.fromEntries(names.map((name) => [name, " \n"]));
  await t.test("white space", async () => assert.deepEqual(await upstreamBody(blank), expected));
});

test("variables reach upstream", async () => {
  const bindings = {
    OPENAI_MODEL: "my/model:7b",
    MAX_TOKENS: "77",
    SYSTEM_PROMPT: "Speak like a pirate.",
  };
  const body = await upstreamBody(bindings);
  assert.equal(body.model, "my/model:7b");
  assert.equal(body.max_tokens, 77);
  assert.deepEqual(body.messages[0], { role: "system", content: "Speak like a pirate." });
});

test("the system prompt none sends none", async () => {
  const { messages } = await upstreamBody({ SYSTEM_PROMPT: "none" });
  assert.deepEqual(messages, [{ role: "user", content: "Hi" }]);
});

test("numbers may be bindings of type number", async () => {
  const app = await startWorker({
    OPENAI_BASE_URL: upstream.url,

    MAX_TOKENS: 100,
    MAX_TOKENS_LIMIT: 200,
    TIMEOUT_SECONDS: 2.5,
    MAX_STREAM_SECONDS: 60,
    MAX_RETRIES: 0,
  });
  const { calls } = await exchange(app, upstream);
  assert.equal(calls[0].body.max_tokens ?? calls[0].body.max_completion_tokens, 100);
  const response = await app.chat(
    { message: "Hi", max_tokens: 201 },
    { headers: { "x-correlation-id": "n" } },
  );
  const detail = "Field 'body.max_tokens': Input should be less than or equal to 200";
  assert.equal(await read(response), errorBody("validation_error", "n", detail));
});

test("a base URL may end with a slash", async () => {
  const app = await startWorker({ OPENAI_BASE_URL: `${upstream.url}/` });
  const { calls } = await exchange(app, upstream);
  assert.equal(calls[0].path, "/v1/chat/completions");
});
