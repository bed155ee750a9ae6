/** `npm run doctor`: what can be known about the model's server before anybody asks it anything. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { examineAll, lines, patientsIn } from "../../scripts/lib/doctor.mjs";
import { checkout } from "../support/checkout.mjs";
import { startScript } from "../support/script.mjs";
import { answerWell, startUpstream, unreachableUrl } from "../support/upstream.mjs";
import { assertFits, unwrapped } from "../support/words.mjs";

const KEY = "sk-test-0123456789abcdefghij";
const MISSING = { error: { message: "no such model", code: "model_not_found" } };
const INVALID = { error: { message: "not an object", type: "invalid_request_error" } };

/**
 * A server that answers these paths, each with a status and a body, and everything else with 404.
 *
 * @param {Record<string, [number, unknown]>} answers by method and path; a function never answers
 */
async function server(answers) {
  const asked = [];
  const http = createServer(async (request, response) => {
    const body = Buffer.concat(await Array.fromAsync(request)).toString();
    const path = `${request.method} ${request.url}`;
    asked.push({ path, body, key: request.headers.authorization });
    const found = answers[path] ?? [404, ""];
    if (found === "silence") return;
    const [status, value] = found;
    response.writeHead(status, { "content-type": "application/json" });
    response.end(typeof value === "string" ? value : JSON.stringify(value));
  });
  await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
  after(() => {
    http.closeAllConnections();
    http.close();
  });
  const host = `127.0.0.1:${http.address().port}`;
  return { host, url: `http://${host}/v1`, asked };
}

/** What is found, without the host, which is new each time. */
async function findings(answers, vars = {}, patienceMs = 5000) {
  const { host, url, asked } = await server(answers);
  const all = { OPENAI_API_KEY: KEY, OPENAI_BASE_URL: url, OPENAI_MODEL: "luna", ...vars };
  const found = lines(await examineAll(patientsIn(all), patienceMs));
  return { found: found.map((line) => line.replace(host, "HOST")), asked };
}

const WELL = {
  "GET /v1/models": [200, { data: [{ id: "luna" }, { id: "sol" }] }],
  "GET /v1/models/luna": [200, { id: "luna" }],
  "POST /v1/chat/completions": [400, INVALID],
};

test("a server that has everything", async () => {
  const { found, asked } = await findings(WELL);
  assert.deepEqual(found, [
    "✓ HOST answers.",
    "✓ It does not refuse the key.",
    "✓ OPENAI_API chat_completions: the server has it.",
    "✓ Model luna: it is there.",
  ]);
  assert.deepEqual(asked.map(({ path, body }) => `${path} ${body}`).sort(), [
    "GET /v1/models ",
    "GET /v1/models/luna ",
    "POST /v1/chat/completions []",
  ]);
  for (const { key } of asked) assert.equal(key, `Bearer ${KEY}`);
});

test("each model that may be asked for has its line, once", async () => {
  const { found } = await findings(WELL, { ALLOWED_MODELS: "sol, luna ,terra" });
  assert.deepEqual(found.slice(3), [
    "✓ Model luna: it is there.",
    "✓ Model sol: it is there.",
    "· Model terra: the server does not list it.",
  ]);
});

test("fallbacks are examined where they are, with their own key", async () => {
  const FALLBACK_API_KEY = "sk-other-0123456789abcdefghij";
  const { found, asked } = await findings(WELL, { FALLBACK_MODELS: "sol,luna" });
  assert.deepEqual(found.slice(3), ["✓ Model luna: it is there.", "✓ Model sol: it is there."]);
  assert.ok(asked.every(({ key }) => key === `Bearer ${KEY}`));

  const other = await server({
    "GET /v1/models": [401, MISSING],
    "GET /v1/models/sol": [401, MISSING],
    "POST /v1/chat/completions": [301, ""],
  });
  const vars = { FALLBACK_MODELS: "sol", FALLBACK_BASE_URL: other.url, FALLBACK_API_KEY };
  const both = await findings(WELL, vars);
  assert.deepEqual(both.found.slice(3), [
    "✓ Model luna: it is there.",
    `✓ ${other.host} answers.`,
    "✗ It refuses the key (status 401). Replace FALLBACK_API_KEY.",
    "✗ OPENAI_API chat_completions: the server sends elsewhere (status 301). Correct FALLBACK_BASE_URL.",
    "· Model sol: the server does not tell whether it has it.",
  ]);
  assert.ok(both.asked.every(({ key }) => key === `Bearer ${KEY}`));
  assert.ok(other.asked.every(({ key }) => key === `Bearer ${FALLBACK_API_KEY}`));
  assert.equal(other.asked.length, 3);
});

