/**
 * What a chat may say. The core's tests hold every rule and its words; here are bodies that come over a connection, and
 * the rules that a worker's variables set.
 */
import assert from "node:assert/strict";
import test from "node:test";
import { errorBody } from "../support/errors.mjs";
import { exchange, read } from "../support/exchange.mjs";
import { startWorker } from "../support/harness.mjs";
import { document } from "../support/openapi.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream(answerWell);
const app = await startWorker({
  OPENAI_BASE_URL: upstream.url,
  OPENAI_MODEL: "house",
  ALLOWED_MODELS: "a, b/c:1",
  MAX_TOKENS: "50",
  MAX_TOKENS_LIMIT: "100",
});

const name = (character) => `U+${character.codePointAt(0).toString(16).padStart(4, "0")}`;
const UTF_16 = Buffer.from('{"message":"Hi"}', "utf16le");
const DECODING = "Field 'body': JSON decode error:";

/** Bodies that break a rule, the client's detail, and the log's rule where it differs. */
const BROKEN = [
  ["no body", undefined, `${DECODING} EOF while parsing a value at line 1 column 0`],
  ["an empty body", "", `${DECODING} EOF while parsing a value at line 1 column 0`],
  ["not JSON", "hello", `${DECODING} expected value at line 1 column 1`],
  [
    "invalid UTF-8",
    Buffer.from('{"message":"\xc3("}', "latin1"),
    `${DECODING} invalid unicode code point at line 1 column 13`,
  ],
  ["UTF-16", UTF_16, `${DECODING} expected UTF-8, found UTF-16 or UTF-32`],
  // However deep, nesting must not use up the stack of WebAssembly.
  [
    "deep nesting",
    "[".repeat(60_000),
    `${DECODING} EOF while parsing a list at line 1 column 60000`,
  ],
  [
    "deep nesting in a field that is ignored",
    `{"message":"Hi","x":${'{"a":'.repeat(13_000)}`,
    `${DECODING} EOF while parsing a value at line 1 column 65020`,
  ],
  ["no object", "null", "Field 'body': Input should be a valid object"],
  [
    "more than one broken rule: the first is told",
    { history: 1, max_tokens: "x", model: "", message: "" },
    "Field 'body.message': String should have at least 1 character",
  ],
  [
    "8001 characters before trimming",
    { message: ` ${"a".repeat(8000)}` },
    "Field 'body.message': String should have at most 8000 characters",
  ],
  [
    "a model that is not among ALLOWED_MODELS",
    { message: "Hi", model: "canary" },
    "Field 'body.model': Value error, model 'canary' is not allowed; allowed models: house, a, b/c:1",
    "Value error, model is not allowed",
  ],
  [
    "more than MAX_TOKENS_LIMIT",
    { message: "Hi", max_tokens: 101 },
    "Field 'body.max_tokens': Input should be less than or equal to 100",
  ],
];

test("a body that breaks a rule is refused by naming the rule, and nothing of it is logged", async (t) => {
  for (const [why, body, detail, logged] of BROKEN) {
    await t.test(why, async () => {
      upstream.reset();
      const id = crypto.randomUUID();
      const response = await app.chat(body, { headers: { "x-correlation-id": id } });
      assert.equal(await read(response), errorBody("validation_error", id, detail));
      assert.equal(response.status, 400);
      const [, field, rule] = detail.match(/^Field '(.*?)': (.*)$/);
      const { record } = await app.log("validation_error", id);
      assert.deepEqual([record.field, record.rule], [field, logged ?? rule]);
      assert.deepEqual(upstream.calls, [], "nothing goes upstream");
    });
  }
});

test("a body at the limits is accepted", async () => {
  const message = "🙂".repeat(8000);
  const { calls } = await exchange(app, upstream, {
    body: ` \r\n\t${JSON.stringify({ message, model: "b/c:1", max_tokens: 100, history: null })}\n`,
  });
  assert.equal(calls[0].body.messages.at(-1).content, message);
  assert.deepEqual([calls[0].body.model, calls[0].body.max_tokens], ["b/c:1", 100]);
});

test("white space is what Unicode calls so, in the worker and in its document", async (t) => {
  const { pattern } = document.components.schemas.ChatRequest.properties.message;
  const detail = "Field 'body.message': Value error, message must not be blank";
  for (const blank of "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000") {
    await t.test(name(blank), async () => {
      assert.doesNotMatch(blank, new RegExp(pattern, "u"));
      const response = await app.chat(
        { message: blank.repeat(2) },
        { headers: { "x-correlation-id": "blank" } },
      );
      assert.equal(await read(response), errorBody("validation_error", "blank", detail));
    });
  }
  for (const message of "\ufeff\u200b\u180e\u2060\0\u001f") {
    await t.test(name(message), async () => {
      assert.match(message, new RegExp(pattern, "u"));
      const { calls } = await exchange(app, upstream, { body: { message } });
      assert.equal(calls[0].body.messages.at(-1).content, message);
    });
  }
});
