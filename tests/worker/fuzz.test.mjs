/** Thousands of requests that nobody would send, generated from a seed: FUZZ_SEED=… repeats them. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, request } from "node:http";
import test, { after } from "node:test";
import { exchange } from "../support/exchange.mjs";
import { frames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { randomOf } from "../support/random.mjs";
import { answerWell, delta, done, event, finish, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const REQUESTS = 4_000;
const AT_ONCE = 16;

const SEED = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 32));
const { below, pick, chance, text } = randomOf(SEED);

const KEY = "sk-canary-key-0123456789";
const TOKEN = "canary-token-0123456789";
const SAID = "canary of what was said";
const CANARY = /canary/i;

/** How upstream answers, and the statuses that a client may get then. */
const ANSWERS = [
  [[200], answerWell],
  [[200], (call) => call.end(delta(SAID))],
  [[200], (call) => call.end(event({ error: { code: SAID, message: KEY } }))],
  [[400, 502], (call) => call.respond(404, { error: { code: "model_not_found", message: SAID } })],
  [[502], (call) => call.respond(401, { error: { message: KEY } })],
  [[502], (call) => call.respond(500, KEY)],
  [[503], (call) => call.respond(429, { error: { code: "insufficient_quota", message: SAID } })],
  [[502], (call) => call.respond(200, SAID)],
  [[200], (call) => call.end(delta(SAID), finish("zeitgeist"))],
  [[200], (call) => call.end(delta(SAID), finish("error"), done)],
  [[200], (call) => call.end(delta(SAID), `error: ${JSON.stringify({ message: KEY })}\n\n`, done)],
  [[200], (call) => call.respond(200, { choices: [{ message: { content: SAID } }] })],
  [[503], (call) => call.respond(200, { error: { code: "insufficient_quota", message: KEY } })],
  [[400], (call) => call.respond(413, SAID)],
  [[400], (call) => call.respond(400, { error: { code: "content_filter", message: SAID } })],
];

/** The statuses that a client may get, by the correlation id of its request. */
const allowed = new Map();
const upstream = await startUpstream((call) => {
  const count = upstream.calls.length;
  const [statuses, say] = ANSWERS[count % 2 === 0 ? 0 : ((count - 1) / 2) % ANSWERS.length];
  allowed.set(call.headers["x-client-request-id"], statuses);
  say(call);
});
const app = await startWorker({
  OPENAI_BASE_URL: upstream.url,
  OPENAI_API_KEY: KEY,
  ACCESS_TOKENS: `fuzz:${TOKEN}`,
  ALLOWED_ORIGINS: "https://good.example",
  LOG_LEVEL: "DEBUG",
  MAX_RETRIES: "0",
});
const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
after(() => agent.destroy());

const PRINTABLE = Array.from({ length: 94 }, (_, at) => String.fromCharCode(33 + at));
/** What a header's value may be made of: also bytes that are no ASCII. */
const HEADER = [...PRINTABLE, " ", "\t", ..."\u0080\u00a0\u00ff", KEY, TOKEN, SAID];
const IN_PATH = [..."/.%?#&=;:@~-_aZ0", "%00", "%0d%0a", "%2f", "..", "\\", "chat", KEY];
const IN_TEXT = [...'a "\\{}[],:\0\n\u2028', "é", "🙂", "\ud800", "\udfff", SAID, KEY];

