/** `npm run doctor -- --ask`: one short answer, bought through the worker. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkout } from "../support/checkout.mjs";
import { KEY } from "../support/model-server.mjs";
import { startScript } from "../support/script.mjs";
import { answer, startUpstream } from "../support/upstream.mjs";
import { assertFits, unwrapped } from "../support/words.mjs";

/** Starts it against an upstream that answers a question like this. */
async function ask(answers, vars = {}) {
  const upstream = await startUpstream(answers, { turnsQuestionsAway: true });
  const devVars = { OPENAI_API_KEY: KEY, OPENAI_BASE_URL: upstream.url, ...vars };
  const script = startScript("doctor.mjs", { args: ["--ask"], folder: checkout({ devVars }) });
  return { upstream, script };
}

/** What it says at its end. */
async function said(answers, vars) {
  const { upstream, script } = await ask(answers, vars);
  const code = await script.end();
  assertFits([...script.output, ...script.words]);
  return {
    code,
    upstream,
    line: unwrapped(script.output.join("\n"))
      .split(/ (?=[✓✗·] )/)
      .at(-1),
  };
}

const refusal = { error: { code: "insufficient_quota", message: `no credit for ${KEY}` } };

for (const [what, answers, code, line] of [
  [
    "several pieces",
    (call) => call.end(...answer("1 ", "2 ")),
    0,
    /^✓ Streaming works: its first words came after \d+ ms, its last after \d+ ms\.$/,
  ],
  [
    "one piece, which does not show that the server streams",
    (call) => call.end(...answer("1 2")),
    0,
    /^✓ An answer came after \d+ ms, in one piece: the server may not stream\.$/,
  ],
  [
    "no text, as of a model that only got to think",
    (call) => call.end(...answer()),
    0,
    /^✓ An answer ended after \d+ ms, without text: a model that thinks first has no words within 16 tokens\.$/,
  ],
  [
    "a refusal, with the log's reason",
    (call) => call.respond(429, refusal),
    1,
    /^✗ Streaming: .+ \(upstream_quota\)\. .+ The log says: upstream status 429, code insufficient_quota.*\.$/,
  ],
  [
    "a broken connection, whose reason is a sentence already",
    (call) => call.reset(),
    1,
    /^✗ Streaming: .+ \(upstream_unreachable\)\. .+ The log says: Network connection lost\.$/,
  ],
]) {
  test(`an answer of ${what}`, async () => {
    const end = await said(answers);
    assert.match(end.line, line);
    assert.equal(end.code, code);
    assert.ok(!end.line.includes(KEY));
  });
}

test("the answer is short whatever the deployment's limits are", async () => {
  const limits = { MAX_TOKENS: "5", MAX_TOKENS_LIMIT: "8", LOG_LEVEL: "ERROR" };
  const { code, upstream } = await said((call) => call.end(...answer("1 ", "2")), limits);
  assert.equal(code, 0);
  assert.deepEqual(
    upstream.calls.map(({ body }) => body.max_tokens),
    [16],
  );
});

test("budgets are for people, and change nothing", async () => {
  const budgets = {
    ACCESS_TOKENS: "me:0123456789abcdef",
    DAILY_TOKENS: "me=0",
    MONTHLY_TOKENS: "1",
  };
  const { code, line } = await said((call) => call.end(...answer("1 ", "2")), budgets);
  assert.match(line, /^✓ Streaming works/);
  assert.equal(code, 0);
});

test("budgets of names are the deployment's, whose tokens are not known here", async () => {
  const budgets = { DAILY_TOKENS: "phone=0,*=200000", MONTHLY_TOKENS: "me=3000000" };
  const { code, line } = await said((call) => call.end(...answer("1 ", "2")), budgets);
  assert.match(line, /^✓ Streaming works/);
  assert.equal(code, 0);
});

test("Ctrl-C ends it, and is no fault of the server's", async () => {
  const { upstream, script } = await ask(undefined);
  await upstream.nextCall();
  script.signal("SIGINT");
  assert.equal(await script.end(), 130);
  assert.ok(!script.output.some((line) => line.startsWith("✗ Streaming")), script.output.join());
});