test("a fallback's server without a known key is sent none", async () => {
  const other = await server(WELL);
  await findings(WELL, { FALLBACK_MODELS: "luna", FALLBACK_BASE_URL: other.url });
  assert.deepEqual(new Set(other.asked.map(({ key }) => key)), new Set([undefined]));
});

for (const [what, answers, line] of [
  [
    "a list alone",
    { "GET /v1/models": [200, { data: [{ id: "luna" }] }] },
    "✓ Model luna: it is there.",
  ],
  [
    "one model's own page alone",
    { "GET /v1/models/luna": [200, {}] },
    "✓ Model luna: it is there.",
  ],
  [
    "a longer name in the list",
    { "GET /v1/models": [200, { data: [{ id: "models/luna" }] }] },
    "✓ Model luna: it is there.",
  ],
  [
    "a tag in the list",
    { "GET /v1/models": [200, { data: [{ id: "luna:latest" }] }] },
    "✓ Model luna: it is there.",
  ],
  [
    "neither",
    {
      "GET /v1/models": [200, { data: [{ id: "sol" }] }],
      "GET /v1/models/luna": [404, MISSING],
    },
    "✗ Model luna: the server neither lists nor knows it. Is its name right?",
  ],
  [
    "a list without it, which may not be all",
    { "GET /v1/models": [200, { data: [{ id: "sol" }] }] },
    "· Model luna: the server does not list it.",
  ],
  ["no such routes", {}, "· Model luna: the server does not tell whether it has it."],
  [
    "a page of something else",
    { "GET /v1/models": [200, "<html>"], "GET /v1/models/luna": [500, "<html>"] },
    "· Model luna: the server does not tell whether it has it.",
  ],
  [
    "lists of other shapes",
    {
      "GET /v1/models": [200, { data: [null, 7, { id: 7 }, "luna"] }],
      "GET /v1/models/luna": [502, "null"],
    },
    "· Model luna: the server does not list it.",
  ],
  [
    "a date to come",
    { "GET /v1/models/luna": [200, { id: "luna", shutdown_date: "2999-01-02" }] },
    "✗ Model luna: it is there, but will be shut down on 2999-01-02. Set another one.",
  ],
  [
    "a date that is past",
    { "GET /v1/models/luna": [200, { id: "luna", shutdown_date: "2026-10-23T00:00:00Z" }] },
    "✗ Model luna: it was shut down on 2026-10-23. Set another one.",
  ],
  [
    "another server's name for it",
    { "GET /v1/models": [200, { data: [{ id: "luna", expiration_date: "2999-01-02" }] }] },
    "✗ Model luna: it is there, but will be shut down on 2999-01-02. Set another one.",
  ],
  [
    "a date that is none",
    {
      "GET /v1/models/luna": [
        200,
        { id: "luna", shutdown_date: "\u001b[31mnever", expiration_date: null },
      ],
    },
    "✓ Model luna: it is there.",
  ],
]) {
  test(`the model: ${what}`, async () => {
    assert.equal((await findings(answers)).found[3], line);
  });
}

for (const status of [401, 403]) {
  test(`a key that is refused with ${status}`, async () => {
    const refused = [status, { error: { message: `Incorrect API key provided: ${KEY}` } }];
    const answers = Object.fromEntries(Object.keys(WELL).map((path) => [path, refused]));
    assert.deepEqual((await findings(answers)).found, [
      "✓ HOST answers.",
      `✗ It refuses the key (status ${status}). Replace OPENAI_API_KEY.`,
      "· OPENAI_API chat_completions: not known without a good key.",
      "· Model luna: the server does not tell whether it has it.",
    ]);
  });
}

test("without a key, what can be known is said, and no key is sent", async () => {
  const { found, asked } = await findings(WELL, { OPENAI_API_KEY: " " });
  assert.equal(found[1], "· No key is known here.");
  assert.deepEqual(new Set(asked.map(({ key }) => key)), new Set([undefined]));
});

for (const [what, answers, vars, line] of [
  [
    "a path that is not there",
    {},
    {},
    "✗ OPENAI_API chat_completions: the server has no /chat/completions (status 404). OPENAI_BASE_URL ends in the API's " +
      "/v1, and OPENAI_API may also be responses.",
  ],
  [
    "a 404 of the API itself",
    { "POST /v1/chat/completions": [404, MISSING] },
    {},
    "✓ OPENAI_API chat_completions: the server has it.",
  ],
  [
    "Responses",
    { "POST /v1/responses": [422, INVALID] },
    { OPENAI_API: "responses" },
    "✓ OPENAI_API responses: the server has it.",
  ],
  [
    "a server that fails",
    { "POST /v1/chat/completions": [503, "busy"] },
    {},
    "· OPENAI_API chat_completions: the server failed (status 503).",
  ],
  [
    "a server that sends elsewhere",
    { "POST /v1/chat/completions": [301, ""] },
    {},
    "✗ OPENAI_API chat_completions: the server sends elsewhere (status 301). Correct OPENAI_BASE_URL.",
  ],
]) {
  test(`the API: ${what}`, async () => {
    assert.equal((await findings(answers, vars)).found[2], line);
  });
}

