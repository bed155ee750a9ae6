/** By which names the worker answers, and what it calls its own origin. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { errorBody } from "../support/errors.mjs";
import { startWorker } from "../support/harness.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const BODY = '{"message":"Hello"}';
const TOKEN = "owner-token-0123456789";
const upstream = await startUpstream(answerWell);
const OPENAI_BASE_URL = upstream.url;
const local = await startWorker({ OPENAI_BASE_URL, ALLOWED_HOSTS: "localhost" });
const listed = await startWorker({ OPENAI_BASE_URL, ALLOWED_ORIGINS: "https://good.example" });
const closed = await startWorker({
  OPENAI_BASE_URL,
  ALLOWED_ORIGINS: "https://good.example",
  ACCESS_TOKENS: TOKEN,
});
const invalid = await startWorker({ OPENAI_BASE_URL, ALLOWED_HOSTS: "http://canary" });

beforeEach(() => upstream.reset());

/** What a chat is answered with, and how often upstream was asked for it. */
async function chat(app, headers) {
  const all = {
    Connection: "close",
    "Content-Type": "application/json",
    "Content-Length": BODY.length,
    "X-Correlation-Id": "named",
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const answer = await app.wire(`POST /chat HTTP/1.1\r\n${lines.join("")}\r\n${BODY}`);
  const [head, ...body] = answer.split("\r\n\r\n");
  const [, status] = head.match(/^HTTP\/1\.1 (\d{3})/) ?? [];
  return {
    status: Number(status),
    head,
    body: body.join("\r\n\r\n"),
    asked: upstream.calls.length,
  };
}

test("with hosts listed, other names are refused before anything else is looked at", async (t) => {
  for (const headers of [
    { Host: "rebound.test" },
    { Host: "rebound.test:8787", Origin: "http://rebound.test:8787" },
    { Host: "rebound.test", "Content-Type": "text/plain" },
    { Host: "localhost.rebound.test" },
  ]) {
    await t.test(JSON.stringify(headers), async () => {
      const { status, head, body, asked } = await chat(local, headers);
      assert.deepEqual({ status, asked }, { status: 403, asked: 0 });
      assert.doesNotMatch(head, /^access-control-/im);
      const detail =
        "This service does not answer to this host name. Its owner can add it to ALLOWED_HOSTS.";
      assert.equal(body, errorBody("origin_not_allowed", "named", detail));
    });
  }
});

test("with hosts listed and no origins, only its own pages are answered, and whoever is no page", async () => {
  for (const [headers, expected] of [
    [{ Host: "localhost" }, 200],
    [{ Host: "localhost", Origin: "http://localhost" }, 200],
    [{ Host: "127.0.0.1:1", Origin: "http://127.0.0.1:1" }, 200],
    [{ Host: "localhost", Origin: "http://localhost:1" }, 403],
    [{ Host: "localhost", Origin: "https://evil.example" }, 403],
    [{ Host: "localhost", Origin: "null" }, 403],
  ]) {
    assert.equal((await chat(local, headers)).status, expected, JSON.stringify(headers));
  }
});

test("a worker without tokens takes no name's word for its own origin", async () => {
  const page = { Host: "rebound.test", Origin: "http://rebound.test" };
  const { status, asked } = await chat(listed, page);
  assert.deepEqual({ status, asked }, { status: 403, asked: 0 });
  assert.equal((await chat(listed, { Host: "rebound.test" })).status, 200);
  assert.equal((await chat(closed, page)).status, 401, "a page has to know a token");
});

test("hosts that are none leave this machine's own, whose page sees what is wrong", async () => {
  assert.equal((await chat(invalid, { Host: "canary" })).status, 403);
  const { status, body } = await chat(invalid, { Host: "localhost", Origin: "http://localhost" });
  assert.equal(status, 500);
  const detail =
    "ALLOWED_HOSTS must be * or hosts such as assistant.example.com, without ports, separated by commas.";
  assert.equal(body, errorBody("configuration_error", "named", detail));
});
