/** `npm run logs`: the worker's log lines, extracted from what wrangler prints for each request. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Envelopes, toldBy } from "../../scripts/lib/tail.mjs";
import { fakeWrangler, startScript } from "../support/script.mjs";

/** An envelope as Cloudflare sends it, without most of its headers. */
const ENVELOPE = {
  wallTime: 1240,
  cpuTime: 4,
  truncated: false,
  executionModel: "stateless",
  outcome: "ok",
  scriptVersion: { id: "cf758825-05da-472b-a888-691e19f59364" },
  scriptName: "personal-ai-assistant",
  diagnosticsChannelEvents: [],
  exceptions: [],
  logs: [],
  eventTimestamp: 1775947776086,
  event: {
    request: {
      url: "https://assistant.example.workers.dev/chat",
      method: "POST",
      headers: { "content-type": "application/json", "cf-ray": "9e6e557c4953f25f" },
      cf: { country: "CA", tlsVersion: "TLSv1.3" },
    },
    response: { status: 200 },
  },
};

const RECEIVED =
  '{"timestamp":"2026-11-22T21:47:38.825000+00:00","level":"INFO","event":"request_received","correlation_id":"abc-123","method":"POST","path":"/chat","message_length":5}';
const FAILED =
  '{"timestamp":"2026-11-22T21:47:38.900000+00:00","level":"ERROR","event":"stream_error","correlation_id":"abc-123","code":"upstream_unreachable","cause":"{ and } and \\"quotes\\"","recovery_action":"error_frame"}';

const logged = (level, ...message) => ({ message, level, timestamp: 1775947776096 });
const envelope = (fields) => ({ ...ENVELOPE, ...fields });
const printed = (...envelopes) =>
  envelopes.map((each) => `${JSON.stringify(each, null, 4)}\n`).join("");

/** All envelopes and texts in these lines. */
function read(text) {
  const envelopes = new Envelopes();
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => envelopes.feed(line))
    .filter(({ envelope, text }) => envelope || text);
}

test("envelopes are found one after the other, indented or each on one line", () => {
  const busy = envelope({ logs: [logged("log", RECEIVED), logged("error", FAILED, "}\n{")] });
  assert.deepEqual(read(printed(busy, ENVELOPE)), [{ envelope: busy }, { envelope: ENVELOPE }]);
  assert.deepEqual(read(JSON.stringify(busy)), [{ envelope: busy }]);
});

test("text between envelopes is passed on as text", () => {
  assert.deepEqual(read(`Reconnecting\n${printed(ENVELOPE)}{broken}\nDone\n`), [
    { text: "Reconnecting" },
    { envelope: ENVELOPE },
    { text: "{broken}" },
    { text: "Done" },
  ]);
});

test("the worker's lines are printed unchanged, and a usual outcome adds nothing", () => {
  for (const outcome of ["ok", "canceled", "responseStreamDisconnected"]) {
    const told = toldBy(
      envelope({ outcome, logs: [logged("log", RECEIVED), logged("error", FAILED)] }),
    );
    assert.deepEqual(told, { lines: [RECEIVED, FAILED], notes: [] });
  }
});

test("the runtime's own messages about a request are printed", () => {
  const told = toldBy(
    envelope({
      outcome: "exceededMemory",
      truncated: true,
      exceptions: [{ name: "Error", message: "Worker exceeded memory limit.", timestamp: 1 }],
      logs: [logged("warn", "Something", { odd: [1] })],
    }),
  );
  const where = "(POST https://assistant.example.workers.dev/chat)";
  assert.deepEqual(told, {
    lines: [],
    notes: [
      'warn: Something {"odd":[1]}',
      "Error: Worker exceeded memory limit.",
      `The request ended with exceededMemory ${where}.`,
      `Cloudflare left out log lines of a request ${where}.`,
    ],
  });
});

test("requests that Cloudflare left out are reported", () => {
  const event = { type: "overload", message: "Tail is currently in sampling mode." };
  assert.deepEqual(toldBy({ event }), {
    lines: [],
    notes: ["overload: Tail is currently in sampling mode."],
  });
});

const LOGGED_IN = { whoami: { out: '{"loggedIn": true}' } };
const TAIL = {
  out: printed(envelope({ outcome: "exceededCpu", logs: [logged("log", RECEIVED)] })),
};

async function logs(args, answers, more) {
  const { env, calls } = fakeWrangler(answers);
  const script = startScript("logs.mjs", { args, env: { ...env, TZ: "UTC", ...more } });
  return { code: await script.end(), script, calls: calls() };
}

test("lines are for people, and notes go to standard error", async () => {
  const { script, calls } = await logs(["--status", "error"], { ...LOGGED_IN, tail: TAIL });
  assert.deepEqual(calls, ["whoami --json", "tail --format json --status error"]);
  assert.deepEqual(script.output, [
    "21:47:38.825  INFO   abc-123   request_received       POST /chat, 5 characters",
  ]);
  assert.ok(
    script.words.includes(
      "The request ended with exceededCpu (POST https://assistant.example.workers.dev/chat).",
    ),
  );
});

test("with --json, lines stay as the worker wrote them, whatever LOG_FORMAT says", async () => {
  const answers = { ...LOGGED_IN, tail: TAIL };
  const { script, calls } = await logs(["--json"], answers, { LOG_FORMAT: "text" });
  assert.deepEqual(calls, ["whoami --json", "tail --format json"]);
  assert.deepEqual(script.output, [RECEIVED]);
});

test("without a login, it says how to log in", async () => {
  const { code, script, calls } = await logs([], {
    whoami: { out: '{"loggedIn": false}', code: 1 },
  });
  assert.equal(code, 1);
  assert.match(script.words.join("\n"), /Run 'npx wrangler login'/);
  assert.deepEqual(calls, ["whoami --json"]);
});

test("wrangler's error messages are passed on", async () => {
  const tail = { error: 'Worker "x" not found.\n', code: 1 };
  const { code, script } = await logs([], { ...LOGGED_IN, tail });
  assert.equal(code, 1);
  assert.deepEqual(script.words.slice(-3), [
    'Worker "x" not found.',
    "",
    "wrangler tail failed; the lines above say why.",
  ]);
});
