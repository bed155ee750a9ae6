/** The snippets of the API reference, run as they stand there, against the worker. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { requestOf } from "../../public/docs/request.js";
import { LANGUAGES } from "../../public/docs/snippets.js";
import { tryOutput } from "../../scripts/lib/process.mjs";
import { Missing, pythonEnvironment } from "../compat/python.mjs";
import { startWorker } from "../support/harness.mjs";
import { answer, delta, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const TOKEN = "snippet-token-0123456789";

const upstream = await startUpstream();
const app = await startWorker(
  { OPENAI_BASE_URL: upstream.url, ACCESS_TOKENS: `me:${TOKEN}`, MAX_RETRIES: "0" },
  { owners: true },
);

/** How the snippets of a language are run. @type {Record<string, { command?: (code: string) => string[], skip?: string }>} */
const RUNS = {
  curl: {
    command: (code) => ["sh", "-c", code.replace("curl ", "curl -sS ")],
    skip: (await tryOutput("curl", ["--version"])) === undefined && "curl is not installed",
  },
  js: { command: (code) => [process.execPath, "--input-type=module", "--eval", code] },
  python: await python(),
};

/** What a person may write, with everything in it that a language may have a word for. */
const HARD = `It's "quoted" \\ $HOME \`x\` 👋\nand {a: null}`;

for (const [language, { command, skip = false }] of Object.entries(RUNS)) {
  const run = (operation, fields, { env, ...more } = {}) => {
    const request = requestOf(operation, fields, more);
    const isStream = /^\/(chat|answers\/[^/]+)$/.test(operation.path);
    const mayBeEmpty = fields.some(({ name }) => name === "Last-Event-ID");
    const told = { origin: app.url, wantsToken: true, isStream, mayBeEmpty };
    return start(command(LANGUAGES[language].write(request, told)), env);
  };
  const chat = { method: "POST", path: "/chat" };
  const header = (name, value) => ({ in: "header", name, value });

  test(`${language}: a chat is sent as it was filled in, and its answer printed`, {
    skip,
  }, async () => {
    upstream.reset();
    const history = [
      { role: "user", content: "" },
      { role: "assistant", content: HARD },
    ];
    const body = JSON.stringify({ message: HARD, model: null, history }, null, 2);
    const program = run(chat, [], { body });
    const call = await upstream.nextCall();
    assert.deepEqual(
      call.body.messages.slice(-2).map(({ content }) => content),
      [HARD, HARD],
    );
    call.end(...answer("Good", " day"));
    const { code, stdout } = await program;
    assert.equal(code, 0);
    assert.match(stdout, language === "curl" ? /"Good".*\n\n.*" day"/ : /^Good day$/);
  });

  test(`${language}: an answer that was cut off is told`, { skip }, async () => {
    upstream.reset();
    const program = run(chat, [], { body: '{"message":"Hello"}' });
    (await upstream.nextCall()).end(delta("Half"));
    const { code, stdout, stderr } = await program;
    assert.equal(code === 0, language === "curl");
    assert.match(stdout + stderr, /The answer was cut off/);
  });

  test(`${language}: a refused request says why`, { skip }, async () => {
    const program = run(chat, [], { body: "{", env: { CHAT_TOKEN: undefined } });
    const { code, stdout, stderr } = await program;
    assert.equal(code === 0, language === "curl");
    assert.match(stdout + stderr, /unauthorized/);
  });

  test(`${language}: a kept answer is read on from a frame, and a body that is no JSON is sent as it is`, {
    skip,
  }, async () => {
    upstream.reset();
    const id = `kept-${language}`;
    const body = JSON.stringify({ message: "Hello", conversation_id: id });
    const asked = run(chat, [header("Idempotency-Key", id)], { body });
    (await upstream.nextCall()).end(...answer("One", "Two"));
    assert.equal((await asked).code, 0);
    const operation = { method: "GET", path: "/answers/{id}" };
    const at = (place) => [
      { in: "path", name: "id", value: id },
      header("Last-Event-ID", `${id}.${place}`),
    ];
    assert.match((await run(operation, at(0))).stdout, /Two/);
    assert.deepEqual(await run(operation, at(2)), { code: 0, stdout: "", stderr: "" });
    const refused = await run(chat, [], { body: "@nothing" });
    assert.match(refused.stdout + refused.stderr, /JSON decode error/);
  });

  test(`${language}: a request without a body is sent`, { skip }, async () => {
    const list = { method: "GET", path: "/conversations" };
    const query = [{ in: "query", name: "q", value: "a b&c" }];
    assert.match((await run(list, query)).stdout, /"conversations":\[\]/);
    const stop = { method: "POST", path: "/answers/{id}/stop" };
    const unknown = await run(stop, [{ in: "path", name: "id", value: "a:b" }]);
    assert.match(unknown.stdout + unknown.stderr, language === "python" ? /404/ : /not_found/);
    const all = { method: "DELETE", path: "/conversations" };
    assert.equal((await run(all, [header("X-Confirm", "delete-everything")])).code, 0);
  });
}

/** Runs a program; the promise of its end is wrapped, so that waiting for its start does not wait for its end. */
function start([program, ...args], env) {
  const child = spawn(program, args, {
    cwd: ROOT,
    env: { ...process.env, CHAT_TOKEN: TOKEN, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const text = (stream) =>
    Array.fromAsync(stream.setEncoding("utf8")).then((parts) => parts.join(""));
  return within(
    Promise.all([once(child, "close"), text(child.stdout), text(child.stderr)]).then(
      ([[code], stdout, stderr]) => ({ code, stdout, stderr }),
    ),
    "the end of the snippet",
  );
}

/** Python with the packages that the snippets import. */
async function python() {
  try {
    const requirements = ["httpx==0.28.1", "httpx-sse==0.4.3"];
    const { python } = await pythonEnvironment(requirements.join("-"), {
      requirements,
      takes: "about 10 seconds",
    });
    return { command: (code) => [python, "-c", code] };
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return { skip: error.message };
  }
}