test("a slow server costs the patience once, and what is known by then is said", async () => {
  const silent = Object.fromEntries(Object.keys(WELL).map((path) => [path, "silence"]));
  const { found } = await findings(silent, {}, 50);
  assert.deepEqual(found, ["✗ HOST cannot be reached: no answer within 0.05 s."]);
  const { "POST /v1/chat/completions": _, ...rest } = silent;
  const half = await findings({ ...rest, "POST /v1/chat/completions": [400, INVALID] }, {}, 50);
  assert.deepEqual(half.found, [
    "✓ HOST answers.",
    "✓ It does not refuse the key.",
    "✓ OPENAI_API chat_completions: the server has it.",
    "· Model luna: the server does not tell whether it has it.",
  ]);
});

test("a dead port", async () => {
  const OPENAI_BASE_URL = await unreachableUrl();
  const found = await examineAll(patientsIn({ OPENAI_BASE_URL }));
  assert.deepEqual(lines(found), [
    `✗ ${new URL(OPENAI_BASE_URL).host} cannot be reached: the connection is refused: nothing listens there.`,
  ]);
});

/** Runs the script in a checkout with these variables in `.dev.vars`. */
async function doctor(devVars, args = [], env = {}) {
  const script = startScript("doctor.mjs", { args, env, folder: checkout({ devVars }) });
  const code = await script.end();
  assertFits([...script.output, ...script.words]);
  const said = unwrapped([...script.output, ...script.words].join("\n"));
  assert.ok(!said.includes(KEY), "it never prints a key");
  return { code, said };
}

test("the command says how things are, and fails when something is wrong", async () => {
  const { url, asked } = await server(WELL);
  const well = { OPENAI_API_KEY: KEY, OPENAI_BASE_URL: url, OPENAI_MODEL: "luna" };
  const { code, said } = await doctor(well);
  assert.equal(code, 0, said);
  assert.match(said, /The configuration is that of \.dev\.vars and wrangler\.toml\./);
  assert.match(said, /✓ Model luna: it is there\./);
  assert.equal(asked.filter(({ path }) => path.startsWith("POST")).length, 1);
  const wrong = await doctor({ ...well, OPENAI_BASE_URL: await unreachableUrl() });
  assert.equal(wrong.code, 1);
  assert.match(wrong.said, /✗ 127\.0\.0\.1:\d+ cannot be reached/);
});

test("the environment's key comes first, with the rest of the environment", async () => {
  const { url } = await server(WELL);
  const env = { OPENAI_API_KEY: KEY, OPENAI_BASE_URL: url, OPENAI_MODEL: "luna" };
  const { code, said } = await doctor({}, [], env);
  assert.equal(code, 0, said);
  assert.match(said, /The configuration is that of the environment and wrangler\.toml\./);
});

test("an answer is bought only when asked for, once, and is a short one", async () => {
  const upstream = await startUpstream(answerWell, { turnsQuestionsAway: true });
  const vars = {
    OPENAI_API_KEY: KEY,
    OPENAI_BASE_URL: upstream.url,
    ACCESS_TOKENS: "me:0123456789abcdef",
  };
  await doctor(vars);
  assert.equal(upstream.calls.length, 0);
  const { said } = await doctor(vars, ["--ask"]);
  assert.match(
    said,
    /✓ Streaming works: an answer ended after \d+ ms; its first words came after \d+ ms\./,
  );
  assert.equal(upstream.calls.length, 1);
  assert.equal(upstream.calls[0].body.max_tokens, 16);
  upstream.script((call) => call.respond(429, { error: { code: "insufficient_quota" } }));
  const refused = await doctor(vars, ["--ask"]);
  assert.equal(refused.code, 1);
  assert.match(refused.said, /✗ Streaming: .+ \(upstream_quota\)\. /);
  assert.equal(upstream.calls.length, 2);
});

test("what is wrong with the configuration is said first", async () => {
  const { code, said } = await doctor({ OPENAI_API_KEY: KEY, MAX_TOKENS: "many" });
  assert.equal(code, 1);
  assert.match(said, / {2}MAX_TOKENS must be a whole number/);
  const none = await doctor({});
  assert.equal(none.code, 1);
  assert.match(none.said, /^There is no OPENAI_API_KEY in \.dev\.vars/m);
  const option = await doctor({ OPENAI_API_KEY: KEY }, ["--aks"]);
  assert.equal(option.code, 1);
  assert.match(option.said, /^Usage: npm run doctor \[-- --ask\]$/m);
});
