import assert from "node:assert/strict";
import { once } from "node:events";
import test from "node:test";
import { gzipSync } from "node:zlib";
import { errorBody } from "../support/errors.mjs";
import { assertStillServes, exchange, read } from "../support/exchange.mjs";
import { startWorker } from "../support/harness.mjs";
import { document } from "../support/openapi.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const upstream = await startUpstream(answerWell);
const app = await startWorker({
  OPENAI_BASE_URL: upstream.url,
  OPENAI_MODEL: "house",
  ALLOWED_MODELS: "a, b/c:1",
});

const LARGEST_BODY = 65_536;
const turn = (fields) => ({ message: "Hi", history: [{ role: "user", content: "a" }, fields] });
const turns = (count, content = "a") => ({
  message: "Hi",
  history: Array.from({ length: count }, () => ({ role: "user", content })),
});

const name = (character) => `U+${character.codePointAt(0).toString(16).padStart(4, "0")}`;

function utf16(text, encoding) {
  const bytes = Buffer.from(text, "utf16le");
  return encoding === "utf16le" ? bytes : bytes.swap16();
}

/** Bodies that break a rule, and what their sender is told, in the order of the contract. */
const BROKEN = [
  [
    "no body",
    undefined,
    "Field 'body': JSON decode error: EOF while parsing a value at line 1 column 0",
  ],
  [
    "an empty body",
    "",
    "Field 'body': JSON decode error: EOF while parsing a value at line 1 column 0",
  ],
  ["not JSON", "hello", "Field 'body': JSON decode error: expected value at line 1 column 1"],
  [
    "cut JSON",
    '{"message":"Hi',
    "Field 'body': JSON decode error: EOF while parsing a string at line 1 column 14",
  ],
  [
    "more than JSON",
    '{"message":"Hi"}x',
    "Field 'body': JSON decode error: trailing characters at line 1 column 17",
  ],
  [
    "deep nesting",
    "[".repeat(10_000),
    "Field 'body': JSON decode error: EOF while parsing a list at line 1 column 10000",
  ],
  [
    "deep nesting in a field",
    `{"message":"Hi","x":${'{"a":'.repeat(10_000)}`,
    "Field 'body': JSON decode error: EOF while parsing a value at line 1 column 50020",
  ],
  [
    "invalid UTF-8",
    Buffer.from([...Buffer.from('{"message":"'), 0xc3, 0x28, ...Buffer.from('"}')]),
    "Field 'body': JSON decode error: invalid unicode code point at line 1 column 13",
  ],
  [
    "half a surrogate pair",
    '{"message":"\\ud83d"}',
    "Field 'body.message': Input should be a valid string, unable to parse raw data as a unicode string",
  ],
  ["null", "null", "Field 'body': Input should be a valid object"],
  ["an array", '[{"message":"Hi"}]', "Field 'body': Input should be a valid object"],
  ["a string", '"Hi"', "Field 'body': Input should be a valid object"],
  ["no message", {}, "Field 'body.message': Field required"],
  ["message: null", { message: null }, "Field 'body.message': Input should be a valid string"],
  ["message: a number", { message: 1 }, "Field 'body.message': Input should be a valid string"],
  [
    "message: empty",
    { message: "" },
    "Field 'body.message': String should have at least 1 character",
  ],
  [
    "message: 8001 characters",
    { message: "é".repeat(8001) },
    "Field 'body.message': String should have at most 8000 characters",
  ],
  [
    "message: 8001 characters before trimming",
    { message: ` ${"a".repeat(8000)}` },
    "Field 'body.message': String should have at most 8000 characters",
  ],
  [
    "message: blank",
    { message: " \n\t\u3000 " },
    "Field 'body.message': Value error, message must not be blank",
  ],
  [
    "model: a number",
    { message: "Hi", model: 4 },
    "Field 'body.model': Input should be a valid string",
  ],
  [
    "model: empty",
    { message: "Hi", model: "" },
    "Field 'body.model': String should have at least 1 character",
  ],
  [
    "model: 129 characters",
    { message: "Hi", model: "a".repeat(129) },
    "Field 'body.model': String should have at most 128 characters",
  ],
  [
    "model: a character that names have not",
    { message: "Hi", model: "gpt 4" },
    "Field 'body.model': String should match pattern '^[A-Za-z0-9._:/-]+$'",
  ],
  [
    "model: not allowed",
    { message: "Hi", model: "x" },
    "Field 'body.model': Value error, model 'x' is not allowed; allowed models: house, a, b/c:1",
  ],
  [
    "a byte order mark and nothing behind it",
    Buffer.from([0xef, 0xbb, 0xbf]),
    "Field 'body': JSON decode error: EOF while parsing a value at line 1 column 0",
  ],
  ...["utf16le", "utf16be"].flatMap((encoding) =>
    ["", "\ufeff"].map((mark) => [
      `${encoding} ${mark === "" ? "without" : "with"} a byte order mark`,
      utf16(`${mark}{"message":"Hi"}`, encoding),
      "Field 'body': JSON decode error: expected UTF-8, found UTF-16 or UTF-32",
    ]),
  ),
  ...["5", true, [1], {}].map((max_tokens) => [
    `max_tokens: ${JSON.stringify(max_tokens)}`,
    { message: "Hi", max_tokens },
    "Field 'body.max_tokens': Input should be a valid integer",
  ]),
  ...[1.5, -0.5].map((max_tokens) => [
    `max_tokens: ${max_tokens}`,
    { message: "Hi", max_tokens },
    "Field 'body.max_tokens': Input should be a valid integer, got a number with a fractional part",
  ]),
  [
    "max_tokens: 1e400",
    '{"message":"Hi","max_tokens":1e400}',
    "Field 'body.max_tokens': Input should be a finite number",
  ],
  [
    "max_tokens: 1e300",
    '{"message":"Hi","max_tokens":1e300}',
    "Field 'body.max_tokens': Unable to parse input string as an integer, exceeded maximum size",
  ],
  ...[0, -1].map((max_tokens) => [
    `max_tokens: ${max_tokens}`,
    { message: "Hi", max_tokens },
    "Field 'body.max_tokens': Input should be greater than or equal to 1",
  ]),
  ...[4001, 5e3, "9".repeat(400)].map((max_tokens) => [
    `max_tokens: ${max_tokens}`,
    `{"message":"Hi","max_tokens":${max_tokens}}`,
    "Field 'body.max_tokens': Input should be less than or equal to 4000",
  ]),
  [
    "history: an object",
    { message: "Hi", history: {} },
    "Field 'body.history': Input should be a valid list",
  ],
  ...[65, 100].map((count) => [
    `history: ${count} turns`,
    turns(count),
    `Field 'body.history': List should have at most 64 items after validation, not ${count}`,
  ]),
  ["turn: a string", turn("Hi"), "Field 'body.history[1]': Input should be a valid object"],
  ["turn: no role", turn({ content: "a" }), "Field 'body.history[1].role': Field required"],
  [
    "turn: a role that clients have not",
    turn({ role: "system", content: "a" }),
    "Field 'body.history[1].role': Input should be 'user' or 'assistant'",
  ],
  ["turn: no content", turn({ role: "user" }), "Field 'body.history[1].content': Field required"],
  [
    "turn: content a number",
    turn({ role: "user", content: 1 }),
    "Field 'body.history[1].content': Input should be a valid string",
  ],
  [
    "history: 32 001 characters",
    turns(3, "a".repeat(10_667)),
    "Field 'body.history': Value error, contents should have at most 32000 characters in all",
  ],
  [
    "more than one broken rule: the first is told",
    { history: 1, max_tokens: "x", model: "", message: "" },
    "Field 'body.message': String should have at least 1 character",
  ],
];

