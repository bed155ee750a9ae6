/** `npm run doctor`: what can be known about the model's server before anybody asks it anything. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { examine, lines, patientIn } from "../../scripts/lib/doctor.mjs";
import { checkout } from "../support/checkout.mjs";
import { findings, INVALID, KEY, MISSING, modelServer, WELL } from "../support/model-server.mjs";
import { startScript } from "../support/script.mjs";
import { answer, startUpstream, unreachableUrl } from "../support/upstream.mjs";
import { assertFits, unwrapped } from "../support/words.mjs";

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
    "· Model terra: the server does not list it, but may have it. Is the name right?",
  ]);
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
    "✗ Model luna: the server neither lists nor knows it. Is the name right?",
  ],
  [
    "a list without it, which may not be all",
    { "GET /v1/models": [200, { data: [{ id: "sol" }] }] },
    "· Model luna: the server does not list it, but may have it. Is the name right?",
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
    "· Model luna: the server does not list it, but may have it. Is the name right?",
  ],
  [
    "a date to come",
    { "GET /v1/models/luna": [200, { id: "luna", shutdown_date: "2999-01-02" }] },
    "✓ Model luna: it is there, until it is shut down on 2999-01-02.",
  ],
  [
    "a date that is past",
    { "GET /v1/models/luna": [200, { id: "luna", shutdown_date: "2026-10-23T00:00:00Z" }] },
    "✗ Model luna: it was shut down on 2026-10-23. Set another one.",
  ],
  [
    "another server's name for it",
    { "GET /v1/models": [200, { data: [{ id: "luna", expiration_date: "2999-01-02" }] }] },
    "✓ Model luna: it is there, until it is shut down on 2999-01-02.",
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

for (const [status, refusal] of [
  [401, "✗ It refuses the key (status 401). Replace OPENAI_API_KEY."],
  [
    403,
    "✗ It takes no requests with this key (status 403). The key is wrong, lacks a right, or has no credit left.",
  ],
]) {
  test(`a key that is refused with ${status}`, async () => {
    const refused = [status, { error: { message: `Incorrect API key provided: ${KEY}` } }];
    const answers = Object.fromEntries(Object.keys(WELL).map((path) => [path, refused]));
    assert.deepEqual((await findings(answers)).found, [
      "✓ HOST answers.",
      refusal,
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
    "✗ OPENAI_API chat_completions: the server has no /chat/completions (status 404). OPENAI_BASE_URL has to end where " +
      "the API's paths begin, most often in /v1. Else set OPENAI_API to responses.",
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
    { "POST /v1/chat/completions": [502, "<html>"] },
    {},
    "· OPENAI_API chat_completions: the server failed (status 502).",
  ],
  [
    "a server that loads its model",
    { "POST /v1/chat/completions": [503, "busy"] },
    {},
    "· OPENAI_API chat_completions: the server is overloaded, or still loading the model (status 503).",
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
  assert.deepEqual(found, ["✗ HOST does not answer: nothing came within 0.05 s."]);
  const { "POST /v1/chat/completions": _, ...rest } = silent;
  const half = await findings({ ...rest, "POST /v1/chat/completions": [400, INVALID] }, {}, 50);
  assert.deepEqual(half.found, [
    "✓ HOST answers.",
    "✓ It does not refuse the key.",
    "✓ OPENAI_API chat_completions: the server has it.",
    "· Model luna: nothing came within 0.05 s.",
  ]);
});

test("a dead port", async () => {
  const OPENAI_BASE_URL = await unreachableUrl();
  const found = await examine(patientIn({ OPENAI_BASE_URL }));
  assert.deepEqual(lines(found), [
    `✗ ${new URL(OPENAI_BASE_URL).host} does not answer: the connection is refused: nothing listens there.`,
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
  const { url, asked } = await modelServer(WELL);
  const well = { OPENAI_API_KEY: KEY, OPENAI_BASE_URL: url, OPENAI_MODEL: "luna" };
  const { code, said } = await doctor(well);
  assert.equal(code, 0, said);
  assert.match(said, /The configuration is that of \.dev\.vars and wrangler\.toml\./);
  assert.match(said, /✓ Model luna: it is there\./);
  assert.equal(asked.filter(({ path }) => path.startsWith("POST")).length, 1);
  const wrong = await doctor({ ...well, OPENAI_BASE_URL: await unreachableUrl() });
  assert.equal(wrong.code, 1);
  assert.match(wrong.said, /✗ 127\.0\.0\.1:\d+ does not answer/);
});

test("the environment's key comes first, with the rest of the environment", async () => {
  const { url } = await modelServer(WELL);
  const env = { OPENAI_API_KEY: KEY, OPENAI_BASE_URL: url, OPENAI_MODEL: "luna" };
  const { code, said } = await doctor({ OPENAI_API_KEY: "sk-another" }, [], env);
  assert.equal(code, 0, said);
  assert.match(
    said,
    /is that of the environment and wrangler\.toml\. That in \.dev\.vars is left aside\./,
  );
});

test("an answer is bought only when asked for, once, and is a short one", async () => {
  const upstream = await startUpstream((call) => call.end(...answer("1 ", "2 ")), {
    turnsQuestionsAway: true,
  });
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
    /✓ Streaming works: its first words came after \d+ ms, its last after \d+ ms\./,
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
