/** Secrets and texts planted wherever the worker sees any: none may come out anywhere else. */
import assert from "node:assert/strict";
import test from "node:test";
import { exchange, read } from "../support/exchange.mjs";
import { frames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { leakIn } from "../support/leaks.mjs";
import {
  delta,
  done,
  event,
  finish,
  refusal,
  responseEvent,
  startUpstream,
} from "../support/upstream.mjs";

const KEY = "sk-canary/key+0123456789=abcdef";
const TOKEN = "canary/token+0123456789=abcdef";
const OTHER_TOKEN = "canary-other-token-0123456789";
const SYSTEM = "canary system prompt";
const MESSAGE = "canary message";
const HISTORY = "canary history";
const ANSWER = "canary answer";
const REFUSAL = "canary refusal";
const SECRETS = [KEY, TOKEN, OTHER_TOKEN, SYSTEM, MESSAGE, HISTORY, ANSWER, REFUSAL];

/** Every one begins with this word, so a part of one shows too. `canary-client` is the token's public name. */
const CANARY = /canary(?!-client)/i;

const upstream = await startUpstream();
/** A worker that knows all of them, and logs on every level. */
const start = (more) =>
  startWorker({
    LOG_LEVEL: "DEBUG",
    OPENAI_BASE_URL: upstream.url,
    OPENAI_API_KEY: KEY,
    ACCESS_TOKENS: `canary-client:${TOKEN},${OTHER_TOKEN}`,
    SYSTEM_PROMPT: SYSTEM,
    MAX_RETRIES: "1",
    ...more,
  });
const workers = {
  chat_completions: await start({ OPENAI_API: "chat_completions" }),
  responses: await start({ OPENAI_API: "responses" }),
};
const misconfigured = await start({
  OPENAI_API_KEY: `${KEY} with a space`,
  ACCESS_TOKENS: `${TOKEN},${OTHER_TOKEN},short`,
  OPENAI_BASE_URL: `https://${encodeURIComponent(KEY)}@canary.example`,
  ALLOWED_ORIGINS: "canary",
});
const unreachable = await start({
  OPENAI_BASE_URL: "http://127.0.0.1:9/canary",
  MAX_RETRIES: "0",
});

const BODY = {
  message: MESSAGE,
  history: [
    { role: "user", content: HISTORY },
    { role: "assistant", content: HISTORY },
  ],
};
const AUTHORIZATION = { authorization: `Bearer ${TOKEN}` };

/** All of it in one text, and in the forms that URLs and JSON within JSON give it. */
const ALL = SECRETS.join(" ");
const ENCODED = [
  `https://x.example/?q=${encodeURIComponent(ALL)}`,
  new URLSearchParams({ q: ALL }).toString(),
  JSON.stringify(JSON.stringify({ authorization: `Bearer ${KEY}`, ALL })),
  `Bearer ${KEY}, bearer:${TOKEN}, Authorization: Bearer%20${OTHER_TOKEN}`,
];
const QUOTES = { "as it is": ALL, encoded: ENCODED.join(" ") };

/** Upstream's errors, with the quote in every field. */
function errorsQuoting(quote) {
  const half = Math.ceil(quote.length / 2);
  return [
    { error: { message: quote, type: quote, code: quote, param: quote } },
    {
      error: { code: "invalid_api_key", message: { nested: [{ deeper: quote }] }, [quote]: quote },
    },
    // Halves that a log line would put together again if it joined the fields.
    { error: { message: quote.slice(0, half), code: quote.slice(half), type: quote.slice(half) } },
    { error: quote },
    { message: quote, detail: [{ msg: quote, input: quote }] },
    quote,
  ];
}

/** Every way in which an answer fails, with the quote wherever there is room for it. */
function failures(quote) {
  const header = encodeURIComponent(quote);
  const failed = errorsQuoting(quote).flatMap((body) => [
    ...[400, 401, 404, 429, 500].map((status) => (call) => {
      const headers = { "x-request-id": header, "x-error": header, "retry-after-ms": "1" };
      call.respond(status, typeof body === "string" ? JSON.stringify(body) : body, headers);
    }),
    (call) => call.end(delta(ANSWER), event(body)),
    (call) => call.end(`event: error\n${event(body)}`),
    (call) => call.end(responseEvent("error", body.error ?? body)),
    (call) =>
      call.end(responseEvent("response.failed", { response: { status: "failed", ...body } })),
  ]);
  return [
    ...failed,
    (call) => call.respond(500, quote, { "content-type": "text/plain", "retry-after-ms": "1" }),
    (call) => call.respond(200, quote, { "content-type": "text/html" }),
    (call) => call.respond(200, quote, { "content-type": header }),
    (call) => call.respond(307, quote, { location: `https://x.example/?${header}` }),
    (call) => call.end(delta(ANSWER), `data: {"choices":[{"delta":{"content":"${ANSWER}`),
    (call) => call.end(`data: ${quote}\n\n`),
    (call) => call.end(`event: ${quote}\nid: ${quote}\n: ${quote}\ndata: "${header}"\n\n`),
    (call) => call.end(event({ choices: [{ delta: {}, finish_reason: quote }] }), done),
    (call) => call.end(event({ type: quote, choices: quote })),
    (call) => call.end(delta(ANSWER), Buffer.from([0xff, 0xfe]), quote),
  ];
}

/** Everything that came back except the frames' contents, which are the answer itself. */
function aroundContents({ response, text }) {
  const headers = [...response.headers].map((pair) => pair.join(": ")).join("\n");
  return `${headers}\n${text.replaceAll(/"content":"(?:[^"\\]|\\.)*"/g, "")}`;
}

/** Asserts that nothing a worker has logged by the end of a request holds any part of a canary. */
async function assertSilent(app, id) {
  await app.log("response_complete", id);
  for (const { text } of app.logs) {
    assert.doesNotMatch(text, CANARY);
  }
}

for (const [api, app] of Object.entries(workers)) {
  for (const [what, quote] of Object.entries(QUOTES)) {
    test(`${api}: nothing that upstream quotes in a failure is repeated, ${what}`, async () => {
      let last;
      for (const fail of failures(quote)) {
        const scripts = [fail, fail, fail, fail];
        last = await exchange(app, upstream, { body: BODY, headers: AUTHORIZATION, scripts });
        assert.doesNotMatch(aroundContents(last), CANARY);
      }
      await assertSilent(app, last.id);
    });
  }
}

/** How each API says the answer, and the refusal. */
const SAYS = {
  chat_completions: [delta(ANSWER), refusal(REFUSAL), finish("stop"), done],
  responses: [
    responseEvent("response.output_text.delta", { delta: ANSWER }),
    responseEvent("response.refusal.delta", { delta: REFUSAL }),
    responseEvent("response.completed", { response: { status: "completed", output: ALL } }),
  ],
};

for (const [api, app] of Object.entries(workers)) {
  test(`${api}: the answer is in its frames only`, async () => {
    const scripts = [(call) => call.end(...SAYS[api])];
    const told = await exchange(app, upstream, { body: BODY, headers: AUTHORIZATION, scripts });
    assert.equal(told.text, frames(told.id, [ANSWER, REFUSAL], { finish_reason: "refusal" }));
    assert.doesNotMatch(aroundContents(told), CANARY);
    await assertSilent(app, told.id);
  });
}

test("no route repeats what it is sent", async (t) => {
  const query = encodeURIComponent(ALL);
  const headers = {
    ...AUTHORIZATION,
    cookie: `session=${KEY}`,
    "x-correlation-id": ALL,
    "x-api-key": KEY,
    referer: `https://x.example/?${query}`,
    "user-agent": ALL,
  };
  const post = (body, more) => (app) => app.chat(body, { headers: { ...headers, ...more } });
  for (const [what, send] of Object.entries({
    health: (app) => app.get(`/health?${query}`, { headers }),
    ready: (app) => app.get(`/health/ready?${query}`, { headers }),
    "an unknown path": (app) => app.get(`/${encodeURIComponent(KEY)}?${query}`, { headers }),
    "another method": (app) => app.get(`/chat?${query}`, { headers }),
    "a preflight": (app) => app.fetch(`/chat?${query}`, { method: "OPTIONS", headers }),
    "another type": post(ALL, { "content-type": ALL }),
    "another scheme": post(BODY, { authorization: `Basic ${btoa(ALL)} ${KEY}` }),
    "another token": post(BODY, { authorization: `Bearer ${OTHER_TOKEN}-canary` }),
    "broken JSON": post(`{"message": ${ALL}`),
    "a broken model": post({ ...BODY, model: ALL }),
    "a broken number": post({ ...BODY, max_tokens: ALL }),
    "a broken turn": post({ ...BODY, history: [{ role: ALL, content: ALL }] }),
    "a broken history": post({ ...BODY, history: { [ALL]: ALL } }),
    "another field": post({ [ALL]: ALL }),
    "too large": post(ALL.padEnd(70_000, ALL)),
  })) {
    await t.test(what, async () => {
      for (const app of [workers.chat_completions, misconfigured]) {
        const response = await send(app);
        const text = await read(response);
        assert.doesNotMatch(aroundContents({ response, text }), CANARY);
        await assertSilent(app, response.headers.get("x-correlation-id"));
      }
    });
  }
});

test("the address and the key of an unreachable upstream are not told", async () => {
  const told = await exchange(unreachable, upstream, { body: BODY, headers: AUTHORIZATION });
  assert.equal(told.response.status, 502);
  assert.doesNotMatch(aroundContents(told), /canary|127\.0\.0\.1/i);
  await unreachable.log("stream_error", told.id);
  await assertSilent(unreachable, told.id);
});

test("a leak in any log of these tests would be found", () => {
  const secret = 'a "quoted" saying/of somebody';
  const kept = new Set([secret]);
  for (const text of [
    `it was: ${secret}`,
    JSON.stringify({ cause: secret }),
    `/x?${encodeURIComponent(secret)}`,
  ]) {
    assert.deepEqual(leakIn(["an innocent line", text], kept), { secret, text });
  }
  assert.equal(leakIn(["an innocent line", "a quoted saying"], kept), undefined);
});