test("a body that breaks a rule is refused in the words of that rule", async (t) => {
  for (const [why, body, detail] of BROKEN) {
    await t.test(why, async () => {
      const response = await app.chat(body, { headers: { "x-correlation-id": "broken" } });
      assert.equal(await read(response), errorBody("validation_error", "broken", detail));
      assert.equal(response.status, 400);
      assert.equal(response.headers.get("content-type"), "application/json");
      await assertStillServes(app, upstream);
    });
  }
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

test("a body at the edge of a rule is answered", async (t) => {
  for (const [why, body] of [
    ["message: 1 character", { message: "a" }],
    ["message: 8000 characters of four bytes", { message: "🙂".repeat(8000) }],
    ["message: \\u0000", { message: "a\u0000b" }],
    ["model: 128 characters are too many only when not allowed", { message: "Hi", model: "b/c:1" }],
    ["model: the default is always allowed", { message: "Hi", model: "house" }],
    ["max_tokens: 1", { message: "Hi", max_tokens: 1 }],
    ["max_tokens: the limit", { message: "Hi", max_tokens: 4000 }],
    ["history: 64 turns", turns(64)],
    ["history: 32 000 characters", turns(2, "é".repeat(16_000))],
    ["history: empty", turns(0)],
    ["null for what is optional", { message: "Hi", model: null, max_tokens: null, history: null }],
    [
      "fields that nobody knows",
      { message: "Hi", stream: false, messages: [1], temperature: "hot" },
    ],
    ["the largest body", JSON.stringify({ message: "Hi" }).padEnd(LARGEST_BODY)],
    ["max_tokens: a whole number with a fraction of zero", '{"message":"Hi","max_tokens":5.0}'],
    ["white space around it", ' \r\n\t{"message":"Hi"}\n'],
  ]) {
    await t.test(why, async () => {
      const { response } = await exchange(app, upstream, { body });
      assert.equal(response.status, 200);
    });
  }
});

test("a byte order mark before the JSON is passed over", async () => {
  const body = Buffer.from('\ufeff{"message":"Hi"}');
  const headers = { "x-correlation-id": "mark" };
  upstream.reset();
  upstream.script(answerWell);
  // Sent as it is: the document tells of the JSON behind the mark.
  const answer = await app.raw("/chat", {
    method: "POST",
    headers: ["content-type", "application/json", ...Object.entries(headers).flat()],
    body,
  });
  assert.equal(answer.status, 200);
  assert.equal(upstream.calls[0].body.messages.at(-1).content, "Hi");
});

test("of a key that occurs twice, the last one counts", async () => {
  const body = '{"message":1,"message":"first","message":"last"}';
  const { calls } = await exchange(app, upstream, { body });
  assert.equal(calls[0].body.messages.at(-1).content, "last");
});

test("a body that is too large is refused", async (t) => {
  const large = JSON.stringify({ message: "Hi" }).padEnd(LARGEST_BODY + 1);
  const chunked = () => ({ body: ReadableStream.from([Buffer.from(large)]), duplex: "half" });
  for (const [how, init] of [
    ["with its length announced", () => ({ body: large })],
    ["without its length announced", chunked],
  ]) {
    await t.test(how, async () => {
      const response = await app.chat(large, {
        headers: { "x-correlation-id": "large" },
        ...init(),
      });
      assert.equal(response.status, 413);
      assert.equal(await read(response), errorBody("body_too_large", "large"));
      await assertStillServes(app, upstream);
    });
  }
});

test("a body without an end is refused while it is being sent", async () => {
  const sending = app.send({ "x-correlation-id": "endless" });
  sending.write(`{"message":"Hi"}${" ".repeat(LARGEST_BODY)}`);
  const [response] = await within(once(sending, "response"), "an answer to a body without an end");
  assert.equal(response.statusCode, 413);
  const chunks = await Array.fromAsync(response);
  assert.equal(Buffer.concat(chunks).toString(), errorBody("body_too_large", "endless"));
  sending.destroy();
  await assertStillServes(app, upstream);
});

test("a body that is not declared as JSON is refused", async (t) => {
  const types = [
    undefined,
    "text/plain",
    "text/json",
    "application/jsonp",
    "application/problem+json",
    "x",
    "",
  ];
  for (const type of types) {
    await t.test(`content type ${type}`, async () => {
      const headers = { "content-type": type, "x-correlation-id": "type" };
      const response = await app.chat(Buffer.from('{"message":"Hi"}'), { headers });
      assert.equal(response.status, 415);
      assert.equal(await read(response), errorBody("unsupported_media_type", "type"));
      await assertStillServes(app, upstream);
    });
  }
});

test("a compressed body is refused in words", async (t) => {
  const detail =
    "This service does not accept compressed bodies. Send the body uncompressed, without the header 'Content-Encoding'.";
  for (const encoding of ["gzip", "br", "deflate", "zstd", "identity, gzip", "nonsense"]) {
    await t.test(encoding, async () => {
      const headers = { "content-encoding": encoding, "x-correlation-id": "coding" };
      const response = await app.chat(gzipSync('{"message":"Hi"}'), { headers });
      assert.equal(response.status, 415);
      assert.equal(await read(response), errorBody("unsupported_media_type", "coding", detail));
      await assertStillServes(app, upstream);
    });
  }
  await t.test("identity is none", async () => {
    const headers = { "content-encoding": "identity" };
    const { response } = await exchange(app, upstream, { headers });
    assert.equal(response.status, 200);
  });
});

test("a body that is declared as JSON is read, whatever the case and the parameters", async (t) => {
  for (const type of [
    "application/json",
    "application/json; charset=utf-8",
    'Application/JSON;charset="UTF-8"',
    "application/json ; a=b",
  ]) {
    await t.test(type, async () => {
      const headers = { "content-type": type };
      const { response } = await exchange(app, upstream, { headers });
      assert.equal(response.status, 200);
    });
  }
});
