/** By which names the worker answers, and what it takes for its own origin. */
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
  const usual = { Connection: "close", "Content-Length": `${BODY.length}` };
  const answer = await app.wire({ ...usual, "X-Correlation-Id": "named", ...headers }, BODY);
  return { ...answer, asked: upstream.calls.length };
}

test("with hosts listed, other names are refused before anything else is looked at", async (t) => {
  for (const headers of [
    { Host: "rebound.test" },
    { Host: "rebound.test:8787", Origin: "http://rebound.test:8787" },
    { Host: "rebound.test", "Content-Type": "text/plain" },
    { Host: "localhost.rebound.test" },
  ]) {
    await t.test(JSON.stringify(headers), async () => {
      const { status, head, text, asked } = await chat(local, headers);
      assert.deepEqual({ status, asked }, { status: 403, asked: 0 });
      assert.doesNotMatch(head, /^access-control-/im);
      const detail =
        "This service does not answer to this host name. If you run it, add the name to ALLOWED_HOSTS.";
      assert.equal(text, errorBody("origin_not_allowed", "named", detail));
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

test("a worker without tokens does not take its Host for its own origin", async () => {
  const page = { Host: "rebound.test", Origin: "http://rebound.test" };
  const { status, asked } = await chat(listed, page);
  assert.deepEqual({ status, asked }, { status: 403, asked: 0 });
  assert.equal((await chat(listed, { Host: "rebound.test" })).status, 200);
  assert.equal((await chat(closed, page)).status, 401, "a page has to know a token");
});

test("with invalid ALLOWED_HOSTS only this machine's own names are answered, and their page sees what is wrong", async () => {
  assert.equal((await chat(invalid, { Host: "canary" })).status, 403);
  const { status, text } = await chat(invalid, { Host: "localhost", Origin: "http://localhost" });
  assert.equal(status, 500);
  const detail =
    "ALLOWED_HOSTS must be * or hosts such as assistant.example.com, without ports, separated by commas.";
  assert.equal(text, errorBody("configuration_error", "named", detail));
});