const METHODS = [
  ...["GET", "GET", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
  ...["OPTIONS", "PROPFIND", "REPORT", "QUERY"],
];

const HEADERS = {
  authorization: () =>
    pick([`Bearer ${TOKEN}`, `bearer ${TOKEN}`, `Bearer ${text(HEADER, 9)}`, text(HEADER, 9)]),
  "content-type": () =>
    pick(["application/json", "application/json; charset=x", "text/plain", text(HEADER, 9)]),
  "content-encoding": () => pick(["gzip", "br", text(HEADER, 3)]),
  origin: () => pick(["https://good.example", "https://evil.example", "null", text(HEADER, 5)]),
  "cf-connecting-ip": () => pick(["192.0.2.1", "2001:db8::1", text(HEADER, 9)]),
  "access-control-request-method": () => text(HEADER, 5),
  accept: () => text(HEADER, 9),
  cookie: () => text(HEADER, 50),
  range: () => "bytes=0-1",
  "x-forwarded-for": () => text(HEADER, 9),
  "cache-control": () => text(HEADER, 5),
};

/** Values of all types, also of those that a field does not take. */
const VALUES = [
  () => text(IN_TEXT, 20),
  () => SAID,
  () => SAID.repeat(below(500)),
  () => null,
  () => chance(0.5),
  () => below(5000),
  () => -below(5),
  () => 1e300,
  () => 0.5,
  () => [],
  () => ({}),
  () => ({ [text(IN_TEXT, 3)]: text(IN_TEXT, 3) }),
  () => Array.from({ length: below(70) }, turn),
];

function turn() {
  const role = chance(0.9) ? pick(["user", "assistant"]) : pick(VALUES.slice(0, -1))();
  const content = chance(0.9) ? text(IN_TEXT, 20) : pick(VALUES.slice(0, -1))();
  return chance(0.95) ? { role, content } : pick(VALUES.slice(0, -1))();
}

/** A body: mostly one that is nearly right. */
function body() {
  const fields = { message: `${SAID} ${text(IN_TEXT, 20)}` };
  for (const name of ["message", "model", "max_tokens", "history", text(IN_TEXT, 4)]) {
    if (chance(0.15)) fields[name] = pick(VALUES)();
  }
  // A model name that follows the rule may be repeated.
  if (chance(0.2)) fields.model = text([..."gpt-4./:_"], 9);
  if (chance(0.2)) fields.history = Array.from({ length: below(4) }, turn);
  const bytes = Buffer.from(JSON.stringify(fields));
  return pick([
    ...Array(6).fill(() => bytes),
    () => bytes.subarray(0, below(bytes.length)),
    () => bytes.fill(below(256), below(bytes.length), below(bytes.length)),
    () => Buffer.from(text(IN_TEXT, 50)),
    () => Buffer.from("[{".repeat(below(5000))),
    () => Buffer.concat([bytes, Buffer.alloc(below(70_000), " ")]),
  ])();
}

function generate(number) {
  const isChat = chance(0.6);
  const path = isChat
    ? `/chat${pick(["", "", "?a=b"])}`
    : pick([`/${text(IN_PATH, 12)}`, "/chat", "/health", "/health/ready"]);
  const method = isChat ? "POST" : pick(METHODS);
  const usual = chance(0.7);
  const headers = usual
    ? ["authorization", `Bearer ${TOKEN}`, "content-type", "application/json"]
    : [];
  for (const [name, value] of Object.entries(HEADERS)) {
    if (chance(usual ? 0.04 : 0.4)) headers.push(name, value());
  }
  const id = pick([[`fuzz-${number}`], [text(HEADER, 20)], ["x".repeat(below(9000))], []]);
  headers.push(...id.flatMap((value) => ["x-correlation-id", value]));
  return {
    method,
    path,
    headers,
    body: ["GET", "HEAD"].includes(method) ? Buffer.alloc(0) : body(),
  };
}

async function send({ method, path, headers, body }) {
  const own = ["host", new URL(app.url).host, "content-length", `${body.length}`];
  const sending = request(app.url, { method, path, headers: [...own, ...headers], agent });
  sending.end(body);
  const [response] = await within(once(sending, "response"), "an answer");
  const chunks = await within(Array.fromAsync(response), "the end of an answer");
  const { statusCode: status, headers: given } = response;
  return { status, headers: given, text: Buffer.concat(chunks).toString() };
}

const STATUSES = [200, 204, 400, 401, 403, 404, 405, 413, 415];

/** Asserts that a response follows the contract. */
function assertResponse({ method }, { status, headers, text: told }) {
  const id = headers["x-correlation-id"];
  assert.match(id ?? "none", /^[A-Za-z0-9._:-]{1,128}$/);
  assert.equal(headers["x-content-type-options"], "nosniff");
  assert.ok([...STATUSES, ...(allowed.get(id) ?? [])].includes(status), `status ${status}`);
  assert.ok(!/"content":"[^"]*$/.test(told), "no content is cut");
  const around = told.replaceAll(/"content":"(?:[^"\\]|\\.)*"/g, "");
  // The client chose the id itself.
  assert.doesNotMatch((JSON.stringify(headers) + around).replaceAll(id, ""), CANARY);
  if (method === "HEAD" || status === 204) {
    assert.equal(told, "");
  } else if (headers["content-type"] === "application/json") {
    const fields = Object.keys(JSON.parse(told));
    const isError = status >= 400 && !fields.includes("status");
    assert.ok(!isError || fields.join() === "error,detail,correlation_id,code", fields.join());
    assert.ok(!isError || JSON.parse(told).correlation_id === id);
  } else {
    assert.equal(headers["content-type"], "text/event-stream; charset=utf-8");
    const blocks = told.split("\n\n");
    assert.equal(blocks.pop(), "");
    const sent = blocks.map((block) => JSON.parse(block.replace(/^data: /, "")));
    assert.deepEqual(
      sent.map((frame) => [frame.sequence, frame.is_final, frame.correlation_id]),
      sent.map((_, at) => [at, at === sent.length - 1, id]),
    );
  }
}

test(`${REQUESTS} requests of the seed ${SEED} get answers of the contract`, async (t) => {
  t.diagnostic(`FUZZ_SEED=${SEED}`);
  const counts = {};
  let number = 0;
  async function sendInTurn() {
    while (number < REQUESTS) {
      const generated = generate(number++);
      try {
        const response = await send(generated);
        assertResponse(generated, response);
        counts[response.status] = (counts[response.status] ?? 0) + 1;
      } catch (cause) {
        const shown = JSON.stringify({ ...generated, body: `${generated.body}` }).slice(0, 2000);
        throw new Error(`FUZZ_SEED=${SEED}: ${cause.message}\n${shown}`, { cause });
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, sendInTurn));
  t.diagnostic(`answers: ${JSON.stringify(counts)}`);
  for (const status of [...STATUSES, 502, 503]) {
    assert.ok(
      counts[status] > 0,
      `the requests are of every kind, also of those that get ${status}`,
    );
  }
});

test("afterwards the worker still works, and its log has one end for each request and no canary", async () => {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const { id, text: told } = await exchange(app, upstream, { headers });
  assert.equal(told, frames(id, ["Hi"], { finish_reason: "stop" }));
  await app.log("response_complete", id);
  const counts = Object.groupBy(app.logs, ({ record }) => record.event ?? "none");
  assert.equal(counts.application_started.length, 1, "one isolate for all of them");
  assert.equal(counts.panic, undefined);
  assert.equal(counts.response_complete.length, REQUESTS + 1, "one end for each request");
  for (const { text: line, record } of app.logs) {
    assert.equal(JSON.stringify(JSON.parse(line)), line);
    assert.doesNotMatch(line, CANARY);
    assert.ok(record.event);
  }
});
