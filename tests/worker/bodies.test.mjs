/** How a request's body arrives, whatever it says: its type, its length, its end. */
import assert from "node:assert/strict";
import { once } from "node:events";
import test, { beforeEach } from "node:test";
import { gzipSync } from "node:zlib";
import { errorBody } from "../support/errors.mjs";
import { exchange, read } from "../support/exchange.mjs";
import { frames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const upstream = await startUpstream(answerWell);
const app = await startWorker({ OPENAI_BASE_URL: upstream.url });

beforeEach(() => upstream.reset());

const LARGEST = 65_536;
const CHAT = '{"message":"Hi"}';
const CHUNKED = { "Transfer-Encoding": "chunked" };

/** Asserts that a request was refused, that the log says so once, and that upstream was not called. */
async function assertRefused(id, http_status) {
  const { record } = await app.log("response_complete", id);
  assert.partialDeepStrictEqual(record, { http_status, end_reason: "rejected" });
  await app.logsArrived();
  const events = app.logsOf(id).map((line) => line.record.event);
  assert.equal(events.filter((event) => event === "response_complete").length, 1, `${events}`);
  assert.deepEqual(upstream.calls, [], "nothing goes upstream");
}

test("a body of 64 KiB is read, with its length declared or not", async (t) => {
  const largest = CHAT.padEnd(LARGEST);
  for (const [how, body] of [
    ["declared", largest],
    ["in chunks", new Blob([largest]).stream()],
  ]) {
    await t.test(how, async () => {
      const headers = { "x-correlation-id": "largest" };
      upstream.reset();
      // Sent by `fetch` itself: `app.chat` would have to read the body to check it against the document.
      const response = await fetch(`${app.url}/chat`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body,
        duplex: "half",
      });
      assert.equal(await read(response), frames("largest", ["Hi"], { finish_reason: "stop" }));
      assert.equal(upstream.calls[0].body.messages.at(-1).content, "Hi");
    });
  }
});

test("a larger body is refused, and read on so that its sender reads the refusal", async (t) => {
  for (const bytes of [LARGEST + 1, 10_000_000]) {
    const large = CHAT.padEnd(bytes);
    for (const [how, init] of [
      ["declared", () => ({ body: large })],
      ["in chunks", () => ({ body: new Blob([large]).stream(), duplex: "half" })],
    ]) {
      await t.test(`${bytes} bytes, ${how}`, async () => {
        const id = crypto.randomUUID();
        const headers = { "x-correlation-id": id };
        const response = await app.chat(CHAT, { headers, ...init() });
        assert.equal(response.status, 413);
        assert.equal(await read(response), errorBody("body_too_large", id));
        await assertRefused(id, 413);
      });
    }
  }
});

test("a body without an end is refused while it is being sent", async () => {
  const sending = app.send({ "x-correlation-id": "endless" });
  sending.write(`${CHAT}${" ".repeat(LARGEST)}`);
  const [response] = await within(once(sending, "response"), "an answer to a body without an end");
  assert.equal(response.statusCode, 413);
  const chunks = await Array.fromAsync(response);
  assert.equal(Buffer.concat(chunks).toString(), errorBody("body_too_large", "endless"));
  sending.destroy();
});

test("a body that ends too soon is a 400, not a client that has left", async (t) => {
  const detail = "Field 'body': JSON decode error: the body ended too soon";
  for (const [what, headers, body] of [
    ["before its length", { "Content-Length": "100" }, CHAT],
    ["inside a chunk", CHUNKED, "20\r\n{\r\n"],
    ["before its last chunk", CHUNKED, `10\r\n${CHAT}\r\n`],
    ["in a chunk without a length", CHUNKED, "zz\r\nhello\r\n"],
  ]) {
    await t.test(what, async () => {
      const id = crypto.randomUUID();
      const named = { "X-Correlation-Id": id, ...headers };
      const { status, text } = await app.wire(named, body, (socket) => socket.end());
      assert.equal(status, 400);
      assert.equal(text, errorBody("validation_error", id, detail));
      await assertRefused(id, 400);
    });
  }
});

test("a client that has closed its half of the connection gets its whole answer", async () => {
  const headers = { "X-Correlation-Id": "half", "Content-Length": `${CHAT.length}` };
  const { status, text } = await app.wire(headers, CHAT, (socket) => socket.end());
  assert.equal(status, 200);
  // Between the frames are the lengths of the chunks that they came in.
  const blocks = text.split("\r\n").filter((line) => line.startsWith("data: "));
  assert.equal(blocks.join(""), frames("half", ["Hi"], { finish_reason: "stop" }));
  const { record } = await app.log("response_complete", "half");
  assert.partialDeepStrictEqual(record, { http_status: 200, end_reason: "done" });
});

test("a body that is not declared as plain JSON is a 415", async (t) => {
  const compressed =
    "This service does not accept compressed bodies. Send the body uncompressed, without the header 'Content-Encoding'.";
  for (const [what, sent, body, detail] of [
    ["no type", { "content-type": undefined }, Buffer.from(CHAT)],
    ["another type", { "content-type": "text/plain" }, Buffer.from(CHAT)],
    ["compressed", { "content-encoding": "gzip" }, gzipSync(CHAT), compressed],
  ]) {
    await t.test(what, async () => {
      const id = crypto.randomUUID();
      const response = await app.chat(body, { headers: { ...sent, "x-correlation-id": id } });
      assert.equal(response.status, 415);
      assert.equal(await read(response), errorBody("unsupported_media_type", id, detail));
      await assertRefused(id, 415);
    });
  }
  await t.test("but identity is no encoding", async () => {
    const headers = { "content-encoding": "identity" };
    const { id, text } = await exchange(app, upstream, { headers });
    assert.equal(text, frames(id, ["Hi"], { finish_reason: "stop" }));
  });
});
