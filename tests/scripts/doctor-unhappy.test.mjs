/** `npm run doctor` and servers that are not well, not there or not what they seem: no line says more than is known. */
import assert from "node:assert/strict";
import { createServer as createTcpServer } from "node:net";
import { after, test } from "node:test";
import { examine, lines, patientIn } from "../../scripts/lib/doctor.mjs";
import { findings, INVALID, KEY, MISSING, modelServer, WELL } from "../support/model-server.mjs";

const LIST = "GET /v1/models";
const OWN = "GET /v1/models/luna";
const API = "POST /v1/chat/completions";

const PAGE = { "content-type": "text/html" };
const HTML = "<!doctype html><h1>Welcome</h1>";
const everywhere = (...answer) => Object.fromEntries([LIST, OWN, API].map((at) => [at, answer]));

/** One line of what is found. */
function says(place, what, answers, line) {
  test(`${place}: ${what}`, async () => {
    const { found } = await findings(answers);
    assert.equal(found[["reached", "key", "API", "model"].indexOf(place)], line);
  });
}

const UNSAID = "· It does not tell whether it takes the key.";

for (const row of [
  [
    "a refusal as a 400, as Gemini has it",
    everywhere(400, [{ error: { code: 400, message: "API key not valid." } }]),
    "✗ It refuses the key (status 400). Replace OPENAI_API_KEY.",
  ],
  [
    "one that may chat, and not see the models",
    { ...everywhere(403, INVALID), [API]: [400, INVALID] },
    "· It keeps its models from the key (status 403). That is no fault of a key that may only chat.",
  ],
  ["a list that is refused in other words, as LiteLLM does", everywhere(400, INVALID), UNSAID],
  ["a firewall's page", everywhere(403, HTML, PAGE), UNSAID],
  ["nothing there", {}, UNSAID],
  ["a server that fails", everywhere(500, INVALID), UNSAID],
  ["a server that is busy", everywhere(429, INVALID), UNSAID],
  ["a server without a list", { [API]: [400, INVALID] }, "✓ It does not refuse the key."],
]) {
  says("key", ...row);
}

const chat = "OPENAI_API chat_completions:";
const NO_PATH =
  "OPENAI_BASE_URL has to end where the API's paths begin, most often in /v1. Else set OPENAI_API to responses.";
const INVALID_URL = {
  error: { message: "Invalid URL (POST /chat)", type: "invalid_request_error" },
};

for (const [what, answer, line] of [
  [
    "a 404 that is about the path, in the API's form",
    [404, INVALID_URL],
    `✗ ${chat} the server has no /chat/completions (status 404). ${NO_PATH}`,
  ],
  [
    "what is not implemented",
    [501, ""],
    `✗ ${chat} the server has no /chat/completions (status 501). ${NO_PATH}`,
  ],
  [
    "a page for whatever is asked",
    [200, HTML, PAGE],
    `✗ ${chat} something else answers there, with no JSON (status 200). Correct OPENAI_BASE_URL.`,
  ],
  [
    "a proxy's page",
    [400, HTML, PAGE],
    `✗ ${chat} something else answers there, with no JSON (status 400). Correct OPENAI_BASE_URL.`,
  ],
  ["words that are no JSON", [422, "Failed to parse"], `✓ ${chat} the server has it.`],
  ["no credit", [402, INVALID], `✗ ${chat} the server wants to be paid first (status 402).`],
  [
    "too many requests",
    [429, INVALID],
    `· ${chat} the server takes no more requests for now, or no credit is left (status 429).`,
  ],
  [
    "a server that trips over a list, as LiteLLM does",
    ({ body }) => (body === "{}" ? [400, INVALID] : [500, INVALID]),
    `✓ ${chat} the server has it.`,
  ],
]) {
  says("API", what, { [API]: answer }, line);
}

const UNTOLD = "· Model luna: the server does not tell whether it has it.";
const MAYBE = "· Model luna: the server does not list it, but may have it. Is the name right?";
const THERE = "✓ Model luna: it is there.";
const sol = [200, { data: [{ id: "sol" }] }];

for (const row of [
  [
    "no page of its own for any model, as llama.cpp has it",
    { [LIST]: sol, [OWN]: [404, { error: { message: "File Not Found", code: 404 } }] },
    MAYBE,
  ],
  [
    "a page that says so in FastAPI's form",
    { [LIST]: sol, [OWN]: [404, { detail: "The model `luna` does not exist" }] },
    "✗ Model luna: the server neither lists nor knows it. Is the name right?",
  ],
  [
    "unknown to a server without a list",
    { [OWN]: [404, MISSING] },
    "· Model luna: the server does not know it. Is the name right?",
  ],
  ["a web page for whatever is asked", everywhere(200, HTML, PAGE), UNTOLD],
  ["the list for whatever is asked", { [LIST]: sol, [OWN]: sol }, MAYBE],
  ["an error with the status of success", { [OWN]: [200, MISSING] }, UNTOLD],
  ["a list that is not within an object", { [LIST]: [200, [{ id: "luna" }]] }, THERE],
  ["a list with the status of a failure", { [LIST]: [500, { data: [{ id: "luna" }] }] }, UNTOLD],
  [
    "a list that is too long",
    { [LIST]: [200, `{"data":[${" ".repeat(17 * 2 ** 20)}]}`] },
    "· Model luna: not known, as the server's answer is longer than 16 MiB.",
  ],
]) {
  says("model", ...row);
}

for (const [what, entry, line, listed = { id: "luna" }] of [
  [
    "tomorrow",
    { shutdown_date: "2026-11-27" },
    "! Model luna: it is there, but is shut down tomorrow, on 2026-11-27. Set another one by then.",
  ],
  [
    "within 90 days",
    { shutdown_date: "2026-12-20" },
    "! Model luna: it is there, but is shut down in 24 days, on 2026-12-20. Set another one by then.",
  ],
  [
    "later",
    { shutdown_date: "2027-03-01" },
    "✓ Model luna: it is there, until it is shut down on 2027-03-01.",
  ],
  [
    "today",
    { shutdown_date: "2026-11-26" },
    "✗ Model luna: it was shut down on 2026-11-26. Set another one.",
  ],
  [
    "in seconds",
    { shutdown_date: 1_790_000_000 },
    "✗ Model luna: it was shut down on 2026-09-21. Set another one.",
  ],
  [
    "in Azure's words",
    { deprecation: { fine_tune: 1_790_000_000, inference: 1_890_000_000 } },
    "✓ Model luna: it is there, until it is shut down on 2029-11-22.",
  ],
  [
    "in the list alone",
    {},
    "✓ Model luna: it is there, until it is shut down on 2029-01-02.",
    { id: "luna", shutdown_date: "2029-01-02" },
  ],
  ["no day of any calendar", { shutdown_date: "2026-13-45" }, THERE],
  ["a language's zero", { shutdown_date: "0001-01-01T00:00:00Z", expiration_date: 0 }, THERE],
  ["a number beyond all days", { shutdown_date: 1e300, deprecation: 7 }, THERE],
]) {
  test(`shutdown: ${what}`, async (t) => {
    t.mock.timers.enable({ apis: ["Date"], now: Date.UTC(2026, 10, 26, 12) });
    const answers = { [OWN]: [200, { id: "luna", ...entry }], [LIST]: [200, { data: [listed] }] };
    assert.equal((await findings(answers)).found[3], line);
  });
}

test("an answer that does not end is one, and its rest is waited for no longer than the patience", async () => {
  const { found } = await findings(
    { ...everywhere(200, "endless"), [API]: [400, "endless"] },
    {},
    50,
  );
  assert.deepEqual(found, [
    "✓ HOST answers.",
    UNSAID,
    `· ${chat} the answer (status 400) did not end within 0.05 s.`,
    "· Model luna: not known, as the server's answer did not end within 0.05 s.",
  ]);
});

test("a redirect is not followed, for it would carry the key elsewhere", async () => {
  const elsewhere = await modelServer(WELL);
  const location = `${elsewhere.url}/models`;
  const { found } = await findings(everywhere(307, "", { location }));
  assert.equal(
    found[2],
    `✗ ${chat} the server sends elsewhere (status 307). Correct OPENAI_BASE_URL.`,
  );
  assert.deepEqual(elsewhere.asked, []);
});

test("nothing that a server says is shown, be it a key or an escape", async () => {
  const hostile = `\u001b[2J\u0007${KEY}\u202e`;
  const error = { error: { message: hostile, code: hostile, type: hostile, param: hostile } };
  const entry = { id: hostile, shutdown_date: `2026-01-01T${hostile}` };
  for (const answers of [
    everywhere(400, error),
    everywhere(404, error),
    everywhere(500, error),
    everywhere(200, { ...entry, data: [entry] }),
    everywhere(302, hostile, { location: encodeURI(hostile) }),
  ]) {
    for (const line of (await findings(answers)).found) assert.match(line, /^[✓✗·] [ -~]+$/);
    assert.ok(!(await findings(answers)).found.join("\n").includes(KEY));
  }
});

test("only so many models are asked for one by one", async () => {
  const names = Array.from({ length: 100 }, (_, index) => `m${index}`);
  const data = names.map((id) => ({ id }));
  const vars = { ALLOWED_MODELS: names.join() };
  const { found, asked } = await findings({ ...WELL, [LIST]: [200, { data }] }, vars);
  assert.equal(found.at(-1), "✓ Model m99: it is there.");
  assert.equal(asked.length, 22);
});

test("a key that no header can carry is not sent", async () => {
  const { found, asked } = await findings(WELL, { OPENAI_API_KEY: "sk-x\u2028y" });
  assert.deepEqual(found, ["✗ OPENAI_API_KEY must be visible ASCII characters without spaces."]);
  assert.deepEqual(asked, []);
});

/** Whoever connects hears this. */
async function speaking(words) {
  const server = createTcpServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end(words));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => server.close());
  return `127.0.0.1:${server.address().port}`;
}

for (const [what, scheme, words, why] of [
  [
    "https, where http is spoken",
    "https",
    "HTTP/1.1 400 Bad Request\r\n\r\n",
    "it does not speak TLS, so its address may begin with http:",
  ],
  ["another protocol", "http", "SSH-2.0-OpenSSH_9.2\r\n", "it does not speak HTTP"],
  ["a connection that is closed at once", "http", "", "the connection was closed"],
]) {
  test(`not reached: ${what}`, async () => {
    const host = await speaking(words);
    const found = await examine(patientIn({ OPENAI_BASE_URL: `${scheme}://${host}/v1` }));
    assert.deepEqual(lines(found), [`✗ ${host} does not answer: ${why}.`]);
  });
}

test("not reached: a name that does not exist, and an address that is none", async () => {
  const unknown = patientIn({ OPENAI_BASE_URL: "https://nowhere.invalid/v1" });
  const [line] = lines(await examine(unknown));
  assert.match(
    line,
    /^✗ nowhere\.invalid does not answer: (there is no such host|its name cannot be looked up now)\.$/,
  );
  const none = { baseUrl: "https://[", api: "responses", models: ["luna"] };
  assert.deepEqual(lines(await examine(none)), ["✗ OPENAI_BASE_URL is no address."]);
});
